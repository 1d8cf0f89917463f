// SPDX-License-Identifier: GPL-2.0-only
/*
 * One tenant is stuck in each of the ways there are, and another does whatever
 * a tenant may do: it ends while the first is still stuck. On plain DRM leases
 * the same thing waits; that is shown first.
 *
 * What proves it is order, not time: the fence is seen to be pending after the
 * other tenant's action has ended. It signals by itself ten seconds after it
 * was made, which is what ends the wait of an action that does not end.
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "slow_page.h"
#include "vgem.h"

enum stuck_in { BLOCKING, NONBLOCKING, MODESET };

struct properties {
	uint32_t fb_id;
	uint32_t plane_crtc_id;
	uint32_t in_fence_fd;
	uint32_t active;
	uint32_t connector_crtc_id;
	uint32_t dpms;
};

/* A lessee of ours or of the core's; the ids are in @acq either way. */
struct tenant {
	int fd;
	struct helix_lease_acquire acq;
	struct properties prop;
	struct picture shown;
	struct picture next;
	struct picture cursor;
	drmModeModeInfo mode;
};

struct stuck {
	int vgem;
	uint32_t fence;
	int sync_file;
	int others_fd;	/* not to be kept open by @child */
	pid_t child;
};

/* All that asks for properties is done here, before anybody is stuck. */
static int tenant_prepare(struct tenant *t, drmModeModeInfo *mode)
{
	const struct helix_lease_acquire *acq = &t->acq;
	struct properties *p = &t->prop;
	int ret;

	t->mode = *mode;
	if (drmSetClientCap(t->fd, DRM_CLIENT_CAP_ATOMIC, 1))
		return -errno;
	p->fb_id = property_id(t->fd, acq->primary_plane_id, DRM_MODE_OBJECT_PLANE, "FB_ID");
	p->plane_crtc_id = property_id(t->fd, acq->primary_plane_id, DRM_MODE_OBJECT_PLANE,
				       "CRTC_ID");
	p->in_fence_fd = property_id(t->fd, acq->primary_plane_id, DRM_MODE_OBJECT_PLANE,
				     "IN_FENCE_FD");
	p->active = property_id(t->fd, acq->crtc_id, DRM_MODE_OBJECT_CRTC, "ACTIVE");
	p->connector_crtc_id = property_id(t->fd, acq->connector_id,
					   DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID");
	p->dpms = property_id(t->fd, acq->connector_id, DRM_MODE_OBJECT_CONNECTOR, "DPMS");
	if (!p->fb_id || !p->plane_crtc_id || !p->in_fence_fd || !p->active ||
	    !p->connector_crtc_id || !p->dpms)
		return -ENOENT;

	ret = picture_create(t->fd, mode->hdisplay, mode->vdisplay, DRM_FORMAT_XRGB8888,
			     &t->shown);
	if (!ret)
		ret = picture_create(t->fd, mode->hdisplay, mode->vdisplay,
				     DRM_FORMAT_XRGB8888, &t->next);
	if (!ret)
		ret = picture_create(t->fd, 64, 64, DRM_FORMAT_ARGB8888, &t->cursor);
	if (!ret)
		ret = tenant_set_crtc(t->fd, acq, t->shown.fb, &t->mode);
	return ret;
}

static int atomic(struct tenant *t, int in_fence, int active, uint32_t flags)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	uint32_t plane = t->acq.primary_plane_id;
	int ret;

	if (active) {
		drmModeAtomicAddProperty(req, plane, t->prop.fb_id, t->next.fb);
		drmModeAtomicAddProperty(req, plane, t->prop.in_fence_fd, in_fence);
	}
	if (flags & DRM_MODE_ATOMIC_ALLOW_MODESET)
		drmModeAtomicAddProperty(req, t->acq.crtc_id, t->prop.active, active);
	ret = drmModeAtomicCommit(t->fd, req, flags, NULL);
	drmModeAtomicFree(req);
	return ret;
}

/* --- what a tenant may do: 0 or a negative errno ---------------------------- */

static int does_setcrtc(struct tenant *t)
{
	return tenant_set_crtc(t->fd, &t->acq, t->next.fb, &t->mode);
}

static int does_setplane(struct tenant *t)
{
	struct picture *p = &t->next;

	return drmModeSetPlane(t->fd, t->acq.primary_plane_id, t->acq.crtc_id, p->fb, 0, 0, 0,
			       p->width, p->height, 0, 0, p->width << 16, p->height << 16) ?
	       -errno : 0;
}

static int does_setgamma(struct tenant *t)
{
	uint16_t ramp[256] = {};

	return drmModeCrtcSetGamma(t->fd, t->acq.crtc_id, 256, ramp, ramp, ramp) ? -errno : 0;
}

static int does_obj_getproperties(struct tenant *t)
{
	return property_id(t->fd, t->acq.connector_id, DRM_MODE_OBJECT_CONNECTOR, "DPMS") ?
	       0 : -errno;
}

static int does_obj_setproperty(struct tenant *t)
{
	return drmModeObjectSetProperty(t->fd, t->acq.connector_id, DRM_MODE_OBJECT_CONNECTOR,
					t->prop.dpms, DRM_MODE_DPMS_ON) ? -errno : 0;
}

