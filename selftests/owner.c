// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that a lease ends with, named by a pidfd: whoever holds the handle,
 * whoever has the node open, and whether or not anybody waits for the process.
 */
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(owner) {
	int control;
	pid_t child;
	int pidfd;
};

static pid_t idle_child(void)
{
	pid_t child = fork();

	if (!child)
		for (;;)
			pause();
	return child;
}

FIXTURE_SETUP(owner)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	self->child = idle_child();
	ASSERT_GT(self->child, 0);
	self->pidfd = syscall(SYS_pidfd_open, self->child, 0);
	ASSERT_GE(self->pidfd, 0);
}

FIXTURE_TEARDOWN(owner)
{
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
	close(self->pidfd);
	close(self->control);
}

static int acquire_for(int control, uint32_t scanout, int pidfd, struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, scanout);
	acq->flags = HELIX_LEASE_ACQUIRE_PIDFD;
	acq->pidfd = pidfd;
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

TEST_F_TIMEOUT(owner, its_end_ends_the_lease, 120)
{
	struct helix_lease_acquire acq;
	drmModeModeInfo mode;
	struct picture p;
	struct pollfd pfd;

	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &acq), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	kill(self->child, SIGKILL);
	/* A zombie: nobody waits for it. The handle and the node stay open. */
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	pfd = (struct pollfd){ .fd = acq.handle_fd };
	EXPECT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
	EXPECT_TRUE(pfd.revents & POLLHUP);
	EXPECT_EQ(tenant_set_crtc(acq.lease_fd, &acq, p.fb, &mode), -EACCES);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(owner, an_orderly_end_is_one_too, 120)
{
	struct helix_lease_acquire acq;
	int go[2], pidfd;
	char byte;
	pid_t child;

	ASSERT_EQ(pipe(go), 0);
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) ? 1 : 0);
	}
	close(go[0]);
	pidfd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(acquire_for(self->control, 1, pidfd, &acq), 0);
	/* The lease does not need the descriptor. */
	close(pidfd);
	close(go[1]);
	waitpid(child, NULL, 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(owner, nobody_elses_end_does, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int ready[2], pidfd;
	pid_t parent, other, grandchild;

	/* A parent with a child of its own, to whom it has left the node. */
	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &acq), 0);
	fcntl(acq.lease_fd, F_SETFD, 0);
	other = idle_child();
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);

	/* It ends with the parent, although the child, which has both files, goes on. */
	ASSERT_EQ(pipe(ready), 0);
	parent = fork();
	if (!parent) {
		pidfd = syscall(SYS_pidfd_open, getpid(), 0);
		if (acquire_for(self->control, 1, pidfd, &acq))
			_exit(1);
		grandchild = idle_child();
		if (write(ready[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.opens, 1);
	kill(grandchild, SIGKILL);
}

TEST_F_TIMEOUT(owner, exec_is_not_an_end, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int go[2], done[2], pidfd;
	pid_t child;
	char byte;

	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		close(done[0]);
		if (read(go[0], &byte, 1) == 1)
			execl("/bin/busybox", "sleep", "1000", NULL);
		_exit(1);
	}
	close(done[1]);
	pidfd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_EQ(acquire_for(self->control, 1, pidfd, &acq), 0);
	ASSERT_EQ(write(go[1], "x", 1), 1);
	/* Closed by the exec. */
	ASSERT_EQ(read(done[0], &byte, 1), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	kill(child, SIGKILL);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	waitpid(child, NULL, 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(owner, one_process_may_be_that_of_many_leases, 180)
{
	struct helix_lease_acquire acq[5];
	uint32_t i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(acquire_for(self->control, 1 + i, self->pidfd, &acq[i]), 0);
	/* One is over before. */
	EXPECT_EQ(helix_revoke(acq[2].handle_fd, 0, 0), 0);
	kill(self->child, SIGKILL);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(helix_wait_state(self->control, 1 + i, HELIX_LEASE_STATE_FREE), 0);
	for (i = 0; i < 5; i++)
		helix_close_lease(&acq[i]);
}

TEST_F_TIMEOUT(owner, the_next_lease_is_not_hit, 120)
{
	struct helix_lease_acquire old, probe, next;
	struct helix_lease_query query;

	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &old), 0);
	ASSERT_EQ(acquire_for(self->control, 2, self->pidfd, &probe), 0);
	ASSERT_EQ(helix_revoke(self->control, 1, old.generation), 0);
	/* The old tenant's files keep its lease's memory. */
	ASSERT_EQ(helix_acquire(self->control, 1, &next), 0);
	kill(self->child, SIGKILL);
	EXPECT_EQ(helix_wait_state(self->control, 2, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, next.generation);
	helix_close_lease(&old);
	helix_close_lease(&probe);
	helix_close_lease(&next);
}

TEST_F_TIMEOUT(owner, one_that_has_ended_is_esrch, 120)
{
	struct helix_lease_acquire acq;
	struct pollfd pfd = { .fd = self->pidfd, .events = POLLIN };

	kill(self->child, SIGKILL);
	ASSERT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
	EXPECT_EQ(acquire_for(self->control, 0, self->pidfd, &acq), -ESRCH);
	waitpid(self->child, NULL, 0);
	EXPECT_EQ(acquire_for(self->control, 0, self->pidfd, &acq), -ESRCH);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(owner, what_is_no_pidfd_is_ebadf, 120)
{
	struct helix_lease_acquire acq, held;
	int fds[4], i;

	ASSERT_EQ(helix_acquire(self->control, 1, &held), 0);
	fds[0] = open("/dev/null", O_RDWR);
	fds[1] = eventfd(0, 0);
	fds[2] = held.handle_fd;
	fds[3] = held.lease_fd;
	EXPECT_EQ(acquire_for(self->control, 0, -1, &acq), -EBADF);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(acquire_for(self->control, 0, fds[i], &acq), -EBADF);
	close(fds[0]);
	EXPECT_EQ(acquire_for(self->control, 0, fds[0], &acq), -EBADF);
	close(fds[1]);
	helix_close_lease(&held);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

static int keep(int fd)
{
	struct helix_lease_keep arg = { .size = sizeof(arg) };

	return sys_ioctl(fd, HELIX_LEASE_KEEP, &arg);
}

TEST_F_TIMEOUT(owner, a_lease_that_is_kept_needs_no_handle, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct helix_lease_revoke revoke = { .size = sizeof(revoke), .scanout = 1 };

	/* It ends with the process, and with nothing that whoever acquired it does. */
	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &acq), 0);
	ASSERT_EQ(keep(acq.handle_fd), 0);
	EXPECT_EQ(keep(acq.handle_fd), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, acq.generation);

	/* Or as any other does. */
	revoke.generation = acq.generation;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_REVOKE, &revoke), 0);

	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &acq), 0);
	ASSERT_EQ(keep(acq.handle_fd), 0);
	helix_close_lease(&acq);
	kill(self->child, SIGKILL);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
}

