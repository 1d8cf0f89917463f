/* SPDX-License-Identifier: MIT */
/*
 * The kernel module as seen from userspace: its calls behind a table, so that
 * tests can put a stand-in where /dev/helix/lease would be.
 *
 * The raw operations take the structures of linux/helix_lease.h and return 0 or
 * a negative errno. hl_module_*() below fill those structures and put a failure
 * into words; they may be called from several threads at once.
 */
#ifndef HL_MODULE_H
#define HL_MODULE_H

#include <stdbool.h>
#include <sys/types.h>

#include <linux/helix_lease.h>

#include "helix-lease-client.h"

struct module;

struct module_ops {
	int (*info)(struct module *mod, struct helix_lease_info *arg);
	int (*bind)(struct module *mod, struct helix_lease_bind *arg);
	int (*unbind)(struct module *mod, struct helix_lease_unbind *arg);
	int (*acquire)(struct module *mod, struct helix_lease_acquire *arg);
	int (*revoke)(struct module *mod, struct helix_lease_revoke *arg);
	int (*query)(struct module *mod, struct helix_lease_query *arg);
	int (*resize)(struct module *mod, struct helix_lease_resize *arg);
	int (*list)(struct module *mod, struct helix_lease_list *arg);
	int (*policy)(struct module *mod, struct helix_lease_policy *arg);
	void (*close)(struct module *mod);
};

struct module {
	const struct module_ops *ops;
};

/* The real one. To be given to hl_module_close(). */
int hl_module_open(const char *path, struct module **mod, struct hl_error *err);
void hl_module_close(struct module *mod);

int hl_module_info(struct module *mod, struct hl_info *info, struct hl_error *err);

/* @drm_fd is the DRM master; it may be closed afterwards. */
int hl_module_bind(struct module *mod, int drm_fd, struct hl_error *err);

/* @owner: on whose behalf, 0 for the caller. A signal ends the wait with -EINTR. */
int hl_module_acquire(struct module *mod, const struct hl_acquire_args *args, pid_t owner,
		      struct hl_lease *lease, struct hl_error *err);
int hl_module_revoke(struct module *mod, uint32_t scanout, uint64_t generation,
		     uint32_t timeout_ms, struct hl_error *err);
int hl_module_query(struct module *mod, uint32_t scanout, struct hl_scanout *out,
		    struct hl_error *err);

/*
 * At most @room scanouts from number *@first on. *@first: where to go on, 0
 * after the last one.
 */
int hl_module_list(struct module *mod, uint32_t *first, struct hl_scanout *out, size_t room,
		   size_t *n, struct hl_error *err);
int hl_module_resize(struct module *mod, const struct hl_resize_args *args, struct hl_error *err);

/* On a handle, which knows its own lease: what @args says of it only words the error. */
int hl_handle_resize(int handle_fd, const struct hl_resize_args *args, struct hl_error *err);
int hl_handle_keep(int handle_fd, struct hl_error *err);
int hl_module_policy(struct module *mod, struct hl_policy *policy, struct hl_error *err);
int hl_module_unbind(struct module *mod, bool force, uint32_t timeout_ms, struct hl_error *err);

#endif
