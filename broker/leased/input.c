// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scanout whose lease is over waits for a round, which renews all that wait: together, since
 * udev then works at all of them at once, and one round at a time, since of two the numbers
 * of the devices would be exchanged. Who waits and finds no round under way makes one: the
 * thread here, which listens, or who acquires.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease_netlink.h>

#include "cgroup.h"
#include "drain.h"
#include "error.h"
#include "gpu.h"
#include "input.h"
#include "input-round.h"
#include "job.h"
#include "log.h"

#define STOP_MS	5000	/* for a round to see that nobody wants it any more */

struct input {
	struct module *mod;
	struct cdi_watch *cdi;
	const char *sysroot;
	unsigned int wait_ms;
	int lock_fd;
	int stop_fd;
	atomic_bool stop;
	struct hl_monitor *mon;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t round_over;
	bool round;			/* one is under way: the devices are its own */
	unsigned int inside;		/* threads that wait, or make a round */
	SLIST_HEAD(, record) records;	/* only ever more of them */
};

static struct record *find(struct input *input, uint32_t scanout)
{
	struct record *r;

	SLIST_FOREACH(r, &input->records, entry)
		if (r->scanout == scanout)
			return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->scanout = scanout;
	record_load(r, input->sysroot);
	SLIST_INSERT_HEAD(&input->records, r, entry);
	return r;
}

/* ---- a lease that is over ---- */

static bool is_live(const struct hl_scanout *q)
{
	return q->state == HELIX_LEASE_STATE_LEASED || q->state == HELIX_LEASE_STATE_REVOKING;
}

/* A module that was loaded anew counts from the beginning. */
static bool is_new_lease(const struct record *r, const struct hl_scanout *q)
{
	return q->generation != r->generation || q->grants != r->grants;
}

static void note(struct input *input, struct record *r, const struct hl_scanout *q)
{
	char path[PATH_MAX];
	bool known = q->owner_cgroup &&
		     cgroup_path(input->sysroot, q->owner_pid, q->owner_cgroup, path);

	if (known)
		round_let_in(r->scanout, cgroup_open(input->sysroot, path, q->owner_cgroup));
	r->sought = known ? 0 : q->owner_cgroup;
	r->generation = q->generation;
	r->grants = q->grants;
	r->cgroup = q->cgroup_alone ? q->owner_cgroup : 0;
	snprintf(r->path, sizeof(r->path), "%s", known && r->cgroup ? path : "");
	r->user = q->owner_uid || r->missed;
	r->due = true;
	record_save(r, input->sysroot);
}

/* One came and went that nobody here has seen, so that it is known of nobody that he has gone. */
static bool is_missed(const struct record *r, const struct hl_scanout *q, uint64_t over)
{
	uint64_t known = r->grants <= q->grants ? r->grants : 0;

	return over > known;
}

/*
 * @granted: its tenant has not been told yet. One who has his devices by now keeps them,
 * whoever was missed, and lacks what the last round could not give back. Under the lock, as all
 * that follows.
 */
static void look(struct input *input, struct record *r, bool granted)
{
	struct hl_scanout q;
	struct hl_error err;
	uint64_t over;
	int ret;

	if (r->waits)
		return;
	ret = hl_module_query(input->mod, r->scanout, &q, &err);
	over = ret ? r->grants : q.grants - is_live(&q);
	if (!ret && !r->due)
		r->missed = is_missed(r, &q, over);
	if (r->due && (ret || is_new_lease(r, &q) || !is_live(&q))) {
		r->waits = true;
	} else if (!ret && ((r->missed && (granted || !is_live(&q))) || (r->nr_devices && granted))) {
		r->cgroup = 0;
		r->due = true;
		r->waits = true;
	}
	if (r->waits) {
		r->grants = over;
		r->missed = false;
		r->sought = 0;
	} else if (!ret && q.state == HELIX_LEASE_STATE_LEASED && is_new_lease(r, &q)) {
		note(input, r, &q);
	}
}

