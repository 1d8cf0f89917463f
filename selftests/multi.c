// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two GPUs: numbers are the module's own, objects are each card's own, and what
 * happens on one is nothing to the other. Ends with nothing bound.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#define MANY	64

FIXTURE(multi) {
	int control;
	int cards[2];
	struct helix_lease_bind bind[2];
};

FIXTURE_SETUP(multi)
{
	const char *gpus = getenv("HELIX_GPUS");
	int i;

	if (!*helix_card(1) && (!gpus || atoi(gpus) < 2))
		SKIP(return, "needs two GPUs");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_unbind(self->control), 0);
	for (i = 0; i < 2; i++) {
		self->cards[i] = open(helix_card(i), O_RDWR | O_CLOEXEC);
		ASSERT_GE(self->cards[i], 0);
		ASSERT_EQ(helix_bind_fd(self->control, self->cards[i], &self->bind[i]), 0);
	}
}

FIXTURE_TEARDOWN(multi)
{
	helix_wait_all_free(self->control);
	helix_unbind(self->control);
	close(self->cards[0]);
	close(self->cards[1]);
	close(self->control);
}

/* The device of a file, as sysfs has it. */
static int device_of(dev_t number, char path[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", major(number), minor(number));
	return realpath(link, path) ? 0 : -errno;
}

TEST_F_TIMEOUT(multi, numbers_go_on_where_the_first_card_ends, 120)
{
	char of_card[PATH_MAX], of_node[PATH_MAX], path[64];
	struct helix_lease_query query;
	struct helix_lease_info info;
	uint32_t gpu[2] = {}, i, j;
	drmModeRes *res;
	struct stat st;

	EXPECT_EQ(self->bind[0].first_scanout, 1);
	EXPECT_EQ(self->bind[1].first_scanout, 1 + self->bind[0].nr_scanouts);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 2);
	EXPECT_EQ(info.nr_scanouts, self->bind[0].nr_scanouts + self->bind[1].nr_scanouts);
	EXPECT_EQ(helix_query(self->control, info.nr_scanouts + 1, &query), -EINVAL);

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(fstat(self->cards[i], &st), 0);
		ASSERT_EQ(device_of(st.st_rdev, of_card), 0);
		res = drmModeGetResources(self->cards[i]);
		ASSERT_NE(res, NULL);
		for (j = 1; j <= self->bind[i].nr_scanouts; j++) {
			ASSERT_EQ(helix_query(self->control, self->bind[i].first_scanout + j - 1,
					      &query), 0);
			EXPECT_EQ(query.output, j);
			EXPECT_EQ(query.crtc_id, res->crtcs[j]);
			EXPECT_EQ(query.dev_minor, query.scanout);
			gpu[i] = gpu[i] ? gpu[i] : query.gpu;
			EXPECT_EQ(query.gpu, gpu[i]);
			helix_node_path(path, query.scanout);
			ASSERT_EQ(stat(path, &st), 0);
			ASSERT_EQ(device_of(st.st_rdev, of_node), 0);
			EXPECT_STREQ(of_node, of_card);
		}
		drmModeFreeResources(res);
	}
	EXPECT_NE(gpu[0], gpu[1]);
}

/* What the tenant sees, and whether his picture is shown. */
static int check_tenant(const struct helix_lease_acquire *acq)
{
	drmModeRes *res = drmModeGetResources(acq->lease_fd);
	drmModeModeInfo mode;
	struct picture p;
	int ret = -EINVAL;

	if (!res)
		return -errno;
	if (res->count_crtcs == 1 && res->crtcs[0] == acq->crtc_id &&
	    res->count_connectors == 1 && res->connectors[0] == acq->connector_id)
		ret = tenant_show(acq->lease_fd, acq, &p, &mode);
	drmModeFreeResources(res);
	return ret;
}

