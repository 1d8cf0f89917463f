/* SPDX-License-Identifier: GPL-2.0-only */
/* One message with descriptors beside it. */
#ifndef HELIX_TEST_SEND_FDS_H
#define HELIX_TEST_SEND_FDS_H

#include <string.h>
#include <sys/socket.h>

#define SEND_FDS_MAX	4

/* As sendmsg(); @count is at most SEND_FDS_MAX. */
static inline ssize_t send_fds(int sock, const void *data, size_t len,
			       const int *fds, unsigned int count, int flags)
{
	union {
		char buf[CMSG_SPACE(SEND_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (count) {
		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	return sendmsg(sock, &msg, flags);
}

#endif
