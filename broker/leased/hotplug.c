// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lease's owner is a container's first process, or what started the container: crun,
 * systemd-nspawn. Its descendants are hence followed to where the network namespace is no
 * more ours; what is behind that belongs to the container.
 *
 * An event that names a connector, as when one comes or goes, is for the lease that has it.
 * A change of size names none, so that all leases of the GPU are told: once for a burst.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices.h"
#include "error.h"
#include "hotplug.h"
#include "log.h"
#include "soon.h"
#include "uevent.h"

#define BURST_US	50000
#define LATE_US		30000000	/* only who is stopped takes so long, however busy the machine */
#define EVENTS_MAX	64	/* taken before others on the loop have their turn */
#define PAGE		16
#define PROCESSES_MAX	512
#define THREADS_MAX	1024	/* of all of these, since others wait meanwhile */
#define NAMESPACES_MAX	16

struct walk {
	pid_t pids[PROCESSES_MAX];	/* in the order in which they were found */
	size_t n;
	size_t nr_threads;
	ino_t ours;
	ino_t seen[NAMESPACES_MAX];
	size_t nr_seen;
};

/* ---- processes ---- */

/* 0 if it cannot be known. */
static ino_t namespace_of(const char *process)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static void add_children(struct walk *walk, pid_t pid, const char *thread)
{
	char path[64];
	FILE *file;
	int child;

	if (snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, thread) >=
	    (int)sizeof(path))
		return;
	file = fopen(path, "re");
	while (file && walk->n < PROCESSES_MAX && fscanf(file, "%d", &child) == 1)
		walk->pids[walk->n++] = child;
	if (file)
		fclose(file);
}

/* Every thread has children of its own. */
static void add_started_by(struct walk *walk, pid_t pid)
{
	struct dirent *thread;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && walk->n < PROCESSES_MAX && walk->nr_threads < THREADS_MAX &&
	       (thread = readdir(dir))) {
		if (thread->d_name[0] == '.')
			continue;
		walk->nr_threads++;
		add_children(walk, pid, thread->d_name);
	}
	if (dir)
		closedir(dir);
}

static bool is_new(struct walk *walk, ino_t ns)
{
	for (size_t i = 0; i < walk->nr_seen; i++)
		if (walk->seen[i] == ns)
			return false;
	if (walk->nr_seen == NAMESPACES_MAX)
		return false;
	walk->seen[walk->nr_seen++] = ns;
	return true;
}

static int visit(struct walk *walk, pid_t pid, hotplug_fn fn, void *data, struct hl_error *err)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), ret = 0;
	char process[16];
	ino_t ns;

	/* It has just ended. */
	if (pidfd < 0)
		return 0;
	snprintf(process, sizeof(process), "%d", pid);
	ns = namespace_of(process);
	if (ns == walk->ours)
		add_started_by(walk, pid);
	else if (ns && is_new(walk, ns))
		ret = fn(pidfd, data, err);
	close(pidfd);
	return ret;
}

int hotplug_namespaces(pid_t pid, hotplug_fn fn, void *data, struct hl_error *err)
{
	struct walk walk = { .pids = { pid }, .n = 1, .ours = namespace_of("self") };
	int ret = 0;

	if (!walk.ours)
		return hl_error_set(err, errno, "cannot read our own namespace: %s",
				    strerror(errno));
	for (size_t i = 0; i < walk.n && !ret; i++)
		ret = visit(&walk, walk.pids[i], fn, data, err);
	return ret;
}

/* ---- leases ---- */

struct hotplug {
	sd_event *event;
	struct module *mod;
	int fd;
	sd_event_source *io;
	sd_event_source *burst;
	struct message *messages;
};

/* On its way to one namespace, by a child that may be kept from running in there. */
struct message {
	struct message *next;
	struct hotplug *hotplug;
	uint32_t scanout;
	uint32_t owner_pid;
	uint64_t generation;
	int child;
	bool again;		/* there was more to tell, and no room */
	sd_event_source *ended;
	sd_event_source *late;
};

