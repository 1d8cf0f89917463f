/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A socket of the helix_lease family: found by its name, requests and answers.
 */
#ifndef HELIX_NETLINK_H
#define HELIX_NETLINK_H

#include <sys/socket.h>
#include <linux/genetlink.h>
#include <libmnl/libmnl.h>

#include <linux/helix_lease_netlink.h>

#include "helix_test.h"

#define ROOM	(64 << 10)

struct family {
	struct mnl_socket *nl;
	uint32_t portid;
	uint32_t seq;
	uint16_t id;
	uint32_t group;
};

static inline int on_group(const struct nlattr *attr, void *data)
{
	struct family *family = data;
	const struct nlattr *a;
	const char *name = "";
	uint32_t id = 0;

	mnl_attr_for_each_nested(a, attr) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(a);
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(a);
	}
	if (!strcmp(name, HELIX_LEASE_MCGRP_EVENTS))
		family->group = id;
	return MNL_CB_OK;
}

static inline int on_family(const struct nlmsghdr *nlh, void *data)
{
	struct family *family = data;
	const struct nlattr *a, *g;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			family->id = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(g, a)
				on_group(g, family);
	}
	return MNL_CB_OK;
}

static inline struct nlmsghdr *request(struct family *f, char *buf, uint16_t id,
				       uint16_t flags, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = id;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++f->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/* Send @nlh, hand what comes to @cb until its end: 0 or a negative errno. */
static inline int talk(struct family *f, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	static char buf[ROOM];
	ssize_t n;
	int ret;

	if (mnl_socket_sendto(f->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(f->nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, f->seq, f->portid, cb, data);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static inline int family_open(struct family *f)
{
	char buf[512];
	struct nlmsghdr *nlh;

	memset(f, 0, sizeof(*f));
	f->nl = mnl_socket_open(NETLINK_GENERIC);
	if (!f->nl)
		return -errno;
	if (mnl_socket_bind(f->nl, 0, MNL_SOCKET_AUTOPID))
		return -errno;
	f->portid = mnl_socket_get_portid(f->nl);
	nlh = request(f, buf, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, HELIX_LEASE_FAMILY_NAME);
	return talk(f, nlh, on_family, f);
}

#endif /* HELIX_NETLINK_H */
