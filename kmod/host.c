// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host channel: driver of the helix-control PCI function.
 *
 * Owns the function's registers, the rings in its shared memory, and the
 * requests under way. A request is a slot in the request ring and an entry in
 * helix_host.pending, on the stack of whoever waits for it with a deadline;
 * any number may be under way. helix_host.lock (irq-safe) protects rings and
 * pending. One function is driven; without one, outputs are enabled by other
 * means and the connector alone decides.
 *
 * The mediator's index is checked before use, and a slot is copied before it is
 * looked at: what the host writes can fail requests, not the kernel.
 *
 * The device has events of its own, in registers. status_work takes them, and alone:
 * one that is taken stays in the registers until the next one is.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/random.h>
#include <linux/rwsem.h>

#include <drm/drm_connector.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include <linux/helix_control.h>

#include "helix.h"
#include "trace.h"

/* How often somebody who waits looks for himself, should an interrupt be lost. */
#define HELIX_HOST_POLL_MS	250
/* Until ENABLE or DISABLE is said again, doubled every time. */
#define HELIX_RESEND_MIN_MS	250
#define HELIX_RESEND_MAX_MS	4000
/* For a new mediator to take note of one output. */
#define HELIX_ANNOUNCE_MS	5000
/* Between two looks at the connector, doubled every time. */
#define HELIX_LOOK_MIN_MS	1
#define HELIX_LOOK_MAX_MS	20

/**
 * struct helix_host - the function
 * @pdev: PCI device
 * @regs: BAR 0
 * @shm: BAR 2
 * @status_work: reads STATUS and GENERATION after vector 1
 * @space: woken when the request ring may have room again
 * @mediator: GENERATION as last seen; only @status_work and probe look at it
 * @up: STATUS as last seen, likewise
 * @has_events: the device has the registers for them
 * @events: how many were taken, likewise
 * @events_refused: how many of these said nothing that we know, likewise
 * @events_lost: how many the device dropped, likewise
 * @lock: protects the rings and everything below
 * @pending: struct helix_host_req of every request under way
 * @next_id: of the next request
 * @broken: the completion ring made no sense; cleared with the next GENERATION
 */
struct helix_host {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct helix_ctl_shm *shm;
	struct work_struct status_work;
	wait_queue_head_t space;
	u32 mediator;
	bool up;
	bool has_events;
	u64 events;
	u64 events_refused;
	u32 events_lost;
	spinlock_t lock;	/* the rings and what follows */
	struct list_head pending;
	u32 next_id;
	bool broken;
};

struct helix_host_req {
	struct list_head link;
	struct completion done;
	u32 id;
	u32 status;
};

/* Readers use the function, the writer puts it there and takes it away. */
static DECLARE_RWSEM(helix_host_sem);
static struct helix_host *helix_host;
/* Set before the writer waits, so that readers end their waits. */
static bool helix_host_going;
/* What was said last: nobody is told of a mediator that was there from the start. */
static bool helix_host_was_lost;

static bool helix_host_is_up(struct helix_host *host)
{
	u32 status = ioread32(host->regs + HELIX_CTL_REG_STATUS);

	/* All ones: the function has gone from the bus. */
	return status != ~0U && (status & HELIX_CTL_STATUS_HOST);
}

u32 helix_host_state(void)
{
	u32 state = HELIX_LEASE_HOST_NONE;

	/* Never waits: whoever comes while it goes is told that it went. */
	if (!down_read_trylock(&helix_host_sem))
		return state;
	if (helix_host)
		state = helix_host_is_up(helix_host) ? HELIX_LEASE_HOST_UP :
						       HELIX_LEASE_HOST_DOWN;
	up_read(&helix_host_sem);
	return state;
}

/**
 * helix_host_event_counts - what became of the device's own events
 * @taken: out: how many came
 * @refused: out: how many of these said nothing that we know
 * @lost: out: how many the device dropped since it was reset
 *
 * Return: true if there is a device that has some. Never waits.
 */
bool helix_host_event_counts(u64 *taken, u64 *refused, u32 *lost)
{
	bool any = false;

	if (!down_read_trylock(&helix_host_sem))
		return false;
	if (helix_host && helix_host->has_events) {
		*taken = READ_ONCE(helix_host->events);
		*refused = READ_ONCE(helix_host->events_refused);
		*lost = READ_ONCE(helix_host->events_lost);
		any = true;
	}
	up_read(&helix_host_sem);
	return any;
}

