// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings shared with a guest that is not trusted. Rule: every word is loaded
 * once, atomically, and a slot is copied out before anything looks at it.
 */
#include "ring.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct helix_ctl_request) == HELIX_CTL_SLOT_SIZE,
	       "a request fills its slot");
_Static_assert(sizeof(struct helix_ctl_completion) == HELIX_CTL_SLOT_SIZE,
	       "a completion fills its slot");
_Static_assert(sizeof(struct helix_ctl_shm) <= HELIX_CTL_SHM_SIZE,
	       "the rings fit into BAR 2");

#define RING_PRIORITY_MAX	255

static uint32_t ring_load(const __le32 *word)
{
	return le32toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static void ring_store(__le32 *word, uint32_t value)
{
	__atomic_store_n(word, htole32(value), __ATOMIC_RELEASE);
}

void ring_attach(struct ring *ring, struct helix_ctl_shm *shm)
{
	ring->shm = shm;
	ring->req_tail = ring_load(&shm->req.tail);
	ring->cmp_head = ring_load(&shm->cmp.head);
}

int ring_is_fresh(const struct ring *ring)
{
	return ring->req_tail == 0 && ring->cmp_head == 0;
}

static bool ring_zero(const uint8_t *bytes, size_t len)
{
	while (len--)
		if (*bytes++)
			return false;
	return true;
}

static bool ring_size_valid(uint32_t pixels)
{
	return pixels >= 1 && pixels <= 16384;
}

/* The errno of a request by the contract, 0 if it keeps it. */
static uint32_t ring_check(const struct helix_ctl_request *raw,
			   const struct ring_request *req)
{
	if (raw->flags || !ring_zero(raw->reserved, sizeof(raw->reserved)))
		return EINVAL;

	switch (req->op) {
	case HELIX_CTL_OP_PING:
		/* op is zero, so all between id and reserved must be */
		return ring_zero((const uint8_t *)raw + sizeof(raw->id),
				 offsetof(struct helix_ctl_request, reserved) -
				 sizeof(raw->id)) ? 0 : EINVAL;
	case HELIX_CTL_OP_OUTPUT_ENABLE:
		if (!ring_size_valid(req->width) ||
		    !ring_size_valid(req->height) ||
		    req->priority > RING_PRIORITY_MAX)
			return EINVAL;
		break;
	case HELIX_CTL_OP_OUTPUT_DISABLE:
		if (req->width || req->height || req->refresh_mhz ||
		    req->priority ||
		    !ring_zero(raw->label, sizeof(raw->label)))
			return EINVAL;
		break;
	default:
		return EOPNOTSUPP;
	}
	if (req->output > 15 || req->generation == 0)
		return EINVAL;
	return 0;
}

int ring_peek(struct ring *ring, struct ring_request *req, uint32_t *status)
{
	uint32_t head = ring_load(&ring->shm->req.head);
	struct helix_ctl_request raw;

	if (head - ring->req_tail > HELIX_CTL_RING_SLOTS)
		return -EPROTO;
	if (head == ring->req_tail)
		return 0;

	memcpy(&raw, &ring->shm->reqs[ring->req_tail % HELIX_CTL_RING_SLOTS],
	       sizeof(raw));
	/* from here on the copy: the compiler must not look into the slot again */
	__asm__ __volatile__("" ::: "memory");

	memset(req, 0, sizeof(*req));
	req->id = le32toh(raw.id);
	req->op = le16toh(raw.op);
	req->gpu = le32toh(raw.gpu);
	req->output = le32toh(raw.output);
	req->width = le32toh(raw.width);
	req->height = le32toh(raw.height);
	req->refresh_mhz = le32toh(raw.refresh_mhz);
	req->scanout = le32toh(raw.scanout);
	req->generation = le64toh(raw.generation);
	memcpy(req->label, raw.label, sizeof(raw.label));
	req->priority = le32toh(raw.priority);
	*status = ring_check(&raw, req);
	return 1;
}

int ring_complete(struct ring *ring, uint32_t id, uint32_t status)
{
	uint32_t used = ring->cmp_head - ring_load(&ring->shm->cmp.tail);
	struct helix_ctl_completion *slot;

	if (used > HELIX_CTL_RING_SLOTS)
		return -EPROTO;
	if (used == HELIX_CTL_RING_SLOTS)
		return -EAGAIN;

	slot = &ring->shm->cmps[ring->cmp_head % HELIX_CTL_RING_SLOTS];
	memset(slot, 0, sizeof(*slot));
	slot->id = htole32(id);
	slot->status = htole32(status);
	ring_store(&ring->shm->cmp.head, ++ring->cmp_head);
	ring_store(&ring->shm->req.tail, ++ring->req_tail);
	return 0;
}
