/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's pointer on one desktop: its shape, which viewers draw
 * themselves, and where it is. Main thread only.
 */
#ifndef HELIX_CURSOR_H
#define HELIX_CURSOR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#define CURSOR_DIMENSION_MAX 256

struct cursor_image {
	int width, height;
	int hot_x, hot_y;	/* inside */
	uint8_t rgba[];		/* not premultiplied, rows without gaps */
};

/*
 * @data is premultiplied ARGB, a word of this machine for each pixel. A hot
 * spot outside is moved to the edge. NULL: @error is a static sentence. For
 * g_free().
 */
struct cursor_image *cursor_image_new(const void *data, size_t len, int width,
				      int height, int hot_x, int hot_y,
				      const char **error);

struct cursor;

/* Sends @packet to all viewers but @except, which may be NULL. */
typedef void (*cursor_tell)(struct packet *packet, const void *except,
			    void *data);

struct cursor *cursor_new(cursor_tell tell, void *data);
void cursor_free(struct cursor *cursor);

/*
 * What QEMU says from here on is of a new listener. With @stale, what it says
 * first, up to a first cursor_place(), is a former tenant's.
 */
void cursor_restart(struct cursor *cursor, bool stale);
/* Takes @image. */
void cursor_define(struct cursor *cursor, struct cursor_image *image);
/* The upper left corner of the shape, which is shown if @on. */
void cursor_place(struct cursor *cursor, int x, int y, bool on);

/* @viewer moved the pointer there: the guest will say so, and @viewer knows. */
void cursor_moved(struct cursor *cursor, const void *viewer, int x, int y);
/* Viewer @viewer is no more. */
void cursor_forget(struct cursor *cursor, const void *viewer);

/* What one who joins needs, as references; either may be NULL. */
void cursor_describe(const struct cursor *cursor, struct packet **shape,
		     struct packet **pointer);

#endif
