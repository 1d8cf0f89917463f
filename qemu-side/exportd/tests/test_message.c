// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "test.h"

static bool parse(const char *text, struct message *msg)
{
	const char *error = NULL;
	bool ok;

	memset(msg, 0xa5, sizeof(*msg));
	ok = message_parse(text, strlen(text), msg, &error);
	if (!ok)
		assert_non_null(error);
	return ok;
}

static void refused(const char *text)
{
	struct message msg;

	if (parse(text, &msg))
		fail_msg("accepted: %s", text);
	message_clear(&msg);
}

static void test_key(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"key\",\"code\":\"KeyA\",\"down\":true}", &msg));
	assert_int_equal(msg.type, MESSAGE_KEY);
	assert_string_equal(msg.key.code, "KeyA");
	assert_true(msg.key.down);
	refused("{\"type\":\"key\",\"code\":\"KeyA\"}");
	refused("{\"type\":\"key\",\"code\":\"KeyA\",\"down\":1}");
	refused("{\"type\":\"key\",\"code\":7,\"down\":true}");
	refused("{\"type\":\"key\",\"code\":\"\",\"down\":true}");
	refused("{\"type\":\"key\",\"code\":\"12345678901234567890123456789012\",\"down\":true}");
	assert_true(parse("{\"type\":\"key\",\"code\":\"1234567890123456789012345678901\",\"down\":false}", &msg));
	assert_int_equal(strlen(msg.key.code), 31);
}

static void test_move(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"move\",\"x\":12,\"y\":34.7}", &msg));
	assert_int_equal(msg.type, MESSAGE_MOVE);
	assert_int_equal(msg.move.x, 12);
	assert_int_equal(msg.move.y, 34);
	assert_true(parse("{\"type\":\"move\",\"x\":-5,\"y\":1e300}", &msg));
	assert_int_equal(msg.move.x, 0);
	assert_int_equal(msg.move.y, 65535);
	refused("{\"type\":\"move\",\"x\":1}");
	refused("{\"type\":\"move\",\"x\":\"1\",\"y\":2}");
	refused("{\"type\":\"move\",\"x\":1e999,\"y\":2}");
	refused("{\"type\":\"move\",\"x\":NaN,\"y\":2}");
}

static void test_button(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"button\",\"button\":4,\"down\":false}", &msg));
	assert_int_equal(msg.button.button, 4);
	assert_false(msg.button.down);
	refused("{\"type\":\"button\",\"button\":5,\"down\":false}");
	refused("{\"type\":\"button\",\"button\":-1,\"down\":false}");
	refused("{\"type\":\"button\",\"button\":0.5,\"down\":false}");
	refused("{\"type\":\"button\",\"button\":0}");
}

static void test_wheel_is_bounded(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"wheel\",\"dx\":0,\"dy\":-1e9}", &msg));
	assert_true(msg.wheel.dy == -MESSAGE_WHEEL_MAX);
	refused("{\"type\":\"wheel\",\"dy\":1}");
}

static void test_plain_ones(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"release\"}", &msg));
	assert_int_equal(msg.type, MESSAGE_RELEASE);
	assert_true(parse(" {\"type\":\"keyframe\",\"newer\":[1]}", &msg));
	assert_int_equal(msg.type, MESSAGE_KEYFRAME);
	assert_true(parse("{\"type\":\"ack\",\"seq\":4294967295}", &msg));
	assert_true(msg.ack.seq == UINT32_MAX);
	refused("{\"type\":\"ack\",\"seq\":4294967296}");
	refused("{\"type\":\"ack\",\"seq\":-1}");
	refused("{\"type\":\"ack\"}");
}

static void test_ack_with_times(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"ack\",\"seq\":7}", &msg));
	assert_true(!msg.ack.received && !msg.ack.decoded && !msg.ack.painted);
	assert_true(parse("{\"type\":\"ack\",\"seq\":7,\"received\":1,"
			  "\"decoded\":9007199254740992,\"painted\":3}", &msg));
	assert_true(msg.ack.received == 1 && msg.ack.painted == 3);
	assert_true(msg.ack.decoded == MESSAGE_TIME_MAX);
	refused("{\"type\":\"ack\",\"seq\":7,\"received\":-1}");
	refused("{\"type\":\"ack\",\"seq\":7,\"decoded\":1e17}");
	refused("{\"type\":\"ack\",\"seq\":7,\"painted\":null}");
}

