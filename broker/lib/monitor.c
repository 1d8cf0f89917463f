// SPDX-License-Identifier: MIT
/*
 * Events of the module, by generic netlink. Two sockets: one is in the group and
 * only ever read, the other asks for dumps, so that an answer cannot be lost in a
 * flood of events.
 *
 * The group is joined before the first dump. What is in the queue when a dump
 * begins is in the dump as well, so events older than that are dropped: whoever
 * takes the last it heard of a scanout for its state is right at any time.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease_netlink.h>

#include "codec.h"
#include "error.h"
#include "monitor.h"

#define ANSWER_MS	10000
#define DUMP_TRIES	5	/* of a dump during which the table of scanouts changed */
#define SCANOUTS_MAX	4096
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct hl_monitor {
	int events_fd;
	int request_fd;
	uint16_t family;
	uint32_t seq;
	hl_recv_fn recv_fn;
	uint64_t since_ns;	/* when the last dump began */
	size_t len;		/* of what is in @packet, from @at on not yet looked at */
	size_t at;
	char packet[32768] __attribute__((aligned(8)));	/* as large as the kernel makes one */
};

/* ---- from attributes to members ---- */

enum attr_type { NONE, U32, U64, TEXT };

/* Where an attribute goes in struct hl_event. */
static const struct place {
	enum attr_type type;
	size_t offset;
	size_t size;
} places[] = {
#define EVENT(a, t, m) \
	[HELIX_LEASE_A_##a] = { t, offsetof(struct hl_event, m), sizeof(((struct hl_event *)0)->m) }
	EVENT(SCANOUT, U32, scanout.scanout),
	EVENT(STATE, U32, scanout.state),
	EVENT(GENERATION, U64, scanout.generation),
	EVENT(LABEL, TEXT, scanout.label),
	EVENT(WIDTH, U32, scanout.width),
	EVENT(HEIGHT, U32, scanout.height),
	EVENT(REFRESH_MHZ, U32, scanout.refresh_mhz),
	EVENT(PRIORITY, U32, scanout.priority),
	EVENT(OWNER_PID, U32, scanout.owner_pid),
	EVENT(OWNER_UID, U32, scanout.owner_uid),
	EVENT(OWNER_CGROUP, U64, scanout.owner_cgroup),
	EVENT(WAIT_FOR, U32, scanout.wait_for),
	EVENT(WAIT_MS, U32, scanout.wait_ms),
	EVENT(WAIT_NAME, TEXT, scanout.wait_name),
	EVENT(STATE_MS, U64, scanout.state_ms),
	EVENT(LEASE_MS, U64, scanout.lease_ms),
	EVENT(STALLED_MS, U32, scanout.stalled_ms),
	EVENT(OPENS, U32, scanout.opens),
	EVENT(GRANTS, U64, scanout.grants),
	EVENT(DENIALS, U64, scanout.denials),
	EVENT(STALLS, U64, scanout.stalls),
	EVENT(QUARANTINES, U64, scanout.quarantines),
	EVENT(CONNECTOR_ID, U32, scanout.connector_id),
	EVENT(CRTC_ID, U32, scanout.crtc_id),
	EVENT(PRIMARY_PLANE_ID, U32, scanout.primary_plane_id),
	EVENT(CURSOR_PLANE_ID, U32, scanout.cursor_plane_id),
	EVENT(GPU, U32, scanout.gpu),
	EVENT(OUTPUT, U32, scanout.output),
	EVENT(DEV_MAJOR, U32, scanout.dev_major),
	EVENT(DEV_MINOR, U32, scanout.dev_minor),
	EVENT(EVENT, U32, type),
	EVENT(TIME_NS, U64, time_ns),
	EVENT(CAUSE, U32, cause),
	EVENT(CONTEXT, U32, context),
#undef EVENT
};

static bool take_text(const struct nlattr *attr, char *at, size_t size)
{
	const char *text = mnl_attr_get_payload(attr);
	size_t len = strnlen(text, mnl_attr_get_payload_len(attr));

	if (len >= size)
		return false;
	memcpy(at, text, len);
	at[len] = '\0';
	hl_label_clean(at);
	return true;
}

static bool take_attr(const struct nlattr *attr, const struct place *to, void *at)
{
	uint16_t len = mnl_attr_get_payload_len(attr);

	switch (to->type) {
	case NONE:
		return true;
	case TEXT:
		return take_text(attr, at, to->size);
	default:
		if (len != to->size)
			return false;
		memcpy(at, mnl_attr_get_payload(attr), len);
		return true;
	}
}

int hl_event_parse(const struct nlmsghdr *nlh, struct hl_event *event, struct hl_error *err)
{
	struct hl_event got = { 0 };
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (len < sizeof(struct genlmsghdr))
		return hl_error_set(err, EPROTO, "netlink: a message without a header");
	/* Not mnl_attr_for_each(), which rounds the length up, beyond the end of the last one. */
	mnl_attr_for_each_payload(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr)),
				  len - sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type >= ARRAY_SIZE(places))
			continue;
		if (!take_attr(attr, &places[type], (char *)&got + places[type].offset))
			return hl_error_set(err, EPROTO, "netlink: attribute %u has %u bytes", type,
					    mnl_attr_get_payload_len(attr));
	}
	if (got.scanout.scanout)
		hl_node_name(got.scanout.scanout, got.scanout.node);
	*event = got;
	return 0;
}

