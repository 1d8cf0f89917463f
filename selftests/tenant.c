// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tenant sees and may do: its own output like a whole card, until the
 * lease ends.
 */
#include <sched.h>
#include <sys/mount.h>

#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(tenant) {
	int control;
	int node;
	struct helix_lease_acquire acq;
};

FIXTURE_VARIANT(tenant) {
	bool by_path;
};

/* The same thing twice: the descriptor, and the node opened by its path. */
FIXTURE_VARIANT_ADD(tenant, lease_fd) { .by_path = false };
FIXTURE_VARIANT_ADD(tenant, node) { .by_path = true };

FIXTURE_SETUP(tenant)
{
	char path[64];

	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->acq), 0);
	helix_node_path(path, self->acq.scanout);
	if (variant->by_path)
		self->node = open(path, O_RDWR | O_CLOEXEC);
	else
		self->node = self->acq.lease_fd;
	ASSERT_GE(self->node, 0);
}

FIXTURE_TEARDOWN(tenant)
{
	if (variant->by_path)
		close(self->node);
	helix_close_lease(&self->acq);
	close(self->control);
}

TEST_F_TIMEOUT(tenant, sees_one_crtc_and_one_connector, 120)
{
	drmModePlaneRes *planes;
	drmModeRes *res;

	res = drmModeGetResources(self->node);
	ASSERT_NE(res, NULL);
	ASSERT_EQ(res->count_crtcs, 1);
	EXPECT_EQ(res->crtcs[0], self->acq.crtc_id);
	ASSERT_EQ(res->count_connectors, 1);
	EXPECT_EQ(res->connectors[0], self->acq.connector_id);
	EXPECT_EQ(res->count_fbs, 0);
	drmModeFreeResources(res);

	ASSERT_EQ(drmSetClientCap(self->node, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	planes = drmModeGetPlaneResources(self->node);
	ASSERT_NE(planes, NULL);
	EXPECT_EQ(planes->count_planes, self->acq.cursor_plane_id ? 2 : 1);
	drmModeFreePlaneResources(planes);
}

TEST_F_TIMEOUT(tenant, is_a_drm_primary_node_to_libdrm, 120)
{
	struct helix_lease_query query;
	drmDevice *device = NULL;
	drmVersion *version;
	char path[64], *name;
	struct stat st;
	int ret;

	ASSERT_EQ(fstat(self->node, &st), 0);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(major(st.st_rdev), query.dev_major);
	EXPECT_EQ(minor(st.st_rdev), query.dev_minor);

	version = drmGetVersion(self->node);
	ASSERT_NE(version, NULL);
	EXPECT_STREQ(version->name, "virtio_gpu");
	drmFreeVersion(version);

	/* As in a container: its /dev/dri has the node, and the node only. */
	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ASSERT_EQ(mount("tmpfs", "/dev/dri", "tmpfs", 0, NULL), 0);
	ASSERT_EQ(mknod("/dev/dri/card0", S_IFCHR | 0600, st.st_rdev), 0);
	/* What wlroots opens again: the node's own name, which a container needs too. */
	helix_node_path(path, self->acq.scanout);
	name = drmGetDeviceNameFromFd2(self->node);
	ASSERT_NE(name, NULL);
	EXPECT_STREQ(name, path);
	free(name);
	ret = drmGetDevice2(self->node, 0, &device);
	ASSERT_EQ(ret, 0);
	EXPECT_TRUE(device->available_nodes & (1 << DRM_NODE_PRIMARY));
	EXPECT_EQ(device->bustype, DRM_BUS_PCI);
	drmFreeDevice(&device);
}

TEST_F_TIMEOUT(tenant, sets_modes_flips_and_moves_a_cursor, 120)
{
	struct picture first, second, cursor;
	struct pollfd pfd = { .fd = self->node, .events = POLLIN };
	char event[256];
	drmModeModeInfo mode;

	ASSERT_EQ(tenant_show(self->node, &self->acq, &first, &mode), 0);
	ASSERT_EQ(picture_create(self->node, mode.hdisplay, mode.vdisplay,
				 DRM_FORMAT_XRGB8888, &second), 0);
	ASSERT_EQ(drmModePageFlip(self->node, self->acq.crtc_id, second.fb,
				  DRM_MODE_PAGE_FLIP_EVENT, NULL), 0);
	ASSERT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
	EXPECT_GT(read(self->node, event, sizeof(event)), 0);

	/* The legacy cursor wraps a handle in a framebuffer of its own. */
	ASSERT_EQ(picture_create(self->node, 64, 64, DRM_FORMAT_ARGB8888, &cursor), 0);
	EXPECT_EQ(drmModeSetCursor(self->node, self->acq.crtc_id, cursor.handle, 64, 64), 0);
	EXPECT_EQ(drmModeMoveCursor(self->node, self->acq.crtc_id, 10, 10), 0);
	EXPECT_EQ(drmModeSetCursor(self->node, self->acq.crtc_id, 0, 0, 0), 0);
	EXPECT_EQ(drmModeDirtyFB(self->node, second.fb, NULL, 0), 0);
	EXPECT_EQ(drmModeRmFB(self->node, first.fb), 0);
}

TEST_F_TIMEOUT(tenant, maps_and_reads_back_its_own_framebuffer, 120)
{
	struct picture p;
	drmModeFB2 *fb2;
	drmModeFB *fb;
	uint32_t *pixels;
	uint64_t offset;

	ASSERT_EQ(picture_create(self->node, 64, 64, DRM_FORMAT_XRGB8888, &p), 0);
	ASSERT_EQ(drmModeMapDumbBuffer(self->node, p.handle, &offset), 0);
	pixels = mmap(NULL, p.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->node, offset);
	ASSERT_NE(pixels, MAP_FAILED);
	pixels[5] = 0x12345678;

	fb = drmModeGetFB(self->node, p.fb);
	ASSERT_NE(fb, NULL);
	EXPECT_EQ(fb->width, 64);
	EXPECT_EQ(fb->height, 64);
	EXPECT_EQ(fb->bpp, 32);
	EXPECT_EQ(fb->depth, 24);
	EXPECT_EQ(fb->pitch, p.pitch);
	EXPECT_NE(fb->handle, 0);
	drmModeFreeFB(fb);

	fb2 = drmModeGetFB2(self->node, p.fb);
	ASSERT_NE(fb2, NULL);
	EXPECT_EQ(fb2->fb_id, p.fb);
	EXPECT_EQ(fb2->width, 64);
	EXPECT_EQ(fb2->height, 64);
	EXPECT_EQ(fb2->pixel_format, DRM_FORMAT_XRGB8888);
	EXPECT_EQ(fb2->pitches[0], p.pitch);
	EXPECT_EQ(fb2->pitches[1], 0);
	ASSERT_NE(fb2->handles[0], 0);
	EXPECT_EQ(fb2->handles[1], 0);

	munmap(pixels, p.size);
	ASSERT_EQ(drmModeMapDumbBuffer(self->node, fb2->handles[0], &offset), 0);
	pixels = mmap(NULL, p.size, PROT_READ, MAP_SHARED, self->node, offset);
	ASSERT_NE(pixels, MAP_FAILED);
	EXPECT_EQ(pixels[5], 0x12345678);
	munmap(pixels, p.size);
	drmModeFreeFB2(fb2);
}

TEST_F_TIMEOUT(tenant, cannot_show_anything_after_revoke, 120)
{
	drmModeModeInfo mode;
	drmModeRes *res;
	struct picture p, q;

	ASSERT_EQ(tenant_show(self->node, &self->acq, &p, &mode), 0);
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);

	EXPECT_EQ(tenant_set_crtc(self->node, &self->acq, p.fb, &mode), -EACCES);
	EXPECT_EQ(drmModePageFlip(self->node, self->acq.crtc_id, p.fb, 0, NULL), -EACCES);
	EXPECT_EQ(picture_create(self->node, 64, 64, DRM_FORMAT_XRGB8888, &q), -EACCES);
	res = drmModeGetResources(self->node);
	EXPECT_EQ(res, NULL);
	/* What it made it can still give back. */
	EXPECT_EQ(drmModeRmFB(self->node, p.fb), 0);
	EXPECT_EQ(drmModeDestroyDumbBuffer(self->node, p.handle), 0);
}

TEST_F_TIMEOUT(tenant, picture_is_gone_before_the_next_tenant, 120)
{
	struct helix_lease_acquire next;
	drmModeModeInfo mode;
	drmModeCrtc *crtc;
	drmModePlane *plane;
	struct picture p;

	ASSERT_EQ(tenant_show(self->node, &self->acq, &p, &mode), 0);
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	ASSERT_EQ(helix_acquire(self->control, self->acq.scanout, &next), 0);

	crtc = drmModeGetCrtc(next.lease_fd, next.crtc_id);
	ASSERT_NE(crtc, NULL);
	EXPECT_EQ(crtc->buffer_id, 0);
	EXPECT_EQ(crtc->mode_valid, 0);
	drmModeFreeCrtc(crtc);
	plane = drmModeGetPlane(next.lease_fd, next.primary_plane_id);
	ASSERT_NE(plane, NULL);
	EXPECT_EQ(plane->fb_id, 0);
	EXPECT_EQ(plane->crtc_id, 0);
	drmModeFreePlane(plane);
	helix_close_lease(&next);
}

TEST_F_TIMEOUT(tenant, opens_share_one_lessee_and_closing_one_revokes_nothing, 120)
{
	drmModeModeInfo mode;
	drm_magic_t magic;
	struct picture p;
	char path[64];
	int second;

	helix_node_path(path, self->acq.scanout);
	ASSERT_EQ(tenant_show(self->node, &self->acq, &p, &mode), 0);

	second = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(second, 0);
	/* What compositors that reopen the node do. */
	ASSERT_EQ(drmGetMagic(second, &magic), 0);
	EXPECT_EQ(drmAuthMagic(self->node, magic), 0);
	/* One lessee: it may show what the other open made. */
	EXPECT_EQ(tenant_set_crtc(second, &self->acq, p.fb, &mode), 0);
	close(second);

	EXPECT_EQ(tenant_set_crtc(self->node, &self->acq, p.fb, &mode), 0);
	EXPECT_EQ(drmModePageFlip(self->node, self->acq.crtc_id, p.fb, 0, NULL), 0);
}

TEST_F_TIMEOUT(tenant, reading_events_honours_o_nonblock_and_signals, 120)
{
	char event[256];
	int status;
	pid_t child;

	child = fork();
	if (!child)
		_exit(read(self->node, event, sizeof(event)) ? 1 : 0);
	helix_sleep_ms(100);
	/* There is no event, so it waits. */
	EXPECT_EQ(waitpid(child, &status, WNOHANG), 0);
	kill(child, SIGTERM);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFSIGNALED(status));

	ASSERT_EQ(fcntl(self->node, F_SETFL, O_NONBLOCK), 0);
	EXPECT_EQ(read(self->node, event, sizeof(event)), -1);
	EXPECT_EQ(errno, EAGAIN);
}