/* An output is only turned on, or changed, for a lease that is to be or goes on. */
static bool helix_host_cancelled(struct helix_scanout *s, u16 op)
{
	enum helix_lease_state state = READ_ONCE(s->state);

	if (op != HELIX_CTL_OP_OUTPUT_ENABLE)
		return false;
	return READ_ONCE(s->cancelled) ||
	       (state != HELIX_LEASE_STATE_ENABLING && state != HELIX_LEASE_STATE_LEASED);
}

static struct helix_host_req *helix_host_find(struct helix_host *host, u32 id)
{
	struct helix_host_req *req;

	lockdep_assert_held(&host->lock);

	list_for_each_entry(req, &host->pending, link)
		if (req->id == id)
			return req;
	return NULL;
}

static void helix_host_drain(struct helix_host *host)
{
	struct helix_ctl_ring *ring = &host->shm->cmp;
	struct helix_ctl_completion cmp;
	struct helix_host_req *req;
	unsigned long flags;
	u32 head, tail;

	spin_lock_irqsave(&host->lock, flags);
	/* Pairs with the mediator's release: the slots below head are written. */
	head = le32_to_cpu(smp_load_acquire(&ring->head));
	tail = le32_to_cpu(READ_ONCE(ring->tail));
	if (head - tail > HELIX_CTL_RING_SLOTS)
		host->broken = true;

	while (!host->broken && tail != head) {
		memcpy(&cmp, &host->shm->cmps[tail % HELIX_CTL_RING_SLOTS], sizeof(cmp));
		/* What we look at from here on is the copy. */
		barrier();
		req = helix_host_find(host, le32_to_cpu(cmp.id));
		trace_helix_host_completion(le32_to_cpu(cmp.id), le32_to_cpu(cmp.status),
					    req);
		if (req) {
			req->status = le32_to_cpu(cmp.status);
			list_del_init(&req->link);
			complete(&req->done);
		}
		tail++;
	}
	if (!host->broken)
		/* Pairs with its acquire: the slots may be written again. */
		smp_store_release(&ring->tail, cpu_to_le32(tail));
	spin_unlock_irqrestore(&host->lock, flags);

	wake_up_all(&host->space);
}

/* Put @req into the ring: 0, -EAGAIN if it is full, -EIO if it is broken. */
static int helix_host_submit(struct helix_host *host, struct helix_host_req *req,
			     struct helix_ctl_request *msg)
{
	struct helix_ctl_ring *ring = &host->shm->req;
	unsigned long flags;
	u32 head, tail;
	int ret = 0;

	spin_lock_irqsave(&host->lock, flags);
	head = le32_to_cpu(READ_ONCE(ring->head));
	/* Pairs with the mediator's release: it is done with the slots below tail. */
	tail = le32_to_cpu(smp_load_acquire(&ring->tail));
	if (host->broken || head - tail > HELIX_CTL_RING_SLOTS) {
		ret = -EIO;
	} else if (head - tail == HELIX_CTL_RING_SLOTS) {
		ret = -EAGAIN;
	} else {
		req->id = host->next_id++;
		msg->id = cpu_to_le32(req->id);
		list_add_tail(&req->link, &host->pending);
		memcpy(&host->shm->reqs[head % HELIX_CTL_RING_SLOTS], msg, sizeof(*msg));
		/* Pairs with its acquire: the slot is written. */
		smp_store_release(&ring->head, cpu_to_le32(head + 1));
	}
	spin_unlock_irqrestore(&host->lock, flags);

	if (ret)
		return ret;
	trace_helix_host_request(le32_to_cpu(msg->scanout), le64_to_cpu(msg->generation),
				 le16_to_cpu(msg->op), le32_to_cpu(msg->id));
	iowrite32(1, host->regs + HELIX_CTL_REG_DOORBELL);
	return 0;
}

static void helix_host_forget(struct helix_host *host, struct helix_host_req *req)
{
	unsigned long flags;

	spin_lock_irqsave(&host->lock, flags);
	list_del_init(&req->link);
	spin_unlock_irqrestore(&host->lock, flags);
}

/* A piece of the time until @deadline; 0 if there is none left. */
static long helix_slice(unsigned long deadline, unsigned int ms)
{
	long left = deadline - jiffies;

	if (left <= 0)
		return 0;
	return min_t(long, left, max(msecs_to_jiffies(ms), 1UL));
}

