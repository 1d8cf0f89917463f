/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mediator's end of the two rings in a helix-control device's shared
 * memory. See uapi/linux/helix_control.h.
 */
#ifndef HELIX_RING_H
#define HELIX_RING_H

#include <errno.h>
#include <stdint.h>

#include <linux/helix_control.h>

struct ring {
	struct helix_ctl_shm *shm;
	uint32_t req_tail;	/* our own copies: what the guest stores over */
	uint32_t cmp_head;	/* our indices in the memory is never read back */
};

/* A request in the machine's byte order, copied out of shared memory. */
struct ring_request {
	uint32_t id;
	uint16_t op;
	uint32_t gpu;
	uint32_t output;
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t scanout;
	uint64_t generation;
	char label[HELIX_CTL_LABEL_LEN + 1];
	uint32_t priority;
};

/* Takes up the rings where they are, as left by a former mediator. */
void ring_attach(struct ring *ring, struct helix_ctl_shm *shm);

/* True if neither ring was used since the guest reset the function. */
int ring_is_fresh(const struct ring *ring);

/*
 * Copies the oldest request to @req without taking it. Returns 1; 0 if there
 * is none; -EPROTO if the guest's index cannot be. A request that breaks the
 * contract is delivered too, with the errno it deserves in @status (else 0).
 */
int ring_peek(struct ring *ring, struct ring_request *req, uint32_t *status);

/*
 * Posts the completion of the request that ring_peek() showed, then takes
 * that request: in this order, so that a mediator that dies in between serves
 * it twice and never not at all. Returns 0; -EAGAIN if the guest has no room
 * for completions; -EPROTO if its index cannot be.
 */
int ring_complete(struct ring *ring, uint32_t id, uint32_t status);

#endif
