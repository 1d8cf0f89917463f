// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread, and jobs that note the order in which they are taken. What is
 * waited for is bounded by a guard that no test depends on.
 */
#include <glib.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "test.h"
#include "worker.h"

#define GUARD_S	60

struct fake {
	struct job job;
	char name;
	sem_t *begun;		/* read says so */
	sem_t *gate;		/* and waits for it */
	sem_t *work_gate;	/* work does */
	sem_t *worked;		/* work says so */
	bool was_read;
	unsigned int again;	/* times to submit it when it is done */
};

static struct worker_pool *pool;
static GString *taken;		/* names; the worker's until done came */
static unsigned int undone;

static void pass(sem_t *gate)
{
	struct timespec until;

	if (!gate)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GUARD_S;
	if (sem_timedwait(gate, &until))
		abort();
}

static void fake_read(struct job *job)
{
	struct fake *fake = (struct fake *)job;

	if (fake->begun)
		sem_post(fake->begun);
	pass(fake->gate);
	g_string_append_c(taken, fake->name);
}

static void fake_work(struct job *job)
{
	struct fake *fake = (struct fake *)job;

	pass(fake->work_gate);
	if (fake->worked)
		sem_post(fake->worked);
}

static void fake_was_read(struct job *job)
{
	struct fake *fake = (struct fake *)job;

	assert_false(fake->was_read);
	fake->was_read = true;
	if (fake->work_gate)
		sem_post(fake->work_gate);
}

static void fake_done(struct job *job)
{
	struct fake *fake = (struct fake *)job;

	assert_true(fake->was_read);
	undone--;
	if (fake->again) {
		fake->again--;
		fake->was_read = false;
		undone++;
		worker_submit(pool, job);
	}
}

/* What the last one of its stream came back with is there already. */
static void submit_again(struct fake *fake, char name, unsigned int rank)
{
	fake->job = (struct job){
		.rank = rank, .next = fake->job.next,
		.took_us = fake->job.took_us, .read = fake_read, .work = fake_work,
		.was_read = fake_was_read, .done = fake_done,
	};
	fake->name = name;
	undone++;
	worker_submit(pool, &fake->job);
}

static void submit(struct fake *fake, char name, unsigned int rank)
{
	fake->job = (struct job){ 0 };
	submit_again(fake, name, rank);
}

static void submit_after(struct fake *fake, char name, unsigned int rank,
			 int64_t next)
{
	fake->job = (struct job){ .next = next };
	submit_again(fake, name, rank);
}

/* The only thread is busy with it from now on. */
static void block(struct fake *blocker, sem_t *gate)
{
	sem_t begun;

	sem_init(&begun, 0, 0);
	sem_init(gate, 0, 0);
	blocker->begun = &begun;
	blocker->gate = gate;
	submit(blocker, '-', 0);
	pass(&begun);
	blocker->begun = NULL;
	sem_destroy(&begun);
}

static gboolean too_long(gpointer data)
{
	(void)data;
	abort();
}

static void until_done(unsigned int but)
{
	guint guard = g_timeout_add_seconds(GUARD_S, too_long, NULL);

	while (undone > but)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(guard);
}

static void finish(void)
{
	until_done(0);
}

static int setup(void **state)
{
	(void)state;
	pool = worker_pool_new(1);
	taken = g_string_new("");
	undone = 0;
	return !pool;
}

static int teardown(void **state)
{
	(void)state;
	worker_pool_free(pool);
	g_string_free(taken, TRUE);
	return 0;
}

static void test_ranks_come_before_each_other(void **state)
{
	struct fake blocker = { 0 }, jobs[6] = { 0 };
	sem_t gate;

	(void)state;
	block(&blocker, &gate);
	submit(&jobs[0], 'd', worker_rank(RUNG_THUMB, 0));
	submit(&jobs[1], 'c', worker_rank(RUNG_THUMB, 255));
	submit(&jobs[2], 'b', worker_rank(RUNG_FULL, 0));
	submit(&jobs[3], 'a', worker_rank(RUNG_FULL, 255));
	submit(&jobs[4], 'B', worker_rank(RUNG_FULL, 0));
	submit(&jobs[5], 'A', worker_rank(RUNG_FULL, 255));
	sem_post(&gate);
	finish();
	assert_string_equal(taken->str, "-aAbBcd");
	sem_destroy(&gate);
}

