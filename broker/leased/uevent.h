/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel tells of devices, and what udev tells programs of them, for those whom it
 * does not reach: its messages stay in the network namespace that it runs in. Their format
 * is the one between udevd and libudev of the same system (systemd's device-monitor.c).
 */
#ifndef HELIX_UEVENT_H
#define HELIX_UEVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-device.h>

#include "helix-lease-client.h"

#define UEVENT_MAX	8192	/* bytes; what readers have room for */

/* A change of a GPU's card, as the kernel tells it. */
struct uevent_plug {
	bool hotplug;		/* it is one, and the connectors are to be looked at */
	dev_t card;
	uint32_t connector;	/* DRM object; 0: any of them */
};

/* A socket for what the kernel tells from now on, or -errno. Does not wait. */
int uevent_open(struct hl_error *err);

/* 0, also for what is no hotplug; -EAGAIN: no more; -ENOBUFS: some of it is lost. */
int uevent_next(int fd, struct uevent_plug *plug, struct hl_error *err);

/* Of a message of @len bytes. What is none of the kernel's is no hotplug. */
void uevent_parse(const char *bytes, size_t len, struct uevent_plug *plug);

struct uevent {
	size_t len;
	char bytes[UEVENT_MAX];
};

/*
 * "change" of @device, with all that udev knows of it. @node: the device number by which
 * readers have it, which need not be its own. @extra: more properties, "NAME=value", up to
 * a NULL. 0, -E2BIG, or what could not be read.
 */
int uevent_change(sd_device *device, dev_t node, const char *const *extra, struct uevent *out,
		  struct hl_error *err);

/*
 * To all who listen to udev in the network namespace of the process @pidfd, as root of
 * its user namespace, whom alone they believe. By a child: the caller's namespaces stay as
 * they are. Needs CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_NET_ADMIN, and CAP_KILL to end it.
 *
 * The child's pidfd, for uevent_end(), or -errno. Does not wait. Nothing that the child does
 * waits either, but root of that user namespace may stop it.
 */
int uevent_start(const struct uevent *event, int pidfd, struct hl_error *err);

/*
 * Of a child that has ended, as its pidfd says by being readable: what became of it, which
 * is 0 also where nobody listens. One that has not is killed: -ETIMEDOUT; -EPERM: it cannot be,
 * and is not waited for.
 */
int uevent_end(int child, struct hl_error *err);

#endif
