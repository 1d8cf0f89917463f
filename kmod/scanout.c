// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of scanouts and their state machine.
 *
 * Every change of state goes through helix_scanout_set_state(), which knows the
 * only transitions there are. helix_scanout.lock protects the state and all
 * that belongs to it; nothing is waited for under it. A scanout's works are
 * queued under it, too, and while it is not FREE: a GPU is let go of when all of
 * its scanouts are, and cancels them then for the last time.
 *
 * A scanout leaves FREE with a new generation, which no other lease ever had:
 * whoever names a lease names scanout and generation, and cannot hit the next
 * tenant's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_modes.h>

#include "helix.h"
#include "trace.h"

DEFINE_XARRAY(helix_scanouts);

static atomic64_t helix_generation = ATOMIC64_INIT(0);

/* Counts the ends of leases, whose scanouts are FREE or will not be soon. */
static atomic_t helix_settled = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(helix_settled_waitq);

/* Nobody is given a scanout while somebody waits for all to be FREE. */
static atomic_t helix_ending_all = ATOMIC_INIT(0);

#define TO(state)	BIT(HELIX_LEASE_STATE_ ## state)

static const u8 helix_transitions[] = {
	[HELIX_LEASE_STATE_FREE]	= TO(ENABLING),
	/* FREE: the host was never told; QUIESCING: it was */
	[HELIX_LEASE_STATE_ENABLING]	= TO(LEASED) | TO(FREE) | TO(QUIESCING),
	[HELIX_LEASE_STATE_LEASED]	= TO(REVOKING),
	[HELIX_LEASE_STATE_REVOKING]	= TO(QUIESCING),
	[HELIX_LEASE_STATE_QUIESCING]	= TO(FREE) | TO(QUARANTINED),
	[HELIX_LEASE_STATE_QUARANTINED]	= TO(FREE),
};

static const char * const helix_state_names[] = {
	[HELIX_LEASE_STATE_FREE]	= "free",
	[HELIX_LEASE_STATE_ENABLING]	= "enabling",
	[HELIX_LEASE_STATE_LEASED]	= "leased",
	[HELIX_LEASE_STATE_REVOKING]	= "revoking",
	[HELIX_LEASE_STATE_QUIESCING]	= "quiescing",
	[HELIX_LEASE_STATE_QUARANTINED]	= "quarantined",
};

/* What a change of state is told as; 0 for nothing. */
static const u8 helix_state_events[] = {
	[HELIX_LEASE_STATE_FREE]	= HELIX_LEASE_EVENT_FREED,
	[HELIX_LEASE_STATE_LEASED]	= HELIX_LEASE_EVENT_GRANTED,
	[HELIX_LEASE_STATE_REVOKING]	= HELIX_LEASE_EVENT_REVOKING,
	[HELIX_LEASE_STATE_QUIESCING]	= 0,
	[HELIX_LEASE_STATE_QUARANTINED]	= HELIX_LEASE_EVENT_QUARANTINED,
};

const char *helix_state_name(u32 state)
{
	return state < ARRAY_SIZE(helix_state_names) ? helix_state_names[state] : "?";
}

void helix_scanout_set_wait_locked(struct helix_scanout *s, enum helix_lease_wait wait_for,
				   const char *name)
{
	lockdep_assert_held(&s->lock);

	/*
	 * Nobody waits for what is FREE, and for what is LEASED only a resize does,
	 * whatever a late closer says.
	 */
	if (s->state == HELIX_LEASE_STATE_FREE ||
	    (s->state == HELIX_LEASE_STATE_LEASED && !s->resize))
		wait_for = HELIX_LEASE_WAIT_NONE;
	if (wait_for == HELIX_LEASE_WAIT_NONE)
		name = "";
	strscpy_pad(s->wait_name, name, sizeof(s->wait_name));
	if (s->wait_for == wait_for)
		return;
	s->wait_for = wait_for;
	s->wait_since = ktime_get();
}

