// SPDX-License-Identifier: GPL-2.0-only
/* What container runtimes are told: the right devices, in a specification that is one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "container.h"
#include "devices.h"
#include "filter.h"
#include "ids.h"
#include "records.h"
#include "spec.h"
#include "tree.h"

/* A system of files: two scanouts on one GPU, with two input devices each, and a mouse. */
struct fixture {
	char root[TREE_ROOM];
	struct hl_scanout list[2];
	struct cdi_devices devices;
	struct cdi_options options;
	char state[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct hl_error err;

	assert_non_null(f);
	tree_new(f->root);
	for (int i = 0; i < 2; i++) {
		f->list[i] = (struct hl_scanout) {
			.scanout = i + 1, .dev_major = 240, .dev_minor = i + 1,
		};
		snprintf(f->list[i].node, HL_NODE_LEN, "/dev/helix/scanout%d", i + 1);
		tree_put("226:0\n", "%s/sys/dev/char/240:%d/device/drm/card0/dev", f->root, i + 1);
		tree_put("226:128\n", "%s/sys/dev/char/240:%d/device/drm/renderD128/dev", f->root, i + 1);
	}
	tree_put("I:1\n", "%s/run/udev/data/c226:0", f->root);
	tree_put("", "%s/run/udev/tags/seat/c226:0", f->root);
	tree_put_input(f->root, 3, 7, 71, "helix-1\n");
	tree_put_input(f->root, 4, 5, 69, "helix-1\n");
	tree_put_input(f->root, 5, 6, 70, "helix-2\n");
	tree_put_input(f->root, 6, 8, 72, "helix-2\n");
	tree_put_input(f->root, 7, 9, 73, "a mouse\n");
	tree_put_input(f->root, 8, 10, 74, "helix-11\n");
	snprintf(f->state, sizeof(f->state), "%s/state", f->root);
	f->options = (struct cdi_options) {
		.helixctl = "/usr/bin/helixctl", .state_dir = f->state,
		.video = 44, .render = 105, .input = 104,
	};
	if (cdi_devices_read(f->root, f->list, 2, &f->devices, &err))
		fail_msg("%s", err.message);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cdi_devices_free(&f->devices);
	tree_remove(f->root);
	free(f);
	return 0;
}

static void each_scanout_has_its_own_devices(void **state)
{
	struct fixture *f = *state;
	const struct cdi_scanout *s = f->devices.scanouts;

	assert_int_equal(f->devices.n, 2);
	assert_string_equal(s[0].render.path, "/dev/dri/renderD128");
	assert_int_equal(s[0].render.minor, 128);
	assert_string_equal(s[0].card.path, "/dev/dri/card0");
	assert_int_equal(s[0].nr_inputs, 2);
	assert_string_equal(s[0].inputs[0].node.path, "/dev/input/event5");
	assert_string_equal(s[0].inputs[1].node.path, "/dev/input/event7");
	assert_string_equal(s[0].inputs[1].parent, "input3");
	assert_int_equal(s[1].nr_inputs, 2);
	assert_int_equal(s[1].inputs[0].node.minor, 70);
}

static void a_gpu_that_has_gone_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct hl_scanout gone = { .scanout = 9, .dev_major = 240, .dev_minor = 9 };
	struct cdi_devices devices;
	struct hl_error err;

	assert_int_equal(cdi_devices_read(f->root, &gone, 1, &devices, &err), 0);
	assert_string_equal(devices.scanouts[0].render.path, "");
	assert_int_equal(devices.scanouts[0].nr_inputs, 0);
	cdi_devices_free(&devices);
	assert_int_equal(cdi_devices_read("/nowhere", f->list, 2, &devices, &err), 0);
	cdi_devices_free(&devices);
}

static void too_many_hands_are_refused(void **state)
{
	struct fixture *f = *state;
	struct cdi_devices devices;
	struct hl_error err;

	for (int i = 0; i < CDI_INPUTS_MAX; i++)
		tree_put_input(f->root, 100 + i, 100 + i, 100 + i, "helix-2\n");
	assert_int_equal(cdi_devices_read(f->root, f->list, 2, &devices, &err), -E2BIG);
	assert_non_null(strstr(err.message, "helix-2"));
}

