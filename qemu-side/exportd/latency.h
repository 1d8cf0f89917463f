/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long frames took lately, in their parts, from the guest's flush to a
 * viewer's screen. No clock and no memory in here but its own.
 */
#ifndef HELIX_LATENCY_H
#define HELIX_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#define LATENCY_MAX_US		(60 * INT64_C(1000000))
#define LATENCY_WINDOW_US	(30 * INT64_C(1000000))
/* 16 of one microsecond, then 8 for each doubling up to 2^26 */
#define LATENCY_BUCKETS		(16 + (26 - 4) * 8)

enum latency_part {
	LATENCY_CAPTURE,	/* flush to begun */
	LATENCY_ENCODE,		/* begun to encoded */
	LATENCY_SEND,		/* encoded to written */
	LATENCY_NETWORK,	/* written to received */
	LATENCY_DECODE,
	LATENCY_PAINT,
	LATENCY_TOTAL,		/* flush to painted */
	LATENCY_PARTS,
};

#define LATENCY_STEPS	11	/* and one for what is longer */

/* All that there ever was of a part: only rises. */
struct latency_total {
	uint64_t count;
	uint64_t sum_us;
	uint64_t steps[LATENCY_STEPS + 1];	/* see latency_step_us() */
};

/* The present window and the one before it, and all. Zeroed is empty. */
struct latency {
	struct latency_total all[LATENCY_PARTS];
	int64_t begun;
	uint32_t now[LATENCY_PARTS][LATENCY_BUCKETS];
	uint32_t before[LATENCY_PARTS][LATENCY_BUCKETS];
};

/* In milliseconds. */
struct latency_figures {
	uint64_t count;		/* 0: nothing is known */
	double p50, p95, p99;
};

const char *latency_part_name(enum latency_part part);
/* The longest that counts in this of LATENCY_STEPS. */
uint32_t latency_step_us(unsigned int step);

/*
 * From @from to @to, microseconds of one clock; false and ignored if that is
 * not between 0 and a minute.
 */
bool latency_add(struct latency *latency, enum latency_part part, int64_t from,
		 int64_t to);
/* What is older than two windows is forgotten. */
void latency_tick(struct latency *latency, int64_t now);
void latency_describe(const struct latency *latency, enum latency_part part,
		      struct latency_figures *figures);

#endif
