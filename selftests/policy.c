// SPDX-License-Identifier: GPL-2.0-only
/*
 * SET_POLICY: who may have a scanout, and how many; and LIST, by which the
 * administrator sees who has.
 */
#include <grp.h>
#include <sched.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define SOMEBODY	1000
#define SOMEBODY_ELSE	1001
#define SUBORDINATE	100000
#define A_GROUP		2000
#define CGROUPS		"/sys/fs/cgroup"

FIXTURE(policy) {
	int control;
	struct helix_lease_info info;
	struct helix_lease_policy before;
};

static int policy(int control, struct helix_lease_policy *p, uint32_t mask)
{
	p->size = sizeof(*p);
	p->flags = 0;
	p->mask = mask;
	return sys_ioctl(control, HELIX_LEASE_SET_POLICY, p);
}

FIXTURE_SETUP(policy)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &self->info), 0);
	memset(&self->before, 0xa5, sizeof(self->before));
	ASSERT_EQ(policy(self->control, &self->before, 0), 0);
}

#define EVERYTHING	(HELIX_LEASE_POLICY_WHO | HELIX_LEASE_POLICY_MAX_PER_UID |	\
			 HELIX_LEASE_POLICY_MAX_PER_CGROUP | HELIX_LEASE_POLICY_GRACE_MS)

FIXTURE_TEARDOWN(policy)
{
	EXPECT_EQ(policy(self->control, &self->before, EVERYTHING), 0);
	close(self->control);
}

TEST_F_TIMEOUT(policy, at_first_there_is_none, 60)
{
	EXPECT_EQ(self->before.who, HELIX_LEASE_WHO_ANY);
	EXPECT_EQ(self->before.gid, 0);
	EXPECT_EQ(self->before.max_per_uid, 0);
	EXPECT_EQ(self->before.max_per_cgroup, 0);
	EXPECT_EQ(self->before.grace_ms, 0);
}

TEST_F_TIMEOUT(policy, only_what_the_mask_names_is_set, 60)
{
	struct helix_lease_policy p;

	memset(&p, 0xa5, sizeof(p));
	p.max_per_uid = 3;
	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	EXPECT_EQ(p.who, HELIX_LEASE_WHO_ANY);
	EXPECT_EQ(p.gid, 0);
	EXPECT_EQ(p.max_per_uid, 3);
	EXPECT_EQ(p.max_per_cgroup, 0);
	EXPECT_EQ(p.grace_ms, 0);

	memset(&p, 0xa5, sizeof(p));
	p.who = HELIX_LEASE_WHO_GROUP;
	p.gid = A_GROUP;
	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), 0);
	EXPECT_EQ(p.who, HELIX_LEASE_WHO_GROUP);
	EXPECT_EQ(p.gid, A_GROUP);
	EXPECT_EQ(p.max_per_uid, 3);

	memset(&p, 0xa5, sizeof(p));
	ASSERT_EQ(policy(self->control, &p, 0), 0);
	EXPECT_EQ(p.gid, A_GROUP);
	EXPECT_EQ(p.max_per_uid, 3);
}

TEST_F_TIMEOUT(policy, values_out_of_range_are_refused, 60)
{
	struct helix_lease_policy p = { .who = HELIX_LEASE_WHO_GROUP + 1 };

	EXPECT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), -EINVAL);
	p = (struct helix_lease_policy){ .who = HELIX_LEASE_WHO_ANY, .gid = 1 };
	EXPECT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), -EINVAL);
	p = (struct helix_lease_policy){ .who = HELIX_LEASE_WHO_GROUP, .gid = 0xffffffff };
	EXPECT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), -EINVAL);
	p = (struct helix_lease_policy){ .grace_ms = HELIX_LEASE_GRACE_MAX_MS + 1 };
	EXPECT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_GRACE_MS), -EINVAL);
	EXPECT_EQ(policy(self->control, &p, EVERYTHING + 1), -EOPNOTSUPP);
	EXPECT_EQ(policy(self->control, &p, 1U << 31), -EOPNOTSUPP);
	/* Nothing of it is in force. */
	ASSERT_EQ(policy(self->control, &p, 0), 0);
	EXPECT_EQ(p.who, HELIX_LEASE_WHO_ANY);
	EXPECT_EQ(p.grace_ms, 0);
}

