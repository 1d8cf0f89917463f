// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest may say about its leases, and the port with a stand-in for QEMU; that
 * of a real one is in with_qemu.py.
 */
#include <unistd.h>

#include "fake_qemu.h"
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

/* --- the port --- */

#define CHARDEV	"/org/qemu/Display1/Chardev_leases"

static const char port_xml[] =
	"<node><interface name='org.freedesktop.DBus.ObjectManager'>"
	"<method name='GetManagedObjects'>"
	"<arg type='a{oa{sa{sv}}}' direction='out'/></method></interface>"
	"<interface name='org.qemu.Display1.Chardev'>"
	"<method name='Register'><arg type='h' direction='in'/></method>"
	"</interface></node>";

static struct leaseport *port;
static int guest = -1;		/* the end that QEMU has given to its port */
static unsigned int registered;
static char heard[LEASEPORT_LINE_MAX];

static void port_called(GDBusConnection *conn, const char *sender,
			const char *path, const char *interface,
			const char *method, GVariant *args,
			GDBusMethodInvocation *invocation, gpointer data)
{
	GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
	GVariant *objects;

	(void)conn;
	(void)sender;
	(void)path;
	(void)interface;
	(void)args;
	(void)data;
	if (!strcmp(method, "Register")) {
		registered++;
		if (guest >= 0)
			close(guest);
		guest = g_unix_fd_list_get(
			g_dbus_message_get_unix_fd_list(message), 0, NULL);
		g_dbus_method_invocation_return_value(invocation, NULL);
		return;
	}
	objects = g_variant_new_parsed(
		"({objectpath '" CHARDEV "': {'org.qemu.Display1.Chardev':"
		" {'Name': <'" LEASEPORT_NAME "'>, 'FEOpened': <true>}}},)");
	g_dbus_method_invocation_return_value(invocation, objects);
}

static const GDBusInterfaceVTable port_vtable = { .method_call = port_called };

static int setup_port(void **state)
{
	g_autoptr(GDBusNodeInfo) info =
		g_dbus_node_info_new_for_xml(port_xml, NULL);
	unsigned int i;

	(void)state;
	if (fake_open())
		return -1;
	registered = 0;
	for (i = 0; i < 2; i++)
		g_dbus_connection_register_object(qemus,
			i ? CHARDEV : "/org/qemu/Display1", info->interfaces[i],
			&port_vtable, NULL, NULL, NULL);
	port = leaseport_new(NULL, "vm");
	return 0;
}

static int teardown_port(void **state)
{
	(void)state;
	leaseport_free(port);
	close(guest);
	guest = -1;
	fake_close();
	return 0;
}

static void guest_says(const char *text)
{
	assert_int_equal(write(guest, text, strlen(text)), strlen(text));
}

/* One line, as it is written: nobody says two before he was answered. */
static bool guest_hears(void)
{
	ssize_t n = recv(guest, heard, sizeof(heard) - 1, MSG_DONTWAIT);

	heard[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void qemu_changes(const char *property, bool value)
{
	GVariantBuilder changed;

	g_variant_builder_init(&changed, G_VARIANT_TYPE("a{sv}"));
	g_variant_builder_add(&changed, "{sv}", property,
			      g_variant_new_boolean(value));
	g_dbus_connection_emit_signal(qemus, NULL, CHARDEV,
		"org.freedesktop.DBus.Properties", "PropertiesChanged",
		g_variant_new("(sa{sv}as)", "org.qemu.Display1.Chardev",
			      &changed, NULL), NULL);
}

static void greet(const char *session)
{
	g_autofree char *hello = g_strdup_printf(
		"{\"op\":\"hello\",\"session\":\"%s\"}\n", session);

	until(guest_hears());
	assert_string_equal(heard, "{\"op\":\"hello\",\"version\":1}\n");
	guest_says(hello);
	until(leaseport_is_ready(port));
}

static void test_who_has_said_hello_is_asked(void **state)
{
	(void)state;
	until(registered);
	assert_false(leaseport_is_ready(port));
	assert_false(leaseport_revoke(port, 3, 7));
	greet("5f0c");
	assert_true(leaseport_revoke(port, 3, 7));
	assert_true(guest_hears());
	assert_string_equal(heard,
		"{\"op\":\"revoke\",\"session\":\"5f0c\",\"scanout\":3,\"generation\":7}\n");
}

/* It was killed, or its unit stopped: nobody says so but QEMU. */
static void test_who_closes_the_port_is_asked_no_more(void **state)
{
	(void)state;
	until(registered);
	greet("5f0c");
	qemu_changes("FEOpened", false);
	until(!leaseport_is_ready(port));
	assert_false(leaseport_tell(port, 3, 7, 60));
	/* the next one is another */
	until(registered == 2);
	assert_false(leaseport_is_ready(port));
	greet("00ff");
	assert_true(leaseport_revoke(port, 3, 7));
	assert_true(guest_hears());
	assert_non_null(strstr(heard, "\"session\":\"00ff\""));
}

static void marked(GDBusConnection *conn, const char *sender, const char *path,
		   const char *interface, const char *signal, GVariant *args,
		   gpointer data)
{
	(void)conn;
	(void)sender;
	(void)path;
	(void)interface;
	(void)signal;
	(void)args;
	*(bool *)data = true;
}

static void test_what_else_changes_keeps_the_session(void **state)
{
	bool seen = false;
	guint mark;

	(void)state;
	until(registered);
	greet("5f0c");
	mark = g_dbus_connection_signal_subscribe(ours, NULL, "test.Mark", NULL,
		NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, marked, &seen, NULL);
	qemu_changes("Echo", false);
	qemu_changes("FEOpened", true);
	/* what comes after them is seen: they were, too */
	g_dbus_connection_emit_signal(qemus, NULL, CHARDEV, "test.Mark", "Mark",
				      NULL, NULL);
	until(seen);
	g_dbus_connection_signal_unsubscribe(ours, mark);
	assert_true(leaseport_is_ready(port));
	assert_int_equal(registered, 1);
}

int main(void)
{
#define port_test(name) cmocka_unit_test_setup_teardown(name, setup_port, teardown_port)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_a_reason_is_printable_and_short),
		cmocka_unit_test(test_refused),
		port_test(test_who_has_said_hello_is_asked),
		port_test(test_who_closes_the_port_is_asked_no_more),
		port_test(test_what_else_changes_keeps_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
