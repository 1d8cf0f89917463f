// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "proxy.h"
#include "test.h"

static const char *const proxies[] = {
	"127.0.0.1", "10.1.0.0/16", "fd00::/8", "::1", "192.0.2.128/25", NULL,
};

static void test_what_is_a_proxy(void **state)
{
	(void)state;
	assert_true(proxy_valid("127.0.0.1"));
	assert_true(proxy_valid("10.0.0.0/8"));
	assert_true(proxy_valid("0.0.0.0/0"));
	assert_true(proxy_valid("10.0.0.1/32"));
	assert_true(proxy_valid("::1"));
	assert_true(proxy_valid("fd00::/128"));
	assert_false(proxy_valid(""));
	assert_false(proxy_valid("localhost"));
	assert_false(proxy_valid("10.0.0.0/33"));
	assert_false(proxy_valid("fd00::/129"));
	assert_false(proxy_valid("10.0.0.0/"));
	assert_false(proxy_valid("10.0.0.0/-1"));
	assert_false(proxy_valid("10.0.0/8"));
	assert_false(proxy_valid("/8"));
}

static void test_whom_to_trust(void **state)
{
	(void)state;
	assert_true(proxy_trusted("127.0.0.1", proxies));
	assert_true(proxy_trusted("10.1.255.7", proxies));
	assert_true(proxy_trusted("fdff::1", proxies));
	assert_true(proxy_trusted("192.0.2.255", proxies));
	assert_false(proxy_trusted("192.0.2.127", proxies));
	assert_false(proxy_trusted("127.0.0.2", proxies));
	assert_false(proxy_trusted("10.2.0.1", proxies));
	assert_false(proxy_trusted("fe80::1", proxies));
	assert_false(proxy_trusted("unknown", proxies));
	assert_false(proxy_trusted("127.0.0.1", NULL));
	/* the numbers are the same, the network is not */
	assert_false(proxy_trusted("::10.1.0.1", proxies));
}

static void assert_client(const char *forwarded, const char *expected)
{
	char client[PORT_PEER_LEN];

	proxy_client("127.0.0.1", forwarded, proxies, client);
	assert_string_equal(client, expected);
}

static void test_who_asked(void **state)
{
	(void)state;
	assert_client("198.51.100.1", "198.51.100.1");
	assert_client(" 198.51.100.1 ", "198.51.100.1");
	assert_client("198.51.100.1:4711", "198.51.100.1");
	assert_client("2001:db8::7", "2001:db8::7");
	assert_client("[2001:DB8::7]:80", "2001:db8::7");
	assert_client("::ffff:198.51.100.1", "198.51.100.1");
	/* through two of ours */
	assert_client("198.51.100.1, 10.1.2.3", "198.51.100.1");
	/* what the client wrote itself is before what the proxy saw */
	assert_client("127.0.0.1, 198.51.100.1", "198.51.100.1");
	assert_client("203.0.113.9, 198.51.100.1, 10.1.2.3", "198.51.100.1");
}

static void test_who_is_not_known(void **state)
{
	(void)state;
	assert_client("", "127.0.0.1");
	assert_client("unknown", "127.0.0.1");
	assert_client("198.51.100.1, unknown", "127.0.0.1");
	assert_client("198.51.100.1, , 10.1.2.3", "10.1.2.3");
	assert_client("_hidden, 10.1.2.3", "10.1.2.3");
	assert_client("10.1.2.3", "10.1.2.3");
	assert_client("[::1", "127.0.0.1");
	assert_client(",,,,", "127.0.0.1");
}

static void test_who_is_not_trusted_says_nothing(void **state)
{
	char client[PORT_PEER_LEN];

	(void)state;
	proxy_client("198.51.100.1", "203.0.113.9", proxies, client);
	assert_string_equal(client, "198.51.100.1");
	proxy_client("127.0.0.1", "203.0.113.9", NULL, client);
	assert_string_equal(client, "127.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_proxy),
		cmocka_unit_test(test_whom_to_trust),
		cmocka_unit_test(test_who_asked),
		cmocka_unit_test(test_who_is_not_known),
		cmocka_unit_test(test_who_is_not_trusted_says_nothing),
	};

	return cmocka_run_group_tests_name("exportd-proxy", tests, NULL, NULL);
}
