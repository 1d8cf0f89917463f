// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "error.h"
#include "job.h"

#define INTERRUPT_SIGNAL	SIGUSR1
#define STACK_SIZE		(512 * 1024)

static void on_interrupt(int sig)
{
	(void)sig;
}

int job_init(struct hl_error *err)
{
	/* No SA_RESTART: that the ioctl returns is the purpose. */
	struct sigaction sa = { .sa_handler = on_interrupt };

	sigemptyset(&sa.sa_mask);
	if (sigaction(INTERRUPT_SIGNAL, &sa, NULL) < 0)
		return hl_error_set(err, errno, "cannot handle signal %d: %s", INTERRUPT_SIGNAL,
				    strerror(errno));
	return 0;
}

void job_take_interrupts(bool yes)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, INTERRUPT_SIGNAL);
	pthread_sigmask(yes ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

static void *run(void *arg)
{
	struct job *job = arg;
	const struct request *req = &job->req;

	job_take_interrupts(true);

	switch (req->op) {
	case OP_ACQUIRE:
		job->ret = hl_module_acquire(job->mod, &req->acquire, job->owner, &job->lease,
					     &job->err);
		/* What that does is for all, and a signal would have the kernel refuse parts of it. */
		job_take_interrupts(false);
		if (!job->ret && job->granted && !job->granted(job->granted_data, job->lease.scanout)) {
			job->ret = hl_error_set(&job->err, ETIMEDOUT,
						"acquire: who had scanout %u before may still hear its input",
						job->lease.scanout);
			hl_lease_release(&job->lease);
		}
		break;
	case OP_RESIZE:
		job->ret = hl_module_resize(job->mod, &req->resize, &job->err);
		break;
	default:
		job->ret = hl_module_revoke(job->mod, req->scanout, req->generation,
					    req->timeout_ms, &job->err);
	}
	job->done(job, job->data);
	return NULL;
}

int job_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int code;

	/* The thread must not take signals meant for the event loop. */
	sigfillset(&all);
	code = pthread_attr_init(&attr);
	if (code)
		return code;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(thread, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return code;
}

int job_start(struct job *job, struct hl_error *err)
{
	int code = job_thread(&job->thread, run, job);

	if (code)
		return hl_error_set(err, code, "cannot start a thread: %s", strerror(code));
	return 0;
}

void job_interrupt(pthread_t thread)
{
	pthread_kill(thread, INTERRUPT_SIGNAL);
}
