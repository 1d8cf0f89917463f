/* SPDX-License-Identifier: MIT */
/* struct hl_error: set once where a call fails, given context on the way up. */
#ifndef HL_ERROR_H
#define HL_ERROR_H

#include "helix-lease-client.h"

/* Returns -@code, so that a failing function ends in one line. @err may be NULL. */
int hl_error_set(struct hl_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message; returns -code of what was set before. */
int hl_error_wrap(struct hl_error *err, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "EINVAL" for EINVAL and back; 0 for a name that is none. */
const char *hl_errno_name(int code);
int hl_errno_from_name(const char *name);

#endif
