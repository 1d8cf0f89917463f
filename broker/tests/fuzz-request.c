// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what any client can send. A request that is accepted must
 * be within the limits the rest of the broker relies on.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "request.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hl_error err = { 0 };
	struct request req;

	if (size > HL_WIRE_REQUEST_MAX)
		return 0;
	if (request_parse((const char *)data, size, &req, &err)) {
		if (!err.code || !err.message[0])
			abort();
		return 0;
	}
	if (req.op == OP_ACQUIRE && hl_acquire_check(&req.acquire, NULL))
		abort();
	if (req.acquire.label && strlen(req.acquire.label) >= HL_LABEL_LEN)
		abort();
	if (req.op == OP_REVOKE && (!req.scanout || !req.generation))
		abort();
	return 0;
}
