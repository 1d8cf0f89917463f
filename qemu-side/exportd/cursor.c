// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the newest shape and position. Rules:
 *
 * - a guest may define and move as often as it likes: viewers are told at most
 *   CURSOR_RATE times a second, of the newest only;
 * - who moves the pointer sees it move before the guest does, so the guest's
 *   echo of a move goes to the others only; what is no echo, a warp, to all.
 */
#include "cursor.h"

#include <endian.h>
#include <string.h>

#define CURSOR_RATE	60
#define CURSOR_GAP_US	(G_USEC_PER_SEC / CURSOR_RATE)
#define CURSOR_HEADER	16
#define CURSOR_MOVES	64	/* remembered */
#define CURSOR_ECHO_US	(2 * G_USEC_PER_SEC)	/* that the guest may lag */
#define CURSOR_NEAR	2	/* pixels: both sides round */

struct cursor_move {
	int x, y;
	gint64 at;
};

struct cursor {
	cursor_tell tell;
	void *data;

	bool stale;		/* see cursor_restart() */
	struct cursor_image *image;	/* NULL: the guest has none */
	bool on;
	bool defined;		/* while it was not on */
	uint32_t serial;
	bool placed;
	int x, y;		/* of the hot spot */

	const void *mover;	/* who moved last */
	struct cursor_move moves[CURSOR_MOVES];
	unsigned int next_move;

	bool shape_due, pointer_due, warp_due;
	gint64 told_at;
	guint timer;
};

/* --- images --- */

static uint8_t cursor_straight(uint32_t value, uint32_t alpha)
{
	return (uint8_t)MIN((value * 255 + alpha / 2) / alpha, 255);
}

static void cursor_convert(uint8_t *rgba, const uint8_t *argb, size_t pixels)
{
	uint32_t pixel, alpha;
	size_t i;

	for (i = 0; i < pixels; i++, rgba += 4) {
		memcpy(&pixel, argb + i * 4, sizeof(pixel));
		alpha = pixel >> 24;
		memset(rgba, 0, 4);
		if (!alpha)
			continue;
		rgba[0] = cursor_straight(pixel >> 16 & 0xff, alpha);
		rgba[1] = cursor_straight(pixel >> 8 & 0xff, alpha);
		rgba[2] = cursor_straight(pixel & 0xff, alpha);
		rgba[3] = (uint8_t)alpha;
	}
}

struct cursor_image *cursor_image_new(const void *data, size_t len, int width,
				      int height, int hot_x, int hot_y,
				      const char **error)
{
	struct cursor_image *image;
	size_t pixels;

	if (width < 1 || height < 1 || width > CURSOR_DIMENSION_MAX ||
	    height > CURSOR_DIMENSION_MAX) {
		*error = "cursor has an impossible size";
		return NULL;
	}
	pixels = (size_t)width * (size_t)height;
	if (len < pixels * 4) {
		*error = "cursor is larger than its data";
		return NULL;
	}
	image = g_malloc(sizeof(*image) + pixels * 4);
	image->width = width;
	image->height = height;
	image->hot_x = CLAMP(hot_x, 0, width - 1);
	image->hot_y = CLAMP(hot_y, 0, height - 1);
	cursor_convert(image->rgba, data, pixels);
	return image;
}

static bool cursor_image_equal(const struct cursor_image *a,
			       const struct cursor_image *b)
{
	return a && b && a->width == b->width && a->height == b->height &&
	       a->hot_x == b->hot_x && a->hot_y == b->hot_y &&
	       !memcmp(a->rgba, b->rgba,
		       (size_t)a->width * (size_t)a->height * 4);
}

/* --- packets --- */

static void cursor_put16(uint8_t *at, int value)
{
	uint16_t half = htole16((uint16_t)value);

	memcpy(at, &half, sizeof(half));
}

/* NULL: the guest never had a cursor, or it draws it itself. */
static struct packet *cursor_shape(const struct cursor *cursor)
{
	const struct cursor_image *image = cursor->image;
	uint32_t serial = htole32(cursor->serial);
	struct packet *packet;
	size_t bytes;

	if (!image)
		return NULL;
	bytes = cursor->on ? (size_t)image->width * (size_t)image->height * 4 : 0;
	packet = packet_binary(CURSOR_HEADER + bytes);
	packet->latest = PACKET_CURSOR;
	memset(packet->data, 0, CURSOR_HEADER);
	packet->data[0] = PACKET_CURSOR_TYPE;
	memcpy(packet->data + 4, &serial, sizeof(serial));
	if (cursor->on) {
		cursor_put16(packet->data + 8, image->width);
		cursor_put16(packet->data + 10, image->height);
		cursor_put16(packet->data + 12, image->hot_x);
		cursor_put16(packet->data + 14, image->hot_y);
		memcpy(packet->data + CURSOR_HEADER, image->rgba, bytes);
	}
	return packet;
}

static struct packet *cursor_pointer(const struct cursor *cursor)
{
	struct packet *packet;
	char text[64];

