// SPDX-License-Identifier: GPL-2.0-only
/* Who may connect, wait, acquire and revoke, and what the module is told of it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include <linux/helix_lease.h>

#include "options.h"

static const struct peer root = { .pid = 1, .uid = 0, .pidfd = -1 };
static const struct peer user = { .pid = 2, .uid = 1000, .gid = 1000, .user = 1000, .pidfd = -1 };

static void nobody_is_excluded_without_an_allow_list(void **state)
{
	(void)state;
	assert_int_equal(policy_connect(&policy_default, &user, 0, 0, NULL), 0);
}

static void a_process_is_a_users_while_it_is_there(void **state)
{
	pid_t pid = fork();
	siginfo_t info;
	int pidfd;

	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(peer_of_pidfd(pidfd), pid);
	assert_true(peer_is_user(pid, pidfd, getuid()));
	assert_false(peer_is_user(pid, pidfd, getuid() + 1));
	kill(pid, SIGKILL);
	/* It is still to be seen, and has ended. */
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(peer_is_user(pid, pidfd, getuid()));
	waitpid(pid, NULL, 0);
	assert_false(peer_is_user(pid, pidfd, getuid()));
	close(pidfd);
}

/* A page of a thread's that does not come: what writes to it waits. Returns its userfaultfd, or -1. */
static int page_that_does_not_come(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	long size = sysconf(_SC_PAGESIZE);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)*page;
	range.range.len = size;
	if (fd < 0 || *page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) < 0 ||
	    ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return -1;
	return fd;
}

struct waiter {
	int ep;
	void *page;
};

/* Holds its lock until the page has come. */
static void *wait_for_events(void *data)
{
	const struct waiter *waiter = data;

	epoll_wait(waiter->ep, waiter->page, 1, -1);
	return NULL;
}

#define SKIPPED	77

static int look_at_locked(void)
{
	struct waiter waiter = { .ep = epoll_create1(EPOLL_CLOEXEC) };
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd faults = { .fd = page_that_does_not_come(&waiter.page), .events = POLLIN };
	int ready = eventfd(1, EFD_CLOEXEC);
	pthread_t thread;

	if (faults.fd < 0)
		return SKIPPED;
	if (epoll_ctl(waiter.ep, EPOLL_CTL_ADD, ready, &event) ||
	    pthread_create(&thread, NULL, wait_for_events, &waiter) || poll(&faults, 1, -1) != 1 ||
	    faults.revents != POLLIN)
		return 1;
	return peer_of_pidfd(waiter.ep) ? 2 : 0;
}