static void message_free(struct message *message)
{
	struct message **at = &message->hotplug->messages;
	struct hl_error err;

	while (*at != message)
		at = &(*at)->next;
	*at = message->next;
	sd_event_source_disable_unref(message->ended);
	sd_event_source_disable_unref(message->late);
	if (uevent_end(message->child, &err))
		log_warn("scanout %u generation %" PRIu64 " of pid %u heard of no hotplug: %s",
			 message->scanout, message->generation, message->owner_pid, err.message);
	if (message->again)
		soon_ask(message->hotplug->burst, BURST_US);
	free(message);
}

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	(void)s;
	(void)fd;
	(void)revents;
	message_free(data);
	return 0;
}

static int on_late(sd_event_source *s, uint64_t usec, void *data)
{
	(void)s;
	(void)usec;
	message_free(data);
	return 0;
}

/*
 * An owner who keeps them from their ends gets no more of them until one has. What it missed is
 * told it then: they all say the same. The newest, or NULL where there is room.
 */
static struct message *no_room(const struct hotplug *hotplug, uint32_t scanout)
{
	struct message *newest = NULL;
	size_t n = 0;

	for (struct message *m = hotplug->messages; m; m = m->next)
		if (m->scanout == scanout && !n++)
			newest = m;
	return n < NAMESPACES_MAX ? NULL : newest;
}

/* What is told to whom. */
struct telling {
	struct hotplug *hotplug;
	const struct hl_scanout *scanout;
	struct uevent event;
};

static int tell_one(int pidfd, void *data, struct hl_error *err)
{
	struct telling *telling = data;
	struct hotplug *hotplug = telling->hotplug;
	struct message *message = no_room(hotplug, telling->scanout->scanout);
	int ret;

	if (message) {
		message->again = true;
		return 0;
	}
	message = calloc(1, sizeof(*message));
	if (!message)
		return hl_error_set(err, ENOMEM, "out of memory");
	message->child = uevent_start(&telling->event, pidfd, err);
	if (message->child < 0) {
		ret = message->child;
		free(message);
		return ret;
	}
	message->hotplug = hotplug;
	message->scanout = telling->scanout->scanout;
	message->owner_pid = telling->scanout->owner_pid;
	message->generation = telling->scanout->generation;
	message->next = hotplug->messages;
	hotplug->messages = message;
	ret = sd_event_add_io(hotplug->event, &message->ended, message->child, EPOLLIN, on_ended,
			      message);
	if (ret >= 0)
		ret = sd_event_add_time_relative(hotplug->event, &message->late, CLOCK_MONOTONIC,
						 LATE_US, 0, on_late, message);
	if (ret >= 0)
		return 0;
	message_free(message);
	return hl_error_set(err, -ret, "cannot wait for what tells it: %s", strerror(-ret));
}

static int tell_lease(struct hotplug *hotplug, const struct hl_scanout *s,
		      const struct cdi_node *card, struct hl_error *err)
{
	/* No CONNECTOR: what there is to be seen in there is one. */
	static const char *const extra[] = { "HOTPLUG=1", NULL };
	struct telling telling = { .hotplug = hotplug, .scanout = s };
	sd_device *device;
	int ret = sd_device_new_from_devnum(&device, 'c', makedev(card->major, card->minor));

	if (ret < 0)
		return hl_error_set(err, -ret, "cannot read what udev knows of %s: %s", card->path,
				    strerror(-ret));
	ret = uevent_change(device, makedev(s->dev_major, s->dev_minor), extra, &telling.event, err);
	sd_device_unref(device);
	if (ret)
		return ret;
	return hotplug_namespaces(s->owner_pid, tell_one, &telling, err);
}

/* What there is to be told of: every member that is 0 stands for any. */
struct scope {
	dev_t card;
	uint32_t connector;
};

static bool is_meant(const struct hl_scanout *s, const struct cdi_node *card,
		     const struct scope *scope)
{
	return s->state == HELIX_LEASE_STATE_LEASED && s->owner_pid && card->path[0] &&
	       (!scope->card || scope->card == makedev(card->major, card->minor)) &&
	       (!scope->connector || scope->connector == s->connector_id);
}

