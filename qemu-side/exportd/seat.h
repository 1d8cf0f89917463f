/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who of a desktop's viewers has its keyboard and pointer. No socket and no
 * clock in here: the time is handed in (monotonic microseconds), what viewers
 * are to be told goes out through a callback.
 */
#ifndef HELIX_SEAT_H
#define HELIX_SEAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "message.h"
#include "viewer.h"

#define SEAT_ANSWER_US	(10 * G_USEC_PER_SEC)	/* that a holder has */
#define SEAT_IDLE_US	(10 * G_USEC_PER_SEC)	/* then nobody asks it */

enum seat_word {
	SEAT_TELL_ROLE,		/* the controller is @number, 0: nobody */
	SEAT_TELL_REQUEST,	/* to the holder: @number asks */
	SEAT_TELL_GRANTED,	/* to who asked */
	SEAT_TELL_DENIED,
};

struct seat_ops {
	/* Must not call the seat. */
	void (*tell)(void *data, struct viewer *viewer, enum seat_word word,
		     uint32_t number);
	/* @viewer controls no more: what it holds down has to go up. */
	void (*lost)(void *data, struct viewer *viewer);
};

struct seat;

struct seat *seat_new(const struct seat_ops *ops, void *data);
void seat_free(struct seat *seat);

/* Gives the viewer its number; it has its role. Tells it who controls. */
void seat_join(struct seat *seat, struct viewer *viewer);
void seat_leave(struct seat *seat, struct viewer *viewer, gint64 now);

/* @number: whom it is about, 0: not said. */
void seat_message(struct seat *seat, struct viewer *viewer,
		  enum message_action action, uint32_t number, gint64 now);
/* Whether its input counts. The first input on a free seat takes it. */
bool seat_may_input(struct seat *seat, struct viewer *viewer, gint64 now);
/* Whether it has the seat, without taking it. */
bool seat_is_holder(const struct seat *seat, const struct viewer *viewer);

/* The holder's number, 0: nobody. */
uint32_t seat_controller(const struct seat *seat);

/* Nobody controls, until somebody does again. */
void seat_clear(struct seat *seat, gint64 now);
/* At least every second: who waited long enough gets it. */
void seat_tick(struct seat *seat, gint64 now);

#endif
