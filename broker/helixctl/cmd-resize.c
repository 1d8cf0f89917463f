// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "numbers.h"
#include "opts.h"

static const struct opt options[] = {
	OPT_GENERATION(struct hl_resize_args, generation),
	OPT_REFRESH(struct hl_resize_args, refresh_mhz),
	OPT_TIMEOUT(struct hl_resize_args, timeout_ms, "how long to wait for the host"),
};

static const struct usage usage = {
	.text = "usage: helixctl resize [OPTION]... SCANOUT WIDTHxHEIGHT\n"
		"Give a leased scanout another size, as when a monitor is exchanged; only root\n"
		"and the owner's user may. What is shown changes when the compositor follows.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
	.missing = "SCANOUT and WIDTHxHEIGHT have to be given",
	.min_args = 2,
	.max_args = 2,
};

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct hl_resize_args *args)
{
	int status = opts_parse(&usage, args, argc, argv);
	struct hl_error err;
	int ret;

	if (status >= 0)
		return status;
	ret = hl_parse_u32("SCANOUT", argv[optind], 1, UINT32_MAX, &args->scanout, &err);
	if (!ret)
		ret = hl_parse_size("size", argv[optind + 1], &args->width, &args->height, &err);
	return ret ? fail_usage(argv[0], &err) : -1;
}

int cmd_resize(const struct context *ctx, int argc, char **argv)
{
	struct hl_resize_args args = { 0 };
	struct hl_conn *conn = NULL;
	struct hl_error err;
	int status = parse(argc, argv, &args);
	int ret;

	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret && !args.generation)
		ret = ctx_generation(conn, argv[0], args.scanout, &args.generation, &err);
	if (!ret)
		ret = hl_resize(conn, &args, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	printf("resized scanout %u generation %" PRIu64 " to %ux%u\n", args.scanout,
	       args.generation, args.width, args.height);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}
