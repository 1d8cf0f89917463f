/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One visit to QEMU's monitor: hand over one end of a socket pair as D-Bus
 * display client, then leave, because a monitor serves one client at a time
 * and others need it too.
 */
#ifndef HELIX_QMP_H
#define HELIX_QMP_H

#include <gio/gio.h>
#include <stdint.h>

/*
 * Runs in a thread of its own; every step has a deadline. @callback gets the
 * descriptor on which QEMU speaks D-Bus from qmp_open_display_finish(), or -1.
 */
void qmp_open_display(const char *path, GCancellable *cancellable,
		      GAsyncReadyCallback callback, gpointer data);
int qmp_open_display_finish(GAsyncResult *result, GError **error);

/* A touch screen of the VM, and the output that it is bound to. */
struct qmp_touch {
	uint32_t gpu;		/* devfn, or UINT32_MAX: it is bound to none */
	uint32_t head;
};

/* Those that were seen on the visit, valid as long as @result is. */
const struct qmp_touch *qmp_open_display_touches(GAsyncResult *result,
						 unsigned int *count);

#endif
