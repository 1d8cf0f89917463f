/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts something by the virtual machine whose desktops a grant is for ("*": all of
 * them), so that the people of one cannot take what is there for everybody. Not by
 * token: the administrator of one desktop makes as many of those as they like.
 */
#ifndef HELIX_SHARE_H
#define HELIX_SHARE_H

#include "grant.h"

struct shares;

struct shares *shares_new(void);
void shares_free(struct shares *shares);

void shares_count(struct shares *shares, const struct grant *grant);
/* How many were counted, of all and of the machine of @grant. */
unsigned int shares_total(const struct shares *shares);
unsigned int shares_of(const struct shares *shares, const struct grant *grant);
/* Whether the machine of @grant is the one, of those with most, that came to it first. */
bool shares_is_most(const struct shares *shares, const struct grant *grant);

#endif
