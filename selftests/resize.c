// SPDX-License-Identifier: GPL-2.0-only
/*
 * RESIZE: the tenant is offered another mode while it goes on, whatever the host,
 * another caller, or the end of the lease does meanwhile.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(resize) {
	int control;
	bool host;
	struct helix_lease_acquire acq;
};

FIXTURE_SETUP(resize)
{
	struct helix_lease_info info;

	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	self->host = info.host_state != HELIX_LEASE_HOST_NONE;
	ASSERT_EQ(helix_acquire(self->control, 0, &self->acq), 0);
}

FIXTURE_TEARDOWN(resize)
{
	helix_close_lease(&self->acq);
	close(self->control);
}

#define NEEDS_HOST()	do { if (!self->host) SKIP(return, "needs a control device"); } while (0)
#define NEEDS_STANDIN()	do {								\
	if (!getenv("HELIX_STANDIN"))							\
		SKIP(return, "needs the stand-in mediator");				\
} while (0)

/* What the tenant's own GETCONNECTOR, which probes, says is preferred. */
static int preferred_mode(int fd, uint32_t connector_id, uint32_t *width, uint32_t *height)
{
	drmModeConnector *connector = drmModeGetConnector(fd, connector_id);
	int i, ret = -ENOENT;

	if (!connector)
		return -errno;
	for (i = 0; ret && i < connector->count_modes; i++) {
		if (!(connector->modes[i].type & DRM_MODE_TYPE_PREFERRED))
			continue;
		*width = connector->modes[i].hdisplay;
		*height = connector->modes[i].vdisplay;
		ret = 0;
	}
	drmModeFreeConnector(connector);
	return ret;
}

static int acquire_labelled(int control, const char *label, struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, 0);
	memset(acq->label, 0, sizeof(acq->label));
	strcpy((char *)acq->label, label);
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

/* Until the host is asked: given up before that, it would never hear of it. */
static int wait_begun(int fd)
{
	struct helix_lease_query query;
	int waited, ret;

	for (waited = 0; waited < PATIENCE_MS; waited += 5) {
		ret = helix_query(fd, 0, &query);
		if (ret)
			return ret;
		if (query.wait_for == HELIX_LEASE_WAIT_HOST &&
		    !strcmp((char *)query.wait_name, "mode to be changed"))
			return 0;
		helix_sleep_ms(5);
	}
	return -ETIMEDOUT;
}

/* Until QUERY shows none, and this size. */
static int wait_over(int fd, uint32_t width, uint32_t height)
{
	struct helix_lease_query query;
	int waited, ret;

	for (waited = 0; waited < PATIENCE_MS; waited += 5) {
		ret = helix_query(fd, 0, &query);
		if (ret)
			return ret;
		if (query.wait_for == HELIX_LEASE_WAIT_NONE && query.width == width &&
		    query.height == height)
			return 0;
		helix_sleep_ms(5);
	}
	return -ETIMEDOUT;
}

/* Until the tenant is offered this size again, or patience is over. */
static int wait_preferred(int fd, uint32_t connector_id, uint32_t width, uint32_t height)
{
	uint32_t w = 0, h = 0;
	int waited, ret;

	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		ret = preferred_mode(fd, connector_id, &w, &h);
		if (!ret && w == width && h == height)
			return 0;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

TEST_F_TIMEOUT(resize, the_tenant_is_offered_the_new_mode_when_it_returns, 180)
{
	/* Wide, high, odd, around 1024x768 and by one pixel, and back. */
	static const uint32_t sizes[][2] = {
		{ 1920, 1080 }, { 1280, 720 }, { 720, 1280 }, { 1366, 768 }, { 1024, 768 },
		{ 1023, 768 }, { 1024, 767 }, { 1025, 769 }, { 1024, 768 }, { 801, 601 },
		{ 800, 600 }, { 800, 616 }, { 3840, 2160 }, { 640, 480 },
	};
	struct helix_lease_query query;
	uint32_t w, h, i;

	NEEDS_HOST();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ASSERT_EQ(helix_resize(self->acq.handle_fd, 0, 0, sizes[i][0], sizes[i][1],
				       PATIENCE_MS), 0)
			TH_LOG("%ux%u", sizes[i][0], sizes[i][1]);
		w = h = 0;
		ASSERT_EQ(preferred_mode(self->acq.lease_fd, self->acq.connector_id, &w, &h), 0);
		EXPECT_EQ(w, sizes[i][0]);
		EXPECT_EQ(h, sizes[i][1]);
		ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
		EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
		EXPECT_EQ(query.width, sizes[i][0]);
		EXPECT_EQ(query.height, sizes[i][1]);
		EXPECT_EQ(query.refresh_mhz, 60000);
		EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_NONE);
	}
}