static void test_watch(void **state)
{
	enum rung rung;
	struct message msg;

	(void)state;
	for (rung = RUNG_FULL; rung <= RUNG_NONE; rung++) {
		char text[64];

		snprintf(text, sizeof(text), "{\"type\":\"watch\",\"rung\":\"%s\"}",
			 rung_name(rung));
		assert_true(parse(text, &msg));
		assert_int_equal(msg.type, MESSAGE_WATCH);
		assert_int_equal(msg.watch.rung, rung);
	}
	assert_true(parse("{\"type\":\"watch\",\"rung\":\"full\",\"tile\":true}", &msg));
	assert_true(msg.watch.tile);
	assert_true(parse("{\"type\":\"watch\",\"rung\":\"full\"}", &msg));
	assert_false(msg.watch.tile);
	refused("{\"type\":\"watch\",\"rung\":\"full\",\"tile\":1}");
	refused("{\"type\":\"watch\"}");
	refused("{\"type\":\"watch\",\"rung\":\"FULL\"}");
	refused("{\"type\":\"watch\",\"rung\":\"full\\u0000\"}");
	refused("{\"type\":\"watch\",\"rung\":0}");
	assert_false(rung_parse("", &rung));
	assert_true(rung_parse("thumb", &rung) && rung == RUNG_THUMB);
}

static void test_time(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"time\",\"client\":123456789012}", &msg));
	assert_int_equal(msg.type, MESSAGE_TIME);
	assert_true(msg.time.client == 123456789012);
	refused("{\"type\":\"time\"}");
	refused("{\"type\":\"time\",\"client\":0.5}");
	refused("{\"type\":\"time\",\"client\":-1}");
	refused("{\"type\":\"time\",\"client\":18446744073709551615}");
}

static void test_control(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"control\",\"action\":\"request\"}", &msg));
	assert_int_equal(msg.type, MESSAGE_CONTROL);
	assert_int_equal(msg.control.action, ACTION_REQUEST);
	assert_int_equal(msg.control.viewer, 0);
	assert_true(parse("{\"type\":\"control\",\"action\":\"deny\",\"viewer\":4294967295}", &msg));
	assert_int_equal(msg.control.action, ACTION_DENY);
	assert_true(msg.control.viewer == UINT32_MAX);
	refused("{\"type\":\"control\"}");
	refused("{\"type\":\"control\",\"action\":\"steal\"}");
	refused("{\"type\":\"control\",\"action\":\"grant\",\"viewer\":0}");
	refused("{\"type\":\"control\",\"action\":\"grant\",\"viewer\":\"1\"}");
	refused("{\"type\":\"control\",\"action\":\"grant\",\"viewer\":4294967296}");
}

#define POINT(id, phase) \
	"{\"id\":" id ",\"phase\":\"" phase "\",\"x\":3,\"y\":-4}"
#define TOUCH(points)	"{\"type\":\"touch\",\"points\":[" points "]}"

static void test_touch(void **state)
{
	static const char five[] = POINT("1", "end") "," POINT("2", "end") ","
		POINT("3", "end") "," POINT("4", "end") "," POINT("5", "end");
	char text[1024];
	struct message msg;

	(void)state;
	assert_true(parse(TOUCH(POINT("-2147483648", "begin") ","
				POINT("2", "cancel")), &msg));
	assert_int_equal(msg.type, MESSAGE_TOUCH);
	assert_int_equal(msg.touch.count, 2);
	assert_int_equal(msg.touch.points[0].id, INT32_MIN);
	assert_int_equal(msg.touch.points[0].phase, TOUCH_BEGIN);
	assert_int_equal(msg.touch.points[0].x, 3);
	assert_int_equal(msg.touch.points[0].y, 0);
	assert_int_equal(msg.touch.points[1].phase, TOUCH_CANCEL);
	snprintf(text, sizeof(text), TOUCH("%s,%s"), five, five);
	assert_true(parse(text, &msg));
	assert_int_equal(msg.touch.count, MESSAGE_POINTS_MAX);
	snprintf(text, sizeof(text), TOUCH("%s,%s,%s"), five, five, five);
	refused(text);
	refused(TOUCH(""));
	refused(TOUCH("1"));
	refused(TOUCH("[]"));
	refused(TOUCH(POINT("1.5", "begin")));
	refused(TOUCH(POINT("2147483648", "begin")));
	refused(TOUCH(POINT("1", "hover")));
	refused(TOUCH(POINT("1", "begin") ",{}"));
	refused("{\"type\":\"touch\",\"points\":{}}");
	refused("{\"type\":\"touch\"}");
}

