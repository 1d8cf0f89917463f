// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything here runs on the event loop's thread, except job_done(), which
 * only moves a job to the done list under @lock and wakes the loop.
 *
 * A client with a request under way is not read from, only watched: its going
 * away detaches the task, which is then interrupted until it ends, and whatever
 * it had acquired meanwhile is closed.
 *
 * Nothing is closed here that a client had a say in, its connection among that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "codec.h"
#include "error.h"
#include "job.h"
#include "log.h"
#include "nodes.h"
#include "request.h"
#include "server.h"
#include "soon.h"
#include "wire.h"

#ifndef HELIX_VERSION
#define HELIX_VERSION "unknown"
#endif

#define INTERRUPT_US	50000	/* between two tries to end a detached task */
#define ACCEPT_BURST	16
#define SHUTDOWN_TRIES	200	/* of INTERRUPT_US each */
#define CLOSINGS_MAX	256	/* begun in INTERRUPT_US, then nobody is let in until these are over */

struct task {
	struct job job;
	struct client *client;	/* NULL once it is gone */
	uid_t user;
	LIST_ENTRY(task) entry;		/* of tasks: under way */
	STAILQ_ENTRY(task) done_entry;	/* of done */
};

struct client {
	struct server *srv;
	int fd;
	struct peer peer;
	struct task *task;	/* NULL when nothing is under way */
	sd_event_source *io;
	sd_event_source *idle;
	LIST_ENTRY(client) entry;
};

struct server {
	sd_event *event;
	struct module *mod;
	const struct policy *policy;
	struct nodes *nodes;	/* NULL: they are root's, whoever has a lease */
	server_granted_fn granted;
	void *granted_data;
	struct closer *closer;
	int done_fd;
	sd_event_source *listen_io;
	sd_event_source *done_io;
	sd_event_source *interrupt;
	LIST_HEAD(, client) clients;
	LIST_HEAD(, task) tasks;
	pthread_mutex_t lock;			/* of done, shared with the jobs' threads */
	STAILQ_HEAD(, task) done;
	char buf[HL_WIRE_REQUEST_MAX];
};

/* ---- replies ---- */

/* Takes @reply. False when the client does not take it: drop the client. */
static bool send_json(int fd, json_object *reply, const int *fds, int nfds)
{
	const char *text = NULL;
	size_t len = 0;
	int ret = -ENOMEM;

	if (reply)
		text = json_object_to_json_string_length(reply, JSON_C_TO_STRING_PLAIN, &len);
	if (text)
		ret = hl_wire_send(fd, text, len, fds, nfds, MSG_DONTWAIT);
	json_object_put(reply);
	return !ret;
}

/* Takes @body, which may be NULL for "out of memory". */
static json_object *mark_ok(json_object *body)
{
	if (body && hl_json_add(body, "ok", json_object_new_boolean(1)))
		return body;
	json_object_put(body);
	return NULL;
}

static bool send_error(int fd, const struct hl_error *err)
{
	json_object *reply = json_object_new_object();

	if (reply && hl_json_add(reply, "ok", json_object_new_boolean(0)) &&
	    hl_json_add(reply, "error", hl_error_to_json(err)))
		return send_json(fd, reply, NULL, 0);
	json_object_put(reply);
	return false;
}

/* ---- clients ---- */

static int on_interrupt_time(sd_event_source *s, uint64_t usec, void *data)
{
	struct server *srv = data;
	bool left = closer_press(srv->closer);
	struct task *task;

	(void)s;
	(void)usec;
	sd_event_source_set_enabled(srv->listen_io, SD_EVENT_ON);
	LIST_FOREACH(task, &srv->tasks, entry) {
		if (!task->client) {
			job_interrupt(task->job.thread);
			left = true;
		}
	}
	if (left)
		soon_ask(srv->interrupt, INTERRUPT_US);
	return 0;
}

static void detach_task(struct server *srv, struct task *task)
{
	task->client = NULL;
	job_interrupt(task->job.thread);
	soon_ask(srv->interrupt, INTERRUPT_US);
}

