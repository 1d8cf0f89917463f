// SPDX-License-Identifier: GPL-2.0-only
/* unbind: asks the module itself, for which a broker is not needed and no substitute. */
#include <stdio.h>

#include "cmd.h"
#include "opts.h"

struct unbind_args {
	int force;
	uint32_t timeout_ms;
};

static const struct opt options[] = {
	{ .name = "force", .letter = 'f', .help = "end the leases there are first",
	  .parse = opt_set, .offset = offsetof(struct unbind_args, force) },
	OPT_TIMEOUT(struct unbind_args, timeout_ms, "how long that may take"),
};

static const struct usage usage = {
	.text = "usage: helixctl unbind [OPTION]...\n"
		"Have the module let go of every GPU, so that it can be unloaded; only root may.\n"
		"A helix-leased that runs does not bind them again before it is started again.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct unbind_args *args)
{
	int status = opts_parse(&usage, args, argc, argv);

	if (status < 0 && args->timeout_ms && !args->force) {
		fprintf(stderr, "helixctl unbind: without --force there is nothing to wait for\n");
		return fail_usage(argv[0], NULL);
	}
	return status;
}

int cmd_unbind(const struct context *ctx, int argc, char **argv)
{
	struct unbind_args args = { 0 };
	struct hl_conn *conn = NULL;
	struct hl_error err;
	int status = parse(argc, argv, &args);
	int ret;

	(void)ctx;
	if (status >= 0)
		return status;
	ret = hl_open_module(NULL, &conn, &err);
	if (!ret)
		ret = hl_unbind(conn, args.force, args.timeout_ms, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	puts("no GPU is bound any more");
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}
