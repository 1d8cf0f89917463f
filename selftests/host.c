// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side going wrong: refusing, silent, losing events, dying, and
 * writing nonsense. The stand-in mediator does what the label asks it to; with
 * another mediator these are skipped.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#include <poll.h>
#include <sys/mount.h>

#define DEBUGFS	"/sys/kernel/debug"

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

/* The next event of a handle: its type, 0 after the last one, a negative errno. */
static int next_event(int fd, struct helix_lease_event *event)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	n = read(fd, event, sizeof(*event));
	if (n < 0)
		return -errno;
	return n ? (int)event->type : 0;
}

/* Of what is still to come, the first of @type; others are passed over. */
static int event_of_type(int fd, int type, struct helix_lease_event *event)
{
	int ret;

	do {
		ret = next_event(fd, event);
	} while (ret > 0 && ret != type);
	return ret;
}

static long long read_number(const char *path)
{
	char text[128] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return text[0] ? strtoll(text, NULL, 10) : -ENODATA;
}

static long long context_stalls(uint32_t scanout)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/helix/helix!scanout%u/context_stalls", scanout);
	return read_number(path);
}

#define NEED_FAULTS()								\
	do {									\
		if (!getenv("HELIX_FAULTS"))					\
			SKIP(return, "needs a control device that can be told to misbehave");	\
	} while (0)

static void expect_context(struct __test_metadata *_metadata, int control, const char *label,
			   int type)
{
	struct helix_lease_acquire acq, other;
	struct helix_lease_event event;
	long long before, others;
	int ret;

	ASSERT_EQ(helix_acquire(control, 6, &other), 0);
	ASSERT_EQ(acquire_labelled(control, 5, label, PATIENCE_MS, &acq), 0);
	before = context_stalls(5);
	others = context_stalls(6);
	ASSERT_GE(before, 0);
	ASSERT_GE(others, 0);
	ASSERT_EQ(helix_resize(acq.handle_fd, 0, 0, 800, 600, PATIENCE_MS), 0);

	memset(&event, 0xa5, sizeof(event));
	ASSERT_EQ(event_of_type(acq.handle_fd, type, &event), type);
	EXPECT_EQ(event.scanout, 5);
	EXPECT_EQ(event.generation, acq.generation);
	EXPECT_EQ(event.state, HELIX_LEASE_STATE_LEASED);
	EXPECT_EQ(event.wait_for, HELIX_LEASE_WAIT_FENCE);
	EXPECT_EQ(event.wait_ms, 5042);
	EXPECT_EQ(context_stalls(5), before + 1);

	/* Nobody else is told, and it was told once. */
	EXPECT_EQ(helix_revoke(control, 5, acq.generation), 0);
	EXPECT_EQ(helix_revoke(control, 6, other.generation), 0);
	while ((ret = next_event(acq.handle_fd, &event)) > 0)
		EXPECT_NE(ret, type);
	EXPECT_EQ(ret, 0);
	while ((ret = next_event(other.handle_fd, &event)) > 0)
		EXPECT_NE(ret, type);
	EXPECT_EQ(ret, 0);
	EXPECT_EQ(context_stalls(6), others);
	helix_close_lease(&acq);
	helix_close_lease(&other);
}

TEST_F_TIMEOUT(host, says_that_what_draws_makes_no_progress, 180)
{
	NEED_FAULTS();
	expect_context(_metadata, self->control, "standin:resize-stall",
		       HELIX_LEASE_EVENT_CONTEXT_STALLED);
}

TEST_F_TIMEOUT(host, says_that_what_draws_was_killed, 180)
{
	NEED_FAULTS();
	expect_context(_metadata, self->control, "standin:resize-kill",
		       HELIX_LEASE_EVENT_CONTEXT_KILLED);
}

static int host_events(unsigned long long *taken, unsigned long long *refused,
		       unsigned int *lost)
{
	FILE *f = fopen(DEBUGFS "/helix_lease/host_events", "r");
	int n;

	if (!f)
		return -errno;
	n = fscanf(f, "%llu events, %llu refused, %u lost", taken, refused, lost);
	fclose(f);
	return n == 3 ? 0 : -EPROTO;
}

TEST_F_TIMEOUT(host, says_more_than_the_device_keeps, 180)
{
	unsigned long long taken[2], refused[2];
	struct helix_lease_acquire acq;
	struct helix_lease_event event;
	unsigned int lost[2], waited, told = 0;
	int ret;

	NEED_FAULTS();
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:resize-stalls", PATIENCE_MS, &acq),
		  0);
	ASSERT_EQ(host_events(&taken[0], &refused[0], &lost[0]), 0);
	ASSERT_EQ(helix_resize(acq.handle_fd, 0, 0, 800, 600, PATIENCE_MS), 0);

	/* 100 while the guest stood still, of which the device keeps 64. */
	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		ASSERT_EQ(host_events(&taken[1], &refused[1], &lost[1]), 0);
		if (lost[1] - lost[0] + taken[1] - taken[0] == 100)
			break;
		helix_sleep_ms(20);
	}
	EXPECT_EQ(taken[1] - taken[0], 64);
	EXPECT_EQ(lost[1] - lost[0], 36);
	EXPECT_EQ(refused[1], refused[0]);

	/* Of these the handle keeps 32, with RESIZED and what ends the lease. */
	EXPECT_EQ(helix_revoke(self->control, 5, acq.generation), 0);
	while ((ret = next_event(acq.handle_fd, &event)) > 0)
		told += event.lost + 1;
	EXPECT_EQ(ret, 0);
	EXPECT_EQ(told, 1 + 64 + 1 + 3) TH_LOG("GRANTED, 64, RESIZED, and the three of its end");
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, hears_no_doorbell_for_a_while, 180)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	NEED_FAULTS();
	EXPECT_EQ(acquire_labelled(self->control, 5, "standin:deaf", 300, &acq), -ETIMEDOUT);
	/* Not given out before the host has turned it off, and it has not heard of that. */
	ASSERT_EQ(helix_query(self->control, 5, &query), 0);
	EXPECT_NE(query.state, HELIX_LEASE_STATE_FREE);
	EXPECT_EQ(acquire_labelled(self->control, 5, "next", 300, &acq), -ETIMEDOUT);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
	ASSERT_EQ(helix_acquire(self->control, 5, &acq), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(host, answers_without_an_interrupt, 120)
{
	struct helix_lease_acquire acq;

	NEED_FAULTS();
	ASSERT_EQ(acquire_labelled(self->control, 5, "standin:drop", PATIENCE_MS, &acq), 0);
	helix_close_lease(&acq);
	EXPECT_EQ(helix_wait_state(self->control, 5, HELIX_LEASE_STATE_FREE), 0);
}

TEST_HARNESS_MAIN