/*
 * The message at *@at of a packet of @len bytes, or NULL at its end. Not
 * mnl_nlmsg_ok(), which takes a length of more than 2 GiB for a negative one.
 */
static const struct nlmsghdr *next_message(const char *packet, size_t len, size_t *at)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(packet + *at);
	size_t left = len - *at, step;

	if (left < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > left) {
		*at = len;
		return NULL;
	}
	step = MNL_ALIGN((size_t)nlh->nlmsg_len);
	*at += step < left ? step : left;
	return nlh;
}

/* ---- requests ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int wait_answer(int fd, uint64_t end_ns, struct hl_error *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t now = now_ns();
	int n = poll(&pfd, 1, now < end_ns ? (end_ns - now) / 1000000 + 1 : 0);

	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	if (n < 0)
		return hl_error_set(err, errno, "netlink: cannot wait: %s", strerror(errno));
	return hl_error_set(err, ETIMEDOUT, "netlink: no answer in %d ms", ANSWER_MS);
}

/* Called for each message of an answer; 0 or -errno. */
typedef int (*message_fn)(const struct nlmsghdr *nlh, void *data, struct hl_error *err);

struct answer {
	message_fn fn;
	void *data;
	int ret;		/* of the first call that failed; the rest is only read */
	bool done;
};

static int message_code(const struct nlmsghdr *nlh)
{
	int code = 0;

	/* Both struct nlmsgerr and the end of a dump begin with it. */
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code;
}

static void take_message(const struct nlmsghdr *nlh, struct answer *answer, struct hl_error *err)
{
	int ret = 0;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		ret = hl_error_set(err, EINTR, "netlink: the scanouts changed during the dump");
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		int code = message_code(nlh);

		answer->done = true;
		if (code < 0)
			ret = hl_error_set(err, -code, "netlink: the module says %s",
					   strerror(-code));
	} else if (!ret && !answer->ret && nlh->nlmsg_type >= NLMSG_MIN_TYPE) {
		ret = answer->fn(nlh, answer->data, err);
	}
	if (ret && !answer->ret)
		answer->ret = ret;
}

static void take_packet(const char *packet, size_t len, uint32_t seq, struct answer *answer,
			struct hl_error *err)
{
	const struct nlmsghdr *nlh;
	size_t at = 0;

	while ((nlh = next_message(packet, len, &at))) {
		/* Another sequence: of a request that was given up on. */
		if (nlh->nlmsg_seq == seq && !answer->done)
			take_message(nlh, answer, err);
	}
}

/*
 * Sends @req, which may be in the packet buffer, and reads the answer to its end,
 * whatever is in it: the kernel makes no other dump before.
 */
static int ask(struct hl_monitor *mon, const struct nlmsghdr *req, message_fn fn, void *data,
	       struct hl_error *err)
{
	uint64_t end_ns = now_ns() + ANSWER_MS * 1000000ULL;
	struct answer answer = { .fn = fn, .data = data };
	uint32_t seq = req->nlmsg_seq;

	if (send(mon->request_fd, req, req->nlmsg_len, MSG_NOSIGNAL) < 0)
		return hl_error_set(err, errno, "netlink: cannot ask: %s", strerror(errno));
	while (!answer.done) {
		int ret = wait_answer(mon->request_fd, end_ns, err);
		ssize_t len;

		if (ret)
			return ret;
		len = mon->recv_fn(mon->request_fd, mon->packet, sizeof(mon->packet),
				   MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len < 0)
			return hl_error_set(err, errno, "netlink: cannot read: %s", strerror(errno));
		if (!len || (size_t)len > sizeof(mon->packet))
			return hl_error_set(err, EPROTO, "netlink: an answer of %zd bytes", len);
		take_packet(mon->packet, len, seq, &answer, err);
	}
	return answer.ret;
}

