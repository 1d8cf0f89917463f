/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Users of user namespaces; see user_namespaces(7). Who makes one may do there what he likes,
 * with the ids that he was given for it. So whatever is in there is his: the module counts it
 * in the same way.
 */
#ifndef HELIX_USERNS_H
#define HELIX_USERNS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The user who has made the outermost of the user namespaces that the process @pid is in and
 * we are not. False: it is in none, or not there.
 */
bool userns_owner(pid_t pid, uid_t *owner);

/* Who the root of @pid's user namespace is outside of it, if @owner is its owner as above. */
bool userns_root(pid_t pid, uid_t owner, uid_t *root);

#endif
