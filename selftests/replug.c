// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant that looks at its connector's new size and does not take it finds it
 * unplugged, once, and plugged in again; nobody else does.
 */
#include <inttypes.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "helix_test.h"
#include "kselftest_harness.h"

/* Much longer than replug_ms, even for who draws nothing, for what should not happen. */
#define NOTHING_MS	1000
/* What is taken for drawing on. */
#define PICTURES	3

FIXTURE(replug) {
	int control;
	int uevents;
	struct helix_lease_acquire acq;
	struct picture picture;
	drmModeModeInfo mode;
	uint64_t before;
};

static uint64_t replugs(uint32_t scanout)
{
	char path[64];
	uint64_t n = UINT64_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/helix/helix!scanout%u/replugs", scanout);
	file = fopen(path, "re");
	if (!file)
		return n;
	if (fscanf(file, "%" SCNu64, &n) != 1)
		n = UINT64_MAX;
	fclose(file);
	return n;
}

static int open_uevents(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    bind(fd, (struct sockaddr *)&kernel, sizeof(kernel))) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Until one says that this connector has changed. */
static int wait_hotplug(int fd, uint32_t connector_id)
{
	char wanted[32], bytes[4096];
	ssize_t len, at;

	snprintf(wanted, sizeof(wanted), "CONNECTOR=%u", connector_id);
	for (;;) {
		len = recv(fd, bytes, sizeof(bytes) - 1, 0);
		if (len < 0)
			return -errno;
		bytes[len] = 0;
		for (at = 0; at < len; at += strlen(bytes + at) + 1)
			if (!strcmp(bytes + at, wanted))
				return 0;
	}
}

FIXTURE_SETUP(replug)
{
	struct helix_lease_info info;

	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	if (info.host_state == HELIX_LEASE_HOST_NONE)
		SKIP(return, "needs a control device");
	ASSERT_EQ(write_parameter("replug_ms", "100"), 0);
	self->uevents = open_uevents();
	ASSERT_GE(self->uevents, 0);
	ASSERT_EQ(helix_acquire(self->control, 0, &self->acq), 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &self->picture, &self->mode), 0);
	self->before = replugs(self->acq.scanout);
	ASSERT_NE(self->before, UINT64_MAX);
}

FIXTURE_TEARDOWN(replug)
{
	helix_close_lease(&self->acq);
	close(self->uevents);
	close(self->control);
}

static int look(const struct helix_lease_acquire *acq, drmModeModeInfo *mode)
{
	return tenant_mode(acq->lease_fd, acq->connector_id, mode);
}

static int resize(const struct helix_lease_acquire *acq, uint32_t width, uint32_t height)
{
	return helix_resize(acq->handle_fd, 0, 0, width, height, PATIENCE_MS);
}

/* Looks at a new size, as it was told to. */
static int resize_and_look(const struct helix_lease_acquire *acq, uint32_t width, uint32_t height)
{
	drmModeModeInfo mode = {};
	int ret = resize(acq, width, height) ?: look(acq, &mode);

	if (!ret && (mode.hdisplay != width || mode.vdisplay != height))
		ret = -ERANGE;
	return ret;
}

/* Goes on in the size that it had. */
static int draw(const struct helix_lease_acquire *acq, const struct picture *p,
		drmModeModeInfo *mode, unsigned int pictures)
{
	struct picture other;
	unsigned int i;
	int ret = picture_create(acq->lease_fd, p->width, p->height, DRM_FORMAT_XRGB8888, &other);

	for (i = 0; !ret && i < pictures; i++)
		ret = tenant_set_crtc(acq->lease_fd, acq, i % 2 ? p->fb : other.fb, mode);
	return ret;
}

/* Takes it not: until there was a replug more. */
static int wait_replug(const struct helix_lease_acquire *acq, uint64_t before)
{
	int waited;

	for (waited = 0; replugs(acq->scanout) == before; waited += 20) {
		if (waited > PATIENCE_MS)
			return -ETIMEDOUT;
		helix_sleep_ms(20);
	}
	return 0;
}

