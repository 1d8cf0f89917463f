/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of tests/gpu share. Each does one thing on the GPU of its
 * guest until it is told to end, and says what it got in lines on its standard
 * output; what is wrong ends it with a status of its own.
 */
#ifndef HELIX_GPU_GUEST_H
#define HELIX_GPU_GUEST_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Ends of a program, beside 0 and what a signal makes of it. */
enum {
	ENDED_FAILED = 1,	/* it could not be tried */
	ENDED_LOST = 3,		/* the GPU, or its context, was lost: an API said so */
	ENDED_WRONG = 4,	/* a result is wrong */
};

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

/* @name: what the host sees as the name of the context. */
static inline void begin(const char *name)
{
	struct sigaction action = { .sa_handler = on_term };

	prctl(PR_SET_NAME, name);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	setlinebuf(stdout);
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void sleep_until(double when)
{
	double left = when - now();

	if (left > 0)
		usleep((useconds_t)(left * 1e6));
}

__attribute__((noreturn, format(printf, 2, 3)))
static inline void end(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	/* Not exit(): a driver whose GPU is gone may wait in its destructors. */
	_exit(status);
}

static inline unsigned long number(const char *text)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 0);

	if (*rest || rest == text)
		end(ENDED_FAILED, "%s: a number is needed", text);
	return value;
}

#endif /* HELIX_GPU_GUEST_H */
