// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include "idle.h"

#define SECOND	((gint64)G_USEC_PER_SEC)
#define TICK	(SECOND / 2)

static const struct idle_policy policy = { .after = 60, .warn = 20 };
static struct idle idle;
static gint64 now;

static int setup(void **state)
{
	(void)state;
	now = 1000 * SECOND;
	idle_start(&idle, now);
	return 0;
}

static enum idle_state look(const struct idle_policy *with, bool watched,
			    bool able)
{
	return idle_look(&idle, with, watched, able, now);
}

/* Looks every tick for so long, as the server does; the last state. */
static enum idle_state pass(unsigned int seconds, const struct idle_policy *with,
			    bool watched, bool able)
{
	enum idle_state seen = idle.state;
	const gint64 until = now + seconds * SECOND;

	while (now < until) {
		now += TICK;
		seen = look(with, watched, able);
	}
	return seen;
}

static void test_without_a_policy_nothing_ends(void **state)
{
	const struct idle_policy never = { .after = 0, .warn = 20 };

	(void)state;
	assert_int_equal(pass(100000, &never, false, true), IDLE_OFF);
	assert_int_equal(idle_left(&idle, &never), 0);
}

static void test_it_is_told_and_then_ends(void **state)
{
	(void)state;
	assert_int_equal(pass(39, &policy, false, true), IDLE_COUNTING);
	assert_int_equal(pass(1, &policy, false, true), IDLE_ENDING);
	assert_int_equal(idle_left(&idle, &policy), 20);
	assert_int_equal(pass(19, &policy, false, true), IDLE_ENDING);
	assert_int_equal(idle_left(&idle, &policy), 1);
	assert_int_equal(pass(1, &policy, false, true), IDLE_OVER);
	assert_int_equal(idle_left(&idle, &policy), 0);
}

static void test_a_viewer_cancels_it_at_any_moment(void **state)
{
	(void)state;
	assert_int_equal(pass(59, &policy, false, true), IDLE_ENDING);
	assert_int_equal(pass(100, &policy, true, true), IDLE_USED);
	/* and begins anew when the viewer goes */
	assert_int_equal(pass(39, &policy, false, true), IDLE_COUNTING);
	assert_int_equal(pass(21, &policy, false, true), IDLE_OVER);
	assert_int_equal(pass(1, &policy, true, true), IDLE_USED);
}

static void test_input_begins_it_anew(void **state)
{
	(void)state;
	assert_int_equal(pass(59, &policy, false, true), IDLE_ENDING);
	idle_touch(&idle);
	assert_int_equal(look(&policy, false, true), IDLE_COUNTING);
	assert_int_equal(pass(39, &policy, false, true), IDLE_COUNTING);
	assert_int_equal(pass(20, &policy, false, true), IDLE_ENDING);
}

/* The host slept, or the process was stopped: who would have come could not. */
static void test_time_that_nobody_saw_pass_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(pass(10, &policy, false, true), IDLE_COUNTING);
	now += 3600 * SECOND;
	assert_int_equal(look(&policy, false, true), IDLE_COUNTING);
	assert_int_equal(idle_left(&idle, &policy), 48);
	/* nor does a clock that goes back */
	now -= 7200 * SECOND;
	assert_int_equal(look(&policy, false, true), IDLE_COUNTING);
	assert_int_equal(idle_left(&idle, &policy), 48);
}

static void test_what_nobody_can_end_is_told_in_full_later(void **state)
{
	(void)state;
	assert_int_equal(pass(500, &policy, false, false), IDLE_STUCK);
	assert_int_equal(idle_left(&idle, &policy), 20);
	assert_int_equal(pass(1, &policy, false, true), IDLE_ENDING);
	assert_int_equal(pass(18, &policy, false, true), IDLE_ENDING);
	/* and back: nothing ends while nobody can */
	assert_int_equal(pass(500, &policy, false, false), IDLE_STUCK);
	assert_int_equal(idle_left(&idle, &policy), 20);
}

