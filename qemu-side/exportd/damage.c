// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damage may grow larger than what changed, never smaller. Rectangles may
 * overlap: the worst that does is to convert some pixels twice.
 */
#include "damage.h"

#include <stdint.h>

void damage_clear(struct damage *damage)
{
	damage->count = 0;
}

static bool rect_contains(const struct rect *a, const struct rect *b)
{
	return b->x >= a->x && b->y >= a->y &&
	       b->x + b->width <= a->x + a->width &&
	       b->y + b->height <= a->y + a->height;
}

static void rect_unite(struct rect *a, const struct rect *b)
{
	int right = a->x + a->width, bottom = a->y + a->height;

	if (b->x + b->width > right)
		right = b->x + b->width;
	if (b->y + b->height > bottom)
		bottom = b->y + b->height;
	if (b->x < a->x)
		a->x = b->x;
	if (b->y < a->y)
		a->y = b->y;
	a->width = right - a->x;
	a->height = bottom - a->y;
}

/* @rect comes from another process: any numbers at all may be in it. */
static bool rect_clip(struct rect *out, const struct rect *rect, int width,
		      int height)
{
	int64_t left = rect->x, top = rect->y;
	int64_t right = left + rect->width, bottom = top + rect->height;

	left = left < 0 ? 0 : left;
	top = top < 0 ? 0 : top;
	right = right > width ? width : right;
	bottom = bottom > height ? height : bottom;
	if (left >= right || top >= bottom)
		return false;
	*out = (struct rect){ (int)left, (int)top, (int)(right - left),
			      (int)(bottom - top) };
	return true;
}

void damage_add(struct damage *damage, const struct rect *rect, int width,
		int height)
{
	struct rect clipped;
	unsigned int i;

	if (!rect_clip(&clipped, rect, width, height))
		return;
	for (i = 0; i < damage->count; i++) {
		if (rect_contains(&damage->rects[i], &clipped))
			return;
		if (rect_contains(&clipped, &damage->rects[i])) {
			damage->rects[i] = clipped;
			return;
		}
	}
	if (damage->count < DAMAGE_RECTS_MAX) {
		damage->rects[damage->count++] = clipped;
		return;
	}
	for (i = 1; i < damage->count; i++)
		rect_unite(&damage->rects[0], &damage->rects[i]);
	rect_unite(&damage->rects[0], &clipped);
	damage->count = 1;
}
