// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant whose fence does not signal: his scanout is quarantined until it
 * does, the others notice nothing. The fence is vgem's, which any tenant could
 * get and which signals by itself after ten seconds.
 */
#include "helix_test.h"
#include "vgem.h"
#include "kselftest_harness.h"

#include <sys/mount.h>

FIXTURE(stall) {
	int control;
	int vgem;
	uint32_t fence;
	int sync_file;
	struct helix_lease_acquire stuck, other;
	struct picture first, second, of_other;
	drmModeModeInfo mode, mode_other;
};

FIXTURE_SETUP(stall)
{
	int fd;

	self->vgem = open_vgem();
	if (self->vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(write_parameter("stall_ms", "100"), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &self->stuck), 0);
	ASSERT_EQ(helix_acquire(self->control, 2, &self->other), 0);
	fd = self->stuck.lease_fd;
	ASSERT_EQ(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	ASSERT_EQ(tenant_show(fd, &self->stuck, &self->first, &self->mode), 0);
	ASSERT_EQ(picture_create(fd, self->mode.hdisplay, self->mode.vdisplay,
				 DRM_FORMAT_XRGB8888, &self->second), 0);
	ASSERT_EQ(tenant_show(self->other.lease_fd, &self->other, &self->of_other,
			      &self->mode_other), 0);
	self->sync_file = vgem_fence(self->vgem, &self->fence);
	ASSERT_GE(self->sync_file, 0);
}

FIXTURE_TEARDOWN(stall)
{
}

static int flip_other(int fd, const struct helix_lease_acquire *acq, uint32_t fb)
{
	return drmModePageFlip(fd, acq->crtc_id, fb, 0, NULL) ? -errno : 0;
}

TEST_F_TIMEOUT(stall, a_pending_commit_quarantines_only_its_own_scanout, 120)
{
	struct helix_lease_acquire third;
	struct helix_lease_query query;
	struct picture p;
	drmModeModeInfo mode;

	ASSERT_EQ(write_parameter("quiesce_ms", "500"), 0);
	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	close(self->stuck.handle_fd);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_QUARANTINED), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_NE(strstr((char *)query.wait_name, "vgem"), NULL);
	EXPECT_EQ(helix_acquire(self->control, 1, &third), -EBUSY);

	EXPECT_EQ(flip_other(self->other.lease_fd, &self->other, self->of_other.fb), 0);
	ASSERT_EQ(helix_acquire(self->control, 3, &third), 0);
	EXPECT_EQ(tenant_show(third.lease_fd, &third, &p, &mode), 0);
	EXPECT_EQ(helix_revoke(third.handle_fd, 0, 0), 0);
	helix_close_lease(&third);

	/* Still stuck, and not by accident done. */
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_QUARANTINED);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	EXPECT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_FREE), 0);
	close(self->stuck.lease_fd);
	helix_close_lease(&self->other);
}

TEST_F_TIMEOUT(stall, who_waits_for_its_scanout_waits_until_his_deadline, 120)
{
	struct helix_lease_acquire next;
	int status;

	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	close(self->stuck.handle_fd);
	helix_acquire_init(&next, 1);
	next.timeout_ms = 200;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &next), -ETIMEDOUT);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_QUIESCING), 0);

	if (!fork())
		_exit(-helix_acquire(self->control, 1, &next));
	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	wait(&status);
	EXPECT_EQ(status, 0);
	close(self->stuck.lease_fd);
	helix_close_lease(&self->other);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/helix_stall"
#define WAITERS		24
#define OTHERS		4

/*
 * Whose last wait ended with what it waited for, and not by its deadline: how many of @pids,
 * 0 standing for nobody. All were told ETIMEDOUT: these, as somebody else's end came past it.
 */
