/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of the last lease of a scanout, and whether its tenant may hear its input still. */
#ifndef HELIX_INPUT_RECORD_H
#define HELIX_INPUT_RECORD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "devices.h"

#define INPUT_STATE_DIR		"/run/helix/input"
#define INPUT_NAME_LEN		24	/* "virtio7" */
#define INPUT_SCANOUTS_MAX	4096	/* as many as would be listed */
#define INPUT_NO_NUMBER		UINT_MAX

/* What we have taken from its driver. */
struct input_device {
	char name[INPUT_NAME_LEN];
	unsigned int minor;	/* of its event node, or INPUT_NO_NUMBER */
	bool lost;		/* by an earlier round, which could not give it back */
};

struct record {
	uint32_t scanout;
	/* in its file as well, for who comes after this broker */
	uint64_t generation;
	uint64_t grants;	/* of the scanout by then */
	uint64_t cgroup;	/* that it is bound to, which is all of the tenant */
	char path[PATH_MAX];	/* of that, as cgroup_path() has it, or "" */
	bool user;		/* others than those in it may hear: it is a user's, or one was missed */
	bool due;		/* the input is that tenant's still */
	struct input_device devices[CDI_INPUTS_MAX];
	size_t nr_devices;
	char fault[256];	/* what went wrong when it was last renewed */
	/* not there */
	uint64_t sought;	/* the tenant's group, which is to be let in, and nobody knows where it is */
	bool missed;		/* a tenant of before that one: he may hear its input still */
	bool waits;		/* for a round, to its end */
	bool turn;		/* a round has it, which alone touches it then */
	SLIST_ENTRY(record) entry;
};

/* @sysroot: what stands before /run; "" but in tests. Without a file nothing is known. */
void record_load(struct record *r, const char *sysroot);
void record_save(const struct record *r, const char *sysroot);

/* Whether there is one of devices that are to be given back to their driver. */
bool record_any_absent(const char *sysroot);

/* What `helixctl doctor` will say. */
void record_fault(struct record *r, const struct hl_error *err);

#endif