static int does_setproperty(struct tenant *t)
{
	return drmModeConnectorSetProperty(t->fd, t->acq.connector_id, t->prop.dpms,
					   DRM_MODE_DPMS_OFF) ? -errno : 0;
}

static int does_rmfb_of_the_shown(struct tenant *t)
{
	return drmModeRmFB(t->fd, t->shown.fb) ? -errno : 0;
}

static int does_rmfb_of_another(struct tenant *t)
{
	return drmModeRmFB(t->fd, t->next.fb) ? -errno : 0;
}

static int does_closefb(struct tenant *t)
{
	struct {
		uint32_t fb_id;
		uint32_t pad;
	} closefb = { .fb_id = t->shown.fb };

	return sys_ioctl(t->fd, DRM_IOWR(0xD0, closefb), &closefb);
}

static int does_close(struct tenant *t)
{
	return close(t->fd) ? -errno : 0;
}

static int does_getconnector(struct tenant *t)
{
	drmModeConnector *connector = drmModeGetConnector(t->fd, t->acq.connector_id);

	if (!connector)
		return -errno;
	drmModeFreeConnector(connector);
	return 0;
}

static int does_atomic_blocking(struct tenant *t)
{
	return atomic(t, -1, 1, 0);
}

static int does_atomic_modeset(struct tenant *t)
{
	int ret = atomic(t, -1, 0, DRM_MODE_ATOMIC_ALLOW_MODESET);

	return ret ? ret : atomic(t, -1, 1, DRM_MODE_ATOMIC_ALLOW_MODESET);
}

static int does_atomic_test_only(struct tenant *t)
{
	return atomic(t, -1, 0, DRM_MODE_ATOMIC_ALLOW_MODESET | DRM_MODE_ATOMIC_TEST_ONLY);
}

static int does_page_flip(struct tenant *t)
{
	return drmModePageFlip(t->fd, t->acq.crtc_id, t->next.fb, 0, NULL) ? -errno : 0;
}

static int does_cursor(struct tenant *t)
{
	if (drmModeSetCursor(t->fd, t->acq.crtc_id, t->cursor.handle, 64, 64) ||
	    drmModeMoveCursor(t->fd, t->acq.crtc_id, 20, 20))
		return -errno;
	return 0;
}

static int does_dirtyfb(struct tenant *t)
{
	return drmModeDirtyFB(t->fd, t->shown.fb, NULL, 0) ? -errno : 0;
}

/* Each takes some mode-setting lock of its own. */
static int does_queries(struct tenant *t)
{
	drmModeRes *res = drmModeGetResources(t->fd);
	drmModeCrtc *crtc = drmModeGetCrtc(t->fd, t->acq.crtc_id);
	drmModePlane *plane = drmModeGetPlane(t->fd, t->acq.primary_plane_id);
	drmModeEncoder *encoder = NULL;
	int ret;

	if (res && res->count_encoders)
		encoder = drmModeGetEncoder(t->fd, res->encoders[0]);
	ret = res && crtc && plane && encoder ? 0 : -EIO;
	drmModeFreeEncoder(encoder);
	drmModeFreePlane(plane);
	drmModeFreeCrtc(crtc);
	drmModeFreeResources(res);
	return ret;
}

/* --- who is stuck, and how -------------------------------------------------- */

static pid_t start(int (*action)(struct tenant *t), struct tenant *t)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-action(t));
	}
	return child;
}

/* In a child whose close is the last one: nobody else has @t's file then. */
static pid_t start_last_close(struct tenant *t)
{
	int go[2];
	pid_t child;
	char c;

	if (pipe(go))
		return -1;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(go[0], &c, 1) != 1)
			_exit(255);
		_exit(-does_close(t));
	}
	close(t->fd);
	if (write(go[1], "", 1) != 1)
		child = -1;
	close(go[0]);
	close(go[1]);
	return child;
}

/* A commit that its tenant cannot end; a child is in it if it blocks. */
static int get_stuck(struct stuck *stuck, struct tenant *t, enum stuck_in in)
{
	uint32_t flags = in == MODESET ? DRM_MODE_ATOMIC_ALLOW_MODESET : 0;
	int ret = 0;

	if (in == MODESET)
		ret = atomic(t, -1, 0, DRM_MODE_ATOMIC_ALLOW_MODESET);
	if (ret)
		return ret;
	stuck->sync_file = vgem_fence(stuck->vgem, &stuck->fence);
	if (stuck->sync_file < 0)
		return stuck->sync_file;
	if (in == NONBLOCKING)
		return atomic(t, stuck->sync_file, 1, DRM_MODE_ATOMIC_NONBLOCK);

	stuck->child = fork();
	if (!stuck->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stuck->others_fd);
		_exit(-atomic(t, stuck->sync_file, 1, flags));
	}
	return 0;
}

