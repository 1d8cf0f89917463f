// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "signals.h"

int signals_open(int *fd, sigset_t *saved, struct hl_error *err)
{
	static const int caught[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD,
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, saved);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*fd < 0)
		return hl_error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	return 0;
}

enum wake signals_wait(int fd, int handle_fd, int timeout_ms, struct signalfd_siginfo *info)
{
	/* No events: only an error or the hang-up of a revoked lease is of interest. */
	struct pollfd pfds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = handle_fd },
	};

	for (;;) {
		int n = poll(pfds, 2, timeout_ms);

		if (n < 0 && errno != EINTR)
			return WAKE_TIMEOUT;
		if (n == 0)
			return WAKE_TIMEOUT;
		if (n > 0 && pfds[0].revents && read(fd, info, sizeof(*info)) == sizeof(*info))
			return WAKE_SIGNAL;
		if (n > 0 && pfds[1].revents)
			return WAKE_REVOKED;
	}
}
