// SPDX-License-Identifier: GPL-2.0-only
/*
 * helix_lease: the control node /dev/helix/lease, and what every ioctl shares.
 *
 * An ioctl is one row of a table: its structure's size, the smallest ever
 * published, who may call it where, and its function. The structure is copied
 * in once, zero-extended, before the function sees it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "helix.h"

unsigned int helix_quiesce_ms = 5000;
module_param_named(quiesce_ms, helix_quiesce_ms, uint, 0644);
MODULE_PARM_DESC(quiesce_ms,
		 "Time a scanout has to be turned off after its lease ended, before it is quarantined and retried (default 5000)");

unsigned int helix_close_ms = 1000;
module_param_named(close_ms, helix_close_ms, uint, 0644);
MODULE_PARM_DESC(close_ms,
		 "Time the last close of a scanout node waits to turn its picture off itself (default 1000)");

bool helix_use_host = true;
module_param_named(host, helix_use_host, bool, 0444);
MODULE_PARM_DESC(host,
		 "Enable and disable outputs through the helix-control device; if not, by other means (default Y)");

struct workqueue_struct *helix_wq;

unsigned long helix_deadline(u32 timeout_ms)
{
	if (!timeout_ms)
		timeout_ms = HELIX_LEASE_TIMEOUT_DEFAULT_MS;
	return jiffies + msecs_to_jiffies(timeout_ms);
}

int helix_ucmd_respond(struct helix_ucmd *ucmd, size_t size)
{
	if (copy_to_user(ucmd->ubuffer, ucmd->cmd, min_t(size_t, ucmd->user_size, size)))
		return -EFAULT;
	return 0;
}

static int helix_ioctl_info(struct helix_ucmd *ucmd)
{
	struct helix_lease_info *info = ucmd->cmd;

	if (info->flags)
		return -EOPNOTSUPP;
	info->abi_version = HELIX_LEASE_ABI_VERSION;
	info->nr_gpus = helix_gpu_count();
	info->nr_scanouts = helix_scanout_last();
	info->host_state = helix_host_state();
	return helix_ucmd_respond(ucmd, sizeof(*info));
}

static int helix_ioctl_bind(struct helix_ucmd *ucmd)
{
	struct helix_lease_bind *bind = ucmd->cmd;
	int ret;

	if (bind->flags || bind->__reserved)
		return -EOPNOTSUPP;
	ret = helix_bind(bind->drm_fd, &bind->first_scanout, &bind->nr_scanouts);
	if (ret)
		return ret;
	/* Bound is bound: QUERY and INFO say what could not be written here. */
	return helix_ucmd_respond(ucmd, sizeof(*bind));
}

static int helix_ioctl_unbind(struct helix_ucmd *ucmd)
{
	struct helix_lease_unbind *unbind = ucmd->cmd;

	if ((unbind->flags & ~HELIX_LEASE_UNBIND_FORCE) || unbind->__reserved)
		return -EOPNOTSUPP;
	if (unbind->timeout_ms > HELIX_LEASE_TIMEOUT_MAX_MS)
		return -EINVAL;
	if (!(unbind->flags & HELIX_LEASE_UNBIND_FORCE))
		return unbind->timeout_ms ? -EINVAL : helix_unbind();
	return helix_unbind_by_force(helix_deadline(unbind->timeout_ms));
}

/* The scanout an ioctl is about: a handle's own, or the one named. */
struct helix_scanout *helix_ucmd_scanout(struct helix_ucmd *ucmd, u32 number)
{
	struct helix_scanout *s;

	if (ucmd->handle) {
		if (number)
			return ERR_PTR(-EINVAL);
		s = ucmd->handle->scanout;
		kref_get(&s->ref);
		return s;
	}
	s = helix_scanout_get(number);
	if (!s)
		return ERR_PTR(helix_gpu_count() ? -EINVAL : -ENODEV);
	return s;
}

/* Likewise, and the lease meant: a handle's own, or the one named. */
struct helix_scanout *helix_ucmd_lease(struct helix_ucmd *ucmd, u32 number, u64 *generation)
{
	if (ucmd->handle) {
		if (*generation)
			return ERR_PTR(-EINVAL);
		*generation = ucmd->handle->generation;
	}
	return helix_ucmd_scanout(ucmd, number);
}

