// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grace period: the last frame stays for an owner who comes back, and for
 * nobody else.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#define FOREVER	HELIX_LEASE_GRACE_MAX_MS

FIXTURE(grace) {
	int control;
	int observer;
	struct helix_lease_acquire acq;
	struct picture picture;
	drmModeModeInfo mode;
};

static int set_grace(int control, uint32_t ms)
{
	struct helix_lease_policy policy = {
		.size = sizeof(policy),
		.mask = HELIX_LEASE_POLICY_GRACE_MS,
		.grace_ms = ms,
	};

	return sys_ioctl(control, HELIX_LEASE_SET_POLICY, &policy);
}

FIXTURE_SETUP(grace)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	/* No master, but it sees what every CRTC shows, without opening the node. */
	self->observer = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->observer, 0);
}

FIXTURE_TEARDOWN(grace)
{
	EXPECT_EQ(set_grace(self->control, 0), 0);
	close(self->observer);
	close(self->control);
}

/* The framebuffer on the CRTC, 0 if it is off, or a negative errno. */
static int64_t shown(int fd, uint32_t crtc_id)
{
	drmModeCrtc *crtc = drmModeGetCrtc(fd, crtc_id);
	int64_t fb;

	if (!crtc)
		return -errno;
	fb = crtc->mode_valid ? crtc->buffer_id : 0;
	drmModeFreeCrtc(crtc);
	return fb;
}

static int wait_dark(int fd, uint32_t crtc_id)
{
	int waited;

	for (waited = 0; waited < PATIENCE_MS; waited += 10) {
		if (!shown(fd, crtc_id))
			return 0;
		helix_sleep_ms(10);
	}
	return -ETIMEDOUT;
}

/* A lease with a picture, and its node closed: as after a compositor's crash. */
static int leave(int control, uint32_t flags, struct helix_lease_acquire *acq,
		 struct picture *picture)
{
	drmModeModeInfo mode;
	int ret;

	helix_acquire_init(acq, 1);
	acq->flags = flags;
	ret = sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
	if (!ret)
		ret = tenant_show(acq->lease_fd, acq, picture, &mode);
	close(acq->lease_fd);
	acq->lease_fd = -1;
	return ret;
}

static int come_back(const struct helix_lease_acquire *acq)
{
	char path[64];

	helix_node_path(path, acq->scanout);
	return open(path, O_RDWR | O_CLOEXEC);
}

TEST_F_TIMEOUT(grace, without_one_the_picture_goes_with_the_last_close, 120)
{
	ASSERT_EQ(leave(self->control, 0, &self->acq, &self->picture), 0);
	/* Unless somebody is in the way, before close() has returned. */
	EXPECT_EQ(wait_dark(self->observer, self->acq.crtc_id), 0);
	close(self->acq.handle_fd);
}

TEST_F_TIMEOUT(grace, the_last_frame_is_there_for_who_comes_back, 120)
{
	int node;

	ASSERT_EQ(set_grace(self->control, FOREVER), 0);
	ASSERT_EQ(leave(self->control, 0, &self->acq, &self->picture), 0);
	EXPECT_EQ(shown(self->observer, self->acq.crtc_id), self->picture.fb);
	node = come_back(&self->acq);
	ASSERT_GE(node, 0);
	EXPECT_EQ(shown(node, self->acq.crtc_id), self->picture.fb);
	/* It shows something else, and goes on as before. */
	EXPECT_EQ(tenant_show(node, &self->acq, &self->picture, &self->mode), 0);
	EXPECT_EQ(shown(node, self->acq.crtc_id), self->picture.fb);
	close(self->acq.handle_fd);
	close(node);
}

TEST_F_TIMEOUT(grace, a_frame_of_before_is_not_to_be_read, 120)
{
	drmModeFB2 *fb;
	int node;

	/* Its buffer belonged to the file that made it, which is closed. */
	ASSERT_EQ(set_grace(self->control, FOREVER), 0);
	ASSERT_EQ(leave(self->control, 0, &self->acq, &self->picture), 0);
	node = come_back(&self->acq);
	ASSERT_GE(node, 0);
	fb = drmModeGetFB2(node, self->picture.fb);
	EXPECT_EQ(fb, NULL);
	close(self->acq.handle_fd);
	close(node);
}

