/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting in the main loop, with a guard that no test depends on. */
#ifndef HELIX_TEST_GUARD_H
#define HELIX_TEST_GUARD_H

#include <glib.h>
#include <stdlib.h>

#define GUARD_S	60

static gboolean too_long(gpointer data)
{
	(void)data;
	abort();
}

#define until(condition) do {						\
	guint guard = g_timeout_add_seconds(GUARD_S, too_long, NULL);	\
									\
	while (!(condition))						\
		g_main_context_iteration(NULL, TRUE);			\
	g_source_remove(guard);						\
} while (0)

#endif