static int count_overtaken(const pid_t pids[WAITERS])
{
	char overtaken[WAITERS] = { 0 }, line[512];
	FILE *trace = fopen(INSTANCE "/trace", "re");
	int i, n = 0;

	while (trace && fgets(line, sizeof(line), trace)) {
		char *result = strstr(line, "\"a scanout to be free\" us=");
		char *cpu = strstr(line, " [");

		result = result ? strstr(result, "result=") : NULL;
		if (!result || !cpu || cpu > result)
			continue;
		*cpu = '\0';
		cpu = strrchr(line, '-');
		for (i = 0; cpu && i < WAITERS; i++)
			if (pids[i] == atoi(cpu + 1))
				overtaken[i] = !atoi(result + strlen("result="));
	}
	if (trace)
		fclose(trace);
	for (i = 0; i < WAITERS; i++)
		n += overtaken[i];
	return n;
}

static void come_and_go(int control, uint32_t scanout)
{
	struct helix_lease_acquire acq;

	for (;;)
		if (!helix_acquire(control, scanout, &acq))
			helix_close_lease(&acq);
}

/*
 * A wait that was begun again past the deadline ends by that, sooner or later: if it was, then
 * nobody is overtaken. The deadlines are spread so that somebody's is as another's end comes.
 */
TEST_F_TIMEOUT(stall, who_waits_while_others_come_and_go_waits_until_his_deadline, 120)
{
	pid_t others[OTHERS], waiters[WAITERS];
	struct helix_lease_acquire next;
	int i, status, rounds, overtaken = 0;

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	mkdir(INSTANCE, 0700);
	ASSERT_EQ(sysfs_write(INSTANCE "/events/helix_lease/helix_wait_end/enable", "1"), 0);
	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	close(self->stuck.handle_fd);
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_QUIESCING), 0);

	for (i = 0; i < OTHERS; i++) {
		others[i] = fork();
		if (!others[i])
			come_and_go(self->control, 3 + i);
	}
	for (rounds = 0; !overtaken && fence_pending(self->sync_file); rounds++) {
		for (i = 0; i < WAITERS; i++) {
			waiters[i] = fork();
			if (waiters[i])
				continue;
			helix_acquire_init(&next, 1);
			next.timeout_ms = 100 + 4 * i;
			_exit(-sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &next));
		}
		for (i = 0; i < WAITERS; i++) {
			waitpid(waiters[i], &status, 0);
			/* Whoever is told later than that may have had the scanout. */
			if (fence_pending(self->sync_file)) {
				EXPECT_EQ(WEXITSTATUS(status), ETIMEDOUT);
			} else {
				waiters[i] = 0;
			}
		}
		overtaken = count_overtaken(waiters);
	}

	for (i = 0; i < OTHERS; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
	vgem_signal(self->vgem, self->fence);
	close(self->stuck.lease_fd);
	helix_close_lease(&self->other);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
	rmdir(INSTANCE);
	/* The fence is signalled after ten seconds, and a slow machine has few rounds in these. */
	if (!overtaken && _metadata->exit_code == KSFT_PASS)
		SKIP(return, "nobody was overtaken in %d rounds", rounds);
}

TEST_F_TIMEOUT(stall, a_blocking_commit_keeps_its_scanout_from_nobody, 120)
{
	struct helix_lease_query query;
	int status;
	pid_t child;

	child = fork();
	if (!child)
		_exit(-flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
				  self->second.fb, self->sync_file, 0));
	ASSERT_EQ(wait_stalled(self->stuck.handle_fd, 0), 0);
	EXPECT_EQ(waitpid(child, &status, WNOHANG), 0);
	EXPECT_EQ(flip_other(self->other.lease_fd, &self->other, self->of_other.fb), 0);

	/* It was not taken yet, and is not any more: nothing has to be waited for. */
	EXPECT_EQ(helix_revoke(self->control, 1, self->stuck.generation), 0);
	EXPECT_TRUE(fence_pending(self->sync_file));
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), EACCES);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	helix_close_lease(&self->stuck);
	helix_close_lease(&self->other);
}

/* The next event of one type that a handle has; 0 if patience is over before. */
static int event_of_type(int handle, uint32_t type, struct helix_lease_event *event)
{
	struct pollfd pfd = { .fd = handle, .events = POLLIN };

	while (poll(&pfd, 1, PATIENCE_MS) == 1 &&
	       read(handle, event, sizeof(*event)) == sizeof(*event))
		if (event->type == type)
			return 1;
	return 0;
}