static void make_round(struct input *input)
{
	struct round round = { .sysroot = input->sysroot, .cdi = input->cdi, .stop = &input->stop };
	struct record *r;

	input->round = true;
	SLIST_FOREACH(r, &input->records, entry) {
		look(input, r, false);
		if (!r->waits || round.n == ROUND_MAX)
			continue;
		r->turn = true;
		round.turns[round.n++].record = r;
	}
	pthread_mutex_unlock(&input->lock);
	round_renew(&round);
	pthread_mutex_lock(&input->lock);
	SLIST_FOREACH(r, &input->records, entry) {
		if (!r->turn)
			continue;
		r->due = r->waits = r->turn = false;
		record_save(r, input->sysroot);
		look(input, r, false);
	}
	input->round = false;
	pthread_cond_broadcast(&input->round_over);
}

/* @until: no longer than that for another's; NULL: to its end. */
static void wait_round(struct input *input, const struct record *r, const struct timespec *until)
{
	int code = 0;

	input->inside++;
	while (r->waits && !input->stop && !code) {
		if (!input->round)
			make_round(input);
		else if (until)
			code = pthread_cond_timedwait(&input->round_over, &input->lock, until);
		else
			pthread_cond_wait(&input->round_over, &input->lock);
	}
	input->inside--;
}

/*
 * As note() does it, for one whose process is elsewhere already. To look everywhere takes as long as
 * any tenant has made it, so the lock is let go of meanwhile.
 */
static void let_in_sought(struct input *input, struct record *r)
{
	uint64_t id = r->sought;
	int cgroup;

	if (!id)
		return;
	input->inside++;
	pthread_mutex_unlock(&input->lock);
	cgroup = cgroup_open(input->sysroot, "", id);
	pthread_mutex_lock(&input->lock);
	input->inside--;
	/* Else it has lost the scanout by now, and may be kept out again. */
	if (r->sought == id) {
		round_let_in(r->scanout, cgroup);
		r->sought = 0;
	} else if (cgroup >= 0) {
		close(cgroup);
	}
}

static struct timespec in_ms(unsigned int ms)
{
	int64_t then = gpu_now_ms() + ms;

	return (struct timespec) { .tv_sec = then / 1000, .tv_nsec = then % 1000 * 1000000 };
}

bool input_settle(struct input *input, uint32_t scanout)
{
	struct timespec until;
	struct record *r;
	bool waits;

	if (!input || !scanout || scanout > INPUT_SCANOUTS_MAX)
		return true;
	until = in_ms(input->wait_ms);
	pthread_mutex_lock(&input->lock);
	r = find(input, scanout);
	if (r) {
		look(input, r, true);
		wait_round(input, r, &until);
	}
	/* Who looked at the end of that round did not know that this one is to wait for it. */
	if (r && r->missed) {
		look(input, r, true);
		wait_round(input, r, &until);
	}
	if (r)
		let_in_sought(input, r);
	waits = r && r->waits;
	pthread_mutex_unlock(&input->lock);
	return !waits;
}

/* ---- what happens ---- */

static void settle_all(struct input *input)
{
	struct hl_info info;
	struct hl_error err;
	struct record *r;

	if (hl_module_info(input->mod, &info, &err))
		return;
	pthread_mutex_lock(&input->lock);
	for (uint32_t n = 1; n <= info.nr_scanouts && n <= INPUT_SCANOUTS_MAX; n++)
		find(input, n);
	/* Those of a GPU that has gone as well. */
	SLIST_FOREACH(r, &input->records, entry)
		look(input, r, false);
	SLIST_FOREACH(r, &input->records, entry)
		wait_round(input, r, NULL);
	SLIST_FOREACH(r, &input->records, entry)
		let_in_sought(input, r);
	pthread_mutex_unlock(&input->lock);
}

static int on_told(void *data, const struct hl_event *event, struct hl_error *err)
{
	bool *changed = data;

	(void)err;
	*changed |= !event || event->type == HELIX_LEASE_EVENT_GRANTED ||
		    event->type == HELIX_LEASE_EVENT_REVOKED || event->type == HELIX_LEASE_EVENT_FREED;
	return 0;
}