static void become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		_exit(255);
}

/* A child that tries to have @want scanouts, keeps them, and says how the last try ended. */
struct tenant {
	pid_t pid;
	int result;
	int had;
};

static struct tenant tenant_start(int control, uid_t uid, gid_t gid, int want)
{
	struct tenant t = { .result = -EIO };
	struct helix_lease_acquire acq;
	int said[2];

	if (pipe(said))
		return t;
	t.pid = fork();
	if (!t.pid) {
		become(uid, gid);
		for (t.result = 0; t.had < want; t.had++) {
			t.result = helix_acquire(control, 0, &acq);
			if (t.result)
				break;
		}
		if (write(said[1], &t, sizeof(t)) == sizeof(t))
			pause();
		_exit(0);
	}
	close(said[1]);
	{
		struct tenant answer = t;

		if (read(said[0], &answer, sizeof(answer)) == sizeof(answer)) {
			t.result = answer.result;
			t.had = answer.had;
		}
	}
	close(said[0]);
	return t;
}

static void tenant_stop(struct tenant *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
}

TEST_F_TIMEOUT(policy, to_set_it_needs_cap_sys_admin, 60)
{
	struct helix_lease_policy p = {};
	int status;

	if (!fork()) {
		become(SOMEBODY, SOMEBODY);
		if (policy(self->control, &p, HELIX_LEASE_POLICY_GRACE_MS) != -EPERM)
			_exit(1);
		/* Anybody may see what it is. */
		_exit(policy(self->control, &p, 0) ? 2 : 0);
	}
	wait(&status);
	EXPECT_EQ(status, 0);
}

TEST_F_TIMEOUT(policy, a_user_gets_as_many_as_he_may_have, 180)
{
	struct helix_lease_policy p = { .max_per_uid = 2 };
	struct tenant one, other;
	struct helix_lease_acquire acq[3];
	int i;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	one = tenant_start(self->control, SOMEBODY, SOMEBODY, 3);
	EXPECT_EQ(one.had, 2);
	EXPECT_EQ(one.result, -EDQUOT);
	/* It is his limit, not his neighbour's. */
	other = tenant_start(self->control, SOMEBODY_ELSE, SOMEBODY, 2);
	EXPECT_EQ(other.had, 2);
	EXPECT_EQ(other.result, 0);
	/* And none for root. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(helix_acquire(self->control, 0, &acq[i]), 0);
	for (i = 0; i < 3; i++)
		helix_close_lease(&acq[i]);

	/* What he gives back he may have again. */
	tenant_stop(&one);
	tenant_stop(&other);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
	one = tenant_start(self->control, SOMEBODY, SOMEBODY, 2);
	EXPECT_EQ(one.had, 2);
	tenant_stop(&one);
}

TEST_F_TIMEOUT(policy, what_he_gives_back_is_waited_for, 180)
{
	struct helix_lease_policy p = { .max_per_uid = 1 };
	struct helix_lease_acquire acq;
	int i, status;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	if (!fork()) {
		become(SOMEBODY, SOMEBODY);
		for (i = 0; i < 10; i++) {
			status = helix_acquire(self->control, 0, &acq);
			if (status)
				_exit(-status);
			helix_close_lease(&acq);
		}
		_exit(0);
	}
	wait(&status);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(policy, the_owner_counts_not_who_asks_for_him, 180)
{
	struct helix_lease_policy p = { .max_per_uid = 1 };
	struct helix_lease_acquire first, second;
	struct tenant somebody;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	somebody = tenant_start(self->control, SOMEBODY, SOMEBODY, 0);
	helix_acquire_init(&first, 0);
	first.owner_pid = somebody.pid;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &first), 0);
	helix_acquire_init(&second, 0);
	second.owner_pid = somebody.pid;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &second), -EDQUOT);
	helix_close_lease(&first);
	tenant_stop(&somebody);
}

