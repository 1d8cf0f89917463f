// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases from grant to end: who gets one, what ends it, and that nothing else
 * does.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#define MANY	64

FIXTURE(lease) {
	int control;
	struct helix_lease_info info;
};

FIXTURE_SETUP(lease)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &self->info), 0);
}

FIXTURE_TEARDOWN(lease)
{
	close(self->control);
}

TEST_F_TIMEOUT(lease, acquire_fills_every_output, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	EXPECT_GE(acq.scanout, 1);
	EXPECT_LE(acq.scanout, self->info.nr_scanouts);
	EXPECT_NE(acq.generation, 0);
	EXPECT_NE(acq.generation, 0xa5a5a5a5a5a5a5a5ULL);
	EXPECT_EQ(acq.refresh_mhz, 60000);
	EXPECT_GE(acq.handle_fd, 0);
	EXPECT_GE(acq.lease_fd, 0);
	EXPECT_EQ(fcntl(acq.handle_fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(acq.lease_fd, F_GETFD), FD_CLOEXEC);

	ASSERT_EQ(helix_query(self->control, acq.scanout, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, acq.generation);
	EXPECT_EQ(query.width, 1024);
	EXPECT_EQ(query.height, 768);
	EXPECT_EQ(query.refresh_mhz, 60000);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_NONE);
	EXPECT_EQ(query.opens, 1);
	EXPECT_EQ(query.owner_pid, getpid());
	EXPECT_EQ(query.owner_uid, getuid());
	EXPECT_GE(query.grants, 1);
	EXPECT_EQ(query.connector_id, acq.connector_id);
	EXPECT_EQ(query.crtc_id, acq.crtc_id);
	EXPECT_EQ(query.primary_plane_id, acq.primary_plane_id);
	EXPECT_EQ(query.cursor_plane_id, acq.cursor_plane_id);
	EXPECT_NE(query.output, 0);
	EXPECT_STREQ((char *)query.label, "selftest");
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lease, acquire_acts_for_the_owner_it_names, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	helix_acquire_init(&acq, 0);
	acq.owner_pid = child;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	EXPECT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.owner_pid, child);

	/* The lease does not end with that process. */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	helix_close_lease(&acq);

	helix_acquire_init(&acq, 0);
	acq.owner_pid = child;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), -ESRCH);
}

TEST_F_TIMEOUT(lease, all_scanouts_can_be_had_and_then_none, 300)
{
	struct helix_lease_acquire acq[MANY], one;
	uint32_t n = self->info.nr_scanouts, i, j;

	ASSERT_LE(n, MANY);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(helix_acquire(self->control, 0, &acq[i]), 0)
			TH_LOG("acquire %u of %u", i + 1, n);
		for (j = 0; j < i; j++) {
			EXPECT_NE(acq[j].scanout, acq[i].scanout);
			EXPECT_NE(acq[j].generation, acq[i].generation);
			EXPECT_NE(acq[j].connector_id, acq[i].connector_id);
			EXPECT_NE(acq[j].crtc_id, acq[i].crtc_id);
			EXPECT_NE(acq[j].primary_plane_id, acq[i].primary_plane_id);
			EXPECT_NE(acq[j].cursor_plane_id, acq[i].cursor_plane_id);
		}
	}

	EXPECT_EQ(helix_acquire(self->control, 0, &one), -ENOSPC);
	EXPECT_EQ(helix_acquire(self->control, 1, &one), -EBUSY);

	/* One comes back, and is the one that is had next. */
	EXPECT_EQ(helix_revoke(self->control, acq[n / 2].scanout, acq[n / 2].generation), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &one), 0);
	EXPECT_EQ(one.scanout, acq[n / 2].scanout);
	EXPECT_GT(one.generation, acq[n / 2].generation);
	helix_close_lease(&one);
	for (i = 0; i < n; i++)
		helix_close_lease(&acq[i]);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(lease, all_scanouts_can_be_had_at_once, 300)
{
	struct helix_lease_acquire acq;
	uint32_t n = self->info.nr_scanouts, i;
	int pipefd[2], status, failed = 0;
	char byte;

	/* Each of them keeps its lease until all have one. */
	ASSERT_EQ(pipe(pipefd), 0);
	for (i = 0; i < n; i++) {
		if (fork())
			continue;
		close(pipefd[1]);
		status = helix_acquire(self->control, 0, &acq);
		if (!status && read(pipefd[0], &byte, 1))
			status = -EIO;
		_exit(status ? 1 : 0);
	}
	for (i = 1; i <= n; i++)
		EXPECT_EQ(helix_wait_state(self->control, i, HELIX_LEASE_STATE_LEASED), 0);
	close(pipefd[0]);
	close(pipefd[1]);
	for (i = 0; i < n; i++) {
		wait(&status);
		failed += status != 0;
	}
	EXPECT_EQ(failed, 0);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(lease, the_scanout_wished_for_is_granted, 120)
{
	struct helix_lease_acquire acq, again;
	uint32_t wish = self->info.nr_scanouts;

	ASSERT_EQ(helix_acquire(self->control, wish, &acq), 0);
	EXPECT_EQ(acq.scanout, wish);
	EXPECT_EQ(helix_acquire(self->control, wish, &again), -EBUSY);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lease, one_that_is_just_given_back_is_waited_for, 180)
{
	struct helix_lease_acquire acq[MANY], one;
	uint32_t n = self->info.nr_scanouts, i;

	/* Its picture and its output are being turned off when it is asked for again. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(helix_acquire(self->control, 1, &one), 0) TH_LOG("the %uth time", i);
		helix_close_lease(&one);
	}

	ASSERT_LE(n, MANY);
	for (i = 0; i < n; i++)
		ASSERT_EQ(helix_acquire(self->control, i + 1, &acq[i]), 0);
	for (i = 0; i < 5; i++) {
		helix_close_lease(&acq[i]);
		ASSERT_EQ(helix_acquire(self->control, 0, &one), 0) TH_LOG("the %uth time", i);
		EXPECT_EQ(one.scanout, i + 1);
		acq[i] = one;
	}
	for (i = 0; i < n; i++)
		helix_close_lease(&acq[i]);
}

TEST_F_TIMEOUT(lease, a_stale_generation_is_refused, 120)
{
	struct helix_lease_acquire first, second;
	struct helix_lease_query query;

	ASSERT_EQ(helix_acquire(self->control, 1, &first), 0);
	ASSERT_EQ(helix_revoke(self->control, 1, first.generation), 0);
	EXPECT_EQ(helix_revoke(self->control, 1, first.generation), -ESTALE);

	ASSERT_EQ(helix_acquire(self->control, 1, &second), 0);
	EXPECT_GT(second.generation, first.generation);
	EXPECT_EQ(helix_revoke(self->control, 1, first.generation), -ESTALE);
	EXPECT_EQ(helix_revoke(self->control, 1, second.generation + 1), -ESTALE);
	EXPECT_EQ(helix_revoke(self->control, 1, 0), -ESTALE);

	/* The first tenant's late close does not hit the second. */
	helix_close_lease(&first);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, second.generation);
	helix_close_lease(&second);
}

