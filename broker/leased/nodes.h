/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may open a scanout's own node and those of its input devices: root and their groups,
 * and, for as long as his lease lasts, the user who has leased it. So one who is not root
 * can use what he has leased, and a container runtime that is not root's can hand it on.
 *
 * Nothing is remembered that the module and the nodes themselves do not say: after a restart
 * everything is looked at again.
 */
#ifndef HELIX_NODES_H
#define HELIX_NODES_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "module.h"

struct nodes;

/*
 * Puts everything right, and goes on to do so whenever a lease begins or ends, or udev has
 * set a node up anew. Borrows @event and @mod until nodes_free().
 */
int nodes_new(sd_event *event, struct module *mod, struct nodes **out, struct hl_error *err);
void nodes_free(struct nodes *nodes);

/*
 * Lets the user of a new lease open its nodes. False: up to now a node was another's, whose
 * lease has ended only just: he may have opened this one's.
 */
bool nodes_give(struct nodes *nodes, uint32_t scanout, uint64_t generation);

#endif
