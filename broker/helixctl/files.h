/* SPDX-License-Identifier: GPL-2.0-only */
/* Small files of /sys, /proc and /dev, below a root that is "" but for another tree. */
#ifndef HELIXCTL_FILES_H
#define HELIXCTL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FILES_PATH	512

/* root + the formatted path; what is too long is a path that does not exist. */
const char *files_path(char path[FILES_PATH], const char *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The first line, without its end; false and "" where it cannot be read. */
bool files_line(const char *path, char *text, size_t size);

/* A number alone in a file. */
bool files_u64(const char *path, uint64_t *value);

#endif
