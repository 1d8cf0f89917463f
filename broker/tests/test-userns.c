// SPDX-License-Identifier: GPL-2.0-only
/* Whose a user namespace is, and who is root in there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "policy.h"
#include "userns.h"

#define SOMEBODY	1234
#define SUBORDINATE	4321

struct inside {
	pid_t pid;
	int pidfd;
	int told;	/* to go on */
	int sock;	/* to which it has connected */
};

/* Of a name of the kernel's choice, which is no file. */
static int listener;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len = sizeof(address);

static bool say(int fd)
{
	return write(fd, "", 1) == 1;
}

static bool hear(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static bool map_ids(pid_t pid, const char *kind, const char *ids)
{
	char path[64];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/%s_map", pid, kind);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = dprintf(fd, "%s", ids) > 0;
	close(fd);
	return ok;
}

/* Nobody makes a user namespace in a chroot, as the build root is one. Root is not kept in it. */
static bool leave_chroot(void)
{
	bool ok = !chdir("/") && !chroot("/proc");

	for (int i = 0; ok && i < 64; i++)
		ok = !chdir("..");
	return ok && !chroot(".");
}

static bool listens(void)
{
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return !bind(listener, (struct sockaddr *)&address, sizeof(address.sun_family)) &&
	       !getsockname(listener, (struct sockaddr *)&address, &address_len) && !listen(listener, 1);
}

static bool connects(void)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return !connect(sock, (struct sockaddr *)&address, address_len);
}

/* SOMEBODY makes one whose root is SUBORDINATE, who makes one below it. */
static void live(int say_fd, int hear_fd)
{
	if (!leave_chroot() || setresuid(SOMEBODY, SOMEBODY, SOMEBODY) || unshare(CLONE_NEWUSER) || !say(say_fd) ||
	    !hear(hear_fd) || setresuid(0, 0, 0) || !connects() || !say(say_fd) || !hear(hear_fd) ||
	    unshare(CLONE_NEWUSER) || !say(say_fd))
		_exit(1);
	pause();
	_exit(0);
}

/* Skipped where nobody can be another user, or has no user namespaces. */
static void begin(struct inside *in, int *said)
{
	int up[2], down[2];

	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	assert_true(listens());
	in->pid = fork();
	if (!in->pid) {
		close(up[0]);
		close(down[1]);
		live(up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	*said = up[0];
	in->told = down[1];
	in->pidfd = syscall(SYS_pidfd_open, in->pid, 0);
	if (!hear(*said) || !map_ids(in->pid, "uid", "0 4321 2") ||
	    !map_ids(in->pid, "gid", "0 0 1")) {
		kill(in->pid, SIGKILL);
		waitpid(in->pid, NULL, 0);
		skip();
	}
	assert_true(say(in->told));
	assert_true(hear(*said));
	in->sock = accept(listener, NULL, NULL);
	assert_true(in->sock >= 0);
	close(listener);
}

static void it_is_whose_it_was_made_by(void **state)
{
	struct inside in;
	struct peer peer;
	uid_t who = 0;
	int said;

	(void)state;
	assert_false(userns_owner(getpid(), &who));
	assert_false(userns_root(getpid(), getuid(), &who));
	begin(&in, &said);
	assert_true(userns_owner(in.pid, &who));
	assert_int_equal(who, SOMEBODY);
	assert_true(userns_root(in.pid, SOMEBODY, &who));
	assert_int_equal(who, SUBORDINATE);
	assert_false(userns_root(in.pid, SOMEBODY + 1, &who));
	assert_true(peer_is_user(in.pid, in.pidfd, SOMEBODY));
	assert_false(peer_is_user(in.pid, in.pidfd, SUBORDINATE));
	assert_false(peer_is_user(in.pid, in.pidfd, 0));
	assert_int_equal(peer_read(in.sock, &peer, NULL), 0);
	assert_int_equal(peer.uid, SUBORDINATE);
	assert_int_equal(peer.user, SOMEBODY);
	assert_int_equal(peer.owner, SOMEBODY);
	peer_release(&peer);

	/* One below it is his as well, also while nobody is in it. */
	assert_true(say(in.told));
	assert_true(hear(said));
	assert_true(userns_owner(in.pid, &who));
	assert_int_equal(who, SOMEBODY);
	assert_false(userns_root(in.pid, SOMEBODY, &who));
	assert_true(peer_is_user(in.pid, in.pidfd, SOMEBODY));

	kill(in.pid, SIGKILL);
	waitpid(in.pid, NULL, 0);
	assert_false(userns_owner(in.pid, &who));
	assert_false(peer_is_user(in.pid, in.pidfd, SOMEBODY));
	close(in.pidfd);
	close(in.told);
	close(in.sock);
	close(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_whose_it_was_made_by),
	};

	return cmocka_run_group_tests_name("userns", tests, NULL, NULL);
}
