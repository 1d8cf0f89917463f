/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The size that viewers wish one desktop had. The guest is told as a monitor
 * would tell it: by a new preferred mode. Main thread only.
 */
#ifndef HELIX_RESIZE_H
#define HELIX_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "display.h"

struct resize_wish {
	uint32_t width, height;
	uint32_t refresh_mhz;	/* 0: as it is */
	double scale;		/* 1: 100 pixels to an inch */
	const void *viewer;	/* who asks, NULL: nobody to be answered */
};

/*
 * @status: "ok", the guest was told; "failed"; "superseded", by a later wish
 * or by the guest's own. Called once for each wish with a viewer.
 */
typedef void (*resize_answer)(const struct resize_wish *wish,
			      const char *status, void *data);

struct resize *resize_new(struct console *console, resize_answer answer,
			  void *data);
/* Nobody is answered any more. */
void resize_free(struct resize *resize);

/* Whether the console has a size to ask for: a VM's own console has not. */
bool resize_possible(const struct resize *resize);
void resize_ask(struct resize *resize, const struct resize_wish *wish);
/* The guest asked for a size itself: what waits is out of date. */
void resize_drop(struct resize *resize);
/* Viewer @viewer is no more. */
void resize_forget(struct resize *resize, const void *viewer);

#endif
