// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side going wrong: refusing, silent, losing events, dying, and
 * writing nonsense. The stand-in mediator does what the label asks it to; with
 * another mediator these are skipped.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

FIXTURE(host) {
	int control;
};

FIXTURE_SETUP(host)
{
	if (!getenv("HELIX_STANDIN"))
		SKIP(return, "needs the stand-in mediator");
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
}

FIXTURE_TEARDOWN(host)
{
	close(self->control);
}

static int acquire_labelled(int control, uint32_t scanout, const char *label,
			    uint32_t timeout_ms, struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, scanout);
	memset(acq->label, 0, sizeof(acq->label));
	strcpy((char *)acq->label, label);
	acq->timeout_ms = timeout_ms;
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

TEST_F_TIMEOUT(host, is_up, 60)
{
	struct helix_lease_info info;

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.host_state, HELIX_LEASE_HOST_UP);
}

TEST_F_TIMEOUT(host, refuses_an_output, 120)
{
	struct helix_lease_acquire acq;

	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:refuse", 0, &acq), -EHOSTUNREACH);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(helix_acquire(self->control, 5, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, never_answers, 120)
{
	struct helix_lease_acquire acq;

	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:silent", 300, &acq), -ETIMEDOUT);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
}

static void nothing(int sig)
{
}

TEST_F_TIMEOUT(host, a_signal_ends_the_wait_for_it, 120)
{
	struct sigaction action = { .sa_handler = nothing };
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	/* The interface does not restart: the caller decides. */
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	if (!fork()) {
		helix_wait_state(self->control, 5, HELIX_LEASE_STATE_ENABLING);
		helix_sleep_ms(100);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:silent", PATIENCE_MS, &acq),
		  -EINTR);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_query(self->control, 5, &query), 0);
	EXPECT_EQ(query.opens, 0);
	wait(NULL);
}