/* That came from @user. */
static void close_descriptors(struct server *srv, uid_t user, const int *fds, int nfds)
{
	if (nfds <= 0)
		return;
	closer_take(srv->closer, user, fds, nfds);
	soon_ask(srv->interrupt, INTERRUPT_US);
}

static void hang_up(struct server *srv, uid_t user, int fd)
{
	closer_hang_up(srv->closer, user, fd);
	soon_ask(srv->interrupt, INTERRUPT_US);
}

static void client_drop(struct client *client)
{
	if (client->task)
		detach_task(client->srv, client->task);
	LIST_REMOVE(client, entry);
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->idle);
	hang_up(client->srv, client->peer.user, client->fd);
	peer_release(&client->peer);
	free(client);
}

static int on_idle(sd_event_source *s, uint64_t usec, void *data)
{
	struct client *client = data;
	struct hl_error err;

	(void)s;
	(void)usec;
	hl_error_set(&err, ETIMEDOUT, "nothing was asked for %u ms", client->srv->policy->idle_ms);
	send_error(client->fd, &err);
	client_drop(client);
	return 0;
}

/* Reading and the idle clock stop while a request is under way. */
static bool client_listen(struct client *client, bool on)
{
	uint64_t idle_us = (uint64_t)client->srv->policy->idle_ms * 1000;

	if (sd_event_source_set_io_events(client->io, on ? EPOLLIN | EPOLLRDHUP : EPOLLRDHUP) < 0)
		return false;
	if (!on)
		return sd_event_source_set_enabled(client->idle, SD_EVENT_OFF) >= 0;
	return sd_event_source_set_time_relative(client->idle, idle_us) >= 0 &&
	       sd_event_source_set_enabled(client->idle, SD_EVENT_ONESHOT) >= 0;
}

/* ---- requests that wait ---- */

static void job_done(struct job *job, void *data)
{
	struct task *task = (struct task *)job;
	struct server *srv = data;
	uint64_t one = 1;

	pthread_mutex_lock(&srv->lock);
	STAILQ_INSERT_TAIL(&srv->done, task, done_entry);
	pthread_mutex_unlock(&srv->lock);
	if (write(srv->done_fd, &one, sizeof(one)) < 0)
		log_error("cannot wake the event loop: %s", strerror(errno));
}

/*
 * The module took our word for the pid, and says whose lease that made it: another's, if a user
 * had his process exec what is set-uid after it connected.
 */
static int check_counted(const struct client *client, const struct hl_lease *lease,
			 struct hl_error *err)
{
	const struct peer *peer = &client->peer;
	struct hl_scanout scanout;
	int ret;

	if (!peer->uid)
		return 0;
	ret = hl_module_query(client->srv->mod, lease->scanout, &scanout, err);
	if (ret || scanout.owner_uid == peer->owner || scanout.generation != lease->generation ||
	    scanout.state == HELIX_LEASE_STATE_FREE)
		return ret;
	return hl_error_set(err, EPERM, "acquire: the process that it is for is another user's by now");
}

/* Not to be told: the pid may have been reused before the call. */
static void check_owner(struct task *task)
{
	const struct client *client = task->client;
	struct job *job = &task->job;

	if (job->ret || job->req.op != OP_ACQUIRE)
		return;
	if (!peer_alive(&client->peer))
		job->ret = hl_error_set(&job->err, ESRCH,
					"acquire: the process that connected is gone");
	else
		job->ret = check_counted(client, &job->lease, &job->err);
	if (job->ret)
		hl_lease_release(&job->lease);
}

static bool answer_task(struct task *task)
{
	struct job *job = &task->job;
	int fd = task->client->fd;

	if (job->ret)
		return send_error(fd, &job->err);
	if (job->req.op != OP_ACQUIRE)
		return send_json(fd, mark_ok(json_object_new_object()), NULL, 0);
	return send_json(fd, mark_ok(hl_lease_to_json(&job->lease)),
			 (int[]) { job->lease.handle_fd, job->lease.lease_fd }, 2);
}

