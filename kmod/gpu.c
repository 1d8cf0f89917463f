// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bound GPUs: the reference on the DRM master, and the enumeration of what it
 * can show.
 *
 * A GPU is bound by whoever holds its master, once; from then on the module
 * holds the master's file itself. Objects are found by what the driver says
 * can be connected to what (possible_crtcs), never by their ids.
 *
 * helix_bind_lock serializes BIND and UNBIND; nothing else takes it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_encoder.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include "helix.h"

static DEFINE_MUTEX(helix_bind_lock);
static LIST_HEAD(helix_gpus);
static atomic_t helix_nr_gpus = ATOMIC_INIT(0);

u32 helix_gpu_count(void)
{
	return atomic_read(&helix_nr_gpus);
}

static void helix_gpu_release(struct kref *ref)
{
	struct helix_gpu *gpu = container_of(ref, struct helix_gpu, ref);

	iput(gpu->inode);
	drm_dev_put(gpu->drm);
	kfree(gpu);
}

void helix_gpu_put(struct helix_gpu *gpu)
{
	kref_put(&gpu->ref, helix_gpu_release);
}

/* Is this the one connector that only @crtc can drive? */
static bool helix_connector_is_for(struct drm_connector *connector,
				   struct drm_crtc *crtc)
{
	struct drm_encoder *encoder;
	u32 possible = 0;

	drm_connector_for_each_possible_encoder(connector, encoder)
		possible |= encoder->possible_crtcs;

	return possible == drm_crtc_mask(crtc);
}

static struct drm_connector *helix_find_connector(struct drm_crtc *crtc)
{
	struct drm_connector *connector, *found = NULL;
	struct drm_connector_list_iter iter;

	drm_connector_list_iter_begin(crtc->dev, &iter);
	drm_for_each_connector_iter(connector, &iter) {
		if (helix_connector_is_for(connector, crtc)) {
			found = connector;
			break;
		}
	}
	drm_connector_list_iter_end(&iter);

	return found;
}

static struct drm_plane *helix_find_plane(struct drm_crtc *crtc,
					  enum drm_plane_type type)
{
	struct drm_plane *plane;

	/* A plane that other CRTCs can show as well is nobody's to lease. */
	drm_for_each_plane(plane, crtc->dev)
		if (plane->type == type &&
		    plane->possible_crtcs == drm_crtc_mask(crtc))
			return plane;

	return NULL;
}

/* Returns 1 if @crtc became a scanout, 0 if it cannot be leased. */
static int helix_add_crtc(struct helix_gpu *gpu, struct drm_crtc *crtc)
{
	struct helix_scanout *s;
	int ret;

	/* The console's. */
	if (drm_crtc_index(crtc) == 0)
		return 0;

	s = helix_scanout_new(gpu, crtc);
	if (IS_ERR(s))
		return PTR_ERR(s);

	s->connector = helix_find_connector(crtc);
	s->primary = helix_find_plane(crtc, DRM_PLANE_TYPE_PRIMARY);
	s->cursor = helix_find_plane(crtc, DRM_PLANE_TYPE_CURSOR);
	if (!s->connector || !s->primary) {
		drm_dbg_kms(gpu->drm, "[CRTC:%d:%s] cannot be leased\n",
			    crtc->base.id, crtc->name);
		helix_scanout_put(s);
		return 0;
	}

	s->number = gpu->first + gpu->nr;
	ret = helix_guard_planes(s);
	if (ret)
		goto err_put;
	ret = helix_node_create(s);
	if (ret)
		goto err_unguard;
	ret = xa_insert(&helix_scanouts, s->number, s, GFP_KERNEL);
	if (ret)
		goto err_node;

	gpu->nr++;
	return 1;

err_node:
	helix_node_destroy(s);
err_unguard:
	if (helix_unguard_planes(s)) {
		/* The planes point into it: a leak is the lesser evil. */
		drm_err(gpu->drm, "scanout %u: planes are busy, leaking it\n",
			s->number);
		return ret;
	}
err_put:
	helix_scanout_put(s);
	return ret;
}

