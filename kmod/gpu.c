// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bound GPUs: the reference on the DRM master, and the enumeration of what it
 * can show.
 *
 * A GPU is bound by whoever holds its master, once; from then on the module
 * holds the master's file itself. Objects are found by what the driver says
 * can be connected to what (possible_crtcs), never by their ids.
 *
 * A GPU ends in one of two ways. UNBIND takes all of them, when every scanout is
 * FREE. Or its driver is unbound from it (by sysfs, or with the device): the
 * driver's bus says so before the driver hears of it, and it is taken off the
 * books there and then: leases end, scanouts and nodes are gone. What takes time
 * is left to a worker that holds the module until it is done.
 *
 * helix_bind_lock serializes all three; nothing else takes it. A bus calls its
 * notifiers with a lock that adding and removing one takes, too: both are done
 * without helix_bind_lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_encoder.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include "helix.h"

/* Between two tries to let go of a GPU that has gone. */
#define HELIX_LEAVE_MS	250

static DEFINE_MUTEX(helix_bind_lock);
static LIST_HEAD(helix_gpus);
static atomic_t helix_nr_gpus = ATOMIC_INIT(0);
/* The system is about to sleep, asleep, or waking up; helix_bind_lock. */
static bool helix_asleep;

u32 helix_gpu_count(void)
{
	return atomic_read(&helix_nr_gpus);
}

static void helix_gpu_release(struct kref *ref)
{
	struct helix_gpu *gpu = container_of(ref, struct helix_gpu, ref);
	struct module *owner = gpu->fops->owner;

	put_device(gpu->vdev);
	iput(gpu->inode);
	drm_dev_put(gpu->drm);
	kfree(gpu);
	module_put(owner);
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
	/* What the console has there is not for the first tenant; the guard keeps it off then. */
	ret = helix_kms_blank(s);
	if (ret)
		goto err_put;
	ret = helix_guard_planes(s);
	if (ret)
		goto err_put;
	ret = helix_node_create(s);
	if (ret)
		goto err_unguard;
	ret = xa_insert(&helix_scanouts, s->number, s, GFP_KERNEL);
	if (ret)
		goto err_node;

	list_add_tail(&s->link, &gpu->scanouts);
	gpu->nr++;
	return 1;

err_node:
	helix_node_destroy(s);
err_unguard:
	if (helix_unguard_planes(s, false)) {
		/* The planes point into it, and at our code: a leak is the lesser evil. */
		__module_get(THIS_MODULE);
		drm_err(gpu->drm, "scanout %u: planes are busy, leaking it\n",
			s->number);
		return ret;
	}
err_put:
	helix_scanout_put(s);
	return ret;
}

/* Nobody finds them any more. */
static void helix_hide_scanouts(struct helix_gpu *gpu)
{
	struct helix_scanout *s;

	list_for_each_entry(s, &gpu->scanouts, link) {
		xa_erase(&helix_scanouts, s->number);
		helix_node_destroy(s);
	}
}

static void helix_put_scanouts(struct helix_gpu *gpu)
{
	struct helix_scanout *s, *next;

	list_for_each_entry_safe(s, next, &gpu->scanouts, link) {
		list_del(&s->link);
		cancel_delayed_work_sync(&s->work);
		cancel_delayed_work_sync(&s->idle_work);
		cancel_delayed_work_sync(&s->replug_work);
		helix_watch_stop(&s->watch);
		helix_scanout_put(s);
	}
}

/* One that cannot be guarded again stays going, so that nobody is given it. */
static void helix_reguard_scanouts(struct helix_gpu *gpu)
{
	struct helix_scanout *s;

	list_for_each_entry(s, &gpu->scanouts, link)
		if (helix_reguard_planes(s))
			drm_warn(gpu->drm,
				 "scanout %u: planes are busy, it needs another BIND\n",
				 s->number);
}

static int helix_unguard_scanouts(struct helix_gpu *gpu, bool interruptible)
{
	struct helix_scanout *s;
	int ret;

	list_for_each_entry(s, &gpu->scanouts, link) {
		ret = helix_unguard_planes(s, interruptible);
		if (ret) {
			helix_reguard_scanouts(gpu);
			return ret;
		}
	}
	return 0;
}