static void log_task(const struct task *task, bool answered)
{
	const struct job *job = &task->job;
	const struct peer *peer = &task->client->peer;

	if (job->ret)
		log_info("pid %d user %u: %s", peer->pid, peer->uid, job->err.message);
	else if (job->req.op == OP_REVOKE)
		log_info("pid %d user %u revoked generation %" PRIu64 " of scanout %u", peer->pid,
			 peer->uid, job->req.generation, job->req.scanout);
	else if (job->req.op == OP_RESIZE)
		log_info("pid %d user %u resized scanout %u generation %" PRIu64 " to %ux%u",
			 peer->pid, peer->uid, job->req.resize.scanout, job->req.resize.generation,
			 job->req.resize.width, job->req.resize.height);
	else
		log_info("pid %d user %u %s scanout %u generation %" PRIu64 " %ux%u", peer->pid,
			 peer->uid, answered ? "has" : "did not take", job->lease.scanout,
			 job->lease.generation, job->lease.width, job->lease.height);
}

static void task_close_pidfd(struct server *srv, struct task *task)
{
	if (task->job.req.acquire.pidfd >= 0)
		close_descriptors(srv, task->user, &task->job.req.acquire.pidfd, 1);
}

/*
 * Before the answer, after which the client expects its nodes to open. Whoever had the scanout
 * before may just have opened what is this client's now: then that lease ends, with all that
 * was opened, and another begins.
 */
static bool acquire_again(struct task *task)
{
	struct server *srv = task->client->srv;
	struct job *job = &task->job;

	if (job->ret || job->req.op != OP_ACQUIRE || !srv->nodes ||
	    nodes_give(srv->nodes, job->lease.scanout, job->lease.generation))
		return false;
	log_info("scanout %u generation %" PRIu64 " is given back: its nodes were another's until now",
		 job->lease.scanout, job->lease.generation);
	hl_lease_release(&job->lease);
	job->ret = job_start(job, &job->err);
	return !job->ret;
}

static void finish_task(struct server *srv, struct task *task)
{
	struct client *client = task->client;
	bool answered = false;

	pthread_join(task->job.thread, NULL);
	if (client)
		check_owner(task);
	if (client && acquire_again(task))
		return;
	LIST_REMOVE(task, entry);
	task_close_pidfd(srv, task);
	if (client) {
		client->task = NULL;
		answered = answer_task(task);
		log_task(task, answered);
	}
	/* The client has its own copies now, or the lease ends here. */
	hl_lease_release(&task->job.lease);
	free(task);
	if (client && (!answered || !client_listen(client, true)))
		client_drop(client);
}

static struct task *pop_done(struct server *srv)
{
	struct task *task;

	pthread_mutex_lock(&srv->lock);
	task = STAILQ_FIRST(&srv->done);
	if (task)
		STAILQ_REMOVE_HEAD(&srv->done, done_entry);
	pthread_mutex_unlock(&srv->lock);
	return task;
}

static int on_done(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct server *srv = data;
	struct task *task;
	uint64_t n;

	(void)s;
	(void)revents;
	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_error("cannot read the wake-up: %s", strerror(errno));
	while ((task = pop_done(srv)))
		finish_task(srv, task);
	return 0;
}

static int check_waiting(struct client *client, struct hl_error *err)
{
	struct server *srv = client->srv;
	unsigned int all = 0, of_uid = 0;
	struct task *task;

	LIST_FOREACH(task, &srv->tasks, entry) {
		all++;
		of_uid += task->user == client->peer.user;
	}
	return policy_wait(srv->policy, &client->peer, all, of_uid, err);
}

/*
 * Root acquires for others, as the hook of a container does, and everybody for what is his:
 * who is shown and counted as the owner, by user and by cgroup, is then the process that the
 * lease ends with.
 */
