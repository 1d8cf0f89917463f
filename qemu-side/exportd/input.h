/* SPDX-License-Identifier: GPL-2.0-only */
/* The keyboard and the pointer of one console, shared by its viewers. */
#ifndef HELIX_INPUT_H
#define HELIX_INPUT_H

#include "cursor.h"
#include "display.h"
#include "keymap.h"
#include "message.h"
#include "viewer.h"

struct input_touch {
	const struct viewer *viewer;	/* NULL: the slot is free */
	int32_t id;			/* the viewer's name of the finger */
};

struct input {
	struct console *console;
	struct cursor *cursor;		/* is told where viewers move it */
	unsigned int held_keys[KEYMAP_QNUM_MAX];	/* by how many viewers */
	unsigned int held_buttons[VIEWER_BUTTONS];
	struct input_touch touches[CONSOLE_TOUCH_SLOTS];
	double rel_x, rel_y;		/* parts of a pixel */
};

/*
 * Messages that are no input are ignored. The picture is @width x @height.
 * NULL, or the code of the error that the viewer deserves.
 */
const char *input_message(struct input *input, struct viewer *viewer,
		   const struct message *msg, int width, int height);
/* Everything that @viewer holds down goes up. */
void input_release(struct input *input, struct viewer *viewer);

#endif
