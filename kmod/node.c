// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scanout nodes: /dev/helix/scanoutN, and the same thing as a descriptor.
 *
 * An open file of a node is a DRM file of the GPU whose master is the lessee of
 * the lease that was live when it was opened. All opens share that lessee, so
 * that a compositor may open the node as often as it likes and authenticate
 * one open with another. Every call passes guard.c first.
 *
 * An open file holds its lease (memory, not rights), and so the GPU and the
 * driver's module: it may outlive lease, UNBIND, and the device.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cdev.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_ioctl.h>

#include "helix.h"

#define HELIX_FS_MAGIC	0x68656c78	/* "helx" */

static dev_t helix_devt;
static struct cdev helix_cdev;
static struct class *helix_class;

/*
 * Where lease files live. Mounted while there are any: the mount holds the
 * module, and lets go of it after the last thing that closing a file does.
 */
static struct file_system_type helix_fs_type;
static struct vfsmount *helix_mnt;
static int helix_mnt_count;

dev_t helix_node_devt(const struct helix_scanout *s)
{
	return MKDEV(MAJOR(helix_devt), s->number);
}

/*
 * Give the DRM file the lessee for a master. That the core made it a master of
 * its own means that the GPU has none any more: the file that was bound dropped
 * it, or is gone.
 */
static int helix_node_set_lessee(struct drm_file *priv, struct helix_lease *lease)
{
	struct drm_device *drm = priv->minor->dev;
	struct drm_master *old;
	int ret = 0;

	mutex_lock(&drm->master_mutex);
	old = priv->master;
	if (priv->is_master || !old) {
		old = NULL;
		ret = -ENXIO;
		goto out;
	}
	spin_lock(&priv->master_lookup_lock);
	priv->master = drm_master_get(lease->lessee);
	spin_unlock(&priv->master_lookup_lock);
	priv->is_master = 1;
	priv->authenticated = 1;
out:
	mutex_unlock(&drm->master_mutex);
	if (old)
		drm_master_put(&old);
	return ret;
}

/*
 * The core takes a closing master's leases away, and would take them from every
 * other open of this node. Only the module ends a lease.
 */
static void helix_node_clear_master(struct drm_file *priv)
{
	struct drm_device *drm = priv->minor->dev;

	mutex_lock(&drm->master_mutex);
	priv->is_master = 0;
	mutex_unlock(&drm->master_mutex);
}

/* Make @filp an open file of @lease. */
static int helix_node_attach(struct helix_lease *lease, struct file *filp)
{
	struct helix_scanout *s = lease->scanout;
	struct helix_gpu *gpu = s->gpu;
	struct helix_open *open;
	int ret;

	ret = helix_lease_add_open(lease);
	if (ret)
		return ret;
	open = kzalloc(sizeof(*open), GFP_KERNEL);
	if (!open) {
		ret = -ENOMEM;
		goto err_open;
	}
	ret = drm_open(gpu->inode, filp);
	if (ret)
		goto err_free;
	open->file = filp->private_data;
	ret = helix_node_set_lessee(open->file, lease);
	if (ret)
		goto err_drm;

	helix_lease_get(lease);
	atomic_inc(&s->opens);
	mutex_lock(&lease->opens_lock);
	list_add(&open->link, &lease->opens);
	lease->idle = false;
	mutex_unlock(&lease->opens_lock);
	return 0;

err_drm:
	drm_release(gpu->inode, filp);
	filp->private_data = NULL;
err_free:
	kfree(open);
err_open:
	helix_lease_drop_open(lease);
	return ret;
}

static int helix_node_open(struct inode *inode, struct file *filp)
{
	struct helix_scanout *s;
	struct helix_lease *lease;
	int ret;

	s = helix_scanout_get(iminor(inode));
	if (!s)
		return -ENXIO;
	lease = helix_scanout_lease(s);
	helix_scanout_put(s);
	if (!lease)
		return -ENXIO;

	ret = helix_lease_may_open(lease);
	if (!ret)
		ret = helix_node_attach(lease, filp);
	helix_lease_put(lease);
	return ret;
}

/* Returns true if @priv was the last open of its lease. */
static bool helix_node_detach(struct helix_lease *lease, struct drm_file *priv)
{
	struct helix_open *open;
	bool last;

	mutex_lock(&lease->opens_lock);
	list_for_each_entry(open, &lease->opens, link) {
		if (open->file == priv) {
			list_del(&open->link);
			lease->nr_opens--;
			kfree(open);
			break;
		}
	}
	last = list_empty(&lease->opens);
	mutex_unlock(&lease->opens_lock);
	return last;
}

/*
 * The core removes a closing file's framebuffers from wherever they are shown
 * with every mode-setting lock held, however long others hold those. So it finds
 * none: a framebuffer that is shown lives on, in nobody's list, until it is not.
 */
static void helix_node_drop_fbs(struct drm_file *priv)
{
	struct drm_framebuffer *fb, *next;
	LIST_HEAD(fbs);

	mutex_lock(&priv->fbs_lock);
	list_splice_init(&priv->fbs, &fbs);
	mutex_unlock(&priv->fbs_lock);
	/* The file is closing: nobody else looks for them any more. */
	list_for_each_entry_safe(fb, next, &fbs, filp_head) {
		list_del_init(&fb->filp_head);
		drm_framebuffer_put(fb);
	}
}