static bool helix_host_has_room(struct helix_host *host)
{
	struct helix_ctl_ring *ring = &host->shm->req;

	return le32_to_cpu(READ_ONCE(ring->head)) - le32_to_cpu(READ_ONCE(ring->tail)) !=
	       HELIX_CTL_RING_SLOTS;
}

static int helix_host_submit_wait(struct helix_host *host, struct helix_host_req *req,
				  struct helix_ctl_request *msg, unsigned long deadline)
{
	long slice, ret;
	int err;

	for (;;) {
		err = helix_host_submit(host, req, msg);
		if (err != -EAGAIN)
			return err;
		slice = helix_slice(deadline, HELIX_HOST_POLL_MS);
		if (!slice)
			return -ETIMEDOUT;
		if (READ_ONCE(helix_host_going))
			return -EHOSTDOWN;
		/* The mediator makes room from its side and rings vector 0. */
		ret = wait_event_interruptible_timeout(host->space,
						       helix_host_has_room(host),
						       slice);
		if (ret < 0)
			return -EINTR;
	}
}

static int helix_host_ask(struct helix_host *host, struct helix_scanout *s,
			  struct helix_ctl_request *msg, unsigned long deadline)
{
	struct helix_host_req req = { .link = LIST_HEAD_INIT(req.link) };
	long slice, ret;
	int err;

	init_completion(&req.done);
	err = helix_host_submit_wait(host, &req, msg, deadline);
	if (err)
		return err;

	for (;;) {
		slice = helix_slice(deadline, HELIX_HOST_POLL_MS);
		if (!slice) {
			err = -ETIMEDOUT;
			break;
		}
		ret = wait_for_completion_interruptible_timeout(&req.done, slice);
		if (ret < 0) {
			err = -EINTR;
			break;
		}
		if (ret > 0)
			break;
		if (READ_ONCE(helix_host_going)) {
			err = -EHOSTDOWN;
			break;
		}
		if (helix_host_cancelled(s, le16_to_cpu(msg->op))) {
			err = -ECANCELED;
			break;
		}
		helix_host_drain(host);
		if (READ_ONCE(host->broken)) {
			err = -EIO;
			break;
		}
	}
	helix_host_forget(host, &req);
	if (!err && req.status)
		err = -EHOSTUNREACH;
	return err;
}

/* One request and its answer. */
static int helix_host_call(struct helix_host *host, struct helix_scanout *s,
			   struct helix_ctl_request *msg, unsigned long deadline)
{
	struct helix_wait wait;
	int ret;

	if (!helix_host_is_up(host))
		return -EHOSTDOWN;

	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_HOST, "mediator");
	ret = helix_host_ask(host, s, msg, deadline);
	helix_wait_end(&wait, ret);
	return ret;
}

static void helix_host_fill(struct helix_scanout *s, u16 op, struct helix_ctl_request *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->op = cpu_to_le16(op);
	msg->gpu = cpu_to_le32(s->gpu->pci_addr);
	msg->output = cpu_to_le32(s->output);
	msg->scanout = cpu_to_le32(s->number);

	spin_lock(&s->lock);
	msg->generation = cpu_to_le64(s->generation);
	if (op == HELIX_CTL_OP_OUTPUT_ENABLE) {
		msg->width = cpu_to_le32(s->width);
		msg->height = cpu_to_le32(s->height);
		msg->refresh_mhz = cpu_to_le32(s->refresh_mhz);
		msg->priority = cpu_to_le32(s->priority);
		memcpy(msg->label, s->label, sizeof(msg->label));
	}
	spin_unlock(&s->lock);
}

/*
 * Returns: 0 if the mediator did it, -ENODEV if there is no control device,
 * -EHOSTDOWN if nobody is behind it, -EHOSTUNREACH if it refused.
 */
static int helix_host_output(struct helix_scanout *s, u16 op, unsigned long deadline)
{
	struct helix_ctl_request msg;
	int ret;

	helix_host_fill(s, op, &msg);
	if (down_read_killable(&helix_host_sem))
		return -EINTR;
	ret = helix_host ? helix_host_call(helix_host, s, &msg, deadline) : -ENODEV;
	up_read(&helix_host_sem);
	return ret;
}

