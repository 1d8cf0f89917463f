/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hotplug for containers. A compositor looks at its connectors again when udev tells it
 * to, which udev does in its own network namespace alone, and about the GPU's card. Whoever
 * looks at a scanout from another one is told here, of the card as it is seen from in there:
 * with the number of the scanout's node.
 *
 * Listens to the kernel, not to udev and not to the module: a size that the page asks for
 * goes from the host to the GPU's driver, and the module has no part in it.
 */
#ifndef HELIX_HOTPLUG_H
#define HELIX_HOTPLUG_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "module.h"

struct hotplug;

/*
 * Tells every lease once, for what was missed: harmless where nothing has changed. Borrows
 * @event and @mod until hotplug_free().
 */
int hotplug_new(sd_event *event, struct module *mod, struct hotplug **out, struct hl_error *err);
void hotplug_free(struct hotplug *hotplug);

/* Called for a process in each network namespace; 0, or -errno to stop. */
typedef int (*hotplug_fn)(int pidfd, void *data, struct hl_error *err);

/*
 * Those that are not ours of @pid and what it has started: the first that are met on the
 * way from it, one process for each. Bounded: 512 processes, 1024 threads of these,
 * 16 namespaces.
 */
int hotplug_namespaces(pid_t pid, hotplug_fn fn, void *data, struct hl_error *err);

#endif