TEST_F_TIMEOUT(lease, a_handle_revokes_and_reports_its_own_lease_only, 120)
{
	struct helix_lease_acquire acq, next;
	struct helix_lease_query query;
	struct pollfd pfd;

	ASSERT_EQ(helix_acquire(self->control, 2, &acq), 0);
	pfd = (struct pollfd){ .fd = acq.handle_fd };
	EXPECT_EQ(poll(&pfd, 1, 0), 0);
	EXPECT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.scanout, 2);
	EXPECT_EQ(helix_query(acq.handle_fd, 2, &query), -EINVAL);
	EXPECT_EQ(helix_revoke(acq.handle_fd, 2, 0), -EINVAL);
	EXPECT_EQ(helix_revoke(acq.handle_fd, 0, acq.generation), -EINVAL);

	EXPECT_EQ(helix_revoke(acq.handle_fd, 0, 0), 0);
	EXPECT_EQ(poll(&pfd, 1, 0), 1);
	EXPECT_EQ(pfd.revents, POLLHUP);
	EXPECT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
	EXPECT_EQ(helix_revoke(acq.handle_fd, 0, 0), -ESTALE);

	ASSERT_EQ(helix_acquire(self->control, 2, &next), 0);
	EXPECT_EQ(helix_query(acq.handle_fd, 0, &query), -ESTALE);
	EXPECT_EQ(helix_revoke(acq.handle_fd, 0, 0), -ESTALE);
	helix_close_lease(&acq);
	helix_close_lease(&next);
}

TEST_F_TIMEOUT(lease, poll_wakes_when_the_lease_is_revoked, 120)
{
	struct helix_lease_acquire acq;
	struct pollfd pfd;
	int status;
	pid_t child;

	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	child = fork();
	if (!child) {
		pfd = (struct pollfd){ .fd = acq.handle_fd };
		_exit(poll(&pfd, 1, PATIENCE_MS) == 1 && pfd.revents == POLLHUP ? 0 : 1);
	}
	helix_sleep_ms(100);
	EXPECT_EQ(helix_revoke(self->control, acq.scanout, acq.generation), 0);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lease, ends_with_the_last_close_of_its_handle, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int copy;

	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	copy = dup(acq.handle_fd);
	close(acq.handle_fd);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	close(copy);

	/* Although the tenant still has its node open. */
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.opens, 1);
	close(acq.lease_fd);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.opens, 0);
	EXPECT_EQ(query.owner_pid, 0);
}

