/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * helix_lease: scanouts of virtual GPUs, leased to containers.
 *
 * /dev/helix/lease is the control node (these ioctls); /dev/helix/scanoutN is
 * a DRM primary node that shows exactly one scanout, for the lessee alone.
 * See Documentation/uapi.rst.
 */
#ifndef _UAPI_LINUX_HELIX_LEASE_H
#define _UAPI_LINUX_HELIX_LEASE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * The ioctl interface follows a general format to allow for extensibility. Each
 * ioctl is passed a structure whose first member, @size, is the number of bytes
 * the caller knows. The kernel accepts any size from the first published one
 * up to a page: what a short structure lacks reads as zero, and what a long one
 * has beyond the kernel's must be zero. Output is written back for the smaller
 * of the two sizes.
 *
 *  - ENOTTY: the command is not known
 *  - EINVAL: @size is below the first published size, or a value is out of range
 *  - E2BIG: a field beyond what this kernel knows is not zero
 *  - EOPNOTSUPP: a flag or reserved field this kernel does not know is not zero
 *  - EFAULT: the structure cannot be read or written
 *  - EPERM: the caller lacks what the command asks for
 *  - ENODEV: no GPU is bound
 *  - EINTR: a signal arrived while waiting; the call is not restarted
 *  - ETIMEDOUT: @timeout_ms passed; HELIX_LEASE_QUERY says what was waited for
 *  - EAGAIN: the file has O_NONBLOCK, and the command would have had to wait; nothing
 *    was done. BIND, UNBIND and ACQUIRE always would
 *  - EINPROGRESS: the file has O_NONBLOCK; REVOKE or RESIZE has begun, and goes on
 *
 * Every other error is listed with its command.
 */
#define HELIX_LEASE_IOC_TYPE		0xBE

/** HELIX_LEASE_ABI_VERSION - grows when an ioctl, a field, a flag or an event is added. */
#define HELIX_LEASE_ABI_VERSION		5

#define HELIX_LEASE_LABEL_LEN		32
#define HELIX_LEASE_WAIT_NAME_LEN	64

/* The longest wait that may be asked for, and the one that 0 stands for. */
#define HELIX_LEASE_TIMEOUT_MAX_MS	120000
#define HELIX_LEASE_TIMEOUT_DEFAULT_MS	10000

/* "Any free scanout", for helix_lease_acquire.scanout. */
#define HELIX_LEASE_SCANOUT_ANY		0

/* helix_lease_acquire.flags: the lease also ends with the last close of its scanout node. */
#define HELIX_LEASE_ACQUIRE_END_ON_CLOSE	(1U << 0)
/* helix_lease_acquire.flags: the lease also ends with the process that @pidfd names. */
#define HELIX_LEASE_ACQUIRE_PIDFD		(1U << 1)
/* helix_lease_acquire.flags: only the owner's cgroup may open the scanout node. */
#define HELIX_LEASE_ACQUIRE_CGROUP		(1U << 2)

/* The largest helix_lease_acquire.priority. */
#define HELIX_LEASE_PRIORITY_MAX	255

/* helix_lease_unbind.flags: end the leases there are first. */
#define HELIX_LEASE_UNBIND_FORCE		(1U << 0)

/**
 * enum helix_lease_state - what a scanout is doing
 * @HELIX_LEASE_STATE_FREE: blank, owned by nobody
 * @HELIX_LEASE_STATE_ENABLING: given to a caller of ACQUIRE who waits for the connector
 * @HELIX_LEASE_STATE_LEASED: shows what its owner draws
 * @HELIX_LEASE_STATE_REVOKING: the owner's rights are gone, its waiters are being woken
 * @HELIX_LEASE_STATE_QUIESCING: plane, CRTC and host output are being turned off
 * @HELIX_LEASE_STATE_QUARANTINED: turning it off missed its deadline; retried until proven blank
 */
enum helix_lease_state {
	HELIX_LEASE_STATE_FREE = 0,
	HELIX_LEASE_STATE_ENABLING = 1,
	HELIX_LEASE_STATE_LEASED = 2,
	HELIX_LEASE_STATE_REVOKING = 3,
	HELIX_LEASE_STATE_QUIESCING = 4,
	HELIX_LEASE_STATE_QUARANTINED = 5,
};

