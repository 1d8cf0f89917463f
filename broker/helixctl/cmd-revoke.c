// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "numbers.h"

struct revoke_args {
	uint32_t scanout;
	uint64_t generation;	/* 0: the present one */
	uint32_t timeout_ms;
};

static void help(void)
{
	fputs("usage: helixctl revoke [--generation G] [--timeout SECONDS] SCANOUT\n"
	      "Take a scanout from its owner; only root and the owner's user may.\n\n"
	      "  -g, --generation G     the lease meant [the present one]\n"
	      "  -t, --timeout SECONDS  how long to wait until it is blank, at most 120 [10]\n"
	      "  -h, --help             show this and exit\n", stdout);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct revoke_args *args)
{
	static const struct option options[] = {
		{ "generation", required_argument, NULL, 'g' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hl_error err;
	int opt, ret = 0;

	while (!ret && (opt = getopt_long(argc, argv, "g:t:h", options, NULL)) != -1) {
		switch (opt) {
		case 'g':
			ret = hl_parse_u64("--generation", optarg, 1, UINT64_MAX,
					   &args->generation, &err);
			break;
		case 't':
			ret = hl_parse_milli("--timeout", optarg, 1, HELIX_LEASE_TIMEOUT_MAX_MS,
					     &args->timeout_ms, &err);
			break;
		case 'h':
			help();
			return EXIT_OK;
		default:
			return fail_usage(argv[0], NULL);
		}
	}
	if (!ret && optind != argc - 1) {
		fprintf(stderr, "helixctl revoke: one SCANOUT has to be given\n");
		return fail_usage(argv[0], NULL);
	}
	if (!ret)
		ret = hl_parse_u32("SCANOUT", argv[optind], 1, UINT32_MAX, &args->scanout, &err);
	return ret ? fail_usage(argv[0], &err) : -1;
}

int cmd_revoke(const struct context *ctx, int argc, char **argv)
{
	struct revoke_args args = { 0 };
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
		ret = hl_revoke(conn, args.scanout, args.generation, args.timeout_ms, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	printf("revoked scanout %u generation %" PRIu64 "\n", args.scanout, args.generation);
	return EXIT_OK;
}
