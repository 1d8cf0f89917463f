// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit process, by plain system calls: what it may do, it can; and the way
 * by compat structures does not lead around the guard. Built with -m32.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#if __SIZEOF_POINTER__ != 4
#error "this is the test of 32-bit callers: build it with -m32"
#endif

/* What a 64-bit kernel has, and so must we. */
_Static_assert(sizeof(struct helix_lease_acquire) == 104, "struct helix_lease_acquire");
_Static_assert(sizeof(struct helix_lease_query) == 256, "struct helix_lease_query");
_Static_assert(sizeof(struct helix_lease_list) == 32, "struct helix_lease_list");
_Static_assert(sizeof(struct helix_lease_event) == 56, "struct helix_lease_event");
/* And where the two differ, so that the core's translation is needed. */
_Static_assert(sizeof(struct drm_mode_fb_cmd2) == 100, "struct drm_mode_fb_cmd2");

#define WIDTH	1024
#define HEIGHT	768
#define SIZES	6

FIXTURE(compat) {
	int control;
	int fd;
	struct helix_lease_acquire acq;
	struct helix_lease_acquire other;
};

FIXTURE_SETUP(compat)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &self->acq), 0);
	ASSERT_EQ(helix_acquire(self->control, 2, &self->other), 0);
	self->fd = self->acq.lease_fd;
}

FIXTURE_TEARDOWN(compat)
{
	helix_close_lease(&self->acq);
	helix_close_lease(&self->other);
	helix_wait_all_free(self->control);
	close(self->control);
}

struct screen {
	struct drm_mode_create_dumb dumb;
	uint32_t fb;
};

static int screen_create(int fd, struct screen *s)
{
	struct drm_mode_fb_cmd2 cmd = {
		.width = WIDTH,
		.height = HEIGHT,
		.pixel_format = DRM_FORMAT_XRGB8888,
	};
	int ret;

	s->dumb = (struct drm_mode_create_dumb) { .width = WIDTH, .height = HEIGHT, .bpp = 32 };
	ret = sys_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &s->dumb);
	if (ret)
		return ret;
	cmd.handles[0] = s->dumb.handle;
	cmd.pitches[0] = s->dumb.pitch;
	ret = sys_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &cmd);
	s->fb = cmd.fb_id;
	return ret;
}

static int first_mode(int fd, uint32_t id, struct drm_mode_modeinfo *mode)
{
	struct drm_mode_modeinfo modes[64];
	struct drm_mode_get_connector get = { .connector_id = id };
	int ret = sys_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get);

	if (ret)
		return ret;
	get = (struct drm_mode_get_connector) {
		.connector_id = id,
		.count_modes = 64,
		.modes_ptr = (uintptr_t)modes,
	};
	ret = sys_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get);
	if (ret || !get.count_modes)
		return ret ? ret : -ENODEV;
	*mode = modes[0];
	return 0;
}

static int set_crtc(int fd, const struct helix_lease_acquire *acq, uint32_t fb)
{
	uint32_t connector = acq->connector_id;
	struct drm_mode_crtc crtc = {
		.set_connectors_ptr = (uintptr_t)&connector,
		.count_connectors = 1,
		.crtc_id = acq->crtc_id,
		.fb_id = fb,
		.mode_valid = 1,
	};
	int ret = first_mode(fd, acq->connector_id, &crtc.mode);

	return ret ? ret : sys_ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &crtc);
}

/* And the event of it, which has what was given along. */
static int flip(int fd, const struct helix_lease_acquire *acq, uint32_t fb)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = acq->crtc_id,
		.fb_id = fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
		.user_data = 0x123456789abcdefULL,
	};
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct drm_event_vblank event = {};
	int ret = sys_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip);

	if (ret)
		return ret;
	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	if (read(fd, &event, sizeof(event)) != sizeof(event) ||
	    event.base.type != DRM_EVENT_FLIP_COMPLETE || event.user_data != flip.user_data)
		return -EPROTO;
	return 0;
}

