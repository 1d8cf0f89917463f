// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include "seat.h"

#define SECOND G_USEC_PER_SEC
#define NOBODY 0u

/* What each of the viewers 1 to 4 was told last, and how often. */
struct told {
	enum seat_word word;
	uint32_t number;
	unsigned int times;
	unsigned int lost;
};

static struct told told[5];
static struct viewer *viewers[5];
static struct seat *seat;

static void tell(void *data, struct viewer *viewer, enum seat_word word,
		 uint32_t number)
{
	struct told *to = &told[viewer->number];

	assert_ptr_equal(data, &told);
	/* an answer is what a test looks for: the news of roles comes with it */
	if (word == SEAT_TELL_ROLE && to->word != SEAT_TELL_ROLE)
		return;
	to->word = word;
	to->number = number;
	to->times++;
}

static void lost(void *data, struct viewer *viewer)
{
	(void)data;
	told[viewer->number].lost++;
}

static const struct seat_ops ops = { .tell = tell, .lost = lost };

static void no_wake(void *data)
{
	(void)data;
}

static struct viewer *join(enum role role)
{
	struct viewer *viewer = viewer_new(no_wake, NULL);

	viewer->role = role;
	seat_join(seat, viewer);
	assert_in_range(viewer->number, 1, 4);
	viewers[viewer->number] = viewer;
	return viewer;
}

static int begin(void **state)
{
	(void)state;
	memset(told, 0, sizeof(told));
	memset(viewers, 0, sizeof(viewers));
	seat = seat_new(&ops, &told);
	return 0;
}

static int end(void **state)
{
	unsigned int i;

	(void)state;
	seat_free(seat);
	for (i = 0; i < G_N_ELEMENTS(viewers); i++)
		viewer_free(viewers[i]);
	return 0;
}

static void forget(void)
{
	memset(told, 0, sizeof(told));
}

static void expect(const struct viewer *viewer, enum seat_word word,
		   uint32_t number)
{
	assert_true(told[viewer->number].times);
	assert_int_equal(told[viewer->number].word, word);
	assert_int_equal(told[viewer->number].number, number);
}

static void test_who_joins_is_told_who_controls(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b;

	(void)state;
	assert_int_equal(a->number, 1);
	expect(a, SEAT_TELL_ROLE, NOBODY);
	assert_true(seat_may_input(seat, a, 0));
	b = join(ROLE_VIEW);
	assert_int_equal(b->number, 2);
	expect(b, SEAT_TELL_ROLE, 1);
}

static void test_first_input_takes_a_free_seat(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	assert_true(seat_may_input(seat, a, 0));
	expect(b, SEAT_TELL_ROLE, 1);
	assert_false(seat_may_input(seat, b, 1));
	/* an idle holder is still the holder */
	assert_false(seat_may_input(seat, b, 100 * SECOND));
	assert_true(seat_is_holder(seat, a));
	assert_int_equal(told[1].lost, 0);
}

static void test_a_viewer_never_controls(void **state)
{
	struct viewer *a = join(ROLE_VIEW), *b = join(ROLE_CONTROL);

	(void)state;
	assert_false(seat_may_input(seat, a, 0));
	seat_message(seat, a, ACTION_REQUEST, 0, 0);
	expect(a, SEAT_TELL_DENIED, 0);
	seat_message(seat, a, ACTION_TAKE, 0, 0);
	assert_true(seat_may_input(seat, b, 0));
	/* not even by the holder's own word */
	seat_message(seat, b, ACTION_GRANT, a->number, 0);
	assert_true(seat_is_holder(seat, b));
	assert_false(seat_may_input(seat, a, 0));
}

static void test_request_of_a_free_seat(void **state)
{
	struct viewer *a = join(ROLE_CONTROL);

	(void)state;
	forget();
	seat_message(seat, a, ACTION_REQUEST, 0, 0);
	assert_true(seat_is_holder(seat, a));
	/* again: it has it */
	told[1].times = 0;
	told[1].word = SEAT_TELL_DENIED;
	seat_message(seat, a, ACTION_REQUEST, 0, 0);
	expect(a, SEAT_TELL_GRANTED, 0);
}

static void test_holder_is_asked_and_grants(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, SECOND);
	expect(a, SEAT_TELL_REQUEST, b->number);
	assert_true(seat_is_holder(seat, a));
	seat_message(seat, a, ACTION_GRANT, 0, 2 * SECOND);
	assert_true(seat_is_holder(seat, b));
	assert_int_equal(told[a->number].lost, 1);
	expect(b, SEAT_TELL_GRANTED, 0);
}

static void test_holder_is_asked_and_denies(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, SECOND);
	seat_message(seat, a, ACTION_DENY, b->number + 1, SECOND);
	seat_message(seat, b, ACTION_GRANT, 0, SECOND);	/* its own request */
	assert_true(seat_is_holder(seat, a));
	seat_message(seat, a, ACTION_DENY, b->number, SECOND);
	expect(b, SEAT_TELL_DENIED, 0);
	seat_tick(seat, 100 * SECOND);
	assert_true(seat_is_holder(seat, a));
}

