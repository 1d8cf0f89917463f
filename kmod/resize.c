// SPDX-License-Identifier: GPL-2.0-only
/*
 * RESIZE: another preferred mode on the connector of a lease that goes on.
 *
 * A resize is a job for the scanout's worker, which tells the host and then looks
 * until the guest's driver has heard of it; being the worker's, it cannot come
 * after the request that turns the output off. There is one at a time,
 * helix_scanout.resize; helix_scanout.lock protects it. Whoever asked for it waits
 * for its end, or gives it up. One that fails leaves the size as it was.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_sysfs.h>

#include "helix.h"

/**
 * struct helix_resize - one under way
 * @ref: held by the scanout and by who waits for it
 * @generation: of the lease
 * @width: wanted; once it has begun, what it was before
 * @height: likewise
 * @refresh_mhz: likewise
 * @deadline: in jiffies
 * @taken: the worker has it, and ends it
 * @begun: its size is in force
 * @err: how it ended
 */
struct helix_resize {
	struct kref ref;
	u64 generation;
	u32 width;
	u32 height;
	u32 refresh_mhz;
	unsigned long deadline;
	bool taken;
	bool begun;
	int err;
};

static void helix_resize_release(struct kref *ref)
{
	kfree(container_of(ref, struct helix_resize, ref));
}

static bool helix_resize_lives(struct helix_scanout *s, const struct helix_resize *r)
{
	lockdep_assert_held(&s->lock);

	return s->state == HELIX_LEASE_STATE_LEASED && s->generation == r->generation;
}

/* Whatever of a resize was waited for; the waits of a transition stay. */
static void helix_resize_no_wait(struct helix_scanout *s)
{
	lockdep_assert_held(&s->lock);

	if (s->state == HELIX_LEASE_STATE_LEASED)
		helix_scanout_set_wait_locked(s, HELIX_LEASE_WAIT_NONE, "");
}

/* Also back again: what is replaced is kept in @r. */
static void helix_resize_swap(struct helix_scanout *s, struct helix_resize *r)
{
	lockdep_assert_held(&s->lock);

	swap(s->width, r->width);
	swap(s->height, r->height);
	swap(s->refresh_mhz, r->refresh_mhz);
}

/* The job the worker has to do, its size in force; NULL if there is none. */
static struct helix_resize *helix_resize_begin(struct helix_scanout *s)
{
	struct helix_resize *r;

	spin_lock(&s->lock);
	r = s->resize;
	if (r)
		r->taken = true;
	if (r && helix_resize_lives(s, r)) {
		r->begun = true;
		helix_resize_swap(s, r);
	}
	spin_unlock(&s->lock);
	return r;
}

static void helix_resize_end(struct helix_scanout *s, struct helix_resize *r, int err)
{
	int idx;

	spin_lock(&s->lock);
	s->resize = NULL;
	if (!helix_resize_lives(s, r) || s->cancelled)
		err = -ECANCELED;
	if (err && r->begun) {
		helix_resize_swap(s, r);
		/* The host may have done it, or be about to. */
		s->announce = helix_resize_lives(s, r);
	}
	if (!err)
		helix_event(s, HELIX_LEASE_EVENT_RESIZED);
	helix_resize_no_wait(s);
	s->cancelled = false;
	r->err = err;
	spin_unlock(&s->lock);
	wake_up_all(&s->waitq);

	/* Compositors look again when told to; 6.1's driver tells of plugs only. */
	if (!err && drm_dev_enter(s->gpu->drm, &idx)) {
		drm_sysfs_hotplug_event(s->gpu->drm);
		drm_dev_exit(idx);
	}
	kref_put(&r->ref, helix_resize_release);
}

/* The worker's, before anything else it does: a lease that has ended ends its resize. */
void helix_resize_run(struct helix_scanout *s)
{
	struct helix_resize *r = helix_resize_begin(s);

	if (r)
		helix_resize_end(s, r, r->begun ? helix_host_resize(s, r->deadline) : 0);
}

/* Returns: 0 if @r is the scanout's now, -EBUSY if another is, -ESTALE. */
static int helix_resize_try_start(struct helix_scanout *s, struct helix_resize *r)
{
	int ret = -EBUSY;

	spin_lock(&s->lock);
	if (!helix_resize_lives(s, r)) {
		ret = -ESTALE;
	} else if (!s->resize) {
		kref_get(&r->ref);
		s->resize = r;
		s->cancelled = false;
		helix_scanout_set_wait_locked(s, HELIX_LEASE_WAIT_HOST, "resize to begin");
		mod_delayed_work(helix_wq, &s->work, 0);
		ret = 0;
	}
	spin_unlock(&s->lock);
	return ret;
}

