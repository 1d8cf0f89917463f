// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tenants, and A's memory has a page that does not come: userfaultfd says when
 * A waits for it, inside an ioctl. The core reads and writes the caller's memory
 * with locks held that B needs, so on plain leases B waits as well.
 */
#include <pthread.h>

#include "helix_test.h"
#include "kselftest_harness.h"
#include "slow_page.h"

/* How long B is left waiting where it is known that it cannot go on. */
#define NOT_YET_MS	2000

/* A's call, in a thread of its own. */
struct call {
	int fd;
	unsigned long cmd;
	union {
		struct drm_mode_obj_get_properties properties;
		struct drm_mode_card_res resources;
		struct drm_mode_get_connector connector;
		struct drm_mode_crtc crtc;
		struct drm_mode_atomic atomic;
	};
	pthread_t thread;
	int ret;
};

static void *call_thread(void *arg)
{
	struct call *call = arg;

	call->ret = sys_ioctl(call->fd, call->cmd, &call->properties);
	return NULL;
}

static void call_properties(struct call *call, int fd, uint32_t crtc, void *page)
{
	*call = (struct call) {
		.fd = fd,
		.cmd = DRM_IOCTL_MODE_OBJ_GETPROPERTIES,
		.properties = {
			.props_ptr = (uintptr_t)page,
			.prop_values_ptr = (uintptr_t)page,
			.count_props = 64,
			.obj_id = crtc,
			.obj_type = DRM_MODE_OBJECT_CRTC,
		},
	};
}

/* What every compositor asks, and takes every mode-setting lock. */
static pid_t ask_properties(int fd, uint32_t crtc)
{
	pid_t pid = fork();

	if (!pid)
		_exit(drmModeObjectGetProperties(fd, crtc, DRM_MODE_OBJECT_CRTC) ? 0 : 1);
	return pid;
}

/* What A's own other threads go on with: to show it, it is looked for among A's. */
static pid_t draw(const struct helix_lease_acquire *a, const struct picture *p,
		  drmModeModeInfo *mode)
{
	pid_t pid = fork();

	if (!pid)
		_exit(tenant_set_crtc(a->lease_fd, a, p->fb, mode) ? 1 : 0);
	return pid;
}

/* -ETIMEDOUT, or the exit status. */
static int child_status(pid_t pid, int patience_ms)
{
	int status, waited;

	for (waited = 0; waited <= patience_ms; waited += 20) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

FIXTURE(fault) {
	int control;
	struct helix_lease_acquire a, b;
	struct picture of_a, next_of_a;
	drmModeModeInfo mode;
	struct slow_page slow;
};

FIXTURE_VARIANT(fault) {
	unsigned long cmd;
	int ret;
};

FIXTURE_VARIANT_ADD(fault, obj_getproperties) { .cmd = DRM_IOCTL_MODE_OBJ_GETPROPERTIES };
FIXTURE_VARIANT_ADD(fault, getresources) { .cmd = DRM_IOCTL_MODE_GETRESOURCES };
FIXTURE_VARIANT_ADD(fault, getconnector) { .cmd = DRM_IOCTL_MODE_GETCONNECTOR };
/* A page of zeroes names no connector and no object. */
FIXTURE_VARIANT_ADD(fault, setcrtc) { .cmd = DRM_IOCTL_MODE_SETCRTC, .ret = -ENOENT };
FIXTURE_VARIANT_ADD(fault, atomic) { .cmd = DRM_IOCTL_MODE_ATOMIC, .ret = -ENOENT };

FIXTURE_SETUP(fault)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->a), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->b), 0);
	ASSERT_EQ(tenant_show(self->a.lease_fd, &self->a, &self->of_a, &self->mode), 0);
	ASSERT_EQ(picture_create(self->a.lease_fd, self->of_a.width, self->of_a.height,
				 DRM_FORMAT_XRGB8888, &self->next_of_a), 0);
	ASSERT_EQ(drmSetClientCap(self->a.lease_fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
}

FIXTURE_TEARDOWN(fault)
{
	helix_close_lease(&self->a);
	helix_close_lease(&self->b);
	close(self->control);
}

static void call_by_variant(struct call *call, unsigned long cmd,
			    const struct helix_lease_acquire *a, const struct picture *p,
			    const drmModeModeInfo *mode, void *page)
{
	call_properties(call, a->lease_fd, a->crtc_id, page);
	call->cmd = cmd;
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(DRM_IOCTL_MODE_GETRESOURCES):
		call->resources = (struct drm_mode_card_res) {
			.fb_id_ptr = (uintptr_t)page,
			.count_fbs = 8,
		};
		break;
	case _IOC_NR(DRM_IOCTL_MODE_GETCONNECTOR):
		call->connector = (struct drm_mode_get_connector) {
			.connector_id = a->connector_id,
			.modes_ptr = (uintptr_t)page,
			.count_modes = 32,
		};
		break;
	case _IOC_NR(DRM_IOCTL_MODE_SETCRTC):
		call->crtc = (struct drm_mode_crtc) {
			.set_connectors_ptr = (uintptr_t)page,
			.count_connectors = 1,
			.crtc_id = a->crtc_id,
			.fb_id = p->fb,
			.mode_valid = 1,
		};
		memcpy(&call->crtc.mode, mode, sizeof(call->crtc.mode));
		break;
	case _IOC_NR(DRM_IOCTL_MODE_ATOMIC):
		call->atomic = (struct drm_mode_atomic) {
			.flags = DRM_MODE_ATOMIC_TEST_ONLY,
			.count_objs = 1,
			.objs_ptr = (uintptr_t)page,
			.count_props_ptr = (uintptr_t)page,
			.props_ptr = (uintptr_t)page,
			.prop_values_ptr = (uintptr_t)page,
		};
		break;
	}
}

