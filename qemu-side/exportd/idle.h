/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Since when nobody uses a desktop, and whether it is to end for that. No clock
 * and nobody to tell in here: the time is handed in (monotonic microseconds).
 */
#ifndef HELIX_IDLE_H
#define HELIX_IDLE_H

#include <glib.h>
#include <stdbool.h>

#define IDLE_AFTER_MAX	31536000	/* seconds: a year */
#define IDLE_WARN_MAX	86400
#define IDLE_ASK_US	(10 * G_USEC_PER_SEC)
#define IDLE_STEP_US	(2 * G_USEC_PER_SEC)

struct idle_policy {
	unsigned int after;	/* seconds; 0: it stays for ever */
	unsigned int warn;	/* of them, how many it is told before */
	bool thumbnails;	/* who sees it in a grid uses it, too */
};

enum idle_state {
	IDLE_OFF,	/* it stays for ever */
	IDLE_USED,	/* there is a viewer */
	IDLE_COUNTING,
	IDLE_ENDING,	/* in so many seconds, unless somebody comes */
	IDLE_STUCK,	/* it would be ending, and nobody could end it */
	IDLE_OVER,	/* the guest is asked to end it */
};

struct idle {
	enum idle_state state;
	gint64 looked_at;
	gint64 unused_us;
	gint64 ends_at_us;	/* of unused_us: what was told */
	gint64 ask_at_us;	/* likewise: when it is due */
	bool counted;		/* as one that ended */
};

/* A desktop that was just granted counts as used at that moment. */
void idle_start(struct idle *idle, gint64 now);
/* Somebody does something with it: counting begins anew. */
void idle_touch(struct idle *idle);
/*
 * Time has passed. @watched: there is a viewer now; @able: there is somebody
 * who would end it. Of the time between two looks no more than IDLE_STEP_US
 * counts: while this process, or its host, stood still nobody could come.
 */
enum idle_state idle_look(struct idle *idle, const struct idle_policy *policy,
			  bool watched, bool able, gint64 now);
/*
 * It is over, and somebody is to be asked now to end it. Who is asked may be slow,
 * or not be there for a moment: so every IDLE_ASK_US until it is gone.
 */
bool idle_is_due(struct idle *idle);
/* It is over and was not before: what ends can be put off, and then ends again. */
bool idle_ends_first(struct idle *idle);
/* Seconds until it ends, rounded up; where nothing ends, 0. */
unsigned int idle_left(const struct idle *idle, const struct idle_policy *policy);
const char *idle_state_name(enum idle_state state);

#endif
