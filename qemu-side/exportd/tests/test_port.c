// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port.h"

static void expect_group(const char *peer, const char *group)
{
	char got[PORT_PEER_LEN];

	port_peer_group(peer, got);
	assert_string_equal(got, group);
}

static void test_who_is_counted_as_one(void **state)
{
	(void)state;
	expect_group("192.0.2.7", "192.0.2.7");
	expect_group("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
	expect_group("2001:db8:1:2::1", "2001:db8:1:2::");
	expect_group("2001:db8:1:3::1", "2001:db8:1:3::");
	expect_group("unknown", "unknown");
}

static char accepted[PORT_PEER_LEN];

static void take(int fd, const char *peer, void *data)
{
	(void)data;
	g_strlcpy(accepted, peer, sizeof(accepted));
	close(fd);
}

static struct port *open_port(const char *address, int number)
{
	g_autofree char *error = NULL;
	struct port *port = port_open(address, number, -1, take, NULL, &error);

	if (!port)
		assert_non_null(error);
	return port;
}

/* The number that port_name() ends with, after what it has to begin with. */
static int number_of(const struct port *port, const char *host)
{
	g_autofree char *name = port_name(port);

	assert_true(g_str_has_prefix(name, host));
	return atoi(name + strlen(host));
}

static void test_accepts_and_says_whom(void **state)
{
	struct port *port = open_port("localhost", 0);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), number;

	(void)state;
	assert_non_null(port);
	assert_true(port_is_loopback(port));
	number = number_of(port, "127.0.0.1:");
	to.sin_port = htons((uint16_t)number);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	while (!accepted[0])
		g_main_context_iteration(NULL, TRUE);
	assert_string_equal(accepted, "127.0.0.1");
	close(fd);
	/* one at a time has it */
	assert_null(open_port("127.0.0.1", number));
	port_close(port);
}

static void test_addresses(void **state)
{
	struct port *all = open_port("0.0.0.0", 0);

	(void)state;
	assert_non_null(all);
	assert_false(port_is_loopback(all));
	assert_in_range(number_of(all, "0.0.0.0:"), 1, 65535);
	port_close(all);
	all = open_port("::", 0);
	assert_non_null(all);
	assert_in_range(number_of(all, "[::]:"), 1, 65535);
	port_close(all);
	assert_null(open_port("eth0", 0));
	assert_null(open_port("", 0));
	assert_null(open_port("192.0.2.1", 0));	/* nobody's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_counted_as_one),
		cmocka_unit_test(test_accepts_and_says_whom),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
