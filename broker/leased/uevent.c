// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "uevent.h"

#define UDEV_MAGIC	0xfeedcafe
#define KERNEL_GROUP	1
#define UDEV_GROUP	2
#define SEQNUM_FILE	"/sys/kernel/uevent_seqnum"

/* The hashes are for filters in the kernel, and like the magic in network order. */
struct header {
	char prefix[8];
	uint32_t magic;
	uint32_t header_size;
	uint32_t properties_off;
	uint32_t properties_len;
	uint32_t subsystem_hash;
	uint32_t devtype_hash;
	uint32_t tag_bloom_hi;
	uint32_t tag_bloom_lo;
};

/* ---- from the kernel ---- */

int uevent_open(struct hl_error *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&kernel, sizeof(kernel)))
		return fd;
	hl_error_set(err, errno, "cannot listen to the kernel: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -err->code;
}

/* What comes after "@name=" of a property, or NULL. */
static const char *value_of(const char *property, const char *name)
{
	size_t len = strlen(name);

	return strncmp(property, name, len) || property[len] != '=' ? NULL : property + len + 1;
}

static uint32_t number_of(const char *text)
{
	unsigned long number = strtoul(text, NULL, 10);

	return number > UINT32_MAX ? 0 : number;
}

void uevent_parse(const char *bytes, size_t len, struct uevent_plug *plug)
{
	bool change = false, drm = false, hotplug = false;
	uint32_t major = 0, minor = 0;
	const char *value;

	*plug = (struct uevent_plug) { 0 };
	/* Each ends with a zero, the first is no property. */
	if (!len || bytes[len - 1])
		return;
	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1) {
		const char *property = bytes + at;

		if ((value = value_of(property, "ACTION")))
			change = !strcmp(value, "change");
		else if ((value = value_of(property, "SUBSYSTEM")))
			drm = !strcmp(value, "drm");
		else if ((value = value_of(property, "HOTPLUG")))
			hotplug = !strcmp(value, "1");
		else if ((value = value_of(property, "CONNECTOR")))
			plug->connector = number_of(value);
		else if ((value = value_of(property, "MAJOR")))
			major = number_of(value);
		else if ((value = value_of(property, "MINOR")))
			minor = number_of(value);
	}
	plug->card = makedev(major, minor);
	plug->hotplug = change && drm && hotplug;
}

int uevent_next(int fd, struct uevent_plug *plug, struct hl_error *err)
{
	struct sockaddr_nl from = { 0 };
	socklen_t size = sizeof(from);
	char bytes[UEVENT_MAX];
	ssize_t len;

	*plug = (struct uevent_plug) { 0 };
	len = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	if (len < 0 && errno == EINTR)
		return 0;
	if (len < 0)
		return hl_error_set(err, errno, "cannot read what the kernel tells: %s",
				    strerror(errno));
	/* A process with the right to may send to the group as well. */
	if (!from.nl_pid)
		uevent_parse(bytes, len, plug);
	return 0;
}

/* ---- filters ---- */

