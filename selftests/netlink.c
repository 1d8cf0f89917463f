// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: what it says of scanouts is what QUERY says, it
 * tells a whole life in order, tells nobody who may not know, and waits for
 * nobody who does not listen.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#include <sched.h>

#include "helix_netlink.h"
#include "vgem.h"

/* What a message of the family says; what it does not say is poison. */
struct message {
	uint8_t cmd;
	uint64_t has;	/* bit per attribute */
	uint32_t u32[HELIX_LEASE_A_MAX + 1];
	uint64_t u64[HELIX_LEASE_A_MAX + 1];
	char text[HELIX_LEASE_A_MAX + 1][HELIX_LEASE_WAIT_NAME_LEN + 1];
};

struct answer {
	struct message messages[64];
	int n;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct answer *answer = data;
	const struct nlattr *a;
	struct message *m;

	if (answer->n == 64)
		return MNL_CB_ERROR;
	m = &answer->messages[answer->n++];
	memset(m, 0xa5, sizeof(*m));
	m->has = 0;
	m->cmd = genl->cmd;
	mnl_attr_for_each(a, nlh, sizeof(*genl)) {
		int type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);

		if (type > HELIX_LEASE_A_MAX)
			return MNL_CB_ERROR;
		m->has |= 1ULL << type;
		if (type == HELIX_LEASE_A_PAD)
			continue;
		if (type == HELIX_LEASE_A_LABEL || type == HELIX_LEASE_A_WAIT_NAME)
			snprintf(m->text[type], sizeof(m->text[type]), "%s", mnl_attr_get_str(a));
		else if (len == 4)
			m->u32[type] = mnl_attr_get_u32(a);
		else if (len == 8)
			m->u64[type] = mnl_attr_get_u64(a);
		else
			return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static int family_listen(struct family *f)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	/* A hang guard: what is waited for has been done already. */
	setsockopt(mnl_socket_get_fd(f->nl), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	return mnl_socket_setsockopt(f->nl, NETLINK_ADD_MEMBERSHIP, &f->group,
				     sizeof(f->group)) ? -errno : 0;
}

static int get_scanout(struct family *f, uint32_t number, struct answer *answer)
{
	char buf[512];
	struct nlmsghdr *nlh;

	answer->n = 0;
	nlh = request(f, buf, f->id, 0, HELIX_LEASE_CMD_SCANOUT_GET, HELIX_LEASE_FAMILY_VERSION);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_SCANOUT, number);
	return talk(f, nlh, on_message, answer);
}

static int dump_scanouts(struct family *f, struct answer *answer)
{
	char buf[512];
	struct nlmsghdr *nlh;

	answer->n = 0;
	nlh = request(f, buf, f->id, NLM_F_DUMP, HELIX_LEASE_CMD_SCANOUT_GET,
		      HELIX_LEASE_FAMILY_VERSION);
	return talk(f, nlh, on_message, answer);
}

/* The next event, as the only message of @answer. */
static int next_event(struct family *f, struct answer *answer)
{
	static char buf[ROOM];
	ssize_t n;

	answer->n = 0;
	n = mnl_socket_recvfrom(f->nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	if (mnl_cb_run(buf, n, 0, 0, on_message, answer) < 0)
		return -errno;
	return answer->n == 1 && answer->messages[0].cmd == HELIX_LEASE_CMD_EVENT_NTF ?
	       0 : -EPROTO;
}

/* The next event that is about @generation: its type, or a negative errno. */
static int next_of(struct family *f, uint64_t generation, struct answer *answer)
{
	const struct message *m = &answer->messages[0];
	int ret;

	do {
		ret = next_event(f, answer);
	} while (!ret && (!(m->has & (1ULL << HELIX_LEASE_A_GENERATION)) ||
			  m->u64[HELIX_LEASE_A_GENERATION] != generation));
	return ret ?: (int)m->u32[HELIX_LEASE_A_EVENT];
}

/* The message about @scanout, NULL if there is none. */
static const struct message *about(const struct answer *answer, uint32_t scanout)
{
	int i;

	for (i = 0; i < answer->n; i++)
		if (answer->messages[i].u32[HELIX_LEASE_A_SCANOUT] == scanout)
			return &answer->messages[i];
	return NULL;
}

static bool has(const struct message *m, int attr)
{
	return m->has & (1ULL << attr);
}

static int drop_privileges(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return -errno;
	return 0;
}

FIXTURE(netlink) {
	int control;
	struct helix_lease_info info;
	struct family family;
};

FIXTURE_SETUP(netlink)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &self->info), 0);
	ASSERT_EQ(family_open(&self->family), 0);
	ASSERT_NE(self->family.id, 0);
	ASSERT_NE(self->family.group, 0);
}

