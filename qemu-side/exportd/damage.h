/* SPDX-License-Identifier: GPL-2.0-only */
/* Which parts of a picture changed: a few rectangles, never many. */
#ifndef HELIX_DAMAGE_H
#define HELIX_DAMAGE_H

#include <stdbool.h>

#define DAMAGE_RECTS_MAX 16

struct rect {
	int x, y, width, height;
};

struct damage {
	unsigned int count;
	struct rect rects[DAMAGE_RECTS_MAX];
};

static inline bool damage_is_empty(const struct damage *damage)
{
	return damage->count == 0;
}

void damage_clear(struct damage *damage);
/* The part of @rect inside @width x @height; whatever is outside is ignored. */
void damage_add(struct damage *damage, const struct rect *rect, int width,
		int height);

#endif
