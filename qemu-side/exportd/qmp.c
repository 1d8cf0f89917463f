// SPDX-License-Identifier: GPL-2.0-only
/*
 * QMP, as far as this daemon needs it. Owns the connection for the time of the
 * visit. Rule: blocking calls are allowed here, in the visit's own thread, and
 * every one of them ends at the visit's deadline. A thread of its own, not one
 * of a pool: VMs that hang must not use up the threads that others need. What
 * it works with is the thread's until it ends, what it found goes to the main
 * thread with the task, and neither looks at the other's.
 */
#include "qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QMP_DEADLINE_MS	5000
#define QMP_LINE_MAX	65536	/* the greeting and events are far below */
#define QMP_FD_NAME	"helix-display"

struct qmp {
	GTask *task;
	char *path;
	int fd;
	gint64 deadline;	/* g_get_monotonic_time() */
	struct qmp_display *found;
	size_t len;
	char buf[QMP_LINE_MAX];
};

static int qmp_fail(const struct qmp *qmp, const char *what, GError **error)
{
	int saved = errno;

	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
		    "%s QMP socket %s: %s", what, qmp->path,
		    g_strerror(saved));
	return -1;
}

static int qmp_wait(struct qmp *qmp, short events, const char *what,
		    GError **error)
{
	struct pollfd pfd = { .fd = qmp->fd, .events = events };
	gint64 left;
	int n;

	do {
		left = (qmp->deadline - g_get_monotonic_time()) / 1000;
		n = left > 0 ? poll(&pfd, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	if (n == 0)
		errno = ETIMEDOUT;
	return qmp_fail(qmp, what, error);
}

static int qmp_connect(struct qmp *qmp, GError **error)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(qmp->path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return qmp_fail(qmp, "connecting to", error);
	}
	strcpy(addr.sun_path, qmp->path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0 ||
	    connect(qmp->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return qmp_fail(qmp, "connecting to", error);
	return 0;
}

/* Sends one command, with @fd by SCM_RIGHTS unless it is -1. */
static int qmp_send(struct qmp *qmp, const char *text, int fd, GError **error)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = ctl.buf;
		msg.msg_controllen = sizeof(ctl.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	if (qmp_wait(qmp, POLLOUT, "writing to", error))
		return -1;
	n = sendmsg(qmp->fd, &msg, MSG_NOSIGNAL);
	if (n >= 0 && (size_t)n < iov.iov_len)
		errno = EMSGSIZE;	/* commands are far below any buffer */
	if (n != (ssize_t)iov.iov_len)
		return qmp_fail(qmp, "writing to", error);
	return 0;
}

/* Reads one line and parses it; NULL with @error set if that fails. */
static struct json_object *qmp_read(struct qmp *qmp, GError **error)
{
	struct json_object *reply;
	char *end;
	ssize_t n;

	while (!(end = memchr(qmp->buf, '\n', qmp->len))) {
		if (qmp->len == sizeof(qmp->buf)) {
			errno = EMSGSIZE;
			qmp_fail(qmp, "reading a line from", error);
			return NULL;
		}
		if (qmp_wait(qmp, POLLIN, "waiting for an answer from", error))
			return NULL;
		n = read(qmp->fd, qmp->buf + qmp->len,
			 sizeof(qmp->buf) - qmp->len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0) {
			qmp_fail(qmp, "reading from", error);
			return NULL;
		}
		qmp->len += (size_t)n;
	}
	*end = '\0';
	reply = json_tokener_parse(qmp->buf);
	qmp->len -= (size_t)(end + 1 - qmp->buf);
	memmove(qmp->buf, end + 1, qmp->len);
	if (!json_object_is_type(reply, json_type_object)) {
		json_object_put(reply);
		errno = EPROTO;
		qmp_fail(qmp, "understanding what came from", error);
		return NULL;
	}
	return reply;
}

static int qmp_greeting(struct qmp *qmp, GError **error)
{
	struct json_object *reply = qmp_read(qmp, error);
	int rc = 0;

	if (!reply) {
		g_prefix_error(error, "no QMP greeting (is another client connected?): ");
		return -1;
	}
	if (!json_object_object_get_ex(reply, "QMP", NULL)) {
		errno = EPROTO;
		rc = qmp_fail(qmp, "no QMP greeting from", error);
	}
	json_object_put(reply);
	return rc;
}

/* "" if it is none: QEMU may say null, too, for which json-c has no string. */
static const char *qmp_string(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) ?
	       json_object_get_string(value) : "";
}

/*
 * Runs one command and returns what it returned, NULL with @error set if that
 * fails. Events that arrive meanwhile are not for us.
 */
static struct json_object *qmp_call(struct qmp *qmp, const char *text, int fd,
				    GError **error)
{
	struct json_object *reply, *value, *why, *desc;

	if (qmp_send(qmp, text, fd, error))
		return NULL;
	for (;;) {
		reply = qmp_read(qmp, error);
		if (!reply)
			return NULL;
		if (json_object_object_get_ex(reply, "return", &value)) {
			json_object_get(value);
			json_object_put(reply);
			errno = EPROTO;
			if (!value)	/* null, which no command returns */
				qmp_fail(qmp, "understanding what came from",
					 error);
			return value;
		}
		if (json_object_object_get_ex(reply, "error", &why)) {
			json_object_object_get_ex(why, "desc", &desc);
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
				    "QEMU refused %s: %s", text,
				    qmp_string(desc));
			json_object_put(reply);
			return NULL;
		}
		json_object_put(reply);
	}
}

static int qmp_execute(struct qmp *qmp, const char *text, int fd,
		       GError **error)
{
	struct json_object *value = qmp_call(qmp, text, fd, error);
	int rc = value ? 0 : -1;

	json_object_put(value);
	return rc;
}

static int qmp_hand_over(struct qmp *qmp, int fd, GError **error)
{
	if (qmp_connect(qmp, error) || qmp_greeting(qmp, error) ||
	    qmp_execute(qmp, "{\"execute\":\"qmp_capabilities\"}", -1, error) ||
	    qmp_execute(qmp, "{\"execute\":\"getfd\",\"arguments\":"
			"{\"fdname\":\"" QMP_FD_NAME "\"}}", fd, error))
		return -1;
	return qmp_execute(qmp, "{\"execute\":\"add_client\",\"arguments\":"
			   "{\"protocol\":\"@dbus-display\",\"fdname\":\""
			   QMP_FD_NAME "\"}}", -1, error);
}

/* NULL if there is no such property. */
static struct json_object *qmp_get(struct qmp *qmp, const char *path,
				   const char *property)
{
	g_autofree char *text = g_strdup_printf(
		"{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"%s\","
		"\"property\":\"%s\"}}", path, property);

	return qmp_call(qmp, text, -1, NULL);
}

/* -1 if there is no such number. */
static int qmp_get_int(struct qmp *qmp, const char *path, const char *property)
{
	struct json_object *value = qmp_get(qmp, path, property);
	int number = json_object_is_type(value, json_type_int) ?
		     json_object_get_int(value) : -1;

	json_object_put(value);
	return number;
}

static void qmp_add_touch(struct qmp *qmp, const char *path)
{
	struct qmp_display *found = qmp->found;
	struct qmp_touch *touch = &found->touches[found->nr_touches];
	struct json_object *display = qmp_get(qmp, path, "display");
	const char *name = qmp_string(display);
	g_autofree char *gpu = g_strdup_printf("/machine/peripheral/%s", name);
	int head = qmp_get_int(qmp, path, "head");

	touch->gpu = *name ? (uint32_t)qmp_get_int(qmp, gpu, "addr") :
			     UINT32_MAX;
	touch->head = head < 0 ? 0 : (uint32_t)head;
	if (!*name || touch->gpu != UINT32_MAX)
		found->nr_touches++;
	json_object_put(display);
}

/*
 * D-Bus takes touches whether or not the guest has a screen to touch; only the
 * list of devices says. Without an answer there is none.
 */
static void qmp_find_touches(struct qmp *qmp, const char *folder)
{
	g_autofree char *text = g_strdup_printf(
		"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"%s\"}}",
		folder);
	struct json_object *list = qmp_call(qmp, text, -1, NULL), *value;
	size_t i;

	for (i = 0; json_object_is_type(list, json_type_array) &&
		    i < json_object_array_length(list) &&
		    qmp->found->nr_touches < QMP_TOUCHES_MAX; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		g_autofree char *path = NULL;

		if (!json_object_object_get_ex(item, "type", &value) ||
		    strcmp(qmp_string(value), "child<virtio-multitouch-pci>") ||
		    !json_object_object_get_ex(item, "name", &value))
			continue;
		path = g_strdup_printf("%s/%s", folder, qmp_string(value));
		qmp_add_touch(qmp, path);
	}
	json_object_put(list);
}

static int qmp_visit(struct qmp *qmp, GError **error)
{
	int pair[2], rc;

	qmp->deadline = g_get_monotonic_time() + QMP_DEADLINE_MS * 1000;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return qmp_fail(qmp, "making a socket pair for", error);
	qmp->found->fd = pair[0];
	rc = qmp_hand_over(qmp, pair[1], error);
	close(pair[1]);
	if (!rc) {
		qmp_find_touches(qmp, "/machine/peripheral");
		qmp_find_touches(qmp, "/machine/peripheral-anon");
	}
	return rc;
}

static void qmp_free(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp_display_free(qmp->found);
	g_free(qmp->path);
	g_free(qmp);
}

static gpointer qmp_thread(gpointer data)
{
	struct qmp *qmp = data;
	g_autoptr(GTask) task = qmp->task;
	struct qmp_display *found = NULL;
	GError *error = NULL;

	if (!qmp_visit(qmp, &error))
		found = g_steal_pointer(&qmp->found);
	/* the monitor is free for others before anybody hears of it */
	qmp_free(qmp);
	if (!found)
		g_task_return_error(task, error);
	else if (g_task_return_error_if_cancelled(task))
		qmp_display_free(found);
	else
		g_task_return_pointer(task, found,
				      (GDestroyNotify)qmp_display_free);
	return NULL;
}

void qmp_open_display(const char *path, GCancellable *cancellable,
		      GAsyncReadyCallback callback, gpointer data)
{
	GTask *task = g_task_new(NULL, cancellable, callback, data);
	struct qmp *qmp = g_new0(struct qmp, 1);
	GError *error = NULL;
	GThread *thread;

	qmp->task = task;
	qmp->path = g_strdup(path);
	qmp->fd = -1;
	qmp->found = g_new0(struct qmp_display, 1);
	qmp->found->fd = -1;
	/* finish() must see the descriptor even if cancelled since */
	g_task_set_check_cancellable(task, FALSE);
	thread = g_thread_try_new("qmp", qmp_thread, qmp, &error);
	if (thread) {
		g_thread_unref(thread);
		return;
	}
	qmp_free(qmp);
	g_task_return_error(task, error);
	g_object_unref(task);
}

struct qmp_display *qmp_open_display_finish(GAsyncResult *result,
					    GError **error)
{
	GTask *task = G_TASK(result);
	g_autoptr(GError) why = NULL;
	struct qmp_display *found = g_task_propagate_pointer(task, &why);

	/*
	 * Since the thread has looked, or while it was on its way to fail: whoever
	 * asked may be gone, and knows it by this error alone.
	 */
	if (g_cancellable_set_error_if_cancelled(
				g_task_get_cancellable(task), error)) {
		qmp_display_free(found);
		return NULL;
	}
	if (why)
		g_propagate_error(error, g_steal_pointer(&why));
	return found;
}

void qmp_display_free(struct qmp_display *display)
{
	if (!display)
		return;
	if (display->fd >= 0)
		close(display->fd);
	g_free(display);
}
