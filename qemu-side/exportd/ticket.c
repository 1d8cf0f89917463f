// SPDX-License-Identifier: GPL-2.0-only
#include "ticket.h"

#include <string.h>
#include <sys/random.h>

#include "share.h"

#define TICKET_BYTES 16

struct ticket {
	struct grant grant;
	gint64 until;
};

struct tickets {
	GHashTable *waiting;	/* text to struct ticket */
};

struct tickets *tickets_new(void)
{
	struct tickets *tickets = g_new0(struct tickets, 1);

	tickets->waiting = g_hash_table_new_full(g_str_hash, g_str_equal,
						 g_free, g_free);
	return tickets;
}

void tickets_free(struct tickets *tickets)
{
	if (!tickets)
		return;
	g_hash_table_unref(tickets->waiting);
	g_free(tickets);
}

static gboolean ticket_is_old(gpointer key, gpointer value, gpointer data)
{
	const struct ticket *ticket = value;

	(void)key;
	return ticket->until <= *(gint64 *)data;
}

static unsigned int tickets_of(const struct tickets *tickets, const char *id)
{
	const struct ticket *ticket;
	unsigned int count = 0;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, tickets->waiting);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		ticket = value;
		count += !strcmp(ticket->grant.id, id);
	}
	return count;
}

/*
 * Not refused: a ticket is asked for again within seconds, and who is refused one
 * cannot get in. Whoever has as many tokens as they like loses only their own.
 */
static void tickets_make_room(struct tickets *tickets)
{
	struct shares *shares = shares_new();
	gpointer key, value, oldest = NULL;
	gint64 until = G_MAXINT64;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, tickets->waiting);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		shares_count(shares, &((const struct ticket *)value)->grant);
	g_hash_table_iter_init(&iter, tickets->waiting);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const struct ticket *ticket = value;

		if (ticket->until < until &&
		    shares_is_most(shares, &ticket->grant)) {
			until = ticket->until;
			oldest = key;
		}
	}
	shares_free(shares);
	g_hash_table_remove(tickets->waiting, oldest);
}

static bool ticket_make(char text[TICKET_LEN])
{
	unsigned char raw[TICKET_BYTES];
	g_autofree char *base64 = NULL;
	char *at;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return false;
	base64 = g_base64_encode(raw, sizeof(raw));
	for (at = base64; *at && *at != '='; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	*at = '\0';
	return g_strlcpy(text, base64, TICKET_LEN) < TICKET_LEN;
}

bool tickets_issue(struct tickets *tickets, const struct grant *grant,
		   gint64 now, char text[TICKET_LEN])
{
	struct ticket *ticket;

	g_hash_table_foreach_remove(tickets->waiting, ticket_is_old, &now);
	if (tickets_of(tickets, grant->id) >= TICKETS_EACH || !ticket_make(text))
		return false;
	if (g_hash_table_size(tickets->waiting) >= TICKETS_MAX)
		tickets_make_room(tickets);
	ticket = g_new0(struct ticket, 1);
	ticket->grant = *grant;
	ticket->until = now + TICKET_LIFE_S * G_USEC_PER_SEC;
	g_hash_table_insert(tickets->waiting, g_strdup(text), ticket);
	return true;
}

bool tickets_take(struct tickets *tickets, const char *text, gint64 now,
		  struct grant *grant)
{
	const struct ticket *ticket = g_hash_table_lookup(tickets->waiting,
							  text);
	bool good = ticket && ticket->until > now;

	if (good)
		*grant = ticket->grant;
	g_hash_table_remove(tickets->waiting, text);
	return good;
}
