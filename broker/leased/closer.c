// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "job.h"

struct closing {
	struct closer *closer;
	uid_t user;
	bool hangs_up;
	bool started;		/* has a thread */
	bool stuck;		/* was pressed */
	pthread_t thread;
	LIST_ENTRY(closing) entry;
	int nfds;
	int fds[];
};

struct closer {
	pthread_mutex_t lock;		/* of all below: a thread is in the list until its end */
	LIST_HEAD(, closing) closings;
};

struct closer *closer_new(void)
{
	struct closer *closer = calloc(1, sizeof(*closer));

	if (!closer)
		return NULL;
	pthread_mutex_init(&closer->lock, NULL);
	LIST_INIT(&closer->closings);
	return closer;
}

/*
 * With something unread the connection would be reset, and its last answer lost. From the
 * shutdown on nothing more comes, however fast it is sent. What descriptors are in it are
 * closed with it.
 */
static void read_to_the_end(int sock)
{
	char sink[1];
	ssize_t n;

	shutdown(sock, SHUT_RD);
	do {
		n = recv(sock, sink, sizeof(sink), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == EINTR));
}

static void *close_all(void *arg)
{
	struct closing *closing = arg;
	struct closer *closer = closing->closer;

	job_take_interrupts(true);
	if (closing->hangs_up)
		read_to_the_end(closing->fds[0]);
	/* One that was interrupted is closed. */
	while (closing->nfds > 0)
		close(closing->fds[--closing->nfds]);
	pthread_mutex_lock(&closer->lock);
	LIST_REMOVE(closing, entry);
	pthread_mutex_unlock(&closer->lock);
	free(closing);
	return NULL;
}

/* Under the lock. Without a thread now it gets one when it is pressed. */
static void start(struct closing *closing)
{
	closing->started = !job_thread(&closing->thread, close_all, closing);
	if (closing->started)
		pthread_detach(closing->thread);
}

static void take(struct closer *closer, uid_t user, const int *fds, int nfds, bool hangs_up)
{
	struct closing *closing = calloc(1, sizeof(*closing) + nfds * sizeof(int));

	/* Then somebody may have to wait. */
	if (!closing) {
		while (nfds > 0)
			close(fds[--nfds]);
		return;
	}
	closing->closer = closer;
	closing->user = user;
	closing->hangs_up = hangs_up;
	closing->nfds = nfds;
	memcpy(closing->fds, fds, nfds * sizeof(int));
	pthread_mutex_lock(&closer->lock);
	LIST_INSERT_HEAD(&closer->closings, closing, entry);
	start(closing);
	pthread_mutex_unlock(&closer->lock);
}

void closer_take(struct closer *closer, uid_t user, const int *fds, int nfds)
{
	take(closer, user, fds, nfds, false);
}

void closer_hang_up(struct closer *closer, uid_t user, int sock)
{
	take(closer, user, &sock, 1, true);
}

bool closer_press(struct closer *closer)
{
	struct closing *closing;
	bool left;

	pthread_mutex_lock(&closer->lock);
	LIST_FOREACH(closing, &closer->closings, entry) {
		if (closing->started)
			job_interrupt(closing->thread);
		else
			start(closing);
		closing->stuck = true;
	}
	left = !LIST_EMPTY(&closer->closings);
	pthread_mutex_unlock(&closer->lock);
	return left;
}

unsigned int closer_begun(struct closer *closer)
{
	struct closing *closing;
	unsigned int n = 0;

	pthread_mutex_lock(&closer->lock);
	LIST_FOREACH(closing, &closer->closings, entry)
		n += !closing->stuck;
	pthread_mutex_unlock(&closer->lock);
	return n;
}

unsigned int closer_stuck(struct closer *closer, uid_t user)
{
	struct closing *closing;
	unsigned int n = 0;

	pthread_mutex_lock(&closer->lock);
	LIST_FOREACH(closing, &closer->closings, entry)
		n += closing->stuck && closing->user == user;
	pthread_mutex_unlock(&closer->lock);
	return n;
}

bool closer_free(struct closer *closer)
{
	bool left;

	if (!closer)
		return true;
	pthread_mutex_lock(&closer->lock);
	left = !LIST_EMPTY(&closer->closings);
	pthread_mutex_unlock(&closer->lock);
	if (left)
		return false;
	pthread_mutex_destroy(&closer->lock);
	free(closer);
	return true;
}
