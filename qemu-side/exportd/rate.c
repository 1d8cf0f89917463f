// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rule: if even the quickest frame of the last moments takes longer than the
 * quickest lately, frames wait in a queue of the network; then what arrived
 * meanwhile is what the link can take, and the rate goes below it until the queue
 * is empty. A client that is busy takes longer for some, and is not helped by
 * worse pictures. While nothing waits the rate rises, faster if it is made use of,
 * for only then it is known to be good.
 */
#include "rate.h"

#include <stdlib.h>

#define RATE_LOOK_US		200000
#define RATE_WAITS_US		120000	/* in a queue: too much */
#define RATE_FLOWS_US		60000	/* no queue to speak of */
#define RATE_MOMENT_US		400000	/* the least delay is of one or two of these */
#define RATE_STALL_US		1000000	/* nothing arrives at all */
#define RATE_SILENCE_US		3000000	/* nothing is sent: no news either */
#define RATE_HOLD_MAX_US	1500000
#define RATE_FLOOR_WINDOW_US	10000000
#define RATE_KBIT_PER_FRAME	30	/* less of it is not worth a frame */

void rate_init(struct rate *rate, unsigned int max_kbit, int64_t now)
{
	*rate = (struct rate){
		.max_kbit = max_kbit,
		.kbit = max_kbit,
		.delivered_at = now,
		.looked_at = now,
		.delay = { INT64_MAX, INT64_MAX, now },
		.floor = { INT64_MAX, INT64_MAX, now },
	};
}

static void rate_set(struct rate *rate, double kbit)
{
	rate->kbit = kbit > rate->max_kbit ? rate->max_kbit :
		     kbit < RATE_MIN_KBIT ? RATE_MIN_KBIT : kbit;
}

static void rate_least_add(struct rate_least *least, int64_t delay)
{
	if (delay < least->here)
		least->here = delay;
}

static int64_t rate_least_get(const struct rate_least *least)
{
	return least->here < least->before ? least->here : least->before;
}

static void rate_least_age(struct rate_least *least, int64_t window, int64_t now)
{
	if (now - least->since >= window)
		*least = (struct rate_least){ INT64_MAX, least->here, now };
}

/*
 * How long frames with this @delay wait in queues; @now counts what has not
 * arrived either.
 */
static int64_t rate_waits(const struct rate *rate, int64_t delay, int64_t now)
{
	int64_t floor = rate_least_get(&rate->floor);
	int64_t silent = now - rate->delivered_at;
	int64_t waits = 0;

	if (delay != INT64_MAX && floor != INT64_MAX)
		waits = delay - floor;
	if (rate->sent != rate->delivered && silent > RATE_STALL_US &&
	    now - rate->sent_at < RATE_SILENCE_US && silent > waits)
		waits = silent;
	return waits;
}

static void rate_decrease(struct rate *rate, double arrived, int64_t waits,
			  int64_t now)
{
	double kbit = arrived * 0.85;

	/* one look may deceive */
	if (kbit < rate->kbit / 2)
		kbit = rate->kbit / 2;
	if (kbit > rate->kbit * 0.85)
		kbit = rate->kbit * 0.85;
	rate_set(rate, kbit);
	rate->hold_until = now + (waits < RATE_HOLD_MAX_US ? waits :
				  RATE_HOLD_MAX_US);
}

static void rate_look(struct rate *rate, int64_t now)
{
	int64_t elapsed = now - rate->looked_at;
	int64_t waits = rate_waits(rate, rate_least_get(&rate->delay), now);
	double arrived;		/* kbit a second */

	if (elapsed < RATE_LOOK_US)
		return;
	arrived = (double)(rate->delivered - rate->looked_delivered) * 8000 /
		  (double)elapsed;
	rate->looked_at = now;
	rate->looked_delivered = rate->delivered;
	rate_least_age(&rate->delay, RATE_MOMENT_US, now);
	/* a floor of long ago may be of another way through the network */
	rate_least_age(&rate->floor, RATE_FLOOR_WINDOW_US, now);
	if (waits > RATE_WAITS_US) {
		if (now >= rate->hold_until)
			rate_decrease(rate, arrived, waits, now);
	} else if (rate_waits(rate, rate->newest, now) < RATE_FLOWS_US) {
		rate_set(rate, rate->kbit *
			       (arrived > rate->kbit * 0.6 ? 1.06 : 1.03));
	}
}

void rate_sent(struct rate *rate, size_t bytes, int64_t now)
{
	/* silence before this was not for want of arriving */
	if (rate->sent == rate->delivered)
		rate->delivered_at = now;
	rate->sent_at = now;
	rate->sent += bytes;
}

void rate_delivered(struct rate *rate, uint64_t bytes, int64_t delay,
		    int64_t now)
{
	if (bytes > rate->sent - rate->delivered)
		bytes = rate->sent - rate->delivered;
	rate->delivered += bytes;
	rate->delivered_at = now;
	delay = delay < 0 ? 0 : delay;
	rate->newest = delay;
	rate_least_add(&rate->delay, delay);
	rate_least_add(&rate->floor, delay);
	rate_look(rate, now);
}

void rate_lost(struct rate *rate, int64_t now)
{
	if (now < rate->hold_until)
		return;
	rate_set(rate, rate->kbit * 0.7);
	rate->hold_until = now + RATE_LOOK_US;
}

void rate_tick(struct rate *rate, int64_t now)
{
	rate_look(rate, now);
}

static int rate_compare(const void *a, const void *b)
{
	unsigned int left = *(const unsigned int *)a;
	unsigned int right = *(const unsigned int *)b;

	return left < right ? -1 : left > right;
}

unsigned int rate_group(unsigned int *kbit, size_t count)
{
	qsort(kbit, count, sizeof(*kbit), rate_compare);
	return kbit[count / 2];
}

unsigned int rate_fps(unsigned int kbit, unsigned int max)
{
	unsigned int fps = kbit / RATE_KBIT_PER_FRAME;

	fps = fps < RATE_MIN_FPS ? RATE_MIN_FPS : fps;
	return fps < max ? fps : max;
}
