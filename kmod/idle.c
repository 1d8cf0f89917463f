// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lease whose node nobody has open: the grace period, and what follows it.
 *
 * After the last close the picture stays for grace_ms, for an owner who comes
 * back: a compositor that restarts. If nobody has opened the node by then, a lease
 * with END_ON_CLOSE ends, and of any other the picture is turned off. The next
 * tenant never sees it: a lease that ends turns its scanout off whatever its age.
 *
 * helix_lease.opens_lock protects @idle and @idle_until, with the list of opens that
 * they are about. helix_scanout.idle_work runs after the grace period and looks
 * whether it is still meant: nobody has to cancel it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "helix.h"

/* Between two tries to turn off what is in somebody's way. */
#define HELIX_IDLE_RETRY_MS	500

/* The picture may go: nobody has come back, and whoever comes now finds it gone. */
bool helix_lease_is_idle(struct helix_lease *lease)
{
	bool idle;

	mutex_lock(&lease->opens_lock);
	idle = lease->idle && time_after_eq(jiffies, lease->idle_until);
	mutex_unlock(&lease->opens_lock);
	return idle;
}

/* Returns: 0, or why it has to be tried again. */
static int helix_idle_over(struct helix_lease *lease)
{
	if (lease->end_on_close) {
		if (!helix_lease_is_idle(lease))
			return 0;
		helix_scanout_end(lease->scanout, lease->generation,
				  HELIX_LEASE_CAUSE_NODE);
		return 0;
	}
	return helix_kms_disable(lease->scanout, lease->generation, lease,
				 jiffies + msecs_to_jiffies(helix_close_ms));
}

/* Not once it is over: its scanout may be about to go. */
static void helix_idle_arm(struct helix_lease *lease, unsigned long ticks)
{
	struct helix_scanout *s = lease->scanout;

	spin_lock(&s->lock);
	if (s->lease == lease)
		mod_delayed_work(helix_wq, &s->idle_work, ticks);
	spin_unlock(&s->lock);
}

/**
 * helix_idle_begin - the last open of a lease's node was closed
 * @lease: held by the caller; may have been opened again, or be over
 *
 * Without a grace period what is to be done is done now, up to close_ms: the
 * picture is gone when close() returns, unless somebody was in the way.
 */
void helix_idle_begin(struct helix_lease *lease)
{
	unsigned int grace_ms = helix_policy_grace_ms();

	mutex_lock(&lease->opens_lock);
	if (list_empty(&lease->opens)) {
		lease->idle = true;
		lease->idle_until = jiffies + msecs_to_jiffies(grace_ms);
		helix_replug_forget(lease);
	}
	mutex_unlock(&lease->opens_lock);

	if (!helix_lease_live(lease))
		return;
	if (!grace_ms && !helix_idle_over(lease))
		return;
	helix_idle_arm(lease, msecs_to_jiffies(grace_ms ?: HELIX_IDLE_RETRY_MS));
}

/* How long until it may be looked at again; 0 for now, negative for never. */
static long helix_idle_left(struct helix_lease *lease)
{
	long left = -1;

	mutex_lock(&lease->opens_lock);
	if (lease->idle)
		left = max_t(long, lease->idle_until - jiffies, 0);
	mutex_unlock(&lease->opens_lock);
	return left;
}

void helix_idle_work(struct work_struct *work)
{
	struct helix_scanout *s = container_of(to_delayed_work(work),
					       struct helix_scanout, idle_work);
	struct helix_lease *lease = helix_scanout_lease(s);
	long left;

	if (!lease)
		return;
	left = helix_idle_left(lease);
	if (!left && helix_idle_over(lease))
		left = msecs_to_jiffies(HELIX_IDLE_RETRY_MS);
	if (left > 0)
		helix_idle_arm(lease, left);
	helix_lease_put(lease);
}
