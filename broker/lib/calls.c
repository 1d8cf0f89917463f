// SPDX-License-Identifier: MIT
/*
 * From arguments to ioctl structures and back, and from an errno to a sentence.
 * Both the broker and a root tool without a broker come through here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "codec.h"
#include "error.h"
#include "module.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

int hl_module_info(struct module *mod, struct hl_info *info, struct hl_error *err)
{
	struct helix_lease_info arg = { .size = sizeof(arg) };
	int ret = mod->ops->info(mod, &arg);

	if (ret)
		return hl_error_set(err, -ret, "info: the module says %s", strerror(-ret));
	*info = (struct hl_info) {
		.abi_version = arg.abi_version,
		.nr_gpus = arg.nr_gpus,
		.nr_scanouts = arg.nr_scanouts,
		.host_state = arg.host_state,
	};
	return 0;
}

int hl_module_bind(struct module *mod, int drm_fd, struct hl_error *err)
{
	struct helix_lease_bind arg = { .size = sizeof(arg), .drm_fd = drm_fd };
	int ret = mod->ops->bind(mod, &arg);
	const char *why;

	switch (-ret) {
	case 0:
		return 0;
	case EACCES:
		why = "another process is DRM master of it";
		break;
	case EEXIST:
		why = "it is bound already";
		break;
	case EINVAL:
		why = "it is not the primary node of a virtio-gpu";
		break;
	case ENOSPC:
		why = "it has no output besides the console's (max_outputs=1?)";
		break;
	default:
		why = strerror(-ret);
	}
	return hl_error_set(err, -ret, "bind: %s", why);
}

/* What the error means for this request, rather than what errno says of it. */
static int acquire_failed(const struct hl_acquire_args *args, int code, struct hl_error *err)
{
	switch (code) {
	case ENOSPC:
		return hl_error_set(err, code, "acquire: every scanout is taken");
	case EBUSY:
		return hl_error_set(err, code, "acquire: scanout %u is taken", args->scanout);
	case EINVAL:
		return hl_error_set(err, code, "acquire: there is no scanout %u", args->scanout);
	case ENODEV:
		return hl_error_set(err, code, "acquire: no GPU is bound to the module");
	case EHOSTDOWN:
		return hl_error_set(err, code, "acquire: the host daemon is not connected");
	case EHOSTUNREACH:
		return hl_error_set(err, code, "acquire: the host refused %ux%u",
				    args->width, args->height);
	case ETIMEDOUT:
		return hl_error_set(err, code, "acquire: no scanout was free, or its output not up, in time");
	case ESRCH:
		return hl_error_set(err, code, args->flags & HL_ACQUIRE_PIDFD ?
				    "acquire: the process that the lease is to end with is gone" :
				    "acquire: the process that asked is gone");
	case EBADF:
		return hl_error_set(err, code, "acquire: pidfd is not a descriptor of a process");
	case EDQUOT:
		return hl_error_set(err, code, "acquire: the owner has as many scanouts as it may");
	case EPERM:
		return hl_error_set(err, code, "acquire: the module does not allow it");
	case ENOENT:
		return hl_error_set(err, code,
				    "acquire: the owner has no control group (of version 2) of its own");
	case ECANCELED:
		return hl_error_set(err, code, "acquire: an administrator revoked it meanwhile");
	case E2BIG:
	case EOPNOTSUPP:
		return hl_error_set(err, EOPNOTSUPP, "acquire: the module is too old for what is asked");
	default:
		return hl_error_set(err, code, "acquire: the module says %s", strerror(code));
	}
}

int hl_module_acquire(struct module *mod, const struct hl_acquire_args *args, pid_t owner,
		      struct hl_lease *lease, struct hl_error *err)
{
	struct helix_lease_acquire arg = { .size = sizeof(arg), .handle_fd = -1, .lease_fd = -1 };
	int ret = hl_acquire_check(args, err);

