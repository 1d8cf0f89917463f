// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy: who may ACQUIRE, how many each, and how long a lease outlives its
 * tenant's last open file.
 *
 * helix_policy_lock is held over counting an owner's scanouts and claiming one
 * more, so that two who ask at once do not both get the last. Under it every
 * scanout's lock is taken in turn; nothing is waited for. A scanout counts until
 * it is FREE: whoever leaves one stuck behind does not get another for it. One that is
 * on its way there is waited for, without the lock, and then all is counted anew.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cred.h>

#include "helix.h"

#define HELIX_POLICY_ALL	(HELIX_LEASE_POLICY_WHO | HELIX_LEASE_POLICY_MAX_PER_UID | \
				 HELIX_LEASE_POLICY_MAX_PER_CGROUP | HELIX_LEASE_POLICY_GRACE_MS)

static DEFINE_MUTEX(helix_policy_lock);

static struct {
	u32 who;
	kgid_t gid;
	u32 max_per_uid;
	u32 max_per_cgroup;
	u32 grace_ms;
} helix_policy = {
	.who = HELIX_LEASE_WHO_ANY,
	.gid = INVALID_GID,
};

unsigned int helix_policy_grace_ms(void)
{
	return READ_ONCE(helix_policy.grace_ms);
}

/* May the caller have a scanout at all, for whomever? */
static bool helix_policy_admits(void)
{
	lockdep_assert_held(&helix_policy_lock);

	if (helix_policy.who == HELIX_LEASE_WHO_ANY)
		return true;
	if (helix_policy.who == HELIX_LEASE_WHO_GROUP && in_egroup_p(helix_policy.gid))
		return true;
	return capable(CAP_SYS_ADMIN);
}

/* Of those that are not FREE; all of them, or without those that will be soon. */
static void helix_policy_count(const struct helix_owner *owner, bool all, u32 *by_uid,
			       u32 *by_cgroup)
{
	struct helix_scanout *s;
	unsigned long number;

	lockdep_assert_held(&helix_policy_lock);

	*by_uid = 0;
	*by_cgroup = 0;
	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		spin_lock(&s->lock);
		if (s->state != HELIX_LEASE_STATE_FREE && (all || !helix_scanout_is_ending(s))) {
			*by_uid += uid_eq(s->owner.uid, owner->uid);
			*by_cgroup += s->owner.cgroup == owner->cgroup;
		}
		spin_unlock(&s->lock);
		helix_scanout_put(s);
	}
}

static bool helix_policy_exceeded(const struct helix_owner *owner, bool all)
{
	u32 by_uid, by_cgroup;

	lockdep_assert_held(&helix_policy_lock);

	helix_policy_count(owner, all, &by_uid, &by_cgroup);
	/* Root is who sets limits; what he runs in containers has cgroups of its own. */
	if (helix_policy.max_per_uid && !uid_eq(owner->uid, GLOBAL_ROOT_UID) &&
	    by_uid >= helix_policy.max_per_uid)
		return true;
	/* No id: a kernel without cgroups, where this says nothing. */
	return helix_policy.max_per_cgroup && owner->cgroup &&
	       by_cgroup >= helix_policy.max_per_cgroup;
}

static int helix_policy_check(const struct helix_owner *owner)
{
	lockdep_assert_held(&helix_policy_lock);

	if (!helix_policy_admits())
		return -EPERM;
	if (!helix_policy.max_per_uid && !helix_policy.max_per_cgroup)
		return 0;
	if (!helix_policy_exceeded(owner, true))
		return 0;
	return helix_policy_exceeded(owner, false) ? -EDQUOT : -EAGAIN;
}

/* helix_scanout_claim(), if the policy lets the caller; -EAGAIN where waiting may help. */
static struct helix_scanout *helix_policy_try_claim(const struct helix_lease_acquire *acq,
						    const struct helix_owner *owner)
{
	struct helix_scanout *s;
	int ret;

	mutex_lock(&helix_policy_lock);
	ret = helix_policy_check(owner);
	s = ret ? ERR_PTR(ret) : helix_scanout_claim(acq, owner);
	mutex_unlock(&helix_policy_lock);
	return s;
}