static void test_rel_is_bounded(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"rel\",\"dx\":-0.5,\"dy\":1e30}", &msg));
	assert_int_equal(msg.type, MESSAGE_REL);
	assert_true(msg.rel.dx == -0.5 && msg.rel.dy == MESSAGE_REL_MAX);
	refused("{\"type\":\"rel\",\"dx\":1}");
}

static void test_resize(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse("{\"type\":\"resize\",\"width\":16,\"height\":8192}", &msg));
	assert_int_equal(msg.type, MESSAGE_RESIZE);
	assert_int_equal(msg.resize.width, 16);
	assert_int_equal(msg.resize.height, 8192);
	assert_true(msg.resize.scale == 1);
	assert_true(parse("{\"type\":\"resize\",\"width\":800,\"height\":600,\"scale\":1.25}", &msg));
	assert_true(msg.resize.scale == 1.25);
	refused("{\"type\":\"resize\",\"width\":15,\"height\":600}");
	refused("{\"type\":\"resize\",\"width\":800,\"height\":8193}");
	refused("{\"type\":\"resize\",\"width\":800.5,\"height\":600}");
	refused("{\"type\":\"resize\",\"width\":800}");
	refused("{\"type\":\"resize\",\"width\":800,\"height\":600,\"scale\":0}");
	refused("{\"type\":\"resize\",\"width\":800,\"height\":600,\"scale\":\"2\"}");
}

#define CLIPBOARD \
	"{\"type\":\"clipboard\",\"mime\":\"text/plain;charset=utf-8\",\"text\":\""

static void test_clipboard(void **state)
{
	struct message msg;

	(void)state;
	assert_true(parse(CLIPBOARD "a\\n\\u00e4\xe2\x82\xac\"}", &msg));
	assert_int_equal(msg.type, MESSAGE_CLIPBOARD);
	assert_string_equal(msg.clipboard.text, "a\n\xc3\xa4\xe2\x82\xac");
	message_clear(&msg);
	assert_true(parse(CLIPBOARD "\"}", &msg));
	assert_string_equal(msg.clipboard.text, "");
	message_clear(&msg);
	refused(CLIPBOARD "a\\u0000b\"}");
	refused(CLIPBOARD "\xc3\x28\"}");
	refused("{\"type\":\"clipboard\",\"text\":\"a\"}");
	refused("{\"type\":\"clipboard\",\"mime\":\"text/html\",\"text\":\"a\"}");
	refused("{\"type\":\"clipboard\",\"mime\":\"text/plain;charset=utf-8\"}");
}

/* @unit, @count times, as the text of a clipboard. */
static char *clipboard_of(const char *unit, size_t count)
{
	size_t head = strlen(CLIPBOARD), len = strlen(unit), i;
	char *text = malloc(head + len * count + 3);

	memcpy(text, CLIPBOARD, head);
	for (i = 0; i < count; i++)
		memcpy(text + head + i * len, unit, len);
	memcpy(text + head + len * count, "\"}", 3);
	return text;
}

static void test_only_a_clipboard_may_be_long(void **state)
{
	struct message msg;
	char *text;

	(void)state;
	text = clipboard_of("\\n", MESSAGE_TEXT_MAX);
	assert_true(parse(text, &msg));
	assert_int_equal(strlen(msg.clipboard.text), MESSAGE_TEXT_MAX);
	message_clear(&msg);
	assert_int_equal(message_limit(text, strlen(text)), MESSAGE_LONG_MAX);
	/* the same with its type elsewhere than in front */
	text[0] = ' ';
	assert_int_equal(message_limit(text, strlen(text)), MESSAGE_MAX);
	refused(text);
	free(text);

	text = clipboard_of("x", MESSAGE_TEXT_MAX + 1);
	refused(text);
	free(text);
	text = clipboard_of("\\u0001", MESSAGE_LONG_MAX / 6);
	refused(text);
	free(text);
	assert_int_equal(message_limit("{\"type\":\"clip", 13), MESSAGE_MAX);
}

