// SPDX-License-Identifier: GPL-2.0-only
#include <linux/helix_lease.h>

#include "codec.h"
#include "lease-args.h"
#include "numbers.h"

const struct hl_acquire_args lease_args_default = { .width = 1280, .height = 720 };

int lease_arg(int opt, const char *arg, struct hl_acquire_args *args, struct hl_error *err)
{
	int ret;

	switch (opt) {
	case 's':
		return hl_parse_size("--size", arg, &args->width, &args->height, err);
	case 'r':
		return hl_parse_milli("--refresh", arg, HL_REFRESH_MIN_MHZ, HL_REFRESH_MAX_MHZ,
				      &args->refresh_mhz, err);
	case 'n':
		return hl_parse_u32("--scanout", arg, 1, UINT32_MAX, &args->scanout, err);
	case 'l':
		ret = hl_label_check(arg, err);
		if (!ret)
			args->label = arg;
		return ret;
	case 't':
		return hl_parse_milli("--timeout", arg, 1, HELIX_LEASE_TIMEOUT_MAX_MS,
				      &args->timeout_ms, err);
	case LEASE_PRIORITY:
		return hl_parse_u32("--priority", arg, 0, HL_PRIORITY_MAX, &args->priority, err);
	case LEASE_END_ON_CLOSE:
		args->flags |= HL_ACQUIRE_END_ON_CLOSE;
		return 0;
	default:
		return 1;
	}
}
