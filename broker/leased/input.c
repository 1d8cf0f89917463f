// SPDX-License-Identifier: GPL-2.0-only
/*
 * One renewal at a time, under @lock: of several the numbers of the devices would be
 * exchanged. The thread here only listens; who acquires does the same on his own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease_netlink.h>

#include "acl.h"
#include "cgroup.h"
#include "devices.h"
#include "error.h"
#include "filter.h"
#include "gpu.h"
#include "input.h"
#include "log.h"
#include "records.h"

#define DRIVER		"/sys/bus/virtio/drivers/virtio_input"
#define STEP_US		10000	/* between two looks */
#define EMPTY_MS	500	/* for the last processes of a container that ends */
#define UDEV_MS		4000	/* to see devices go, and as long to know the new ones */
#define NAME_LEN	24	/* "virtio7" */
#define SCANOUTS_MAX	4096	/* as many as would be listed */

/* The last lease of a scanout that is known here. What is in its file. */
struct record {
	uint32_t scanout;
	uint64_t generation;
	uint64_t grants;	/* of the scanout by then */
	uint64_t cgroup;	/* that it is bound to, which is all of the tenant */
	bool user;		/* who is not root: the nodes are open to every process of his */
	bool due;		/* the input is that tenant's still */
	char devices[CDI_INPUTS_MAX][NAME_LEN];	/* that we have taken from their driver */
	size_t nr_devices;
	char fault[256];	/* what went wrong when it was last renewed */
	SLIST_ENTRY(record) entry;
};

struct input {
	struct module *mod;
	struct cdi_watch *cdi;
	const char *sysroot;
	int lock_fd;
	int stop_fd;
	atomic_bool stop;
	struct hl_monitor *mon;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;		/* of all below, and of the devices */
	SLIST_HEAD(, record) records;
};

/* ---- records ---- */

static void record_path(const struct input *input, uint32_t scanout, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s" INPUT_STATE_DIR "/%u", input->sysroot, scanout);
}

static void load_line(struct record *r, const char *line)
{
	int flag;

	if (sscanf(line, "generation %" SCNu64, &r->generation) == 1 ||
	    sscanf(line, "grants %" SCNu64, &r->grants) == 1 ||
	    sscanf(line, "cgroup %" SCNu64, &r->cgroup) == 1)
		return;
	if (sscanf(line, "due %d", &flag) == 1)
		r->due = flag;
	else if (sscanf(line, "user %d", &flag) == 1)
		r->user = flag;
	else if (r->nr_devices < CDI_INPUTS_MAX &&
		 sscanf(line, "device %23[a-z0-9]", r->devices[r->nr_devices]) == 1)
		r->nr_devices++;
}

static void load(const struct input *input, struct record *r)
{
	char path[PATH_MAX], line[320];
	FILE *file;

	record_path(input, r->scanout, path);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		load_line(r, line);
	if (file)
		fclose(file);
}

static void save(const struct input *input, const struct record *r)
{
	char path[PATH_MAX], *text = NULL;
	struct hl_error err;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "generation %" PRIu64 "\ngrants %" PRIu64 "\ncgroup %" PRIu64 "\nuser %d\ndue %d\n",
		r->generation, r->grants, r->cgroup, r->user, r->due);
	for (size_t i = 0; i < r->nr_devices; i++)
		fprintf(out, "device %s\n", r->devices[i]);
	if (r->fault[0])
		fprintf(out, "fault %s\n", r->fault);
	record_path(input, r->scanout, path);
	if (!fclose(out) && cdi_file_write(path, text, len, &err))
		log_warn("who comes after this broker does not know of scanout %u's input: %s",
			 r->scanout, err.message);
	free(text);
}

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
	load(input, r);
	SLIST_INSERT_HEAD(&input->records, r, entry);
	return r;
}

static void fault(struct record *r, const struct hl_error *err)
{
	snprintf(r->fault, sizeof(r->fault), "%.*s", (int)sizeof(r->fault) - 1, err->message);
}

/* ---- waiting ---- */

/* False once it took too long, or nobody wants it any more. */
static bool wait_step(struct input *input, int64_t deadline_ms)
{
	if (input->stop || gpu_now_ms() >= deadline_ms)
		return false;
	usleep(STEP_US);
	return true;
}

static bool udev_knows(const struct input *input, const struct cdi_node *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/udev/data/c%u:%u", input->sysroot, node->major, node->minor);
	return !access(path, F_OK);
}

