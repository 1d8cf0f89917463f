// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoding threads and the queues between them and the main thread.
 * Rules:
 *
 * - a stream has at most one job here, so a busy desktop waits behind every
 *   other one of its rank before it gets its next turn;
 * - threads are shared by time, so that a desktop whose pictures take long has
 *   as much of them as one of many small ones (start-time fair queueing: Goyal,
 *   Vin and Cheng, 1996). A job starts, in virtual time, when the last one of
 *   its stream had all of its own, or now, which is when the last job that was
 *   taken started; the earliest is next;
 * - there is one thread more than jobs at once, for one that takes little when
 *   all others are in jobs that take long: the system's scheduler interrupts
 *   these, and we cannot. How long is what the last one of its stream took;
 * - a job is taken before those of higher rank, but not for ever: rank is time
 *   that is added to its start, a step of it as much as the shortest job counts
 *   for. So what waits is passed by no more of one stream than its rank says;
 * - reading comes back to the main thread on its own, because QEMU waits for
 *   that and encoding takes longer;
 * - a thread that is stuck in a job is given up and replaced: there are always
 *   as many as there were that can take the next one, or will be when the
 *   system has a thread for us again.
 *
 * Plain POSIX locks on purpose: thread checkers understand them. Nothing is
 * called with the lock held, so there is no order of locks to keep.
 */
#include "worker.h"

#include <glib-unix.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WORKER_CHECK_MS	200	/* how late a deadline is noticed */
#define WORKER_RANK_US	1000	/* of a step of rank, and the least of a job */
#define WORKER_LONG_US	(15 * 1000)

struct worker {
	struct worker_pool *pool;
	pthread_t thread;
	/* under the pool's lock */
	struct job *job;	/* that it is in, or NULL */
	gint64 since;
	bool is_long;		/* that job */
	bool lost;		/* its job is overdue: it ends when it comes back */
	bool ended;
};

struct worker_pool {
	pthread_mutex_t lock;	/* of the queues, of quit, and of all workers */
	pthread_cond_t work;
	pthread_cond_t back;	/* a job came back, or a thread ended */
	GQueue todo;		/* of struct job, by turn */
	GQueue read, done;	/* of struct job */
	int64_t now;		/* in virtual time, microseconds */
	unsigned int busy, longs;	/* threads in jobs, in long ones; not those lost */
	unsigned int threads;	/* jobs at once, if so many can be had */
	bool quit;

	int wake;		/* eventfd: something is done */
	guint watch;
	unsigned int pending;	/* jobs; main thread only, as what follows */
	unsigned int held;	/* of them, those with a deadline */
	guint check;		/* timer, while there are any */
	GPtrArray *workers;
};

unsigned int worker_rank(enum rung rung, uint32_t priority)
{
	/* the least important full picture comes before every thumbnail */
	return (rung == RUNG_FULL ? 0 : 16) + (255 - MIN(priority, 255)) / 16;
}

static bool job_is_long(const struct job *job)
{
	return job->took_us >= WORKER_LONG_US;
}

/* Under the lock. NULL: there is none that may be taken now. */
static GList *worker_next(struct worker_pool *pool)
{
	GList *next = pool->todo.head;

	if (pool->busy < pool->threads)
		return next;
	if (pool->busy > pool->threads || pool->longs < pool->busy)
		return NULL;
	while (next && job_is_long(next->data))
		next = next->next;
	return next;
}

/* Under the lock. It has a job from now on, or has none any more. */
static void worker_count_in(struct worker *worker, int more)
{
	worker->pool->busy += more;
	if (worker->is_long)
		worker->pool->longs += more;
}

/* False: there is nothing more to do. */
static bool worker_take(struct worker *worker)
{
	struct worker_pool *pool = worker->pool;
	GList *next = NULL;

	pthread_mutex_lock(&pool->lock);
	while (!worker->lost && !(next = worker_next(pool)) && !pool->quit)
		pthread_cond_wait(&pool->work, &pool->lock);
	worker->since = g_get_monotonic_time();
	if (next) {
		worker->job = next->data;
		worker->is_long = job_is_long(worker->job);
		worker_count_in(worker, 1);
		pool->now = MAX(pool->now, worker->job->start);
		g_queue_delete_link(&pool->todo, next);
		/* with this one busy, another thread may be the one more */
		if (worker_next(pool))
			pthread_cond_signal(&pool->work);
	} else {
		worker->ended = true;
		pthread_cond_signal(&pool->back);
	}
	pthread_mutex_unlock(&pool->lock);
	return worker->job;
}

