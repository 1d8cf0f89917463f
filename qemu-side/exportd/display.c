// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the D-Bus connection to QEMU and the console objects on it. Rule: no
 * call here waits. QEMU sometimes waits for us (it authenticates a listener
 * with its main loop stopped), so waiting for QEMU could be for ever.
 */
#include "display.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define DISPLAY_ROOT		"/org/qemu/Display1"
#define DISPLAY_CONSOLES_MAX	512
#define DISPLAY_CALL_MS		2000
#define DISPLAY_PENDING_MAX	128	/* input calls in flight per console */
#define DISPLAY_DPI		100	/* what QEMU's EDID assumes too */

struct display {
	const struct display_ops *ops;
	void *data;
	GCancellable *cancellable;
	GDBusConnection *conn;
	gulong closed_id;
	GPtrArray *consoles;
	unsigned int asked;	/* answers about consoles that are on the way */
	bool refresh;		/* QEMU takes a refresh rate, too */
};

static void display_fail(struct display *display, const char *why)
{
	display->ops->closed(why, display->data);
}

static void console_free(gpointer data)
{
	struct console *console = data;

	g_free(console->path);
	g_free(console);
}

/*
 * "pci/0000/02.0" to bus << 8 | devfn. Only devices on the root bus: further
 * down the address names bridges, and their bus numbers are the guest's.
 */
static uint32_t display_parse_address(const char *address)
{
	unsigned int domain, slot, function;
	int end = 0;

	if (sscanf(address, "pci/%4x/%2x.%1x%n", &domain, &slot, &function,
		   &end) != 3 || address[end] || domain || slot > 31 ||
	    function > 7)
		return CONSOLE_GPU_NONE;
	return slot << 3 | function;
}

static void display_got_console(GObject *source, GAsyncResult *result,
				gpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL, props = NULL;
	const char *type = "", *address = "";
	struct console *console = data;
	struct display *display;
	uint32_t head = 0;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		console_free(console);
		return;
	}
	display = console->display;
	display->asked--;
	if (!reply) {
		log_warn("asking QEMU about console %s: %s", console->path,
			 error->message);
		console_free(console);
	} else {
		props = g_variant_get_child_value(reply, 0);
		g_variant_lookup(props, "Type", "&s", &type);
		g_variant_lookup(props, "DeviceAddress", "&s", &address);
		g_variant_lookup(props, "Head", "u", &head);
		console->head = head;
		console->gpu = display_parse_address(address);
		console->last_mm = -1;
		log_debug("console %s: %s, device %s, head %u", console->path,
			  type, address, head);
		if (!strcmp(type, "Graphic"))
			g_ptr_array_add(display->consoles, console);
		else
			console_free(console);
	}
	if (!display->asked)
		display->ops->ready(display->data);
}

static void display_ask_console(struct display *display, uint32_t id)
{
	struct console *console = g_new0(struct console, 1);

	console->display = display;
	console->path = g_strdup_printf(DISPLAY_ROOT "/Console_%u", id);
	display->asked++;
	g_dbus_connection_call(display->conn, NULL, console->path,
			       "org.freedesktop.DBus.Properties", "GetAll",
			       g_variant_new("(s)", "org.qemu.Display1.Console"),
			       G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
			       DISPLAY_CALL_MS, display->cancellable,
			       display_got_console, console);
}

/* QEMU from this project's patches has it; without it, it chooses a rate. */
static void display_got_methods(GObject *source, GAsyncResult *result,
				gpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL;
	struct display *display = data;
	const char *xml;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (reply) {
		g_variant_get(reply, "(&s)", &xml);
		display->refresh = strstr(xml, "\"SetUIInfo2\"");
	}
	log_debug("refresh rates: %s", display->refresh ? "ours" : "QEMU's");
	display->asked--;
	if (!display->asked)
		display->ops->ready(display->data);
}

static void display_ask_methods(struct display *display, uint32_t id)
{
	g_autofree char *path = g_strdup_printf(DISPLAY_ROOT "/Console_%u", id);

	display->asked++;
	g_dbus_connection_call(display->conn, NULL, path,
			       "org.freedesktop.DBus.Introspectable",
			       "Introspect", NULL, G_VARIANT_TYPE("(s)"),
			       G_DBUS_CALL_FLAGS_NONE, DISPLAY_CALL_MS,
			       display->cancellable, display_got_methods,
			       display);
}

