/* SPDX-License-Identifier: GPL-2.0-only */
/* The pictures of one console, as they come from QEMU. */
#ifndef HELIX_LISTENER_H
#define HELIX_LISTENER_H

#include "cursor.h"
#include "damage.h"
#include "display.h"
#include "surface.h"

struct listener;

struct listener_ops {
	/* A new picture, all of it damaged. Take a reference to keep it. */
	void (*scanout)(struct surface *surface, void *data);
	/*
	 * @count is at least one; @at, on g_get_monotonic_time()'s clock and
	 * never after it, is when the guest flushed the oldest of it, if QEMU
	 * says so, or now. QEMU does not draw on the surface again until
	 * listener_answer() is used, or for LISTENER_HOLD_MS.
	 */
	void (*damage)(const struct rect *rects, unsigned int count, gint64 at,
		       void *data);
	void (*disable)(void *data);
	/* Takes @image. */
	void (*cursor)(struct cursor_image *image, void *data);
	/* The cursor's upper left corner; it is shown if @on. */
	void (*place)(int x, int y, bool on, void *data);
	/* QEMU went or refused: use listener_free(); the reason was logged. */
	void (*closed)(void *data);
};

#define LISTENER_HOLD_MS	500

/*
 * @import: surfaces may be dma-bufs. Else QEMU is told to read them back into
 * shared memory; what it cannot read back is mapped.
 */
struct listener *listener_new(struct console *console, bool import,
			      const struct listener_ops *ops, void *data);
void listener_free(struct listener *listener);

/* What changed was read. Nothing if no answer is owed. */
void listener_answer(struct listener *listener);
bool listener_owes(const struct listener *listener);

#endif
