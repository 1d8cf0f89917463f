// SPDX-License-Identifier: GPL-2.0-only
/* unbind: asks the module itself, for which a broker is not needed and no substitute. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "numbers.h"

struct unbind_args {
	bool force;
	uint32_t timeout_ms;
};

static void help(void)
{
	fputs("usage: helixctl unbind [--force] [--timeout SECONDS]\n"
	      "Have the module let go of every GPU, so that it can be unloaded; only root may.\n"
	      "A helix-leased that runs does not bind them again before it is started again.\n\n"
	      "  -f, --force            end the leases there are first\n"
	      "  -t, --timeout SECONDS  how long that may take, at most 120 [10]\n"
	      "  -h, --help             show this and exit\n", stdout);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct unbind_args *args)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hl_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, "ft:h", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			args->force = true;
			break;
		case 't':
			if (hl_parse_milli("--timeout", optarg, 1, HELIX_LEASE_TIMEOUT_MAX_MS,
					   &args->timeout_ms, &err))
				return fail_usage(argv[0], &err);
			break;
		case 'h':
			help();
			return EXIT_OK;
		default:
			return fail_usage(argv[0], NULL);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "helixctl unbind: \"%s\" is not expected\n", argv[optind]);
		return fail_usage(argv[0], NULL);
	}
	if (args->timeout_ms && !args->force) {
		fprintf(stderr, "helixctl unbind: without --force there is nothing to wait for\n");
		return fail_usage(argv[0], NULL);
	}
	return -1;
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
