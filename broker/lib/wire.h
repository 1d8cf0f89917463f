/* SPDX-License-Identifier: MIT */
/*
 * Framing between client and broker: one SOCK_SEQPACKET packet is one message,
 * UTF-8 JSON without a terminating NUL, with at most HL_WIRE_MAX_FDS
 * descriptors beside it.
 */
#ifndef HL_WIRE_H
#define HL_WIRE_H

#include <stddef.h>

/* 1: no resize, no policy, no flags and priority of acquire; 2: no "cgroup" among these */
#define HL_WIRE_VERSION		3
#define HL_WIRE_VERSION_MIN	1
#define HL_WIRE_REQUEST_MAX	4096
#define HL_WIRE_REPLY_MAX	32768
#define HL_WIRE_LIST_PAGE	16	/* scanouts in a reply; they fit, whatever is in them */
#define HL_WIRE_MAX_FDS		2	/* reply of acquire: handle, then lease; its request: pidfd */

/* In one packet at most (SCM_MAX_FD of the kernel): it closes those that there is no room for. */
#define HL_WIRE_HELD_FDS	253

struct hl_wire_msg {
	char *buf;		/* caller's, @cap bytes */
	size_t cap;
	size_t len;		/* out: what arrived, 0 when the peer closed */
	int fds[HL_WIRE_HELD_FDS];
	int nfds;
};

/* 0 or -errno; -EAGAIN when @flags has MSG_DONTWAIT and the peer does not read. */
int hl_wire_send(int sock, const void *buf, size_t len, const int *fds, int nfds, int flags);

/*
 * 0 or -errno. -EMSGSIZE: the packet was longer than @cap and is lost; -EPROTO:
 * it carried more descriptors than agreed. On failure, too, what came is the caller's.
 */
int hl_wire_recv(int sock, struct hl_wire_msg *msg, int flags);

/* Closes what hl_wire_recv() brought and nobody took. */
void hl_wire_close_fds(struct hl_wire_msg *msg);

#endif
