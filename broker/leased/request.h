/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One request of a client: from bytes that anybody may have written to a
 * structure in which every number is in range. Pure; touches nothing.
 *
 *   {"op":"hello","version":1}
 *   {"op":"info"}
 *   {"op":"list","first":1}
 *   {"op":"query","scanout":3}
 *   {"op":"acquire","width":1280,"height":720,"refresh_mhz":60000,"scanout":0,
 *    "timeout_ms":10000,"label":"editor"}
 *   {"op":"revoke","scanout":3,"generation":7,"timeout_ms":10000}
 *
 * Of list "first", of acquire all but the size and of revoke "timeout_ms" may
 * be left out. A member that the operation does not know is an error: the
 * client meant something by it.
 */
#ifndef HELIX_REQUEST_H
#define HELIX_REQUEST_H

#include <stddef.h>

#include "helix-lease-client.h"

enum request_op {
	OP_HELLO,
	OP_INFO,
	OP_LIST,
	OP_QUERY,
	OP_ACQUIRE,
	OP_REVOKE,
};

struct request {
	enum request_op op;
	uint32_t version;		/* hello */
	uint32_t first;			/* list */
	uint32_t scanout;		/* query, revoke */
	uint32_t timeout_ms;		/* revoke */
	uint64_t generation;		/* revoke */
	struct hl_acquire_args acquire;	/* its label points to @label or is NULL */
	char label[HL_LABEL_LEN];
};

/* 0, or -EINVAL with a message that names the operation, the member and the limit. */
int request_parse(const char *buf, size_t len, struct request *req, struct hl_error *err);

#endif
