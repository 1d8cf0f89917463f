// SPDX-License-Identifier: GPL-2.0-only
/* Access control lists as the kernel takes and gives them; that it does so is tests/containers'. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "unit.h"

#include "acl.h"

#define ENTRY(tag, perm, id) tag, 0, perm, 0, id
#define NO_ID	0xff, 0xff, 0xff, 0xff
#define ID(n)	(n) & 0xff, (n) >> 8, 0, 0

static const struct acl_users nobody, one = { { 1234 }, 1 }, another = { { 1235 }, 1 };

static const unsigned char shared[] = {
	2, 0, 0, 0,
	ENTRY(0x01, 6, NO_ID),		/* its owner */
	ENTRY(0x02, 6, ID(1234)),	/* a user */
	ENTRY(0x04, 0, NO_ID),		/* its group, which may not */
	ENTRY(0x10, 6, NO_ID),		/* the mask */
	ENTRY(0x20, 0, NO_ID),
};

static void a_user_is_let(void **state)
{
	unsigned char value[ACL_ROOM];

	(void)state;
	assert_int_equal(acl_build(0600, &one, value), sizeof(shared));
	assert_memory_equal(value, shared, sizeof(shared));
}

static void two_are_let(void **state)
{
	static const struct acl_users two = { { 1234, 1235 }, 2 };
	static const unsigned char value[] = {
		2, 0, 0, 0,
		ENTRY(0x01, 6, NO_ID), ENTRY(0x02, 6, ID(1234)), ENTRY(0x02, 6, ID(1235)),
		ENTRY(0x04, 6, NO_ID), ENTRY(0x10, 6, NO_ID), ENTRY(0x20, 0, NO_ID),
	};
	unsigned char built[ACL_ROOM];
	bool others = true;

	(void)state;
	assert_int_equal(acl_build(0660, &two, built), sizeof(value));
	assert_memory_equal(built, value, sizeof(value));
	acl_parse(value, sizeof(value), 0660, &two, &others);
	assert_false(others);
	acl_parse(value, sizeof(value), 0660, &one, &others);
	assert_true(others);
}

static void nobody_is_let_by_a_list_that_says_what_the_mode_does(void **state)
{
	static const unsigned char plain[] = {
		2, 0, 0, 0,
		ENTRY(0x01, 6, NO_ID), ENTRY(0x04, 6, NO_ID), ENTRY(0x20, 4, NO_ID),
	};
	unsigned char value[ACL_ROOM];

	(void)state;
	assert_int_equal(acl_build(0664, &nobody, value), sizeof(plain));
	assert_memory_equal(value, plain, sizeof(plain));
}

static void the_groups_rights_are_not_the_masks(void **state)
{
	bool others = true;

	(void)state;
	/* As stat(2) has it: the mask's bits in place of the group's. */
	assert_int_equal(acl_parse(shared, sizeof(shared), S_IFCHR | 0660, &one, &others), 0600);
	assert_false(others);
	assert_int_equal(acl_parse(shared, sizeof(shared), S_IFCHR | 0660, &another, &others), 0600);
	assert_true(others);
	assert_int_equal(acl_parse(shared, sizeof(shared), S_IFCHR | 0660, &nobody, &others), 0600);
	assert_true(others);
	assert_int_equal(acl_parse(NULL, 0, S_IFCHR | 0660, &one, &others), 0660);
	assert_false(others);
}

static void who_else_is_let_is_seen(void **state)
{
	static const unsigned char group[] = {
		2, 0, 0, 0,
		ENTRY(0x01, 6, NO_ID), ENTRY(0x02, 6, ID(1234)), ENTRY(0x04, 0, NO_ID),
		ENTRY(0x08, 6, ID(44)), ENTRY(0x10, 6, NO_ID), ENTRY(0x20, 0, NO_ID),
	};
	bool others = false;

	(void)state;
	acl_parse(group, sizeof(group), 0660, &one, &others);
	assert_true(others);
	/* What ends within an entry may have had any. */
	for (size_t len = 1; len < sizeof(shared); len++) {
		acl_parse(shared, len, 0660, &one, &others);
		assert_int_equal(others, len < 4 || (len - 4) % 8);
	}
}

static void what_is_no_such_device_is_left_alone(void **state)
{
	char path[] = "/tmp/acl-XXXXXX";
	struct hl_error err;
	bool others;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(acl_give(path, makedev(1, 3), &one, &others, &err), -ENOENT);
	assert_int_equal(acl_give("/dev/null", makedev(1, 5), &one, &others, &err), -ENOENT);
	assert_int_equal(acl_give("/dev/there-is-none", makedev(1, 3), &one, &others, &err), -ENOENT);
	unlink(path);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_let),
		cmocka_unit_test(two_are_let),
		cmocka_unit_test(nobody_is_let_by_a_list_that_says_what_the_mode_does),
		cmocka_unit_test(the_groups_rights_are_not_the_masks),
		cmocka_unit_test(who_else_is_let_is_seen),
		cmocka_unit_test(what_is_no_such_device_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