	if (ret)
		return ret;
	arg.scanout = args->scanout;
	arg.width = args->width;
	arg.height = args->height;
	arg.refresh_mhz = args->refresh_mhz;
	arg.timeout_ms = args->timeout_ms;
	arg.owner_pid = owner;
	arg.priority = args->priority;
	if (args->label)
		memcpy(arg.label, args->label, strlen(args->label));
	if (args->flags & HL_ACQUIRE_END_ON_CLOSE)
		arg.flags |= HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
	if (args->flags & HL_ACQUIRE_CGROUP)
		arg.flags |= HELIX_LEASE_ACQUIRE_CGROUP;
	if (args->flags & HL_ACQUIRE_PIDFD) {
		arg.flags |= HELIX_LEASE_ACQUIRE_PIDFD;
		arg.pidfd = args->pidfd;
	}

	ret = mod->ops->acquire(mod, &arg);
	if (ret)
		return acquire_failed(args, -ret, err);

	*lease = (struct hl_lease) {
		.scanout = arg.scanout,
		.generation = arg.generation,
		.width = arg.width,
		.height = arg.height,
		.refresh_mhz = arg.refresh_mhz ? arg.refresh_mhz : HL_REFRESH_DEFAULT_MHZ,
		.connector_id = arg.connector_id,
		.crtc_id = arg.crtc_id,
		.primary_plane_id = arg.primary_plane_id,
		.cursor_plane_id = arg.cursor_plane_id,
		.handle_fd = arg.handle_fd,
		.lease_fd = arg.lease_fd,
	};
	hl_node_name(lease->scanout, lease->node);
	return 0;
}

int hl_module_revoke(struct module *mod, uint32_t scanout, uint64_t generation,
		     uint32_t timeout_ms, struct hl_error *err)
{
	struct helix_lease_revoke arg = {
		.size = sizeof(arg),
		.scanout = scanout,
		.timeout_ms = timeout_ms,
		.generation = generation,
	};
	int ret = mod->ops->revoke(mod, &arg);

	switch (-ret) {
	case 0:
		return 0;
	case EINVAL:
		return hl_error_set(err, EINVAL, "revoke: there is no scanout %u", scanout);
	case ESTALE:
		return hl_error_set(err, ESTALE,
				    "revoke: generation %" PRIu64 " of scanout %u is not the present lease",
				    generation, scanout);
	case ETIMEDOUT:
		return hl_error_set(err, ETIMEDOUT,
				    "revoke: scanout %u is revoked, but was not blank in time", scanout);
	default:
		return hl_error_set(err, -ret, "revoke: scanout %u: the module says %s", scanout,
				    strerror(-ret));
	}
}

static void scanout_from_query(const struct helix_lease_query *arg, struct hl_scanout *out)
{
	*out = (struct hl_scanout) {
		.scanout = arg->scanout,
		.state = arg->state,
		.generation = arg->generation,
		.width = arg->width,
		.height = arg->height,
		.refresh_mhz = arg->refresh_mhz,
		.wait_for = arg->wait_for,
		.wait_ms = arg->wait_ms,
		.opens = arg->opens,
		.owner_pid = arg->owner_pid,
		.owner_uid = arg->owner_uid,
		.owner_cgroup = arg->owner_cgroup,
		.state_ms = arg->state_ms,
		.grants = arg->grants,
		.denials = arg->denials,
		.connector_id = arg->connector_id,
		.crtc_id = arg->crtc_id,
		.primary_plane_id = arg->primary_plane_id,
		.cursor_plane_id = arg->cursor_plane_id,
		.gpu = arg->gpu,
		.output = arg->output,
		.dev_major = arg->dev_major,
		.dev_minor = arg->dev_minor,
		.priority = arg->priority,
		.stalled_ms = arg->stalled_ms,
		.stalls = arg->stalls,
		.quarantines = arg->quarantines,
		.lease_ms = arg->lease_ms,
		.cgroup_alone = !!(arg->acquire_flags & HELIX_LEASE_ACQUIRE_CGROUP),
	};
	memcpy(out->label, arg->label, sizeof(arg->label));
	hl_label_clean(out->label);
	memcpy(out->wait_name, arg->wait_name, sizeof(arg->wait_name));
	hl_label_clean(out->wait_name);
	hl_node_name(out->scanout, out->node);
}

