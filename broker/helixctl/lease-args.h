/* SPDX-License-Identifier: GPL-2.0-only */
/* The options that acquire and run have in common: what scanout is wanted. */
#ifndef HELIXCTL_LEASE_ARGS_H
#define HELIXCTL_LEASE_ARGS_H

#include <stdbool.h>

#include "helix-lease-client.h"

/* Above what the commands themselves use. */
enum { LEASE_PRIORITY = 512, LEASE_END_ON_CLOSE };

#define LEASE_SHORT_OPTIONS "s:r:n:l:t:h"
#define LEASE_LONG_OPTIONS						\
	{ "size", required_argument, NULL, 's' },			\
	{ "refresh", required_argument, NULL, 'r' },			\
	{ "scanout", required_argument, NULL, 'n' },			\
	{ "label", required_argument, NULL, 'l' },			\
	{ "timeout", required_argument, NULL, 't' },			\
	{ "priority", required_argument, NULL, LEASE_PRIORITY },	\
	{ "end-on-close", no_argument, NULL, LEASE_END_ON_CLOSE },	\
	{ "help", no_argument, NULL, 'h' }

#define LEASE_HELP							\
	"  -s, --size WxH         pixels, 1x1..16384x16384 [1280x720]\n"	\
	"  -r, --refresh HZ       1..1000, up to three decimals [60]\n"	\
	"  -n, --scanout N        this one and no other [any]\n"		\
	"  -l, --label TEXT       shown to people, at most 31 bytes\n"	\
	"  -t, --timeout SECONDS  how long to wait, at most 120 [10]\n"	\
	"      --priority N       told to the host, 0..255, more is more [0]\n" \
	"      --end-on-close     end as well with the last close of the node\n"

extern const struct hl_acquire_args lease_args_default;

/* 0, -errno, or 1 where @opt is none of LEASE_LONG_OPTIONS but help. */
int lease_arg(int opt, const char *arg, struct hl_acquire_args *args, struct hl_error *err);

#endif
