// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which lease's end makes a scanout's input devices new, which are made so together, and what
 * a broker that was killed meanwhile has left to the next. The driver is a pipe by two names,
 * which says what was told to either, in order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "fake-module.h"
#include "gpu.h"
#include "input.h"
#include "input-record.h"
#include "tree.h"

#define DRIVER	"/sys/bus/virtio/drivers/virtio_input"
#define GROUP	"/sys/fs/cgroup/machine/desk"

struct fixture {
	char root[TREE_ROOM];
	struct module *mod;
	struct input *input;
	int driver;
};

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

static void populate(const struct fixture *f, const char *text)
{
	tree_put(text, "%s" GROUP "/cgroup.events", f->root);
}

static void start_with(struct fixture *f, unsigned int wait_ms)
{
	struct hl_error err;

	if (input_new(f->mod, NULL, f->root, wait_ms, &f->input, &err))
		fail_msg("%s", err.message);
}

static void start(struct fixture *f)
{
	start_with(f, INPUT_WAIT_MS);
}

/* Everything that the driver was told since this was asked last: first what it lost. */
static const char *told(const struct fixture *f)
{
	static char text[1024];
	ssize_t len = read(f->driver, text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static bool is_new(const struct fixture *f)
{
	return !strcmp(told(f), "virtio7virtio7");
}

static void add_device(const struct fixture *f, uint32_t scanout, int number)
{
	char text[PATH_MAX], path[PATH_MAX];

	snprintf(text, sizeof(text), "helix-%u\n", scanout);
	tree_put_input(f->root, number, number, 64 + number, text);
	snprintf(text, sizeof(text), "../../../virtio%d", number);
	snprintf(path, sizeof(path), "%s/sys/class/input/input%d/device", f->root, number);
	assert_int_equal(symlink(text, path), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[PATH_MAX], other[PATH_MAX];

	assert_non_null(f);
	tree_new(f->root);
	add_device(f, 1, 7);
	populate(f, "populated 1\nfrozen 0\n");
	tree_put("", "%s/run/helix/here", f->root);
	tree_put("", "%s" DRIVER "/uevent", f->root);
	snprintf(path, sizeof(path), "%s" DRIVER "/unbind", f->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	f->driver = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(f->driver >= 0);
	snprintf(other, sizeof(other), "%s" DRIVER "/bind", f->root);
	assert_int_equal(link(path, other), 0);
	f->mod = fake_module_new(2);
	assert_non_null(f->mod);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	input_free(f->input);
	hl_module_close(f->mod);
	close(f->driver);
	tree_remove(f->root);
	free(f);
	return 0;
}

static ino_t id_of_group(const struct fixture *f)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s" GROUP, f->root);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* What the next broker finds: @due lease of the group, and no more is known of it. */
static void leave(struct fixture *f, bool due, const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "generation 1000\ngrants 0\ncgroup %ju\ndue %d\n%s",
		 (uintmax_t)id_of_group(f), due, more);
	input_free(f->input);
	tree_put(text, "%s" INPUT_STATE_DIR "/1", f->root);
	start(f);
}

static void wait_leased(struct fixture *f, unsigned int n)
{
	while (fake_module_leased(f->mod) != n)
		usleep(1000);
}

/* Both were seen, and are over; nothing has been done about it. */
static void both_end(struct fixture *f)
{
	int first = fake_module_give(f->mod, 1, 0), second = fake_module_give(f->mod, 2, 0);

	input_settle(f->input, 1);
	input_settle(f->input, 2);
	close(first);
	close(second);
	wait_leased(f, 0);
	assert_string_equal(told(f), "");
}

static void one_of(struct fixture *f, uint32_t uid)
{
	int handle = fake_module_give(f->mod, 1, uid);

	input_settle(f->input, 1);
	close(handle);
	wait_leased(f, 0);
	input_settle(f->input, 1);
}

/* Nobody knows what processes such a tenant has, nor that it has none. */
static void one_of_roots_that_is_bound_to_no_group_is_done_always(void **state)
{
	struct fixture *f = *state;

	one_of(f, 0);
	assert_true(is_new(f));
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
}

/* Any of his processes may have opened the nodes, and in no group is known who they are. */
static void a_users_is_done_always(void **state)
{
	struct fixture *f = *state;

	one_of(f, 1000);
	assert_true(is_new(f));
	populate(f, "populated 0\nfrozen 0\n");
	leave(f, true, "user 1\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

static void one_that_nobody_here_has_seen_is_done(void **state)
{
	struct fixture *f = *state;

	close(fake_module_give(f->mod, 1, 0));
	wait_leased(f, 0);
	input_settle(f->input, 1);
	assert_true(is_new(f));
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
}

/* Who sees the next one first does not know whether he is told already. */
static void one_that_was_missed_is_done_before_the_next_is_told(void **state)
{
	struct fixture *f = *state;
	int first, second;

	add_device(f, 2, 8);
	input_settle(f->input, 2);
	close(fake_module_give(f->mod, 2, 0));
	wait_leased(f, 0);
	first = fake_module_give(f->mod, 1, 0);
	second = fake_module_give(f->mod, 2, 0);
	input_settle(f->input, 1);
	close(first);
	wait_leased(f, 1);
	input_settle(f->input, 1);
	assert_string_equal(told(f), "virtio7virtio7");
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/2"), "user 1\ndue 1\n"));
	input_settle(f->input, 2);
	assert_string_equal(told(f), "virtio8virtio8");
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/2"), "user 0\ndue 1\n"));
	input_settle(f->input, 2);
	assert_string_equal(told(f), "");
	close(second);
}

/* The kernel gives the lowest number that is free: each gets its own again. */
static void those_that_end_together_are_done_together_by_their_numbers(void **state)
{
	struct fixture *f = *state;

	add_device(f, 1, 5);
	add_device(f, 2, 6);
	both_end(f);
	input_settle(f->input, 2);
	assert_string_equal(told(f), "virtio5virtio6virtio7" "virtio5virtio6virtio7");
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/2"), "due 0\n"));
}

/* ---- a round that takes its time ---- */

struct settler {
	struct fixture *f;
	uint32_t scanout;
	pthread_t thread;
};

static void *settle(void *data)
{
	struct settler *settler = data;

	input_settle(settler->f->input, settler->scanout);
	return NULL;
}

static void settler_start(struct settler *settler, struct fixture *f, uint32_t scanout)
{
	*settler = (struct settler) { .f = f, .scanout = scanout };
	assert_int_equal(pthread_create(&settler->thread, NULL, settle, settler), 0);
}

static void settler_end(struct settler *settler)
{
	assert_int_equal(pthread_join(settler->thread, NULL), 0);
}

/* The driver takes nothing more until go_on(). */
static void hold_up(struct fixture *f)
{
	char none[4096] = { 0 };

	while (write(f->driver, none, sizeof(none)) > 0 || write(f->driver, none, 1) > 0)
		;
}

static void go_on(struct fixture *f)
{
	char none;

	do {
		while (read(f->driver, &none, 1) < 0)
			usleep(1000);
	} while (!none);
	/* The first letter of a name was one too many. */
	assert_int_equal(none, 'v');
}

/* Scanout 1 is without its lease, and @settler deals with that. */
static void round_begins(struct fixture *f, struct settler *settler)
{
	unsigned int others = fake_module_leased(f->mod);
	int handle = fake_module_give(f->mod, 1, 0);

	input_settle(f->input, 1);
	close(handle);
	wait_leased(f, others);
	hold_up(f);
	settler_start(settler, f, 1);
	while (!strstr(get(f, INPUT_STATE_DIR "/1"), "device virtio7 71\n"))
		usleep(1000);
}

static void one_that_waits_for_nothing_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct settler settler;
	int handle;

	add_device(f, 2, 8);
	round_begins(f, &settler);
	handle = fake_module_give(f->mod, 2, 0);
	input_settle(f->input, 2);
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/2"), "due 1\n"));
	go_on(f);
	settler_end(&settler);
	assert_string_equal(told(f), "irtio7virtio7");
	close(handle);
}

static void one_that_ends_meanwhile_is_next(void **state)
{
	struct fixture *f = *state;
	struct settler first, second;
	int handle = fake_module_give(f->mod, 2, 0);

	add_device(f, 2, 8);
	input_settle(f->input, 2);
	round_begins(f, &first);
	close(handle);
	wait_leased(f, 0);
	settler_start(&second, f, 2);
	go_on(f);
	settler_end(&first);
	settler_end(&second);
	assert_string_equal(told(f), "irtio7virtio7" "virtio8virtio8");
}

/* As one that a tenant holds up in the kernel. */
static void one_without_end_keeps_nobody_for_ever(void **state)
{
	struct fixture *f = *state;
	struct settler settler;
	int handle;

	add_device(f, 2, 8);
	input_free(f->input);
	start_with(f, 100);
	handle = fake_module_give(f->mod, 2, 0);
	assert_true(input_settle(f->input, 2));
	round_begins(f, &settler);
	close(handle);
	wait_leased(f, 0);
	assert_false(input_settle(f->input, 2));
	go_on(f);
	settler_end(&settler);
	assert_true(input_settle(f->input, 2));
	assert_string_equal(told(f), "irtio7virtio7" "virtio8virtio8");
}

/* Who looks at udev's records is not to see those of the device of before. */
static void udev_has_to_know_the_new_ones(void **state)
{
	struct fixture *f = *state;
	struct settler settler;
	char seen[64] = "";

	tree_put("", "%s/run/udev/control", f->root);
	leave(f, true, "");
	settler_start(&settler, f, 1);
	while (strcmp(seen, "virtio7virtio7")) {
		strcat(seen, told(f));
		usleep(1000);
	}
	usleep(50000);
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 1\n"));
	snprintf(seen, sizeof(seen), "I:%jd\n", (intmax_t)gpu_now_ms() * 1000);
	tree_put(seen, "%s/run/udev/data/c13:71", f->root);
	settler_end(&settler);
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

/* ---- brokers that come after others ---- */

static void before_the_next_is_told_of_his(void **state)
{
	struct fixture *f = *state;
	int handle;

	leave(f, true, "");
	handle = fake_module_give(f->mod, 1, 1001);
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "generation 1\n"));
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
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

	populate(f, "populated 0\nfrozen 0\n");
	leave(f, true, "");
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

static void set_reads_all(bool on)
{
	const uint32_t rights = 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~rights;
	data[0].effective |= on ? data[0].permitted & rights : 0;
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* As root of a container does whose group is his: the broker has no right to read everything. */
static void a_group_that_lets_nobody_look_has_not_gone(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	leave(f, true, "");
	snprintf(path, sizeof(path), "%s" GROUP, f->root);
	assert_int_equal(chmod(path, 0), 0);
	set_reads_all(false);
	input_settle(f->input, 1);
	set_reads_all(true);
	assert_int_equal(chmod(path, 0755), 0);
	assert_true(is_new(f));
}

/* Nor is it known to have gone while it may be in what cannot be looked at. */
static void nor_has_one_below_such(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	leave(f, true, "");
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/machine", f->root);
	assert_int_equal(chmod(path, 0), 0);
	set_reads_all(false);
	input_settle(f->input, 1);
	set_reads_all(true);
	assert_int_equal(chmod(path, 0755), 0);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault cannot look for its control group"));
}

static void remove_group(const struct fixture *f)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" GROUP "/cgroup.events", f->root);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s" GROUP, f->root);
	assert_int_equal(rmdir(path), 0);
}

/* Whoever else was given a group may make it so: that is nothing to those whose path is known. */
static void one_whose_path_is_known_has_gone_whatever_others_are_like(void **state)
{
	struct fixture *f = *state;
	char other[PATH_MAX];

	tree_put("", "%s/sys/fs/cgroup/machine/other/cgroup.events", f->root);
	snprintf(other, sizeof(other), "%s/sys/fs/cgroup/machine/other", f->root);
	assert_int_equal(chmod(other, 0), 0);
	leave(f, true, "path /machine/desk\n");
	remove_group(f);
	set_reads_all(false);
	input_settle(f->input, 1);
	set_reads_all(true);
	assert_int_equal(chmod(other, 0755), 0);
	assert_string_equal(told(f), "");
	assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault"));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\n"));
}

static void nor_is_it_another_of_that_name(void **state)
{
	struct fixture *f = *state;
	char moved[PATH_MAX], path[PATH_MAX];

	leave(f, true, "path /machine/desk\n");
	/* Out of the way, so that the next one has another number. */
	snprintf(path, sizeof(path), "%s" GROUP, f->root);
	snprintf(moved, sizeof(moved), "%s/moved", f->root);
	assert_int_equal(rename(path, moved), 0);
	populate(f, "populated 1\nfrozen 0\n");
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
}

static void nor_has_one_that_is_there_by_its_path(void **state)
{
	struct fixture *f = *state;

	leave(f, true, "path /machine/desk\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
}

/* Of its group the process may make more, and go there. */
static void its_path_is_asked_of_its_process(void **state)
{
	static const struct {
		const char *cgroup, *path;
	} cases[] = {
		{ "0::/machine/desk\n", "\npath /machine/desk\n" },
		{ "1:cpu:/machine\n0::/machine/desk/init.scope\n", "\npath /machine/desk\n" },
		{ "0::/machine/other\n", NULL },
		{ "0::/../machine/desk\n", NULL },
	};
	struct fixture *f = *state;

	tree_put("", "%s" GROUP "/init.scope/cgroup.events", f->root);
	tree_put("", "%s/sys/fs/cgroup/machine/other/cgroup.events", f->root);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int handle = fake_module_give(f->mod, 1, 0);

		fake_module_bind_to(f->mod, 1, id_of_group(f));
		tree_put(cases[i].cgroup, "%s/proc/%d/cgroup", f->root, getpid());
		input_settle(f->input, 1);
		if (cases[i].path)
			assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), cases[i].path));
		else
			assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "path"));
		assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 1\n"));
		close(handle);
		wait_leased(f, 0);
		input_settle(f->input, 1);
		assert_true(is_new(f));
	}
}

