// SPDX-License-Identifier: GPL-2.0-only
/*
 * clipboard.c against a stand-in for QEMU's end of the connection: the same
 * interface, with calls that are answered when the test says so.
 */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

#include "clipboard.h"
#include "display1.h"
#include "message.h"
#include "test.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)	/* a guard against hanging */
#define PATH "/org/qemu/Display1/Clipboard"

static GDBusConnection *ours, *qemus;
static QemuClipboard *qemu;		/* what the daemon calls */
static struct clipboard *clipboard;
static GString *calls;			/* of the daemon to QEMU */
static GQueue requests;			/* of them, those that wait for an answer */
static unsigned int copies;
static char *copied;			/* last */

GDBusConnection *display_connection(struct display *display)
{
	(void)display;
	return ours;
}

static void note_copy(const char *text, void *data)
{
	(void)data;
	g_free(copied);
	copied = g_strdup(text);
	copies++;
}

#define wait_until(condition) do { \
	gint64 end = g_get_monotonic_time() + PATIENCE_US; \
	while (!(condition) && g_get_monotonic_time() < end) \
		g_main_context_iteration(NULL, FALSE); \
	assert_true(condition); \
} while (0)

static gboolean on_register(QemuClipboard *object, GDBusMethodInvocation *call,
			    gpointer data)
{
	(void)data;
	g_string_append(calls, "register ");
	qemu_clipboard_complete_register(object, call);
	return TRUE;
}

static gboolean on_grab(QemuClipboard *object, GDBusMethodInvocation *call,
			guint selection, guint serial,
			const gchar *const *mimes, gpointer data)
{
	(void)data;
	g_string_append_printf(calls, "grab%u:%u:%s ", selection, serial,
			       mimes[0]);
	qemu_clipboard_complete_grab(object, call);
	return TRUE;
}

static gboolean on_release(QemuClipboard *object, GDBusMethodInvocation *call,
			   guint selection, gpointer data)
{
	(void)data;
	g_string_append_printf(calls, "release%u ", selection);
	qemu_clipboard_complete_release(object, call);
	return TRUE;
}

static gboolean on_request(QemuClipboard *object, GDBusMethodInvocation *call,
			   guint selection, const gchar *const *mimes,
			   gpointer data)
{
	(void)object;
	(void)selection;
	(void)mimes;
	(void)data;
	g_queue_push_tail(&requests, call);
	return TRUE;
}

static void connected(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)source;
	*(GDBusConnection **)data = g_dbus_connection_new_finish(result, NULL);
}

static void connect_end(int fd, GDBusConnectionFlags flags,
			GDBusConnection **out)
{
	g_autofree char *guid = g_dbus_generate_guid();
	GSocket *sock = g_socket_new_from_fd(fd, NULL);
	GSocketConnection *stream;

	stream = g_socket_connection_factory_create_connection(sock);
	g_object_unref(sock);
	g_dbus_connection_new(G_IO_STREAM(stream),
		flags & G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER ? guid : NULL,
		flags, NULL, NULL, connected, out);
	g_object_unref(stream);
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	copies = 0;
	calls = g_string_new("");
	g_queue_init(&requests);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	connect_end(pair[0], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, &ours);
	connect_end(pair[1], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, &qemus);
	wait_until(ours && qemus);
	qemu = qemu_clipboard_skeleton_new();
	g_signal_connect(qemu, "handle-register", G_CALLBACK(on_register), NULL);
	g_signal_connect(qemu, "handle-grab", G_CALLBACK(on_grab), NULL);
	g_signal_connect(qemu, "handle-release", G_CALLBACK(on_release), NULL);
	g_signal_connect(qemu, "handle-request", G_CALLBACK(on_request), NULL);
	assert_true(g_dbus_interface_skeleton_export(
			G_DBUS_INTERFACE_SKELETON(qemu), qemus, PATH, NULL));
	clipboard = clipboard_new((struct display *)calls, note_copy, NULL);
	assert_non_null(clipboard);
	wait_until(!strcmp(calls->str, "register "));
	g_string_set_size(calls, 0);
	return 0;
}

