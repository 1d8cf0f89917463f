// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "soon.h"

int soon_new(sd_event *event, sd_event_source **soon, sd_event_time_handler_t fn, void *data)
{
	int ret = sd_event_add_time_relative(event, soon, CLOCK_MONOTONIC, 0, 0, fn, data);

	return ret < 0 ? ret : sd_event_source_set_enabled(*soon, SD_EVENT_OFF);
}

void soon_ask(sd_event_source *soon, uint64_t us)
{
	int on;

	if (sd_event_source_get_enabled(soon, &on) >= 0 && on != SD_EVENT_OFF)
		return;
	if (sd_event_source_set_time_relative(soon, us) >= 0)
		sd_event_source_set_enabled(soon, SD_EVENT_ONESHOT);
}
