// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the log level. Called from every thread: a line is formatted first and
 * written with one call, so lines of two threads never mix.
 */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_threshold = LOG_LEVEL_INFO;

static const char *const log_names[] = { "error", "warning", "info", "debug" };

void log_set_level(enum log_level level)
{
	atomic_store(&log_threshold, (int)level);
}

/* What a guest or a browser sent may be in the text: keep it on its line. */
static void log_sanitise(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	struct timespec now;
	struct tm tm;
	size_t at;
	va_list ap;
	int n;

	if ((int)level > atomic_load(&log_threshold))
		return;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	at = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	at += (size_t)snprintf(line + at, sizeof(line) - at, ".%03ldZ %s: ",
			       now.tv_nsec / 1000000, log_names[level]);

	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - at - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	log_sanitise(line + at);
	at += strlen(line + at);
	line[at++] = '\n';
	/* A log that cannot be written is no reason to stop serving. */
	if (write(STDERR_FILENO, line, at) < 0)
		return;
}