/* The caller wakes the waiters up, once it has let go of the lock. */
void helix_scanout_set_state(struct helix_scanout *s, enum helix_lease_state to)
{
	lockdep_assert_held(&s->lock);

	if (WARN_ON(!(helix_transitions[s->state] & BIT(to))))
		return;

	trace_helix_state(s->number, s->generation, s->state, to);
	s->state = to;
	s->state_since = ktime_get();
	helix_replug_reset(s);
	if (to == HELIX_LEASE_STATE_FREE || to == HELIX_LEASE_STATE_LEASED)
		helix_scanout_set_wait_locked(s, HELIX_LEASE_WAIT_NONE, "");
	if (to == HELIX_LEASE_STATE_QUARANTINED)
		s->quarantines++;
	if (to == HELIX_LEASE_STATE_FREE || to == HELIX_LEASE_STATE_QUARANTINED) {
		atomic_inc(&helix_settled);
		wake_up_all(&helix_settled_waitq);
	}
	if (helix_state_events[to])
		helix_event(s, helix_state_events[to]);
	if (to == HELIX_LEASE_STATE_FREE) {
		s->retries = 0;
		s->announce = false;
		put_pid(s->owner.pid);
		s->owner.pid = NULL;
		helix_queue_put(s->queue);
		s->queue = NULL;
	}
}

/**
 * helix_scanout_set_wait - say what a scanout in transition waits for
 * @s: scanout
 * @wait_for: kind
 * @name: which one, for people
 */
void helix_scanout_set_wait(struct helix_scanout *s, enum helix_lease_wait wait_for,
			    const char *name)
{
	spin_lock(&s->lock);
	helix_scanout_set_wait_locked(s, wait_for, name);
	spin_unlock(&s->lock);
}

static void helix_scanout_release(struct kref *ref)
{
	struct helix_scanout *s = container_of(ref, struct helix_scanout, ref);

	put_pid(s->owner.pid);
	helix_watch_release(&s->watch);
	helix_gpu_put(s->gpu);
	kfree_rcu(s, rcu);
}

void helix_scanout_put(struct helix_scanout *s)
{
	kref_put(&s->ref, helix_scanout_release);
}

struct helix_scanout *helix_scanout_get(u32 number)
{
	struct helix_scanout *s;

	xa_lock(&helix_scanouts);
	s = xa_load(&helix_scanouts, number);
	if (s)
		kref_get(&s->ref);
	xa_unlock(&helix_scanouts);

	return s;
}

/* The largest number there is, 0 if there is none. */
u32 helix_scanout_last(void)
{
	struct helix_scanout *s;
	unsigned long number;
	u32 last = 0;

	xa_for_each(&helix_scanouts, number, s)
		last = number;
	return last;
}

static void helix_scanout_work(struct work_struct *work)
{
	struct helix_scanout *s = container_of(to_delayed_work(work),
					       struct helix_scanout, work);
	enum helix_lease_state state;
	bool announce, revoked;

	helix_resize_run(s);

	spin_lock(&s->lock);
	state = s->state;
	revoked = s->revoked;
	announce = s->announce;
	s->announce = false;
	spin_unlock(&s->lock);

	switch (state) {
	case HELIX_LEASE_STATE_LEASED:
		if (announce)
			helix_host_announce(s);
		break;
	case HELIX_LEASE_STATE_REVOKING:
		/* Whoever takes the rights away queues us once they are gone. */
		if (revoked)
			helix_quiesce(s);
		break;
	case HELIX_LEASE_STATE_QUIESCING:
	case HELIX_LEASE_STATE_QUARANTINED:
		helix_quiesce(s);
		break;
	case HELIX_LEASE_STATE_FREE:
	case HELIX_LEASE_STATE_ENABLING:
		break;
	}
}

struct helix_scanout *helix_scanout_new(struct helix_gpu *gpu, struct drm_crtc *crtc)
{
	struct helix_scanout *s;

