/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Users and groups of a container that is in a user namespace, as those outside of it know
 * them; see user_namespaces(7).
 */
#ifndef CDI_IDS_H
#define CDI_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "helix-lease-client.h"

/* Who @inside is, by a map as /proc has it: 0, or -ENOENT if nobody is. */
int cdi_ids_outside(const char *map, uint32_t inside, uint32_t *outside);

/* Whether everybody in the map is who he is outside: of a process in no user namespace. */
bool cdi_ids_same(const char *map);

#define CDI_IDS_MAX	8192	/* bytes of a map: 340 lines, of mostly less than 24 */

/* The map "uid" or "gid" of @process, a number or "self", into CDI_IDS_MAX bytes. */
int cdi_ids_read(const char *process, const char *kind, char *map, struct hl_error *err);

#endif
