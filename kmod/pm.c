// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleep of the whole system: refused while it would cost the leases their GPU.
 *
 * What a virtio device has is lost in a sleep, and its driver has to make it again.
 * virtio_gpu in the kernels we know does not: after a sleep its queues are dead, and
 * whoever uses it waits for ever. A GPU like that, as long as it is bound, keeps the
 * system awake; nothing has been frozen by then, and nothing happens to the leases.
 *
 * helix_bind_lock orders this with BIND, see gpu.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/notifier.h>
#include <linux/suspend.h>
#include <linux/virtio.h>

#include "helix.h"

/* Does its driver make what a sleep took? Only while it has one: see gpu.c. */
bool helix_vdev_may_sleep(struct device *vdev)
{
#ifdef CONFIG_PM_SLEEP
	const struct virtio_driver *driver = container_of(vdev->driver, struct virtio_driver,
							  driver);

	return driver->freeze && driver->restore;
#else
	return true;
#endif
}

static int helix_pm_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
		return notifier_from_errno(helix_gpus_sleep());
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
		helix_gpus_wake();
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block helix_pm_nb = {
	.notifier_call = helix_pm_notify,
};

int helix_pm_init(void)
{
	return register_pm_notifier(&helix_pm_nb);
}

void helix_pm_exit(void)
{
	unregister_pm_notifier(&helix_pm_nb);
}