	if (gpu->first + gpu->nr > HELIX_MAX_SCANOUTS)
		return ERR_PTR(-ENOSPC);

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);

	kref_init(&s->ref);
	kref_get(&gpu->ref);
	s->gpu = gpu;
	s->crtc = crtc;
	s->output = drm_crtc_index(crtc);
	/* Not to be had before the whole GPU is bound. */
	s->going = true;
	init_waitqueue_head(&s->waitq);
	INIT_LIST_HEAD(&s->link);
	INIT_DELAYED_WORK(&s->work, helix_scanout_work);
	INIT_DELAYED_WORK(&s->idle_work, helix_idle_work);
	INIT_DELAYED_WORK(&s->replug_work, helix_replug_work);
	spin_lock_init(&s->lock);
	helix_watch_init(&s->watch);
	s->state_since = ktime_get();
	s->wait_since = s->state_since;
	return s;
}

/*
 * What the driver last heard from its device, without asking anyone to probe:
 * a probe takes mode_config.mutex, and connector->status is only as new as the
 * last probe somebody else did. virtio-gpu's detect() reads one field that the
 * display-info response wrote, in all kernels we support.
 */
bool helix_scanout_connected(struct helix_scanout *s)
{
	const struct drm_connector_funcs *funcs = s->connector->funcs;

	if (funcs->detect)
		return funcs->detect(s->connector, false) == connector_status_connected;
	return READ_ONCE(s->connector->status) == connector_status_connected;
}

static bool helix_mode_ok(struct helix_scanout *s, u32 width, u32 height)
{
	const struct drm_connector_helper_funcs *funcs = s->connector->helper_private;
	struct drm_display_mode mode = {
		.hdisplay = width,
		.vdisplay = height,
		.type = DRM_MODE_TYPE_PREFERRED,
	};

	return !funcs->mode_valid || funcs->mode_valid(s->connector, &mode) == MODE_OK;
}

/*
 * Is this the size that the driver last heard of, likewise without a probe?
 * virtio-gpu's mode_valid() takes a preferred mode that is at most 16 pixels
 * smaller, in each direction, than what the display-info response wrote; one of
 * 1024x768 it always takes, so that it is never asked about that one. The EDID
 * that modes are listed from was asked for before the display info, and answered
 * before it.
 */
bool helix_scanout_has_size(struct helix_scanout *s)
{
	u32 width = READ_ONCE(s->width);
	u32 height = READ_ONCE(s->height);
	u32 near_width = width == 1024 ? width - 1 : width;
	u32 near_height = height == 768 ? height - 1 : height;

	return helix_scanout_connected(s) &&
	       helix_mode_ok(s, width, near_height) &&
	       !helix_mode_ok(s, width + 1, near_height) &&
	       helix_mode_ok(s, near_width, height) &&
	       !helix_mode_ok(s, near_width, height + 1);
}

/* Is it on its way to FREE? One that is QUARANTINED missed its deadline for that. */
bool helix_scanout_is_ending(const struct helix_scanout *s)
{
	lockdep_assert_held(&s->lock);

	return s->state == HELIX_LEASE_STATE_REVOKING || s->state == HELIX_LEASE_STATE_QUIESCING;
}

/* Returns 0 if @s was FREE and is ours now, -EAGAIN if it will be soon, else -EBUSY. */
static int helix_scanout_try_claim(struct helix_scanout *s,
				   const struct helix_lease_acquire *acq,
				   const struct helix_owner *owner)
{
	int ret = -EBUSY;

	spin_lock(&s->lock);
	if (s->going || atomic_read(&helix_ending_all)) {
		/* It will not be given to anybody. */
	} else if (helix_scanout_is_ending(s)) {
		ret = -EAGAIN;
	} else if (s->state == HELIX_LEASE_STATE_FREE) {
		s->generation = atomic64_inc_return(&helix_generation);
		helix_scanout_set_state(s, HELIX_LEASE_STATE_ENABLING);
		s->cancelled = false;
		s->cause = 0;
		s->width = acq->width;
		s->height = acq->height;
		s->refresh_mhz = acq->refresh_mhz;
		s->priority = acq->priority;
		s->acquire_flags = acq->flags;
		memcpy(s->label, acq->label, sizeof(s->label));
		s->owner = *owner;
		get_pid(s->owner.pid);
		ret = 0;
	}
	spin_unlock(&s->lock);

	if (!ret)
		wake_up_all(&s->waitq);
	return ret;
}

