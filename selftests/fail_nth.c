// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation and every copy from or to the caller, made to fail one after
 * the other: the first run of an action has its first one fail, the next run
 * its second, until a run is through before the failure has come. Whatever an
 * action returned, the scanout is then in a state that this errno allows, and
 * the same action without a failure works. Needs a kernel with fault injection.
 *
 * The actions end in DRM's core and in virtio-gpu; their error paths are part of
 * what a tenant can reach.
 */
#include <drm/virtgpu_drm.h>
#include <sys/syscall.h>

#include "helix_netlink.h"
#include "helix_test.h"
#include "kselftest_harness.h"

#define FAULTS		"/sys/kernel/debug/"
/* No action has so many: one that goes on is repeating itself. */
#define MANY_POINTS	20000
/*
 * BIND and UNBIND do the same for one scanout after the other. Beyond what the
 * first few of them have, this is how far it is from one point tried to the next.
 */
#define EVERY_POINT	200
#define STRIDE		31
/* A scanout that nothing else here touches. */
#define SCANOUT		3

struct stage {
	int control;
	int node;
	int card;
	struct helix_lease_acquire acq;
	struct picture shown;
	struct picture other;
	drmModeModeInfo mode;
	uint32_t id;		/* of what the action made or is about */
	uint32_t id2;
	int fd;
};

/**
 * struct action - something to be made to fail
 * @name: for people
 * @before: makes ready; without failures, and so has to return 0
 * @act: itself; 0 or a negative errno
 * @after: undoes it; without failures; 0 if all is as @ret says it should be
 */
struct action {
	const char *name;
	int (*before)(struct stage *s);
	int (*act)(struct stage *s);
	int (*after)(struct stage *s, int ret);
};

