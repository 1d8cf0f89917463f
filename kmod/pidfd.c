// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process whose end ends a lease, named by a pidfd.
 *
 * Nobody polls: an entry of ours is in the wait queue of the pidfd, put there as
 * poll() does it, and taken out before the lease is freed. It is woken with the
 * tasklist lock held, so that ending the lease is a work's, which holds the lease.
 * The pidfd's file is held as long as the entry is in its queue.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "helix.h"

/**
 * struct helix_pidfd - what watches a process
 * @file: the pidfd, referenced
 * @lease: whose end is the process's; holds this
 * @queue: of @file; NULL until armed
 * @wait: in @queue
 * @table: makes @file's poll() tell us @queue
 * @work: ends the lease, and holds it meanwhile
 * @woken: @work is queued, and has not looked yet
 */
struct helix_pidfd {
	struct file *file;
	struct helix_lease *lease;
	wait_queue_head_t *queue;
	wait_queue_entry_t wait;
	poll_table table;
	struct work_struct work;
	unsigned long woken;
};

/* Zombies have ended, whether or not somebody waits for them. */
static bool helix_pidfd_ended(struct file *file, poll_table *table)
{
	return vfs_poll(file, table) & EPOLLIN;
}

static int helix_pidfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct helix_pidfd *p = container_of(wait, struct helix_pidfd, wait);

	/* No reference left: it is waiting for this queue's lock, to take us out. */
	if (!test_and_set_bit(0, &p->woken)) {
		if (kref_get_unless_zero(&p->lease->ref))
			queue_work(helix_wq, &p->work);
	}
	return 0;
}

static void helix_pidfd_work(struct work_struct *work)
{
	struct helix_pidfd *p = container_of(work, struct helix_pidfd, work);
	struct helix_lease *lease = p->lease;

	clear_bit(0, &p->woken);
	/* Cleared before we look: whoever wakes us from here on makes us look again. */
	smp_mb__after_atomic();
	if (helix_pidfd_ended(p->file, NULL))
		helix_scanout_end(lease->scanout, lease->generation,
				  HELIX_LEASE_CAUSE_PROCESS);
	/* May free @p: the workqueue does not look at a work that has begun. */
	helix_lease_put(lease);
}

static void helix_pidfd_queue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct helix_pidfd *p = container_of(table, struct helix_pidfd, table);

	if (p->queue)
		return;
	p->queue = queue;
	add_wait_queue(queue, &p->wait);
}

/**
 * helix_pidfd_get - the process that @fd names
 * @fd: a pidfd of the caller's
 *
 * Returns: what helix_pidfd_arm() or helix_pidfd_free() takes; -EBADF if @fd is no
 * pidfd, -ESRCH if its process has ended.
 */
struct helix_pidfd *helix_pidfd_get(int fd)
{
	struct file *file = fget(fd);
	struct helix_pidfd *p;
	int ret;

	if (!file)
		return ERR_PTR(-EBADF);
	ret = -EBADF;
	if (!helix_file_is_pidfd(file))
		goto err_file;
	ret = -ESRCH;
	if (helix_pidfd_ended(file, NULL))
		goto err_file;

	ret = -ENOMEM;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		goto err_file;
	p->file = file;
	INIT_WORK(&p->work, helix_pidfd_work);
	init_waitqueue_func_entry(&p->wait, helix_pidfd_wake);
	init_poll_funcptr(&p->table, helix_pidfd_queue);
	return p;

err_file:
	fput(file);
	return ERR_PTR(ret);
}

/**
 * helix_pidfd_arm - from here on the end of the process ends the lease
 * @p: of helix_pidfd_get(); the lease's own from now on, also on failure
 * @lease: not granted yet
 *
 * Returns: 0, or -ESRCH if the process ended meanwhile.
 */
int helix_pidfd_arm(struct helix_pidfd *p, struct helix_lease *lease)
{
	p->lease = lease;
	lease->pidfd = p;
	return helix_pidfd_ended(p->file, &p->table) ? -ESRCH : 0;
}

/* Of a lease that nobody holds any more, or that never came to be. */
void helix_pidfd_free(struct helix_pidfd *p)
{
	if (!p)
		return;
	if (p->queue)
		remove_wait_queue(p->queue, &p->wait);
	fput(p->file);
	kfree(p);
}