static struct helix_scanout *
helix_scanout_claim_any(const struct helix_lease_acquire *acq,
			const struct helix_owner *owner)
{
	struct helix_scanout *s;
	unsigned long number;
	int ret = -ENODEV;

	/* xa_for_each() holds nothing between steps, so each step takes a reference. */
	xa_for_each(&helix_scanouts, number, s) {
		int busy;

		s = helix_scanout_get(number);
		if (!s)
			continue;
		busy = helix_scanout_try_claim(s, acq, owner);
		if (!busy)
			return s;
		helix_scanout_put(s);
		if (ret != -EAGAIN)
			ret = busy == -EAGAIN ? -EAGAIN : -ENOSPC;
	}
	return ERR_PTR(ret);
}

/**
 * helix_scanout_claim - take a FREE scanout into ENABLING
 * @acq: validated; says which, and what for
 * @owner: for whom
 *
 * Returns: the scanout, referenced, or an ERR_PTR; -EAGAIN if helix_scanout_wait_settled()
 * may be followed by something better.
 */
struct helix_scanout *helix_scanout_claim(const struct helix_lease_acquire *acq,
					  const struct helix_owner *owner)
{
	struct helix_scanout *s;
	int ret;

	if (acq->scanout == HELIX_LEASE_SCANOUT_ANY)
		return helix_scanout_claim_any(acq, owner);

	s = helix_scanout_get(acq->scanout);
	if (!s)
		return ERR_PTR(helix_gpu_count() ? -EINVAL : -ENODEV);
	ret = helix_scanout_try_claim(s, acq, owner);
	if (ret) {
		helix_scanout_put(s);
		return ERR_PTR(ret);
	}
	return s;
}

/* For helix_scanout_wait_settled(): from before it was seen that there is none to be had. */
int helix_scanouts_settled(void)
{
	return atomic_read(&helix_settled);
}

/* Wait until the end of one more lease since @before has come as far as it will soon. */
int helix_scanout_wait_settled(int before, unsigned long deadline)
{
	long left = deadline - jiffies;
	struct helix_wait wait;

	helix_wait_begin(&wait, NULL, HELIX_LEASE_WAIT_NONE, "a scanout to be free");
	left = wait_event_interruptible_timeout(helix_settled_waitq,
						atomic_read(&helix_settled) != before,
						max(left, 1L));
	return helix_wait_end_left(&wait, left);
}

/* ENABLING -> LEASED; the scanout takes a reference of its own on @lease. */
int helix_scanout_grant(struct helix_scanout *s, struct helix_lease *lease)
{
	int ret = 0;

	spin_lock(&s->lock);
	if (s->cancelled) {
		ret = -ECANCELED;
	} else {
		helix_lease_get(lease);
		s->lease = lease;
		s->queue = helix_queue_get(lease->queue);
		s->revoked = false;
		s->grants++;
		helix_scanout_set_state(s, HELIX_LEASE_STATE_LEASED);
	}
	spin_unlock(&s->lock);

	wake_up_all(&s->waitq);
	return ret;
}

/* The claimer did not get as far as LEASED. */
void helix_scanout_give_up(struct helix_scanout *s, bool host_told)
{
	spin_lock(&s->lock);
	helix_scanout_set_state(s, host_told ? HELIX_LEASE_STATE_QUIESCING :
					       HELIX_LEASE_STATE_FREE);
	if (host_told)
		mod_delayed_work(helix_wq, &s->work, 0);
	spin_unlock(&s->lock);

	wake_up_all(&s->waitq);
}

/**
 * helix_scanout_end - take the tenant's rights, and start turning it off
 * @s: scanout
 * @generation: the lease that is to end
 * @cause: why
 *
 * The rights are gone on return; the rest is the worker's.
 *
 * Returns: 0, also when the end was already under way; -ESTALE if it is over.
 */
int helix_scanout_end(struct helix_scanout *s, u64 generation,
		      enum helix_lease_cause cause)
{
	struct helix_lease *lease = NULL;
	int ret = 0;