static int nth_fd = -1;

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int nth_open(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char path[96];
	int i;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	nth_fd = open(path, O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		return -errno;
	for (i = 0; i < 3; i++) {
		/* A stack in the log for each would be thousands. */
		snprintf(path, sizeof(path), FAULTS "%s/verbose", kinds[i]);
		if (write_file(path, "0"))
			return -ENOENT;
		if (i == 2)
			continue;
		/* Those that may sleep as well, which is nearly all. */
		snprintf(path, sizeof(path), FAULTS "%s/ignore-gfp-wait", kinds[i]);
		if (write_file(path, "0"))
			return -ENOENT;
	}
	if (write_file(FAULTS "fail_page_alloc/min-order", "0"))
		return -ENOENT;
	return 0;
}

static void nth_set(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* Disarming copies from here, and so may be what fails; then it is disarmed. */
	while (pwrite(nth_fd, text, len, 0) < 0)
		;
}

/* Disarm; returns whether the failure came before that. */
static bool nth_came(void)
{
	char text[16] = "";
	ssize_t len = pread(nth_fd, text, sizeof(text) - 1, 0);
	bool came = len > 0 && atoi(text) == 0;

	nth_set(0);
	return came;
}

static void sweep(struct __test_metadata *_metadata, struct stage *s, const struct action *a)
{
	unsigned int n, tried = 0, failed = 0;
	bool came = true;
	int ret = 0, after;

	for (n = 1; came && n < MANY_POINTS; n += n < EVERY_POINT ? 1 : STRIDE) {
		ret = a->before ? a->before(s) : 0;
		ASSERT_EQ(ret, 0)
			TH_LOG("%s, point %u: could not make ready", a->name, n);
		nth_set(n);
		ret = a->act(s);
		came = nth_came();
		tried += came;
		failed += came && ret < 0;
		after = a->after ? a->after(s, ret) : 0;
		ASSERT_EQ(after, 0)
			TH_LOG("%s, point %u: it returned %d (%s)", a->name, n, ret, strerror(-ret));
	}
	ASSERT_LT(n, MANY_POINTS);
	/* The last one ran undisturbed. */
	EXPECT_EQ(ret, 0)
		TH_LOG("%s, undisturbed: %s", a->name, strerror(-ret));
	TH_LOG("%s: %u points, %u errors", a->name, tried, failed);
}

static uint32_t state_of(struct stage *s)
{
	struct helix_lease_query query;

	return helix_query(s->control, SCANOUT, &query) ? ~0U : query.state;
}

static int wait_free(struct stage *s)
{
	return helix_wait_state(s->control, SCANOUT, HELIX_LEASE_STATE_FREE);
}

static int opens(struct stage *s)
{
	struct helix_lease_query query;

	return helix_query(s->control, SCANOUT, &query) ? -1 : (int)query.opens;
}

/* --- the control node, the handle, BIND ----------------------------------- */

FIXTURE(fail_nth) {
	struct stage s;
};

FIXTURE_SETUP(fail_nth)
{
	int ret = nth_open();

	if (ret && !getenv("HELIX_DEBUG"))
		SKIP(return, "this kernel injects no failures");
	ASSERT_EQ(ret, 0);
	self->s.control = helix_setup();
	ASSERT_GE(self->s.control, 0);
}

FIXTURE_TEARDOWN(fail_nth)
{
	close(self->s.control);
}

static int control_open(struct stage *s)
{
	s->fd = helix_open_control();
	return s->fd < 0 ? -errno : 0;
}

static int control_close(struct stage *s)
{
	return close(s->fd) ? -errno : 0;
}

static int close_if_open(struct stage *s, int ret)
{
	return ret || !close(s->fd) ? 0 : -errno;
}

static int info(struct stage *s)
{
	struct helix_lease_info info;

	return helix_info(s->control, &info);
}

static int query(struct stage *s)
{
	struct helix_lease_query query;

	return helix_query(s->control, SCANOUT, &query);
}

static int list(struct stage *s)
{
	struct helix_lease_query entries[4] = {};
	struct helix_lease_list list = {
		.size = sizeof(list),
		.nr = 4,
		.entry_size = sizeof(entries[0]),
		.entries = (uintptr_t)entries,
	};

	return sys_ioctl(s->control, HELIX_LEASE_LIST, &list);
}

static int get_policy(struct stage *s)
{
	struct helix_lease_policy policy = { .size = sizeof(policy) };

	return sys_ioctl(s->control, HELIX_LEASE_SET_POLICY, &policy);
}

static int set_policy(struct stage *s)
{
	struct helix_lease_policy policy = {
		.size = sizeof(policy),
		.mask = HELIX_LEASE_POLICY_WHO | HELIX_LEASE_POLICY_MAX_PER_UID |
			HELIX_LEASE_POLICY_MAX_PER_CGROUP | HELIX_LEASE_POLICY_GRACE_MS,
	};

	return sys_ioctl(s->control, HELIX_LEASE_SET_POLICY, &policy);
}

static int acquire(struct stage *s)
{
	return helix_acquire(s->control, SCANOUT, &s->acq);
}

static int acquired(struct stage *s, int ret)
{
	if (!ret) {
		if (state_of(s) != HELIX_LEASE_STATE_LEASED)
			return -EBADE;
		helix_close_lease(&s->acq);
	}
	return wait_free(s);
}

static int acquired_by_pidfd(struct stage *s)
{
	int ret;

	helix_acquire_init(&s->acq, SCANOUT);
	s->acq.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	s->acq.priority = 0;
	s->acq.flags = HELIX_LEASE_ACQUIRE_PIDFD;
	s->fd = s->acq.pidfd;
	ret = sys_ioctl(s->control, HELIX_LEASE_ACQUIRE, &s->acq);
	close(s->fd);
	return ret;
}

static int revoke_it(struct stage *s)
{
	return helix_revoke(s->control, SCANOUT, s->acq.generation);
}

static int revoke_by_handle(struct stage *s)
{
	return helix_revoke(s->acq.handle_fd, 0, 0);
}

/* Nothing but the reading was to fail. */
static int read_done(struct stage *s, int ret)
{
	return acquired(s, 0);
}

/* The rights may be gone on an error too; then it gets to FREE by itself. */
static int revoked(struct stage *s, int ret)
{
	if (!ret && state_of(s) != HELIX_LEASE_STATE_FREE)
		return -EBADE;
	helix_close_lease(&s->acq);
	return wait_free(s);
}

static int handle_close(struct stage *s)
{
	return close(s->acq.handle_fd) ? -errno : 0;
}

static int handle_closed(struct stage *s, int ret)
{
	close(s->acq.lease_fd);
	return ret ? ret : wait_free(s);
}

static int lease_close(struct stage *s)
{
	return close(s->acq.lease_fd) ? -errno : 0;
}

/* With a picture on the screen: that of a tenant who has gone must not stay. */
static int acquire_and_show(struct stage *s)
{
	int ret = acquire(s);

	return ret ? ret : tenant_show(s->acq.lease_fd, &s->acq, &s->shown, &s->mode);
}

static int lease_closed(struct stage *s, int ret)
{
	if (ret)
		return ret;
	if (state_of(s) != HELIX_LEASE_STATE_LEASED || opens(s))
		return -EBADE;
	close(s->acq.handle_fd);
	return wait_free(s);
}

TEST_F_TIMEOUT(fail_nth, control_node, 1200)
{
	static const struct action actions[] = {
		{ "open", NULL, control_open, close_if_open },
		{ "close", control_open, control_close, NULL },
		{ "INFO", NULL, info, NULL },
		{ "QUERY", NULL, query, NULL },
		{ "LIST", NULL, list, NULL },
		{ "SET_POLICY, reading", NULL, get_policy, NULL },
		{ "SET_POLICY", NULL, set_policy, NULL },
		{ "ACQUIRE", NULL, acquire, acquired },
		{ "ACQUIRE for a process", NULL, acquired_by_pidfd, acquired },
		{ "REVOKE", acquire_and_show, revoke_it, revoked },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
}

static int handle_query(struct stage *s)
{
	struct helix_lease_query query;

	return helix_query(s->acq.handle_fd, 0, &query);
}

static int handle_poll(struct stage *s)
{
	struct pollfd pfd = { .fd = s->acq.handle_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) < 0 ? -errno : 0;
}

static int handle_read(struct stage *s)
{
	struct helix_lease_event events[4];

	fcntl(s->acq.handle_fd, F_SETFL, O_NONBLOCK);
	return read(s->acq.handle_fd, events, sizeof(events)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int resize(struct stage *s)
{
	static uint32_t width = 800;
	struct helix_lease_resize resize = {
		.size = sizeof(resize),
		.timeout_ms = PATIENCE_MS,
		.width = width += 8,
		.height = 600,
	};

	if (width > 1600)
		width = 800;
	return sys_ioctl(s->acq.handle_fd, HELIX_LEASE_RESIZE, &resize);
}

static int still_leased(struct stage *s, int ret)
{
	return state_of(s) == HELIX_LEASE_STATE_LEASED ? 0 : -EBADE;
}

TEST_F_TIMEOUT(fail_nth, handle, 1200)
{
	static const struct action held[] = {
		{ "QUERY by handle", NULL, handle_query, still_leased },
		{ "poll", NULL, handle_poll, still_leased },
		{ "RESIZE", NULL, resize, still_leased },
	};
	static const struct action ending[] = {
		{ "read", acquire, handle_read, read_done },
		{ "REVOKE by handle", acquire_and_show, revoke_by_handle, revoked },
		{ "close of the handle", acquire_and_show, handle_close, handle_closed },
		{ "last close of the node", acquire_and_show, lease_close, lease_closed },
	};
	unsigned int i;

	ASSERT_EQ(acquire(&self->s), 0);
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].act == resize && getenv("HELIX_NO_CONTROL"))
			continue;
		sweep(_metadata, &self->s, &held[i]);
	}
	ASSERT_EQ(acquired(&self->s, 0), 0);
	for (i = 0; i < ARRAY_SIZE(ending); i++)
		sweep(_metadata, &self->s, &ending[i]);
}

/* --- those who watch ------------------------------------------------------ */

static struct family family;

static int family_ready(struct stage *s)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int ret = family_open(&family);

	if (!ret && setsockopt(mnl_socket_get_fd(family.nl), SOL_SOCKET, SO_RCVTIMEO, &patience,
			       sizeof(patience)))
		ret = -errno;
	return ret;
}

