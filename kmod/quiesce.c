// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turning a scanout off: in the guest, then on the host, then it is FREE.
 *
 * Runs on the scanout's worker, and for the guest's half in a closing tenant.
 * Mode-setting locks are only ever tried: whoever holds one may be waiting for
 * something that never comes, and a wait of ours would hold the locks we
 * have already. The commit is non-blocking for the same reason; the driver's
 * part of it, which can block, is done by the core's worker and waited for with
 * a deadline. What missed its deadline is QUARANTINED, and tried again until it
 * is off.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/sched/signal.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_uapi.h>
#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_print.h>

#include "helix.h"

/* Between two tries of a lock or a commit that is busy. */
#define HELIX_BACKOFF_MIN_MS	1
#define HELIX_BACKOFF_MAX_MS	32
/* Between two tries of a scanout in QUARANTINED. */
#define HELIX_RETRY_MIN_MS	250
#define HELIX_RETRY_MAX_MS	8000

static bool helix_trylock_one(struct drm_modeset_lock *lock, const char *name,
			      struct drm_modeset_acquire_ctx *ctx, const char **busy)
{
	if (!ww_mutex_trylock(&lock->mutex, &ctx->ww_ctx)) {
		if (busy)
			*busy = name;
		return false;
	}
	/* Now drm_modeset_lock() knows that we have it, and drops it with the rest. */
	list_add(&lock->head, &ctx->locked);
	return true;
}

/**
 * helix_modeset_trylock - every lock that turning @s off needs, or none waited for
 * @s: scanout
 * @ctx: fresh; the caller drops its locks either way
 * @busy: if not NULL, set to the name of the lock that could not be had
 *
 * Returns: 0 or -EBUSY.
 */
int helix_modeset_trylock(struct helix_scanout *s, struct drm_modeset_acquire_ctx *ctx,
			  const char **busy)
{
	struct drm_modeset_lock *connection = &s->gpu->drm->mode_config.connection_mutex;

	if (helix_trylock_one(&s->crtc->mutex, s->crtc->name, ctx, busy) &&
	    helix_trylock_one(&s->primary->mutex, s->primary->name, ctx, busy) &&
	    (!s->cursor ||
	     helix_trylock_one(&s->cursor->mutex, s->cursor->name, ctx, busy)) &&
	    helix_trylock_one(connection, "connection_mutex", ctx, busy))
		return 0;
	return -EBUSY;
}

/* Is there a commit on this CRTC that the driver is not done with? */
bool helix_commit_pending(struct helix_scanout *s)
{
	struct drm_crtc_commit *commit;
	bool pending = false;

	drm_modeset_lock_assert_held(&s->crtc->mutex);

	spin_lock(&s->crtc->commit_lock);
	list_for_each_entry(commit, &s->crtc->commit_list, commit_entry) {
		if (!completion_done(&commit->flip_done) ||
		    !completion_done(&commit->hw_done) ||
		    !completion_done(&commit->cleanup_done)) {
			pending = true;
			break;
		}
	}
	spin_unlock(&s->crtc->commit_lock);
	return pending;
}

static bool helix_is_off(struct helix_scanout *s)
{
	drm_modeset_lock_assert_held(&s->crtc->mutex);

	return !s->crtc->state->enable && !s->primary->state->crtc &&
	       (!s->cursor || !s->cursor->state->crtc) &&
	       s->connector->state->crtc != s->crtc;
}

static int helix_add_plane_off(struct drm_atomic_state *state, struct drm_plane *plane)
{
	struct drm_plane_state *plane_state;
	int ret;

	if (!plane || !plane->state->crtc)
		return 0;
	plane_state = drm_atomic_get_plane_state(state, plane);
	if (IS_ERR(plane_state))
		return PTR_ERR(plane_state);
	ret = drm_atomic_set_crtc_for_plane(plane_state, NULL);
	if (!ret)
		drm_atomic_set_fb_for_plane(plane_state, NULL);
	return ret;
}

