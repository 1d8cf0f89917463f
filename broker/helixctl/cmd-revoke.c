// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "numbers.h"
#include "opts.h"

struct revoke_args {
	uint32_t scanout;
	uint64_t generation;	/* 0: the present one */
	uint32_t timeout_ms;
};

static const struct opt options[] = {
	OPT_GENERATION(struct revoke_args, generation),
	OPT_TIMEOUT(struct revoke_args, timeout_ms, "how long to wait until it is blank"),
};

static const struct usage usage = {
	.text = "usage: helixctl revoke [OPTION]... SCANOUT\n"
		"Take a scanout from its owner; only root and the owner's user may.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
	.missing = "one SCANOUT has to be given",
	.min_args = 1,
	.max_args = 1,
};

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct revoke_args *args)
{
	int status = opts_parse(&usage, args, argc, argv);
	struct hl_error err;

	if (status >= 0)
		return status;
	if (hl_parse_u32("SCANOUT", argv[optind], 1, UINT32_MAX, &args->scanout, &err))
		return fail_usage(argv[0], &err);
	return -1;
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