	spin_lock(&s->lock);
	if (s->generation != generation || s->state == HELIX_LEASE_STATE_FREE) {
		ret = -ESTALE;
	} else if (s->state == HELIX_LEASE_STATE_ENABLING) {
		s->cancelled = true;
		s->cause = cause;
	} else if (s->state == HELIX_LEASE_STATE_LEASED) {
		lease = s->lease;
		s->lease = NULL;
		s->cause = cause;
		helix_scanout_set_state(s, HELIX_LEASE_STATE_REVOKING);
	}
	spin_unlock(&s->lock);

	wake_up_all(&s->waitq);
	if (lease) {
		helix_lease_revoke_rights(lease);
		/* Still REVOKING: the worker goes on from there after us. */
		spin_lock(&s->lock);
		s->revoked = true;
		helix_event(s, HELIX_LEASE_EVENT_REVOKED);
		mod_delayed_work(helix_wq, &s->work, 0);
		spin_unlock(&s->lock);
		helix_lease_put(lease);
	}
	return ret;
}

bool helix_scanout_is_over(struct helix_scanout *s, u64 generation)
{
	bool over;

	spin_lock(&s->lock);
	over = s->generation != generation || s->state == HELIX_LEASE_STATE_FREE;
	spin_unlock(&s->lock);
	return over;
}

int helix_scanout_wait_over(struct helix_scanout *s, u64 generation,
			    unsigned long deadline)
{
	long left = deadline - jiffies;
	struct helix_wait wait;

	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_NONE, "lease to be over");
	left = wait_event_interruptible_timeout(s->waitq,
						helix_scanout_is_over(s, generation),
						max(left, 1L));
	return helix_wait_end_left(&wait, left);
}

/* End the present lease, if there is one, and wait for FREE if @deadline is given. */
static int helix_scanout_end_present(struct helix_scanout *s, const unsigned long *deadline)
{
	u64 generation;

	spin_lock(&s->lock);
	generation = s->generation;
	spin_unlock(&s->lock);

	if (helix_scanout_end(s, generation, HELIX_LEASE_CAUSE_ADMIN))
		return 0;
	return deadline ? helix_scanout_wait_over(s, generation, *deadline) : 0;
}

/**
 * helix_scanouts_end_all - end every lease, and wait for every scanout to be FREE
 * @deadline: in jiffies
 * @then: called when they are, while nobody can be given one; its value is returned
 *
 * Return: -ETIMEDOUT or -EINTR if one is not FREE; no lease is left then either.
 */
int helix_scanouts_end_all(unsigned long deadline, int (*then)(void))
{
	struct helix_scanout *s;
	unsigned long number;
	int pass, ret = 0;

	/* Seen by whoever takes a scanout's lock after we have. */
	atomic_inc(&helix_ending_all);
	/* All are told before one is waited for. */
	for (pass = 0; pass < 2; pass++) {
		xa_for_each(&helix_scanouts, number, s) {
			s = helix_scanout_get(number);
			if (!s)
				continue;
			if (!ret)
				ret = helix_scanout_end_present(s, pass ? &deadline : NULL);
			helix_scanout_put(s);
		}
	}
	if (!ret)
		ret = then();
	atomic_dec(&helix_ending_all);
	return ret;
}

/* The live lease, referenced, or NULL. */
struct helix_lease *helix_scanout_lease(struct helix_scanout *s)
{
	struct helix_lease *lease;

	spin_lock(&s->lock);
	lease = s->lease;
	if (lease)
		helix_lease_get(lease);
	spin_unlock(&s->lock);
	return lease;
}

/* For UNBIND: a FREE scanout stays FREE until it is thawed or gone. */
bool helix_scanout_freeze(struct helix_scanout *s)
{
	bool free;

	spin_lock(&s->lock);
	free = s->state == HELIX_LEASE_STATE_FREE;
	if (free)
		s->going = true;
	spin_unlock(&s->lock);
	return free;
}

void helix_scanout_thaw(struct helix_scanout *s)
{
	spin_lock(&s->lock);
	s->going = false;
	spin_unlock(&s->lock);
}

/* Its GPU goes: never to be given out again, and whoever has it loses it. */
void helix_scanout_retire(struct helix_scanout *s)
{
	u64 generation;

	spin_lock(&s->lock);
	s->going = true;
	generation = s->generation;
	spin_unlock(&s->lock);
	helix_scanout_end(s, generation, HELIX_LEASE_CAUSE_GPU);
}