/**
 * enum helix_lease_wait - what a scanout in transition waits for
 * @HELIX_LEASE_WAIT_NONE: nothing
 * @HELIX_LEASE_WAIT_HOST: the host's answer on the control device
 * @HELIX_LEASE_WAIT_HOTPLUG: the connector to change state in the guest
 * @HELIX_LEASE_WAIT_LOCK: a mode-setting lock
 * @HELIX_LEASE_WAIT_COMMIT: a commit to complete in the driver
 * @HELIX_LEASE_WAIT_FENCE: a fence that a commit waits for before the driver has it
 */
enum helix_lease_wait {
	HELIX_LEASE_WAIT_NONE = 0,
	HELIX_LEASE_WAIT_HOST = 1,
	HELIX_LEASE_WAIT_HOTPLUG = 2,
	HELIX_LEASE_WAIT_LOCK = 3,
	HELIX_LEASE_WAIT_COMMIT = 4,
	HELIX_LEASE_WAIT_FENCE = 5,
};

/**
 * enum helix_lease_event_type - what happened to a scanout
 * @HELIX_LEASE_EVENT_GRANTED: it is LEASED
 * @HELIX_LEASE_EVENT_RESIZED: the guest sees the new preferred mode that RESIZE asked for
 * @HELIX_LEASE_EVENT_STALLED: a commit of its tenant has not completed within stall_ms
 * @HELIX_LEASE_EVENT_RESUMED: that commit has completed
 * @HELIX_LEASE_EVENT_REVOKING: its lease is ending
 * @HELIX_LEASE_EVENT_REVOKED: the tenant's rights are gone
 * @HELIX_LEASE_EVENT_QUARANTINED: turning it off missed its deadline
 * @HELIX_LEASE_EVENT_FREED: it is blank and FREE
 * @HELIX_LEASE_EVENT_HOST_LOST: the mediator has gone; not about one scanout
 * @HELIX_LEASE_EVENT_HOST_BACK: a mediator is there again; not about one scanout
 * @HELIX_LEASE_EVENT_CONTEXT_STALLED: what draws on it makes no progress on the host
 * @HELIX_LEASE_EVENT_CONTEXT_KILLED: that has been ended by the host
 */
enum helix_lease_event_type {
	HELIX_LEASE_EVENT_GRANTED = 1,
	HELIX_LEASE_EVENT_RESIZED = 2,
	HELIX_LEASE_EVENT_STALLED = 3,
	HELIX_LEASE_EVENT_RESUMED = 4,
	HELIX_LEASE_EVENT_REVOKING = 5,
	HELIX_LEASE_EVENT_REVOKED = 6,
	HELIX_LEASE_EVENT_QUARANTINED = 7,
	HELIX_LEASE_EVENT_FREED = 8,
	HELIX_LEASE_EVENT_HOST_LOST = 9,
	HELIX_LEASE_EVENT_HOST_BACK = 10,
	HELIX_LEASE_EVENT_CONTEXT_STALLED = 11,
	HELIX_LEASE_EVENT_CONTEXT_KILLED = 12,
};

/**
 * struct helix_lease_event - what read() of a handle returns, one or more of them
 * @size: of this structure, as the module knows it: the offset of the next one
 * @type: enum helix_lease_event_type
 * @scanout: which; 0 if it is not about one
 * @state: enum helix_lease_state after it
 * @generation: the lease it was about; 0 if it is not about one
 * @time_ns: when, CLOCK_MONOTONIC
 * @width: pixels asked for
 * @height: pixels asked for
 * @refresh_mhz: millihertz asked for
 * @wait_for: STALLED, QUARANTINED, CONTEXT_*: enum helix_lease_wait
 * @wait_ms: STALLED, QUARANTINED, CONTEXT_*: how long it had been waiting for that
 * @lost: events of this reader that were dropped before this one, since the last one read
 */
struct helix_lease_event {
	__u32 size;
	__u32 type;
	__u32 scanout;
	__u32 state;
	__aligned_u64 generation;
	__aligned_u64 time_ns;
	__u32 width;
	__u32 height;
	__u32 refresh_mhz;
	__u32 wait_for;
	__u32 wait_ms;
	__u32 lost;
};

/* helix_lease_info.host_state */
#define HELIX_LEASE_HOST_NONE		0	/* no control device */
#define HELIX_LEASE_HOST_DOWN		1	/* control device, no mediator behind it now */
#define HELIX_LEASE_HOST_UP		2

