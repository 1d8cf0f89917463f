/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups of version 2, by the id that the module tells of an owner's. */
#ifndef HELIX_CGROUP_H
#define HELIX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A descriptor of the group's folder; -ENOENT: there is none of that id, which no other
 * ever gets. Any other error: there may be one. @sysroot: what stands before /sys; "" but in
 * tests.
 */
int cgroup_open(const char *sysroot, uint64_t id);

/* Is there a process in it, or below? What cannot be told has one. */
bool cgroup_populated(int cgroup);

#endif
