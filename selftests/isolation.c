// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tenants, A and B: nothing of A's can be read or shown by B, by any name
 * that B can guess. On plain DRM leases most of these succeed; the last test
 * shows that first.
 */
#include <linux/capability.h>
#include <sys/syscall.h>

#include <virtgpu_drm.h>

#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(isolation) {
	int control;
	struct helix_lease_acquire a, b;
	int fd_a, fd_b;
	struct picture of_a, of_b;
	drmModeModeInfo mode_a, mode_b;
};

FIXTURE_VARIANT(isolation) {
	bool by_path;
};

/* Everything twice: by the descriptor of ACQUIRE, and by the node's path. */
FIXTURE_VARIANT_ADD(isolation, lease_fd) { .by_path = false };
FIXTURE_VARIANT_ADD(isolation, node) { .by_path = true };

static int open_form(const struct helix_lease_acquire *acq, bool by_path)
{
	char path[64];

	if (!by_path)
		return fcntl(acq->lease_fd, F_DUPFD_CLOEXEC, 0);
	helix_node_path(path, acq->scanout);
	return open(path, O_RDWR | O_CLOEXEC);
}

FIXTURE_SETUP(isolation)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->a), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->b), 0);
	self->fd_a = open_form(&self->a, variant->by_path);
	self->fd_b = open_form(&self->b, variant->by_path);
	ASSERT_GE(self->fd_a, 0);
	ASSERT_GE(self->fd_b, 0);
	ASSERT_EQ(tenant_show(self->fd_a, &self->a, &self->of_a, &self->mode_a), 0);
	ASSERT_EQ(tenant_show(self->fd_b, &self->b, &self->of_b, &self->mode_b), 0);
}

FIXTURE_TEARDOWN(isolation)
{
	close(self->fd_a);
	close(self->fd_b);
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

	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_GETFB, &cmd), -EACCES);
	EXPECT_EQ(cmd.handle, 0);
	EXPECT_EQ(cmd.width, 0);
	EXPECT_EQ(denials(&self->b), before + 1);
	/* Its own it gets. */
	cmd.fb_id = self->of_b.fb;
	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_GETFB, &cmd), 0);
	cmd.fb_id = 0xfffffff0;
	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_GETFB, &cmd), -ENOENT);
}

TEST_F_TIMEOUT(isolation, getfb2_of_another_lease_is_refused, 120)
{
	struct drm_mode_fb_cmd2 cmd = { .fb_id = self->of_a.fb };

	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_GETFB2, &cmd), -EACCES);
	EXPECT_EQ(cmd.handles[0], 0);
	cmd.fb_id = self->of_b.fb;
	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_GETFB2, &cmd), 0);
	EXPECT_NE(cmd.handles[0], 0);
}

TEST_F_TIMEOUT(isolation, dirtyfb_of_another_lease_is_refused, 120)
{
	EXPECT_EQ(drmModeDirtyFB(self->fd_b, self->of_a.fb, NULL, 0), -EACCES);
	EXPECT_EQ(drmModeDirtyFB(self->fd_b, self->of_b.fb, NULL, 0), 0);
}

TEST_F_TIMEOUT(isolation, another_leases_framebuffer_cannot_be_shown, 120)
{
	int fd = self->fd_b;
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
	int fd = self->fd_b;

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
	int fd = self->fd_b;

	if (!self->b.cursor_plane_id)
		SKIP(return, "no cursor plane");
	ASSERT_EQ(picture_create(self->fd_a, 64, 64, DRM_FORMAT_ARGB8888, &cursor), 0);
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
	int fd = self->fd_b, ret;

	/* CLOSEFB leaves it on screen and in nobody's list. */
	ret = sys_ioctl(self->fd_a, DRM_IOWR(0xD0, closefb), &closefb);
	if (ret == -EINVAL || ret == -EACCES)
		SKIP(return, "this kernel has no CLOSEFB");
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_MODE_GETFB2, &cmd), -EACCES);
	EXPECT_EQ(tenant_set_crtc(fd, &self->b, self->of_a.fb, &self->mode_b), -EACCES);
}

