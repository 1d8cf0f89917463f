/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tickets: a browser can give a WebSocket no header of its own but the name of
 * a subprotocol, and a token is too long for that. So it exchanges its token for
 * a short name that is good for one WebSocket, soon.
 */
#ifndef HELIX_TICKET_H
#define HELIX_TICKET_H

#include <glib.h>
#include <stdbool.h>

#include "grant.h"

#define TICKET_LEN	23	/* 128 random bits in base64url, and a NUL */
#define TICKET_LIFE_S	30
#define TICKETS_MAX	1024	/* then the machine that has most loses its oldest */
#define TICKETS_EACH	64	/* that wait, of one token */

struct tickets;

struct tickets *tickets_new(void);
void tickets_free(struct tickets *tickets);

/* False if too many of its token wait to be used. @now: monotonic microseconds. */
bool tickets_issue(struct tickets *tickets, const struct grant *grant,
		   gint64 now, char ticket[TICKET_LEN]);
/* The grant that @ticket stands for, once; its token may have ended meanwhile. */
bool tickets_take(struct tickets *tickets, const char *ticket, gint64 now,
		  struct grant *grant);

#endif
