// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acl.h"
#include "cgroup.h"
#include "error.h"
#include "filter.h"
#include "gpu.h"
#include "input-round.h"
#include "log.h"

#define DRIVER		"/sys/bus/virtio/drivers/virtio_input"
#define STEP_US		10000	/* between two looks */
#define EMPTY_MS	500	/* for the last processes of a container that ends */
#define UDEV_MS		8000	/* to know the new ones, from when the first is taken away; with a */
#define UDEV_MIN_MS	2000	/* round before this one in less than 20 s, unless the kernel is slow */

/* ---- waiting ---- */

/* False once it took too long, or nobody wants it any more. */
static bool wait_step(const struct round *round, int64_t deadline_ms)
{
	if (*round->stop || gpu_now_ms() >= deadline_ms)
		return false;
	usleep(STEP_US);
	return true;
}

/* One that was there before had the same number, and was initialised before. */
static bool udev_knows(const char *sysroot, const struct cdi_node *node, int64_t since_ms)
{
	char path[PATH_MAX], line[256];
	int64_t us = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/run/udev/data/c%u:%u", sysroot, node->major, node->minor);
	file = fopen(path, "re");
	while (file && us < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "I:%" SCNd64, &us) != 1)
			us = -1;
	if (file)
		fclose(file);
	return us >= since_ms * 1000;
}

/* Until udev knows what is there since then. Without udev nobody has to. */
static void wait_udev(const struct round *round, int64_t since_ms)
{
	int64_t least_ms = gpu_now_ms() + UDEV_MIN_MS, deadline_ms = since_ms + UDEV_MS;
	char path[PATH_MAX];

	if (deadline_ms < least_ms)
		deadline_ms = least_ms;
	snprintf(path, sizeof(path), "%s/run/udev/control", round->sysroot);
	if (access(path, F_OK) < 0)
		return;
	for (size_t i = 0; i < round->after.n; i++) {
		const struct cdi_scanout *s = &round->after.scanouts[i];

		for (size_t j = 0; j < s->nr_inputs; j++)
			while (!udev_knows(round->sysroot, &s->inputs[j].node, since_ms))
				if (!wait_step(round, deadline_ms))
					return;
	}
}

/* A container that ends has processes for a moment after its first. What cannot be told has some. */
static bool is_empty(const struct round *round, int cgroup, int64_t deadline_ms)
{
	if (cgroup < 0)
		return cgroup == -ENOENT;
	while (cgroup_populated(cgroup))
		if (!wait_step(round, deadline_ms))
			return false;
	return true;
}

/* ---- the devices ---- */

/* What the driver knows as a device, of what it has made an input of. */
static bool bus_name(const char *sysroot, const struct cdi_input *one, char name[INPUT_NAME_LEN])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/sys/class/input/%s/device", sysroot, one->parent);
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	return *last && snprintf(name, INPUT_NAME_LEN, "%s", last) < INPUT_NAME_LEN;
}

static bool has_device(const struct record *r, const char *name)
{
	for (size_t i = 0; i < r->nr_devices; i++)
		if (!strcmp(r->devices[i].name, name))
			return true;
	return false;
}

static void add_devices(const char *sysroot, const struct cdi_scanout *s, struct record *r)
{
	char name[INPUT_NAME_LEN];

	for (size_t i = 0; i < s->nr_inputs && r->nr_devices < CDI_INPUTS_MAX; i++) {
		struct input_device *device = &r->devices[r->nr_devices];

		if (!bus_name(sysroot, &s->inputs[i], name) || has_device(r, name))
			continue;
		strcpy(device->name, name);
		device->minor = s->inputs[i].node.minor;
		device->lost = false;
		r->nr_devices++;
	}
}

/* 0 or a positive errno. */
static int tell_driver(const char *sysroot, const char *what, const char *device)
{
	char path[PATH_MAX];
	int fd, code = 0;

	snprintf(path, sizeof(path), "%s" DRIVER "/%s", sysroot, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, device, strlen(device)) < 0)
		code = errno;
	close(fd);
	return code;
}

/* ---- who may open them ---- */

static void filter_name(uint32_t scanout, char name[16])
{
	snprintf(name, 16, "helix_in_%u", scanout % INPUT_SCANOUTS_MAX);
}

static int no_cgroup(int ret, struct hl_error *err)
{
	return hl_error_set(err, -ret, "cannot look for its control group: %s", strerror(-ret));
}

static int lift(int cgroup, const char *name, struct hl_error *err)
{
	return cgroup < 0 ? no_cgroup(cgroup, err) : cdi_filter_lift(cgroup, name, err);
}

