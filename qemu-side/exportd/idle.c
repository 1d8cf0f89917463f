// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns how long nobody used a desktop. Rule: what is told before it ends lasts as
 * long as the policy says, whatever happened before; what cannot be ended does
 * not come closer to it.
 */
#include "idle.h"

void idle_start(struct idle *idle, gint64 now)
{
	*idle = (struct idle){ .looked_at = now };
}

void idle_touch(struct idle *idle)
{
	idle->unused_us = 0;
}

static gint64 idle_told_from(const struct idle_policy *policy)
{
	return (gint64)(policy->after - MIN(policy->warn, policy->after)) *
	       G_USEC_PER_SEC;
}

static enum idle_state idle_judge(struct idle *idle,
				  const struct idle_policy *policy, bool able)
{
	const gint64 told_from = idle_told_from(policy);
	const gint64 end = (gint64)policy->after * G_USEC_PER_SEC;

	if (idle->unused_us < told_from)
		return IDLE_COUNTING;
	/* a policy that became stricter ends nothing without a word, either */
	if (!able || idle->state < IDLE_ENDING || idle->state == IDLE_STUCK ||
	    end < idle->ends_at_us)
		idle->unused_us = told_from;
	idle->ends_at_us = end;
	if (!able)
		return IDLE_STUCK;
	return idle->unused_us < end ? IDLE_ENDING : IDLE_OVER;
}

enum idle_state idle_look(struct idle *idle, const struct idle_policy *policy,
			  bool watched, bool able, gint64 now)
{
	idle->unused_us += CLAMP(now - idle->looked_at, 0, IDLE_STEP_US);
	idle->looked_at = now;
	if (watched || !policy->after)
		idle->unused_us = 0;
	if (!policy->after)
		idle->state = IDLE_OFF;
	else if (watched)
		idle->state = IDLE_USED;
	else
		idle->state = idle_judge(idle, policy, able);
	if (idle->state != IDLE_OVER)
		idle->ask_at_us = 0;
	return idle->state;
}

bool idle_is_due(struct idle *idle)
{
	if (idle->state != IDLE_OVER || idle->unused_us < idle->ask_at_us)
		return false;
	idle->ask_at_us = idle->unused_us + IDLE_ASK_US;
	return true;
}

bool idle_ends_first(struct idle *idle)
{
	bool first = idle->state == IDLE_OVER && !idle->counted;

	idle->counted |= first;
	return first;
}

unsigned int idle_left(const struct idle *idle, const struct idle_policy *policy)
{
	gint64 left = (gint64)policy->after * G_USEC_PER_SEC - idle->unused_us;

	return left > 0 ? (unsigned int)((left + G_USEC_PER_SEC - 1) /
					 G_USEC_PER_SEC) : 0;
}

const char *idle_state_name(enum idle_state state)
{
	static const char *const names[] = {
		[IDLE_OFF] = "off", [IDLE_USED] = "used",
		[IDLE_COUNTING] = "counting", [IDLE_ENDING] = "ending",
		[IDLE_STUCK] = "stuck", [IDLE_OVER] = "over",
	};

	return names[state];
}
