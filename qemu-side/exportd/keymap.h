/* SPDX-License-Identifier: GPL-2.0-only */
/* DOM KeyboardEvent.code to QEMU key number. */
#ifndef HELIX_KEYMAP_H
#define HELIX_KEYMAP_H

#define KEYMAP_QNUM_MAX	256	/* every key number is below this */

/* The key number of @code, or 0 where QEMU has no such key. */
unsigned int keymap_lookup(const char *code);

#endif
