// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant that does not follow its connector's size finds its monitor exchanged.
 *
 * Of compositors some take a connector's new preferred mode when they are told
 * to look again (Mutter, KWin). Others choose a mode when an output comes, and
 * never again (Weston, wlroots). So when the tenant has looked at its connector,
 * it is seen replug_ms later what it made of it. If it still shows another size
 * than the preferred one, its connector is disconnected, and once it has seen
 * that, connected again. Both are only told to it, by the guard in front of
 * GETCONNECTOR, with a hotplug event each: the connector itself, and everybody
 * else, knows nothing of it. It does not matter who changed the size: RESIZE, or the
 * host by itself.
 *
 *	from		to		when
 *	NONE, LOOKED	LOOKED		GETCONNECTOR; the clock is set
 *	LOOKED		NONE		it sets, or tries, another size by itself
 *	LOOKED		UNPLUGGED	replug_ms later it shows another than is preferred,
 *					and has drawn on; who draws nothing, or is slow,
 *					has HELIX_REPLUG_STILL times as long
 *	LOOKED		NONE		then it shows that, or nothing, or has been
 *					unplugged for this size before
 *	UNPLUGGED	GONE		GETCONNECTOR
 *	UNPLUGGED	NONE		it did not look within HELIX_REPLUG_UNSEEN_MS: to who
 *					was frozen it is done again when he looks
 *	GONE		NONE		it shows nothing, or HELIX_REPLUG_GONE_MS later
 *	any		NONE		the lease ends, or nobody has its node open any more
 *
 * So it is done once for a size, not for the one that the lease began with, and not to
 * who shows nothing, or does not look. Nor, until it closes its node, to who has
 * set another size by itself: it is only slow the next time. What it sets after it has
 * been unplugged, before it is seen what it made of that, it does not set by itself.
 *
 * helix_scanout.lock protects the state. What is shown and what is preferred is read
 * with the mode-setting locks of the scanout and mode_config.mutex, all of which are
 * only tried for; nothing is held when the tenant is told. helix_scanout.replug_work
 * does what has to be waited for, and looks whether it is still meant.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/moduleparam.h>

#include <drm/drm_atomic.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_sysfs.h>

#include "helix.h"
#include "trace.h"

static unsigned int helix_replug_ms = 2000;
module_param_named(replug_ms, helix_replug_ms, uint, 0644);
MODULE_PARM_DESC(replug_ms,
		 "Time a tenant that has looked has to take a new size, before its connector is unplugged and plugged in again to it, 0 for never (default 2000)");

/* So many pictures in the size that it had: it is done with what it was told of. */
#define HELIX_REPLUG_DRAWN	3
/* Without them it may be busy with just that, or have nothing to draw. */
#define HELIX_REPLUG_STILL	5
/* Between two looks at what is waited for. */
#define HELIX_REPLUG_POLL_MS	25
/* Who has not looked by then does not run, however slow the machine is. */
#define HELIX_REPLUG_UNSEEN_MS	30000
/* For who does not turn its output off, as Weston: to be done with it. */
#define HELIX_REPLUG_GONE_MS	500
/* How much longer locks are tried for. */
#define HELIX_REPLUG_BUSY_MS	1000

/* What a scanout shows. */
enum helix_shows {
	HELIX_SHOWS_UNKNOWN,	/* the locks could not be had */
	HELIX_SHOWS_NOTHING,
	HELIX_SHOWS_PREFERRED,
	HELIX_SHOWS_OTHER,
};

/**
 * struct helix_look - what there is to be seen of a scanout
 * @shows: what it shows
 * @width: what its connector prefers, if that is another
 * @height: likewise
 */
struct helix_look {
	enum helix_shows shows;
	u32 width;
	u32 height;
};

static unsigned int helix_replug_time(void)
{
	return min(READ_ONCE(helix_replug_ms), 60000U);
}

static void helix_replug_set(struct helix_scanout *s, enum helix_replug to)
{
	lockdep_assert_held(&s->lock);

	if (s->replug != to)
		trace_helix_replug(s->number, s->generation, s->replug, to);
	s->replug = to;
}

