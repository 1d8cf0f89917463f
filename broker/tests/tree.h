/* SPDX-License-Identifier: GPL-2.0-only */
/* A stand-in for the system's files below a folder of its own: /sys, /run and what else is wanted. */
#ifndef HELIX_TREE_H
#define HELIX_TREE_H

#include <stdbool.h>

#define TREE_ROOM	64

void tree_new(char root[TREE_ROOM]);
void tree_remove(const char *root);

/* A file, with the folders that it is in. Names are made as by printf(). */
void tree_put(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool tree_has(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As the kernel and udev have an input device: inputN with the node eventM, number 13:@minor. */
void tree_put_input(const char *root, int input, int event, int minor, const char *serial);

#endif
