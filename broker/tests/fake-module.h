/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for the helix_lease module: scanouts in memory behind struct
 * module_ops. Like the real one it learns of a lease's end from the last close
 * of the handle (a socket here) or the end of the process of a pidfd,
 * and needs nobody to tell it, so the tests can see what a broker that dies
 * leaves behind. The handle tells when it was granted and freed.
 *
 * It is not the module: no DRM, no host, no permissions of the control node.
 */
#ifndef HELIX_FAKE_MODULE_H
#define HELIX_FAKE_MODULE_H

#include <stdbool.h>

#include "module.h"

struct module *fake_module_new(unsigned int nr_scanouts);

/* While held, ACQUIRE waits (interruptibly, up to its timeout) before it grants. */
void fake_module_hold(struct module *mod, bool hold);

/* How many calls of ACQUIRE are waiting now, and how many signals ended. */
unsigned int fake_module_waiting(struct module *mod);
unsigned int fake_module_interrupted(struct module *mod);

/* Every ACQUIRE fails with this errno from now on; 0: no more. */
void fake_module_fail(struct module *mod, int code);

/* As if this user had acquired it, by hand of another tool. Returns its handle. */
int fake_module_give(struct module *mod, uint32_t scanout, uint32_t uid);

/* As if its lease had been bound to that control group. */
void fake_module_bind_to(struct module *mod, uint32_t scanout, uint64_t cgroup);

/* As if its tenant's commit had been waiting so long for that fence. */
void fake_module_stall(struct module *mod, uint32_t scanout, uint32_t ms, const char *name);

/* What INFO says of the host: HELIX_LEASE_HOST_*. */
void fake_module_host(struct module *mod, uint32_t host_state);

/* As if it had been in that state so long, waiting for the host. */
void fake_module_stuck(struct module *mod, uint32_t scanout, uint32_t state, uint32_t ms);

unsigned int fake_module_leased(struct module *mod);

#endif
