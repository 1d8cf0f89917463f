// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoding threads and the two queues between them and the main
 * thread. Rule: first come, first served, and a desktop has at most one job
 * here, so a busy desktop waits behind every other one before it gets its next
 * turn.
 *
 * Plain POSIX locks on purpose: thread checkers understand them.
 */
#include "worker.h"

#include <glib-unix.h>
#include <glib.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker_pool {
	pthread_mutex_t lock;	/* of the queues and of quit */
	pthread_cond_t work;
	GQueue todo, done;	/* of struct job */
	bool quit;

	int wake;		/* eventfd: something is done */
	guint watch;
	unsigned int pending;	/* jobs; main thread only */
	unsigned int count;
	pthread_t threads[];
};

static struct job *worker_take(struct worker_pool *pool)
{
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	while (!(job = g_queue_pop_head(&pool->todo)) && !pool->quit)
		pthread_cond_wait(&pool->work, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *worker_run(void *data)
{
	struct worker_pool *pool = data;
	uint64_t one = 1;
	struct job *job;

	while ((job = worker_take(pool))) {
		if (encoder_read(job->encoder, job->surface, &job->damage,
				 &job->out))
			encoder_encode(job->encoder, job->key, &job->out);
		pthread_mutex_lock(&pool->lock);
		g_queue_push_tail(&pool->done, job);
		pthread_mutex_unlock(&pool->lock);
		/* it fails only when it is signalled already */
		if (write(pool->wake, &one, sizeof(one)) < 0)
			continue;
	}
	return NULL;
}

static gboolean worker_done(gint fd, GIOCondition cond, gpointer data)
{
	struct worker_pool *pool = data;
	uint64_t count;
	struct job *job;

	(void)cond;
	if (read(fd, &count, sizeof(count)) < 0)
		return G_SOURCE_CONTINUE;
	for (;;) {
		pthread_mutex_lock(&pool->lock);
		job = g_queue_pop_head(&pool->done);
		pthread_mutex_unlock(&pool->lock);
		if (!job)
			return G_SOURCE_CONTINUE;
		pool->pending--;
		job->done(job);
	}
}

struct worker_pool *worker_pool_new(unsigned int threads)
{
	struct worker_pool *pool;

	pool = g_malloc0(sizeof(*pool) + threads * sizeof(pool->threads[0]));
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	g_queue_init(&pool->todo);
	g_queue_init(&pool->done);
	pool->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	while (pool->wake >= 0 && pool->count < threads &&
	       !pthread_create(&pool->threads[pool->count], NULL, worker_run,
			       pool))
		pool->count++;
	if (!pool->count) {
		worker_pool_free(pool);
		return NULL;
	}
	pool->watch = g_unix_fd_add(pool->wake, G_IO_IN, worker_done, pool);
	return pool;
}

void worker_submit(struct worker_pool *pool, struct job *job)
{
	pool->pending++;
	pthread_mutex_lock(&pool->lock);
	g_queue_push_tail(&pool->todo, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

void worker_pool_free(struct worker_pool *pool)
{
	unsigned int i;

	pthread_mutex_lock(&pool->lock);
	pool->quit = true;	/* once todo is empty */
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
	if (pool->pending)
		worker_done(pool->wake, G_IO_IN, pool);
	if (pool->watch)
		g_source_remove(pool->watch);
	if (pool->wake >= 0)
		close(pool->wake);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	g_free(pool);
}
