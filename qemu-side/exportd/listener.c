// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the private D-Bus connection of one console, on which QEMU is the
 * client and calls the methods implemented here. Rules: no pixel is converted
 * here; every call is answered at once, but for those that say what changed.
 *
 * QEMU reads nothing back from the host GPU into the shared memory while such a
 * call waits for its answer, and nobody in the guest waits for it: what the
 * guest draws meanwhile comes in the next one. So the answer says when the next
 * picture is wanted. It comes before LISTENER_HOLD_MS, whatever happens,
 * because other news wait behind it, and QEMU lets go of who never answers. A
 * dma-buf is different in that the guest waits, too, before it draws on it again.
 *
 * QEMU has two kinds of dma-bufs, and does not say which one it sends: textures
 * that it exports, which it reads back for us if ScanoutDMABUF is a method that
 * we do not have; and blobs of the guest's, after which it is silent then. So a
 * refused one is kept until there is shared memory, or it is clear that there
 * will be none.
 *
 * QEMU authenticates the connection from within RegisterListener with its main
 * loop stopped, so both ends have to be under way at the same time.
 */
#include "listener.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display1.h"
#include "log.h"

#define LISTENER_PATH		"/org/qemu/Display1/Listener"
#define LISTENER_CALL_MS	5000
#define LISTENER_READBACK_MS	1000	/* it takes QEMU one round of its main loop */

struct listener {
	bool import;
	const struct listener_ops *ops;
	void *data;
	char *path;		/* of the console, for messages */
	GCancellable *cancellable;
	GDBusConnection *conn;
	gulong closed_id;
	QemuListener *base;
	QemuListenerUnixMap *map;
	QemuListenerUnixDamage *damage;
	struct surface *surface;
	GDBusMethodInvocation *owed;	/* an answer to it */
	guint owed_timer;
	struct dmabuf refused;	/* its fd is -1: none */
	guint refused_timer;
	bool blobs;		/* QEMU reads nothing back */
};

static void listener_fail(struct listener *listener, const char *why)
{
	log_warn("listening to %s: %s", listener->path, why);
	listener->ops->closed(listener->data);
}

static gboolean listener_refuse(GDBusMethodInvocation *call, const char *why)
{
	log_warn("display message refused: %s", why);
	g_dbus_method_invocation_return_error_literal(call, G_DBUS_ERROR,
				G_DBUS_ERROR_INVALID_ARGS, why);
	return TRUE;
}

void listener_answer(struct listener *listener)
{
	if (!listener || !listener->owed)
		return;
	/* all of them return nothing */
	g_dbus_method_invocation_return_value(listener->owed, NULL);
	listener->owed = NULL;
	g_source_remove(listener->owed_timer);
}

bool listener_owes(const struct listener *listener)
{
	return listener && listener->owed;
}

static gboolean listener_is_late(gpointer data)
{
	listener_answer(data);
	return G_SOURCE_REMOVE;
}

/* Takes @call; a QEMU that does not wait has the one before it answered. */
static void listener_owe(struct listener *listener,
			 GDBusMethodInvocation *call)
{
	listener_answer(listener);
	listener->owed = call;
	listener->owed_timer = g_timeout_add(LISTENER_HOLD_MS,
					     listener_is_late, listener);
}

/* Of @call, which it takes. */
static void listener_note_damage(struct listener *listener,
				 GDBusMethodInvocation *call,
				 const struct rect *rect)
{
	listener_owe(listener, call);
	listener->ops->damage(rect, 1, g_get_monotonic_time(), listener->data);
}

static void listener_forget(struct listener *listener)
{
	if (listener->refused.fd < 0)
		return;
	close(listener->refused.fd);
	listener->refused.fd = -1;
	g_source_remove(listener->refused_timer);
}

/* Takes the reference. */
static void listener_set_surface(struct listener *listener,
				 struct surface *surface)
{
	listener_forget(listener);
	surface_unref(listener->surface);
	listener->surface = surface;
	if (surface)
		listener->ops->scanout(surface, listener->data);
}

static gboolean listener_scanout(QemuListener *base,
				 GDBusMethodInvocation *call, guint width,
				 guint height, guint stride, guint format,
				 GVariant *data, struct listener *listener)
{
	struct surface *surface;
	const char *error;
	const void *bytes;
	size_t len;

	bytes = g_variant_get_fixed_array(data, &len, 1);
	surface = surface_copy(bytes, len, width, height, stride, format,
			       &error);
	if (!surface)
		return listener_refuse(call, error);
	qemu_listener_complete_scanout(base, call);
	listener_set_surface(listener, surface);
	return TRUE;
}