TEST_F_TIMEOUT(multi, every_scanout_of_both_can_be_had_at_once, 300)
{
	struct helix_lease_acquire acq[MANY], one;
	uint32_t n = self->bind[0].nr_scanouts + self->bind[1].nr_scanouts, i, j;

	ASSERT_LE(n, MANY);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(helix_acquire(self->control, 0, &acq[i]), 0)
			TH_LOG("acquire %u of %u", i + 1, n);
		for (j = 0; j < i; j++) {
			EXPECT_NE(acq[j].scanout, acq[i].scanout);
			EXPECT_NE(acq[j].generation, acq[i].generation);
		}
		EXPECT_EQ(check_tenant(&acq[i]), 0)
			TH_LOG("scanout %u", acq[i].scanout);
	}
	EXPECT_EQ(helix_acquire(self->control, 0, &one), -ENOSPC);

	/* One of each comes back, and both can be had again. */
	for (i = n / 4; i < n; i += n / 2)
		EXPECT_EQ(helix_revoke(self->control, acq[i].scanout, acq[i].generation), 0);
	for (i = n / 4; i < n; i += n / 2) {
		helix_close_lease(&acq[i]);
		ASSERT_EQ(helix_acquire(self->control, 0, &acq[i]), 0);
		EXPECT_EQ(check_tenant(&acq[i]), 0);
	}
	EXPECT_EQ(helix_acquire(self->control, 0, &one), -ENOSPC);
	for (i = 0; i < n; i++)
		helix_close_lease(&acq[i]);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(multi, a_tenant_of_one_has_nothing_of_the_other, 120)
{
	struct helix_lease_acquire a, b;
	uint32_t of_b = self->bind[1].first_scanout;
	struct helix_lease_query query;
	drmModeModeInfo mode_a, mode_b;
	struct picture pa, pb;
	drmModeFB2 *fb;

	/* Different outputs, so that their objects have different ids. */
	ASSERT_EQ(helix_acquire(self->control, 1, &a), 0);
	ASSERT_EQ(helix_acquire(self->control, of_b + 1, &b), 0);
	ASSERT_NE(a.crtc_id, b.crtc_id);
	ASSERT_EQ(tenant_show(a.lease_fd, &a, &pa, &mode_a), 0);
	/* A second framebuffer of b's: its id is nobody's on the first card. */
	ASSERT_EQ(tenant_show(b.lease_fd, &b, &pb, &mode_b), 0);
	ASSERT_EQ(picture_create(b.lease_fd, 64, 64, DRM_FORMAT_XRGB8888, &pb), 0);
	ASSERT_NE(pa.fb, pb.fb);

	fb = drmModeGetFB2(a.lease_fd, pb.fb);
	EXPECT_EQ(fb, NULL);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(tenant_set_crtc(a.lease_fd, &b, pa.fb, &mode_b), -ENOENT);
	EXPECT_EQ(tenant_set_crtc(a.lease_fd, &a, pb.fb, &mode_a), -ENOENT);
	EXPECT_EQ(drmModeGetCrtc(a.lease_fd, b.crtc_id), NULL);

	/* Nor does one's generation say anything about the other. */
	EXPECT_EQ(helix_revoke(self->control, b.scanout, a.generation), -ESTALE);
	EXPECT_EQ(helix_revoke(self->control, a.scanout, a.generation), 0);
	ASSERT_EQ(helix_query(self->control, b.scanout, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(tenant_show(b.lease_fd, &b, &pb, &mode_b), 0);
	helix_close_lease(&a);
	helix_close_lease(&b);
}

TEST_F_TIMEOUT(multi, unbind_takes_both_or_none, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_info info;

	ASSERT_EQ(helix_acquire(self->control, self->bind[1].first_scanout, &acq), 0);
	EXPECT_EQ(helix_unbind(self->control), -EBUSY);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 2);
	helix_close_lease(&acq);
	/* The one that was free before was given back to its tenants-to-be. */
	ASSERT_EQ(helix_acquire(self->control, 1, &acq), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(helix_wait_all_free(self->control), 0);
	EXPECT_EQ(helix_unbind(self->control), 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.nr_gpus, 0);
	EXPECT_EQ(info.nr_scanouts, 0);
}

TEST_F_TIMEOUT(multi, they_can_be_bound_in_the_other_order, 120)
{
	uint32_t second = self->bind[1].first_scanout;
	struct helix_lease_query before, after;
	struct helix_lease_acquire acq;
	struct helix_lease_bind bind;
	int i;

	ASSERT_EQ(helix_query(self->control, second, &before), 0);
	ASSERT_EQ(helix_unbind(self->control), 0);
	/* Bound, they were masters; their files still are. */
	ASSERT_EQ(helix_bind_fd(self->control, self->cards[1], &bind), 0);
	EXPECT_EQ(bind.first_scanout, 1);
	ASSERT_EQ(helix_bind_fd(self->control, self->cards[0], &bind), 0);
	EXPECT_EQ(bind.first_scanout, 1 + self->bind[1].nr_scanouts);
	EXPECT_EQ(helix_bind_fd(self->control, self->cards[1], &bind), -EEXIST);

	ASSERT_EQ(helix_query(self->control, 1, &after), 0);
	EXPECT_EQ(after.gpu, before.gpu);
	EXPECT_EQ(after.crtc_id, before.crtc_id);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(helix_acquire(self->control, 1 + i * self->bind[1].nr_scanouts, &acq), 0);
		EXPECT_EQ(check_tenant(&acq), 0);
		helix_close_lease(&acq);
	}
}

TEST_HARNESS_MAIN
