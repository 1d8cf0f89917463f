/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A few users who may open a device node, beside its owner and its group, by its access
 * control list; see acl(5). The node stays root's, so that these can let in nobody.
 */
#ifndef HELIX_ACL_H
#define HELIX_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "helix-lease-client.h"

#define ACL_USERS_MAX	2
#define ACL_ROOM	64	/* bytes that acl_build() needs at most */

/* Of whom there may be none. */
struct acl_users {
	uid_t uid[ACL_USERS_MAX];
	size_t n;
};

/*
 * Lets @users, and no others, read and write @path, which must be the character device
 * @device. *@others: somebody else was let. 0; -ENOENT: it is not there, or another device is.
 */
int acl_give(const char *path, dev_t device, const struct acl_users *users, bool *others,
	     struct hl_error *err);

/*
 * The node @path, to be given to acl_take(): nobody but root and its group are let by it any
 * more. That also when it has no name by now: who has bound it somewhere still has it, and it
 * opens whatever device has its number. -1: it is not there, and no more has to be done.
 */
int acl_hold(const char *path);
void acl_take(int node);

/* ---- what it is made of, open to the tests: values of the attribute ---- */

/*
 * Of a node of @mode; @len 0: it has no list. The mode of owner, group and everybody else,
 * which is another while there is a list. *@others: it names others than @users, or cannot
 * be read.
 */
mode_t acl_parse(const void *value, size_t len, mode_t mode, const struct acl_users *users,
		 bool *others);

/* Its length. */
size_t acl_build(mode_t mode, const struct acl_users *users, void *value);

#endif
