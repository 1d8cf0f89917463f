/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups of version 2, by the id that the module tells of an owner's. */
#ifndef HELIX_CGROUP_H
#define HELIX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Where the group of that id is, which the process @pid is in, or below. False: it is in another
 * one, or has ended. @sysroot: what stands before /proc and /sys; "" but in tests.
 */
bool cgroup_path(const char *sysroot, pid_t pid, uint64_t id, char path[PATH_MAX]);

/*
 * A descriptor of the group's folder; -ENOENT: there is none of that id, which no other
 * ever gets. Any other error: there may be one. @path: as cgroup_path() has said it, and a group
 * stays where it is. "" has all groups looked at, which anybody makes many, or unreadable, who
 * was given one.
 */
int cgroup_open(const char *sysroot, const char *path, uint64_t id);

/* Is there a process in it, or below? What cannot be told has one. */
bool cgroup_populated(int cgroup);

#endif