TEST_F_TIMEOUT(owner, nothing_is_kept_for_nobody, 120)
{
	struct helix_lease_acquire acq;

	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	EXPECT_EQ(keep(acq.handle_fd), -EINVAL);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);

	ASSERT_EQ(acquire_for(self->control, 1, self->pidfd, &acq), 0);
	kill(self->child, SIGKILL);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(keep(acq.handle_fd), -ESTALE);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(owner, many_come_and_go_at_once, 180)
{
	struct helix_lease_acquire acq;
	int pidfd, i;
	pid_t child;

	/* The process ends at any moment of ACQUIRE, or just after it. */
	for (i = 0; i < 30; i++) {
		child = fork();
		if (!child) {
			helix_sleep_ms(i);
			_exit(0);
		}
		pidfd = syscall(SYS_pidfd_open, child, 0);
		ASSERT_GE(pidfd, 0);
		if (!acquire_for(self->control, 3, pidfd, &acq)) {
			EXPECT_EQ(helix_wait_state(self->control, 3, HELIX_LEASE_STATE_FREE), 0);
			helix_close_lease(&acq);
		}
		close(pidfd);
		waitpid(child, NULL, 0);
		ASSERT_EQ(helix_wait_state(self->control, 3, HELIX_LEASE_STATE_FREE), 0);
	}
}

TEST_HARNESS_MAIN
