// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the connection to the helix-control device, its shared memory and its
 * two eventfds. Rule: one request at a time is being served; it is taken from
 * the ring when its completion was posted.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "handshake.h"
#include "log.h"

#define CONTROL_HELLO_MS	5000
#define CONTROL_BATCH		64	/* requests before others get their turn */
#define CONTROL_FULL_MS		20	/* look again for room for a completion */

struct control {
	const char *vm;		/* for the log */
	const struct control_ops *ops;
	void *data;

	int sock;
	guint sock_watch;
	guint hello_timer;
	bool greeted;
	struct helix_ctl_msg msg;	/* being received */
	size_t got;
	int fds[HANDSHAKE_FDS];		/* came with the message being received */
	unsigned int nr_fds;

	struct ring ring;
	size_t shm_size;
	int doorbell;
	int completion;
	guint doorbell_watch;
	bool broken;		/* until the next reset */
	bool serving;		/* control_serve() is on the stack */
	guint again;		/* idle source: it left requests behind */

	uint32_t token;		/* of the request being served */
	bool busy;
	uint32_t busy_id;
	uint32_t status;	/* to post as soon as there is room */
	guint full_timer;
};

static void control_serve(struct control *control);

/*
 * No two requests have the same, whatever device they came by: what was begun
 * for one that is gone may be answered when its successor serves another one.
 */
static uint32_t control_new_token(void)
{
	static uint32_t last;

	return ++last;
}

static void control_close_fds(struct control *control)
{
	while (control->nr_fds)
		close(control->fds[--control->nr_fds]);
}

static void control_stop_watching(struct control *control)
{
	if (control->sock_watch)
		g_source_remove(control->sock_watch);
	if (control->hello_timer)
		g_source_remove(control->hello_timer);
	if (control->doorbell_watch)
		g_source_remove(control->doorbell_watch);
	if (control->full_timer)
		g_source_remove(control->full_timer);
	if (control->again)
		g_source_remove(control->again);
	control->again = 0;
	control->sock_watch = 0;
	control->hello_timer = 0;
	control->doorbell_watch = 0;
	control->full_timer = 0;
}

/* The owner frees us in the callback. */
static void control_fail(struct control *control, const char *why)
{
	log_vm(WARN, control->vm, "control device: %s", why);
	control_stop_watching(control);
	control->ops->closed(control->data);
}

static void control_ring_broken(struct control *control)
{
	if (!control->broken)
		log_vm(WARN, control->vm, "control device: the guest's ring "
		       "index is impossible; serving nothing until it resets "
		       "the device");
	control->broken = true;
}

static void control_signal(struct control *control)
{
	uint64_t one = 1;

	/* EAGAIN means that the counter is full: the interrupt is pending */
	if (write(control->completion, &one, sizeof(one)) < 0 &&
	    errno != EAGAIN)
		log_vm(WARN, control->vm,
		       "control device: signalling a completion: %s",
		       g_strerror(errno));
}

static gboolean control_full_tick(gpointer data);

/* Posts the result of the request being served, as soon as there is room. */
static void control_post(struct control *control)
{
	int rc = ring_complete(&control->ring, control->busy_id,
			       control->status);

	if (rc == -EAGAIN) {
		if (!control->full_timer)
			control->full_timer = g_timeout_add(CONTROL_FULL_MS,
						control_full_tick, control);
		return;
	}
	control->busy = false;
	if (rc) {
		control_ring_broken(control);
		return;
	}
	control_signal(control);
	control_serve(control);
}

static gboolean control_full_tick(gpointer data)
{
	struct control *control = data;

	control->full_timer = 0;
	control_post(control);
	return G_SOURCE_REMOVE;
}

void control_complete(struct control *control, uint32_t token, uint32_t status)
{
	if (!control->busy || token != control->token)
		return;
	control->token = control_new_token();
	control->status = status;
	control_post(control);
}

/* Serves the oldest request. False: there is none that can be served now. */
static bool control_serve_one(struct control *control)
{
	struct ring_request req;
	uint32_t status;
	int rc;

	if (control->busy || control->broken)
		return false;
	rc = ring_peek(&control->ring, &req, &status);
	if (rc < 0)
		control_ring_broken(control);
	if (rc <= 0)
		return false;

	control->busy = true;
	control->busy_id = req.id;
	if (!status && req.op != HELIX_CTL_OP_PING) {
		control->ops->request(&req, control->token, control->data);
		return true;
	}
	if (status)
		log_vm(INFO, control->vm,
		       "control device: request %u (op %u): %s", req.id,
		       req.op, g_strerror((int)status));
	control_complete(control, control->token, status);
	return true;
}

static gboolean control_serve_again(gpointer data)
{
	struct control *control = data;

	control->again = 0;
	control_serve(control);
	return G_SOURCE_REMOVE;
}

/*
 * Completing a request comes back here, so this is a loop and not a
 * recursion, and a guest that never stops asking does not stop the rest.
 */
static void control_serve(struct control *control)
{
	unsigned int left = CONTROL_BATCH;

	if (control->serving)
		return;
	control->serving = true;
	while (left && control_serve_one(control))
		left--;
	control->serving = false;
	if (!left && !control->again)
		control->again = g_idle_add(control_serve_again, control);
}

