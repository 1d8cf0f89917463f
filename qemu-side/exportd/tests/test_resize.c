// SPDX-License-Identifier: GPL-2.0-only
/* resize.c, with calls to QEMU that are answered when the test says so. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "resize.h"
#include "test.h"

#define PATIENCE_US (10 * G_USEC_PER_SEC)	/* a guard against hanging */

static struct console console;
static struct resize *resize;
static GString *told, *answers;
static const char alice, bob;	/* two viewers */

static unsigned int calls;
static console_done done;
static uint32_t done_cookie;
static void *done_data;

void console_set_size(struct console *at, uint32_t width, uint32_t height,
		      uint32_t refresh_mhz, console_done callback,
		      uint32_t cookie, void *data)
{
	(void)at;
	g_string_append_printf(told, "%ux%u@%u ", width, height, refresh_mhz);
	calls++;
	done = callback;
	done_cookie = cookie;
	done_data = data;
}

static void answer(const struct resize_wish *wish, const char *status,
		   void *data)
{
	(void)data;
	g_string_append_printf(answers, "%s:%u:%s ",
			       wish->viewer == &alice ? "alice" : "bob",
			       wish->width, status);
}

static int setup(void **state)
{
	(void)state;
	memset(&console, 0, sizeof(console));
	console.gpu = 0x10;
	console.head = 3;
	console.scale = 1;
	console.refresh_mhz = 60000;
	told = g_string_new("");
	answers = g_string_new("");
	calls = 0;
	resize = resize_new(&console, answer, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resize_free(resize);
	g_string_free(told, TRUE);
	g_string_free(answers, TRUE);
	return 0;
}

static void ask(const void *viewer, uint32_t width, uint32_t refresh_mhz)
{
	const struct resize_wish wish = {
		.width = width, .height = 100, .refresh_mhz = refresh_mhz,
		.scale = 2, .viewer = viewer,
	};

	resize_ask(resize, &wish);
}

static void wait_for_calls(unsigned int wanted)
{
	gint64 end = g_get_monotonic_time() + PATIENCE_US;

	while (calls < wanted && g_get_monotonic_time() < end)
		g_main_context_iteration(NULL, FALSE);
	assert_int_equal(calls, wanted);
}

static void test_one_is_on_its_way_and_the_newest_follows(void **state)
{
	uint32_t width;

	(void)state;
	for (width = 200; width < 300; width++)
		ask(&alice, width, 0);
	assert_int_equal(calls, 1);
	assert_true(console.scale == 2);
	done(0, done_cookie, done_data);
	wait_for_calls(2);
	assert_string_equal(told->str, "200x100@60000 299x100@60000 ");
	assert_true(g_str_has_prefix(answers->str, "alice:201:superseded "));
	assert_true(g_str_has_suffix(answers->str,
				     "alice:298:superseded alice:200:ok "));
	done(ETIMEDOUT, done_cookie, done_data);
	assert_true(g_str_has_suffix(answers->str, "alice:299:failed "));
}

static void test_refresh_rate_is_passed_on(void **state)
{
	(void)state;
	ask(NULL, 200, 144000);
	assert_string_equal(told->str, "200x100@144000 ");
	done(0, done_cookie, done_data);
	assert_string_equal(answers->str, "");
}

static void test_the_guests_own_wish_wins(void **state)
{
	(void)state;
	ask(&alice, 200, 0);
	ask(&bob, 300, 0);
	resize_drop(resize);
	assert_string_equal(answers->str, "bob:300:superseded ");
	done(0, done_cookie, done_data);
	ask(&bob, 400, 0);
	wait_for_calls(2);
	assert_string_equal(told->str, "200x100@60000 400x100@60000 ");
}

static void test_who_left_is_not_answered(void **state)
{
	(void)state;
	ask(&alice, 200, 0);
	ask(&alice, 300, 0);
	resize_forget(resize, &alice);
	done(0, done_cookie, done_data);
	wait_for_calls(2);
	done(0, done_cookie, done_data);
	assert_string_equal(answers->str, "");
}

static void test_an_answer_for_a_former_desktop_is_not_taken(void **state)
{
	console_done late;
	uint32_t cookie;

	(void)state;
	ask(&alice, 200, 0);
	late = done;
	cookie = done_cookie;
	resize_free(resize);
	late(0, cookie, &console);
	resize = resize_new(&console, answer, NULL);
	ask(&bob, 300, 0);
	late(0, cookie, &console);
	assert_string_equal(answers->str, "");
	done(0, done_cookie, done_data);
	assert_string_equal(answers->str, "bob:300:ok ");
}

static void test_a_vms_own_console_is_left_alone(void **state)
{
	(void)state;
	assert_true(resize_possible(resize));
	console.head = 0;
	assert_false(resize_possible(resize));
	console.head = 1;
	console.gpu = CONSOLE_GPU_NONE;
	assert_false(resize_possible(resize));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_is_on_its_way_and_the_newest_follows),
		T(test_refresh_rate_is_passed_on),
		T(test_the_guests_own_wish_wins),
		T(test_who_left_is_not_answered),
		T(test_an_answer_for_a_former_desktop_is_not_taken),
		T(test_a_vms_own_console_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