/*
 * Until the group, if there is one, has gone, or has a lease of this scanout again. Not @anew:
 * what it was kept from before stays so.
 */
static void shut_out(struct record *r, int cgroup, struct cdi_scanout *s, bool anew)
{
	const struct cdi_devices devices = { .scanouts = s, .n = 1 };
	struct hl_error err;
	char name[16];
	int ret = 0;

	if (cgroup == -ENOENT)
		return;
	filter_name(r->scanout, name);
	if (anew || cgroup < 0)
		ret = lift(cgroup, name, &err);
	if (!ret)
		ret = cdi_filter_put(cgroup, name, &devices, &err);
	if (!ret)
		return;
	log_warn("scanout %u generation %" PRIu64 ": its tenant can open its input devices again: %s",
		 r->scanout, r->generation, err.message);
	record_fault(r, &err);
}

void round_let_in(uint32_t scanout, int cgroup)
{
	struct hl_error err;
	char name[16];

	if (cgroup == -ENOENT)
		return;
	filter_name(scanout, name);
	if (lift(cgroup, name, &err))
		log_warn("scanout %u: its tenant may not open its input devices: %s", scanout,
			 err.message);
	if (cgroup >= 0)
		close(cgroup);
}

/*
 * A user may have bound a node elsewhere, where it stays when the device has gone, and would
 * open the next one of that number, if it still let him.
 */
static void hold_nodes(const char *sysroot, const struct cdi_scanout *s, int *nodes)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < s->nr_inputs; i++) {
		snprintf(path, sizeof(path), "%s%s", sysroot, s->inputs[i].node.path);
		acl_take(acl_hold(path));
		nodes[i] = acl_hold(path);
	}
}

/* ---- a round ---- */

/* What the driver is told. @fine: its answer where that is so already; ENODEV: it has gone. */
struct order {
	const char *file, *verb, *preposition;
	int fine;
	const char *otherwise;
};

/* One of a broker that did not come to the end is without its driver already. */
static const struct order take_away = {
	"unbind", "take", "from", ENODEV, "its tenant still hears its input devices",
};

/* EBUSY: it never was without. */
static const struct order give_back = {
	"bind", "give", "back to", EBUSY, "there will be no input",
};

static void turn_fault(struct turn *turn, const char *what, const struct hl_error *err)
{
	log_error("scanout %u generation %" PRIu64 ": %s: %s", turn->record->scanout,
		  turn->record->generation, what, err->message);
	record_fault(turn->record, err);
}

static void round_fault(struct round *round, const char *what, const struct hl_error *err)
{
	for (size_t i = 0; i < round->n; i++)
		turn_fault(&round->turns[i], what, err);
}

/* False where it failed. */
static bool tell(const struct round *round, const struct slot *slot, const struct order *order)
{
	int code = tell_driver(round->sysroot, order->file, slot->device->name);
	struct hl_error err;

	if (!code || code == order->fine)
		return true;
	hl_error_set(&err, code, "cannot %s %s %s its driver: %s", order->verb, slot->device->name,
		     order->preposition, strerror(code));
	turn_fault(slot->turn, order->otherwise, &err);
	slot->device->lost = order == &give_back && code != ENODEV;
	return false;
}

static int read_devices(const struct round *round, struct cdi_devices *devices,
			struct hl_error *err)
{
	struct hl_scanout list[ROUND_MAX] = { 0 };

	for (size_t i = 0; i < round->n; i++)
		list[i].scanout = round->turns[i].record->scanout;
	return cdi_devices_read(round->sysroot, list, round->n, devices, err);
}

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->device->minor > y->device->minor) - (x->device->minor < y->device->minor);
}

/* By a broker that was killed before it gave them back. */
static bool was_begun(const struct record *r)
{
	for (size_t i = 0; i < r->nr_devices; i++)
		if (!r->devices[i].lost)
			return true;
	return false;
}

static void prepare(struct round *round, struct turn *turn, struct cdi_scanout *own)
{
	struct record *r = turn->record;

	r->fault[0] = '\0';
	turn->dead = true;
	/* Then it has been done, when all of them were to be seen. */
	if (!was_begun(r))
		shut_out(r, turn->cgroup, own, true);
	for (size_t i = 0; i < r->nr_devices; i++)
		r->devices[i].lost = false;
	add_devices(round->sysroot, own, r);
	/* Who comes after us when we are killed now finds devices without their driver. */
	record_save(r, round->sysroot);
	hold_nodes(round->sysroot, own, turn->nodes);
	for (size_t i = 0; i < r->nr_devices; i++)
		round->slots[round->nr_slots++] = (struct slot) { turn, &r->devices[i] };
}

