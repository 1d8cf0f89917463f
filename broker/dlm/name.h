/* SPDX-License-Identifier: MIT */
/* Which scanout the name of a lease means. */
#ifndef DLM_NAME_H
#define DLM_NAME_H

#include "helix-lease-client.h"

/*
 * *@scanout: its number, 0 for any. @sysfs: "/sys". In this order:
 *
 *   helix-any          any that is free
 *   helix-N            scanout N
 *   cardC-TYPE-N       where this machine has a connector of that name, its scanout
 *   cardC-TYPE-N       else, as configured for other hardware, scanout N
 *
 * Returns 0, or -ENOENT: none of these, or no such scanout.
 */
int dlm_find_scanout(const char *sysfs, const char *name, const struct hl_scanout *list, size_t n,
		     uint32_t *scanout);

#endif
