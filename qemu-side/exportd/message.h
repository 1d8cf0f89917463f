/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message from a viewer, parsed. See Documentation/stream-protocol.rst.
 */
#ifndef HELIX_MESSAGE_H
#define HELIX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX	4096	/* bytes of JSON text */
#define MESSAGE_CODE_MAX 32	/* a DOM KeyboardEvent.code, with its NUL */
#define MESSAGE_WHEEL_MAX 16	/* steps that one message may scroll */

enum message_type {
	MESSAGE_KEY,
	MESSAGE_MOVE,
	MESSAGE_BUTTON,
	MESSAGE_WHEEL,
	MESSAGE_RELEASE,
	MESSAGE_KEYFRAME,
	MESSAGE_ACK,
};

struct message {
	enum message_type type;
	union {
		struct {
			char code[MESSAGE_CODE_MAX];
			bool down;
		} key;
		struct {
			uint32_t x, y;
		} move;
		struct {
			unsigned int button;	/* DOM MouseEvent.button, 0..4 */
			bool down;
		} button;
		struct {
			double dx, dy;		/* within ±MESSAGE_WHEEL_MAX */
		} wheel;
		struct {
			uint32_t seq;
		} ack;
	};
};

/*
 * Parses @len bytes of @text, which needs no NUL. Returns false and sets
 * @error to a static sentence if it is no message.
 */
bool message_parse(const char *text, size_t len, struct message *msg,
		   const char **error);

#endif