static void test_a_stricter_policy_is_told_before_it_ends_anything(void **state)
{
	const struct idle_policy strict = { .after = 30, .warn = 10 };

	(void)state;
	assert_int_equal(pass(39, &policy, false, true), IDLE_COUNTING);
	assert_int_equal(look(&strict, false, true), IDLE_ENDING);
	assert_int_equal(idle_left(&idle, &strict), 10);
	assert_int_equal(pass(9, &strict, false, true), IDLE_ENDING);
	assert_int_equal(pass(1, &strict, false, true), IDLE_OVER);
	/* so is one that becomes so while another is told already */
	idle_touch(&idle);
	assert_int_equal(pass(45, &policy, false, true), IDLE_ENDING);
	assert_int_equal(look(&strict, false, true), IDLE_ENDING);
	assert_int_equal(idle_left(&idle, &strict), 10);
	assert_int_equal(pass(10, &strict, false, true), IDLE_OVER);
	/* a milder one takes it back */
	assert_int_equal(look(&(struct idle_policy){ .after = 600, .warn = 20 },
			      false, true), IDLE_COUNTING);
}

static void test_with_no_warning_it_just_ends(void **state)
{
	const struct idle_policy silent = { .after = 5, .warn = 0 };

	(void)state;
	assert_int_equal(pass(4, &silent, false, true), IDLE_COUNTING);
	assert_int_equal(pass(1, &silent, false, true), IDLE_OVER);
}

static void test_a_warning_as_long_as_all_of_it(void **state)
{
	const struct idle_policy all = { .after = 5, .warn = 5 };

	(void)state;
	assert_int_equal(look(&all, false, true), IDLE_ENDING);
	assert_int_equal(idle_left(&idle, &all), 5);
	assert_int_equal(pass(5, &all, false, true), IDLE_OVER);
}

static void test_it_stays_over_until_somebody_comes(void **state)
{
	(void)state;
	assert_int_equal(pass(59, &policy, false, true), IDLE_ENDING);
	assert_false(idle_is_due(&idle));
	assert_int_equal(pass(1, &policy, false, true), IDLE_OVER);
	assert_true(idle_is_due(&idle));
	assert_false(idle_is_due(&idle));
	assert_int_equal(pass(9, &policy, false, true), IDLE_OVER);
	assert_false(idle_is_due(&idle));
	assert_int_equal(pass(1, &policy, false, true), IDLE_OVER);
	assert_true(idle_is_due(&idle));
	idle_touch(&idle);
	assert_int_equal(look(&policy, false, true), IDLE_COUNTING);
	assert_false(idle_is_due(&idle));
	assert_int_equal(pass(60, &policy, false, true), IDLE_OVER);
	assert_true(idle_is_due(&idle));
}

/* Whoever could end it went for a while, or somebody came: it is one desktop. */
static void test_it_is_counted_once(void **state)
{
	(void)state;
	assert_int_equal(pass(59, &policy, false, true), IDLE_ENDING);
	assert_false(idle_ends_first(&idle));
	assert_int_equal(pass(1, &policy, false, true), IDLE_OVER);
	assert_true(idle_ends_first(&idle));
	assert_int_equal(pass(1, &policy, false, false), IDLE_STUCK);
	assert_int_equal(pass(21, &policy, false, true), IDLE_OVER);
	assert_false(idle_ends_first(&idle));
	assert_int_equal(pass(1, &policy, true, true), IDLE_USED);
	assert_int_equal(pass(60, &policy, false, true), IDLE_OVER);
	assert_false(idle_ends_first(&idle));
	/* the next desktop there is another */
	idle_start(&idle, now);
	assert_int_equal(pass(60, &policy, false, true), IDLE_OVER);
	assert_true(idle_ends_first(&idle));
}

int main(void)
{
#define idle_test(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		idle_test(test_without_a_policy_nothing_ends),
		idle_test(test_it_is_told_and_then_ends),
		idle_test(test_a_viewer_cancels_it_at_any_moment),
		idle_test(test_input_begins_it_anew),
		idle_test(test_time_that_nobody_saw_pass_does_not_count),
		idle_test(test_what_nobody_can_end_is_told_in_full_later),
		idle_test(test_a_stricter_policy_is_told_before_it_ends_anything),
		idle_test(test_with_no_warning_it_just_ends),
		idle_test(test_a_warning_as_long_as_all_of_it),
		idle_test(test_it_stays_over_until_somebody_comes),
		idle_test(test_it_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