/* Killed between the two: the devices are nowhere to be seen. */
static void devices_without_their_driver_are_given_back(void **state)
{
	struct fixture *f = *state;

	populate(f, "populated 0\nfrozen 0\n");
	tree_put("another\n", "%s/sys/class/input/input7/uniq", f->root);
	leave(f, true, "device virtio7\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "\ndevice "));
}

#define SPEC	"/run/cdi/helix.json"
#define SKIPPED	77

static bool spec_is_of_before(void)
{
	char text[64] = "";
	FILE *file = fopen(SPEC, "re");

	if (!file || !fgets(text, sizeof(text), file))
		return false;
	fclose(file);
	return !strcmp(text, "of before");
}

/* In a process of its own, as a broker that has been started. */
static int start_watch(struct fixture *f, const char *spec, const char *record, bool stays)
{
	struct cdi_watch *watch;
	struct hl_error err;
	sd_event *event;
	bool stayed;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/run", "tmpfs", 0, NULL))
		return SKIPPED;
	if (spec)
		tree_put(spec, SPEC);
	tree_put(record, INPUT_STATE_DIR "/1");
	tree_put("", INPUT_STATE_DIR "/lock");
	if (sd_event_new(&event) < 0 ||
	    cdi_watch_new(event, f->mod, SPEC, record_any_absent(""), &watch, &err))
		return 1;
	stayed = spec_is_of_before();
	if (stayed != stays || access(SPEC, F_OK))
		return 2;
	/* Nobody listens to the module here, who would give them back. */
	if (input_new(f->mod, watch, "", INPUT_WAIT_MS, &f->input, &err))
		return 3;
	return spec_is_of_before() ? 4 : 0;
}

/* The specification of before has them, and the container that is made now. */
static void nor_does_the_next_broker_take_them_from_the_specification(void **state)
{
	static const struct {
		const char *spec, *record;
		bool stays;
	} cases[] = {
		{ "of before", "generation 7\ndue 1\ndevice virtio7 71\n", true },
		{ "of before", "generation 7\ndue 1\n", false },
		{ NULL, "generation 7\ndue 1\ndevice virtio7 71\n", false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t child = fork();
		int status;

		if (!child)
			_exit(start_watch(f, cases[i].spec, cases[i].record, cases[i].stays));
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
			skip();
		assert_int_equal(status, 0);
	}
}

static void their_numbers_are_known_to_the_next_broker(void **state)
{
	struct fixture *f = *state;

	leave(f, true, "device virtio9 70\n");
	input_settle(f->input, 1);
	assert_string_equal(told(f), "virtio9virtio7" "virtio9virtio7");
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

static void change_bind(const struct fixture *f, bool works)
{
	char unbind[PATH_MAX], bind[PATH_MAX];

	snprintf(unbind, sizeof(unbind), "%s" DRIVER "/unbind", f->root);
	snprintf(bind, sizeof(bind), "%s" DRIVER "/bind", f->root);
	assert_int_equal(works ? link(unbind, bind) : unlink(bind), 0);
}

static void what_cannot_be_given_back_is_before_the_next_is_told(void **state)
{
	struct fixture *f = *state;
	int handle;

	change_bind(f, false);
	one_of(f, 0);
	assert_string_equal(told(f), "virtio7");
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 0\nlost virtio7 71\n"));
	/* Without its driver it is an input no more. */
	tree_put("another\n", "%s/sys/class/input/input7/uniq", f->root);
	input_free(f->input);
	start(f);
	input_settle(f->input, 1);
	change_bind(f, true);
	told(f);
	handle = fake_module_give(f->mod, 1, 0);
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "lost"));
	assert_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault"));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "due 1\n"));
	input_settle(f->input, 1);
	assert_string_equal(told(f), "");
	close(handle);
}

/* There is nothing to put a device program on, as it says. */
static void nor_is_its_tenant_let_in_for_that(void **state)
{
	struct fixture *f = *state;

	leave(f, true, "lost virtio7\n");
	input_settle(f->input, 1);
	assert_true(is_new(f));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault cannot look for the device filter"));
}

/* Who heard before still does. */
static void what_is_written_down_stays_over_the_next_lease(void **state)
{
	struct fixture *f = *state;
	int handle;

	leave(f, false, "fault it still hears\n");
	handle = fake_module_give(f->mod, 1, 0);
	input_settle(f->input, 1);
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "generation 1\n"));
	assert_non_null(strstr(get(f, INPUT_STATE_DIR "/1"), "fault it still hears\n"));
	close(handle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_roots_that_is_bound_to_no_group_is_done_always),
		TEST(a_users_is_done_always),
		TEST(one_that_nobody_here_has_seen_is_done),
		TEST(one_that_was_missed_is_done_before_the_next_is_told),
		TEST(those_that_end_together_are_done_together_by_their_numbers),
		TEST(one_that_waits_for_nothing_is_not_kept),
		TEST(one_that_ends_meanwhile_is_next),
		TEST(one_without_end_keeps_nobody_for_ever),
		TEST(udev_has_to_know_the_new_ones),
		TEST(before_the_next_is_told_of_his),
		TEST(the_next_broker_does_what_the_last_left),
		TEST(a_container_that_has_ended_left_nobody),
		TEST(a_group_that_lets_nobody_look_has_not_gone),
		TEST(nor_has_one_below_such),
		TEST(nor_has_one_that_is_there_by_its_path),
		TEST(one_whose_path_is_known_has_gone_whatever_others_are_like),
		TEST(nor_is_it_another_of_that_name),
		TEST(its_path_is_asked_of_its_process),
		TEST(devices_without_their_driver_are_given_back),
		TEST(nor_does_the_next_broker_take_them_from_the_specification),
		TEST(their_numbers_are_known_to_the_next_broker),
		TEST(what_cannot_be_done_is_written_down),
		TEST(what_cannot_be_given_back_is_before_the_next_is_told),
		TEST(nor_is_its_tenant_let_in_for_that),
		TEST(what_is_written_down_stays_over_the_next_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