/* ---- the schema of CDI 0.7, as far as it can be broken by what writes ours ---- */

enum kind { STRING, INTEGER, BOOLEAN, STRINGS, INTEGERS, OBJECT, OBJECTS };

struct member {
	const char *name;
	enum kind kind;
	bool required;
	const struct member *members;	/* of OBJECT and of each of OBJECTS */
};

static const struct member node_schema[] = {
	{ "path", STRING, true, NULL }, { "hostPath", STRING, false, NULL },
	{ "type", STRING, false, NULL }, { "major", INTEGER, false, NULL },
	{ "minor", INTEGER, false, NULL }, { "fileMode", INTEGER, false, NULL },
	{ "permissions", STRING, false, NULL }, { "uid", INTEGER, false, NULL },
	{ "gid", INTEGER, false, NULL }, { 0 },
};

static const struct member mount_schema[] = {
	{ "hostPath", STRING, true, NULL }, { "containerPath", STRING, true, NULL },
	{ "options", STRINGS, false, NULL }, { "type", STRING, false, NULL }, { 0 },
};

static const struct member hook_schema[] = {
	{ "hookName", STRING, true, NULL }, { "path", STRING, true, NULL },
	{ "args", STRINGS, false, NULL }, { "env", STRINGS, false, NULL },
	{ "timeout", INTEGER, false, NULL }, { 0 },
};

static const struct member edits_schema[] = {
	{ "env", STRINGS, false, NULL }, { "deviceNodes", OBJECTS, false, node_schema },
	{ "mounts", OBJECTS, false, mount_schema }, { "hooks", OBJECTS, false, hook_schema },
	{ "additionalGids", INTEGERS, false, NULL }, { 0 },
};

static const struct member device_schema[] = {
	{ "name", STRING, true, NULL }, { "containerEdits", OBJECT, true, edits_schema }, { 0 },
};

static const struct member spec_schema[] = {
	{ "cdiVersion", STRING, true, NULL }, { "kind", STRING, true, NULL },
	{ "devices", OBJECTS, true, device_schema },
	{ "containerEdits", OBJECT, false, edits_schema }, { 0 },
};

static void check_object(json_object *obj, const struct member *schema);

static void check_list(json_object *list, json_type type, const struct member *schema)
{
	assert_true(json_object_is_type(list, json_type_array));
	/* Not said at all rather than empty. */
	assert_true(json_object_array_length(list) > 0);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *one = json_object_array_get_idx(list, i);

		assert_true(json_object_is_type(one, type));
		if (schema)
			check_object(one, schema);
	}
}

static void check_member(json_object *value, const struct member *m)
{
	switch (m->kind) {
	case STRING:
		assert_true(json_object_is_type(value, json_type_string));
		assert_true(json_object_get_string_len(value) > 0);
		break;
	case INTEGER:
		assert_true(json_object_is_type(value, json_type_int));
		assert_true(json_object_get_int64(value) >= 0);
		break;
	case BOOLEAN:
		assert_true(json_object_is_type(value, json_type_boolean));
		break;
	case STRINGS:
		check_list(value, json_type_string, NULL);
		break;
	case INTEGERS:
		check_list(value, json_type_int, NULL);
		break;
	case OBJECT:
		check_object(value, m->members);
		break;
	case OBJECTS:
		check_list(value, json_type_object, m->members);
		break;
	}
}

static void check_object(json_object *obj, const struct member *schema)
{
	assert_true(json_object_is_type(obj, json_type_object));
	for (const struct member *m = schema; m->name; m++) {
		json_object *value;

		if (json_object_object_get_ex(obj, m->name, &value))
			check_member(value, m);
		else if (m->required)
			fail_msg("%s is missing", m->name);
	}
	json_object_object_foreach(obj, key, value) {
		const struct member *m = schema;

		(void)value;
		while (m->name && strcmp(m->name, key))
			m++;
		if (!m->name)
			fail_msg("there is no member %s", key);
	}
}

