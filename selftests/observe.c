// SPDX-License-Identifier: GPL-2.0-only
/*
 * What people look at: sysfs attributes, debugfs, tracepoints. They say what
 * QUERY says, and to whom they may.
 */
#include "helix_test.h"
#include "kselftest_harness.h"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#define DEBUGFS	"/sys/kernel/debug"
#define TRACEFS	"/sys/kernel/tracing"

FIXTURE(observe) {
	int control;
	struct helix_lease_info info;
	struct helix_lease_acquire acq;
};

FIXTURE_SETUP(observe)
{
	/* Mounted by whichever test comes first. */
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &self->info), 0);
	ASSERT_EQ(helix_acquire(self->control, 6, &self->acq), 0);
}

FIXTURE_TEARDOWN(observe)
{
	helix_close_lease(&self->acq);
	close(self->control);
}

/* The whole file as a string without its last newline; a negative errno. */
static int slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + done, size - 1 - done)) > 0)
		done += n;
	n = n < 0 ? -errno : 0;
	close(fd);
	if (done && buf[done - 1] == '\n')
		done--;
	buf[done] = '\0';
	return n;
}

static int spill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

static int attribute(uint32_t scanout, const char *name, char *buf, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/helix/helix!scanout%u/%s", scanout, name);
	return slurp(path, buf, size);
}