static bool same_numbers(const struct record *r, const struct cdi_scanout *now)
{
	bool same = true;

	for (size_t i = 0; i < r->nr_devices; i++) {
		bool found = r->devices[i].minor == INPUT_NO_NUMBER;

		for (size_t j = 0; !found && j < now->nr_inputs; j++)
			found = now->inputs[j].node.minor == r->devices[i].minor;
		same &= found;
	}
	return same;
}

static void check_numbers(struct turn *turn, struct cdi_scanout *now)
{
	struct record *r = turn->record;

	if (same_numbers(r, now))
		return;
	log_warn("scanout %u: its input devices have other numbers now: a container that was being made for it has none",
		 r->scanout);
	/* Its nodes have the old ones, which may be another scanout's by now, or become that. */
	shut_out(r, turn->cgroup, now, false);
}

/* What could not be given back is tried again with the next. */
static void conclude(struct turn *turn, int64_t begun_ms)
{
	struct record *r = turn->record;
	size_t n = 0;

	if (r->nr_devices && turn->dead)
		log_info("scanout %u: its input devices are new after %" PRId64 " ms, those of generation %" PRIu64 " are dead",
			 r->scanout, gpu_now_ms() - begun_ms, r->generation);
	for (size_t i = 0; i < r->nr_devices; i++)
		if (r->devices[i].lost)
			r->devices[n++] = r->devices[i];
	r->nr_devices = n;
}

/* The kernel gives the lowest number that is free: so in their order, and none before all are. */
static void replace(struct round *round)
{
	for (size_t i = 0; i < round->n; i++)
		prepare(round, &round->turns[i], &round->before.scanouts[i]);
	qsort(round->slots, round->nr_slots, sizeof(round->slots[0]), compare_slots);
	for (size_t i = 0; i < round->nr_slots; i++)
		round->slots[i].turn->dead &= tell(round, &round->slots[i], &take_away);
	for (size_t i = 0; i < round->n; i++)
		for (size_t j = 0; j < round->before.scanouts[i].nr_inputs; j++)
			acl_take(round->turns[i].nodes[j]);
	for (size_t i = 0; i < round->nr_slots; i++)
		tell(round, &round->slots[i], &give_back);
}

/* Most end with their container: nobody is left who could hear, but for a user's others. */
static void leave_out_empty(struct round *round)
{
	int64_t deadline_ms = gpu_now_ms() + EMPTY_MS;
	size_t n = 0;

	for (size_t i = 0; i < round->n; i++) {
		struct turn turn = round->turns[i];
		const struct record *r = turn.record;

		turn.cgroup = r->cgroup ? cgroup_open(round->sysroot, r->path, r->cgroup) : -ENOENT;
		if (!r->cgroup || r->nr_devices || r->user ||
		    !is_empty(round, turn.cgroup, deadline_ms))
			round->turns[n++] = turn;
		else if (turn.cgroup >= 0)
			close(turn.cgroup);
	}
	round->n = n;
}

static bool has_devices(const struct round *round)
{
	for (size_t i = 0; i < round->n; i++)
		if (round->before.scanouts[i].nr_inputs || round->turns[i].record->nr_devices)
			return true;
	return false;
}

static void replace_all(struct round *round)
{
	int64_t begun_ms = gpu_now_ms();
	struct hl_error err;

	cdi_watch_hold(round->cdi);
	replace(round);
	if (read_devices(round, &round->after, &err))
		round_fault(round, "its input devices cannot be read", &err);
	for (size_t i = 0; i < round->after.n; i++)
		check_numbers(&round->turns[i], &round->after.scanouts[i]);
	wait_udev(round, begun_ms);
	for (size_t i = 0; i < round->n; i++)
		conclude(&round->turns[i], begun_ms);
	cdi_watch_let_go(round->cdi);
	cdi_devices_free(&round->after);
}

void round_renew(struct round *round)
{
	struct hl_error err;

	leave_out_empty(round);
	if (!round->n)
		return;
	if (read_devices(round, &round->before, &err))
		round_fault(round, "its input devices cannot be read", &err);
	else if (has_devices(round))
		replace_all(round);
	cdi_devices_free(&round->before);
	for (size_t i = 0; i < round->n; i++)
		if (round->turns[i].cgroup >= 0)
			close(round->turns[i].cgroup);
}