static void helix_node_close(struct inode *inode, struct file *filp)
{
	struct drm_file *priv = filp->private_data;
	struct helix_lease *lease = helix_file_lease(priv);

	if (helix_node_detach(lease, priv))
		helix_idle_begin(lease);
	helix_node_drop_fbs(priv);
	helix_node_clear_master(priv);
	drm_release(inode, filp);

	atomic_dec(&lease->scanout->opens);
	helix_lease_put(lease);
}

static int helix_node_release(struct inode *inode, struct file *filp)
{
	/* Only a lease file can get here without having been attached. */
	if (filp->private_data)
		helix_node_close(inode, filp);
	if (inode->i_sb->s_type == &helix_fs_type)
		simple_release_fs(&helix_mnt, &helix_mnt_count);
	return 0;
}

static long helix_node_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_guard_ioctl(filp, cmd, arg, drm_ioctl);
}

#ifdef CONFIG_COMPAT
static long helix_node_compat_ioctl(struct file *filp, unsigned int cmd,
				    unsigned long arg)
{
	return helix_guard_ioctl(filp, cmd, (unsigned long)compat_ptr(arg),
				 drm_compat_ioctl);
}
#endif

static int helix_node_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct drm_file *priv = filp->private_data;

	return helix_file_lease(priv)->scanout->gpu->fops->mmap(filp, vma);
}

static const struct file_operations helix_node_fops = {
	.owner		= THIS_MODULE,
	.open		= helix_node_open,
	.release	= helix_node_release,
	.unlocked_ioctl	= helix_node_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl	= helix_node_compat_ioctl,
#endif
	.mmap		= helix_node_mmap,
	.poll		= drm_poll,
	.read		= drm_read,
	.llseek		= noop_llseek,
	HELIX_NODE_FOP_FLAGS
};

/*
 * No devices: a lease file is not to be opened anew through /proc. The core would put
 * a device for each close of its inode from then on, and has got none for the first.
 */
static int helix_fs_init_context(struct fs_context *fc)
{
	fc->s_iflags |= SB_I_NODEV;
	return init_pseudo(fc, HELIX_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type helix_fs_type = {
	.name			= "helix_lease",
	.owner			= THIS_MODULE,
	.init_fs_context	= helix_fs_init_context,
	.kill_sb		= kill_anon_super,
};

static struct inode *helix_lease_inode(struct helix_scanout *s)
{
	struct inode *inode = new_inode(helix_mnt->mnt_sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = s->number;
	init_special_inode(inode, S_IFCHR | 0600, helix_node_devt(s));
	return inode;
}

/* A file on the pinned mount that is not open yet; its release() unpins. */
static struct file *helix_lease_file_alloc(struct helix_scanout *s)
{
	struct inode *inode;
	struct file *filp;
	char name[24];

	inode = helix_lease_inode(s);
	if (IS_ERR(inode))
		return ERR_CAST(inode);

	/* fput() puts what open() would have got. */
	__module_get(THIS_MODULE);
	snprintf(name, sizeof(name), "scanout%u", s->number);
	filp = alloc_file_pseudo(inode, helix_mnt, name, O_RDWR, &helix_node_fops);
	if (IS_ERR(filp)) {
		module_put(THIS_MODULE);
		iput(inode);
	}
	return filp;
}

/**
 * helix_lease_file - an open of the scanout node without a path
 * @lease: live
 *
 * fstat() must say what it says of the node: libdrm goes from there to sysfs.
 * An anonymous inode has no device number, hence a file system of our own.
 *
 * Return: the file, which holds a reference on @lease, or an error pointer.
 */
struct file *helix_lease_file(struct helix_lease *lease)
{
	struct file *filp;
	int ret;

	ret = simple_pin_fs(&helix_fs_type, &helix_mnt, &helix_mnt_count);
	if (ret)
		return ERR_PTR(ret);
	filp = helix_lease_file_alloc(lease->scanout);
	if (IS_ERR(filp)) {
		simple_release_fs(&helix_mnt, &helix_mnt_count);
		return filp;
	}

	ret = helix_node_attach(lease, filp);
	if (ret) {
		fput(filp);
		return ERR_PTR(ret);
	}
	return filp;
}

int helix_node_create(struct helix_scanout *s)
{
	/*
	 * The parent is the device DRM's own nodes have: libdrm recognizes a
	 * primary node by /sys/dev/char/M:m/device/drm.
	 */
	s->node = device_create_with_groups(helix_class, s->gpu->drm->dev,
					    helix_node_devt(s), s, helix_scanout_groups,
					    "helix!scanout%u", s->number);
	return PTR_ERR_OR_ZERO(s->node);
}

void helix_node_destroy(struct helix_scanout *s)
{
	device_destroy(helix_class, helix_node_devt(s));
}

int helix_nodes_init(void)
{
	int ret;

	helix_class = helix_class_create("helix");
	if (IS_ERR(helix_class))
		return PTR_ERR(helix_class);

	ret = alloc_chrdev_region(&helix_devt, 0, HELIX_MAX_SCANOUTS + 1, "helix");
	if (ret)
		goto err_class;
	cdev_init(&helix_cdev, &helix_node_fops);
	helix_cdev.owner = THIS_MODULE;
	ret = cdev_add(&helix_cdev, helix_devt, HELIX_MAX_SCANOUTS + 1);
	if (ret)
		goto err_region;
	return 0;

err_region:
	unregister_chrdev_region(helix_devt, HELIX_MAX_SCANOUTS + 1);
err_class:
	class_destroy(helix_class);
	return ret;
}

void helix_nodes_exit(void)
{
	cdev_del(&helix_cdev);
	unregister_chrdev_region(helix_devt, HELIX_MAX_SCANOUTS + 1);
	class_destroy(helix_class);
}