TEST_F_TIMEOUT(resize, what_is_shown_stays_until_the_tenant_changes_it, 180)
{
	drmModeModeInfo mode;
	struct picture p, q;
	drmModeCrtc *crtc;

	NEEDS_HOST();
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &p, &mode), 0);
	ASSERT_EQ(helix_resize(self->acq.handle_fd, 0, 0, 1440, 900, PATIENCE_MS), 0);
	crtc = drmModeGetCrtc(self->acq.lease_fd, self->acq.crtc_id);
	ASSERT_NE(crtc, NULL);
	EXPECT_EQ(crtc->buffer_id, p.fb);
	EXPECT_EQ(crtc->mode.hdisplay, mode.hdisplay);
	EXPECT_EQ(crtc->mode.vdisplay, mode.vdisplay);
	drmModeFreeCrtc(crtc);

	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &q, &mode), 0);
	EXPECT_EQ(mode.hdisplay, 1440);
	EXPECT_EQ(mode.vdisplay, 900);
}

TEST_F_TIMEOUT(resize, an_administrator_names_scanout_and_generation, 180)
{
	uint32_t s = self->acq.scanout;
	uint64_t g = self->acq.generation;

	NEEDS_HOST();
	EXPECT_EQ(helix_resize(self->control, s, g, 1280, 800, PATIENCE_MS), 0);
	EXPECT_EQ(helix_resize(self->control, s, g - 1, 1280, 800, 0), -ESTALE);
	EXPECT_EQ(helix_resize(self->control, s, 0, 1280, 800, 0), -ESTALE);
	EXPECT_EQ(helix_resize(self->control, 0, g, 1280, 800, 0), -EINVAL);
	EXPECT_EQ(helix_resize(self->acq.handle_fd, s, 0, 1280, 800, 0), -EINVAL);
	EXPECT_EQ(helix_resize(self->acq.handle_fd, 0, g, 1280, 800, 0), -EINVAL);
	ASSERT_EQ(helix_revoke(self->acq.handle_fd, 0, 0), 0);
	EXPECT_EQ(helix_resize(self->control, s, g, 1280, 800, 0), -ESTALE);
	EXPECT_EQ(helix_resize(self->acq.handle_fd, 0, 0, 1280, 800, 0), -ESTALE);
}

TEST_F_TIMEOUT(resize, sizes_out_of_range_are_refused, 60)
{
	struct helix_lease_resize resize;

#define REFUSED(field, value, error) do {						\
	resize = (struct helix_lease_resize){						\
		.size = sizeof(resize), .width = 800, .height = 600,			\
	};										\
	resize.field = value;								\
	EXPECT_EQ(sys_ioctl(self->acq.handle_fd, HELIX_LEASE_RESIZE, &resize), error)	\
		TH_LOG(#field " = " #value);						\
} while (0)

	REFUSED(width, 0, -EINVAL);
	REFUSED(width, 16385, -EINVAL);
	REFUSED(height, 0, -EINVAL);
	REFUSED(height, 0xffffffff, -EINVAL);
	REFUSED(refresh_mhz, 999, -EINVAL);
	REFUSED(refresh_mhz, 1000001, -EINVAL);
	REFUSED(timeout_ms, HELIX_LEASE_TIMEOUT_MAX_MS + 1, -EINVAL);
	REFUSED(flags, 1, -EOPNOTSUPP);
	REFUSED(__reserved, 1, -EOPNOTSUPP);
#undef REFUSED
}

TEST_F_TIMEOUT(resize, without_a_control_device_it_is_eopnotsupp, 60)
{
	struct helix_lease_query query;

	if (self->host)
		SKIP(return, "there is a control device");
	EXPECT_EQ(helix_resize(self->acq.handle_fd, 0, 0, 1280, 800, 0), -EOPNOTSUPP);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.width, 1024);
	EXPECT_EQ(query.height, 768);
}

static const struct {
	const char *label;
	int error;
} faults[] = {
	{ "standin:resize-refuse", -EHOSTUNREACH },
	{ "standin:resize-silent", -ETIMEDOUT },
};

TEST_F_TIMEOUT(resize, one_that_fails_leaves_the_size_as_it_was, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	uint32_t i;

	NEEDS_STANDIN();
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		ASSERT_EQ(acquire_labelled(self->control, faults[i].label, &acq), 0);
		EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1280, 800, 1000), faults[i].error)
			TH_LOG("%s", faults[i].label);
		/* The worker may take a moment longer than its caller. */
		EXPECT_EQ(wait_over(acq.handle_fd, 1024, 768), 0);
		EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1024, 768), 0);
		ASSERT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
		EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
		/* The next one is served. */
		EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1152, 864, PATIENCE_MS), 0);
		EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1152, 864), 0);
		helix_close_lease(&acq);
	}
}

