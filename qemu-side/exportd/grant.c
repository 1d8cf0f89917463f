// SPDX-License-Identifier: GPL-2.0-only
#include "grant.h"

#include <string.h>

#define GRANT_NUMBER_MAX 10	/* digits of a scanout's number */

static const char *const role_names[] = {
	[ROLE_NONE] = "none",
	[ROLE_VIEW] = "view",
	[ROLE_CONTROL] = "control",
	[ROLE_ADMIN] = "admin",
};

const char *role_name(enum role role)
{
	return role_names[role <= ROLE_ADMIN ? role : ROLE_NONE];
}

bool role_parse(const char *name, enum role *role)
{
	unsigned int i;

	for (i = ROLE_VIEW; i <= ROLE_ADMIN; i++) {
		if (!g_strcmp0(name, role_names[i])) {
			*role = (enum role)i;
			return true;
		}
	}
	return false;
}

void grant_all(struct grant *grant)
{
	memset(grant, 0, sizeof(*grant));
	grant->role = ROLE_ADMIN;
	strcpy(grant->desktop, "*");
}

/* The length of a VM's name at the start of @text; 0 if there is none. */
static size_t grant_vm_len(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len < GRANT_VM_LEN ? len : 0;
}

static bool grant_number_valid(const char *text)
{
	size_t len = strspn(text, "0123456789");

	/* one way to write each number: a pattern is compared as text */
	return len && len <= GRANT_NUMBER_MAX && !text[len] &&
	       (text[0] != '0' || len == 1);
}

bool grant_pattern_valid(const char *text)
{
	size_t len;

	if (!strcmp(text, "*"))
		return true;
	len = grant_vm_len(text);
	if (!len || text[len] != ':')
		return false;
	return !strcmp(text + len + 1, "*") ||
	       grant_number_valid(text + len + 1);
}

void grant_vm(const struct grant *grant, char vm[GRANT_VM_LEN])
{
	size_t len = grant_vm_len(grant->desktop);

	if (len)
		g_snprintf(vm, GRANT_VM_LEN, "%.*s", (int)len, grant->desktop);
	else
		strcpy(vm, "*");
}

/* What @pattern covers includes @id, which may itself be a pattern. */
static bool grant_match(const char *pattern, const char *id)
{
	size_t len = strlen(pattern);

	if (!strcmp(pattern, "*") || !strcmp(pattern, id))
		return true;
	return g_str_has_suffix(pattern, ":*") && !strncmp(pattern, id, len - 1);
}

bool grant_covers(const struct grant *grant, const char *desktop_id)
{
	return grant->role != ROLE_NONE &&
	       grant_match(grant->desktop, desktop_id);
}

bool grant_allows(const struct grant *grant, enum role role,
		  const char *desktop_id)
{
	return grant->role >= role && role != ROLE_NONE &&
	       grant_covers(grant, desktop_id ? desktop_id : "*");
}

bool grant_contains(const struct grant *whole, const struct grant *part)
{
	return whole->role >= part->role &&
	       grant_match(whole->desktop, part->desktop) &&
	       (!whole->expires ||
		(part->expires && part->expires <= whole->expires));
}

bool grant_expired(const struct grant *grant, gint64 now)
{
	return grant->expires && now >= grant->expires;
}