/* As after exec of a program that is setuid and root's. */
static pid_t setuid_start(void)
{
	char byte;
	int said[2];
	pid_t child;

	if (pipe(said))
		return -1;
	child = fork();
	if (!child) {
		if (setresuid(SOMEBODY, 0, -1) || write(said[1], "", 1) != 1)
			_exit(255);
		pause();
		_exit(0);
	}
	close(said[1]);
	if (read(said[0], &byte, 1) != 1)
		return -1;
	close(said[0]);
	return child;
}

/* A lease of @child's is SOMEBODY's, who may have one and no more. Ends @child. */
static void counts_as_somebody(struct __test_metadata *_metadata, int control, pid_t child)
{
	struct helix_lease_policy p = { .max_per_uid = 1 };
	struct helix_lease_acquire first, second;
	struct helix_lease_query query;

	ASSERT_GT(child, 0);
	ASSERT_EQ(policy(control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	helix_acquire_init(&first, 0);
	first.owner_pid = child;
	ASSERT_EQ(sys_ioctl(control, HELIX_LEASE_ACQUIRE, &first), 0);
	ASSERT_EQ(helix_query(control, first.scanout, &query), 0);
	EXPECT_EQ(query.owner_pid, child);
	EXPECT_EQ(query.owner_uid, SOMEBODY);
	helix_acquire_init(&second, 0);
	second.owner_pid = child;
	EXPECT_EQ(sys_ioctl(control, HELIX_LEASE_ACQUIRE, &second), -EDQUOT);
	helix_close_lease(&first);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_F_TIMEOUT(policy, who_runs_what_is_setuid_counts_as_himself, 180)
{
	counts_as_somebody(_metadata, self->control, setuid_start());
}

/* In a user namespace of SOMEBODY's, as SUBORDINATE: 0 as it says itself. */
static pid_t subordinate_start(void)
{
	char path[64], byte;
	int said[2], told[2], map;
	pid_t child;

	if (pipe(said) || pipe(told))
		return -1;
	child = fork();
	if (!child) {
		become(SOMEBODY, SOMEBODY);
		if (unshare(CLONE_NEWUSER) || write(said[1], "", 1) != 1 ||
		    read(told[0], &byte, 1) != 1 || setresuid(0, 0, 0) ||
		    write(said[1], "", 1) != 1)
			_exit(255);
		pause();
		_exit(0);
	}
	close(said[1]);
	close(told[0]);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
	if (read(said[0], &byte, 1) != 1)
		return -1;
	map = open(path, O_WRONLY | O_CLOEXEC);
	if (map < 0 || dprintf(map, "0 %d 1", SUBORDINATE) < 0 || close(map) ||
	    write(told[1], "", 1) != 1 || read(said[0], &byte, 1) != 1)
		return -1;
	close(said[0]);
	close(told[1]);
	return child;
}

TEST_F_TIMEOUT(policy, who_is_in_a_user_namespace_counts_as_who_made_it, 180)
{
	counts_as_somebody(_metadata, self->control, subordinate_start());
}

TEST_F_TIMEOUT(policy, two_who_ask_at_once_do_not_both_get_the_last, 180)
{
	struct helix_lease_policy p = { .max_per_uid = 2 };
	struct helix_lease_query query;
	struct helix_lease_acquire acq;
	uint32_t i, leased = 0;
	int done[2], keep[2], ret;
	char byte;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_UID), 0);
	ASSERT_EQ(pipe(done), 0);
	ASSERT_EQ(pipe(keep), 0);
	for (i = 0; i < 8; i++) {
		if (fork())
			continue;
		close(keep[1]);
		become(SOMEBODY, SOMEBODY);
		ret = helix_acquire(self->control, 0, &acq);
		byte = ret == -EDQUOT ? 'q' : ret ? '?' : 'y';
		if (write(done[1], &byte, 1) != 1 || read(keep[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(keep[0]);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(read(done[0], &byte, 1), 1);
		EXPECT_NE(byte, '?');
		leased += byte == 'y';
	}
	EXPECT_EQ(leased, 2);
	for (i = 1, leased = 0; i <= self->info.nr_scanouts; i++)
		leased += !helix_query(self->control, i, &query) &&
			  query.state == HELIX_LEASE_STATE_LEASED;
	EXPECT_EQ(leased, 2);
	close(keep[1]);
	while (wait(NULL) > 0)
		;
}

TEST_F_TIMEOUT(policy, administrators_only, 180)
{
	struct helix_lease_policy p = { .who = HELIX_LEASE_WHO_ADMIN };
	struct helix_lease_acquire acq;
	struct tenant t;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), 0);
	t = tenant_start(self->control, SOMEBODY, SOMEBODY, 1);
	EXPECT_EQ(t.result, -EPERM);
	tenant_stop(&t);
	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(policy, members_of_a_group_and_administrators_only, 180)
{
	struct helix_lease_policy p = { .who = HELIX_LEASE_WHO_GROUP, .gid = A_GROUP };
	struct helix_lease_acquire acq;
	struct tenant t;

	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_WHO), 0);
	t = tenant_start(self->control, SOMEBODY, SOMEBODY, 1);
	EXPECT_EQ(t.result, -EPERM);
	tenant_stop(&t);
	t = tenant_start(self->control, SOMEBODY, A_GROUP, 1);
	EXPECT_EQ(t.result, 0);
	tenant_stop(&t);
	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	helix_close_lease(&acq);
}

static int join_cgroup(const char *name)
{
	char path[128], pid[16];
	int fd, ret;

	snprintf(path, sizeof(path), CGROUPS "/%s/cgroup.procs", name);
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open(path, O_WRONLY);
	ret = fd < 0 || write(fd, pid, strlen(pid)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* For root too, and for any user: exits with what the second try got. */
static int two_in_cgroup(int control, const char *name, uid_t uid)
{
	struct helix_lease_acquire acq;
	int status;

	if (!fork()) {
		if (join_cgroup(name))
			_exit(255);
		become(uid, uid);
		status = helix_acquire(control, 0, &acq);
		if (status)
			_exit(254);
		_exit(-helix_acquire(control, 0, &acq));
	}
	wait(&status);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

TEST_F_TIMEOUT(policy, a_cgroup_gets_as_many_as_it_may_have, 180)
{
	struct helix_lease_policy p = { .max_per_cgroup = 1 };
	struct helix_lease_acquire acq;
	int ready[2], status;
	char byte = 0;
	pid_t holder;

	if (access(CGROUPS "/cgroup.procs", F_OK))
		SKIP(return, "needs cgroup v2");
	mkdir(CGROUPS "/helix-a", 0755);
	mkdir(CGROUPS "/helix-b", 0755);
	ASSERT_EQ(policy(self->control, &p, HELIX_LEASE_POLICY_MAX_PER_CGROUP), 0);
	EXPECT_EQ(two_in_cgroup(self->control, "helix-a", SOMEBODY), -EDQUOT);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
	EXPECT_EQ(two_in_cgroup(self->control, "helix-a", 0), -EDQUOT);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);

	/* Another cgroup's lease is none of its. */
	ASSERT_EQ(pipe(ready), 0);
	holder = fork();
	if (!holder) {
		byte = !join_cgroup("helix-b") && !helix_acquire(self->control, 0, &acq);
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	EXPECT_EQ(byte, 1);
	EXPECT_EQ(two_in_cgroup(self->control, "helix-a", SOMEBODY), -EDQUOT);
	kill(holder, SIGKILL);
	waitpid(holder, &status, 0);
	rmdir(CGROUPS "/helix-a");
	rmdir(CGROUPS "/helix-b");
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

/* --- LIST --- */

#define STRIDE	(sizeof(struct helix_lease_query) + 64)

static int list(int control, uint32_t first, uint32_t nr, uint32_t entry_size, void *entries,
		struct helix_lease_list *l)
{
	*l = (struct helix_lease_list){
		.size = sizeof(*l),
		.first = first,
		.nr = nr,
		.entry_size = entry_size,
		.entries = (uintptr_t)entries,
	};
	return sys_ioctl(control, HELIX_LEASE_LIST, l);
}

TEST_F_TIMEOUT(policy, list_says_of_all_what_query_says_of_each, 120)
{
	struct helix_lease_query q, *e;
	struct helix_lease_acquire acq;
	struct helix_lease_list l;
	uint8_t entries[256 * STRIDE];
	uint32_t i, j;

	helix_acquire_init(&acq, 3);
	acq.priority = 200;
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	memset(entries, 0xa5, sizeof(entries));
	ASSERT_EQ(list(self->control, 0, 256, STRIDE, entries, &l), 0);
	EXPECT_EQ(l.first, 0);
	EXPECT_EQ(l.entry_size, sizeof(q));
	EXPECT_EQ(l.nr, self->info.nr_scanouts);
	for (i = 0; i < l.nr; i++) {
		e = (void *)(entries + i * STRIDE);
		ASSERT_EQ(helix_query(self->control, e->scanout, &q), 0);
		EXPECT_EQ(e->size, sizeof(q));
		EXPECT_EQ(e->scanout, i + 1);
		EXPECT_EQ(e->state, q.state);
		EXPECT_EQ(e->state == HELIX_LEASE_STATE_LEASED, e->scanout == 3);
		EXPECT_EQ(e->generation, q.generation);
		EXPECT_EQ(e->owner_pid, e->scanout == 3 ? getpid() : 0);
		EXPECT_EQ(e->priority, e->scanout == 3 ? 200 : q.priority);
		EXPECT_EQ(e->connector_id, q.connector_id);
		EXPECT_EQ(e->dev_minor, q.dev_minor);
		EXPECT_EQ(memcmp(e->label, q.label, sizeof(q.label)), 0);
		for (j = sizeof(q); j < STRIDE; j++)
			ASSERT_EQ(entries[i * STRIDE + j], 0);
	}
	EXPECT_EQ(entries[i * STRIDE], 0xa5);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(policy, list_goes_on_where_it_stopped, 60)
{
	struct helix_lease_query entries[4];
	struct helix_lease_list l = {};
	uint32_t i, seen = 0;

	do {
		ASSERT_EQ(list(self->control, l.first, 4, sizeof(*entries), entries, &l), 0);
		ASSERT_LE(l.nr, 4);
		for (i = 0; i < l.nr; i++)
			EXPECT_EQ(entries[i].scanout, ++seen);
	} while (l.first);
	EXPECT_EQ(seen, self->info.nr_scanouts);

	ASSERT_EQ(list(self->control, self->info.nr_scanouts + 1, 4, sizeof(*entries), entries,
		       &l), 0);
	EXPECT_EQ(l.nr, 0);
	EXPECT_EQ(l.first, 0);
	/* Room for none: it says where the first is. */
	ASSERT_EQ(list(self->control, 0, 0, sizeof(*entries), NULL, &l), 0);
	EXPECT_EQ(l.nr, 0);
	EXPECT_EQ(l.first, 1);
}

TEST_F_TIMEOUT(policy, list_takes_entries_of_any_published_size, 60)
{
	size_t first = offsetof(struct helix_lease_query, label) + HELIX_LEASE_LABEL_LEN;
	uint8_t entries[4 * sizeof(struct helix_lease_query)];
	struct helix_lease_query *e;
	struct helix_lease_list l;
	uint32_t i;

	memset(entries, 0xa5, sizeof(entries));
	ASSERT_EQ(list(self->control, 0, 4, first, entries, &l), 0);
	EXPECT_EQ(l.nr, 4);
	EXPECT_EQ(l.entry_size, first);
	for (i = 0; i < 4; i++) {
		e = (void *)(entries + i * first);
		EXPECT_EQ(e->size, first);
		EXPECT_EQ(e->scanout, i + 1);
	}
	EXPECT_EQ(entries[4 * first], 0xa5);

	EXPECT_EQ(list(self->control, 0, 4, first - 1, entries, &l), -EINVAL);
	EXPECT_EQ(list(self->control, 0, 4, 0, entries, &l), -EINVAL);
	EXPECT_EQ(list(self->control, 0, 4, 4097, entries, &l), -E2BIG);
	EXPECT_EQ(list(self->control, 0, 4, first, NULL, &l), -EFAULT);
	EXPECT_EQ(list(self->control, 0, 4, first, (void *)-4096L, &l), -EFAULT);
}

TEST_HARNESS_MAIN
