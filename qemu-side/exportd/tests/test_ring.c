// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>

#include "ring.h"
#include "test.h"

static struct helix_ctl_shm shm;
static struct ring ring;

static int setup(void **state)
{
	(void)state;
	memset(&shm, 0, sizeof(shm));
	ring_attach(&ring, &shm);
	return 0;
}

static struct helix_ctl_request enable(uint32_t id)
{
	struct helix_ctl_request req = {
		.id = htole32(id),
		.op = htole16(HELIX_CTL_OP_OUTPUT_ENABLE),
		.gpu = htole32(0x10),
		.output = htole32(3),
		.width = htole32(1280),
		.height = htole32(720),
		.scanout = htole32(3),
		.generation = htole64(7),
		.label = "three",
		.priority = htole32(200),
	};

	return req;
}

static void submit(const struct helix_ctl_request *req)
{
	uint32_t head = le32toh(shm.req.head);

	shm.reqs[head % HELIX_CTL_RING_SLOTS] = *req;
	shm.req.head = htole32(head + 1);
}

static void test_request_arrives_and_completes(void **state)
{
	struct helix_ctl_request raw = enable(42);
	struct ring_request req;
	uint32_t status = 99;

	(void)state;
	assert_int_equal(ring_peek(&ring, &req, &status), 0);
	submit(&raw);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	assert_int_equal(status, 0);
	assert_int_equal(req.id, 42);
	assert_int_equal(req.gpu, 0x10);
	assert_int_equal(req.output, 3);
	assert_int_equal(req.width, 1280);
	assert_int_equal(req.generation, 7);
	assert_string_equal(req.label, "three");
	assert_int_equal(req.priority, 200);
	assert_int_equal(shm.req.tail, 0);	/* looking does not take */
	assert_int_equal(ring_complete(&ring, req.id, 110), 0);
	assert_int_equal(le32toh(shm.cmp.head), 1);
	assert_int_equal(le32toh(shm.req.tail), 1);
	assert_int_equal(le32toh(shm.cmps[0].id), 42);
	assert_int_equal(le32toh(shm.cmps[0].status), 110);
	assert_int_equal(ring_peek(&ring, &req, &status), 0);
}

static void test_label_needs_no_end(void **state)
{
	struct helix_ctl_request raw = enable(1);
	struct ring_request req;
	uint32_t status;

	(void)state;
	memset(raw.label, 'x', sizeof(raw.label));
	submit(&raw);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	assert_int_equal(strlen(req.label), HELIX_CTL_LABEL_LEN);
}

static void test_indices_wrap(void **state)
{
	struct helix_ctl_request raw = enable(5);
	struct ring_request req;
	uint32_t status;
	int i;

	(void)state;
	shm.req.head = shm.req.tail = htole32(UINT32_MAX - 2);
	shm.cmp.head = shm.cmp.tail = htole32(UINT32_MAX - 2);
	ring_attach(&ring, &shm);
	for (i = 0; i < 6; i++) {
		submit(&raw);
		assert_int_equal(ring_peek(&ring, &req, &status), 1);
		assert_int_equal(ring_complete(&ring, req.id, 0), 0);
		shm.cmp.tail = shm.cmp.head;
	}
	assert_int_equal(le32toh(shm.req.tail), 3);
	assert_int_equal(le32toh(shm.cmp.head), 3);
}

static void test_impossible_request_head(void **state)
{
	struct ring_request req;
	uint32_t status;

	(void)state;
	shm.req.head = htole32(HELIX_CTL_RING_SLOTS);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	shm.req.head = htole32(HELIX_CTL_RING_SLOTS + 1);
	assert_int_equal(ring_peek(&ring, &req, &status), -EPROTO);
	shm.req.head = htole32(UINT32_MAX);	/* behind the tail */
	assert_int_equal(ring_peek(&ring, &req, &status), -EPROTO);
}

static void test_impossible_completion_tail(void **state)
{
	(void)state;
	shm.cmp.tail = htole32(1);	/* took what was never posted */
	assert_int_equal(ring_complete(&ring, 1, 0), -EPROTO);
	assert_int_equal(le32toh(shm.cmp.head), 0);
	assert_int_equal(le32toh(shm.req.tail), 0);
}

static void test_full_completion_ring_takes_nothing(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < HELIX_CTL_RING_SLOTS; i++)
		assert_int_equal(ring_complete(&ring, (uint32_t)i, 0), 0);
	assert_int_equal(ring_complete(&ring, 64, 0), -EAGAIN);
	assert_int_equal(le32toh(shm.req.tail), HELIX_CTL_RING_SLOTS);
	assert_int_equal(le32toh(shm.cmps[0].id), 0);
	shm.cmp.tail = htole32(1);
	assert_int_equal(ring_complete(&ring, 64, 0), 0);
	assert_int_equal(le32toh(shm.cmps[0].id), 64);
}

