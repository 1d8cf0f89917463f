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

#include "codec.h"
#include "error.h"
#include "module.h"

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
		return hl_error_set(err, code, "acquire: the output did not come up in time");
	case ESRCH:
		return hl_error_set(err, code, "acquire: the process that asked is gone");
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
	if (args->label)
		memcpy(arg.label, args->label, strlen(args->label));

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

	*out = (struct hl_scanout) {
		.scanout = scanout,
		.state = arg.state,
		.generation = arg.generation,
		.width = arg.width,
		.height = arg.height,
		.refresh_mhz = arg.refresh_mhz,
		.wait_for = arg.wait_for,
		.wait_ms = arg.wait_ms,
		.opens = arg.opens,
		.owner_pid = arg.owner_pid,
		.owner_uid = arg.owner_uid,
		.owner_cgroup = arg.owner_cgroup,
		.state_ms = arg.state_ms,
		.grants = arg.grants,
		.denials = arg.denials,
		.connector_id = arg.connector_id,
		.crtc_id = arg.crtc_id,
		.primary_plane_id = arg.primary_plane_id,
		.cursor_plane_id = arg.cursor_plane_id,
		.gpu = arg.gpu,
		.output = arg.output,
		.dev_major = arg.dev_major,
		.dev_minor = arg.dev_minor,
	};
	memcpy(out->label, arg.label, sizeof(arg.label));
	hl_label_clean(out->label);
	hl_node_name(scanout, out->node);
	return 0;
}