TEST_F_TIMEOUT(isolation, anothers_blobs_cannot_be_read, 120)
{
	drmModePropertyBlobRes *blob;
	int second, fd = self->fd_a;
	uint32_t id;
	char path[64];

	ASSERT_EQ(drmModeCreatePropertyBlob(fd, "secret", 6, &id), 0);
	EXPECT_EQ(drmModeGetPropertyBlob(self->fd_b, id), NULL);
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

static uint64_t property_value(int fd, uint32_t object, uint32_t type, const char *name)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(fd, object, type);
	uint32_t id = property_id(fd, object, type, name);
	uint64_t value = 0;
	uint32_t i;

	for (i = 0; props && i < props->count_props; i++)
		if (props->props[i] == id)
			value = props->prop_values[i];
	drmModeFreeObjectProperties(props);
	return value;
}

/* 0 or a negative errno; what is in it is not looked at. */
static int read_blob(int fd, uint32_t id)
{
	drmModePropertyBlobRes *blob;

	errno = 0;
	blob = drmModeGetPropertyBlob(fd, id);
	if (!blob)
		return -errno;
	drmModeFreePropertyBlob(blob);
	return 0;
}

TEST_F_TIMEOUT(isolation, a_tenant_reads_its_own_edid_and_formats_and_no_others, 120)
{
	uint32_t edid_a, edid_b, formats_b;

	ASSERT_EQ(drmSetClientCap(self->fd_b, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	edid_a = property_value(self->fd_a, self->a.connector_id, DRM_MODE_OBJECT_CONNECTOR, "EDID");
	edid_b = property_value(self->fd_b, self->b.connector_id, DRM_MODE_OBJECT_CONNECTOR, "EDID");
	formats_b = property_value(self->fd_b, self->b.primary_plane_id, DRM_MODE_OBJECT_PLANE,
				   "IN_FORMATS");
	ASSERT_NE(edid_a, 0);
	ASSERT_NE(edid_b, 0);
	EXPECT_EQ(read_blob(self->fd_a, edid_a), 0);
	EXPECT_EQ(read_blob(self->fd_b, edid_b), 0);
	/* Drivers without modifiers have none. */
	if (formats_b)
		EXPECT_EQ(read_blob(self->fd_b, formats_b), 0);
	EXPECT_EQ(read_blob(self->fd_b, edid_a), -EACCES);
	EXPECT_EQ(read_blob(self->fd_a, edid_b), -EACCES);
}

TEST_F_TIMEOUT(isolation, nor_the_mode_that_the_core_made_a_blob_of, 120)
{
	uint32_t id;

	/* SETCRTC was given no blob; there is one all the same. */
	ASSERT_EQ(drmSetClientCap(self->fd_a, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	id = property_value(self->fd_a, self->a.crtc_id, DRM_MODE_OBJECT_CRTC, "MODE_ID");
	ASSERT_NE(id, 0);
	EXPECT_EQ(read_blob(self->fd_a, id), 0);
	EXPECT_EQ(read_blob(self->fd_b, id), -EACCES);
}

static int atomic_blob(int fd, uint32_t object, uint32_t prop, uint32_t blob, uint32_t flags)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int ret;

	drmModeAtomicAddProperty(req, object, prop, blob);
	ret = drmModeAtomicCommit(fd, req, flags, NULL);
	drmModeAtomicFree(req);
	return ret;
}

TEST_F_TIMEOUT(isolation, nor_a_blob_in_use_whose_maker_let_go_of_it, 120)
{
	uint32_t modeset = DRM_MODE_ATOMIC_ALLOW_MODESET, prop, id;
	int fd = self->fd_a, again;

	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	prop = property_id(fd, self->a.crtc_id, DRM_MODE_OBJECT_CRTC, "MODE_ID");
	ASSERT_NE(prop, 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(fd, &self->mode_a, sizeof(self->mode_a), &id), 0);
	ASSERT_EQ(atomic_blob(fd, self->a.crtc_id, prop, id, modeset), 0);
	/* As every compositor does. */
	ASSERT_EQ(drmModeDestroyPropertyBlob(fd, id), 0);
	ASSERT_EQ(property_value(fd, self->a.crtc_id, DRM_MODE_OBJECT_CRTC, "MODE_ID"), id);
	EXPECT_EQ(read_blob(self->fd_b, id), -EACCES);
	/* Its own CRTC's it may see, also with an open that did not make it. */
	EXPECT_EQ(read_blob(fd, id), 0);
	again = open_form(&self->a, true);
	ASSERT_GE(again, 0);
	EXPECT_EQ(read_blob(again, id), 0);
	close(again);
}

TEST_F_TIMEOUT(isolation, nor_set_by_its_id_and_seen_that_way, 120)
{
	uint32_t modeset = DRM_MODE_ATOMIC_ALLOW_MODESET;
	drmModeModeInfo secret = self->mode_a;
	uint64_t before = denials(&self->b);
	uint32_t prop, of_a, of_b;
	drmModeCrtc *crtc;

	ASSERT_EQ(drmSetClientCap(self->fd_a, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(drmSetClientCap(self->fd_b, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	prop = property_id(self->fd_b, self->b.crtc_id, DRM_MODE_OBJECT_CRTC, "MODE_ID");
	ASSERT_NE(prop, 0);
	strcpy(secret.name, "secret");
	ASSERT_EQ(drmModeCreatePropertyBlob(self->fd_a, &secret, sizeof(secret), &of_a), 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(self->fd_b, &self->mode_b, sizeof(self->mode_b),
					    &of_b), 0);

	EXPECT_EQ(atomic_blob(self->fd_b, self->b.crtc_id, prop, of_a, modeset), -EACCES);
	EXPECT_EQ(atomic_blob(self->fd_b, self->b.crtc_id, prop, of_a,
			      modeset | DRM_MODE_ATOMIC_TEST_ONLY), -EACCES);
	EXPECT_EQ(drmModeObjectSetProperty(self->fd_b, self->b.crtc_id, DRM_MODE_OBJECT_CRTC,
					   prop, of_a), -EACCES);
	EXPECT_EQ(denials(&self->b), before + 3);
	crtc = drmModeGetCrtc(self->fd_b, self->b.crtc_id);
	ASSERT_NE(crtc, NULL);
	EXPECT_STRNE(crtc->mode.name, "secret");
	drmModeFreeCrtc(crtc);

	/* In use by A, and its id let go of, it is no more B's than before. */
	ASSERT_EQ(atomic_blob(self->fd_a, self->a.crtc_id, prop, of_a, modeset), 0);
	ASSERT_EQ(drmModeDestroyPropertyBlob(self->fd_a, of_a), 0);
	EXPECT_EQ(atomic_blob(self->fd_b, self->b.crtc_id, prop, of_a, modeset), -EACCES);
	/* Its own it may, and again after it let go. */
	EXPECT_EQ(atomic_blob(self->fd_b, self->b.crtc_id, prop, of_b, modeset), 0);
	ASSERT_EQ(drmModeDestroyPropertyBlob(self->fd_b, of_b), 0);
	EXPECT_EQ(atomic_blob(self->fd_b, self->b.crtc_id, prop, of_b, modeset), 0);
}

TEST_F_TIMEOUT(isolation, nor_where_another_draws, 120)
{
	struct drm_mode_rect rect = { 10, 10, 20, 20 };
	uint32_t plane = self->b.primary_plane_id;
	uint32_t prop, of_a, of_b;

	ASSERT_EQ(drmSetClientCap(self->fd_b, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	prop = property_id(self->fd_b, plane, DRM_MODE_OBJECT_PLANE, "FB_DAMAGE_CLIPS");
	if (!prop)
		SKIP(return, "this kernel's driver takes no damage");
	ASSERT_EQ(drmModeCreatePropertyBlob(self->fd_a, &rect, sizeof(rect), &of_a), 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(self->fd_b, &rect, sizeof(rect), &of_b), 0);
	EXPECT_EQ(atomic_blob(self->fd_b, plane, prop, of_a, 0), -EACCES);
	EXPECT_EQ(atomic_blob(self->fd_b, plane, prop, of_b, 0), 0);
}

TEST_F_TIMEOUT(isolation, a_framebuffer_of_anothers_cannot_be_removed, 120)
{
	EXPECT_EQ(drmModeRmFB(self->fd_b, self->of_a.fb), -ENOENT);
}

TEST_F_TIMEOUT(isolation, anothers_objects_do_not_exist, 120)
{
	int fd = self->fd_b;

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
	int fd = self->fd_b;
	drmModeLesseeListPtr lessees;
	uint32_t lessee;

	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_GEM_OPEN, &gem_open), -EACCES);
	/* As a plain lease is told: compositors ask, and know this answer. */
	EXPECT_EQ(drmModeCreateLease(fd, objects, 3, O_CLOEXEC, &lessee), -EINVAL);
	EXPECT_EQ(drmModeCreateLease(fd, NULL, 0, O_CLOEXEC, &lessee), -EINVAL);
	/* Its own, of which there can be none. */
	lessees = drmModeListLessees(fd);
	ASSERT_NE(lessees, NULL);
	EXPECT_EQ(lessees->count, 0);
	drmFree(lessees);
	EXPECT_EQ(drmModeGetLease(fd), NULL);
	EXPECT_EQ(drmModeRevokeLease(fd, 1), -EACCES);
	EXPECT_EQ(denials(&self->b), before + 4);
}

TEST_F_TIMEOUT(isolation, no_time_of_anothers_frames, 120)
{
	struct drm_crtc_queue_sequence queue = { .crtc_id = self->a.crtc_id };
	struct drm_crtc_get_sequence get = { .crtc_id = self->a.crtc_id };
	uint32_t pipe;

	/* Of its own neither, where the driver has no vertical blanking. */
	EXPECT_LT(sys_ioctl(self->fd_b, DRM_IOCTL_CRTC_GET_SEQUENCE, &get), 0);
	EXPECT_LT(sys_ioctl(self->fd_b, DRM_IOCTL_CRTC_QUEUE_SEQUENCE, &queue), 0);
	/* Pipe 0 is the lease's own; the others are not counted beyond it. */
	for (pipe = 1; pipe < 16; pipe++) {
		drmVBlank vblank = {
			.request.type = DRM_VBLANK_RELATIVE |
					pipe << DRM_VBLANK_HIGH_CRTC_SHIFT,
		};

		EXPECT_LT(sys_ioctl(self->fd_b, DRM_IOCTL_WAIT_VBLANK, &vblank), 0);
	}
}

TEST_F_TIMEOUT(isolation, anothers_magic_opens_nothing, 120)
{
	drm_magic_t magic;
	int again;

	ASSERT_EQ(drmGetMagic(self->fd_a, &magic), 0);
	EXPECT_EQ(drmAuthMagic(self->fd_b, magic), -EINVAL);
	again = open_form(&self->a, true);
	ASSERT_GE(again, 0);
	EXPECT_EQ(drmAuthMagic(again, magic), 0);
	close(again);
}

TEST_F_TIMEOUT(isolation, master_games_move_nothing, 120)
{
	EXPECT_EQ(drmDropMaster(self->fd_b), 0);
	EXPECT_EQ(drmModePageFlip(self->fd_b, self->b.crtc_id, self->of_b.fb, 0, NULL), 0);
	EXPECT_EQ(drmSetMaster(self->fd_b), 0);
	EXPECT_EQ(drmModePageFlip(self->fd_a, self->a.crtc_id, self->of_a.fb, 0, NULL), 0);
}

TEST_F_TIMEOUT(isolation, other_clients_are_not_told_of, 120)
{
	struct drm_client client = { .idx = 0 };
	char name[64] = "unchanged";
	struct drm_unique unique = { .unique = name, .unique_len = sizeof(name) };

	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_GET_CLIENT, &client), 0);
	EXPECT_EQ(client.pid, getpid());
	client.idx = 1;
	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_GET_CLIENT, &client), -EINVAL);
	EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_GET_UNIQUE, &unique), 0);
	EXPECT_EQ(unique.unique_len, 0);
	EXPECT_STREQ(name, "unchanged");
}

TEST_F_TIMEOUT(isolation, anothers_buffers_have_no_handle_here, 120)
{
	struct drm_virtgpu_resource_info info;
	struct drm_virtgpu_3d_wait wait;
	struct drm_virtgpu_map map;
	struct drm_mode_map_dumb dumb;
	uint32_t handle;

	/* Handles are small numbers of each file's own: one of B's that is not there. */
	for (handle = self->of_b.handle + 1; handle < self->of_b.handle + 64; handle++) {
		info = (struct drm_virtgpu_resource_info) { .bo_handle = handle };
		wait = (struct drm_virtgpu_3d_wait) { .handle = handle };
		map = (struct drm_virtgpu_map) { .handle = handle };
		dumb = (struct drm_mode_map_dumb) { .handle = handle };
		EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info), -ENOENT);
		EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_VIRTGPU_WAIT, &wait), -ENOENT);
		EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_VIRTGPU_MAP, &map), -ENOENT);
		EXPECT_EQ(sys_ioctl(self->fd_b, DRM_IOCTL_MODE_MAP_DUMB, &dumb), -ENOENT);
	}
}

