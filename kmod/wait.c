// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounded waits, counted: every wait with a deadline begins and ends here, for
 * the tracepoints and for histograms of how long each kind takes, of every
 * scanout and of all together. Nothing is waited for here, and no lock taken.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "helix.h"
#include "trace.h"

struct helix_wait_stats helix_waits[HELIX_WAIT_KINDS];

/**
 * helix_wait_begin - a wait with a deadline begins
 * @w: the waiter's, until helix_wait_end()
 * @s: scanout it is for; NULL if it is not for one
 * @what: enum helix_lease_wait; NONE stands for a state of the scanout
 * @name: which one, for people; must stay until the end
 */
void helix_wait_begin(struct helix_wait *w, struct helix_scanout *s,
		      enum helix_lease_wait what, const char *name)
{
	w->scanout = s;
	w->what = what;
	w->name = name;
	trace_helix_wait_begin(s ? s->number : 0, what, name);
	w->since = ktime_get();
}

static void helix_wait_count(struct helix_wait_stats *stats, u64 us, int result)
{
	atomic_inc(&stats->buckets[min(fls64(us), HELIX_WAIT_BUCKETS - 1)]);
	atomic64_add(us, &stats->total_us);
	if (result)
		atomic_inc(&stats->failed);
}

/**
 * helix_wait_end - it is over
 * @w: as begun
 * @result: 0 if what was waited for came, else why not
 */
void helix_wait_end(struct helix_wait *w, int result)
{
	u64 us = ktime_us_delta(ktime_get(), w->since);

	if (w->scanout)
		helix_wait_count(&w->scanout->waits[w->what], us, result);
	helix_wait_count(&helix_waits[w->what], us, result);
	trace_helix_wait_end(w->scanout ? w->scanout->number : 0, w->what, w->name,
			     us, result);
}

/* Likewise, by what wait_event_interruptible_timeout() returned. */
int helix_wait_end_left(struct helix_wait *w, long left)
{
	int ret = 0;

	if (!left)
		ret = -ETIMEDOUT;
	else if (left < 0)
		ret = -EINTR;
	helix_wait_end(w, ret);
	return ret;
}

/* The wait goes on for something else: what came, came. */
void helix_wait_next(struct helix_wait *w, enum helix_lease_wait what, const char *name)
{
	if (w->what == what && !strcmp(w->name, name))
		return;
	helix_wait_end(w, 0);
	helix_wait_begin(w, w->scanout, what, name);
}
