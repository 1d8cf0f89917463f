// SPDX-License-Identifier: GPL-2.0-only
/*
 * On whose behalf a lease is, and whose processes may open its node.
 *
 * A device node is a number: who was given one once can open whatever lease has its
 * scanout later. With HELIX_LEASE_ACQUIRE_CGROUP only those open it who are in the
 * cgroup that the owner was in then, or below it. That is kept by its id, which no
 * other cgroup ever gets, so that nothing is held of one that has gone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>

#include "helix.h"
#include "trace.h"

#ifdef CONFIG_CGROUPS
static void helix_owner_cgroup(struct helix_owner *owner, struct task_struct *task)
{
	struct cgroup *cgrp;

	rcu_read_lock();
	cgrp = task_dfl_cgroup(task);
	owner->cgroup = cgroup_id(cgrp);
	owner->in_root = !cgroup_parent(cgrp);
	rcu_read_unlock();
}

/* Whoever is in a cgroup holds it, and it its parents. */
static bool helix_current_is_below(u64 cgroup)
{
	struct cgroup *cgrp;
	bool below = false;

	rcu_read_lock();
	for (cgrp = task_dfl_cgroup(current); cgrp && !below; cgrp = cgroup_parent(cgrp))
		below = cgroup_id(cgrp) == cgroup;
	rcu_read_unlock();
	return below;
}
#else
static void helix_owner_cgroup(struct helix_owner *owner, struct task_struct *task)
{
	owner->cgroup = 0;
	owner->in_root = true;
}

static bool helix_current_is_below(u64 cgroup)
{
	return false;
}
#endif

/*
 * The real user: the effective one is another's as soon as the process runs a program that is
 * setuid. Of who is in user namespaces, the user who has made the outermost of them: what ids
 * there are in it, he has been given to use as he likes.
 */
static kuid_t helix_owner_uid(struct task_struct *task)
{
	const struct user_namespace *ns;
	const struct cred *cred;
	kuid_t uid;

	rcu_read_lock();
	cred = __task_cred(task);
	uid = cred->uid;
	for (ns = cred->user_ns; ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	rcu_read_unlock();
	return uid;
}

/**
 * helix_owner_get - look up who a lease is for
 * @owner: filled in; the caller puts its pid
 * @nr: as the caller's PID namespace sees it, 0 for the caller
 *
 * Return: 0, -ESRCH if there is no such process, -EPERM if the caller may not speak for it.
 */
int helix_owner_get(struct helix_owner *owner, u32 nr)
{
	struct task_struct *task;

	if (nr > INT_MAX)
		return -ESRCH;
	owner->pid = nr ? find_get_pid(nr) : get_pid(task_tgid(current));
	task = get_pid_task(owner->pid, PIDTYPE_TGID);
	if (!task) {
		put_pid(owner->pid);
		return -ESRCH;
	}
	owner->uid = helix_owner_uid(task);
	helix_owner_cgroup(owner, task);
	put_task_struct(task);

	if (owner->pid != task_tgid(current) && !capable(CAP_SYS_ADMIN)) {
		put_pid(owner->pid);
		return -EPERM;
	}
	return 0;
}

/**
 * helix_lease_may_open - may the current task open the node?
 * @lease: whose it is now
 *
 * Return: 0, or -EPERM: what a device cgroup says to who has a node and may not open it.
 */
int helix_lease_may_open(const struct helix_lease *lease)
{
	if (!lease->cgroup || helix_current_is_below(lease->cgroup) || capable(CAP_SYS_ADMIN))
		return 0;
	trace_helix_denied(lease->scanout->number, lease->generation, "open by",
			   task_tgid_nr(current));
	return -EPERM;
}
