/* SPDX-License-Identifier: GPL-2.0-only */
/* The input devices of scanouts whose leases are over are made new, together. */
#ifndef HELIX_INPUT_ROUND_H
#define HELIX_INPUT_ROUND_H

#include <stdatomic.h>

#include "cdi-watch.h"
#include "input-record.h"

#define ROUND_MAX	64	/* scanouts */

/* A scanout's part in it. */
struct turn {
	struct record *record;
	int cgroup;			/* its tenant, or a negative errno */
	int nodes[CDI_INPUTS_MAX];	/* see hold_nodes() */
	bool dead;			/* what the tenant had open is */
};

struct slot {
	struct turn *turn;
	struct input_device *device;
};

struct round {
	const char *sysroot;	/* what stands before /sys, /run and /dev; "" but in tests */
	struct cdi_watch *cdi;	/* or NULL */
	const atomic_bool *stop;	/* ends every wait */
	struct turn turns[ROUND_MAX];
	size_t n;
	struct slot slots[ROUND_MAX * CDI_INPUTS_MAX];	/* every device */
	size_t nr_slots;
	struct cdi_devices before, after;		/* in the order of @turns */
};

/*
 * Afterwards nobody of before has the input of the scanouts of @turns, of which @record is to be
 * filled in. Takes at most some seconds, and nothing else may do the same meanwhile.
 */
void round_renew(struct round *round);

/*
 * What kept a control group from a scanout's input devices, when it had lost that, is lifted.
 * Takes over @cgroup, which may be a negative errno: see cgroup_open().
 */
void round_let_in(uint32_t scanout, int cgroup);

#endif
