// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which lease's end makes a scanout's input devices new, and what a broker that was killed
 * meanwhile has left to the next. The driver is two files that take down what it is told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "fake-module.h"
#include "input.h"
#include "records.h"

#define DRIVER	"/sys/bus/virtio/drivers/virtio_input"
#define GROUP	"/sys/fs/cgroup/machine/desk"

struct fixture {
	char root[64];
	struct module *mod;
	struct input *input;
};

static void put(const struct fixture *f, const char *text, const char *path)
{
	char full[PATH_MAX];
	struct hl_error err;

	snprintf(full, sizeof(full), "%s%s", f->root, path);
	if (cdi_file_write(full, text, strlen(text), &err))
		fail_msg("%s", err.message);
}

/* The whole file, or "-" where there is none. */
static const char *get(const struct fixture *f, const char *path)
{
	static char text[1024];
	char full[PATH_MAX];
	size_t len = 0;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", f->root, path);
	file = fopen(full, "re");
	if (!file)
		return "-";
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void start(struct fixture *f)
{
	struct hl_error err;

	if (input_new(f->mod, NULL, f->root, &f->input, &err))
		fail_msg("%s", err.message);
}

static void forget(const struct fixture *f)
{
	put(f, "", DRIVER "/unbind");
	put(f, "", DRIVER "/bind");
}

static bool is_new(const struct fixture *f)
{
	if (strcmp(get(f, DRIVER "/bind"), "virtio7"))
		return false;
	assert_string_equal(get(f, DRIVER "/unbind"), "virtio7");
	return true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[PATH_MAX];

	assert_non_null(f);
	strcpy(f->root, "/tmp/input-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	put(f, "helix-1\n", "/sys/class/input/input3/uniq");
	put(f, "13:71\n", "/sys/class/input/input3/event7/dev");
	snprintf(path, sizeof(path), "%s/sys/class/input/input3/device", f->root);
	assert_int_equal(symlink("../../../virtio7", path), 0);
	put(f, "populated 1\nfrozen 0\n", GROUP "/cgroup.events");
	put(f, "", "/run/helix/here");
	forget(f);
	f->mod = fake_module_new(2);
	assert_non_null(f->mod);
	start(f);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	input_free(f->input);
	hl_module_close(f->mod);
	nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* What the next broker finds: @due lease of the group, and no more is known of it. */
static void leave(struct fixture *f, bool due, const char *more)
{
	char path[PATH_MAX], text[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s" GROUP, f->root);
	assert_int_equal(stat(path, &st), 0);
	snprintf(text, sizeof(text), "generation 1000\ngrants 0\ncgroup %ju\ndue %d\n%s",
		 (uintmax_t)st.st_ino, due, more);
	input_free(f->input);
	put(f, text, INPUT_STATE_DIR "/1");
	start(f);
}

static void one_of_a_user(struct fixture *f, uint32_t uid)
{
	int handle = fake_module_give(f->mod, 1, uid);

	input_settle(f->input, 1);
	close(handle);
	while (fake_module_leased(f->mod))
		usleep(1000);
	input_settle(f->input, 1);
}

/* Nobody knows what processes such a tenant has. */
static void one_of_roots_that_is_bound_to_no_group_is_left_alone(void **state)
{
	struct fixture *f = *state;

	one_of_a_user(f, 0);
	assert_false(is_new(f));
}

/* Any of his processes may have opened the nodes, and in no group is known who they are. */
static void a_users_is_done_always(void **state)
{
	struct fixture *f = *state;

	one_of_a_user(f, 1000);
	assert_true(is_new(f));
	forget(f);
	put(f, "populated 0\nfrozen 0\n", GROUP "/cgroup.events");
	leave(f, true, "user 1\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

static void before_the_next_is_told_of_his(void **state)
{
	struct fixture *f = *state;
	int handle;

	leave(f, true, "");
	handle = fake_module_give(f->mod, 1, 1001);
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "generation 1\n"));
	forget(f);
	input_settle(f->input, 1);
	assert_false(is_new(f));
	close(handle);
}

static void the_next_broker_does_what_the_last_left(void **state)
{
	struct fixture *f = *state;

	leave(f, true, "");
	input_settle(f->input, 1);
	assert_true(is_new(f));
}

static void a_container_that_has_ended_left_nobody(void **state)
{
	struct fixture *f = *state;

	put(f, "populated 0\nfrozen 0\n", GROUP "/cgroup.events");
	leave(f, true, "");
	input_settle(f->input, 1);
	assert_false(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

/* Killed between the two: the devices are nowhere to be seen. */
static void devices_without_their_driver_are_given_back(void **state)
{
	struct fixture *f = *state;

	put(f, "populated 0\nfrozen 0\n", GROUP "/cgroup.events");
	put(f, "another\n", "/sys/class/input/input3/uniq");
	leave(f, true, "device virtio7\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "\ndevice "));
}

static void what_cannot_be_done_is_written_down(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" DRIVER "/unbind", f->root);
	assert_int_equal(remove(path), 0);
	leave(f, true, "");
	input_settle(f->input, 1);
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault cannot take virtio7 from its driver"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_roots_that_is_bound_to_no_group_is_left_alone),
		TEST(a_users_is_done_always),
		TEST(before_the_next_is_told_of_his),
		TEST(the_next_broker_does_what_the_last_left),
		TEST(a_container_that_has_ended_left_nobody),
		TEST(devices_without_their_driver_are_given_back),
		TEST(what_cannot_be_done_is_written_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
