// SPDX-License-Identifier: GPL-2.0-only
/*
 * What read() and poll() of a handle tell: every event of its own lease, in
 * order, up to FREED, and of no other lease.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(events) {
	int control;
	uint64_t begun;
	struct helix_lease_info info;
	struct helix_lease_acquire acq;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

FIXTURE_SETUP(events)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &self->info), 0);
	self->begun = now_ns();
	ASSERT_EQ(helix_acquire(self->control, 0, &self->acq), 0);
}

FIXTURE_TEARDOWN(events)
{
	helix_close_lease(&self->acq);
	close(self->control);
}

static int set_nonblock(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) ? -errno : 0;
}

/* One event: its type, 0 at the end, or a negative errno. */
static int next_event(int fd, struct helix_lease_event *event)
{
	ssize_t got;

	memset(event, 0xa5, sizeof(*event));
	got = read(fd, event, sizeof(*event));
	if (got < 0)
		return -errno;
	if (!got)
		return 0;
	return got == sizeof(*event) ? (int)event->type : -EPROTO;
}

static short poll_now(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) < 0 ? -1 : pfd.revents;
}

TEST_F_TIMEOUT(events, a_new_lease_was_granted, 60)
{
	struct helix_lease_event event;

	EXPECT_EQ(poll_now(self->acq.handle_fd), POLLIN);
	ASSERT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_GRANTED);
	EXPECT_EQ(event.size, sizeof(event));
	EXPECT_EQ(event.scanout, self->acq.scanout);
	EXPECT_EQ(event.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(event.generation, self->acq.generation);
	EXPECT_LE(event.time_ns, now_ns());
	EXPECT_GE(event.time_ns, self->begun);
	EXPECT_EQ(event.width, 1024);
	EXPECT_EQ(event.height, 768);
	EXPECT_EQ(event.refresh_mhz, 60000);
	EXPECT_EQ(event.wait_for, HELIX_LEASE_WAIT_NONE);
	EXPECT_EQ(event.wait_ms, 0);
	EXPECT_EQ(event.lost, 0);
	EXPECT_EQ(poll_now(self->acq.handle_fd), 0);
}

TEST_F_TIMEOUT(events, a_life_is_told_in_order_and_ends, 60)
{
	static const struct {
		uint32_t type, state;
	} life[] = {
		{ HELIX_LEASE_EVENT_GRANTED, HELIX_LEASE_STATE_LEASED },
		{ HELIX_LEASE_EVENT_REVOKING, HELIX_LEASE_STATE_REVOKING },
		{ HELIX_LEASE_EVENT_REVOKED, HELIX_LEASE_STATE_REVOKING },
		{ HELIX_LEASE_EVENT_FREED, HELIX_LEASE_STATE_FREE },
	};
	struct helix_lease_event event;
	uint64_t before = 0;
	int i;

	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(poll_now(self->acq.handle_fd), POLLIN | POLLHUP);
		ASSERT_EQ(next_event(self->acq.handle_fd, &event), life[i].type);
		EXPECT_EQ(event.state, life[i].state);
		EXPECT_EQ(event.scanout, self->acq.scanout);
		EXPECT_EQ(event.generation, self->acq.generation);
		EXPECT_GE(event.time_ns, before);
		EXPECT_EQ(event.lost, 0);
		before = event.time_ns;
	}
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), 0);
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), 0);
	EXPECT_EQ(poll_now(self->acq.handle_fd), POLLHUP);
}

