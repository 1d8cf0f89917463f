// SPDX-License-Identifier: GPL-2.0-only
/* Who may connect, wait, acquire and revoke. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "policy.h"

static const struct peer root = { .pid = 1, .uid = 0, .pidfd = -1 };
static const struct peer user = { .pid = 2, .uid = 1000, .gid = 1000, .pidfd = -1 };

static void nobody_is_excluded_without_an_allow_list(void **state)
{
	(void)state;
	assert_int_equal(policy_connect(&policy_default, &user, 0, 0, NULL), 0);
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

static void a_quota_binds_users_not_root(void **state)
{
	struct policy policy = policy_default;
	struct hl_error err;

	(void)state;
	assert_int_equal(policy_acquire(&policy, &user, 1000, NULL), 0);
	policy.leases_per_uid = 2;
	assert_int_equal(policy_acquire(&policy, &user, 1, NULL), 0);
	assert_int_equal(policy_acquire(&policy, &user, 2, &err), -EDQUOT);
	assert_string_equal(err.message, "acquire: user 1000 has 2 of 2 scanouts");
	assert_int_equal(policy_acquire(&policy, &root, 15, NULL), 0);
}

static void only_the_owner_and_root_may_revoke(void **state)
{
	struct hl_scanout mine = { .owner_uid = 1000 }, other = { .owner_uid = 1001 };

	(void)state;
	assert_int_equal(policy_revoke(&user, &mine, NULL), 0);
	assert_int_equal(policy_revoke(&user, &other, NULL), -EACCES);
	assert_int_equal(policy_revoke(&root, &other, NULL), 0);
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
	assert_true(peer_alive(&peer));
	peer_release(&peer);
	close(pair[0]);
	close(pair[1]);
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
		cmocka_unit_test(an_allow_list_admits_members_and_root),
		cmocka_unit_test(clients_are_bounded_in_all_and_for_a_user),
		cmocka_unit_test(waiting_is_bounded_in_all_and_for_a_user),
		cmocka_unit_test(a_quota_binds_users_not_root),
		cmocka_unit_test(only_the_owner_and_root_may_revoke),
		cmocka_unit_test(a_peer_is_who_the_kernel_says),
		cmocka_unit_test(what_has_no_peer_is_an_error),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
