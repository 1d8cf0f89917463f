// SPDX-License-Identifier: GPL-2.0-only
/*
 * What containers are told of a hotplug: read by libudev, as compositors do, in namespaces
 * that the test makes, which needs root. /dev/null is the device: every system has it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "hotplug.h"
#include "policy.h"
#include "uevent.h"

#define LONG_MS		60000	/* never waited for to its end */
#define NODE		makedev(240, 3)
#define HOST_ID		"100000"

/* Of libudev.h, which is in another package than what compositors run with. */
struct udev;
struct udev_monitor;
struct udev_device;
struct udev *udev_new(void);
struct udev_monitor *udev_monitor_new_from_netlink(struct udev *udev, const char *name);
int udev_monitor_filter_add_match_subsystem_devtype(struct udev_monitor *monitor,
						    const char *subsystem, const char *devtype);
int udev_monitor_filter_add_match_tag(struct udev_monitor *monitor, const char *tag);
int udev_monitor_enable_receiving(struct udev_monitor *monitor);
int udev_monitor_get_fd(struct udev_monitor *monitor);
struct udev_device *udev_monitor_receive_device(struct udev_monitor *monitor);
const char *udev_device_get_action(struct udev_device *device);
const char *udev_device_get_devnode(struct udev_device *device);
dev_t udev_device_get_devnum(struct udev_device *device);
const char *udev_device_get_property_value(struct udev_device *device, const char *key);
const char *udev_device_get_subsystem(struct udev_device *device);
const char *udev_device_get_sysname(struct udev_device *device);
int udev_device_has_current_tag(struct udev_device *device, const char *tag);
int udev_device_get_is_initialized(struct udev_device *device);

static const char *const extra[] = { "HOTPLUG=1", NULL };

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Nobody in a chroot makes a user namespace: to the root of a mount namespace of our own. */
static bool leave_chroot(void)
{
	int fd = -1;

	if (!unshare(CLONE_NEWNS))
		fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !setns(fd, CLONE_NEWNS) && !close(fd);
}

/* A /run in which udev runs and knows of /dev/null. */
static int setup(void **state)
{
	(void)state;
	if (!leave_chroot() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 || mkdir("/run/udev", 0755) < 0 ||
	    mkdir("/run/udev/data", 0755) < 0) {
		print_message("cannot make namespaces: %s\n", strerror(errno));
		return -1;
	}
	put("/run/udev/control", "");
	put("/run/udev/data/c1:3", "I:17\nG:seat\nG:old\nQ:seat\nV:1\nE:ID_SEAT=seat7\nE:MAJOR=9\n");
	return 0;
}

static struct uevent make_event(void)
{
	struct uevent event;
	struct hl_error err;
	sd_device *device;

	assert_true(sd_device_new_from_devnum(&device, 'c', makedev(1, 3)) >= 0);
	if (uevent_change(device, NODE, extra, &event, &err))
		fail_msg("%s", err.message);
	sd_device_unref(device);
	return event;
}

/* ---- what the kernel tells ---- */

#define KERNEL(more) "change@/devices/x/drm/card1\0ACTION=change\0DEVPATH=/devices/x/drm/card1\0" \
		     "SUBSYSTEM=drm\0" more "DEVNAME=dri/card1\0DEVTYPE=drm_minor\0SEQNUM=9\0MAJOR=226\0MINOR=1"

static void test_kernel_tells(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool hotplug;
		uint32_t connector;
	} cases[] = {
#define CASE(text, ...) { text, sizeof(text), __VA_ARGS__ }
		CASE(KERNEL("HOTPLUG=1\0"), true, 0),
		CASE(KERNEL("HOTPLUG=1\0CONNECTOR=37\0"), true, 37),
		CASE(KERNEL("HOTPLUG=1\0CONNECTOR=4294967296\0"), true, 0),
		CASE(KERNEL("HOTPLUG=0\0"), false, 0),
		CASE(KERNEL("LEASE=1\0"), false, 0),
		CASE("add@/x\0ACTION=add\0SUBSYSTEM=drm\0HOTPLUG=1\0MAJOR=226\0MINOR=1", false, 0),
		CASE("change@/x\0ACTION=change\0SUBSYSTEM=net\0HOTPLUG=1\0MAJOR=226\0MINOR=1", false, 0),
		CASE("", false, 0),
#undef CASE
		/* Not whole. */
		{ KERNEL("HOTPLUG=1\0"), sizeof(KERNEL("HOTPLUG=1\0")) - 1, false, 0 },
		{ "", 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct uevent_plug plug;

		uevent_parse(cases[i].bytes, cases[i].len, &plug);
		assert_int_equal(plug.hotplug, cases[i].hotplug);
		assert_int_equal(plug.connector, cases[i].connector);
		if (plug.hotplug)
			assert_int_equal(plug.card, makedev(226, 1));
	}
}