TEST_F_TIMEOUT(isolation, what_its_owner_hands_over_may_be_shown, 120)
{
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {}, fb;
	struct picture *p = &self->of_a;
	int dmabuf;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd_a, p->handle, O_CLOEXEC | O_RDWR, &dmabuf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd_b, dmabuf, &handles[0]), 0);
	close(dmabuf);
	pitches[0] = p->pitch;
	ASSERT_EQ(drmModeAddFB2(self->fd_b, p->width, p->height, DRM_FORMAT_XRGB8888, handles,
				pitches, offsets, &fb, 0), 0);
	EXPECT_EQ(tenant_set_crtc(self->fd_b, &self->b, fb, &self->mode_b), 0);
}

TEST_F_TIMEOUT(isolation, unknown_and_foreign_ioctls_are_refused, 120)
{
	uint64_t arg[64] = {};
	int fd = self->fd_b;
	unsigned int nr;

	/* Nothing that DRM has no number for today passes tomorrow. */
	for (nr = 0xd8; nr <= 0xff; nr++)
		EXPECT_EQ(sys_ioctl(fd, DRM_IOWR(nr, arg), arg), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, HELIX_LEASE_QUERY, arg), -ENOTTY);
	EXPECT_EQ(sys_ioctl(fd, _IO('Z', 1), arg), -ENOTTY);
}