static gboolean listener_update(QemuListener *base, GDBusMethodInvocation *call,
				gint x, gint y, gint width, gint height,
				guint stride, guint format, GVariant *data,
				struct listener *listener)
{
	struct rect rect = { x, y, width, height };
	const char *error = "update before any picture";
	const void *bytes;
	size_t len;

	bytes = g_variant_get_fixed_array(data, &len, 1);
	if (!listener->surface ||
	    !surface_update(listener->surface, &rect, bytes, len, stride,
			    format, &error))
		return listener_refuse(call, error);
	(void)base;
	listener_note_damage(listener, call, &rect);
	return TRUE;
}

static gboolean listener_disable(QemuListener *base,
				 GDBusMethodInvocation *call,
				 struct listener *listener)
{
	qemu_listener_complete_disable(base, call);
	listener_set_surface(listener, NULL);
	listener->ops->disable(listener->data);
	return TRUE;
}

static gboolean listener_mouse_set(QemuListener *base,
				   GDBusMethodInvocation *call, gint x, gint y,
				   gint on, struct listener *listener)
{
	qemu_listener_complete_mouse_set(base, call);
	listener->ops->place(x, y, on, listener->data);
	return TRUE;
}

static gboolean listener_cursor_define(QemuListener *base,
				       GDBusMethodInvocation *call, gint width,
				       gint height, gint hot_x, gint hot_y,
				       GVariant *data,
				       struct listener *listener)
{
	struct cursor_image *image;
	const char *error;
	const void *bytes;
	size_t len;

	bytes = g_variant_get_fixed_array(data, &len, 1);
	image = cursor_image_new(bytes, len, width, height, hot_x, hot_y,
				 &error);
	if (!image)
		return listener_refuse(call, error);
	qemu_listener_complete_cursor_define(base, call);
	listener->ops->cursor(image, listener->data);
	return TRUE;
}

/*
 * The descriptor that @handle means, for the caller to close; -1 if none came
 * along. GLib 2.84 reads in front of its list where a handle is negative.
 */
static int listener_descriptor(GUnixFDList *fds, GVariant *handle)
{
	gint32 index = g_variant_get_handle(handle);

	if (!fds || index < 0 || index >= g_unix_fd_list_get_length(fds))
		return -1;
	return g_unix_fd_list_get(fds, index, NULL);
}

static gboolean listener_scanout_map(QemuListenerUnixMap *map,
				     GDBusMethodInvocation *call,
				     GUnixFDList *fds, GVariant *handle,
				     guint offset, guint width, guint height,
				     guint stride, guint format,
				     struct listener *listener)
{
	struct surface *surface;
	const char *error;
	int fd = listener_descriptor(fds, handle);

	if (fd < 0)
		return listener_refuse(call, "shared memory did not come along");
	surface = surface_map(fd, offset, width, height, stride, format, &error);
	close(fd);
	if (!surface)
		return listener_refuse(call, error);
	qemu_listener_unix_map_complete_scanout_map(map, call, NULL);
	listener_set_surface(listener, surface);
	return TRUE;
}

static gboolean listener_update_map(QemuListenerUnixMap *map,
				    GDBusMethodInvocation *call, gint x, gint y,
				    gint width, gint height,
				    struct listener *listener)
{
	struct rect rect = { x, y, width, height };

	if (!listener->surface)
		return listener_refuse(call, "update before any picture");
	(void)map;
	listener_note_damage(listener, call, &rect);
	return TRUE;
}

static gboolean listener_cannot_read_back(gpointer data)
{
	struct listener *listener = data;
	struct surface *surface;
	const char *error;

	surface = surface_map_dmabuf(&listener->refused, &error);
	if (surface)
		log_info("listening to %s: QEMU reads no dma-buf back; they are mapped",
			 listener->path);
	else
		log_error("listening to %s: there is no picture: %s, and QEMU reads none back",
			  listener->path, error);
	listener->blobs = surface;
	/* it ends with this function */
	close(listener->refused.fd);
	listener->refused.fd = -1;
	listener_set_surface(listener, surface);
	if (!surface)
		listener->ops->disable(listener->data);
	return G_SOURCE_REMOVE;
}

/* Answers @call so that QEMU reads it and its like back, if it can. */
static void listener_decline(struct listener *listener,
			     GDBusMethodInvocation *call,
			     const struct dmabuf *dmabuf)
{
	listener_forget(listener);
	g_dbus_method_invocation_return_error_literal(call, G_DBUS_ERROR,
				G_DBUS_ERROR_UNKNOWN_METHOD,
				"no dma-buf is taken here");
	listener->refused = *dmabuf;
	listener->refused.fd = fcntl(dmabuf->fd, F_DUPFD_CLOEXEC, 0);
	if (listener->refused.fd < 0) {
		log_warn("listening to %s: no descriptor left to keep a dma-buf",
			 listener->path);
		return;
	}
	listener->refused_timer = g_timeout_add(LISTENER_READBACK_MS,
				listener_cannot_read_back, listener);
}