int hl_module_query(struct module *mod, uint32_t scanout, struct hl_scanout *out,
		    struct hl_error *err)
{
	struct helix_lease_query arg = { .size = sizeof(arg), .scanout = scanout };
	int ret = mod->ops->query(mod, &arg);

	if (ret == -EINVAL || (!ret && !scanout))
		return hl_error_set(err, EINVAL, "query: there is no scanout %u", scanout);
	if (ret)
		return hl_error_set(err, -ret, "query: scanout %u: the module says %s", scanout,
				    strerror(-ret));
	arg.scanout = scanout;
	scanout_from_query(&arg, out);
	return 0;
}

/* For a module that was loaded before LIST existed: it cannot be replaced while a GPU is bound. */
static int list_by_query(struct module *mod, uint32_t *first, struct hl_scanout *out, size_t room,
			 size_t *n, struct hl_error *err)
{
	uint32_t number = *first ? *first : 1;
	struct hl_info info;
	int ret = hl_module_info(mod, &info, err);

	*n = 0;
	for (; !ret && number <= info.nr_scanouts && *n < room; number++)
		ret = hl_module_query(mod, number, &out[(*n)++], err);
	if (!ret)
		*first = number <= info.nr_scanouts ? number : 0;
	return ret;
}

int hl_module_list(struct module *mod, uint32_t *first, struct hl_scanout *out, size_t room,
		   size_t *n, struct hl_error *err)
{
	struct helix_lease_query entries[16];
	struct helix_lease_list arg = {
		.size = sizeof(arg),
		.first = *first,
		.nr = room < ARRAY_SIZE(entries) ? room : ARRAY_SIZE(entries),
		.entry_size = sizeof(entries[0]),
		.entries = (uintptr_t)entries,
	};
	uint32_t asked = arg.nr;
	int ret;

	memset(entries, 0, sizeof(entries));
	ret = mod->ops->list(mod, &arg);
	if (ret == -ENOTTY)
		return list_by_query(mod, first, out, room, n, err);
	if (ret)
		return hl_error_set(err, -ret, "list: the module says %s", strerror(-ret));
	/* Whoever asks goes on until 0: an answer that leads nowhere would keep him for ever. */
	if (arg.nr > asked || (arg.first && (!arg.nr || arg.first <= *first)))
		return hl_error_set(err, EPROTO, "list: the module's answer makes no sense");
	for (uint32_t i = 0; i < arg.nr; i++)
		scanout_from_query(&entries[i], &out[i]);
	*n = arg.nr;
	*first = arg.first;
	return 0;
}

static int resize_failed(const struct hl_resize_args *args, int code, struct hl_error *err)
{
	switch (code) {
	case EINVAL:
		return hl_error_set(err, code, "resize: there is no scanout %u", args->scanout);
	case ESTALE:
		return hl_error_set(err, code,
				    "resize: generation %" PRIu64 " of scanout %u is not the present lease",
				    args->generation, args->scanout);
	case ECANCELED:
		return hl_error_set(err, code, "resize: the lease of scanout %u ended meanwhile",
				    args->scanout);
	case EOPNOTSUPP:
		return hl_error_set(err, code, "resize: there is no host that decides the size");
	case EHOSTDOWN:
		return hl_error_set(err, code, "resize: the host daemon is not connected");
	case EHOSTUNREACH:
		return hl_error_set(err, code, "resize: the host refused %ux%u", args->width,
				    args->height);
	case ETIMEDOUT:
		return hl_error_set(err, code, "resize: the new mode was not seen in time");
	case ENOTTY:
		return hl_error_set(err, EOPNOTSUPP, "resize: the module is too old");
	default:
		return hl_error_set(err, code, "resize: scanout %u: the module says %s",
				    args->scanout, strerror(code));
	}
}