TEST_F_TIMEOUT(tenant, a_node_is_for_root_until_somebody_says_otherwise, 60)
{
	char path[64];
	struct stat st;
	int status;

	helix_node_path(path, self->acq.scanout);
	ASSERT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0600);
	EXPECT_EQ(st.st_uid, 0);
	/* Whoever may open it has it, as with any device: an owner, or a container. */
	ASSERT_EQ(chown(path, 1000, 1000), 0);
	if (!fork()) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(1);
		_exit(open(path, O_RDWR) < 0);
	}
	wait(&status);
	EXPECT_EQ(status, 0);
	ASSERT_EQ(chown(path, 0, 0), 0);
}

TEST_F_TIMEOUT(tenant, set_and_drop_master_succeed_and_do_nothing, 120)
{
	drmModeModeInfo mode;
	struct picture p;

	EXPECT_EQ(drmSetMaster(self->node), 0);
	EXPECT_EQ(drmDropMaster(self->node), 0);
	EXPECT_EQ(tenant_show(self->node, &self->acq, &p, &mode), 0);
	EXPECT_EQ(drmSetMaster(self->node), 0);
}

/* What Documentation/uapi.rst says that a lease may have. */
#define MAX_OPENS	256
#define MAX_MADE	1024

TEST_F_TIMEOUT(tenant, opens_a_node_so_often_and_no_oftener, 120)
{
	int fds[MAX_OPENS], n = 1 + variant->by_path;
	char path[64];

	helix_node_path(path, self->acq.scanout);
	for (; n < MAX_OPENS; n++) {
		fds[n] = open(path, O_RDWR | O_CLOEXEC);
		ASSERT_GE(fds[n], 0) TH_LOG("open %d", n);
	}
	EXPECT_EQ(open(path, O_RDWR | O_CLOEXEC), -1);
	EXPECT_EQ(errno, ENOSPC);
	close(fds[--n]);
	fds[n] = open(path, O_RDWR | O_CLOEXEC);
	EXPECT_GE(fds[n], 0);
	for (; n > variant->by_path; n--)
		close(fds[n]);
}