/* Who opens it next finds a monitor, and is not known. */
static void helix_replug_clear(struct helix_scanout *s)
{
	helix_replug_set(s, HELIX_REPLUG_NONE);
	s->exchanged = false;
	s->follows = false;
}

/* A lease begins, or ends: what it began with is what it was offered first. */
void helix_replug_reset(struct helix_scanout *s)
{
	lockdep_assert_held(&s->lock);

	helix_replug_clear(s);
	s->replug_width = s->width;
	s->replug_height = s->height;
}

/* The last open of its node was closed. */
void helix_replug_forget(struct helix_lease *lease)
{
	struct helix_scanout *s = lease->scanout;

	spin_lock(&s->lock);
	if (s->lease == lease)
		helix_replug_clear(s);
	spin_unlock(&s->lock);
}

static void helix_replug_arm(struct helix_scanout *s, unsigned int ms)
{
	lockdep_assert_held(&s->lock);

	mod_delayed_work(helix_wq, &s->replug_work, msecs_to_jiffies(ms));
}

static void helix_replug_begin(struct helix_scanout *s, enum helix_replug to,
			       unsigned int ms, unsigned int first_ms)
{
	helix_replug_set(s, to);
	s->replug_drawn = 0;
	s->replug_until = jiffies + msecs_to_jiffies(ms);
	helix_replug_arm(s, first_ms);
}

/**
 * helix_replug_look - the tenant looks at its connector
 * @lease: the tenant's
 *
 * Returns: whether it is to find it disconnected.
 */
bool helix_replug_look(struct helix_lease *lease)
{
	unsigned int ms = helix_replug_time();
	struct helix_scanout *s = lease->scanout;
	bool gone = false;

	spin_lock(&s->lock);
	if (s->lease == lease) {
		if (s->replug == HELIX_REPLUG_UNPLUGGED) {
			s->exchanged = true;
			helix_replug_begin(s, HELIX_REPLUG_GONE, HELIX_REPLUG_GONE_MS,
					   HELIX_REPLUG_POLL_MS);
		} else if (s->replug != HELIX_REPLUG_GONE && ms && !s->follows) {
			helix_replug_begin(s, HELIX_REPLUG_LOOKED, ms, ms);
		}
		gone = s->replug == HELIX_REPLUG_GONE;
	}
	spin_unlock(&s->lock);
	return gone;
}

static bool helix_same_size(const struct drm_display_mode *a, const struct drm_display_mode *b)
{
	return a->hdisplay == b->hdisplay && a->vdisplay == b->vdisplay;
}

static bool helix_new_picture(struct helix_scanout *s, struct drm_atomic_state *state)
{
	const struct drm_plane_state *new = drm_atomic_get_new_plane_state(state, s->primary);

	return new && new->fb != drm_atomic_get_old_plane_state(state, s->primary)->fb;
}

/**
 * helix_replug_check - the tenant sets a mode or a picture, or tries whether it may
 * @s: scanout, its CRTC's lock held
 * @state: with both states of the CRTC
 */
void helix_replug_check(struct helix_scanout *s, struct drm_atomic_state *state)
{
	const struct drm_crtc_state *was = drm_atomic_get_old_crtc_state(state, s->crtc);
	const struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, s->crtc);
	bool follows = !helix_same_size(&was->mode, &new->mode);

	if (READ_ONCE(s->replug) != HELIX_REPLUG_LOOKED || !was->enable || !new->enable ||
	    !(follows || helix_new_picture(s, state)))
		return;

	spin_lock(&s->lock);
	if (s->replug == HELIX_REPLUG_LOOKED && follows && !s->exchanged) {
		helix_replug_set(s, HELIX_REPLUG_NONE);
		s->follows = true;
	} else {
		s->replug_drawn++;
	}
	spin_unlock(&s->lock);
}