static void test_guest_cannot_move_our_indices(void **state)
{
	struct helix_ctl_request raw = enable(1);
	struct ring_request req;
	uint32_t status;

	(void)state;
	submit(&raw);
	shm.req.tail = htole32(77);
	shm.cmp.head = htole32(77);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	assert_int_equal(ring_complete(&ring, 1, 0), 0);
	assert_int_equal(le32toh(shm.req.tail), 1);
	assert_int_equal(le32toh(shm.cmp.head), 1);
}

static void test_next_mediator_goes_on_where_the_last_died(void **state)
{
	struct helix_ctl_request raw = enable(1);
	struct ring_request req;
	struct ring next;
	uint32_t status;

	(void)state;
	submit(&raw);
	raw.id = htole32(2);
	submit(&raw);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	assert_int_equal(ring_complete(&ring, 1, 0), 0);
	ring_attach(&next, &shm);
	assert_false(ring_is_fresh(&next));
	assert_int_equal(ring_peek(&next, &req, &status), 1);
	assert_int_equal(req.id, 2);
	memset(&shm, 0, sizeof(shm));
	ring_attach(&next, &shm);
	assert_true(ring_is_fresh(&next));
}

static void expect(struct helix_ctl_request raw, uint32_t errno_wanted)
{
	struct ring_request req;
	uint32_t status = 12345;

	setup(NULL);
	submit(&raw);
	assert_int_equal(ring_peek(&ring, &req, &status), 1);
	assert_int_equal(status, errno_wanted);
}

#define WITH(base, field, value) ({ \
	struct helix_ctl_request with = (base); with.field = (value); with; })

static void test_contract_of_enable(void **state)
{
	struct helix_ctl_request good = enable(1);

	(void)state;
	expect(good, 0);
	expect(WITH(good, op, htole16(99)), EOPNOTSUPP);
	expect(WITH(good, flags, htole16(1)), EINVAL);
	expect(WITH(good, reserved[51], 1), EINVAL);
	expect(WITH(good, priority, 0), 0);
	expect(WITH(good, priority, htole32(255)), 0);
	expect(WITH(good, priority, htole32(256)), EINVAL);
	expect(WITH(good, priority, htole32(UINT32_MAX)), EINVAL);
	expect(WITH(good, width, 0), EINVAL);
	expect(WITH(good, width, htole32(16384)), 0);
	expect(WITH(good, width, htole32(16385)), EINVAL);
	expect(WITH(good, height, 0), EINVAL);
	expect(WITH(good, height, htole32(UINT32_MAX)), EINVAL);
	expect(WITH(good, output, htole32(16)), EINVAL);
	expect(WITH(good, generation, 0), EINVAL);
}

static void test_contract_of_disable_and_ping(void **state)
{
	struct helix_ctl_request disable = {
		.op = htole16(HELIX_CTL_OP_OUTPUT_DISABLE),
		.output = htole32(3),
		.generation = htole64(1),
	};
	struct helix_ctl_request ping = { .id = htole32(9) };

	(void)state;
	expect(disable, 0);
	expect(WITH(disable, width, htole32(1)), EINVAL);
	expect(WITH(disable, refresh_mhz, htole32(1)), EINVAL);
	expect(WITH(disable, label[31], 1), EINVAL);
	expect(WITH(disable, priority, htole32(1)), EINVAL);
	expect(WITH(disable, generation, 0), EINVAL);
	expect(ping, 0);
	expect(WITH(ping, gpu, htole32(1)), EINVAL);
	expect(WITH(ping, generation, htole64(1)), EINVAL);
	expect(WITH(ping, label[0], 'x'), EINVAL);
	expect(WITH(ping, priority, htole32(1)), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_request_arrives_and_completes, setup),
		cmocka_unit_test_setup(test_label_needs_no_end, setup),
		cmocka_unit_test_setup(test_indices_wrap, setup),
		cmocka_unit_test_setup(test_impossible_request_head, setup),
		cmocka_unit_test_setup(test_impossible_completion_tail, setup),
		cmocka_unit_test_setup(test_full_completion_ring_takes_nothing, setup),
		cmocka_unit_test_setup(test_guest_cannot_move_our_indices, setup),
		cmocka_unit_test_setup(test_next_mediator_goes_on_where_the_last_died, setup),
		cmocka_unit_test(test_contract_of_enable),
		cmocka_unit_test(test_contract_of_disable_and_ping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
