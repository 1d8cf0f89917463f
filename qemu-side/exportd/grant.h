/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a client may do, and with which desktops. Pure functions; where a grant
 * comes from (a token, or a server that asks for none) is not known here.
 */
#ifndef HELIX_GRANT_H
#define HELIX_GRANT_H

#include <glib.h>
#include <stdbool.h>

#define GRANT_DESKTOP_LEN	64
#define GRANT_ID_LEN		40
#define GRANT_VM_LEN		33	/* of a virtual machine's name, with its NUL */

/* Each may all that the one before it may. */
enum role {
	ROLE_NONE,
	ROLE_VIEW,	/* sees */
	ROLE_CONTROL,	/* and uses keyboard and pointer, when it is its turn */
	ROLE_ADMIN,	/* and takes control from others, makes and revokes tokens */
};

struct grant {
	enum role role;
	char desktop[GRANT_DESKTOP_LEN];	/* "VM:N", "VM:*" or "*" */
	char id[GRANT_ID_LEN];			/* of its token, or empty */
	gint64 expires;				/* Unix seconds, 0: never */
	unsigned int keys;			/* of tokens_keys(), as it was judged */
};

/* "view", "control", "admin"; "none" for anything else. */
const char *role_name(enum role role);
bool role_parse(const char *name, enum role *role);

/* Everything, for ever: what a server that asks for no token gives. */
void grant_all(struct grant *grant);

/* Whether @text is one of the three forms of a desktop pattern. */
bool grant_pattern_valid(const char *text);

/* The virtual machine that the grant is for, "*": all of them. */
void grant_vm(const struct grant *grant, char vm[GRANT_VM_LEN]);

/* Whether the desktop "VM:N" is among those of the grant, in whatever role. */
bool grant_covers(const struct grant *grant, const char *desktop_id);

/*
 * Whether @grant is good for what needs @role with the desktop "VM:N"; NULL is
 * the server as a whole, for which only a grant of all desktops is good.
 */
bool grant_allows(const struct grant *grant, enum role role,
		  const char *desktop_id);

/* Whether all that @part allows is allowed by @whole, and for as long. */
bool grant_contains(const struct grant *whole, const struct grant *part);

/* @now: Unix seconds. */
bool grant_expired(const struct grant *grant, gint64 now);

#endif
