// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what happened to a scanout, told to whoever asked to be told.
 *
 * helix_event() is called under helix_scanout.lock, so that the events of one
 * scanout have an order. It copies what there is to tell, once, and hands the
 * copy to three listeners, none of which can hold it up: the tracepoint, the
 * family of netlink.c, and the queue of the lease the event is about.
 *
 * A queue belongs to a lease, and through it to the lease's handle, whose read()
 * empties it. The scanout holds it as well while the lease, or what is left of
 * it, is not over: FREED comes when the lease itself has long gone, and is the
 * last. The queue is bounded. When it is full the oldest event goes, and the
 * next one read says how many did. helix_queue.lock, innermost, protects it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "helix.h"
#include "trace.h"

struct helix_queue *helix_queue_new(void)
{
	struct helix_queue *q = kzalloc(sizeof(*q), GFP_KERNEL);

	if (!q)
		return NULL;
	kref_init(&q->ref);
	spin_lock_init(&q->lock);
	init_waitqueue_head(&q->waitq);
	return q;
}

static void helix_queue_release(struct kref *ref)
{
	kfree(container_of(ref, struct helix_queue, ref));
}

struct helix_queue *helix_queue_get(struct helix_queue *q)
{
	kref_get(&q->ref);
	return q;
}

/* Never sleeps; NULL is fine. */
void helix_queue_put(struct helix_queue *q)
{
	if (q)
		kref_put(&q->ref, helix_queue_release);
}

