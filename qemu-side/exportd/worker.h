/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that encode, shared by all desktops of all VMs. */
#ifndef HELIX_WORKER_H
#define HELIX_WORKER_H

#include <stdint.h>

#include "rung.h"

struct worker_pool;

/* Belongs to the pool from submit to done. */
struct job {
	/* How soon it is taken: worker_rank(). */
	unsigned int rank;
	/* That the last one of the same stream came back with, or 0. */
	int64_t next, took_us;
	/* In a thread of the pool, one after the other. */
	void (*read)(struct job *job);
	void (*work)(struct job *job);
	/* In the main thread, after each of them. */
	void (*was_read)(struct job *job);
	void (*done)(struct job *job);
	/*
	 * For a job that a thread has had for longer than this, milliseconds; 0:
	 * for ever. Another thread takes the place of the one that has it, and
	 * overdue() is called, once and in the main thread. The job is the pool's
	 * all the same until it is done, should it ever be.
	 */
	unsigned int deadline_ms;
	void (*overdue)(struct job *job);

	int64_t start;		/* the pool's */
};

/* @priority: of the lease, 0 to 255, the larger the more important. */
unsigned int worker_rank(enum rung rung, uint32_t priority);

/* NULL if not even one thread could be had. */
struct worker_pool *worker_pool_new(unsigned int threads);
/*
 * Waits until every job was done and its done() was called, those too that
 * done() submits. What is overdue is not waited for: then the pool stays in
 * memory, and the job with it.
 */
void worker_pool_free(struct worker_pool *pool);

void worker_submit(struct worker_pool *pool, struct job *job);

#endif
