// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant's commit never holds a lock over a wait.
 *
 * The core waits for fences, and for earlier commits, with mode-setting locks
 * held, and so makes everybody who needs those locks wait as well. So at BIND
 * mode_config.funcs is replaced by a copy of it whose atomic_commit is ours.
 * A tenant's call is known by a struct helix_call on the guard's stack, found by
 * the task. In it
 *
 *  - every commit goes to the driver as a non-blocking one: the core's worker
 *    waits, and holds no lock,
 *  - whatever the core would wait for before it takes the commit makes our
 *    atomic_commit return -EAGAIN, with a reference on it in the helix_call. All
 *    locks are dropped on the way back to the guard, which waits there, with a
 *    deadline, and calls the core again,
 *  - if the caller asked for a blocking commit, the guard waits for its
 *    completion after all locks are dropped,
 *  - one whose lease is over by now is refused, whoever's its objects are.
 *
 * Commits that are not a tenant's pass through as they are.
 *
 * Calls are in a hash table by their task, each bucket with a lock of its own: who
 * commits is not to walk through what a tenant's many threads have under way. What is in
 * a helix_call is its own task's, but for what watch.c looks at, which
 * helix_scanout.lock protects.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-fence.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_ioctl.h>

#include "helix.h"

static unsigned int helix_commit_ms = 10000;
module_param_named(commit_ms, helix_commit_ms, uint, 0644);
MODULE_PARM_DESC(commit_ms,
		 "Time a tenant's blocking commit waits for its fences, for earlier commits and for its own completion (default 10000)");

/* How late a waiting call notices that its lease has ended. */
#define HELIX_REVOKED_MS	100

#define HELIX_CALLS_BITS	8

struct helix_calls {
	spinlock_t lock;	/* calls */
	struct hlist_head calls;
};

static struct helix_calls helix_calls[1 << HELIX_CALLS_BITS] = {
	[0 ... (1 << HELIX_CALLS_BITS) - 1] = {
		.lock = __SPIN_LOCK_UNLOCKED(helix_calls.lock),
	},
};

static struct helix_calls *helix_calls_of(struct task_struct *task)
{
	return &helix_calls[hash_ptr(task, HELIX_CALLS_BITS)];
}

/* Calls of helix_atomic_commit() that have not returned. */
static atomic_t helix_commits_inside = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(helix_commits_waitq);

static struct helix_call *helix_call_current(void)
{
	struct helix_calls *bucket = helix_calls_of(current);
	struct helix_call *call, *found = NULL;

	spin_lock(&bucket->lock);
	hlist_for_each_entry(call, &bucket->calls, link) {
		if (call->task == current) {
			found = call;
			break;
		}
	}
	spin_unlock(&bucket->lock);
	return found;
}

static void helix_call_clear(struct helix_call *call)
{
	if (call->commit)
		drm_crtc_commit_put(call->commit);
	dma_fence_put(call->fence);
	call->commit = NULL;
	call->until = NULL;
	call->fence = NULL;
	call->again = false;
	call->accepted = false;
}

/* Have the guard wait for @until, which is @commit's. */
static int helix_call_again(struct helix_call *call, struct drm_crtc_commit *commit,
			    struct completion *until)
{
	call->commit = drm_crtc_commit_get(commit);
	call->until = until;
	call->again = true;
	return -EAGAIN;
}

/*
 * The core lets nobody get ahead of a commit that is not on screen, nor swap
 * states before the driver is done with the old ones.
 */
static int helix_latest_in_the_way(struct helix_call *call, struct drm_crtc_commit *commit)
{
	if (!commit)
		return 0;
	if (!completion_done(&commit->flip_done)) {
		/* What compositors expect for a flip too many. */
		if (call->nonblock)
			return -EBUSY;
		return helix_call_again(call, commit, &commit->flip_done);
	}
	if (!completion_done(&commit->hw_done))
		return helix_call_again(call, commit, &commit->hw_done);
	return 0;
}

/* Nor get ahead of the cleaning up by more than one commit. */
static int helix_older_in_the_way(struct helix_call *call, struct drm_crtc *crtc)
{
	struct drm_crtc_commit *commit;
	bool latest = true;
	int ret = 0;

	spin_lock(&crtc->commit_lock);
	list_for_each_entry(commit, &crtc->commit_list, commit_entry) {
		if (!latest && !completion_done(&commit->cleanup_done)) {
			ret = helix_call_again(call, commit, &commit->cleanup_done);
			break;
		}
		latest = false;
	}
	spin_unlock(&crtc->commit_lock);
	return ret;
}

