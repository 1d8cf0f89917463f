// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "latency.h"
#include "test.h"

static struct latency latency;
static struct latency_figures figures;

static int setup(void **state)
{
	(void)state;
	memset(&latency, 0, sizeof(latency));
	return 0;
}

static void expect_near(double got, double wanted)
{
	if (got < wanted * 0.93 || got > wanted * 1.07)
		fail_msg("%f is not near %f", got, wanted);
}

static void test_nothing_is_known_of_nothing(void **state)
{
	enum latency_part part;

	(void)state;
	for (part = 0; part < LATENCY_PARTS; part++) {
		latency_describe(&latency, part, &figures);
		assert_int_equal(figures.count, 0);
		assert_non_null(latency_part_name(part));
	}
}

static void test_percentiles_of_a_ramp(void **state)
{
	int64_t us;

	(void)state;
	for (us = 1; us <= 100000; us++)
		assert_true(latency_add(&latency, LATENCY_TOTAL, 5, 5 + us));
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 100000);
	expect_near(figures.p50, 50);
	expect_near(figures.p95, 95);
	expect_near(figures.p99, 99);
	latency_describe(&latency, LATENCY_ENCODE, &figures);
	assert_int_equal(figures.count, 0);
}

static void test_every_magnitude_is_known_to_an_eighth(void **state)
{
	int64_t us;

	(void)state;
	for (us = 16; us <= LATENCY_MAX_US; us = us * 9 / 8 + 1) {
		setup(state);
		assert_true(latency_add(&latency, LATENCY_PAINT, 1, 1 + us));
		latency_describe(&latency, LATENCY_PAINT, &figures);
		expect_near(figures.p50, (double)us / 1000);
		expect_near(figures.p99, (double)us / 1000);
	}
}

static void test_one_in_fifty_shows_in_p99_only(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		latency_add(&latency, LATENCY_TOTAL, 1,
			    i % 50 ? 10001 : 500001);
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	expect_near(figures.p50, 10);
	expect_near(figures.p95, 10);
	expect_near(figures.p99, 500);
}

static void test_impossible_times_are_ignored(void **state)
{
	(void)state;
	assert_false(latency_add(&latency, LATENCY_TOTAL, 10, 9));
	assert_false(latency_add(&latency, LATENCY_TOTAL, 0, 10));
	assert_false(latency_add(&latency, LATENCY_TOTAL, -10, 10));
	assert_false(latency_add(&latency, LATENCY_TOTAL, 1, INT64_MAX));
	assert_false(latency_add(&latency, LATENCY_TOTAL, INT64_MAX, INT64_MIN));
	assert_false(latency_add(&latency, LATENCY_TOTAL, 1,
				 LATENCY_MAX_US + 2));
	assert_true(latency_add(&latency, LATENCY_TOTAL, 1, LATENCY_MAX_US + 1));
	assert_true(latency_add(&latency, LATENCY_TOTAL, 1, 1));
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 2);
}

static void test_what_is_old_is_forgotten(void **state)
{
	int64_t now = 1;

	(void)state;
	latency_tick(&latency, now += LATENCY_WINDOW_US);
	latency_add(&latency, LATENCY_TOTAL, 1, 1001);
	latency_tick(&latency, now + LATENCY_WINDOW_US - 1);
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 1);
	latency_tick(&latency, now += LATENCY_WINDOW_US);
	latency_add(&latency, LATENCY_TOTAL, 1, 2001);
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 2);
	latency_tick(&latency, now += LATENCY_WINDOW_US);
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 1);
	latency_add(&latency, LATENCY_TOTAL, 1, 2001);
	latency_tick(&latency, now += 5 * LATENCY_WINDOW_US);
	latency_describe(&latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 0);
}

static void test_all_of_it_is_counted_for_ever(void **state)
{
	const struct latency_total *all = &latency.all[LATENCY_SEND];
	unsigned int i, sum = 0;

	(void)state;
	latency_add(&latency, LATENCY_SEND, 1, 1 + 1000);	/* as long as the first */
	latency_add(&latency, LATENCY_SEND, 1, 1 + 1001);
	latency_add(&latency, LATENCY_SEND, 1, 1 + LATENCY_MAX_US);
	latency_add(&latency, LATENCY_SEND, 1, 2 + LATENCY_MAX_US);
	latency_tick(&latency, 10 * LATENCY_WINDOW_US);
	latency_tick(&latency, 20 * LATENCY_WINDOW_US);
	assert_int_equal(all->count, 3);
	assert_int_equal(all->sum_us, 2001 + LATENCY_MAX_US);
	assert_int_equal(all->steps[0], 1);
	assert_int_equal(all->steps[1], 1);
	assert_int_equal(all->steps[LATENCY_STEPS], 1);
	for (i = 0; i <= LATENCY_STEPS; i++)
		sum += all->steps[i];
	assert_int_equal(sum, all->count);
	assert_int_equal(latency_step_us(0), 1000);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_is_known_of_nothing),
		T(test_percentiles_of_a_ramp),
		T(test_every_magnitude_is_known_to_an_eighth),
		T(test_one_in_fifty_shows_in_p99_only),
		T(test_impossible_times_are_ignored),
		T(test_what_is_old_is_forgotten),
		T(test_all_of_it_is_counted_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
