// SPDX-License-Identifier: GPL-2.0-only
/* Which scanout a lease's name means, with a tree in the place of /sys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "name.h"

#define DEVICES "devices/pci0000:00"

static char root[] = "/tmp/test-dlm-name-XXXXXX";

/* The second is that of GPU 00:03.0, with the same ids, as DRM ids are a device's own. */
static const struct hl_scanout list[] = {
	{ .scanout = 1, .gpu = 0x10, .connector_id = 41 },
	{ .scanout = 2, .gpu = 0x10, .connector_id = 47 },
	{ .scanout = 16, .gpu = 0x18, .connector_id = 41 },
	/* of a kernel that does not tell ids */
	{ .scanout = 31, .gpu = 0x20, .connector_id = 41, .output = 1 },
	{ .scanout = 32, .gpu = 0x20, .connector_id = 47, .output = 2 },
	{ .scanout = 40, .gpu = 0x20, .connector_id = 53, .output = 10 },
};

static void command(const char *fmt, const char *a, const char *b)
{
	char text[600];

	snprintf(text, sizeof(text), fmt, root, a, b);
	assert_int_equal(system(text), 0);
}

static void connector(const char *gpu, const char *name, const char *id)
{
	char dir[200], text[300];

	snprintf(dir, sizeof(dir), DEVICES "/0000:00:%s/virtio1/drm/card/%s", gpu, name);
	command("mkdir -p %1$s/class/drm %1$s/%2$s", dir, "");
	snprintf(text, sizeof(text), "%s/connector_id", dir);
	if (id)
		command("echo %3$s >%1$s/%2$s", text, id);
	snprintf(text, sizeof(text), "../../%s", dir);
	command("ln -s %2$s %1$s/class/drm/%3$s", text, name);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	connector("02.0", "card0-Virtual-1", "35");
	connector("02.0", "card0-Virtual-2", "41");
	connector("02.0", "card0-Virtual-3", "47");
	connector("03.0", "card1-Virtual-18", "41");
	connector("02.0", "card0-Virtual-4", "");
	for (int i = 33; i < 44; i++) {
		char name[32];

		snprintf(name, sizeof(name), "card2-Virtual-%d", i);
		connector("04.0", name, NULL);
	}
	connector("04.0", "card2-HDMI-A-1", NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	command("rm -rf %1$s", "", "");
	return 0;
}

static int find(const char *name)
{
	uint32_t scanout = 77;
	int ret = dlm_find_scanout(root, name, list, ARRAY_SIZE(list), &scanout);

	return ret ? ret : (int)scanout;
}

static void test_own_names(void **state)
{
	(void)state;
	assert_int_equal(find("helix-any"), 0);
	assert_int_equal(find("helix-1"), 1);
	assert_int_equal(find("helix-16"), 16);
	assert_int_equal(find("helix-3"), -ENOENT);
}

static void test_connectors_there_are(void **state)
{
	(void)state;
	assert_int_equal(find("card0-Virtual-2"), 1);
	assert_int_equal(find("card0-Virtual-3"), 2);
	assert_int_equal(find("card1-Virtual-18"), 16);
	/* The console's, and one whose id is none: not by their numbers. */
	assert_int_equal(find("card0-Virtual-1"), -ENOENT);
	assert_int_equal(find("card0-Virtual-4"), -ENOENT);
}

static void test_connectors_that_do_not_tell_their_ids(void **state)
{
	(void)state;
	assert_int_equal(find("card2-Virtual-33"), -ENOENT);	/* the console's */
	assert_int_equal(find("card2-Virtual-34"), 31);
	assert_int_equal(find("card2-Virtual-35"), 32);
	assert_int_equal(find("card2-Virtual-43"), 40);
	assert_int_equal(find("card2-Virtual-36"), -ENOENT);
}

static void test_connectors_of_other_hardware(void **state)
{
	(void)state;
	assert_int_equal(find("card0-HDMI-A-1"), 1);
	assert_int_equal(find("card0-LVDS-2"), 2);
	assert_int_equal(find("card12-DP-16"), 16);
	assert_int_equal(find("card0-DP-3"), -ENOENT);
}

static void test_no_names(void **state)
{
	static const char *const bad[] = {
		"", "helix", "helix-", "helix-0", "helix-01", "helix--1", "helix-1x", "helix-+1",
		"helix-4294967297", "helix-99999999999999999999", "card", "card0", "card0-", "card-HDMI-1",
		"card0-1", "card0--1", "card0-HDMI", "card0-HDMI-A", "card0-HDMI-A-0", "card0-HDMI-A--",
		"cardx-HDMI-1", "xcard0-HDMI-1", "card0-HDMI-1 ", "card0-/../card0-Virtual-9",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(find(bad[i]), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_names),
		cmocka_unit_test(test_connectors_there_are),
		cmocka_unit_test(test_connectors_that_do_not_tell_their_ids),
		cmocka_unit_test(test_connectors_of_other_hardware),
		cmocka_unit_test(test_no_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