/*
 * Is there anything that drm_atomic_helper_commit() would wait for before it
 * hands @state to the worker? The locks of all that is in @state are held, so
 * that nothing can come after we have looked.
 */
static int helix_in_the_way(struct helix_call *call, struct drm_atomic_state *state)
{
	struct drm_connector_state *conn_state;
	struct drm_plane_state *plane_state;
	struct drm_crtc_state *crtc_state;
	struct drm_connector *connector;
	struct drm_plane *plane;
	struct drm_crtc_commit *seen = NULL;
	struct drm_crtc *crtc;
	int i, ret;

	for_each_new_crtc_in_state(state, crtc, crtc_state, i) {
		ret = helix_latest_in_the_way(call, crtc->state->commit);
		if (!ret)
			ret = helix_older_in_the_way(call, crtc);
		if (ret)
			return ret;
		seen = crtc->state->commit;
	}
	for_each_new_connector_in_state(state, connector, conn_state, i) {
		ret = helix_latest_in_the_way(call, connector->state->commit);
		if (ret)
			return ret;
	}
	for_each_new_plane_in_state(state, plane, plane_state, i) {
		/* Most often its CRTC's. */
		if (plane->state->commit == seen)
			continue;
		ret = helix_latest_in_the_way(call, plane->state->commit);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * A blocking commit waits for its in-fences before anything is changed, so that
 * a signal can still undo it. Fences that the driver adds while it prepares the
 * framebuffers are left to the worker.
 */
static int helix_fence_in_the_way(struct helix_call *call, struct drm_atomic_state *state)
{
	struct drm_plane_state *plane_state;
	struct drm_plane *plane;
	int i;

	for_each_new_plane_in_state(state, plane, plane_state, i) {
		if (plane_state->fence && !dma_fence_is_signaled(plane_state->fence)) {
			call->fence = dma_fence_get(plane_state->fence);
			call->again = true;
			return -EAGAIN;
		}
	}
	return 0;
}

/* The commit of @state, which has just been swapped in: any object's will do. */
static struct drm_crtc_commit *helix_state_commit(struct drm_atomic_state *state)
{
	struct drm_connector_state *conn_state;
	struct drm_plane_state *plane_state;
	struct drm_crtc_state *crtc_state;
	struct drm_connector *connector;
	struct drm_plane *plane;
	struct drm_crtc *crtc;
	int i;

	for_each_new_crtc_in_state(state, crtc, crtc_state, i)
		return crtc_state->commit;
	for_each_new_plane_in_state(state, plane, plane_state, i)
		return plane_state->commit;
	for_each_new_connector_in_state(state, connector, conn_state, i)
		return conn_state->commit;
	return NULL;
}

/*
 * A fence that the worker will wait for, referenced. It puts its own reference
 * when it is done, whatever locks we hold; but fences are freed by RCU.
 */
static struct dma_fence *helix_state_fence(struct drm_atomic_state *state)
{
	struct drm_plane_state *plane_state;
	struct dma_fence *fence = NULL;
	struct drm_plane *plane;
	int i;

	rcu_read_lock();
	for_each_new_plane_in_state(state, plane, plane_state, i) {
		fence = READ_ONCE(plane_state->fence);
		if (fence)
			fence = dma_fence_get_rcu(fence);
		if (fence)
			break;
	}
	rcu_read_unlock();
	return fence;
}

static void helix_call_accepted(struct helix_call *call, struct drm_atomic_state *state)
{
	struct drm_crtc_commit *commit = helix_state_commit(state);

	if (!commit)
		return;
	call->commit = drm_crtc_commit_get(commit);
	call->until = &commit->cleanup_done;
	call->fence = helix_state_fence(state);
	call->accepted = true;
	helix_watch_commit(call->lease->scanout, commit, call->fence);
}

static int helix_call_commit(struct helix_call *call, struct drm_device *drm,
			     struct drm_atomic_state *state, bool nonblock)
{
	int ret;

	helix_call_clear(call);
	call->nonblock = nonblock;
	/*
	 * The core may have looked its objects up before it waited for a lock, and the
	 * scanout be another's by now. While we hold their locks it does not change hands.
	 */
	ret = helix_lease_live(call->lease) ? 0 : -EACCES;
	if (!ret)
		ret = helix_in_the_way(call, state);
	if (!ret && !nonblock)
		ret = helix_fence_in_the_way(call, state);
	if (!ret)
		ret = drm_atomic_helper_commit(drm, state, true);
	if (!ret)
		helix_call_accepted(call, state);
	return ret;
}

static int helix_atomic_commit(struct drm_device *drm, struct drm_atomic_state *state,
			       bool nonblock)
{
	struct helix_call *call;
	int ret;

	atomic_inc(&helix_commits_inside);
	call = helix_call_current();
	if (call)
		ret = helix_call_commit(call, drm, state, nonblock);
	else
		ret = drm_atomic_helper_commit(drm, state, nonblock);
	if (atomic_dec_and_test(&helix_commits_inside))
		wake_up_all(&helix_commits_waitq);
	return ret;
}

/* Returns > 0 when what @call waits for is there, 0 when @ticks have passed. */
static long helix_call_wait_slice(struct helix_call *call, long ticks)
{
	if (!call->until)
		return dma_fence_wait_timeout(call->fence, true, ticks);
	if (call->accepted)
		return wait_for_completion_killable_timeout(call->until, ticks);
	return wait_for_completion_interruptible_timeout(call->until, ticks);
}

static int helix_call_wait_until(struct helix_call *call, unsigned long deadline)
{
	long left, ret;

	for (;;) {
		left = (long)(deadline - jiffies);
		if (left <= 0)
			return -ETIMEDOUT;
		left = min_t(long, left, msecs_to_jiffies(HELIX_REVOKED_MS));
		ret = helix_call_wait_slice(call, left);
		if (ret)
			return ret < 0 ? ret : 0;
		if (!helix_lease_live(call->lease))
			return -EACCES;
	}
}

/* Waits for what is in the way, or for what was accepted. No locks are held. */
static int helix_call_wait(struct helix_call *call, unsigned long deadline)
{
	struct helix_wait wait;
	int ret;

	helix_wait_begin(&wait, call->lease->scanout,
			 call->until ? HELIX_LEASE_WAIT_COMMIT : HELIX_LEASE_WAIT_FENCE,
			 call->accepted ? "own commit" : "what is in its way");
	helix_watch_wait_begin(call);
	ret = helix_call_wait_until(call, deadline);
	helix_watch_wait_end(call);
	helix_wait_end(&wait, ret);
	return ret;
}

static long helix_call_core(struct helix_call *call, unsigned long deadline,
			    struct file *filp, unsigned int cmd, unsigned long arg,
			    helix_ioctl_fn core)
{
	long ret;

	for (;;) {
		helix_call_clear(call);
		ret = core(filp, cmd, arg);
		if (ret != -EAGAIN || !call->again)
			return ret;
		ret = helix_call_wait(call, deadline);
		if (ret)
			return ret;
	}
}

/* Is what the core is doing for us now a tenant's call with ids of blobs in it? */
bool helix_call_names_blobs(void)
{
	struct helix_call *call = helix_call_current();

	return call && call->names_blobs;
}

/* Has the driver taken what we are asking the core to commit now? */
bool helix_call_accepted_now(void)
{
	struct helix_call *call = helix_call_current();

	return call && call->accepted;
}

/* Of the other calls that commit, what blobs there are the core makes itself. */
static bool helix_cmd_names_blobs(unsigned int cmd)
{
	switch (_IOC_NR(cmd)) {
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_ATOMIC):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_OBJ_SETPROPERTY):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_SETPROPERTY):
		return true;
	default:
		return false;
	}
}

