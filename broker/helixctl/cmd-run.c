// SPDX-License-Identifier: GPL-2.0-only
/*
 * run: a command with a scanout of its own. The lease is the command's: its
 * process is there before the lease is, waiting to be told, so that the module
 * can be given a pidfd of it and ends the lease when it does, whatever it leaves
 * behind and whatever has become of us. The handle stays here, so the lease ends
 * with this process as well; the command is told by signal when that dies first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "opts.h"
#include "signals.h"
#include "wire.h"

#define KILL_AFTER_MS	5000	/* a command that outlives its lease and SIGTERM */

struct run_args {
	struct hl_acquire_args lease;
	int pass_fd;
	char **command;
};

static const struct opt options[] = {
	OPTS_LEASE(struct run_args, lease),
	{ .name = "pass-fd", .help = "give the command the open DRM file as HELIX_LEASE_FD",
	  .parse = opt_set, .offset = offsetof(struct run_args, pass_fd) },
};

static const struct usage usage = {
	.text = "usage: helixctl run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
		"Acquire a scanout and run a command that finds it in its environment.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
	.more = "\nHELIX_SCANOUT, HELIX_GENERATION, HELIX_NODE, HELIX_WIDTH, HELIX_HEIGHT,\n"
		"HELIX_CONNECTOR_ID and HELIX_CRTC_ID are set for the command. The exit status\n"
		"is the command's, 128+N if signal N ended it, 125 if there was no lease.\n",
	.missing = "a command is missing",
	.min_args = 1,
	.max_args = -1,
	.command = true,
};

static bool put_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return !setenv(name, text, 1);
}

static bool put_environment(const struct hl_lease *lease, int lease_fd)
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
	if (lease_fd < 0)
		return !unsetenv("HELIX_LEASE_FD");
	return put_number("HELIX_LEASE_FD", lease_fd) && fcntl(lease_fd, F_SETFD, 0) >= 0;
}

/*
 * In the child; returns only the status of a failure. Without a lease it ends
 * without a word: the parent has said why.
 */
static int exec_command(const struct run_args *args, int sock, pid_t parent)
{
	struct hl_lease lease;
	struct hl_wire_msg msg = { .buf = (char *)&lease, .cap = sizeof(lease) };
	int code;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
	    hl_wire_recv(sock, &msg, 0) || msg.len != sizeof(lease))
		return EXIT_NO_LEASE;
	if (!put_environment(&lease, msg.nfds ? msg.fds[0] : -1)) {
		fprintf(stderr, "helixctl: run: cannot set the environment: %s\n", strerror(errno));
		return EXIT_NO_LEASE;
	}
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
			/* It ends with the command, which is no revocation. */
			if (reap(child, &status))
				return status;
			fprintf(stderr, "helixctl: run: scanout %u was revoked\n", lease->scanout);
			kill(child, SIGTERM);
			handle_fd = -1;
			timeout_ms = KILL_AFTER_MS;
			break;
		case WAKE_TIMEOUT:
			kill(child, SIGKILL);
			timeout_ms = -1;
			break;
		default:
			break;
		}
		if (reap(child, &status))
			return status;
	}
}

/* The process of the command, and our end of what it waits on. */
static int start_child(const struct run_args *args, pid_t *child, int *sock, struct hl_error *err)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hl_error_set(err, errno, "run: cannot make a socket: %s", strerror(errno));
	*child = fork();
	if (*child < 0) {
		int code = errno;

		close(pair[0]);
		close(pair[1]);
		return hl_error_set(err, code, "run: cannot fork: %s", strerror(code));
	}
	if (!*child) {
		close(pair[0]);
		_exit(exec_command(args, pair[1], parent));
	}
	close(pair[1]);
	*sock = pair[0];
	return 0;
}

static int acquire_for(const struct context *ctx, const struct run_args *args, pid_t child,
		       struct hl_lease *lease, struct hl_error *err)
{
	struct hl_acquire_args with_pidfd = args->lease;
	struct hl_conn *conn = NULL;
	int ret;

	with_pidfd.flags |= HL_ACQUIRE_PIDFD;
	with_pidfd.pidfd = syscall(SYS_pidfd_open, child, 0);
	if (with_pidfd.pidfd < 0)
		return hl_error_set(err, errno, "run: cannot watch the command: %s",
				    strerror(errno));
	ret = ctx_connect(ctx, &conn, err);
	if (!ret)
		ret = hl_acquire(conn, &with_pidfd, lease, err);
	/* An older broker or module: our own end has to do. */
	if (ret == -EOPNOTSUPP)
		ret = hl_acquire(conn, &args->lease, lease, err);
	hl_close(conn);
	close(with_pidfd.pidfd);
	return ret;
}

static int tell_child(int sock, const struct hl_lease *lease, bool pass_fd, struct hl_error *err)
{
	int ret = hl_wire_send(sock, lease, sizeof(*lease), &lease->lease_fd, pass_fd, 0);

	/* Gone already: its status says why. */
	if (!ret || ret == -EPIPE || ret == -ECONNRESET)
		return 0;
	return hl_error_set(err, -ret, "run: cannot tell the command of its scanout: %s",
			    strerror(-ret));
}

int cmd_run(const struct context *ctx, int argc, char **argv)
{
	struct run_args args = { .lease = lease_args_default };
	struct hl_lease lease = { .handle_fd = -1, .lease_fd = -1 };
	int sock = -1, sigfd = -1;
	struct hl_error err;
	sigset_t saved;
	pid_t child = -1;
	int status = opts_parse(&usage, &args, argc, argv);
	int ret;

	if (status >= 0)
		return status;
	args.command = argv + optind;
	ret = start_child(&args, &child, &sock, &err);
	if (!ret)
		ret = acquire_for(ctx, &args, child, &lease, &err);
	if (!ret)
		ret = signals_open(&sigfd, &saved, &err);
	if (!ret)
		ret = tell_child(sock, &lease, args.pass_fd, &err);
	/* Where nothing was sent, this is what ends the child. */
	if (sock >= 0)
		close(sock);
	status = ret ? fail(EXIT_NO_LEASE, &err) : supervise(child, sigfd, &lease);
	hl_lease_release(&lease);
	if (sigfd >= 0)
		close(sigfd);
	return status;
}