int helix_check_mode(u32 width, u32 height, u32 refresh_mhz)
{
	if (!width || width > 16384 || !height || height > 16384)
		return -EINVAL;
	if (refresh_mhz && (refresh_mhz < 1000 || refresh_mhz > 1000000))
		return -EINVAL;
	return 0;
}

static int helix_ioctl_revoke(struct helix_ucmd *ucmd)
{
	struct helix_lease_revoke *revoke = ucmd->cmd;
	u64 generation = revoke->generation;
	struct helix_scanout *s;
	int ret;

	if (revoke->flags)
		return -EOPNOTSUPP;
	if (revoke->timeout_ms > HELIX_LEASE_TIMEOUT_MAX_MS)
		return -EINVAL;
	s = helix_ucmd_lease(ucmd, revoke->scanout, &generation);
	if (IS_ERR(s))
		return PTR_ERR(s);
	ret = helix_scanout_end(s, generation, ucmd->handle ? HELIX_LEASE_CAUSE_OWNER :
							      HELIX_LEASE_CAUSE_ADMIN);
	if (!ret && ucmd->nonblock)
		ret = helix_scanout_is_over(s, generation) ? 0 : -EINPROGRESS;
	else if (!ret)
		ret = helix_scanout_wait_over(s, generation,
					      helix_deadline(revoke->timeout_ms));
	helix_scanout_put(s);
	return ret;
}

#define HELIX_ON_HANDLE		BIT(0)	/* also on a handle */
#define HELIX_ADMIN		BIT(1)	/* needs CAP_SYS_ADMIN on the control node */
#define HELIX_WAITS		BIT(2)	/* by its nature: not with O_NONBLOCK */

struct helix_ioctl_op {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	unsigned int flags;
	int (*execute)(struct helix_ucmd *ucmd);
};

#define HELIX_OP(_cmd, _fn, _struct, _last, _flags)			\
	[_IOC_NR(_cmd)] = {						\
		.cmd = _cmd,						\
		.size = sizeof(struct _struct),				\
		.min_size = offsetofend(struct _struct, _last),		\
		.flags = _flags,					\
		.execute = _fn,						\
	}

/* The member named is the last of the first published structure. */
static const struct helix_ioctl_op helix_ioctl_ops[] = {
	HELIX_OP(HELIX_LEASE_INFO, helix_ioctl_info, helix_lease_info,
		 host_state, HELIX_ON_HANDLE),
	HELIX_OP(HELIX_LEASE_BIND, helix_ioctl_bind, helix_lease_bind,
		 __reserved, HELIX_ADMIN | HELIX_WAITS),
	HELIX_OP(HELIX_LEASE_UNBIND, helix_ioctl_unbind, helix_lease_unbind,
		 flags, HELIX_ADMIN | HELIX_WAITS),
	HELIX_OP(HELIX_LEASE_ACQUIRE, helix_acquire, helix_lease_acquire,
		 cursor_plane_id, HELIX_WAITS),
	HELIX_OP(HELIX_LEASE_REVOKE, helix_ioctl_revoke, helix_lease_revoke,
		 generation, HELIX_ON_HANDLE | HELIX_ADMIN),
	HELIX_OP(HELIX_LEASE_QUERY, helix_ioctl_query, helix_lease_query,
		 label, HELIX_ON_HANDLE),
	HELIX_OP(HELIX_LEASE_RESIZE, helix_ioctl_resize, helix_lease_resize,
		 __reserved, HELIX_ON_HANDLE | HELIX_ADMIN),
	HELIX_OP(HELIX_LEASE_LIST, helix_ioctl_list, helix_lease_list,
		 entries, 0),
	HELIX_OP(HELIX_LEASE_SET_POLICY, helix_ioctl_set_policy, helix_lease_policy,
		 grace_ms, 0),
	HELIX_OP(HELIX_LEASE_KEEP, helix_ioctl_keep, helix_lease_keep,
		 flags, HELIX_ON_HANDLE),
};