TEST_F_TIMEOUT(host, an_administrator_ends_the_wait_for_it, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	int status;
	pid_t child;

	child = fork();
	if (!child)
		_exit(acquire_labelled(self->control, 5, "standin:silent", PATIENCE_MS,
				       &acq) == -ECANCELED ? 0 : 1);
	ASSERT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_ENABLING), 0);
	helix_sleep_ms(50);
	ASSERT_EQ(helix_query(self->control, 5, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_HOST);
	EXPECT_EQ(query.owner_pid, child);
	EXPECT_EQ(helix_revoke(self->control, 5, query.generation), 0);
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

TEST_F_TIMEOUT(host, loses_a_hotplug, 120)
{
	struct helix_lease_acquire acq;
	drmModeModeInfo mode;
	struct picture p;

	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:lose", PATIENCE_MS, &acq), 0);
	EXPECT_EQ(tenant_show(acq.lease_fd, &acq, &p, &mode), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, answers_what_nobody_asked, 120)
{
	struct helix_lease_acquire acq;

	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:twice", PATIENCE_MS, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, answers_when_nobody_waits_any_more, 120)
{
	struct helix_lease_acquire acq, next;

	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:slow", 300, &acq), -ETIMEDOUT);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
	/* Its answer comes while the next one waits, and is not his. */
	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:slow", PATIENCE_MS, &next), 0);
	helix_close_lease(&next);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
}

TEST_F_TIMEOUT(host, takes_back_what_it_answered, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	/* The first answer is the answer. */
	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:double", PATIENCE_MS, &acq), 0);
	ASSERT_EQ(helix_query(self->control, 5, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, answers_garbage, 120)
{
	struct helix_lease_acquire acq;

	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:garbage", PATIENCE_MS, &acq),
		  -EHOSTUNREACH);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
}

TEST_F_TIMEOUT(host, fills_the_ring_with_answers, 120)
{
	struct helix_lease_acquire acq;

	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:flood", PATIENCE_MS, &acq), 0);
	helix_close_lease(&acq);
}

static int wait_connection(int fd, uint32_t id, drmModeConnection wanted)
{
	drmModeConnection now;
	drmModeConnector *connector;
	int waited;

	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		connector = drmModeGetConnector(fd, id);
		if (!connector)
			return -errno;
		now = connector->connection;
		drmModeFreeConnector(connector);
		if (now == wanted)
			return 0;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

TEST_F_TIMEOUT(host, dies_and_its_successor_is_told_of_every_output, 180)
{
	struct helix_lease_acquire stays, goes, other;
	struct helix_lease_query query;
	drmModeModeInfo mode;
	struct picture p;

	ASSERT_EQ(helix_acquire(self->control, 2, &goes), 0);
	/* Goes right after this one, and turns its output off. */
	ASSERT_EQ(acquire_labelled(self->control, 1, "standin:leave", PATIENCE_MS, &stays), 0);
	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_DOWN), 0);

	EXPECT_EQ(helix_acquire(self->control, 3, &other), -EHOSTDOWN);
	ASSERT_EQ(helix_query(self->control, 3, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_FREE);
	/* Not given out before the host has turned it off. */
	helix_close_lease(&goes);
	EXPECT_EQ(helix_wait_state(self->control, 2, HELIX_LEASE_STATE_QUARANTINED), 0);
	ASSERT_EQ(helix_query(self->control, 2, &query), 0);
	EXPECT_EQ(query.wait_for, HELIX_LEASE_WAIT_HOST);
	EXPECT_EQ(helix_acquire(self->control, 2, &other), -EBUSY);
	/* Whoever has a lease keeps it. */
	ASSERT_EQ(helix_query(self->control, 1, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(wait_connection(stays.lease_fd, stays.connector_id, DRM_MODE_DISCONNECTED), 0);

	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_UP), 0);
	EXPECT_EQ(wait_connection(stays.lease_fd, stays.connector_id, DRM_MODE_CONNECTED), 0);
	EXPECT_EQ(helix_wait_state(self->control, 2, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(tenant_show(stays.lease_fd, &stays, &p, &mode), 0);
	helix_close_lease(&stays);
}

TEST_F_TIMEOUT(host, writes_an_index_that_makes_no_sense, 180)
{
	struct helix_lease_acquire acq;

	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:break", PATIENCE_MS, &acq),
		  -EHOSTDOWN);
	/* Nothing is read from the ring until there is another mediator. */
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_acquire(self->control, 5, &acq), 0);
	helix_close_lease(&acq);
}

#define DRIVER	"/sys/bus/pci/drivers/helix_lease"

/* Where the control device is, as its driver names it. */
static int find_control(char address[16])
{
	char name[NAME_MAX + 1];
	int ret = helix_entry(DRIVER, "0000:", name);

	snprintf(address, 16, "%.15s", name);
	return ret;
}

static int write_control(const char *address, const char *file, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", address, file);
	return sysfs_write(path, value);
}

TEST_F_TIMEOUT(host, is_taken_away_with_its_device, 180)
{
	struct helix_lease_acquire stays, goes, other;
	struct helix_lease_info info;
	drmModeModeInfo mode;
	struct picture p;
	char address[16];
	int status;
	pid_t child;

	ASSERT_EQ(find_control(address), 0);
	ASSERT_EQ(helix_acquire(self->control, 1, &stays), 0);
	ASSERT_EQ(helix_acquire(self->control, 2, &goes), 0);
	child = fork();
	if (!child)
		_exit(-acquire_labelled(self->control, 5, "standin:silent", PATIENCE_MS, &other));
	ASSERT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_ENABLING), 0);
	ASSERT_EQ(write_control(address, "remove", "1"), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(WEXITSTATUS(status), EHOSTDOWN);

	/* Like a guest that never had one: leases go on, and nobody is told of their end. */
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.host_state, HELIX_LEASE_HOST_NONE);
	EXPECT_EQ(tenant_show(stays.lease_fd, &stays, &p, &mode), 0);
	helix_close_lease(&goes);
	EXPECT_EQ(helix_wait_state(self->control, 2, HELIX_LEASE_STATE_FREE), 0);
	helix_acquire_init(&other, 7);
	other.timeout_ms = 300;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &other), -ETIMEDOUT);

	ASSERT_EQ(sysfs_write("/sys/bus/pci/rescan", "1"), 0);
	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_UP), 0);
	ASSERT_EQ(helix_acquire(self->control, 7, &other), 0);
	helix_close_lease(&other);
	EXPECT_EQ(tenant_show(stays.lease_fd, &stays, &p, &mode), 0);
	helix_close_lease(&stays);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_F_TIMEOUT(host, cannot_interrupt, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_info info;
	char address[16];

	/* Without MSI-X the device is not driven, and as good as not there. */
	ASSERT_EQ(find_control(address), 0);
	ASSERT_EQ(sysfs_write(DRIVER "/unbind", address), 0);
	ASSERT_EQ(write_control(address, "msi_bus", "0"), 0);
	EXPECT_NE(sysfs_write(DRIVER "/bind", address), 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.host_state, HELIX_LEASE_HOST_NONE);

	ASSERT_EQ(write_control(address, "msi_bus", "1"), 0);
	ASSERT_EQ(sysfs_write(DRIVER "/bind", address), 0);
	ASSERT_EQ(helix_wait_host(self->control, HELIX_LEASE_HOST_UP), 0);
	ASSERT_EQ(helix_acquire(self->control, 5, &acq), 0);
	helix_close_lease(&acq);
	EXPECT_EQ(helix_wait_all_free(self->control), 0);
}

TEST_HARNESS_MAIN
