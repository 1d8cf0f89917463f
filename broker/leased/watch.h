/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts into the journal what the module tells of scanouts and of the host: for
 * the one who looks there the next day. Owns its monitor; serves nothing.
 */
#ifndef HELIX_WATCH_H
#define HELIX_WATCH_H

#include <systemd/sd-event.h>

#include "helix-lease-client.h"

struct watch;

/* Takes @mon; borrows @event until watch_free(). */
int watch_new(sd_event *event, struct hl_monitor *mon, struct watch **out, struct hl_error *err);
void watch_free(struct watch *watch);

/*
 * A line for @event and its level (SD_ERR and so on), or NULL where it is not
 * worth one.
 */
const char *watch_line(const struct hl_event *event, char *line, size_t size);

/* Likewise for a scanout as a dump shows it: NULL unless something is the matter. */
const char *watch_state_line(const struct hl_scanout *scanout, char *line, size_t size);

#endif