union helix_ucmd_buffer {
	struct helix_lease_info info;
	struct helix_lease_bind bind;
	struct helix_lease_unbind unbind;
	struct helix_lease_acquire acquire;
	struct helix_lease_revoke revoke;
	struct helix_lease_query query;
	struct helix_lease_resize resize;
	struct helix_lease_list list;
	struct helix_lease_policy policy;
	struct helix_lease_keep keep;
};

static const struct helix_ioctl_op *helix_find_op(unsigned int cmd, bool on_handle)
{
	unsigned int nr = _IOC_NR(cmd);
	const struct helix_ioctl_op *op;

	if (nr >= ARRAY_SIZE(helix_ioctl_ops))
		return NULL;
	op = &helix_ioctl_ops[array_index_nospec(nr, ARRAY_SIZE(helix_ioctl_ops))];
	if (op->cmd != cmd || (on_handle && !(op->flags & HELIX_ON_HANDLE)))
		return NULL;
	return op;
}

/**
 * helix_ioctl - serve one of ours
 * @filp: the file it came by
 * @handle: the lease whose handle it came by, NULL on the control node
 * @cmd: command
 * @arg: the caller's structure
 *
 * Return: 0 or a negative errno.
 */
long helix_ioctl(struct file *filp, struct helix_lease *handle, unsigned int cmd,
		 unsigned long arg)
{
	const struct helix_ioctl_op *op = helix_find_op(cmd, handle);
	union helix_ucmd_buffer buf;
	struct helix_ucmd ucmd = {
		.ubuffer = (void __user *)arg,
		.cmd = &buf,
		.handle = handle,
		.nonblock = filp->f_flags & O_NONBLOCK,
	};
	int ret;

	if (!op)
		return -ENOTTY;
	if (!handle && (op->flags & HELIX_ADMIN) && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	if (get_user(ucmd.user_size, (u32 __user *)ucmd.ubuffer))
		return -EFAULT;
	if (ucmd.user_size < op->min_size)
		return -EINVAL;
	if (ucmd.user_size > PAGE_SIZE)
		return -E2BIG;
	memset(&buf, 0, sizeof(buf));
	ret = copy_struct_from_user(&buf, op->size, ucmd.ubuffer, ucmd.user_size);
	if (ret)
		return ret;

	if (ucmd.nonblock && (op->flags & HELIX_WAITS))
		return -EAGAIN;
	return op->execute(&ucmd);
}

static long helix_misc_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_ioctl(filp, NULL, cmd, arg);
}

static const struct file_operations helix_misc_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= helix_misc_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice helix_misc = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "helix_lease",
	.nodename	= "helix/lease",
	.fops		= &helix_misc_fops,
	.mode		= 0600,
};

static int __init helix_init(void)
{
	int ret;

	/* As many at once as there are scanouts: one that is stuck delays no other. */
	helix_wq = alloc_workqueue("helix_lease", WQ_UNBOUND, HELIX_MAX_SCANOUTS);
	if (!helix_wq)
		return -ENOMEM;
	ret = helix_netlink_init();
	if (ret)
		goto err_wq;
	ret = helix_nodes_init();
	if (ret)
		goto err_netlink;
	ret = helix_host_init();
	if (ret)
		goto err_nodes;
	ret = helix_pm_init();
	if (ret)
		goto err_host;
	ret = misc_register(&helix_misc);
	if (ret)
		goto err_pm;
	helix_debugfs_init();
	return 0;

err_pm:
	helix_pm_exit();
err_host:
	helix_host_exit();
err_nodes:
	helix_nodes_exit();
err_netlink:
	helix_netlink_exit();
err_wq:
	destroy_workqueue(helix_wq);
	return ret;
}

static void __exit helix_exit(void)
{
	helix_debugfs_exit();
	misc_deregister(&helix_misc);
	helix_pm_exit();
	helix_host_exit();
	helix_nodes_exit();
	helix_netlink_exit();
	destroy_workqueue(helix_wq);
	helix_commit_exit();
	/* Scanouts are freed after a grace period. */
	rcu_barrier();
}

module_init(helix_init);
module_exit(helix_exit);

MODULE_DESCRIPTION("Leases of virtual GPU scanouts to containers");
MODULE_AUTHOR("The Helix Lease authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
