// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the count of who holds what. Rule: QEMU hears of a key when the first
 * viewer presses it and when the last one lets go, so two viewers of one
 * desktop cannot leave a key down for each other. A finger is one viewer's, in
 * a slot of its own.
 */
#include "input.h"

#include <math.h>

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

/* The slot in which @viewer has that finger, -1 if none. */
static int input_find_touch(const struct input *input,
			    const struct viewer *viewer, int32_t id)
{
	int slot;

	for (slot = 0; slot < CONSOLE_TOUCH_SLOTS; slot++)
		if (input->touches[slot].viewer == viewer &&
		    input->touches[slot].id == id)
			return slot;
	return -1;
}

/* A finger for which there is no slot is ignored until it is lifted. */
static void input_touch_begin(struct input *input, const struct viewer *viewer,
			      const struct message_point *point)
{
	unsigned int slot;

	for (slot = 0; slot < CONSOLE_TOUCH_SLOTS; slot++)
		if (!input->touches[slot].viewer)
			break;
	if (slot == CONSOLE_TOUCH_SLOTS ||
	    !console_touch(input->console, CONSOLE_TOUCH_BEGIN, slot, point->x,
			   point->y))
		return;
	input->touches[slot].viewer = viewer;
	input->touches[slot].id = point->id;
}

static void input_touch_end(struct input *input, unsigned int slot, uint32_t x,
			    uint32_t y)
{
	/* QEMU forgets a finger only at an end, so this is also a cancel */
	console_touch(input->console, CONSOLE_TOUCH_END, slot, x, y);
	input->touches[slot].viewer = NULL;
}

static void input_touch(struct input *input, const struct viewer *viewer,
			struct message_point point, int width, int height)
{
	int slot = input_find_touch(input, viewer, point.id);

	if (width <= 0 || height <= 0)
		return;
	point.x = MIN(point.x, (uint32_t)width - 1);
	point.y = MIN(point.y, (uint32_t)height - 1);
	if (slot < 0) {
		if (point.phase == TOUCH_BEGIN)
			input_touch_begin(input, viewer, &point);
		return;
	}
	if (point.phase == TOUCH_END || point.phase == TOUCH_CANCEL)
		input_touch_end(input, (unsigned int)slot, point.x, point.y);
	else
		console_touch(input->console, CONSOLE_TOUCH_UPDATE,
			      (unsigned int)slot, point.x, point.y);
}

static void input_rel(struct input *input, double dx, double dy)
{
	double x, y;

	input->rel_x = modf(input->rel_x + dx, &x);
	input->rel_y = modf(input->rel_y + dy, &y);
	console_move_by(input->console, (int)x, (int)y);
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
	for (i = 0; i < CONSOLE_TOUCH_SLOTS; i++)
		if (input->touches[i].viewer == viewer)
			input_touch_end(input, i, 0, 0);
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

const char *input_message(struct input *input, struct viewer *viewer,
		   const struct message *msg, int width, int height)
{
	unsigned int qnum, i;

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
	case MESSAGE_TOUCH:
		if (!input->console->touch)
			return "no-touch";
		for (i = 0; i < msg->touch.count; i++)
			input_touch(input, viewer, msg->touch.points[i], width,
				    height);
		break;
	case MESSAGE_REL:
		if (input->console->absolute)
			return "no-relative";
		input_rel(input, msg->rel.dx, msg->rel.dy);
		break;
	case MESSAGE_RELEASE:
		input_release(input, viewer);
		break;
	default:
		break;
	}
	return NULL;
}