/* All locks are held. */
static void helix_replug_compare(struct helix_scanout *s, struct helix_look *look)
{
	const struct drm_crtc_state *state = s->crtc->state;
	const struct drm_display_mode *mode;

	look->shows = HELIX_SHOWS_NOTHING;
	if (!state->enable || !state->active)
		return;
	look->shows = HELIX_SHOWS_PREFERRED;
	list_for_each_entry(mode, &s->connector->modes, head) {
		if (!(mode->type & DRM_MODE_TYPE_PREFERRED))
			continue;
		if (!helix_same_size(mode, &state->mode))
			look->shows = HELIX_SHOWS_OTHER;
		look->width = mode->hdisplay;
		look->height = mode->vdisplay;
		break;
	}
}

static struct helix_look helix_replug_inspect(struct helix_scanout *s)
{
	struct mutex *modes = &s->gpu->drm->mode_config.mutex;
	struct helix_look look = { .shows = HELIX_SHOWS_UNKNOWN };
	struct drm_modeset_acquire_ctx ctx;

	/* The core's order; but nobody waits here. */
	if (!mutex_trylock(modes))
		return look;
	drm_modeset_acquire_init(&ctx, 0);
	if (!helix_modeset_trylock(s, &ctx, NULL))
		helix_replug_compare(s, &look);
	drm_modeset_drop_locks(&ctx);
	drm_modeset_acquire_fini(&ctx);
	mutex_unlock(modes);
	return look;
}

/* It has had its time. Returns: whether it is to be told. */
static bool helix_replug_judge(struct helix_scanout *s, const struct helix_look *look)
{
	unsigned int ms = helix_replug_time(), more = ms * (HELIX_REPLUG_STILL - 1);
	bool known = look->width == s->replug_width && look->height == s->replug_height;
	bool wait = look->shows == HELIX_SHOWS_OTHER && !known &&
		    s->replug_drawn < HELIX_REPLUG_DRAWN;

	/* Who draws nothing was waited for: then, too, one busy lock decides nothing. */
	if (look->shows == HELIX_SHOWS_UNKNOWN) {
		more += HELIX_REPLUG_BUSY_MS;
		wait = true;
	}
	if (wait && time_before(jiffies, s->replug_until + msecs_to_jiffies(more))) {
		helix_replug_arm(s, HELIX_REPLUG_POLL_MS);
		return false;
	}
	s->exchanged = false;
	if (look->width) {
		s->replug_width = look->width;
		s->replug_height = look->height;
	}
	if (look->shows != HELIX_SHOWS_OTHER || known || !ms) {
		helix_replug_set(s, HELIX_REPLUG_NONE);
		return false;
	}
	s->replugs++;
	helix_replug_begin(s, HELIX_REPLUG_UNPLUGGED, HELIX_REPLUG_UNSEEN_MS,
			   HELIX_REPLUG_UNSEEN_MS);
	return true;
}

/* Likewise. */
static bool helix_replug_step(struct helix_scanout *s, const struct helix_look *look)
{
	bool late = time_after_eq(jiffies, s->replug_until);

	lockdep_assert_held(&s->lock);

	switch (s->replug) {
	case HELIX_REPLUG_LOOKED:
		/* If not, another look has set the clock, and armed us, since we were woken. */
		return late && helix_replug_judge(s, look);
	case HELIX_REPLUG_UNPLUGGED:
		/* It has chosen nothing. */
		if (late) {
			s->replug_width = 0;
			s->replug_height = 0;
		}
		break;
	case HELIX_REPLUG_GONE:
		late |= look->shows == HELIX_SHOWS_NOTHING;
		break;
	default:
		return false;
	}
	if (late)
		helix_replug_set(s, HELIX_REPLUG_NONE);
	else
		helix_replug_arm(s, HELIX_REPLUG_POLL_MS);
	return late;
}

void helix_replug_work(struct work_struct *work)
{
	struct helix_scanout *s = container_of(to_delayed_work(work),
					       struct helix_scanout, replug_work);
	struct helix_look look = helix_replug_inspect(s);
	bool tell;
	int idx;

	spin_lock(&s->lock);
	tell = helix_replug_step(s, &look);
	spin_unlock(&s->lock);

	if (tell && drm_dev_enter(s->gpu->drm, &idx)) {
		drm_sysfs_connector_hotplug_event(s->connector);
		drm_dev_exit(idx);
	}
}
