// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once on every scanout, for a bounded time: tenants that come,
 * show, open, close, resize, fork, revoke each other and are killed. Afterwards
 * nothing may be left, and every scanout can be had again.
 *
 * The guest needs memory for it: the driver keeps a closed buffer until the host
 * has answered, and as many answers may be due as the control queue has entries,
 * 256 pictures of 3 MiB.
 */
#include <sys/prctl.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define MAX_WORKERS	64
#define SECONDS		12
/* What the guest may have more in use than before: less than two pictures. */
#define LEFTOVER_KIB	6144

/* Buffers of the GPU are shared memory. */
static long shmem_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "Shmem: %ld kB", &kib);
	if (f)
		fclose(f);
	return kib;
}

static uint32_t nr_scanouts;

static uint32_t any_scanout(unsigned int *seed)
{
	return 1 + rand_r(seed) % nr_scanouts;
}

/* Of one's own, by the handle, or of somebody's, as an administrator. */
static void resize(int control, struct helix_lease_acquire *acq, unsigned int *seed)
{
	struct helix_lease_resize resize = {
		.size = sizeof(resize),
		.timeout_ms = 1 + rand_r(seed) % 2000,
		.width = 640 + 8 * (rand_r(seed) % 64),
		.height = 480 + 8 * (rand_r(seed) % 32),
	};
	struct helix_lease_query query;

	if (rand_r(seed) % 2) {
		sys_ioctl(acq->handle_fd, HELIX_LEASE_RESIZE, &resize);
		return;
	}
	resize.scanout = any_scanout(seed);
	if (helix_query(control, resize.scanout, &query))
		return;
	resize.generation = query.generation;
	sys_ioctl(control, HELIX_LEASE_RESIZE, &resize);
}

/* One step of a tenant's life; what fails may fail, others are at it too. */
static void live(int control, unsigned int *seed)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct picture p;
	drmModeModeInfo mode;
	uint32_t victim;
	char path[64];
	int fd, i;

	/* Any, or a certain one, so that some wait for the same. */
	if (helix_acquire(control, rand_r(seed) % 4 ? 0 : any_scanout(seed), &acq))
		return;
	fcntl(acq.lease_fd, F_SETFD, 0);
	for (i = rand_r(seed) % 4; i >= 0; i--) {
		switch (rand_r(seed) % 7) {
		case 0:
			tenant_show(acq.lease_fd, &acq, &p, &mode);
			break;
		case 1:
			helix_node_path(path, any_scanout(seed));
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd >= 0) {
				picture_create(fd, 64, 64, DRM_FORMAT_XRGB8888, &p);
				close(fd);
			}
			break;
		case 2:
			victim = any_scanout(seed);
			if (!helix_query(control, victim, &query) && !(rand_r(seed) % 4))
				helix_revoke(control, victim, query.generation);
			break;
		case 3:
			drmModePageFlip(acq.lease_fd, acq.crtc_id, rand_r(seed) % 256, 0, NULL);
			break;
		case 4:
			if (!fork())
				_exit(0);
			break;
		case 5:
			resize(control, &acq, seed);
			break;
		case 6:
			/* A child that lives on with what it inherited, for a while. */
			if (!fork()) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				helix_sleep_ms(rand_r(seed) % 200);
				_exit(0);
			}
			break;
		}
	}
	if (rand_r(seed) % 2)
		close(acq.lease_fd);
	if (rand_r(seed) % 3)
		helix_revoke(acq.handle_fd, 0, 0);
	close(acq.handle_fd);
	close(acq.lease_fd);
}

static pid_t start(int control, unsigned int seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* Children of a worker are nobody's to wait for, and no worker outlives the test. */
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		live(control, &seed);
}

FIXTURE(storm) {
	int control;
};

FIXTURE_SETUP(storm)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
}

FIXTURE_TEARDOWN(storm)
{
	close(self->control);
}

/* All of them at once, by one; then all of them free. */
static int acquire_all(int control)
{
	struct helix_lease_acquire acq[256];
	uint32_t i, n;
	int ret = 0;

	for (n = 0; n < nr_scanouts && !ret; n++)
		ret = helix_acquire(control, n + 1, &acq[n]);
	if (ret)
		n--;
	for (i = 0; i < n; i++)
		helix_close_lease(&acq[i]);
	return ret ? ret : helix_wait_all_free(control);
}

TEST_F_TIMEOUT(storm, nothing_is_left_afterwards, 400)
{
	struct helix_lease_info info;
	struct helix_lease_query query;
	struct timespec begin, now;
	unsigned int seed = 1, i, nr_workers;
	pid_t workers[MAX_WORKERS];
	uint64_t grants = 0;
	int control = self->control;
	long before, after, most = 0;
	int waited;

	ASSERT_EQ(helix_info(control, &info), 0);
	nr_scanouts = info.nr_scanouts;
	ASSERT_GT(nr_scanouts, 0);
	/* More than there are scanouts, so that there is always somebody without. */
	nr_workers = nr_scanouts + nr_scanouts / 2 + 1;
	if (nr_workers > MAX_WORKERS)
		nr_workers = MAX_WORKERS;
	before = shmem_kib();
	ASSERT_GE(before, 0);

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < nr_workers; i++)
		workers[i] = start(control, seed++);
	do {
		helix_sleep_ms(50);
		i = rand_r(&seed) % nr_workers;
		kill(workers[i], SIGKILL);
		waitpid(workers[i], NULL, 0);
		workers[i] = start(control, seed++);
		after = shmem_kib();
		most = after > most ? after : most;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < SECONDS);
	for (i = 0; i < nr_workers; i++) {
		kill(workers[i], SIGKILL);
		waitpid(workers[i], NULL, 0);
	}

	EXPECT_EQ(helix_wait_all_free(control), 0);
	for (i = 1; i <= info.nr_scanouts; i++) {
		/* The children that workers left close their last files on their own time. */
		EXPECT_EQ(helix_wait_query(control, i, query_has_opens, 0), 0);
		ASSERT_EQ(helix_query(control, i, &query), 0);
		EXPECT_EQ(query.owner_pid, 0);
		EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_NONE);
		grants += query.grants;
	}
	/* The driver frees a buffer when the host has let go of it. */
	for (waited = 0; waited < PATIENCE_MS; waited += 100) {
		after = shmem_kib();
		if (after <= before + LEFTOVER_KIB)
			break;
		helix_sleep_ms(100);
	}
	TH_LOG("%llu grants; buffers: %ld KiB before, %ld at most, %ld after",
	       (unsigned long long)grants, before, most, after);
	EXPECT_LE(after, before + LEFTOVER_KIB);
	/* Each scanout had its tenants. */
	EXPECT_GE(grants, nr_scanouts);
	EXPECT_EQ(acquire_all(control), 0);
	EXPECT_EQ(helix_unbind(control), 0);
}

TEST_HARNESS_MAIN
