/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request that waits in the kernel, on a thread of its own so that nobody
 * else waits with it.
 *
 * Between job_start() and the call of @done the job is the thread's; before and
 * after, its creator's. job_interrupt() is the one thing allowed in between.
 */
#ifndef HELIX_JOB_H
#define HELIX_JOB_H

#include <pthread.h>
#include <stdbool.h>

#include "module.h"
#include "request.h"

struct job {
	struct request req;	/* OP_ACQUIRE, OP_REVOKE or OP_RESIZE */
	struct module *mod;
	pid_t owner;
	bool (*granted)(void *data, uint32_t scanout);	/* or NULL: see server_on_grant() */
	void *granted_data;
	void (*done)(struct job *job, void *data);	/* on the thread, as its last act */
	void *data;

	pthread_t thread;
	int ret;
	struct hl_error err;
	struct hl_lease lease;	/* of OP_ACQUIRE, when ret is 0 */
};

/* Once per process, before the first job. */
int job_init(struct hl_error *err);

/* 0, and pthread_join() is due after @done; or -errno, and there is no thread. */
int job_start(struct job *job, struct hl_error *err);

/* A thread that takes no signals. 0 or a positive errno. */
int job_thread(pthread_t *thread, void *(*fn)(void *), void *arg);

/* Of the thread that calls it: whether it is interrupted. */
void job_take_interrupts(bool yes);

/*
 * Ends the wait with -EINTR if the thread is in it at this moment. One that has
 * not yet entered the kernel misses it: repeat until the job is done.
 */
void job_interrupt(pthread_t thread);

#endif