static long helix_resize_left(const struct helix_resize *r)
{
	long left = r->deadline - jiffies;

	return max(left, 1L);
}

/* One after the other: wait for the turn of @r. */
static int helix_resize_start(struct helix_scanout *s, struct helix_resize *r, bool nonblock)
{
	int ret = helix_resize_try_start(s, r);
	struct helix_wait wait;
	long left;

	if (ret != -EBUSY)
		return ret;
	if (nonblock)
		return -EAGAIN;
	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_NONE, "turn to resize");
	left = wait_event_interruptible_timeout(s->waitq,
						(ret = helix_resize_try_start(s, r)) != -EBUSY,
						helix_resize_left(r));
	if (left < 0)
		ret = -EINTR;
	else if (!left)
		ret = -ETIMEDOUT;
	else if (ret == -ESTALE)
		ret = -ECANCELED;
	helix_wait_end(&wait, ret);
	return ret;
}

static bool helix_resize_is_over(struct helix_scanout *s, const struct helix_resize *r)
{
	bool over;

	spin_lock(&s->lock);
	over = s->resize != r;
	spin_unlock(&s->lock);
	return over;
}

/* Returns: @why, unless it has ended meanwhile. */
static int helix_resize_give_up(struct helix_scanout *s, struct helix_resize *r, int why)
{
	bool drop = false;

	spin_lock(&s->lock);
	if (s->resize != r) {
		why = r->err;
	} else if (r->taken) {
		s->cancelled = true;
	} else {
		s->resize = NULL;
		helix_resize_no_wait(s);
		drop = true;
	}
	spin_unlock(&s->lock);

	if (drop) {
		wake_up_all(&s->waitq);
		kref_put(&r->ref, helix_resize_release);
	}
	return why;
}

static int helix_resize_wait(struct helix_scanout *s, struct helix_resize *r)
{
	struct helix_wait wait;
	long left;
	int ret;

	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_NONE, "resize to be over");
	left = wait_event_interruptible_timeout(s->waitq, helix_resize_is_over(s, r),
						helix_resize_left(r));
	if (left > 0)
		ret = r->err;
	else
		ret = helix_resize_give_up(s, r, left ? -EINTR : -ETIMEDOUT);
	helix_wait_end(&wait, ret);
	return ret;
}

static int helix_resize_check(const struct helix_lease_resize *resize)
{
	if (resize->flags || resize->__reserved)
		return -EOPNOTSUPP;
	if (resize->timeout_ms > HELIX_LEASE_TIMEOUT_MAX_MS)
		return -EINVAL;
	return helix_check_mode(resize->width, resize->height, resize->refresh_mhz);
}

/* What the mediator cannot do need not be begun. */
static int helix_resize_check_host(void)
{
	switch (helix_host_state()) {
	case HELIX_LEASE_HOST_NONE:
		return -EOPNOTSUPP;
	case HELIX_LEASE_HOST_DOWN:
		return -EHOSTDOWN;
	default:
		return 0;
	}
}

int helix_ioctl_resize(struct helix_ucmd *ucmd)
{
	struct helix_lease_resize *resize = ucmd->cmd;
	u64 generation = resize->generation;
	struct helix_scanout *s;
	struct helix_resize *r;
	int ret;

	ret = helix_resize_check(resize);
	if (ret)
		return ret;
	s = helix_ucmd_lease(ucmd, resize->scanout, &generation);
	if (IS_ERR(s))
		return PTR_ERR(s);
	ret = helix_resize_check_host();
	if (ret)
		goto out_scanout;

	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r) {
		ret = -ENOMEM;
		goto out_scanout;
	}
	kref_init(&r->ref);
	r->generation = generation;
	r->width = resize->width;
	r->height = resize->height;
	r->refresh_mhz = resize->refresh_mhz ?: HELIX_REFRESH_DEFAULT_MHZ;
	r->deadline = helix_deadline(resize->timeout_ms);

	ret = helix_resize_start(s, r, ucmd->nonblock);
	if (!ret)
		ret = ucmd->nonblock ? -EINPROGRESS : helix_resize_wait(s, r);
	kref_put(&r->ref, helix_resize_release);
out_scanout:
	helix_scanout_put(s);
	return ret;
}
