// SPDX-License-Identifier: GPL-2.0-only
/* A listener and a stand-in for QEMU. */
#include "fake_qemu.h"
#include "listener.h"

static struct listener *listener;
static unsigned int scanouts, damages;
static gint64 damaged_at;
static struct rect rects[DAMAGE_RECTS_MAX];
static unsigned int rect_count;

static void on_scanout(struct surface *surface, void *data)
{
	(void)data;
	assert_int_equal(surface_width(surface), SIZE);
	scanouts++;
}

static void on_damage(const struct rect *list, unsigned int count, gint64 at,
		      void *data)
{
	(void)data;
	damages++;
	damaged_at = at;
	rect_count = count;
	memcpy(rects, list, count * sizeof(*list));
}

static void on_nothing(void *data)
{
	(void)data;
}

static void on_cursor(struct cursor_image *image, void *data)
{
	(void)image;
	(void)data;
	fail();
}

static void on_place(int x, int y, bool on, void *data)
{
	(void)x;
	(void)y;
	(void)on;
	(void)data;
	fail();
}

static const struct listener_ops ops = {
	.scanout = on_scanout,
	.damage = on_damage,
	.disable = on_nothing,
	.cursor = on_cursor,
	.place = on_place,
	.closed = on_nothing,
};

static int setup(void **state)
{
	(void)state;
	scanouts = damages = 0;
	if (fake_open())
		return -1;
	listener = listener_new(&console, &ops, NULL);
	until(qemu);
	call_scanout();
	until(answers == 1 && scanouts == 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	listener_free(listener);
	fake_close();
	return 0;
}

static void test_an_update_is_answered_when_it_was_read(void **state)
{
	(void)state;
	assert_false(listener_owes(listener));
	call_update(1);
	until(damages == 1);
	assert_true(listener_owes(listener));
	assert_int_equal(rect_count, 2);
	assert_int_equal(rects[1].height, 8);
	assert_int_equal(answers, 1);
	listener_answer(listener);
	assert_false(listener_owes(listener));
	until(answers == 2);
	listener_answer(listener);	/* nothing is owed */
}

static void test_it_is_answered_in_any_case(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	until(answers == 2);
	assert_false(listener_owes(listener));
}

static void test_one_that_does_not_wait_owes_nothing_for_the_first(void **state)
{
	(void)state;
	call_update(1);
	call_update(1);
	until(damages == 2 && answers == 2);
	assert_true(listener_owes(listener));
	listener_answer(listener);
	until(answers == 3);
}

static void test_a_listener_that_goes_answers(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	listener_free(listener);
	listener = NULL;
	until(answers + errors == 2);
}

static void test_the_time_of_the_flush_is_not_in_the_future(void **state)
{
	gint64 begun = g_get_monotonic_time();

	(void)state;
	call_update(5000);
	until(damages == 1);
	assert_int_equal(damaged_at, 5);
	call_update(UINT64_MAX);
	until(damages == 2);
	assert_true(damaged_at >= begun);
	assert_true(damaged_at <= g_get_monotonic_time());
}

static void test_an_update_of_nothing_is_refused(void **state)
{
	GVariantBuilder list;

	(void)state;
	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", (guint64)1, &list), NULL);
	until(errors == 1);
	assert_false(listener_owes(listener));
	assert_int_equal(damages, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_update_is_answered_when_it_was_read),
		T(test_it_is_answered_in_any_case),
		T(test_one_that_does_not_wait_owes_nothing_for_the_first),
		T(test_a_listener_that_goes_answers),
		T(test_the_time_of_the_flush_is_not_in_the_future),
		T(test_an_update_of_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
