// SPDX-License-Identifier: MIT
/*
 * A connection is either a socket to the broker or an open module; the public
 * calls look which, and nothing else here does. One request is under way at a
 * time, so the next packet is its reply.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"
#include "module.h"
#include "wire.h"

/* For what the broker answers from memory, and on top of what it waits for itself. */
#define REPLY_TIMEOUT_MS	10000
#define SCANOUTS_MAX		4096
#define LIST_PAGE		16

struct hl_conn {
	struct module *mod;	/* or NULL, and then */
	int sock;
	uint32_t version;	/* of the protocol, as both know it */
	char buf[HL_WIRE_REPLY_MAX];
};

/* ---- connecting ---- */

static int connect_socket(const char *path, int sock, struct hl_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = REPLY_TIMEOUT_MS / 1000 };
	int code;

	if (strlen(path) >= sizeof(addr.sun_path))
		return hl_error_set(err, ENAMETOOLONG, "connect: socket path %s is too long", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);

	/* A full backlog makes connect() wait, and this is what ends that wait. */
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return hl_error_set(err, errno, "connect: %s", strerror(errno));
	if (!connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return 0;
	code = errno;
	return hl_error_set(err, code, "cannot connect to the broker at %s: %s%s", path,
			    strerror(code), code == ENOENT || code == ECONNREFUSED ?
			    " (is helix-leased running?)" : "");
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int wait_reply(struct hl_conn *conn, int timeout_ms, struct hl_error *err)
{
	struct pollfd pfd = { .fd = conn->sock, .events = POLLIN };
	int64_t end = now_ms() + timeout_ms;
	int n;

	do {
		int64_t left = end - now_ms();

		n = poll(&pfd, 1, left > 0 ? left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return hl_error_set(err, errno, "waiting for the broker: %s", strerror(errno));
	if (n)
		return 0;
	shutdown(conn->sock, SHUT_RDWR);	/* a late reply would be taken for the next one's */
	return hl_error_set(err, ETIMEDOUT, "the broker did not answer in %d ms", timeout_ms);
}

/* @fd: goes with it, or -1. */
static int send_request(struct hl_conn *conn, json_object *req, int fd, struct hl_error *err)
{
	size_t len;
	const char *text = json_object_to_json_string_length(req, JSON_C_TO_STRING_PLAIN, &len);
	int ret;

	if (!text)
		return hl_error_set(err, ENOMEM, "out of memory");
	ret = hl_wire_send(conn->sock, text, len, &fd, fd >= 0, 0);
	/* A broker that turned us away has left its reason in our queue: read on. */
	if (ret && ret != -EPIPE && ret != -ECONNRESET)
		return hl_error_set(err, -ret, "sending to the broker: %s", strerror(-ret));
	return 0;
}

static int read_reply(struct hl_conn *conn, struct hl_wire_msg *msg, json_object **reply,
		      struct hl_error *err)
{
	json_object *ok, *error;
	int ret = hl_wire_recv(conn->sock, msg, 0);

	if (ret == -ECONNRESET)		/* reported once, before what is queued */
		ret = hl_wire_recv(conn->sock, msg, 0);
	if (ret)
		return hl_error_set(err, -ret, "receiving from the broker: %s", strerror(-ret));
	if (!msg->len)
		return hl_error_set(err, ECONNRESET, "the broker closed the connection");
	ret = hl_json_parse(msg->buf, msg->len, reply, err);
	if (ret)
		return hl_error_wrap(err, ret, "reply of the broker");
	if (!json_object_object_get_ex(*reply, "ok", &ok)) {
		ret = hl_error_set(err, EPROTO, "reply of the broker: ok is missing");
	} else if (!json_object_get_boolean(ok)) {
		if (!json_object_object_get_ex(*reply, "error", &error))
			error = NULL;
		ret = hl_error_from_json(error, err);
	}
	if (ret) {
		json_object_put(*reply);
		*reply = NULL;
	}
	return ret;
}

/*
 * Takes @req. On success *@reply and the descriptors in @msg are the caller's;
 * on failure there are none.
 */
static int transact(struct hl_conn *conn, json_object *req, int fd, int timeout_ms,
		    struct hl_wire_msg *msg, json_object **reply, struct hl_error *err)
{
	int ret;

	*msg = (struct hl_wire_msg) { .buf = conn->buf, .cap = sizeof(conn->buf) };
	if (!req)
		return hl_error_set(err, ENOMEM, "out of memory");
	ret = send_request(conn, req, fd, err);
	json_object_put(req);
	if (!ret)
		ret = wait_reply(conn, timeout_ms, err);
	if (!ret)
		ret = read_reply(conn, msg, reply, err);
	if (ret)
		hl_wire_close_fds(msg);
	return ret;
}

/* For requests that bring no descriptors. */
static int ask(struct hl_conn *conn, json_object *req, int timeout_ms, json_object **reply,
	       struct hl_error *err)
{
	struct hl_wire_msg msg;
	int ret = transact(conn, req, -1, timeout_ms, &msg, reply, err);

	if (!ret)
		hl_wire_close_fds(&msg);
	return ret;
}

struct number {
	const char *key;
	uint64_t value;
};

/* {"op":@op,...}; ends at a NULL key. */
static json_object *request(const char *op, const struct number *numbers)
{
	json_object *req = json_object_new_object();
	bool ok = req && hl_json_add(req, "op", json_object_new_string(op));

	for (; ok && numbers && numbers->key; numbers++)
		ok = hl_json_add(req, numbers->key, json_object_new_uint64(numbers->value));
	if (ok)
		return req;
	json_object_put(req);
	return NULL;
}

static int say_version(struct hl_conn *conn, uint32_t version, struct hl_error *err)
{
	const struct number numbers[] = { { "version", version }, { 0 } };
	json_object *reply, *value;
	int ret = ask(conn, request("hello", numbers), REPLY_TIMEOUT_MS, &reply, err);

	if (ret)
		return ret;
	if (!json_object_object_get_ex(reply, "version", &value) ||
	    json_object_get_int64(value) < HL_WIRE_VERSION_MIN ||
	    json_object_get_int64(value) > version)
		ret = hl_error_set(err, EPROTO, "hello: reply of the broker: version is not one of %d..%u",
				   HL_WIRE_VERSION_MIN, version);
	else
		conn->version = json_object_get_int64(value);
	json_object_put(reply);
	return ret;
}

/* A broker of the first version refuses any other instead of naming its own. */
static int say_hello(struct hl_conn *conn, struct hl_error *err)
{
	int ret = say_version(conn, HL_WIRE_VERSION, err);

	return ret == -EPROTO ? say_version(conn, HL_WIRE_VERSION_MIN, err) : ret;
}

static int need_version(struct hl_conn *conn, uint32_t version, const char *what,
			struct hl_error *err)
{
	if (conn->version >= version)
		return 0;
	return hl_error_set(err, EOPNOTSUPP, "%s: the broker is too old", what);
}

int hl_connect(const char *path, struct hl_conn **out, struct hl_error *err)
{
	struct hl_conn *conn = calloc(1, sizeof(*conn));
	int ret;

	if (!conn)
		return hl_error_set(err, ENOMEM, "out of memory");
	conn->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (conn->sock < 0)
		ret = hl_error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	else
		ret = connect_socket(path ? path : HL_SOCKET_PATH, conn->sock, err);
	if (!ret)
		ret = say_hello(conn, err);
	if (ret) {
		hl_close(conn);
		return ret;
	}
	*out = conn;
	return 0;
}

int hl_open_module(const char *path, struct hl_conn **out, struct hl_error *err)
{
	struct hl_conn *conn = calloc(1, sizeof(*conn));
	int ret;

	if (!conn)
		return hl_error_set(err, ENOMEM, "out of memory");
	conn->sock = -1;
	ret = hl_module_open(path ? path : HL_MODULE_PATH, &conn->mod, err);
	if (ret) {
		hl_close(conn);
		return ret;
	}
	*out = conn;
	return 0;
}

void hl_close(struct hl_conn *conn)
{
	if (!conn)
		return;
	hl_module_close(conn->mod);
	if (conn->sock >= 0)
		close(conn->sock);
	free(conn);
}

/* ---- requests ---- */

int hl_get_info(struct hl_conn *conn, struct hl_info *info, struct hl_error *err)
{
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_info(conn->mod, info, err);
	ret = ask(conn, request("info", NULL), REPLY_TIMEOUT_MS, &reply, err);
	if (ret)
		return ret;
	ret = hl_info_from_json(reply, info, err);
	json_object_put(reply);
	return ret;
}

static int waiting_time(uint32_t timeout_ms)
{
	return REPLY_TIMEOUT_MS + (timeout_ms ? timeout_ms : HELIX_LEASE_TIMEOUT_DEFAULT_MS);
}

static json_object *acquire_request(const struct hl_acquire_args *args)
{
	const struct number numbers[] = {
		{ "width", args->width },
		{ "height", args->height },
		{ "refresh_mhz", args->refresh_mhz },
		{ "scanout", args->scanout },
		{ "timeout_ms", args->timeout_ms },
		/* The last only where it says something: an old broker does not know it. */
		{ args->priority ? "priority" : NULL, args->priority },
		{ 0 },
	};
	json_object *req = request("acquire", numbers);
	bool ok = req;

	if (ok && args->label)
		ok = hl_json_add(req, "label", json_object_new_string(args->label));
	if (ok && args->flags & HL_ACQUIRE_END_ON_CLOSE)
		ok = hl_json_add(req, "end_on_close", json_object_new_boolean(1));
	if (ok && args->flags & HL_ACQUIRE_PIDFD)
		ok = hl_json_add(req, "pidfd", json_object_new_boolean(1));
	if (ok && args->flags & HL_ACQUIRE_CGROUP)
		ok = hl_json_add(req, "cgroup", json_object_new_boolean(1));
	if (ok)
		return req;
	json_object_put(req);
	return NULL;
}

static int lease_from_reply(json_object *reply, struct hl_wire_msg *msg, struct hl_lease *lease,
			    struct hl_error *err)
{
	struct hl_lease got = { 0 };
	int ret = hl_lease_from_json(reply, &got, err);

	if (!ret && msg->nfds != HL_WIRE_MAX_FDS)
		ret = hl_error_set(err, EPROTO, "%d descriptors came instead of %d", msg->nfds,
				   HL_WIRE_MAX_FDS);
	if (ret) {
		hl_wire_close_fds(msg);
		return hl_error_wrap(err, ret, "acquire: reply of the broker");
	}
	got.handle_fd = msg->fds[0];
	got.lease_fd = msg->fds[1];
	*lease = got;
	return 0;
}

int hl_acquire(struct hl_conn *conn, const struct hl_acquire_args *args,
	       struct hl_lease *lease, struct hl_error *err)
{
	struct hl_wire_msg msg;
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_acquire(conn->mod, args, 0, lease, err);
	ret = hl_acquire_check(args, err);
	if (!ret && (args->flags || args->priority))
		ret = need_version(conn, args->flags & HL_ACQUIRE_CGROUP ? 3 : 2, "acquire", err);
	if (ret)
		return ret;
	ret = transact(conn, acquire_request(args),
		       args->flags & HL_ACQUIRE_PIDFD ? args->pidfd : -1,
		       waiting_time(args->timeout_ms), &msg, &reply, err);
	if (ret)
		return ret;
	ret = lease_from_reply(reply, &msg, lease, err);
	json_object_put(reply);
	return ret;
}

void hl_lease_release(struct hl_lease *lease)
{
	if (lease->lease_fd >= 0)
		close(lease->lease_fd);
	if (lease->handle_fd >= 0)
		close(lease->handle_fd);
	lease->lease_fd = -1;
	lease->handle_fd = -1;
}

int hl_lease_keep(struct hl_lease *lease, struct hl_error *err)
{
	return hl_handle_keep(lease->handle_fd, err);
}

int hl_lease_resize(struct hl_lease *lease, uint32_t width, uint32_t height,
		    uint32_t refresh_mhz, uint32_t timeout_ms, struct hl_error *err)
{
	const struct hl_resize_args args = {
		.scanout = lease->scanout,
		.generation = lease->generation,
		.width = width,
		.height = height,
		.refresh_mhz = refresh_mhz,
		.timeout_ms = timeout_ms,
	};
	int ret = hl_handle_resize(lease->handle_fd, &args, err);

	if (ret)
		return ret;
	lease->width = width;
	lease->height = height;
	lease->refresh_mhz = refresh_mhz ? refresh_mhz : HL_REFRESH_DEFAULT_MHZ;
	return 0;
}

int hl_query(struct hl_conn *conn, uint32_t scanout, struct hl_scanout *out, struct hl_error *err)
{
	const struct number numbers[] = { { "scanout", scanout }, { 0 } };
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_query(conn->mod, scanout, out, err);
	ret = ask(conn, request("query", numbers), REPLY_TIMEOUT_MS, &reply, err);
	if (ret)
		return ret;
	ret = hl_scanout_from_json(reply, out, err);
	json_object_put(reply);
	return ret;
}

static int list_module(struct hl_conn *conn, struct hl_scanout **list, size_t *n,
		       struct hl_error *err)
{
	struct hl_scanout *array = NULL;
	size_t total = 0, count = 0;
	uint32_t next = 0;
	int ret = 0;

	do {
		struct hl_scanout *grown = realloc(array, (total + LIST_PAGE) * sizeof(*array));

		if (!grown) {
			ret = hl_error_set(err, ENOMEM, "out of memory");
			break;
		}
		array = grown;
		ret = hl_module_list(conn->mod, &next, array + total, LIST_PAGE, &count, err);
		if (!ret)
			total += count;
	} while (!ret && next && total <= SCANOUTS_MAX);
	if (ret) {
		free(array);
		return ret;
	}
	*list = array;
	*n = total;
	return 0;
}

/* One page of the list after what is in @list; *@next is 0 after the last. */
static int list_page(struct hl_conn *conn, struct hl_scanout **list, size_t *n, uint32_t *next,
		     struct hl_error *err)
{
	const struct number numbers[] = { { "first", *next }, { 0 } };
	json_object *reply, *array, *value;
	struct hl_scanout *grown;
	size_t count;
	int ret = ask(conn, request("list", numbers), REPLY_TIMEOUT_MS, &reply, err);

	if (ret)
		return ret;
	*next = json_object_object_get_ex(reply, "next", &value) ? json_object_get_uint64(value) : 0;
	if (!json_object_object_get_ex(reply, "scanouts", &array) ||
	    !json_object_is_type(array, json_type_array)) {
		ret = hl_error_set(err, EPROTO, "reply of the broker: scanouts is missing");
		goto out;
	}
	count = json_object_array_length(array);
	if (*n + count > SCANOUTS_MAX || (*next && !count)) {
		ret = hl_error_set(err, EPROTO, "reply of the broker: the list does not end");
		goto out;
	}
	grown = realloc(*list, (*n + count + 1) * sizeof(**list));
	if (!grown) {
		ret = hl_error_set(err, ENOMEM, "out of memory");
		goto out;
	}
	*list = grown;
	for (size_t i = 0; i < count && !ret; i++)
		ret = hl_scanout_from_json(json_object_array_get_idx(array, i), &grown[(*n)++],
					   err);
out:
	json_object_put(reply);
	return ret;
}

int hl_list(struct hl_conn *conn, struct hl_scanout **list, size_t *n, struct hl_error *err)
{
	struct hl_scanout *array = NULL;
	uint32_t next = 1;
	size_t count = 0;
	int ret = 0;

	if (conn->mod)
		return list_module(conn, list, n, err);
	while (next && !ret)
		ret = list_page(conn, &array, &count, &next, err);
	if (ret) {
		free(array);
		return hl_error_wrap(err, ret, "list");
	}
	*list = array;
	*n = count;
	return 0;
}

int hl_revoke(struct hl_conn *conn, uint32_t scanout, uint64_t generation, uint32_t timeout_ms,
	      struct hl_error *err)
{
	const struct number numbers[] = {
		{ "scanout", scanout },
		{ "generation", generation },
		{ "timeout_ms", timeout_ms },
		{ 0 },
	};
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_revoke(conn->mod, scanout, generation, timeout_ms, err);
	ret = ask(conn, request("revoke", numbers), waiting_time(timeout_ms), &reply, err);
	if (!ret)
		json_object_put(reply);
	return ret;
}

int hl_resize(struct hl_conn *conn, const struct hl_resize_args *args, struct hl_error *err)
{
	const struct number numbers[] = {
		{ "scanout", args->scanout },
		{ "generation", args->generation },
		{ "width", args->width },
		{ "height", args->height },
		{ "refresh_mhz", args->refresh_mhz },
		{ "timeout_ms", args->timeout_ms },
		{ 0 },
	};
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_resize(conn->mod, args, err);
	ret = hl_resize_check(args, err);
	if (!ret)
		ret = need_version(conn, 2, "resize", err);
	if (!ret)
		ret = ask(conn, request("resize", numbers), waiting_time(args->timeout_ms),
			  &reply, err);
	if (!ret)
		json_object_put(reply);
	return ret;
}

static json_object *policy_request(const struct hl_policy *policy)
{
	json_object *req = request("policy", NULL), *members = hl_policy_to_json(policy);
	bool ok = req && members;

	if (ok) {
		json_object_object_foreach(members, key, value)
			if (hl_policy_bit(key) & policy->mask)
				ok = ok && hl_json_add(req, key, json_object_get(value));
	}
	json_object_put(members);
	if (ok)
		return req;
	json_object_put(req);
	return NULL;
}

static int ask_policy(struct hl_conn *conn, struct hl_policy *policy, struct hl_error *err)
{
	json_object *reply;
	int ret;

	if (conn->mod)
		return hl_module_policy(conn->mod, policy, err);
	ret = hl_policy_check(policy, err);
	if (!ret)
		ret = need_version(conn, 2, "policy", err);
	if (!ret)
		ret = ask(conn, policy_request(policy), REPLY_TIMEOUT_MS, &reply, err);
	if (ret)
		return ret;
	ret = hl_policy_from_json(reply, policy, err);
	json_object_put(reply);
	return ret;
}

int hl_get_policy(struct hl_conn *conn, struct hl_policy *policy, struct hl_error *err)
{
	struct hl_policy got = { 0 };
	int ret = ask_policy(conn, &got, err);

	if (!ret)
		*policy = got;
	return ret;
}

int hl_set_policy(struct hl_conn *conn, struct hl_policy *policy, struct hl_error *err)
{
	struct hl_policy got = *policy;
	int ret = ask_policy(conn, &got, err);

	if (!ret)
		*policy = got;
	return ret;
}

int hl_unbind(struct hl_conn *conn, int force, uint32_t timeout_ms, struct hl_error *err)
{
	if (!conn->mod)
		return hl_error_set(err, EOPNOTSUPP, "unbind: the broker does not do that");
	return hl_module_unbind(conn->mod, force, timeout_ms, err);
}