TEST_F_TIMEOUT(events, one_read_returns_all_there_are_and_only_whole_ones, 60)
{
	struct helix_lease_event events[8];
	char *raw = (char *)events;

	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	memset(events, 0xa5, sizeof(events));
	/* Room for two and a half. */
	ASSERT_EQ(read(self->acq.handle_fd, events, sizeof(events[0]) * 5 / 2),
		  2 * sizeof(events[0]));
	EXPECT_EQ(events[0].type, HELIX_LEASE_EVENT_GRANTED);
	EXPECT_EQ(events[1].type, HELIX_LEASE_EVENT_REVOKING);
	EXPECT_EQ((unsigned char)raw[2 * sizeof(events[0])], 0xa5);
	ASSERT_EQ(read(self->acq.handle_fd, events, sizeof(events)), 2 * sizeof(events[0]));
	EXPECT_EQ(events[0].type, HELIX_LEASE_EVENT_REVOKED);
	EXPECT_EQ(events[1].type, HELIX_LEASE_EVENT_FREED);
}

TEST_F_TIMEOUT(events, a_buffer_too_small_is_refused_and_loses_nothing, 60)
{
	struct helix_lease_event event;
	int fd = self->acq.handle_fd;

	EXPECT_EQ(read(fd, &event, sizeof(event) - 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(read(fd, &event, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_GRANTED);
	EXPECT_EQ(event.lost, 0);

	/* Also where there would be nothing to wait for. */
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	while (next_event(fd, &event) > 0)
		;
	EXPECT_EQ(read(fd, &event, 1), -1);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F_TIMEOUT(events, a_bad_buffer_loses_one_and_says_so, 60)
{
	struct helix_lease_event event;
	int fd = self->acq.handle_fd;
	void *hole;

	hole = mmap(NULL, sizeof(event), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(hole, MAP_FAILED);
	EXPECT_EQ(read(fd, hole, sizeof(event)), -1);
	EXPECT_EQ(errno, EFAULT);
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_REVOKING);
	EXPECT_EQ(event.lost, 1);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_REVOKED);
	EXPECT_EQ(event.lost, 0);
}

TEST_F_TIMEOUT(events, o_nonblock_does_not_wait, 60)
{
	struct helix_lease_event event;
	int fd = self->acq.handle_fd;

	ASSERT_EQ(set_nonblock(fd), 0);
	EXPECT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_GRANTED);
	EXPECT_EQ(next_event(fd, &event), -EAGAIN);
	EXPECT_EQ(((unsigned char *)&event)[0], 0xa5);

	/* The end is the end, not something to wait for. */
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	while (next_event(fd, &event) > 0)
		;
	EXPECT_EQ(next_event(fd, &event), 0);
}

static void nothing(int sig)
{
}

TEST_F_TIMEOUT(events, a_signal_ends_the_wait, 60)
{
	struct sigaction action = { .sa_handler = nothing };
	struct helix_lease_event event;
	pid_t child;

	ASSERT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_GRANTED);
	sigaction(SIGUSR1, &action, NULL);
	child = fork();
	if (!child) {
		/* Again and again: the first may come before we wait. */
		for (;;) {
			helix_sleep_ms(50);
			kill(getppid(), SIGUSR1);
		}
	}
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), -EINTR);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_F_TIMEOUT(events, a_wait_ends_with_what_happens, 60)
{
	struct helix_lease_event event;
	pid_t child;

	ASSERT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_GRANTED);
	child = fork();
	if (!child) {
		helix_sleep_ms(100);
		_exit(helix_revoke(self->control, self->acq.scanout, self->acq.generation) ?
		      1 : 0);
	}
	/* Every one of these may have to wait for what comes next. */
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_REVOKING);
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_REVOKED);
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_FREED);
	EXPECT_EQ(next_event(self->acq.handle_fd, &event), 0);
	waitpid(child, NULL, 0);
}

TEST_F_TIMEOUT(events, poll_wakes_for_an_event, 60)
{
	struct pollfd pfd = { .fd = self->acq.handle_fd, .events = POLLIN };
	struct helix_lease_event event;
	pid_t child;

	ASSERT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_GRANTED);
	ASSERT_EQ(poll_now(self->acq.handle_fd), 0);
	child = fork();
	if (!child) {
		helix_sleep_ms(100);
		_exit(helix_revoke(self->control, self->acq.scanout, self->acq.generation) ?
		      1 : 0);
	}
	ASSERT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
	EXPECT_EQ(pfd.revents, POLLIN | POLLHUP);
	waitpid(child, NULL, 0);
}

