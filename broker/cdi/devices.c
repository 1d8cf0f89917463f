// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "error.h"

#define SERIAL_PREFIX	"helix-"

/* A text that was longer than there is room for names nothing. */
__attribute__((format(printf, 3, 4)))
static void put_text(char *text, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, size, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= size)
		text[0] = '\0';
}

/* The first line of a file of sysfs; false where it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (!file)
		return false;
	ok = fgets(line, size, file);
	fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

/* "prefix" and a number: the number; -1 for any other name. */
static long numbered(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	char *end;
	long number;

	if (strncmp(name, prefix, len) || !isdigit((unsigned char)name[len]))
		return -1;
	errno = 0;
	number = strtol(name + len, &end, 10);
	return *end || errno || number > INT_MAX ? -1 : number;
}

/* @dir/@name/dev of sysfs, for the node @path. */
static bool read_node(const char *dir, const char *name, const char *path, struct cdi_node *node)
{
	char file[PATH_MAX], line[32];

	put_text(file, sizeof(file), "%s/%s/dev", dir, name);
	if (!read_line(file, line, sizeof(line)) ||
	    sscanf(line, "%u:%u", &node->major, &node->minor) != 2)
		return false;
	put_text(node->path, sizeof(node->path), "%s/%s", path, name);
	return true;
}

/* What the GPU of a scanout has: the folder is not there if that has just gone. */
static void read_gpu(const char *sysroot, struct cdi_scanout *s)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	put_text(path, sizeof(path), "%s/sys/dev/char/%u:%u/device/drm", sysroot, s->scanout.major,
		 s->scanout.minor);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (numbered(entry->d_name, "card") >= 0)
			read_node(path, entry->d_name, "/dev/dri", &s->card);
		else if (numbered(entry->d_name, "renderD") >= 0)
			read_node(path, entry->d_name, "/dev/dri", &s->render);
	}
	closedir(dir);
}

static int compare_inputs(const void *a, const void *b)
{
	const struct cdi_input *x = a, *y = b;

	return (x->node.minor > y->node.minor) - (x->node.minor < y->node.minor);
}

/* The event nodes below the folder of one input device. */
static int read_events(const char *path, const char *parent, struct cdi_scanout *s,
		       struct hl_error *err)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret = 0;

	while (dir && !ret && (entry = readdir(dir))) {
		struct cdi_input input = { 0 };

		if (numbered(entry->d_name, "event") < 0 ||
		    !read_node(path, entry->d_name, "/dev/input", &input.node))
			continue;
		put_text(input.parent, sizeof(input.parent), "%s", parent);
		if (s->nr_inputs < CDI_INPUTS_MAX)
			s->inputs[s->nr_inputs++] = input;
		else
			ret = hl_error_set(err, E2BIG,
					   "more than %d input devices have the serial " SERIAL_PREFIX "%u",
					   CDI_INPUTS_MAX, s->number);
	}
	if (dir)
		closedir(dir);
	return ret;
}

static struct cdi_scanout *find(struct cdi_devices *devices, uint32_t number)
{
	for (size_t i = 0; i < devices->n; i++)
		if (devices->scanouts[i].number == number)
			return &devices->scanouts[i];
	return NULL;
}

static uint32_t owner_by_serial(const char *folder)
{
	char path[PATH_MAX], serial[64];
	long number;

	put_text(path, sizeof(path), "%s/uniq", folder);
	if (!read_line(path, serial, sizeof(serial)))
		return 0;
	number = numbered(serial, SERIAL_PREFIX);
	return number < 0 ? 0 : number;
}

static int read_inputs(const char *sysroot, struct cdi_devices *devices, struct hl_error *err)
{
	char class[PATH_MAX];
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	put_text(class, sizeof(class), "%s/sys/class/input", sysroot);
	dir = opendir(class);
	/* Without any input device there is no such class. */
	while (dir && !ret && (entry = readdir(dir))) {
		struct cdi_scanout *s;
		char path[PATH_MAX];

		if (numbered(entry->d_name, "input") < 0)
			continue;
		put_text(path, sizeof(path), "%s/%s", class, entry->d_name);
		s = find(devices, owner_by_serial(path));
		if (s)
			ret = read_events(path, entry->d_name, s, err);
	}
	if (dir)
		closedir(dir);
	return ret;
}

int cdi_devices_read(const char *sysroot, const struct hl_scanout *list, size_t n,
		     struct cdi_devices *devices, struct hl_error *err)
{
	int ret;

	devices->n = 0;
	devices->scanouts = calloc(n ? n : 1, sizeof(*devices->scanouts));
	if (!devices->scanouts)
		return hl_error_set(err, ENOMEM, "out of memory");
	devices->n = n;
	for (size_t i = 0; i < n; i++) {
		struct cdi_scanout *s = &devices->scanouts[i];

		s->number = list[i].scanout;
		s->scanout.major = list[i].dev_major;
		s->scanout.minor = list[i].dev_minor;
		put_text(s->scanout.path, sizeof(s->scanout.path), "%s", list[i].node);
		read_gpu(sysroot, s);
	}
	ret = read_inputs(sysroot, devices, err);
	for (size_t i = 0; i < n; i++)
		qsort(devices->scanouts[i].inputs, devices->scanouts[i].nr_inputs,
		      sizeof(devices->scanouts[i].inputs[0]), compare_inputs);
	if (ret)
		cdi_devices_free(devices);
	return ret;
}

void cdi_devices_free(struct cdi_devices *devices)
{
	free(devices->scanouts);
	*devices = (struct cdi_devices) { 0 };
}

uint32_t cdi_input_owner(const char *sysroot, unsigned int major, unsigned int minor)
{
	char path[PATH_MAX];

	put_text(path, sizeof(path), "%s/sys/dev/char/%u:%u/device", sysroot, major, minor);
	return owner_by_serial(path);
}