/**
 * struct helix_lease_info - ioctl(HELIX_LEASE_INFO)
 * @size: sizeof(struct helix_lease_info)
 * @flags: must be 0
 * @abi_version: HELIX_LEASE_ABI_VERSION of the module
 * @nr_gpus: GPUs bound
 * @nr_scanouts: the largest number of a scanout; the numbers from 1 to it are those
 *	of the scanouts of all bound GPUs, but for the ones of a GPU that has gone
 * @host_state: HELIX_LEASE_HOST_*
 *
 * Anyone who may open the control node may ask. Never waits.
 */
struct helix_lease_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 nr_gpus;
	__u32 nr_scanouts;
	__u32 host_state;
};

/**
 * struct helix_lease_bind - ioctl(HELIX_LEASE_BIND)
 * @size: sizeof(struct helix_lease_bind)
 * @flags: must be 0
 * @drm_fd: the current DRM master of a virtio-gpu with mode-setting
 * @first_scanout: out: number of the first scanout this GPU brings
 * @nr_scanouts: out: how many it brings; output 0 stays with the console
 * @__reserved: must be 0
 *
 * The module takes a reference of its own on the master: the caller may close
 * @drm_fd and die without any lease noticing. Needs CAP_SYS_ADMIN.
 *
 * EBADF: @drm_fd is not an open file; EINVAL: it is not a DRM primary node, or
 * of another driver; EACCES: it is not the current master; EEXIST: that GPU is
 * bound; ENOSPC: no scanout besides output 0; ENODEV: its driver is being unbound;
 * EBUSY: the system is about to sleep, or an output's locks were busy for a second.
 */
struct helix_lease_bind {
	__u32 size;
	__u32 flags;
	__s32 drm_fd;
	__u32 first_scanout;
	__u32 nr_scanouts;
	__u32 __reserved;
};

/**
 * struct helix_lease_unbind - ioctl(HELIX_LEASE_UNBIND)
 * @size: sizeof(struct helix_lease_unbind)
 * @flags: HELIX_LEASE_UNBIND_FORCE, or 0
 * @timeout_ms: FORCE: how long to wait for every scanout to be FREE, at most
 *	HELIX_LEASE_TIMEOUT_MAX_MS; 0 for the default, and without FORCE
 * @__reserved: must be 0
 *
 * Lets go of every bound GPU. Needs CAP_SYS_ADMIN. With FORCE all leases end first,
 * as by REVOKE, and nobody is given one meanwhile.
 *
 * EBUSY: without FORCE: a scanout is not FREE; nothing was changed. ETIMEDOUT,
 * EINTR: with FORCE: one is not FREE yet; the leases are gone, every GPU is still
 * bound, and its scanouts can be leased again.
 */
struct helix_lease_unbind {
	__u32 size;
	__u32 flags;
	__u32 timeout_ms;
	__u32 __reserved;
};

/**
 * struct helix_lease_acquire - ioctl(HELIX_LEASE_ACQUIRE)
 * @size: sizeof(struct helix_lease_acquire)
 * @flags: HELIX_LEASE_ACQUIRE_*
 * @scanout: in: the one wanted, or HELIX_LEASE_SCANOUT_ANY; out: the one granted
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000; 0 for 60000
 * @timeout_ms: at most HELIX_LEASE_TIMEOUT_MAX_MS; 0 for the default
 * @owner_pid: on whose behalf, as the caller's PID namespace sees it; 0 for the caller
 * @label: UTF-8 for people, zero padded; shown in QUERY and to the host
 * @generation: out: names this lease of the scanout; never used again
 * @handle_fd: out: the lease lives until the last close of this file, and ends then
 * @lease_fd: out: an open of the scanout node, for those who pass descriptors
 * @connector_id: out: DRM object of the lessee
 * @crtc_id: out: likewise
 * @primary_plane_id: out: likewise
 * @cursor_plane_id: out: likewise, 0 if there is none
 * @pidfd: with HELIX_LEASE_ACQUIRE_PIDFD: of the process whose end ends the lease; else 0
 * @priority: told to the host, 0..HELIX_LEASE_PRIORITY_MAX, the larger the more important
 *
 * One that is wanted, or that the policy counts, and is REVOKING or QUIESCING, is waited
 * for; so is any, where no scanout is FREE and one is on its way there.
 *
 * Returns when the host has enabled the output and the guest sees its connector
 * connected; until then nobody else can be given the scanout. On any error it is
 * given back: it is FREE, or on its way there if the host had been told. Both
 * descriptors are close-on-exec.
 *
 * @owner_pid is how a broker acquires for its client: the owner_pid, owner_uid
 * and owner_cgroup that QUERY shows are then that process's; its owner_uid is its real
 * user, that of one in user namespaces who has made the outermost of them. Any but the
 * caller's own needs CAP_SYS_ADMIN. The lease does not end with that process: that
 * is what @pidfd is for.
 *
 * With HELIX_LEASE_ACQUIRE_CGROUP only a process that is in the cgroup (of version 2)
 * which the owner is in now, or in one below that, or that has CAP_SYS_ADMIN in the
 * initial user namespace, may open the scanout node; it is EPERM for all others, whoever
 * gave them the node, and whenever. What is open stays so, @lease_fd included, in
 * whatever process.
 *
 * ESRCH: there is no process @owner_pid; ENOSPC: every scanout is taken; EBUSY:
 * the one wanted is, or the DRM master leased it by itself; EINVAL: there is no
 * such scanout, a value is out of range, or @label is not zero padded; EHOSTDOWN: no
 * mediator is behind the control device; EHOSTUNREACH: the mediator refused the
 * output; ECANCELED: it was revoked meanwhile, by an administrator, by UNBIND, or
 * with its GPU; EMFILE, ENFILE: no descriptors left;
 * EBADF: @pidfd is not one; ESRCH: its process has ended already; EDQUOT: the
 * owner has as many as the policy lets him have; EPERM: it lets him have none;
 * ENOENT: with ACQUIRE_CGROUP: the owner is in the root cgroup, which all are below, or
 * the kernel has none.
 */
