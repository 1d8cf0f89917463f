/* SPDX-License-Identifier: GPL-2.0-only */
/* The signals helixctl waits for, as a descriptor; blocked meanwhile. */
#ifndef HELIXCTL_SIGNALS_H
#define HELIXCTL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>

#include "helix-lease-client.h"

enum wake { WAKE_SIGNAL, WAKE_REVOKED, WAKE_TIMEOUT, WAKE_EVENT };

/* Blocks them, saving the mask that a child has to be given back. */
int signals_open(int *fd, sigset_t *saved, struct hl_error *err);

/*
 * Until a signal comes (*@info) or the lease behind @handle_fd ends, or
 * @timeout_ms pass; -1 waits for as long as it takes, -1 as @handle_fd watches none.
 */
enum wake signals_wait(int fd, int handle_fd, int timeout_ms, struct signalfd_siginfo *info);

#endif
