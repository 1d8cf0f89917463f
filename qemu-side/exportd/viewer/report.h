/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was seen, as JSON.
 */
#ifndef HELIX_VIEWER_REPORT_H
#define HELIX_VIEWER_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "desktop.h"

/*
 * The report as text that the caller frees, or NULL without memory. @measured_s
 * is how long the desktops were watched after all had delivered.
 */
char *report_text(const struct desktop *desktops, size_t n, double measured_s);

/* Writes @text to the file @path, whole or not at all; NULL: stdout. */
bool report_write(const char *text, const char *path);

#endif
