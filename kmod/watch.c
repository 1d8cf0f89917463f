// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stall watch: a tenant whose commit does not complete is reported.
 *
 * Of every scanout it knows the last commit that was handed to the driver, and
 * the calls that wait outside the core for something to get out of their way.
 * If the oldest of these is older than stall_ms the scanout is stalled, until
 * it moves. Nobody is stopped: that is for whoever hears of it.
 *
 * All of it is protected by helix_scanout.lock. The work is queued only while
 * something is pending: a flip costs a look at a timer that is running already.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-fence.h>
#include <linux/moduleparam.h>

#include <drm/drm_atomic.h>

#include "helix.h"

static unsigned int helix_stall_ms = 2000;
module_param_named(stall_ms, helix_stall_ms, uint, 0644);
MODULE_PARM_DESC(stall_ms,
		 "Time after which a tenant's commit that has not completed is reported as stalled, 0 for never (default 2000)");

/* How late the end of a stall is noticed. */
#define HELIX_WATCH_POLL_MS	100
/* How long what is done is held on to. */
#define HELIX_WATCH_IDLE_MS	1000

/* What a scanout's tenant waits for, and since when. */
struct helix_pending {
	enum helix_lease_wait wait_for;
	ktime_t since;
	struct drm_crtc_commit *commit;
	struct dma_fence *fence;
};

static struct helix_scanout *helix_watch_scanout(struct helix_watch *w)
{
	return container_of(w, struct helix_scanout, watch);
}

static bool helix_fence_pending(struct dma_fence *fence)
{
	/* Not dma_fence_is_signaled(): that may run its callbacks here. */
	return fence && !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
}

/* The oldest thing that is pending; its pointers are valid under the lock. */
static bool helix_watch_oldest(struct helix_watch *w, struct helix_pending *p)
{
	struct helix_call *call;
	bool commit;

	lockdep_assert_held(&helix_watch_scanout(w)->lock);

	memset(p, 0, sizeof(*p));
	call = list_first_entry_or_null(&w->waiting, struct helix_call, waiting);
	commit = w->commit && !completion_done(&w->commit->cleanup_done);
	if (commit && !(call && ktime_before(call->since, w->since))) {
		p->since = w->since;
		p->commit = w->commit;
		p->fence = w->fence;
	} else if (call) {
		p->since = call->since;
		p->commit = call->commit;
		p->fence = call->fence;
	} else {
		return false;
	}
	p->wait_for = helix_fence_pending(p->fence) ? HELIX_LEASE_WAIT_FENCE :
						      HELIX_LEASE_WAIT_COMMIT;
	return true;
}

static void helix_pending_name(const struct helix_pending *p, char *name, size_t size)
{
	if (p->wait_for == HELIX_LEASE_WAIT_FENCE)
		helix_fence_name(p->fence, name, size);
	else
		snprintf(name, size, "commit of the tenant");
}

/* Returns after how many ms to look again, 0 for never. */
static unsigned int helix_watch_judge(struct helix_watch *w, const struct helix_pending *p)
{
	struct helix_scanout *s = helix_watch_scanout(w);
	bool leased = s->state == HELIX_LEASE_STATE_LEASED;
	unsigned int limit = READ_ONCE(helix_stall_ms);
	s64 age = p ? ktime_ms_delta(ktime_get(), p->since) : 0;
	bool stalled = p && leased && limit && age >= limit;

	lockdep_assert_held(&s->lock);

	if (stalled != w->stalled) {
		w->stalled = stalled;
		if (stalled)
			w->stalls++;
		/* The end of the lease is told by other events. */
		if (leased)
			helix_event(s, stalled ? HELIX_LEASE_EVENT_STALLED :
						 HELIX_LEASE_EVENT_RESUMED);
	}
	if (!p)
		return 0;
	if (!leased || !limit)
		return HELIX_WATCH_IDLE_MS;
	return stalled ? HELIX_WATCH_POLL_MS : limit - age;
}

static void helix_watch_arm(struct helix_watch *w, unsigned int ms)
{
	/* Who takes it away has stopped the work for good. */
	if (ms && !helix_watch_scanout(w)->going)
		queue_delayed_work(helix_wq, &w->work, msecs_to_jiffies(ms));
}

/* Something new is pending: what was stalled may have moved, and the work not have seen it yet. */
static void helix_watch_moved(struct helix_watch *w)
{
	struct helix_pending p;

	if (w->stalled && helix_watch_oldest(w, &p))
		helix_watch_judge(w, &p);
}