/**
 * helix_commit_ioctl - a tenant's ioctl that may commit
 * @lease: the tenant's
 * @filp: an open file of its node
 * @cmd: command
 * @arg: its argument
 * @core: what does it
 *
 * Returns: what @core does; -ETIMEDOUT past the deadline: a commit that was
 * still waiting was not accepted, one that was completes when it can; -EBUSY
 * instead, if it was asked not to block; -EACCES if the lease ended meanwhile.
 */
long helix_commit_ioctl(struct helix_lease *lease, struct file *filp, unsigned int cmd,
			unsigned long arg, helix_ioctl_fn core)
{
	struct helix_calls *bucket = helix_calls_of(current);
	unsigned long deadline = helix_commit_deadline();
	struct helix_call call = {
		.task = current,
		.lease = lease,
		.names_blobs = helix_cmd_names_blobs(cmd),
		.waiting = LIST_HEAD_INIT(call.waiting),
	};
	long ret;

	spin_lock(&bucket->lock);
	hlist_add_head(&call.link, &bucket->calls);
	spin_unlock(&bucket->lock);

	ret = helix_call_core(&call, deadline, filp, cmd, arg, core);

	spin_lock(&bucket->lock);
	hlist_del(&call.link);
	spin_unlock(&bucket->lock);

	if (!ret && call.accepted && !call.nonblock)
		ret = helix_call_wait(&call, deadline);
	if (ret == -ETIMEDOUT && call.nonblock)
		ret = -EBUSY;
	helix_call_clear(&call);
	return ret;
}

