// SPDX-License-Identifier: GPL-2.0-only
/* The mediator against a device that this file plays: its socket and memory. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "send_fds.h"
#include "test.h"

#define PATIENCE_US (5 * G_USEC_PER_SEC)

static char path[64];
static int server, device, memory, doorbell, completion;
static struct helix_ctl_shm *shm;
static struct control *control;

/* What the mediator told its owner. */
static int attached, fresh, resets, closed, requests;
static struct ring_request last;
static uint32_t last_token;
static bool answer_at_once;

static void on_attached(bool is_fresh, void *data)
{
	(void)data;
	attached++;
	fresh = is_fresh;
}

static void on_request(const struct ring_request *req, uint32_t token,
		       void *data)
{
	(void)data;
	requests++;
	last = *req;
	last_token = token;
	if (answer_at_once)
		control_complete(control, token, 0);
}

static void on_reset(void *data)
{
	(void)data;
	resets++;
}

static void on_closed(void *data)
{
	(void)data;
	closed++;
	control_free(control);
	control = NULL;
}

static const struct control_ops ops = {
	on_attached, on_request, on_reset, on_closed
};

static void wait_for(int *what, int count)
{
	gint64 deadline = g_get_monotonic_time() + PATIENCE_US;

	while (*what < count) {
		if (g_get_monotonic_time() > deadline)
			fail_msg("waited in vain");
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(500);
	}
}

static void settle(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		while (g_main_context_iteration(NULL, FALSE))
			;
		g_usleep(500);
	}
}

static void send_message(uint32_t type, unsigned int fds)
{
	const int all[] = { memory, doorbell, completion };
	const struct helix_ctl_msg raw = {
		.magic = htole32(HELIX_CTL_MAGIC),
		.version = htole32(HELIX_CTL_VERSION),
		.type = htole32(type),
		.shm_size = htole32(HELIX_CTL_SHM_SIZE),
	};

	assert_int_equal(send_fds(device, &raw, sizeof(raw), all, fds, 0),
			 sizeof(raw));
}

static void connect_mediator(void)
{
	const char *error = NULL;
	int sock;

	sock = control_connect(path, &error);
	assert_true(sock >= 0);
	control = control_new(sock, "vm", &ops, NULL);
	device = accept(server, NULL, NULL);
	assert_true(device >= 0);
}

static void seal_memory(void)
{
	assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
}

static void greet(void)
{
	struct helix_ctl_msg ack;
	int before = attached;

	seal_memory();
	send_message(HELIX_CTL_MSG_HELLO, 3);
	wait_for(&attached, before + 1);
	assert_int_equal(recv(device, &ack, sizeof(ack), MSG_DONTWAIT),
			 sizeof(ack));
	assert_int_equal(le32toh(ack.type), HELIX_CTL_MSG_ACK);
}

static int setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)state;
	snprintf(path, sizeof(path), "/tmp/helix-test-control-%d", getpid());
	unlink(path);
	strcpy(addr.sun_path, path);
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(server, 4))
		return -1;
	memory = memfd_create("rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	completion = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ftruncate(memory, HELIX_CTL_SHM_SIZE))
		return -1;
	shm = mmap(NULL, HELIX_CTL_SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   memory, 0);
	attached = resets = closed = requests = 0;
	answer_at_once = true;
	device = -1;
	return shm == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	control_free(control);
	control = NULL;
	munmap(shm, HELIX_CTL_SHM_SIZE);
	close(memory);
	close(doorbell);
	close(completion);
	close(server);
	if (device >= 0)
		close(device);
	unlink(path);
	return 0;
}

static void ring_doorbell(void)
{
	uint64_t one = 1;

	assert_int_equal(write(doorbell, &one, sizeof(one)), sizeof(one));
}

static void submit(uint16_t op, uint32_t id)
{
	uint32_t head = le32toh(shm->req.head);
	struct helix_ctl_request req = {
		.id = htole32(id), .op = htole16(op),
	};

	if (op != HELIX_CTL_OP_PING) {
		req.generation = htole64(1);
		req.output = htole32(1);
	}
	if (op == HELIX_CTL_OP_OUTPUT_ENABLE)
		req.width = req.height = htole32(64);
	shm->reqs[head % HELIX_CTL_RING_SLOTS] = req;
	__atomic_store_n(&shm->req.head, htole32(head + 1), __ATOMIC_RELEASE);
}

