// SPDX-License-Identifier: GPL-2.0-only
/*
 * run: a command with a scanout of its own. The handle stays here, so the lease
 * ends with this process whatever the command leaves behind; the command is
 * told by signal when this process dies first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "lease-args.h"
#include "signals.h"

#define KILL_AFTER_MS	5000	/* a command that outlives its lease and SIGTERM */

struct run_args {
	struct hl_acquire_args lease;
	bool pass_fd;
	char **command;
};

static void help(void)
{
	fputs("usage: helixctl run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	      "Acquire a scanout and run a command that finds it in its environment.\n\n"
	      LEASE_HELP
	      "      --pass-fd          give the command the open DRM file as HELIX_LEASE_FD\n"
	      "  -h, --help             show this and exit\n\n"
	      "HELIX_SCANOUT, HELIX_GENERATION, HELIX_NODE, HELIX_WIDTH, HELIX_HEIGHT,\n"
	      "HELIX_CONNECTOR_ID and HELIX_CRTC_ID are set for the command. The exit status\n"
	      "is the command's, 128+N if signal N ended it, 125 if there was no lease.\n", stdout);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct run_args *args)
{
	static const struct option options[] = {
		LEASE_LONG_OPTIONS,
		{ "pass-fd", no_argument, NULL, 'p' },
		{ 0 },
	};
	struct hl_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, "+" LEASE_SHORT_OPTIONS, options, NULL)) != -1) {
		int ret = lease_arg(opt, optarg, &args->lease, &err);

		if (ret < 0)
			return fail_usage(argv[0], &err);
		if (!ret)
			continue;
		if (opt == 'h') {
			help();
			return EXIT_OK;
		}
		if (opt != 'p')
			return fail_usage(argv[0], NULL);
		args->pass_fd = true;
	}
	if (optind == argc) {
		fprintf(stderr, "helixctl run: a command is missing\n");
		return fail_usage(argv[0], NULL);
	}
	args->command = argv + optind;
	return -1;
}

static bool put_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return !setenv(name, text, 1);
}

static bool put_environment(const struct hl_lease *lease, bool pass_fd)
{
	bool ok = put_number("HELIX_SCANOUT", lease->scanout) &&
		  put_number("HELIX_GENERATION", lease->generation) &&
		  put_number("HELIX_WIDTH", lease->width) &&
		  put_number("HELIX_HEIGHT", lease->height) &&
		  put_number("HELIX_CONNECTOR_ID", lease->connector_id) &&
		  put_number("HELIX_CRTC_ID", lease->crtc_id) &&
		  !setenv("HELIX_NODE", lease->node, 1);

	if (!ok)
		return false;
	/* One of an outer helixctl would name a file the command does not have. */
	if (!pass_fd)
		return !unsetenv("HELIX_LEASE_FD");
	return put_number("HELIX_LEASE_FD", lease->lease_fd) &&
	       fcntl(lease->lease_fd, F_SETFD, 0) >= 0;
}

/* In the child; returns only the status of a failure. */
static int exec_command(const struct run_args *args, const struct hl_lease *lease,
			const sigset_t *saved, pid_t parent)
{
	int code;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent) {
		fprintf(stderr, "helixctl: run: helixctl is gone\n");
		return EXIT_NO_LEASE;
	}
	if (!put_environment(lease, args->pass_fd)) {
		fprintf(stderr, "helixctl: run: cannot set the environment: %s\n", strerror(errno));
		return EXIT_NO_LEASE;
	}
	sigprocmask(SIG_SETMASK, saved, NULL);
	execvp(args->command[0], args->command);
	code = errno;
	fprintf(stderr, "helixctl: run: cannot run %s: %s\n", args->command[0], strerror(code));
	return code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* True when the child has ended, with what helixctl has to exit with. */
static bool reap(pid_t child, int *status)
{
	int wstatus;

	if (waitpid(child, &wstatus, WNOHANG) != child)
		return false;
	*status = WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
	return true;
}

/* A terminal sends its signals to the command as well: passing those on would double them. */
static void forward(pid_t child, const struct signalfd_siginfo *info)
{
	if (info->ssi_signo != SIGCHLD && info->ssi_code <= 0)
		kill(child, info->ssi_signo);
}

static int supervise(pid_t child, int sigfd, const struct hl_lease *lease)
{
	struct signalfd_siginfo info;
	int handle_fd = lease->handle_fd;
	int timeout_ms = -1;
	int status = EXIT_NO_LEASE;

	for (;;) {
		switch (signals_wait(sigfd, handle_fd, timeout_ms, &info)) {
		case WAKE_SIGNAL:
			forward(child, &info);
			break;
		case WAKE_REVOKED:
			fprintf(stderr, "helixctl: run: scanout %u was revoked\n", lease->scanout);
			kill(child, SIGTERM);
			handle_fd = -1;
			timeout_ms = KILL_AFTER_MS;
			break;
		case WAKE_TIMEOUT:
			kill(child, SIGKILL);
			timeout_ms = -1;
			break;
		}
		if (reap(child, &status))
			return status;
	}
}

static int run_child(const struct run_args *args, const struct hl_lease *lease)
{
	pid_t parent = getpid();
	struct hl_error err;
	sigset_t saved;
	pid_t child;
	int sigfd, status;

	if (signals_open(&sigfd, &saved, &err))
		return fail(EXIT_NO_LEASE, &err);
	child = fork();
	if (child < 0) {
		fprintf(stderr, "helixctl: run: cannot fork: %s\n", strerror(errno));
		close(sigfd);
		return EXIT_NO_LEASE;
	}
	if (!child)
		_exit(exec_command(args, lease, &saved, parent));
	status = supervise(child, sigfd, lease);
	close(sigfd);
	return status;
}

int cmd_run(const struct context *ctx, int argc, char **argv)
{
	struct run_args args = { .lease = lease_args_default };
	struct hl_conn *conn = NULL;
	struct hl_lease lease;
	struct hl_error err;
	int status = parse(argc, argv, &args);
	int ret;

	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret)
		ret = hl_acquire(conn, &args.lease, &lease, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_NO_LEASE, &err);
	status = run_child(&args, &lease);
	hl_lease_release(&lease);
	return status;
}