static pid_t owner_of(const struct client *client, const struct request *req)
{
	const struct peer *peer = &client->peer;
	pid_t pid = 0;

	if (req->acquire.pidfd >= 0)
		pid = peer_of_pidfd(req->acquire.pidfd);
	return pid && (!peer->uid || peer_is_user(pid, req->acquire.pidfd, peer->uid)) ? pid : peer->pid;
}

static struct task *task_new(struct client *client, const struct request *req,
			     struct hl_error *err)
{
	struct server *srv = client->srv;
	struct task *task = calloc(1, sizeof(*task));

	if (!task) {
		hl_error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	task->client = client;
	task->user = client->peer.user;
	task->job = (struct job) {
		.req = *req,
		.mod = srv->mod,
		.owner = owner_of(client, req),
		.granted = srv->granted,
		.granted_data = srv->granted_data,
		.done = job_done,
		.data = srv,
		.lease = { .handle_fd = -1, .lease_fd = -1 },
	};
	if (req->acquire.label)
		task->job.req.acquire.label = task->job.req.label;
	/* What came with the request is closed when that has been served. */
	if (req->acquire.pidfd >= 0) {
		task->job.req.acquire.pidfd = fcntl(req->acquire.pidfd, F_DUPFD_CLOEXEC, 0);
		if (task->job.req.acquire.pidfd < 0) {
			hl_error_set(err, errno, "acquire: cannot keep the pidfd: %s",
				     strerror(errno));
			free(task);
			return NULL;
		}
	}
	return task;
}

/* False: the client has to be dropped. */
static bool start_task(struct client *client, const struct request *req)
{
	struct server *srv = client->srv;
	struct hl_error err;
	struct task *task;

	if (check_waiting(client, &err))
		return send_error(client->fd, &err);
	task = task_new(client, req, &err);
	if (!task)
		return send_error(client->fd, &err);
	if (job_start(&task->job, &err)) {
		task_close_pidfd(srv, task);
		free(task);
		return send_error(client->fd, &err);
	}
	LIST_INSERT_HEAD(&srv->tasks, task, entry);
	client->task = task;
	return client_listen(client, false);
}

static bool do_acquire(struct client *client, const struct request *req)
{
	struct hl_error err;
	int ret = 0;

	/* From a PID namespace that is not below ours; 0 would make us the owner. */
	if (!client->peer.pid)
		ret = hl_error_set(&err, ESRCH,
				   "acquire: the process that asks cannot be seen from here");
	if (!ret)
		ret = policy_priority(client->srv->policy, &client->peer, req->acquire.priority,
				      &err);
	return ret ? send_error(client->fd, &err) : start_task(client, req);
}

/* Asking first is no race: the answer is about this generation and no other. */
static int check_lease(struct client *client, const char *what, uint32_t number,
		       uint64_t generation, struct hl_error *err)
{
	struct hl_scanout scanout;
	int ret = hl_module_query(client->srv->mod, number, &scanout, err);

	if (ret)
		return ret;
	if (scanout.state == HELIX_LEASE_STATE_FREE)
		return hl_error_set(err, ESTALE,
				    "%s: generation %" PRIu64 " of scanout %u is over, it is free",
				    what, generation, number);
	if (!policy_owns(&client->peer, &scanout))
		return hl_error_set(err, EACCES, "%s: scanout %u is another user's", what, number);
	if (scanout.generation != generation)
		return hl_error_set(err, ESTALE,
				    "%s: generation %" PRIu64 " of scanout %u is not the present one, %" PRIu64,
				    what, generation, number, scanout.generation);
	return 0;
}

static bool do_revoke(struct client *client, const struct request *req)
{
	struct hl_error err;

	if (check_lease(client, "revoke", req->scanout, req->generation, &err))
		return send_error(client->fd, &err);
	return start_task(client, req);
}

static bool do_resize(struct client *client, const struct request *req)
{
	struct hl_error err;

	if (check_lease(client, "resize", req->resize.scanout, req->resize.generation, &err))
		return send_error(client->fd, &err);
	return start_task(client, req);
}

/* ---- requests answered at once ---- */

static bool do_hello(struct client *client, const struct request *req)
{
	uint32_t version = req->version < HL_WIRE_VERSION ? req->version : HL_WIRE_VERSION;
	json_object *reply = mark_ok(json_object_new_object());

	/* What an old client may ask is part of what a new one may: nothing to be remembered. */
	if (reply && (!hl_json_add(reply, "version", json_object_new_int64(version)) ||
		      !hl_json_add(reply, "server",
				   json_object_new_string("helix-leased " HELIX_VERSION)))) {
		json_object_put(reply);
		reply = NULL;
	}
	return send_json(client->fd, reply, NULL, 0);
}

static bool do_info(struct client *client)
{
	struct hl_info info;
	struct hl_error err;

	if (hl_module_info(client->srv->mod, &info, &err))
		return send_error(client->fd, &err);
	return send_json(client->fd, mark_ok(hl_info_to_json(&info)), NULL, 0);
}

static void show_scanout(const struct peer *peer, struct hl_scanout *scanout)
{
	if (!policy_owns(peer, scanout))
		hl_scanout_hide(scanout);
}

static bool do_query(struct client *client, const struct request *req)
{
	struct hl_scanout scanout;
	struct hl_error err;

	if (hl_module_query(client->srv->mod, req->scanout, &scanout, &err))
		return send_error(client->fd, &err);
	show_scanout(&client->peer, &scanout);
	return send_json(client->fd, mark_ok(hl_scanout_to_json(&scanout)), NULL, 0);
}

static json_object *scanouts_to_json(const struct peer *peer, struct hl_scanout *list, size_t n)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < n; i++) {
		json_object *obj;

		show_scanout(peer, &list[i]);
		obj = hl_scanout_to_json(&list[i]);
		if (!obj || json_object_array_add(array, obj)) {
			json_object_put(obj);
			json_object_put(array);
			array = NULL;
		}
	}
	return array;
}

