// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-device.h>

#include "devices-watch.h"
#include "gpu.h"
#include "soon.h"

#define SETTLE_US	200000	/* devices come in bursts */
#define SHARE		4	/* and while a guest starts one by one: every fourth moment is for them */

struct devices_watch {
	sd_device_monitor *monitor;
	sd_event_source *settle;
	int64_t took_ms;	/* fn, the last time: many devices and a slow machine make it seconds */
	void (*fn)(void *data);
	void *data;
};

static int on_settled(sd_event_source *s, uint64_t usec, void *data)
{
	struct devices_watch *watch = data;
	int64_t begun = gpu_now_ms();

	(void)s;
	(void)usec;
	watch->fn(watch->data);
	watch->took_ms = gpu_now_ms() - begun;
	return 0;
}

/*
 * A card says so whenever an output is plugged in or out, which is with each lease that begins or
 * ends: nothing that anybody here looks for has changed, and to look takes its time.
 */
static bool is_hotplug(sd_device *device)
{
	const char *value;

	return sd_device_get_property_value(device, "HOTPLUG", &value) >= 0 && !strcmp(value, "1");
}

static int on_device(sd_device_monitor *monitor, sd_device *device, void *data)
{
	struct devices_watch *watch = data;
	uint64_t pause = watch->took_ms * 1000 * (SHARE - 1);

	(void)monitor;
	/* Whoever asks meanwhile is answered by the same loop. */
	if (!is_hotplug(device))
		soon_ask(watch->settle, pause > SETTLE_US ? pause : SETTLE_US);
	return 0;
}

static int start(struct devices_watch *watch, sd_event *event, const char *const *subsystems)
{
	int ret = sd_device_monitor_new(&watch->monitor);

	for (; ret >= 0 && *subsystems; subsystems++)
		ret = sd_device_monitor_filter_add_match_subsystem_devtype(watch->monitor,
									   *subsystems, NULL);
	if (ret >= 0)
		ret = soon_new(event, &watch->settle, on_settled, watch);
	if (ret >= 0)
		ret = sd_device_monitor_attach_event(watch->monitor, event);
	if (ret >= 0)
		ret = sd_device_monitor_start(watch->monitor, on_device, watch);
	return ret;
}

int devices_watch_new(sd_event *event, const char *const *subsystems, void (*fn)(void *data),
		      void *data, struct devices_watch **out)
{
	struct devices_watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->fn = fn;
	watch->data = data;
	ret = start(watch, event, subsystems);
	if (ret >= 0)
		*out = watch;
	else
		devices_watch_free(watch);
	return ret;
}

void devices_watch_free(struct devices_watch *watch)
{
	if (!watch)
		return;
	sd_event_source_disable_unref(watch->settle);
	sd_device_monitor_unref(watch->monitor);
	free(watch);
}