FIXTURE_TEARDOWN(netlink)
{
	mnl_socket_close(self->family.nl);
	close(self->control);
}

#define EXPECT_SAME(attr, value)						\
	do {									\
		EXPECT_TRUE(has(m, attr));					\
		EXPECT_EQ(sizeof(value) == 8 ? m->u64[attr] : m->u32[attr], (value));	\
	} while (0)

static void expect_query(struct __test_metadata *_metadata, const struct message *m,
			 const struct helix_lease_query *q)
{
	EXPECT_EQ(m->cmd, HELIX_LEASE_CMD_SCANOUT_GET);
	EXPECT_SAME(HELIX_LEASE_A_SCANOUT, q->scanout);
	EXPECT_SAME(HELIX_LEASE_A_STATE, q->state);
	EXPECT_SAME(HELIX_LEASE_A_GENERATION, q->generation);
	EXPECT_SAME(HELIX_LEASE_A_WIDTH, q->width);
	EXPECT_SAME(HELIX_LEASE_A_HEIGHT, q->height);
	EXPECT_SAME(HELIX_LEASE_A_REFRESH_MHZ, q->refresh_mhz);
	EXPECT_SAME(HELIX_LEASE_A_PRIORITY, q->priority);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_FOR, q->wait_for);
	EXPECT_SAME(HELIX_LEASE_A_STALLED_MS, q->stalled_ms);
	EXPECT_SAME(HELIX_LEASE_A_OPENS, q->opens);
	EXPECT_SAME(HELIX_LEASE_A_GRANTS, q->grants);
	EXPECT_SAME(HELIX_LEASE_A_DENIALS, q->denials);
	EXPECT_SAME(HELIX_LEASE_A_STALLS, q->stalls);
	EXPECT_SAME(HELIX_LEASE_A_QUARANTINES, q->quarantines);
	EXPECT_SAME(HELIX_LEASE_A_CONNECTOR_ID, q->connector_id);
	EXPECT_SAME(HELIX_LEASE_A_CRTC_ID, q->crtc_id);
	EXPECT_SAME(HELIX_LEASE_A_PRIMARY_PLANE_ID, q->primary_plane_id);
	EXPECT_SAME(HELIX_LEASE_A_CURSOR_PLANE_ID, q->cursor_plane_id);
	EXPECT_SAME(HELIX_LEASE_A_GPU, q->gpu);
	EXPECT_SAME(HELIX_LEASE_A_OUTPUT, q->output);
	EXPECT_SAME(HELIX_LEASE_A_DEV_MAJOR, q->dev_major);
	EXPECT_SAME(HELIX_LEASE_A_DEV_MINOR, q->dev_minor);
	EXPECT_TRUE(has(m, HELIX_LEASE_A_LABEL));
	EXPECT_EQ(strncmp(m->text[HELIX_LEASE_A_LABEL], (char *)q->label, sizeof(q->label)), 0);
	EXPECT_TRUE(has(m, HELIX_LEASE_A_WAIT_NAME));
	EXPECT_EQ(strncmp(m->text[HELIX_LEASE_A_WAIT_NAME], (char *)q->wait_name,
			  sizeof(q->wait_name)), 0);

	/* Time goes on: QUERY was asked later. */
	EXPECT_TRUE(has(m, HELIX_LEASE_A_STATE_MS));
	EXPECT_LE(m->u64[HELIX_LEASE_A_STATE_MS], q->state_ms);
	EXPECT_TRUE(has(m, HELIX_LEASE_A_LEASE_MS));
	EXPECT_LE(m->u64[HELIX_LEASE_A_LEASE_MS], q->lease_ms);
	EXPECT_TRUE(has(m, HELIX_LEASE_A_WAIT_MS));

	EXPECT_EQ(has(m, HELIX_LEASE_A_OWNER_PID), q->state != HELIX_LEASE_STATE_FREE);
	if (q->state == HELIX_LEASE_STATE_FREE)
		return;
	EXPECT_SAME(HELIX_LEASE_A_OWNER_PID, q->owner_pid);
	EXPECT_SAME(HELIX_LEASE_A_OWNER_UID, q->owner_uid);
	EXPECT_SAME(HELIX_LEASE_A_OWNER_CGROUP, q->owner_cgroup);
}

