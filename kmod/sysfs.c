// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/helix/helix!scanoutN: one value per file, read-only.
 *
 * sysfs is the same in every container, and root in one may open what is 0400.
 * So what is about the tenant, and not about the scanout, also wants
 * CAP_SYS_ADMIN of whoever reads it. There are no uevents on a change of state:
 * every container's udev would be told of every other's desktop.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/device.h>
#include <linux/sysfs.h>

#include "helix.h"

static void helix_sysfs_query(struct device *dev, struct helix_lease_query *q)
{
	/* The device goes before its scanout, and waits for its readers. */
	memset(q, 0, sizeof(*q));
	helix_scanout_query(dev_get_drvdata(dev), q);
}

#define HELIX_ATTR(_name, _format, ...)						\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct helix_lease_query q;						\
										\
	helix_sysfs_query(dev, &q);						\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);			\
}										\
static DEVICE_ATTR_RO(_name)

#define HELIX_TENANT_ATTR(_name, _format, ...)					\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct helix_lease_query q;						\
										\
	if (!capable(CAP_SYS_ADMIN))						\
		return -EPERM;							\
	helix_sysfs_query(dev, &q);						\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);			\
}										\
static DEVICE_ATTR(_name, 0400, _name##_show, NULL)

HELIX_ATTR(state, "%s", helix_state_name(q.state));
HELIX_ATTR(output, "%u", q.output);
HELIX_ATTR(grants, "%llu", q.grants);
HELIX_ATTR(quarantines, "%llu", q.quarantines);

HELIX_TENANT_ATTR(generation, "%llu", q.generation);
HELIX_TENANT_ATTR(size, "%ux%u", q.width, q.height);
HELIX_TENANT_ATTR(refresh_mhz, "%u", q.refresh_mhz);
HELIX_TENANT_ATTR(priority, "%u", q.priority);
HELIX_TENANT_ATTR(label, "%.*s", (int)sizeof(q.label), q.label);
HELIX_TENANT_ATTR(owner_pid, "%u", q.owner_pid);
HELIX_TENANT_ATTR(owner_uid, "%u", q.owner_uid);
HELIX_TENANT_ATTR(owner_cgroup, "%llu", q.owner_cgroup);
HELIX_TENANT_ATTR(opens, "%u", q.opens);
HELIX_TENANT_ATTR(denials, "%llu", q.denials);
HELIX_TENANT_ATTR(stalls, "%llu", q.stalls);
HELIX_TENANT_ATTR(stalled_ms, "%u", q.stalled_ms);

/* Not in QUERY: the host's view of what the tenant does, and how often it drew. */
#define HELIX_COUNTER_ATTR(_name, _counter)					\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct helix_scanout *s = dev_get_drvdata(dev);				\
	u64 counter;								\
										\
	if (!capable(CAP_SYS_ADMIN))						\
		return -EPERM;							\
	spin_lock(&s->lock);							\
	counter = (_counter);							\
	spin_unlock(&s->lock);							\
	return sysfs_emit(buf, "%llu\n", counter);				\
}										\
static DEVICE_ATTR_ADMIN_RO(_name)

HELIX_COUNTER_ATTR(context_stalls, s->context_stalls);
HELIX_COUNTER_ATTR(flips, s->watch.flips);
HELIX_COUNTER_ATTR(replugs, s->replugs);

static struct attribute *helix_scanout_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_output.attr,
	&dev_attr_grants.attr,
	&dev_attr_quarantines.attr,
	&dev_attr_generation.attr,
	&dev_attr_size.attr,
	&dev_attr_refresh_mhz.attr,
	&dev_attr_priority.attr,
	&dev_attr_label.attr,
	&dev_attr_owner_pid.attr,
	&dev_attr_owner_uid.attr,
	&dev_attr_owner_cgroup.attr,
	&dev_attr_opens.attr,
	&dev_attr_denials.attr,
	&dev_attr_stalls.attr,
	&dev_attr_stalled_ms.attr,
	&dev_attr_context_stalls.attr,
	&dev_attr_flips.attr,
	&dev_attr_replugs.attr,
	NULL
};

static const struct attribute_group helix_scanout_group = {
	.attrs = helix_scanout_attrs,
};

const struct attribute_group *helix_scanout_groups[] = {
	&helix_scanout_group,
	NULL
};
