// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "records.h"
#include "tree.h"

void tree_new(char root[TREE_ROOM])
{
	strcpy(root, "/tmp/broker-XXXXXX");
	assert_non_null(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void tree_remove(const char *root)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void tree_put(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	struct hl_error err;
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (cdi_file_write(path, text, strlen(text), &err))
		fail_msg("%s", err.message);
}

bool tree_has(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return !access(path, F_OK);
}

void tree_put_input(const char *root, int input, int event, int minor, const char *serial)
{
	char text[32];

	tree_put(serial, "%s/sys/class/input/input%d/uniq", root, input);
	snprintf(text, sizeof(text), "13:%d\n", minor);
	tree_put(text, "%s/sys/class/input/input%d/event%d/dev", root, input, event);
	tree_put("I:1\nE:ID_INPUT=1\n", "%s/run/udev/data/c13:%d", root, minor);
	tree_put("E:ID_INPUT=1\n", "%s/run/udev/data/+input:input%d", root, input);
	tree_put("", "%s/run/udev/tags/seat/+input:input%d", root, input);
}