static void helix_queue_push(struct helix_queue *q, const struct helix_lease_event *event)
{
	spin_lock(&q->lock);
	if (q->head - q->tail == HELIX_QUEUE_LEN) {
		q->tail++;
		q->lost++;
	}
	q->events[q->head++ % HELIX_QUEUE_LEN] = *event;
	if (event->type == HELIX_LEASE_EVENT_FREED)
		q->over = true;
	spin_unlock(&q->lock);

	wake_up_interruptible_poll(&q->waitq, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

static bool helix_queue_pop(struct helix_queue *q, struct helix_lease_event *event)
{
	bool any;

	spin_lock(&q->lock);
	any = q->head != q->tail;
	if (any) {
		*event = q->events[q->tail++ % HELIX_QUEUE_LEN];
		event->lost = q->lost;
		q->lost = 0;
	}
	spin_unlock(&q->lock);
	return any;
}

/* Nobody was given @event, which had been taken out. */
static void helix_queue_lose(struct helix_queue *q, const struct helix_lease_event *event)
{
	spin_lock(&q->lock);
	q->lost += event->lost + 1;
	spin_unlock(&q->lock);
}

bool helix_queue_empty(struct helix_queue *q)
{
	bool empty;

	spin_lock(&q->lock);
	empty = q->head == q->tail;
	spin_unlock(&q->lock);
	return empty;
}

/* Is there something to read, if only that nothing more will come? */
static bool helix_queue_ready(struct helix_queue *q)
{
	bool ready;

	spin_lock(&q->lock);
	ready = q->head != q->tail || q->over;
	spin_unlock(&q->lock);
	return ready;
}

/* What is there and fits: bytes, or -EFAULT. */
static ssize_t helix_queue_copy(struct helix_queue *q, char __user *buf, size_t count)
{
	struct helix_lease_event event;
	ssize_t done = 0;

	while (count - done >= sizeof(event) && helix_queue_pop(q, &event)) {
		if (copy_to_user(buf + done, &event, sizeof(event))) {
			helix_queue_lose(q, &event);
			return done ? done : -EFAULT;
		}
		done += sizeof(event);
	}
	return done;
}

/**
 * helix_queue_read - as many events as there are and fit
 * @q: queue
 * @buf: the caller's
 * @count: its size
 * @nonblock: do not wait for the first one
 *
 * Return: bytes, 0 once the last one has been read, -EINVAL if not even one
 * fits, -EAGAIN, -EFAULT, or -ERESTARTSYS.
 */
ssize_t helix_queue_read(struct helix_queue *q, char __user *buf, size_t count, bool nonblock)
{
	ssize_t done;
	bool over;

	if (count < sizeof(struct helix_lease_event))
		return -EINVAL;
	for (;;) {
		/* Before we look: FREED may come while we do. */
		over = READ_ONCE(q->over);
		done = helix_queue_copy(q, buf, count);
		if (done || over)
			return done;
		if (nonblock)
			return -EAGAIN;
		/* Another reader may be faster: then it was nothing. */
		if (wait_event_interruptible(q->waitq, helix_queue_ready(q)))
			return -ERESTARTSYS;
	}
}

static void helix_notice_fill(struct helix_notice *n, struct helix_scanout *s,
			      enum helix_lease_event_type type)
{
	enum helix_lease_wait wait_for;

	memset(n, 0, sizeof(*n));
	n->event.size = sizeof(n->event);
	n->event.type = type;
	n->event.time_ns = ktime_get_ns();
	if (!s)
		return;

	n->event.scanout = s->number;
	n->event.state = s->state;
	n->event.generation = s->generation;
	n->event.width = s->width;
	n->event.height = s->height;
	n->event.refresh_mhz = s->refresh_mhz;
	n->priority = s->priority;
	n->cause = s->cause;
	/* Only these two are about waiting; what others waited for is over. */
	if (type == HELIX_LEASE_EVENT_STALLED || type == HELIX_LEASE_EVENT_QUARANTINED) {
		helix_scanout_waits(s, &wait_for, &n->event.wait_ms, n->wait_name);
		n->event.wait_for = wait_for;
	}
	memcpy(n->label, s->label, sizeof(s->label));
	if (s->owner.pid) {
		n->owned = true;
		n->owner_pid = pid_nr(s->owner.pid);
		n->owner_uid = from_kuid_munged(&init_user_ns, s->owner.uid);
		n->owner_cgroup = s->owner.cgroup;
	}
}

/* What is about no single scanout is told to every lease. */
static void helix_event_all(const struct helix_lease_event *event)
{
	struct helix_scanout *s;
	unsigned long number;

	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		spin_lock(&s->lock);
		if (s->queue)
			helix_queue_push(s->queue, event);
		spin_unlock(&s->lock);
		helix_scanout_put(s);
	}
}

static void helix_event_tell(struct helix_scanout *s, const struct helix_notice *notice)
{
	trace_helix_event(&notice->event);
	helix_netlink_notify(notice);
	if (s && s->queue)
		helix_queue_push(s->queue, &notice->event);
}

/**
 * helix_event - tell that something happened to a scanout
 * @s: scanout, locked; NULL for an event that is about no single one, then
 *	in a context that may drop the last reference of a scanout
 * @type: what
 *
 * Never sleeps.
 */
void helix_event(struct helix_scanout *s, enum helix_lease_event_type type)
{
	struct helix_notice notice;

	if (s)
		lockdep_assert_held(&s->lock);

	helix_notice_fill(&notice, s, type);
	helix_event_tell(s, &notice);
	if (!s)
		helix_event_all(&notice.event);
}

/**
 * helix_event_context - tell what the host says of a context
 * @s: leased scanout that shows what it draws, locked; NULL if there is none, which is
 *	told to administrators only
 * @stall: what the host says
 *
 * Never sleeps.
 */
void helix_event_context(struct helix_scanout *s, const struct helix_context_stall *stall)
{
	struct helix_notice notice;

	if (s) {
		lockdep_assert_held(&s->lock);
		s->context_stalls++;
	}
	helix_notice_fill(&notice, s, stall->killed ? HELIX_LEASE_EVENT_CONTEXT_KILLED :
						      HELIX_LEASE_EVENT_CONTEXT_STALLED);
	notice.event.wait_for = HELIX_LEASE_WAIT_FENCE;
	notice.event.wait_ms = stall->ms;
	notice.of_context = true;
	notice.context = stall->context;
	notice.gpu = stall->gpu;
	snprintf(notice.wait_name, sizeof(notice.wait_name), "context %u, fence %llu",
		 stall->context, stall->fence);
	helix_event_tell(s, &notice);
}