static void helix_remove_scanouts(struct helix_gpu *gpu)
{
	u32 i;

	for (i = gpu->first; i < gpu->first + gpu->nr; i++) {
		struct helix_scanout *s = xa_erase(&helix_scanouts, i);

		helix_node_destroy(s);
		cancel_delayed_work_sync(&s->work);
		cancel_delayed_work_sync(&s->idle_work);
		helix_watch_stop(&s->watch);
		helix_scanout_put(s);
	}
}

static int helix_unguard_scanouts(struct helix_gpu *gpu)
{
	struct helix_scanout *s;
	int ret;
	u32 i;

	for (i = gpu->first; i < gpu->first + gpu->nr; i++) {
		s = xa_load(&helix_scanouts, i);
		ret = helix_unguard_planes(s);
		if (ret)
			goto err;
	}
	return 0;

err:
	while (i-- > gpu->first) {
		s = xa_load(&helix_scanouts, i);
		/* It has just been let go of, so that it can be had again. */
		WARN_ON(helix_guard_planes(s));
	}
	return ret;
}

/* Hand the driver's function tables back to it; all of them, or none. */
static int helix_unhook_gpu(struct helix_gpu *gpu)
{
	int ret;
	u32 i;

	ret = helix_unguard_scanouts(gpu);
	if (ret)
		return ret;
	ret = helix_commit_unhook(gpu);
	if (!ret)
		return 0;
	for (i = gpu->first; i < gpu->first + gpu->nr; i++)
		WARN_ON(helix_guard_planes(xa_load(&helix_scanouts, i)));
	return ret;
}

static void helix_rehook_gpu(struct helix_gpu *gpu)
{
	u32 i;

	helix_commit_hook(gpu);
	for (i = gpu->first; i < gpu->first + gpu->nr; i++)
		WARN_ON(helix_guard_planes(xa_load(&helix_scanouts, i)));
}

static int helix_add_scanouts(struct helix_gpu *gpu)
{
	struct drm_crtc *crtc;
	int ret;

	drm_for_each_crtc(crtc, gpu->drm) {
		ret = helix_add_crtc(gpu, crtc);
		if (ret < 0)
			goto err;
	}
	if (!gpu->nr)
		return -ENOSPC;
	return 0;

err:
	if (helix_unguard_scanouts(gpu))
		drm_err(gpu->drm, "planes are busy, leaking %u scanouts\n", gpu->nr);
	else
		helix_remove_scanouts(gpu);
	return ret;
}

static void helix_thaw_scanouts(struct helix_gpu *gpu)
{
	u32 i;

	for (i = gpu->first; i < gpu->first + gpu->nr; i++)
		helix_scanout_thaw(xa_load(&helix_scanouts, i));
}

/* Is it a primary node of a driver we know, and the owner of all it shows? */
static int helix_check_master(struct file *filp)
{
	struct drm_file *priv;
	struct drm_device *drm;
	struct drm_master *master;
	bool lessee;

	/*
	 * A file of ours has private_data of DRM's, but is a tenant's, and
	 * must not get in here: its open is not DRM's.
	 */
	if (filp->f_op->open != drm_open)
		return -EINVAL;

	priv = filp->private_data;
	if (priv->minor->type != DRM_MINOR_PRIMARY)
		return -EINVAL;

	drm = priv->minor->dev;
	if (strcmp(drm->driver->name, "virtio_gpu") || !dev_is_pci(drm->dev))
		return -EINVAL;
	if (!drm_core_check_feature(drm, DRIVER_MODESET) ||
	    !drm_core_check_feature(drm, DRIVER_ATOMIC))
		return -EINVAL;

	if (!drm_is_current_master(priv))
		return -EACCES;
	master = drm_file_get_master(priv);
	if (!master)
		return -EACCES;
	lessee = master->lessor;
	drm_master_put(&master);

	return lessee ? -EACCES : 0;
}

static bool helix_gpu_is_bound(struct drm_device *drm)
{
	struct helix_gpu *gpu;

	lockdep_assert_held(&helix_bind_lock);

	list_for_each_entry(gpu, &helix_gpus, link)
		if (gpu->drm == drm)
			return true;
	return false;
}

