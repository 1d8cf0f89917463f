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

static bool helix_trylock_one(struct drm_modeset_lock *lock,
			      struct drm_modeset_acquire_ctx *ctx)
{
	if (!ww_mutex_trylock(&lock->mutex, &ctx->ww_ctx))
		return false;
	/* Now drm_modeset_lock() knows that we have it, and drops it with the rest. */
	list_add(&lock->head, &ctx->locked);
	return true;
}

/**
 * helix_modeset_trylock - every lock that turning @s off needs, or none waited for
 * @s: scanout
 * @ctx: fresh; the caller drops its locks either way
 *
 * Returns: 0 or -EBUSY.
 */
int helix_modeset_trylock(struct helix_scanout *s, struct drm_modeset_acquire_ctx *ctx)
{
	if (helix_trylock_one(&s->crtc->mutex, ctx) &&
	    helix_trylock_one(&s->primary->mutex, ctx) &&
	    (!s->cursor || helix_trylock_one(&s->cursor->mutex, ctx)) &&
	    helix_trylock_one(&s->gpu->drm->mode_config.connection_mutex, ctx))
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

/* One commit that turns off everything that is on; @state has all its locks. */
static int helix_commit_off(struct drm_atomic_state *state, struct helix_scanout *s)
{
	int ret;

	ret = helix_add_crtc_off(state, s->crtc);
	if (!ret)
		ret = helix_add_plane_off(state, s->primary);
	if (!ret)
		ret = helix_add_plane_off(state, s->cursor);
	if (!ret)
		ret = helix_add_connector_off(state, s);
	if (!ret)
		ret = drm_atomic_nonblocking_commit(state);
	return ret;
}

/*
 * The core's worker drops its reference after the old framebuffers: when ours
 * is the only one left, ours is the last word on them.
 */
static int helix_wait_commit(struct drm_atomic_state *state, unsigned long deadline)
{
	unsigned int ms = HELIX_BACKOFF_MIN_MS;

	while (kref_read(&state->ref) > 1) {
		if (time_after_eq(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(ms);
		ms = min_t(unsigned int, 2 * ms, HELIX_BACKOFF_MAX_MS);
	}
	return 0;
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
 * with @wait saying what was in the way.
 */
static int helix_kms_try_disable(struct helix_scanout *s, u64 generation,
				 struct helix_lease *idle,
				 struct drm_atomic_state **statep,
				 enum helix_lease_wait *wait)
{
	struct drm_modeset_acquire_ctx ctx;
	struct drm_atomic_state *state = NULL;
	int ret;

	drm_modeset_acquire_init(&ctx, 0);
	*wait = HELIX_LEASE_WAIT_LOCK;
	ret = helix_modeset_trylock(s, &ctx);
	if (ret)
		goto out;
	/* With the CRTC's lock held the next tenant cannot have shown anything. */
	if (!helix_scanout_is_at(s, generation))
		goto out;
	/* Nor can a tenant who has just come back. */
	if (idle && !helix_lease_is_idle(idle))
		goto out;
	*wait = HELIX_LEASE_WAIT_COMMIT;
	if (helix_commit_pending(s)) {
		ret = -EBUSY;
		goto out;
	}
	if (helix_is_off(s))
		goto out;

	state = drm_atomic_state_alloc(s->gpu->drm);
	if (!state) {
		ret = -ENOMEM;
		goto out;
	}
	state->acquire_ctx = &ctx;
	ret = helix_commit_off(state, s);
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
	struct drm_atomic_state *state;
	enum helix_lease_wait wait;
	unsigned int ms = HELIX_BACKOFF_MIN_MS;
	int ret;

	for (;;) {
		/* Unplugged hardware shows nothing. */
		if (drm_dev_is_unplugged(s->gpu->drm))
			return 0;
		ret = helix_kms_try_disable(s, generation, idle, &state, &wait);
		if (ret != -EBUSY)
			break;
		helix_scanout_set_wait(s, wait, wait == HELIX_LEASE_WAIT_LOCK ?
				       "mode-setting lock" : "commit of the tenant");
		if (time_after_eq(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(ms);
		ms = min_t(unsigned int, 2 * ms, HELIX_BACKOFF_MAX_MS);
	}
	if (!state)
		return ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_COMMIT, "commit that turns it off");
	ret = helix_wait_commit(state, deadline);
	drm_atomic_state_put(state);
	return ret;
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
		dev_warn(s->node, "could not be turned off (%d), quarantined\n", err);
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
