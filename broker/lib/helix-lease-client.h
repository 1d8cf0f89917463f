/* SPDX-License-Identifier: MIT */
/*
 * libhelix_lease: ask for scanouts of the guest's virtual GPU.
 *
 * A connection goes to the broker (hl_connect), which decides who may have
 * what, or, for root, straight to the kernel module (hl_open_module), which
 * works with no broker alive. Every other call is the same for both.
 *
 * A lease lives as long as its handle descriptor is open anywhere, and not
 * longer: keep the struct hl_lease, close the connection when you like.
 *
 * Rules of every call that can fail: it returns 0 or a negative errno; on
 * failure @err, which may be NULL, says in one sentence what was being done, to
 * what, and why it failed, and outputs are untouched. No call waits without a
 * deadline. A connection must not be used by two threads at once; several
 * connections may.
 */
#ifndef HELIX_LEASE_CLIENT_H
#define HELIX_LEASE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HL_SOCKET_PATH	"/run/helix/leased.sock"
#define HL_MODULE_PATH	"/dev/helix/lease"
#define HL_NODE_LEN	40
#define HL_LABEL_LEN	32	/* with the terminating NUL */

/**
 * struct hl_error - why a call failed
 * @code: errno, positive
 * @message: a sentence without a full stop, never empty after a failure
 */
struct hl_error {
	int code;
	char message[508];
};

/** struct hl_conn - a connection; opaque */
struct hl_conn;

/**
 * struct hl_info - the module behind a connection
 * @abi_version: version of its ioctl interface
 * @nr_gpus: GPUs bound
 * @nr_scanouts: scanouts are numbered 1..@nr_scanouts
 * @host_state: HELIX_LEASE_HOST_* of linux/helix_lease.h; see hl_host_name()
 */
struct hl_info {
	uint32_t abi_version;
	uint32_t nr_gpus;
	uint32_t nr_scanouts;
	uint32_t host_state;
};

/**
 * struct hl_acquire_args - what is asked for
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000, or 0 for 60 Hz
 * @scanout: the one wanted, or 0 for any
 * @timeout_ms: how long to wait, at most 120000, or 0 for the module's default
 * @label: UTF-8 for people, shorter than HL_LABEL_LEN; NULL for none
 */
struct hl_acquire_args {
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t scanout;
	uint32_t timeout_ms;
	const char *label;
};

/**
 * struct hl_lease - a scanout that is yours
 * @scanout: its number
 * @generation: names this lease of it, for hl_revoke()
 * @width: pixels
 * @height: pixels
 * @refresh_mhz: millihertz
 * @connector_id: DRM object id, as is each of the following
 * @crtc_id: likewise
 * @primary_plane_id: likewise
 * @cursor_plane_id: likewise, 0 if there is none
 * @handle_fd: the lease ends with the last close of this file
 * @lease_fd: a DRM file of the scanout, for a compositor that takes descriptors
 * @node: the device node with the same view, for one that opens paths
 *
 * Both descriptors are close-on-exec.
 */
struct hl_lease {
	uint32_t scanout;
	uint64_t generation;
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t connector_id;
	uint32_t crtc_id;
	uint32_t primary_plane_id;
	uint32_t cursor_plane_id;
	int handle_fd;
	int lease_fd;
	char node[HL_NODE_LEN];
};

/**
 * struct hl_scanout - one scanout as the module sees it now
 *
 * The members are those of struct helix_lease_query in linux/helix_lease.h,
 * where each is described; @node is the device node's path.
 */
struct hl_scanout {
	uint32_t scanout;
	uint32_t state;
	uint64_t generation;
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t wait_for;
	uint32_t wait_ms;
	uint32_t opens;
	uint32_t owner_pid;
	uint32_t owner_uid;
	uint64_t owner_cgroup;
	uint64_t state_ms;
	uint64_t grants;
	uint64_t denials;
	uint32_t connector_id;
	uint32_t crtc_id;
	uint32_t primary_plane_id;
	uint32_t cursor_plane_id;
	uint32_t gpu;
	uint32_t output;
	uint32_t dev_major;
	uint32_t dev_minor;
	char label[HL_LABEL_LEN + 1];
	char node[HL_NODE_LEN];
};

