// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the text that a viewer copied last, and the object by which QEMU asks
 * for it. Rules:
 *
 * - a guest that pastes waits while QEMU asks us, and so does all of a QEMU
 *   without our series: it is answered at once, from memory;
 * - the guest is asked for its text once at a time, with a deadline, and what it
 *   answers is bounded and checked before anybody sees it.
 */
#include "clipboard.h"

#include <string.h>

#include "display1.h"
#include "log.h"
#include "message.h"

#define CLIPBOARD_PATH		"/org/qemu/Display1/Clipboard"
#define CLIPBOARD_INTERFACE	"org.qemu.Display1.Clipboard"
#define CLIPBOARD_SELECTION	0	/* the one of copy and paste */
#define CLIPBOARD_CALL_MS	2000
#define CLIPBOARD_REQUEST_MS	6000	/* QEMU gives the guest five seconds */

struct clipboard {
	struct display *display;
	clipboard_copied copied;
	void *data;
	GCancellable *cancellable;
	QemuClipboard *object;

	char *text;		/* of a viewer; NULL: the guest's counts */
	guint32 serial;		/* of the last grab, whoever's */
	bool asking;		/* the guest, for its text */
	bool again;		/* it copied something else meanwhile */
};

bool clipboard_text_valid(const char *text, size_t len)
{
	return len <= MESSAGE_TEXT_MAX && g_utf8_validate_len(text, len, NULL);
}

/* --- to QEMU --- */

static void clipboard_called(GObject *source, GAsyncResult *result,
			     gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;

	(void)data;
	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (!reply && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		log_warn("clipboard: %s", error->message);
}

static void clipboard_call(struct clipboard *clipboard, const char *method,
			   GVariant *args)
{
	g_dbus_connection_call(display_connection(clipboard->display), NULL,
			       CLIPBOARD_PATH, CLIPBOARD_INTERFACE, method,
			       args, NULL, G_DBUS_CALL_FLAGS_NONE,
			       CLIPBOARD_CALL_MS, clipboard->cancellable,
			       clipboard_called, NULL);
}

void clipboard_set(struct clipboard *clipboard, const char *text)
{
	static const char *const mimes[] = { CLIPBOARD_MIME, NULL };

	g_free(clipboard->text);
	clipboard->text = *text ? g_strdup(text) : NULL;
	if (!clipboard->text) {
		clipboard_call(clipboard, "Release",
			       g_variant_new("(u)", CLIPBOARD_SELECTION));
		return;
	}
	/* a guest may have used up the numbers: the last one is taken again */
	if (clipboard->serial < G_MAXUINT32)
		clipboard->serial++;
	clipboard_call(clipboard, "Grab",
		       g_variant_new("(uu^as)", CLIPBOARD_SELECTION,
				     clipboard->serial, mimes));
}

static void clipboard_ask(struct clipboard *clipboard);

static void clipboard_take(struct clipboard *clipboard, GVariant *reply)
{
	g_autoptr(GVariant) data = NULL;
	g_autofree char *text = NULL;
	const char *mime, *bytes;
	size_t len;

	g_variant_get(reply, "(&s@ay)", &mime, &data);
	bytes = g_variant_get_fixed_array(data, &len, 1);
	if (len > MESSAGE_TEXT_MAX) {
		clipboard->copied(NULL, clipboard->data);
		return;
	}
	if (strcmp(mime, CLIPBOARD_MIME) || !clipboard_text_valid(bytes, len)) {
		log_info("clipboard: what the guest copied is not text");
		return;
	}
	text = g_strndup(bytes, len);
	clipboard->copied(text, clipboard->data);
}

static void clipboard_answered(GObject *source, GAsyncResult *result,
			       gpointer data)
{
	struct clipboard *clipboard = data;
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	clipboard->asking = false;
	if (clipboard->again)
		clipboard_ask(clipboard);	/* this answer is out of date */
	else if (reply)
		clipboard_take(clipboard, reply);
	else
		log_debug("clipboard: asking the guest: %s", error->message);
}

static void clipboard_ask(struct clipboard *clipboard)
{
	static const char *const mimes[] = { CLIPBOARD_MIME, NULL };

	clipboard->again = clipboard->asking;
	if (clipboard->asking)
		return;
	clipboard->asking = true;
	g_dbus_connection_call(display_connection(clipboard->display), NULL,
			       CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Request",
			       g_variant_new("(u^as)", CLIPBOARD_SELECTION,
					     mimes),
			       G_VARIANT_TYPE("(say)"), G_DBUS_CALL_FLAGS_NONE,
			       CLIPBOARD_REQUEST_MS, clipboard->cancellable,
			       clipboard_answered, clipboard);
}

/* --- from QEMU --- */

static gboolean clipboard_register(QemuClipboard *object,
				   GDBusMethodInvocation *call,
				   struct clipboard *clipboard)
{
	/* QEMU's way to say that counting starts over */
	clipboard->serial = 0;
	qemu_clipboard_complete_register(object, call);
	return TRUE;
}

static gboolean clipboard_unregister(QemuClipboard *object,
				     GDBusMethodInvocation *call,
				     struct clipboard *clipboard)
{
	(void)clipboard;
	qemu_clipboard_complete_unregister(object, call);
	return TRUE;
}

static gboolean clipboard_grab(QemuClipboard *object,
			       GDBusMethodInvocation *call, guint selection,
			       guint serial, const gchar *const *mimes,
			       struct clipboard *clipboard)
{
	qemu_clipboard_complete_grab(object, call);
	if (selection != CLIPBOARD_SELECTION)
		return TRUE;
	clipboard->serial = serial;
	g_clear_pointer(&clipboard->text, g_free);
	if (g_strv_contains(mimes, CLIPBOARD_MIME))
		clipboard_ask(clipboard);
	return TRUE;
}

static gboolean clipboard_release(QemuClipboard *object,
				  GDBusMethodInvocation *call, guint selection,
				  struct clipboard *clipboard)
{
	(void)selection;
	(void)clipboard;
	qemu_clipboard_complete_release(object, call);
	return TRUE;
}

static gboolean clipboard_request(QemuClipboard *object,
				  GDBusMethodInvocation *call, guint selection,
				  const gchar *const *mimes,
				  struct clipboard *clipboard)
{
	const char *text = clipboard->text;

	if (selection != CLIPBOARD_SELECTION || !text ||
	    !g_strv_contains(mimes, CLIPBOARD_MIME)) {
		g_dbus_method_invocation_return_error_literal(call,
			G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
			"there is no such text");
		return TRUE;
	}
	qemu_clipboard_complete_request(object, call, CLIPBOARD_MIME,
		g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text,
					  strlen(text), 1));
	return TRUE;
}

