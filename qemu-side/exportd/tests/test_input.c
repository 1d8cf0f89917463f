// SPDX-License-Identifier: GPL-2.0-only
/*
 * input.c against consoles that write down what they are told, in the place of
 * display.c's.
 */
#include <string.h>

#include "input.h"
#include "test.h"

static GString *told;
static bool refuse;		/* QEMU is behind */
static struct console console;
static struct viewer *alice, *bob;
static struct input input;

bool console_key(struct console *at, unsigned int qnum, bool down)
{
	(void)at;
	if (refuse && down)
		return false;
	g_string_append_printf(told, "%ckey%u ", down ? '+' : '-', qnum);
	return true;
}

bool console_button(struct console *at, unsigned int button, bool down)
{
	(void)at;
	if (refuse && down)
		return false;
	g_string_append_printf(told, "%cbutton%u ", down ? '+' : '-', button);
	return true;
}

void console_move(struct console *at, uint32_t x, uint32_t y)
{
	(void)at;
	g_string_append_printf(told, "move%u,%u ", x, y);
}

void console_move_by(struct console *at, int dx, int dy)
{
	(void)at;
	g_string_append_printf(told, "by%d,%d ", dx, dy);
}

bool console_touch(struct console *at, enum console_touch_kind kind,
		   unsigned int slot, uint32_t x, uint32_t y)
{
	static const char signs[] = "+=-";

	(void)at;
	if (refuse && kind != CONSOLE_TOUCH_END)
		return false;
	g_string_append_printf(told, "%ctouch%u:%u,%u ", signs[kind], slot, x, y);
	return true;
}

static void wake(void *data)
{
	(void)data;
}

static void tell(struct packet *packet, const void *except, void *data)
{
	(void)packet;
	(void)except;
	(void)data;
}

static int setup(void **state)
{
	(void)state;
	told = g_string_new("");
	refuse = false;
	memset(&console, 0, sizeof(console));
	memset(&input, 0, sizeof(input));
	input.console = &console;
	input.cursor = cursor_new(tell, NULL);
	alice = viewer_new(wake, NULL);
	bob = viewer_new(wake, NULL);
	console.touch = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	viewer_free(alice);
	viewer_free(bob);
	cursor_free(input.cursor);
	g_string_free(told, TRUE);
	return 0;
}

static const char *say(struct viewer *viewer, const char *text)
{
	const char *error = NULL;
	struct message msg;

	assert_true(message_parse(text, strlen(text), &msg, &error));
	error = input_message(&input, viewer, &msg, 640, 480);
	message_clear(&msg);
	return error;
}

static void expect(const char *wanted)
{
	assert_string_equal(told->str, wanted);
	g_string_set_size(told, 0);
}

#define KEY(down)	"{\"type\":\"key\",\"code\":\"KeyA\",\"down\":" down "}"
#define BUTTON(down)	"{\"type\":\"button\",\"button\":2,\"down\":" down "}"
#define TOUCH(id, phase) \
	"{\"type\":\"touch\",\"points\":[{\"id\":" id ",\"phase\":\"" phase \
	"\",\"x\":700,\"y\":9}]}"

static void test_what_two_hold_goes_up_with_the_second(void **state)
{
	(void)state;
	say(alice, KEY("true"));
	say(alice, KEY("true"));
	say(bob, KEY("true"));
	say(bob, BUTTON("true"));
	expect("+key30 +button2 ");
	input_release(&input, alice);
	expect("");
	input_release(&input, bob);
	expect("-key30 -button2 ");
	input_release(&input, bob);
	expect("");
}

static void test_a_press_that_was_dropped_needs_no_release(void **state)
{
	(void)state;
	refuse = true;
	say(alice, KEY("true"));
	say(alice, BUTTON("true"));
	say(alice, TOUCH("1", "begin"));
	say(alice, KEY("false"));
	say(alice, BUTTON("false"));
	say(alice, TOUCH("1", "end"));
	input_release(&input, alice);
	expect("");
}

static void test_a_release_passes_when_qemu_is_behind(void **state)
{
	(void)state;
	say(alice, KEY("true"));
	say(alice, TOUCH("1", "begin"));
	refuse = true;
	input_release(&input, alice);
	expect("+key30 +touch0:639,9 -key30 -touch0:0,0 ");
}

static void test_fingers_are_of_one_viewer_each(void **state)
{
	(void)state;
	say(alice, TOUCH("1", "begin"));
	say(bob, TOUCH("1", "begin"));
	say(bob, TOUCH("2", "update"));
	expect("+touch0:639,9 +touch1:639,9 ");
	say(alice, TOUCH("1", "begin"));	/* it never saw the end */
	expect("=touch0:639,9 ");
	input_release(&input, alice);
	expect("-touch0:0,0 ");
	say(bob, TOUCH("7", "begin"));
	say(bob, TOUCH("1", "cancel"));
	expect("+touch0:639,9 -touch1:639,9 ");
}

static void test_no_screen_no_touch(void **state)
{
	(void)state;
	console.touch = false;
	assert_string_equal(say(alice, TOUCH("1", "begin")), "no-touch");
	expect("");
}

static void test_parts_of_a_pixel_add_up(void **state)
{
	(void)state;
	assert_null(say(alice, "{\"type\":\"rel\",\"dx\":0.75,\"dy\":-1.5}"));
	assert_null(say(alice, "{\"type\":\"rel\",\"dx\":0.75,\"dy\":-1.5}"));
	expect("by0,-1 by1,-2 ");
	console.absolute = true;
	assert_string_equal(say(alice, "{\"type\":\"rel\",\"dx\":1,\"dy\":1}"),
			    "no-relative");
	expect("");
}

static void test_pointer_stays_in_the_picture(void **state)
{
	const char *error;
	struct message msg;
	static const char move[] = "{\"type\":\"move\",\"x\":640,\"y\":-1}";

	(void)state;
	say(alice, move);
	expect("move639,0 ");
	/* there is none yet */
	assert_true(message_parse(move, strlen(move), &msg, &error));
	assert_null(input_message(&input, alice, &msg, 0, 0));
	expect("");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_what_two_hold_goes_up_with_the_second),
		T(test_a_press_that_was_dropped_needs_no_release),
		T(test_a_release_passes_when_qemu_is_behind),
		T(test_fingers_are_of_one_viewer_each),
		T(test_no_screen_no_touch),
		T(test_parts_of_a_pixel_add_up),
		T(test_pointer_stays_in_the_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
