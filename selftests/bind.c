// SPDX-License-Identifier: GPL-2.0-only
/*
 * BIND and UNBIND: what a card brings, and that letting go of it leaves it as
 * it was. Runs last: it ends with nothing bound.
 */
#include <sys/syscall.h>

#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(bind) {
	int control;
};

FIXTURE_SETUP(bind)
{
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_unbind(self->control), 0);
}

FIXTURE_TEARDOWN(bind)
{
	helix_unbind(self->control);
	close(self->control);
}

TEST_F_TIMEOUT(bind, without_a_gpu_everything_is_enodev, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct helix_lease_info info;

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 0);
	EXPECT_EQ(info.nr_scanouts, 0);
	EXPECT_EQ(helix_acquire(self->control, 0, &acq), -ENODEV);
	EXPECT_EQ(helix_acquire(self->control, 1, &acq), -ENODEV);
	EXPECT_EQ(helix_query(self->control, 1, &query), -ENODEV);
	EXPECT_EQ(helix_revoke(self->control, 1, 1), -ENODEV);
	EXPECT_EQ(helix_unbind(self->control), -ENODEV);
	EXPECT_EQ(access("/dev/helix/scanout1", F_OK), -1);
}

TEST_F_TIMEOUT(bind, a_card_brings_all_outputs_but_the_consoles, 120)
{
	struct helix_lease_query query;
	struct helix_lease_bind bind;
	struct helix_lease_info info;
	drmModeRes *res;
	struct stat st;
	uint32_t i;
	char path[64];
	int card, other, crtcs;

	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	res = drmModeGetResources(card);
	ASSERT_NE(res, NULL);
	crtcs = res->count_crtcs;

	ASSERT_EQ(helix_bind_fd(self->control, card, &bind), 0);
	EXPECT_EQ(bind.first_scanout, 1);
	EXPECT_EQ(bind.nr_scanouts, crtcs - 1);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 1);
	EXPECT_EQ(info.nr_scanouts, crtcs - 1);

	for (i = 1; i <= info.nr_scanouts; i++) {
		ASSERT_EQ(helix_query(self->control, i, &query), 0);
		EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
		EXPECT_EQ(query.output, i);
		EXPECT_EQ(query.crtc_id, res->crtcs[i]);
		EXPECT_NE(query.crtc_id, res->crtcs[0]);
		EXPECT_NE(query.connector_id, res->connectors[0]);
		helix_node_path(path, i);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_TRUE(S_ISCHR(st.st_mode));
		EXPECT_EQ(major(st.st_rdev), query.dev_major);
		EXPECT_EQ(minor(st.st_rdev), query.dev_minor);
	}

	/* Twice is once too often. */
	EXPECT_EQ(helix_bind_fd(self->control, card, &bind), -EEXIST);
	/* A plain lease of the master's is no master. */
	close(card);
	other = open(CARD, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(helix_bind_fd(self->control, other, &bind), -EACCES);
	close(other);
	drmModeFreeResources(res);
}