static int helix_add_connector_off(struct drm_atomic_state *state,
				   struct helix_scanout *s)
{
	struct drm_connector_state *conn_state;

	if (s->connector->state->crtc != s->crtc)
		return 0;
	conn_state = drm_atomic_get_connector_state(state, s->connector);
	if (IS_ERR(conn_state))
		return PTR_ERR(conn_state);
	return drm_atomic_set_crtc_for_connector(conn_state, NULL);
}

static int helix_add_crtc_off(struct drm_atomic_state *state, struct drm_crtc *crtc)
{
	struct drm_crtc_state *crtc_state = drm_atomic_get_crtc_state(state, crtc);
	int ret;

	if (IS_ERR(crtc_state))
		return PTR_ERR(crtc_state);
	ret = drm_atomic_set_mode_for_crtc(crtc_state, NULL);
	if (!ret)
		crtc_state->active = false;
	return ret;
}

/**
 * struct helix_off - what is to be turned off
 * @generation: the lease whose picture is to go; another's is left alone
 * @idle: that lease, if its picture is to go only while nobody has its node open
 * @fb: only what shows this; NULL for everything
 * @interruptible: a signal ends the wait
 */
struct helix_off {
	u64 generation;
	struct helix_lease *idle;
	struct drm_framebuffer *fb;
	bool interruptible;
};

static bool helix_plane_shows(struct drm_plane *plane, struct drm_framebuffer *fb)
{
	return plane && plane->state->fb == fb;
}

static bool helix_nothing_to_do(struct helix_scanout *s, const struct helix_off *off)
{
	if (!off->fb)
		return helix_is_off(s);
	return !helix_plane_shows(s->primary, off->fb) &&
	       !helix_plane_shows(s->cursor, off->fb);
}

static int helix_add_planes_off(struct drm_atomic_state *state, struct helix_scanout *s,
				struct drm_framebuffer *fb)
{
	int ret = 0;

	if (!fb || helix_plane_shows(s->primary, fb))
		ret = helix_add_plane_off(state, s->primary);
	if (!ret && (!fb || helix_plane_shows(s->cursor, fb)))
		ret = helix_add_plane_off(state, s->cursor);
	return ret;
}

/* One commit that turns off what is on; @state has all its locks. */
static int helix_commit_off(struct drm_atomic_state *state, struct helix_scanout *s,
			    const struct helix_off *off)
{
	int ret = 0;

	if (!off->fb)
		ret = helix_add_crtc_off(state, s->crtc);
	if (!ret)
		ret = helix_add_planes_off(state, s, off->fb);
	if (!ret && !off->fb)
		ret = helix_add_connector_off(state, s);
	if (!ret)
		ret = drm_atomic_nonblocking_commit(state);
	return ret;
}

/* Sleep for @ms, then longer the next time; not beyond @deadline, nor a signal. */
static int helix_back_off(const struct helix_off *off, unsigned int *ms,
			  unsigned long deadline)
{
	if (time_after_eq(jiffies, deadline))
		return -ETIMEDOUT;
	if (off->interruptible && signal_pending(current))
		return -ERESTARTSYS;
	if (off->interruptible)
		msleep_interruptible(*ms);
	else
		msleep(*ms);
	*ms = min_t(unsigned int, 2 * *ms, HELIX_BACKOFF_MAX_MS);
	return 0;
}

/*
 * The core's worker drops its reference after the old framebuffers: when ours
 * is the only one left, ours is the last word on them.
 */
static int helix_wait_commit(struct drm_atomic_state *state, const struct helix_off *off,
			     unsigned long deadline)
{
	unsigned int ms = HELIX_BACKOFF_MIN_MS;
	int ret = 0;

	while (!ret && kref_read(&state->ref) > 1)
		ret = helix_back_off(off, &ms, deadline);
	return ret;
}

