// SPDX-License-Identifier: GPL-2.0-only
/*
 * A histogram for each part. Its buckets grow with the value, so that each is
 * known to an eighth, and one frame costs the same whatever happened before it.
 */
#include "latency.h"

#include <string.h>

const char *latency_part_name(enum latency_part part)
{
	static const char *const names[LATENCY_PARTS] = {
		[LATENCY_CAPTURE] = "capture", [LATENCY_ENCODE] = "encode",
		[LATENCY_SEND] = "send", [LATENCY_NETWORK] = "network",
		[LATENCY_DECODE] = "decode", [LATENCY_PAINT] = "paint",
		[LATENCY_TOTAL] = "total",
	};

	return names[part];
}

static const uint32_t latency_steps[LATENCY_STEPS] = {
	1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
	2500000,
};

uint32_t latency_step_us(unsigned int step)
{
	return latency_steps[step];
}

static void latency_count(struct latency_total *all, uint32_t us)
{
	unsigned int step = 0;

	while (step < LATENCY_STEPS && us > latency_steps[step])
		step++;
	all->steps[step]++;
	all->count++;
	all->sum_us += us;
}

/* The highest three bits below the first say which eighth of a doubling. */
static unsigned int latency_bucket(uint32_t us)
{
	unsigned int top;

	if (us < 16)
		return us;
	top = 31 - (unsigned int)__builtin_clz(us);
	return 16 + (top - 4) * 8 + (us >> (top - 3) & 7);
}

/* The middle of a bucket. */
static double latency_of_bucket(unsigned int bucket)
{
	unsigned int top, eighth;

	if (bucket < 16)
		return bucket;
	top = (bucket - 16) / 8 + 4;
	eighth = (bucket - 16) % 8;
	return (double)(UINT64_C(1) << (top - 3)) * (8 + eighth + 0.5);
}

bool latency_add(struct latency *latency, enum latency_part part, int64_t from,
		 int64_t to)
{
	/* either may be what a client says */
	if (from <= 0 || to < from || to - from > LATENCY_MAX_US)
		return false;
	latency->now[part][latency_bucket((uint32_t)(to - from))]++;
	latency_count(&latency->all[part], (uint32_t)(to - from));
	return true;
}

void latency_tick(struct latency *latency, int64_t now)
{
	if (now - latency->begun < LATENCY_WINDOW_US)
		return;
	/* longer ago than that: nobody looked, and both are old */
	if (now - latency->begun >= 2 * LATENCY_WINDOW_US)
		memset(latency->now, 0, sizeof(latency->now));
	memcpy(latency->before, latency->now, sizeof(latency->before));
	memset(latency->now, 0, sizeof(latency->now));
	latency->begun = now;
}

void latency_describe(const struct latency *latency, enum latency_part part,
		      struct latency_figures *figures)
{
	const uint32_t *now = latency->now[part], *before = latency->before[part];
	uint64_t seen = 0;
	unsigned int i;

	memset(figures, 0, sizeof(*figures));
	for (i = 0; i < LATENCY_BUCKETS; i++)
		figures->count += now[i] + before[i];
	for (i = 0; i < LATENCY_BUCKETS; i++) {
		double ms = latency_of_bucket(i) / 1000;
		uint64_t until = seen + now[i] + before[i];

		/* the value that so many of a hundred do not exceed */
		if (seen * 100 < figures->count * 50)
			figures->p50 = ms;
		if (seen * 100 < figures->count * 95)
			figures->p95 = ms;
		if (seen * 100 < figures->count * 99)
			figures->p99 = ms;
		seen = until;
		if (seen == figures->count)
			return;
	}
}
