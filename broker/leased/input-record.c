// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "input-record.h"
#include "log.h"
#include "records.h"

static void record_path(const char *sysroot, uint32_t scanout, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s" INPUT_STATE_DIR "/%u", sysroot, scanout);
}

static void load_line(struct record *r, const char *line)
{
	struct input_device *device = &r->devices[r->nr_devices];
	int flag;

	if (sscanf(line, "generation %" SCNu64, &r->generation) == 1 ||
	    sscanf(line, "grants %" SCNu64, &r->grants) == 1 ||
	    sscanf(line, "cgroup %" SCNu64, &r->cgroup) == 1)
		return;
	if (sscanf(line, "due %d", &flag) == 1)
		r->due = flag;
	else if (sscanf(line, "user %d", &flag) == 1)
		r->user = flag;
	else if (sscanf(line, "path %4095[^\n]", r->path) == 1 ||
		 sscanf(line, "fault %255[^\n]", r->fault) == 1)
		return;
	else if (r->nr_devices < CDI_INPUTS_MAX &&
		 sscanf(line, "device %23[a-z0-9] %u", device->name, &device->minor) >= 1)
		r->nr_devices++;
	else if (r->nr_devices < CDI_INPUTS_MAX &&
		 sscanf(line, "lost %23[a-z0-9] %u", device->name, &device->minor) >= 1)
		r->devices[r->nr_devices++].lost = true;
}

void record_load(struct record *r, const char *sysroot)
{
	char path[PATH_MAX], line[PATH_MAX + 16];
	FILE *file;

	record_path(sysroot, r->scanout, path);
	for (size_t i = 0; i < CDI_INPUTS_MAX; i++)
		r->devices[i].minor = INPUT_NO_NUMBER;
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		load_line(r, line);
	if (file)
		fclose(file);
}

void record_save(const struct record *r, const char *sysroot)
{
	char path[PATH_MAX], *text = NULL;
	struct hl_error err;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "generation %" PRIu64 "\ngrants %" PRIu64 "\ncgroup %" PRIu64 "\nuser %d\ndue %d\n",
		r->generation, r->grants, r->cgroup, r->user, r->due);
	if (r->path[0])
		fprintf(out, "path %s\n", r->path);
	for (size_t i = 0; i < r->nr_devices; i++)
		fprintf(out, "%s %s %u\n", r->devices[i].lost ? "lost" : "device", r->devices[i].name,
			r->devices[i].minor);
	if (r->fault[0])
		fprintf(out, "fault %s\n", r->fault);
	record_path(sysroot, r->scanout, path);
	if (!fclose(out) && cdi_file_write(path, text, len, &err))
		log_warn("who comes after this broker does not know of scanout %u's input: %s",
			 r->scanout, err.message);
	free(text);
}

bool record_any_absent(const char *sysroot)
{
	struct dirent *entry;
	char path[PATH_MAX];
	bool any = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s" INPUT_STATE_DIR, sysroot);
	dir = opendir(path);
	while (dir && !any && (entry = readdir(dir))) {
		struct record r = { 0 };
		int end = 0;

		if (sscanf(entry->d_name, "%" SCNu32 "%n", &r.scanout, &end) != 1 || entry->d_name[end])
			continue;
		record_load(&r, sysroot);
		any = r.nr_devices;
	}
	if (dir)
		closedir(dir);
	return any;
}

void record_fault(struct record *r, const struct hl_error *err)
{
	snprintf(r->fault, sizeof(r->fault), "%.*s", (int)sizeof(r->fault) - 1, err->message);
}