static void *listen_to_module(void *data)
{
	struct input *input = data;
	struct pollfd fds[] = {
		{ .fd = input->stop_fd, .events = POLLIN },
		{ .fd = hl_monitor_fd(input->mon), .events = POLLIN },
	};
	bool changed = true;	/* whatever was before */
	struct hl_error err;
	int ret = 0;

	/* Of what comes at once all is taken first: leases that end together have one round. */
	while (!input->stop && !ret) {
		ret = drain(input->mon, on_told, &changed, &err);
		if (changed)
			settle_all(input);
		else if (!ret)
			poll(fds, 2, -1);
		/* What the last broker had not given back has been. */
		if (!input->stop)
			cdi_watch_catch_up(input->cdi);
		changed = false;
	}
	if (!input->stop)
		log_error("input devices are renewed no sooner than for the next tenant: %s", err.message);
	return NULL;
}

static int start_thread(struct input *input, struct hl_error *err)
{
	int code = job_thread(&input->thread, listen_to_module, input);

	input->started = !code;
	return code ? hl_error_set(err, code, "cannot start a thread: %s", strerror(code)) : 0;
}

/* Of a process, not of an open file: no child that it leaves behind has it. */
static int take_lock(struct input *input, struct hl_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" INPUT_STATE_DIR, input->sysroot);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return hl_error_set(err, errno, "cannot make %s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s" INPUT_STATE_DIR "/lock", input->sysroot);
	input->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (input->lock_fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (!fcntl(input->lock_fd, F_SETLK, &lock))
		return 0;
	return hl_error_set(err, errno == EACCES || errno == EAGAIN ? EBUSY : errno,
			    "another process has locked %s", path);
}

int input_new(struct module *mod, struct cdi_watch *cdi, const char *sysroot, unsigned int wait_ms,
	      struct input **out, struct hl_error *err)
{
	struct input *input = calloc(1, sizeof(*input));
	pthread_condattr_t attr;
	struct hl_error why;
	int ret;

	if (!input)
		return hl_error_set(err, ENOMEM, "out of memory");
	input->mod = mod;
	input->cdi = cdi;
	input->sysroot = sysroot;
	input->wait_ms = wait_ms;
	input->lock_fd = -1;
	SLIST_INIT(&input->records);
	pthread_mutex_init(&input->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&input->round_over, &attr);
	pthread_condattr_destroy(&attr);
	input->stop_fd = eventfd(0, EFD_CLOEXEC);
	ret = input->stop_fd < 0 ? hl_error_set(err, errno, "cannot make an event: %s", strerror(errno))
				 : take_lock(input, err);
	if (ret) {
		input_free(input);
		return ret;
	}
	/* A grant looks after itself. */
	if (hl_monitor_open(&input->mon, &why) || start_thread(input, &why)) {
		log_warn("input devices are renewed no sooner than for the next tenant: %s", why.message);
		cdi_watch_catch_up(cdi);
	}
	*out = input;
	return 0;
}

void input_stop(struct input *input)
{
	struct timespec until = in_ms(STOP_MS);
	uint64_t one = 1;

	if (!input)
		return;
	pthread_mutex_lock(&input->lock);
	input->stop = true;
	pthread_cond_broadcast(&input->round_over);
	pthread_mutex_unlock(&input->lock);
	if (!input->started)
		return;
	input->started = false;
	if (write(input->stop_fd, &one, sizeof(one)) < 0)
		log_error("cannot end a thread: %s", strerror(errno));
	/* Then it is inside still, as input_free() sees. */
	if (pthread_clockjoin_np(input->thread, NULL, CLOCK_MONOTONIC, &until))
		log_error("input devices are still being renewed in the kernel");
}

void input_free(struct input *input)
{
	struct record *r;
	bool left;

	if (!input)
		return;
	input_stop(input);
	pthread_mutex_lock(&input->lock);
	left = input->inside;
	pthread_mutex_unlock(&input->lock);
	/* A request that would not end is here still: leave it what it needs. */
	if (left)
		return;
	hl_monitor_close(input->mon);
	while ((r = SLIST_FIRST(&input->records))) {
		SLIST_REMOVE_HEAD(&input->records, entry);
		free(r);
	}
	if (input->lock_fd >= 0)
		close(input->lock_fd);
	if (input->stop_fd >= 0)
		close(input->stop_fd);
	pthread_cond_destroy(&input->round_over);
	pthread_mutex_destroy(&input->lock);
	free(input);
}