/* By when a tenant's call that commits must be over, in jiffies. */
unsigned long helix_commit_deadline(void)
{
	return jiffies + msecs_to_jiffies(clamp(READ_ONCE(helix_commit_ms), 10U, 120000U));
}

/* What is said here of the core is true of the helpers' commit, and no other. */
bool helix_commit_is_known(struct drm_device *drm)
{
	return drm->mode_config.funcs->atomic_commit == drm_atomic_helper_commit;
}

static void helix_commit_set_funcs(struct helix_gpu *gpu,
				   const struct drm_mode_config_funcs *funcs)
{
	/* Who sees the pointer sees what is behind it; all but one member are the same. */
	smp_store_release(&gpu->drm->mode_config.funcs, funcs);
}

/* Have all commits of @gpu go through here. */
void helix_commit_hook(struct helix_gpu *gpu)
{
	const struct drm_mode_config_funcs *real = gpu->drm->mode_config.funcs;

	gpu->real_mode_funcs = real;
	gpu->mode_funcs = *real;
	gpu->mode_funcs.atomic_commit = helix_atomic_commit;
	helix_commit_set_funcs(gpu, &gpu->mode_funcs);
}

struct helix_grace {
	struct kref ref;
	struct work_struct work;
	struct completion done;
};

static void helix_grace_release(struct kref *ref)
{
	kfree(container_of(ref, struct helix_grace, ref));
}

static void helix_grace_work(struct work_struct *work)
{
	struct helix_grace *grace = container_of(work, struct helix_grace, work);

	synchronize_rcu_tasks();
	complete(&grace->done);
	kref_put(&grace->ref, helix_grace_release);
}

/*
 * Whoever had read the pointer by now has since slept, or returned to user
 * space: it has called what it read, and if that was ours, counted itself.
 */
static int helix_wait_grace(unsigned long deadline)
{
	struct helix_grace *grace;
	int ret = 0;

	grace = kzalloc(sizeof(*grace), GFP_KERNEL);
	if (!grace)
		return -ENOMEM;
	kref_init(&grace->ref);
	kref_get(&grace->ref);
	INIT_WORK(&grace->work, helix_grace_work);
	init_completion(&grace->done);
	queue_work(helix_wq, &grace->work);
	if (!wait_for_completion_timeout(&grace->done, max_t(long, deadline - jiffies, 1)))
		ret = -EBUSY;
	kref_put(&grace->ref, helix_grace_release);
	return ret;
}

/**
 * helix_commit_unhook - the opposite, when no tenant is left
 * @gpu: being unbound
 *
 * Returns: 0: nobody uses @gpu's copy any more; -EBUSY: somebody may, and it is
 * in place as before; -ENOMEM.
 */
int helix_commit_unhook(struct helix_gpu *gpu)
{
	unsigned long deadline = helix_deadline(0);
	struct helix_wait wait;
	long left;
	int ret;

	helix_commit_set_funcs(gpu, gpu->real_mode_funcs);
	helix_wait_begin(&wait, NULL, HELIX_LEASE_WAIT_COMMIT, "everybody to be out of our hook");
	ret = helix_wait_grace(deadline);
	left = max_t(long, deadline - jiffies, 1);
	if (!ret && !wait_event_timeout(helix_commits_waitq,
					!atomic_read(&helix_commits_inside), left))
		ret = -EBUSY;
	helix_wait_end(&wait, ret);
	if (ret)
		helix_commit_set_funcs(gpu, &gpu->mode_funcs);
	return ret;
}

/* Nobody is inside; but one may not have returned from it yet. */
void helix_commit_exit(void)
{
	synchronize_rcu_tasks();
}