static bool interrupted(void)
{
	uint64_t count;

	return read(completion, &count, sizeof(count)) == sizeof(count);
}

static void expect_completion(uint32_t slot, uint32_t id, uint32_t status)
{
	assert_true(le32toh(shm->cmp.head) > slot);
	assert_int_equal(le32toh(shm->cmps[slot].id), id);
	assert_int_equal(le32toh(shm->cmps[slot].status), status);
}

static void test_nobody_listens(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_int_equal(control_connect("/nonexistent/socket", &error), -1);
	assert_non_null(error);
}

static void test_handshake(void **state)
{
	(void)state;
	connect_mediator();
	greet();
	assert_true(fresh);
	assert_int_equal(closed, 0);
}

static void test_hello_in_pieces(void **state)
{
	struct helix_ctl_msg raw = { .magic = htole32(HELIX_CTL_MAGIC) };

	(void)state;
	connect_mediator();
	assert_int_equal(send(device, &raw, 5, 0), 5);
	settle();
	assert_int_equal(closed, 0);
	/* the rest, with no descriptors: refused, and only now */
	assert_int_equal(send(device, (char *)&raw + 5, sizeof(raw) - 5, 0),
			 sizeof(raw) - 5);
	wait_for(&closed, 1);
}

static void test_memory_that_can_shrink_is_refused(void **state)
{
	(void)state;
	connect_mediator();
	send_message(HELIX_CTL_MSG_HELLO, 3);
	wait_for(&closed, 1);
	assert_int_equal(attached, 0);
}

static void test_bad_hello_is_hung_up_on(void **state)
{
	char byte;

	(void)state;
	connect_mediator();
	send_message(HELIX_CTL_MSG_HELLO, 2);
	wait_for(&closed, 1);
	assert_int_equal(attached, 0);
	assert_int_equal(recv(device, &byte, 1, MSG_DONTWAIT), 0);
}

static void test_short_memory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(memory, 4096), 0);
	seal_memory();
	connect_mediator();
	send_message(HELIX_CTL_MSG_HELLO, 3);
	wait_for(&closed, 1);
	assert_int_equal(ftruncate(memory, HELIX_CTL_SHM_SIZE), 0);
}

static void test_requests_are_served_in_order(void **state)
{
	(void)state;
	connect_mediator();
	greet();
	submit(HELIX_CTL_OP_PING, 10);
	submit(HELIX_CTL_OP_OUTPUT_ENABLE, 11);
	submit(99, 12);
	ring_doorbell();
	wait_for(&requests, 1);
	settle();
	assert_int_equal(requests, 1);
	expect_completion(0, 10, 0);
	expect_completion(1, 11, 0);
	expect_completion(2, 12, EOPNOTSUPP);
	assert_int_equal(le32toh(shm->req.tail), 3);
	assert_true(interrupted());
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	answer_at_once = false;
	connect_mediator();
	greet();
	submit(HELIX_CTL_OP_OUTPUT_ENABLE, 1);
	submit(HELIX_CTL_OP_OUTPUT_DISABLE, 2);
	ring_doorbell();
	wait_for(&requests, 1);
	settle();
	assert_int_equal(requests, 1);
	assert_int_equal(le32toh(shm->req.tail), 0);
	assert_false(interrupted());
	control_complete(control, last_token, EIO);
	expect_completion(0, 1, EIO);
	assert_int_equal(requests, 2);
	control_complete(control, last_token - 1, 0);	/* an old answer */
	assert_int_equal(le32toh(shm->cmp.head), 1);
	control_complete(control, last_token, 0);
	expect_completion(1, 2, 0);
}

static void test_unserved_requests_survive_the_mediator(void **state)
{
	uint32_t former;

	(void)state;
	answer_at_once = false;
	connect_mediator();
	greet();
	submit(HELIX_CTL_OP_OUTPUT_ENABLE, 1);
	ring_doorbell();
	wait_for(&requests, 1);
	former = last_token;
	control_free(control);		/* dies before it answers */
	close(device);
	connect_mediator();
	greet();			/* no doorbell: it looks by itself */
	assert_true(fresh);
	wait_for(&requests, 2);
	assert_int_equal(last.id, 1);
	/* an answer to what was begun for the former one */
	control_complete(control, former, EIO);
	assert_int_equal(le32toh(shm->cmp.head), 0);
	control_complete(control, last_token, 0);
	expect_completion(0, 1, 0);

	control_free(control);
	close(device);
	connect_mediator();
	greet();
	assert_false(fresh);
	settle();
	assert_int_equal(requests, 2);	/* not a third time */
}