/* Whatever went wrong, there was an answer. */
static int family_done(struct stage *s, int ret)
{
	mnl_socket_close(family.nl);
	return ret == -EAGAIN ? -EBADE : 0;
}

static int on_any(const struct nlmsghdr *nlh, void *data)
{
	return MNL_CB_OK;
}

static int scanout_get(struct stage *s)
{
	char buf[512];
	struct nlmsghdr *nlh = request(&family, buf, family.id, 0, HELIX_LEASE_CMD_SCANOUT_GET,
				       HELIX_LEASE_FAMILY_VERSION);

	mnl_attr_put_u32(nlh, HELIX_LEASE_A_SCANOUT, SCANOUT);
	return talk(&family, nlh, on_any, NULL);
}

static int scanout_dump(struct stage *s)
{
	char buf[512];

	return talk(&family, request(&family, buf, family.id, NLM_F_DUMP,
				     HELIX_LEASE_CMD_SCANOUT_GET, HELIX_LEASE_FAMILY_VERSION),
		    on_any, NULL);
}

static int join_events(struct stage *s)
{
	return mnl_socket_setsockopt(family.nl, NETLINK_ADD_MEMBERSHIP, &family.group,
				     sizeof(family.group)) ? -errno : 0;
}

static int read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;
	char buf[4096];

	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, buf, sizeof(buf));
	} while (ret > 0);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int read_sysfs(struct stage *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/helix/helix!scanout%u/label", SCANOUT);
	return read_all(path);
}

static int read_debugfs(struct stage *s)
{
	return read_all(FAULTS "helix_lease/scanouts") ?: read_all(FAULTS "helix_lease/waits");
}

