/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for QEMU at the other end of a display's and a listener's
 * connection. A test is linked with --wrap=display_connection and
 * --wrap=console_let_go. What is waited for is bounded by a guard that no test
 * depends on.
 */
#ifndef HELIX_FAKE_QEMU_H
#define HELIX_FAKE_QEMU_H

#include <gio/gunixfdlist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display.h"
#include "dmabuf.h"
#include "guard.h"
#include "test.h"

#define SIZE	64
#define XRGB	0x20020888
#define PATH	"/org/qemu/Display1/Console_1"

static const char console_xml[] =
	"<node><interface name='org.qemu.Display1.Console'>"
	"<method name='RegisterListener'><arg type='h' direction='in'/></method>"
	"</interface></node>";

static GDBusConnection *ours, *qemus;	/* of the display */
static GDBusConnection *qemu;		/* of the listener, QEMU's end */
static GDBusNodeInfo *node;
static G_GNUC_UNUSED struct console console = { .path = (char *)PATH };
static unsigned int calls, answers, errors;
static unsigned int unknown;		/* of the errors: QEMU would read back */
static unsigned int listeners;		/* that have registered */

GDBusConnection *__wrap_display_connection(struct display *display);
void __wrap_console_let_go(struct console *released);

GDBusConnection *__wrap_display_connection(struct display *display)
{
	(void)display;
	return ours;
}

void __wrap_console_let_go(struct console *released)
{
	(void)released;
}

static void got_connection(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)source;
	*(GDBusConnection **)data = g_dbus_connection_new_finish(result, &error);
	if (error)
		fail_msg("%s", error->message);
}

static void connect_fd(int fd, bool server, GDBusConnection **out)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, NULL);
	g_autoptr(GSocketConnection) stream = NULL;
	g_autofree char *guid = g_dbus_generate_guid();

	stream = g_socket_connection_factory_create_connection(socket);
	g_dbus_connection_new(G_IO_STREAM(stream), server ? guid : NULL,
			      server ? G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER :
				       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
			      NULL, NULL, got_connection, out);
}

/* RegisterListener: the socket comes along. @data is where its connection goes. */
static void called(GDBusConnection *conn, const char *sender, const char *path,
		   const char *interface, const char *method, GVariant *args,
		   GDBusMethodInvocation *call, gpointer data)
{
	GDBusMessage *message = g_dbus_method_invocation_get_message(call);
	GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);
	GDBusConnection **listener = data;

	(void)conn;
	(void)sender;
	(void)path;
	(void)interface;
	(void)method;
	(void)args;
	listeners++;
	g_clear_object(listener);
	connect_fd(g_unix_fd_list_get(fds, 0, NULL), true, listener);
	g_dbus_method_invocation_return_value(call, NULL);
}

static const GDBusInterfaceVTable vtable = { .method_call = called };

static void answered(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;

	(void)data;
	reply = g_dbus_connection_call_with_unix_fd_list_finish(
			G_DBUS_CONNECTION(source), NULL, result, &error);
	if (reply)
		answers++;
	else
		errors++;
	if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD))
		unknown++;
}

static void call_on(GDBusConnection *listener, const char *interface,
		    const char *method, GVariant *args, GUnixFDList *fds,
		    GAsyncReadyCallback done, void *data)
{
	g_dbus_connection_call_with_unix_fd_list(listener, NULL,
		"/org/qemu/Display1/Listener", interface, method, args, NULL,
		G_DBUS_CALL_FLAGS_NONE, GUARD_S * 1000, fds, NULL, done, data);
}

static inline void call(const char *interface, const char *method,
			GVariant *args, GUnixFDList *fds)
{
	calls++;
	call_on(qemu, interface, method, args, fds, answered, NULL);
}

static inline void call_update(uint64_t since_ns)
{
	GVariantBuilder list;

	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	g_variant_builder_add(&list, "(iiii)", 1, 2, 3, 4);
	g_variant_builder_add(&list, "(iiii)", 5, 6, 7, 8);
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", since_ns, &list), NULL);
}

static inline void call_scanout(void)
{
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
	int fd = memfd_create("picture", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, SIZE * SIZE * 4), 0);
	g_unix_fd_list_append(fds, fd, NULL);
	close(fd);
	call("org.qemu.Display1.Listener.Unix.Map", "ScanoutMap",
	     g_variant_new("(huuuuu)", 0, 0, SIZE, SIZE, SIZE * 4, XRGB), fds);
}

/* Its pixels are those of @fd, which stays the caller's. */
static inline void call_scanout_dmabuf(int fd, const struct dmabuf *dmabuf)
{
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();

	g_unix_fd_list_append(fds, fd, NULL);
	call("org.qemu.Display1.Listener", "ScanoutDMABUF",
	     g_variant_new("(huuuutb)", 0, dmabuf->width, dmabuf->height,
			   dmabuf->stride, dmabuf->fourcc, dmabuf->modifier,
			   dmabuf->y0_top), fds);
}

static inline void call_update_dmabuf(void)
{
	GVariantBuilder list;

	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	g_variant_builder_add(&list, "(iiii)", 0, 0, SIZE, SIZE);
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateDMABUF2",
	     g_variant_new("(ta(iiii))", (guint64)1, &list), NULL);
}

/* Who registers with the console of @path is then connected with @listener. */
static void fake_console(const char *path, GDBusConnection **listener)
{
	g_dbus_connection_register_object(qemus, path, node->interfaces[0],
					  &vtable, listener, NULL, NULL);
}

/* Both ends of the display; the listener's come when it registers. */
static int fake_open(void)
{
	int pair[2];

	calls = answers = errors = unknown = listeners = 0;
	ours = qemus = qemu = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	connect_fd(pair[0], true, &qemus);
	connect_fd(pair[1], false, &ours);
	until(ours && qemus);
	node = g_dbus_node_info_new_for_xml(console_xml, NULL);
	fake_console(PATH, &qemu);
	return 0;
}

/* After the listener went. */
static void fake_close(void)
{
	until(answers + errors == calls);
	g_dbus_node_info_unref(node);
	g_clear_object(&qemu);
	g_object_unref(qemus);
	g_object_unref(ours);
}

#endif