/* Somebody else in its group. */
static void test_heard(void **state)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	static const char forged[] = KERNEL("HOTPLUG=1\0");
	struct uevent_plug plug;
	struct hl_error err;
	int fd = uevent_open(&err), other = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	int heard = 0, ret;

	(void)state;
	assert_true(fd >= 0 && other >= 0);
	assert_int_equal(sendto(other, forged, sizeof(forged), 0, (struct sockaddr *)&kernel,
				sizeof(kernel)), sizeof(forged));
	do
		ret = uevent_next(fd, &plug, &err);
	while (!ret && !plug.hotplug && ++heard);
	assert_true(heard);
	assert_int_equal(ret, -EAGAIN);
	close(other);
	close(fd);
}

/* ---- a process in namespaces of its own ---- */

struct other {
	pid_t pid;
	int pidfd;
	int said;	/* what it tells us */
	int heard;	/* what we tell it */
};

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(1);
}

/* A line of it; "" when it has ended. */
static const char *line_of(struct other *other)
{
	static char line[256];
	size_t len = 0;

	for (;;) {
		struct pollfd pfd = { .fd = other->said, .events = POLLIN };

		assert_int_equal(poll(&pfd, 1, LONG_MS), 1);
		if (len == sizeof(line) - 1 || read(other->said, line + len, 1) != 1 ||
		    line[len] == '\n')
			break;
		len++;
	}
	line[len] = '\0';
	return line;
}

/* Runs @fn in a child, which is killed with us. */
static struct other start(int flags, void (*fn)(int out, int in))
{
	int out[2], in[2];
	struct other other;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (!other.pid) {
		close(out[0]);
		close(in[1]);
		if (unshare(flags) < 0) {
			say(out[1], "cannot unshare\n");
		} else {
			say(out[1], "unshared\n");
			fn(out[1], in[0]);
		}
		_exit(0);
	}
	close(out[1]);
	close(in[0]);
	other.said = out[0];
	other.heard = in[1];
	other.pidfd = syscall(SYS_pidfd_open, other.pid, 0);
	assert_true(other.pidfd >= 0);
	assert_string_equal(line_of(&other), "unshared");
	return other;
}

static void end(struct other *other)
{
	kill(other->pid, SIGKILL);
	assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
	close(other->pidfd);
	close(other->said);
	close(other->heard);
}

static void await(int in)
{
	struct pollfd pfd = { .fd = in, .events = POLLIN };
	char byte;

	if (poll(&pfd, 1, LONG_MS) != 1 || read(in, &byte, 1) != 1)
		_exit(1);
}

/* ---- a reader ---- */

static struct udev_monitor *listen_to(const char *subsystem, const char *devtype, const char *tag)
{
	struct udev_monitor *monitor = udev_monitor_new_from_netlink(udev_new(), "udev");

	if (!monitor ||
	    (subsystem && udev_monitor_filter_add_match_subsystem_devtype(monitor, subsystem, devtype)) ||
	    (tag && udev_monitor_filter_add_match_tag(monitor, tag)) ||
	    udev_monitor_enable_receiving(monitor))
		_exit(1);
	return monitor;
}

static bool has_come(struct udev_monitor *monitor, int timeout_ms)
{
	struct pollfd pfd = { .fd = udev_monitor_get_fd(monitor), .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1;
}

static void describe(struct udev_monitor *monitor, char *text, size_t size)
{
	struct udev_device *d = has_come(monitor, LONG_MS) ? udev_monitor_receive_device(monitor) : NULL;
	const char *node = d ? udev_device_get_devnode(d) : NULL;

	if (!d) {
		snprintf(text, size, "libudev takes nothing");
		return;
	}
	snprintf(text, size, "%s %s %s %s %u:%u %s %s %s %d%d%d", udev_device_get_action(d),
		 udev_device_get_subsystem(d), udev_device_get_sysname(d), node ? node : "-",
		 major(udev_device_get_devnum(d)), minor(udev_device_get_devnum(d)),
		 udev_device_get_property_value(d, "HOTPLUG"),
		 udev_device_get_property_value(d, "ID_SEAT"),
		 udev_device_get_property_value(d, "MAJOR"), udev_device_has_current_tag(d, "seat"),
		 udev_device_has_current_tag(d, "old"), udev_device_get_is_initialized(d));
}

static const char whole[] = "change mem null /dev/null 240:3 1 seat7 240 101";

static void read_all(int out, int in)
{
	struct udev_monitor *all = listen_to(NULL, NULL, NULL), *mem = listen_to("mem", NULL, NULL);
	struct udev_monitor *seat = listen_to(NULL, NULL, "seat"), *both = listen_to("mem", NULL, "seat");
	struct udev_monitor *drm = listen_to("drm", NULL, NULL), *type = listen_to("mem", "drm_minor", NULL);
	struct udev_monitor *tag = listen_to(NULL, NULL, "uaccess");
	struct udev_monitor *const takes[] = { all, mem, seat, both }, *const passes[] = { drm, type, tag };
	char text[256];

	(void)in;
	say(out, "listens\n");
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		describe(takes[i], text, sizeof(text));
		say(out, text);
		say(out, "\n");
	}
	/* Whoever got it got it at the same time. */
	for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
		say(out, has_come(passes[i], 0) ? "came\n" : "did not come\n");
}