TEST_F_TIMEOUT(bind, a_lease_fd_of_the_core_is_no_master, 120)
{
	struct helix_lease_bind bind;
	drmModePlaneRes *planes;
	drmModeRes *res;
	uint32_t objects[3], lessee;
	int card, fd;

	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	ASSERT_EQ(drmSetClientCap(card, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	res = drmModeGetResources(card);
	planes = drmModeGetPlaneResources(card);
	ASSERT_NE(res, NULL);
	ASSERT_NE(planes, NULL);
	objects[0] = res->connectors[1];
	objects[1] = res->crtcs[1];
	objects[2] = planes->planes[2];
	fd = drmModeCreateLease(card, objects, 3, O_CLOEXEC, &lessee);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(helix_bind_fd(self->control, fd, &bind), -EACCES);
	close(fd);
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
	close(card);
}

TEST_F_TIMEOUT(bind, unbind_gives_the_card_back, 120)
{
	struct helix_lease_acquire acq;
	drmModeModeInfo mode;
	struct picture p;
	drmModeRes *res;
	int card, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(helix_bind_card(self->control), 0);
		ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
		ASSERT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
		close(acq.handle_fd);
		ASSERT_EQ(helix_wait_all_free(self->control), 0);

		/* The revoked tenant keeps its file over UNBIND. */
		ASSERT_EQ(helix_unbind(self->control), 0);
		EXPECT_EQ(tenant_set_crtc(acq.lease_fd, &acq, p.fb, &mode), -EACCES);

		/* Somebody else is the master now, of everything. */
		card = open(CARD, O_RDWR | O_CLOEXEC);
		ASSERT_GE(card, 0);
		EXPECT_EQ(drmIsMaster(card), 1);
		res = drmModeGetResources(card);
		ASSERT_NE(res, NULL);
		EXPECT_GT(res->count_crtcs, 1);
		drmModeFreeResources(res);
		close(card);
		close(acq.lease_fd);
	}
}

TEST_F_TIMEOUT(bind, nobody_becomes_master_by_opening_a_node, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_bind bind;
	char path[64];
	int card, fd;

	/* The binder drops what the module holds with it. */
	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	ASSERT_EQ(helix_bind_fd(self->control, card, &bind), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	ASSERT_EQ(drmDropMaster(card), 0);
	helix_node_path(path, 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(fd, -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(drmSetMaster(card), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	EXPECT_GE(fd, 0);
	close(fd);
	helix_close_lease(&acq);
	close(card);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

/* What the card's owner, or the console, showed there is not what the first tenant begins with. */
TEST_F_TIMEOUT(bind, what_was_on_is_off, 120)
{
	struct helix_lease_acquire output = {};
	struct helix_lease_bind bind;
	drmModeCrtc *crtc;
	struct picture p;
	drmModeRes *res;
	int card, i;

	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	res = drmModeGetResources(card);
	ASSERT_NE(res, NULL);
	ASSERT_EQ(picture_create(card, 1024, 768, DRM_FORMAT_XRGB8888, &p), 0);
	/* The console's and two others. */
	for (i = 0; i < 3; i++) {
		output.crtc_id = res->crtcs[i];
		output.connector_id = res->connectors[i];
		ASSERT_EQ(tenant_set_crtc(card, &output, p.fb, &xga), 0);
	}
	ASSERT_EQ(helix_bind_fd(self->control, card, &bind), 0);
	for (i = 0; i < 3; i++) {
		crtc = drmModeGetCrtc(card, res->crtcs[i]);
		ASSERT_NE(crtc, NULL);
		EXPECT_EQ(crtc->mode_valid, i == 0);
		EXPECT_EQ(crtc->buffer_id, i ? 0 : p.fb);
		drmModeFreeCrtc(crtc);
	}
	drmModeFreeResources(res);
	close(card);
}

static int unbind_by_force(int control, uint32_t timeout_ms)
{
	struct helix_lease_unbind unbind = {
		.size = sizeof(unbind),
		.flags = HELIX_LEASE_UNBIND_FORCE,
		.timeout_ms = timeout_ms,
	};

	return sys_ioctl(control, HELIX_LEASE_UNBIND, &unbind);
}

static int acquire_labelled(int control, uint32_t scanout, const char *label,
			    struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, scanout);
	memset(acq->label, 0, sizeof(acq->label));
	strcpy((char *)acq->label, label);
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

TEST_F_TIMEOUT(bind, unbind_by_force_ends_every_lease, 120)
{
	struct helix_lease_acquire acq[3];
	struct helix_lease_query query;
	struct helix_lease_info info;
	drmModeModeInfo mode;
	struct picture p[3];
	struct pollfd pfd;
	int i;

	ASSERT_EQ(helix_bind_card(self->control), 0);
	for (i = 0; i < 3; i++) {
		helix_acquire_init(&acq[i], 0);
		acq[i].flags = i ? 0 : HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
		ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq[i]), 0);
		ASSERT_EQ(tenant_show(acq[i].lease_fd, &acq[i], &p[i], &mode), 0);
	}
	EXPECT_EQ(helix_unbind(self->control), -EBUSY);
	ASSERT_EQ(unbind_by_force(self->control, PATIENCE_MS), 0);

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 0);
	EXPECT_EQ(info.nr_scanouts, 0);
	for (i = 0; i < 3; i++) {
		pfd = (struct pollfd){ .fd = acq[i].handle_fd };
		EXPECT_EQ(poll(&pfd, 1, 0), 1);
		EXPECT_TRUE(pfd.revents & POLLHUP);
		/* A handle still says how its lease ended. */
		ASSERT_EQ(helix_query(acq[i].handle_fd, 0, &query), 0);
		EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
		EXPECT_EQ(tenant_set_crtc(acq[i].lease_fd, &acq[i], p[i].fb, &mode), -EACCES);
		helix_close_lease(&acq[i]);
	}
	EXPECT_EQ(unbind_by_force(self->control, 0), -ENODEV);
	/* And it can be bound again. */
	EXPECT_EQ(helix_bind_card(self->control), 0);
}

TEST_F_TIMEOUT(bind, unbind_by_force_ends_who_waits_for_a_scanout, 120)
{
	struct helix_lease_acquire acq;
	int status;
	pid_t child;

	if (!getenv("HELIX_STANDIN"))
		SKIP(return, "needs the stand-in mediator");
	ASSERT_EQ(helix_bind_card(self->control), 0);
	child = fork();
	if (!child)
		_exit(-acquire_labelled(self->control, 5, "standin:silent", &acq));
	ASSERT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_ENABLING), 0);
	EXPECT_EQ(unbind_by_force(self->control, PATIENCE_MS), 0);
	waitpid(child, &status, 0);
	EXPECT_EQ(WEXITSTATUS(status), ECANCELED);
}

TEST_F_TIMEOUT(bind, unbind_by_force_gives_up_at_its_deadline, 180)
{
	struct helix_lease_acquire acq, other;
	struct helix_lease_query query;
	struct helix_lease_info info;

	if (!getenv("HELIX_STANDIN"))
		SKIP(return, "needs the stand-in mediator");
	ASSERT_EQ(helix_bind_card(self->control), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &other), 0);
	/* Without a mediator nothing is turned off. */
	ASSERT_EQ(acquire_labelled(self->control, 2, "standin:leave", &acq), 0);
	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_DOWN), 0);
	EXPECT_EQ(unbind_by_force(self->control, 300), -ETIMEDOUT);

	/* The GPU is bound, the leases are gone. */
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 1);
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_NE(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_NE(query.state, HELIX_LEASE_STATE_FREE);
	helix_close_lease(&acq);
	helix_close_lease(&other);

	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_UP), 0);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
	/* It gives out again what it did not while it waited. */
	ASSERT_EQ(helix_acquire(self->control, 1, &other), 0);
	helix_close_lease(&other);
	EXPECT_EQ(unbind_by_force(self->control, PATIENCE_MS), 0);
}

