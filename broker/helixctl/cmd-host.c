// SPDX-License-Identifier: GPL-2.0-only
/*
 * host: does what the host asks for through a virtio-serial port, which is to end a
 * lease of a desktop that nobody uses. One JSON object in each line.
 *
 *   host   {"op":"hello","version":1}
 *   guest  {"op":"hello","version":1,"session":"5f0c..."}
 *   host   {"op":"ending","session":S,"scanout":3,"generation":7,"seconds":60}
 *   host   {"op":"kept","session":S,"scanout":3,"generation":7}
 *   host   {"op":"revoke","session":S,"scanout":3,"generation":7}
 *   guest  {"op":"done","scanout":3}  or  {"op":"failed","scanout":3,"error":"..."}
 *
 * The session is a new one in each run: what a former run has left in the port, and
 * what the host may not want any more, is not done. The host may do all of that to its
 * guest by other means; nobody else can open the port.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "opts.h"

#define HOST_PORT	"/dev/virtio-ports/dev.helix.lease"
#define HOST_VERSION	1
#define LINE_MAX_BYTES	1024
#define REVOKE_MS	5000
#define SESSION_BYTES	8
#define SCANOUT_MAX	65535

struct host_args {
	const char *port;
};

static const struct opt options[] = {
	{ .name = "port", .letter = 'p', .value = "PATH",
	  .help = "the port [" HOST_PORT "]", .parse = opt_text,
	  .offset = offsetof(struct host_args, port) },
};

static const struct usage usage = {
	.text = "usage: helixctl host [OPTION]...\n"
		"End leases when the host asks for it; runs until a signal comes. Only root may.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

struct host {
	const struct context *ctx;
	int fd;
	char session[2 * SESSION_BYTES + 1];
	char line[LINE_MAX_BYTES];
	size_t len;
	bool too_long;		/* up to its end */
	bool hello_due;		/* the host waits for it, or will when it is there */
};

/* What is asked of us, about which lease. */
struct host_request {
	const char *op;
	uint32_t scanout;
	uint64_t generation;
	uint64_t seconds;
};

/* Takes @obj. False if there is no host to be told, as far as the port knows by now. */
static bool say(const struct host *host, json_object *obj)
{
	char text[LINE_MAX_BYTES];
	int len = snprintf(text, sizeof(text), "%s\n",
			   json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));

	json_object_put(obj);
	if (len >= (int)sizeof(text) || write(host->fd, text, (size_t)len) == len)
		return true;
	if (errno != EAGAIN)
		fprintf(stderr, "helixctl: host: the host cannot be answered: %s\n",
			strerror(errno));
	return errno != EAGAIN;
}

static json_object *answer(const char *op)
{
	json_object *obj = json_object_new_object();

	json_object_object_add(obj, "op", json_object_new_string(op));
	return obj;
}

/*
 * What a host says may be here before the port knows that there is a host, and takes
 * anything for it: then it is due until the port does.
 */
static void say_hello(struct host *host)
{
	json_object *obj = answer("hello");

	json_object_object_add(obj, "version", json_object_new_int(HOST_VERSION));
	json_object_object_add(obj, "session", json_object_new_string(host->session));
	host->hello_due = !say(host, obj);
}

/* -EINVAL where it is not there, no whole number, or out of range. */
static int take_number(json_object *obj, const char *name, uint64_t max, uint64_t *out,
		       struct hl_error *err)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, name, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return hl_error_set(err, EINVAL, "\"%s\" has to be a whole number", name);
	*out = json_object_get_uint64(value);
	if (!*out || *out > max)
		return hl_error_set(err, EINVAL, "\"%s\" %" PRIu64 " is not in 1..%" PRIu64, name,
				    *out, max);
	return 0;
}

static const char *take_text(json_object *obj, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(obj, name, &value) &&
	       json_object_is_type(value, json_type_string) ?
	       json_object_get_string(value) : "";
}

static int take_request(const struct host *host, json_object *obj, struct host_request *req,
			struct hl_error *err)
{
	uint64_t scanout;
	int ret;

	req->op = take_text(obj, "op");
	if (!strcmp(req->op, "hello"))
		return 0;
	if (strcmp(req->op, "ending") && strcmp(req->op, "kept") && strcmp(req->op, "revoke"))
		return hl_error_set(err, EINVAL, "\"op\" has to be hello, ending, kept or revoke");
	if (strcmp(take_text(obj, "session"), host->session))
		return hl_error_set(err, ESTALE, "%s: it was meant for a former run", req->op);
	ret = take_number(obj, "scanout", SCANOUT_MAX, &scanout, err);
	if (!ret)
		ret = take_number(obj, "generation", UINT64_MAX, &req->generation, err);
	if (!ret && !strcmp(req->op, "ending"))
		ret = take_number(obj, "seconds", UINT32_MAX, &req->seconds, err);
	req->scanout = ret ? 0 : (uint32_t)scanout;
	return ret;
}