static void worker_give(struct worker *worker, GQueue *queue, struct job *job)
{
	struct worker_pool *pool = worker->pool;
	uint64_t one = 1;

	pthread_mutex_lock(&pool->lock);
	if (queue == &pool->done) {
		job->took_us = g_get_monotonic_time() - worker->since;
		job->next = job->start + MAX(job->took_us, WORKER_RANK_US);
		worker->job = NULL;
		if (!worker->lost)
			worker_count_in(worker, -1);
	}
	g_queue_push_tail(queue, job);
	pthread_cond_signal(&pool->back);
	pthread_mutex_unlock(&pool->lock);
	/* it fails only when it is signalled already */
	if (write(pool->wake, &one, sizeof(one)) < 0)
		return;
}

static void *worker_run(void *data)
{
	struct worker *worker = data;
	struct job *job;

	while (worker_take(worker)) {
		job = worker->job;
		job->read(job);
		worker_give(worker, &worker->pool->read, job);
		job->work(job);
		worker_give(worker, &worker->pool->done, job);
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
		pool->held -= done->deadline_ms > 0;
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

static bool worker_add(struct worker_pool *pool)
{
	struct worker *worker = g_new0(struct worker, 1);

	worker->pool = pool;
	if (pthread_create(&worker->thread, NULL, worker_run, worker)) {
		g_free(worker);
		return false;
	}
	g_ptr_array_add(pool->workers, worker);
	return true;
}

/* Under the lock. One whose job is overdue and who was not found before. */
static struct worker *worker_find_stuck(struct worker_pool *pool, gint64 now)
{
	unsigned int i;

	for (i = 0; i < pool->workers->len; i++) {
		struct worker *worker = pool->workers->pdata[i];

		if (worker->job && worker->job->deadline_ms && !worker->lost &&
		    now - worker->since > worker->job->deadline_ms * 1000ll)
			return worker;
	}
	return NULL;
}

/* Of threads that were given up and came back all the same. */
static void worker_bury(struct worker_pool *pool)
{
	unsigned int i;

	for (i = pool->workers->len; i-- > 0;) {
		struct worker *worker = pool->workers->pdata[i];
		bool ended;

		pthread_mutex_lock(&pool->lock);
		ended = worker->ended;
		pthread_mutex_unlock(&pool->lock);
		if (!ended)
			continue;
		pthread_join(worker->thread, NULL);
		g_ptr_array_remove_index_fast(pool->workers, i);
		g_free(worker);
	}
}

/* Under the lock. How many are not given up. */
static unsigned int worker_count(const struct worker_pool *pool)
{
	unsigned int i, count = 0;

	for (i = 0; i < pool->workers->len; i++)
		count += !((struct worker *)pool->workers->pdata[i])->lost;
	return count;
}

/* In the place of those that were given up, now and when there was none before. */
static void worker_fill(struct worker_pool *pool)
{
	unsigned int count;

	pthread_mutex_lock(&pool->lock);
	count = pool->quit ? pool->threads + 1 : worker_count(pool);
	pthread_mutex_unlock(&pool->lock);
	while (count <= pool->threads && worker_add(pool))
		count++;
}

static void worker_check(struct worker_pool *pool)
{
	struct worker *worker;
	struct job *job;

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		worker = worker_find_stuck(pool, g_get_monotonic_time());
		job = worker ? worker->job : NULL;
		if (worker) {
			worker->lost = true;
			worker_count_in(worker, -1);
			pthread_cond_signal(&pool->work);
		}
		pthread_mutex_unlock(&pool->lock);
		if (!worker)
			break;
		worker_fill(pool);
		job->overdue(job);
	}
	worker_bury(pool);
	worker_fill(pool);
}

static gboolean worker_timer(gpointer data)
{
	struct worker_pool *pool = data;

	worker_check(pool);
	if (pool->held)
		return G_SOURCE_CONTINUE;
	pool->check = 0;
	return G_SOURCE_REMOVE;
}

struct worker_pool *worker_pool_new(unsigned int threads)
{
	struct worker_pool *pool = g_new0(struct worker_pool, 1);
	pthread_condattr_t clock;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->back, &clock);
	pthread_condattr_destroy(&clock);
	g_queue_init(&pool->todo);
	g_queue_init(&pool->read);
	g_queue_init(&pool->done);
	pool->workers = g_ptr_array_new();
	pool->threads = threads;
	pool->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool->wake >= 0)
		worker_fill(pool);
	if (!pool->workers->len) {
		pool->threads = 0;
		worker_pool_free(pool);
		return NULL;
	}
	pool->watch = g_unix_fd_add(pool->wake, G_IO_IN, worker_done, pool);
	return pool;
}

