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

#define QMP_TOUCHES_MAX	64

/* A touch screen of the VM, and the output that it is bound to. */
struct qmp_touch {
	uint32_t gpu;		/* devfn, or UINT32_MAX: it is bound to none */
	uint32_t head;
};

/* What a visit brought. */
struct qmp_display {
	int fd;			/* on which QEMU speaks D-Bus; -1: taken */
	unsigned int nr_touches;
	struct qmp_touch touches[QMP_TOUCHES_MAX];
};

/*
 * Runs in a thread of its own; every step has a deadline. @callback gets what
 * it brought from qmp_open_display_finish(), or NULL, and frees it. Of a visit
 * that was cancelled, however it ended, @error is G_IO_ERROR_CANCELLED.
 */
void qmp_open_display(const char *path, GCancellable *cancellable,
		      GAsyncReadyCallback callback, gpointer data);
struct qmp_display *qmp_open_display_finish(GAsyncResult *result,
					    GError **error);
/* Closes what was not taken. */
void qmp_display_free(struct qmp_display *display);

#endif
