// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPUs that go while they are in use: the driver is unbound, or the PCI device
 * removed. Leases end, nodes and scanouts go, nobody waits for ever, and the
 * same GPU can be had again. Ends with nothing bound.
 */
#include <sys/syscall.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define PCI	"/sys/bus/pci"
#define DRIVER	"/sys/bus/virtio/drivers/virtio_gpu"
#define TENANTS	4

struct gpu {
	char pci[32];
	char virtio[NAME_MAX + 1];
};

static int gpu_find(uint32_t address, struct gpu *gpu)
{
	char dir[64];

	snprintf(gpu->pci, sizeof(gpu->pci), "0000:%02x:%02x.%x", address >> 8 & 0xff,
		 address >> 3 & 0x1f, address & 7);
	snprintf(dir, sizeof(dir), PCI "/devices/%s", gpu->pci);
	return helix_entry(dir, "virtio", gpu->virtio);
}

static int gpu_of_card(const char *card, struct gpu *gpu)
{
	char path[64], device[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/drm/%s/device", strrchr(card, '/') + 1);
	if (!realpath(path, device))
		return -errno;
	snprintf(gpu->pci, sizeof(gpu->pci), "%s", strrchr(device, '/') + 1);
	return helix_entry(device, "virtio", gpu->virtio);
}

/*
 * virtio_gpu leaks what its device has not answered when it is torn down, and
 * says so in the kernel's log, with this module or without. The console is
 * given the time to draw itself, which it does after every return.
 */
static void console_settle(void)
{
	sysfs_write("/sys/class/graphics/fbcon/cursor_blink", "0");
	helix_sleep_ms(100);
}

static int gpu_lose(const struct gpu *gpu, bool remove)
{
	char path[96];

	console_settle();
	if (!remove)
		return sysfs_write(DRIVER "/unbind", gpu->virtio);
	snprintf(path, sizeof(path), PCI "/devices/%s/remove", gpu->pci);
	return sysfs_write(path, "1");
}

/*
 * As long as it takes: what the driver had before may be freed late, by whoever held it last.
 * While the kernel is about to remove its slab cache a new one of that kind cannot be made, for
 * they have one name in sysfs, and the driver's probe fails.
 */
static int gpu_drive(const struct gpu *gpu)
{
	char path[96];
	int waited;

	snprintf(path, sizeof(path), DRIVER "/%s", gpu->virtio);
	for (waited = 0; access(path, F_OK); waited += 20) {
		if (waited > PATIENCE_MS)
			return -ETIMEDOUT;
		if (waited)
			helix_sleep_ms(20);
		sysfs_write(DRIVER "/bind", gpu->virtio);
	}
	return 0;
}

static int gpu_return(struct gpu *gpu, bool remove)
{
	char dir[64];
	int ret = remove ? sysfs_write(PCI "/rescan", "1") : 0;

	snprintf(dir, sizeof(dir), PCI "/devices/%s", gpu->pci);
	return ret ?: helix_entry(dir, "virtio", gpu->virtio) ?: gpu_drive(gpu);
}

static int wait_over(int handle)
{
	struct pollfd pfd = { .fd = handle };

	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return pfd.revents == POLLHUP ? 0 : -EINVAL;
}

/* A handle outlives its GPU. */
static int wait_handle_free(int handle)
{
	struct helix_lease_query query;
	int waited, ret;

	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		ret = helix_query(handle, 0, &query);
		if (ret)
			return ret;
		if (query.state == HELIX_LEASE_STATE_FREE)
			return 0;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

FIXTURE(lifecycle) {
	int control;
	struct gpu gpu;
};

FIXTURE_VARIANT(lifecycle) {
	bool remove;
};

FIXTURE_VARIANT_ADD(lifecycle, driver_unbound) {
	.remove = false,
};

FIXTURE_VARIANT_ADD(lifecycle, device_removed) {
	.remove = true,
};

FIXTURE_SETUP(lifecycle)
{
	struct helix_lease_query query;

	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	ASSERT_EQ(gpu_find(query.gpu, &self->gpu), 0);
}

FIXTURE_TEARDOWN(lifecycle)
{
	/* For the next one, whatever this one left. */
	if (!*helix_card(0))
		gpu_return(&self->gpu, variant->remove);
	helix_wait_all_free(self->control);
	helix_unbind(self->control);
	close(self->control);
}

TEST_F_TIMEOUT(lifecycle, a_gpu_that_nobody_uses_goes_and_comes, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct helix_lease_info info;
	drmModeModeInfo mode;
	struct picture p;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(gpu_lose(&self->gpu, variant->remove), 0);
		ASSERT_EQ(helix_info(self->control, &info), 0);
		EXPECT_EQ(info.nr_gpus, 0);
		EXPECT_EQ(info.nr_scanouts, 0);
		EXPECT_EQ(helix_acquire(self->control, 1, &acq), -ENODEV);
		EXPECT_EQ(helix_acquire(self->control, 0, &acq), -ENODEV);
		EXPECT_EQ(helix_query(self->control, 1, &query), -ENODEV);
		EXPECT_EQ(helix_unbind(self->control), -ENODEV);
		EXPECT_EQ(access("/dev/helix/scanout1", F_OK), -1);

		ASSERT_EQ(gpu_return(&self->gpu, variant->remove), 0);
		ASSERT_EQ(helix_bind_card(self->control), 0);
		ASSERT_EQ(helix_info(self->control, &info), 0);
		EXPECT_EQ(info.nr_gpus, 1);
		ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
		EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
		helix_close_lease(&acq);
		ASSERT_EQ(helix_wait_all_free(self->control), 0);
	}
}

/*
 * Until it is told that it may not any more; the exit status says how. Then it
 * waits to be let go: the driver leaks a buffer that is freed while it is torn
 * down, and says so in the kernel's log, with this module or without.
 */
static void flip_for_ever(struct helix_lease_acquire *acq, int go)
{
	struct picture p[2];
	drmModeModeInfo mode;
	struct pollfd pfd = { .fd = acq->lease_fd, .events = POLLIN };
	char events[1024];
	int i, ret;

	ret = tenant_show(acq->lease_fd, acq, &p[0], &mode);
	if (!ret)
		ret = picture_create(acq->lease_fd, mode.hdisplay, mode.vdisplay,
				     DRM_FORMAT_XRGB8888, &p[1]);
	for (i = 1; !ret; i = !i) {
		ret = drmModePageFlip(acq->lease_fd, acq->crtc_id, p[i].fb,
				      DRM_MODE_PAGE_FLIP_EVENT, NULL);
		if (ret == -EBUSY)
			ret = 0;
		if (!ret && poll(&pfd, 1, 1000) == 1 &&
		    read(acq->lease_fd, events, sizeof(events)) < 0)
			ret = -errno;
	}
	read(go, events, 1);
	drmModeRmFB(acq->lease_fd, p[0].fb);
	helix_close_lease(acq);
	/* The guard's; the core's without objects; the core's without a device. */
	_exit(ret == -EACCES || ret == -ENOENT || ret == -ENODEV ? 0 : -ret);
}

TEST_F_TIMEOUT(lifecycle, tenants_that_flip_lose_their_leases, 180)
{
	struct helix_lease_acquire acq[TENANTS], again;
	struct helix_lease_query query;
	uint64_t last = 0;
	drmModeModeInfo mode;
	struct picture p;
	pid_t child[TENANTS];
	int i, status, go[2];
	char path[64];

	ASSERT_EQ(pipe(go), 0);
	for (i = 0; i < TENANTS; i++) {
		ASSERT_EQ(helix_acquire(self->control, i + 1, &acq[i]), 0);
		last = acq[i].generation;
		child[i] = fork();
		ASSERT_GE(child[i], 0);
		if (!child[i]) {
			close(go[1]);
			flip_for_ever(&acq[i], go[0]);
		}
	}
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	ASSERT_EQ(gpu_lose(&self->gpu, variant->remove), 0);
	close(go[0]);
	close(go[1]);

	ASSERT_EQ(mknod("/tmp/scanout", S_IFCHR | 0600,
			makedev(query.dev_major, query.dev_minor)), 0);
	EXPECT_EQ(open("/tmp/scanout", O_RDWR | O_CLOEXEC), -1);
	EXPECT_EQ(errno, ENXIO);
	unlink("/tmp/scanout");

	for (i = 0; i < TENANTS; i++) {
		EXPECT_EQ(wait_over(acq[i].handle_fd), 0);
		EXPECT_EQ(wait_handle_free(acq[i].handle_fd), 0);
		EXPECT_EQ(drmModeGetResources(acq[i].lease_fd), NULL);
		helix_node_path(path, i + 1);
		EXPECT_EQ(access(path, F_OK), -1);
		ASSERT_EQ(waitpid(child[i], &status, 0), child[i]);
		EXPECT_EQ(status, 0);
	}
	EXPECT_EQ(helix_query(self->control, 1, &query), -ENODEV);
	for (i = 0; i < TENANTS; i++)
		helix_close_lease(&acq[i]);

	ASSERT_EQ(gpu_return(&self->gpu, variant->remove), 0);
	ASSERT_EQ(helix_bind_card(self->control), 0);
	for (i = 0; i < TENANTS; i++) {
		ASSERT_EQ(helix_acquire(self->control, i + 1, &again), 0);
		EXPECT_GT(again.generation, last);
		EXPECT_EQ(tenant_show(again.lease_fd, &again, &p, &mode), 0);
		helix_close_lease(&again);
	}
}

/* What he has of it is empty, and does not keep the next one from being used. */
TEST_F_TIMEOUT(lifecycle, a_tenant_keeps_his_files_as_long_as_he_likes, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_bind bind;
	drmModeModeInfo mode;
	struct picture p;
	int card, status;
	uint64_t offset;
	pid_t child;
	char *map;

	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	ASSERT_EQ(drmModeMapDumbBuffer(acq.lease_fd, p.handle, &offset), 0);
	map = mmap(NULL, p.size, PROT_READ | PROT_WRITE, MAP_SHARED, acq.lease_fd, offset);
	ASSERT_NE(map, MAP_FAILED);
	map[0] = 1;
	ASSERT_EQ(gpu_lose(&self->gpu, variant->remove), 0);
	EXPECT_EQ(tenant_set_crtc(acq.lease_fd, &acq, p.fb, &mode), -EACCES);
	EXPECT_EQ(mmap(NULL, p.size, PROT_READ, MAP_SHARED, acq.lease_fd, offset), MAP_FAILED);
	child = fork();
	if (!child) {
		signal(SIGBUS, SIG_DFL);
		map[4096] = 1;
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS));

	ASSERT_EQ(gpu_return(&self->gpu, variant->remove), 0);
	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	ASSERT_EQ(helix_bind_fd(self->control, card, &bind), 0);
	EXPECT_EQ(bind.first_scanout, 1);
	EXPECT_EQ(tenant_set_crtc(acq.lease_fd, &acq, p.fb, &mode), -EACCES);
	helix_close_lease(&acq);
	munmap(map, p.size);

	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
	ASSERT_EQ(helix_unbind(self->control), 0);
	close(card);
}