static int drop_capability(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

#define EXPECT_ATTR(name, ...)							\
	do {									\
		char is[128], want[128];					\
										\
		snprintf(want, sizeof(want), __VA_ARGS__);			\
		EXPECT_EQ(attribute(self->acq.scanout, name, is, sizeof(is)), 0)	\
			TH_LOG("%s", name);					\
		EXPECT_STREQ(is, want) TH_LOG("%s", name);			\
	} while (0)

TEST_F_TIMEOUT(observe, sysfs_says_what_query_says, 60)
{
	struct helix_lease_query q;

	ASSERT_EQ(helix_query(self->control, self->acq.scanout, &q), 0);
	EXPECT_ATTR("state", "leased");
	EXPECT_ATTR("output", "%u", q.output);
	EXPECT_ATTR("grants", "%llu", q.grants);
	EXPECT_ATTR("quarantines", "%llu", q.quarantines);
	EXPECT_ATTR("generation", "%llu", q.generation);
	EXPECT_ATTR("size", "1024x768");
	EXPECT_ATTR("refresh_mhz", "60000");
	EXPECT_ATTR("priority", "0");
	EXPECT_ATTR("label", "selftest");
	EXPECT_ATTR("owner_pid", "%u", getpid());
	EXPECT_ATTR("owner_uid", "%u", getuid());
	EXPECT_ATTR("owner_cgroup", "%llu", q.owner_cgroup);
	EXPECT_ATTR("opens", "1");
	EXPECT_ATTR("denials", "%llu", q.denials);
	EXPECT_ATTR("stalls", "%llu", q.stalls);
	EXPECT_ATTR("stalled_ms", "0");
	EXPECT_ATTR("context_stalls", "0");

	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	EXPECT_ATTR("state", "free");
	EXPECT_ATTR("owner_pid", "0");
	close(self->acq.lease_fd);
	EXPECT_ATTR("opens", "0");
}

static const char * const public[] = { "state", "output", "grants", "quarantines" };
static const char * const private[] = {
	"generation", "size", "refresh_mhz", "priority", "label", "owner_pid", "owner_uid",
	"owner_cgroup", "opens", "denials", "stalls", "stalled_ms", "context_stalls",
	"flips",
};

/* In a child that has given something up: 0, or which one is not as it should be. */
static int check_private(uint32_t scanout, int refusal)
{
	char buf[128];
	int i;

	for (i = 0; i < 4; i++)
		if (attribute(scanout, public[i], buf, sizeof(buf)))
			return 100 + i;
	for (i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		if (attribute(scanout, private[i], buf, sizeof(buf)) != refusal)
			return 1 + i;
	return 0;
}

TEST_F_TIMEOUT(observe, sysfs_hides_the_tenant_from_others, 60)
{
	pid_t child;
	int status;

	/* Another user. */
	child = fork();
	if (!child) {
		if (setresuid(65534, 65534, 65534))
			_exit(99);
		_exit(check_private(self->acq.scanout, -EACCES));
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0) TH_LOG("child: %d", WEXITSTATUS(status));

	/* root of a container. */
	child = fork();
	if (!child) {
		if (drop_capability(CAP_SYS_ADMIN))
			_exit(99);
		_exit(check_private(self->acq.scanout, -EPERM));
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0) TH_LOG("child: %d", WEXITSTATUS(status));
}

static int lines(const char *text)
{
	int n = *text ? 1 : 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

TEST_F_TIMEOUT(observe, debugfs_has_a_line_for_every_scanout, 60)
{
	static char text[64 << 10];
	char want[128], *line;

	ASSERT_EQ(slurp(DEBUGFS "/helix_lease/scanouts", text, sizeof(text)), 0);
	EXPECT_EQ(lines(text), self->info.nr_scanouts);
	snprintf(want, sizeof(want), "\n%u leased for ", self->acq.scanout);
	line = strstr(text, want);
	ASSERT_NE(line, NULL) TH_LOG("%s", text);
	line = strtok(line + 1, "\n");
	snprintf(want, sizeof(want), "generation %llu, 1024x768 at 60000 mHz",
		 (unsigned long long)self->acq.generation);
	EXPECT_NE(strstr(line, want), NULL) TH_LOG("%s", line);
	snprintf(want, sizeof(want), "owner pid %u uid %u", getpid(), getuid());
	EXPECT_NE(strstr(line, want), NULL) TH_LOG("%s", line);
	EXPECT_NE(strstr(line, "\"selftest\""), NULL) TH_LOG("%s", line);
}

/* How many waits the line says that begins with @whose. */
static int waits(const char *text, const char *whose)
{
	const char *line = strstr(text, whose);
	unsigned int n = 0;

	if (line)
		sscanf(line + strlen(whose), "%u waits", &n);
	return n;
}

/* How many its histogram has. */
static int counted(const char *text, const char *whose)
{
	const char *line = strstr(text, whose);
	unsigned int sum = 0, n;

	line = line ? strchr(line, ';') : NULL;
	for (; line && *line && *line != '\n'; line++)
		if (*line == ':' && sscanf(line, ":%u", &n) == 1)
			sum += n;
	return sum;
}

TEST_F_TIMEOUT(observe, debugfs_counts_every_wait, 60)
{
	static char before[64 << 10], after[64 << 10];
	char whose[32];

	ASSERT_EQ(slurp(DEBUGFS "/helix_lease/waits", before, sizeof(before)), 0);
	EXPECT_GT(waits(before, "all hotplug: "), 0) TH_LOG("%s", before);
	ASSERT_EQ(helix_revoke(self->control, self->acq.scanout, self->acq.generation), 0);
	ASSERT_EQ(slurp(DEBUGFS "/helix_lease/waits", after, sizeof(after)), 0);

	/* REVOKE waited for FREE, once. */
	snprintf(whose, sizeof(whose), "\n%u state: ", self->acq.scanout);
	EXPECT_EQ(waits(after, whose), waits(before, whose) + 1) TH_LOG("%s", after);
	EXPECT_EQ(counted(after, whose), waits(after, whose)) TH_LOG("%s", after);
	EXPECT_GT(waits(after, "all state: "), waits(before, "all state: "));
	if (self->info.host_state == HELIX_LEASE_HOST_UP) {
		snprintf(whose, sizeof(whose), "\n%u hotplug: ", self->acq.scanout);
		EXPECT_GT(waits(after, whose), waits(before, whose)) TH_LOG("%s", after);
		EXPECT_GT(waits(after, "all host: "), waits(before, "all host: "));
	}
}

TEST_F_TIMEOUT(observe, debugfs_is_for_root, 60)
{
	pid_t child = fork();
	char text[64];
	int status;

	if (!child) {
		if (setresuid(65534, 65534, 65534))
			_exit(99);
		if (slurp(DEBUGFS "/helix_lease/scanouts", text, sizeof(text)) != -EACCES)
			_exit(1);
		if (slurp(DEBUGFS "/helix_lease/waits", text, sizeof(text)) != -EACCES)
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0) TH_LOG("child: %d", WEXITSTATUS(status));
}

/* A line that has @event and @what, in that order. */
static bool traced(const char *text, const char *event, const char *what)
{
	const char *line, *end, *found;

	for (line = text; (line = strstr(line, event)); line = end) {
		end = strchrnul(line, '\n');
		found = strstr(line, what);
		if (found && found < end)
			return true;
	}
	return false;
}

TEST_F_TIMEOUT(observe, a_life_can_be_traced, 120)
{
	static char trace[1 << 20];
	struct helix_lease_acquire acq;
	struct drm_gem_open open = { .name = 1 };
	char what[128];

	ASSERT_EQ(spill(TRACEFS "/trace", ""), 0);
	ASSERT_EQ(spill(TRACEFS "/events/helix_lease/enable", "1"), 0);
	ASSERT_EQ(helix_acquire(self->control, 7, &acq), 0);
	EXPECT_EQ(sys_ioctl(acq.lease_fd, DRM_IOCTL_GEM_OPEN, &open), -EACCES);
	EXPECT_EQ(helix_revoke(self->control, 7, acq.generation), 0);
	helix_close_lease(&acq);
	ASSERT_EQ(spill(TRACEFS "/events/helix_lease/enable", "0"), 0);
	ASSERT_EQ(slurp(TRACEFS "/trace", trace, sizeof(trace)), 0);

#define EXPECT_TRACED(event, ...)						\
	do {									\
		snprintf(what, sizeof(what), __VA_ARGS__);			\
		EXPECT_TRUE(traced(trace, event, what))				\
			TH_LOG("no %s %s", event, what);			\
	} while (0)
	EXPECT_TRACED("helix_state: ", "scanout=7 generation=%llu free -> enabling",
		      (unsigned long long)acq.generation);
	EXPECT_TRACED("helix_state: ", "scanout=7 generation=%llu enabling -> leased",
		      (unsigned long long)acq.generation);
	EXPECT_TRACED("helix_state: ", "leased -> revoking");
	EXPECT_TRACED("helix_state: ", "revoking -> quiescing");
	EXPECT_TRACED("helix_state: ", "quiescing -> free");
	EXPECT_TRACED("helix_event: ", "granted scanout=7 generation=%llu state=leased",
		      (unsigned long long)acq.generation);
	EXPECT_TRACED("helix_event: ", "revoking scanout=7");
	EXPECT_TRACED("helix_event: ", "revoked scanout=7");
	EXPECT_TRACED("helix_event: ", "freed scanout=7");
	EXPECT_TRACED("helix_denied: ", "scanout=7 generation=%llu ioctl %u",
		      (unsigned long long)acq.generation,
		      (unsigned int)_IOC_NR(DRM_IOCTL_GEM_OPEN));
	EXPECT_TRACED("helix_wait_begin: ", "scanout=7 hotplug \"connector to come\"");
	EXPECT_TRACED("helix_wait_end: ", "scanout=7 hotplug \"connector to come\" us=");
	EXPECT_TRACED("helix_wait_begin: ", "scanout=7 state \"lease to be over\"");
	EXPECT_TRACED("helix_wait_end: ", "scanout=7 state \"lease to be over\" us=");
	if (self->info.host_state != HELIX_LEASE_HOST_UP)
		return;
	EXPECT_TRACED("helix_wait_end: ", "scanout=7 host \"mediator\" us=");
	EXPECT_TRACED("helix_host_request: ", "scanout=7 generation=%llu",
		      (unsigned long long)acq.generation);
	EXPECT_TRACED("helix_host_completion: ", "status=0 wanted=1");
}

TEST_HARNESS_MAIN