static struct nlmsghdr *make_request(struct hl_monitor *mon, uint16_t family, uint8_t cmd,
				     uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(mon->packet);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++mon->seq;
	genl->cmd = cmd;
	genl->version = HELIX_LEASE_FAMILY_VERSION;
	return nlh;
}

/* ---- the family ---- */

struct family {
	uint16_t id;
	uint32_t group;
};

/* One nest of CTRL_ATTR_MCAST_GROUPS. */
static uint32_t group_id(const struct nlattr *nest)
{
	const struct nlattr *attr;
	bool ours = false;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, nest) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == CTRL_ATTR_MCAST_GRP_NAME && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			ours = !strcmp(mnl_attr_get_str(attr), HELIX_LEASE_MCGRP_EVENTS);
		else if (type == CTRL_ATTR_MCAST_GRP_ID && !mnl_attr_validate(attr, MNL_TYPE_U32))
			id = mnl_attr_get_u32(attr);
	}
	return ours ? id : 0;
}

static int on_family(const struct nlmsghdr *nlh, void *data, struct hl_error *err)
{
	struct family *family = data;
	const struct nlattr *attr, *nest;

	(void)err;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == CTRL_ATTR_FAMILY_ID && !mnl_attr_validate(attr, MNL_TYPE_U16)) {
			family->id = mnl_attr_get_u16(attr);
		} else if (type == CTRL_ATTR_MCAST_GROUPS) {
			mnl_attr_for_each_nested(nest, attr) {
				uint32_t id = group_id(nest);

				if (id)
					family->group = id;
			}
		}
	}
	return 0;
}

static int find_family(struct hl_monitor *mon, struct family *family, struct hl_error *err)
{
	struct nlmsghdr *req = make_request(mon, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	int ret;

	mnl_attr_put_strz(req, CTRL_ATTR_FAMILY_NAME, HELIX_LEASE_FAMILY_NAME);
	ret = ask(mon, req, on_family, family, err);
	if (ret == -ENOENT)
		return hl_error_set(err, ENOENT, "monitor: there is no netlink family %s (is helix_lease.ko loaded, and is this the initial network namespace?)",
				    HELIX_LEASE_FAMILY_NAME);
	if (ret)
		return hl_error_wrap(err, ret, "monitor");
	if (!family->id || !family->group)
		return hl_error_set(err, EPROTO, "monitor: the family %s has no group %s",
				    HELIX_LEASE_FAMILY_NAME, HELIX_LEASE_MCGRP_EVENTS);
	return 0;
}

static int open_socket(struct hl_error *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);

	if (fd < 0)
		return hl_error_set(err, errno, "monitor: cannot make a netlink socket: %s",
				    strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int code = errno;

		close(fd);
		return hl_error_set(err, code, "monitor: cannot bind a netlink socket: %s",
				    strerror(code));
	}
	return fd;
}

int hl_monitor_new(int events_fd, int request_fd, uint16_t family, hl_recv_fn recv_fn,
		   struct hl_monitor **out, struct hl_error *err)
{
	struct hl_monitor *mon = calloc(1, sizeof(*mon));

	if (!mon)
		return hl_error_set(err, ENOMEM, "out of memory");
	mon->events_fd = events_fd;
	mon->request_fd = request_fd;
	mon->family = family;
	mon->recv_fn = recv_fn;
	*out = mon;
	return 0;
}

int hl_monitor_open(struct hl_monitor **out, struct hl_error *err)
{
	struct family family = { 0 };
	struct hl_monitor *mon;
	int ret = hl_monitor_new(-1, -1, 0, recv, &mon, err);

	if (ret)
		return ret;
	ret = mon->request_fd = open_socket(err);
	if (ret >= 0)
		ret = mon->events_fd = open_socket(err);
	if (ret >= 0)
		ret = find_family(mon, &family, err);
	if (!ret && setsockopt(mon->events_fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.group,
			       sizeof(family.group)) < 0)
		ret = hl_error_set(err, errno, "monitor: cannot join the group of events: %s%s",
				   strerror(errno), errno == EPERM ? " (only root may)" : "");
	if (ret) {
		hl_monitor_close(mon);
		return ret;
	}
	mon->family = family.id;
	*out = mon;
	return 0;
}