static void test_a_priority_out_of_range_is_the_highest(void **state)
{
	(void)state;
	assert_int_equal(worker_rank(RUNG_FULL, UINT32_MAX),
			 worker_rank(RUNG_FULL, 255));
	assert_true(worker_rank(RUNG_FULL, 0) < worker_rank(RUNG_THUMB, 255));
}

/* Two busy desktops of the highest rank, and a thumbnail of the lowest. */
static void test_nobody_starves(void **state)
{
	struct fake blocker = { 0 }, busy[2] = { 0 }, thumb = { 0 };
	unsigned int rank = worker_rank(RUNG_THUMB, 0);
	const char *at;
	sem_t gate;

	(void)state;
	block(&blocker, &gate);
	busy[0].again = 100;
	busy[1].again = 100;
	submit(&thumb, 't', rank);
	submit(&busy[0], 'x', worker_rank(RUNG_FULL, 255));
	submit(&busy[1], 'y', worker_rank(RUNG_FULL, 255));
	sem_post(&gate);
	finish();
	at = strchr(taken->str, 't');
	assert_non_null(at);
	assert_true(at - taken->str > 2);	/* it let the others go first */
	assert_true((unsigned long)(at - taken->str) <= 2 * rank + 2);
	sem_destroy(&gate);
}

/*
 * One has had a thread for ten milliseconds more than the others, and has the
 * next one when these have had as much.
 */
static void test_threads_are_shared_by_time(void **state)
{
	struct fake blocker = { 0 }, jobs[5] = { 0 };
	sem_t gate;

	(void)state;
	block(&blocker, &gate);
	submit_after(&jobs[0], 'B', 0, 10 * 1000);
	submit_after(&jobs[1], 'a', 0, 0);
	submit_after(&jobs[2], 'b', 0, 9 * 1000);
	submit_after(&jobs[3], 'c', 0, 11 * 1000);
	submit_after(&jobs[4], 'd', 31, 0);
	sem_post(&gate);
	finish();
	assert_string_equal(taken->str, "-abBcd");
	/* what it took, it pays for */
	assert_true(blocker.job.next >= 1000);
	assert_true(jobs[0].job.next >= 11 * 1000);
	sem_destroy(&gate);
}

/* One thread, and one more for what takes little. */
static void test_what_takes_little_does_not_wait_for_long_ones(void **state)
{
	struct fake big[2] = { 0 }, small = { 0 };
	sem_t begun, gate;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	big[0].begun = &begun;
	big[0].gate = &gate;
	big[0].job.took_us = G_USEC_PER_SEC;
	big[1].job.took_us = G_USEC_PER_SEC;
	submit_again(&big[0], 'B', 0);
	pass(&begun);
	submit_again(&big[1], 'C', 0);
	submit(&small, 's', 31);
	until_done(2);
	sem_post(&gate);
	finish();
	assert_string_equal(taken->str, "sBC");
	sem_destroy(&gate);
	sem_destroy(&begun);
}

/* It was away meanwhile: that is no claim to all threads when it is back. */
static void test_time_that_nobody_took_is_not_owed(void **state)
{
	struct fake blocker = { 0 }, late = { 0 }, jobs[2] = { 0 };
	sem_t gate;

	(void)state;
	submit_after(&late, 'l', 0, G_USEC_PER_SEC);
	finish();
	block(&blocker, &gate);
	submit_after(&jobs[0], 'a', 0, 0);
	submit_after(&jobs[1], 'b', 0, G_USEC_PER_SEC);
	sem_post(&gate);
	finish();
	assert_string_equal(taken->str, "l-ab");
	assert_true(jobs[0].job.next > G_USEC_PER_SEC);
	sem_destroy(&gate);
}

static void test_equals_take_turns(void **state)
{
	struct fake blocker = { 0 }, jobs[3] = { 0 };
	sem_t gate;
	size_t i;

	(void)state;
	block(&blocker, &gate);
	for (i = 0; i < 3; i++) {
		jobs[i].again = 1;
		submit(&jobs[i], (char)('a' + i), 5);
	}
	sem_post(&gate);
	finish();
	/* done() of each comes at some time: but never one twice before another */
	for (i = 1; i <= 3; i++)
		assert_int_equal(taken->str[i], 'a' + i - 1);
	sem_destroy(&gate);
}