TEST_F_TIMEOUT(bind, unbind_refuses_what_it_does_not_know, 60)
{
	struct helix_lease_unbind unbind = { .size = sizeof(unbind) };

	ASSERT_EQ(helix_bind_card(self->control), 0);
	unbind.flags = HELIX_LEASE_UNBIND_FORCE;
	unbind.timeout_ms = HELIX_LEASE_TIMEOUT_MAX_MS + 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_UNBIND, &unbind), -EINVAL);
	/* Without force nothing is waited for. */
	unbind.flags = 0;
	unbind.timeout_ms = 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_UNBIND, &unbind), -EINVAL);
	unbind.timeout_ms = 0;
	unbind.__reserved = 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_UNBIND, &unbind), -EOPNOTSUPP);
}

static int unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

TEST_F_TIMEOUT(bind, the_module_stays_while_it_is_in_use, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	ASSERT_EQ(helix_bind_card(self->control), 0);
	/* This file, the GPU, the lease's two files: rmmod says that it is in use. */
	EXPECT_EQ(unload("helix_lease"), -EWOULDBLOCK);
	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	EXPECT_EQ(unload("helix_lease"), -EWOULDBLOCK);
	ASSERT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);

	ASSERT_EQ(unbind_by_force(self->control, PATIENCE_MS), 0);
	EXPECT_EQ(unload("helix_lease"), -EWOULDBLOCK);
	close(acq.handle_fd);
	EXPECT_EQ(unload("helix_lease"), -EWOULDBLOCK);
	close(acq.lease_fd);
	/* The control node is still open here; guest-init unloads it after us. */
	EXPECT_EQ(unload("helix_lease"), -EWOULDBLOCK);
}

/* How many use the module; -ENOENT if it is part of the kernel. */
static int module_users(const char *name)
{
	char path[64], text[16] = "";
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = read(fd, text, sizeof(text) - 1) < 0 ? -errno : atoi(text);
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(bind, the_driver_stays_while_a_past_lease_is_held, 120)
{
	struct helix_lease_acquire acq[2];
	int before = module_users("virtio_gpu");

	if (before == -ENOENT)
		SKIP(return, "virtio_gpu is no module here");
	ASSERT_GE(before, 0);
	ASSERT_EQ(helix_bind_card(self->control), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &acq[0]), 0);
	ASSERT_EQ(helix_acquire(self->control, 2, &acq[1]), 0);
	ASSERT_EQ(unbind_by_force(self->control, PATIENCE_MS), 0);

	/* A handle alone, and a node alone: the last close calls the driver. */
	close(acq[0].lease_fd);
	close(acq[1].handle_fd);
	ASSERT_GT(module_users("virtio_gpu"), before);
	EXPECT_EQ(unload("virtio_gpu"), -EWOULDBLOCK);
	close(acq[1].lease_fd);
	ASSERT_GT(module_users("virtio_gpu"), before);
	EXPECT_EQ(unload("virtio_gpu"), -EWOULDBLOCK);
	close(acq[0].handle_fd);
	EXPECT_EQ(module_users("virtio_gpu"), before);
}

TEST_HARNESS_MAIN
