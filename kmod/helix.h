/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of helix_lease and who holds whom.
 *
 * A helix_gpu is a bound DRM device: it holds the master's file, so that the
 * death of the process which bound it revokes nothing. It has helix_scanouts,
 * one per CRTC besides the console's, each holding its gpu. A helix_lease is
 * one tenancy of a scanout; it holds the scanout and a DRM lessee. It is held
 * by the scanout while it is live, by its handle file, and by every open file
 * of the scanout node. Files may outlive everything: their rights do not.
 *
 * Locks, outermost first:
 *
 *   helix_bind_lock	    mutex: BIND, UNBIND and the loss of a GPU, one at a time
 *   helix_policy_lock	    mutex: counting what an owner has, and claiming one more
 *   DRM mode-setting locks only ever tried by us; the core's check callbacks
 *			    call into guard.c with them held
 *   helix_lease.opens_lock mutex: the list of the lease's open files
 *   drm_file.fbs_lock	    the core's; and mode_config.blob_lock
 *   mode_config.idr_mutex  the core's; constant time under it
 *   helix_calls.lock	    spinlocks: tenants' calls that may commit, by their task
 *   helix_scanouts	    xarray lock: number -> scanout
 *   helix_scanout.lock	    spinlock: state and everything that goes with it
 *   helix_queue.lock	    spinlock: events that a handle's read() has not fetched
 *   helix_notices.lock	    spinlock: events that netlink has not sent
 */
#ifndef HELIX_H
#define HELIX_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_auth.h>
#include <drm/drm_crtc.h>
#include <drm/drm_file.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_plane.h>

#include <linux/helix_lease.h>
#include <linux/helix_lease_netlink.h>

#include "compat.h"

struct helix_pidfd;
struct helix_resize;

/* How many scanouts all GPUs together may bring; minor 0 is not used. */
#define HELIX_MAX_SCANOUTS	255
/* What a refresh_mhz of 0 stands for. */
#define HELIX_REFRESH_DEFAULT_MHZ	60000

/**
 * struct helix_owner - on whose behalf a lease is
 * @pid: thread group, referenced
 * @uid: its real user, or who has made the user namespace that it is in
 * @cgroup: cgroup v2 id
 * @in_root: that is the root cgroup, which everybody is below
 */
struct helix_owner {
	struct pid *pid;
	kuid_t uid;
	u64 cgroup;
	bool in_root;
};

/**
 * struct helix_gpu - a bound DRM device
 * @ref: held by the list (then by whoever lets go of it) and by every scanout
 * @link: in the list of gpu.c, helix_bind_lock
 * @gone: in the list of those that UNBIND took
 * @scanouts: its scanouts, helix_bind_lock while it is in the list
 * @drm: the device, referenced
 * @master_file: the caller's DRM file, ours until UNBIND
 * @master: its drm_master, the lessor of every lease
 * @inode: of @master_file, which is what drm_open() finds the device by
 * @fops: the driver's own; its module is referenced until the last thing that is
 *	done with @drm
 * @pci_addr: bus << 8 | devfn
 * @first: number of the first scanout
 * @nr: how many there are
 * @mode_funcs: a copy of @real_mode_funcs with our atomic_commit, what the
 *	device points to
 * @real_mode_funcs: the driver's
 * @vdev: the virtio device below @drm->dev, referenced: what the driver drives
 * @nb: on its bus: says that the driver goes
 * @leave: lets go of a GPU that has gone
 * @lost: it has gone; set once, under helix_bind_lock
 */
struct helix_gpu {
	struct kref ref;
	struct list_head link;
	struct list_head gone;
	struct list_head scanouts;
	struct drm_device *drm;
	struct file *master_file;
	struct drm_master *master;
	struct inode *inode;
	const struct file_operations *fops;
	u32 pci_addr;
	u32 first;
	u32 nr;
	struct drm_mode_config_funcs mode_funcs;
	const struct drm_mode_config_funcs *real_mode_funcs;
	struct device *vdev;
	struct notifier_block nb;
	struct delayed_work leave;
	bool lost;
};