static bool do_list(struct client *client, const struct request *req)
{
	struct hl_scanout page[HL_WIRE_LIST_PAGE];
	uint32_t next = req->first;
	json_object *reply;
	struct hl_error err;
	size_t n;

	if (hl_module_list(client->srv->mod, &next, page, HL_WIRE_LIST_PAGE, &n, &err))
		return send_error(client->fd, &err);
	reply = mark_ok(json_object_new_object());
	if (!hl_json_add(reply, "scanouts", scanouts_to_json(&client->peer, page, n)) ||
	    (next && !hl_json_add(reply, "next", json_object_new_int64(next)))) {
		json_object_put(reply);
		return false;
	}
	return send_json(client->fd, reply, NULL, 0);
}

static bool do_policy(struct client *client, const struct request *req)
{
	const struct peer *peer = &client->peer;
	struct hl_policy policy = req->policy;
	struct hl_error err;
	int ret = 0;

	if (policy.mask && peer->uid)
		ret = hl_error_set(&err, EACCES, "policy: only root may set it");
	if (!ret)
		ret = hl_module_policy(client->srv->mod, &policy, &err);
	if (ret)
		return send_error(client->fd, &err);
	if (req->policy.mask)
		log_info("pid %d user %u set the policy: %s, %u per user, %u per cgroup, grace %u ms",
			 peer->pid, peer->uid, hl_who_name(policy.who), policy.max_per_uid,
			 policy.max_per_cgroup, policy.grace_ms);
	return send_json(client->fd, mark_ok(hl_policy_to_json(&policy)), NULL, 0);
}

/* Only an acquire that says so has a descriptor beside it, and it always has. */
static int take_pidfd(const struct hl_wire_msg *msg, struct request *req, struct hl_error *err)
{
	int wanted = req->op == OP_ACQUIRE && req->acquire.flags & HL_ACQUIRE_PIDFD;

	if (!wanted && msg->nfds)
		return hl_error_set(err, EINVAL, "request: no descriptor is expected");
	if (wanted && msg->nfds != 1)
		return hl_error_set(err, EINVAL, "acquire: pidfd is true, and %d descriptors came",
				    msg->nfds);
	if (wanted)
		req->acquire.pidfd = msg->fds[0];
	return 0;
}

