// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: scanouts to be asked for, events to be told of.
 *
 * Operations and policy are generated from Documentation/netlink/specs, see
 * netlink-gen.c; the family itself is here. It lives in the initial network
 * namespace and wants CAP_NET_ADMIN in the initial user namespace for
 * everything: labels and owners are no tenant's business.
 *
 * Events are told under a scanout's lock. So they only leave a copy in a ring
 * here, in the order in which they came, and a worker makes messages of them.
 * If it falls behind by a whole ring, or has no memory, listeners get ENOBUFS,
 * as they do when they read too slowly themselves: ask for a dump, and go on.
 * helix_notices.lock, innermost, protects the ring.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/workqueue.h>

#include "helix.h"
#include "netlink-gen.h"

/* A life of a lease is five events; a worker that misses so many is not running. */
#define HELIX_NOTICES	256

static struct {
	spinlock_t lock;	/* everything below */
	struct helix_notice *ring;
	u32 head;
	u32 tail;
	bool lost;
} helix_notices = {
	.lock = __SPIN_LOCK_UNLOCKED(helix_notices.lock),
};

/* The generated one has no room for what it takes to listen. */
static const struct genl_multicast_group helix_nl_groups[] = {
	[HELIX_LEASE_NLGRP_EVENTS] = {
		.name = HELIX_LEASE_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static struct genl_family helix_nl_family __ro_after_init = {
	.name		= HELIX_LEASE_FAMILY_NAME,
	.version	= HELIX_LEASE_FAMILY_VERSION,
	.netnsok	= false,
	.parallel_ops	= true,
	.ops		= helix_lease_nl_ops,
	.n_ops		= ARRAY_SIZE(helix_lease_nl_ops),
	.resv_start_op	= HELIX_LEASE_CMD_SCANOUT_GET,
	.mcgrps		= helix_nl_groups,
	.n_mcgrps	= ARRAY_SIZE(helix_nl_groups),
	.module		= THIS_MODULE,
};

static int helix_nl_put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, HELIX_LEASE_A_PAD);
}

/* @text has no zero at its end if it is as long as it may be. */
static int helix_nl_put_text(struct sk_buff *skb, int attr, const void *text, size_t max)
{
	size_t len = strnlen(text, max);
	struct nlattr *nla = nla_reserve(skb, attr, len + 1);

	if (!nla)
		return -EMSGSIZE;
	memcpy(nla_data(nla), text, len);
	((char *)nla_data(nla))[len] = '\0';
	return 0;
}

static int helix_nl_put_objects(struct sk_buff *skb, const struct helix_lease_query *q)
{
	if (nla_put_u32(skb, HELIX_LEASE_A_CONNECTOR_ID, q->connector_id) ||
	    nla_put_u32(skb, HELIX_LEASE_A_CRTC_ID, q->crtc_id) ||
	    nla_put_u32(skb, HELIX_LEASE_A_PRIMARY_PLANE_ID, q->primary_plane_id) ||
	    nla_put_u32(skb, HELIX_LEASE_A_CURSOR_PLANE_ID, q->cursor_plane_id) ||
	    nla_put_u32(skb, HELIX_LEASE_A_GPU, q->gpu) ||
	    nla_put_u32(skb, HELIX_LEASE_A_OUTPUT, q->output) ||
	    nla_put_u32(skb, HELIX_LEASE_A_DEV_MAJOR, q->dev_major) ||
	    nla_put_u32(skb, HELIX_LEASE_A_DEV_MINOR, q->dev_minor))
		return -EMSGSIZE;
	return 0;
}

static int helix_nl_put_counters(struct sk_buff *skb, const struct helix_lease_query *q)
{
	if (helix_nl_put_u64(skb, HELIX_LEASE_A_STATE_MS, q->state_ms) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_LEASE_MS, q->lease_ms) ||
	    nla_put_u32(skb, HELIX_LEASE_A_STALLED_MS, q->stalled_ms) ||
	    nla_put_u32(skb, HELIX_LEASE_A_OPENS, q->opens) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_GRANTS, q->grants) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_DENIALS, q->denials) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_STALLS, q->stalls) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_QUARANTINES, q->quarantines))
		return -EMSGSIZE;
	return 0;
}

static int helix_nl_put_owner(struct sk_buff *skb, u32 pid, u32 uid, u64 cgroup)
{
	if (nla_put_u32(skb, HELIX_LEASE_A_OWNER_PID, pid) ||
	    nla_put_u32(skb, HELIX_LEASE_A_OWNER_UID, uid) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_OWNER_CGROUP, cgroup))
		return -EMSGSIZE;
	return 0;
}

