// SPDX-License-Identifier: GPL-2.0-only
/* acquire: the lease lives as long as this process, or ends before with that of --pid. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "lease-args.h"
#include "numbers.h"
#include "signals.h"

struct acquire_args {
	struct hl_acquire_args lease;
	uint32_t pid;		/* 0: none */
	int json;
};

static void help(void)
{
	fputs("usage: helixctl acquire [OPTION]...\n"
	      "Acquire a scanout, say which, and hold it until a signal comes.\n\n"
	      LEASE_HELP
	      "  -p, --pid PID          end as well when that process does\n"
	      "  -j, --json             an object on one line\n"
	      "  -h, --help             show this and exit\n", stdout);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct acquire_args *args)
{
	static const struct option options[] = {
		LEASE_LONG_OPTIONS,
		{ "pid", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct hl_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, LEASE_SHORT_OPTIONS "p:j", options, NULL)) != -1) {
		int ret = lease_arg(opt, optarg, &args->lease, &err);

		if (opt == 'p')
			ret = hl_parse_u32("--pid", optarg, 1, INT32_MAX, &args->pid, &err);

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
		args->json = 1;
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

static int open_process(struct acquire_args *args, struct hl_error *err)
{
	int fd = syscall(SYS_pidfd_open, args->pid, 0);

	if (fd < 0)
		return hl_error_set(err, errno, "acquire: cannot watch process %u: %s", args->pid,
				    strerror(errno));
	args->lease.pidfd = fd;
	args->lease.flags |= HL_ACQUIRE_PIDFD;
	return 0;
}

static int has_ended(int pidfd)
{
	return pidfd >= 0 && poll(&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1, 0) > 0;
}

static int hold(int sigfd, const struct hl_lease *lease, int pidfd)
{
	struct signalfd_siginfo info;

	do {
		if (signals_wait(sigfd, lease->handle_fd, -1, &info) == WAKE_SIGNAL)
			continue;
		if (has_ended(pidfd))
			return EXIT_OK;
		fprintf(stderr, "helixctl: scanout %u was revoked\n", lease->scanout);
		return EXIT_REFUSED;
	} while (info.ssi_signo == SIGCHLD);
	return EXIT_OK;
}

static int acquire(const struct context *ctx, const struct hl_acquire_args *args,
		   struct hl_lease *lease, struct hl_error *err)
{
	struct hl_conn *conn = NULL;
	int ret = ctx_connect(ctx, &conn, err);

	if (!ret)
		ret = hl_acquire(conn, args, lease, err);
	hl_close(conn);
	return ret;
}

int cmd_acquire(const struct context *ctx, int argc, char **argv)
{
	struct acquire_args args = { .lease = lease_args_default };
	struct hl_lease lease;
	struct hl_error err;
	int sigfd, status, ret = 0;
	sigset_t saved;

	args.lease.pidfd = -1;
	status = parse(argc, argv, &args);
	if (status >= 0)
		return status;
	if (args.pid)
		ret = open_process(&args, &err);
	if (!ret)
		ret = acquire(ctx, &args.lease, &lease, &err);
	if (ret)
		return fail(EXIT_REFUSED, &err);

	/* Only now: until here a signal simply ends us, and the broker notices. */
	ret = signals_open(&sigfd, &saved, &err);
	if (ret) {
		hl_lease_release(&lease);
		return fail(EXIT_REFUSED, &err);
	}
	status = print_lease(&lease, args.json);
	if (status == EXIT_OK)
		status = hold(sigfd, &lease, args.lease.pidfd);
	hl_lease_release(&lease);
	close(sigfd);
	return status;
}