/* False: the client has to be dropped. The descriptors of @msg stay the caller's. */
static bool serve(struct client *client, const struct hl_wire_msg *msg)
{
	struct request req;
	struct hl_error err;

	if (request_parse(msg->buf, msg->len, &req, &err) || take_pidfd(msg, &req, &err))
		return send_error(client->fd, &err);
	switch (req.op) {
	case OP_HELLO:
		return do_hello(client, &req);
	case OP_INFO:
		return do_info(client);
	case OP_LIST:
		return do_list(client, &req);
	case OP_QUERY:
		return do_query(client, &req);
	case OP_ACQUIRE:
		return do_acquire(client, &req);
	case OP_REVOKE:
		return do_revoke(client, &req);
	case OP_RESIZE:
		return do_resize(client, &req);
	case OP_POLICY:
		return do_policy(client, &req);
	}
	return false;
}

/* ---- the sockets ---- */

static bool client_read(struct client *client)
{
	struct server *srv = client->srv;
	struct hl_wire_msg msg = { .buf = srv->buf, .cap = sizeof(srv->buf) };
	struct hl_error err;
	bool stays = false;
	int ret;

	/* Whoever has so many that do not come back may not bring more. */
	if (closer_stuck(srv->closer, client->peer.user) >= srv->policy->clients_per_uid)
		return false;
	ret = hl_wire_recv(client->fd, &msg, MSG_DONTWAIT);
	if (ret == -EAGAIN)
		return true;
	if (ret == -EMSGSIZE) {
		hl_error_set(&err, EMSGSIZE, "request: longer than %d bytes", HL_WIRE_REQUEST_MAX);
		stays = send_error(client->fd, &err);
	} else if (!ret && msg.len) {
		stays = serve(client, &msg);
	}
	close_descriptors(srv, client->peer.user, msg.fds, msg.nfds);
	return stays;
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct client *client = data;

	(void)s;
	(void)fd;
	/*
	 * Half a close is a whole one: whoever cannot send any more would keep
	 * a request waiting for nobody. What it sent before is not served.
	 */
	if (revents & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
		client_drop(client);
	else if (!client_read(client) ||
		 (!client->task && !client_listen(client, true)))
		client_drop(client);
	return 0;
}

static int check_connect(struct server *srv, const struct peer *peer, struct hl_error *err)
{
	unsigned int all = 0, of_uid = 0;
	struct client *other;

	LIST_FOREACH(other, &srv->clients, entry) {
		all++;
		of_uid += other->peer.user == peer->user;
	}
	return policy_connect(srv->policy, peer, all, of_uid, err);
}

static int client_add(struct server *srv, int fd, struct peer *peer, struct hl_error *err)
{
	struct client *client = calloc(1, sizeof(*client));
	int ret;

	if (!client)
		return hl_error_set(err, ENOMEM, "out of memory");
	client->srv = srv;
	client->fd = fd;
	ret = sd_event_add_io(srv->event, &client->io, fd, EPOLLIN | EPOLLRDHUP, on_client, client);
	if (ret >= 0)
		ret = sd_event_add_time_relative(srv->event, &client->idle, CLOCK_MONOTONIC,
						 (uint64_t)srv->policy->idle_ms * 1000, 0,
						 on_idle, client);
	if (ret < 0) {
		sd_event_source_disable_unref(client->io);
		free(client);
		return hl_error_set(err, -ret, "connect: %s", strerror(-ret));
	}
	client->peer = *peer;
	*peer = (struct peer) { .pidfd = -1 };
	LIST_INSERT_HEAD(&srv->clients, client, entry);
	return 0;
}

static void turn_away(struct server *srv, int fd, const struct peer *peer, const struct hl_error *err)
{
	log_info("pid %d user %u: %s", peer->pid, peer->uid, err->message);
	send_error(fd, err);
	hang_up(srv, peer->user, fd);
}

static void admit(struct server *srv, int fd)
{
	struct hl_error err;
	struct peer peer;
	int ret = peer_read(fd, &peer, &err);

	if (!ret)
		ret = check_connect(srv, &peer, &err);
	if (!ret)
		ret = client_add(srv, fd, &peer, &err);
	if (ret)
		turn_away(srv, fd, &peer, &err);
	peer_release(&peer);
}

static int on_connect(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct server *srv = data;

	(void)s;
	(void)revents;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		int sock;

		/* Each that is turned away costs a thread, for that long at most if it lingers. */
		if (closer_begun(srv->closer) >= CLOSINGS_MAX) {
			sd_event_source_set_enabled(srv->listen_io, SD_EVENT_OFF);
			return 0;
		}
		sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (sock < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
				log_error("cannot accept a client: %s", strerror(errno));
			return 0;
		}
		admit(srv, sock);
	}
	return 0;
}