/* Called with a new mediator behind the control device: what must it know? */
void helix_scanouts_host_changed(void)
{
	struct helix_scanout *s;
	unsigned long number;

	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		spin_lock(&s->lock);
		if (s->state == HELIX_LEASE_STATE_LEASED)
			s->announce = true;
		if (s->state == HELIX_LEASE_STATE_LEASED ||
		    s->state == HELIX_LEASE_STATE_QUARANTINED)
			mod_delayed_work(helix_wq, &s->work, 0);
		spin_unlock(&s->lock);
		helix_scanout_put(s);
	}
}

/**
 * helix_scanout_waits - what does @s wait for?
 * @s: scanout, locked
 * @wait_for: out: what it waits for in transition, or its stalled tenant for
 * @wait_ms: out: for how long
 * @name: out: which one, for people; zero padded
 *
 * Return: for how long it is its tenant, who is stalled, that is waited for.
 */
u32 helix_scanout_waits(struct helix_scanout *s, enum helix_lease_wait *wait_for,
			u32 *wait_ms, char name[HELIX_LEASE_WAIT_NAME_LEN])
{
	u32 stalled_ms = 0;

	lockdep_assert_held(&s->lock);

	*wait_for = s->wait_for;
	*wait_ms = 0;
	memcpy(name, s->wait_name, HELIX_LEASE_WAIT_NAME_LEN);
	if (s->wait_for != HELIX_LEASE_WAIT_NONE)
		*wait_ms = ktime_ms_delta(ktime_get(), s->wait_since);
	/* A stalled tenant is more than a resize that is under way. */
	if (s->wait_for == HELIX_LEASE_WAIT_NONE || s->state == HELIX_LEASE_STATE_LEASED)
		stalled_ms = helix_watch_stalled(s, wait_for, name);
	if (stalled_ms)
		*wait_ms = stalled_ms;
	return stalled_ms;
}

void helix_scanout_query(struct helix_scanout *s, struct helix_lease_query *q)
{
	enum helix_lease_wait wait_for;
	ktime_t now = ktime_get();
	dev_t devt = helix_node_devt(s);
	u32 stalled_ms;

	q->scanout = s->number;
	q->opens = atomic_read(&s->opens);
	q->denials = atomic64_read(&s->denials);
	q->connector_id = s->connector->base.id;
	q->crtc_id = s->crtc->base.id;
	q->primary_plane_id = s->primary->base.id;
	q->cursor_plane_id = s->cursor ? s->cursor->base.id : 0;
	q->gpu = s->gpu->pci_addr;
	q->output = s->output;
	q->dev_major = MAJOR(devt);
	q->dev_minor = MINOR(devt);

	spin_lock(&s->lock);
	q->state = s->state;
	q->state_ms = ktime_ms_delta(now, s->state_since);
	q->lease_ms = s->state == HELIX_LEASE_STATE_LEASED ? q->state_ms : 0;
	q->generation = s->generation;
	q->width = s->width;
	q->height = s->height;
	q->refresh_mhz = s->refresh_mhz;
	stalled_ms = helix_scanout_waits(s, &wait_for, &q->wait_ms, (char *)q->wait_name);
	q->wait_for = wait_for;
	q->owner_pid = 0;
	q->owner_uid = 0;
	q->owner_cgroup = 0;
	q->acquire_flags = 0;
	q->__reserved = 0;
	if (s->owner.pid) {
		q->owner_pid = pid_vnr(s->owner.pid);
		q->owner_uid = from_kuid_munged(current_user_ns(), s->owner.uid);
		q->owner_cgroup = s->owner.cgroup;
		q->acquire_flags = s->acquire_flags;
	}
	q->grants = s->grants;
	q->quarantines = s->quarantines;
	q->priority = s->priority;
	q->stalls = s->watch.stalls;
	q->stalled_ms = s->state == HELIX_LEASE_STATE_LEASED ? stalled_ms : 0;
	memcpy(q->label, s->label, sizeof(q->label));
	spin_unlock(&s->lock);
}
