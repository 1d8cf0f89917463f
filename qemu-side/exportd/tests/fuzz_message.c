// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: any bytes at all from a browser. */
#include "fuzz.h"
#include "keymap.h"
#include "message.h"

static void check_touch(const struct message *msg)
{
	unsigned int i;

	expect(msg->touch.count >= 1 && msg->touch.count <= MESSAGE_POINTS_MAX);
	for (i = 0; i < msg->touch.count; i++)
		expect(msg->touch.points[i].phase <= TOUCH_CANCEL &&
		       msg->touch.points[i].x <= 65535 &&
		       msg->touch.points[i].y <= 65535);
}

static void check(const struct message *msg)
{
	switch (msg->type) {
	case MESSAGE_KEY:
		expect(memchr(msg->key.code, 0, sizeof(msg->key.code)) &&
		       keymap_lookup(msg->key.code) < KEYMAP_QNUM_MAX);
		break;
	case MESSAGE_MOVE:
		expect(msg->move.x <= 65535 && msg->move.y <= 65535);
		break;
	case MESSAGE_BUTTON:
		expect(msg->button.button <= 4);
		break;
	case MESSAGE_WHEEL:
		expect(msg->wheel.dy >= -MESSAGE_WHEEL_MAX &&
		       msg->wheel.dy <= MESSAGE_WHEEL_MAX);
		break;
	case MESSAGE_ACK:
		expect(msg->ack.received <= MESSAGE_TIME_MAX &&
		       msg->ack.decoded <= MESSAGE_TIME_MAX &&
		       msg->ack.painted <= MESSAGE_TIME_MAX);
		break;
	case MESSAGE_WATCH:
		expect(msg->watch.rung <= RUNG_NONE);
		break;
	case MESSAGE_TIME:
		expect(msg->time.client <= MESSAGE_TIME_MAX);
		break;
	case MESSAGE_CONTROL:
		expect(msg->control.action <= ACTION_TAKE);
		break;
	case MESSAGE_TOUCH:
		check_touch(msg);
		break;
	case MESSAGE_REL:
		expect(msg->rel.dx >= -MESSAGE_REL_MAX &&
		       msg->rel.dx <= MESSAGE_REL_MAX &&
		       msg->rel.dy >= -MESSAGE_REL_MAX &&
		       msg->rel.dy <= MESSAGE_REL_MAX);
		break;
	case MESSAGE_RESIZE:
		expect(msg->resize.width >= MESSAGE_SIZE_MIN &&
		       msg->resize.width <= MESSAGE_SIZE_MAX &&
		       msg->resize.height >= MESSAGE_SIZE_MIN &&
		       msg->resize.height <= MESSAGE_SIZE_MAX &&
		       msg->resize.scale >= 0.5 && msg->resize.scale <= 4);
		break;
	case MESSAGE_CLIPBOARD:
		expect(strlen(msg->clipboard.text) <= MESSAGE_TEXT_MAX);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct message msg;

	if (message_parse((const char *)data, size, &msg, &error))
		check(&msg);
	else
		expect(error != NULL);
	message_clear(&msg);
	return 0;
}
