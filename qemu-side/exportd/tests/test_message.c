// SPDX-License-Identifier: GPL-2.0-only
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

static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"", " ", "{", "}", "[]", "null", "1", "\"key\"", "{}",
		"{\"type\":null}", "{\"type\":\"Key\"}", "{\"type\":[\"key\"]}",
		"{\"type\":\"release\"} x", "{\"type\":\"release\"}{}",
		"{'type':'release'}", "{\"type\":\"release\",}",
		"{\"type\":{\"a\":{\"b\":{\"c\":{\"d\":1}}}}}",
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
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_length_is_bounded),
		cmocka_unit_test(test_no_byte_after_the_end_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