/*
 * The host's answer says that the device knows; the guest's driver hears of it
 * by an event that it can lose when two come close together, so that the
 * request is repeated until its effect is seen.
 */
static int helix_host_poll_seen(struct helix_scanout *s, bool (*seen)(struct helix_scanout *s),
				u16 op, bool repeat, unsigned long deadline)
{
	unsigned int resend_ms = HELIX_RESEND_MIN_MS, look_ms = HELIX_LOOK_MIN_MS;
	unsigned long resend = jiffies + msecs_to_jiffies(resend_ms);
	long slice;
	int ret;

	while (!seen(s)) {
		if (helix_host_cancelled(s, op))
			return -ECANCELED;
		/* Nothing to see any more, and nobody to look. */
		if (READ_ONCE(s->gpu->lost))
			return op == HELIX_CTL_OP_OUTPUT_DISABLE ? 0 : -ECANCELED;
		slice = helix_slice(deadline, look_ms);
		if (!slice)
			return -ETIMEDOUT;
		schedule_timeout_interruptible(slice);
		if (signal_pending(current))
			return -EINTR;
		look_ms = min_t(unsigned int, 2 * look_ms, HELIX_LOOK_MAX_MS);

		if (!repeat || time_before(jiffies, resend))
			continue;
		ret = helix_host_output(s, op, deadline);
		if (ret == -EINTR)
			return ret;
		resend_ms = min_t(unsigned int, 2 * resend_ms, HELIX_RESEND_MAX_MS);
		resend = jiffies + msecs_to_jiffies(resend_ms);
	}
	return 0;
}

static int helix_host_wait_seen(struct helix_scanout *s, bool (*seen)(struct helix_scanout *s),
				const char *name, u16 op, bool repeat, unsigned long deadline)
{
	struct helix_wait wait;
	int ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_HOTPLUG, name);
	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_HOTPLUG, name);
	ret = helix_host_poll_seen(s, seen, op, repeat, deadline);
	helix_wait_end(&wait, ret);
	return ret;
}

/**
 * helix_host_enable - turn an output on, and see it connected in the guest
 * @s: in ENABLING
 * @deadline: in jiffies
 * @told: set if the host may know of it, so that it has to be turned off again
 *
 * Return: 0, or a negative errno of ACQUIRE.
 */
int helix_host_enable(struct helix_scanout *s, unsigned long deadline, bool *told)
{
	int ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_HOST, "output to be enabled");
	ret = helix_host_output(s, HELIX_CTL_OP_OUTPUT_ENABLE, deadline);
	*told = ret != -ENODEV && ret != -EHOSTDOWN;
	if (ret == -EIO)
		ret = -EHOSTDOWN;
	if (ret && ret != -ENODEV)
		return ret;
	return helix_host_wait_seen(s, helix_scanout_connected, "connector to come",
				    HELIX_CTL_OP_OUTPUT_ENABLE, *told, deadline);
}

/**
 * helix_host_resize - change the size of an output, and see it changed in the guest
 * @s: in LEASED, with the new size; called by its worker
 * @deadline: in jiffies
 *
 * Return: 0, or an error, after which the size may have been changed or not.
 */
int helix_host_resize(struct helix_scanout *s, unsigned long deadline)
{
	int ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_HOST, "mode to be changed");
	ret = helix_host_output(s, HELIX_CTL_OP_OUTPUT_ENABLE, deadline);
	if (ret == -ENODEV)
		return -EOPNOTSUPP;
	if (ret == -EIO)
		return -EHOSTDOWN;
	if (ret)
		return ret;
	return helix_host_wait_seen(s, helix_scanout_has_size, "mode to be seen",
				    HELIX_CTL_OP_OUTPUT_ENABLE, true, deadline);
}

static bool helix_host_is_off(struct helix_scanout *s)
{
	return !helix_scanout_connected(s);
}

/*
 * Without a control device there is nobody to tell. With one, the scanout is
 * not free before the guest has seen its connector go: the next ACQUIRE could
 * not tell that connection from its own. There is none if its GPU has gone: the
 * host is told once then, and may know it already.
 */
int helix_host_disable(struct helix_scanout *s, unsigned long deadline)
{
	int ret;

	helix_scanout_set_wait(s, HELIX_LEASE_WAIT_HOST, "output to be disabled");
	ret = helix_host_output(s, HELIX_CTL_OP_OUTPUT_DISABLE, deadline);
	if (ret == -ENODEV || READ_ONCE(s->gpu->lost))
		return 0;
	if (ret)
		return ret;
	return helix_host_wait_seen(s, helix_host_is_off, "connector to go",
				    HELIX_CTL_OP_OUTPUT_DISABLE, true, deadline);
}