/**
 * struct helix_call - a tenant's ioctl that may commit, on its task's stack
 * @link: in the table of commit.c, helix_calls.lock
 * @task: whose it is
 * @lease: the tenant's
 * @names_blobs: by their ids, the caller's choice
 * @nonblock: the commit was asked for without waiting for it
 * @again: it was not taken: what is in the way has to be waited for first
 * @accepted: it was taken
 * @commit: what is in the way, or what was accepted; referenced
 * @until: of @commit; NULL to wait for @fence
 * @fence: what is in the way, or what the accepted commit waits for; referenced
 * @waiting: in helix_watch.waiting while it waits, helix_scanout.lock
 * @since: CLOCK_MONOTONIC, when it began to wait
 */
struct helix_call {
	struct hlist_node link;
	struct task_struct *task;
	struct helix_lease *lease;
	bool names_blobs;
	bool nonblock;
	bool again;
	bool accepted;
	struct drm_crtc_commit *commit;
	struct completion *until;
	struct dma_fence *fence;
	struct list_head waiting;
	ktime_t since;
};

/* What serves a DRM ioctl. */
typedef long (*helix_ioctl_fn)(struct file *filp, unsigned int cmd, unsigned long arg);

/**
 * struct helix_watch - what a scanout's tenant has pending, helix_scanout.lock
 * @work: looks at it
 * @commit: the last that was handed to the driver, until it is known to be done
 * @fence: what @commit waits for, or NULL
 * @since: CLOCK_MONOTONIC, when @commit was handed over
 * @waiting: struct helix_call of every call that waits
 * @stalled: the oldest of these is older than stall_ms
 * @stalls: how often that was so
 * @flips: commits that were handed to the driver, ever
 */
struct helix_watch {
	struct delayed_work work;
	struct drm_crtc_commit *commit;
	struct dma_fence *fence;
	ktime_t since;
	struct list_head waiting;
	bool stalled;
	u64 stalls;
	u64 flips;
};

/**
 * struct helix_plane_guard - stands between the core and a plane's driver
 * @funcs: a copy of @real with our atomic_check, what the plane points to
 * @real: the driver's
 * @scanout: whose plane it is
 */
struct helix_plane_guard {
	struct drm_plane_helper_funcs funcs;
	const struct drm_plane_helper_funcs *real;
	struct helix_scanout *scanout;
};

/* Likewise for a CRTC. */
struct helix_crtc_guard {
	struct drm_crtc_helper_funcs funcs;
	const struct drm_crtc_helper_funcs *real;
	struct helix_scanout *scanout;
};

/* In the order of enum helix_lease_wait; NONE stands for waiting for a state. */
#define HELIX_WAIT_KINDS	(HELIX_LEASE_WAIT_FENCE + 1)
#define HELIX_WAIT_BUCKETS	28	/* the last from 2^26 us, a minute and 7 s, on */

/**
 * struct helix_wait_stats - how long waits of one kind took
 * @buckets: [n]: how many took less than 2^n us, and no less than half of it
 * @failed: how many ended without what was waited for
 * @total_us: all together
 */
struct helix_wait_stats {
	atomic_t buckets[HELIX_WAIT_BUCKETS];
	atomic_t failed;
	atomic64_t total_us;
};

/**
 * struct helix_wait - a wait with a deadline, while it lasts; see wait.c
 * @scanout: it is for; may be NULL
 * @what: kind
 * @name: which one, for people
 * @since: CLOCK_MONOTONIC
 */
struct helix_wait {
	struct helix_scanout *scanout;
	enum helix_lease_wait what;
	const char *name;
	ktime_t since;
};

#define HELIX_QUEUE_LEN		32	/* a power of two: the indices wrap */

/**
 * struct helix_queue - events of one lease that nobody has read yet; see event.c
 * @ref: held by the lease, and by the scanout until FREED is in here
 * @waitq: woken with every event
 * @lock: protects everything below
 * @events: ring
 * @head: where the next one goes
 * @tail: the oldest
 * @lost: how many have been dropped since one was read
 * @over: nothing more will come
 */