/**
 * hl_connect() - connect to the broker
 * @path: its socket, NULL for HL_SOCKET_PATH
 * @conn: out: to be given to hl_close()
 * @err: out: the reason of a failure
 *
 * Return: 0; -ENOENT or -ECONNREFUSED: no broker; -EACCES: not allowed to talk
 * to it; -EPROTO: it speaks another protocol
 */
int hl_connect(const char *path, struct hl_conn **conn, struct hl_error *err);

/**
 * hl_open_module() - talk to the kernel module without a broker
 * @path: its control node, NULL for HL_MODULE_PATH
 * @conn: out: to be given to hl_close()
 * @err: out: the reason of a failure
 *
 * No policy applies; the node is root's.
 *
 * Return: 0; -ENOENT: the module is not loaded; -EACCES
 */
int hl_open_module(const char *path, struct hl_conn **conn, struct hl_error *err);

/**
 * hl_close() - end a connection; leases acquired over it stay
 * @conn: the connection, or NULL
 */
void hl_close(struct hl_conn *conn);

/**
 * hl_get_info() - ask what is there
 * @conn: the connection
 * @info: out
 * @err: out: the reason of a failure
 */
int hl_get_info(struct hl_conn *conn, struct hl_info *info, struct hl_error *err);

/**
 * hl_acquire() - become the owner of a scanout
 * @conn: the connection
 * @args: what is wanted
 * @lease: out: to be given to hl_lease_release()
 * @err: out: the reason of a failure
 *
 * Waits until the host has enabled the output and its connector is seen
 * connected, at most hl_acquire_args.timeout_ms.
 *
 * Return: 0; -EINVAL: an argument, named in @err; -ENOSPC: all are taken;
 * -EBUSY: the one wanted is; -EDQUOT: this user has as many as it may;
 * -EAGAIN: too many are waiting; -EHOSTDOWN, -EHOSTUNREACH: the host does not
 * answer or refuses; -ETIMEDOUT
 */
int hl_acquire(struct hl_conn *conn, const struct hl_acquire_args *args,
	       struct hl_lease *lease, struct hl_error *err);

/**
 * hl_lease_release() - close both descriptors of a lease, which ends it
 * @lease: the lease; its descriptors are -1 afterwards
 *
 * It does not end while a copy of the handle is open elsewhere.
 */
void hl_lease_release(struct hl_lease *lease);

/**
 * hl_query() - ask about one scanout
 * @conn: the connection
 * @scanout: its number
 * @out: out
 * @err: out: the reason of a failure
 *
 * Return: 0; -EINVAL: there is no such scanout
 */
int hl_query(struct hl_conn *conn, uint32_t scanout, struct hl_scanout *out, struct hl_error *err);

/**
 * hl_list() - ask about all scanouts
 * @conn: the connection
 * @list: out: array, to be given to free()
 * @n: out: its length
 * @err: out: the reason of a failure
 */
int hl_list(struct hl_conn *conn, struct hl_scanout **list, size_t *n, struct hl_error *err);

/**
 * hl_revoke() - end a lease, whoever has its handle
 * @conn: the connection
 * @scanout: its number
 * @generation: the lease meant; the next owner's can never be hit
 * @timeout_ms: how long to wait until the scanout is free, 0 for the default
 * @err: out: the reason of a failure
 *
 * Return: 0; -EACCES: neither root nor the owner's user; -EINVAL: no such
 * scanout; -ESTALE: that lease ended before; -ETIMEDOUT: the owner has lost it,
 * but the scanout is not blank yet
 */
int hl_revoke(struct hl_conn *conn, uint32_t scanout, uint64_t generation, uint32_t timeout_ms,
	      struct hl_error *err);

/**
 * hl_state_name() - word for an enum helix_lease_state
 * @state: the state
 *
 * Return: a constant such as "leased", "unknown" for what this library does not know
 */
const char *hl_state_name(uint32_t state);

/** hl_wait_name() - word for an enum helix_lease_wait, likewise */
const char *hl_wait_name(uint32_t wait);

/** hl_host_name() - word for a HELIX_LEASE_HOST_* value, likewise */
const char *hl_host_name(uint32_t host_state);

#ifdef __cplusplus
}
#endif

#endif /* HELIX_LEASE_CLIENT_H */