/* --- life --- */

struct clipboard *clipboard_new(struct display *display,
				clipboard_copied copied, void *data)
{
	struct clipboard *clipboard = g_new0(struct clipboard, 1);
	g_autoptr(GError) error = NULL;

	clipboard->display = display;
	clipboard->copied = copied;
	clipboard->data = data;
	clipboard->cancellable = g_cancellable_new();
	clipboard->object = qemu_clipboard_skeleton_new();
	g_object_connect(clipboard->object,
		"signal::handle-register", clipboard_register, clipboard,
		"signal::handle-unregister", clipboard_unregister, clipboard,
		"signal::handle-grab", clipboard_grab, clipboard,
		"signal::handle-release", clipboard_release, clipboard,
		"signal::handle-request", clipboard_request, clipboard,
		NULL);
	if (!g_dbus_interface_skeleton_export(
			G_DBUS_INTERFACE_SKELETON(clipboard->object),
			display_connection(display), CLIPBOARD_PATH, &error)) {
		log_warn("clipboard: %s", error->message);
		clipboard_free(clipboard);
		return NULL;
	}
	clipboard_call(clipboard, "Register", NULL);
	return clipboard;
}

void clipboard_free(struct clipboard *clipboard)
{
	GDBusInterfaceSkeleton *object;

	if (!clipboard)
		return;
	object = G_DBUS_INTERFACE_SKELETON(clipboard->object);
	g_signal_handlers_disconnect_by_data(clipboard->object, clipboard);
	if (g_dbus_interface_skeleton_get_connection(object)) {
		clipboard_call(clipboard, "Unregister", NULL);
		g_dbus_interface_skeleton_unexport(object);
	}
	g_object_unref(clipboard->object);
	g_cancellable_cancel(clipboard->cancellable);
	g_object_unref(clipboard->cancellable);
	g_free(clipboard->text);
	g_free(clipboard);
}