static gboolean control_doorbell(gint fd, GIOCondition cond, gpointer data)
{
	struct control *control = data;
	uint64_t count;

	if (cond & G_IO_IN && read(fd, &count, sizeof(count)) < 0 &&
	    errno != EAGAIN && errno != EINTR) {
		control->doorbell_watch = 0;
		control_fail(control, "the doorbell cannot be read");
		return G_SOURCE_REMOVE;
	}
	control_serve(control);
	return G_SOURCE_CONTINUE;
}

static const char *control_map(struct control *control, uint32_t size)
{
	struct stat st;
	void *shm;
	int seals = fcntl(control->fds[0], F_GET_SEALS);

	/* what is mapped stays: nobody can have us killed by cutting it off */
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "shared memory is not sealed against shrinking";
	if (fstat(control->fds[0], &st) < 0 || st.st_size < (off_t)size)
		return "shared memory is smaller than announced";
	shm = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   control->fds[0], 0);
	if (shm == MAP_FAILED)
		return "shared memory cannot be mapped";
	control->shm_size = size;
	ring_attach(&control->ring, shm);
	return NULL;
}

static bool control_hello(struct control *control, const struct handshake *hs)
{
	struct helix_ctl_msg ack;
	const char *error;

	error = control_map(control, hs->shm_size);
	if (error) {
		control_fail(control, error);
		return false;
	}
	close(control->fds[0]);
	control->doorbell = control->fds[1];
	control->completion = control->fds[2];
	control->nr_fds = 0;
	control->greeted = true;
	g_source_remove(control->hello_timer);
	control->hello_timer = 0;

	handshake_ack(&ack, hs->generation);
	if (send(control->sock, &ack, sizeof(ack), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(ack)) {
		control_fail(control, "answering the handshake failed");
		return false;
	}
	log_vm(INFO, control->vm,
	       "control device: attached, generation %u, pool %u, priority %u",
	       hs->generation, hs->pool, hs->priority);
	control->doorbell_watch = g_unix_fd_add(control->doorbell, G_IO_IN,
						control_doorbell, control);
	control->ops->attached(ring_is_fresh(&control->ring), control->data);
	/* what a former mediator left unserved */
	control_serve(control);
	return true;
}

static void control_reset(struct control *control, uint32_t generation)
{
	log_vm(INFO, control->vm,
	       "control device: reset by the guest, generation %u", generation);
	if (control->full_timer)
		g_source_remove(control->full_timer);
	control->full_timer = 0;
	control->busy = false;
	control->token = control_new_token();
	control->broken = false;
	ring_attach(&control->ring, control->ring.shm);
	control->ops->reset(control->data);
	control_serve(control);
}

/* False: the control is gone. */
static bool control_message(struct control *control)
{
	const char *error = NULL;
	struct handshake hs;

	control->got = 0;
	if (!handshake_parse(&control->msg, control->nr_fds, control->greeted,
			     &hs, &error)) {
		control_fail(control, error);
		return false;
	}
	if (hs.type == HELIX_CTL_MSG_HELLO)
		return control_hello(control, &hs);
	control_reset(control, hs.generation);
	return true;
}

/* Keeps the first three descriptors of a message, closes any other. */
static void control_take_fds(struct control *control, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	size_t i, count;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			       sizeof(fd));
			if (control->nr_fds < HANDSHAKE_FDS)
				control->fds[control->nr_fds++] = fd;
			else
				close(fd);
		}
	}
}

static gboolean control_readable(gint fd, GIOCondition cond, gpointer data)
{
	struct control *control = data;
	union {
		char buf[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = {
		(char *)&control->msg + control->got,
		sizeof(control->msg) - control->got
	};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	ssize_t n;

	(void)cond;
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n <= 0) {
		control->sock_watch = 0;
		control_fail(control, n ? g_strerror(errno) :
			     "QEMU closed the connection");
		return G_SOURCE_REMOVE;
	}
	control_take_fds(control, &msg);
	control->got += (size_t)n;
	if (control->got < sizeof(control->msg))
		return G_SOURCE_CONTINUE;
	/* control_fail() removed this source where it says false */
	return control_message(control) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean control_hello_late(gpointer data)
{
	struct control *control = data;

	control->hello_timer = 0;
	control_fail(control, "no HELLO in 5 seconds (is another mediator connected?)");
	return G_SOURCE_REMOVE;
}

int control_connect(const char *path, const char **error)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		*error = g_strerror(ENAMETOOLONG);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		*error = g_strerror(errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

struct control *control_new(int sock, const char *vm,
			    const struct control_ops *ops, void *data)
{
	struct control *control = g_new0(struct control, 1);

	control->vm = vm;
	control->ops = ops;
	control->data = data;
	control->sock = sock;
	control->doorbell = -1;
	control->completion = -1;
	control->token = control_new_token();
	control->sock_watch = g_unix_fd_add(sock, G_IO_IN, control_readable,
					    control);
	control->hello_timer = g_timeout_add(CONTROL_HELLO_MS,
					     control_hello_late, control);
	return control;
}

bool control_is_attached(const struct control *control)
{
	return control->greeted;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	control_stop_watching(control);
	control_close_fds(control);
	close(control->sock);
	if (control->greeted) {
		close(control->doorbell);
		close(control->completion);
	}
	if (control->ring.shm)
		munmap(control->ring.shm, control->shm_size);
	g_free(control);
}