TEST_F_TIMEOUT(fault, a_page_that_does_not_come_stops_its_owner_alone, 200)
{
	struct call call;
	pid_t a, b;
	int ret;

	ret = slow_page_init(&self->slow);
	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no userfaultfd");
	ASSERT_EQ(ret, 0);
	call_by_variant(&call, variant->cmd, &self->a, &self->of_a, &self->mode, self->slow.page);
	ASSERT_EQ(pthread_create(&call.thread, NULL, call_thread, &call), 0);
	ASSERT_EQ(slow_page_is_wanted(&self->slow), 0);

	a = draw(&self->a, &self->next_of_a, &self->mode);
	EXPECT_EQ(child_status(a, PATIENCE_MS), 0);
	b = ask_properties(self->b.lease_fd, self->b.crtc_id);
	EXPECT_EQ(child_status(b, PATIENCE_MS), 0);
	/* A waits all the same; and goes on when the page is there. */
	EXPECT_EQ(pthread_tryjoin_np(call.thread, NULL), EBUSY);
	EXPECT_EQ(slow_page_comes(&self->slow, NULL), 0);
	ASSERT_EQ(pthread_join(call.thread, NULL), 0);
	EXPECT_EQ(call.ret, variant->ret);
	slow_page_fini(&self->slow);
}

/* The core has begun to answer when it finds a page missing: it is asked the same again. */
TEST_F_TIMEOUT(fault, a_page_that_goes_is_brought_back, 200)
{
	struct drm_mode_modeinfo *modes;
	uint32_t ids[64] = {};
	struct call call;
	int ret;

	if (variant->cmd != DRM_IOCTL_MODE_GETCONNECTOR)
		SKIP(return, "of GETCONNECTOR");
	ret = slow_page_init(&self->slow);
	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no userfaultfd");
	ASSERT_EQ(ret, 0);
	modes = mmap(NULL, self->slow.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(modes, MAP_FAILED);
	call = (struct call) {
		.fd = self->a.lease_fd,
		.cmd = DRM_IOCTL_MODE_GETCONNECTOR,
		.connector = {
			.connector_id = self->a.connector_id,
			.modes_ptr = (uintptr_t)modes,
			.count_modes = self->slow.size / sizeof(*modes),
			.props_ptr = (uintptr_t)ids,
			.prop_values_ptr = (uintptr_t)self->slow.page,
			.count_props = ARRAY_SIZE(ids),
		},
	};
	ASSERT_EQ(pthread_create(&call.thread, NULL, call_thread, &call), 0);
	/* What is named before it is there by now; and goes. */
	ASSERT_EQ(slow_page_is_wanted(&self->slow), 0);
	EXPECT_EQ(madvise(modes, self->slow.size, MADV_DONTNEED), 0);
	EXPECT_EQ(slow_page_comes(&self->slow, NULL), 0);
	ASSERT_EQ(pthread_join(call.thread, NULL), 0);
	EXPECT_EQ(call.ret, 0);
	EXPECT_EQ(call.connector.count_encoders, 1);
	EXPECT_NE(ids[0], 0);
	/* Else none would have been written. */
	EXPECT_LE(call.connector.count_modes, self->slow.size / sizeof(*modes));
	EXPECT_NE(modes[0].hdisplay, 0);
	munmap(modes, self->slow.size);
	slow_page_fini(&self->slow);
}

/* What it is like without the module: what the above would look like if it failed. */
TEST(a_page_that_does_not_come_stops_everybody_on_plain_leases)
{
	int control, a, b, i, lease[2];
	struct helix_lease_info info;
	struct slow_page slow;
	uint32_t lessee, ids[2];
	struct call call;
	drmModeRes *res;
	pid_t pid;
	int ret;

	control = helix_open_control();
	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_info(control, &info), 0);
	if (info.nr_gpus) {
		ASSERT_EQ(helix_wait_all_free(control), 0);
		ASSERT_EQ(helix_unbind(control), 0);
	}
	ret = slow_page_init(&slow);
	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no userfaultfd");
	ASSERT_EQ(ret, 0);

	a = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(a, 0);
	res = drmModeGetResources(a);
	ASSERT_NE(res, NULL);
	ASSERT_GE(res->count_crtcs, 3);
	for (i = 0; i < 2; i++) {
		ids[0] = res->crtcs[i + 1];
		ids[1] = res->connectors[i + 1];
		lease[i] = drmModeCreateLease(a, ids, 2, O_CLOEXEC, &lessee);
		ASSERT_GE(lease[i], 0);
	}
	call_properties(&call, lease[0], res->crtcs[1], slow.page);
	ASSERT_EQ(pthread_create(&call.thread, NULL, call_thread, &call), 0);
	ASSERT_EQ(slow_page_is_wanted(&slow), 0);
	pid = ask_properties(lease[1], res->crtcs[2]);
	EXPECT_EQ(child_status(pid, NOT_YET_MS), -ETIMEDOUT);
	EXPECT_EQ(slow_page_comes(&slow, NULL), 0);
	EXPECT_EQ(child_status(pid, PATIENCE_MS), 0);
	ASSERT_EQ(pthread_join(call.thread, NULL), 0);

	drmModeFreeResources(res);
	slow_page_fini(&slow);
	for (b = 0; b < 2; b++)
		close(lease[b]);
	close(a);
	close(control);
}

TEST_HARNESS_MAIN
