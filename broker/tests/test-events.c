// SPDX-License-Identifier: GPL-2.0-only
/* hl_lease_next_event() on a pipe in the place of a handle. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "unit.h"

#include "helix-lease-client.h"

#define LONG_MS	60000	/* never waited for to its end */

struct handle {
	struct hl_lease lease;
	int writer;
};

static int setup(void **state)
{
	static struct handle handle;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	handle.lease = (struct hl_lease) { .scanout = 3, .handle_fd = fds[0], .lease_fd = -1 };
	handle.writer = fds[1];
	*state = &handle;
	return 0;
}

static int teardown(void **state)
{
	struct handle *handle = *state;

	close(handle->lease.handle_fd);
	if (handle->writer >= 0)
		close(handle->writer);
	return 0;
}

static void tell(struct handle *handle, uint32_t type, uint32_t lost)
{
	struct helix_lease_event event = {
		.size = sizeof(event), .type = type, .scanout = 3, .generation = 17,
		.state = HELIX_LEASE_STATE_LEASED, .time_ns = 5, .width = 640, .height = 480,
		.refresh_mhz = 60000, .wait_for = HELIX_LEASE_WAIT_FENCE, .wait_ms = 7,
		.lost = lost,
	};

	assert_int_equal(write(handle->writer, &event, sizeof(event)), sizeof(event));
}

static void test_one_at_a_time(void **state)
{
	struct handle *handle = *state;
	struct hl_event event;
	struct hl_error err;

	tell(handle, HELIX_LEASE_EVENT_GRANTED, 0);
	tell(handle, HELIX_LEASE_EVENT_STALLED, 4);
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), 0);
	assert_int_equal(event.type, HELIX_LEASE_EVENT_GRANTED);
	assert_int_equal(event.scanout.scanout, 3);
	assert_int_equal(event.scanout.generation, 17);
	assert_int_equal(event.scanout.width, 640);
	assert_int_equal(event.scanout.height, 480);
	assert_int_equal(event.time_ns, 5);
	assert_int_equal(event.lost, 0);
	assert_string_equal(event.scanout.node, "/dev/helix/scanout3");
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), 0);
	assert_int_equal(event.type, HELIX_LEASE_EVENT_STALLED);
	assert_int_equal(event.scanout.wait_for, HELIX_LEASE_WAIT_FENCE);
	assert_int_equal(event.scanout.wait_ms, 7);
	assert_int_equal(event.lost, 4);
}

static void test_nothing(void **state)
{
	struct handle *handle = *state;
	struct hl_event event = { .type = 99 };
	struct hl_error err;

	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), -EAGAIN);
	assert_int_equal(hl_lease_next_event(&handle->lease, 1, &event, &err), -EAGAIN);
	assert_int_equal(event.type, 99);
	assert_string_equal(err.message, "events: nothing has happened to scanout 3");
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, NULL), -EAGAIN);
}

static void *tell_freed(void *data)
{
	tell(data, HELIX_LEASE_EVENT_FREED, 0);
	return NULL;
}

static void test_waits(void **state)
{
	struct handle *handle = *state;
	struct hl_event event;
	struct hl_error err;
	pthread_t thread;

	pthread_create(&thread, NULL, tell_freed, handle);
	assert_int_equal(hl_lease_next_event(&handle->lease, LONG_MS, &event, &err), 0);
	assert_int_equal(event.type, HELIX_LEASE_EVENT_FREED);
	pthread_join(thread, NULL);
}

/* Another reader, who gets it between our poll() and our read(). */
static struct handle *overtaken;

ssize_t read(int fd, void *buf, size_t size)
{
	if (overtaken && fd == overtaken->lease.handle_fd) {
		overtaken = NULL;
		assert_true(syscall(SYS_read, fd, buf, size) > 0);
	}
	return syscall(SYS_read, fd, buf, size);
}

static void test_overtaken(void **state)
{
	struct handle *handle = *state;
	struct hl_event event;
	struct hl_error err;
	pthread_t thread;

	assert_int_equal(fcntl(handle->lease.handle_fd, F_SETFL, O_NONBLOCK), 0);
	tell(handle, HELIX_LEASE_EVENT_GRANTED, 0);
	overtaken = handle;
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), -EAGAIN);
	assert_null(overtaken);

	tell(handle, HELIX_LEASE_EVENT_RESIZED, 0);
	overtaken = handle;
	pthread_create(&thread, NULL, tell_freed, handle);
	assert_int_equal(hl_lease_next_event(&handle->lease, LONG_MS, &event, &err), 0);
	assert_null(overtaken);
	assert_int_equal(event.type, HELIX_LEASE_EVENT_FREED);
	pthread_join(thread, NULL);
}

static void test_end(void **state)
{
	struct handle *handle = *state;
	struct hl_event event;
	struct hl_error err;

	tell(handle, HELIX_LEASE_EVENT_FREED, 0);
	close(handle->writer);
	handle->writer = -1;
	assert_int_equal(hl_lease_next_event(&handle->lease, LONG_MS, &event, &err), 0);
	assert_int_equal(hl_lease_next_event(&handle->lease, LONG_MS, &event, &err), -ENODATA);
	assert_string_equal(err.message, "events: the lease of scanout 3 is over");
}

static void test_nonsense(void **state)
{
	struct handle *handle = *state;
	char noise[sizeof(struct helix_lease_event)];
	struct hl_event event;
	struct hl_error err;

	memset(noise, 0xff, sizeof(noise));
	assert_int_equal(write(handle->writer, noise, sizeof(noise)), sizeof(noise));
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), -EPROTO);
	assert_int_equal(write(handle->writer, "x", 1), 1);
	assert_int_equal(hl_lease_next_event(&handle->lease, 0, &event, &err), -EPROTO);
}

static void test_released(void **state)
{
	struct hl_lease lease = { .scanout = 3, .handle_fd = -1, .lease_fd = -1 };
	struct hl_event event;
	struct hl_error err;
	int fds[2];

	(void)state;
	assert_int_equal(hl_lease_next_event(&lease, LONG_MS, &event, &err), -EBADF);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	close(fds[1]);
	lease.handle_fd = fds[0];
	assert_int_equal(hl_lease_next_event(&lease, LONG_MS, &event, &err), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test(test_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
