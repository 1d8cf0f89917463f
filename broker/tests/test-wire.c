// SPDX-License-Identifier: GPL-2.0-only
/* Packets over a real socket pair: whole or refused, and no descriptor is lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "wire.h"

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state)
{
	struct stat sent[2], got;
	char buf[16];
	struct hl_wire_msg msg = { .buf = buf, .cap = sizeof(buf) };
	int fds[2] = { open("/dev/null", O_RDWR), open("/dev/zero", O_RDWR) };

	(void)state;
	for (int i = 0; i < 2; i++)
		fstat(fds[i], &sent[i]);
	assert_int_equal(hl_wire_send(pair[0], "hi", 2, fds, 2, 0), 0);
	close(fds[0]);
	close(fds[1]);

	assert_int_equal(hl_wire_recv(pair[1], &msg, 0), 0);
	assert_int_equal(msg.len, 2);
	assert_memory_equal(buf, "hi", 2);
	assert_int_equal(msg.nfds, 2);
	for (int i = 0; i < 2; i++) {
		fstat(msg.fds[i], &got);
		assert_int_equal(got.st_rdev, sent[i].st_rdev);
		assert_int_equal(fcntl(msg.fds[i], F_GETFD), FD_CLOEXEC);
	}
	hl_wire_close_fds(&msg);
	assert_int_equal(msg.nfds, 0);
}

static void a_packet_longer_than_the_buffer_is_refused_with_its_descriptors(void **state)
{
	char big[100] = { 0 }, buf[10];
	struct hl_wire_msg msg = { .buf = buf, .cap = sizeof(buf) };
	int fd = open("/dev/null", O_RDWR);
	int before = open_fds();

	(void)state;
	assert_int_equal(hl_wire_send(pair[0], big, sizeof(big), &fd, 1, 0), 0);
	assert_int_equal(hl_wire_recv(pair[1], &msg, 0), -EMSGSIZE);
	assert_int_equal(msg.nfds, 1);
	hl_wire_close_fds(&msg);
	assert_int_equal(open_fds(), before);
	/* The next packet is not its rest. */
	assert_int_equal(hl_wire_send(pair[0], "ok", 2, NULL, 0, 0), 0);
	assert_int_equal(hl_wire_recv(pair[1], &msg, 0), 0);
	assert_int_equal(msg.len, 2);
	close(fd);
}

static void more_descriptors_than_agreed_are_refused_and_held(void **state)
{
	union {
		char buf[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	int fds[3] = { 0, 1, 2 };
	char buf[10];
	struct hl_wire_msg msg = { .buf = buf, .cap = sizeof(buf) };
	int before = open_fds();

	(void)state;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
	assert_int_equal(sendmsg(pair[0], &hdr, 0), 1);
	assert_int_equal(hl_wire_recv(pair[1], &msg, 0), -EPROTO);
	assert_int_equal(msg.nfds, 3);
	hl_wire_close_fds(&msg);
	assert_int_equal(open_fds(), before);
}

static void the_end_is_an_empty_message(void **state)
{
	char buf[10];
	struct hl_wire_msg msg = { .buf = buf, .cap = sizeof(buf) };

	(void)state;
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(hl_wire_recv(pair[1], &msg, 0), 0);
	assert_int_equal(msg.len, 0);
}

static void a_peer_that_does_not_read_is_reported_not_waited_for(void **state)
{
	static char big[4096];
	int ret = 0;

	(void)state;
	for (int i = 0; i < 10000 && !ret; i++)
		ret = hl_wire_send(pair[0], big, sizeof(big), NULL, 0, MSG_DONTWAIT);
	assert_int_equal(ret, -EAGAIN);
}

static void sending_to_nobody_is_an_error_not_a_signal(void **state)
{
	(void)state;
	shutdown(pair[1], SHUT_RDWR);
	assert_int_equal(hl_wire_send(pair[0], "x", 1, NULL, 0, 0), -EPIPE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descriptors_arrive_in_order_and_close_on_exec),
		TEST(a_packet_longer_than_the_buffer_is_refused_with_its_descriptors),
		TEST(more_descriptors_than_agreed_are_refused_and_held),
		TEST(the_end_is_an_empty_message),
		TEST(a_peer_that_does_not_read_is_reported_not_waited_for),
		TEST(sending_to_nobody_is_an_error_not_a_signal),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