static int64_t worker_turn(const struct job *job)
{
	return job->start + (int64_t)job->rank * WORKER_RANK_US;
}

/* Before the first of which this is not true: behind those of its own turn. */
static gint worker_compare(gconstpointer queued, gconstpointer more,
			   gpointer data)
{
	const struct job *a = queued, *b = more;

	(void)data;
	return worker_turn(a) <= worker_turn(b) ? -1 : 1;
}

void worker_submit(struct worker_pool *pool, struct job *job)
{
	pool->pending++;
	if (job->deadline_ms && !pool->held++ && !pool->check)
		pool->check = g_timeout_add(WORKER_CHECK_MS, worker_timer,
					    pool);
	pthread_mutex_lock(&pool->lock);
	job->start = MAX(pool->now, job->next);
	g_queue_insert_sorted(&pool->todo, job, worker_compare, NULL);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. Whether there is a thread; @lost: one that was given up, too. */
static bool worker_is_there(const struct worker_pool *pool, bool lost)
{
	unsigned int i;

	for (i = 0; i < pool->workers->len; i++) {
		const struct worker *worker = pool->workers->pdata[i];

		if (!worker->ended && (lost || !worker->lost))
			return true;
	}
	return false;
}

/* Under the lock. Jobs that come back without those of threads given up. */
static bool worker_is_busy(const struct worker_pool *pool)
{
	unsigned int i, stuck = 0;

	for (i = 0; i < pool->workers->len; i++) {
		const struct worker *worker = pool->workers->pdata[i];

		stuck += worker->lost && worker->job;
	}
	return pool->pending > stuck;
}

static struct timespec worker_in_a_second(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	return until;
}

/* Until all is done but what is overdue, in the main thread's place. */
static void worker_drain(struct worker_pool *pool)
{
	struct timespec until;
	bool more;

	do {
		while (worker_hand_back(pool))
			;
		worker_check(pool);
		until = worker_in_a_second();
		pthread_mutex_lock(&pool->lock);
		more = worker_is_busy(pool) && worker_is_there(pool, false);
		if (more && !pool->read.length && !pool->done.length)
			pthread_cond_timedwait(&pool->back, &pool->lock,
					       &until);
		pthread_mutex_unlock(&pool->lock);
	} while (more);
}

/* Whether all do; those that were given up have a moment for it. */
static bool worker_end(struct worker_pool *pool)
{
	struct timespec until = worker_in_a_second();

	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	pthread_cond_broadcast(&pool->work);
	while (worker_is_there(pool, false))
		pthread_cond_wait(&pool->back, &pool->lock);
	while (worker_is_there(pool, true) &&
	       !pthread_cond_timedwait(&pool->back, &pool->lock, &until))
		;
	pthread_mutex_unlock(&pool->lock);
	while (worker_hand_back(pool))
		;
	worker_bury(pool);
	return !pool->workers->len;
}

/* To threads that may come back to it, when nobody waits any more. */
static void worker_leave(const struct worker_pool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->workers->len; i++)
		pthread_detach(((struct worker *)pool->workers->pdata[i])->thread);
}

void worker_pool_free(struct worker_pool *pool)
{
	bool all;

	worker_drain(pool);
	all = worker_end(pool);
	if (pool->watch)
		g_source_remove(pool->watch);
	if (pool->check)
		g_source_remove(pool->check);
	if (!all) {
		worker_leave(pool);
		return;
	}
	if (pool->wake >= 0)
		close(pool->wake);
	g_ptr_array_unref(pool->workers);
	pthread_cond_destroy(&pool->back);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	g_free(pool);
}