/**
 * helix_policy_claim - helix_scanout_claim(), if the policy lets the caller
 * @acq: validated
 * @owner: for whom
 * @deadline: in jiffies: how long to wait for what others are just leaving
 *
 * Return: the scanout, ENABLING and referenced, or an error pointer.
 */
struct helix_scanout *helix_policy_claim(const struct helix_lease_acquire *acq,
					 const struct helix_owner *owner, unsigned long deadline)
{
	struct helix_scanout *s;
	int settled, ret;

	do {
		settled = helix_scanouts_settled();
		s = helix_policy_try_claim(acq, owner);
		if (s != ERR_PTR(-EAGAIN))
			return s;
		ret = helix_scanout_wait_settled(settled, deadline);
		/* Others may end, and others get what they had, for as long as they like. */
	} while (!ret && time_before(jiffies, deadline));
	return ERR_PTR(ret ? ret : -ETIMEDOUT);
}

static int helix_policy_validate(const struct helix_lease_policy *p, kgid_t *gid)
{
	*gid = INVALID_GID;
	if (p->mask & HELIX_LEASE_POLICY_WHO) {
		if (p->who > HELIX_LEASE_WHO_GROUP)
			return -EINVAL;
		if (p->who == HELIX_LEASE_WHO_GROUP) {
			*gid = make_kgid(current_user_ns(), p->gid);
			if (!gid_valid(*gid))
				return -EINVAL;
		} else if (p->gid) {
			return -EINVAL;
		}
	}
	if ((p->mask & HELIX_LEASE_POLICY_GRACE_MS) && p->grace_ms > HELIX_LEASE_GRACE_MAX_MS)
		return -EINVAL;
	return 0;
}

static void helix_policy_apply(const struct helix_lease_policy *p, kgid_t gid)
{
	lockdep_assert_held(&helix_policy_lock);

	if (p->mask & HELIX_LEASE_POLICY_WHO) {
		helix_policy.who = p->who;
		helix_policy.gid = gid;
	}
	if (p->mask & HELIX_LEASE_POLICY_MAX_PER_UID)
		helix_policy.max_per_uid = p->max_per_uid;
	if (p->mask & HELIX_LEASE_POLICY_MAX_PER_CGROUP)
		helix_policy.max_per_cgroup = p->max_per_cgroup;
	if (p->mask & HELIX_LEASE_POLICY_GRACE_MS)
		WRITE_ONCE(helix_policy.grace_ms, p->grace_ms);
}

static void helix_policy_read(struct helix_lease_policy *p)
{
	lockdep_assert_held(&helix_policy_lock);

	p->who = helix_policy.who;
	p->gid = 0;
	if (helix_policy.who == HELIX_LEASE_WHO_GROUP)
		p->gid = from_kgid_munged(current_user_ns(), helix_policy.gid);
	p->max_per_uid = helix_policy.max_per_uid;
	p->max_per_cgroup = helix_policy.max_per_cgroup;
	p->grace_ms = helix_policy.grace_ms;
}

int helix_ioctl_set_policy(struct helix_ucmd *ucmd)
{
	struct helix_lease_policy *p = ucmd->cmd;
	kgid_t gid;
	int ret;

	if (p->flags || (p->mask & ~HELIX_POLICY_ALL))
		return -EOPNOTSUPP;
	if (p->mask && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = helix_policy_validate(p, &gid);
	if (ret)
		return ret;

	mutex_lock(&helix_policy_lock);
	helix_policy_apply(p, gid);
	helix_policy_read(p);
	mutex_unlock(&helix_policy_lock);
	return helix_ucmd_respond(ucmd, sizeof(*p));
}