static json_object *get(json_object *obj, const char *name)
{
	json_object *value = NULL;

	assert_true(json_object_object_get_ex(obj, name, &value));
	return value;
}

static json_object *device(json_object *spec, const char *name)
{
	json_object *list = get(spec, "devices");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *one = json_object_array_get_idx(list, i);

		if (!strcmp(json_object_get_string(get(one, "name")), name))
			return get(one, "containerEdits");
	}
	fail_msg("there is no device %s", name);
	return NULL;
}

/* "path=major:minor" of each node, in their order. */
static void nodes_of(json_object *edits, char *text, size_t size)
{
	json_object *nodes = get(edits, "deviceNodes");

	text[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		json_object *node = json_object_array_get_idx(nodes, i);
		size_t len = strlen(text);

		assert_string_equal(json_object_get_string(get(node, "permissions")), "rw");
		snprintf(text + len, size - len, "%s=%d:%d ",
			 json_object_get_string(get(node, "path")),
			 json_object_get_int(get(node, "major")),
			 json_object_get_int(get(node, "minor")));
	}
}

static void the_specification_is_one(void **state)
{
	struct fixture *f = *state;
	json_object *spec = cdi_spec(&f->devices, &f->options);

	assert_non_null(spec);
	check_object(spec, spec_schema);
	assert_string_equal(json_object_get_string(get(spec, "kind")), "helix.dev/scanout");
	assert_int_equal(json_object_array_length(get(spec, "devices")), 3);
	json_object_put(spec);
}

static void so_it_is_without_anything(void **state)
{
	struct cdi_devices none = { 0 };
	struct fixture *f = *state;
	struct cdi_options bare = f->options;
	json_object *spec;

	bare.video = bare.render = bare.input = (gid_t)-1;
	f->devices.scanouts[0].nr_inputs = 0;
	f->devices.scanouts[0].render.path[0] = '\0';
	spec = cdi_spec(&f->devices, &bare);
	check_object(spec, spec_schema);
	json_object_put(spec);
	/* What is asked for then is refused by the runtime, which knows no such device. */
	spec = cdi_spec(&none, &bare);
	check_object(spec, spec_schema);
	json_object_put(spec);
}

static void a_scanout_has_its_nodes_by_the_guests_names(void **state)
{
	struct fixture *f = *state;
	json_object *spec = cdi_spec(&f->devices, &f->options), *hook;
	char text[1024];

	nodes_of(device(spec, "2"), text, sizeof(text));
	assert_string_equal(text,
			    "/dev/helix/scanout2=240:2 /dev/dri/renderD128=226:128 "
			    "/dev/input/event6=13:70 /dev/input/event8=13:72 ");
	hook = json_object_array_get_idx(get(device(spec, "2"), "hooks"), 0);
	assert_string_equal(json_object_get_string(get(hook, "hookName")), "createRuntime");
	assert_string_equal(json_object_to_json_string_ext(get(hook, "args"), JSON_C_TO_STRING_PLAIN),
			    "[\"helixctl\",\"cdi\",\"hook\",\"2\"]");
	json_object_put(spec);
}

static void any_has_the_pool_and_no_card(void **state)
{
	struct fixture *f = *state;
	json_object *spec = cdi_spec(&f->devices, &f->options);
	char text[1024];

	nodes_of(device(spec, "any"), text, sizeof(text));
	assert_string_equal(text,
			    "/dev/helix/scanout1=240:1 /dev/dri/renderD128=226:128 "
			    "/dev/input/event5=13:69 /dev/input/event7=13:71 "
			    "/dev/helix/scanout2=240:2 /dev/input/event6=13:70 "
			    "/dev/input/event8=13:72 ");
	json_object_put(spec);
}

