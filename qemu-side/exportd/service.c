// SPDX-License-Identifier: GPL-2.0-only
/* Owns the protocol with systemd. Without it nothing here does anything. */
#include "service.h"

#include <string.h>
#include <systemd/sd-daemon.h>

static char *service_said;	/* the last status */

int service_socket(const char *name)
{
	static char **kept;	/* the list can be asked for once only */
	static int count = -1;
	int i;

	if (count < 0)
		count = sd_listen_fds_with_names(0, &kept);
	for (i = 0; i < count; i++)
		if (!strcmp(kept[i], name))
			return SD_LISTEN_FDS_START + i;
	return -1;
}

void service_status(const char *status)
{
	if (!g_strcmp0(service_said, status))
		return;
	g_free(service_said);
	service_said = g_strdup(status);
	sd_notifyf(0, "STATUS=%s", status);
}

void service_ready(const char *status)
{
	g_free(service_said);
	service_said = g_strdup(status);
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT
		   "\nSTATUS=Reading the configuration again",
		   g_get_monotonic_time());
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

static gboolean service_alive(gpointer data)
{
	(void)data;
	sd_notify(0, "WATCHDOG=1");
	return G_SOURCE_CONTINUE;
}

void service_watch(void)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) > 0)
		g_timeout_add((guint)MAX(usec / 2000, 1), service_alive, NULL);
}
