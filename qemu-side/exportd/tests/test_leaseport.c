// SPDX-License-Identifier: GPL-2.0-only
/* What a guest may say about its leases; the port itself is in with_qemu.py. */
#include "test.h"

#include <string.h>

#include "leaseport.h"

static struct leaseport_line line;
static const char *error;

static bool parse(const char *text)
{
	return leaseport_parse(text, strlen(text), &line, &error);
}

static void test_hello(void **state)
{
	(void)state;
	assert_true(parse("{\"op\":\"hello\",\"version\":1,\"session\":\"00ff\"}"));
	assert_int_equal(line.word, LEASEPORT_HELLO);
	assert_string_equal(line.session, "00ff");
	/* what a later guest says more is passed over */
	assert_true(parse("{\"op\":\"hello\",\"session\":\"0123456789abcdef0123456789abcdef\",\"new\":[]}"));
	assert_int_equal(strlen(line.session), LEASEPORT_SESSION_MAX);
}

static void test_answers(void **state)
{
	(void)state;
	assert_true(parse("{\"op\":\"done\",\"scanout\":15}"));
	assert_int_equal(line.word, LEASEPORT_DONE);
	assert_int_equal(line.scanout, 15);
	assert_true(parse("{\"op\":\"failed\",\"scanout\":65535,\"error\":\"is over\"}"));
	assert_int_equal(line.word, LEASEPORT_FAILED);
	assert_string_equal(line.why, "is over");
	assert_true(parse("{\"op\":\"failed\",\"scanout\":1}"));
	assert_string_equal(line.why, "it does not say why");
}

/* It goes into the log. */
static void test_a_reason_is_printable_and_short(void **state)
{
	char text[700] = "{\"op\":\"failed\",\"scanout\":1,\"error\":\"";
	size_t i;

	(void)state;
	assert_true(parse("{\"op\":\"failed\",\"scanout\":1,\"error\":\"a\\nb\\u001b[1m\"}"));
	assert_string_equal(line.why, "a?b?[1m");
	for (i = strlen(text); i < 600; i++)
		text[i] = 'x';
	strcpy(text + i, "\"}");
	assert_true(parse(text));
	assert_int_equal(strlen(line.why), sizeof(line.why) - 1);
	/* not cut within a character */
	memcpy(strstr(text, "xxx") + sizeof(line.why) - 2, "\xc3\xa4", 2);
	assert_true(parse(text));
	assert_int_equal(strlen(line.why), sizeof(line.why) - 2);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "{", "[]", "null", "\"hello\"", "{}", "{\"op\":1}",
		"{\"op\":\"revoke\",\"scanout\":1}",
		"{\"op\":\"hello\"}", "{\"op\":\"hello\",\"session\":\"\"}",
		"{\"op\":\"hello\",\"session\":7}",
		"{\"op\":\"hello\",\"session\":\"0F\"}",
		"{\"op\":\"hello\",\"session\":\"0\\u0000f\"}",
		"{\"op\":\"hello\",\"session\":\"0123456789abcdef0123456789abcdef0\"}",
		"{\"op\":\"done\"}", "{\"op\":\"done\",\"scanout\":0}",
		"{\"op\":\"done\",\"scanout\":65536}",
		"{\"op\":\"done\",\"scanout\":-1}",
		"{\"op\":\"done\",\"scanout\":\"1\"}",
		"{\"op\":\"done\",\"scanout\":1.5}",
		"{\"op\":\"done\",\"scanout\":18446744073709551615}",
		"{\"op\":\"done\",\"scanout\":1}x",
		"{\"op\":\"done\",\"scanout\":1}{}",
		"{\"op\":\"done\",\"scanout\":1,\"a\":{\"b\":{\"c\":{}}}}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error = NULL;
		if (parse(bad[i]))
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_a_reason_is_printable_and_short),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