static void records_are_of_its_own_devices(void **state)
{
	struct fixture *f = *state;
	struct hl_error err;
	struct stat before, after;
	char path[256];

	if (cdi_records_write(f->root, &f->devices, &f->options, &err))
		fail_msg("%s", err.message);
	assert_true(tree_has("%s/1/udev/data/c13:71", f->state));
	assert_true(tree_has("%s/1/udev/data/+input:input3", f->state));
	assert_true(tree_has("%s/1/udev/data/c226:0", f->state));
	assert_true(tree_has("%s/1/udev/tags/seat/+input:input3", f->state));
	assert_true(tree_has("%s/1/udev/tags/seat/c226:0", f->state));
	assert_true(tree_has("%s/1/udev/control", f->state));
	assert_false(tree_has("%s/1/udev/data/c13:70", f->state));
	assert_false(tree_has("%s/1/udev/data/c13:73", f->state));
	assert_false(tree_has("%s/1/udev/data/c13:74", f->state));
	assert_false(tree_has("%s/1/udev/tags/seat/+input:input5", f->state));
	assert_true(tree_has("%s/any/udev", f->state));

	/* What goes is gone, and a container that has the folder mounted sees it. */
	snprintf(path, sizeof(path), "%s/1/udev/data", f->state);
	assert_int_equal(stat(path, &before), 0);
	cdi_devices_free(&f->devices);
	snprintf(path, sizeof(path), "%s/sys/class/input/input3/uniq", f->root);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/run/udev/tags/seat/c226:0", f->root);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/run/udev/tags/seat", f->root);
	assert_int_equal(cdi_devices_read(f->root, f->list, 2, &f->devices, &err), 0);
	assert_int_equal(cdi_records_write(f->root, &f->devices, &f->options, &err), 0);
	assert_false(tree_has("%s/1/udev/data/c13:71", f->state));
	assert_false(tree_has("%s/1/udev/tags/seat/+input:input3", f->state));
	assert_false(tree_has("%s/1/udev/tags/seat/c226:0", f->state));
	assert_true(tree_has("%s/1/udev/data/c13:69", f->state));
	snprintf(path, sizeof(path), "%s/1/udev/data", f->state);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void a_file_that_says_the_same_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	struct hl_error err;
	char path[256];

	snprintf(path, sizeof(path), "%s/new/spec.json", f->root);
	assert_int_equal(cdi_file_write(path, "one", 3, &err), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644);
	assert_int_equal(cdi_file_write(path, "one", 3, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(cdi_file_write(path, "on", 2, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, 2);
	assert_false(tree_has("%s.new", path));
	assert_int_equal(cdi_file_write("/proc/nowhere/file", "x", 1, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/proc/nowhere"));
}

/* ---- the device program ---- */

/* What the kernel's would say, of the few instructions there are in it. */
static int verdict(const struct bpf_insn *p, int len, uint32_t type, uint32_t major, uint32_t minor)
{
	const struct bpf_cgroup_dev_ctx ctx = {
		.access_type = BPF_DEVCG_ACC_READ << 16 | type, .major = major, .minor = minor,
	};
	uint64_t reg[5] = { 0 };

	for (int at = 0; at < len; at++) {
		const struct bpf_insn *i = &p[at];

		assert_true(i->dst_reg < ARRAY_SIZE(reg));
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			reg[i->dst_reg] = *(const uint32_t *)((const char *)&ctx + i->off);
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			reg[i->dst_reg] &= i->imm;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = i->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			at += reg[i->dst_reg] != (uint64_t)i->imm ? i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += reg[i->dst_reg] == (uint64_t)i->imm ? i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[0];
		default:
			fail_msg("instruction %d is %#x", at, i->code);
		}
	}
	fail_msg("it runs past its end");
	return -1;
}

static void the_filter_refuses_what_is_anothers(void **state)
{
	struct fixture *f = *state;
	const struct cdi_scanout *own = &f->devices.scanouts[1];
	struct bpf_insn program[64];
	struct hl_error err;
	int len = cdi_filter_program(&f->devices, own, program, ARRAY_SIZE(program), &err);

	assert_true(len > 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 240, 2), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 70), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 72), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 226, 128), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 240, 1), 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 69), 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 71), 0);
	/* Of the rest the runtime's own program decides. */
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 1, 3), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 73), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_BLOCK, 240, 1), 1);
	assert_int_equal(cdi_filter_program(&f->devices, own, program, len - 1, &err), -E2BIG);
}

