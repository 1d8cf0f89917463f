// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "drain.h"

#define BURST	64	/* events taken before others on the loop have their turn */

int drain(struct hl_monitor *mon, drain_fn fn, void *data, struct hl_error *err)
{
	int ret = 0;

	for (int i = 0; i < BURST && !ret; i++) {
		struct hl_event event;

		ret = hl_monitor_next(mon, &event, err);
		if (!ret || ret == -ENOBUFS)
			ret = fn(data, ret ? NULL : &event, err);
	}
	return ret == -EAGAIN ? 0 : ret;
}
