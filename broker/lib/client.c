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

struct hl_conn {
	struct module *mod;	/* or NULL, and then */
	int sock;
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

static int send_request(struct hl_conn *conn, json_object *req, struct hl_error *err)
{
	size_t len;
	const char *text = json_object_to_json_string_length(req, JSON_C_TO_STRING_PLAIN, &len);
	int ret;

	if (!text)
		return hl_error_set(err, ENOMEM, "out of memory");
	ret = hl_wire_send(conn->sock, text, len, NULL, 0, 0);
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
static int transact(struct hl_conn *conn, json_object *req, int timeout_ms,
		    struct hl_wire_msg *msg, json_object **reply, struct hl_error *err)
{
	int ret;

	*msg = (struct hl_wire_msg) { .buf = conn->buf, .cap = sizeof(conn->buf) };
	if (!req)
		return hl_error_set(err, ENOMEM, "out of memory");
	ret = send_request(conn, req, err);
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
	int ret = transact(conn, req, timeout_ms, &msg, reply, err);

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

static int say_hello(struct hl_conn *conn, struct hl_error *err)
{
	const struct number numbers[] = { { "version", HL_WIRE_VERSION }, { 0 } };
	json_object *reply;
	int ret = ask(conn, request("hello", numbers), REPLY_TIMEOUT_MS, &reply, err);

	if (!ret)
		json_object_put(reply);
	return ret;
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
		{ 0 },
	};
	json_object *req = request("acquire", numbers);

	if (!req || !args->label ||
	    hl_json_add(req, "label", json_object_new_string(args->label)))
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
	if (ret)
		return ret;
	ret = transact(conn, acquire_request(args), waiting_time(args->timeout_ms), &msg, &reply,
		       err);
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
	struct hl_scanout *array;
	struct hl_info info;
	int ret = hl_module_info(conn->mod, &info, err);

	if (ret)
		return ret;
	array = calloc(info.nr_scanouts + 1, sizeof(*array));
	if (!array)
		return hl_error_set(err, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < info.nr_scanouts && !ret; i++)
		ret = hl_module_query(conn->mod, i + 1, &array[i], err);
	if (ret) {
		free(array);
		return ret;
	}
	*list = array;
	*n = info.nr_scanouts;
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