TEST_F_TIMEOUT(netlink, a_dump_says_what_query_says, 120)
{
	struct helix_lease_acquire one, other;
	struct helix_lease_query query;
	const struct message *m;
	struct answer answer;
	int i, n = 0;

	ASSERT_EQ(helix_acquire(self->control, 2, &one), 0);
	helix_acquire_init(&other, 5);
	memset(other.label, 'x', sizeof(other.label));
	other.priority = 7;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &other), 0);

	ASSERT_EQ(dump_scanouts(&self->family, &answer), 0);
	for (i = 1; i <= self->info.nr_scanouts; i++) {
		if (helix_query(self->control, i, &query))
			continue;
		n++;
		m = about(&answer, i);
		ASSERT_NE(m, NULL) TH_LOG("scanout %d", i);
		expect_query(_metadata, m, &query);
	}
	EXPECT_EQ(answer.n, n);
	EXPECT_EQ(about(&answer, 2)->u32[HELIX_LEASE_A_OWNER_PID], getpid());
	EXPECT_EQ(strlen(about(&answer, 5)->text[HELIX_LEASE_A_LABEL]), 32);
	EXPECT_EQ(about(&answer, 5)->u32[HELIX_LEASE_A_PRIORITY], 7);
	helix_close_lease(&one);
	helix_close_lease(&other);
}

TEST_F_TIMEOUT(netlink, one_scanout_can_be_asked_for, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct answer answer;

	ASSERT_EQ(helix_acquire(self->control, 3, &acq), 0);
	ASSERT_EQ(get_scanout(&self->family, 3, &answer), 0);
	ASSERT_EQ(answer.n, 1);
	ASSERT_EQ(helix_query(self->control, 3, &query), 0);
	expect_query(_metadata, &answer.messages[0], &query);
	helix_close_lease(&acq);

	EXPECT_EQ(get_scanout(&self->family, self->info.nr_scanouts + 1, &answer), -EINVAL);
	EXPECT_EQ(get_scanout(&self->family, ~0U, &answer), -EINVAL);
	EXPECT_EQ(get_scanout(&self->family, 0, &answer), -ERANGE);
}

TEST_F_TIMEOUT(netlink, requests_are_checked, 60)
{
	struct answer answer = {};
	struct nlmsghdr *nlh;
	char buf[512];

	/* Nothing asked for. */
	nlh = request(&self->family, buf, self->family.id, 0, HELIX_LEASE_CMD_SCANOUT_GET, 1);
	EXPECT_EQ(talk(&self->family, nlh, on_message, &answer), -EINVAL);
	/* Not an attribute of a request. */
	nlh = request(&self->family, buf, self->family.id, 0, HELIX_LEASE_CMD_SCANOUT_GET, 1);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_SCANOUT, 1);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WIDTH, 1);
	EXPECT_EQ(talk(&self->family, nlh, on_message, &answer), -EINVAL);
	/* Too short. */
	nlh = request(&self->family, buf, self->family.id, 0, HELIX_LEASE_CMD_SCANOUT_GET, 1);
	mnl_attr_put_u16(nlh, HELIX_LEASE_A_SCANOUT, 1);
	EXPECT_EQ(talk(&self->family, nlh, on_message, &answer), -EINVAL);
	/* An event is nothing to ask for. */
	nlh = request(&self->family, buf, self->family.id, 0, HELIX_LEASE_CMD_EVENT_NTF, 1);
	EXPECT_EQ(talk(&self->family, nlh, on_message, &answer), -EOPNOTSUPP);
	EXPECT_EQ(answer.n, 0);
}