/* Told, to the end of it. */
static int tell(const struct uevent *event, int pidfd, struct hl_error *err)
{
	struct pollfd pfd = { .fd = uevent_start(event, pidfd, err), .events = POLLIN };

	if (pfd.fd < 0)
		return pfd.fd;
	assert_int_equal(poll(&pfd, 1, LONG_MS), 1);
	return uevent_end(pfd.fd, err);
}

static void test_read_by_libudev(void **state)
{
	struct other reader = start(CLONE_NEWNET, read_all);
	struct uevent event = make_event();
	struct hl_error err;

	(void)state;
	assert_string_equal(line_of(&reader), "listens");
	if (tell(&event, reader.pidfd, &err))
		fail_msg("%s", err.message);
	for (int i = 0; i < 4; i++)
		assert_string_equal(line_of(&reader), whole);
	for (int i = 0; i < 3; i++)
		assert_string_equal(line_of(&reader), "did not come");
	end(&reader);
}

static void read_one(int out, int in)
{
	struct udev_monitor *mem;
	char text[256];

	await(in);	/* until it is somebody */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(1);
	mem = listen_to("mem", NULL, NULL);
	say(out, "listens\n");
	describe(mem, text, sizeof(text));
	say(out, text);
}

/* Where our root is nobody, whom libudev would not believe. */
static void test_user_namespace(void **state)
{
	struct other reader = start(CLONE_NEWUSER | CLONE_NEWNET, read_one);
	struct uevent event = make_event();
	struct hl_error err;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", reader.pid);
	put(path, "0 " HOST_ID " 65536");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", reader.pid);
	put(path, "0 " HOST_ID " 65536");
	say(reader.heard, "x");
	assert_string_equal(line_of(&reader), "listens");
	if (tell(&event, reader.pidfd, &err))
		fail_msg("%s", err.message);
	assert_string_equal(line_of(&reader), whole);
	end(&reader);
}

static void test_nobody_listens(void **state)
{
	struct other other = start(CLONE_NEWNET, read_one);
	struct uevent event = make_event();
	struct hl_error err;

	(void)state;
	if (tell(&event, other.pidfd, &err))
		fail_msg("%s", err.message);
	end(&other);
}