/* Hand the driver's function tables back to it; all of them, or none. */
static int helix_unhook_gpu(struct helix_gpu *gpu)
{
	int ret;

	ret = helix_unguard_scanouts(gpu, true);
	if (ret)
		return ret;
	ret = helix_commit_unhook(gpu);
	if (ret)
		helix_reguard_scanouts(gpu);
	return ret;
}

static void helix_rehook_gpu(struct helix_gpu *gpu)
{
	helix_commit_hook(gpu);
	helix_reguard_scanouts(gpu);
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
	helix_hide_scanouts(gpu);
	if (helix_unguard_scanouts(gpu, false)) {
		__module_get(THIS_MODULE);
		drm_err(gpu->drm, "planes are busy, leaking %u scanouts\n", gpu->nr);
	} else {
		helix_put_scanouts(gpu);
	}
	return ret;
}

static void helix_thaw_scanouts(struct helix_gpu *gpu)
{
	struct helix_scanout *s;

	list_for_each_entry(s, &gpu->scanouts, link)
		if (s->guarded)
			helix_scanout_thaw(s);
}

/* The first of @nr numbers in a row that are free. */
static u32 helix_first_number(u32 nr)
{
	struct helix_scanout *s;
	unsigned long number;
	u32 first = 1;

	xa_for_each(&helix_scanouts, number, s) {
		if (number - first >= nr)
			break;
		first = number + 1;
	}
	return first;
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

/* The last step, without helix_bind_lock: nothing refers to @gpu from outside. */
static void helix_gpu_release_master(struct helix_gpu *gpu)
{
	bus_unregister_notifier(gpu->vdev->bus, &gpu->nb);
	drm_master_put(&gpu->master);
	fput(gpu->master_file);
	helix_gpu_put(gpu);
}

/* Off the books; what it has is still there. */
static void helix_gpu_unlist(struct helix_gpu *gpu)
{
	lockdep_assert_held(&helix_bind_lock);

	list_del_init(&gpu->link);
	atomic_dec(&helix_nr_gpus);
	helix_hide_scanouts(gpu);
}

static bool helix_scanouts_are_free(struct helix_gpu *gpu)
{
	struct helix_scanout *s;

	list_for_each_entry(s, &gpu->scanouts, link)
		if (READ_ONCE(s->state) != HELIX_LEASE_STATE_FREE)
			return false;
	return true;
}

/* Unlike for UNBIND there is no way back, and some may be done already. */
static bool helix_unhook_lost(struct helix_gpu *gpu)
{
	struct helix_scanout *s;

	list_for_each_entry(s, &gpu->scanouts, link)
		if (helix_unguard_planes(s, false))
			return false;
	return !helix_commit_unhook(gpu);
}

/*
 * A GPU that has gone is let go of when its scanouts are FREE, which takes as
 * long as the host may take, and the last commit is done, which takes as long
 * as the fence it waits for.
 */
static void helix_gpu_leave(struct work_struct *work)
{
	struct helix_gpu *gpu = container_of(to_delayed_work(work), struct helix_gpu, leave);

	if (!helix_scanouts_are_free(gpu) || !helix_unhook_lost(gpu)) {
		queue_delayed_work(helix_wq, &gpu->leave, msecs_to_jiffies(HELIX_LEAVE_MS));
		return;
	}
	helix_put_scanouts(gpu);
	pr_info("GPU %02x:%02x.%x has been let go of\n", PCI_BUS_NUM(gpu->pci_addr),
		PCI_SLOT(gpu->pci_addr), PCI_FUNC(gpu->pci_addr));
	helix_gpu_release_master(gpu);
	/* Unloading waits for the workqueue, and so for the rest of this. */
	module_put(THIS_MODULE);
}

/*
 * Its driver is being unbound, or has been. It is given the time that a closing
 * tenant has for the picture to go the usual way: what the driver has under way
 * when it is torn down is lost to it.
 */
static void helix_gpu_lost(struct helix_gpu *gpu)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(helix_close_ms);
	struct helix_scanout *s;
	bool listed;

	mutex_lock(&helix_bind_lock);
	WRITE_ONCE(gpu->lost, true);
	listed = !list_empty(&gpu->link);
	if (listed) {
		drm_warn(gpu->drm, "helix: scanouts %u..%u go with their GPU\n",
			 gpu->first, gpu->first + gpu->nr - 1);
		helix_gpu_unlist(gpu);
		list_for_each_entry(s, &gpu->scanouts, link)
			helix_scanout_retire(s);
	}
	mutex_unlock(&helix_bind_lock);
	if (!listed)
		return;

	/* From here on they are ours alone. */
	list_for_each_entry(s, &gpu->scanouts, link)
		helix_scanout_wait_over(s, s->generation, deadline);
	queue_delayed_work(helix_wq, &gpu->leave, 0);
}

