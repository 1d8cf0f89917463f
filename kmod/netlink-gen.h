/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/helix_lease.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_HELIX_LEASE_GEN_H
#define _LINUX_HELIX_LEASE_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/helix_lease_netlink.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease.h>

extern const struct nla_policy helix_lease_scanout_get_nl_policy[HELIX_LEASE_A_SCANOUT + 1];

/* Ops table for helix_lease */
extern const struct genl_ops helix_lease_nl_ops[1];

int helix_lease_nl_scanout_get_doit(struct sk_buff *skb,
				    struct genl_info *info);
int helix_lease_nl_scanout_get_dumpit(struct sk_buff *skb,
				      struct netlink_callback *cb);

enum {
	HELIX_LEASE_NLGRP_EVENTS,
};

#endif /* _LINUX_HELIX_LEASE_GEN_H */