/* NULL: it is to be declined. */
static struct surface *listener_take(const struct listener *listener,
				     const struct dmabuf *dmabuf)
{
	struct surface *surface = NULL;
	const char *error = NULL;

	if (listener->blobs)
		surface = surface_map_dmabuf(dmabuf, &error);
	else if (listener->import)
		surface = surface_import(dmabuf, &error);
	if (error)
		log_warn("listening to %s: %s (%ux%u, stride %u, format %#x, modifier %#" G_GINT64_MODIFIER "x)",
			 listener->path, error, dmabuf->width, dmabuf->height,
			 dmabuf->stride, dmabuf->fourcc, dmabuf->modifier);
	return surface;
}

static gboolean listener_scanout_dmabuf(QemuListener *base,
					GDBusMethodInvocation *call,
					GUnixFDList *fds, GVariant *handle,
					guint width, guint height, guint stride,
					guint fourcc, guint64 modifier,
					gboolean y0_top,
					struct listener *listener)
{
	struct dmabuf dmabuf = {
		.fd = listener_descriptor(fds, handle), .width = width, .height = height, .stride = stride,
		.fourcc = fourcc, .modifier = modifier, .y0_top = y0_top,
	};
	struct surface *surface;

	if (dmabuf.fd < 0)
		return listener_refuse(call, "dma-buf did not come along");
	surface = listener_take(listener, &dmabuf);
	if (surface) {
		qemu_listener_complete_scanout_dmabuf(base, call, NULL);
		listener_set_surface(listener, surface);
	} else {
		listener_decline(listener, call, &dmabuf);
	}
	close(dmabuf.fd);
	return TRUE;
}

/* Of what was refused: there will be another picture. True: @call is answered. */
static bool listener_pass_over(struct listener *listener,
			       GDBusMethodInvocation *call)
{
	if (listener->refused.fd < 0)
		return false;
	g_dbus_method_invocation_return_value(call, NULL);
	return true;
}

static gboolean listener_update_dmabuf(QemuListener *base,
				       GDBusMethodInvocation *call, gint x,
				       gint y, gint width, gint height,
				       struct listener *listener)
{
	struct rect rect = { x, y, width, height };

	(void)base;
	if (listener_pass_over(listener, call))
		return TRUE;
	if (!listener->surface)
		return listener_refuse(call, "update before any picture");
	listener_note_damage(listener, call, &rect);
	return TRUE;
}

/* Both UpdateMap2 and UpdateDMABUF2: there is one surface. */
static gboolean listener_update2(QemuListenerUnixDamage *damage,
				 GDBusMethodInvocation *call,
				 guint64 timestamp, GVariant *list,
				 struct listener *listener)
{
	struct rect rects[DAMAGE_RECTS_MAX];
	unsigned int count = 0;
	GVariantIter iter;
	gint64 now, at;

	(void)damage;
	if (listener_pass_over(listener, call))
		return TRUE;
	if (!listener->surface)
		return listener_refuse(call, "update before any picture");
	if (g_variant_n_children(list) < 1 ||
	    g_variant_n_children(list) > G_N_ELEMENTS(rects))
		return listener_refuse(call, "update of no or too many rectangles");
	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(iiii)", &rects[count].x,
				   &rects[count].y, &rects[count].width,
				   &rects[count].height))
		count++;
	listener_owe(listener, call);
	now = g_get_monotonic_time();
	at = (gint64)(timestamp / 1000);
	listener->ops->damage(rects, count, at < now ? at : now,
			      listener->data);
	return TRUE;
}

static bool listener_export(struct listener *listener, GError **error)
{
	static const char *const extra[] = {
		"org.qemu.Display1.Listener.Unix.Map",
		"org.qemu.Display1.Listener.Unix.Damage", NULL
	};

	listener->base = qemu_listener_skeleton_new();
	listener->map = qemu_listener_unix_map_skeleton_new();
	listener->damage = qemu_listener_unix_damage_skeleton_new();
	qemu_listener_set_interfaces(listener->base, extra);
	g_object_connect(listener->base,
		"signal::handle-scanout", listener_scanout, listener,
		"signal::handle-update", listener_update, listener,
		"signal::handle-scanout-dmabuf", listener_scanout_dmabuf, listener,
		"signal::handle-update-dmabuf", listener_update_dmabuf, listener,
		"signal::handle-disable", listener_disable, listener,
		"signal::handle-mouse-set", listener_mouse_set, listener,
		"signal::handle-cursor-define", listener_cursor_define, listener,
		NULL);
	g_object_connect(listener->map,
		"signal::handle-scanout-map", listener_scanout_map, listener,
		"signal::handle-update-map", listener_update_map, listener,
		NULL);
	g_object_connect(listener->damage,
		"signal::handle-update-map2", listener_update2, listener,
		"signal::handle-update-dmabuf2", listener_update2, listener,
		NULL);
	return g_dbus_interface_skeleton_export(
			G_DBUS_INTERFACE_SKELETON(listener->base),
			listener->conn, LISTENER_PATH, error) &&
	       g_dbus_interface_skeleton_export(
			G_DBUS_INTERFACE_SKELETON(listener->map),
			listener->conn, LISTENER_PATH, error) &&
	       g_dbus_interface_skeleton_export(
			G_DBUS_INTERFACE_SKELETON(listener->damage),
			listener->conn, LISTENER_PATH, error);
}

