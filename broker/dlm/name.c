// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "name.h"

/* All of @text, 1 and up, without a sign, blanks or leading zeros; else 0. */
static uint32_t number(const char *text)
{
	unsigned long value;
	char *end;

	if (*text < '1' || *text > '9')
		return 0;
	errno = 0;
	value = strtoul(text, &end, 10);
	return !errno && !*end && value <= UINT32_MAX ? value : 0;
}

/* "card0-HDMI-A-1": the number at the end, 0 where it is not such a name. */
static uint32_t connector_number(const char *name)
{
	const char *last = strrchr(name, '-');
	size_t digits;

	if (strncmp(name, "card", 4))
		return 0;
	digits = strspn(name + 4, "0123456789");
	if (!digits || name[4 + digits] != '-' || last <= name + 4 + digits + 1)
		return 0;
	return number(last + 1);
}

/* "0000:00:02.0" as bus << 8 | devfn, the last there is in a path; -1 if none is. */
static long pci_address(const char *path)
{
	unsigned int domain, bus, dev, fn;
	long address = -1;
	int len;

	for (; path; path = strchr(path, '/')) {
		path += *path == '/';
		len = 0;
		if (sscanf(path, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &len) == 4 &&
		    (path[len] == '/' || !path[len]))
			address = bus << 8 | (dev & 0x1f) << 3 | (fn & 7);
	}
	return address;
}

static uint32_t read_id(const char *path)
{
	FILE *file = fopen(path, "re");
	char text[16] = "";

	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return number(text);
}

/*
 * Which output of its GPU the connector at @path is, -1 if that cannot be read: a GPU
 * makes its connectors in the order of its outputs, and numbers of a type only rise.
 */
static int output_of(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	size_t prefix = (size_t)(strrchr(name, '-') + 1 - name);
	char *folder = strndup(path, (size_t)(name - path));
	DIR *dir = folder ? opendir(folder) : NULL;
	int before = dir ? 0 : -1;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, name, prefix) && number(entry->d_name + prefix) &&
		    number(entry->d_name + prefix) < number(name + prefix))
			before++;
	if (dir)
		closedir(dir);
	free(folder);
	return before;
}

/* Linux 6.1 does not tell a connector's id: there it is known by its place. */
static bool is_connector(const struct hl_scanout *scanout, uint32_t id, int output)
{
	return id ? scanout->connector_id == id :
		    output >= 0 && scanout->output == (uint32_t)output;
}

/* True where this machine has that connector; *@scanout is 0 if it is none's. */
static bool find_connector(const char *sysfs, const char *name, const struct hl_scanout *list,
			   size_t n, uint32_t *scanout)
{
	char *path = NULL, *real = NULL, *file = NULL;
	int output = -1;
	uint32_t id = 0;
	long gpu = -1;
	bool there;

	*scanout = 0;
	if (!strchr(name, '/') && asprintf(&path, "%s/class/drm/%s", sysfs, name) < 0)
		path = NULL;
	if (path)
		real = realpath(path, NULL);
	there = real;
	if (there) {
		gpu = pci_address(real);
		if (asprintf(&file, "%s/connector_id", real) < 0)
			file = NULL;
	}
	if (file && access(file, F_OK))
		output = output_of(real);
	else if (file)
		id = read_id(file);
	for (size_t i = 0; i < n; i++)
		if (list[i].gpu == gpu && is_connector(&list[i], id, output))
			*scanout = list[i].scanout;
	free(path);
	free(file);
	free(real);
	return there;
}

static bool is_there(uint32_t scanout, const struct hl_scanout *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].scanout == scanout)
			return true;
	return false;
}

int dlm_find_scanout(const char *sysfs, const char *name, const struct hl_scanout *list, size_t n,
		     uint32_t *scanout)
{
	uint32_t found;

	if (!strcmp(name, "helix-any")) {
		*scanout = 0;
		return 0;
	}
	if (!strncmp(name, "helix-", 6))
		found = number(name + 6);
	else if (!connector_number(name))
		return -ENOENT;
	else if (!find_connector(sysfs, name, list, n, &found))
		found = connector_number(name);
	if (!found || !is_there(found, list, n))
		return -ENOENT;
	*scanout = found;
	return 0;
}
