/* SPDX-License-Identifier: GPL-2.0-only */
/* The sizes in which a desktop can be watched. */
#ifndef HELIX_RUNG_H
#define HELIX_RUNG_H

#include <stdbool.h>

enum rung {
	RUNG_FULL,
	RUNG_THUMB,
	RUNG_COUNT,
	RUNG_NONE = RUNG_COUNT,		/* nothing for now: a hidden tab */
};

/* "full", "thumb" or "none". */
bool rung_parse(const char *name, enum rung *rung);
const char *rung_name(enum rung rung);

#endif
