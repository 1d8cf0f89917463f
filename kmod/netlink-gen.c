// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/helix_lease.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/helix_lease_netlink.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease.h>

/* HELIX_LEASE_CMD_SCANOUT_GET - do */
const struct nla_policy helix_lease_scanout_get_nl_policy[HELIX_LEASE_A_SCANOUT + 1] = {
	[HELIX_LEASE_A_SCANOUT] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* Ops table for helix_lease */
const struct genl_ops helix_lease_nl_ops[1] = {
	{
		.cmd		= HELIX_LEASE_CMD_SCANOUT_GET,
		.doit		= helix_lease_nl_scanout_get_doit,
		.dumpit		= helix_lease_nl_scanout_get_dumpit,
		.policy		= helix_lease_scanout_get_nl_policy,
		.maxattr	= HELIX_LEASE_A_SCANOUT,
		.flags		= GENL_ADMIN_PERM,
	},
};

static const struct genl_multicast_group helix_lease_nl_mcgrps[] = {
	[HELIX_LEASE_NLGRP_EVENTS] = { "events", },
};
