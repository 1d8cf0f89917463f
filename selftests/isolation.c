// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tenants, A and B: nothing of A's can be read or shown by B, by any name
 * that B can guess. On plain DRM leases most of these succeed.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(isolation) {
	int control;
	struct helix_lease_acquire a, b;
	struct picture of_a, of_b;
	drmModeModeInfo mode_a, mode_b;
};

FIXTURE_SETUP(isolation)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->a), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->b), 0);
	ASSERT_EQ(tenant_show(self->a.lease_fd, &self->a, &self->of_a, &self->mode_a), 0);
	ASSERT_EQ(tenant_show(self->b.lease_fd, &self->b, &self->of_b, &self->mode_b), 0);
}

FIXTURE_TEARDOWN(isolation)
{
	helix_close_lease(&self->a);
	helix_close_lease(&self->b);
	close(self->control);
}

static uint64_t denials(struct helix_lease_acquire *acq)
{
	struct helix_lease_query query;

	return helix_query(acq->handle_fd, 0, &query) ? ~0ULL : query.denials;
}

TEST_F_TIMEOUT(isolation, getfb_of_another_lease_is_refused, 120)
{
	struct drm_mode_fb_cmd cmd = { .fb_id = self->of_a.fb };
	uint64_t before = denials(&self->b);

	EXPECT_EQ(sys_ioctl(self->b.lease_fd, DRM_IOCTL_MODE_GETFB, &cmd), -EACCES);
	EXPECT_EQ(cmd.handle, 0);
	EXPECT_EQ(cmd.width, 0);
	EXPECT_EQ(denials(&self->b), before + 1);
	/* Its own it gets. */
	cmd.fb_id = self->of_b.fb;
	EXPECT_EQ(sys_ioctl(self->b.lease_fd, DRM_IOCTL_MODE_GETFB, &cmd), 0);
	cmd.fb_id = 0xfffffff0;
	EXPECT_EQ(sys_ioctl(self->b.lease_fd, DRM_IOCTL_MODE_GETFB, &cmd), -ENOENT);
}

TEST_F_TIMEOUT(isolation, getfb2_of_another_lease_is_refused, 120)
{
	struct drm_mode_fb_cmd2 cmd = { .fb_id = self->of_a.fb };

	EXPECT_EQ(sys_ioctl(self->b.lease_fd, DRM_IOCTL_MODE_GETFB2, &cmd), -EACCES);
	EXPECT_EQ(cmd.handles[0], 0);
	cmd.fb_id = self->of_b.fb;
	EXPECT_EQ(sys_ioctl(self->b.lease_fd, DRM_IOCTL_MODE_GETFB2, &cmd), 0);
	EXPECT_NE(cmd.handles[0], 0);
}

TEST_F_TIMEOUT(isolation, dirtyfb_of_another_lease_is_refused, 120)
{
	EXPECT_EQ(drmModeDirtyFB(self->b.lease_fd, self->of_a.fb, NULL, 0), -EACCES);
	EXPECT_EQ(drmModeDirtyFB(self->b.lease_fd, self->of_b.fb, NULL, 0), 0);
}

TEST_F_TIMEOUT(isolation, another_leases_framebuffer_cannot_be_shown, 120)
{
	int fd = self->b.lease_fd;
	drmModeCrtc *crtc;

	EXPECT_EQ(tenant_set_crtc(fd, &self->b, self->of_a.fb, &self->mode_b), -EACCES);
	EXPECT_EQ(drmModePageFlip(fd, self->b.crtc_id, self->of_a.fb, 0, NULL), -EACCES);
	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	EXPECT_EQ(drmModeSetPlane(fd, self->b.primary_plane_id, self->b.crtc_id,
				  self->of_a.fb, 0, 0, 0, self->of_a.width,
				  self->of_a.height, 0, 0, self->of_a.width << 16,
				  self->of_a.height << 16), -EACCES);

	crtc = drmModeGetCrtc(fd, self->b.crtc_id);
	ASSERT_NE(crtc, NULL);
	EXPECT_EQ(crtc->buffer_id, self->of_b.fb);
	drmModeFreeCrtc(crtc);
}

static int atomic_show(int fd, uint32_t plane, uint32_t fb_prop, uint32_t fb, uint32_t flags)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int ret;

	drmModeAtomicAddProperty(req, plane, fb_prop, fb);
	ret = drmModeAtomicCommit(fd, req, flags, NULL);
	drmModeAtomicFree(req);
	return ret;
}

TEST_F_TIMEOUT(isolation, nor_by_an_atomic_commit_or_its_test, 120)
{
	uint32_t plane = self->b.primary_plane_id, prop;
	int fd = self->b.lease_fd;

	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	prop = property_id(fd, plane, DRM_MODE_OBJECT_PLANE, "FB_ID");
	ASSERT_NE(prop, 0);
	EXPECT_EQ(atomic_show(fd, plane, prop, self->of_a.fb, 0), -EACCES);
	EXPECT_EQ(atomic_show(fd, plane, prop, self->of_a.fb, DRM_MODE_ATOMIC_TEST_ONLY),
		  -EACCES);
	EXPECT_EQ(atomic_show(fd, plane, prop, self->of_a.fb, DRM_MODE_ATOMIC_NONBLOCK),
		  -EACCES);
	EXPECT_EQ(atomic_show(fd, plane, prop, self->of_b.fb, 0), 0);
}

TEST_F_TIMEOUT(isolation, nor_on_the_cursor_plane, 120)
{
	struct picture cursor;
	int fd = self->b.lease_fd;

	if (!self->b.cursor_plane_id)
		SKIP(return, "no cursor plane");
	ASSERT_EQ(picture_create(self->a.lease_fd, 64, 64, DRM_FORMAT_ARGB8888, &cursor), 0);
	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	EXPECT_EQ(drmModeSetPlane(fd, self->b.cursor_plane_id, self->b.crtc_id, cursor.fb, 0,
				  0, 0, 64, 64, 0, 0, 64 << 16, 64 << 16), -EACCES);
}