static int end_lease(const struct host *host, const struct host_request *req,
		     struct hl_error *err)
{
	struct hl_conn *conn = NULL;
	int ret = ctx_connect(host->ctx, &conn, err);

	if (!ret)
		ret = hl_revoke(conn, req->scanout, req->generation, REVOKE_MS, err);
	hl_close(conn);
	/* its owner has lost it, and whoever made that be so sees to the rest */
	return ret == -ETIMEDOUT ? 0 : ret;
}

static void do_revoke(const struct host *host, const struct host_request *req)
{
	struct hl_error err;
	int ret = end_lease(host, req, &err);
	json_object *obj = answer(ret ? "failed" : "done");

	json_object_object_add(obj, "scanout", json_object_new_int64(req->scanout));
	if (ret)
		json_object_object_add(obj, "error", json_object_new_string(err.message));
	say(host, obj);
	if (ret)
		fail(EXIT_REFUSED, &err);
	else
		printf("scanout %u generation %" PRIu64 " ended: the host asked for it\n",
		       req->scanout, req->generation);
}

static void obey(struct host *host, const struct host_request *req)
{
	if (!strcmp(req->op, "hello"))
		host->hello_due = true;
	else if (!strcmp(req->op, "revoke"))
		do_revoke(host, req);
	else if (!strcmp(req->op, "kept"))
		printf("scanout %u generation %" PRIu64 " stays\n", req->scanout,
		       req->generation);
	else
		printf("scanout %u generation %" PRIu64 " ends in %" PRIu64
		       " s: nobody uses it\n", req->scanout, req->generation, req->seconds);
	fflush(stdout);
}

static void take_line(struct host *host, const char *text, size_t len)
{
	struct host_request req = { 0 };
	json_object *obj = NULL;
	struct hl_error err;
	int ret = hl_json_parse(text, len, &obj, &err);

	if (!ret)
		ret = take_request(host, obj, &req, &err);
	if (ret) {
		hl_error_wrap(&err, ret, "host");
		fail(EXIT_REFUSED, &err);
	} else {
		obey(host, &req);
	}
	json_object_put(obj);
}

static void take_byte(struct host *host, char byte)
{
	if (byte == '\n') {
		if (host->too_long)
			fprintf(stderr, "helixctl: host: a line is longer than %d bytes\n",
				LINE_MAX_BYTES);
		else
			take_line(host, host->line, host->len);
		host->len = 0;
		host->too_long = false;
	} else if (host->len < sizeof(host->line)) {
		host->line[host->len++] = byte;
	} else {
		host->too_long = true;
	}
}

/* All that there is. Half a line of a host that went is not the beginning of the next. */
static int take_all(struct host *host, struct hl_error *err)
{
	char buf[LINE_MAX_BYTES];
	ssize_t n;

	for (;;) {
		n = read(host->fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 :
			       hl_error_set(err, errno, "host: the port is gone: %s", strerror(errno));
		if (!n) {
			host->len = 0;
			host->too_long = false;
			return 0;
		}
		for (ssize_t i = 0; i < n; i++)
			take_byte(host, buf[i]);
	}
}

/*
 * Told at each change, and not as long as something is so: a port with no host behind
 * it is hung up on all the time.
 */
static int serve(struct host *host, struct hl_error *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int poller = epoll_create1(EPOLL_CLOEXEC), ret;

	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, host->fd, &event) < 0) {
		ret = hl_error_set(err, errno, "host: the port cannot be waited for: %s",
				   strerror(errno));
		goto out;
	}
	host->hello_due = true;
	do {
		ret = take_all(host, err);
		if (host->hello_due)
			say_hello(host);
		if (!ret && epoll_wait(poller, &event, 1, -1) < 0 && errno != EINTR)
			ret = hl_error_set(err, errno, "host: waiting: %s", strerror(errno));
	} while (!ret);
out:
	if (poller >= 0)
		close(poller);
	return ret;
}

static int make_session(struct host *host, struct hl_error *err)
{
	unsigned char bytes[SESSION_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return hl_error_set(err, errno, "host: no random number: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(host->session + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int cmd_host(const struct context *ctx, int argc, char **argv)
{
	struct host_args args = { .port = HOST_PORT };
	struct host host = { .ctx = ctx };
	struct hl_error err;
	int status = opts_parse(&usage, &args, argc, argv);
	int ret;

	if (status >= 0)
		return status;
	host.fd = open(args.port, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (host.fd < 0) {
		hl_error_set(&err, errno, "host: %s: %s", args.port, strerror(errno));
		return fail(EXIT_REFUSED, &err);
	}
	ret = make_session(&host, &err);
	if (!ret)
		ret = serve(&host, &err);
	close(host.fd);
	return ret ? fail(EXIT_REFUSED, &err) : EXIT_OK;
}
