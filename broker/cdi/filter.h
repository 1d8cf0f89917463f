/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a container may not open, whatever its runtime has allowed it: one more device
 * program of its control group. The kernel asks all there are, and each may refuse.
 */
#ifndef CDI_FILTER_H
#define CDI_FILTER_H

#include <linux/bpf.h>
#include <sys/types.h>

#include "devices.h"

#define CDI_FILTER_MAX	4096	/* instructions, as the kernel has it for all but root */

/*
 * The program that refuses what is some scanout's of @all and not @own's. Returns its
 * length; -E2BIG: it is longer than @room.
 */
int cdi_filter_program(const struct cdi_devices *all, const struct cdi_scanout *own,
		       struct bpf_insn *program, size_t room, struct hl_error *err);

/* Puts it on the control group of process @pid, which must not be ours. */
int cdi_filter_attach(pid_t pid, const struct cdi_devices *all, const struct cdi_scanout *own,
		      struct hl_error *err);

/*
 * Puts a program that refuses everything of @all on a control group, under a name of at most
 * 15 letters, digits and '_', by which cdi_filter_lift() takes all of that name away again.
 * It stays when its maker has gone, and ends with the group.
 */
int cdi_filter_put(int cgroup, const char *name, const struct cdi_devices *all, struct hl_error *err);
int cdi_filter_lift(int cgroup, const char *name, struct hl_error *err);

/* Whether a device belongs to @own. */
int cdi_is_own(const struct cdi_scanout *own, unsigned int major, unsigned int minor);

#endif