static void test_silence_grants(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, SECOND);
	/* asking again does not begin the wait anew, nor does using the seat end it */
	seat_message(seat, b, ACTION_REQUEST, 0, 8 * SECOND);
	assert_true(seat_may_input(seat, a, 9 * SECOND));
	seat_tick(seat, SECOND + SEAT_ANSWER_US - 1);
	assert_true(seat_is_holder(seat, a));
	seat_tick(seat, SECOND + SEAT_ANSWER_US);
	assert_true(seat_is_holder(seat, b));
	assert_int_equal(told[a->number].lost, 1);
}

static void test_an_idle_holder_is_not_asked(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, SEAT_IDLE_US);
	assert_true(seat_is_holder(seat, b));
	assert_int_equal(told[a->number].lost, 1);
}

static void test_one_waits_the_next_is_denied(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);
	struct viewer *c = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, SECOND);
	seat_message(seat, c, ACTION_REQUEST, 0, SECOND);
	expect(c, SEAT_TELL_DENIED, 0);
	/* the holder goes: who waits comes before who asks now */
	seat_leave(seat, a, 2 * SECOND);
	assert_true(seat_is_holder(seat, b));
	expect(b, SEAT_TELL_GRANTED, 0);
}

static void test_who_waits_comes_first_when_the_holder_is_idle(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);
	struct viewer *c = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, 9 * SECOND);
	seat_message(seat, c, ACTION_REQUEST, 0, 11 * SECOND);
	assert_true(seat_is_holder(seat, b));
	expect(c, SEAT_TELL_DENIED, 0);
}

static void test_release(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_RELEASE, 0, 0);
	assert_true(seat_is_holder(seat, a));
	forget();
	seat_message(seat, a, ACTION_RELEASE, 0, 0);
	expect(b, SEAT_TELL_ROLE, NOBODY);
	assert_int_equal(told[a->number].lost, 1);
	assert_true(seat_may_input(seat, b, 0));
}

static void test_hand_over_unasked(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);
	struct viewer *c = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, 0);
	seat_message(seat, a, ACTION_GRANT, c->number, 0);
	assert_true(seat_is_holder(seat, c));
	expect(b, SEAT_TELL_DENIED, 0);
	seat_message(seat, c, ACTION_GRANT, 99, 0);	/* nobody */
	seat_message(seat, c, ACTION_GRANT, 0, 0);	/* nobody asked */
	assert_true(seat_is_holder(seat, c));
}

static void test_only_an_administrator_takes(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);
	struct viewer *c = join(ROLE_ADMIN);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_TAKE, 0, 0);
	expect(b, SEAT_TELL_DENIED, 0);
	assert_true(seat_is_holder(seat, a));
	seat_message(seat, c, ACTION_TAKE, 0, 0);
	assert_true(seat_is_holder(seat, c));
	assert_int_equal(told[a->number].lost, 1);
}

static void test_leaving_frees_it(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, 0);
	seat_leave(seat, b, 0);
	forget();
	seat_tick(seat, 100 * SECOND);	/* who asked is gone */
	assert_true(seat_is_holder(seat, a));
	seat_leave(seat, a, 0);
	assert_false(seat_is_holder(seat, a));
	assert_int_equal(told[a->number].times, 0);
}

static void test_clear(void **state)
{
	struct viewer *a = join(ROLE_CONTROL), *b = join(ROLE_CONTROL);

	(void)state;
	seat_may_input(seat, a, 0);
	seat_message(seat, b, ACTION_REQUEST, 0, 0);
	seat_clear(seat, 0);
	assert_false(seat_is_holder(seat, a));
	assert_int_equal(told[a->number].lost, 1);
	expect(b, SEAT_TELL_DENIED, 0);
	seat_tick(seat, 100 * SECOND);
	assert_false(seat_is_holder(seat, b));
}

#define seat_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		seat_test(test_who_joins_is_told_who_controls),
		seat_test(test_first_input_takes_a_free_seat),
		seat_test(test_a_viewer_never_controls),
		seat_test(test_request_of_a_free_seat),
		seat_test(test_holder_is_asked_and_grants),
		seat_test(test_holder_is_asked_and_denies),
		seat_test(test_silence_grants),
		seat_test(test_an_idle_holder_is_not_asked),
		seat_test(test_one_waits_the_next_is_denied),
		seat_test(test_who_waits_comes_first_when_the_holder_is_idle),
		seat_test(test_release),
		seat_test(test_hand_over_unasked),
		seat_test(test_only_an_administrator_takes),
		seat_test(test_leaving_frees_it),
		seat_test(test_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