TEST_F_TIMEOUT(netlink, a_life_is_told_in_order, 120)
{
	static const uint32_t life[] = {
		HELIX_LEASE_EVENT_GRANTED, HELIX_LEASE_EVENT_REVOKING,
		HELIX_LEASE_EVENT_REVOKED, HELIX_LEASE_EVENT_FREED,
	};
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct answer answer;
	const struct message *m = &answer.messages[0];
	uint64_t before = 0;
	int i;

	ASSERT_EQ(family_listen(&self->family), 0);
	ASSERT_EQ(helix_acquire(self->control, 4, &acq), 0);
	ASSERT_EQ(helix_query(self->control, 4, &query), 0);
	ASSERT_EQ(helix_revoke(self->control, 4, acq.generation), 0);

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(next_of(&self->family, acq.generation, &answer), life[i]);
		EXPECT_SAME(HELIX_LEASE_A_SCANOUT, acq.scanout);
		EXPECT_SAME(HELIX_LEASE_A_WIDTH, acq.width);
		EXPECT_SAME(HELIX_LEASE_A_HEIGHT, acq.height);
		EXPECT_SAME(HELIX_LEASE_A_REFRESH_MHZ, acq.refresh_mhz);
		EXPECT_SAME(HELIX_LEASE_A_OWNER_PID, (uint32_t)getpid());
		EXPECT_SAME(HELIX_LEASE_A_OWNER_UID, (uint32_t)getuid());
		EXPECT_SAME(HELIX_LEASE_A_OWNER_CGROUP, query.owner_cgroup);
		EXPECT_STREQ(m->text[HELIX_LEASE_A_LABEL], "selftest");
		EXPECT_TRUE(has(m, HELIX_LEASE_A_TIME_NS));
		EXPECT_GE(m->u64[HELIX_LEASE_A_TIME_NS], before);
		before = m->u64[HELIX_LEASE_A_TIME_NS];
		if (i == 0) {
			EXPECT_FALSE(has(m, HELIX_LEASE_A_CAUSE));
		} else {
			EXPECT_SAME(HELIX_LEASE_A_CAUSE, (uint32_t)HELIX_LEASE_CAUSE_ADMIN);
		}
	}
	helix_close_lease(&acq);
}

/* What the handle says comes next; the same must come over netlink. */
static void expect_next(struct __test_metadata *_metadata, struct family *f, int handle,
			uint32_t type, struct helix_lease_event *event, struct answer *answer)
{
	const struct message *m = &answer->messages[0];

	memset(event, 0xa5, sizeof(*event));
	ASSERT_EQ(read(handle, event, sizeof(*event)), sizeof(*event));
	ASSERT_EQ(event->type, type);
	ASSERT_EQ(next_of(f, event->generation, answer), type);
	EXPECT_SAME(HELIX_LEASE_A_SCANOUT, event->scanout);
	EXPECT_SAME(HELIX_LEASE_A_STATE, event->state);
	EXPECT_SAME(HELIX_LEASE_A_TIME_NS, event->time_ns);
	EXPECT_SAME(HELIX_LEASE_A_WIDTH, event->width);
	EXPECT_SAME(HELIX_LEASE_A_HEIGHT, event->height);
	EXPECT_SAME(HELIX_LEASE_A_REFRESH_MHZ, event->refresh_mhz);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_FOR, event->wait_for);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_MS, event->wait_ms);
	if (type == HELIX_LEASE_EVENT_STALLED || type == HELIX_LEASE_EVENT_QUARANTINED) {
		EXPECT_EQ(event->wait_for, HELIX_LEASE_WAIT_FENCE);
		if (type == HELIX_LEASE_EVENT_STALLED) {
			EXPECT_GE(event->wait_ms, 100) TH_LOG("stall_ms is 100");
		}
		EXPECT_NE(strstr(m->text[HELIX_LEASE_A_WAIT_NAME], "vgem"), NULL)
			TH_LOG("%s", m->text[HELIX_LEASE_A_WAIT_NAME]);
	} else {
		EXPECT_EQ(event->wait_for, HELIX_LEASE_WAIT_NONE);
		EXPECT_EQ(event->wait_ms, 0);
		EXPECT_STREQ(m->text[HELIX_LEASE_A_WAIT_NAME], "");
	}
}

#define EXPECT_NEXT(type)							\
	expect_next(_metadata, &self->family, acq.handle_fd, HELIX_LEASE_EVENT_ ## type,	\
		    &event, &answer)

