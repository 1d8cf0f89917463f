// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what happened to a scanout, told to whoever asked to be told.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <drm/drm_device.h>
#include <drm/drm_print.h>

#include "helix.h"

/**
 * helix_event - tell that something happened to a scanout
 * @s: scanout, locked; NULL for an event that is about no single one
 * @type: what
 *
 * Never sleeps.
 */
void helix_event(struct helix_scanout *s, enum helix_lease_event_type type)
{
	if (!s)
		return;
	lockdep_assert_held(&s->lock);
	drm_dbg_lease(s->gpu->drm, "scanout %u: event %d\n", s->number, type);
}