/*
 * The same attack on a plain lease and on ours, by code that does not know which
 * it has: guess the framebuffer's id, get a handle of its buffer, read. Without
 * capabilities, as a tenant.
 */
struct caps {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[2];
};

static int drop_caps(struct caps *saved)
{
	struct caps none = { .head.version = _LINUX_CAPABILITY_VERSION_3 };

	memset(saved, 0, sizeof(*saved));
	saved->head.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &saved->head, saved->data))
		return -errno;
	memcpy(none.data, saved->data, sizeof(none.data));
	none.data[0].effective = 0;
	none.data[1].effective = 0;
	return syscall(SYS_capset, &none.head, none.data) ? -errno : 0;
}

static int restore_caps(struct caps *saved)
{
	return syscall(SYS_capset, &saved->head, saved->data) ? -errno : 0;
}

#define SECRET	0x5ec2e7a5

static int write_secret(int fd, const struct picture *p)
{
	uint64_t offset;
	uint32_t *pixels;

	if (drmModeMapDumbBuffer(fd, p->handle, &offset))
		return -errno;
	pixels = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (pixels == MAP_FAILED)
		return -errno;
	pixels[0] = SECRET;
	munmap(pixels, p->size);
	return 0;
}

/* How many framebuffers with the secret in them this file can read. */
static int steal_secrets(int fd)
{
	struct drm_mode_fb_cmd2 fb;
	uint32_t id, *pixels;
	uint64_t offset;
	int found = 0;

	for (id = 1; id < 1000; id++) {
		fb = (struct drm_mode_fb_cmd2) { .fb_id = id };
		if (sys_ioctl(fd, DRM_IOCTL_MODE_GETFB2, &fb) || !fb.handles[0])
			continue;
		if (drmModeMapDumbBuffer(fd, fb.handles[0], &offset))
			continue;
		pixels = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, offset);
		if (pixels == MAP_FAILED)
			continue;
		found += pixels[0] == SECRET;
		munmap(pixels, 4096);
	}
	return found;
}

