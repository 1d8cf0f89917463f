// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of QEMU's D-Bus display that enables outputs, and listens to some
 * without ever answering an update. Runs on the host.
 *
 * usage: listener FD WIDTHxHEIGHT
 *
 * FD is a socket that QEMU has the other end of. What is read is done, and then
 * written again:
 *
 *   enable N    output N has that size
 *   listen N    from now on there is a listener of output N
 *   leave N     and now no longer
 */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OUTPUTS_MAX	16
#define CALL_MS		30000

static GDBusConnection *display, *listeners[OUTPUTS_MAX];

G_NORETURN static void fail(const char *doing, GError *error)
{
	printf("%s: %s\n", doing, error ? error->message : "failed");
	exit(1);
}

static GDBusConnection *connect_to(int fd)
{
	GSocket *socket;
	GSocketConnection *stream;
	GDBusConnection *connection;
	GError *error = NULL;

	socket = g_socket_new_from_fd(fd, &error);
	if (!socket)
		fail("a socket", error);
	stream = g_socket_connection_factory_create_connection(socket);
	connection = g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL,
						G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
						G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
						NULL, NULL, &error);
	if (!connection)
		fail("connecting to QEMU", error);
	g_object_unref(stream);
	g_object_unref(socket);
	return connection;
}

/*
 * QEMU waits for what it asks of a new listener, and 10.0.13 stops everything
 * while it does: that is answered. It is the display's own calls that are not.
 */
static GDBusMessage *answer_no_update(GDBusConnection *connection, GDBusMessage *message,
				      gboolean incoming, gpointer data)
{
	const char *interface = g_dbus_message_get_interface(message);
	GDBusMessage *reply;

	(void)data;
	if (!incoming || g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL || !interface)
		return message;
	if (!strcmp(interface, "org.freedesktop.DBus.Properties")) {
		reply = g_dbus_message_new_method_reply(message);
		g_dbus_message_set_body(reply, g_variant_new_parsed("({'Interfaces': <@as []>},)"));
		g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
		g_object_unref(reply);
	} else if (!g_str_has_prefix(interface, "org.qemu.")) {
		return message;
	}
	g_object_unref(message);
	return NULL;
}

static void call_console(int output, const char *method, GVariant *arguments, int fd)
{
	g_autofree char *path = g_strdup_printf("/org/qemu/Display1/Console_%d", output);
	GUnixFDList *fds = NULL;
	GError *error = NULL;
	GVariant *reply;

	if (fd >= 0)
		fds = g_unix_fd_list_new_from_array(&fd, 1);
	reply = g_dbus_connection_call_with_unix_fd_list_sync(display, NULL, path,
							      "org.qemu.Display1.Console", method, arguments,
							      NULL, G_DBUS_CALL_FLAGS_NONE, CALL_MS, fds, NULL,
							      NULL, &error);
	if (!reply)
		fail(method, error);
	g_variant_unref(reply);
	g_clear_object(&fds);
}

static void listen_to(int output)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		fail("a pair of sockets", NULL);
	call_console(output, "RegisterListener", g_variant_new("(h)", 0), pair[1]);
	listeners[output] = connect_to(pair[0]);
	g_dbus_connection_add_filter(listeners[output], answer_no_update, NULL, NULL);
	g_dbus_connection_start_message_processing(listeners[output]);
}

/* QEMU 10.0.13 drops a request that equals the last one, and may lose one: for the next try it differs. */
static void enable(int output, int width, int height)
{
	static int more;

	call_console(output, "SetUIInfo",
		     g_variant_new("(qqiiuu)", width * 254 / 960 + (more++ & 7), height * 254 / 960, 0, 0, width, height), -1);
}

static void leave(int output)
{
	if (listeners[output])
		g_dbus_connection_close_sync(listeners[output], NULL, NULL);
	g_clear_object(&listeners[output]);
}

int main(int argc, char **argv)
{
	int width, height, output;
	char line[64];

	if (argc != 3 || sscanf(argv[2], "%dx%d", &width, &height) != 2)
		fail("usage: listener FD WIDTHxHEIGHT", NULL);
	setlinebuf(stdout);
	display = connect_to(atoi(argv[1]));
	g_dbus_connection_start_message_processing(display);
	while (fgets(line, sizeof(line), stdin)) {
		char *number = strchr(line, ' ');

		output = number ? atoi(number) : 0;
		if (output < 1 || output >= OUTPUTS_MAX)
			fail(line, NULL);
		if (g_str_has_prefix(line, "enable "))
			enable(output, width, height);
		else if (g_str_has_prefix(line, "listen ") && !listeners[output])
			listen_to(output);
		else if (g_str_has_prefix(line, "leave "))
			leave(output);
		else
			fail(line, NULL);
		printf("%s", line);
	}
	return 0;
}