TEST_F_TIMEOUT(netlink, all_that_happens_to_a_lease_is_told_here_and_there, 180)
{
	struct helix_lease_resize resize = {
		.size = sizeof(resize), .timeout_ms = PATIENCE_MS, .width = 800, .height = 600,
	};
	struct helix_lease_revoke revoke = { .size = sizeof(revoke), .timeout_ms = 1 };
	struct helix_lease_acquire acq;
	struct helix_lease_event event;
	struct picture first, second;
	struct answer answer;
	drmModeModeInfo mode;
	int vgem = open_vgem(), sync_file;
	uint32_t fence = 0;

	if (vgem < 0)
		SKIP(return, "needs vgem");
	ASSERT_EQ(write_parameter("quiesce_ms", "300"), 0);
	/* Only what this test holds up is to be a stall, however slow the machine. */
	ASSERT_EQ(write_parameter("stall_ms", "0"), 0);
	ASSERT_EQ(family_listen(&self->family), 0);

	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	EXPECT_NEXT(GRANTED);
	EXPECT_EQ(event.width, 1024);
	if (self->info.host_state == HELIX_LEASE_HOST_UP) {
		ASSERT_EQ(sys_ioctl(acq.handle_fd, HELIX_LEASE_RESIZE, &resize), 0);
		EXPECT_NEXT(RESIZED);
		EXPECT_EQ(event.width, 800);
		EXPECT_EQ(event.height, 600);
	}

	ASSERT_EQ(drmSetClientCap(acq.lease_fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &first, &mode), 0);
	ASSERT_EQ(picture_create(acq.lease_fd, mode.hdisplay, mode.vdisplay,
				 DRM_FORMAT_XRGB8888, &second), 0);
	ASSERT_EQ(write_parameter("stall_ms", "100"), 0);
	sync_file = vgem_fence(vgem, &fence);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(flip_after(acq.lease_fd, acq.primary_plane_id, second.fb, sync_file,
			     DRM_MODE_ATOMIC_NONBLOCK), 0);
	EXPECT_NEXT(STALLED);
	ASSERT_EQ(vgem_signal(vgem, fence), 0);
	EXPECT_NEXT(RESUMED);

	close(sync_file);
	sync_file = vgem_fence(vgem, &fence);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(flip_after(acq.lease_fd, acq.primary_plane_id, first.fb, sync_file,
			     DRM_MODE_ATOMIC_NONBLOCK), 0);
	EXPECT_NEXT(STALLED);
	EXPECT_EQ(sys_ioctl(acq.handle_fd, HELIX_LEASE_REVOKE, &revoke), -ETIMEDOUT);
	EXPECT_NEXT(REVOKING);
	EXPECT_NEXT(REVOKED);
	EXPECT_NEXT(QUARANTINED);
	ASSERT_EQ(vgem_signal(vgem, fence), 0);
	EXPECT_NEXT(FREED);
	EXPECT_EQ(read(acq.handle_fd, &event, sizeof(event)), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(netlink, says_which_context_the_host_means, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct answer answer;
	const struct message *m = &answer.messages[0];

	if (!getenv("HELIX_FAULTS"))
		SKIP(return, "needs a control device that can be told to misbehave");
	ASSERT_EQ(family_listen(&self->family), 0);
	helix_acquire_init(&acq, 5);
	strcpy((char *)acq.label, "standin:resize-stall");
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	ASSERT_EQ(helix_query(self->control, 5, &query), 0);
	ASSERT_EQ(helix_resize(acq.handle_fd, 0, 0, 800, 600, PATIENCE_MS), 0);
	while (next_of(&self->family, acq.generation, &answer) !=
	       HELIX_LEASE_EVENT_CONTEXT_STALLED)
		ASSERT_GT(answer.n, 0);
	EXPECT_SAME(HELIX_LEASE_A_SCANOUT, (uint32_t)5);
	EXPECT_SAME(HELIX_LEASE_A_GPU, query.gpu);
	EXPECT_SAME(HELIX_LEASE_A_CONTEXT, (uint32_t)42);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_FOR, (uint32_t)HELIX_LEASE_WAIT_FENCE);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_MS, (uint32_t)5042);
	EXPECT_STREQ(m->text[HELIX_LEASE_A_WAIT_NAME], "context 42, fence 180388626439");
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);

	/* One that draws on no leased scanout: administrators are told even so. */
	helix_acquire_init(&acq, 5);
	strcpy((char *)acq.label, "standin:elsewhere");
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	do {
		ASSERT_EQ(next_event(&self->family, &answer), 0);
	} while (m->u32[HELIX_LEASE_A_EVENT] != HELIX_LEASE_EVENT_CONTEXT_STALLED);
	EXPECT_FALSE(has(m, HELIX_LEASE_A_SCANOUT));
	EXPECT_FALSE(has(m, HELIX_LEASE_A_OWNER_PID));
	EXPECT_SAME(HELIX_LEASE_A_GPU, query.gpu);
	EXPECT_SAME(HELIX_LEASE_A_CONTEXT, (uint32_t)43);
	EXPECT_SAME(HELIX_LEASE_A_WAIT_MS, (uint32_t)5043);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(netlink, says_what_ended_a_lease, 120)
{
	struct helix_lease_acquire acq;
	struct answer answer;
	const struct message *m = &answer.messages[0];

	ASSERT_EQ(family_listen(&self->family), 0);

	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	helix_close_lease(&acq);
	while (next_of(&self->family, acq.generation, &answer) != HELIX_LEASE_EVENT_REVOKED)
		ASSERT_GT(answer.n, 0);
	EXPECT_SAME(HELIX_LEASE_A_CAUSE, (uint32_t)HELIX_LEASE_CAUSE_OWNER);

	helix_acquire_init(&acq, 0);
	acq.flags = HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	close(acq.lease_fd);
	while (next_of(&self->family, acq.generation, &answer) != HELIX_LEASE_EVENT_REVOKED)
		ASSERT_GT(answer.n, 0);
	EXPECT_SAME(HELIX_LEASE_A_CAUSE, (uint32_t)HELIX_LEASE_CAUSE_NODE);
	close(acq.handle_fd);
}