TEST_F_TIMEOUT(isolation, nor_after_its_creator_let_go_of_the_id, 120)
{
	struct drm_mode_fb_cmd2 cmd = { .fb_id = self->of_a.fb };
	struct {
		uint32_t fb_id;
		uint32_t pad;
	} closefb = { .fb_id = self->of_a.fb };
	int fd = self->b.lease_fd, ret;

	/* CLOSEFB leaves it on screen and in nobody's list. */
	ret = sys_ioctl(self->a.lease_fd, DRM_IOWR(0xD0, closefb), &closefb);
	if (ret == -EINVAL || ret == -EACCES)
		SKIP(return, "this kernel has no CLOSEFB");
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_MODE_GETFB2, &cmd), -EACCES);
	EXPECT_EQ(tenant_set_crtc(fd, &self->b, self->of_a.fb, &self->mode_b), -EACCES);
}

TEST_F_TIMEOUT(isolation, anothers_blobs_cannot_be_read, 120)
{
	drmModePropertyBlobRes *blob;
	int second, fd = self->a.lease_fd;
	uint32_t id;
	char path[64];

	ASSERT_EQ(drmModeCreatePropertyBlob(fd, "secret", 6, &id), 0);
	EXPECT_EQ(drmModeGetPropertyBlob(self->b.lease_fd, id), NULL);
	EXPECT_EQ(errno, EACCES);

	/* Its maker can, by any of his opens. */
	helix_node_path(path, self->a.scanout);
	second = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(second, 0);
	blob = drmModeGetPropertyBlob(second, id);
	ASSERT_NE(blob, NULL);
	ASSERT_EQ(blob->length, 6);
	EXPECT_EQ(memcmp(blob->data, "secret", 6), 0);
	drmModeFreePropertyBlob(blob);
	close(second);
}

static uint64_t property_value(int fd, uint32_t object, uint32_t type, uint32_t id)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(fd, object, type);
	uint64_t value = 0;
	uint32_t i;

	for (i = 0; props && i < props->count_props; i++)
		if (props->props[i] == id)
			value = props->prop_values[i];
	drmModeFreeObjectProperties(props);
	return value;
}

TEST_F_TIMEOUT(isolation, the_drivers_blobs_can, 120)
{
	drmModePropertyBlobRes *edid;
	int fd = self->b.lease_fd;
	uint32_t id;

	id = property_id(fd, self->b.connector_id, DRM_MODE_OBJECT_CONNECTOR, "EDID");
	ASSERT_NE(id, 0);
	id = property_value(fd, self->b.connector_id, DRM_MODE_OBJECT_CONNECTOR, id);
	ASSERT_NE(id, 0);
	edid = drmModeGetPropertyBlob(fd, id);
	ASSERT_NE(edid, NULL);
	EXPECT_GE(edid->length, 128);
	drmModeFreePropertyBlob(edid);
}

TEST_F_TIMEOUT(isolation, a_framebuffer_of_anothers_cannot_be_removed, 120)
{
	EXPECT_EQ(drmModeRmFB(self->b.lease_fd, self->of_a.fb), -ENOENT);
}

TEST_F_TIMEOUT(isolation, anothers_objects_do_not_exist, 120)
{
	int fd = self->b.lease_fd;

	EXPECT_EQ(drmModeGetConnector(fd, self->a.connector_id), NULL);
	EXPECT_EQ(drmModeGetCrtc(fd, self->a.crtc_id), NULL);
	EXPECT_EQ(drmModeGetPlane(fd, self->a.primary_plane_id), NULL);
	EXPECT_EQ(tenant_set_crtc(fd, &self->a, self->of_b.fb, &self->mode_b), -ENOENT);
	EXPECT_EQ(drmModePageFlip(fd, self->a.crtc_id, self->of_b.fb, 0, NULL), -ENOENT);
}

TEST_F_TIMEOUT(isolation, no_global_names_no_leases_of_leases, 120)
{
	struct drm_gem_flink flink = { .handle = self->of_b.handle };
	struct drm_gem_open gem_open = { .name = 1 };
	uint64_t before = denials(&self->b);
	uint32_t objects[] = { self->b.connector_id, self->b.crtc_id, self->b.primary_plane_id };
	int fd = self->b.lease_fd;
	uint32_t lessee;

	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_GEM_OPEN, &gem_open), -EACCES);
	EXPECT_EQ(drmModeCreateLease(fd, objects, 3, O_CLOEXEC, &lessee), -EACCES);
	EXPECT_EQ(drmModeListLessees(fd), NULL);
	EXPECT_EQ(drmModeGetLease(fd), NULL);
	EXPECT_EQ(drmModeRevokeLease(fd, 1), -EACCES);
	EXPECT_EQ(denials(&self->b), before + 6);
}

TEST_F_TIMEOUT(isolation, unknown_and_foreign_ioctls_are_refused, 120)
{
	uint64_t arg[64] = {};
	int fd = self->b.lease_fd;
	unsigned int nr;

	/* Nothing that DRM has no number for today passes tomorrow. */
	for (nr = 0xd8; nr <= 0xff; nr++)
		EXPECT_EQ(sys_ioctl(fd, DRM_IOWR(nr, arg), arg), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, HELIX_LEASE_QUERY, arg), -ENOTTY);
	EXPECT_EQ(sys_ioctl(fd, _IO('Z', 1), arg), -ENOTTY);
}

TEST_HARNESS_MAIN