static bool helix_scanout_is_at(struct helix_scanout *s, u64 generation)
{
	bool same;

	spin_lock(&s->lock);
	same = s->generation == generation;
	spin_unlock(&s->lock);
	return same;
}

/*
 * One try. Returns 0 and possibly a commit in @statep to wait for, or -EBUSY
 * with @lock naming the mode-setting lock in the way, or NULL for a commit.
 */
static int helix_kms_try_disable(struct helix_scanout *s, const struct helix_off *off,
				 struct drm_atomic_state **statep, const char **lock)
{
	struct drm_modeset_acquire_ctx ctx;
	struct drm_atomic_state *state = NULL;
	int ret;

	*lock = NULL;
	drm_modeset_acquire_init(&ctx, 0);
	ret = helix_modeset_trylock(s, &ctx, lock);
	if (ret)
		goto out;
	/* With the CRTC's lock held the next tenant cannot have shown anything. */
	if (!helix_scanout_is_at(s, off->generation))
		goto out;
	/* Nor can a tenant who has just come back. */
	if (off->idle && !helix_lease_is_idle(off->idle))
		goto out;
	/* A framebuffer of which a pending commit is the end is not shown any more. */
	if (off->fb && helix_nothing_to_do(s, off))
		goto out;
	if (helix_commit_pending(s)) {
		ret = -EBUSY;
		goto out;
	}
	if (helix_nothing_to_do(s, off))
		goto out;

	state = drm_atomic_state_alloc(s->gpu->drm);
	if (!state) {
		ret = -ENOMEM;
		goto out;
	}
	state->acquire_ctx = &ctx;
	ret = helix_commit_off(state, s, off);
	if (ret) {
		drm_atomic_state_put(state);
		state = NULL;
	}
out:
	drm_modeset_drop_locks(&ctx);
	drm_modeset_acquire_fini(&ctx);
	*statep = state;
	return ret;
}

/* Have QUERY say which lock, or which fence. */
static enum helix_lease_wait helix_kms_set_wait(struct helix_scanout *s, const char *lock)
{
	enum helix_lease_wait wait_for = HELIX_LEASE_WAIT_LOCK;
	char name[HELIX_LEASE_WAIT_NAME_LEN];

	if (lock)
		snprintf(name, sizeof(name), "lock of %s", lock);
	else
		wait_for = helix_watch_pending(s, name);
	helix_scanout_set_wait(s, wait_for, name);
	return wait_for;
}

/* Tries until there is nothing in the way. As helix_kms_try_disable(), but not -EBUSY. */
static int helix_kms_keep_trying(struct helix_scanout *s, const struct helix_off *off,
				 unsigned long deadline, struct drm_atomic_state **statep)
{
	unsigned int ms = HELIX_BACKOFF_MIN_MS;
	enum helix_lease_wait wait_for;
	struct helix_wait wait;
	bool waiting = false;
	const char *lock;
	int ret;

	for (;;) {
		*statep = NULL;
		ret = 0;
		/* Unplugged hardware shows nothing. */
		if (drm_dev_is_unplugged(s->gpu->drm))
			break;
		ret = helix_kms_try_disable(s, off, statep, &lock);
		if (ret != -EBUSY)
			break;
		wait_for = helix_kms_set_wait(s, lock);
		if (waiting)
			helix_wait_next(&wait, wait_for, lock ?: "tenant's commit");
		else
			helix_wait_begin(&wait, s, wait_for, lock ?: "tenant's commit");
		waiting = true;
		ret = helix_back_off(off, &ms, deadline);
		if (ret)
			break;
	}
	if (waiting)
		helix_wait_end(&wait, ret);
	return ret;
}

static int helix_kms_turn_off(struct helix_scanout *s, const struct helix_off *off,
			      unsigned long deadline)
{
	static const char name[] = "commit that turns it off";
	struct drm_atomic_state *state;
	struct helix_wait wait;
	int ret;

	ret = helix_kms_keep_trying(s, off, deadline, &state);
	if (!state)
		return ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_COMMIT, name);
	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_COMMIT, name);
	ret = helix_wait_commit(state, off, deadline);
	helix_wait_end(&wait, ret);
	drm_atomic_state_put(state);
	return ret;
}

