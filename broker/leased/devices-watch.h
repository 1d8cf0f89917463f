/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether udev has something new to say of devices. They come in bursts: so do those who are told. */
#ifndef HELIX_DEVICES_WATCH_H
#define HELIX_DEVICES_WATCH_H

#include <systemd/sd-event.h>

struct devices_watch;

/*
 * @fn is called after each burst of the devices of @subsystems, which end with a NULL. From
 * when it returns nothing that comes is missed. 0 or more, or a negative errno.
 */
int devices_watch_new(sd_event *event, const char *const *subsystems, void (*fn)(void *data),
		      void *data, struct devices_watch **out);
void devices_watch_free(struct devices_watch *watch);

#endif