TEST_F_TIMEOUT(events, nothing_is_told_of_the_next_lease, 120)
{
	struct helix_lease_acquire next;
	struct helix_lease_event event;
	int n = 0;

	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	ASSERT_EQ(helix_acquire(self->control, self->acq.scanout, &next), 0);
	while (next_event(self->acq.handle_fd, &event) > 0) {
		EXPECT_EQ(event.generation, self->acq.generation);
		n++;
	}
	EXPECT_EQ(n, 4);
	ASSERT_EQ(next_event(next.handle_fd, &event), HELIX_LEASE_EVENT_GRANTED);
	EXPECT_EQ(event.generation, next.generation);
	helix_close_lease(&next);
}

TEST_F_TIMEOUT(events, a_handle_that_is_not_read_keeps_the_newest, 300)
{
	struct helix_lease_event event;
	struct helix_lease_resize resize = {
		.size = sizeof(resize),
		.timeout_ms = PATIENCE_MS,
		.height = 600,
	};
	uint32_t i, n, lost;
	int ret;

	for (i = 0; i < 40; i++) {
		resize.width = 800 + 8 * (i % 2);
		ret = sys_ioctl(self->acq.handle_fd, HELIX_LEASE_RESIZE, &resize);
		/* No control device: nobody to ask for another size. */
		if (ret == -EOPNOTSUPP && self->info.host_state == HELIX_LEASE_HOST_NONE)
			SKIP(return, "no control device");
		ASSERT_EQ(ret, 0);
	}
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);

	/* GRANTED, 40 times RESIZED, REVOKING, REVOKED, FREED. */
	ASSERT_EQ(next_event(self->acq.handle_fd, &event), HELIX_LEASE_EVENT_RESIZED);
	lost = event.lost;
	EXPECT_GT(lost, 1);
	for (n = 1; next_event(self->acq.handle_fd, &event) > 0; n++) {
		EXPECT_EQ(event.lost, 0);
		ret = event.type;
	}
	EXPECT_EQ(n + lost, 44);
	EXPECT_EQ(ret, HELIX_LEASE_EVENT_FREED);
}

TEST_F_TIMEOUT(events, every_lease_hears_that_the_host_goes_and_comes_back, 180)
{
	struct helix_lease_acquire last;
	struct helix_lease_revoke revoke = { .size = sizeof(revoke), .timeout_ms = 100 };
	struct helix_lease_event event;
	int fd = self->acq.handle_fd;

	if (!getenv("HELIX_STANDIN"))
		SKIP(return, "needs the stand-in mediator");
	/* It goes right after this one. */
	helix_acquire_init(&last, 0);
	memset(last.label, 0, sizeof(last.label));
	strcpy((char *)last.label, "standin:leave");
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &last), 0);

	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_GRANTED);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_HOST_LOST);
	EXPECT_EQ(event.scanout, 0);
	EXPECT_EQ(event.generation, 0);
	EXPECT_GE(event.time_ns, self->begun);

	/* With nobody there to turn it off it cannot be free. */
	sys_ioctl(fd, HELIX_LEASE_REVOKE, &revoke);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_REVOKING);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_REVOKED);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_QUARANTINED);
	EXPECT_EQ(event.state, HELIX_LEASE_STATE_QUARANTINED);
	EXPECT_EQ(event.generation, self->acq.generation);
	EXPECT_EQ(event.wait_for, HELIX_LEASE_WAIT_HOST);

	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_HOST_BACK);
	EXPECT_EQ(event.scanout, 0);
	ASSERT_EQ(next_event(fd, &event), HELIX_LEASE_EVENT_FREED);
	EXPECT_EQ(next_event(fd, &event), 0);
	helix_close_lease(&last);
}

TEST_HARNESS_MAIN
