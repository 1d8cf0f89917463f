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

static void test_bounded_per_token(void **state)
{
	struct grant grant = grant_of("a"), other = grant_of("b");
	char ticket[TICKET_LEN];
	unsigned int i;

	(void)state;
	for (i = 0; i < TICKETS_EACH; i++)
		assert_true(tickets_issue(tickets, &grant, 0, ticket));
	assert_false(tickets_issue(tickets, &grant, 0, ticket));
	/* another token is not held up by that */
	assert_true(tickets_issue(tickets, &other, 0, ticket));
	/* time makes room */
	assert_true(tickets_issue(tickets, &grant,
				  TICKET_LIFE_S * G_USEC_PER_SEC, ticket));
}

/* One more for @desktop, of a token that has none yet. */
static void issue_at(const char *desktop, gint64 now, char ticket[TICKET_LEN])
{
	static unsigned int count;
	char id[GRANT_ID_LEN];
	struct grant grant;

	g_snprintf(id, sizeof(id), "t%u", ++count);
	grant = grant_of(id);
	strcpy(grant.desktop, desktop);
	assert_true(tickets_issue(tickets, &grant, now, ticket));
}

static void test_the_machine_with_most_makes_room(void **state)
{
	char few[4][TICKET_LEN], first[TICKET_LEN], second[TICKET_LEN];
	char any[TICKET_LEN];
	struct grant got;
	unsigned int i;

	(void)state;
	issue_at("other:1", 0, few[0]);
	issue_at("*", 0, few[1]);
	issue_at("vm:3", 1, first);
	issue_at("vm:4", 2, second);
	for (i = 4; i < TICKETS_MAX; i++)
		issue_at("vm:3", 3, any);
	issue_at("other:2", 4, few[2]);
	assert_false(tickets_take(tickets, first, 5, &got));
	issue_at("vm:3", 4, any);
	issue_at("*", 4, few[3]);
	assert_false(tickets_take(tickets, second, 5, &got));
	for (i = 0; i < G_N_ELEMENTS(few); i++)
		assert_true(tickets_take(tickets, few[i], 5, &got));
}

#define ticket_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ticket_test(test_good_once),
		ticket_test(test_good_for_a_short_while),
		ticket_test(test_bounded_per_token),
		ticket_test(test_the_machine_with_most_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