TEST_F_TIMEOUT(netlink, tells_nothing_without_the_capability, 60)
{
	struct answer answer;
	struct family mine;
	pid_t child = fork();
	int status;

	if (!child) {
		if (drop_privileges())
			_exit(1);
		/* A socket of one's own, and one that a privileged process opened. */
		if (family_open(&mine))
			_exit(2);
		if (get_scanout(&mine, 1, &answer) != -EPERM)
			_exit(3);
		if (dump_scanouts(&mine, &answer) != -EPERM)
			_exit(4);
		if (family_listen(&mine) != -EPERM)
			_exit(5);
		if (get_scanout(&self->family, 1, &answer) != -EPERM)
			_exit(6);
		if (family_listen(&self->family) != -EPERM)
			_exit(7);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0) TH_LOG("child: %d", WEXITSTATUS(status));
}

TEST_F_TIMEOUT(netlink, is_not_there_in_another_network, 60)
{
	struct family mine;
	pid_t child = fork();
	int status;

	if (!child) {
		if (unshare(CLONE_NEWNET))
			_exit(1);
		_exit(family_open(&mine) == -ENOENT ? 0 : 2);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0) TH_LOG("child: %d", WEXITSTATUS(status));
}

TEST_F_TIMEOUT(netlink, a_listener_who_does_not_listen_holds_up_nobody, 300)
{
	struct helix_lease_acquire acq;
	struct family deaf;
	struct answer answer;
	int i, n, ret, room = 1, heard = 0;
	uint64_t generation[8];

	ASSERT_EQ(family_open(&deaf), 0);
	ASSERT_EQ(setsockopt(mnl_socket_get_fd(deaf.nl), SOL_SOCKET, SO_RCVBUF, &room,
			     sizeof(room)), 0);
	ASSERT_EQ(family_listen(&deaf), 0);
	ASSERT_EQ(family_listen(&self->family), 0);

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
		generation[i] = acq.generation;
		ASSERT_EQ(helix_revoke(self->control, acq.scanout, acq.generation), 0);
		helix_close_lease(&acq);
	}

	/* The one who listens has missed nothing. */
	for (i = 0; i < 8; i++)
		for (n = 0; n < 4; n++)
			ASSERT_GT(next_of(&self->family, generation[i], &answer), 0);

	/* The other is told that he has, once, and hears what comes from then on. */
	do {
		ret = next_event(&deaf, &answer);
		heard += !ret;
	} while (!ret);
	EXPECT_EQ(ret, -ENOBUFS);
	EXPECT_LT(heard, 32);
	ASSERT_EQ(fcntl(mnl_socket_get_fd(deaf.nl), F_SETFL, O_NONBLOCK), 0);
	while (!next_event(&deaf, &answer))
		;
	ASSERT_EQ(fcntl(mnl_socket_get_fd(deaf.nl), F_SETFL, 0), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	EXPECT_EQ(next_of(&deaf, acq.generation, &answer), HELIX_LEASE_EVENT_GRANTED);
	helix_close_lease(&acq);
	mnl_socket_close(deaf.nl);
}

TEST_HARNESS_MAIN
