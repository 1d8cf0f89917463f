/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One run of the viewer: the list of desktops, a connection to each, and the
 * clock that ends it.
 */
#ifndef HELIX_VIEWER_SESSION_H
#define HELIX_VIEWER_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "desktop.h"
#include "options.h"

struct session;

struct session *session_new(const struct options *options);
void session_free(struct session *session);

/* Watches until the time is over or session_stop(). */
void session_run(struct session *session);

/* Ends session_run() soon; may be called from a signal handler. */
void session_stop(struct session *session);

bool session_reached_server(const struct session *session);
/* Every desktop that was wanted has delivered, and kept the protocol. */
bool session_complete(const struct session *session);
const struct desktop *session_desktops(const struct session *session, size_t *n);
double session_measured_s(const struct session *session);

#endif