/* ---- the server ---- */

static int add_sources(struct server *srv, int listen_fd)
{
	int ret = sd_event_add_io(srv->event, &srv->done_io, srv->done_fd, EPOLLIN, on_done, srv);

	if (ret >= 0)
		ret = soon_new(srv->event, &srv->interrupt, on_interrupt_time, srv);
	if (ret >= 0)
		ret = sd_event_add_io(srv->event, &srv->listen_io, listen_fd, EPOLLIN, on_connect,
				      srv);
	return ret;
}

int server_new(sd_event *event, int listen_fd, struct module *mod, const struct policy *policy,
	       struct nodes *nodes, struct server **out, struct hl_error *err)
{
	struct server *srv;
	int ret = job_init(err);

	if (ret)
		return ret;
	srv = calloc(1, sizeof(*srv));
	if (!srv)
		return hl_error_set(err, ENOMEM, "out of memory");
	srv->event = sd_event_ref(event);
	srv->mod = mod;
	srv->policy = policy;
	srv->nodes = nodes;
	LIST_INIT(&srv->clients);
	LIST_INIT(&srv->tasks);
	STAILQ_INIT(&srv->done);
	pthread_mutex_init(&srv->lock, NULL);
	srv->closer = closer_new();
	srv->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = !srv->closer ? -ENOMEM : srv->done_fd < 0 ? -errno : add_sources(srv, listen_fd);
	if (ret < 0) {
		server_free(srv);
		return hl_error_set(err, -ret, "cannot start serving: %s", strerror(-ret));
	}
	*out = srv;
	return 0;
}

void server_on_grant(struct server *srv, server_granted_fn fn, void *data)
{
	srv->granted = fn;
	srv->granted_data = data;
}

static void end_threads(struct server *srv)
{
	bool left = true;
	struct task *task;

	for (int i = 0; i < SHUTDOWN_TRIES && left; i++) {
		while ((task = pop_done(srv)))
			finish_task(srv, task);
		LIST_FOREACH(task, &srv->tasks, entry)
			job_interrupt(task->job.thread);
		left = closer_press(srv->closer) || !LIST_EMPTY(&srv->tasks);
		if (left)
			usleep(INTERRUPT_US);
	}
}

void server_free(struct server *srv)
{
	struct client *client;

	if (!srv)
		return;
	sd_event_source_disable_unref(srv->listen_io);
	while ((client = LIST_FIRST(&srv->clients)))
		client_drop(client);
	if (srv->closer)
		end_threads(srv);
	sd_event_source_disable_unref(srv->interrupt);
	sd_event_source_disable_unref(srv->done_io);
	sd_event_unref(srv->event);
	/* A thread that would not end still writes here: leave it what it needs. */
	if (!LIST_EMPTY(&srv->tasks)) {
		log_error("a request is still under way in the kernel");
		return;
	}
	if (srv->done_fd >= 0)
		close(srv->done_fd);
	if (!closer_free(srv->closer))
		log_error("what a client has sent is still being closed in the kernel");
	pthread_mutex_destroy(&srv->lock);
	free(srv);
}