/* Until udev knows all of them, or none. Without udev nobody has to. */
static void wait_udev(struct input *input, const struct cdi_scanout *s, bool known)
{
	int64_t deadline_ms = gpu_now_ms() + UDEV_MS;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/udev/control", input->sysroot);
	if (access(path, F_OK) < 0)
		return;
	for (size_t i = 0; i < s->nr_inputs; i++)
		while (udev_knows(input, &s->inputs[i].node) != known)
			if (!wait_step(input, deadline_ms))
				return;
}

/* A container that ends has processes for a moment after its first. */
static bool is_empty(struct input *input, int cgroup)
{
	int64_t deadline_ms = gpu_now_ms() + EMPTY_MS;

	if (cgroup < 0)
		return cgroup == -ENOENT;
	while (cgroup_populated(cgroup))
		if (!wait_step(input, deadline_ms))
			return false;
	return true;
}

/* ---- the devices ---- */

static int read_devices(const struct input *input, uint32_t scanout, struct cdi_devices *devices,
			struct hl_error *err)
{
	const struct hl_scanout one = { .scanout = scanout };

	return cdi_devices_read(input->sysroot, &one, 1, devices, err);
}

/* What the driver knows as a device, of what it has made an input of. */
static bool bus_name(const struct input *input, const struct cdi_input *one, char name[NAME_LEN])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/sys/class/input/%s/device", input->sysroot, one->parent);
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	return *last && snprintf(name, NAME_LEN, "%s", last) < NAME_LEN;
}

static bool has_device(const struct record *r, const char *name)
{
	for (size_t i = 0; i < r->nr_devices; i++)
		if (!strcmp(r->devices[i], name))
			return true;
	return false;
}

static void add_devices(const struct input *input, const struct cdi_scanout *s, struct record *r)
{
	char name[NAME_LEN];

	for (size_t i = 0; i < s->nr_inputs && r->nr_devices < CDI_INPUTS_MAX; i++)
		if (bus_name(input, &s->inputs[i], name) && !has_device(r, name))
			strcpy(r->devices[r->nr_devices++], name);
}

/* 0 or a positive errno. */
static int tell_driver(const struct input *input, const char *what, const char *device)
{
	char path[PATH_MAX];
	int fd, code = 0;

	snprintf(path, sizeof(path), "%s" DRIVER "/%s", input->sysroot, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, device, strlen(device)) < 0)
		code = errno;
	close(fd);
	return code;
}

static int take_away(const struct input *input, const struct record *r, struct hl_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < r->nr_devices; i++) {
		int code = tell_driver(input, "unbind", r->devices[i]);

		/* One of a broker that did not come to the end is without its driver already. */
		if (code && code != ENODEV)
			ret = hl_error_set(err, code, "cannot take %s from its driver: %s",
					   r->devices[i], strerror(code));
	}
	return ret;
}

/* In the order of their numbers, of which the kernel gives the lowest that is free. */
static int give_back(const struct input *input, const struct record *r, struct hl_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < r->nr_devices; i++) {
		int code = tell_driver(input, "bind", r->devices[i]);

		/* EBUSY: it never was without. */
		if (code && code != EBUSY)
			ret = hl_error_set(err, code, "cannot give %s back to its driver: %s",
					   r->devices[i], strerror(code));
	}
	return ret;
}

static bool same_numbers(const struct cdi_scanout *a, const struct cdi_scanout *b)
{
	bool same = a->nr_inputs == b->nr_inputs;

	for (size_t i = 0; same && i < a->nr_inputs; i++)
		same = a->inputs[i].node.major == b->inputs[i].node.major &&
		       a->inputs[i].node.minor == b->inputs[i].node.minor;
	return same;
}

/* ---- who may open them ---- */

static void filter_name(uint32_t scanout, char name[16])
{
	snprintf(name, 16, "helix_in_%u", scanout % SCANOUTS_MAX);
}

/* Until the group has gone, or has a lease of this scanout again. */
static void shut_out(struct record *r, int cgroup, const struct cdi_devices *devices)
{
	struct hl_error err;
	char name[16];
	int ret;

	filter_name(r->scanout, name);
	ret = cdi_filter_lift(cgroup, name, &err);
	if (!ret)
		ret = cdi_filter_put(cgroup, name, devices, &err);
	if (!ret)
		return;
	log_warn("scanout %u generation %" PRIu64 ": its tenant can open its input devices again: %s",
		 r->scanout, r->generation, err.message);
	fault(r, &err);
}