static int helix_nl_put_query(struct sk_buff *skb, const struct helix_lease_query *q)
{
	if (nla_put_u32(skb, HELIX_LEASE_A_SCANOUT, q->scanout) ||
	    nla_put_u32(skb, HELIX_LEASE_A_STATE, q->state) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_GENERATION, q->generation) ||
	    helix_nl_put_text(skb, HELIX_LEASE_A_LABEL, q->label, sizeof(q->label)) ||
	    nla_put_u32(skb, HELIX_LEASE_A_WIDTH, q->width) ||
	    nla_put_u32(skb, HELIX_LEASE_A_HEIGHT, q->height) ||
	    nla_put_u32(skb, HELIX_LEASE_A_REFRESH_MHZ, q->refresh_mhz) ||
	    nla_put_u32(skb, HELIX_LEASE_A_PRIORITY, q->priority) ||
	    nla_put_u32(skb, HELIX_LEASE_A_WAIT_FOR, q->wait_for) ||
	    nla_put_u32(skb, HELIX_LEASE_A_WAIT_MS, q->wait_ms) ||
	    helix_nl_put_text(skb, HELIX_LEASE_A_WAIT_NAME, q->wait_name,
			      sizeof(q->wait_name)))
		return -EMSGSIZE;
	/* A FREE scanout has no owner. */
	if (q->state != HELIX_LEASE_STATE_FREE &&
	    helix_nl_put_owner(skb, q->owner_pid, q->owner_uid, q->owner_cgroup))
		return -EMSGSIZE;
	return helix_nl_put_objects(skb, q) ?: helix_nl_put_counters(skb, q);
}

static int helix_nl_put_scanout(struct sk_buff *skb, u32 portid, u32 seq, int flags,
				struct helix_scanout *s)
{
	struct helix_lease_query query = {};
	void *hdr;

	helix_scanout_query(s, &query);
	hdr = genlmsg_put(skb, portid, seq, &helix_nl_family, flags,
			  HELIX_LEASE_CMD_SCANOUT_GET);
	if (!hdr)
		return -EMSGSIZE;
	if (helix_nl_put_query(skb, &query)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int helix_lease_nl_scanout_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct helix_scanout *s;
	struct sk_buff *reply;
	int ret;

	if (GENL_REQ_ATTR_CHECK(info, HELIX_LEASE_A_SCANOUT))
		return -EINVAL;
	s = helix_scanout_get(nla_get_u32(info->attrs[HELIX_LEASE_A_SCANOUT]));
	if (!s) {
		if (!helix_gpu_count())
			return -ENODEV;
		NL_SET_BAD_ATTR(info->extack, info->attrs[HELIX_LEASE_A_SCANOUT]);
		return -EINVAL;
	}

	ret = -ENOMEM;
	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		goto out;
	ret = helix_nl_put_scanout(reply, info->snd_portid, info->snd_seq, 0, s);
	if (ret)
		nlmsg_free(reply);
	else
		ret = genlmsg_reply(reply, info);
out:
	helix_scanout_put(s);
	return ret;
}

int helix_lease_nl_scanout_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct helix_scanout *s;
	unsigned long number;
	int ret;

	/* The table's lock is not held between two steps, so each takes a reference. */
	xa_for_each_start(&helix_scanouts, number, s, cb->args[0]) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		ret = helix_nl_put_scanout(skb, NETLINK_CB(cb->skb).portid,
					   cb->nlh->nlmsg_seq, NLM_F_MULTI, s);
		helix_scanout_put(s);
		if (ret) {
			/* Goes on with it in the next message. */
			cb->args[0] = number;
			return skb->len ?: ret;
		}
	}
	cb->args[0] = HELIX_MAX_SCANOUTS + 1;
	return skb->len;
}