TEST_F_TIMEOUT(grace, the_picture_goes_when_it_is_over, 120)
{
	struct helix_lease_query query;

	ASSERT_EQ(set_grace(self->control, 500), 0);
	ASSERT_EQ(leave(self->control, 0, &self->acq, &self->picture), 0);
	EXPECT_EQ(wait_dark(self->observer, self->acq.crtc_id), 0);
	/* The lease is the handle's. */
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	close(self->acq.handle_fd);
}

TEST_F_TIMEOUT(grace, a_lease_that_ends_on_close_ends_when_it_is_over, 120)
{
	struct helix_lease_query query;

	ASSERT_EQ(set_grace(self->control, 500), 0);
	ASSERT_EQ(leave(self->control, HELIX_LEASE_ACQUIRE_END_ON_CLOSE, &self->acq,
			&self->picture), 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(shown(self->observer, self->acq.crtc_id), 0);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.generation, self->acq.generation);
	close(self->acq.handle_fd);
}

TEST_F_TIMEOUT(grace, who_comes_back_in_time_keeps_the_lease, 120)
{
	struct helix_lease_query query;
	int node;

	ASSERT_EQ(set_grace(self->control, 1000), 0);
	ASSERT_EQ(leave(self->control, HELIX_LEASE_ACQUIRE_END_ON_CLOSE, &self->acq,
			&self->picture), 0);
	node = come_back(&self->acq);
	if (node < 0)
		SKIP(return, "too slow to come back within a second");
	/* Long after it would have been over. */
	helix_sleep_ms(2500);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(shown(node, self->acq.crtc_id), self->picture.fb);

	/* It is counted from the last close of all, again. */
	close(node);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	close(self->acq.handle_fd);
}

TEST_F_TIMEOUT(grace, revocation_does_not_wait_for_it, 120)
{
	struct helix_lease_acquire next;

	ASSERT_EQ(set_grace(self->control, FOREVER), 0);
	ASSERT_EQ(leave(self->control, HELIX_LEASE_ACQUIRE_END_ON_CLOSE, &self->acq,
			&self->picture), 0);
	EXPECT_EQ(shown(self->observer, self->acq.crtc_id), self->picture.fb);
	ASSERT_EQ(helix_revoke(self->control, 1, self->acq.generation), 0);
	EXPECT_EQ(shown(self->observer, self->acq.crtc_id), 0);

	/* The next tenant sees nothing of it. */
	ASSERT_EQ(helix_acquire(self->control, 1, &next), 0);
	EXPECT_EQ(shown(next.lease_fd, next.crtc_id), 0);
	EXPECT_EQ(drmModeGetFB2(next.lease_fd, self->picture.fb), NULL);
	helix_close_lease(&next);
	close(self->acq.handle_fd);
}

TEST_F_TIMEOUT(grace, the_end_of_the_handle_does_not_wait_for_it, 120)
{
	ASSERT_EQ(set_grace(self->control, FOREVER), 0);
	ASSERT_EQ(leave(self->control, 0, &self->acq, &self->picture), 0);
	close(self->acq.handle_fd);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(shown(self->observer, self->acq.crtc_id), 0);
}

TEST_F_TIMEOUT(grace, one_that_is_running_does_not_reach_the_next_lease, 120)
{
	struct helix_lease_acquire next;
	struct helix_lease_query query;
	struct picture picture;

	ASSERT_EQ(set_grace(self->control, 1000), 0);
	ASSERT_EQ(leave(self->control, HELIX_LEASE_ACQUIRE_END_ON_CLOSE, &self->acq,
			&self->picture), 0);
	close(self->acq.handle_fd);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	helix_acquire_init(&next, 1);
	next.flags = HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &next), 0);
	ASSERT_EQ(tenant_show(next.lease_fd, &next, &picture, &self->mode), 0);
	helix_sleep_ms(2500);
	ASSERT_EQ(helix_query(next.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(shown(next.lease_fd, next.crtc_id), picture.fb);
	helix_close_lease(&next);
}

TEST_F_TIMEOUT(grace, unbinding_by_force_does_not_wait_for_it, 120)
{
	struct helix_lease_unbind unbind = {
		.size = sizeof(unbind),
		.flags = HELIX_LEASE_UNBIND_FORCE,
		.timeout_ms = PATIENCE_MS,
	};

	ASSERT_EQ(set_grace(self->control, FOREVER), 0);
	ASSERT_EQ(leave(self->control, HELIX_LEASE_ACQUIRE_END_ON_CLOSE, &self->acq,
			&self->picture), 0);
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_UNBIND, &unbind), 0);
	close(self->acq.handle_fd);
}

TEST_HARNESS_MAIN
