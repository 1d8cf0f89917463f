/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * helix-control: the PCI function through which a guest asks its host for
 * display outputs.
 *
 * This header is the whole contract between helix_lease.ko (the driver),
 * QEMU's helix-control device (the transport, which never looks into a
 * request) and helix-exportd (the mediator, which serves the requests).
 * All fields are little endian. See Documentation/control-device.rst.
 *
 *   driver --- request ring ---> mediator      doorbell: BAR 0 + DOORBELL
 *   driver <-- completion ring - mediator      interrupt: MSI-X vector 0
 *   driver <-- events ---------- QEMU          interrupt: MSI-X vector 1
 *
 * Both rings live in BAR 2, which is one memfd mapped by guest and mediator.
 * Events are what QEMU itself has to tell: they are kept in its own memory and
 * read by registers, so that nobody else can write them.
 */
#ifndef _UAPI_LINUX_HELIX_CONTROL_H
#define _UAPI_LINUX_HELIX_CONTROL_H

#include <linux/types.h>

#define HELIX_CTL_PCI_VENDOR_ID		0x1234	/* QEMU, for its own devices */
#define HELIX_CTL_PCI_DEVICE_ID		0x4858	/* "HX" */

#define HELIX_CTL_BAR_REGS		0
#define HELIX_CTL_BAR_MSIX		1
#define HELIX_CTL_BAR_SHM		2

#define HELIX_CTL_MAGIC			0x434c5848	/* "HXLC" */
#define HELIX_CTL_VERSION_MAJOR		1	/* differs: do not drive it */
#define HELIX_CTL_VERSION_MINOR		2	/* larger: additions only */
#define HELIX_CTL_VERSION \
	((HELIX_CTL_VERSION_MAJOR << 16) | HELIX_CTL_VERSION_MINOR)

/*
 * Registers, BAR 0, 4 KiB. Every register is 32 bits wide and is accessed with
 * aligned 32-bit reads and writes only; any other access reads as zero and is
 * ignored. RO, RW and W1C (write one to clear) as named.
 */
#define HELIX_CTL_REG_MAGIC		0x00	/* RO: HELIX_CTL_MAGIC */
#define HELIX_CTL_REG_VERSION		0x04	/* RO: HELIX_CTL_VERSION */
#define HELIX_CTL_REG_FEATURES		0x08	/* RO: HELIX_CTL_F_* */
#define HELIX_CTL_REG_STATUS		0x0c	/* RO: HELIX_CTL_STATUS_* */
#define HELIX_CTL_REG_ERROR		0x10	/* W1C: HELIX_CTL_ERR_*, latched */
#define HELIX_CTL_REG_GENERATION	0x14	/* RO: counts (dis)connects and resets */
#define HELIX_CTL_REG_DOORBELL		0x18	/* WO: any value: requests were queued */
#define HELIX_CTL_REG_SHM_SIZE		0x1c	/* RO: bytes in BAR 2 that are backed */
#define HELIX_CTL_REG_POOL		0x20	/* RO: pool of this VM, from the host */
#define HELIX_CTL_REG_PRIORITY		0x24	/* RO: priority of this VM, from the host */
#define HELIX_CTL_REG_VM_ID		0x30	/* RO: 16 bytes, RFC 4122 order */
/* With HELIX_CTL_F_EVENTS (since 1.2): */
#define HELIX_CTL_REG_EVENT_NEXT	0x40	/* WO: any value: the oldest event to EVENT_* */
#define HELIX_CTL_REG_EVENT_PENDING	0x44	/* RO: events that are kept, 0..HELIX_CTL_EVENTS */
#define HELIX_CTL_REG_EVENT_LOST	0x48	/* RO: events dropped since the last reset; wraps */
#define HELIX_CTL_REG_EVENT_TYPE	0x80	/* RO: enum helix_ctl_event_type */
#define HELIX_CTL_REG_EVENT_FLAGS	0x84	/* RO: HELIX_CTL_STALL_* */
#define HELIX_CTL_REG_EVENT_GPU		0x88	/* RO: PCI address: bus << 8 | devfn */
#define HELIX_CTL_REG_EVENT_CONTEXT	0x8c	/* RO: virtio-gpu context */
#define HELIX_CTL_REG_EVENT_SCANOUTS	0x90	/* RO: bit n: virtio-gpu scanout n */
#define HELIX_CTL_REG_EVENT_MS		0x94	/* RO: milliseconds */
#define HELIX_CTL_REG_EVENT_FENCE_LO	0x98	/* RO: virtio-gpu fence id, low half */
#define HELIX_CTL_REG_EVENT_FENCE_HI	0x9c	/* RO: high half */
#define HELIX_CTL_REGS_SIZE		0x1000

#define HELIX_CTL_F_EVENTS		0x00000001	/* the EVENT_* registers are there */

#define HELIX_CTL_STATUS_HOST		0x00000001	/* a mediator is there, versions agree */

#define HELIX_CTL_ERR_ACCESS		0x00000001	/* bad register access by the guest */
#define HELIX_CTL_ERR_HANDSHAKE		0x00000002	/* the mediator spoke something else */

/*
 * MSI-X. Vector 0: entries were put in the completion ring, or room was made
 * in the request ring. Vector 1: STATUS, ERROR or GENERATION changed, or there
 * is another event.
 */
#define HELIX_CTL_VECTOR_RING		0
#define HELIX_CTL_VECTOR_STATUS		1
#define HELIX_CTL_NR_VECTORS		2

