/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message from a viewer, parsed. See Documentation/stream-protocol.rst.
 */
#ifndef HELIX_MESSAGE_H
#define HELIX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung.h"

#define MESSAGE_MAX	4096	/* bytes of JSON text */
#define MESSAGE_TEXT_MAX (256u << 10)	/* bytes of a clipboard's text */
#define MESSAGE_LONG_MAX (2 * MESSAGE_TEXT_MAX + MESSAGE_MAX)	/* its JSON */
#define MESSAGE_CODE_MAX 32	/* a DOM KeyboardEvent.code, with its NUL */
#define MESSAGE_WHEEL_MAX 16	/* steps that one message may scroll */
#define MESSAGE_REL_MAX	4096	/* pixels that one message may move */
#define MESSAGE_POINTS_MAX 10	/* fingers in one message */
/*
 * "{", "[" and "," outside of strings: what is parsed is a value after each. The most
 * has a touch of all fingers: three for an object of two members and its list; for a
 * finger an object of four members, and a comma after all but the last. Twice that,
 * for members that are newer than we are.
 */
#define MESSAGE_PARTS_MAX (2 * (3 + 5 * MESSAGE_POINTS_MAX - 1))
#define MESSAGE_SIZE_MIN 16	/* pixels that may be asked for */
#define MESSAGE_SIZE_MAX 8192
#define MESSAGE_TIME_MAX (UINT64_C(1) << 53)	/* what a double can count */

enum message_type {
	MESSAGE_KEY,
	MESSAGE_MOVE,
	MESSAGE_BUTTON,
	MESSAGE_WHEEL,
	MESSAGE_RELEASE,
	MESSAGE_KEYFRAME,
	MESSAGE_ACK,
	MESSAGE_WATCH,
	MESSAGE_TIME,
	MESSAGE_CONTROL,
	MESSAGE_TOUCH,
	MESSAGE_REL,
	MESSAGE_RESIZE,
	MESSAGE_CLIPBOARD,
};

/* What is asked about who controls a desktop. */
enum message_action {
	ACTION_REQUEST,
	ACTION_RELEASE,
	ACTION_GRANT,
	ACTION_DENY,
	ACTION_TAKE,
};

enum touch_phase {
	TOUCH_BEGIN,
	TOUCH_UPDATE,
	TOUCH_END,
	TOUCH_CANCEL,
};

struct message_point {
	int32_t id;		/* the client's name of the finger */
	enum touch_phase phase;
	uint32_t x, y;
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
			/* microseconds of our clock; 0: not said */
			uint64_t received, decoded, painted;
		} ack;
		struct {
			enum rung rung;
			bool tile;	/* as one of many */
		} watch;
		struct {
			uint64_t client;	/* microseconds of its clock */
		} time;
		struct {
			enum message_action action;
			uint32_t viewer;	/* whom it is about; 0: not said */
		} control;
		struct {
			unsigned int count;	/* at least one */
			struct message_point points[MESSAGE_POINTS_MAX];
		} touch;
		struct {
			double dx, dy;		/* within ±MESSAGE_REL_MAX */
		} rel;
		struct {
			uint32_t width, height;
			double scale;		/* of a pixel, 1 if not said */
		} resize;
		struct {
			char *text;		/* UTF-8, message_clear() frees it */
		} clipboard;
	};
};

/*
 * How long a message may be of which @len bytes of @text came so far: all but
 * a clipboard are held to MESSAGE_MAX.
 */
size_t message_limit(const char *text, size_t len);

/*
 * Parses @len bytes of @text, which needs no NUL. Returns false and sets
 * @error to a static sentence if it is no message. Use message_clear() after it
 * in any case.
 */
bool message_parse(const char *text, size_t len, struct message *msg,
		   const char **error);
void message_clear(struct message *msg);

#endif
