// SPDX-License-Identifier: GPL-2.0-only
/*
 * IGT's kms_lease on the GPU's own node: plain DRM leases are what they were,
 * whether the module is loaded, not loaded, or has had the GPU and given it back.
 *
 * Not in the list of all tests: it needs a root file system with IGT, which
 * run-guest puts at /tree when told where it is.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define TREE		"/tree"
#define PROGRAM		"/kms_lease"
#define MODULE		"/helix_lease.ko"
#define MAX_SUBTESTS	128

struct subtest {
	char name[64];
	char result[16];
};

struct results {
	struct subtest subtest[MAX_SUBTESTS];
	int count;
	int status;
};

static int load_module(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int unload_module(void)
{
	return syscall(SYS_delete_module, "helix_lease", O_NONBLOCK) ? -errno : 0;
}

static int enter_tree(void)
{
	static const char * const dirs[] = { "/dev", "/proc", "/sys" };
	char path[64];
	int i;

	/* Of its own, so that nothing has to be unmounted. */
	if (unshare(CLONE_NEWNS))
		return -errno;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), TREE "%s", dirs[i]);
		if (mount(dirs[i], path, NULL, MS_BIND | MS_REC, NULL))
			return -errno;
	}
	mount("debugfs", TREE "/sys/kernel/debug", "debugfs", 0, NULL);
	return chroot(TREE) || chdir("/") ? -errno : 0;
}

static void exec_kms_lease(int out)
{
	int ret = enter_tree();

	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	unsetenv("LD_LIBRARY_PATH");
	setenv("IGT_FORCE_DRIVER", "virtio_gpu", 1);
	if (!ret)
		execl(PROGRAM, PROGRAM, (char *)NULL);
	printf("cannot run " TREE PROGRAM ": %s\n", strerror(ret ? -ret : errno));
	fflush(stdout);
	_exit(127);
}

/* "Subtest NAME: RESULT (0.123s)". */
static void note_line(struct results *r, const char *line)
{
	struct subtest *s = &r->subtest[r->count];

	if (r->count < MAX_SUBTESTS &&
	    sscanf(line, "Subtest %63[^:]: %15[A-Z]", s->name, s->result) == 2)
		r->count++;
}

/* @when is for the log. */
static int run_kms_lease(const char *when, struct results *r)
{
	char line[512];
	FILE *out;
	int fds[2];
	pid_t pid;

	memset(r, 0, sizeof(*r));
	if (pipe(fds))
		return -errno;
	pid = fork();
	if (!pid)
		exec_kms_lease(fds[1]);
	close(fds[1]);
	out = fdopen(fds[0], "r");
	while (fgets(line, sizeof(line), out)) {
		if (!strncmp(line, "Subtest ", 8) || !strncmp(line, "IGT-Version", 11) ||
		    !strncmp(line, "cannot ", 7))
			printf("# %s: %s", when, line);
		note_line(r, line);
	}
	fclose(out);
	fflush(stdout);
	return waitpid(pid, &r->status, 0) == pid ? 0 : -errno;
}

FIXTURE(igt) {
	struct results *without;
	struct results *with;
};

FIXTURE_SETUP(igt)
{
	self->without = calloc(1, sizeof(*self->without));
	self->with = calloc(1, sizeof(*self->with));
	ASSERT_NE(self->without, NULL);
	ASSERT_NE(self->with, NULL);

	/* The guest's init has loaded it. */
	ASSERT_EQ(unload_module(), 0);
	ASSERT_EQ(run_kms_lease("without", self->without), 0);
	ASSERT_EQ(load_module(), 0);
	/* That something was tested, and passed: equal failures prove nothing. */
	ASSERT_TRUE(WIFEXITED(self->without->status));
	ASSERT_GE(self->without->count, 10);
}

FIXTURE_TEARDOWN(igt)
{
	free(self->without);
	free(self->with);
}

static int count_of(const struct results *r, const char *result)
{
	int i, n = 0;

	for (i = 0; i < r->count; i++)
		n += !strcmp(r->subtest[i].result, result);
	return n;
}

static void compare(struct __test_metadata *_metadata, const struct results *a,
		    const struct results *b)
{
	int i;

	ASSERT_EQ(a->count, b->count);
	for (i = 0; i < a->count; i++) {
		EXPECT_STREQ(a->subtest[i].name, b->subtest[i].name);
		EXPECT_STREQ(a->subtest[i].result, b->subtest[i].result)
			TH_LOG("subtest %s", a->subtest[i].name);
	}
	EXPECT_EQ(WEXITSTATUS(a->status), WEXITSTATUS(b->status));
}

TEST_F_TIMEOUT(igt, kms_lease_gives_the_same_results_with_the_module, 500)
{
	struct helix_lease_acquire acq;
	struct helix_lease_info info;
	drmModeModeInfo mode;
	struct picture p;
	int control;

	TH_LOG("without the module: %d subtests, %d pass, %d skip, %d fail",
	       self->without->count, count_of(self->without, "SUCCESS"),
	       count_of(self->without, "SKIP"), count_of(self->without, "FAIL"));
	EXPECT_GE(count_of(self->without, "SUCCESS"), 10);

	/* Loaded, with nothing bound. */
	ASSERT_EQ(run_kms_lease("loaded", self->with), 0);
	compare(_metadata, self->without, self->with);

	/* After a tenancy: bound, leased, drawn on, given back, unbound. */
	control = helix_setup();
	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_acquire(control, 0, &acq), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(control), 0);
	ASSERT_EQ(helix_unbind(control), 0);
	ASSERT_EQ(helix_info(control, &info), 0);
	ASSERT_EQ(info.nr_gpus, 0);
	close(control);
	ASSERT_EQ(run_kms_lease("unbound", self->with), 0);
	compare(_metadata, self->without, self->with);
}

TEST_HARNESS_MAIN
