// SPDX-License-Identifier: GPL-2.0-only
/*
 * BIND and UNBIND: what a card brings, and that letting go of it leaves it as
 * it was. Runs last: it ends with nothing bound.
 */
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

TEST_HARNESS_MAIN