struct helix_queue {
	struct kref ref;
	wait_queue_head_t waitq;
	spinlock_t lock;	/* everything below */
	struct helix_lease_event events[HELIX_QUEUE_LEN];
	u32 head;
	u32 tail;
	u32 lost;
	bool over;
};

/**
 * struct helix_notice - an event, and what netlink tells about it besides
 * @event: what a handle's reader gets
 * @priority: of the lease
 * @cause: what ended it, 0 while nothing did
 * @of_context: it is about a context
 * @context: its number
 * @gpu: whose: bus << 8 | devfn
 * @owned: is there an owner?
 * @owner_pid: as the initial PID namespace sees it
 * @owner_uid: as the initial user namespace sees it
 * @owner_cgroup: its cgroup v2 id
 * @label: of the lease
 * @wait_name: what it waits for
 */
struct helix_notice {
	struct helix_lease_event event;
	u32 priority;
	u32 cause;
	bool of_context;
	u32 context;
	u32 gpu;
	bool owned;
	u32 owner_pid;
	u32 owner_uid;
	u64 owner_cgroup;
	u8 label[HELIX_LEASE_LABEL_LEN];
	char wait_name[HELIX_LEASE_WAIT_NAME_LEN];
};

/* What becomes of a size that the tenant has not taken; see replug.c. */
enum helix_replug {
	HELIX_REPLUG_NONE = 0,	/* nothing is waited for */
	HELIX_REPLUG_LOOKED,	/* it has looked, and may take its time */
	HELIX_REPLUG_UNPLUGGED,	/* its connector is disconnected, and it was told to look */
	HELIX_REPLUG_GONE,	/* it has */
};

/**
 * struct helix_scanout - one output of a GPU, which can be leased
 * @ref: held by the table, leases, and whoever looked it up
 * @rcu: frees it
 * @link: in helix_gpu.scanouts
 * @number: in the table, and the minor of the node
 * @output: the GPU's own number
 * @gpu: referenced
 * @connector: DRM object, lives as long as the DRM device
 * @crtc: likewise
 * @primary: likewise
 * @cursor: likewise; may be NULL
 * @primary_guard: see guard.c
 * @cursor_guard: see guard.c
 * @crtc_guard: see guard.c
 * @guarded: the guards are in place; of who binds or unbinds
 * @node: the device of /dev/helix/scanoutN
 * @waitq: woken on every change of state
 * @work: quiesces, and announces to a new mediator; never runs twice at once,
 *	  which is what orders the requests to the host
 * @idle_work: see idle.c
 * @replug_work: see replug.c
 * @waits: how long each kind of wait took
 * @opens: open files of the node, of this lease or earlier ones
 * @denials: tenant ioctls refused by the guard
 * @lock: protects everything below
 * @state: enum helix_lease_state, changed by helix_scanout_set_state() only
 * @state_since: CLOCK_MONOTONIC of the last change
 * @wait_for: enum helix_lease_wait
 * @wait_since: CLOCK_MONOTONIC of its last change
 * @wait_name: which lock, fence or commit it is, for people
 * @generation: of the present or last lease
 * @lease: the live lease, in LEASED only; referenced
 * @queue: of the lease, until its FREED is in it; referenced
 * @revoked: in REVOKING: the tenant's rights are gone
 * @cause: what ended the lease; 0 while nothing did
 * @cancelled: an administrator revoked it while ENABLING, or who asked for
 *	@resize gave it up
 * @announce: the mediator must hear of this output again
 * @resize: the one under way; see resize.c
 * @replug: what becomes of the size that the tenant was offered; see replug.c
 * @replug_until: in jiffies: the end of what is waited for in it
 * @replug_width: the last size that it was seen to have been offered, 0 for none
 * @replug_height: likewise
 * @replug_drawn: pictures it set, or tried, since it looked
 * @exchanged: it found it disconnected; until it is seen what it made of it since
 * @follows: the tenant has taken another size by itself
 * @replugs: how often one did not
 * @going: BIND has not finished with it, or UNBIND is taking it away
 * @retries: since QUARANTINED
 * @width: as asked for
 * @height: as asked for
 * @refresh_mhz: as asked for
 * @priority: as given
 * @acquire_flags: as given
 * @label: as given
 * @owner: of the lease; no pid while FREE
 * @grants: leases ever granted
 * @quarantines: how often it was QUARANTINED
 * @context_stalls: how often the host reported what draws on it
 * @watch: see watch.c
 */
