// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include "limit.h"

#define SECOND G_USEC_PER_SEC

static void test_reached_by_the_last_that_is_allowed(void **state)
{
	struct limit *limit = limit_new(3, 60 * SECOND, 8);

	(void)state;
	limit_count(limit, "a", 0);
	limit_count(limit, "a", SECOND);
	assert_false(limit_reached(limit, "a", SECOND));
	limit_count(limit, "a", 2 * SECOND);
	assert_true(limit_reached(limit, "a", 2 * SECOND));
	assert_false(limit_reached(limit, "b", 2 * SECOND));
	limit_free(limit);
}

static void test_a_window_ends(void **state)
{
	struct limit *limit = limit_new(2, 60 * SECOND, 8);

	(void)state;
	limit_count(limit, "a", 0);
	limit_count(limit, "a", SECOND);
	assert_true(limit_reached(limit, "a", 60 * SECOND - 1));
	assert_false(limit_reached(limit, "a", 60 * SECOND));
	limit_count(limit, "a", 61 * SECOND);	/* begins the next */
	assert_false(limit_reached(limit, "a", 61 * SECOND));
	limit_free(limit);
}

static void test_names_are_bounded(void **state)
{
	struct limit *limit = limit_new(1, 60 * SECOND, 4);
	char name[8];
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		g_snprintf(name, sizeof(name), "n%d", i);
		limit_count(limit, name, i);
	}
	/* those counted last are remembered */
	assert_true(limit_reached(limit, "n99", 100));
	assert_true(limit_reached(limit, "n96", 100));
	assert_false(limit_reached(limit, "n95", 100));
	limit_free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reached_by_the_last_that_is_allowed),
		cmocka_unit_test(test_a_window_ends),
		cmocka_unit_test(test_names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
