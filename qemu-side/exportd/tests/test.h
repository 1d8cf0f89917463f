/* SPDX-License-Identifier: GPL-2.0-only */
/* cmocka and what it wants included before it. */
#ifndef HELIX_TEST_H
#define HELIX_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
