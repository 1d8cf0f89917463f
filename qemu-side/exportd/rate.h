/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a viewer's link can take, from how long its frames are under way. Pure:
 * it is told the time, in monotonic microseconds.
 *
 * A stream is encoded once for all who watch it, at the rate that half of them,
 * rounded up, can take (rate_group()). So one slow viewer among quick ones costs
 * them nothing: it loses frames in its own queue. When most are slow, the stream
 * becomes slow for all.
 */
#ifndef HELIX_RATE_H
#define HELIX_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_MIN_KBIT	100	/* nothing would be seen below this */
#define RATE_MIN_FPS	5

/* The least of what came in this window of time and in the one before. */
struct rate_least {
	int64_t here, before;	/* INT64_MAX if nothing came */
	int64_t since;
};

struct rate {
	unsigned int max_kbit;
	double kbit;		/* what it can take, as far as is known */
	uint64_t sent, delivered;	/* bytes */
	int64_t sent_at, delivered_at;	/* last */
	int64_t looked_at;	/* last decided */
	uint64_t looked_delivered;	/* bytes then */
	int64_t hold_until;	/* a decrease has to show first */
	int64_t newest;		/* delay, of the last frame delivered */
	struct rate_least delay;	/* of the last moments */
	struct rate_least floor;	/* of the last ten seconds and more */
};

void rate_init(struct rate *rate, unsigned int max_kbit, int64_t now);
void rate_sent(struct rate *rate, size_t bytes, int64_t now);
/* @bytes more have arrived, the last of them @delay after it was encoded. */
void rate_delivered(struct rate *rate, uint64_t bytes, int64_t delay,
		    int64_t now);
/* It lost frames: its queue was full. */
void rate_lost(struct rate *rate, int64_t now);
/* From time to time; more often than it decides does no harm. */
void rate_tick(struct rate *rate, int64_t now);

/* For a stream whose viewers can take @kbit each; the array is reordered. */
unsigned int rate_group(unsigned int *kbit, size_t count);
/* Frames a second of a stream with @kbit, @max at most. */
unsigned int rate_fps(unsigned int kbit, unsigned int max);

#endif
