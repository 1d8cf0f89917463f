// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the count of who holds what. Rule: QEMU hears of a key when the first
 * viewer presses it and when the last one lets go, so two viewers of one
 * desktop cannot leave a key down for each other.
 */
#include "input.h"

static void input_key(struct input *input, struct viewer *viewer,
		      unsigned int qnum, bool down)
{
	if (viewer->keys[qnum] == down)
		return;		/* a browser repeats; the guest does so itself */
	if (down && !input->held_keys[qnum] &&
	    !console_key(input->console, qnum, true))
		return;
	viewer->keys[qnum] = down;
	if (down)
		input->held_keys[qnum]++;
	else if (--input->held_keys[qnum] == 0)
		console_key(input->console, qnum, false);
}

static void input_button(struct input *input, struct viewer *viewer,
			 unsigned int button, bool down)
{
	/* DOM's left, middle, right, back, forward to QEMU's InputButton */
	static const unsigned int qemu[VIEWER_BUTTONS] = { 0, 1, 2, 5, 6 };

	if (viewer->buttons[button] == down)
		return;
	if (down && !input->held_buttons[button] &&
	    !console_button(input->console, qemu[button], true))
		return;
	viewer->buttons[button] = down;
	if (down)
		input->held_buttons[button]++;
	else if (--input->held_buttons[button] == 0)
		console_button(input->console, qemu[button], false);
}

static void input_wheel(struct input *input, struct viewer *viewer, double dy)
{
	unsigned int button;

	viewer->wheel_y += dy;
	while (viewer->wheel_y >= 1 || viewer->wheel_y <= -1) {
		button = viewer->wheel_y > 0 ? 4 : 3;	/* wheel down, up */
		viewer->wheel_y += viewer->wheel_y > 0 ? -1 : 1;
		if (console_button(input->console, button, true))
			console_button(input->console, button, false);
	}
}

void input_release(struct input *input, struct viewer *viewer)
{
	unsigned int i;

	for (i = 0; i < KEYMAP_QNUM_MAX; i++)
		if (viewer->keys[i])
			input_key(input, viewer, i, false);
	for (i = 0; i < VIEWER_BUTTONS; i++)
		if (viewer->buttons[i])
			input_button(input, viewer, i, false);
}

/* A pointer outside of the picture is an error to QEMU: keep it inside. */
static void input_move(struct input *input, const struct viewer *viewer,
		       uint32_t x, uint32_t y, int width, int height)
{
	if (width <= 0 || height <= 0)
		return;
	x = MIN(x, (uint32_t)width - 1);
	y = MIN(y, (uint32_t)height - 1);
	cursor_moved(input->cursor, viewer, (int)x, (int)y);
	console_move(input->console, x, y);
}

void input_message(struct input *input, struct viewer *viewer,
		   const struct message *msg, int width, int height)
{
	unsigned int qnum;

	switch (msg->type) {
	case MESSAGE_KEY:
		qnum = keymap_lookup(msg->key.code);
		if (qnum)
			input_key(input, viewer, qnum, msg->key.down);
		break;
	case MESSAGE_MOVE:
		input_move(input, viewer, msg->move.x, msg->move.y, width, height);
		break;
	case MESSAGE_BUTTON:
		input_button(input, viewer, msg->button.button,
			     msg->button.down);
		break;
	case MESSAGE_WHEEL:
		input_wheel(input, viewer, msg->wheel.dy);
		break;
	case MESSAGE_RELEASE:
		input_release(input, viewer);
		break;
	default:
		break;
	}
}