static void test_gone(void **state)
{
	struct other other = start(0, read_one);
	struct uevent event = make_event();
	struct hl_error err;

	(void)state;
	kill(other.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, other.pid, &(siginfo_t) { 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(tell(&event, other.pidfd, &err), -ESRCH);
	end(&other);
}

/* As one that root of its namespace has stopped. */
static void test_does_not_end(void **state)
{
	struct other other = start(0, read_one);
	struct hl_error err;

	(void)state;
	kill(other.pid, SIGSTOP);
	assert_int_equal(uevent_end(dup(other.pidfd), &err), -ETIMEDOUT);
	close(other.pidfd);
	close(other.said);
	close(other.heard);
}

static void set_kill(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1U << CAP_KILL);
	data[0].effective |= on ? 1U << CAP_KILL : 0;
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void become_user(int out, int in)
{
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		_exit(1);
	say(out, "user\n");
	await(in);
}

/* As one that a user has stopped, and whoever has not the right to kill it does not wait for it. */
static void test_cannot_be_ended(void **state)
{
	struct other other = start(0, become_user);
	struct hl_error err;

	(void)state;
	assert_string_equal(line_of(&other), "user");
	kill(other.pid, SIGSTOP);
	set_kill(false);
	assert_int_equal(uevent_end(dup(other.pidfd), &err), -EPERM);
	set_kill(true);
	end(&other);
}

/* More properties than a message has room for. */
static void test_too_long(void **state)
{
	static char value[UEVENT_MAX];
	struct uevent event;
	struct hl_error err;
	sd_device *device;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_true(sd_device_new_from_devnum(&device, 'c', makedev(1, 3)) >= 0);
	assert_int_equal(uevent_change(device, NODE, (const char *const[]) { value, NULL }, &event,
				       &err), -E2BIG);
	sd_device_unref(device);
}

/* ---- who is to be told ---- */

static pid_t found[8];
static size_t nr_found;

static int take(int pidfd, void *data, struct hl_error *err)
{
	(void)err;
	assert_true(nr_found < ARRAY_SIZE(found));
	found[nr_found++] = peer_of_pidfd(pidfd);
	return *(int *)data;
}

static pid_t spawn(int flags, int out, int in)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (unshare(flags) < 0)
		_exit(1);
	say(out, "up\n");
	await(in);
	_exit(0);
}

/*
 * Two containers, the first with another network inside and a second process, the second
 * with another process beside it; and a plain child.
 */
static void family(int out, int in)
{
	int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid_t first = fork();
	char line[32];

	if (!first) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		spawn(CLONE_NEWNET, out, in);
		spawn(0, out, in);
		say(out, "up\n");
		await(in);
		_exit(0);
	}
	spawn(0, out, in);
	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
	snprintf(line, sizeof(line), "%d %d\n", first, spawn(0, out, in));
	spawn(0, out, in);
	if (setns(ours, CLONE_NEWNET) < 0)
		_exit(1);
	say(out, line);
	await(in);
}

static void test_namespaces(void **state)
{
	struct other other = start(0, family);
	pid_t first = 0, second = 0;
	struct hl_error err;
	int stop = 0;

	(void)state;
	for (int up = 0; up < 6 || !first;) {
		const char *line = line_of(&other);

		if (!strcmp(line, "up"))
			up++;
		else if (sscanf(line, "%d %d", &first, &second) != 2)
			fail_msg("\"%s\"", line);
	}
	nr_found = 0;
	assert_int_equal(hotplug_namespaces(other.pid, take, &stop, &err), 0);
	assert_int_equal(nr_found, 2);
	assert_true((found[0] == first && found[1] == second) ||
		    (found[0] == second && found[1] == first));

	/* The container's first process is the owner itself. */
	nr_found = 0;
	assert_int_equal(hotplug_namespaces(first, take, &stop, &err), 0);
	assert_int_equal(nr_found, 1);
	assert_int_equal(found[0], first);

	stop = -EPERM;
	nr_found = 0;
	assert_int_equal(hotplug_namespaces(other.pid, take, &stop, &err), -EPERM);
	assert_int_equal(nr_found, 1);
	end(&other);
}

static void *idle(void *data)
{
	(void)data;
	pause();
	return NULL;
}

static int last_out, last_in;

static void *spawn_last(void *data)
{
	(void)data;
	spawn(CLONE_NEWNET, last_out, last_in);
	pause();
	return NULL;
}

/* A container that the first thread has started, and one that the last of very many has. */
static void crowd(int out, int in)
{
	pthread_attr_t attr;
	pthread_t thread;
	char line[32];

	snprintf(line, sizeof(line), "%d\n", spawn(CLONE_NEWNET, out, in));
	last_out = out;
	last_in = in;
	if (pthread_attr_init(&attr) || pthread_attr_setstacksize(&attr, 1 << 16))
		_exit(1);
	for (int i = 0; i < 1100; i++)
		if (pthread_create(&thread, &attr, i < 1099 ? idle : spawn_last, NULL))
			_exit(1);
	say(out, line);
	await(in);
}

static void test_very_many_threads(void **state)
{
	struct other other = start(0, crowd);
	struct hl_error err;
	int stop = 0, pid = 0;

	(void)state;
	for (int up = 0; up < 2 || !pid;) {
		const char *line = line_of(&other);

		if (!strcmp(line, "up"))
			up++;
		else if (sscanf(line, "%d", &pid) != 1)
			fail_msg("\"%s\"", line);
	}
	nr_found = 0;
	assert_int_equal(hotplug_namespaces(other.pid, take, &stop, &err), 0);
	assert_int_equal(nr_found, 1);
	assert_int_equal(found[0], pid);
	end(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_tells),
		cmocka_unit_test(test_heard),
		cmocka_unit_test(test_read_by_libudev),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_does_not_end),
		cmocka_unit_test(test_cannot_be_ended),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_very_many_threads),
	};

	return cmocka_run_group_tests_name("hotplug", tests, setup, NULL);
}
