// SPDX-License-Identifier: GPL-2.0-only
/*
 * A visit to a monitor that is this test: the visit's thread waits for each answer,
 * so every step is decided here.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"
#include "qmp.h"
#include "test.h"

#define GREETING "{\"QMP\":{}}\n"
#define DONE "{\"return\":{}}\n"

static char *folder, *path;
static int listening, monitor;
static int handed;		/* the descriptor that came with getfd */
static GCancellable *cancellable;
static struct qmp_display *found;
static GError *why;
static bool ended;

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	folder = g_dir_make_tmp("helix-qmp-XXXXXX", NULL);
	path = g_build_filename(folder, "monitor", NULL);
	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	monitor = -1;
	handed = -1;
	found = NULL;
	why = NULL;
	ended = false;
	cancellable = g_cancellable_new();
	return bind(listening, (struct sockaddr *)&address, sizeof(address)) ||
	       listen(listening, 1);
}

static int teardown(void **state)
{
	(void)state;
	qmp_display_free(found);
	g_clear_error(&why);
	g_object_unref(cancellable);
	if (monitor >= 0)
		close(monitor);
	if (handed >= 0)
		close(handed);
	close(listening);
	unlink(path);
	rmdir(folder);
	g_free(path);
	g_free(folder);
	return 0;
}

static void visited(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)source;
	(void)data;
	found = qmp_open_display_finish(result, &why);
	assert_true(!found == !!why);
	ended = true;
}

static void say(const char *text)
{
	assert_int_equal(write(monitor, text, strlen(text)), strlen(text));
}

/* One command, which has @words in it; a descriptor with it is kept. */
static void hear(const char *words)
{
	char text[512], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(monitor, &message, MSG_CMSG_CLOEXEC);

	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, words));
	if (CMSG_FIRSTHDR(&message))
		memcpy(&handed, CMSG_DATA(CMSG_FIRSTHDR(&message)),
		       sizeof(handed));
}

static void hear_and_say(const char *words, const char *text)
{
	hear(words);
	say(text);
}

/* Until QEMU has the descriptor and @answer is to be said to add_client. */
static void begin(void)
{
	qmp_open_display(path, cancellable, visited, NULL);
	monitor = accept(listening, NULL, NULL);
	assert_true(monitor >= 0);
	say(GREETING);
	hear_and_say("qmp_capabilities", DONE);
	/* news are not for us */
	hear_and_say("getfd", "{\"event\":\"RESUME\"}\n" DONE);
	assert_true(handed >= 0);
	hear("add_client");
}

static void test_a_visit_brings_a_display_and_its_touch_screens(void **state)
{
	char text[8] = "";

	(void)state;
	begin();
	say(DONE);
	hear_and_say("/machine/peripheral\"",
		     "{\"return\":[{\"name\":\"t\",\"type\":\"child<virtio-multitouch-pci>\"},"
		     "{\"name\":\"k\",\"type\":\"child<virtio-keyboard-pci>\"}]}\n");
	hear_and_say("\"display\"", "{\"return\":\"gpu\"}\n");
	hear_and_say("\"head\"", "{\"return\":3}\n");
	hear_and_say("gpu\",\"property\":\"addr\"", "{\"return\":16}\n");
	hear_and_say("/machine/peripheral-anon", "{\"return\":[]}\n");
	/* others may visit as soon as that is heard of */
	assert_int_equal(read(monitor, text, 1), 0);
	until(ended);
	assert_non_null(found);
	assert_int_equal(found->nr_touches, 1);
	assert_int_equal(found->touches[0].gpu, 16);
	assert_int_equal(found->touches[0].head, 3);
	assert_int_equal(write(handed, "D-Bus", 5), 5);
	assert_int_equal(read(found->fd, text, sizeof(text)), 5);
	assert_string_equal(text, "D-Bus");
}

static void test_what_is_no_string_is_passed_over(void **state)
{
	(void)state;
	begin();
	say(DONE);
	hear_and_say("/machine/peripheral\"",
		     "{\"return\":[{\"name\":\"t\",\"type\":null},null,7,[],"
		     "{\"name\":\"k\",\"type\":7},{\"name\":\"l\"}]}\n");
	hear_and_say("/machine/peripheral-anon",
		     "{\"return\":[{\"name\":null,\"type\":\"child<virtio-multitouch-pci>\"}]}\n");
	hear_and_say("\"display\"", "{\"return\":null}\n");
	hear_and_say("\"head\"", "{\"return\":\"3\"}\n");
	until(ended);
	assert_non_null(found);
	/* a touch screen of whichever console is touched */
	assert_int_equal(found->nr_touches, 1);
	assert_int_equal(found->touches[0].gpu, UINT32_MAX);
}

static void test_a_refusal_is_told(void **state)
{
	(void)state;
	begin();
	say("{\"error\":{\"desc\":\"no such display\"}}\n");
	until(ended);
	assert_null(found);
	assert_non_null(strstr(why->message, "no such display"));
}

static void test_a_refusal_without_words_and_an_answer_that_is_none_are_told(void **state)
{
	(void)state;
	begin();
	say("{\"error\":null}\n");
	until(ended);
	assert_null(found);
	assert_non_null(strstr(why->message, "QEMU refused"));

	ended = false;
	g_clear_error(&why);
	close(monitor);
	close(handed);
	begin();
	say("{\"return\":null}\n");
	until(ended);
	assert_null(found);
	assert_non_null(strstr(why->message, "understanding what came from"));
}

static void test_a_visit_that_fails_when_it_was_cancelled_is_cancelled(void **state)
{
	(void)state;
	begin();
	g_cancellable_cancel(cancellable);
	close(monitor);
	monitor = -1;
	until(ended);
	assert_true(g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void test_what_nobody_wants_any_more_is_closed(void **state)
{
	char byte;

	(void)state;
	begin();
	say(DONE);
	hear_and_say("qom-list", "{\"return\":[]}\n");
	hear("qom-list");
	g_cancellable_cancel(cancellable);
	say("{\"return\":[]}\n");
	until(ended);
	assert_true(g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_int_equal(read(handed, &byte, 1), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_visit_brings_a_display_and_its_touch_screens),
		T(test_what_is_no_string_is_passed_over),
		T(test_a_refusal_is_told),
		T(test_a_refusal_without_words_and_an_answer_that_is_none_are_told),
		T(test_a_visit_that_fails_when_it_was_cancelled_is_cancelled),
		T(test_what_nobody_wants_any_more_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