/* Until it is told that it is unplugged. */
static int resize_and_wait(int uevents, const struct helix_lease_acquire *acq, uint32_t width,
			   uint32_t height)
{
	uint64_t before = replugs(acq->scanout);
	int ret = resize_and_look(acq, width, height) ?: wait_replug(acq, before);
	char bytes[4096];

	if (!ret)
		ret = wait_hotplug(uevents, acq->connector_id);
	/* Drivers tell of some changes themselves: what comes from here on is the module's. */
	while (!ret && recv(uevents, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	return ret;
}

/* It finds it so. */
static int unplugged(const struct helix_lease_acquire *acq)
{
	drmModeModeInfo mode;
	int ret = look(acq, &mode);

	return ret == -ENODEV ? 0 : ret ?: -EEXIST;
}

static int resize_in_vain(int uevents, const struct helix_lease_acquire *acq, uint32_t width,
			  uint32_t height)
{
	return resize_and_wait(uevents, acq, width, height) ?: unplugged(acq);
}

/* And then, as it was told to look, that it is there again. */
static int plugged(int uevents, const struct helix_lease_acquire *acq, drmModeModeInfo *mode)
{
	int ret = wait_hotplug(uevents, acq->connector_id);

	return ret ?: look(acq, mode);
}

#define LEFT_ALONE()	do {								\
	helix_sleep_ms(NOTHING_MS);							\
	EXPECT_EQ(look(&self->acq, &self->mode), 0);					\
	EXPECT_EQ(replugs(self->acq.scanout), self->before);				\
} while (0)

TEST_F_TIMEOUT(replug, who_looks_and_goes_on_as_before_finds_it_unplugged, 180)
{
	struct picture next;

	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	EXPECT_EQ(replugs(self->acq.scanout), self->before + 1);
	EXPECT_EQ(tenant_set_crtc(self->acq.lease_fd, &self->acq, 0, NULL), 0);
	ASSERT_EQ(plugged(self->uevents, &self->acq, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	EXPECT_EQ(self->mode.vdisplay, 900);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	self->before++;
	LEFT_ALONE();
	/* It is no follower for that. */
	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1024, 768), 0);
}

TEST_F_TIMEOUT(replug, who_goes_on_even_then_finds_it_plugged_in_and_is_left_alone, 180)
{
	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	ASSERT_EQ(plugged(self->uevents, &self->acq, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	self->before++;
	LEFT_ALONE();
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, who_takes_it_then_without_having_turned_off_is_no_follower, 180)
{
	struct picture next;

	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	ASSERT_EQ(plugged(self->uevents, &self->acq, &self->mode), 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1280, 720), 0);
}

TEST_F_TIMEOUT(replug, who_did_not_look_meanwhile_is_unplugged_again_when_he_looks, 180)
{
	if (!getenv("HELIX_DEBUG"))
		SKIP(return, "takes half a minute: on the debug kernels only");
	ASSERT_EQ(resize_and_wait(self->uevents, &self->acq, 1440, 900), 0);
	/* As if it had been frozen: it is told that it is plugged in again, and only then looks. */
	ASSERT_EQ(plugged(self->uevents, &self->acq, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	ASSERT_EQ(wait_replug(&self->acq, self->before + 1), 0);
	ASSERT_EQ(wait_hotplug(self->uevents, self->acq.connector_id), 0);
	EXPECT_EQ(unplugged(&self->acq), 0);
}

TEST_F_TIMEOUT(replug, nobody_else_sees_it, 180)
{
	struct helix_lease_acquire other;
	drmModeConnector *connector;
	drmModeModeInfo mode;
	uint64_t others;
	char path[64];
	int card, node;

	ASSERT_EQ(helix_acquire(self->control, 0, &other), 0);
	others = replugs(other.scanout);
	card = open(CARD, O_RDWR | O_CLOEXEC);
	ASSERT_GE(card, 0);
	helix_node_path(path, self->acq.scanout);
	node = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(node, 0);

	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	/* Another open of its node is the same tenant's. */
	EXPECT_EQ(tenant_mode(node, self->acq.connector_id, &mode), -ENODEV);
	connector = drmModeGetConnectorCurrent(card, self->acq.connector_id);
	ASSERT_NE(connector, NULL);
	EXPECT_EQ(connector->connection, DRM_MODE_CONNECTED);
	EXPECT_GT(connector->count_modes, 0);
	drmModeFreeConnector(connector);
	EXPECT_EQ(look(&other, &mode), 0);
	EXPECT_EQ(replugs(other.scanout), others);
	close(node);
	close(card);
	helix_close_lease(&other);
}

TEST_F_TIMEOUT(replug, who_follows_is_left_alone_in_all_of_his_lease, 180)
{
	struct picture next;

	/* However long it takes him here. */
	ASSERT_EQ(write_parameter("replug_ms", "60000"), 0);
	ASSERT_EQ(resize(&self->acq, 1440, 900), 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	ASSERT_EQ(write_parameter("replug_ms", "100"), 0);
	/* And too long the next time. */
	ASSERT_EQ(resize(&self->acq, 1280, 720), 0);
	ASSERT_EQ(look(&self->acq, &self->mode), 0);
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, who_draws_nothing_may_be_about_it_and_has_longer, 180)
{
	ASSERT_EQ(write_parameter("replug_ms", "4000"), 0);
	ASSERT_EQ(resize_and_look(&self->acq, 1440, 900), 0);
	/* It was set when to look; how much longer that is goes by what holds then. */
	ASSERT_EQ(write_parameter("replug_ms", "60000"), 0);
	ASSERT_EQ(draw(&self->acq, &self->picture, &self->mode, PICTURES - 1), 0);
	helix_sleep_ms(5000);
	EXPECT_EQ(replugs(self->acq.scanout), self->before);
	ASSERT_EQ(draw(&self->acq, &self->picture, &self->mode, 1), 0);
	EXPECT_EQ(wait_replug(&self->acq, self->before), 0);
}

/* Takes every mode-setting lock, again and again, as long as its parent lives. */
static pid_t keep_locks_busy(int fd, uint32_t crtc)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	while (getppid() == parent)
		drmModeFreeObjectProperties(drmModeObjectGetProperties(fd, crtc,
								       DRM_MODE_OBJECT_CRTC));
	_exit(0);
}

/* What is shown cannot be seen every time then: that is not taken for an answer. */
TEST_F_TIMEOUT(replug, busy_locks_are_tried_until_who_draws_nothing_has_had_his_time, 180)
{
	pid_t busy;
	int ret;

	ASSERT_EQ(write_parameter("replug_ms", "2000"), 0);
	busy = keep_locks_busy(self->acq.lease_fd, self->acq.crtc_id);
	ASSERT_GT(busy, 0);
	ret = resize_and_look(&self->acq, 1440, 900) ?: wait_replug(&self->acq, self->before);
	kill(busy, SIGKILL);
	waitpid(busy, NULL, 0);
	EXPECT_EQ(ret, 0);
}

TEST_F_TIMEOUT(replug, who_does_not_look_is_left_alone, 180)
{
	ASSERT_EQ(resize(&self->acq, 1440, 900), 0);
	helix_sleep_ms(NOTHING_MS);
	EXPECT_EQ(replugs(self->acq.scanout), self->before);
}

TEST_F_TIMEOUT(replug, who_shows_nothing_is_left_alone, 180)
{
	ASSERT_EQ(tenant_set_crtc(self->acq.lease_fd, &self->acq, 0, NULL), 0);
	ASSERT_EQ(resize(&self->acq, 1440, 900), 0);
	ASSERT_EQ(look(&self->acq, &self->mode), 0);
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, who_never_showed_the_size_of_his_lease_is_left_alone, 180)
{
	ASSERT_EQ(tenant_set_crtc(self->acq.lease_fd, &self->acq, 0, NULL), 0);
	self->mode.hdisplay = 800;
	self->mode.vdisplay = 600;
	self->mode.hsync_start = self->mode.hsync_end = self->mode.htotal = 800;
	self->mode.vsync_start = self->mode.vsync_end = self->mode.vtotal = 600;
	ASSERT_EQ(tenant_set_crtc(self->acq.lease_fd, &self->acq, self->picture.fb, &self->mode), 0);
	LEFT_ALONE();
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, with_replug_ms_0_nobody_is_unplugged, 180)
{
	ASSERT_EQ(write_parameter("replug_ms", "0"), 0);
	ASSERT_EQ(resize(&self->acq, 1280, 720), 0);
	ASSERT_EQ(look(&self->acq, &self->mode), 0);
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, another_size_meanwhile_is_what_it_finds, 180)
{
	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	ASSERT_EQ(resize(&self->acq, 1280, 720), 0);
	ASSERT_EQ(plugged(self->uevents, &self->acq, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1280);
	EXPECT_EQ(self->mode.vdisplay, 720);
}

TEST_F_TIMEOUT(replug, who_opens_the_node_next_finds_it_plugged_in, 180)
{
	struct picture next;
	char path[64];

	ASSERT_EQ(resize_and_look(&self->acq, 1440, 900) ?:
		  wait_replug(&self->acq, self->before), 0);
	close(self->acq.lease_fd);
	helix_node_path(path, self->acq.scanout);
	self->acq.lease_fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->acq.lease_fd, 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1440);
	self->before++;
	LEFT_ALONE();
}

TEST_F_TIMEOUT(replug, who_follows_is_not_whoever_opens_the_node_next, 180)
{
	struct picture next;
	char path[64];

	ASSERT_EQ(write_parameter("replug_ms", "60000"), 0);
	ASSERT_EQ(resize(&self->acq, 1440, 900), 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	ASSERT_EQ(write_parameter("replug_ms", "100"), 0);
	close(self->acq.lease_fd);
	helix_node_path(path, self->acq.scanout);
	self->acq.lease_fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->acq.lease_fd, 0);
	ASSERT_EQ(tenant_show(self->acq.lease_fd, &self->acq, &next, &self->mode), 0);
	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1280, 720), 0);
}

TEST_F_TIMEOUT(replug, the_next_tenant_finds_it_plugged_in, 180)
{
	uint32_t scanout = self->acq.scanout;

	ASSERT_EQ(resize_in_vain(self->uevents, &self->acq, 1440, 900), 0);
	ASSERT_EQ(helix_revoke(self->acq.handle_fd, 0, 0), 0);
	helix_close_lease(&self->acq);
	ASSERT_EQ(helix_acquire(self->control, scanout, &self->acq), 0);
	EXPECT_EQ(look(&self->acq, &self->mode), 0);
	EXPECT_EQ(self->mode.hdisplay, 1024);
}

TEST_HARNESS_MAIN
