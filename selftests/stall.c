// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant whose fence does not signal: his scanout is quarantined until it
 * does, the others notice nothing. The fence is vgem's, which any tenant could
 * get and which signals by itself after ten seconds.
 */
#include "helix_test.h"
#include "vgem.h"
#include "kselftest_harness.h"

FIXTURE(stall) {
	int control;
	int vgem;
	uint32_t fence;
	int sync_file;
	struct helix_lease_acquire stuck, other;
	struct picture first, second, of_other;
	drmModeModeInfo mode, mode_other;
};

FIXTURE_SETUP(stall)
{
	int fd;

	self->vgem = open_vgem();
	if (self->vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(write_parameter("quiesce_ms", "500"), 0);
	ASSERT_EQ(write_parameter("stall_ms", "100"), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &self->stuck), 0);
	ASSERT_EQ(helix_acquire(self->control, 2, &self->other), 0);
	fd = self->stuck.lease_fd;
	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(tenant_show(fd, &self->stuck, &self->first, &self->mode), 0);
	ASSERT_EQ(picture_create(fd, self->mode.hdisplay, self->mode.vdisplay,
				 DRM_FORMAT_XRGB8888, &self->second), 0);
	ASSERT_EQ(tenant_show(self->other.lease_fd, &self->other, &self->of_other,
			      &self->mode_other), 0);
	self->sync_file = vgem_fence(self->vgem, &self->fence);
	ASSERT_GE(self->sync_file, 0);
}

FIXTURE_TEARDOWN(stall)
{
	write_parameter("quiesce_ms", "5000");
	write_parameter("stall_ms", "2000");
}

static int flip_other(int fd, const struct helix_lease_acquire *acq, uint32_t fb)
{
	return drmModePageFlip(fd, acq->crtc_id, fb, 0, NULL) ? -errno : 0;
}

TEST_F_TIMEOUT(stall, a_pending_commit_quarantines_only_its_own_scanout, 120)
{
	struct helix_lease_acquire third;
	struct helix_lease_query query;
	struct picture p;
	drmModeModeInfo mode;

	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	close(self->stuck.handle_fd);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_QUARANTINED), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_NE(strstr((char *)query.wait_name, "vgem"), NULL);
	EXPECT_EQ(helix_acquire(self->control, 1, &third), -EBUSY);

	EXPECT_EQ(flip_other(self->other.lease_fd, &self->other, self->of_other.fb), 0);
	ASSERT_EQ(helix_acquire(self->control, 3, &third), 0);
	EXPECT_EQ(tenant_show(third.lease_fd, &third, &p, &mode), 0);
	EXPECT_EQ(helix_revoke(third.handle_fd, 0, 0), 0);
	helix_close_lease(&third);

	/* Still stuck, and not by accident done. */
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_QUARANTINED);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	close(self->stuck.lease_fd);
	helix_close_lease(&self->other);
}

TEST_F_TIMEOUT(stall, a_blocking_commit_keeps_its_scanout_from_nobody, 120)
{
	struct helix_lease_query query;
	int status;
	pid_t child;

	child = fork();
	if (!child)
		_exit(-flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
				  self->second.fb, self->sync_file, 0));
	ASSERT_EQ(wait_stalled(self->stuck.handle_fd, 0), 0);
	EXPECT_EQ(waitpid(child, &status, WNOHANG), 0);
	EXPECT_EQ(flip_other(self->other.lease_fd, &self->other, self->of_other.fb), 0);

	/* It was not taken yet, and is not any more: nothing has to be waited for. */
	EXPECT_EQ(helix_revoke(self->control, 1, self->stuck.generation), 0);
	EXPECT_TRUE(fence_pending(self->sync_file));
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), EACCES);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	helix_close_lease(&self->stuck);
	helix_close_lease(&self->other);
}

TEST_F_TIMEOUT(stall, is_reported_until_it_moves, 120)
{
	struct helix_lease_query query;
	uint64_t before;

	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.stalled_ms, 0);
	before = query.stalls;
	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	ASSERT_EQ(wait_stalled(self->stuck.handle_fd, 0), 0);
	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_NE(strstr((char *)query.wait_name, "vgem"), NULL);
	EXPECT_EQ(query.wait_ms, query.stalled_ms);
	EXPECT_EQ(query.stalls, before + 1);
	/* Nobody else is. */
	ASSERT_EQ(helix_query(self->other.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.stalled_ms, 0);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	EXPECT_EQ(wait_moves(self->stuck.handle_fd, 0), 0);
	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_NONE);
	EXPECT_EQ(query.wait_name[0], 0);
	EXPECT_EQ(query.stalls, before + 1);
	helix_close_lease(&self->stuck);
	helix_close_lease(&self->other);
}

TEST_HARNESS_MAIN