TEST_F_TIMEOUT(compat, control_and_handle_ioctls_are_the_same, 120)
{
	struct helix_lease_query entries[4], query;
	struct helix_lease_policy policy = { .size = sizeof(policy) };
	struct helix_lease_event event;
	struct helix_lease_info info;
	struct helix_lease_list list = {
		.size = sizeof(list),
		.nr = 4,
		.entry_size = sizeof(entries[0]),
		.entries = (uintptr_t)entries,
	};
	struct helix_lease_revoke revoke = { .size = sizeof(revoke) };
	struct pollfd pfd = { .fd = self->acq.handle_fd };

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.abi_version, HELIX_LEASE_ABI_VERSION);
	EXPECT_GE(info.nr_scanouts, 2);
	EXPECT_EQ(helix_info(self->acq.handle_fd, &info), 0);

	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.generation, self->acq.generation);
	EXPECT_EQ(query.owner_pid, getpid());
	EXPECT_EQ(query.crtc_id, self->acq.crtc_id);
	EXPECT_STREQ((char *)query.label, "selftest");
	memset(entries, 0xa5, sizeof(entries));
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_LIST, &list), 0);
	EXPECT_EQ(list.nr, 4);
	EXPECT_EQ(list.first, 5);
	EXPECT_EQ(entries[1].scanout, 2);
	EXPECT_EQ(entries[1].generation, self->other.generation);
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_SET_POLICY, &policy), 0);

	/* By the number alone, as nothing else differs: a wrong type is refused. */
	EXPECT_EQ(sys_ioctl(self->control, _IO(HELIX_LEASE_IOC_TYPE, 0xff), &query), -ENOTTY);
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_INFO, (void *)8), -EFAULT);

	EXPECT_EQ(helix_unbind(self->control), -EBUSY);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.scanout, 1);
	EXPECT_EQ(sys_ioctl(self->acq.handle_fd, HELIX_LEASE_REVOKE, &revoke), 0);
	EXPECT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
	EXPECT_TRUE(pfd.revents & POLLHUP);
	ASSERT_EQ(read(self->acq.handle_fd, &event, sizeof(event)), sizeof(event));
	EXPECT_EQ(event.size, sizeof(event));
	EXPECT_EQ(event.generation, self->acq.generation);
	EXPECT_EQ(helix_revoke(self->control, 2, self->other.generation), 0);
}

TEST_F_TIMEOUT(compat, a_tenant_draws_and_shows, 120)
{
	struct drm_mode_card_res res = {};
	struct drm_mode_map_dumb map = {};
	struct drm_version version = {};
	struct drm_unique unique = {};
	struct screen s, next;
	char name[32] = "", bus[64] = "";
	uint32_t crtcs[4] = {}, connectors[4] = {};
	void *pixels;

	/* The core translates these: they have pointers. */
	version.name = name;
	version.name_len = sizeof(name) - 1;
	ASSERT_EQ(sys_ioctl(self->fd, DRM_IOCTL_VERSION, &version), 0);
	EXPECT_STREQ(name, "virtio_gpu");
	unique.unique = bus;
	unique.unique_len = sizeof(bus) - 1;
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_GET_UNIQUE, &unique), 0);

	res.crtc_id_ptr = (uintptr_t)crtcs;
	res.count_crtcs = 4;
	res.connector_id_ptr = (uintptr_t)connectors;
	res.count_connectors = 4;
	ASSERT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_GETRESOURCES, &res), 0);
	EXPECT_EQ(res.count_crtcs, 1);
	EXPECT_EQ(crtcs[0], self->acq.crtc_id);
	EXPECT_EQ(res.count_connectors, 1);
	EXPECT_EQ(connectors[0], self->acq.connector_id);

	ASSERT_EQ(screen_create(self->fd, &s), 0);
	map.handle = s.dumb.handle;
	ASSERT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_MAP_DUMB, &map), 0);
	pixels = mmap(NULL, s.dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, map.offset);
	ASSERT_TRUE(pixels != MAP_FAILED);
	memset(pixels, 0x5a, s.dumb.size);
	EXPECT_EQ(set_crtc(self->fd, &self->acq, s.fb), 0);

	ASSERT_EQ(screen_create(self->fd, &next), 0);
	EXPECT_EQ(flip(self->fd, &self->acq, next.fb), 0);
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_RMFB, &s.fb), 0);
	munmap(pixels, s.dumb.size);
}

static uint32_t plane_property(int fd, uint32_t plane, const char *name)
{
	uint32_t ids[64];
	uint64_t values[64];
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
		.count_props = 64,
		.obj_id = plane,
		.obj_type = DRM_MODE_OBJECT_PLANE,
	};
	uint32_t i;

	if (sys_ioctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get))
		return 0;
	for (i = 0; i < get.count_props && i < 64; i++) {
		struct drm_mode_get_property prop = { .prop_id = ids[i] };

		if (!sys_ioctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &prop) && !strcmp(prop.name, name))
			return ids[i];
	}
	return 0;
}

static int atomic_fb(int fd, uint32_t plane, uint32_t fb, uint32_t flags)
{
	uint32_t prop = plane_property(fd, plane, "FB_ID"), count = 1;
	uint64_t value = fb;
	struct drm_mode_atomic atomic = {
		.flags = flags,
		.count_objs = 1,
		.objs_ptr = (uintptr_t)&plane,
		.count_props_ptr = (uintptr_t)&count,
		.props_ptr = (uintptr_t)&prop,
		.prop_values_ptr = (uintptr_t)&value,
	};

	return prop ? sys_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &atomic) : -ENOENT;
}

