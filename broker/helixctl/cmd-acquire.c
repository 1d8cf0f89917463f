// SPDX-License-Identifier: GPL-2.0-only
/* acquire: the lease lives exactly as long as this process. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "codec.h"
#include "lease-args.h"
#include "signals.h"

static void help(void)
{
	fputs("usage: helixctl acquire [OPTION]...\n"
	      "Acquire a scanout, say which, and hold it until a signal comes.\n\n"
	      LEASE_HELP
	      "  -j, --json             an object on one line\n"
	      "  -h, --help             show this and exit\n", stdout);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct hl_acquire_args *args, int *json)
{
	static const struct option options[] = {
		LEASE_LONG_OPTIONS,
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct hl_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, LEASE_SHORT_OPTIONS "j", options, NULL)) != -1) {
		int ret = lease_arg(opt, optarg, args, &err);

		if (ret < 0)
			return fail_usage(argv[0], &err);
		if (!ret)
			continue;
		if (opt == 'h') {
			help();
			return EXIT_OK;
		}
		if (opt != 'j')
			return fail_usage(argv[0], NULL);
		*json = 1;
	}
	if (optind < argc) {
		fprintf(stderr, "helixctl acquire: \"%s\" is not expected\n", argv[optind]);
		return fail_usage(argv[0], NULL);
	}
	return -1;
}

static int print_lease(const struct hl_lease *lease, int json)
{
	if (json)
		return print_json(hl_lease_to_json(lease));
	printf("scanout %u generation %" PRIu64 " %ux%u %s\n", lease->scanout, lease->generation,
	       lease->width, lease->height, lease->node);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

static int hold(int sigfd, const struct hl_lease *lease)
{
	struct signalfd_siginfo info;

	do {
		if (signals_wait(sigfd, lease->handle_fd, -1, &info) != WAKE_SIGNAL) {
			fprintf(stderr, "helixctl: scanout %u was revoked\n", lease->scanout);
			return EXIT_REFUSED;
		}
	} while (info.ssi_signo == SIGCHLD);
	return EXIT_OK;
}

int cmd_acquire(const struct context *ctx, int argc, char **argv)
{
	struct hl_acquire_args args = lease_args_default;
	struct hl_conn *conn = NULL;
	struct hl_lease lease;
	struct hl_error err;
	int json = 0, sigfd, status, ret;
	sigset_t saved;

	status = parse(argc, argv, &args, &json);
	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret)
		ret = hl_acquire(conn, &args, &lease, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);

	/* Only now: until here a signal simply ends us, and the broker notices. */
	ret = signals_open(&sigfd, &saved, &err);
	if (ret) {
		hl_lease_release(&lease);
		return fail(EXIT_REFUSED, &err);
	}
	status = print_lease(&lease, json);
	if (status == EXIT_OK)
		status = hold(sigfd, &lease);
	hl_lease_release(&lease);
	close(sigfd);
	return status;
}
