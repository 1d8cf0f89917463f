/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Something is to be done once for all that comes in a burst, and not put off by what goes on
 * coming: a device that keeps changing, or a window that is being dragged, delays nothing.
 */
#ifndef HELIX_SOON_H
#define HELIX_SOON_H

#include <systemd/sd-event.h>

/* At first nobody has asked. 0 or more, or a negative errno. */
int soon_new(sd_event *event, sd_event_source **soon, sd_event_time_handler_t fn, void *data);

/* @fn is called in @us, unless it will be before that. */
void soon_ask(sd_event_source *soon, uint64_t us);

#endif
