/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One visit to QEMU's monitor: hand over one end of a socket pair as D-Bus
 * display client, then leave, because a monitor serves one client at a time
 * and others need it too.
 */
#ifndef HELIX_QMP_H
#define HELIX_QMP_H

#include <gio/gio.h>

/*
 * Runs in a thread of its own; every step has a deadline. @callback gets the
 * descriptor on which QEMU speaks D-Bus from qmp_open_display_finish(), or -1.
 */
void qmp_open_display(const char *path, GCancellable *cancellable,
		      GAsyncReadyCallback callback, gpointer data);
int qmp_open_display_finish(GAsyncResult *result, GError **error);

#endif