static void drop_end(GDBusConnection **end)
{
	g_dbus_connection_close_sync(*end, NULL, NULL);
	g_clear_object(end);
}

static int teardown(void **state)
{
	GDBusMethodInvocation *call;

	(void)state;
	clipboard_free(clipboard);
	while ((call = g_queue_pop_head(&requests)))
		g_dbus_method_invocation_return_dbus_error(call,
			"org.example.Gone", "the test is over");
	g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(qemu));
	g_object_unref(qemu);
	drop_end(&ours);
	drop_end(&qemus);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_string_free(calls, TRUE);
	g_clear_pointer(&copied, g_free);
	return 0;
}

static void expect_calls(const char *wanted)
{
	wait_until(calls->len >= strlen(wanted));
	assert_string_equal(calls->str, wanted);
	g_string_set_size(calls, 0);
}

/* --- QEMU's side of the calls --- */

static GVariant *answer;
static bool answered;

static void got_answer(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)data;
	g_clear_pointer(&answer, g_variant_unref);
	answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source),
					       result, NULL);
	answered = true;
}

/* The daemon's answer, NULL if it is an error. */
static GVariant *call_daemon(const char *method, GVariant *args)
{
	answered = false;
	g_dbus_connection_call(qemus, NULL, PATH, "org.qemu.Display1.Clipboard",
			       method, args, NULL, G_DBUS_CALL_FLAGS_NONE,
			       10000, NULL, got_answer, NULL);
	wait_until(answered);
	return answer;
}

static void guest_copies(unsigned int selection, unsigned int serial,
			 const char *mime)
{
	const char *mimes[] = { mime, NULL };

	assert_non_null(call_daemon("Grab", g_variant_new("(uu^as)", selection,
							  serial, mimes)));
}

static GVariant *guest_pastes(unsigned int selection, const char *mime)
{
	const char *mimes[] = { mime, NULL };

	return call_daemon("Request", g_variant_new("(u^as)", selection, mimes));
}

static void guest_answers(const char *mime, const char *text, size_t len)
{
	wait_until(requests.length);
	qemu_clipboard_complete_request(qemu, g_queue_pop_head(&requests), mime,
		g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, len, 1));
}

/* All that is under way has arrived. */
static void settle(void)
{
	gint64 end = g_get_monotonic_time() + 100 * 1000;

	while (g_get_monotonic_time() < end)
		g_main_context_iteration(NULL, FALSE);
}

/* --- tests --- */

static void test_what_a_viewer_copies_can_be_pasted(void **state)
{
	g_autoptr(GVariant) data = NULL;
	const char *mime, *bytes;
	size_t len;

	(void)state;
	clipboard_set(clipboard, "caf\xc3\xa9");
	expect_calls("grab0:1:" CLIPBOARD_MIME " ");
	assert_non_null(guest_pastes(0, CLIPBOARD_MIME));
	g_variant_get(answer, "(&s@ay)", &mime, &data);
	bytes = g_variant_get_fixed_array(data, &len, 1);
	assert_string_equal(mime, CLIPBOARD_MIME);
	assert_int_equal(len, 5);
	assert_memory_equal(bytes, "caf\xc3\xa9", 5);
	assert_null(guest_pastes(1, CLIPBOARD_MIME));
	assert_null(guest_pastes(0, "image/png"));
	assert_null(guest_pastes(G_MAXUINT32, CLIPBOARD_MIME));
}

static void test_an_empty_text_is_given_back(void **state)
{
	(void)state;
	clipboard_set(clipboard, "text");
	clipboard_set(clipboard, "");
	expect_calls("grab0:1:" CLIPBOARD_MIME " release0 ");
	assert_null(guest_pastes(0, CLIPBOARD_MIME));
}