struct helix_lease_acquire {
	__u32 size;
	__u32 flags;
	__u32 scanout;
	__u32 width;
	__u32 height;
	__u32 refresh_mhz;
	__u32 timeout_ms;
	__u32 owner_pid;
	__u8 label[HELIX_LEASE_LABEL_LEN];
	__aligned_u64 generation;
	__s32 handle_fd;
	__s32 lease_fd;
	__u32 connector_id;
	__u32 crtc_id;
	__u32 primary_plane_id;
	__u32 cursor_plane_id;
	__s32 pidfd;
	__u32 priority;
};

/**
 * struct helix_lease_resize - ioctl(HELIX_LEASE_RESIZE)
 * @size: sizeof(struct helix_lease_resize)
 * @flags: must be 0
 * @scanout: which; must be 0 on a handle, which knows its own
 * @timeout_ms: at most HELIX_LEASE_TIMEOUT_MAX_MS; 0 for the default
 * @generation: the lease meant; must be 0 on a handle
 * @width: pixels, 1..16384
 * @height: pixels, 1..16384
 * @refresh_mhz: millihertz, 1000..1000000; 0 for 60000
 * @__reserved: must be 0
 *
 * Has the host announce another preferred mode on the connector, as when a
 * monitor is exchanged, and returns when the guest sees it. What is shown does
 * not change before the tenant sets the mode. One that has looked at its connector
 * and replug_ms (a parameter of the module, 0 for never) later still shows another
 * size than it prefers finds it disconnected, and then connected again, once. On the
 * control node it needs CAP_SYS_ADMIN; a handle may always resize its own.
 *
 * One after the other: a call waits until those of others on this lease are done.
 * After any error, EINTR and ETIMEDOUT included, the size is the former one, of
 * which the host is told again. After EINPROGRESS the end is an event (RESIZED), or
 * QUERY with no wait and one size or the other.
 *
 * EINVAL: there is no such scanout, or a value is out of range; ESTALE:
 * @generation is not the present lease; EHOSTDOWN, EHOSTUNREACH: see ACQUIRE;
 * EOPNOTSUPP: there is no control device; ECANCELED: the lease ended meanwhile;
 * EAGAIN: the file has O_NONBLOCK, and another resize is under way.
 */
struct helix_lease_resize {
	__u32 size;
	__u32 flags;
	__u32 scanout;
	__u32 timeout_ms;
	__aligned_u64 generation;
	__u32 width;
	__u32 height;
	__u32 refresh_mhz;
	__u32 __reserved;
};

/**
 * struct helix_lease_revoke - ioctl(HELIX_LEASE_REVOKE)
 * @size: sizeof(struct helix_lease_revoke)
 * @flags: must be 0
 * @scanout: which; must be 0 on a handle, which knows its own
 * @timeout_ms: how long to wait for FREE, at most HELIX_LEASE_TIMEOUT_MAX_MS; 0 for the default
 * @generation: the lease meant; must be 0 on a handle
 *
 * The owner's rights are gone when this returns 0, EINPROGRESS, EINTR or ETIMEDOUT; 0
 * says that the scanout is blank and FREE as well. On the control node it needs
 * CAP_SYS_ADMIN; a handle may always revoke its own lease.
 *
 * EINVAL: there is no such scanout; ESTALE: @generation is not the present lease
 * (it ended before), and nothing was done.
 */