	if (!cursor->placed || !cursor->on)
		return NULL;
	g_snprintf(text, sizeof(text), "{\"type\":\"pointer\",\"x\":%d,\"y\":%d}",
		   cursor->x, cursor->y);
	packet = packet_text(text);
	packet->latest = PACKET_POINTER;
	return packet;
}

/* Takes the reference. */
static void cursor_send(struct cursor *cursor, struct packet *packet,
			const void *except)
{
	if (packet)
		cursor->tell(packet, except, cursor->data);
	packet_unref(packet);
}

static gboolean cursor_flush(gpointer data)
{
	struct cursor *cursor = data;

	cursor->timer = 0;
	cursor->told_at = g_get_monotonic_time();
	if (cursor->shape_due)
		cursor_send(cursor, cursor_shape(cursor), NULL);
	if (cursor->pointer_due)
		cursor_send(cursor, cursor_pointer(cursor),
			    cursor->warp_due ? NULL : cursor->mover);
	cursor->shape_due = false;
	cursor->pointer_due = false;
	cursor->warp_due = false;
	return G_SOURCE_REMOVE;
}

static void cursor_schedule(struct cursor *cursor)
{
	gint64 wait = cursor->told_at + CURSOR_GAP_US - g_get_monotonic_time();

	if (cursor->timer || (!cursor->shape_due && !cursor->pointer_due))
		return;
	if (wait <= 0)
		cursor_flush(cursor);
	else
		cursor->timer = g_timeout_add((guint)(wait / 1000 + 1),
					      cursor_flush, cursor);
}

/* --- what the guest says --- */

void cursor_define(struct cursor *cursor, struct cursor_image *image)
{
	if (cursor->stale || cursor_image_equal(cursor->image, image)) {
		g_free(image);
		return;
	}
	g_free(cursor->image);
	cursor->image = image;
	cursor->serial++;
	/* of one that is not shown it is said next whether it is shown now */
	if (cursor->on)
		cursor->shape_due = true;
	else
		cursor->defined = true;
	cursor_schedule(cursor);
}

static bool cursor_is_near(const struct cursor_move *move, int x, int y)
{
	return ABS((gint64)move->x - x) <= CURSOR_NEAR &&
	       ABS((gint64)move->y - y) <= CURSOR_NEAR;
}

/* Whether somebody's move explains that the pointer is there. */
static bool cursor_is_echo(const struct cursor *cursor, int x, int y)
{
	gint64 now = g_get_monotonic_time();
	unsigned int i, count = MIN(cursor->next_move, CURSOR_MOVES);

	for (i = 1; i <= count; i++) {
		const struct cursor_move *move =
			&cursor->moves[(cursor->next_move - i) % CURSOR_MOVES];

		/* the last one holds until there is another */
		if (i > 1 && now - move->at > CURSOR_ECHO_US)
			return false;
		if (cursor_is_near(move, x, y))
			return true;
	}
	return false;
}

void cursor_place(struct cursor *cursor, int x, int y, bool on)
{
	bool first = !cursor->placed;

	if (cursor->stale) {
		cursor->stale = false;
		return;
	}
	if (cursor->image) {
		x = (int)CLAMP((gint64)x + cursor->image->hot_x, G_MININT, G_MAXINT);
		y = (int)CLAMP((gint64)y + cursor->image->hot_y, G_MININT, G_MAXINT);
	}
	if (first || cursor->defined || on != cursor->on) {
		cursor->shape_due = true;
		cursor->pointer_due = on;
		cursor->defined = false;
	}
	if (on && (first || x != cursor->x || y != cursor->y)) {
		cursor->pointer_due = true;
		cursor->warp_due |= !cursor_is_echo(cursor, x, y);
	}
	cursor->placed = true;
	cursor->on = on;
	cursor->x = x;
	cursor->y = y;
	cursor_schedule(cursor);
}

void cursor_moved(struct cursor *cursor, const void *viewer, int x, int y)
{
	struct cursor_move *move =
		&cursor->moves[cursor->next_move++ % CURSOR_MOVES];

	move->x = x;
	move->y = y;
	move->at = g_get_monotonic_time();
	cursor->mover = viewer;
}

void cursor_forget(struct cursor *cursor, const void *viewer)
{
	if (cursor->mover == viewer)
		cursor->mover = NULL;
}

void cursor_describe(const struct cursor *cursor, struct packet **shape,
		     struct packet **pointer)
{
	*shape = cursor->placed ? cursor_shape(cursor) : NULL;
	*pointer = cursor_pointer(cursor);
}

/* --- life --- */

void cursor_restart(struct cursor *cursor, bool stale)
{
	cursor->stale = stale;
	cursor->placed = false;
	cursor->on = false;
	cursor->defined = false;
	g_clear_pointer(&cursor->image, g_free);
}

struct cursor *cursor_new(cursor_tell tell, void *data)
{
	struct cursor *cursor = g_new0(struct cursor, 1);

	cursor->tell = tell;
	cursor->data = data;
	return cursor;
}

void cursor_free(struct cursor *cursor)
{
	if (!cursor)
		return;
	if (cursor->timer)
		g_source_remove(cursor->timer);
	g_free(cursor->image);
	g_free(cursor);
}
