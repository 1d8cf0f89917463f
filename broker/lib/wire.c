// SPDX-License-Identifier: MIT
/*
 * Packets with descriptors. The rule: a descriptor that arrives has an owner at
 * every instant, and that is the caller. So there is room for as many as can come.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wire.h"

union control {
	char buf[CMSG_SPACE(HL_WIRE_HELD_FDS * sizeof(int))];
	struct cmsghdr align;
};

int hl_wire_send(int sock, const void *buf, size_t len, const int *fds, int nfds, int flags)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (nfds > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void hl_wire_close_fds(struct hl_wire_msg *msg)
{
	while (msg->nfds > 0)
		close(msg->fds[--msg->nfds]);
}

static void take_fds(struct msghdr *hdr, struct hl_wire_msg *msg)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		int n;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > HL_WIRE_HELD_FDS - msg->nfds)
			n = HL_WIRE_HELD_FDS - msg->nfds;
		memcpy(msg->fds + msg->nfds, CMSG_DATA(cmsg), n * sizeof(int));
		msg->nfds += n;
	}
}

int hl_wire_recv(int sock, struct hl_wire_msg *msg, int flags)
{
	struct iovec iov = { .iov_base = msg->buf, .iov_len = msg->cap };
	union control control;
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	msg->len = 0;
	msg->nfds = 0;
	do {
		n = recvmsg(sock, &hdr, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	take_fds(&hdr, msg);
	if (hdr.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (hdr.msg_flags & MSG_CTRUNC || msg->nfds > HL_WIRE_MAX_FDS)
		return -EPROTO;
	msg->len = n;
	return 0;
}
