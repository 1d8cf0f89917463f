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
 *    "timeout_ms":10000,"label":"editor","priority":10,"end_on_close":true,
 *    "pidfd":true,"cgroup":true}
 *   {"op":"revoke","scanout":3,"generation":7,"timeout_ms":10000}
 *   {"op":"resize","scanout":3,"generation":7,"width":1920,"height":1080,
 *    "refresh_mhz":60000,"timeout_ms":10000}
 *   {"op":"policy"}
 *   {"op":"policy","who":"group","gid":44,"max_per_uid":2,"max_per_cgroup":1,
 *    "grace_ms":5000}
 *
 * Of list "first", of acquire and resize all but the lease and the size, and of
 * revoke "timeout_ms" may be left out; of policy what is left out stays as it
 * is. With "pidfd" a descriptor comes beside the request. A member that the
 * operation does not know is an error: the client meant something by it.
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
	OP_RESIZE,
	OP_POLICY,
};

struct request {
	enum request_op op;
	uint32_t version;		/* hello */
	uint32_t first;			/* list */
	uint32_t scanout;		/* query, revoke */
	uint32_t timeout_ms;		/* revoke */
	uint64_t generation;		/* revoke */
	struct hl_resize_args resize;
	struct hl_policy policy;	/* its mask names what was given */
	/* Its label points to @label or is NULL; its pidfd is -1: who received it puts it in. */
	struct hl_acquire_args acquire;
	char label[HL_LABEL_LEN];
};

/* 0, or -EINVAL with a message that names the operation, the member and the limit. */
int request_parse(const char *buf, size_t len, struct request *req, struct hl_error *err);

#endif
