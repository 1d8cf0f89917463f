/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module tells, taken as it comes. */
#ifndef HELIX_DRAIN_H
#define HELIX_DRAIN_H

#include "helix-lease-client.h"

/* @event NULL: some were lost. 0, or a negative errno that ends it. */
typedef int (*drain_fn)(void *data, const struct hl_event *event, struct hl_error *err);

/*
 * Hands over what there is, but only so much that others have their turn. 0, or a negative
 * errno: nothing more will come.
 */
int drain(struct hl_monitor *mon, drain_fn fn, void *data, struct hl_error *err);

#endif
