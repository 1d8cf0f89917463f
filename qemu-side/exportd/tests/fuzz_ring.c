// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: a guest that writes anything at all into the shared memory
 * of its control device, also between two looks at it.
 */
#include "fuzz.h"
#include "ring.h"

#define LOOKS 128

static struct helix_ctl_shm shm;

static void scribble(struct fuzz *fuzz)
{
	uint8_t *bytes = (uint8_t *)&shm;
	size_t at = fuzz_word(fuzz) % sizeof(shm);
	size_t len = fuzz_byte(fuzz);

	if (len > sizeof(shm) - at)
		len = sizeof(shm) - at;
	fuzz_take(fuzz, bytes + at, len);
}

static void check(const struct ring_request *req, uint32_t status)
{
	expect(memchr(req->label, 0, sizeof(req->label)) != NULL);
	expect(status == 0 || status == EINVAL || status == EOPNOTSUPP);
	if (status || req->op == HELIX_CTL_OP_PING)
		return;
	expect(req->output <= 15 && req->generation);
	if (req->op == HELIX_CTL_OP_OUTPUT_ENABLE)
		expect(req->width >= 1 && req->width <= 16384 &&
		       req->height >= 1 && req->height <= 16384 &&
		       req->priority <= 255);
	else
		expect(req->op == HELIX_CTL_OP_OUTPUT_DISABLE && !req->width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };
	struct ring_request req;
	struct ring ring;
	unsigned int i;
	uint32_t status;
	int rc;

	memset(&shm, 0, sizeof(shm));
	if (fuzz_byte(&fuzz) & 1)
		scribble(&fuzz);
	/* most inputs are to get past the indices, to the requests */
	shm.req.head = fuzz_near(&fuzz, HELIX_CTL_RING_SLOTS);
	fuzz_take(&fuzz, shm.reqs, sizeof(shm.reqs[0]) * 4);
	ring_attach(&ring, &shm);
	ring_is_fresh(&ring);
	for (i = 0; i < LOOKS; i++) {
		rc = ring_peek(&ring, &req, &status);
		expect(rc == 0 || rc == 1 || rc == -EPROTO);
		if (rc == 1) {
			check(&req, status);
			rc = ring_complete(&ring, req.id, status);
			expect(rc == 0 || rc == -EAGAIN || rc == -EPROTO);
		}
		if (!fuzz.size)
			break;
		scribble(&fuzz);
	}
	return 0;
}