/* A child that resizes, and exits with what it got. */
static pid_t resize_in_child(int fd, uint32_t width, uint32_t height)
{
	pid_t child = fork();

	if (!child)
		_exit(-helix_resize(fd, 0, 0, width, height, PATIENCE_MS));
	return child;
}

static int exit_of(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 1;
}

TEST_F_TIMEOUT(resize, a_change_the_guest_does_not_hear_of_is_repeated, 180)
{
	struct helix_lease_acquire acq;

	NEEDS_STANDIN();
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-lose", &acq), 0);
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1280, 800, PATIENCE_MS), 0);
	EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1280, 800), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(resize, the_end_of_the_lease_ends_it, 180)
{
	struct helix_lease_acquire acq;
	pid_t first, second;

	NEEDS_STANDIN();
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-silent", &acq), 0);
	first = resize_in_child(acq.handle_fd, 1280, 800);
	ASSERT_EQ(wait_begun(acq.handle_fd), 0);
	/* Waits for its turn. */
	second = resize_in_child(acq.handle_fd, 1440, 900);
	helix_sleep_ms(50);
	EXPECT_EQ(helix_revoke(self->control, acq.scanout, acq.generation), 0);
	EXPECT_EQ(exit_of(first), -ECANCELED);
	EXPECT_EQ(exit_of(second), -ECANCELED);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(resize, the_death_of_who_asked_for_it_gives_it_up, 180)
{
	struct helix_lease_acquire acq;
	pid_t child;

	NEEDS_STANDIN();
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-silent", &acq), 0);
	child = resize_in_child(acq.handle_fd, 1280, 800);
	ASSERT_EQ(wait_begun(acq.handle_fd), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(wait_over(acq.handle_fd, 1024, 768), 0);
	EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1024, 768), 0);
	helix_close_lease(&acq);
}

static void nothing(int sig)
{
}

TEST_F_TIMEOUT(resize, a_signal_gives_it_up, 180)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct helix_lease_acquire acq;

	NEEDS_STANDIN();
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-silent", &acq), 0);
	sigaction(SIGUSR1, &action, NULL);
	if (!fork()) {
		wait_begun(acq.handle_fd);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1280, 800, PATIENCE_MS), -EINTR);
	wait(NULL);
	EXPECT_EQ(wait_over(acq.handle_fd, 1024, 768), 0);
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1152, 864, PATIENCE_MS), 0);
	EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1152, 864), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(resize, many_at_once_are_done_one_after_the_other, 180)
{
	struct helix_lease_query query;
	uint32_t w = 0, h = 0, i;
	pid_t children[8];

	NEEDS_HOST();
	for (i = 0; i < 8; i++)
		children[i] = resize_in_child(self->acq.handle_fd, 800 + 16 * i, 600 + i);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(exit_of(children[i]), 0);
	/* Whichever was last: module, host and guest agree on it. */
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.width, 800 + 16 * (query.height - 600));
	ASSERT_EQ(preferred_mode(self->acq.lease_fd, self->acq.connector_id, &w, &h), 0);
	EXPECT_EQ(w, query.width);
	EXPECT_EQ(h, query.height);
}

TEST_F_TIMEOUT(resize, with_o_nonblock_it_is_only_begun, 180)
{
	struct helix_lease_acquire acq;

	NEEDS_STANDIN();
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-silent", &acq), 0);
	ASSERT_EQ(fcntl(acq.handle_fd, F_SETFL, O_NONBLOCK), 0);
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1280, 800, 2000), -EINPROGRESS);
	/* The host is silent: its turn would have to be waited for. */
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1440, 900, 0), -EAGAIN);
	EXPECT_EQ(wait_begun(acq.handle_fd), 0);
	EXPECT_EQ(wait_over(acq.handle_fd, 1024, 768), 0);

	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1440, 900, PATIENCE_MS), -EINPROGRESS);
	EXPECT_EQ(wait_over(acq.handle_fd, 1440, 900), 0);
	EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1440, 900), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(resize, the_next_mediator_is_told_of_the_new_size, 180)
{
	struct helix_lease_acquire acq;

	NEEDS_STANDIN();
	/* The mediator goes after it has resized, and turns the output off. */
	ASSERT_EQ(acquire_labelled(self->control, "standin:resize-leave", &acq), 0);
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 1280, 800, PATIENCE_MS), 0);
	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_DOWN), 0);
	EXPECT_EQ(helix_resize(acq.handle_fd, 0, 0, 800, 600, PATIENCE_MS), -EHOSTDOWN);
	EXPECT_EQ(wait_preferred(acq.lease_fd, acq.connector_id, 1280, 800), 0);
	helix_close_lease(&acq);
}

TEST_HARNESS_MAIN