static void test_full_completions_wait_for_room(void **state)
{
	uint32_t i;

	(void)state;
	connect_mediator();
	greet();
	for (i = 0; i < HELIX_CTL_RING_SLOTS; i++)
		submit(HELIX_CTL_OP_PING, i);
	ring_doorbell();
	settle();
	assert_int_equal(le32toh(shm->cmp.head), HELIX_CTL_RING_SLOTS);
	submit(HELIX_CTL_OP_PING, 64);
	ring_doorbell();
	settle();
	assert_int_equal(le32toh(shm->cmp.head), HELIX_CTL_RING_SLOTS);
	__atomic_store_n(&shm->cmp.tail, htole32(1), __ATOMIC_RELEASE);
	gint64 deadline = g_get_monotonic_time() + PATIENCE_US;
	while (le32toh(shm->cmp.head) == HELIX_CTL_RING_SLOTS &&
	       g_get_monotonic_time() < deadline)
		settle();
	expect_completion(0, 64, 0);
}

static void test_broken_ring_is_left_alone_until_reset(void **state)
{
	(void)state;
	connect_mediator();
	greet();
	shm->req.head = htole32(1000);
	ring_doorbell();
	settle();
	assert_int_equal(le32toh(shm->cmp.head), 0);
	shm->req.head = 0;		/* too late: it stays broken */
	submit(HELIX_CTL_OP_PING, 5);
	ring_doorbell();
	settle();
	assert_int_equal(le32toh(shm->cmp.head), 0);

	memset(shm, 0, sizeof(*shm));
	send_message(HELIX_CTL_MSG_RESET, 0);
	wait_for(&resets, 1);
	submit(HELIX_CTL_OP_PING, 6);
	ring_doorbell();
	settle();
	expect_completion(0, 6, 0);
	assert_int_equal(closed, 0);
}

static void test_reset_forgets_the_request_being_served(void **state)
{
	uint32_t token;

	(void)state;
	answer_at_once = false;
	connect_mediator();
	greet();
	submit(HELIX_CTL_OP_OUTPUT_ENABLE, 1);
	ring_doorbell();
	wait_for(&requests, 1);
	token = last_token;
	memset(shm, 0, sizeof(*shm));
	send_message(HELIX_CTL_MSG_RESET, 0);
	wait_for(&resets, 1);
	control_complete(control, token, 0);
	assert_int_equal(le32toh(shm->cmp.head), 0);
	submit(HELIX_CTL_OP_OUTPUT_ENABLE, 2);
	ring_doorbell();
	wait_for(&requests, 2);
	control_complete(control, token, 0);	/* still not that one's */
	assert_int_equal(le32toh(shm->cmp.head), 0);
	control_complete(control, last_token, 0);
	expect_completion(0, 2, 0);
}

static void test_qemu_goes(void **state)
{
	(void)state;
	connect_mediator();
	greet();
	close(device);
	device = -1;
	wait_for(&closed, 1);
}

static void test_a_guest_that_never_stops_asking(void **state)
{
	uint32_t i, tail;
	int turns = 0;

	(void)state;
	connect_mediator();
	greet();
	/* refill after every turn of the loop: others must get theirs */
	for (i = 0; i < 1000; turns++) {
		tail = le32toh(__atomic_load_n(&shm->req.tail, __ATOMIC_ACQUIRE));
		for (; i - tail < HELIX_CTL_RING_SLOTS && i < 1000; i++)
			submit(HELIX_CTL_OP_PING, i);
		__atomic_store_n(&shm->cmp.tail, shm->cmp.head,
				 __ATOMIC_RELEASE);
		ring_doorbell();
		g_main_context_iteration(NULL, TRUE);
	}
	assert_true(turns > 5);
	assert_int_equal(closed, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nobody_listens),
		T(test_handshake),
		T(test_hello_in_pieces),
		T(test_bad_hello_is_hung_up_on),
		T(test_memory_that_can_shrink_is_refused),
		T(test_short_memory_is_refused),
		T(test_requests_are_served_in_order),
		T(test_one_at_a_time),
		T(test_unserved_requests_survive_the_mediator),
		T(test_full_completions_wait_for_room),
		T(test_broken_ring_is_left_alone_until_reset),
		T(test_reset_forgets_the_request_being_served),
		T(test_qemu_goes),
		T(test_a_guest_that_never_stops_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
