// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <string.h>

#include "grant.h"

static struct grant grant_of(enum role role, const char *desktop)
{
	struct grant grant = { .role = role };

	g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop));
	return grant;
}

static void test_patterns(void **state)
{
	static const char *const good[] = {
		"*", "vm:*", "vm:0", "vm:15", "a-b_C9:4294967295",
		"abcdefghijklmnopqrstuvwxyz012345:1",
	};
	static const char *const bad[] = {
		"", ":", "vm", "vm:", ":3", "*:3", "vm:**", "vm:3*", "vm:03",
		"vm:-1", "vm:3 ", " vm:3", "v m:3", "vm/../x:3", "vm:3:4", "**",
		"abcdefghijklmnopqrstuvwxyz0123456:1", "vm:12345678901",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(good); i++)
		if (!grant_pattern_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		if (grant_pattern_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void test_covers_its_desktops_only(void **state)
{
	struct grant one = grant_of(ROLE_VIEW, "vm:1");
	struct grant vm = grant_of(ROLE_VIEW, "vm:*");
	struct grant all = grant_of(ROLE_VIEW, "*");
	struct grant none = grant_of(ROLE_NONE, "*");

	(void)state;
	assert_true(grant_covers(&one, "vm:1"));
	assert_false(grant_covers(&one, "vm:10"));
	assert_false(grant_covers(&one, "vm:2"));
	assert_false(grant_covers(&one, "vm2:1"));
	assert_true(grant_covers(&vm, "vm:1"));
	assert_true(grant_covers(&vm, "vm:10"));
	assert_false(grant_covers(&vm, "vm2:1"));
	assert_false(grant_covers(&vm, "v:1"));
	assert_true(grant_covers(&all, "other:7"));
	assert_false(grant_covers(&none, "vm:1"));
}

static void test_a_role_may_what_the_lower_ones_may(void **state)
{
	struct grant control = grant_of(ROLE_CONTROL, "vm:*");

	(void)state;
	assert_true(grant_allows(&control, ROLE_VIEW, "vm:3"));
	assert_true(grant_allows(&control, ROLE_CONTROL, "vm:3"));
	assert_false(grant_allows(&control, ROLE_ADMIN, "vm:3"));
	assert_false(grant_allows(&control, ROLE_VIEW, "other:3"));
	assert_false(grant_allows(&control, ROLE_NONE, "vm:3"));
}

static void test_the_server_is_for_grants_of_everything(void **state)
{
	struct grant part = grant_of(ROLE_ADMIN, "vm:*"), all;

	(void)state;
	grant_all(&all);
	assert_true(grant_allows(&all, ROLE_ADMIN, NULL));
	assert_false(grant_allows(&part, ROLE_ADMIN, NULL));
	assert_false(grant_allows(&part, ROLE_VIEW, NULL));
}

static void test_nobody_gives_more_than_he_has(void **state)
{
	struct grant whole = grant_of(ROLE_CONTROL, "vm:*");
	struct grant part = grant_of(ROLE_VIEW, "vm:3");

	(void)state;
	whole.expires = 1000;
	part.expires = 1000;
	assert_true(grant_contains(&whole, &part));
	assert_true(grant_contains(&whole, &whole));
	part.expires = 1001;
	assert_false(grant_contains(&whole, &part));
	part.expires = 0;
	assert_false(grant_contains(&whole, &part));
	part = grant_of(ROLE_ADMIN, "vm:3");
	part.expires = 1;
	assert_false(grant_contains(&whole, &part));
	part = grant_of(ROLE_VIEW, "*");
	part.expires = 1;
	assert_false(grant_contains(&whole, &part));
	part = grant_of(ROLE_VIEW, "vm2:*");
	part.expires = 1;
	assert_false(grant_contains(&whole, &part));
}

static void test_expiry(void **state)
{
	struct grant grant = grant_of(ROLE_VIEW, "*");

	(void)state;
	assert_false(grant_expired(&grant, G_MAXINT64));
	grant.expires = 100;
	assert_false(grant_expired(&grant, 99));
	assert_true(grant_expired(&grant, 100));
}

static void test_role_names(void **state)
{
	enum role role = ROLE_NONE;

	(void)state;
	assert_true(role_parse("control", &role));
	assert_int_equal(role, ROLE_CONTROL);
	assert_string_equal(role_name(role), "control");
	assert_false(role_parse("none", &role));
	assert_false(role_parse("Admin", &role));
	assert_false(role_parse("", &role));
	assert_false(role_parse(NULL, &role));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_covers_its_desktops_only),
		cmocka_unit_test(test_a_role_may_what_the_lower_ones_may),
		cmocka_unit_test(test_the_server_is_for_grants_of_everything),
		cmocka_unit_test(test_nobody_gives_more_than_he_has),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_role_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
