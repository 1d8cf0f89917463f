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
 *
 * A broker older than this library serves what it knows; a call that needs more
 * fails with -EOPNOTSUPP.
 *
 * What a program is built against stays: a name, the layout of a structure or the
 * meaning of a value changes with the soname only.
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
#define HL_WAIT_NAME_LEN 64

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

/* hl_acquire_args.flags: the lease also ends with the last close of its scanout node. */
#define HL_ACQUIRE_END_ON_CLOSE	(1U << 0)
/* hl_acquire_args.flags: the lease also ends with the process that @pidfd names. */
#define HL_ACQUIRE_PIDFD	(1U << 1)
/* hl_acquire_args.flags: only the owner's cgroup may open the scanout node. */
#define HL_ACQUIRE_CGROUP	(1U << 2)

/**
 * struct hl_acquire_args - what is asked for
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000, or 0 for 60 Hz
 * @scanout: the one wanted, or 0 for any
 * @timeout_ms: how long to wait, at most 120000, or 0 for the module's default
 * @label: UTF-8 for people, shorter than HL_LABEL_LEN; NULL for none
 * @flags: HL_ACQUIRE_*
 * @priority: told to the host, 0..255, the larger the more important; the broker
 *	limits it for users other than root
 * @pidfd: with HL_ACQUIRE_PIDFD: see pidfd_open(2); may be closed afterwards
 */
struct hl_acquire_args {
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t scanout;
	uint32_t timeout_ms;
	const char *label;
	uint32_t flags;
	uint32_t priority;
	int pidfd;
};

/**
 * struct hl_resize_args - another size for a lease
 * @scanout: its number
 * @generation: the lease meant
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000, or 0 for 60 Hz
 * @timeout_ms: how long to wait, at most 120000, or 0 for the module's default
 */
struct hl_resize_args {
	uint32_t scanout;
	uint64_t generation;
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t timeout_ms;
};

/**
 * struct hl_policy - what the module lets owners have
 *
 * The members are those of struct helix_lease_policy in linux/helix_lease.h,
 * where each is described; @mask says which of them hl_set_policy() sets.
 */
