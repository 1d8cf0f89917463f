/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that encode, shared by all desktops. */
#ifndef HELIX_WORKER_H
#define HELIX_WORKER_H

#include "encoder.h"

struct worker_pool;

/* One frame to encode. Belongs to the pool from submit to done. */
struct job {
	struct encoder *encoder;
	struct surface *surface;	/* a reference */
	struct damage damage;
	bool key;
	uint64_t capture_us;
	struct encoded out;
	/* In the main thread. @owner may be cleared there meanwhile. */
	void (*done)(struct job *job);
	void *owner;
};

/* NULL if not even one thread could be had. */
struct worker_pool *worker_pool_new(unsigned int threads);
/* Waits until every job was done and its done() was called. */
void worker_pool_free(struct worker_pool *pool);

void worker_submit(struct worker_pool *pool, struct job *job);

#endif
