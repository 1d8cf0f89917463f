// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <string.h>

#include "ticket.h"

static struct tickets *tickets;

static int begin(void **state)
{
	(void)state;
	tickets = tickets_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	tickets_free(tickets);
	return 0;
}

static struct grant grant_of(const char *id)
{
	struct grant grant = { .role = ROLE_VIEW };

	strcpy(grant.desktop, "vm:3");
	g_strlcpy(grant.id, id, sizeof(grant.id));
	return grant;
}

static void test_good_once(void **state)
{
	struct grant grant = grant_of("a"), got;
	char ticket[TICKET_LEN], other[TICKET_LEN];

	(void)state;
	assert_true(tickets_issue(tickets, &grant, 0, ticket));
	assert_true(tickets_issue(tickets, &grant, 0, other));
	assert_int_equal(strlen(ticket), TICKET_LEN - 1);
	assert_string_not_equal(ticket, other);
	assert_true(tickets_take(tickets, ticket, 1, &got));
	assert_string_equal(got.desktop, "vm:3");
	assert_string_equal(got.id, "a");
	assert_false(tickets_take(tickets, ticket, 1, &got));
	assert_true(tickets_take(tickets, other, 1, &got));
	assert_false(tickets_take(tickets, "", 1, &got));
}

static void test_good_for_a_short_while(void **state)
{
	struct grant grant = grant_of("a"), got;
	char ticket[TICKET_LEN];

	(void)state;
	assert_true(tickets_issue(tickets, &grant, 0, ticket));
	assert_false(tickets_take(tickets, ticket,
				  TICKET_LIFE_S * G_USEC_PER_SEC, &got));
}

static void test_bounded_per_token_and_in_all(void **state)
{
	char ticket[TICKET_LEN], id[8];
	struct grant grant = grant_of("a"), got;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < TICKETS_EACH; i++)
		assert_true(tickets_issue(tickets, &grant, 0, ticket));
	assert_false(tickets_issue(tickets, &grant, 0, ticket));
	/* another token is not held up by that, until there are too many of all */
	for (i = 1; i < TICKETS_MAX / TICKETS_EACH; i++) {
		g_snprintf(id, sizeof(id), "b%u", i);
		grant = grant_of(id);
		for (j = 0; j < TICKETS_EACH; j++)
			assert_true(tickets_issue(tickets, &grant, 0, ticket));
	}
	assert_true(tickets_take(tickets, ticket, 1, &got));
	grant = grant_of("c");
	assert_true(tickets_issue(tickets, &grant, 0, ticket));
	assert_false(tickets_issue(tickets, &grant, 0, ticket));
	/* time makes room */
	assert_true(tickets_issue(tickets, &grant,
				  TICKET_LIFE_S * G_USEC_PER_SEC, ticket));
}

#define ticket_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ticket_test(test_good_once),
		ticket_test(test_good_for_a_short_while),
		ticket_test(test_bounded_per_token_and_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