/* A plain lease of CRTC @n with its primary plane and connector. */
static int plain_lease(int master, int n)
{
	drmModePlaneRes *planes = drmModeGetPlaneResources(master);
	drmModeRes *res = drmModeGetResources(master);
	uint32_t objects[3], lessee, i;
	int count = 2, fd = -ENODEV;

	if (planes && res && n < res->count_crtcs && n < res->count_connectors) {
		objects[0] = res->crtcs[n];
		objects[1] = res->connectors[n];
		for (i = 0; i < planes->count_planes && count == 2; i++) {
			drmModePlane *plane = drmModeGetPlane(master, planes->planes[i]);

			if (plane && plane->possible_crtcs == 1U << n)
				objects[count++] = plane->plane_id;
			drmModeFreePlane(plane);
		}
		fd = drmModeCreateLease(master, objects, count, O_CLOEXEC, &lessee);
	}
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
	return fd;
}

static int unbind_if_bound(void)
{
	struct helix_lease_info info;
	int control, ret;

	control = helix_open_control();
	if (control < 0)
		return -errno;
	ret = helix_info(control, &info);
	if (!ret && info.nr_gpus)
		ret = helix_wait_all_free(control) ?: helix_unbind(control);
	close(control);
	return ret;
}

FIXTURE(plain_lease) {
	int master;
};