/* A new mediator does not know what the last one was told. */
void helix_host_announce(struct helix_scanout *s)
{
	int ret = helix_host_output(s, HELIX_CTL_OP_OUTPUT_ENABLE,
				    helix_deadline(HELIX_ANNOUNCE_MS));

	if (ret && ret != -EHOSTDOWN && ret != -ECANCELED)
		drm_warn(s->gpu->drm, "helix: host was not told again of scanout %u: %d\n",
			 s->number, ret);
}

static irqreturn_t helix_host_ring_irq(int irq, void *data)
{
	helix_host_drain(data);
	return IRQ_HANDLED;
}

static irqreturn_t helix_host_status_irq(int irq, void *data)
{
	struct helix_host *host = data;

	schedule_work(&host->status_work);
	return IRQ_HANDLED;
}

/* One function at a time: its probe, its work, its removal. */
static void helix_host_event(enum helix_lease_event_type type)
{
	helix_host_was_lost = type == HELIX_LEASE_EVENT_HOST_LOST;
	helix_event(NULL, type);
}

static u32 helix_host_reg(struct helix_host *host, unsigned int reg)
{
	return ioread32(host->regs + reg);
}

/* False if there is none: nobody draws there, or nobody leased it. */
static bool helix_host_stalled_scanout(struct helix_scanout *s,
				       const struct helix_context_stall *stall)
{
	bool leased;

	if (s->gpu->pci_addr != stall->gpu || s->output >= 32 ||
	    !(stall->scanouts & BIT(s->output)))
		return false;
	spin_lock(&s->lock);
	leased = s->state == HELIX_LEASE_STATE_LEASED;
	if (leased)
		helix_event_context(s, stall);
	spin_unlock(&s->lock);
	return leased;
}

static void helix_host_stall(const struct helix_context_stall *stall)
{
	struct helix_scanout *s;
	unsigned long number;
	bool told = false;

	trace_helix_host_stall(stall);
	xa_for_each(&helix_scanouts, number, s) {
		s = helix_scanout_get(number);
		if (!s)
			continue;
		told |= helix_host_stalled_scanout(s, stall);
		helix_scanout_put(s);
	}
	if (!told)
		helix_event_context(NULL, stall);
}

/* The event in the registers. False if there is none, or no device any more. */
static bool helix_host_take_event(struct helix_host *host)
{
	struct helix_context_stall stall;
	u32 type, flags;

	iowrite32(1, host->regs + HELIX_CTL_REG_EVENT_NEXT);
	type = helix_host_reg(host, HELIX_CTL_REG_EVENT_TYPE);
	if (type == HELIX_CTL_EVENT_NONE || type == ~0U)
		return false;
	flags = helix_host_reg(host, HELIX_CTL_REG_EVENT_FLAGS);
	stall.gpu = helix_host_reg(host, HELIX_CTL_REG_EVENT_GPU);
	stall.context = helix_host_reg(host, HELIX_CTL_REG_EVENT_CONTEXT);
	stall.scanouts = helix_host_reg(host, HELIX_CTL_REG_EVENT_SCANOUTS);
	stall.ms = helix_host_reg(host, HELIX_CTL_REG_EVENT_MS);
	stall.fence = (u64)helix_host_reg(host, HELIX_CTL_REG_EVENT_FENCE_HI) << 32 |
		      helix_host_reg(host, HELIX_CTL_REG_EVENT_FENCE_LO);
	stall.killed = flags & HELIX_CTL_STALL_KILLED;

	WRITE_ONCE(host->events, host->events + 1);
	/* A later version's are passed over. */
	if (type == HELIX_CTL_EVENT_STALL)
		helix_host_stall(&stall);
	else
		WRITE_ONCE(host->events_refused, host->events_refused + 1);
	return true;
}

