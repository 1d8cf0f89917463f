// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACQUIRE, and the handle it returns: the file whose last close ends the lease,
 * unless KEEP has left that to the process of a pidfd.
 *
 * A handle holds its lease, and through it the scanout. It answers REVOKE and
 * QUERY for its own lease, whoever the caller is: having the descriptor is the
 * right. read() returns the lease's events, poll() says when there are some,
 * and EPOLLHUP once the lease is over; see event.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>

#include "helix.h"

static int helix_handle_release(struct inode *inode, struct file *filp)
{
	struct helix_lease *lease = filp->private_data;

	if (!READ_ONCE(lease->keep))
		helix_scanout_end(lease->scanout, lease->generation,
				  HELIX_LEASE_CAUSE_OWNER);
	helix_lease_put(lease);
	return 0;
}

/* It has a scanout to hold it, and a process to end with: the handle may go. */
int helix_ioctl_keep(struct helix_ucmd *ucmd)
{
	struct helix_lease_keep *keep = ucmd->cmd;
	struct helix_lease *lease = ucmd->handle;

	if (keep->flags)
		return -EOPNOTSUPP;
	if (!lease)
		return -ENOTTY;
	if (!lease->pidfd)
		return -EINVAL;
	if (!helix_lease_live(lease))
		return -ESTALE;
	WRITE_ONCE(lease->keep, true);
	return 0;
}

static ssize_t helix_handle_read(struct file *filp, char __user *buf, size_t count,
				 loff_t *pos)
{
	struct helix_lease *lease = filp->private_data;

	return helix_queue_read(lease->queue, buf, count, filp->f_flags & O_NONBLOCK);
}