TEST_F_TIMEOUT(compat, another_tenants_framebuffer_stays_his, 120)
{
	struct drm_set_client_cap cap = { .capability = DRM_CLIENT_CAP_ATOMIC, .value = 1 };
	struct drm_mode_fb_cmd2 fb2 = {};
	struct drm_mode_fb_cmd fb = {};
	struct helix_lease_query query;
	struct screen mine, his;
	uint64_t denials;

	ASSERT_EQ(sys_ioctl(self->fd, DRM_IOCTL_SET_CLIENT_CAP, &cap), 0);
	ASSERT_EQ(screen_create(self->fd, &mine), 0);
	ASSERT_EQ(screen_create(self->other.lease_fd, &his), 0);
	ASSERT_EQ(set_crtc(self->fd, &self->acq, mine.fb), 0);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	denials = query.denials;

	/* His own he may have again. */
	fb2.fb_id = mine.fb;
	ASSERT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_GETFB2, &fb2), 0);
	EXPECT_EQ(fb2.width, WIDTH);
	EXPECT_NE(fb2.handles[0], 0);
	fb.fb_id = mine.fb;
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_GETFB, &fb), 0);
	EXPECT_NE(fb.handle, 0);

	memset(&fb2, 0, sizeof(fb2));
	fb2.fb_id = his.fb;
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_GETFB2, &fb2), -EACCES);
	EXPECT_EQ(fb2.handles[0], 0);
	memset(&fb, 0, sizeof(fb));
	fb.fb_id = his.fb;
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_GETFB, &fb), -EACCES);
	EXPECT_EQ(fb.handle, 0);
	EXPECT_EQ(set_crtc(self->fd, &self->acq, his.fb), -EACCES);
	EXPECT_EQ(atomic_fb(self->fd, self->acq.primary_plane_id, his.fb, 0), -EACCES);
	EXPECT_EQ(atomic_fb(self->fd, self->acq.primary_plane_id, his.fb,
			    DRM_MODE_ATOMIC_TEST_ONLY), -EACCES);
	EXPECT_EQ(atomic_fb(self->fd, self->acq.primary_plane_id, mine.fb, 0), 0);
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.denials, denials + 5);
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_RMFB, &his.fb), -ENOENT);
	EXPECT_EQ(set_crtc(self->other.lease_fd, &self->other, his.fb), 0);
}

/*
 * Numbers that the core translates from 32-bit structures, or once did, and
 * others that no tenant may have: refused whatever the structure.
 */
TEST_F_TIMEOUT(compat, what_is_denied_is_denied_by_its_number, 120)
{
	static const unsigned char denied[] = {
		0x0a, 0x0b,		/* GEM_FLINK, GEM_OPEN */
		0x10,			/* SET_UNIQUE */
		0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,	/* maps and buffers */
		0x1c, 0x1d,		/* SET_SAREA_CTX, GET_SAREA_CTX */
		0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,	/* contexts */
		0x29, 0x2a, 0x2b, 0x2c,	/* DMA, locks */
		0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37,	/* AGP */
		0x38, 0x39,		/* SG_ALLOC, SG_FREE */
		0x3f,			/* UPDATE_DRAW */
		0x40,			/* the driver's first, which virtio-gpu has not */
		0x60, 0x80, 0x9e, 0x9f,	/* beyond the driver's */
		0xc8, 0xc9,		/* GET_LEASE, REVOKE_LEASE */
		0xfe, 0xff,
	};
	static const unsigned int sizes[SIZES] = { 0, 4, 20, 28, 36, 255 };
	struct helix_lease_query query;
	char data[256] = {};
	uint64_t before;
	unsigned int i, j;

	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	before = query.denials;
	for (i = 0; i < sizeof(denied); i++) {
		for (j = 0; j < SIZES; j++) {
			unsigned int nr = denied[i], size = sizes[j];

			EXPECT_EQ(sys_ioctl(self->fd, _IOC(_IOC_READ | _IOC_WRITE, 'd', nr, size),
					    data), -EACCES)
				TH_LOG("number %#x, size %u", nr, size);
		}
	}
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.denials, before + sizeof(denied) * SIZES);
	EXPECT_EQ(sys_ioctl(self->fd, _IO('e', 0), data), -ENOTTY);
}

TEST_F_TIMEOUT(compat, a_revoked_tenant_may_not_draw, 120)
{
	struct drm_mode_create_dumb dumb = { .width = 64, .height = 64, .bpp = 32 };
	struct drm_version version = {};
	struct screen s;

	ASSERT_EQ(screen_create(self->fd, &s), 0);
	ASSERT_EQ(helix_revoke(self->control, 1, self->acq.generation), 0);
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), -EACCES);
	EXPECT_EQ(set_crtc(self->fd, &self->acq, s.fb), -EACCES);
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_VERSION, &version), 0);
	EXPECT_EQ(sys_ioctl(self->fd, DRM_IOCTL_MODE_RMFB, &s.fb), 0);
}

TEST_HARNESS_MAIN
