// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "request.h"
#include "test.h"

static void test_host_is_this_machine(void **state)
{
	(void)state;
	assert_true(request_host_allowed("localhost", NULL));
	assert_true(request_host_allowed("LocalHost:8800", NULL));
	assert_true(request_host_allowed("127.0.0.1:1", NULL));
	assert_true(request_host_allowed("[::1]:8800", NULL));
	assert_false(request_host_allowed(NULL, NULL));
	assert_false(request_host_allowed("", NULL));
	assert_false(request_host_allowed("example.com", NULL));
	assert_false(request_host_allowed("localhost.example.com", NULL));
	assert_false(request_host_allowed("127.0.0.1.nip.io:8800", NULL));
	assert_false(request_host_allowed("127.0.0.1:", NULL));
	assert_false(request_host_allowed("127.0.0.1:80x", NULL));
	assert_false(request_host_allowed("127.0.0.1:123456", NULL));
	assert_false(request_host_allowed("127.0.0.2", NULL));
	assert_false(request_host_allowed("::1", NULL));
}

static void test_names_of_the_server(void **state)
{
	static const char *const names[] = { "desk.example", "10.0.0.7", NULL };

	(void)state;
	assert_true(request_host_allowed("desk.example", names));
	assert_true(request_host_allowed("DESK.example:8800", names));
	assert_true(request_host_allowed("10.0.0.7:8800", names));
	assert_true(request_host_allowed("127.0.0.1", names));
	assert_false(request_host_allowed("desk.example.org", names));
	assert_false(request_host_allowed("a.desk.example", names));
	assert_false(request_host_allowed("desk.example:", names));
	assert_false(request_host_allowed("10.0.0.77", names));
	assert_false(request_host_allowed("", names));
}

static void test_origin_is_our_page(void **state)
{
	const char *host = "127.0.0.1:8800";

	(void)state;
	assert_true(request_origin_allowed(NULL, host, false));
	assert_true(request_origin_allowed("http://127.0.0.1:8800", host, false));
	assert_false(request_origin_allowed("http://127.0.0.1:8801", host, false));
	assert_false(request_origin_allowed("http://localhost:8800", host, false));
	assert_false(request_origin_allowed("https://127.0.0.1:8800", host, false));
	assert_true(request_origin_allowed("https://127.0.0.1:8800", host, true));
	assert_false(request_origin_allowed("http://127.0.0.1:8800", host, true));
	assert_false(request_origin_allowed("http://evil.example", host, false));
	assert_false(request_origin_allowed("null", host, false));
	assert_false(request_origin_allowed("", host, false));
	assert_false(request_origin_allowed("http://", "", false));
	assert_false(request_origin_allowed("http://127.0.0.1:8800", NULL, false));
}

static void test_content_length(void **state)
{
	static const char *const bad[] = {
		"", " ", "-1", "+1", "1 ", "1,2", "0x10", "1e3", "1234567890123",
	};
	size_t i, length = 7;

	(void)state;
	assert_true(request_length("0", &length));
	assert_int_equal(length, 0);
	assert_true(request_length("4096", &length));
	assert_int_equal(length, 4096);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (request_length(bad[i], &length))
			fail_msg("taken: \"%s\"", bad[i]);
}

static void test_bearer(void **state)
{
	(void)state;
	assert_string_equal(request_bearer("Bearer a.b.c"), "a.b.c");
	assert_string_equal(request_bearer("bearer  a.b.c"), "a.b.c");
	assert_string_equal(request_bearer("Bearer "), "");
	assert_null(request_bearer("Basic YTpi"));
	assert_null(request_bearer("Bearera.b.c"));
	assert_null(request_bearer(""));
}

static void test_files_that_may_be_named(void **state)
{
	char file[REQUEST_PATH_MAX];

	(void)state;
	assert_true(request_file("/", file, sizeof(file)));
	assert_string_equal(file, "index.html");
	assert_true(request_file("/main.js", file, sizeof(file)));
	assert_string_equal(file, "main.js");
	assert_true(request_file("/sub/a-b_c.1.js", file, sizeof(file)));
	assert_string_equal(file, "sub/a-b_c.1.js");
}

static void test_files_that_may_not(void **state)
{
	static const char *const paths[] = {
		"", "main.js", "/..", "/../x", "/a/../b", "/a/..", "/./a",
		"//etc/passwd", "/a//b", "/.git", "/a/.b", "/a/", "/a b",
		"/a%2e", "/a\\b", "/a\nb", "/\xc3\xa4", "/~root", "/a?b",
	};
	char file[REQUEST_PATH_MAX], path[REQUEST_PATH_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (request_file(paths[i], file, sizeof(file)))
			fail_msg("served: %s", paths[i]);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[REQUEST_PATH_MAX] = '\0';
	assert_false(request_file(path, file, sizeof(file)));
	path[REQUEST_PATH_MAX - 1] = '\0';
	assert_true(request_file(path, file, sizeof(file)));
	assert_false(request_file("/main.js", file, 7));
}

static void test_mime(void **state)
{
	(void)state;
	assert_string_equal(request_mime("main.js"),
			    "text/javascript; charset=utf-8");
	assert_string_equal(request_mime("index.html"),
			    "text/html; charset=utf-8");
	assert_string_equal(request_mime("a.js.css"),
			    "text/css; charset=utf-8");
	assert_string_equal(request_mime("js"), "application/octet-stream");
}

static void test_only_loopback_is_listened_on(void **state)
{
	(void)state;
	assert_true(request_listen_allowed("127.0.0.1"));
	assert_true(request_listen_allowed("127.3.2.1"));
	assert_true(request_listen_allowed("::1"));
	assert_true(request_listen_allowed("localhost"));
	assert_false(request_listen_allowed("0.0.0.0"));
	assert_false(request_listen_allowed("::"));
	assert_false(request_listen_allowed("192.168.1.1"));
	assert_false(request_listen_allowed("eth0"));
	assert_false(request_listen_allowed(""));
	assert_false(request_listen_allowed("::ffff:127.0.0.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_is_this_machine),
		cmocka_unit_test(test_names_of_the_server),
		cmocka_unit_test(test_origin_is_our_page),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_bearer),
		cmocka_unit_test(test_files_that_may_be_named),
		cmocka_unit_test(test_files_that_may_not),
		cmocka_unit_test(test_mime),
		cmocka_unit_test(test_only_loopback_is_listened_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
