/* SPDX-License-Identifier: MIT */
/*
 * What stands between the bytes of the helix_lease generic netlink family and
 * struct hl_event, open to the tests. The public calls are in
 * helix-lease-client.h.
 */
#ifndef HL_MONITOR_H
#define HL_MONITOR_H

#include <stdbool.h>
#include <sys/types.h>

#include <linux/netlink.h>

#include "helix-lease-client.h"

/*
 * One message of the family, whole and within its buffer. -EPROTO: an attribute is not what the specification says; attributes that
 * are not in it are passed over.
 */
int hl_event_parse(const struct nlmsghdr *nlh, struct hl_event *event, struct hl_error *err);

/* As recv(2): where the monitor's packets come from. */
typedef ssize_t (*hl_recv_fn)(int fd, void *buf, size_t len, int flags);

/*
 * A monitor over two sockets that are there, which it closes: @events_fd brings
 * what the group gets, @request_fd takes requests and answers them.
 */
int hl_monitor_new(int events_fd, int request_fd, uint16_t family, hl_recv_fn recv_fn,
		   struct hl_monitor **mon, struct hl_error *err);

#endif