/* Returns what the stuck child ended with, 0 if there is none. */
static int get_unstuck(struct stuck *stuck)
{
	int status = 0;

	vgem_signal(stuck->vgem, stuck->fence);
	if (stuck->child)
		waitpid(stuck->child, &status, 0);
	close(stuck->sync_file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * A new fence in the place of one of which half the time may be over: @t shows what it
 * showed and gets stuck again, in the same way.
 */
static int stay_stuck(struct stuck *stuck, struct tenant *t, enum stuck_in in)
{
	int ret;

	get_unstuck(stuck);
	stuck->child = 0;
	ret = wait_moves(t->acq.handle_fd, 0);
	if (!ret)
		ret = tenant_set_crtc(t->fd, &t->acq, t->shown.fb, &t->mode);
	if (!ret)
		ret = get_stuck(stuck, t, in);
	return ret ? ret : wait_stalled(t->acq.handle_fd, 0);
}

/*
 * Wait for @child, but not longer than for the fence. Returns its exit status if
 * it ended while the fence was pending, negative if it did not.
 */
static int ends_before_the_fence(pid_t child, struct stuck *stuck)
{
	int status;

	while (fence_pending(stuck->sync_file)) {
		if (waitpid(child, &status, WNOHANG) == child) {
			if (!fence_pending(stuck->sync_file))
				return -ETIME;
			return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
		}
		helix_sleep_ms(5);
	}
	waitpid(child, &status, 0);
	return -ETIME;
}

/* --- plain leases: the hole ------------------------------------------------- */

FIXTURE(plain_lease) {
	int control;
	int card;
	struct stuck stuck;
	struct tenant first, second;
};

/* The objects of the card's output @i, for the card itself. */
static int whole_output(int card, int i, struct tenant *t)
{
	struct helix_lease_acquire *acq = &t->acq;
	drmModePlaneRes *planes;
	drmModeRes *res;
	uint32_t j;

	memset(t, 0, sizeof(*t));
	t->fd = card;
	if (drmSetClientCap(card, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1))
		return -errno;
	res = drmModeGetResources(card);
	planes = drmModeGetPlaneResources(card);
	if (!res || !planes || res->count_crtcs <= i || res->count_connectors <= i)
		return -ENODEV;
	acq->crtc_id = res->crtcs[i];
	acq->connector_id = res->connectors[i];
	for (j = 0; j < planes->count_planes; j++) {
		drmModePlane *plane = drmModeGetPlane(card, planes->planes[j]);

		/* The driver makes the primary plane first. */
		if (plane && plane->possible_crtcs == 1U << i && !acq->primary_plane_id)
			acq->primary_plane_id = plane->plane_id;
		else if (plane && plane->possible_crtcs == 1U << i)
			acq->cursor_plane_id = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
	return acq->cursor_plane_id ? 0 : -ENODEV;
}

static int plain_lease(int card, int i, struct tenant *t)
{
	uint32_t objects[4], lessee;
	int ret = whole_output(card, i, t);

	if (ret)
		return ret;
	objects[0] = t->acq.crtc_id;
	objects[1] = t->acq.connector_id;
	objects[2] = t->acq.primary_plane_id;
	objects[3] = t->acq.cursor_plane_id;
	t->fd = drmModeCreateLease(card, objects, 4, O_CLOEXEC, &lessee);
	return t->fd < 0 ? t->fd : 0;
}

FIXTURE_SETUP(plain_lease)
{
	struct helix_lease_info info;

	memset(&self->stuck, 0, sizeof(self->stuck));
	self->stuck.vgem = open_vgem();
	if (self->stuck.vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_open_control();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	if (info.nr_gpus) {
		ASSERT_EQ(helix_wait_all_free(self->control), 0);
		ASSERT_EQ(helix_unbind(self->control), 0);
	}
	self->card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->card, 0);
	ASSERT_EQ(drmSetMaster(self->card), 0);
	ASSERT_EQ(plain_lease(self->card, 1, &self->first), 0);
	ASSERT_EQ(plain_lease(self->card, 2, &self->second), 0);
	ASSERT_EQ(tenant_prepare(&self->first, &xga), 0);
	ASSERT_EQ(tenant_prepare(&self->second, &xga), 0);
}

FIXTURE_TEARDOWN(plain_lease)
{
	if (self->stuck.vgem < 0)
		return;
	close(self->first.fd);
	close(self->second.fd);
	close(self->card);
	close(self->control);
}

static char process_state(pid_t pid)
{
	char path[64], line[256] = "", *paren;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	paren = strrchr(line, ')');
	return paren && paren[1] ? paren[2] : 0;
}

/* Seen asleep that often in a row, it waits. */
static int is_asleep(pid_t pid)
{
	int seen = 0, i;
	char state;

	for (i = 0; i < 400 && seen < 20; i++) {
		state = process_state(pid);
		seen = state == 'S' || state == 'D' ? seen + 1 : 0;
		if (state == 'Z')
			return 0;
		helix_sleep_ms(10);
	}
	return seen == 20;
}

static void it_waits(struct __test_metadata *_metadata, FIXTURE_DATA(plain_lease) *self,
		     enum stuck_in in, int (*action)(struct tenant *t))
{
	pid_t child, ended;
	int status, waits;

	self->stuck.others_fd = self->second.fd;
	ASSERT_EQ(get_stuck(&self->stuck, &self->first, in), 0);
	ASSERT_TRUE(is_asleep(self->stuck.child));
	if (action == does_close)
		child = start_last_close(&self->second);
	else
		child = start(action, &self->second);
	waits = is_asleep(child);
	ended = waitpid(child, &status, WNOHANG);
	if (!fence_pending(self->stuck.sync_file)) {
		get_unstuck(&self->stuck);
		if (!ended)
			waitpid(child, &status, 0);
		SKIP(return, "the fence's ten seconds are over on so slow a machine");
	}
	EXPECT_TRUE(waits);
	ASSERT_EQ(ended, 0);
	/* The fence is all that it waited for. */
	EXPECT_EQ(get_unstuck(&self->stuck), 0);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
}

#define WAITS(name, in, action)						\
TEST_F_TIMEOUT(plain_lease, name, 120)					\
{									\
	it_waits(_metadata, self, in, action);				\
}

WAITS(obj_getproperties_waits_for_anothers_fence, BLOCKING, does_obj_getproperties)
WAITS(setcrtc_waits_for_anothers_fence, BLOCKING, does_setcrtc)
WAITS(setplane_waits_for_anothers_fence, BLOCKING, does_setplane)
WAITS(rmfb_waits_for_anothers_fence, BLOCKING, does_rmfb_of_the_shown)
WAITS(dirtyfb_waits_for_anothers_fence, BLOCKING, does_dirtyfb)
WAITS(close_waits_for_anothers_fence, BLOCKING, does_close)
WAITS(getconnector_waits_for_anothers_modeset, MODESET, does_getconnector)
WAITS(atomic_modeset_waits_for_anothers_modeset, MODESET, does_atomic_modeset)
WAITS(setproperty_waits_for_anothers_modeset, MODESET, does_setproperty)
WAITS(mode_queries_wait_for_anothers_modeset, MODESET, does_queries)

/* --- ours: it is closed ----------------------------------------------------- */

FIXTURE(cascade) {
	int control;
	struct stuck stuck;
	struct tenant first, second;
};

FIXTURE_VARIANT(cascade) {
	enum stuck_in in;
};

FIXTURE_VARIANT_ADD(cascade, in_a_blocking_commit) { .in = BLOCKING };
FIXTURE_VARIANT_ADD(cascade, in_a_nonblocking_commit) { .in = NONBLOCKING };
FIXTURE_VARIANT_ADD(cascade, in_a_modeset) { .in = MODESET };

static int our_lease(int control, uint32_t scanout, struct tenant *t)
{
	drmModeModeInfo mode;
	int ret;

	memset(t, 0, sizeof(*t));
	ret = helix_acquire(control, scanout, &t->acq);
	if (ret)
		return ret;
	t->fd = t->acq.lease_fd;
	ret = tenant_mode(t->fd, t->acq.connector_id, &mode);
	return ret ? ret : tenant_prepare(t, &mode);
}

FIXTURE_SETUP(cascade)
{
	struct helix_lease_query query;

	memset(&self->stuck, 0, sizeof(self->stuck));
	self->stuck.vgem = open_vgem();
	if (self->stuck.vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(write_parameter("stall_ms", "50"), 0);
	ASSERT_EQ(our_lease(self->control, 1, &self->first), 0);
	ASSERT_EQ(our_lease(self->control, 2, &self->second), 0);
	self->stuck.others_fd = self->second.fd;
	ASSERT_EQ(get_stuck(&self->stuck, &self->first, variant->in), 0);
	/* It is in the wait for the fence, not on its way there. */
	ASSERT_EQ(wait_stalled(self->first.acq.handle_fd, 0), 0);
	ASSERT_EQ(helix_query(self->first.acq.handle_fd, 0, &query), 0);
	ASSERT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
}

FIXTURE_TEARDOWN(cascade)
{
	if (self->stuck.vgem < 0)
		return;
	get_unstuck(&self->stuck);
	helix_close_lease(&self->first.acq);
	helix_close_lease(&self->second.acq);
	close(self->control);
}

static void still_stuck(struct __test_metadata *_metadata, FIXTURE_DATA(cascade) *self)
{
	struct helix_lease_query query;
	int status;

	EXPECT_TRUE(fence_pending(self->stuck.sync_file));
	ASSERT_EQ(helix_query(self->first.acq.handle_fd, 0, &query), 0);
	EXPECT_NE(query.stalled_ms, 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
	if (self->stuck.child)
		EXPECT_EQ(waitpid(self->stuck.child, &status, WNOHANG), 0);
}

#define ENDS_WITH(result, name, action)					\
TEST_F_TIMEOUT(cascade, name, 120)					\
{									\
	pid_t child = start(action, &self->second);			\
									\
	EXPECT_EQ(ends_before_the_fence(child, &self->stuck), result);	\
	still_stuck(_metadata, self);					\
}

#define ENDS(name, action) ENDS_WITH(0, name, action)

ENDS(setcrtc_ends, does_setcrtc)
ENDS(setplane_ends, does_setplane)
/* The driver has no gamma table in any kernel: refused before any lock. */
ENDS_WITH(ENOSYS, setgamma_ends, does_setgamma)
ENDS(obj_getproperties_ends, does_obj_getproperties)
ENDS(obj_setproperty_ends, does_obj_setproperty)
ENDS(setproperty_ends, does_setproperty)
ENDS(rmfb_of_the_shown_ends, does_rmfb_of_the_shown)
ENDS(rmfb_of_another_ends, does_rmfb_of_another)
ENDS(getconnector_ends, does_getconnector)
ENDS(atomic_blocking_ends, does_atomic_blocking)
ENDS(atomic_modeset_ends, does_atomic_modeset)
ENDS(atomic_test_only_ends, does_atomic_test_only)
ENDS(page_flip_ends, does_page_flip)
ENDS(cursor_ends, does_cursor)
ENDS(dirtyfb_ends, does_dirtyfb)
ENDS(mode_queries_end, does_queries)

TEST_F_TIMEOUT(cascade, closefb_ends, 120)
{
	pid_t child = start(does_closefb, &self->second);
	int ret = ends_before_the_fence(child, &self->stuck);

	/* Linux 6.1 has none. */
	EXPECT_TRUE(ret == 0 || ret == EACCES);
	still_stuck(_metadata, self);
}

TEST_F_TIMEOUT(cascade, the_last_close_ends_and_takes_the_picture_off, 120)
{
	struct helix_lease_query query;
	drmModePlane *plane;
	char path[64];
	pid_t child;
	int node;

	child = start_last_close(&self->second);
	EXPECT_EQ(ends_before_the_fence(child, &self->stuck), 0);
	ASSERT_EQ(helix_query(self->second.acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.opens, 0);
	still_stuck(_metadata, self);

	helix_node_path(path, 2);
	node = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(node, 0);
	plane = drmModeGetPlane(node, self->second.acq.primary_plane_id);
	ASSERT_NE(plane, NULL);
	EXPECT_EQ(plane->fb_id, 0);
	EXPECT_EQ(plane->crtc_id, 0);
	drmModeFreePlane(plane);
	close(node);
	still_stuck(_metadata, self);
}

TEST_F_TIMEOUT(cascade, a_close_that_is_not_the_last_ends, 120)
{
	struct tenant t = self->second;
	char path[64];

	helix_node_path(path, 2);
	t.fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(t.fd, 0);
	ASSERT_EQ(picture_create(t.fd, t.mode.hdisplay, t.mode.vdisplay, DRM_FORMAT_XRGB8888,
				 &t.shown), 0);
	ASSERT_EQ(tenant_set_crtc(t.fd, &t.acq, t.shown.fb, &t.mode), 0);
	EXPECT_EQ(close(t.fd), 0);
	still_stuck(_metadata, self);
}

TEST_F_TIMEOUT(cascade, being_killed_ends, 120)
{
	struct helix_lease_query query;
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(255);
	}
	close(self->second.fd);
	kill(child, SIGKILL);
	EXPECT_EQ(ends_before_the_fence(child, &self->stuck), SIGKILL);
	ASSERT_EQ(helix_query(self->second.acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.opens, 0);
	still_stuck(_metadata, self);
}

TEST_F_TIMEOUT(cascade, acquire_revoke_and_query_end, 120)
{
	struct helix_lease_acquire third;
	struct helix_lease_query query;

	EXPECT_EQ(helix_acquire(self->control, 3, &third), 0);
	still_stuck(_metadata, self);
	ASSERT_EQ(stay_stuck(&self->stuck, &self->first, variant->in), 0);
	EXPECT_EQ(helix_query(third.handle_fd, 0, &query), 0);
	EXPECT_EQ(helix_revoke(third.handle_fd, 0, 0), 0);
	EXPECT_EQ(helix_revoke(self->control, 2, self->second.acq.generation), 0);
	still_stuck(_metadata, self);
	helix_close_lease(&third);
}

TEST_F_TIMEOUT(cascade, what_the_stuck_one_asks_ends, 120)
{
	struct tenant *t = &self->first;

	EXPECT_EQ(does_obj_getproperties(t), 0);
	EXPECT_EQ(does_getconnector(t), 0);
	EXPECT_EQ(does_queries(t), 0);
	EXPECT_EQ(does_atomic_test_only(t), 0);
	still_stuck(_metadata, self);
}

static int does_dirtyfb_of_the_next(struct tenant *t)
{
	return drmModeDirtyFB(t->fd, t->next.fb, NULL, 0) ? -errno : 0;
}

/*
 * What the stuck one gets for it. Where it is to run out of time, it has as little as a
 * commit may be given; else enough for a slow machine, and less than the fence has.
 */
static void the_stuck_one_gets(struct __test_metadata *_metadata, FIXTURE_DATA(cascade) *self,
			       enum stuck_in in, int (*action)(struct tenant *t), int result)
{
	const char *commit_ms = result == -ETIMEDOUT ? "200" : "8000";
	struct tenant *t = &self->first;
	int ret = -ETIME, tries;

	for (tries = 0; tries < VGEM_TRIES; tries++) {
		ASSERT_EQ(write_parameter("commit_ms", commit_ms), 0);
		ret = action(t);
		ASSERT_EQ(write_parameter("commit_ms", "10000"), 0);
		if (fence_pending(self->stuck.sync_file))
			break;
		ret = -ETIME;
		ASSERT_EQ(stay_stuck(&self->stuck, t, in), 0);
	}
	EXPECT_EQ(ret, result);
}

TEST_F_TIMEOUT(cascade, what_the_stuck_one_commits_ends_at_its_deadline, 600)
{
#define GETS(action, result) the_stuck_one_gets(_metadata, self, variant->in, action, result)
	/* A commit that was not taken yet is in nobody's way. */
	GETS(does_atomic_blocking, variant->in == NONBLOCKING ? -ETIMEDOUT : 0);
	if (variant->in == NONBLOCKING) {
		GETS(does_page_flip, -EBUSY);
		GETS(does_setcrtc, -ETIMEDOUT);
		GETS(does_setplane, -ETIMEDOUT);
		GETS(does_cursor, -ETIMEDOUT);
		/* What was committed counts as shown from then on. */
		GETS(does_dirtyfb, 0);
		GETS(does_dirtyfb_of_the_next, -ETIMEDOUT);
		ASSERT_EQ(stay_stuck(&self->stuck, &self->first, variant->in), 0);
		GETS(does_rmfb_of_another, -ETIMEDOUT);
		EXPECT_EQ(does_rmfb_of_the_shown(&self->first), 0);
	}
	still_stuck(_metadata, self);
#undef GETS
}

/* --- who is no tenant ------------------------------------------------------- */

FIXTURE(owner) {
	int control;
	int card;
	struct stuck stuck;
	struct tenant console;
	struct helix_lease_acquire acq;
};

FIXTURE_SETUP(owner)
{
	struct helix_lease_bind bind;

	memset(&self->stuck, 0, sizeof(self->stuck));
	self->stuck.others_fd = -1;
	self->stuck.vgem = open_vgem();
	if (self->stuck.vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_unbind(self->control), 0);
	self->card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->card, 0);
	ASSERT_EQ(helix_bind_fd(self->control, self->card, &bind), 0);
	ASSERT_EQ(whole_output(self->card, 0, &self->console), 0);
	ASSERT_EQ(tenant_prepare(&self->console, &xga), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &self->acq), 0);
	ASSERT_EQ(write_parameter("quiesce_ms", "200"), 0);
}

FIXTURE_TEARDOWN(owner)
{
	if (self->stuck.vgem < 0)
		return;
	helix_close_lease(&self->acq);
	close(self->card);
	close(self->control);
}

/* What the card's owner does on the console's output is the core's, and waits in it. */
TEST_F_TIMEOUT(owner, whose_lock_is_in_the_way_is_named, 120)
{
	struct helix_lease_revoke revoke = {
		.size = sizeof(revoke),
		.timeout_ms = 100,
	};
	struct helix_lease_query query;
	drmModeModeInfo mode;
	struct picture p;

	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &p, &mode), 0);
	ASSERT_EQ(get_stuck(&self->stuck, &self->console, MODESET), 0);
	ASSERT_TRUE(is_asleep(self->stuck.child));
	EXPECT_EQ(sys_ioctl(self->acq.handle_fd, HELIX_LEASE_REVOKE, &revoke), -ETIMEDOUT);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_QUARANTINED), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_LOCK);
	EXPECT_NE(strstr((char *)query.wait_name, "connection_mutex"), NULL);
	EXPECT_TRUE(fence_pending(self->stuck.sync_file));
	EXPECT_EQ(get_unstuck(&self->stuck), 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
}

static int does_off(struct tenant *t)
{
	return tenant_set_crtc(t->fd, &t->acq, 0, NULL);
}

/*
 * A call of the owner's, of an output that is nobody's and off. It has the CRTC's lock, and
 * takes connection_mutex once its slow page has come.
 */
struct elder {
	int card;
	uint32_t objects[2];	/* CRTC, connector */
	uint32_t active;
	uint32_t connector_crtc_id;
	struct slow_page slow;
	pthread_t thread;
	int ret;
};

static void *elder_thread(void *arg)
{
	struct elder *elder = arg;
	uint32_t *second = elder->slow.page, *first = second - 1;
	uint32_t counts[2] = { 1, 1 };
	uint64_t values[2] = { 0, 0 };
	struct drm_mode_atomic call = {
		.flags = DRM_MODE_ATOMIC_TEST_ONLY,
		.count_objs = 2,
		.objs_ptr = (uintptr_t)elder->objects,
		.count_props_ptr = (uintptr_t)counts,
		.props_ptr = (uintptr_t)first,
		.prop_values_ptr = (uintptr_t)values,
	};

	*first = elder->active;
	elder->ret = sys_ioctl(elder->card, DRM_IOCTL_MODE_ATOMIC, &call);
	return NULL;
}

/* Who has connection_mutex, is younger and waits himself, has to give back all he has. */
static int elder_goes_on(struct elder *elder)
{
	uint32_t *page = calloc(1, elder->slow.size);
	int ret;

	page[0] = elder->connector_crtc_id;
	ret = slow_page_comes(&elder->slow, page);
	free(page);
	if (!ret)
		ret = -pthread_join(elder->thread, NULL);
	return ret ? ret : elder->ret;
}

/* What SETCRTC would do, with the locks of its own output alone. */
static int atomic_show(struct tenant *t, uint32_t mode_id, uint32_t mode_blob, uint32_t rect[8])
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	uint32_t plane = t->acq.primary_plane_id;
	uint64_t size[8] = {
		0, 0, (uint64_t)t->shown.width << 16, (uint64_t)t->shown.height << 16,
		0, 0, t->shown.width, t->shown.height,
	};
	int i, ret;

	drmModeAtomicAddProperty(req, t->acq.connector_id, t->prop.connector_crtc_id,
				 t->acq.crtc_id);
	drmModeAtomicAddProperty(req, t->acq.crtc_id, mode_id, mode_blob);
	drmModeAtomicAddProperty(req, t->acq.crtc_id, t->prop.active, 1);
	drmModeAtomicAddProperty(req, plane, t->prop.fb_id, t->shown.fb);
	drmModeAtomicAddProperty(req, plane, t->prop.plane_crtc_id, t->acq.crtc_id);
	for (i = 0; i < 8; i++)
		drmModeAtomicAddProperty(req, plane, rect[i], size[i]);
	ret = drmModeAtomicCommit(t->fd, req, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL);
	drmModeAtomicFree(req);
	return ret;
}

