/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mediator's end of one helix-control device: the handshake, the rings,
 * and the guest's requests one after the other.
 */
#ifndef HELIX_CONTROL_MEDIATOR_H
#define HELIX_CONTROL_MEDIATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

struct control;

struct control_ops {
	/* The device is ours. @fresh: nothing was asked since the last reset. */
	void (*attached)(bool fresh, void *data);
	/* Serve it, then call control_complete(@token). */
	void (*request)(const struct ring_request *req, uint32_t token,
			void *data);
	/* The guest reset the device: every output is to be disabled. */
	void (*reset)(void *data);
	/* Use control_free(); the reason was logged. */
	void (*closed)(void *data);
};

/* What control_new() takes: a connected socket, or -1 with a static @error. */
int control_connect(const char *path, const char **error);

/* Takes @sock. */
struct control *control_new(int sock, const char *vm,
			    const struct control_ops *ops, void *data);
void control_free(struct control *control);

/* Whether the device has greeted us. */
bool control_is_attached(const struct control *control);

/* @status: 0 or an errno. Completions of requests of before a reset are lost. */
void control_complete(struct control *control, uint32_t token,
		      uint32_t status);

#endif
