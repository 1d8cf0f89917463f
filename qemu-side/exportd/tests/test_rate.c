// SPDX-License-Identifier: GPL-2.0-only
/*
 * Viewers behind simulated links: each delivers what was sent in order, so many
 * bits a second, and the acknowledgement comes a round trip later. Time is a
 * number here.
 */
#include <stdbool.h>
#include <string.h>

#include "rate.h"
#include "test.h"

#define SECOND	INT64_C(1000000)
#define CEILING	8000
#define FRAMES	4096

struct link {
	double kbit;
	int64_t trip;		/* there and back */
	int64_t busy;		/* so much of each second its client answers nothing */
	int64_t free_at;	/* when it has sent what it was given */
	struct {
		size_t bytes;
		int64_t encoded, acked;
	} frames[FRAMES];
	unsigned int given, done;
	bool lost;		/* its queue was full, and is not empty yet */
	struct rate rate;
};

static int64_t now;

static void open_link(struct link *link, double kbit, int64_t trip)
{
	memset(link, 0, sizeof(*link));
	link->kbit = kbit;
	link->trip = trip;
	rate_init(&link->rate, CEILING, now);
}

static void give(struct link *link, size_t bytes)
{
	int64_t begin = link->free_at > now ? link->free_at : now, acked;

	link->free_at = begin + (int64_t)((double)bytes * 8000 / link->kbit);
	link->frames[link->given % FRAMES].bytes = bytes;
	link->frames[link->given % FRAMES].encoded = now;
	acked = link->free_at + link->trip;
	if (acked % SECOND < link->busy)
		acked += link->busy - acked % SECOND;
	link->frames[link->given % FRAMES].acked = acked;
	link->given++;
	rate_sent(&link->rate, bytes, now);
}

static void collect(struct link *link)
{
	while (link->done != link->given &&
	       link->frames[link->done % FRAMES].acked <= now) {
		unsigned int i = link->done++ % FRAMES;

		rate_delivered(&link->rate, link->frames[i].bytes,
			       link->frames[i].acked - link->frames[i].encoded,
			       link->frames[i].acked);
	}
}

/* What waits in the link, in microseconds of its rate. */
static int64_t backlog(const struct link *link)
{
	return link->free_at > now ? link->free_at - now : 0;
}

/* A viewer with half a second in its link loses frames until that is gone. */
static void give_or_lose(struct link *link, size_t bytes)
{
	if (link->lost && backlog(link) > 0)
		return;
	link->lost = backlog(link) >= SECOND / 2;
	if (link->lost)
		rate_lost(&link->rate, now);
	else
		give(link, bytes);
}

/*
 * @seconds of a stream that takes @demand of what it is allowed, for all
 * @links.
 */
static void stream(struct link *links, size_t count, double demand,
		   int seconds)
{
	int64_t end = now + seconds * SECOND, next_tick = now;
	unsigned int kbit[8], fps;
	size_t i;

	while (now < end) {
		for (i = 0; i < count; i++) {
			collect(&links[i]);
			kbit[i] = (unsigned int)links[i].rate.kbit;
		}
		kbit[0] = rate_group(kbit, count);
		fps = rate_fps(kbit[0], 60);
		for (i = 0; i < count; i++) {
			give_or_lose(&links[i], (size_t)(kbit[0] * demand *
							 125 / fps));
			if (now >= next_tick)
				rate_tick(&links[i].rate, now);
		}
		if (now >= next_tick)
			next_tick += SECOND / 2;
		now += SECOND / fps;
	}
}

static int setup(void **state)
{
	(void)state;
	now = 1000 * SECOND;
	return 0;
}

static void test_a_quick_link_keeps_the_ceiling(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 20000, 20000);
	stream(&link, 1, 1, 20);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_a_long_way_alone_is_not_slow(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 20000, 300000);
	stream(&link, 1, 1, 20);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_a_busy_client_is_no_slow_link(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 20000, 20000);
	link.busy = SECOND / 2;
	stream(&link, 1, 1, 20);
	assert_int_equal((int)link.rate.kbit, CEILING);
	stream(&link, 1, 0.05, 20);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_a_slow_link_is_found_within_seconds(void **state)
{
	static struct link link;
	int second;

	(void)state;
	open_link(&link, 1000, 100000);
	stream(&link, 1, 1, 5);
	for (second = 0; second < 30; second++) {
		stream(&link, 1, 1, 1);
		assert_in_range((int)link.rate.kbit, 400, 1400);
		assert_in_range(backlog(&link), 0, 400000);
	}
}