struct helix_scanout {
	struct kref ref;
	struct rcu_head rcu;
	struct list_head link;
	u32 number;
	u32 output;
	struct helix_gpu *gpu;
	struct drm_connector *connector;
	struct drm_crtc *crtc;
	struct drm_plane *primary;
	struct drm_plane *cursor;
	struct helix_plane_guard primary_guard;
	struct helix_plane_guard cursor_guard;
	struct helix_crtc_guard crtc_guard;
	bool guarded;
	struct device *node;
	wait_queue_head_t waitq;
	struct delayed_work work;
	struct delayed_work idle_work;
	struct delayed_work replug_work;
	struct helix_wait_stats waits[HELIX_WAIT_KINDS];
	atomic_t opens;
	atomic64_t denials;

	spinlock_t lock;	/* everything below */
	enum helix_lease_state state;
	ktime_t state_since;
	enum helix_lease_wait wait_for;
	ktime_t wait_since;
	char wait_name[HELIX_LEASE_WAIT_NAME_LEN];
	u64 generation;
	struct helix_lease *lease;
	struct helix_queue *queue;
	bool revoked;
	enum helix_lease_cause cause;
	bool cancelled;
	bool announce;
	struct helix_resize *resize;
	enum helix_replug replug;
	unsigned long replug_until;
	u32 replug_width;
	u32 replug_height;
	unsigned int replug_drawn;
	bool exchanged;
	bool follows;
	u64 replugs;
	bool going;
	unsigned int retries;
	u32 width;
	u32 height;
	u32 refresh_mhz;
	u32 priority;
	u32 acquire_flags;
	u8 label[HELIX_LEASE_LABEL_LEN];
	struct helix_owner owner;
	u64 grants;
	u64 quarantines;
	u64 context_stalls;
	struct helix_watch watch;
};

/**
 * struct helix_lessee - the core's view of a lease
 * @base: must be first: the core frees it with kfree()
 * @lease: not referenced; valid for every file of the lessee, which holds it
 */
struct helix_lessee {
	struct drm_master base;
	struct helix_lease *lease;
};

/*
 * What a tenant makes, and is looked through with locks held that others wait for: so
 * many of each kind a lease may have, in so many open files.
 */
enum helix_made {
	HELIX_MADE_FB,
	HELIX_MADE_BLOB,
	HELIX_NR_MADE,
};

#define HELIX_MAX_MADE		1024
#define HELIX_MAX_OPENS		256

/**
 * struct helix_lease - one tenancy of a scanout
 * @ref: held by the scanout while live, by the handle and every open
 * @scanout: referenced
 * @generation: never used again
 * @cgroup: only who is in it, or below it, may open the node; 0: whoever has one
 * @end_on_close: the last close of the node ends it, as that of the handle does
 * @keep: that of the handle does not; set once
 * @pidfd: the process whose end ends it, NULL if there is none
 * @queue: its events; referenced
 * @lessee: referenced; its leases are empty once the lease has ended
 * @opens_lock: protects what follows
 * @opens: struct helix_open of every open file
 * @nr_opens: how many, and those that are just being opened
 * @making: calls under way that make one more of each kind
 * @idle: the last of them was closed, and none opened since
 * @idle_until: in jiffies: the end of its grace period
 */
struct helix_lease {
	struct kref ref;
	struct helix_scanout *scanout;
	u64 generation;
	u64 cgroup;
	bool end_on_close;
	bool keep;
	struct helix_pidfd *pidfd;
	struct helix_queue *queue;
	struct drm_master *lessee;
	struct mutex opens_lock; /* what follows */
	struct list_head opens;
	unsigned int nr_opens;
	unsigned int making[HELIX_NR_MADE];
	bool idle;
	unsigned long idle_until;
};

