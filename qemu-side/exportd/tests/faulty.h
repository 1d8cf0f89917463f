/* SPDX-License-Identifier: GPL-2.0-only */
/* What encoders with faults, which only tests have, are made of. */
#ifndef HELIX_TEST_FAULTY_H
#define HELIX_TEST_FAULTY_H

#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

static const char *const fast_settings[][2] = {
	{ "preset", "ultrafast" }, { "tune", "zerolatency" },
	{ "forced-idr", "1" }, { NULL, NULL },
};

/* A driver that does not come back, until the test lets it. */
static inline void hang_on(sem_t *sem, unsigned int guard_s)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += guard_s;
	if (sem_timedwait(sem, &limit))
		abort();
}

#endif