TEST_F_TIMEOUT(fail_nth, watchers, 1200)
{
	static const struct action actions[] = {
		{ "scanout-get", family_ready, scanout_get, family_done },
		{ "scanout-get, dump", family_ready, scanout_dump, family_done },
		{ "joining events", family_ready, join_events, family_done },
		{ "sysfs", NULL, read_sysfs, NULL },
		{ "debugfs", NULL, read_debugfs, NULL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
}

static int card_open(struct stage *s)
{
	s->card = open(helix_card(0), O_RDWR | O_CLOEXEC);
	return s->card < 0 ? -errno : 0;
}

static int bind_card(struct stage *s)
{
	struct helix_lease_bind bind;

	return helix_bind_fd(s->control, s->card, &bind);
}

static int unbind(struct stage *s)
{
	return helix_unbind(s->control);
}

static uint32_t nr_gpus(struct stage *s)
{
	struct helix_lease_info info;

	return helix_info(s->control, &info) ? ~0U : info.nr_gpus;
}

/* Bound, or not at all; EFAULT says that the answer could not be written. */
static int bound(struct stage *s, int ret)
{
	uint32_t nr = nr_gpus(s);

	close(s->card);
	if (nr > 1 || (!ret && nr != 1) || (ret && ret != -EFAULT && nr))
		return -EBADE;
	return nr ? unbind(s) : 0;
}

static int bind_anew(struct stage *s)
{
	int ret = card_open(s);

	if (!ret) {
		ret = bind_card(s);
		close(s->card);
	}
	return ret;
}

static int unbound(struct stage *s, int ret)
{
	uint32_t nr = nr_gpus(s);

	if (!ret)
		return nr ? -EBADE : 0;
	/* All of it is there as before. */
	if (nr != 1)
		return -EBADE;
	ret = acquire(s);
	if (!ret)
		ret = acquired(s, ret);
	return ret ? ret : unbind(s);
}

TEST_F_TIMEOUT(fail_nth, bind, 1200)
{
	static const struct action actions[] = {
		{ "BIND", card_open, bind_card, bound },
		{ "UNBIND", bind_anew, unbind, unbound },
	};
	unsigned int i;

	ASSERT_EQ(unbind(&self->s), 0);
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
	ASSERT_EQ(helix_bind_card(self->s.control), 0);
}

/* --- what a tenant may ask ------------------------------------------------- */

FIXTURE(fail_nth_tenant) {
	struct stage s;
};

FIXTURE_SETUP(fail_nth_tenant)
{
	struct stage *s = &self->s;
	int ret = nth_open();

	if (ret && !getenv("HELIX_DEBUG"))
		SKIP(return, "this kernel injects no failures");
	ASSERT_EQ(ret, 0);
	s->control = helix_setup();
	ASSERT_GE(s->control, 0);
	ASSERT_EQ(acquire(s), 0);
	s->node = s->acq.lease_fd;
	ASSERT_EQ(drmSetClientCap(s->node, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(tenant_show(s->node, &s->acq, &s->shown, &s->mode), 0);
	ASSERT_EQ(picture_create(s->node, s->mode.hdisplay, s->mode.vdisplay,
				 DRM_FORMAT_XRGB8888, &s->other), 0);
}

FIXTURE_TEARDOWN(fail_nth_tenant)
{
	helix_close_lease(&self->s.acq);
	EXPECT_EQ(wait_free(&self->s), 0);
	close(self->s.control);
}

static int node_open(struct stage *s)
{
	char path[64];

	helix_node_path(path, SCANOUT);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	return s->fd < 0 ? -errno : 0;
}

static int node_opened(struct stage *s, int ret)
{
	if (!ret)
		close(s->fd);
	return opens(s) == 1 ? still_leased(s, 0) : -EBADE;
}

static int node_open_with_fb(struct stage *s)
{
	struct picture p;
	int ret = node_open(s);

	return ret ? ret : picture_create(s->fd, 64, 64, DRM_FORMAT_XRGB8888, &p);
}

static int fd_close(struct stage *s)
{
	return close(s->fd) ? -errno : 0;
}

static int fd_closed(struct stage *s, int ret)
{
	return ret || opens(s) != 1 ? -EBADE : still_leased(s, 0);
}

TEST_F_TIMEOUT(fail_nth_tenant, node, 1200)
{
	static const struct action actions[] = {
		{ "open of the node", NULL, node_open, node_opened },
		{ "close of the node", node_open_with_fb, fd_close, fd_closed },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
}

#define IOCTL(_name, _command, _struct, ...)					\
static int _name(struct stage *s)						\
{										\
	struct _struct arg = { __VA_ARGS__ };					\
										\
	return sys_ioctl(s->node, DRM_IOCTL_ ## _command, &arg);		\
}

#define P(_buffer)	((uintptr_t)(_buffer))

static uint32_t ids[64];
static uint64_t values[64];
static uint8_t bytes[8192];
static uint16_t gamma_lut[3][256];

IOCTL(get_version, VERSION, drm_version, .name = (char *)bytes, .name_len = 64)
IOCTL(get_unique, GET_UNIQUE, drm_unique, .unique = (char *)bytes, .unique_len = 64)
IOCTL(get_cap, GET_CAP, drm_get_cap, .capability = DRM_CAP_DUMB_BUFFER)
IOCTL(set_client_cap, SET_CLIENT_CAP, drm_set_client_cap,
      .capability = DRM_CLIENT_CAP_ATOMIC, .value = 1)
IOCTL(get_magic, GET_MAGIC, drm_auth)
IOCTL(set_version, SET_VERSION, drm_set_version, 1, 4, -1, -1)

static int set_master(struct stage *s)
{
	return sys_ioctl(s->node, DRM_IOCTL_SET_MASTER, NULL);
}

IOCTL(get_resources, MODE_GETRESOURCES, drm_mode_card_res, .crtc_id_ptr = P(ids),
      .count_crtcs = 1, .connector_id_ptr = P(ids + 1), .count_connectors = 1,
      .encoder_id_ptr = P(ids + 2), .count_encoders = 16,
      .fb_id_ptr = P(ids + 20), .count_fbs = 16)
IOCTL(get_planes, MODE_GETPLANERESOURCES, drm_mode_get_plane_res,
      .plane_id_ptr = P(ids), .count_planes = 2)
IOCTL(get_crtc, MODE_GETCRTC, drm_mode_crtc, .crtc_id = s->acq.crtc_id)
IOCTL(get_plane, MODE_GETPLANE, drm_mode_get_plane, .plane_id = s->acq.primary_plane_id,
      .format_type_ptr = P(ids), .count_format_types = 64)
IOCTL(get_connector, MODE_GETCONNECTOR, drm_mode_get_connector,
      .connector_id = s->acq.connector_id, .modes_ptr = P(bytes), .count_modes = 1,
      .props_ptr = P(ids), .prop_values_ptr = P(values), .count_props = 64)
IOCTL(probe_connector, MODE_GETCONNECTOR, drm_mode_get_connector,
      .connector_id = s->acq.connector_id)
IOCTL(get_encoder, MODE_GETENCODER, drm_mode_get_encoder, .encoder_id = s->id)
IOCTL(get_properties, MODE_OBJ_GETPROPERTIES, drm_mode_obj_get_properties,
      .obj_id = s->acq.crtc_id, .obj_type = DRM_MODE_OBJECT_CRTC,
      .props_ptr = P(ids), .prop_values_ptr = P(values), .count_props = 64)
IOCTL(get_property, MODE_GETPROPERTY, drm_mode_get_property, .prop_id = s->id2,
      .values_ptr = P(values), .count_values = 64)
IOCTL(get_gamma, MODE_GETGAMMA, drm_mode_crtc_lut, .crtc_id = s->acq.crtc_id,
      .gamma_size = 256, .red = P(gamma_lut[0]), .green = P(gamma_lut[1]),
      .blue = P(gamma_lut[2]))

/* virtio-gpu has no gamma table: that is the answer then. */
static int gamma_if_any(struct stage *s)
{
	int ret = get_gamma(s);

	return ret == -EINVAL || ret == -ENOSYS ? 0 : ret;
}

static int create_blob(struct stage *s)
{
	struct drm_mode_create_blob arg = { .data = P(bytes), .length = 64 };
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_CREATEPROPBLOB, &arg);

	s->id = arg.blob_id;
	return ret;
}

IOCTL(destroy_blob, MODE_DESTROYPROPBLOB, drm_mode_destroy_blob, .blob_id = s->id)
IOCTL(get_blob, MODE_GETPROPBLOB, drm_mode_get_blob, .blob_id = s->id, .length = 64,
      .data = P(bytes))

/* The answer of what made it may have been lost with it: then nobody knows its id. */
static int blob_created(struct stage *s, int ret)
{
	return ret ? still_leased(s, 0) : destroy_blob(s);
}

/*
 * What was destroyed is gone, what was not is there. With EFAULT it can be
 * either: DRM copies the arguments of every such call back.
 */
static int destroyed(struct stage *s, int ret, int (*again)(struct stage *s))
{
	int gone = again(s);

	if (ret == -EFAULT && (gone == -ENOENT || gone == -EINVAL))
		gone = 0;
	else if (!ret)
		gone = gone == -ENOENT || gone == -EINVAL ? 0 : -EBADE;
	return gone ? gone : still_leased(s, 0);
}

static int blob_destroyed(struct stage *s, int ret)
{
	return destroyed(s, ret, destroy_blob);
}

static int blob_done(struct stage *s, int ret)
{
	return destroy_blob(s);
}

static int create_dumb(struct stage *s)
{
	struct drm_mode_create_dumb arg = { .width = 64, .height = 64, .bpp = 32 };
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_CREATE_DUMB, &arg);

	s->id = arg.handle;
	return ret;
}

IOCTL(destroy_dumb, MODE_DESTROY_DUMB, drm_mode_destroy_dumb, .handle = s->id)
IOCTL(gem_close, GEM_CLOSE, drm_gem_close, .handle = s->id)
IOCTL(map_dumb, MODE_MAP_DUMB, drm_mode_map_dumb, .handle = s->id)

static int dumb_created(struct stage *s, int ret)
{
	return ret ? still_leased(s, 0) : destroy_dumb(s);
}

static int dumb_destroyed(struct stage *s, int ret)
{
	return destroyed(s, ret, destroy_dumb);
}

static int dumb_done(struct stage *s, int ret)
{
	return destroy_dumb(s);
}

static int add_fb(struct stage *s)
{
	struct drm_mode_fb_cmd arg = {
		.width = 64, .height = 64, .pitch = 256, .bpp = 32, .depth = 24,
		.handle = s->shown.handle,
	};
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_ADDFB, &arg);

	s->id = arg.fb_id;
	return ret;
}

static int add_fb2(struct stage *s)
{
	struct drm_mode_fb_cmd2 arg = {
		.width = 64, .height = 64, .pitches[0] = 256,
		.pixel_format = DRM_FORMAT_XRGB8888, .handles[0] = s->shown.handle,
	};
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_ADDFB2, &arg);

	s->id = arg.fb_id;
	return ret;
}

static int rm_fb(struct stage *s)
{
	return sys_ioctl(s->node, DRM_IOCTL_MODE_RMFB, &s->id);
}

static int close_fb(struct stage *s)
{
	struct drm_mode_closefb { uint32_t fb_id, pad; } arg = { .fb_id = s->id };
	int ret = sys_ioctl(s->node, DRM_IOWR(0xD0, struct drm_mode_closefb), &arg);

	/* Before 6.8 there was none. */
	return ret == -EINVAL || ret == -EACCES ? rm_fb(s) : ret;
}

/* One that a tenant shows; what closes it turns the picture off. */
static int show_new_fb(struct stage *s)
{
	int ret;

	s->other.fb = 0;
	ret = picture_create(s->node, s->mode.hdisplay, s->mode.vdisplay,
			     DRM_FORMAT_XRGB8888, &s->other);
	if (ret)
		return ret;
	s->id = s->other.fb;
	return tenant_set_crtc(s->node, &s->acq, s->id, &s->mode);
}

static int shown_removed(struct stage *s, int ret)
{
	ret = destroyed(s, ret, rm_fb);
	if (!ret)
		ret = drmModeDestroyDumbBuffer(s->node, s->other.handle) ? -errno : 0;
	if (!ret)
		ret = tenant_set_crtc(s->node, &s->acq, s->shown.fb, &s->mode);
	return ret ? ret : still_leased(s, 0);
}

static int fb_created(struct stage *s, int ret)
{
	return ret ? still_leased(s, 0) : rm_fb(s);
}

static int fb_removed(struct stage *s, int ret)
{
	return destroyed(s, ret, rm_fb);
}

static int get_fb(struct stage *s)
{
	struct drm_mode_fb_cmd arg = { .fb_id = s->shown.fb };
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_GETFB, &arg);

	s->id = arg.handle;
	return ret;
}

static int get_fb2(struct stage *s)
{
	struct drm_mode_fb_cmd2 arg = { .fb_id = s->shown.fb };
	int ret = sys_ioctl(s->node, DRM_IOCTL_MODE_GETFB2, &arg);

	s->id = arg.handles[0];
	return ret;
}

static int got_handle(struct stage *s, int ret)
{
	return ret ? still_leased(s, 0) : gem_close(s);
}

static struct drm_clip_rect clip = { .x2 = 8, .y2 = 8 };

IOCTL(dirty_fb, MODE_DIRTYFB, drm_mode_fb_dirty_cmd, .fb_id = s->shown.fb,
      .num_clips = 1, .clips_ptr = P(&clip))

static int set_crtc(struct stage *s)
{
	return tenant_set_crtc(s->node, &s->acq, s->shown.fb, &s->mode);
}

static int crtc_off(struct stage *s)
{
	return tenant_set_crtc(s->node, &s->acq, 0, NULL);
}

/* Whatever came of it, what is to be shown can be. */
static int crtc_on(struct stage *s, int ret)
{
	ret = set_crtc(s);
	return ret ? ret : still_leased(s, 0);
}

static int page_flip(struct stage *s)
{
	struct drm_mode_crtc_page_flip arg = {
		.crtc_id = s->acq.crtc_id,
		.fb_id = s->other.fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};

	return sys_ioctl(s->node, DRM_IOCTL_MODE_PAGE_FLIP, &arg);
}

/* Exactly one event for a flip that was accepted, none for one that was not. */
static int flipped(struct stage *s, int ret)
{
	struct pollfd pfd = { .fd = s->node, .events = POLLIN };
	char event[256];

	if (!ret || ret == -EFAULT) {
		if (poll(&pfd, 1, ret ? 0 : PATIENCE_MS) == 1 &&
		    read(s->node, event, sizeof(event)) < (ssize_t)sizeof(struct drm_event_vblank))
			return -EBADMSG;
		else if (!ret && !(pfd.revents & POLLIN))
			return -ENOMSG;
	}
	if (poll(&pfd, 1, 0))
		return -EBADMSG;
	return crtc_on(s, 0);
}

IOCTL(set_plane, MODE_SETPLANE, drm_mode_set_plane, .plane_id = s->acq.primary_plane_id,
      .crtc_id = s->acq.crtc_id, .fb_id = s->other.fb, .crtc_w = s->mode.hdisplay,
      .crtc_h = s->mode.vdisplay, .src_w = s->mode.hdisplay << 16,
      .src_h = s->mode.vdisplay << 16)

static int cursor_ready(struct stage *s)
{
	struct picture p;
	int ret = picture_create(s->node, 64, 64, DRM_FORMAT_ARGB8888, &p);

	s->id = p.handle;
	s->id2 = p.fb;
	return ret;
}

IOCTL(cursor, MODE_CURSOR, drm_mode_cursor, .flags = DRM_MODE_CURSOR_BO,
      .crtc_id = s->acq.crtc_id, .width = 64, .height = 64, .handle = s->id)
IOCTL(cursor_move, MODE_CURSOR, drm_mode_cursor, .flags = DRM_MODE_CURSOR_MOVE,
      .crtc_id = s->acq.crtc_id, .x = 5, .y = 5)
IOCTL(cursor_off, MODE_CURSOR, drm_mode_cursor, .flags = DRM_MODE_CURSOR_BO,
      .crtc_id = s->acq.crtc_id)
IOCTL(cursor2, MODE_CURSOR2, drm_mode_cursor2, .flags = DRM_MODE_CURSOR_BO,
      .crtc_id = s->acq.crtc_id, .width = 64, .height = 64, .handle = s->id)

static int cursor_done(struct stage *s, int ret)
{
	ret = cursor_off(s);
	if (!ret)
		ret = drmModeRmFB(s->node, s->id2) ? -errno : 0;
	if (!ret)
		ret = drmModeDestroyDumbBuffer(s->node, s->id) ? -errno : 0;
	return ret ? ret : still_leased(s, 0);
}

static int set_dpms(struct stage *s)
{
	struct drm_mode_connector_set_property arg = {
		.connector_id = s->acq.connector_id,
		.prop_id = s->id,
		.value = DRM_MODE_DPMS_OFF,
	};

	return sys_ioctl(s->node, DRM_IOCTL_MODE_SETPROPERTY, &arg);
}

static int dpms_ready(struct stage *s)
{
	s->id = property_id(s->node, s->acq.connector_id, DRM_MODE_OBJECT_CONNECTOR, "DPMS");
	return s->id ? 0 : -ENOENT;
}

static int atomic(struct stage *s, uint32_t fb, uint32_t flags)
{
	uint32_t object = s->acq.primary_plane_id, count = 1;
	uint64_t value = fb;
	struct drm_mode_atomic arg = {
		.flags = flags,
		.count_objs = 1,
		.objs_ptr = P(&object),
		.count_props_ptr = P(&count),
		.props_ptr = P(&s->id),
		.prop_values_ptr = P(&value),
	};

	return sys_ioctl(s->node, DRM_IOCTL_MODE_ATOMIC, &arg);
}

static int atomic_ready(struct stage *s)
{
	s->id = property_id(s->node, s->acq.primary_plane_id, DRM_MODE_OBJECT_PLANE, "FB_ID");
	return s->id ? 0 : -ENOENT;
}

static int atomic_test(struct stage *s)
{
	return atomic(s, s->other.fb, DRM_MODE_ATOMIC_TEST_ONLY);
}

static int atomic_commit(struct stage *s)
{
	return atomic(s, s->other.fb, 0);
}

static int atomic_modeset(struct stage *s)
{
	return atomic(s, s->other.fb, DRM_MODE_ATOMIC_ALLOW_MODESET);
}

static int atomic_flip(struct stage *s)
{
	return atomic(s, s->other.fb, DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT);
}

static int handle_to_fd(struct stage *s)
{
	struct drm_prime_handle arg = { .handle = s->shown.handle, .flags = DRM_CLOEXEC };
	int ret = sys_ioctl(s->node, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);

	s->fd = arg.fd;
	return ret;
}

IOCTL(fd_to_handle, PRIME_FD_TO_HANDLE, drm_prime_handle, .fd = s->fd)

static int prime_done(struct stage *s, int ret)
{
	/* The handle is the one it already had. */
	close(s->fd);
	return still_leased(s, 0);
}

static int create_syncobj(struct stage *s)
{
	struct drm_syncobj_create arg = { .flags = DRM_SYNCOBJ_CREATE_SIGNALED };
	int ret = sys_ioctl(s->node, DRM_IOCTL_SYNCOBJ_CREATE, &arg);

	s->id = arg.handle;
	return ret;
}

IOCTL(destroy_syncobj, SYNCOBJ_DESTROY, drm_syncobj_destroy, .handle = s->id)

/* The driver has none of these on every kernel: that is the answer then. */
static int syncobj(struct stage *s)
{
	int ret = create_syncobj(s);

	if (!ret)
		ret = destroy_syncobj(s);
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int denied(struct stage *s)
{
	struct drm_gem_flink arg = { .handle = s->shown.handle };
	int ret = sys_ioctl(s->node, DRM_IOCTL_GEM_FLINK, &arg);

	return ret == -EACCES ? 0 : -EBADE;
}

IOCTL(get_param, VIRTGPU_GETPARAM, drm_virtgpu_getparam, .param = VIRTGPU_PARAM_3D_FEATURES,
      .value = P(values))
IOCTL(resource_info, VIRTGPU_RESOURCE_INFO, drm_virtgpu_resource_info,
      .bo_handle = s->shown.handle)

TEST_F_TIMEOUT(fail_nth_tenant, asks, 1200)
{
	static const struct action actions[] = {
		{ "VERSION", NULL, get_version, still_leased },
		{ "GET_UNIQUE", NULL, get_unique, still_leased },
		{ "GET_CAP", NULL, get_cap, still_leased },
		{ "SET_CLIENT_CAP", NULL, set_client_cap, still_leased },
		{ "SET_VERSION", NULL, set_version, still_leased },
		{ "GET_MAGIC", NULL, get_magic, still_leased },
		{ "SET_MASTER", NULL, set_master, still_leased },
		{ "GETRESOURCES", NULL, get_resources, still_leased },
		{ "GETPLANERESOURCES", NULL, get_planes, still_leased },
		{ "GETCRTC", NULL, get_crtc, still_leased },
		{ "GETPLANE", NULL, get_plane, still_leased },
		{ "GETCONNECTOR", NULL, get_connector, still_leased },
		{ "GETCONNECTOR, probing", NULL, probe_connector, still_leased },
		{ "GETENCODER", NULL, get_encoder, still_leased },
		{ "OBJ_GETPROPERTIES", NULL, get_properties, still_leased },
		{ "GETPROPERTY", NULL, get_property, still_leased },
		{ "GETGAMMA", NULL, gamma_if_any, still_leased },
		{ "a denied one", NULL, denied, still_leased },
		{ "VIRTGPU_GETPARAM", NULL, get_param, still_leased },
		{ "VIRTGPU_RESOURCE_INFO", NULL, resource_info, still_leased },
	};
	struct stage *s = &self->s;
	drmModeConnector *connector;
	unsigned int i;

	connector = drmModeGetConnector(s->node, s->acq.connector_id);
	ASSERT_NE(connector, NULL);
	ASSERT_EQ(connector->count_encoders, 1);
	s->id = connector->encoders[0];
	drmModeFreeConnector(connector);
	s->id2 = property_id(s->node, s->acq.connector_id, DRM_MODE_OBJECT_CONNECTOR, "DPMS");
	ASSERT_NE(s->id2, 0);
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, s, &actions[i]);
}

TEST_F_TIMEOUT(fail_nth_tenant, makes, 1200)
{
	static const struct action actions[] = {
		{ "CREATEPROPBLOB", NULL, create_blob, blob_created },
		{ "GETPROPBLOB", create_blob, get_blob, blob_done },
		{ "DESTROYPROPBLOB", create_blob, destroy_blob, blob_destroyed },
		{ "CREATE_DUMB", NULL, create_dumb, dumb_created },
		{ "MAP_DUMB", create_dumb, map_dumb, dumb_done },
		{ "DESTROY_DUMB", create_dumb, destroy_dumb, dumb_destroyed },
		{ "GEM_CLOSE", create_dumb, gem_close, dumb_destroyed },
		{ "ADDFB", NULL, add_fb, fb_created },
		{ "ADDFB2", NULL, add_fb2, fb_created },
		{ "GETFB", NULL, get_fb, got_handle },
		{ "GETFB2", NULL, get_fb2, got_handle },
		{ "RMFB", add_fb2, rm_fb, fb_removed },
		{ "CLOSEFB", add_fb2, close_fb, fb_removed },
		{ "PRIME_HANDLE_TO_FD", NULL, handle_to_fd, close_if_open },
		{ "PRIME_FD_TO_HANDLE", handle_to_fd, fd_to_handle, prime_done },
		{ "SYNCOBJ_CREATE and _DESTROY", NULL, syncobj, still_leased },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
}

TEST_F_TIMEOUT(fail_nth_tenant, shows, 1200)
{
	static const struct action actions[] = {
		{ "DIRTYFB", NULL, dirty_fb, still_leased },
		{ "SETCRTC", crtc_off, set_crtc, crtc_on },
		{ "SETCRTC, off", NULL, crtc_off, crtc_on },
		{ "PAGE_FLIP", NULL, page_flip, flipped },
		{ "SETPLANE", NULL, set_plane, crtc_on },
		{ "CURSOR", cursor_ready, cursor, cursor_done },
		{ "CURSOR, moved", NULL, cursor_move, still_leased },
		{ "CURSOR2", cursor_ready, cursor2, cursor_done },
		{ "SETPROPERTY", dpms_ready, set_dpms, crtc_on },
		{ "ATOMIC, test only", atomic_ready, atomic_test, still_leased },
		{ "ATOMIC", atomic_ready, atomic_commit, crtc_on },
		{ "ATOMIC, mode-setting", atomic_ready, atomic_modeset, crtc_on },
		{ "ATOMIC, non-blocking", atomic_ready, atomic_flip, flipped },
		{ "RMFB of what is shown", show_new_fb, rm_fb, shown_removed },
		{ "CLOSEFB of what is shown", show_new_fb, close_fb, shown_removed },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		sweep(_metadata, &self->s, &actions[i]);
}

TEST_HARNESS_MAIN