/**
 * struct helix_open - one open file of a scanout node
 * @link: in helix_lease.opens
 * @file: the core's half
 */
struct helix_open {
	struct list_head link;
	struct drm_file *file;
};

/* main.c */
extern unsigned int helix_quiesce_ms;
extern unsigned int helix_close_ms;
extern bool helix_use_host;
extern struct workqueue_struct *helix_wq;

/**
 * struct helix_ucmd - an ioctl being served
 * @ubuffer: the caller's structure
 * @user_size: its size
 * @cmd: a zero-extended copy
 * @handle: the lease whose handle it came by, NULL on the control node
 * @nonblock: the caller does not want to wait
 */
struct helix_ucmd {
	void __user *ubuffer;
	u32 user_size;
	void *cmd;
	struct helix_lease *handle;
	bool nonblock;
};

long helix_ioctl(struct file *filp, struct helix_lease *handle, unsigned int cmd,
		 unsigned long arg);
int helix_ucmd_respond(struct helix_ucmd *ucmd, size_t size);
struct helix_scanout *helix_ucmd_scanout(struct helix_ucmd *ucmd, u32 number);
struct helix_scanout *helix_ucmd_lease(struct helix_ucmd *ucmd, u32 number, u64 *generation);
int helix_check_mode(u32 width, u32 height, u32 refresh_mhz);
unsigned long helix_deadline(u32 timeout_ms);

/* gpu.c */
int helix_bind(int drm_fd, u32 *first, u32 *nr);
int helix_unbind(void);
int helix_unbind_by_force(unsigned long deadline);
void helix_gpu_put(struct helix_gpu *gpu);
u32 helix_gpu_count(void);
int helix_gpus_sleep(void);
void helix_gpus_wake(void);

/* pm.c */
int helix_pm_init(void);
void helix_pm_exit(void);
bool helix_vdev_may_sleep(struct device *vdev);

/* scanout.c */
extern struct xarray helix_scanouts;
struct helix_scanout *helix_scanout_new(struct helix_gpu *gpu, struct drm_crtc *crtc);
struct helix_scanout *helix_scanout_get(u32 number);
void helix_scanout_put(struct helix_scanout *s);
u32 helix_scanout_last(void);
void helix_scanout_set_state(struct helix_scanout *s, enum helix_lease_state to);
void helix_scanout_set_wait(struct helix_scanout *s, enum helix_lease_wait wait_for,
			    const char *name);
void helix_scanout_set_wait_locked(struct helix_scanout *s, enum helix_lease_wait wait_for,
				   const char *name);
struct helix_scanout *helix_scanout_claim(const struct helix_lease_acquire *acq,
					  const struct helix_owner *owner);
bool helix_scanout_is_ending(const struct helix_scanout *s);
int helix_scanouts_settled(void);
int helix_scanout_wait_settled(int before, unsigned long deadline);
int helix_scanout_grant(struct helix_scanout *s, struct helix_lease *lease);
void helix_scanout_give_up(struct helix_scanout *s, bool host_told);
int helix_scanout_end(struct helix_scanout *s, u64 generation,
		      enum helix_lease_cause cause);
bool helix_scanout_is_over(struct helix_scanout *s, u64 generation);
int helix_scanout_wait_over(struct helix_scanout *s, u64 generation, unsigned long deadline);
int helix_scanouts_end_all(unsigned long deadline, int (*then)(void));
struct helix_lease *helix_scanout_lease(struct helix_scanout *s);
bool helix_scanout_freeze(struct helix_scanout *s);
void helix_scanout_thaw(struct helix_scanout *s);
void helix_scanout_retire(struct helix_scanout *s);
void helix_scanout_query(struct helix_scanout *s, struct helix_lease_query *q);
u32 helix_scanout_waits(struct helix_scanout *s, enum helix_lease_wait *wait_for,
			u32 *wait_ms, char name[HELIX_LEASE_WAIT_NAME_LEN]);
