// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>

#include "handshake.h"
#include "test.h"

static struct helix_ctl_msg message(uint32_t type)
{
	struct helix_ctl_msg msg = {
		.magic = htole32(HELIX_CTL_MAGIC),
		.version = htole32(HELIX_CTL_VERSION),
		.type = htole32(type),
		.generation = htole32(5),
		.shm_size = htole32(HELIX_CTL_SHM_SIZE),
		.pool = htole32(2),
		.priority = htole32(3),
		.vm_id = { 0xaa },
	};

	return msg;
}

static bool parse(struct helix_ctl_msg msg, unsigned int fds, bool greeted)
{
	const char *error = NULL;
	struct handshake hs;
	bool ok = handshake_parse(&msg, fds, greeted, &hs, &error);

	if (!ok)
		assert_non_null(error);
	return ok;
}

static void test_hello(void **state)
{
	struct helix_ctl_msg msg = message(HELIX_CTL_MSG_HELLO);
	const char *error;
	struct handshake hs;

	(void)state;
	assert_true(handshake_parse(&msg, 3, false, &hs, &error));
	assert_int_equal(hs.type, HELIX_CTL_MSG_HELLO);
	assert_int_equal(hs.generation, 5);
	assert_int_equal(hs.shm_size, HELIX_CTL_SHM_SIZE);
	assert_int_equal(hs.pool, 2);
	assert_int_equal(hs.priority, 3);
	assert_int_equal(hs.vm_id[0], 0xaa);
}

static void test_hello_needs_its_descriptors(void **state)
{
	(void)state;
	assert_false(parse(message(HELIX_CTL_MSG_HELLO), 0, false));
	assert_false(parse(message(HELIX_CTL_MSG_HELLO), 2, false));
}

static void test_hello_only_once(void **state)
{
	(void)state;
	assert_false(parse(message(HELIX_CTL_MSG_HELLO), 3, true));
}

static void test_shared_memory_holds_the_rings(void **state)
{
	struct helix_ctl_msg msg = message(HELIX_CTL_MSG_HELLO);

	(void)state;
	msg.shm_size = htole32(sizeof(struct helix_ctl_shm) - 1);
	assert_false(parse(msg, 3, false));
}

static void test_magic_and_version(void **state)
{
	struct helix_ctl_msg msg = message(HELIX_CTL_MSG_HELLO);

	(void)state;
	msg.magic ^= 1;
	assert_false(parse(msg, 3, false));
	msg = message(HELIX_CTL_MSG_HELLO);
	msg.version = htole32((HELIX_CTL_VERSION_MAJOR + 1) << 16);
	assert_false(parse(msg, 3, false));
	msg.version = htole32(HELIX_CTL_VERSION + 9);	/* minor: additions */
	assert_true(parse(msg, 3, false));
}

static void test_reset(void **state)
{
	(void)state;
	assert_true(parse(message(HELIX_CTL_MSG_RESET), 0, true));
	assert_false(parse(message(HELIX_CTL_MSG_RESET), 0, false));
	assert_false(parse(message(HELIX_CTL_MSG_RESET), 1, true));
}

static void test_other_types(void **state)
{
	(void)state;
	assert_false(parse(message(HELIX_CTL_MSG_ACK), 0, true));
	assert_false(parse(message(0), 0, true));
	assert_false(parse(message(UINT32_MAX), 0, true));
}

static void test_ack(void **state)
{
	struct helix_ctl_msg msg;

	(void)state;
	memset(&msg, 0xff, sizeof(msg));
	handshake_ack(&msg, 5);
	assert_int_equal(le32toh(msg.magic), HELIX_CTL_MAGIC);
	assert_int_equal(le32toh(msg.version), HELIX_CTL_VERSION);
	assert_int_equal(le32toh(msg.type), HELIX_CTL_MSG_ACK);
	assert_int_equal(msg.reserved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_hello_needs_its_descriptors),
		cmocka_unit_test(test_hello_only_once),
		cmocka_unit_test(test_shared_memory_holds_the_rings),
		cmocka_unit_test(test_magic_and_version),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_ack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