/*
 * A's call has found its CRTC, and waits for a lock without any of its own: the owner, who
 * was there before it, has made it give back what it had. Meanwhile the CRTC becomes B's.
 */
TEST_F_TIMEOUT(owner, a_call_of_the_last_tenant_does_nothing_to_the_next, 120)
{
	static const char * const rect_names[8] = {
		"SRC_X", "SRC_Y", "SRC_W", "SRC_H", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H",
	};
	struct tenant a = { .fd = self->acq.lease_fd, .acq = self->acq }, b = {};
	struct elder elder = { .card = self->card };
	uint32_t rect[8], mode_id, mode_blob;
	drmModeCrtc *crtc;
	drmModeRes *res;
	int i, ret, status;
	pid_t child;

	ret = slow_page_init(&elder.slow);
	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no userfaultfd");
	ASSERT_EQ(ret, 0);
	ASSERT_EQ(write_parameter("quiesce_ms", "60000"), 0);
	/* On 7.2 the console waits for its CRTC when it draws, and a hotplug for the console. */
	sysfs_write("/sys/class/graphics/fbcon/cursor_blink", "0");
	ASSERT_EQ(tenant_show(a.fd, &a.acq, &a.shown, &a.mode), 0);

	/* What is asked for takes the locks that will be held. */
	res = drmModeGetResources(self->card);
	ASSERT_NE(res, NULL);
	elder.objects[0] = res->crtcs[res->count_crtcs - 1];
	elder.objects[1] = res->connectors[res->count_connectors - 1];
	drmModeFreeResources(res);
	elder.active = self->console.prop.active;
	elder.connector_crtc_id = self->console.prop.connector_crtc_id;
	mode_id = property_id(self->card, self->console.acq.crtc_id, DRM_MODE_OBJECT_CRTC,
			      "MODE_ID");
	for (i = 0; i < 8; i++)
		rect[i] = property_id(self->card, self->console.acq.primary_plane_id,
				      DRM_MODE_OBJECT_PLANE, rect_names[i]);

	ASSERT_EQ(pthread_create(&elder.thread, NULL, elder_thread, &elder), 0);
	ASSERT_EQ(slow_page_is_wanted(&elder.slow), 0);
	ASSERT_EQ(get_stuck(&self->stuck, &self->console, BLOCKING), 0);
	ASSERT_TRUE(is_asleep(self->stuck.child));
	child = start(does_off, &a);
	ASSERT_TRUE(is_asleep(child));
	ASSERT_EQ(elder_goes_on(&elder), 0);

	/* It has no lock now that turning its scanout off needs. */
	EXPECT_EQ(helix_revoke(self->control, 1, a.acq.generation), 0);
	helix_close_lease(&self->acq);
	ASSERT_EQ(helix_acquire(self->control, 1, &self->acq), 0);
	b.acq = self->acq;
	b.fd = b.acq.lease_fd;
	b.prop = self->console.prop;
	ASSERT_EQ(drmSetClientCap(b.fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(picture_create(b.fd, xga.hdisplay, xga.vdisplay, DRM_FORMAT_XRGB8888,
				 &b.shown), 0);
	ASSERT_EQ(drmModeCreatePropertyBlob(b.fd, &xga, sizeof(xga), &mode_blob), 0);
	ASSERT_EQ(atomic_show(&b, mode_id, mode_blob, rect), 0);
	ret = fence_pending(self->stuck.sync_file);
	EXPECT_EQ(get_unstuck(&self->stuck), 0);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	slow_page_fini(&elder.slow);
	if (!ret)
		SKIP(return, "the fence's ten seconds are over: a slow machine, or the console drew");

	EXPECT_EQ(WEXITSTATUS(status), EACCES);
	crtc = drmModeGetCrtc(b.fd, b.acq.crtc_id);
	ASSERT_NE(crtc, NULL);
	EXPECT_EQ(crtc->mode_valid, 1);
	EXPECT_EQ(crtc->buffer_id, b.shown.fb);
	drmModeFreeCrtc(crtc);
}

/* --- what the stuck one itself sees ------------------------------------------ */

FIXTURE(waiting) {
	int control;
	struct stuck stuck;
	struct tenant t;
};

FIXTURE_SETUP(waiting)
{
	memset(&self->stuck, 0, sizeof(self->stuck));
	self->stuck.others_fd = -1;
	self->stuck.vgem = open_vgem();
	if (self->stuck.vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(our_lease(self->control, 1, &self->t), 0);
}

FIXTURE_TEARDOWN(waiting)
{
	if (self->stuck.vgem < 0)
		return;
	helix_close_lease(&self->t.acq);
	close(self->control);
}

static uint32_t fb_shown(struct tenant *t)
{
	drmModePlane *plane = drmModeGetPlane(t->fd, t->acq.primary_plane_id);
	uint32_t fb = plane ? plane->fb_id : ~0U;

	drmModeFreePlane(plane);
	return fb;
}

TEST_F_TIMEOUT(waiting, a_blocking_commit_ends_at_its_deadline_and_changes_nothing, 120)
{
	int status;

	ASSERT_EQ(write_parameter("commit_ms", "300"), 0);
	ASSERT_EQ(get_stuck(&self->stuck, &self->t, BLOCKING), 0);
	ASSERT_EQ(waitpid(self->stuck.child, &status, 0), self->stuck.child);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), ETIMEDOUT);
	EXPECT_TRUE(fence_pending(self->stuck.sync_file));
	EXPECT_EQ(fb_shown(&self->t), self->t.shown.fb);
	EXPECT_EQ(does_page_flip(&self->t), 0);
	self->stuck.child = 0;
	get_unstuck(&self->stuck);
}

static void on_signal(int sig)
{
}

TEST_F_TIMEOUT(waiting, a_signal_ends_a_blocking_commit_and_changes_nothing, 120)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct drm_mode_atomic atomic;
	uint32_t objs[] = { self->t.acq.primary_plane_id }, counts[] = { 2 };
	uint32_t props[] = { self->t.prop.fb_id, self->t.prop.in_fence_fd };
	uint64_t values[2];
	pid_t child;

	ASSERT_EQ(write_parameter("stall_ms", "50"), 0);
	self->stuck.sync_file = vgem_fence(self->stuck.vgem, &self->stuck.fence);
	ASSERT_GE(self->stuck.sync_file, 0);
	values[0] = self->t.next.fb;
	values[1] = self->stuck.sync_file;
	child = fork();
	if (!child) {
		/* Not through libdrm, which goes on after a signal. */
		memset(&atomic, 0, sizeof(atomic));
		atomic.count_objs = 1;
		atomic.objs_ptr = (uintptr_t)objs;
		atomic.count_props_ptr = (uintptr_t)counts;
		atomic.props_ptr = (uintptr_t)props;
		atomic.prop_values_ptr = (uintptr_t)values;
		sigaction(SIGUSR1, &action, NULL);
		_exit(-sys_ioctl(self->t.fd, DRM_IOCTL_MODE_ATOMIC, &atomic));
	}
	ASSERT_EQ(wait_stalled(self->t.acq.handle_fd, 0), 0);
	ASSERT_EQ(kill(child, SIGUSR1), 0);
	EXPECT_EQ(ends_before_the_fence(child, &self->stuck), EINTR);
	EXPECT_EQ(wait_moves(self->t.acq.handle_fd, 0), 0);
	EXPECT_EQ(fb_shown(&self->t), self->t.shown.fb);
	EXPECT_TRUE(fence_pending(self->stuck.sync_file));
	get_unstuck(&self->stuck);
}