static void helix_watch_work(struct work_struct *work)
{
	struct helix_watch *w = container_of(to_delayed_work(work), struct helix_watch, work);
	struct helix_scanout *s = helix_watch_scanout(w);
	struct drm_crtc_commit *commit = NULL;
	struct dma_fence *fence = NULL;
	struct helix_pending p;
	bool pending;

	spin_lock(&s->lock);
	if (w->commit && completion_done(&w->commit->cleanup_done)) {
		swap(commit, w->commit);
		swap(fence, w->fence);
	}
	pending = helix_watch_oldest(w, &p);
	helix_watch_arm(w, helix_watch_judge(w, pending ? &p : NULL));
	spin_unlock(&s->lock);

	if (commit)
		drm_crtc_commit_put(commit);
	dma_fence_put(fence);
}

/**
 * helix_watch_commit - a tenant's commit was handed to the driver
 * @s: scanout; the commit before this one is done
 * @commit: the commit
 * @fence: what it waits for, or NULL
 */
void helix_watch_commit(struct helix_scanout *s, struct drm_crtc_commit *commit,
			struct dma_fence *fence)
{
	struct helix_watch *w = &s->watch;

	drm_crtc_commit_get(commit);
	if (fence)
		dma_fence_get(fence);

	spin_lock(&s->lock);
	swap(w->commit, commit);
	swap(w->fence, fence);
	w->since = ktime_get();
	w->flips++;
	helix_watch_moved(w);
	helix_watch_arm(w, READ_ONCE(helix_stall_ms) ?: HELIX_WATCH_IDLE_MS);
	spin_unlock(&s->lock);

	if (commit)
		drm_crtc_commit_put(commit);
	dma_fence_put(fence);
}

/* A call waits; what for is not changed before helix_watch_wait_end(). */
void helix_watch_wait_begin(struct helix_call *call)
{
	struct helix_scanout *s = call->lease->scanout;

	spin_lock(&s->lock);
	call->since = ktime_get();
	list_add_tail(&call->waiting, &s->watch.waiting);
	helix_watch_moved(&s->watch);
	helix_watch_arm(&s->watch, READ_ONCE(helix_stall_ms));
	spin_unlock(&s->lock);
}

void helix_watch_wait_end(struct helix_call *call)
{
	struct helix_scanout *s = call->lease->scanout;

	spin_lock(&s->lock);
	list_del_init(&call->waiting);
	if (s->watch.stalled && !s->going)
		mod_delayed_work(helix_wq, &s->watch.work, 0);
	spin_unlock(&s->lock);
}

/**
 * helix_watch_stalled - for how long has @s been stalled, and on what?
 * @s: scanout, locked
 * @wait_for: set if it is
 * @name: likewise, for people
 *
 * Returns: milliseconds, 0 if it is not.
 */
u32 helix_watch_stalled(struct helix_scanout *s, enum helix_lease_wait *wait_for,
			char name[HELIX_LEASE_WAIT_NAME_LEN])
{
	struct helix_pending p;

	lockdep_assert_held(&s->lock);

	/* It may be over, and the work not have seen it yet. */
	if (!s->watch.stalled || !helix_watch_oldest(&s->watch, &p))
		return 0;
	*wait_for = p.wait_for;
	helix_pending_name(&p, name, HELIX_LEASE_WAIT_NAME_LEN);
	return max_t(s64, ktime_ms_delta(ktime_get(), p.since), 1);
}

/* What does the commit wait for that keeps @s from being turned off? */
enum helix_lease_wait helix_watch_pending(struct helix_scanout *s,
					  char name[HELIX_LEASE_WAIT_NAME_LEN])
{
	enum helix_lease_wait wait_for = HELIX_LEASE_WAIT_COMMIT;
	struct helix_pending p;

	snprintf(name, HELIX_LEASE_WAIT_NAME_LEN, "commit of the tenant");
	spin_lock(&s->lock);
	if (helix_watch_oldest(&s->watch, &p)) {
		wait_for = p.wait_for;
		helix_pending_name(&p, name, HELIX_LEASE_WAIT_NAME_LEN);
	}
	spin_unlock(&s->lock);
	return wait_for;
}

void helix_watch_init(struct helix_watch *w)
{
	INIT_DELAYED_WORK(&w->work, helix_watch_work);
	INIT_LIST_HEAD(&w->waiting);
}

/* For good: the scanout is going. */
void helix_watch_stop(struct helix_watch *w)
{
	cancel_delayed_work_sync(&w->work);
}

/* With the last reference on the scanout. */
void helix_watch_release(struct helix_watch *w)
{
	if (w->commit)
		drm_crtc_commit_put(w->commit);
	dma_fence_put(w->fence);
}
