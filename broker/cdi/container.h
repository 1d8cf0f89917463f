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
	json_object *annotations;	/* NULL: none */
	char *rootfs;		/* path in its mount namespace */
	bool rootless;		/* so is its runtime, and we */
	bool outside;		/* and we are in no user namespace: we are its user */
	bool userns;		/* it is in a user namespace, its own or that of its runtime */
	uid_t uid;		/* of its root, as we know him from in there */
	gid_t gid;		/* likewise */
};

/* Reads the state from @fd, for at most @timeout_ms, and the bundle it names. */
int cdi_container_read(int fd, int timeout_ms, struct cdi_container *c, struct hl_error *err);
void cdi_container_free(struct cdi_container *c);

/* Who its root is, and in @options who its groups are. -EOPNOTSUPP: it has none. */
int cdi_container_users(struct cdi_container *c, struct cdi_options *options,
			struct hl_error *err);

/* NULL: it has none of that name. */
const char *cdi_container_annotation(const struct cdi_container *c, const char *name);

/*
 * Gives the container the node of @own under the names a compositor looks for. With @pool
 * its runtime has given it all that belongs to scanouts (@all): what is not @own's is taken
 * from its /dev, its control group is told to refuse it, and it gets udev's records of what
 * is. The calling thread is in the container's mount namespace afterwards, a user's that
 * was outside in its user namespace as well, and must be the process's only one.
 */
int cdi_container_place(const struct cdi_container *c, const struct cdi_devices *all,
			const struct cdi_scanout *own, bool pool,
			const struct cdi_options *options, struct hl_error *err);

#endif