/* MurmurHash2 with seed 0, by Austin Appleby, who put it into the public domain. */
static uint32_t hash_of(const char *text)
{
	const uint32_t m = 0x5bd1e995;
	size_t len = strlen(text);
	uint32_t h = len;

	for (; len >= 4; text += 4, len -= 4) {
		uint32_t k;

		memcpy(&k, text, sizeof(k));
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	for (size_t i = len; i > 0; i--)
		h ^= (uint32_t)(unsigned char)text[i - 1] << 8 * (i - 1);
	if (len)
		h *= m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

static uint64_t bloom_of(const char *tag)
{
	uint32_t hash = hash_of(tag);
	uint64_t bits = 0;

	for (int i = 0; i < 4; i++)
		bits |= UINT64_C(1) << (hash >> 6 * i & 63);
	return bits;
}

/* ---- the message ---- */

__attribute__((format(printf, 2, 3)))
static bool put(struct uevent *event, const char *fmt, ...)
{
	size_t room = sizeof(event->bytes) - event->len;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(event->bytes + event->len, room, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room)
		return false;
	event->len += len + 1;
	return true;
}

static uint64_t last_seqnum(void)
{
	FILE *file = fopen(SEQNUM_FILE, "re");
	uint64_t number = 0;

	if (file && fscanf(file, "%" SCNu64, &number) != 1)
		number = 0;
	if (file)
		fclose(file);
	/* A message without a number is none to readers. */
	return number ? number : 1;
}

static bool is_said(const char *name, const char *const *extra)
{
	static const char *const ours[] = {
		"ACTION", "DEVPATH", "SUBSYSTEM", "MAJOR", "MINOR", "SEQNUM", "UDEV_DATABASE_VERSION",
	};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(ours[i], name))
			return true;
	for (; *extra; extra++)
		if (!strncmp(*extra, name, len) && (*extra)[len] == '=')
			return true;
	return false;
}

static bool put_properties(struct uevent *event, sd_device *device, const char *const *extra)
{
	const char *name, *value;
	bool fits = true;

	for (const char *const *one = extra; *one && fits; one++)
		fits = put(event, "%s", *one);
	for (name = sd_device_get_property_first(device, &value); name && fits;
	     name = sd_device_get_property_next(device, &value))
		fits = is_said(name, extra) || put(event, "%s=%s", name, value);
	return fits;
}

int uevent_change(sd_device *device, dev_t node, const char *const *extra, struct uevent *out,
		  struct hl_error *err)
{
	const char *path, *subsystem, *type, *tag;
	struct header header = {
		.prefix = "libudev",
		.magic = htobe32(UDEV_MAGIC),
		.header_size = sizeof(header),
		.properties_off = sizeof(header),
	};
	uint64_t bloom = 0;
	int ret = sd_device_get_devpath(device, &path);

	if (ret >= 0)
		ret = sd_device_get_subsystem(device, &subsystem);
	if (ret < 0)
		return hl_error_set(err, -ret, "cannot read what a device is: %s", strerror(-ret));
	header.subsystem_hash = htobe32(hash_of(subsystem));
	if (sd_device_get_devtype(device, &type) >= 0)
		header.devtype_hash = htobe32(hash_of(type));
	for (tag = sd_device_get_tag_first(device); tag; tag = sd_device_get_tag_next(device))
		bloom |= bloom_of(tag);
	header.tag_bloom_hi = htobe32(bloom >> 32);
	header.tag_bloom_lo = htobe32((uint32_t)bloom);

	out->len = sizeof(header);
	if (!put(out, "ACTION=change") || !put(out, "DEVPATH=%s", path) ||
	    !put(out, "SUBSYSTEM=%s", subsystem) || !put(out, "MAJOR=%u", major(node)) ||
	    !put(out, "MINOR=%u", minor(node)) || !put(out, "SEQNUM=%" PRIu64, last_seqnum()) ||
	    !put(out, "UDEV_DATABASE_VERSION=1") || !put_properties(out, device, extra))
		return hl_error_set(err, E2BIG, "udev knows more of %s than fits a message", path);
	header.properties_len = out->len - sizeof(header);
	memcpy(out->bytes, &header, sizeof(header));
	return 0;
}

/* ---- its way ---- */

/* In the child: nothing that takes a lock which another thread may have had. */
static int join(int pidfd)
{
	/* We have its root's rights in there, and he ours over us: but not into our memory. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return errno;
	/* Refused where it has none of its own, which is then ours. */
	if (!setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET))
		return setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? errno : 0;
	if (errno != EINVAL)
		return errno;
	return setns(pidfd, CLONE_NEWNET) < 0 ? errno : 0;
}

static int send_here(const struct uevent *event)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return errno;
	/* Refused by the kernel itself, which is asked as well and takes none of it. */
	if (sendto(fd, event->bytes, event->len, MSG_DONTWAIT, (struct sockaddr *)&all,
		   sizeof(all)) < 0 && errno != ECONNREFUSED)
		return errno;
	return 0;
}

int uevent_start(const struct uevent *event, int pidfd, struct hl_error *err)
{
	pid_t child = fork();
	int fd, code;

	if (!child) {
		code = join(pidfd);
		_exit(code ? code : send_here(event));
	}
	fd = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
	code = errno;
	if (fd >= 0)
		return fd;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return hl_error_set(err, code, "cannot tell what udev would: %s", strerror(code));
}

int uevent_end(int child, struct hl_error *err)
{
	siginfo_t info = { 0 };
	int code, options = WEXITED;

	/* Of no effect on one that has ended. */
	if (syscall(SYS_pidfd_send_signal, child, SIGKILL, NULL, 0) < 0)
		options |= WNOHANG;
	do
		code = waitid(P_PIDFD, child, &info, options) < 0 ? errno : 0;
	while (code == EINTR);
	if (!code && !info.si_pid)
		code = EPERM;
	else if (!code)
		code = info.si_code == CLD_EXITED ? info.si_status : ETIMEDOUT;
	close(child);
	if (!code)
		return 0;
	return hl_error_set(err, code, "cannot tell what udev would: %s", strerror(code));
}