struct helix_lease_revoke {
	__u32 size;
	__u32 flags;
	__u32 scanout;
	__u32 timeout_ms;
	__aligned_u64 generation;
};

/**
 * struct helix_lease_query - ioctl(HELIX_LEASE_QUERY)
 * @size: sizeof(struct helix_lease_query)
 * @flags: must be 0
 * @scanout: which, 1..nr_scanouts; on a handle 0 for its own
 * @state: out: enum helix_lease_state
 * @generation: out: of the present lease, or of the last one
 * @width: out: pixels asked for
 * @height: out: pixels asked for
 * @refresh_mhz: out: millihertz asked for
 * @wait_for: out: enum helix_lease_wait: of a transition, of a stalled tenant, or of a
 *	RESIZE under way
 * @wait_ms: out: how long it has been waiting for that
 * @opens: out: files open on the scanout node (lease_fd included)
 * @owner_pid: out: who acquired it, as the caller's PID namespace sees it; 0 if not visible
 * @owner_uid: out: likewise in the caller's user namespace
 * @owner_cgroup: out: cgroup v2 id of the owner, 0 without cgroup v2
 * @state_ms: out: how long it has been in @state
 * @grants: out: leases ever granted on this scanout
 * @denials: out: tenant ioctls that the guard refused, ever
 * @connector_id: out: DRM object id
 * @crtc_id: out: DRM object id
 * @primary_plane_id: out: DRM object id
 * @cursor_plane_id: out: DRM object id, 0 if there is none
 * @gpu: out: PCI address of the GPU, bus << 8 | devfn
 * @output: out: the GPU's own number of this scanout
 * @dev_major: out: of the scanout node
 * @dev_minor: out: of the scanout node
 * @label: out: as given to ACQUIRE
 * @priority: out: as given to ACQUIRE
 * @stalled_ms: out: how long the oldest commit has been pending, 0 unless it is stalled
 * @stalls: out: commits that did not complete within stall_ms, ever
 * @quarantines: out: how often it was QUARANTINED, ever
 * @lease_ms: out: how long the present lease has been LEASED, 0 if there is none
 * @wait_name: out: the lock, fence or commit waited for, for people; zero padded
 * @acquire_flags: out: as given to ACQUIRE, 0 while FREE
 * @__reserved: out: 0
 *
 * Never waits.
 *
 * EINVAL: there is no such scanout; ESTALE: on a handle, its lease is over and
 * the scanout has been leased to somebody else since.
 */
struct helix_lease_query {
	__u32 size;
	__u32 flags;
	__u32 scanout;
	__u32 state;
	__aligned_u64 generation;
	__u32 width;
	__u32 height;
	__u32 refresh_mhz;
	__u32 wait_for;
	__u32 wait_ms;
	__u32 opens;
	__u32 owner_pid;
	__u32 owner_uid;
	__aligned_u64 owner_cgroup;
	__aligned_u64 state_ms;
	__aligned_u64 grants;
	__aligned_u64 denials;
	__u32 connector_id;
	__u32 crtc_id;
	__u32 primary_plane_id;
	__u32 cursor_plane_id;
	__u32 gpu;
	__u32 output;
	__u32 dev_major;
	__u32 dev_minor;
	__u8 label[HELIX_LEASE_LABEL_LEN];
	__u32 priority;
	__u32 stalled_ms;
	__aligned_u64 stalls;
	__aligned_u64 quarantines;
	__aligned_u64 lease_ms;
	__u8 wait_name[HELIX_LEASE_WAIT_NAME_LEN];
	__u32 acquire_flags;
	__u32 __reserved;
};

/**
 * struct helix_lease_list - ioctl(HELIX_LEASE_LIST)
 * @size: sizeof(struct helix_lease_list)
 * @flags: must be 0
 * @first: in: number to begin with, 0 for the first; out: where to go on, 0 if that was all
 * @nr: in: room in @entries; out: how many were written
 * @entry_size: in: bytes from one entry to the next, at least the first published size
 *	of struct helix_lease_query; out: bytes written of each, the rest is zeroed
 * @__reserved: must be 0
 * @entries: array of struct helix_lease_query, written as QUERY writes it; the size of
 *	each is the bytes written of it
 *
 * Anyone who may open the control node may ask. Without a GPU there are no entries.
 * Never waits.
 *
 * EINVAL: @entry_size is too small; E2BIG: it is more than a page.
 */