static void let_in(const struct input *input, uint32_t scanout, uint64_t id)
{
	int cgroup = id ? cgroup_open(input->sysroot, id) : -ENOENT;
	struct hl_error err;
	char name[16];

	if (cgroup < 0)
		return;
	filter_name(scanout, name);
	if (cdi_filter_lift(cgroup, name, &err))
		log_warn("scanout %u: its tenant may not open its input devices: %s", scanout,
			 err.message);
	close(cgroup);
}

/*
 * A user may have bound a node elsewhere, where it stays when the device has gone, and would
 * open the next one of that number, if it still let him.
 */
static void hold_nodes(const struct input *input, const struct cdi_scanout *s, int *nodes)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < s->nr_inputs; i++) {
		snprintf(path, sizeof(path), "%s%s", input->sysroot, s->inputs[i].node.path);
		acl_take(acl_hold(path));
		nodes[i] = acl_hold(path);
	}
}

/* ---- a lease that is over ---- */

static void replace(struct input *input, struct record *r, struct cdi_devices *before, int cgroup)
{
	struct cdi_devices after = { 0 };
	int nodes[CDI_INPUTS_MAX];
	struct hl_error err;
	int64_t begun = gpu_now_ms();
	int taken;

	if (cgroup >= 0)
		shut_out(r, cgroup, before);
	add_devices(input, &before->scanouts[0], r);
	/* Who comes after us when we are killed now finds devices without their driver. */
	save(input, r);
	hold_nodes(input, &before->scanouts[0], nodes);
	taken = take_away(input, r, &err);
	for (size_t i = 0; i < before->scanouts[0].nr_inputs; i++)
		acl_take(nodes[i]);
	if (taken) {
		log_error("scanout %u generation %" PRIu64 ": its tenant still hears its input devices: %s",
			  r->scanout, r->generation, err.message);
		fault(r, &err);
	}
	wait_udev(input, &before->scanouts[0], false);
	if (give_back(input, r, &err)) {
		log_error("scanout %u: there will be no input: %s", r->scanout, err.message);
		fault(r, &err);
	}
	r->nr_devices = 0;
	if (read_devices(input, r->scanout, &after, &err)) {
		log_error("scanout %u: its input devices cannot be read: %s", r->scanout, err.message);
		return;
	}
	wait_udev(input, &after.scanouts[0], true);
	if (before->scanouts[0].nr_inputs && !same_numbers(&before->scanouts[0], &after.scanouts[0]))
		log_warn("scanout %u: its input devices have other numbers now: a container that was being made for it has none",
			 r->scanout);
	cdi_devices_free(&after);
	if (!taken)
		log_info("scanout %u: its input devices are new after %" PRId64 " ms, those of generation %" PRIu64 " are dead",
			 r->scanout, gpu_now_ms() - begun, r->generation);
}

/* Afterwards nobody of before has the scanout's input. */
static void renew(struct input *input, struct record *r)
{
	int cgroup = r->cgroup ? cgroup_open(input->sysroot, r->cgroup) : -ENOENT;
	struct cdi_devices before = { 0 };
	struct hl_error err;

	/* Most end with their container: nobody is left who could hear, but for a user's others. */
	if (!r->nr_devices && !r->user && is_empty(input, cgroup))
		goto out;
	r->fault[0] = '\0';
	cdi_watch_hold(input->cdi);
	if (read_devices(input, r->scanout, &before, &err)) {
		log_error("scanout %u: its input devices cannot be read: %s", r->scanout, err.message);
		fault(r, &err);
	} else if (before.scanouts[0].nr_inputs || r->nr_devices) {
		replace(input, r, &before, cgroup);
	}
	cdi_watch_let_go(input->cdi);
	cdi_devices_free(&before);
out:
	if (cgroup >= 0)
		close(cgroup);
}

/* A module that was loaded anew counts from the beginning. */
static bool is_new_lease(const struct record *r, const struct hl_scanout *q)
{
	return q->generation != r->generation || q->grants != r->grants;
}

static bool is_over(const struct record *r, int ret, const struct hl_scanout *q)
{
	if (ret || is_new_lease(r, q))
		return true;
	return q->state != HELIX_LEASE_STATE_LEASED && q->state != HELIX_LEASE_STATE_REVOKING;
}

static void settle(struct input *input, struct record *r)
{
	struct hl_scanout q;
	struct hl_error err;
	int ret = hl_module_query(input->mod, r->scanout, &q, &err);
	bool changed = false;

	if (r->due && is_over(r, ret, &q)) {
		renew(input, r);
		r->due = false;
		changed = true;
	}
	/* Of root's that is not bound to a group nobody knows whose processes it is. */
	if (!ret && !r->due && q.state == HELIX_LEASE_STATE_LEASED && is_new_lease(r, &q)) {
		let_in(input, r->scanout, q.owner_cgroup);
		r->generation = q.generation;
		r->grants = q.grants;
		r->cgroup = q.cgroup_alone ? q.owner_cgroup : 0;
		r->user = q.owner_uid;
		r->due = q.cgroup_alone || r->user;
		changed = true;
	}
	if (changed)
		save(input, r);
}