/* What /proc tells of an open file is told by that file, with the locks it needs. */
static void what_is_no_pidfd_is_not_asked_who_it_is(void **state)
{
	int status, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		alarm(20);
		_exit(look_at_locked());
	}
	assert_int_equal(peer_of_pidfd(fd), 0);
	assert_int_equal(peer_of_pidfd(-1), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static void an_allow_list_admits_members_and_root(void **state)
{
	struct policy policy = policy_default;
	gid_t groups[] = { 5, 42 };
	struct peer member = user, primary = user;
	struct hl_error err;

	(void)state;
	policy.allowed[policy.nr_allowed++] = 41;
	policy.allowed[policy.nr_allowed++] = 42;
	member.groups = groups;
	member.nr_groups = 2;
	primary.gid = 41;
	assert_int_equal(policy_connect(&policy, &member, 0, 0, NULL), 0);
	assert_int_equal(policy_connect(&policy, &primary, 0, 0, NULL), 0);
	assert_int_equal(policy_connect(&policy, &root, 0, 0, NULL), 0);
	assert_int_equal(policy_connect(&policy, &user, 0, 0, &err), -EACCES);
	assert_non_null(strstr(err.message, "user 1000"));
}

static void clients_are_bounded_in_all_and_for_a_user(void **state)
{
	const struct policy *p = &policy_default;

	(void)state;
	assert_int_equal(policy_connect(p, &root, p->clients - 1, p->clients - 1, NULL), 0);
	assert_int_equal(policy_connect(p, &root, p->clients, 0, NULL), -EUSERS);
	assert_int_equal(policy_connect(p, &user, 0, p->clients_per_uid - 1, NULL), 0);
	assert_int_equal(policy_connect(p, &user, 0, p->clients_per_uid, NULL), -EUSERS);
}

static void waiting_is_bounded_in_all_and_for_a_user(void **state)
{
	const struct policy *p = &policy_default;

	(void)state;
	assert_int_equal(policy_wait(p, &root, p->waiting - 1, p->waiting - 1, NULL), 0);
	assert_int_equal(policy_wait(p, &root, p->waiting, 0, NULL), -EAGAIN);
	assert_int_equal(policy_wait(p, &user, 0, p->waiting_per_uid - 1, NULL), 0);
	assert_int_equal(policy_wait(p, &user, 0, p->waiting_per_uid, NULL), -EAGAIN);
}

static void a_high_priority_is_roots(void **state)
{
	struct policy policy = policy_default;
	struct hl_error err;

	(void)state;
	policy.priority_max = 10;
	assert_int_equal(policy_priority(&policy, &user, 10, NULL), 0);
	assert_int_equal(policy_priority(&policy, &user, 11, &err), -EPERM);
	assert_string_equal(err.message,
			    "acquire: priority 11 is more than 10, which only root may have");
	assert_int_equal(policy_priority(&policy, &root, 255, NULL), 0);
}

static void a_lease_is_its_users_and_roots(void **state)
{
	struct hl_scanout mine = { .owner_uid = 1000 }, other = { .owner_uid = 1001 };

	(void)state;
	assert_true(policy_owns(&user, &mine));
	assert_false(policy_owns(&user, &other));
	assert_true(policy_owns(&root, &other));
}

/* ---- the command line ---- */

static struct options parse(int argc, const char *const *argv)
{
	struct hl_error err = { 0 };
	struct options opts;

	if (options_parse(argc, (char **)argv, &opts, &err))
		fail_msg("%s", err.message);
	return opts;
}

static void what_no_option_names_is_not_set(void **state)
{
	const char *const argv[] = { "helix-leased", NULL };

	(void)state;
	assert_int_equal(parse(1, argv).policy.module.mask, 0);
}

static void limits_go_to_the_module(void **state)
{
	const char *const argv[] = { "helix-leased", "--quota", "3", "--quota-cgroup=2",
				     "--grace", "2.5", "--max-priority", "7", NULL };
	struct options opts = parse(8, argv);

	(void)state;
	assert_int_equal(opts.policy.module.mask, HELIX_LEASE_POLICY_MAX_PER_UID |
			 HELIX_LEASE_POLICY_MAX_PER_CGROUP | HELIX_LEASE_POLICY_GRACE_MS);
	assert_int_equal(opts.policy.module.max_per_uid, 3);
	assert_int_equal(opts.policy.module.max_per_cgroup, 2);
	assert_int_equal(opts.policy.module.grace_ms, 2500);
	assert_int_equal(opts.policy.priority_max, 7);
}

static void one_allowed_group_is_the_modules_too_and_several_are_not(void **state)
{
	const char *const one[] = { "helix-leased", "-a", "daemon", NULL };
	const char *const two[] = { "helix-leased", "-a", "daemon", "-a", "bin", NULL };
	struct hl_policy module = parse(3, one).policy.module;

	(void)state;
	assert_int_equal(module.mask, HELIX_LEASE_POLICY_WHO);
	assert_int_equal(module.who, HELIX_LEASE_WHO_GROUP);
	assert_int_equal(module.gid, getgrnam("daemon")->gr_gid);
	module = parse(5, two).policy.module;
	assert_int_equal(module.who, HELIX_LEASE_WHO_ADMIN);
	assert_int_equal(module.gid, 0);
}

static void limits_out_of_range_are_refused(void **state)
{
	static const char *const bad[] = { "--quota=-1", "--grace=601", "--max-priority=256",
					   "--quota-cgroup=x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *argv[] = { "helix-leased", bad[i], NULL };
		struct hl_error err;
		struct options opts;

		assert_int_equal(options_parse(2, (char **)argv, &opts, &err), -EINVAL);
	}
}

static void a_peer_is_who_the_kernel_says(void **state)
{
	struct peer peer;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(peer_read(pair[0], &peer, NULL), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.gid, getgid());
	assert_int_equal(peer.user, getuid());
	assert_true(peer_alive(&peer));
	peer_release(&peer);
	close(pair[0]);
	close(pair[1]);
}

/* Whoever has its socket by now is somebody else, and its number may be, too. */
static void a_peer_that_was_waited_for_is_gone(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(addr);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), sock;
	struct peer peer;
	pid_t pid;

	(void)state;
	/* A name of the kernel's choice, which is no file. */
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr.sun_family)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &size), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	if (!pid) {
		sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		_exit(connect(sock, (struct sockaddr *)&addr, size) < 0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	sock = accept(listener, NULL, NULL);
	assert_true(sock >= 0);
	assert_int_equal(peer_read(sock, &peer, NULL), 0);
	assert_int_equal(peer.pid, pid);
	assert_false(peer_alive(&peer));
	peer_release(&peer);
	close(sock);
	close(listener);
}

static void what_has_no_peer_is_an_error(void **state)
{
	struct peer peer;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(peer_read(fds[0], &peer, NULL) < 0);
	peer_release(&peer);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_excluded_without_an_allow_list),
		cmocka_unit_test(a_process_is_a_users_while_it_is_there),
		cmocka_unit_test(what_is_no_pidfd_is_not_asked_who_it_is),
		cmocka_unit_test(an_allow_list_admits_members_and_root),
		cmocka_unit_test(clients_are_bounded_in_all_and_for_a_user),
		cmocka_unit_test(waiting_is_bounded_in_all_and_for_a_user),
		cmocka_unit_test(a_high_priority_is_roots),
		cmocka_unit_test(a_lease_is_its_users_and_roots),
		cmocka_unit_test(what_no_option_names_is_not_set),
		cmocka_unit_test(limits_go_to_the_module),
		cmocka_unit_test(one_allowed_group_is_the_modules_too_and_several_are_not),
		cmocka_unit_test(limits_out_of_range_are_refused),
		cmocka_unit_test(a_peer_is_who_the_kernel_says),
		cmocka_unit_test(a_peer_that_was_waited_for_is_gone),
		cmocka_unit_test(what_has_no_peer_is_an_error),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
