/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves clients on a listening SOCK_SEQPACKET socket from an sd-event loop.
 *
 * The server owns its clients and the requests under way, and never a lease:
 * what it knows about leases it asks the module at that moment, and the
 * descriptors of a new lease are closed here once the client's are in its
 * queue. So it may die at any instruction.
 */
#ifndef HELIX_SERVER_H
#define HELIX_SERVER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "module.h"
#include "nodes.h"
#include "policy.h"

struct server;

/* Borrows all but @out until server_free(). @nodes: NULL leaves them as they are. */
int server_new(sd_event *event, int listen_fd, struct module *mod, const struct policy *policy,
	       struct nodes *nodes, struct server **out, struct hl_error *err);

/*
 * Called when a client has been given @scanout, on the request's own thread: the client is told
 * when it returns. False: he must not have it, after all. Before the loop runs.
 */
typedef bool (*server_granted_fn)(void *data, uint32_t scanout);
void server_on_grant(struct server *srv, server_granted_fn fn, void *data);

/* Drops clients and ends what is under way; waits for it, and that is interruptible. */
void server_free(struct server *srv);

#endif