static void test_a_link_that_recovers_gets_its_rate_back(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 1000, 100000);
	stream(&link, 1, 1, 10);
	assert_in_range((int)link.rate.kbit, 400, 1400);
	link.kbit = 20000;
	stream(&link, 1, 1, 20);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_a_link_that_breaks_down_is_followed(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 20000, 50000);
	stream(&link, 1, 1, 10);
	link.kbit = 500;
	stream(&link, 1, 1, 8);
	assert_in_range((int)link.rate.kbit, 150, 700);
}

static void test_a_desktop_at_rest_recovers_too(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 1000, 100000);
	stream(&link, 1, 1, 10);
	link.kbit = 20000;
	stream(&link, 1, 0.1, 30);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_silence_is_no_congestion(void **state)
{
	static struct link link;

	(void)state;
	open_link(&link, 20000, 20000);
	stream(&link, 1, 1, 3);
	now += SECOND;
	collect(&link);
	now += 100 * SECOND;
	rate_tick(&link.rate, now);
	assert_int_equal((int)link.rate.kbit, CEILING);
}

static void test_one_who_stops_acknowledging_is_slow(void **state)
{
	struct rate rate;
	int i;

	(void)state;
	rate_init(&rate, CEILING, now);
	for (i = 0; i < 40; i++) {
		rate_sent(&rate, 1000, now);
		rate_tick(&rate, now += SECOND / 2);
	}
	assert_int_equal((int)rate.kbit, RATE_MIN_KBIT);
}

static void test_a_last_frame_not_acknowledged_is_no_ruin(void **state)
{
	struct rate rate;
	int i;

	(void)state;
	rate_init(&rate, CEILING, now);
	rate_sent(&rate, 1000, now);
	for (i = 0; i < 1000; i++)
		rate_tick(&rate, now += SECOND / 2);
	assert_true(rate.kbit > CEILING / 8);
}

static void test_one_slow_viewer_does_not_drag_the_others(void **state)
{
	static struct link links[3];

	(void)state;
	open_link(&links[0], 20000, 20000);
	open_link(&links[1], 1000, 100000);
	open_link(&links[2], 20000, 40000);
	stream(links, 3, 1, 20);
	assert_int_equal((int)links[0].rate.kbit, CEILING);
	assert_int_equal((int)links[2].rate.kbit, CEILING);
	assert_true(links[1].rate.kbit < 1400);
}

static void test_a_slow_majority_is_followed(void **state)
{
	static struct link links[3];

	(void)state;
	open_link(&links[0], 20000, 20000);
	open_link(&links[1], 1000, 100000);
	open_link(&links[2], 1000, 40000);
	stream(links, 3, 1, 20);
	assert_in_range(backlog(&links[1]), 0, 400000);
	assert_in_range(backlog(&links[2]), 0, 400000);
}

static void test_groups(void **state)
{
	unsigned int one[] = { 7 }, two[] = { 900, 100 };
	unsigned int three[] = { 900, 100, 500 }, four[] = { 4, 1, 3, 2 };

	(void)state;
	assert_int_equal(rate_group(one, 1), 7);
	assert_int_equal(rate_group(two, 2), 900);
	assert_int_equal(rate_group(three, 3), 500);
	assert_int_equal(rate_group(four, 4), 3);
}

static void test_few_bits_make_few_frames(void **state)
{
	(void)state;
	assert_int_equal(rate_fps(8000, 60), 60);
	assert_int_equal(rate_fps(8000, 10), 10);
	assert_in_range(rate_fps(1000, 60), 20, 40);
	assert_int_equal(rate_fps(RATE_MIN_KBIT, 60), RATE_MIN_FPS);
	assert_int_equal(rate_fps(RATE_MIN_KBIT, 1), 1);
}

static void test_false_deliveries_are_bounded(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, CEILING, now);
	rate_sent(&rate, 1000, now);
	rate_delivered(&rate, UINT64_MAX, INT64_MIN, now + 1);
	assert_true(rate.sent == rate.delivered);
	rate_delivered(&rate, 1, INT64_MAX, now + SECOND);
	assert_true(rate.sent == rate.delivered);
	assert_in_range((int)rate.kbit, RATE_MIN_KBIT, CEILING);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_quick_link_keeps_the_ceiling),
		T(test_a_long_way_alone_is_not_slow),
		T(test_a_busy_client_is_no_slow_link),
		T(test_a_slow_link_is_found_within_seconds),
		T(test_a_link_that_recovers_gets_its_rate_back),
		T(test_a_link_that_breaks_down_is_followed),
		T(test_a_desktop_at_rest_recovers_too),
		T(test_silence_is_no_congestion),
		T(test_one_who_stops_acknowledging_is_slow),
		T(test_a_last_frame_not_acknowledged_is_no_ruin),
		T(test_one_slow_viewer_does_not_drag_the_others),
		T(test_a_slow_majority_is_followed),
		T(test_groups),
		T(test_few_bits_make_few_frames),
		T(test_false_deliveries_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