static void helix_host_take_events(struct helix_host *host)
{
	unsigned int left = HELIX_CTL_EVENTS;
	u32 lost;

	if (!host->has_events)
		return;
	while (left && helix_host_take_event(host))
		left--;
	/* Others on the queue have their turn before more of them. */
	if (!left)
		schedule_work(&host->status_work);

	lost = helix_host_reg(host, HELIX_CTL_REG_EVENT_LOST);
	if (lost == host->events_lost || lost == ~0U)
		return;
	/* Less than before: it was reset. */
	if (lost)
		dev_warn_ratelimited(&host->pdev->dev, "%u events were lost\n", lost);
	WRITE_ONCE(host->events_lost, lost);
}

static void helix_host_status_work(struct work_struct *work)
{
	struct helix_host *host = container_of(work, struct helix_host, status_work);
	u32 mediator = ioread32(host->regs + HELIX_CTL_REG_GENERATION);
	bool up = helix_host_is_up(host);
	unsigned long flags;

	helix_host_take_events(host);
	/*
	 * A mediator that connects counts GENERATION up before it has agreed on
	 * the version, and STATUS follows: either may be what changed.
	 */
	if (mediator == host->mediator && up == host->up)
		return;
	if (up != host->up)
		dev_info(&host->pdev->dev, "mediator %s\n", up ? "connected" : "gone");
	/* Up before and after, but not the same: it went and came while nobody looked. */
	if (host->up)
		helix_host_event(HELIX_LEASE_EVENT_HOST_LOST);
	if (up)
		helix_host_event(HELIX_LEASE_EVENT_HOST_BACK);
	host->mediator = mediator;
	host->up = up;

	spin_lock_irqsave(&host->lock, flags);
	host->broken = false;
	spin_unlock_irqrestore(&host->lock, flags);

	helix_host_drain(host);
	if (up)
		helix_scanouts_host_changed();
}

static int helix_host_check(struct pci_dev *pdev, void __iomem *regs)
{
	u32 magic = ioread32(regs + HELIX_CTL_REG_MAGIC);
	u32 version = ioread32(regs + HELIX_CTL_REG_VERSION);
	u32 size = ioread32(regs + HELIX_CTL_REG_SHM_SIZE);

	if (magic != HELIX_CTL_MAGIC) {
		dev_err(&pdev->dev, "not a helix-control function: magic %#x\n", magic);
		return -ENODEV;
	}
	if (version >> 16 != HELIX_CTL_VERSION_MAJOR) {
		dev_err(&pdev->dev, "version %u.%u is not supported, %u.x is\n",
			version >> 16, version & 0xffff, HELIX_CTL_VERSION_MAJOR);
		return -ENODEV;
	}
	if (size < sizeof(struct helix_ctl_shm) ||
	    pci_resource_len(pdev, HELIX_CTL_BAR_SHM) < sizeof(struct helix_ctl_shm)) {
		dev_err(&pdev->dev, "shared memory of %u bytes is too small\n", size);
		return -ENODEV;
	}
	return 0;
}

