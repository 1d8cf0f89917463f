// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "numbers.h"

static void help(void)
{
	fputs("usage: helixctl resize [OPTION]... SCANOUT WIDTHxHEIGHT\n"
	      "Give a leased scanout another size, as when a monitor is exchanged; only root\n"
	      "and the owner's user may. What is shown changes when the compositor follows.\n\n"
	      "  -g, --generation G     the lease meant [the present one]\n"
	      "  -r, --refresh HZ       1..1000, up to three decimals [60]\n"
	      "  -t, --timeout SECONDS  how long to wait for the host, at most 120 [10]\n"
	      "  -h, --help             show this and exit\n", stdout);
}

static int parse_option(int opt, struct hl_resize_args *args, struct hl_error *err)
{
	switch (opt) {
	case 'g':
		return hl_parse_u64("--generation", optarg, 1, UINT64_MAX, &args->generation, err);
	case 'r':
		return hl_parse_milli("--refresh", optarg, HL_REFRESH_MIN_MHZ, HL_REFRESH_MAX_MHZ,
				      &args->refresh_mhz, err);
	case 't':
		return hl_parse_milli("--timeout", optarg, 1, HELIX_LEASE_TIMEOUT_MAX_MS,
				      &args->timeout_ms, err);
	default:
		return 1;
	}
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct hl_resize_args *args)
{
	static const struct option options[] = {
		{ "generation", required_argument, NULL, 'g' },
		{ "refresh", required_argument, NULL, 'r' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hl_error err;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "g:r:t:h", options, NULL)) != -1) {
		if (opt == 'h') {
			help();
			return EXIT_OK;
		}
		ret = parse_option(opt, args, &err);
		if (ret)
			return fail_usage(argv[0], ret < 0 ? &err : NULL);
	}
	if (optind != argc - 2) {
		fprintf(stderr, "helixctl resize: SCANOUT and WIDTHxHEIGHT have to be given\n");
		return fail_usage(argv[0], NULL);
	}
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