/* A release with one more member: @times @unit in a list, of a length that is allowed. */
static char *release_with(const char *unit, size_t times, const char *last)
{
	char *text = malloc(MESSAGE_MAX + 1);
	size_t at;

	at = (size_t)sprintf(text, "{\"type\":\"release\",\"x\":[");
	while (times--)
		at += (size_t)sprintf(text + at, "%s", unit);
	at += (size_t)sprintf(text + at, "%s]}", last);
	assert_true(at <= MESSAGE_MAX);
	return text;
}

static void refused_with(const char *unit, size_t times, const char *last)
{
	char *text = release_with(unit, times, last);

	refused(text);
	free(text);
}

static void test_parts_are_bounded(void **state)
{
	/* an object, a comma, a list, and a comma each */
	const size_t most = MESSAGE_PARTS_MAX - 3;
	struct message msg;
	char *text;
	size_t len;

	(void)state;
	text = release_with("0,", most, "0");
	assert_true(parse(text, &msg));
	free(text);
	refused_with("0,", most + 1, "0");
	text = release_with("{},", most / 2, "0");
	assert_true(parse(text, &msg));
	free(text);
	refused_with("{},", most / 2 + 1, "0");
	refused_with("[],", most / 2 + 1, "0");
	/* in strings they are text, behind an escaped quote as well */
	text = release_with("\"{[,\\\"{[,\\\\\",", most, "0");
	assert_true(parse(text, &msg));
	free(text);
	refused_with("\"{[,\\\"{[,\\\\\",", most + 1, "0");
	/* what is text to us alone, where the parser is lax */
	refused_with("'\"',{},{},'\"',", most, "\"\xc3\xa9\"");
	refused_with("/*\"*/{},{},/*\"*/", most, "\"\xc3\xa9\"");
	refused_with("", 0, "'\xc3\xa9'");
	refused_with("", 0, "/**/\"\xc3\xa9\"");
	/* only strings are long */
	text = clipboard_of("x", MESSAGE_MAX);
	assert_true(parse(text, &msg));
	message_clear(&msg);
	len = strlen(text);
	text = realloc(text, len + MESSAGE_MAX + 1);
	memset(text + len - 1, ' ', MESSAGE_MAX);
	strcpy(text + len - 1 + MESSAGE_MAX, "}");
	refused(text);
	free(text);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"", " ", "{", "}", "[]", "null", "1", "\"key\"", "{}",
		"{\"type\":null}", "{\"type\":\"Key\"}", "{\"type\":[\"key\"]}",
		"{\"type\":\"release\"} x", "{\"type\":\"release\"}{}",
		"{'type':'release'}", "{\"type\":\"release\",}",
		"{\"type\":{\"a\":{\"b\":{\"c\":{\"d\":1}}}}}",
		"{\"type\":\"release\\u0000\"}",
		"\xff\xfe{\"type\":\"release\"}",
		"{\"type\":\"\xc3\x28\"}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		refused(garbage[i]);
}

static void test_length_is_bounded(void **state)
{
	char text[MESSAGE_MAX + 2];
	struct message msg;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"type\":\"release\"", 17);
	text[MESSAGE_MAX - 1] = '}';
	text[MESSAGE_MAX] = '\0';
	assert_true(parse(text, &msg));
	text[MESSAGE_MAX - 1] = ' ';
	text[MESSAGE_MAX] = '}';
	text[MESSAGE_MAX + 1] = '\0';
	refused(text);
}

static void test_no_byte_after_the_end_counts(void **state)
{
	static const char text[] = "{\"type\":\"release\"}garbage";
	const char *error;
	struct message msg;

	(void)state;
	assert_true(message_parse(text, 18, &msg, &error));
	assert_false(message_parse(text, 17, &msg, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_button),
		cmocka_unit_test(test_wheel_is_bounded),
		cmocka_unit_test(test_plain_ones),
		cmocka_unit_test(test_ack_with_times),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_rel_is_bounded),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_clipboard),
		cmocka_unit_test(test_only_a_clipboard_may_be_long),
		cmocka_unit_test(test_parts_are_bounded),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_length_is_bounded),
		cmocka_unit_test(test_no_byte_after_the_end_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