TEST_F_TIMEOUT(lifecycle, whoever_waits_for_a_scanout_is_told, 180)
{
	struct helix_lease_acquire acq;
	int status;
	pid_t child;

	if (!getenv("HELIX_STANDIN"))
		SKIP(return, "needs the stand-in mediator");
	child = fork();
	if (!child) {
		helix_acquire_init(&acq, 1);
		strcpy((char *)acq.label, "standin:silent");
		_exit(-sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq));
	}
	ASSERT_EQ(helix_wait_state(self->control, 1, HELIX_LEASE_STATE_ENABLING), 0);
	ASSERT_EQ(gpu_lose(&self->gpu, variant->remove), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(WEXITSTATUS(status), ECANCELED);

	ASSERT_EQ(gpu_return(&self->gpu, variant->remove), 0);
	ASSERT_EQ(helix_bind_card(self->control), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(lifecycle, the_other_gpu_notices_nothing, 180)
{
	const char *gpus = getenv("HELIX_GPUS");
	struct helix_lease_acquire lost, kept, any;
	struct helix_lease_query query;
	struct helix_lease_bind bind;
	struct helix_lease_info info;
	drmModeModeInfo mode, other;
	struct picture p, q;
	int second;

	if (!gpus || atoi(gpus) < 2)
		SKIP(return, "needs two GPUs");
	second = open(helix_card(1), O_RDWR | O_CLOEXEC);
	ASSERT_GE(second, 0);
	ASSERT_EQ(helix_bind_fd(self->control, second, &bind), 0);
	close(second);
	ASSERT_GT(bind.first_scanout, 1);
	ASSERT_EQ(helix_acquire(self->control, 1, &lost), 0);
	ASSERT_EQ(helix_acquire(self->control, bind.first_scanout, &kept), 0);
	ASSERT_EQ(tenant_show(lost.lease_fd, &lost, &p, &mode), 0);
	ASSERT_EQ(tenant_show(kept.lease_fd, &kept, &q, &other), 0);

	ASSERT_EQ(gpu_lose(&self->gpu, variant->remove), 0);
	EXPECT_EQ(wait_over(lost.handle_fd), 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 1);
	EXPECT_EQ(info.nr_scanouts, bind.first_scanout + bind.nr_scanouts - 1);
	EXPECT_EQ(helix_query(self->control, 1, &query), -EINVAL);
	EXPECT_EQ(helix_acquire(self->control, 1, &any), -EINVAL);
	ASSERT_EQ(helix_query(self->control, kept.scanout, &query), 0);
	EXPECT_EQ(query.generation, kept.generation);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(tenant_show(kept.lease_fd, &kept, &q, &other), 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &any), 0);
	EXPECT_GT(any.scanout, bind.first_scanout);
	helix_close_lease(&any);
	helix_close_lease(&lost);

	/* It gets the numbers back that it had. */
	ASSERT_EQ(gpu_return(&self->gpu, variant->remove), 0);
	ASSERT_EQ(helix_bind_card(self->control), 0);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.output, 1);
	helix_close_lease(&kept);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
}