/**
 * helix_kms_disable - plane, cursor, CRTC and connector off, and proven so
 * @s: scanout
 * @generation: the lease whose picture is to go; another's is left alone
 * @idle: that lease, if its picture is to go only while nobody has its node open
 * @deadline: in jiffies
 *
 * Returns: 0, -ETIMEDOUT, or what the commit failed with.
 */
int helix_kms_disable(struct helix_scanout *s, u64 generation,
		      struct helix_lease *idle, unsigned long deadline)
{
	const struct helix_off off = { .generation = generation, .idle = idle };

	return helix_kms_turn_off(s, &off, deadline);
}

/**
 * helix_kms_blank - turn off what was on before there was a scanout
 * @s: that nobody has been given yet
 *
 * Returns: 0, -EBUSY past the deadline, -EINTR, or what the commit failed with.
 */
int helix_kms_blank(struct helix_scanout *s)
{
	const struct helix_off off = {
		.generation = s->generation,
		.interruptible = true,
	};
	int ret;

	ret = helix_kms_turn_off(s, &off, helix_deadline(clamp(helix_quiesce_ms, 100U, 60000U)));
	if (ret == -ETIMEDOUT)
		return -EBUSY;
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

/**
 * helix_kms_remove_fb - turn off the planes that show a framebuffer
 * @s: scanout
 * @generation: the lease whose framebuffer it is
 * @fb: framebuffer
 * @deadline: in jiffies
 *
 * Returns: 0, -ETIMEDOUT, -ERESTARTSYS, or what the commit failed with.
 */
int helix_kms_remove_fb(struct helix_scanout *s, u64 generation,
			struct drm_framebuffer *fb, unsigned long deadline)
{
	const struct helix_off off = {
		.generation = generation,
		.fb = fb,
		.interruptible = true,
	};

	return helix_kms_turn_off(s, &off, deadline);
}

static void helix_quiesce_begin(struct helix_scanout *s)
{
	spin_lock(&s->lock);
	if (s->state == HELIX_LEASE_STATE_REVOKING)
		helix_scanout_set_state(s, HELIX_LEASE_STATE_QUIESCING);
	spin_unlock(&s->lock);
	wake_up_all(&s->waitq);
}

static void helix_quiesce_finish(struct helix_scanout *s, int err)
{
	unsigned int ms = 0;
	bool first = false;

	spin_lock(&s->lock);
	if (!err) {
		helix_scanout_set_state(s, HELIX_LEASE_STATE_FREE);
	} else {
		first = s->state != HELIX_LEASE_STATE_QUARANTINED;
		if (first)
			helix_scanout_set_state(s, HELIX_LEASE_STATE_QUARANTINED);
		ms = HELIX_RETRY_MIN_MS << min(s->retries++, 5U);
		ms = min_t(unsigned int, ms, HELIX_RETRY_MAX_MS);
	}
	spin_unlock(&s->lock);

	wake_up_all(&s->waitq);
	if (first)
		drm_warn(s->gpu->drm, "helix: scanout %u could not be turned off (%d), quarantined\n",
			 s->number, err);
	if (err)
		queue_delayed_work(helix_wq, &s->work, msecs_to_jiffies(ms));
}

/* The worker's: from REVOKING, QUIESCING or QUARANTINED towards FREE. */
void helix_quiesce(struct helix_scanout *s)
{
	unsigned long deadline = helix_deadline(clamp(helix_quiesce_ms, 100U, 60000U));
	int ret;

	helix_quiesce_begin(s);
	/* Only we let it leave FREE's threshold: the generation stays. */
	ret = helix_kms_disable(s, s->generation, NULL, deadline);
	if (!ret)
		ret = helix_host_disable(s, deadline);
	helix_quiesce_finish(s, ret);
}