/* In all opens of the lease together. */
TEST_F_TIMEOUT(tenant, makes_so_many_framebuffers_and_no_more, 120)
{
	struct helix_lease_acquire other;
	struct picture p, of_other;
	uint32_t fbs[MAX_MADE], fb;
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};
	char path[64];
	int fd, n = 0;

	helix_node_path(path, self->acq.scanout);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(picture_create(fd, 64, 64, DRM_FORMAT_XRGB8888, &p), 0);
	handles[0] = p.handle;
	pitches[0] = p.pitch;
	for (n = 1; n < MAX_MADE; n++)
		ASSERT_EQ(drmModeAddFB2(fd, 64, 64, DRM_FORMAT_XRGB8888, handles, pitches,
					offsets, &fbs[n], 0), 0) TH_LOG("framebuffer %d", n);
	EXPECT_EQ(drmModeAddFB2(fd, 64, 64, DRM_FORMAT_XRGB8888, handles, pitches, offsets, &fb,
				0), -ENOSPC);
	EXPECT_EQ(drmModeAddFB(fd, 64, 64, 24, 32, p.pitch, p.handle, &fb), -ENOSPC);
	EXPECT_EQ(picture_create(self->node, 64, 64, DRM_FORMAT_XRGB8888, &p), -ENOSPC);

	/* What is nothing to others; and ends with those that made them. */
	ASSERT_EQ(helix_acquire(self->control, 0, &other), 0);
	EXPECT_EQ(picture_create(other.lease_fd, 64, 64, DRM_FORMAT_XRGB8888, &of_other), 0);
	helix_close_lease(&other);
	EXPECT_EQ(drmModeRmFB(fd, fbs[1]), 0);
	EXPECT_EQ(drmModeAddFB2(fd, 64, 64, DRM_FORMAT_XRGB8888, handles, pitches, offsets, &fb,
				0), 0);
	close(fd);
	EXPECT_EQ(picture_create(self->node, 64, 64, DRM_FORMAT_XRGB8888, &p), 0);
}

TEST_F_TIMEOUT(tenant, makes_so_many_blobs_and_no_more, 120)
{
	uint32_t blobs[MAX_MADE], blob, value = 0;
	char path[64];
	int fd, n;

	helix_node_path(path, self->acq.scanout);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	for (n = 0; n < MAX_MADE; n++)
		ASSERT_EQ(drmModeCreatePropertyBlob(fd, &value, sizeof(value), &blobs[n]), 0)
			TH_LOG("blob %d", n);
	EXPECT_EQ(drmModeCreatePropertyBlob(fd, &value, sizeof(value), &blob), -ENOSPC);
	EXPECT_EQ(drmModeCreatePropertyBlob(self->node, &value, sizeof(value), &blob), -ENOSPC);
	EXPECT_EQ(drmModeDestroyPropertyBlob(fd, blobs[0]), 0);
	EXPECT_EQ(drmModeCreatePropertyBlob(self->node, &value, sizeof(value), &blob), 0);
	close(fd);
	EXPECT_EQ(drmModeCreatePropertyBlob(self->node, &value, sizeof(value), &blob), 0);
}

TEST_HARNESS_MAIN
