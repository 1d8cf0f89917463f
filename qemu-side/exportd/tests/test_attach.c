// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include "attach.h"

static struct attach_request req;
static const char *error;

static bool parse(const char *text, unsigned int fds)
{
	return attach_parse(text, strlen(text), fds, &req, &error);
}

static void test_all_that_can_be_said(void **state)
{
	(void)state;
	assert_true(parse("{\"name\":\"a-B_9\",\"console0\":true,\"clipboard\":3,"
			  "\"priority\":255,\"fds\":[\"control\",\"display\"]}", 2));
	assert_string_equal(req.name, "a-B_9");
	assert_true(req.console0);
	assert_int_equal(req.clipboard, 3);
	assert_int_equal(req.priority, 255);
	assert_int_equal(req.display, 1);
	assert_int_equal(req.control, 0);
}

static void test_the_least(void **state)
{
	(void)state;
	assert_true(parse("{\"name\":\"a\",\"fds\":[\"display\"],\"more\":1}", 1));
	assert_false(req.console0);
	assert_int_equal(req.clipboard, VM_CLIPBOARD_OFF);
	assert_int_equal(req.control, -1);
}

static void test_nothing_comes_after_the_object(void **state)
{
	static const char *const after[] = {
		"x", "{}", " {", "\n\t]", "\"",
	};
	size_t i;

	(void)state;
	assert_true(parse("{\"name\":\"a\",\"fds\":[\"display\"]} \r\n", 1));
	assert_false(attach_parse("{\"name\":\"a\",\"fds\":[\"display\"]}",
				  sizeof("{\"name\":\"a\",\"fds\":[\"display\"]}"),
				  1, &req, &error));
	assert_string_equal(error, "there is something after the JSON object");
	for (i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		g_autofree char *text = NULL;

		text = g_strconcat("{\"name\":\"a\",\"fds\":[\"display\"]}",
				   after[i], NULL);
		if (parse(text, 1))
			fail_msg("accepted: %s", text);
		assert_string_equal(error,
				    "there is something after the JSON object");
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned int fds;
	} bad[] = {
		{ "", 1 },
		{ "[]", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"]", 1 },
		{ "{\"fds\":[\"display\"]}", 1 },
		{ "{\"name\":\"a b\",\"fds\":[\"display\"]}", 1 },
		{ "{\"name\":7,\"fds\":[\"display\"]}", 1 },
		{ "{\"name\":\"123456789012345678901234567890123\",\"fds\":[\"display\"]}", 1 },
		{ "{\"name\":\"a\"}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"]}", 0 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"]}", 2 },
		{ "{\"name\":\"a\",\"fds\":[\"control\"]}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\",\"display\"]}", 2 },
		{ "{\"name\":\"a\",\"fds\":[\"qmp\"]}", 1 },
		{ "{\"name\":\"a\",\"fds\":[1]}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"],\"console0\":1}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"],\"clipboard\":-1}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"],\"clipboard\":\"3\"}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"],\"priority\":256}", 1 },
		{ "{\"name\":\"a\",\"fds\":[\"display\"],\"priority\":9999999999}", 1 },
		{ "{\"a\":{\"b\":{\"c\":{\"d\":1}}},\"name\":\"a\",\"fds\":[\"display\"]}", 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error = NULL;
		if (parse(bad[i].text, bad[i].fds))
			fail_msg("accepted: %s", bad[i].text);
		assert_non_null(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_can_be_said),
		cmocka_unit_test(test_the_least),
		cmocka_unit_test(test_nothing_comes_after_the_object),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
