// SPDX-License-Identifier: GPL-2.0-only
#include "share.h"

#include <string.h>

struct share {
	char vm[GRANT_VM_LEN];
	unsigned int count;
};

struct shares {
	GHashTable *machines;		/* name to struct share, which has it */
	const struct share *most;	/* NULL: nothing was counted */
	unsigned int total;
};

struct shares *shares_new(void)
{
	struct shares *shares = g_new0(struct shares, 1);

	shares->machines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
						 g_free);
	return shares;
}

void shares_free(struct shares *shares)
{
	g_hash_table_unref(shares->machines);
	g_free(shares);
}

static struct share *shares_find(const struct shares *shares,
				 const struct grant *grant)
{
	char vm[GRANT_VM_LEN];

	grant_vm(grant, vm);
	return g_hash_table_lookup(shares->machines, vm);
}

void shares_count(struct shares *shares, const struct grant *grant)
{
	struct share *share = shares_find(shares, grant);

	if (!share) {
		share = g_new0(struct share, 1);
		grant_vm(grant, share->vm);
		g_hash_table_insert(shares->machines, share->vm, share);
	}
	share->count++;
	shares->total++;
	if (!shares->most || share->count > shares->most->count)
		shares->most = share;
}

unsigned int shares_total(const struct shares *shares)
{
	return shares->total;
}

unsigned int shares_of(const struct shares *shares, const struct grant *grant)
{
	const struct share *share = shares_find(shares, grant);

	return share ? share->count : 0;
}

bool shares_is_most(const struct shares *shares, const struct grant *grant)
{
	const struct share *share = shares_find(shares, grant);

	return share && share == shares->most;
}
