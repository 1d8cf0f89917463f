// SPDX-License-Identifier: GPL-2.0-only
/*
 * HELIX_LEASE_ACQUIRE_CGROUP: a scanout node opens for the owner's cgroup and those
 * below it, and for nobody else who has the node, which is how a tenant whose lease is
 * over is kept from the lease of the next one.
 */
#include <linux/capability.h>
#include <sys/syscall.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define CGROUPS	"/sys/fs/cgroup"

static int join(const char *cgroup)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", cgroup);
	return sysfs_write(path, "0");
}

/* Root by its uid alone, so that the node's mode lets it in. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};

	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static void make(const char *cgroup)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "%s", cgroup);
	mkdir(path, 0755);
}

/* Who was waited for may still be about to leave it. */
static int unmake(const char *cgroup)
{
	char path[128];
	int waited;

	snprintf(path, sizeof(path), CGROUPS "%s", cgroup);
	for (waited = 0; rmdir(path); waited += 20) {
		if (errno != EBUSY || waited >= PATIENCE_MS)
			return -errno;
		helix_sleep_ms(20);
	}
	return 0;
}

/* A process in @cgroup that does nothing; or a negative errno. */
static pid_t idle_in(const char *cgroup)
{
	int said[2], ret = -EIO;
	pid_t child;

	if (pipe(said))
		return -errno;
	child = fork();
	if (!child) {
		ret = join(cgroup);
		if (write(said[1], &ret, sizeof(ret)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(said[1]);
	if (read(said[0], &ret, sizeof(ret)) < 0)
		ret = -errno;
	close(said[0]);
	return ret ? ret : child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* What somebody in @cgroup gets who opens the node of scanout 1. */
static int opens_in(const char *cgroup, bool admin)
{
	char path[64];
	int status;

	helix_node_path(path, 1);
	if (!fork()) {
		if (join(cgroup) || (!admin && drop_capabilities()))
			_exit(255);
		_exit(open(path, O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
	}
	wait(&status);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int acquire_for(int control, pid_t owner, uint32_t flags, struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, 1);
	acq->flags = flags;
	acq->owner_pid = owner;
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

FIXTURE(cgroup) {
	int control;
	pid_t a;
	pid_t b;
};

FIXTURE_SETUP(cgroup)
{
	ASSERT_EQ(access(CGROUPS "/cgroup.procs", F_OK), 0) TH_LOG("needs cgroup v2");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	make("/helix-a");
	make("/helix-a/below");
	make("/helix-b");
	self->a = idle_in("/helix-a");
	ASSERT_GT(self->a, 0);
	self->b = idle_in("/helix-b");
	ASSERT_GT(self->b, 0);
}

FIXTURE_TEARDOWN(cgroup)
{
	end(self->a);
	end(self->b);
	EXPECT_EQ(unmake("/helix-a/below"), 0);
	EXPECT_EQ(unmake("/helix-a"), 0);
	EXPECT_EQ(unmake("/helix-b"), 0);
	close(self->control);
}

TEST_F_TIMEOUT(cgroup, the_owners_and_those_below_it_may_open, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	drmModeModeInfo mode;
	struct picture p;
	uint64_t denials;
	struct stat st;

	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	denials = query.denials;
	ASSERT_EQ(acquire_for(self->control, self->a, HELIX_LEASE_ACQUIRE_CGROUP, &acq), 0);
	EXPECT_EQ(opens_in("/helix-a", false), 0);
	EXPECT_EQ(opens_in("/helix-a/below", false), 0);
	EXPECT_EQ(opens_in("/helix-b", false), -EPERM);
	EXPECT_EQ(opens_in("", false), -EPERM);
	EXPECT_EQ(opens_in("/helix-b", true), 0);

	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.acquire_flags, HELIX_LEASE_ACQUIRE_CGROUP);
	ASSERT_EQ(stat(CGROUPS "/helix-a", &st), 0);
	EXPECT_EQ(query.owner_cgroup, st.st_ino);
	/* No tenant's ioctl was refused. */
	EXPECT_EQ(query.denials, denials);
	/* Whoever is handed a descriptor needs no cgroup. */
	EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.acquire_flags, 0);

	/* Nobody asked for it. */
	ASSERT_EQ(acquire_for(self->control, self->a, 0, &acq), 0);
	EXPECT_EQ(opens_in("/helix-b", false), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(cgroup, the_last_tenant_does_not_open_the_next_lease, 120)
{
	struct helix_lease_acquire first, next;

	ASSERT_EQ(acquire_for(self->control, self->a, HELIX_LEASE_ACQUIRE_CGROUP, &first), 0);
	EXPECT_EQ(opens_in("/helix-a", false), 0);
	ASSERT_EQ(helix_revoke(self->control, 1, first.generation), 0);
	EXPECT_EQ(opens_in("/helix-a", false), -ENXIO);
	ASSERT_EQ(acquire_for(self->control, self->b, HELIX_LEASE_ACQUIRE_CGROUP, &next), 0);
	EXPECT_EQ(opens_in("/helix-a", false), -EPERM);
	EXPECT_EQ(opens_in("/helix-a/below", false), -EPERM);
	EXPECT_EQ(opens_in("/helix-b", false), 0);
	helix_close_lease(&first);
	helix_close_lease(&next);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(cgroup, it_is_the_one_that_the_owner_was_in, 120)
{
	struct helix_lease_acquire acq;
	pid_t owner = idle_in("/helix-b");
	char path[128], pid[16];

	ASSERT_GT(owner, 0);
	end(self->b);
	ASSERT_EQ(acquire_for(self->control, owner, HELIX_LEASE_ACQUIRE_CGROUP, &acq), 0);
	snprintf(path, sizeof(path), CGROUPS "/helix-a/cgroup.procs");
	snprintf(pid, sizeof(pid), "%d", owner);
	ASSERT_EQ(sysfs_write(path, pid), 0);
	EXPECT_EQ(opens_in("/helix-a", false), -EPERM);
	EXPECT_EQ(opens_in("/helix-b", false), 0);
	/* Another one of that name is another one. */
	ASSERT_EQ(unmake("/helix-b"), 0);
	make("/helix-b");
	EXPECT_EQ(opens_in("/helix-b", false), -EPERM);
	helix_close_lease(&acq);
	end(owner);
	self->b = idle_in("/helix-b");
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(cgroup, the_root_is_none, 120)
{
	struct helix_lease_acquire acq;
	pid_t owner = idle_in("");

	ASSERT_GT(owner, 0);
	EXPECT_EQ(acquire_for(self->control, owner, HELIX_LEASE_ACQUIRE_CGROUP, &acq), -ENOENT);
	/* The caller is in there as well. */
	EXPECT_EQ(acquire_for(self->control, 0, HELIX_LEASE_ACQUIRE_CGROUP, &acq), -ENOENT);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
	end(owner);
}

TEST_HARNESS_MAIN