/* The specification that the runtime has read still has them. */
static void nor_does_it_allow_what_is_being_renewed(void **state)
{
	struct fixture *f = *state;
	struct bpf_insn program[64];
	struct hl_error err;
	char path[256];
	int len;

	assert_int_equal(cdi_records_write(f->root, &f->devices, &f->options, &err), 0);
	cdi_devices_free(&f->devices);
	snprintf(path, sizeof(path), "%s/sys/class/input/input5/uniq", f->root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(cdi_devices_read(f->root, f->list, 2, &f->devices, &err), 0);
	assert_int_equal(f->devices.scanouts[1].nr_inputs, 1);
	cdi_records_absent(&f->options, &f->devices.scanouts[1]);
	assert_int_equal(f->devices.scanouts[1].nr_inputs, 2);
	len = cdi_filter_program(&f->devices, &f->devices.scanouts[0], program, ARRAY_SIZE(program), &err);
	assert_true(len > 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 70), 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 72), 0);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 13, 69), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 226, 128), 1);
	assert_int_equal(verdict(program, len, BPF_DEVCG_DEV_CHAR, 226, 0), 1);
}

static bool opens(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool join(int group)
{
	int fd = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	bool in = fd >= 0 && write(fd, "0", 1) == 1;

	if (fd >= 0)
		close(fd);
	return in;
}

/* In a process of its own: what went wrong, 0 for nothing, SKIPPED where nothing can be tried. */
#define SKIPPED 77
static int try_filter(const char *dir)
{
	struct cdi_scanout zero = {
		.nr_inputs = 1,
		.inputs[0].node = { .path = "/dev/zero", .major = 1, .minor = 5 },
	};
	struct cdi_scanout full = {
		.nr_inputs = 1,
		.inputs[0].node = { .path = "/dev/full", .major = 1, .minor = 7 },
	};
	const struct cdi_devices devices = { .scanouts = &zero, .n = 1 };
	const struct cdi_devices more = { .scanouts = &full, .n = 1 };
	struct hl_error err;
	int top, group, wrong = 0;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "cgroup2", 0, NULL))
		return SKIPPED;
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || mkdirat(top, "helix-test", 0755))
		return SKIPPED;
	/* As of one that may not be read. */
	group = openat(top, "helix-test", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (group < 0 || !join(group) || cdi_filter_put(group, "helix_in_4", &devices, &err))
		wrong = SKIPPED;
	else if (opens("/dev/zero") || !opens("/dev/null"))
		wrong = 1;
	else if (cdi_filter_lift(group, "helix_in_5", &err) || opens("/dev/zero"))
		wrong = 2;
	else if (cdi_filter_put(group, "helix_in_4", &more, &err) || opens("/dev/zero") || opens("/dev/full"))
		wrong = 3;
	else if (cdi_filter_lift(group, "helix_in_4", &err) || !opens("/dev/zero") || !opens("/dev/full"))
		wrong = 4;
	join(top);
	unlinkat(top, "helix-test", AT_REMOVEDIR);
	return wrong;
}