static int helix_gpu_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct helix_gpu *gpu = container_of(nb, struct helix_gpu, nb);

	/* Before and after, for a BIND that came between the two. */
	if (data == gpu->vdev &&
	    (action == BUS_NOTIFY_UNBIND_DRIVER || action == BUS_NOTIFY_UNBOUND_DRIVER))
		helix_gpu_lost(gpu);
	return NOTIFY_DONE;
}

static int helix_find_vdev(struct device *child, void *data)
{
	struct helix_gpu *gpu = data;

	if (!child->bus || strcmp(child->bus->name, "virtio"))
		return 0;
	gpu->vdev = get_device(child);
	return 1;
}

/* Takes over the reference on @filp if it succeeds. */
static struct helix_gpu *helix_gpu_new(struct file *filp)
{
	struct drm_file *priv = filp->private_data;
	struct helix_gpu *gpu;
	int ret = -EACCES;

	if (!try_module_get(filp->f_op->owner))
		return ERR_PTR(-ENODEV);
	gpu = kzalloc(sizeof(*gpu), GFP_KERNEL);
	if (!gpu) {
		module_put(filp->f_op->owner);
		return ERR_PTR(-ENOMEM);
	}

	kref_init(&gpu->ref);
	INIT_LIST_HEAD(&gpu->link);
	INIT_LIST_HEAD(&gpu->scanouts);
	INIT_DELAYED_WORK(&gpu->leave, helix_gpu_leave);
	gpu->nb.notifier_call = helix_gpu_notify;
	gpu->drm = priv->minor->dev;
	drm_dev_get(gpu->drm);
	gpu->inode = file_inode(filp);
	ihold(gpu->inode);
	gpu->fops = filp->f_op;
	gpu->pci_addr = pci_dev_id(to_pci_dev(gpu->drm->dev));
	gpu->master_file = filp;
	gpu->master = drm_file_get_master(priv);
	if (!gpu->master)
		goto err_put;

	ret = -ENODEV;
	if (!device_for_each_child(gpu->drm->dev, gpu, helix_find_vdev))
		goto err_master;
	ret = bus_register_notifier(gpu->vdev->bus, &gpu->nb);
	if (ret)
		goto err_master;
	return gpu;

err_master:
	drm_master_put(&gpu->master);
err_put:
	helix_gpu_put(gpu);
	return ERR_PTR(ret);
}

static int helix_bind_locked(struct helix_gpu *gpu)
{
	int ret;

	lockdep_assert_held(&helix_bind_lock);

	if (helix_gpu_is_bound(gpu->drm))
		return -EEXIST;
	if (gpu->lost || drm_dev_is_unplugged(gpu->drm))
		return -ENODEV;
	if (!helix_commit_is_known(gpu->drm))
		return -EINVAL;
	if (helix_asleep && !helix_vdev_may_sleep(gpu->vdev))
		return -EBUSY;

	gpu->first = helix_first_number(gpu->drm->mode_config.num_crtc - 1);
	ret = helix_add_scanouts(gpu);
	if (ret)
		return ret;

	helix_commit_hook(gpu);
	helix_thaw_scanouts(gpu);
	/* Its planes and the nodes' parent are ours to undo before we go. */
	__module_get(THIS_MODULE);
	list_add_tail(&gpu->link, &helix_gpus);
	atomic_inc(&helix_nr_gpus);
	drm_info(gpu->drm, "helix: scanouts %u..%u\n", gpu->first,
		 gpu->first + gpu->nr - 1);
	return 0;
}