static void display_got_ids(GObject *source, GAsyncResult *result,
			    gpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL, ids = NULL;
	struct display *display = data;
	const uint32_t *id;
	size_t i, count;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!reply) {
		display_fail(display, error->message);
		return;
	}
	g_variant_get(reply, "(v)", &ids);
	if (!g_variant_is_of_type(ids, G_VARIANT_TYPE("au"))) {
		display_fail(display, "QEMU's list of consoles is no list");
		return;
	}
	id = g_variant_get_fixed_array(ids, &count, sizeof(*id));
	if (count > DISPLAY_CONSOLES_MAX)
		count = DISPLAY_CONSOLES_MAX;
	for (i = 0; i < count; i++)
		display_ask_console(display, id[i]);
	if (count)
		display_ask_methods(display, id[0]);
	else
		display->ops->ready(display->data);
}

static void display_conn_closed(GDBusConnection *conn, gboolean vanished,
				GError *error, gpointer data)
{
	(void)conn;
	(void)vanished;
	display_fail(data, error ? error->message : "connection closed");
}

static void display_got_conn(GObject *source, GAsyncResult *result,
			     gpointer data)
{
	g_autoptr(GError) error = NULL;
	struct display *display = data;
	GDBusConnection *conn;

	(void)source;
	conn = g_dbus_connection_new_finish(result, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!conn) {
		display_fail(display, error->message);
		return;
	}
	display->conn = conn;
	g_dbus_connection_set_exit_on_close(conn, FALSE);
	display->closed_id = g_signal_connect(conn, "closed",
				G_CALLBACK(display_conn_closed), display);
	g_dbus_connection_call(conn, NULL, DISPLAY_ROOT "/VM",
			       "org.freedesktop.DBus.Properties", "Get",
			       g_variant_new("(ss)", "org.qemu.Display1.VM",
					     "ConsoleIDs"),
			       G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE,
			       DISPLAY_CALL_MS, display->cancellable,
			       display_got_ids, display);
}

struct display *display_new(int fd, const struct display_ops *ops, void *data)
{
	g_autoptr(GSocketConnection) stream = NULL;
	g_autoptr(GSocket) socket = NULL;
	g_autoptr(GError) error = NULL;
	struct display *display;

	socket = g_socket_new_from_fd(fd, &error);
	if (!socket) {
		log_error("using the display socket: %s", error->message);
		close(fd);
		return NULL;
	}
	stream = g_socket_connection_factory_create_connection(socket);

	display = g_new0(struct display, 1);
	display->ops = ops;
	display->data = data;
	display->cancellable = g_cancellable_new();
	display->consoles = g_ptr_array_new_with_free_func(console_free);
	g_dbus_connection_new(G_IO_STREAM(stream), NULL,
			      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
			      NULL, display->cancellable, display_got_conn,
			      display);
	return display;
}

void display_free(struct display *display)
{
	if (!display)
		return;
	g_cancellable_cancel(display->cancellable);
	if (display->conn) {
		g_signal_handler_disconnect(display->conn, display->closed_id);
		g_dbus_connection_close(display->conn, NULL, NULL, NULL);
		g_object_unref(display->conn);
	}
	g_object_unref(display->cancellable);
	g_ptr_array_unref(display->consoles);
	g_free(display);
}

GDBusConnection *display_connection(struct display *display)
{
	return display->conn;
}

GCancellable *display_cancellable(struct display *display)
{
	return display->cancellable;
}

struct console *display_find(struct display *display, uint32_t gpu,
			     uint32_t head)
{
	unsigned int i;

	for (i = 0; i < display->consoles->len; i++) {
		struct console *console = display->consoles->pdata[i];

		if (console->gpu == gpu && console->head == head)
			return console;
	}
	return NULL;
}

void display_foreach(struct display *display,
		     void (*each)(struct console *console, void *data),
		     void *data)
{
	g_ptr_array_foreach(display->consoles, (GFunc)(void (*)(void))each,
			    data);
}

bool display_is_busy(const struct display *display)
{
	unsigned int i;

	for (i = 0; i < display->consoles->len; i++)
		if (((struct console *)display->consoles->pdata[i])->pending)
			return true;
	return false;
}

struct console_call {
	console_done done;
	uint32_t cookie;
	void *data;
};