/* Takes over the reference on @filp if it succeeds. */
static int helix_bind_locked(struct file *filp, u32 *first, u32 *nr)
{
	struct drm_file *priv;
	struct helix_gpu *gpu;
	struct pci_dev *pdev;
	int ret;

	lockdep_assert_held(&helix_bind_lock);

	ret = helix_check_master(filp);
	if (ret)
		return ret;

	priv = filp->private_data;
	if (helix_gpu_is_bound(priv->minor->dev))
		return -EEXIST;
	if (!helix_commit_is_known(priv->minor->dev))
		return -EINVAL;

	gpu = kzalloc(sizeof(*gpu), GFP_KERNEL);
	if (!gpu)
		return -ENOMEM;

	kref_init(&gpu->ref);
	gpu->drm = priv->minor->dev;
	drm_dev_get(gpu->drm);
	gpu->inode = file_inode(filp);
	ihold(gpu->inode);
	gpu->fops = filp->f_op;
	gpu->first = helix_scanout_count() + 1;
	pdev = to_pci_dev(gpu->drm->dev);
	gpu->pci_addr = pci_dev_id(pdev);
	gpu->master_file = filp;
	gpu->master = drm_file_get_master(priv);
	if (!gpu->master) {
		ret = -EACCES;
		goto err_put;
	}

	ret = helix_add_scanouts(gpu);
	if (ret)
		goto err_master;

	helix_commit_hook(gpu);
	helix_thaw_scanouts(gpu);
	/* Its planes and the nodes' parent are ours to undo before we go. */
	__module_get(THIS_MODULE);
	list_add_tail(&gpu->link, &helix_gpus);
	atomic_inc(&helix_nr_gpus);
	*first = gpu->first;
	*nr = gpu->nr;
	drm_info(gpu->drm, "helix: scanouts %u..%u\n", gpu->first,
		 gpu->first + gpu->nr - 1);
	return 0;

err_master:
	drm_master_put(&gpu->master);
err_put:
	helix_gpu_put(gpu);
	return ret;
}

int helix_bind(int drm_fd, u32 *first, u32 *nr)
{
	struct file *filp = fget(drm_fd);
	int ret;

	if (!filp)
		return -EBADF;

	ret = mutex_lock_interruptible(&helix_bind_lock);
	if (!ret) {
		ret = helix_bind_locked(filp, first, nr);
		mutex_unlock(&helix_bind_lock);
	}
	if (ret)
		fput(filp);
	return ret;
}

static void helix_gpu_unbind(struct helix_gpu *gpu)
{
	lockdep_assert_held(&helix_bind_lock);

	list_del(&gpu->link);
	atomic_dec(&helix_nr_gpus);
	helix_remove_scanouts(gpu);
	drm_master_put(&gpu->master);
	fput(gpu->master_file);
	helix_gpu_put(gpu);
	module_put(THIS_MODULE);
}

/* All or nothing: either every scanout is FREE and stays so, or none is touched. */
static int helix_freeze_all(void)
{
	struct helix_scanout *s;
	unsigned long number;

	lockdep_assert_held(&helix_bind_lock);

	xa_for_each(&helix_scanouts, number, s) {
		if (!helix_scanout_freeze(s))
			goto err;
	}
	return 0;

err:
	xa_for_each(&helix_scanouts, number, s)
		helix_scanout_thaw(s);
	return -EBUSY;
}

static int helix_unbind_locked(void)
{
	struct helix_gpu *gpu, *next;
	struct helix_scanout *s;
	unsigned long number;
	int ret;

	lockdep_assert_held(&helix_bind_lock);

	if (list_empty(&helix_gpus))
		return -ENODEV;

	ret = helix_freeze_all();
	if (ret)
		return ret;

	list_for_each_entry(gpu, &helix_gpus, link) {
		ret = helix_unhook_gpu(gpu);
		if (ret)
			goto err;
	}
	list_for_each_entry_safe(gpu, next, &helix_gpus, link)
		helix_gpu_unbind(gpu);
	return 0;

err:
	list_for_each_entry_continue_reverse(gpu, &helix_gpus, link)
		helix_rehook_gpu(gpu);
	xa_for_each(&helix_scanouts, number, s)
		helix_scanout_thaw(s);
	return ret;
}

int helix_unbind(void)
{
	int ret;

	ret = mutex_lock_interruptible(&helix_bind_lock);
	if (ret)
		return ret;
	ret = helix_unbind_locked();
	mutex_unlock(&helix_bind_lock);
	return ret;
}