bool helix_scanout_connected(struct helix_scanout *s);
bool helix_scanout_has_size(struct helix_scanout *s);
void helix_scanouts_host_changed(void);

const char *helix_state_name(u32 state);

/**
 * struct helix_context_stall - a context of a GPU that the host reports
 * @gpu: PCI address, bus << 8 | devfn
 * @context: the GPU's own number of it
 * @scanouts: bit n: the GPU's output n shows what it draws
 * @fence: the GPU's own number of what it waits for
 * @ms: for how long already
 * @killed: the host has ended it
 */
struct helix_context_stall {
	u32 gpu;
	u32 context;
	u32 scanouts;
	u64 fence;
	u32 ms;
	bool killed;
};

/* event.c */
void helix_event(struct helix_scanout *s, enum helix_lease_event_type type);
void helix_event_context(struct helix_scanout *s, const struct helix_context_stall *stall);
struct helix_queue *helix_queue_new(void);
struct helix_queue *helix_queue_get(struct helix_queue *q);
void helix_queue_put(struct helix_queue *q);
bool helix_queue_empty(struct helix_queue *q);
ssize_t helix_queue_read(struct helix_queue *q, char __user *buf, size_t count, bool nonblock);

/* netlink.c */
int helix_netlink_init(void);
void helix_netlink_exit(void);
void helix_netlink_notify(const struct helix_notice *notice);

/* wait.c */
extern struct helix_wait_stats helix_waits[HELIX_WAIT_KINDS];
void helix_wait_begin(struct helix_wait *w, struct helix_scanout *s,
		      enum helix_lease_wait what, const char *name);
void helix_wait_next(struct helix_wait *w, enum helix_lease_wait what, const char *name);
void helix_wait_end(struct helix_wait *w, int result);
int helix_wait_end_left(struct helix_wait *w, long left);

/* debugfs.c */
void helix_debugfs_init(void);
void helix_debugfs_exit(void);

/* sysfs.c */
extern const struct attribute_group *helix_scanout_groups[];

/* owner.c */
int helix_owner_get(struct helix_owner *owner, u32 nr);
int helix_lease_may_open(const struct helix_lease *lease);

/* lease.c */
struct helix_lease *helix_lease_new(struct helix_scanout *s);
void helix_lease_revoke_rights(struct helix_lease *lease);
void helix_lease_get(struct helix_lease *lease);
void helix_lease_put(struct helix_lease *lease);
bool helix_lease_live(struct helix_lease *lease);
int helix_lease_add_open(struct helix_lease *lease);
void helix_lease_drop_open(struct helix_lease *lease);
int helix_lease_make(struct helix_lease *lease, enum helix_made what);
void helix_lease_made(struct helix_lease *lease, enum helix_made what);
bool helix_lease_owns_fb(struct helix_lease *lease, struct drm_framebuffer *fb, bool by_handle);
struct helix_lease *helix_file_lease(struct drm_file *file);

/* handle.c */
int helix_acquire(struct helix_ucmd *ucmd);
int helix_ioctl_keep(struct helix_ucmd *ucmd);

/* idle.c */
bool helix_lease_is_idle(struct helix_lease *lease);
void helix_idle_begin(struct helix_lease *lease);
void helix_idle_work(struct work_struct *work);

/* pidfd.c */
struct helix_pidfd *helix_pidfd_get(int fd);
int helix_pidfd_arm(struct helix_pidfd *p, struct helix_lease *lease);
void helix_pidfd_free(struct helix_pidfd *p);

/* policy.c */
int helix_ioctl_set_policy(struct helix_ucmd *ucmd);
struct helix_scanout *helix_policy_claim(const struct helix_lease_acquire *acq,
					 const struct helix_owner *owner, unsigned long deadline);
unsigned int helix_policy_grace_ms(void);

/* query.c */
int helix_ioctl_query(struct helix_ucmd *ucmd);
int helix_ioctl_list(struct helix_ucmd *ucmd);

