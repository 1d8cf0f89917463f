// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/helix_lease: states and histograms, for people.
 *
 * No interface: what is to be parsed is in QUERY, netlink, and sysfs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "helix.h"

static struct dentry *helix_debugfs;

static const char * const helix_wait_names[HELIX_WAIT_KINDS] = {
	[HELIX_LEASE_WAIT_NONE]		= "none",
	[HELIX_LEASE_WAIT_HOST]		= "host",
	[HELIX_LEASE_WAIT_HOTPLUG]	= "hotplug",
	[HELIX_LEASE_WAIT_LOCK]		= "lock",
	[HELIX_LEASE_WAIT_COMMIT]	= "commit",
	[HELIX_LEASE_WAIT_FENCE]	= "fence",
};

static void helix_show_scanout(struct seq_file *m, struct helix_scanout *s)
{
	struct helix_lease_query q = {};
	u64 context_stalls;

	helix_scanout_query(s, &q);
	seq_printf(m, "%u %s for %llu ms, generation %llu, %ux%u at %u mHz",
		   q.scanout, helix_state_name(q.state), q.state_ms, q.generation,
		   q.width, q.height, q.refresh_mhz);
	if (q.wait_for != HELIX_LEASE_WAIT_NONE)
		seq_printf(m, ", waits for %s (%.*s) for %u ms", helix_wait_names[q.wait_for],
			   (int)sizeof(q.wait_name), q.wait_name, q.wait_ms);
	if (q.stalled_ms)
		seq_printf(m, ", stalled for %u ms", q.stalled_ms);
	if (q.state != HELIX_LEASE_STATE_FREE)
		seq_printf(m, ", owner pid %u uid %u cgroup %llu \"%*pE\"", q.owner_pid,
			   q.owner_uid, q.owner_cgroup,
			   (int)strnlen(q.label, sizeof(q.label)), q.label);
	spin_lock(&s->lock);
	context_stalls = s->context_stalls;
	spin_unlock(&s->lock);
	seq_printf(m, ", %u opens, %llu grants, %llu denials, %llu stalls, %llu quarantines, %llu context stalls\n",
		   q.opens, q.grants, q.denials, q.stalls, q.quarantines, context_stalls);
}

static int helix_scanouts_show(struct seq_file *m, void *data)
{
	struct helix_scanout *s;
	unsigned long number;

	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		helix_show_scanout(m, s);
		helix_scanout_put(s);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(helix_scanouts);

static void helix_show_waits(struct seq_file *m, const char *whose,
			     struct helix_wait_stats *stats)
{
	unsigned int what, i, buckets[HELIX_WAIT_BUCKETS], n;

	for (what = 0; what < HELIX_WAIT_KINDS; what++) {
		for (n = 0, i = 0; i < HELIX_WAIT_BUCKETS; i++) {
			buckets[i] = atomic_read(&stats[what].buckets[i]);
			n += buckets[i];
		}
		if (!n)
			continue;
		seq_printf(m, "%s %s: %u waits, %d in vain, %lld us;", whose,
			   what ? helix_wait_names[what] : "state", n,
			   atomic_read(&stats[what].failed),
			   atomic64_read(&stats[what].total_us));
		for (i = 0; i < HELIX_WAIT_BUCKETS - 1; i++)
			if (buckets[i])
				seq_printf(m, " <%lu:%u", BIT(i), buckets[i]);
		if (buckets[i])
			seq_printf(m, " more:%u", buckets[i]);
		seq_putc(m, '\n');
	}
}

/* "<N:COUNT": so many took less than N us, and no less than half of that. */
static int helix_waits_show(struct seq_file *m, void *data)
{
	struct helix_scanout *s;
	unsigned long number;
	char whose[12];

	helix_show_waits(m, "all", helix_waits);
	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		snprintf(whose, sizeof(whose), "%lu", number);
		helix_show_waits(m, whose, s->waits);
		helix_scanout_put(s);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(helix_waits);

/* Empty without a control device, and with one that has no events. */
static int helix_host_events_show(struct seq_file *m, void *data)
{
	u64 taken, refused;
	u32 lost;

	if (helix_host_event_counts(&taken, &refused, &lost))
		seq_printf(m, "%llu events, %llu refused, %u lost\n", taken, refused, lost);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(helix_host_events);

/* Whether it is there or not changes nothing else. */
void helix_debugfs_init(void)
{
	helix_debugfs = debugfs_create_dir("helix_lease", NULL);
	debugfs_create_file("scanouts", 0400, helix_debugfs, NULL, &helix_scanouts_fops);
	debugfs_create_file("waits", 0400, helix_debugfs, NULL, &helix_waits_fops);
	debugfs_create_file("host_events", 0400, helix_debugfs, NULL, &helix_host_events_fops);
}

void helix_debugfs_exit(void)
{
	debugfs_remove(helix_debugfs);
}
