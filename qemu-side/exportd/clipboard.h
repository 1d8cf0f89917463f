/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clipboard of one VM, as text, both ways. The guest's agent is one for
 * the whole VM, so this belongs to one desktop of it. Main thread only.
 */
#ifndef HELIX_CLIPBOARD_H
#define HELIX_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "display.h"

#define CLIPBOARD_MIME	"text/plain;charset=utf-8"

struct clipboard;

/* The guest copied @text, UTF-8 of at most MESSAGE_TEXT_MAX bytes; NULL: more. */
typedef void (*clipboard_copied)(const char *text, void *data);

/* @display outlives it. NULL: this display has one already. */
struct clipboard *clipboard_new(struct display *display,
				clipboard_copied copied, void *data);
void clipboard_free(struct clipboard *clipboard);

/* A viewer copied @text; the guest gets it when somebody pastes there. */
void clipboard_set(struct clipboard *clipboard, const char *text);

/* Whether @len bytes of what a guest calls text can be passed on as such. */
bool clipboard_text_valid(const char *text, size_t len);

#endif
