/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels this module is built for: 6.1, 6.12, 7.2.
 *
 * Every version test of the module is in this file.
 */
#ifndef HELIX_COMPAT_H
#define HELIX_COMPAT_H

#include <linux/device.h>
#include <linux/dcache.h>
#include <linux/dma-fence.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <linux/wait.h>

#include <drm/drm_auth.h>

/* 6.12: drm_open() looks for the flag instead of setting FMODE_UNSIGNED_OFFSET */
#ifdef FOP_UNSIGNED_OFFSET
#define HELIX_NODE_FOP_FLAGS	.fop_flags = FOP_UNSIGNED_OFFSET,
#else
#define HELIX_NODE_FOP_FLAGS
#endif

/* 7.2: one atomic update is a struct drm_atomic_commit */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define drm_atomic_state	drm_atomic_commit
#define drm_atomic_state_alloc	drm_atomic_commit_alloc
#define drm_atomic_state_put	drm_atomic_commit_put
#endif

/* 6.4: the owner went */
static inline struct class *helix_class_create(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/* 6.17: asked for by functions, and gone once the fence is signalled */
static inline void helix_fence_name(struct dma_fence *fence, char *name, size_t size)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	const char __rcu *driver, *timeline;

	rcu_read_lock();
	driver = dma_fence_driver_name(fence);
	timeline = dma_fence_timeline_name(fence);
	snprintf(name, size, "fence %s %s", rcu_dereference(driver),
		 rcu_dereference(timeline));
	rcu_read_unlock();
#else
	snprintf(name, size, "fence %s %s", fence->ops->get_driver_name(fence),
		 fence->ops->get_timeline_name(fence));
#endif
}

/* 6.8: the legacy drivers' lock went */
static inline void helix_master_init_legacy(struct drm_master *master)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0) && IS_ENABLED(CONFIG_DRM_LEGACY)
	spin_lock_init(&master->lock.spinlock);
	init_waitqueue_head(&master->lock.lock_queue);
#endif
}

/* 6.9: pidfds got a file system; no kernel exports what tells one */
static inline bool helix_file_is_pidfd(struct file *file)
{
#ifdef PID_FS_MAGIC
	return file_inode(file)->i_sb->s_magic == PID_FS_MAGIC;
#else
	const struct dentry *dentry = file->f_path.dentry;

	/* Only the kernel names what is in there, and the name never changes. */
	return dentry->d_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(dentry->d_name.name, "[pidfd]");
#endif
}

#endif /* HELIX_COMPAT_H */
