/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts what happens per name (of an address, say) within a time, for a
 * bounded number of names. No clock in here: the time is handed in.
 */
#ifndef HELIX_LIMIT_H
#define HELIX_LIMIT_H

#include <glib.h>
#include <stdbool.h>

struct limit;

/* @count events within @window microseconds are one too many. */
struct limit *limit_new(unsigned int count, gint64 window, unsigned int names);
void limit_free(struct limit *limit);

void limit_count(struct limit *limit, const char *name, gint64 now);
bool limit_reached(const struct limit *limit, const char *name, gint64 now);

#endif
