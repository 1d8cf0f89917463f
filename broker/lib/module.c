// SPDX-License-Identifier: MIT
/* The real module: owns one open file of the control node, nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "module.h"

struct real_module {
	struct module base;
	int fd;
};

static int real_ioctl(struct module *mod, unsigned long cmd, void *arg)
{
	struct real_module *real = (struct real_module *)mod;

	return ioctl(real->fd, cmd, arg) < 0 ? -errno : 0;
}

static int real_info(struct module *mod, struct helix_lease_info *arg)
{
	return real_ioctl(mod, HELIX_LEASE_INFO, arg);
}

static int real_bind(struct module *mod, struct helix_lease_bind *arg)
{
	return real_ioctl(mod, HELIX_LEASE_BIND, arg);
}

static int real_acquire(struct module *mod, struct helix_lease_acquire *arg)
{
	return real_ioctl(mod, HELIX_LEASE_ACQUIRE, arg);
}

static int real_revoke(struct module *mod, struct helix_lease_revoke *arg)
{
	return real_ioctl(mod, HELIX_LEASE_REVOKE, arg);
}

static int real_query(struct module *mod, struct helix_lease_query *arg)
{
	return real_ioctl(mod, HELIX_LEASE_QUERY, arg);
}

static int real_unbind(struct module *mod, struct helix_lease_unbind *arg)
{
	return real_ioctl(mod, HELIX_LEASE_UNBIND, arg);
}

static int real_resize(struct module *mod, struct helix_lease_resize *arg)
{
	return real_ioctl(mod, HELIX_LEASE_RESIZE, arg);
}

static int real_list(struct module *mod, struct helix_lease_list *arg)
{
	return real_ioctl(mod, HELIX_LEASE_LIST, arg);
}

static int real_policy(struct module *mod, struct helix_lease_policy *arg)
{
	return real_ioctl(mod, HELIX_LEASE_SET_POLICY, arg);
}

static void real_close(struct module *mod)
{
	struct real_module *real = (struct real_module *)mod;

	close(real->fd);
	free(real);
}

static const struct module_ops real_ops = {
	.info = real_info,
	.bind = real_bind,
	.unbind = real_unbind,
	.acquire = real_acquire,
	.revoke = real_revoke,
	.query = real_query,
	.resize = real_resize,
	.list = real_list,
	.policy = real_policy,
	.close = real_close,
};

int hl_module_open(const char *path, struct module **mod, struct hl_error *err)
{
	struct real_module *real = calloc(1, sizeof(*real));
	int code;

	if (!real)
		return hl_error_set(err, ENOMEM, "out of memory");
	real->base.ops = &real_ops;
	real->fd = open(path, O_RDWR | O_CLOEXEC);
	if (real->fd < 0) {
		code = errno;
		free(real);
		return hl_error_set(err, code, "cannot open the module's control node %s: %s%s",
				    path, strerror(code),
				    code == ENOENT || code == ENXIO ?
				    " (is helix_lease.ko loaded?)" : "");
	}
	*mod = &real->base;
	return 0;
}

void hl_module_close(struct module *mod)
{
	if (mod)
		mod->ops->close(mod);
}