/*
 * Events. A write to EVENT_NEXT takes the oldest one out of those that are kept
 * and puts it into the registers from EVENT_TYPE on, where it stays until the
 * next such write; with none left they all read as zero. When one more comes
 * than can be kept the oldest is dropped, and EVENT_LOST counts it: QEMU never
 * waits for the driver. A reset of the function forgets all of them.
 */
#define HELIX_CTL_EVENTS		64

enum helix_ctl_event_type {
	HELIX_CTL_EVENT_NONE = 0,	/* there was none */
	/*
	 * The oldest fence of a virtio-gpu context, FENCE, has made no progress
	 * for MS. SCANOUTS show what that context draws; it may be none.
	 */
	HELIX_CTL_EVENT_STALL = 1,
};

/* EVENT_FLAGS of HELIX_CTL_EVENT_STALL: the host has ended the context. */
#define HELIX_CTL_STALL_KILLED		0x00000001

/*
 * Shared memory, BAR 2. An index counts entries since the last reset and wraps
 * at 2^32; entry i is in slot i % HELIX_CTL_RING_SLOTS. The writer of a ring
 * fills the slot, then stores `head` with release semantics; the reader loads
 * `head` with acquire semantics, copies the slot out *before* looking at it,
 * and stores `tail` with release semantics. The other side's index is not
 * trusted: head - tail > HELIX_CTL_RING_SLOTS means that the ring is broken,
 * and nothing is read from it until the next reset.
 */
#define HELIX_CTL_RING_SLOTS		64
#define HELIX_CTL_SLOT_SIZE		128
#define HELIX_CTL_SHM_SIZE		0x10000

struct helix_ctl_ring {
	__le32 head;		/* next index the writer fills */
	__u8 pad0[60];		/* head and tail never share a cache line */
	__le32 tail;		/* next index the reader takes */
	__u8 pad1[60];
};

enum helix_ctl_op {
	HELIX_CTL_OP_PING = 0,		/* completes with status 0 */
	HELIX_CTL_OP_OUTPUT_ENABLE = 1,	/* also resizes and re-announces; may be repeated */
	HELIX_CTL_OP_OUTPUT_DISABLE = 2,
};

#define HELIX_CTL_LABEL_LEN		32

/* A request. Fields that an op does not name must be zero. */
struct helix_ctl_request {
	__le32 id;		/* chosen by the driver, returned in the completion */
	__le16 op;		/* enum helix_ctl_op */
	__le16 flags;		/* zero */
	__le32 gpu;		/* OUTPUT_*: PCI address of the virtio-gpu: bus << 8 | devfn */
	__le32 output;		/* OUTPUT_*: virtio-gpu scanout, 0..15 */
	__le32 width;		/* ENABLE: pixels, 1..16384 */
	__le32 height;		/* ENABLE: pixels, 1..16384 */
	__le32 refresh_mhz;	/* ENABLE: millihertz, 0 for 60000 */
	__le32 scanout;		/* OUTPUT_*: the module's number, as people see it */
	__le64 generation;	/* OUTPUT_*: the lease this is for; never 0 */
	__u8 label[HELIX_CTL_LABEL_LEN]; /* ENABLE: UTF-8, zero padded, may be unterminated */
	__le32 priority;	/* ENABLE: 0..255, the larger the more important (since 1.1) */
	__u8 reserved[52];
};

/*
 * A completion: exactly one for each request, in any order. Requests taken by a
 * mediator that died are served again by the next one, so the driver ignores a
 * completion whose id it does not wait for.
 */
struct helix_ctl_completion {
	__le32 id;
	__le32 status;		/* 0, or a positive Linux errno number */
	__u8 reserved[120];
};

struct helix_ctl_shm {
	struct helix_ctl_ring req;	/* written by the driver */
	struct helix_ctl_ring cmp;	/* written by the mediator */
	__u8 pad[4096 - 2 * sizeof(struct helix_ctl_ring)];
	struct helix_ctl_request reqs[HELIX_CTL_RING_SLOTS];
	struct helix_ctl_completion cmps[HELIX_CTL_RING_SLOTS];
};

/*
 * Handshake between QEMU and the mediator: a stream Unix socket that QEMU
 * serves (a chardev). One mediator at a time. Fixed-size messages:
 *
 *   QEMU -> mediator  HELLO, with three descriptors by SCM_RIGHTS:
 *                     the memfd, the doorbell eventfd (read by the mediator),
 *                     the completion eventfd (written by it: MSI-X vector 0)
 *   mediator -> QEMU  ACK; a version with another major is refused by closing
 *   QEMU -> mediator  RESET, whenever the guest reset the function: the rings
 *                     are zeroed, every output goes back to disabled
 */
enum helix_ctl_msg_type {
	HELIX_CTL_MSG_HELLO = 1,
	HELIX_CTL_MSG_ACK = 2,
	HELIX_CTL_MSG_RESET = 3,
};

struct helix_ctl_msg {
	__le32 magic;		/* HELIX_CTL_MAGIC */
	__le32 version;		/* HELIX_CTL_VERSION of the sender */
	__le32 type;		/* enum helix_ctl_msg_type */
	__le32 generation;	/* HELLO, RESET: the register's value */
	__le32 shm_size;	/* HELLO */
	__le32 pool;		/* HELLO */
	__le32 priority;	/* HELLO */
	__le32 reserved;
	__u8 vm_id[16];		/* HELLO */
};

#endif /* _UAPI_LINUX_HELIX_CONTROL_H */
