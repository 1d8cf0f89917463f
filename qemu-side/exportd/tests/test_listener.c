// SPDX-License-Identifier: GPL-2.0-only
/*
 * A listener and a stand-in for QEMU at the other end of its connections. What
 * is waited for is bounded by a guard that no test depends on.
 */
#include <gio/gunixfdlist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener.h"
#include "test.h"

#define GUARD_S	60
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
static struct console console = { .path = (char *)PATH };
static struct listener *listener;
static unsigned int scanouts, damages, calls, answers, errors;
static gint64 damaged_at;
static struct rect rects[DAMAGE_RECTS_MAX];
static unsigned int rect_count;

/* Instead of the one in display.c, which nothing here needs. */
GDBusConnection *display_connection(struct display *display)
{
	(void)display;
	return ours;
}

static gboolean too_long(gpointer data)
{
	(void)data;
	abort();
}

#define until(condition) do {						\
	guint guard = g_timeout_add_seconds(GUARD_S, too_long, NULL);	\
									\
	while (!(condition))						\
		g_main_context_iteration(NULL, TRUE);			\
	g_source_remove(guard);						\
} while (0)

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

/* RegisterListener: the socket comes along. */
static void called(GDBusConnection *conn, const char *sender, const char *path,
		   const char *interface, const char *method, GVariant *args,
		   GDBusMethodInvocation *call, gpointer data)
{
	GDBusMessage *message = g_dbus_method_invocation_get_message(call);
	GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);

	(void)conn;
	(void)sender;
	(void)path;
	(void)interface;
	(void)method;
	(void)args;
	(void)data;
	connect_fd(g_unix_fd_list_get(fds, 0, NULL), true, &qemu);
	g_dbus_method_invocation_return_value(call, NULL);
}

static const GDBusInterfaceVTable vtable = { .method_call = called };

static void on_scanout(struct surface *surface, void *data)
{
	(void)data;
	assert_int_equal(surface_width(surface), SIZE);
	scanouts++;
}

static void on_damage(const struct rect *list, unsigned int count, gint64 at,
		      void *data)
{
	(void)data;
	damages++;
	damaged_at = at;
	rect_count = count;
	memcpy(rects, list, count * sizeof(*list));
}

static void on_nothing(void *data)
{
	(void)data;
}

static void on_cursor(struct cursor_image *image, void *data)
{
	(void)image;
	(void)data;
	fail();
}

static void on_place(int x, int y, bool on, void *data)
{
	(void)x;
	(void)y;
	(void)on;
	(void)data;
	fail();
}

static const struct listener_ops ops = {
	.scanout = on_scanout,
	.damage = on_damage,
	.disable = on_nothing,
	.cursor = on_cursor,
	.place = on_place,
	.closed = on_nothing,
};

static void answered(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GVariant) reply = NULL;

	(void)data;
	reply = g_dbus_connection_call_with_unix_fd_list_finish(
			G_DBUS_CONNECTION(source), NULL, result, NULL);
	if (reply)
		answers++;
	else
		errors++;
}

static void call(const char *interface, const char *method, GVariant *args,
		 GUnixFDList *fds)
{
	calls++;
	g_dbus_connection_call_with_unix_fd_list(qemu, NULL,
		"/org/qemu/Display1/Listener", interface, method, args, NULL,
		G_DBUS_CALL_FLAGS_NONE, GUARD_S * 1000, fds, NULL, answered,
		NULL);
}

static void call_update(uint64_t since_ns)
{
	GVariantBuilder list;

	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	g_variant_builder_add(&list, "(iiii)", 1, 2, 3, 4);
	g_variant_builder_add(&list, "(iiii)", 5, 6, 7, 8);
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", since_ns, &list), NULL);
}

static void call_scanout(void)
{
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
	int fd = memfd_create("picture", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, SIZE * SIZE * 4), 0);
	g_unix_fd_list_append(fds, fd, NULL);
	close(fd);
	call("org.qemu.Display1.Listener.Unix.Map", "ScanoutMap",
	     g_variant_new("(huuuuu)", 0, 0, SIZE, SIZE, SIZE * 4, XRGB), fds);
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	scanouts = damages = calls = answers = errors = 0;
	ours = qemus = qemu = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	connect_fd(pair[0], true, &qemus);
	connect_fd(pair[1], false, &ours);
	until(ours && qemus);
	node = g_dbus_node_info_new_for_xml(console_xml, NULL);
	g_dbus_connection_register_object(qemus, PATH, node->interfaces[0],
					  &vtable, NULL, NULL, NULL);
	listener = listener_new(&console, &ops, NULL);
	until(qemu);
	call_scanout();
	until(answers == 1 && scanouts == 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	listener_free(listener);
	until(answers + errors == calls);
	g_dbus_node_info_unref(node);
	g_object_unref(qemu);
	g_object_unref(qemus);
	g_object_unref(ours);
	return 0;
}

static void test_an_update_is_answered_when_it_was_read(void **state)
{
	(void)state;
	assert_false(listener_owes(listener));
	call_update(1);
	until(damages == 1);
	assert_true(listener_owes(listener));
	assert_int_equal(rect_count, 2);
	assert_int_equal(rects[1].height, 8);
	assert_int_equal(answers, 1);
	listener_answer(listener);
	assert_false(listener_owes(listener));
	until(answers == 2);
	listener_answer(listener);	/* nothing is owed */
}

static void test_it_is_answered_in_any_case(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	until(answers == 2);
	assert_false(listener_owes(listener));
}

static void test_one_that_does_not_wait_owes_nothing_for_the_first(void **state)
{
	(void)state;
	call_update(1);
	call_update(1);
	until(damages == 2 && answers == 2);
	assert_true(listener_owes(listener));
	listener_answer(listener);
	until(answers == 3);
}

static void test_a_listener_that_goes_answers(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	listener_free(listener);
	listener = NULL;
	until(answers + errors == 2);
}

static void test_the_time_of_the_flush_is_not_in_the_future(void **state)
{
	gint64 begun = g_get_monotonic_time();

	(void)state;
	call_update(5000);
	until(damages == 1);
	assert_int_equal(damaged_at, 5);
	call_update(UINT64_MAX);
	until(damages == 2);
	assert_true(damaged_at >= begun);
	assert_true(damaged_at <= g_get_monotonic_time());
}

static void test_an_update_of_nothing_is_refused(void **state)
{
	GVariantBuilder list;

	(void)state;
	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", (guint64)1, &list), NULL);
	until(errors == 1);
	assert_false(listener_owes(listener));
	assert_int_equal(damages, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_update_is_answered_when_it_was_read),
		T(test_it_is_answered_in_any_case),
		T(test_one_that_does_not_wait_owes_nothing_for_the_first),
		T(test_a_listener_that_goes_answers),
		T(test_the_time_of_the_flush_is_not_in_the_future),
		T(test_an_update_of_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