void hl_monitor_close(struct hl_monitor *mon)
{
	if (!mon)
		return;
	if (mon->events_fd >= 0)
		close(mon->events_fd);
	if (mon->request_fd >= 0)
		close(mon->request_fd);
	free(mon);
}

int hl_monitor_fd(const struct hl_monitor *mon)
{
	return mon->events_fd;
}

/* ---- the dump ---- */

struct dump {
	struct hl_scanout *list;
	size_t n;
};

static int on_scanout(const struct nlmsghdr *nlh, void *data, struct hl_error *err)
{
	struct dump *dump = data;
	struct hl_scanout *grown;
	struct hl_event event;
	int ret = hl_event_parse(nlh, &event, err);

	if (ret)
		return ret;
	if (dump->n == SCANOUTS_MAX)
		return hl_error_set(err, EPROTO, "netlink: the dump does not end");
	grown = realloc(dump->list, (dump->n + 1) * sizeof(*grown));
	if (!grown)
		return hl_error_set(err, ENOMEM, "out of memory");
	dump->list = grown;
	dump->list[dump->n++] = event.scanout;
	return 0;
}

static int dump_once(struct hl_monitor *mon, struct dump *dump, struct hl_error *err)
{
	struct nlmsghdr *req = make_request(mon, mon->family, HELIX_LEASE_CMD_SCANOUT_GET,
					    NLM_F_DUMP);
	uint64_t since_ns = now_ns();
	int ret;

	*dump = (struct dump) { 0 };
	ret = ask(mon, req, on_scanout, dump, err);
	if (!ret) {
		mon->since_ns = since_ns;
		return 0;
	}
	free(dump->list);
	if (ret != -ENODEV)
		return ret;
	/* No GPU is bound: there is nothing to be seen yet. */
	mon->since_ns = since_ns;
	*dump = (struct dump) { 0 };
	return 0;
}

int hl_monitor_dump(struct hl_monitor *mon, struct hl_scanout **list, size_t *n,
		    struct hl_error *err)
{
	struct dump dump;
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = dump_once(mon, &dump, err);
	/* It used the buffer; what was left in it is older than the dump. */
	mon->at = mon->len = 0;
	if (ret)
		return hl_error_wrap(err, ret, "monitor");
	*list = dump.list;
	*n = dump.n;
	return 0;
}

/* ---- events ---- */

static int read_packet(struct hl_monitor *mon, struct hl_error *err)
{
	ssize_t len = mon->recv_fn(mon->events_fd, mon->packet, sizeof(mon->packet),
				   MSG_DONTWAIT | MSG_TRUNC);

	mon->at = mon->len = 0;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return hl_error_set(err, EAGAIN, "monitor: nothing has happened");
	if (len < 0 && errno == ENOBUFS)
		return hl_error_set(err, ENOBUFS, "monitor: events were lost");
	if (len < 0)
		return hl_error_set(err, errno, "monitor: cannot read: %s", strerror(errno));
	if (!len)
		return hl_error_set(err, EPROTO, "monitor: the socket is closed");
	if ((size_t)len > sizeof(mon->packet))
		return hl_error_set(err, ENOBUFS, "monitor: an event has %zd bytes", len);
	mon->len = len;
	return 0;
}

static bool is_event(const struct hl_monitor *mon, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	return nlh->nlmsg_type == mon->family &&
	       mnl_nlmsg_get_payload_len(nlh) >= sizeof(*genl) &&
	       genl->cmd == HELIX_LEASE_CMD_EVENT_NTF;
}

int hl_monitor_next(struct hl_monitor *mon, struct hl_event *event, struct hl_error *err)
{
	for (;;) {
		const struct nlmsghdr *nlh;
		struct hl_event got;
		int ret;

		if (mon->at == mon->len) {
			ret = read_packet(mon, err);
			if (ret)
				return ret;
		}
		nlh = next_message(mon->packet, mon->len, &mon->at);
		if (!nlh || !is_event(mon, nlh))
			continue;
		ret = hl_event_parse(nlh, &got, err);
		if (ret)
			return hl_error_wrap(err, ret, "monitor");
		if (got.time_ns && got.time_ns < mon->since_ns)
			continue;
		*event = got;
		return 0;
	}
}