int hl_module_resize(struct module *mod, const struct hl_resize_args *args, struct hl_error *err)
{
	struct helix_lease_resize arg = {
		.size = sizeof(arg),
		.scanout = args->scanout,
		.generation = args->generation,
		.width = args->width,
		.height = args->height,
		.refresh_mhz = args->refresh_mhz,
		.timeout_ms = args->timeout_ms,
	};
	int ret = hl_resize_check(args, err);

	if (ret)
		return ret;
	ret = mod->ops->resize(mod, &arg);
	return ret ? resize_failed(args, -ret, err) : 0;
}

int hl_handle_resize(int handle_fd, const struct hl_resize_args *args, struct hl_error *err)
{
	struct helix_lease_resize arg = {
		.size = sizeof(arg),
		.width = args->width,
		.height = args->height,
		.refresh_mhz = args->refresh_mhz,
		.timeout_ms = args->timeout_ms,
	};
	int ret = hl_resize_check(args, err);

	if (ret || !ioctl(handle_fd, HELIX_LEASE_RESIZE, &arg))
		return ret;
	return resize_failed(args, errno, err);
}

int hl_handle_keep(int handle_fd, struct hl_error *err)
{
	struct helix_lease_keep arg = { .size = sizeof(arg) };
	int code;

	if (!ioctl(handle_fd, HELIX_LEASE_KEEP, &arg))
		return 0;
	code = errno;
	switch (code) {
	case EINVAL:
		return hl_error_set(err, code, "keep: the lease ends with no process");
	case ESTALE:
		return hl_error_set(err, code, "keep: the lease is over");
	case ENOTTY:
		return hl_error_set(err, EOPNOTSUPP, "keep: the module is too old");
	default:
		return hl_error_set(err, code, "keep: the module says %s", strerror(code));
	}
}

int hl_module_policy(struct module *mod, struct hl_policy *policy, struct hl_error *err)
{
	struct helix_lease_policy arg = {
		.size = sizeof(arg),
		.mask = policy->mask,
		.who = policy->who,
		.gid = policy->gid,
		.max_per_uid = policy->max_per_uid,
		.max_per_cgroup = policy->max_per_cgroup,
		.grace_ms = policy->grace_ms,
	};
	int ret = hl_policy_check(policy, err);

	if (ret)
		return ret;
	ret = mod->ops->policy(mod, &arg);
	if (ret == -EPERM)
		return hl_error_set(err, EPERM, "policy: only an administrator may set it");
	if (ret == -ENOTTY)
		return hl_error_set(err, EOPNOTSUPP, "policy: the module is too old");
	if (ret)
		return hl_error_set(err, -ret, "policy: the module says %s", strerror(-ret));
	*policy = (struct hl_policy) {
		.who = arg.who,
		.gid = arg.gid,
		.max_per_uid = arg.max_per_uid,
		.max_per_cgroup = arg.max_per_cgroup,
		.grace_ms = arg.grace_ms,
	};
	return 0;
}

int hl_module_unbind(struct module *mod, bool force, uint32_t timeout_ms, struct hl_error *err)
{
	struct helix_lease_unbind arg = {
		.size = sizeof(arg),
		.flags = force ? HELIX_LEASE_UNBIND_FORCE : 0,
		.timeout_ms = timeout_ms,
	};
	int ret = mod->ops->unbind(mod, &arg);

	switch (-ret) {
	case 0:
		return 0;
	case EBUSY:
		return hl_error_set(err, EBUSY, "unbind: a scanout is in use");
	case EPERM:
		return hl_error_set(err, EPERM, "unbind: only an administrator may");
	case ENODEV:
		return hl_error_set(err, ENODEV, "unbind: no GPU is bound to the module");
	case ETIMEDOUT:
		return hl_error_set(err, ETIMEDOUT,
				    "unbind: the leases are gone, but a scanout was not blank in time and the GPUs are still bound");
	default:
		return hl_error_set(err, -ret, "unbind: the module says %s", strerror(-ret));
	}
}
