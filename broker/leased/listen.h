/* SPDX-License-Identifier: GPL-2.0-only */
/* The listening socket: systemd's where it gives one, else our own. */
#ifndef HELIX_LISTEN_H
#define HELIX_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "helix-lease-client.h"

/*
 * A socket file nobody listens on is replaced; one with a living broker behind
 * it is -EADDRINUSE. @gid (gid_t)-1 leaves the group alone. *@ours: the file is
 * to be removed at the end.
 */
int listen_open(const char *path, gid_t gid, int *fd, bool *ours, struct hl_error *err);

#endif
