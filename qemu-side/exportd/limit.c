// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the counts. Rule: a window begins with its first event and ends after
 * its time; where there is no room for a name, the one counted longest ago goes.
 */
#include "limit.h"

struct limit_entry {
	gint64 since;
	unsigned int count;
};

struct limit {
	unsigned int count, names;
	gint64 window;
	GHashTable *entries;	/* name to struct limit_entry */
};

struct limit *limit_new(unsigned int count, gint64 window, unsigned int names)
{
	struct limit *limit = g_new0(struct limit, 1);

	limit->count = count;
	limit->window = window;
	limit->names = names;
	limit->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					       g_free);
	return limit;
}

void limit_free(struct limit *limit)
{
	if (!limit)
		return;
	g_hash_table_unref(limit->entries);
	g_free(limit);
}

static void limit_make_room(struct limit *limit)
{
	const struct limit_entry *entry;
	gpointer key, value, oldest = NULL;
	gint64 since = G_MAXINT64;
	GHashTableIter iter;

	if (g_hash_table_size(limit->entries) < limit->names)
		return;
	g_hash_table_iter_init(&iter, limit->entries);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		entry = value;
		if (entry->since < since) {
			since = entry->since;
			oldest = key;
		}
	}
	g_hash_table_remove(limit->entries, oldest);
}

void limit_count(struct limit *limit, const char *name, gint64 now)
{
	struct limit_entry *entry = g_hash_table_lookup(limit->entries, name);

	if (!entry) {
		limit_make_room(limit);
		entry = g_new0(struct limit_entry, 1);
		entry->since = now;
		g_hash_table_insert(limit->entries, g_strdup(name), entry);
	} else if (now - entry->since >= limit->window) {
		entry->since = now;
		entry->count = 0;
	}
	if (entry->count < limit->count)
		entry->count++;
}

bool limit_reached(const struct limit *limit, const char *name, gint64 now)
{
	const struct limit_entry *entry = g_hash_table_lookup(limit->entries,
							      name);

	return entry && now - entry->since < limit->window &&
	       entry->count >= limit->count;
}
