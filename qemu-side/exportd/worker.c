// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoding threads and the queues between them and the main thread.
 * Rules:
 *
 * - a stream has at most one job here, so a busy desktop waits behind every
 *   other one of its rank before it gets its next turn;
 * - a job is taken before those of higher rank, but not for ever: its turn is
 *   its rank added to the number of jobs that were taken before it came, and
 *   the earliest turn is next. What waits is so passed by boundedly many, and
 *   no clock is needed to say so;
 * - reading comes back to the main thread on its own, because QEMU waits for
 *   that and encoding takes longer.
 *
 * Plain POSIX locks on purpose: thread checkers understand them.
 */
#include "worker.h"

#include <glib-unix.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker_pool {
	pthread_mutex_t lock;	/* of the queues and of quit */
	pthread_cond_t work;
	GQueue todo;		/* of struct job, by turn */
	GQueue read, done;	/* of struct job */
	uint64_t taken;
	bool quit;

	int wake;		/* eventfd: something is done */
	guint watch;
	unsigned int pending;	/* jobs; main thread only */
	unsigned int count;
	pthread_t threads[];
};

unsigned int worker_rank(enum rung rung, uint32_t priority)
{
	/* the least important full picture comes before every thumbnail */
	return (rung == RUNG_FULL ? 0 : 16) + (255 - MIN(priority, 255)) / 16;
}

static struct job *worker_take(struct worker_pool *pool)
{
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	while (!(job = g_queue_pop_head(&pool->todo)) && !pool->quit)
		pthread_cond_wait(&pool->work, &pool->lock);
	pool->taken++;
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void worker_give(struct worker_pool *pool, GQueue *queue,
			struct job *job)
{
	uint64_t one = 1;

	pthread_mutex_lock(&pool->lock);
	g_queue_push_tail(queue, job);
	pthread_mutex_unlock(&pool->lock);
	/* it fails only when it is signalled already */
	if (write(pool->wake, &one, sizeof(one)) < 0)
		return;
}

static void *worker_run(void *data)
{
	struct worker_pool *pool = data;
	struct job *job;

	while ((job = worker_take(pool))) {
		job->read(job);
		worker_give(pool, &pool->read, job);
		job->work(job);
		worker_give(pool, &pool->done, job);
	}
	return NULL;
}

/* False: nothing came back. */
static bool worker_hand_back(struct worker_pool *pool)
{
	struct job *read, *done = NULL;

	pthread_mutex_lock(&pool->lock);
	read = g_queue_pop_head(&pool->read);
	if (!read)
		done = g_queue_pop_head(&pool->done);
	pthread_mutex_unlock(&pool->lock);
	if (read) {
		read->was_read(read);
	} else if (done) {
		pool->pending--;
		done->done(done);
	}
	return read || done;
}

static gboolean worker_done(gint fd, GIOCondition cond, gpointer data)
{
	uint64_t count;

	(void)cond;
	if (read(fd, &count, sizeof(count)) < 0)
		return G_SOURCE_CONTINUE;
	while (worker_hand_back(data))
		;
	return G_SOURCE_CONTINUE;
}

struct worker_pool *worker_pool_new(unsigned int threads)
{
	struct worker_pool *pool;

	pool = g_malloc0(sizeof(*pool) + threads * sizeof(pool->threads[0]));
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	g_queue_init(&pool->todo);
	g_queue_init(&pool->read);
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

/* Before the first of which this is not true: behind those of its own turn. */
static gint worker_compare(gconstpointer queued, gconstpointer more,
			   gpointer data)
{
	const struct job *a = queued, *b = more;

	(void)data;
	return a->turn <= b->turn ? -1 : 1;
}

void worker_submit(struct worker_pool *pool, struct job *job)
{
	pool->pending++;
	pthread_mutex_lock(&pool->lock);
	job->turn = pool->taken + job->rank;
	g_queue_insert_sorted(&pool->todo, job, worker_compare, NULL);
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
