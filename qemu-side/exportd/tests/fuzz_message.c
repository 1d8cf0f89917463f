// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: any bytes at all from a browser. */
#include <stdlib.h>
#include <string.h>

#include "keymap.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct message msg;

	if (!message_parse((const char *)data, size, &msg, &error)) {
		if (!error)
			abort();
		return 0;
	}
	switch (msg.type) {
	case MESSAGE_KEY:
		if (!memchr(msg.key.code, 0, sizeof(msg.key.code)) ||
		    keymap_lookup(msg.key.code) >= KEYMAP_QNUM_MAX)
			abort();
		break;
	case MESSAGE_MOVE:
		if (msg.move.x > 65535 || msg.move.y > 65535)
			abort();
		break;
	case MESSAGE_BUTTON:
		if (msg.button.button > 4)
			abort();
		break;
	case MESSAGE_WHEEL:
		if (!(msg.wheel.dy >= -MESSAGE_WHEEL_MAX &&
		      msg.wheel.dy <= MESSAGE_WHEEL_MAX))
			abort();
		break;
	default:
		break;
	}
	return 0;
}