static int tell_page(struct hotplug *hotplug, const struct hl_scanout *list, size_t n,
		     const struct scope *scope, struct hl_error *err)
{
	struct cdi_devices devices;
	int ret = cdi_devices_read("", list, n, &devices, err);

	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		const struct cdi_node *card = &devices.scanouts[i].card;
		struct hl_error why;

		/* One that cannot be told keeps no other from it. */
		if (is_meant(&list[i], card, scope) && tell_lease(hotplug, &list[i], card, &why))
			log_warn("scanout %u generation %" PRIu64 " of pid %u heard of no hotplug: %s",
				 list[i].scanout, list[i].generation, list[i].owner_pid, why.message);
	}
	cdi_devices_free(&devices);
	return 0;
}

static int tell(struct hotplug *hotplug, const struct scope *scope, struct hl_error *err)
{
	struct hl_scanout page[PAGE];
	uint32_t next = 1;
	int ret = 0;

	while (!ret && next) {
		size_t n = 0;

		ret = hl_module_list(hotplug->mod, &next, page, PAGE, &n, err);
		if (!ret)
			ret = tell_page(hotplug, page, n, scope, err);
	}
	/* Without a GPU there is no lease. */
	return ret == -ENODEV ? 0 : ret;
}

/* ---- the loop ---- */

static void tell_or_log(struct hotplug *hotplug, const struct scope *scope)
{
	struct hl_error err;

	if (tell(hotplug, scope, &err))
		log_warn("containers heard of no hotplug: %s", err.message);
}

static int on_burst(sd_event_source *s, uint64_t usec, void *data)
{
	(void)s;
	(void)usec;
	tell_or_log(data, &(struct scope) { 0 });
	return 0;
}

static int on_uevent(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct hotplug *hotplug = data;
	int ret = 0;

	(void)revents;
	for (int i = 0; i < EVENTS_MAX && (!ret || ret == -ENOBUFS); i++) {
		struct uevent_plug plug;
		struct hl_error err;

		ret = uevent_next(fd, &plug, &err);
		if (ret == -ENOBUFS || (ret == 0 && plug.hotplug && !plug.connector)) {
			soon_ask(hotplug->burst, BURST_US);
		} else if (!ret && plug.hotplug) {
			tell_or_log(hotplug, &(struct scope) { plug.card, plug.connector });
		} else if (ret && ret != -EAGAIN) {
			log_error("containers hear of no hotplug any more: %s", err.message);
			sd_event_source_set_enabled(s, SD_EVENT_OFF);
		}
	}
	return 0;
}

static int start(struct hotplug *hotplug)
{
	int ret = soon_new(hotplug->event, &hotplug->burst, on_burst, hotplug);

	if (ret >= 0)
		ret = sd_event_add_io(hotplug->event, &hotplug->io, hotplug->fd, EPOLLIN,
				      on_uevent, hotplug);
	return ret;
}

int hotplug_new(sd_event *event, struct module *mod, struct hotplug **out, struct hl_error *err)
{
	struct hotplug *hotplug = calloc(1, sizeof(*hotplug));
	int ret;

	if (!hotplug)
		return hl_error_set(err, ENOMEM, "out of memory");
	hotplug->event = event;
	hotplug->mod = mod;
	hotplug->fd = uevent_open(err);
	ret = hotplug->fd;
	if (ret >= 0) {
		ret = start(hotplug);
		if (ret < 0)
			hl_error_set(err, -ret, "cannot listen to the kernel: %s", strerror(-ret));
	}
	/* From here on nothing that comes is missed. */
	if (ret >= 0)
		ret = tell(hotplug, &(struct scope) { 0 }, err);
	if (ret < 0) {
		hotplug_free(hotplug);
		return ret;
	}
	*out = hotplug;
	return 0;
}

void hotplug_free(struct hotplug *hotplug)
{
	if (!hotplug)
		return;
	while (hotplug->messages)
		message_free(hotplug->messages);
	sd_event_source_disable_unref(hotplug->io);
	sd_event_source_disable_unref(hotplug->burst);
	if (hotplug->fd >= 0)
		close(hotplug->fd);
	free(hotplug);
}