void input_settle(struct input *input, uint32_t scanout)
{
	struct record *r;

	if (!input || !scanout || scanout > SCANOUTS_MAX)
		return;
	pthread_mutex_lock(&input->lock);
	r = find(input, scanout);
	if (r)
		settle(input, r);
	pthread_mutex_unlock(&input->lock);
}

/* ---- what happens ---- */

static void settle_all(struct input *input)
{
	struct hl_info info;
	struct hl_error err;

	if (hl_module_info(input->mod, &info, &err))
		return;
	for (uint32_t n = 1; n <= info.nr_scanouts && n <= SCANOUTS_MAX && !input->stop; n++)
		input_settle(input, n);
}

static bool is_of_interest(const struct hl_event *event)
{
	return event->type == HELIX_LEASE_EVENT_GRANTED || event->type == HELIX_LEASE_EVENT_REVOKED ||
	       event->type == HELIX_LEASE_EVENT_FREED;
}

static void *listen_to_module(void *data)
{
	struct input *input = data;
	struct pollfd fds[] = {
		{ .fd = input->stop_fd, .events = POLLIN },
		{ .fd = hl_monitor_fd(input->mon), .events = POLLIN },
	};
	struct hl_event event;
	struct hl_error err;
	int ret = -ENOBUFS;	/* whatever was before */

	while (!input->stop && (!ret || ret == -EAGAIN || ret == -ENOBUFS)) {
		if (ret == -ENOBUFS)
			settle_all(input);
		else if (ret == -EAGAIN)
			poll(fds, 2, -1);
		else if (is_of_interest(&event))
			input_settle(input, event.scanout.scanout);
		ret = hl_monitor_next(input->mon, &event, &err);
	}
	if (!input->stop)
		log_error("input devices are renewed no sooner than for the next tenant: %s", err.message);
	return NULL;
}

static int start_thread(struct input *input, struct hl_error *err)
{
	sigset_t all, old;
	int code;

	/* The thread must not take signals meant for the event loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&input->thread, NULL, listen_to_module, input);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
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

int input_new(struct module *mod, struct cdi_watch *cdi, const char *sysroot, struct input **out,
	      struct hl_error *err)
{
	struct input *input = calloc(1, sizeof(*input));
	struct hl_error why;
	int ret;

	if (!input)
		return hl_error_set(err, ENOMEM, "out of memory");
	input->mod = mod;
	input->cdi = cdi;
	input->sysroot = sysroot;
	input->lock_fd = -1;
	SLIST_INIT(&input->records);
	pthread_mutex_init(&input->lock, NULL);
	input->stop_fd = eventfd(0, EFD_CLOEXEC);
	ret = input->stop_fd < 0 ? hl_error_set(err, errno, "cannot make an event: %s", strerror(errno))
				 : take_lock(input, err);
	if (ret) {
		input_free(input);
		return ret;
	}
	/* A grant looks after itself. */
	if (hl_monitor_open(&input->mon, &why) || start_thread(input, &why))
		log_warn("input devices are renewed no sooner than for the next tenant: %s", why.message);
	*out = input;
	return 0;
}

void input_stop(struct input *input)
{
	uint64_t one = 1;

	if (!input)
		return;
	input->stop = true;
	if (!input->started)
		return;
	input->started = false;
	if (write(input->stop_fd, &one, sizeof(one)) < 0)
		log_error("cannot end a thread: %s", strerror(errno));
	pthread_join(input->thread, NULL);
}

void input_free(struct input *input)
{
	struct record *r;

	if (!input)
		return;
	input_stop(input);
	/* A request that would not end is here still: leave it what it needs. */
	if (pthread_mutex_trylock(&input->lock))
		return;
	pthread_mutex_unlock(&input->lock);
	hl_monitor_close(input->mon);
	while ((r = SLIST_FIRST(&input->records))) {
		SLIST_REMOVE_HEAD(&input->records, entry);
		free(r);
	}
	if (input->lock_fd >= 0)
		close(input->lock_fd);
	if (input->stop_fd >= 0)
		close(input->stop_fd);
	pthread_mutex_destroy(&input->lock);
	free(input);
}