static void test_what_the_guest_copies_is_told(void **state)
{
	(void)state;
	clipboard_set(clipboard, "older");
	expect_calls("grab0:1:" CLIPBOARD_MIME " ");
	guest_copies(0, 1, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, "from the guest", 14);
	wait_until(copies == 1);
	assert_string_equal(copied, "from the guest");
	/* and is not what a viewer copied any more */
	assert_null(guest_pastes(0, CLIPBOARD_MIME));
}

static void test_only_text_of_the_clipboard_is_asked_for(void **state)
{
	(void)state;
	guest_copies(1, 1, CLIPBOARD_MIME);
	guest_copies(0, 2, "image/png");
	settle();
	assert_int_equal(requests.length, 0);
}

static void test_the_guest_is_asked_once_at_a_time(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		guest_copies(0, i, CLIPBOARD_MIME);
	settle();
	assert_int_equal(requests.length, 1);
	guest_answers(CLIPBOARD_MIME, "old", 3);
	guest_answers(CLIPBOARD_MIME, "new", 3);
	wait_until(copies);
	settle();
	assert_int_equal(copies, 1);
	assert_string_equal(copied, "new");
	assert_int_equal(requests.length, 0);
}

static void test_what_is_no_text_is_not_told(void **state)
{
	unsigned int serial = 0;

	(void)state;
	guest_copies(0, ++serial, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, "\xc3\x28", 2);
	guest_copies(0, ++serial, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, "a\0b", 3);
	guest_copies(0, ++serial, CLIPBOARD_MIME);
	guest_answers("text/html", "text", 4);
	settle();
	assert_int_equal(copies, 0);
}

static void test_that_a_text_is_too_large_is_told(void **state)
{
	g_autofree char *large = g_strnfill(MESSAGE_TEXT_MAX + 1, 'x');

	(void)state;
	guest_copies(0, 1, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, large, MESSAGE_TEXT_MAX);
	wait_until(copies == 1);
	assert_int_equal(strlen(copied), MESSAGE_TEXT_MAX);
	guest_copies(0, 2, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, large, MESSAGE_TEXT_MAX + 1);
	wait_until(copies == 2);
	assert_null(copied);
}

static void test_a_guest_that_does_not_answer_is_asked_again(void **state)
{
	(void)state;
	guest_copies(0, 1, CLIPBOARD_MIME);
	wait_until(requests.length);
	g_dbus_method_invocation_return_dbus_error(g_queue_pop_head(&requests),
		"org.qemu.Display1.Error.Failed", "Cancelled clipboard request");
	settle();
	guest_copies(0, 2, CLIPBOARD_MIME);
	guest_answers(CLIPBOARD_MIME, "text", 4);
	wait_until(copies == 1);
}

static void test_grabs_are_counted_with_the_guests(void **state)
{
	(void)state;
	guest_copies(0, 41, "image/png");
	clipboard_set(clipboard, "text");
	expect_calls("grab0:42:" CLIPBOARD_MIME " ");
	guest_copies(0, G_MAXUINT32, "image/png");
	clipboard_set(clipboard, "text");
	expect_calls("grab0:4294967295:" CLIPBOARD_MIME " ");
	assert_non_null(call_daemon("Register", NULL));
	clipboard_set(clipboard, "text");
	expect_calls("grab0:1:" CLIPBOARD_MIME " ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_what_a_viewer_copies_can_be_pasted),
		T(test_an_empty_text_is_given_back),
		T(test_what_the_guest_copies_is_told),
		T(test_only_text_of_the_clipboard_is_asked_for),
		T(test_the_guest_is_asked_once_at_a_time),
		T(test_what_is_no_text_is_not_told),
		T(test_that_a_text_is_too_large_is_told),
		T(test_a_guest_that_does_not_answer_is_asked_again),
		T(test_grabs_are_counted_with_the_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
