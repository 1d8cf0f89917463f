// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

static bool to_terminal;

void log_init(void)
{
	to_terminal = isatty(STDERR_FILENO);
}

void log_line(const char *level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* One call, so that lines of two threads do not mix. */
	fprintf(stderr, "%s%s\n", to_terminal ? "" : level, line);
}