TEST_F_TIMEOUT(lease, ends_with_the_last_close_of_its_node_if_asked_to, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	char path[64];
	int again;

	helix_acquire_init(&acq, 1);
	acq.flags = HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	helix_node_path(path, 1);
	again = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(again, 0);
	close(acq.lease_fd);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);

	/* Although its holder still has the handle. */
	close(again);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_LT(open(path, O_RDWR | O_CLOEXEC), 0);
	close(acq.handle_fd);
}

/* It is not a file of a path; the node is. */
TEST_F_TIMEOUT(lease, its_descriptor_opens_no_other, 180)
{
	struct helix_lease_acquire acq;
	char path[64];
	int i, node;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", acq.lease_fd);
		EXPECT_EQ(open(path, O_RDWR | O_CLOEXEC), -1);
		EXPECT_EQ(errno, EACCES);
		helix_node_path(path, acq.scanout);
		node = open(path, O_RDWR | O_CLOEXEC);
		EXPECT_GE(node, 0);
		close(node);
		helix_close_lease(&acq);
	}
}

TEST_F_TIMEOUT(lease, outlives_the_closing_of_its_node_if_not_asked_to, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	char path[64];
	int again;

	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	close(acq.lease_fd);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, acq.generation);

	/* A compositor that starts again finds its scanout. */
	helix_node_path(path, 1);
	again = open(path, O_RDWR | O_CLOEXEC);
	EXPECT_GE(again, 0);
	close(again);
	close(acq.handle_fd);
}

TEST_F_TIMEOUT(lease, sigkill_of_the_holder_frees_the_scanout, 120)
{
	struct helix_lease_acquire acq;
	struct picture picture;
	drmModeModeInfo mode;
	int pipefd[2], status;
	char ok = 0;
	pid_t child;

	ASSERT_EQ(pipe(pipefd), 0);
	child = fork();
	if (!child) {
		ok = !helix_acquire(self->control, 3, &acq) &&
		     !tenant_show(acq.lease_fd, &acq, &picture, &mode);
		if (write(pipefd[1], &ok, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	ASSERT_EQ(read(pipefd[0], &ok, 1), 1);
	EXPECT_EQ(ok, 1);
	EXPECT_EQ(helix_wait_state(self->control, 3, HELIX_LEASE_STATE_LEASED), 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
	EXPECT_EQ(helix_wait_state(self->control, 3, HELIX_LEASE_STATE_FREE), 0);

	ASSERT_EQ(helix_acquire(self->control, 3, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lease, sigkill_of_the_binder_changes_nothing, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct picture picture;
	drmModeModeInfo mode;
	int pipefd[2], card, ret;
	struct helix_lease_bind bind;
	pid_t child;

	/* A broker that holds the master's file itself, as well. */
	ASSERT_EQ(helix_unbind(self->control), 0);
	ASSERT_EQ(pipe(pipefd), 0);
	child = fork();
	if (!child) {
		card = open(CARD, O_RDWR | O_CLOEXEC);
		ret = card < 0 ? -errno : helix_bind_fd(self->control, card, &bind);
		if (write(pipefd[1], &ret, sizeof(ret)) != sizeof(ret))
			_exit(1);
		pause();
		_exit(0);
	}
	ASSERT_EQ(read(pipefd[0], &ret, sizeof(ret)), sizeof(ret));
	ASSERT_EQ(ret, 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &picture, &mode), 0);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);

	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.generation, acq.generation);
	EXPECT_EQ(tenant_set_crtc(acq.lease_fd, &acq, picture.fb, &mode), 0);
	EXPECT_EQ(drmModePageFlip(acq.lease_fd, acq.crtc_id, picture.fb, 0, NULL), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lease, a_signal_leaves_nothing_behind, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int status, i;
	pid_t child;

	/*
	 * A signal at any moment of ACQUIRE: the child either has a lease, which
	 * goes with it, or none.
	 */
	for (i = 0; i < 5; i++) {
		child = fork();
		if (!child) {
			signal(SIGALRM, SIG_DFL);
			_exit(helix_acquire(self->control, 4, &acq) ? 1 : 0);
		}
		helix_sleep_ms(i * 3);
		kill(child, SIGTERM);
		waitpid(child, &status, 0);
		EXPECT_EQ(helix_wait_state(self->control, 4, HELIX_LEASE_STATE_FREE), 0);
	}
	ASSERT_EQ(helix_query(self->control, 4, &query), 0);
	EXPECT_EQ(query.opens, 0);
	ASSERT_EQ(helix_acquire(self->control, 4, &acq), 0);
	helix_close_lease(&acq);
}

TEST_HARNESS_MAIN