/* On a busy machine what was shown at first may have been reported, too. */
static void forget_events(int handle)
{
	struct pollfd pfd = { .fd = handle, .events = POLLIN };
	struct helix_lease_event event;

	while (poll(&pfd, 1, 0) == 1 && read(handle, &event, sizeof(event)) == sizeof(event))
		;
}

TEST_F_TIMEOUT(stall, is_reported_until_it_moves, 120)
{
	struct helix_lease_event event;
	struct helix_lease_query query;
	uint64_t before;

	forget_events(self->stuck.handle_fd);
	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.stalled_ms, 0);
	before = query.stalls;
	ASSERT_EQ(flip_after(self->stuck.lease_fd, self->stuck.primary_plane_id,
			     self->second.fb, self->sync_file, DRM_MODE_ATOMIC_NONBLOCK), 0);
	ASSERT_EQ(wait_stalled(self->stuck.handle_fd, 0), 0);
	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_NE(strstr((char *)query.wait_name, "vgem"), NULL);
	EXPECT_EQ(query.wait_ms, query.stalled_ms);
	EXPECT_EQ(query.stalls, before + 1);
	ASSERT_EQ(event_of_type(self->stuck.handle_fd, HELIX_LEASE_EVENT_STALLED, &event), 1);
	EXPECT_EQ(event.scanout, 1);
	EXPECT_EQ(event.generation, self->stuck.generation);
	EXPECT_EQ(event.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_GE(event.wait_ms, 100);
	/* Nobody else is. */
	ASSERT_EQ(helix_query(self->other.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.stalled_ms, 0);

	EXPECT_EQ(vgem_signal(self->vgem, self->fence), 0);
	EXPECT_EQ(wait_moves(self->stuck.handle_fd, 0), 0);
	EXPECT_EQ(event_of_type(self->stuck.handle_fd, HELIX_LEASE_EVENT_RESUMED, &event), 1);
	ASSERT_EQ(helix_query(self->stuck.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_NONE);
	EXPECT_EQ(query.wait_name[0], 0);
	EXPECT_EQ(query.stalls, before + 1);
	helix_close_lease(&self->stuck);
	helix_close_lease(&self->other);
}

/* --- all outputs of a GPU: one is stuck, fourteen are not -------------------- */

#define TENANTS		15
#define FLIPS		20

struct flipper {
	struct helix_lease_acquire acq;
	struct picture pictures[2];
	drmModeModeInfo mode;
	int flips;
};

FIXTURE(full_house) {
	int control;
	int vgem;
	uint32_t fence;
	int sync_file;
	struct flipper tenants[TENANTS];
};

static int flipper_start(int control, uint32_t scanout, struct flipper *f)
{
	int ret = helix_acquire(control, scanout, &f->acq);

	f->flips = 0;
	if (!ret)
		ret = tenant_show(f->acq.lease_fd, &f->acq, &f->pictures[0], &f->mode);
	if (!ret)
		ret = picture_create(f->acq.lease_fd, f->mode.hdisplay, f->mode.vdisplay,
				     DRM_FORMAT_XRGB8888, &f->pictures[1]);
	return ret;
}

static int flipper_flip(struct flipper *f)
{
	if (drmModePageFlip(f->acq.lease_fd, f->acq.crtc_id,
			    f->pictures[++f->flips % 2].fb, DRM_MODE_PAGE_FLIP_EVENT, NULL))
		return -errno;
	return 0;
}

static int flipper_flipped(struct flipper *f)
{
	struct pollfd pfd = { .fd = f->acq.lease_fd, .events = POLLIN };
	char event[256];

	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return read(f->acq.lease_fd, event, sizeof(event)) > 0 ? 0 : -errno;
}

FIXTURE_SETUP(full_house)
{
	int i;

	self->vgem = open_vgem();
	if (self->vgem < 0)
		SKIP(return, "needs vgem");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(write_parameter("stall_ms", "100"), 0);
	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(flipper_start(self->control, i + 1, &self->tenants[i]), 0);
	ASSERT_EQ(drmSetClientCap(self->tenants[0].acq.lease_fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
}

FIXTURE_TEARDOWN(full_house)
{
	int i;

	if (self->vgem < 0)
		return;
	vgem_signal(self->vgem, self->fence);
	for (i = 0; i < TENANTS; i++)
		helix_close_lease(&self->tenants[i].acq);
	close(self->control);
}

/* Where there is nobody to ask for it, that is what it says. */
static int resize_other(int handle)
{
	struct helix_lease_resize resize = {
		.size = sizeof(resize),
		.timeout_ms = PATIENCE_MS,
		.width = 1280,
		.height = 720,
	};
	int ret = sys_ioctl(handle, HELIX_LEASE_RESIZE, &resize);

	return ret == -EOPNOTSUPP ? 0 : ret;
}

/* Was the fence pending until the end? */
static bool stuck_among_many_once(struct __test_metadata *_metadata,
				  FIXTURE_DATA(full_house) *self, uint32_t flags, int flips)
{
	struct flipper *stuck = &self->tenants[0], *other = &self->tenants[1];
	struct helix_lease_query query;
	int i, round, status;
	pid_t child = 0;
	bool pending;

	self->sync_file = vgem_fence(self->vgem, &self->fence);
	ASSERT_GE(self->sync_file, 0);
	if (!(flags & DRM_MODE_ATOMIC_NONBLOCK))
		child = fork();
	if (!child) {
		status = -flip_after(stuck->acq.lease_fd, stuck->acq.primary_plane_id,
				     stuck->pictures[1].fb, self->sync_file, flags);
		if (!(flags & DRM_MODE_ATOMIC_NONBLOCK))
			_exit(status);
		ASSERT_EQ(status, 0);
	}
	ASSERT_EQ(wait_stalled(stuck->acq.handle_fd, 0), 0);

	for (round = 0; round < flips; round++) {
		for (i = 1; i < TENANTS; i++)
			ASSERT_EQ(flipper_flip(&self->tenants[i]), 0);
		for (i = 1; i < TENANTS; i++)
			ASSERT_EQ(flipper_flipped(&self->tenants[i]), 0);
	}
	for (i = 0; i < TENANTS; i++) {
		ASSERT_EQ(helix_query(self->control, i + 1, &query), 0);
		EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	}
	EXPECT_EQ(resize_other(other->acq.handle_fd), 0);
	EXPECT_EQ(helix_revoke(self->control, 2, other->acq.generation), 0);
	helix_close_lease(&other->acq);
	EXPECT_EQ(flipper_start(self->control, 2, other), 0);
	EXPECT_EQ(flipper_flip(other), 0);
	EXPECT_EQ(flipper_flipped(other), 0);

	ASSERT_EQ(helix_query(stuck->acq.handle_fd, 0, &query), 0);
	pending = fence_pending(self->sync_file);
	EXPECT_TRUE(query.stalled_ms || !pending);
	vgem_signal(self->vgem, self->fence);
	EXPECT_EQ(wait_moves(stuck->acq.handle_fd, 0), 0);
	if (child)
		EXPECT_EQ(waitpid(child, &status, 0), child);
	close(self->sync_file);
	return pending;
}

/* All that, and nobody has to wait for the one. */
static void stuck_among_many(struct __test_metadata *_metadata,
			     FIXTURE_DATA(full_house) *self, uint32_t flags)
{
	bool pending = false;
	int flips;

	/* In the ten seconds of a fence a slow machine has fewer. */
	for (flips = FLIPS; flips && !pending; flips /= 2)
		pending = stuck_among_many_once(_metadata, self, flags, flips);
	EXPECT_TRUE(pending);
}

TEST_F_TIMEOUT(full_house, fourteen_flip_while_one_blocks, 300)
{
	stuck_among_many(_metadata, self, 0);
}

TEST_F_TIMEOUT(full_house, fourteen_flip_while_ones_commit_is_pending, 300)
{
	stuck_among_many(_metadata, self, DRM_MODE_ATOMIC_NONBLOCK);
}

TEST_HARNESS_MAIN