/* The kernel refuses, whoever asks, as long as a GPU is bound or a file is open. */
TEST(the_module_is_not_unloaded_under_a_lease)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int control = helix_setup();
	char refs[16] = "";
	int fd;

	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_acquire(control, 1, &acq), 0);
	EXPECT_EQ(syscall(SYS_delete_module, "helix_lease", O_NONBLOCK), -1);
	EXPECT_EQ(errno, EWOULDBLOCK);
	fd = open("/sys/module/helix_lease/refcnt", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_GT(read(fd, refs, sizeof(refs) - 1), 0);
	close(fd);
	/* The GPU, the control node, the handle, the node. */
	EXPECT_GE(atoi(refs), 4);
	ASSERT_EQ(helix_query(control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(helix_unbind(control), -EBUSY);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(control), 0);
	close(control);
	/* Nobody has a file of it, but the GPU is bound. */
	EXPECT_EQ(syscall(SYS_delete_module, "helix_lease", O_NONBLOCK), -1);
	EXPECT_EQ(errno, EWOULDBLOCK);
}

#define PM_TEST		"/sys/power/pm_test"
#define PM_TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

/* All of a sleep but the sleep itself, or as much of it as @level says. */
static int system_sleep(const char *level)
{
	int ret;

	sysfs_write(PM_TEST_DELAY, "0");
	ret = sysfs_write(PM_TEST, level);
	if (ret)
		return ret;
	ret = sysfs_write("/sys/power/state", "mem");
	sysfs_write(PM_TEST, "none");
	return ret;
}

/* virtio_gpu is dead after a sleep: what is leased is worth more. */
TEST(the_system_does_not_sleep_while_a_gpu_is_bound)
{
	struct helix_lease_acquire acq, other;
	struct helix_lease_query query;
	drmModeModeInfo mode;
	struct picture p;
	int control;

	if (access(PM_TEST, W_OK))
		SKIP(return, "needs CONFIG_PM_SLEEP_DEBUG");
	control = helix_setup();
	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_acquire(control, 1, &acq), 0);
	ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	EXPECT_EQ(system_sleep("freezer"), -EBUSY);
	EXPECT_EQ(system_sleep("devices"), -EBUSY);

	ASSERT_EQ(helix_query(control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	ASSERT_EQ(helix_acquire(control, 2, &other), 0);
	helix_close_lease(&other);
	helix_close_lease(&acq);
	EXPECT_EQ(helix_wait_all_free(control), 0);
	EXPECT_EQ(helix_unbind(control), 0);
	close(control);
}

/* The GPUs are taken away meanwhile, so that there are live ones afterwards. */
TEST(the_control_device_works_after_a_sleep)
{
	struct helix_lease_info before, after;
	struct helix_lease_acquire acq;
	drmModeModeInfo mode;
	struct gpu gpus[4];
	struct picture p;
	int control, i;

	if (access(PM_TEST, W_OK))
		SKIP(return, "needs CONFIG_PM_SLEEP_DEBUG");
	control = helix_setup();
	ASSERT_GE(control, 0);
	ASSERT_EQ(helix_unbind(control), 0);
	ASSERT_EQ(helix_info(control, &before), 0);
	for (i = 0; i < 4 && *helix_card(0); i++) {
		ASSERT_EQ(gpu_of_card(helix_card(0), &gpus[i]), 0);
		ASSERT_EQ(gpu_lose(&gpus[i], true), 0);
	}
	EXPECT_EQ(system_sleep("devices"), 0);
	while (i--)
		ASSERT_EQ(gpu_return(&gpus[i], true), 0);
	ASSERT_EQ(helix_info(control, &after), 0);
	EXPECT_EQ(after.host_state, before.host_state);

	ASSERT_EQ(helix_bind_card(control), 0);
	ASSERT_EQ(helix_acquire(control, 1, &acq), 0);
	EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	helix_close_lease(&acq);
	EXPECT_EQ(helix_wait_all_free(control), 0);
	EXPECT_EQ(helix_unbind(control), 0);
	close(control);
}

TEST_HARNESS_MAIN
