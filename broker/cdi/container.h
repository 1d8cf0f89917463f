/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A container that a runtime is about to start, from the outside: what an OCI hook of
 * the stage createRuntime is told of it on stdin, and its file system, whose mounts are
 * all there, and to which its first process has not gone over yet.
 */
#ifndef CDI_CONTAINER_H
#define CDI_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "devices.h"
#include "spec.h"

#define CDI_ID_LEN	128

struct cdi_container {
	pid_t pid;		/* of its first process, as we see it */
	char id[CDI_ID_LEN];
	json_object *config;	/* its bundle's config.json */
	char *rootfs;		/* path in its mount namespace */
};

/* Reads the state from @fd, for at most @timeout_ms, and the bundle it names. */
int cdi_container_read(int fd, int timeout_ms, struct cdi_container *c, struct hl_error *err);
void cdi_container_free(struct cdi_container *c);

/*
 * -EOPNOTSUPP: it is in a user namespace. A runtime makes no nodes there, but shows the
 * host's of the same name: as card0 the card itself.
 */
int cdi_container_check(const struct cdi_container *c, struct hl_error *err);

/* Of config.json, or NULL. */
const char *cdi_container_annotation(const struct cdi_container *c, const char *name);

/*
 * Leaves in the container's /dev of all that belongs to scanouts (@all) what is @own's, under
 * the names a compositor looks for, and gives it udev's records of that. Its control group
 * is told to refuse the rest. The calling thread
 * is in the container's mount namespace afterwards, and must be the process's only one.
 */
int cdi_container_place(const struct cdi_container *c, const struct cdi_devices *all,
			const struct cdi_scanout *own, const struct cdi_options *options,
			struct hl_error *err);

#endif