FIXTURE_SETUP(plain_lease)
{
	ASSERT_EQ(unbind_if_bound(), 0);
	self->master = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->master, 0);
	ASSERT_TRUE(drmIsMaster(self->master));
	ASSERT_EQ(drmSetClientCap(self->master, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
}

FIXTURE_TEARDOWN(plain_lease)
{
	close(self->master);
}

TEST_F_TIMEOUT(plain_lease, leaks_pixels_and_ours_does_not, 120)
{
	struct helix_lease_acquire acq_a, acq_b;
	struct picture of_a;
	struct caps caps;
	int a, b, control, stolen;
	uint32_t blob;

	/* The hole, with nothing of ours in the way. */
	a = plain_lease(self->master, 1);
	b = plain_lease(self->master, 2);
	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	ASSERT_EQ(picture_create(a, 640, 480, DRM_FORMAT_XRGB8888, &of_a), 0);
	ASSERT_EQ(write_secret(a, &of_a), 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(a, "secret", 6, &blob), 0);
	ASSERT_EQ(drop_caps(&caps), 0);
	stolen = steal_secrets(b);
	EXPECT_EQ(read_blob(b, blob), 0);
	ASSERT_EQ(restore_caps(&caps), 0);
	EXPECT_EQ(stolen, 1);
	close(a);
	close(b);
	close(self->master);
	self->master = -1;

	/* And closed. */
	control = helix_setup();
	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_acquire(control, 0, &acq_a), 0);
	ASSERT_EQ(helix_acquire(control, 0, &acq_b), 0);
	a = acq_a.lease_fd;
	b = acq_b.lease_fd;
	ASSERT_EQ(picture_create(a, 640, 480, DRM_FORMAT_XRGB8888, &of_a), 0);
	ASSERT_EQ(write_secret(a, &of_a), 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(a, "secret", 6, &blob), 0);
	ASSERT_EQ(drop_caps(&caps), 0);
	stolen = steal_secrets(b);
	EXPECT_EQ(read_blob(b, blob), -EACCES);
	/* That the attack would have seen it: its owner does. */
	EXPECT_EQ(steal_secrets(a), 1);
	ASSERT_EQ(restore_caps(&caps), 0);
	EXPECT_EQ(stolen, 0);
	helix_close_lease(&acq_a);
	helix_close_lease(&acq_b);
	close(control);
}

TEST_HARNESS_MAIN