/* The work does not begin before was_read() was called, or the guard aborts. */
static void test_reading_is_told_while_the_work_goes_on(void **state)
{
	struct fake fake = { 0 };
	sem_t gate;

	(void)state;
	sem_init(&gate, 0, 0);
	fake.work_gate = &gate;
	submit(&fake, 'a', 0);
	finish();
	assert_true(fake.was_read);
	sem_destroy(&gate);
}

static unsigned int overdue;

static void fake_overdue(struct job *job)
{
	assert_int_equal(((struct fake *)job)->name, 's');
	overdue++;
}

/* Begun, and in a job that ends when @gate says so. */
static void get_stuck(struct fake *stuck, sem_t *gate)
{
	sem_t begun;

	sem_init(gate, 0, 0);
	sem_init(&begun, 0, 0);
	stuck->job = (struct job){
		.read = fake_read, .work = fake_work,
		.was_read = fake_was_read, .done = fake_done,
		.deadline_ms = 30, .overdue = fake_overdue,
	};
	stuck->name = 's';
	stuck->gate = gate;
	stuck->begun = &begun;
	overdue = 0;
	undone++;
	worker_submit(pool, &stuck->job);
	pass(&begun);
	sem_destroy(&begun);
}

static void test_a_job_that_is_stuck_holds_up_nobody(void **state)
{
	struct fake stuck = { 0 }, other = { 0 }, last = { 0 };
	guint guard = g_timeout_add_seconds(GUARD_S, too_long, NULL);
	sem_t gate;

	(void)state;
	get_stuck(&stuck, &gate);
	submit(&other, 'o', 0);
	while (undone > 1)
		g_main_context_iteration(NULL, TRUE);
	assert_int_equal(overdue, 1);
	assert_true(other.was_read);
	assert_false(stuck.was_read);
	g_source_remove(guard);
	/* it comes back, and there are as many threads as before */
	sem_post(&gate);
	finish();
	assert_string_equal(taken->str, "os");
	assert_int_equal(overdue, 1);
	submit(&last, 'l', 0);
	finish();
	sem_destroy(&gate);
}

static void test_a_pool_ends_though_a_job_is_stuck(void **state)
{
	static struct worker_pool *left;	/* known to who looks for leaks */
	static struct fake stuck;	/* the pool's, even then */
	struct fake behind = { .again = 3 };
	sem_t gate, worked;

	(void)state;
	sem_init(&worked, 0, 0);
	stuck.worked = &worked;
	get_stuck(&stuck, &gate);
	submit(&behind, 'b', 0);
	left = pool;
	worker_pool_free(pool);
	assert_int_equal(overdue, 1);
	/* what had to wait for it is done all the same */
	assert_int_equal(undone, 1);
	assert_string_equal(taken->str, "bbbb");
	/* the pool is still there for it to come back to */
	assert_non_null(left);
	sem_post(&gate);
	pass(&worked);
	pool = worker_pool_new(1);
	assert_non_null(pool);
}

static void test_the_pool_ends_after_its_last_job(void **state)
{
	struct fake jobs[8] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		submit(&jobs[i], 'a', 0);
	worker_pool_free(pool);
	assert_int_equal(undone, 0);
	pool = worker_pool_new(1);
	assert_non_null(pool);
}

static void test_the_pool_ends_after_what_its_jobs_bring(void **state)
{
	struct fake job = { .again = 20 };

	(void)state;
	submit(&job, 'a', 0);
	worker_pool_free(pool);
	assert_int_equal(undone, 0);
	assert_int_equal(taken->len, 21);
	pool = worker_pool_new(1);
	assert_non_null(pool);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ranks_come_before_each_other),
		T(test_a_priority_out_of_range_is_the_highest),
		T(test_nobody_starves),
		T(test_threads_are_shared_by_time),
		T(test_what_takes_little_does_not_wait_for_long_ones),
		T(test_time_that_nobody_took_is_not_owed),
		T(test_equals_take_turns),
		T(test_reading_is_told_while_the_work_goes_on),
		T(test_a_job_that_is_stuck_holds_up_nobody),
		T(test_a_pool_ends_though_a_job_is_stuck),
		T(test_the_pool_ends_after_its_last_job),
		T(test_the_pool_ends_after_what_its_jobs_bring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
