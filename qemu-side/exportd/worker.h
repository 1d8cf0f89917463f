/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that encode, shared by all desktops of all VMs. */
#ifndef HELIX_WORKER_H
#define HELIX_WORKER_H

#include <stdint.h>

#include "rung.h"

struct worker_pool;

/* Belongs to the pool from submit to done. */
struct job {
	/* How many later jobs may be taken before it: worker_rank(). */
	unsigned int rank;
	/* In a thread of the pool, one after the other. */
	void (*read)(struct job *job);
	void (*work)(struct job *job);
	/* In the main thread, after each of them. */
	void (*was_read)(struct job *job);
	void (*done)(struct job *job);

	uint64_t turn;		/* the pool's */
};

/* @priority: of the lease, 0 to 255, the larger the more important. */
unsigned int worker_rank(enum rung rung, uint32_t priority);

/* NULL if not even one thread could be had. */
struct worker_pool *worker_pool_new(unsigned int threads);
/* Waits until every job was done and its done() was called. */
void worker_pool_free(struct worker_pool *pool);

void worker_submit(struct worker_pool *pool, struct job *job);

#endif
