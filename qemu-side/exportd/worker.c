// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoding threads. Rule: first come, first served, and a desktop has
 * at most one job here, so a busy desktop waits behind every other one before
 * it gets its next turn.
 */
#include "worker.h"

#include <glib.h>

struct worker_pool {
	GThreadPool *threads;
	unsigned int pending;	/* main thread only */
};

static gboolean worker_done(gpointer data)
{
	struct job *job = data;

	job->pool->pending--;
	job->done(job);
	return G_SOURCE_REMOVE;
}

static void worker_run(gpointer data, gpointer pool)
{
	struct job *job = data;

	(void)pool;
	encoder_encode(job->encoder, job->surface, &job->damage, job->key,
		       &job->out);
	g_idle_add_full(G_PRIORITY_DEFAULT, worker_done, job, NULL);
}

struct worker_pool *worker_pool_new(unsigned int threads)
{
	struct worker_pool *pool = g_new0(struct worker_pool, 1);

	pool->threads = g_thread_pool_new(worker_run, pool, (gint)threads, TRUE,
					  NULL);
	return pool;
}

void worker_submit(struct worker_pool *pool, struct job *job)
{
	job->pool = pool;
	pool->pending++;
	g_thread_pool_push(pool->threads, job, NULL);
}

void worker_pool_free(struct worker_pool *pool)
{
	g_thread_pool_free(pool->threads, FALSE, TRUE);
	while (pool->pending)
		g_main_context_iteration(NULL, TRUE);
	g_free(pool);
}