int helix_bind(int drm_fd, u32 *first, u32 *nr)
{
	struct file *filp = fget(drm_fd);
	struct helix_gpu *gpu;
	int ret;

	if (!filp)
		return -EBADF;

	ret = helix_check_master(filp);
	if (ret)
		goto err_file;
	gpu = helix_gpu_new(filp);
	if (IS_ERR(gpu)) {
		ret = PTR_ERR(gpu);
		goto err_file;
	}

	ret = mutex_lock_interruptible(&helix_bind_lock);
	if (!ret) {
		ret = helix_bind_locked(gpu);
		*first = gpu->first;
		*nr = gpu->nr;
		mutex_unlock(&helix_bind_lock);
	}
	if (ret)
		helix_gpu_release_master(gpu);
	return ret;

err_file:
	fput(filp);
	return ret;
}

/* May the system sleep? If so, no GPU is bound that it may not sleep with. */
int helix_gpus_sleep(void)
{
	struct helix_gpu *gpu;
	int ret = 0;

	mutex_lock(&helix_bind_lock);
	list_for_each_entry(gpu, &helix_gpus, link) {
		/* It is listed: its driver has not been unbound yet. */
		if (helix_vdev_may_sleep(gpu->vdev))
			continue;
		drm_warn(gpu->drm, "helix: bound, and its driver does not survive a sleep\n");
		ret = -EBUSY;
	}
	helix_asleep = !ret;
	mutex_unlock(&helix_bind_lock);
	return ret;
}

void helix_gpus_wake(void)
{
	mutex_lock(&helix_bind_lock);
	helix_asleep = false;
	mutex_unlock(&helix_bind_lock);
}

/* All or nothing: either every scanout is FREE and stays so, or none is touched. */
static int helix_freeze_all(void)
{
	struct helix_scanout *s;
	struct helix_gpu *gpu;
	unsigned long number;

	lockdep_assert_held(&helix_bind_lock);

	xa_for_each(&helix_scanouts, number, s) {
		if (!helix_scanout_freeze(s))
			goto err;
	}
	return 0;

err:
	list_for_each_entry(gpu, &helix_gpus, link)
		helix_thaw_scanouts(gpu);
	return -EBUSY;
}

/* Moves every GPU to @gone. */
static int helix_unbind_locked(struct list_head *gone)
{
	struct helix_gpu *gpu, *next;
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
	list_for_each_entry_safe(gpu, next, &helix_gpus, link) {
		helix_gpu_unlist(gpu);
		list_add_tail(&gpu->gone, gone);
	}
	return 0;

err:
	list_for_each_entry_continue_reverse(gpu, &helix_gpus, link)
		helix_rehook_gpu(gpu);
	list_for_each_entry(gpu, &helix_gpus, link)
		helix_thaw_scanouts(gpu);
	return ret;
}

int helix_unbind(void)
{
	struct helix_gpu *gpu, *next;
	LIST_HEAD(gone);
	int ret;

	ret = mutex_lock_interruptible(&helix_bind_lock);
	if (ret)
		return ret;
	ret = helix_unbind_locked(&gone);
	mutex_unlock(&helix_bind_lock);

	list_for_each_entry_safe(gpu, next, &gone, gone) {
		helix_put_scanouts(gpu);
		helix_gpu_release_master(gpu);
		module_put(THIS_MODULE);
	}
	return ret;
}

/**
 * helix_unbind_by_force - end every lease, then let go of every GPU
 * @deadline: in jiffies
 *
 * helix_bind_lock is not held while leases end: whoever else binds or unbinds
 * meanwhile does not wait for that.
 *
 * Return: 0; -ENODEV if no GPU is bound; -ETIMEDOUT if a scanout is not FREE yet,
 * and nothing was let go of.
 */
int helix_unbind_by_force(unsigned long deadline)
{
	int ret;

	if (!helix_gpu_count())
		return -ENODEV;
	do {
		/* EBUSY: a commit is still on its way, or a scanout came meanwhile. */
		ret = helix_scanouts_end_all(deadline, helix_unbind);
		if (ret != -EBUSY)
			return ret;
		schedule_timeout_interruptible(1);
		if (signal_pending(current))
			return -EINTR;
	} while (time_before(jiffies, deadline));
	return -ETIMEDOUT;
}