static int helix_host_request_irqs(struct helix_host *host)
{
	struct pci_dev *pdev = host->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, HELIX_CTL_NR_VECTORS, HELIX_CTL_NR_VECTORS,
				    PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;
	ret = pci_request_irq(pdev, HELIX_CTL_VECTOR_RING, helix_host_ring_irq, NULL,
			      host, "helix-control ring");
	if (ret)
		goto err_vectors;
	ret = pci_request_irq(pdev, HELIX_CTL_VECTOR_STATUS, helix_host_status_irq, NULL,
			      host, "helix-control status");
	if (ret)
		goto err_ring;
	return 0;

err_ring:
	pci_free_irq(pdev, HELIX_CTL_VECTOR_RING, host);
err_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

static void helix_host_free_irqs(struct helix_host *host)
{
	pci_free_irq(host->pdev, HELIX_CTL_VECTOR_STATUS, host);
	pci_free_irq(host->pdev, HELIX_CTL_VECTOR_RING, host);
	pci_free_irq_vectors(host->pdev);
	cancel_work_sync(&host->status_work);
}

static int helix_host_publish(struct helix_host *host)
{
	int ret = 0;

	down_write(&helix_host_sem);
	if (helix_host)
		ret = -EBUSY;
	else
		helix_host = host;
	up_write(&helix_host_sem);
	return ret;
}

static int helix_host_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct helix_host *host;
	bool back;
	int ret;

	host = devm_kzalloc(dev, sizeof(*host), GFP_KERNEL);
	if (!host)
		return -ENOMEM;
	host->pdev = pdev;
	spin_lock_init(&host->lock);
	INIT_LIST_HEAD(&host->pending);
	init_waitqueue_head(&host->space);
	INIT_WORK(&host->status_work, helix_host_status_work);
	/* Late answers to whoever drove it before us should fit nobody. */
	host->next_id = get_random_u32();

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	host->regs = pcim_iomap(pdev, HELIX_CTL_BAR_REGS, HELIX_CTL_REGS_SIZE);
	if (!host->regs)
		return -ENOMEM;
	ret = helix_host_check(pdev, host->regs);
	if (ret)
		return ret;
	/* The host's memory, not a device's: it is cached on both sides. */
	host->shm = devm_memremap(dev, pci_resource_start(pdev, HELIX_CTL_BAR_SHM),
				  sizeof(struct helix_ctl_shm), MEMREMAP_WB);
	if (IS_ERR(host->shm))
		return PTR_ERR(host->shm);
	pci_set_drvdata(pdev, host);
	pci_set_master(pdev);

	host->mediator = ioread32(host->regs + HELIX_CTL_REG_GENERATION);
	host->up = helix_host_is_up(host);
	host->has_events = ioread32(host->regs + HELIX_CTL_REG_FEATURES) & HELIX_CTL_F_EVENTS;
	if (host->has_events)
		host->events_lost = ioread32(host->regs + HELIX_CTL_REG_EVENT_LOST);
	/* From the first interrupt on it is the work's to say. */
	back = host->up && helix_host_was_lost;
	ret = helix_host_request_irqs(host);
	if (ret)
		return dev_err_probe(dev, ret, "no MSI-X vectors\n");

	ret = helix_host_publish(host);
	if (ret) {
		dev_err(dev, "one control device is driven already\n");
		helix_host_free_irqs(host);
		return ret;
	}
	dev_info(dev, "host channel, mediator %s\n",
		 host->up ? "connected" : "not connected");
	if (back)
		helix_host_event(HELIX_LEASE_EVENT_HOST_BACK);
	/* It may have come after we looked and before there was an interrupt. */
	schedule_work(&host->status_work);
	helix_scanouts_host_changed();
	return 0;
}

static void helix_host_remove(struct pci_dev *pdev)
{
	struct helix_host *host = pci_get_drvdata(pdev);

	/* Readers are bounded by their deadlines, and by their polls once told. */
	WRITE_ONCE(helix_host_going, true);
	wake_up_all(&host->space);
	down_write(&helix_host_sem);
	helix_host = NULL;
	WRITE_ONCE(helix_host_going, false);
	up_write(&helix_host_sem);

	helix_host_free_irqs(host);
	if (host->up)
		helix_host_event(HELIX_LEASE_EVENT_HOST_LOST);
}

static const struct pci_device_id helix_host_ids[] = {
	{ PCI_DEVICE(HELIX_CTL_PCI_VENDOR_ID, HELIX_CTL_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, helix_host_ids);

/* Awake again, and reset if it was more than a nap: GENERATION tells. */
static int helix_host_resume(struct device *dev)
{
	struct helix_host *host = dev_get_drvdata(dev);

	schedule_work(&host->status_work);
	return 0;
}

/* The PCI core keeps the registers, the vectors with them. */
static DEFINE_SIMPLE_DEV_PM_OPS(helix_host_pm, NULL, helix_host_resume);

static struct pci_driver helix_host_driver = {
	.name		= "helix_lease",
	.driver.pm	= pm_sleep_ptr(&helix_host_pm),
	.id_table	= helix_host_ids,
	.probe		= helix_host_probe,
	.remove		= helix_host_remove,
};

int helix_host_init(void)
{
	BUILD_BUG_ON(sizeof(struct helix_ctl_request) != HELIX_CTL_SLOT_SIZE);
	BUILD_BUG_ON(sizeof(struct helix_ctl_completion) != HELIX_CTL_SLOT_SIZE);
	BUILD_BUG_ON(sizeof(struct helix_ctl_shm) > HELIX_CTL_SHM_SIZE);
	BUILD_BUG_ON(HELIX_CTL_REG_EVENT_FENCE_HI >= HELIX_CTL_REGS_SIZE);

	if (!helix_use_host)
		return 0;
	return pci_register_driver(&helix_host_driver);
}

void helix_host_exit(void)
{
	if (helix_use_host)
		pci_unregister_driver(&helix_host_driver);
}