struct hl_policy {
	uint32_t mask;
	uint32_t who;
	uint32_t gid;
	uint32_t max_per_uid;
	uint32_t max_per_cgroup;
	uint32_t grace_ms;
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
 * where each is described; @node is the device node's path, and @cgroup_alone is 1
 * where the lease was acquired with HL_ACQUIRE_CGROUP. The broker tells
 * what a lease is and whose only to root and to its owner's user: for others
 * @hidden is 1, and of the lease nothing but @state and @wait_for is there.
 *
 * @cgroup_alone is where there was nothing before, and all else stays where it was: a
 * library that does not know it leaves it 0.
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
	uint32_t priority;
	uint32_t stalled_ms;
	uint64_t stalls;
	uint64_t quarantines;
	uint64_t lease_ms;
	char wait_name[HL_WAIT_NAME_LEN + 1];
	uint8_t cgroup_alone;
	uint32_t hidden;
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
 * With HL_ACQUIRE_CGROUP a process that is neither in the owner's present cgroup nor in
 * one below it, and is not root of the guest, gets EPERM from the scanout node, however
 * it came to have that. @lease_fd may be handed to whomever.
 *
 * Return: 0; -EINVAL: an argument, named in @err; -ENOSPC: all are taken;
 * -EBUSY: the one wanted is; -EDQUOT: this user has as many as it may;
 * -EAGAIN: too many are waiting; -EPERM: the policy lets it have none, or not
 * that priority, or the process has become another user's since it connected;
 * -ESRCH: the process of @pidfd has ended; -EHOSTDOWN,
 * -EHOSTUNREACH: the host does not answer or refuses; -ENOENT: the owner has no
 * cgroup but the root; -EOPNOTSUPP: a flag or the priority is not known there;
 * -ETIMEDOUT
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
 * hl_lease_keep() - leave a lease to the process it ends with
 * @lease: acquired with HL_ACQUIRE_PIDFD
 * @err: out: the reason of a failure
 *
 * From here on the last close of the handle ends nothing: hl_lease_release() may be
 * called and the caller may end. There is no way back.
 *
 * Return: 0; -EINVAL: it was acquired without HL_ACQUIRE_PIDFD; -ESTALE: it is over;
 * -EOPNOTSUPP: the module is too old
 */
int hl_lease_keep(struct hl_lease *lease, struct hl_error *err);

/**
 * hl_lease_resize() - ask for another size of one's own lease, by its handle
 * @lease: the lease; its size and refresh rate are the new ones on success
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000, or 0 for 60 Hz
 * @timeout_ms: how long to wait, at most 120000, or 0 for the module's default
 * @err: out: the reason of a failure
 *
 * As when a monitor is exchanged for another: the connector gets a new
 * preferred mode. What is shown changes when the compositor sets it. Needs
 * neither a connection nor any right but the handle.
 *
 * Return: 0; -EINVAL: an argument, named in @err; -ESTALE, -ECANCELED: the lease
 * is over; -EHOSTDOWN, -EHOSTUNREACH; -EOPNOTSUPP: no host decides the size here;
 * -ETIMEDOUT
 */
int hl_lease_resize(struct hl_lease *lease, uint32_t width, uint32_t height,
		    uint32_t refresh_mhz, uint32_t timeout_ms, struct hl_error *err);

/**
 * hl_resize() - the same for a lease whose handle somebody else has
 * @conn: the connection
 * @args: which lease and what size
 * @err: out: the reason of a failure
 *
 * Return: as hl_lease_resize(); -EACCES: neither root nor the owner's user;
 * -EINVAL: no such scanout; -ESTALE: that lease ended before
 */
int hl_resize(struct hl_conn *conn, const struct hl_resize_args *args, struct hl_error *err);

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
 * hl_get_policy() - ask what the module lets owners have
 * @conn: the connection
 * @policy: out; @mask is 0
 * @err: out: the reason of a failure
 */
int hl_get_policy(struct hl_conn *conn, struct hl_policy *policy, struct hl_error *err);

/**
 * hl_set_policy() - change it; leases that are there stay
 * @conn: the connection
 * @policy: in: the members named in @mask; out: all that is in force
 * @err: out: the reason of a failure
 *
 * Return: 0; -EACCES, -EPERM: not root; -EINVAL: a member is out of range
 */
int hl_set_policy(struct hl_conn *conn, struct hl_policy *policy, struct hl_error *err);

/**
 * hl_unbind() - have the module let go of every GPU
 * @conn: a connection to the module, from hl_open_module()
 * @force: end the leases first; else one that is there is an error
 * @timeout_ms: with @force: how long to wait until all are free, 0 for the default
 * @err: out: the reason of a failure
 *
 * Return: 0; -EBUSY: a scanout is not free, nothing was changed; -ETIMEDOUT: the
 * leases are gone, but the GPUs are still bound; -EPERM; -EOPNOTSUPP: @conn is
 * not the module
 */
int hl_unbind(struct hl_conn *conn, int force, uint32_t timeout_ms, struct hl_error *err);

/**
 * struct hl_event - something that happened
 * @type: HELIX_LEASE_EVENT_* of linux/helix_lease.h; see hl_event_name()
 * @cause: from revoking on, what ended the lease: HELIX_LEASE_CAUSE_* of
 *	linux/helix_lease_netlink.h, see hl_cause_name(); else 0
 * @time_ns: when, CLOCK_MONOTONIC
 * @scanout: what the scanout was like right after it, as far as the event says;
 *	its @scanout is 0 where the event is about the host, or about a context
 *	that draws on no leased scanout
 * @context: in context-stalled and context-killed which one it is of the GPU at
 *	@scanout.gpu, whose number for it this is; what it waits for and for how long is
 *	in @scanout
 * @lost: events of this lease that were dropped before this one, because nobody
 *	read them; always 0 from a monitor, which tells by -ENOBUFS
 */
struct hl_event {
	uint32_t type;
	uint32_t cause;
	uint64_t time_ns;
	struct hl_scanout scanout;
	uint32_t context;
	uint32_t lost;
};

/**
 * hl_lease_next_event() - what happened to one's own lease
 * @lease: the lease
 * @timeout_ms: how long to wait for something; 0 not at all
 * @event: out; of @scanout there are its number, state, generation, mode, what it
 *	waits for and node, and @cause is 0
 * @err: out: the reason of a failure
 *
 * Needs neither a connection nor any right but the handle. In a loop of one's own,
 * wait until @lease->handle_fd is readable and call this with 0 until it returns
 * -EAGAIN; the first event is granted. The handle hangs up (POLLHUP) when the lease
 * ends: events still come then, the last of them freed. Whoever reads an event takes
 * it: two readers of one lease, or of copies of its handle, share them. One who is
 * overtaken waits for the next event, @timeout_ms or not, unless the handle is
 * O_NONBLOCK: all its copies are then, and hl_lease_resize() does not wait for the new
 * size but fails with -EINPROGRESS.
 *
 * Return: 0; -EAGAIN: nothing happened in time; -ENODATA: the lease is over, and
 * nothing more will come; -EINTR: a signal came first
 */
int hl_lease_next_event(const struct hl_lease *lease, uint32_t timeout_ms,
			struct hl_event *event, struct hl_error *err);

/** struct hl_monitor - a listener to the module's events; opaque */
struct hl_monitor;

/**
 * hl_monitor_open() - begin to listen
 * @mon: out: to be given to hl_monitor_close()
 * @err: out: the reason of a failure
 *
 * Over generic netlink, from the module itself: needs CAP_NET_ADMIN, and is of the
 * initial network namespace only. Call hl_monitor_dump() next, which says what
 * there was when it all began.
 *
 * Return: 0; -ENOENT: no module, or another network namespace; -EPERM
 */
int hl_monitor_open(struct hl_monitor **mon, struct hl_error *err);

/**
 * hl_monitor_close() - end it
 * @mon: the monitor, or NULL
 */
void hl_monitor_close(struct hl_monitor *mon);

/** hl_monitor_fd() - descriptor that is readable when hl_monitor_next() should be called */
int hl_monitor_fd(const struct hl_monitor *mon);

/**
 * hl_monitor_dump() - what every scanout does now
 * @mon: the monitor
 * @list: out: array, to be given to free(); of its members @hidden and
 *	@cgroup_alone are never set
 * @n: out: its length
 * @err: out: the reason of a failure
 *
 * Events from before are not reported any more, so that what was heard last of a
 * scanout is how it is.
 */
int hl_monitor_dump(struct hl_monitor *mon, struct hl_scanout **list, size_t *n,
		    struct hl_error *err);

/**
 * hl_monitor_next() - the next event; does not wait
 * @mon: the monitor
 * @event: out
 * @err: out: the reason of a failure
 *
 * Return: 0; -EAGAIN: nothing has happened; -ENOBUFS: more has happened than
 * there was room for, and some of it is lost: call hl_monitor_dump()
 */
int hl_monitor_next(struct hl_monitor *mon, struct hl_event *event, struct hl_error *err);

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

/** hl_event_name() - word for an enum helix_lease_event_type, likewise */
const char *hl_event_name(uint32_t type);

/** hl_cause_name() - word for an enum helix_lease_cause, likewise */
const char *hl_cause_name(uint32_t cause);

/** hl_who_name() - word for a HELIX_LEASE_WHO_* value, likewise */
const char *hl_who_name(uint32_t who);

#ifdef __cplusplus
}
#endif

#endif /* HELIX_LEASE_CLIENT_H */