/* fault.c */
helix_ioctl_fn helix_nofault_core(unsigned int cmd, helix_ioctl_fn core);

/* blob.c */
int helix_lease_may_read_blob(struct helix_lease *lease, struct drm_property_blob *blob);
bool helix_may_set_crtc_blobs(struct helix_scanout *s, const struct drm_crtc_state *was,
			      const struct drm_crtc_state *new);
bool helix_may_set_plane_blobs(struct helix_scanout *s, const struct drm_plane_state *was,
			       const struct drm_plane_state *new);

/* node.c */
int helix_nodes_init(void);
void helix_nodes_exit(void);
int helix_node_create(struct helix_scanout *s);
void helix_node_destroy(struct helix_scanout *s);
dev_t helix_node_devt(const struct helix_scanout *s);
struct file *helix_lease_file(struct helix_lease *lease);

/* guard.c */
long helix_guard_ioctl(struct file *filp, unsigned int cmd, unsigned long arg,
		       helix_ioctl_fn core);
int helix_guard_planes(struct helix_scanout *s);
int helix_reguard_planes(struct helix_scanout *s);
int helix_unguard_planes(struct helix_scanout *s, bool interruptible);
long helix_deny(struct helix_lease *lease, const char *what, unsigned int value);

/* commit.c */
long helix_commit_ioctl(struct helix_lease *lease, struct file *filp, unsigned int cmd,
			unsigned long arg, helix_ioctl_fn core);
unsigned long helix_commit_deadline(void);
bool helix_call_names_blobs(void);
bool helix_call_accepted_now(void);
bool helix_commit_is_known(struct drm_device *drm);
void helix_commit_hook(struct helix_gpu *gpu);
int helix_commit_unhook(struct helix_gpu *gpu);
void helix_commit_exit(void);

/* watch.c */
void helix_watch_init(struct helix_watch *w);
void helix_watch_stop(struct helix_watch *w);
void helix_watch_release(struct helix_watch *w);
void helix_watch_commit(struct helix_scanout *s, struct drm_crtc_commit *commit,
			struct dma_fence *fence);
void helix_watch_wait_begin(struct helix_call *call);
void helix_watch_wait_end(struct helix_call *call);
u32 helix_watch_stalled(struct helix_scanout *s, enum helix_lease_wait *wait_for,
			char name[HELIX_LEASE_WAIT_NAME_LEN]);
enum helix_lease_wait helix_watch_pending(struct helix_scanout *s,
					  char name[HELIX_LEASE_WAIT_NAME_LEN]);

/* resize.c */
int helix_ioctl_resize(struct helix_ucmd *ucmd);
void helix_resize_run(struct helix_scanout *s);

/* replug.c */
void helix_replug_reset(struct helix_scanout *s);
void helix_replug_forget(struct helix_lease *lease);
bool helix_replug_look(struct helix_lease *lease);
void helix_replug_check(struct helix_scanout *s, struct drm_atomic_state *state);
void helix_replug_work(struct work_struct *work);

/* quiesce.c */
int helix_modeset_trylock(struct helix_scanout *s, struct drm_modeset_acquire_ctx *ctx,
			  const char **busy);
bool helix_commit_pending(struct helix_scanout *s);
int helix_kms_disable(struct helix_scanout *s, u64 generation,
		      struct helix_lease *idle, unsigned long deadline);
int helix_kms_blank(struct helix_scanout *s);
int helix_kms_remove_fb(struct helix_scanout *s, u64 generation,
			struct drm_framebuffer *fb, unsigned long deadline);
void helix_quiesce(struct helix_scanout *s);

/* host.c */
int helix_host_init(void);
void helix_host_exit(void);
u32 helix_host_state(void);
bool helix_host_event_counts(u64 *taken, u64 *refused, u32 *lost);
int helix_host_enable(struct helix_scanout *s, unsigned long deadline, bool *told);
int helix_host_resize(struct helix_scanout *s, unsigned long deadline);
int helix_host_disable(struct helix_scanout *s, unsigned long deadline);
void helix_host_announce(struct helix_scanout *s);

#endif /* HELIX_H */