struct helix_lease_list {
	__u32 size;
	__u32 flags;
	__u32 first;
	__u32 nr;
	__u32 entry_size;
	__u32 __reserved;
	__aligned_u64 entries;
};

/* helix_lease_policy.who: who may ACQUIRE, of those who may open the control node */
#define HELIX_LEASE_WHO_ANY		0
#define HELIX_LEASE_WHO_ADMIN		1	/* CAP_SYS_ADMIN */
#define HELIX_LEASE_WHO_GROUP		2	/* members of @gid, and CAP_SYS_ADMIN */

/* helix_lease_policy.mask */
#define HELIX_LEASE_POLICY_WHO			(1U << 0)	/* @who and @gid */
#define HELIX_LEASE_POLICY_MAX_PER_UID		(1U << 1)
#define HELIX_LEASE_POLICY_MAX_PER_CGROUP	(1U << 2)
#define HELIX_LEASE_POLICY_GRACE_MS		(1U << 3)

/* The longest grace period. */
#define HELIX_LEASE_GRACE_MAX_MS	600000

/**
 * struct helix_lease_policy - ioctl(HELIX_LEASE_SET_POLICY)
 * @size: sizeof(struct helix_lease_policy)
 * @flags: must be 0
 * @mask: HELIX_LEASE_POLICY_*: the fields to set; 0 only reads
 * @who: HELIX_LEASE_WHO_*
 * @gid: WHO_GROUP: group, as the caller's user namespace sees it; else 0
 * @max_per_uid: leases that owners of one uid may have at once, 0 for no limit; there
 *	never is one for uid 0 of the initial user namespace
 * @max_per_cgroup: leases that owners in one cgroup may have at once, 0 for no limit
 * @grace_ms: after the last close of a scanout node: how long its picture stays, and a
 *	lease with END_ON_CLOSE lives on, for an owner who comes back; at most
 *	HELIX_LEASE_GRACE_MAX_MS
 *
 * On return all fields hold what is in force. Leases already granted stay; one counts
 * until its scanout is FREE. To set anything needs CAP_SYS_ADMIN. Never waits.
 *
 * EINVAL: a value is out of range, or @gid is no group.
 */
struct helix_lease_policy {
	__u32 size;
	__u32 flags;
	__u32 mask;
	__u32 who;
	__u32 gid;
	__u32 max_per_uid;
	__u32 max_per_cgroup;
	__u32 grace_ms;
};

/**
 * struct helix_lease_keep - ioctl(HELIX_LEASE_KEEP)
 * @size: sizeof(struct helix_lease_keep)
 * @flags: must be 0
 *
 * On a handle only. From here on the lease does not end with the last close of its
 * handle: it is left to the process that ACQUIRE was given as a pidfd, and ends with
 * that. For a program that hands a scanout to a process and does not stay. All else
 * ends it as before. Never waits; may be repeated.
 *
 * EINVAL: it was acquired without HELIX_LEASE_ACQUIRE_PIDFD; ESTALE: it is over.
 */
struct helix_lease_keep {
	__u32 size;
	__u32 flags;
};

#define HELIX_LEASE_INFO	_IO(HELIX_LEASE_IOC_TYPE, 0x00)
#define HELIX_LEASE_BIND	_IO(HELIX_LEASE_IOC_TYPE, 0x01)
#define HELIX_LEASE_UNBIND	_IO(HELIX_LEASE_IOC_TYPE, 0x02)
#define HELIX_LEASE_ACQUIRE	_IO(HELIX_LEASE_IOC_TYPE, 0x03)
#define HELIX_LEASE_REVOKE	_IO(HELIX_LEASE_IOC_TYPE, 0x04)
#define HELIX_LEASE_QUERY	_IO(HELIX_LEASE_IOC_TYPE, 0x05)
#define HELIX_LEASE_RESIZE	_IO(HELIX_LEASE_IOC_TYPE, 0x06)
#define HELIX_LEASE_LIST	_IO(HELIX_LEASE_IOC_TYPE, 0x07)
#define HELIX_LEASE_SET_POLICY	_IO(HELIX_LEASE_IOC_TYPE, 0x08)
#define HELIX_LEASE_KEEP	_IO(HELIX_LEASE_IOC_TYPE, 0x09)

#endif /* _UAPI_LINUX_HELIX_LEASE_H */
