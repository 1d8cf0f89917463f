/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: /sys/kernel/tracing/events/helix_lease.
 *
 * Strings have a fixed size: it is the one form that all kernels we are built
 * for agree on.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM helix_lease

#if !defined(HELIX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HELIX_TRACE_H

#include <linux/tracepoint.h>

#include "helix.h"

#define helix_state_list						\
	{ HELIX_LEASE_STATE_FREE,		"free" },		\
	{ HELIX_LEASE_STATE_ENABLING,		"enabling" },		\
	{ HELIX_LEASE_STATE_LEASED,		"leased" },		\
	{ HELIX_LEASE_STATE_REVOKING,		"revoking" },		\
	{ HELIX_LEASE_STATE_QUIESCING,		"quiescing" },		\
	{ HELIX_LEASE_STATE_QUARANTINED,	"quarantined" }

#define helix_wait_list							\
	{ HELIX_LEASE_WAIT_NONE,		"state" },		\
	{ HELIX_LEASE_WAIT_HOST,		"host" },		\
	{ HELIX_LEASE_WAIT_HOTPLUG,		"hotplug" },		\
	{ HELIX_LEASE_WAIT_LOCK,		"lock" },		\
	{ HELIX_LEASE_WAIT_COMMIT,		"commit" },		\
	{ HELIX_LEASE_WAIT_FENCE,		"fence" }

#define helix_event_list						\
	{ HELIX_LEASE_EVENT_GRANTED,		"granted" },		\
	{ HELIX_LEASE_EVENT_RESIZED,		"resized" },		\
	{ HELIX_LEASE_EVENT_STALLED,		"stalled" },		\
	{ HELIX_LEASE_EVENT_RESUMED,		"resumed" },		\
	{ HELIX_LEASE_EVENT_REVOKING,		"revoking" },		\
	{ HELIX_LEASE_EVENT_REVOKED,		"revoked" },		\
	{ HELIX_LEASE_EVENT_QUARANTINED,	"quarantined" },	\
	{ HELIX_LEASE_EVENT_FREED,		"freed" },		\
	{ HELIX_LEASE_EVENT_HOST_LOST,		"host-lost" },		\
	{ HELIX_LEASE_EVENT_HOST_BACK,		"host-back" },		\
	{ HELIX_LEASE_EVENT_CONTEXT_STALLED,	"context-stalled" },	\
	{ HELIX_LEASE_EVENT_CONTEXT_KILLED,	"context-killed" }

#define helix_replug_list						\
	{ HELIX_REPLUG_NONE,			"none" },		\
	{ HELIX_REPLUG_LOOKED,			"looked" },		\
	{ HELIX_REPLUG_UNPLUGGED,		"unplugged" },		\
	{ HELIX_REPLUG_GONE,			"gone" }

DECLARE_EVENT_CLASS(helix_change,
	TP_PROTO(u32 scanout, u64 generation, u32 from, u32 to),
	TP_ARGS(scanout, generation, from, to),
	TP_STRUCT__entry(
		__field(u32, scanout)
		__field(u32, from)
		__field(u32, to)
		__field(u64, generation)
	),
	TP_fast_assign(
		__entry->scanout = scanout;
		__entry->from = from;
		__entry->to = to;
		__entry->generation = generation;
	),
	TP_printk("scanout=%u generation=%llu %s -> %s", __entry->scanout,
		  __entry->generation,
		  __print_symbolic(__entry->from, helix_state_list),
		  __print_symbolic(__entry->to, helix_state_list))
);

/* A scanout goes from one state to another. */
DEFINE_EVENT(helix_change, helix_state,
	TP_PROTO(u32 scanout, u64 generation, u32 from, u32 to),
	TP_ARGS(scanout, generation, from, to)
);

/* What becomes of a size that a tenant was offered. */
DEFINE_EVENT_PRINT(helix_change, helix_replug,
	TP_PROTO(u32 scanout, u64 generation, u32 from, u32 to),
	TP_ARGS(scanout, generation, from, to),
	TP_printk("scanout=%u generation=%llu %s -> %s", __entry->scanout,
		  __entry->generation,
		  __print_symbolic(__entry->from, helix_replug_list),
		  __print_symbolic(__entry->to, helix_replug_list))
);

/* An event is told. */
TRACE_EVENT(helix_event,
	TP_PROTO(const struct helix_lease_event *event),
	TP_ARGS(event),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, scanout)
		__field(u32, state)
		__field(u32, wait_for)
		__field(u32, wait_ms)
		__field(u64, generation)
	),
	TP_fast_assign(
		__entry->type = event->type;
		__entry->scanout = event->scanout;
		__entry->state = event->state;
		__entry->wait_for = event->wait_for;
		__entry->wait_ms = event->wait_ms;
		__entry->generation = event->generation;
	),
	TP_printk("%s scanout=%u generation=%llu state=%s wait=%s wait_ms=%u",
		  __print_symbolic(__entry->type, helix_event_list),
		  __entry->scanout, __entry->generation,
		  __print_symbolic(__entry->state, helix_state_list),
		  __entry->wait_for ? __print_symbolic(__entry->wait_for, helix_wait_list) :
				      "none",
		  __entry->wait_ms)
);

