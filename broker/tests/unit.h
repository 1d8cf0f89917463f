/* SPDX-License-Identifier: GPL-2.0-only */
/* What cmocka.h wants to be included before it. */
#ifndef HELIX_UNIT_H
#define HELIX_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
