// SPDX-License-Identifier: GPL-2.0-only
/* acquire: the lease lives as long as this process, or ends before with that of --pid. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "opts.h"
#include "signals.h"

struct acquire_args {
	struct hl_acquire_args lease;
	uint32_t pid;		/* 0: none */
	int json;
};

static const struct opt options[] = {
	OPTS_LEASE(struct acquire_args, lease),
	{ .name = "pid", .letter = 'p', .value = "PID", .help = "end as well when that process does",
	  .parse = opt_u32, .offset = offsetof(struct acquire_args, pid), .min = 1,
	  .max = INT32_MAX },
	OPT_JSON(struct acquire_args, json, "an object on one line"),
};

static const struct usage usage = {
	.text = "usage: helixctl acquire [OPTION]...\n"
		"Acquire a scanout, say which, and hold it until a signal comes.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

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

	status = opts_parse(&usage, &args, argc, argv);
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