static void a_filter_that_was_put_refuses_until_it_is_lifted(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();
	int status;

	if (!child)
		_exit(try_filter(f->root));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- what a runtime says of a container ---- */

static int read_state(const char *text, struct cdi_container *c, struct hl_error *err)
{
	int fds[2], ret;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	ret = cdi_container_read(fds[0], 10000, c, err);
	close(fds[0]);
	return ret;
}

static void a_user_namespace_is_read(void **state)
{
	static const char map[] = "         0     524288       1000\n      1000       1000          1\n"
				  "      1001     525288      64535\n";
	static const char none[] = "         0          0 4294967295\n";
	char ours[CDI_IDS_MAX];
	struct hl_error err;
	uint32_t outside;

	(void)state;
	assert_int_equal(cdi_ids_outside(map, 0, &outside), 0);
	assert_int_equal(outside, 524288);
	assert_int_equal(cdi_ids_outside(map, 999, &outside), 0);
	assert_int_equal(outside, 525287);
	assert_int_equal(cdi_ids_outside(map, 1000, &outside), 0);
	assert_int_equal(outside, 1000);
	assert_int_equal(cdi_ids_outside(map, 65535, &outside), 0);
	assert_int_equal(outside, 589822);
	assert_int_equal(cdi_ids_outside(map, 65536, &outside), -ENOENT);
	assert_int_equal(cdi_ids_outside("", 0, &outside), -ENOENT);
	assert_int_equal(cdi_ids_outside("what is no map\n", 0, &outside), -ENOENT);
	assert_true(cdi_ids_same(none));
	assert_int_equal(cdi_ids_outside(none, 44, &outside), 0);
	assert_int_equal(outside, 44);
	assert_false(cdi_ids_same(map));
	assert_false(cdi_ids_same(""));
	assert_int_equal(cdi_ids_read("self", "gid", ours, &err), 0);
	assert_int_equal(cdi_ids_outside(ours, getgid(), &outside), 0);
	assert_int_equal(cdi_ids_read("0", "gid", ours, &err), -ENOENT);
}

static void a_container_is_read(void **state)
{
	struct fixture *f = *state;
	struct cdi_container c;
	struct hl_error err;
	char text[512];

	tree_put("{\"root\":{\"path\":\"rootfs\"},\"annotations\":{\"helix.dev/size\":\"800x600\",\"n\":1}}",
	    "%s/bundle/config.json", f->root);
	snprintf(text, sizeof(text), "{\"id\":\"desk\",\"pid\":42,\"status\":\"created\",\"bundle\":\"%s/bundle\"}",
		 f->root);
	assert_int_equal(read_state(text, &c, &err), 0);
	assert_int_equal(c.pid, 42);
	assert_string_equal(c.id, "desk");
	snprintf(text, sizeof(text), "%s/bundle/rootfs", f->root);
	assert_string_equal(c.rootfs, text);
	assert_string_equal(cdi_container_annotation(&c, "helix.dev/size"), "800x600");
	assert_null(cdi_container_annotation(&c, "helix.dev/label"));
	assert_null(cdi_container_annotation(&c, "n"));
	cdi_container_free(&c);
}

/* crun's, in a user namespace: the bundle is wrong, and what would be in there is here. */
static void a_state_that_names_the_root_is_believed(void **state)
{
	struct cdi_container c;
	struct hl_error err;

	(void)state;
	assert_int_equal(read_state("{\"id\":\"desk\",\"pid\":42,\"root\":\"/var/merged\",\"bundle\":\"/\","
				    "\"annotations\":{\"helix.dev/size\":\"800x600\"}}", &c, &err), 0);
	assert_string_equal(c.rootfs, "/var/merged");
	assert_string_equal(cdi_container_annotation(&c, "helix.dev/size"), "800x600");
	cdi_container_free(&c);
	assert_int_equal(read_state("{\"pid\":42,\"root\":\"/\",\"bundle\":\"/\",\"annotations\":[]}", &c, &err),
			 0);
	assert_null(cdi_container_annotation(&c, "helix.dev/size"));
	cdi_container_free(&c);
	assert_true(read_state("{\"pid\":42,\"root\":\"merged\",\"bundle\":\"/nowhere\"}", &c, &err) < 0);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *state, *says;
	} wrong[] = {
		{ "", "not a JSON object" }, { "[]", "not a JSON object" },
		{ "{", "not a JSON object" }, { "{}", "names no bundle" },
		{ "{\"bundle\":7,\"pid\":1}", "names no bundle" },
		{ "{\"bundle\":\"here\",\"pid\":1}", "names no bundle" },
		{ "{\"bundle\":\"/\"}", "names no process" },
		{ "{\"bundle\":\"/\",\"pid\":\"1\"}", "names no process" },
		{ "{\"bundle\":\"/\",\"pid\":0}", "names no process" },
		{ "{\"bundle\":\"/\",\"pid\":-1}", "names no process" },
		{ "{\"bundle\":\"/nowhere\",\"pid\":1}", "/nowhere/config.json" },
	};
	struct fixture *f = *state;
	struct cdi_container c;
	struct hl_error err;
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_true(read_state(wrong[i].state, &c, &err) < 0);
		if (!strstr(err.message, wrong[i].says))
			fail_msg("%s: %s", wrong[i].state, err.message);
	}
	tree_put("{\"root\":{}}", "%s/bundle/config.json", f->root);
	snprintf(text, sizeof(text), "{\"id\":\"desk\",\"pid\":42,\"bundle\":\"%s/bundle\"}", f->root);
	assert_int_equal(read_state(text, &c, &err), -EINVAL);
	assert_non_null(strstr(err.message, "no root file system"));
}