static void console_size_set(GObject *source, GAsyncResult *result,
			     gpointer data)
{
	g_autofree struct console_call *call = data;
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;
	int status = 0;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!reply) {
		log_warn("setting the size of an output: %s", error->message);
		status = g_error_matches(error, G_IO_ERROR,
					 G_IO_ERROR_TIMED_OUT) ? ETIMEDOUT : EIO;
	}
	if (call->done)
		call->done(status, call->cookie, call->data);
}

static void console_send_size(struct console *console, uint32_t width,
			      uint32_t height, uint32_t refresh_mhz, int mm,
			      console_done done, uint32_t cookie, void *data)
{
	struct console_call *call = g_new0(struct console_call, 1);
	guint16 height_mm = (guint16)(height * 254 / (DISPLAY_DPI * 10));
	bool refresh = console->display->refresh;
	GVariant *args;

	if (refresh)
		args = g_variant_new("(qqiiuuu)", (guint16)mm, height_mm,
				     0, 0, width, height, refresh_mhz);
	else
		args = g_variant_new("(qqiiuu)", (guint16)mm, height_mm,
				     0, 0, width, height);
	call->done = done;
	call->cookie = cookie;
	call->data = data;
	g_dbus_connection_call(display_connection(console->display), NULL,
			       console->path, "org.qemu.Display1.Console",
			       refresh ? "SetUIInfo2" : "SetUIInfo", args,
			       NULL, G_DBUS_CALL_FLAGS_NONE, DISPLAY_CALL_MS,
			       display_cancellable(console->display),
			       console_size_set, call);
}

/*
 * QEMU 10.0 drops a SetUIInfo that equals the last one, so the physical width
 * alternates by a millimetre. Where the last one is not known, another
 * mediator's or none, both are sent: the second differs from the first.
 */
void console_set_size(struct console *console, uint32_t width, uint32_t height,
		      uint32_t refresh_mhz, console_done done, uint32_t cookie,
		      void *data)
{
	int mm = (int)(width * 254 / (DISPLAY_DPI * 10));

	if (console->last_mm < 0)
		console_send_size(console, width, height, refresh_mhz, mm + 1,
				  NULL, 0, NULL);
	else if (console->last_mm == mm)
		mm++;
	console_send_size(console, width, height, refresh_mhz, mm, done, cookie,
			  data);
	console->last_mm = mm;
	console->off = !width || !height;
}

static void console_send_move(struct console *console);

static void console_input_done(GObject *source, GAsyncResult *result,
			       gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;
	struct console *console = data;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!reply)
		log_debug("input to %s: %s", console->path, error->message);
	console->pending--;
	if (console->move_waiting)
		console_send_move(console);
}

static void console_input(struct console *console, const char *interface,
			  const char *method, GVariant *args)
{
	console->pending++;
	g_dbus_connection_call(display_connection(console->display), NULL,
			       console->path, interface, method, args, NULL,
			       G_DBUS_CALL_FLAGS_NONE, DISPLAY_CALL_MS,
			       display_cancellable(console->display),
			       console_input_done, console);
}

static void console_send_move(struct console *console)
{
	console->move_waiting = false;
	console_input(console, "org.qemu.Display1.Mouse", "SetAbsPosition",
		      g_variant_new("(uu)", console->x, console->y));
}

/* Releases always pass: each one needs a press that passed before. */
bool console_key(struct console *console, unsigned int qnum, bool down)
{
	if (down && console->pending >= DISPLAY_PENDING_MAX)
		return false;
	console_input(console, "org.qemu.Display1.Keyboard",
		      down ? "Press" : "Release", g_variant_new("(u)", qnum));
	return true;
}

bool console_button(struct console *console, unsigned int button, bool down)
{
	if (down && console->pending >= DISPLAY_PENDING_MAX)
		return false;
	/* a click is meant for where the pointer is now */
	if (console->move_waiting)
		console_send_move(console);
	console_input(console, "org.qemu.Display1.Mouse",
		      down ? "Press" : "Release", g_variant_new("(u)", button));
	return true;
}

/* While QEMU has not answered, only the last position is kept. */
void console_move(struct console *console, uint32_t x, uint32_t y)
{
	console->x = x;
	console->y = y;
	console->move_waiting = true;
	if (!console->pending)
		console_send_move(console);
}
