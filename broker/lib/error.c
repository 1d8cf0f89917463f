// SPDX-License-Identifier: MIT
/* Owns nothing: an error is the caller's, of fixed size, so that reporting cannot fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

#define ERRNO_LAST	133	/* EHWPOISON, the last of Linux */

int hl_error_set(struct hl_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->message, sizeof(err->message), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int hl_error_wrap(struct hl_error *err, int ret, const char *fmt, ...)
{
	struct hl_error inner;
	va_list ap;
	int n;

	if (!err)
		return ret;
	inner = *err;
	va_start(ap, fmt);
	n = vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	/* Too long a whole loses its end, which is the price of a fixed size. */
	if (n >= 0 && (size_t)n < sizeof(err->message) &&
	    snprintf(err->message + n, sizeof(err->message) - n, ": %s", inner.message) < 0)
		err->message[n] = '\0';
	return ret;
}

const char *hl_errno_name(int code)
{
	const char *name = strerrorname_np(code);

	return name ? name : "EIO";
}

int hl_errno_from_name(const char *name)
{
	for (int code = 1; code <= ERRNO_LAST; code++) {
		const char *known = strerrorname_np(code);

		if (known && !strcmp(known, name))
			return code;
	}
	return 0;
}