static void who_says_nothing_is_not_waited_for(void **state)
{
	struct cdi_container c;
	struct hl_error err;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(cdi_container_read(fds[0], 50, &c, &err), -ETIMEDOUT);
	close(fds[0]);
	close(fds[1]);
}

/* ---- what is put into it ---- */

/* What another, who has the same folder, links in the place of a node as soon as that is made. */
static const char *in_its_place;

int mknodat(int folder, const char *name, mode_t mode, dev_t dev)
{
	int ret = syscall(SYS_mknodat, folder, name, mode, dev);

	if (!ret && in_its_place && (unlinkat(folder, name, 0) || symlinkat(in_its_place, folder, name)))
		abort();
	return ret;
}

static bool has_node(int dir, const char *name, const struct cdi_node *node, gid_t group)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && st.st_mode == (S_IFCHR | 0660) &&
	       st.st_rdev == makedev(node->major, node->minor) && !st.st_uid && st.st_gid == group;
}

/* In a process of its own, as the hook is one, and which is elsewhere afterwards. */
static int try_place(struct fixture *f, bool taken)
{
	const struct cdi_scanout *own = &f->devices.scanouts[0];
	int dir = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC), ret;
	struct cdi_container c = { .pid = getpid() };
	struct hl_error err;
	char root[32];

	snprintf(root, sizeof(root), "/proc/self/fd/%d", dir);
	c.rootfs = root;
	umask(077);
	if (mknodat(dir, taken ? "one" : "other", S_IFCHR, makedev(1, 3)) || unshare(CLONE_NEWNS))
		return SKIPPED;
	in_its_place = taken ? "../../victim" : NULL;
	ret = cdi_container_place(&c, &f->devices, own, false, &f->options, &err);
	if (taken)
		return !ret || !strstr(err.message, "cannot make card0") ? 1 : 0;
	if (ret)
		return 2;
	return has_node(dir, "dev/dri/card0", &own->scanout, 44) &&
	       has_node(dir, "dev/dri/card1", &own->scanout, 44) ? 0 : 3;
}

static void expect_placed(struct fixture *f, bool taken)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(try_place(f, taken));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_takes_a_nodes_place_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char victim[PATH_MAX];
	struct stat st;

	tree_put("", "%s/dev/here", f->root);
	tree_put("", "%s/victim", f->root);
	snprintf(victim, sizeof(victim), "%s/victim", f->root);
	assert_int_equal(chmod(victim, 0600), 0);
	expect_placed(f, false);
	expect_placed(f, true);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_gid, getgid());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_scanout_has_its_own_devices),
		TEST(a_gpu_that_has_gone_is_no_error),
		TEST(too_many_hands_are_refused),
		TEST(the_specification_is_one),
		TEST(so_it_is_without_anything),
		TEST(a_scanout_has_its_nodes_by_the_guests_names),
		TEST(any_has_the_pool_and_no_card),
		TEST(records_are_of_its_own_devices),
		TEST(a_file_that_says_the_same_is_left_alone),
		TEST(the_filter_refuses_what_is_anothers),
		TEST(nor_does_it_allow_what_is_being_renewed),
		TEST(a_user_namespace_is_read),
		TEST(a_filter_that_was_put_refuses_until_it_is_lifted),
		TEST(a_container_is_read),
		TEST(a_state_that_names_the_root_is_believed),
		TEST(nonsense_is_refused),
		TEST(who_says_nothing_is_not_waited_for),
		TEST(what_takes_a_nodes_place_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