static __poll_t helix_handle_poll(struct file *filp, poll_table *wait)
{
	struct helix_lease *lease = filp->private_data;
	__poll_t mask = 0;

	/* Its end is an event: the queue's waiters hear of that as well. */
	poll_wait(filp, &lease->queue->waitq, wait);
	if (!helix_queue_empty(lease->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (!helix_lease_live(lease))
		mask |= EPOLLHUP;
	return mask;
}

static long helix_handle_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_ioctl(filp, filp->private_data, cmd, arg);
}

static const struct file_operations helix_handle_fops = {
	.owner		= THIS_MODULE,
	.release	= helix_handle_release,
	.read		= helix_handle_read,
	.poll		= helix_handle_poll,
	.unlocked_ioctl	= helix_handle_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct file *helix_handle_file(struct helix_lease *lease)
{
	struct file *filp;

	helix_lease_get(lease);
	filp = anon_inode_getfile("[helix-lease]", &helix_handle_fops, lease, O_RDWR);
	if (IS_ERR(filp))
		helix_lease_put(lease);
	return filp;
}

#define HELIX_ACQUIRE_FLAGS	(HELIX_LEASE_ACQUIRE_END_ON_CLOSE | HELIX_LEASE_ACQUIRE_PIDFD | \
				 HELIX_LEASE_ACQUIRE_CGROUP)

static int helix_acquire_check(const struct helix_lease_acquire *acq)
{
	int i;

	if (acq->flags & ~HELIX_ACQUIRE_FLAGS)
		return -EOPNOTSUPP;
	if (!(acq->flags & HELIX_LEASE_ACQUIRE_PIDFD) && acq->pidfd)
		return -EINVAL;
	if (acq->priority > HELIX_LEASE_PRIORITY_MAX)
		return -EINVAL;
	if (helix_check_mode(acq->width, acq->height, acq->refresh_mhz))
		return -EINVAL;
	if (acq->timeout_ms > HELIX_LEASE_TIMEOUT_MAX_MS)
		return -EINVAL;

	for (i = 0; i < HELIX_LEASE_LABEL_LEN && acq->label[i]; i++)
		;
	for (; i < HELIX_LEASE_LABEL_LEN; i++)
		if (acq->label[i])
			return -EINVAL;
	return 0;
}

/* Make the lease of an enabled scanout, and have it in LEASED; takes over @pidfd. */
static struct helix_lease *helix_acquire_grant(struct helix_scanout *s,
					       struct helix_pidfd *pidfd)
{
	struct helix_lease *lease;
	int ret = 0;

	lease = helix_lease_new(s);
	if (IS_ERR(lease)) {
		helix_pidfd_free(pidfd);
		return lease;
	}

	if (pidfd)
		ret = helix_pidfd_arm(pidfd, lease);
	if (!ret)
		ret = helix_scanout_grant(s, lease);
	if (ret) {
		/* The pidfd's work may hold it for longer than the scanout is taken. */
		helix_lease_revoke_rights(lease);
		helix_lease_put(lease);
		return ERR_PTR(ret);
	}
	return lease;
}

/* Claim a scanout and have the host turn it on; takes over @pidfd. */
static struct helix_lease *helix_acquire_scanout(const struct helix_lease_acquire *acq,
						 struct helix_pidfd *pidfd)
{
	struct helix_scanout *s;
	struct helix_lease *lease;
	struct helix_owner owner;
	unsigned long deadline = helix_deadline(acq->timeout_ms);
	bool told = false;
	int ret;

	ret = helix_owner_get(&owner, acq->owner_pid);
	if (ret)
		goto err_pidfd;
	/* A cgroup that everybody is in keeps nobody out. */
	if ((acq->flags & HELIX_LEASE_ACQUIRE_CGROUP) && owner.in_root)
		s = ERR_PTR(-ENOENT);
	else
		s = helix_policy_claim(acq, &owner, deadline);
	put_pid(owner.pid);
	if (IS_ERR(s)) {
		ret = PTR_ERR(s);
		goto err_pidfd;
	}

	ret = helix_host_enable(s, deadline, &told);
	if (ret)
		goto err_give_up;

	lease = helix_acquire_grant(s, pidfd);
	pidfd = NULL;
	if (IS_ERR(lease)) {
		ret = PTR_ERR(lease);
		goto err_give_up;
	}
	helix_scanout_put(s);
	return lease;

err_give_up:
	helix_scanout_give_up(s, told);
	helix_scanout_put(s);
err_pidfd:
	helix_pidfd_free(pidfd);
	return ERR_PTR(ret);
}

/* Returns a lease in LEASED. */
static struct helix_lease *helix_acquire_lease(const struct helix_lease_acquire *acq)
{
	struct helix_pidfd *pidfd = NULL;

	if (acq->flags & HELIX_LEASE_ACQUIRE_PIDFD) {
		pidfd = helix_pidfd_get(acq->pidfd);
		if (IS_ERR(pidfd))
			return ERR_CAST(pidfd);
	}
	return helix_acquire_scanout(acq, pidfd);
}

static void helix_acquire_fill(struct helix_lease_acquire *acq, struct helix_lease *lease)
{
	struct helix_scanout *s = lease->scanout;

	acq->scanout = s->number;
	acq->generation = lease->generation;
	acq->connector_id = s->connector->base.id;
	acq->crtc_id = s->crtc->base.id;
	acq->primary_plane_id = s->primary->base.id;
	acq->cursor_plane_id = s->cursor ? s->cursor->base.id : 0;
}

/* Once the handle's file exists, dropping it is all the undoing there is. */
static int helix_acquire_files(struct helix_ucmd *ucmd, struct helix_lease *lease,
			       int handle_fd, int lease_fd)
{
	struct helix_lease_acquire *acq = ucmd->cmd;
	struct file *handle, *node;
	int ret;

	handle = helix_handle_file(lease);
	if (IS_ERR(handle)) {
		helix_scanout_end(lease->scanout, lease->generation,
				  HELIX_LEASE_CAUSE_OWNER);
		return PTR_ERR(handle);
	}
	node = helix_lease_file(lease);
	if (IS_ERR(node)) {
		ret = PTR_ERR(node);
		goto err_handle;
	}

	helix_acquire_fill(acq, lease);
	acq->handle_fd = handle_fd;
	acq->lease_fd = lease_fd;
	ret = helix_ucmd_respond(ucmd, sizeof(*acq));
	if (ret)
		goto err_node;

	fd_install(handle_fd, handle);
	fd_install(lease_fd, node);
	return 0;

err_node:
	fput(node);
err_handle:
	fput(handle);
	return ret;
}

int helix_acquire(struct helix_ucmd *ucmd)
{
	struct helix_lease_acquire *acq = ucmd->cmd;
	struct helix_lease *lease;
	int handle_fd, lease_fd, ret;

	ret = helix_acquire_check(acq);
	if (ret)
		return ret;
	if (!acq->refresh_mhz)
		acq->refresh_mhz = HELIX_REFRESH_DEFAULT_MHZ;

	handle_fd = get_unused_fd_flags(O_CLOEXEC);
	if (handle_fd < 0)
		return handle_fd;
	lease_fd = get_unused_fd_flags(O_CLOEXEC);
	if (lease_fd < 0) {
		ret = lease_fd;
		goto err_handle_fd;
	}

	lease = helix_acquire_lease(acq);
	if (IS_ERR(lease)) {
		ret = PTR_ERR(lease);
		goto err_lease_fd;
	}
	ret = helix_acquire_files(ucmd, lease, handle_fd, lease_fd);
	helix_lease_put(lease);
	if (ret)
		goto err_lease_fd;
	return 0;

err_lease_fd:
	put_unused_fd(lease_fd);
err_handle_fd:
	put_unused_fd(handle_fd);
	return ret;
}
