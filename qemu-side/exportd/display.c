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
#define DISPLAY_REL_MAX		32768	/* pixels that wait */
#define DISPLAY_DPI		100	/* what QEMU's EDID assumes too */

struct display_touch {
	uint32_t gpu, head;
};

struct display {
	const struct display_ops *ops;
	void *data;
	GCancellable *cancellable;
	GDBusConnection *conn;
	gulong closed_id;
	GPtrArray *consoles;
	guint changes;		/* subscription to properties */
	unsigned int asked;	/* answers about consoles that are on the way */
	bool refresh;		/* QEMU takes a refresh rate, too */
	GArray *touches;	/* struct display_touch */
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

void display_add_touch(struct display *display, uint32_t gpu, uint32_t head)
{
	const struct display_touch touch = { gpu, head };

	g_array_append_val(display->touches, touch);
}

static bool display_has_touch(const struct display *display,
			      const struct console *console)
{
	unsigned int i;

	for (i = 0; i < display->touches->len; i++) {
		const struct display_touch *touch =
			&g_array_index(display->touches, struct display_touch, i);

		if (touch->gpu == CONSOLE_GPU_NONE ||
		    (touch->gpu == console->gpu &&
		     touch->head == console->head))
			return true;
	}
	return false;
}

static void console_set_absolute(struct console *console, bool absolute)
{
	if (console->absolute == absolute)
		return;
	console->absolute = absolute;
	if (console->changed)
		console->changed(console->changed_data);
}

/* QEMU says so also when a guest's driver takes up a tablet, or lets it go. */
static void display_property_changed(GDBusConnection *conn, const gchar *sender,
				     const gchar *path, const gchar *interface,
				     const gchar *signal, GVariant *args,
				     gpointer data)
{
	g_autoptr(GVariant) props = NULL;
	struct display *display = data;
	gboolean absolute;
	unsigned int i;

	(void)conn;
	(void)sender;
	(void)interface;
	(void)signal;
	if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(sa{sv}as)")))
		return;
	props = g_variant_get_child_value(args, 1);
	if (!g_variant_lookup(props, "IsAbsolute", "b", &absolute))
		return;
	for (i = 0; i < display->consoles->len; i++) {
		struct console *console = display->consoles->pdata[i];

		if (!strcmp(console->path, path))
			console_set_absolute(console, absolute);
	}
}

static void display_watch_mice(struct display *display)
{
	display->changes = g_dbus_connection_signal_subscribe(display->conn,
		NULL, "org.freedesktop.DBus.Properties", "PropertiesChanged",
		NULL, "org.qemu.Display1.Mouse", G_DBUS_SIGNAL_FLAGS_NONE,
		display_property_changed, display, NULL);
}

static void display_got_mouse(GObject *source, GAsyncResult *result,
			      gpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL, value = NULL;
	struct console *console = data;
	struct display *display;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	display = console->display;
	if (reply) {
		g_variant_get(reply, "(v)", &value);
		if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
			console_set_absolute(console,
					     g_variant_get_boolean(value));
	}
	display->asked--;
	if (!display->asked)
		display->ops->ready(display->data);
}

static void display_ask_mouse(struct display *display, struct console *console)
{
	display->asked++;
	g_dbus_connection_call(display->conn, NULL, console->path,
			       "org.freedesktop.DBus.Properties", "Get",
			       g_variant_new("(ss)", "org.qemu.Display1.Mouse",
					     "IsAbsolute"),
			       G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE,
			       DISPLAY_CALL_MS, display->cancellable,
			       display_got_mouse, console);
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
		console->scale = 1;
		console->touch = display_has_touch(display, console);
		log_debug("console %s: %s, device %s, head %u", console->path,
			  type, address, head);
		if (!strcmp(type, "Graphic")) {
			g_ptr_array_add(display->consoles, console);
			display_ask_mouse(display, console);
		} else {
			console_free(console);
		}
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
	display_watch_mice(display);
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
	display->touches = g_array_new(FALSE, FALSE,
				       sizeof(struct display_touch));
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
		if (display->changes)
			g_dbus_connection_signal_unsubscribe(display->conn,
							     display->changes);
		g_signal_handler_disconnect(display->conn, display->closed_id);
		g_dbus_connection_close(display->conn, NULL, NULL, NULL);
		g_object_unref(display->conn);
	}
	g_object_unref(display->cancellable);
	g_ptr_array_unref(display->consoles);
	g_array_unref(display->touches);
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

/* What makes a guest draw larger is a monitor of many pixels to the inch. */
static guint16 console_mm(const struct console *console, uint32_t pixels)
{
	return (guint16)MIN(pixels * 25.4 / (DISPLAY_DPI * console->scale),
			    G_MAXUINT16 - 1);
}

static void console_send_size(struct console *console, uint32_t width,
			      uint32_t height, uint32_t refresh_mhz, int mm,
			      console_done done, uint32_t cookie, void *data)
{
	struct console_call *call = g_new0(struct console_call, 1);
	guint16 height_mm = console_mm(console, height);
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
	int mm;

	/* off: what comes next is another tenant's */
	if (!width || !height)
		console->scale = 1;
	else
		console->refresh_mhz = refresh_mhz;
	mm = console_mm(console, width);
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
static void console_send_move_by(struct console *console);

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
	if (console->dx || console->dy)
		console_send_move_by(console);
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

static void console_send_move_by(struct console *console)
{
	console_input(console, "org.qemu.Display1.Mouse", "RelMotion",
		      g_variant_new("(ii)", console->dx, console->dy));
	console->dx = 0;
	console->dy = 0;
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
	if (console->dx || console->dy)
		console_send_move_by(console);
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

/* What QEMU takes in one go is bounded by what a message can ask for. */
void console_move_by(struct console *console, int dx, int dy)
{
	console->dx = CLAMP(console->dx + dx, -DISPLAY_REL_MAX, DISPLAY_REL_MAX);
	console->dy = CLAMP(console->dy + dy, -DISPLAY_REL_MAX, DISPLAY_REL_MAX);
	if (!console->pending && (console->dx || console->dy))
		console_send_move_by(console);
}

bool console_touch(struct console *console, enum console_touch_kind kind,
		   unsigned int slot, uint32_t x, uint32_t y)
{
	if (kind != CONSOLE_TOUCH_END && console->pending >= DISPLAY_PENDING_MAX)
		return false;
	console_input(console, "org.qemu.Display1.MultiTouch", "SendEvent",
		      g_variant_new("(utdd)", (guint32)kind, (guint64)slot,
				    (double)x, (double)y));
	return true;
}

void console_let_go(struct console *console)
{
	static const unsigned int buttons[] = { 0, 1, 2, 5, 6 };
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(buttons); i++)
		console_button(console, buttons[i], false);
	for (i = 0; console->touch && i < CONSOLE_TOUCH_SLOTS; i++)
		console_touch(console, CONSOLE_TOUCH_END, i, 0, 0);
}