static int helix_nl_put_event(struct sk_buff *skb, const struct helix_notice *n)
{
	const struct helix_lease_event *e = &n->event;

	if (nla_put_u32(skb, HELIX_LEASE_A_EVENT, e->type) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_TIME_NS, e->time_ns))
		return -EMSGSIZE;
	if (n->of_context && (nla_put_u32(skb, HELIX_LEASE_A_GPU, n->gpu) ||
			      nla_put_u32(skb, HELIX_LEASE_A_CONTEXT, n->context)))
		return -EMSGSIZE;
	if (e->scanout || n->of_context) {
		if (nla_put_u32(skb, HELIX_LEASE_A_WAIT_FOR, e->wait_for) ||
		    nla_put_u32(skb, HELIX_LEASE_A_WAIT_MS, e->wait_ms) ||
		    helix_nl_put_text(skb, HELIX_LEASE_A_WAIT_NAME, n->wait_name,
				      sizeof(n->wait_name)))
			return -EMSGSIZE;
	}
	if (!e->scanout)
		return 0;
	if (nla_put_u32(skb, HELIX_LEASE_A_SCANOUT, e->scanout) ||
	    nla_put_u32(skb, HELIX_LEASE_A_STATE, e->state) ||
	    helix_nl_put_u64(skb, HELIX_LEASE_A_GENERATION, e->generation) ||
	    helix_nl_put_text(skb, HELIX_LEASE_A_LABEL, n->label, sizeof(n->label)) ||
	    nla_put_u32(skb, HELIX_LEASE_A_WIDTH, e->width) ||
	    nla_put_u32(skb, HELIX_LEASE_A_HEIGHT, e->height) ||
	    nla_put_u32(skb, HELIX_LEASE_A_REFRESH_MHZ, e->refresh_mhz) ||
	    nla_put_u32(skb, HELIX_LEASE_A_PRIORITY, n->priority))
		return -EMSGSIZE;
	if (n->cause && nla_put_u32(skb, HELIX_LEASE_A_CAUSE, n->cause))
		return -EMSGSIZE;
	if (n->owned)
		return helix_nl_put_owner(skb, n->owner_pid, n->owner_uid, n->owner_cgroup);
	return 0;
}

static int helix_nl_send(const struct helix_notice *n)
{
	struct sk_buff *skb;
	void *hdr;

	if (!genl_has_listeners(&helix_nl_family, &init_net, HELIX_LEASE_NLGRP_EVENTS))
		return 0;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put(skb, 0, 0, &helix_nl_family, 0, HELIX_LEASE_CMD_EVENT_NTF);
	if (!hdr || helix_nl_put_event(skb, n)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	/* A listener that does not keep up is told so by the core; nobody waits for it. */
	genlmsg_multicast(&helix_nl_family, skb, 0, HELIX_LEASE_NLGRP_EVENTS, GFP_KERNEL);
	return 0;
}

static bool helix_notices_pop(struct helix_notice *n, bool *lost)
{
	bool any;

	spin_lock(&helix_notices.lock);
	*lost = helix_notices.lost;
	helix_notices.lost = false;
	any = helix_notices.head != helix_notices.tail;
	if (any)
		*n = helix_notices.ring[helix_notices.tail++ % HELIX_NOTICES];
	spin_unlock(&helix_notices.lock);
	return any;
}

static void helix_nl_work(struct work_struct *work)
{
	struct helix_notice notice;
	bool any, lost;

	do {
		any = helix_notices_pop(&notice, &lost);
		if (any && helix_nl_send(&notice))
			lost = true;
		if (lost)
			genl_set_err(&helix_nl_family, &init_net, 0,
				     HELIX_LEASE_NLGRP_EVENTS, -ENOBUFS);
	} while (any);
}

static DECLARE_WORK(helix_nl_worker, helix_nl_work);

/* Under whatever spinlock the event was told under. */
void helix_netlink_notify(const struct helix_notice *notice)
{
	spin_lock(&helix_notices.lock);
	if (helix_notices.head - helix_notices.tail == HELIX_NOTICES) {
		helix_notices.tail++;
		helix_notices.lost = true;
	}
	helix_notices.ring[helix_notices.head++ % HELIX_NOTICES] = *notice;
	spin_unlock(&helix_notices.lock);

	queue_work(helix_wq, &helix_nl_worker);
}

int helix_netlink_init(void)
{
	int ret;

	helix_notices.ring = kvcalloc(HELIX_NOTICES, sizeof(*helix_notices.ring), GFP_KERNEL);
	if (!helix_notices.ring)
		return -ENOMEM;
	ret = genl_register_family(&helix_nl_family);
	if (ret)
		kvfree(helix_notices.ring);
	return ret;
}

/* Nothing happens any more; what has happened is told before the family goes. */
void helix_netlink_exit(void)
{
	flush_work(&helix_nl_worker);
	genl_unregister_family(&helix_nl_family);
	kvfree(helix_notices.ring);
}
