// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns who controls and who asked to. Rules: one controls at most; one asks at
 * most, and waits no longer than SEAT_ANSWER_US; everybody is told whenever the
 * controller changes, after the former one has let go what it held down.
 */
#include "seat.h"

struct seat {
	const struct seat_ops *ops;
	void *data;
	GPtrArray *members;		/* struct viewer, not owned */
	uint32_t numbers;		/* given out */
	struct viewer *holder;
	gint64 input_at;		/* the holder's last */
	struct viewer *asker;		/* only while there is a holder */
	gint64 asked_at;
};

struct seat *seat_new(const struct seat_ops *ops, void *data)
{
	struct seat *seat = g_new0(struct seat, 1);

	seat->ops = ops;
	seat->data = data;
	seat->members = g_ptr_array_new();
	return seat;
}

void seat_free(struct seat *seat)
{
	if (!seat)
		return;
	g_ptr_array_unref(seat->members);
	g_free(seat);
}

static void seat_tell(struct seat *seat, struct viewer *viewer,
		      enum seat_word word, uint32_t number)
{
	seat->ops->tell(seat->data, viewer, word, number);
}

uint32_t seat_controller(const struct seat *seat)
{
	return seat->holder ? seat->holder->number : 0;
}

static struct viewer *seat_find(const struct seat *seat, uint32_t number)
{
	unsigned int i;

	for (i = 0; i < seat->members->len; i++) {
		struct viewer *viewer = seat->members->pdata[i];

		if (viewer->number == number)
			return viewer;
	}
	return NULL;
}

static void seat_answer(struct seat *seat, enum seat_word word)
{
	struct viewer *asker = seat->asker;

	seat->asker = NULL;
	if (asker)
		seat_tell(seat, asker, word, 0);
}

static void seat_give(struct seat *seat, struct viewer *viewer, gint64 now)
{
	struct viewer *former = seat->holder;
	unsigned int i;

	if (former == viewer)
		return;
	if (former)
		seat->ops->lost(seat->data, former);
	seat->holder = viewer;
	seat->input_at = now;
	seat_answer(seat, seat->asker == viewer ? SEAT_TELL_GRANTED :
						  SEAT_TELL_DENIED);
	for (i = 0; i < seat->members->len; i++)
		seat_tell(seat, seat->members->pdata[i], SEAT_TELL_ROLE,
			  seat_controller(seat));
}

void seat_join(struct seat *seat, struct viewer *viewer)
{
	/* 0 is nobody, also after four thousand million viewers */
	do
		viewer->number = ++seat->numbers;
	while (!viewer->number || seat_find(seat, viewer->number));
	g_ptr_array_add(seat->members, viewer);
	seat_tell(seat, viewer, SEAT_TELL_ROLE, seat_controller(seat));
}

void seat_leave(struct seat *seat, struct viewer *viewer, gint64 now)
{
	g_ptr_array_remove(seat->members, viewer);
	if (seat->asker == viewer)
		seat->asker = NULL;
	if (seat->holder == viewer)
		seat_give(seat, seat->asker, now);
}

bool seat_is_holder(const struct seat *seat, const struct viewer *viewer)
{
	return seat->holder == viewer;
}

static void seat_ask(struct seat *seat, struct viewer *viewer, gint64 now)
{
	if (viewer->role < ROLE_CONTROL) {
		seat_tell(seat, viewer, SEAT_TELL_DENIED, 0);
		return;
	}
	if (seat->holder == viewer) {
		seat_tell(seat, viewer, SEAT_TELL_GRANTED, 0);
		return;
	}
	if (!seat->holder || now - seat->input_at >= SEAT_IDLE_US) {
		/* who was first and still waits goes before */
		if (seat->asker && seat->asker != viewer) {
			seat_give(seat, seat->asker, now);
			seat_tell(seat, viewer, SEAT_TELL_DENIED, 0);
			return;
		}
		seat->asker = viewer;
		seat_give(seat, viewer, now);
		return;
	}
	if (seat->asker == viewer)
		return;		/* asking again does not begin the wait anew */
	if (seat->asker) {
		seat_tell(seat, viewer, SEAT_TELL_DENIED, 0);
		return;
	}
	seat->asker = viewer;
	seat->asked_at = now;
	seat_tell(seat, seat->holder, SEAT_TELL_REQUEST, viewer->number);
}

/* An answer to who asked, or the seat for whom the holder chose. */
static void seat_grant(struct seat *seat, uint32_t number, gint64 now)
{
	struct viewer *to = number ? seat_find(seat, number) : seat->asker;

	if (to && to->role >= ROLE_CONTROL)
		seat_give(seat, to, now);
}

static void seat_take(struct seat *seat, struct viewer *viewer, gint64 now)
{
	if (viewer->role < ROLE_ADMIN) {
		seat_tell(seat, viewer, SEAT_TELL_DENIED, 0);
		return;
	}
	seat_give(seat, viewer, now);
}

void seat_message(struct seat *seat, struct viewer *viewer,
		  enum message_action action, uint32_t number, gint64 now)
{
	bool holder = seat->holder == viewer;

	switch (action) {
	case ACTION_REQUEST:
		seat_ask(seat, viewer, now);
		break;
	case ACTION_TAKE:
		seat_take(seat, viewer, now);
		break;
	/* of the others only the holder's word counts */
	case ACTION_RELEASE:
		if (holder)
			seat_give(seat, seat->asker, now);
		break;
	case ACTION_GRANT:
		if (holder)
			seat_grant(seat, number, now);
		break;
	case ACTION_DENY:
		if (holder && seat->asker &&
		    (!number || seat->asker->number == number))
			seat_answer(seat, SEAT_TELL_DENIED);
		break;
	}
}

bool seat_may_input(struct seat *seat, struct viewer *viewer, gint64 now)
{
	if (viewer->role < ROLE_CONTROL)
		return false;
	if (!seat->holder)
		seat_give(seat, viewer, now);
	if (seat->holder != viewer)
		return false;
	seat->input_at = now;
	return true;
}

void seat_clear(struct seat *seat, gint64 now)
{
	seat_answer(seat, SEAT_TELL_DENIED);
	seat_give(seat, NULL, now);
}

void seat_tick(struct seat *seat, gint64 now)
{
	if (seat->asker && now - seat->asked_at >= SEAT_ANSWER_US)
		seat_give(seat, seat->asker, now);
}