TEST_F_TIMEOUT(waiting, a_blocking_commit_is_done_when_it_returns, 120)
{
	/* So that a flip right after it, which must not wait, is not one too many. */
	EXPECT_EQ(does_atomic_blocking(&self->t), 0);
	EXPECT_EQ(does_page_flip(&self->t), 0);
	EXPECT_EQ(does_setcrtc(&self->t), 0);
	EXPECT_EQ(does_page_flip(&self->t), 0);
	EXPECT_EQ(does_atomic_modeset(&self->t), 0);
	EXPECT_EQ(does_cursor(&self->t), 0);
	EXPECT_EQ(does_page_flip(&self->t), 0);
}

TEST_F_TIMEOUT(waiting, a_flip_after_the_event_is_never_too_early, 120)
{
	struct pollfd pfd = { .fd = self->t.fd, .events = POLLIN };
	char event[256];
	int i;

	for (i = 0; i < 100; i++) {
		uint32_t fb = i % 2 ? self->t.shown.fb : self->t.next.fb;

		ASSERT_EQ(drmModePageFlip(self->t.fd, self->t.acq.crtc_id, fb,
					  DRM_MODE_PAGE_FLIP_EVENT, NULL), 0);
		ASSERT_EQ(poll(&pfd, 1, PATIENCE_MS), 1);
		ASSERT_GT(read(self->t.fd, event, sizeof(event)), 0);
	}
}

TEST_HARNESS_MAIN
