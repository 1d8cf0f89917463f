/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the CDI specification of the scanouts current: writes it at the start, and
 * again when udev has something new to say of a scanout, a GPU or an input device.
 */
#ifndef HELIX_CDI_WATCH_H
#define HELIX_CDI_WATCH_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "module.h"

struct cdi_watch;

/*
 * Writes @path before it returns. Borrows @event, @mod and @path until
 * cdi_watch_free(). Of what fails later there is a line in the journal. @absent: scanouts are
 * without their input devices, as a broker that was killed has left them. A specification that is
 * there has these, and stays as it is until cdi_watch_catch_up().
 */
int cdi_watch_new(sd_event *event, struct module *mod, const char *path, bool absent,
		  struct cdi_watch **out, struct hl_error *err);
void cdi_watch_free(struct cdi_watch *watch);

/* All have their input devices, or nobody gives them back. From any thread; NULL will do. */
void cdi_watch_catch_up(struct cdi_watch *watch);

/*
 * From any thread, for as long as a scanout is without its input devices: containers of that
 * time are to have them all the same. Writes it before it returns from letting go. NULL will do.
 */
void cdi_watch_hold(struct cdi_watch *watch);
void cdi_watch_let_go(struct cdi_watch *watch);

#endif