static void listener_conn_closed(GDBusConnection *conn, gboolean vanished,
				 GError *error, gpointer data)
{
	(void)conn;
	(void)vanished;
	listener_fail(data, error ? error->message : "connection closed");
}

static void listener_got_conn(GObject *source, GAsyncResult *result,
			      gpointer data)
{
	g_autoptr(GError) error = NULL;
	struct listener *listener = data;
	GDBusConnection *conn;

	(void)source;
	conn = g_dbus_connection_new_finish(result, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!conn) {
		listener_fail(listener, error->message);
		return;
	}
	listener->conn = conn;
	g_dbus_connection_set_exit_on_close(conn, FALSE);
	listener->closed_id = g_signal_connect(conn, "closed",
				G_CALLBACK(listener_conn_closed), listener);
	if (!listener_export(listener, &error)) {
		listener_fail(listener, error->message);
		return;
	}
	g_dbus_connection_start_message_processing(conn);
}

static void listener_registered(GObject *source, GAsyncResult *result,
				gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;

	reply = g_dbus_connection_call_with_unix_fd_list_finish(
			G_DBUS_CONNECTION(source), NULL, result, &error);
	if (!reply && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		listener_fail(data, error->message);
}

struct listener *listener_new(struct console *console, bool import,
			      const struct listener_ops *ops, void *data)
{
	g_autoptr(GSocketConnection) stream = NULL;
	g_autoptr(GUnixFDList) fds = NULL;
	g_autoptr(GSocket) socket = NULL;
	struct listener *listener;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("listening to %s: no socket pair: %m", console->path);
		return NULL;
	}
	fds = g_unix_fd_list_new_from_array(&pair[1], 1);
	socket = g_socket_new_from_fd(pair[0], NULL);
	if (!socket) {
		log_error("listening to %s: no socket", console->path);
		close(pair[0]);
		return NULL;
	}
	stream = g_socket_connection_factory_create_connection(socket);

	listener = g_new0(struct listener, 1);
	listener->import = import;
	listener->ops = ops;
	listener->data = data;
	listener->refused.fd = -1;
	listener->path = g_strdup(console->path);
	listener->cancellable = g_cancellable_new();
	g_dbus_connection_call_with_unix_fd_list(
		display_connection(console->display), NULL, console->path,
		"org.qemu.Display1.Console", "RegisterListener",
		g_variant_new("(h)", 0), NULL, G_DBUS_CALL_FLAGS_NONE,
		LISTENER_CALL_MS, fds, listener->cancellable,
		listener_registered, listener);
	g_dbus_connection_new(G_IO_STREAM(stream), NULL,
		G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
		G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
		NULL, listener->cancellable, listener_got_conn, listener);
	return listener;
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	listener_answer(listener);
	listener_forget(listener);
	g_cancellable_cancel(listener->cancellable);
	g_object_unref(listener->cancellable);
	if (listener->base) {
		g_signal_handlers_disconnect_by_data(listener->base, listener);
		g_signal_handlers_disconnect_by_data(listener->map, listener);
		g_signal_handlers_disconnect_by_data(listener->damage, listener);
		g_dbus_interface_skeleton_unexport(
			G_DBUS_INTERFACE_SKELETON(listener->base));
		g_dbus_interface_skeleton_unexport(
			G_DBUS_INTERFACE_SKELETON(listener->map));
		g_dbus_interface_skeleton_unexport(
			G_DBUS_INTERFACE_SKELETON(listener->damage));
		g_object_unref(listener->base);
		g_object_unref(listener->map);
		g_object_unref(listener->damage);
	}
	if (listener->conn) {
		g_signal_handler_disconnect(listener->conn,
					    listener->closed_id);
		g_dbus_connection_close(listener->conn, NULL, NULL, NULL);
		g_object_unref(listener->conn);
	}
	surface_unref(listener->surface);
	g_free(listener->path);
	g_free(listener);
}
