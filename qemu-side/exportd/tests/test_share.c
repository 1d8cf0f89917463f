// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include "share.h"

static void count(struct shares *shares, const char *desktop, unsigned int times)
{
	struct grant grant = { .role = ROLE_VIEW };

	g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop));
	while (times--)
		shares_count(shares, &grant);
}

static void expect(const struct shares *shares, const char *desktop,
		   unsigned int times, bool most)
{
	struct grant grant = { .role = ROLE_VIEW };

	g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop));
	assert_int_equal(shares_of(shares, &grant), times);
	assert_int_equal(shares_is_most(shares, &grant), most);
}

static void test_counted_by_machine(void **state)
{
	struct shares *shares = shares_new();

	(void)state;
	expect(shares, "one:1", 0, false);
	count(shares, "one:1", 2);
	count(shares, "one:*", 1);
	count(shares, "one-more:1", 2);
	count(shares, "*", 1);
	expect(shares, "one:7", 3, true);
	expect(shares, "one-more:*", 2, false);
	expect(shares, "*", 1, false);
	expect(shares, "two:1", 0, false);
	assert_int_equal(shares_total(shares), 6);
	shares_free(shares);
}

static void test_one_of_several_has_most(void **state)
{
	struct shares *shares = shares_new();

	(void)state;
	count(shares, "one:1", 2);
	count(shares, "two:1", 2);
	expect(shares, "one:1", 2, true);
	expect(shares, "two:1", 2, false);
	count(shares, "two:2", 1);
	expect(shares, "one:1", 2, false);
	expect(shares, "two:1", 3, true);
	shares_free(shares);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counted_by_machine),
		cmocka_unit_test(test_one_of_several_has_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
