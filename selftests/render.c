// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's GPU, which all tenants share, by a scanout node and by the render
 * node that every container has: what one drew another cannot have drawn into his
 * own. Commands for the host name buffers by numbers of the whole device, which
 * can be guessed; the guest's kernel makes a buffer known to the context of a file
 * only when that file gets a handle of it.
 */
#include <virtgpu_drm.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define RENDER_NODE	"/dev/dri/renderD128"
#define SIDE		16
#define SECRET		0x5ec2e7a5
#define OWN		0x0d0d0d0d
#define NOTHING		0x11111111

/* virgl's protocol: a word of length, object and command, then the arguments. */
#define VIRGL_RESOURCE_COPY_REGION	17
#define VIRGL_TEXTURE_2D		2
#define VIRGL_FORMAT_B8G8R8A8_UNORM	1
#define VIRGL_BIND_RENDER_TARGET	(1 << 1)
#define VIRGL_BIND_SAMPLER_VIEW		(1 << 3)

struct texture {
	uint32_t bo;
	uint32_t resource;
	uint32_t *pixels;
};

static int texture_wait(int fd, const struct texture *t)
{
	struct drm_virtgpu_3d_wait wait = { .handle = t->bo };

	return sys_ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &wait);
}

static void texture_fill(struct texture *t, uint32_t value)
{
	int i;

	for (i = 0; i < SIDE * SIDE; i++)
		t->pixels[i] = value;
}

static int texture_upload(int fd, struct texture *t, uint32_t value)
{
	struct drm_virtgpu_3d_transfer_to_host to = {
		.bo_handle = t->bo,
		.box = { .w = SIDE, .h = SIDE, .d = 1 },
	};

	texture_fill(t, value);
	return sys_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &to) ?: texture_wait(fd, t);
}

/* What the host has, into the pixels; they are something else before. */
static int texture_download(int fd, struct texture *t)
{
	struct drm_virtgpu_3d_transfer_from_host from = {
		.bo_handle = t->bo,
		.box = { .w = SIDE, .h = SIDE, .d = 1 },
	};

	texture_fill(t, NOTHING);
	return sys_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &from) ?: texture_wait(fd, t);
}

static int texture_create(int fd, struct texture *t)
{
	struct drm_virtgpu_resource_create create = {
		.target = VIRGL_TEXTURE_2D,
		.format = VIRGL_FORMAT_B8G8R8A8_UNORM,
		.bind = VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_SAMPLER_VIEW,
		.width = SIDE, .height = SIDE, .depth = 1, .array_size = 1,
		.size = SIDE * SIDE * 4,
	};
	struct drm_virtgpu_map map = {};
	int ret;

	ret = sys_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create);
	if (ret)
		return ret;
	t->bo = create.bo_handle;
	t->resource = create.res_handle;
	map.handle = t->bo;
	ret = sys_ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &map);
	if (ret)
		return ret;
	t->pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.offset);
	return t->pixels == MAP_FAILED ? -errno : 0;
}

/* Have the host copy; whether it does is only seen afterwards. */
static int copy(int fd, uint32_t to, uint32_t from)
{
	uint32_t command[] = {
		13 << 16 | VIRGL_RESOURCE_COPY_REGION,
		to, 0, 0, 0, 0, from, 0, 0, 0, 0, SIDE, SIDE, 1,
	};
	struct drm_virtgpu_execbuffer exec = {
		.command = (uintptr_t)command,
		.size = sizeof(command),
	};

	return sys_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec);
}

static int has_3d(int fd)
{
	int value = 0;
	struct drm_virtgpu_getparam param = {
		.param = VIRTGPU_PARAM_3D_FEATURES,
		.value = (uintptr_t)&value,
	};

	return !sys_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &param) && value;
}

FIXTURE(render) {
	int control;
	struct helix_lease_acquire a, b;
	int fd_b;
};

FIXTURE_VARIANT(render) {
	bool render_node;
};

FIXTURE_VARIANT_ADD(render, scanout_node) { .render_node = false };
FIXTURE_VARIANT_ADD(render, render_node) { .render_node = true };

FIXTURE_SETUP(render)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->a), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->b), 0);
	if (variant->render_node)
		self->fd_b = open(RENDER_NODE, O_RDWR | O_CLOEXEC);
	else
		self->fd_b = fcntl(self->b.lease_fd, F_DUPFD_CLOEXEC, 0);
	ASSERT_GE(self->fd_b, 0);
}

FIXTURE_TEARDOWN(render)
{
	close(self->fd_b);
	helix_close_lease(&self->a);
	helix_close_lease(&self->b);
	close(self->control);
}

TEST_F_TIMEOUT(render, what_another_drew_cannot_be_copied, 120)
{
	struct texture secret, own, seen;
	int fd = self->fd_b;

	if (!has_3d(fd))
		SKIP(return, "this GPU draws nothing");
	ASSERT_EQ(texture_create(self->a.lease_fd, &secret), 0);
	ASSERT_EQ(texture_upload(self->a.lease_fd, &secret, SECRET), 0);
	ASSERT_EQ(texture_create(fd, &own), 0);
	ASSERT_EQ(texture_upload(fd, &own, OWN), 0);
	ASSERT_EQ(texture_create(fd, &seen), 0);

	/* One's own can: the command is right, and the host does it. */
	EXPECT_EQ(copy(fd, seen.resource, own.resource), 0);
	ASSERT_EQ(texture_download(fd, &seen), 0);
	EXPECT_EQ(seen.pixels[0], OWN);
	EXPECT_EQ(seen.pixels[SIDE * SIDE - 1], OWN);

	copy(fd, seen.resource, secret.resource);
	texture_download(fd, &seen);
	EXPECT_NE(seen.pixels[0], SECRET);
	/* Nor drawn over. */
	copy(fd, secret.resource, own.resource);
	ASSERT_EQ(texture_download(self->a.lease_fd, &secret), 0);
	EXPECT_EQ(secret.pixels[0], SECRET);
}

TEST_F_TIMEOUT(render, another_goes_on_after_a_context_was_broken, 120)
{
	struct texture own, seen, broken;

	if (!has_3d(self->fd_b))
		SKIP(return, "this GPU draws nothing");
	ASSERT_EQ(texture_create(self->fd_b, &broken), 0);
	copy(self->fd_b, broken.resource, 0x7ffffff0);
	copy(self->fd_b, 0x7ffffff0, broken.resource);

	ASSERT_EQ(texture_create(self->a.lease_fd, &own), 0);
	ASSERT_EQ(texture_upload(self->a.lease_fd, &own, OWN), 0);
	ASSERT_EQ(texture_create(self->a.lease_fd, &seen), 0);
	EXPECT_EQ(copy(self->a.lease_fd, seen.resource, own.resource), 0);
	ASSERT_EQ(texture_download(self->a.lease_fd, &seen), 0);
	EXPECT_EQ(seen.pixels[0], OWN);
}

/* The render node is no way round the guard: it has no mode-setting at all. */
TEST_F_TIMEOUT(render, the_render_node_shows_and_names_nothing, 60)
{
	struct drm_mode_fb_cmd2 fb = { .fb_id = 1 };
	struct drm_gem_open name = { .name = 1 };
	drmModeRes *res;
	int fd;

	fd = open(RENDER_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	res = drmModeGetResources(fd);
	EXPECT_EQ(res, NULL);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_MODE_GETFB2, &fb), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_GEM_OPEN, &name), -EACCES);
	EXPECT_EQ(sys_ioctl(fd, DRM_IOCTL_SET_MASTER, NULL), -EACCES);
	close(fd);
}

TEST_HARNESS_MAIN