/* A wait with a deadline begins; scanout is 0 if it is not for one. */
TRACE_EVENT(helix_wait_begin,
	TP_PROTO(u32 scanout, u32 what, const char *name),
	TP_ARGS(scanout, what, name),
	TP_STRUCT__entry(
		__field(u32, scanout)
		__field(u32, what)
		__array(char, name, HELIX_LEASE_WAIT_NAME_LEN)
	),
	TP_fast_assign(
		__entry->scanout = scanout;
		__entry->what = what;
		strscpy(__entry->name, name, HELIX_LEASE_WAIT_NAME_LEN);
	),
	TP_printk("scanout=%u %s \"%s\"", __entry->scanout,
		  __print_symbolic(__entry->what, helix_wait_list), __entry->name)
);

/* It is over: with what it waited for (0), or without. */
TRACE_EVENT(helix_wait_end,
	TP_PROTO(u32 scanout, u32 what, const char *name, u64 us, int result),
	TP_ARGS(scanout, what, name, us, result),
	TP_STRUCT__entry(
		__field(u32, scanout)
		__field(u32, what)
		__field(u64, us)
		__field(int, result)
		__array(char, name, HELIX_LEASE_WAIT_NAME_LEN)
	),
	TP_fast_assign(
		__entry->scanout = scanout;
		__entry->what = what;
		__entry->us = us;
		__entry->result = result;
		strscpy(__entry->name, name, HELIX_LEASE_WAIT_NAME_LEN);
	),
	TP_printk("scanout=%u %s \"%s\" us=%llu result=%d", __entry->scanout,
		  __print_symbolic(__entry->what, helix_wait_list), __entry->name,
		  __entry->us, __entry->result)
);

/* The guard refused a tenant something: an ioctl, or an object of another's. */
TRACE_EVENT(helix_denied,
	TP_PROTO(u32 scanout, u64 generation, const char *what, u32 value),
	TP_ARGS(scanout, generation, what, value),
	TP_STRUCT__entry(
		__field(u32, scanout)
		__field(u32, value)
		__field(u64, generation)
		__array(char, what, 32)
	),
	TP_fast_assign(
		__entry->scanout = scanout;
		__entry->value = value;
		__entry->generation = generation;
		strscpy(__entry->what, what, 32);
	),
	TP_printk("scanout=%u generation=%llu %s %u", __entry->scanout,
		  __entry->generation, __entry->what, __entry->value)
);

/* A request is in the ring for the mediator. */
TRACE_EVENT(helix_host_request,
	TP_PROTO(u32 scanout, u64 generation, u32 op, u32 id),
	TP_ARGS(scanout, generation, op, id),
	TP_STRUCT__entry(
		__field(u32, scanout)
		__field(u32, op)
		__field(u32, id)
		__field(u64, generation)
	),
	TP_fast_assign(
		__entry->scanout = scanout;
		__entry->op = op;
		__entry->id = id;
		__entry->generation = generation;
	),
	TP_printk("id=%u op=%u scanout=%u generation=%llu", __entry->id, __entry->op,
		  __entry->scanout, __entry->generation)
);

/* The mediator answered one; wanted is 0 if nobody waits for it any more. */
TRACE_EVENT(helix_host_completion,
	TP_PROTO(u32 id, u32 status, bool wanted),
	TP_ARGS(id, status, wanted),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, status)
		__field(u32, wanted)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->status = status;
		__entry->wanted = wanted;
	),
	TP_printk("id=%u status=%u wanted=%u", __entry->id, __entry->status,
		  __entry->wanted)
);

/* The host reports a context of a GPU. */
TRACE_EVENT(helix_host_stall,
	TP_PROTO(const struct helix_context_stall *stall),
	TP_ARGS(stall),
	TP_STRUCT__entry(
		__field(u32, gpu)
		__field(u32, context)
		__field(u32, scanouts)
		__field(u32, ms)
		__field(u64, fence)
		__field(u32, killed)
	),
	TP_fast_assign(
		__entry->gpu = stall->gpu;
		__entry->context = stall->context;
		__entry->scanouts = stall->scanouts;
		__entry->ms = stall->ms;
		__entry->fence = stall->fence;
		__entry->killed = stall->killed;
	),
	TP_printk("gpu=%04x context=%u outputs=%#x fence=%llu ms=%u killed=%u", __entry->gpu,
		  __entry->context, __entry->scanouts, __entry->fence, __entry->ms,
		  __entry->killed)
);

#endif /* HELIX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
