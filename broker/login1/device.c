// SPDX-License-Identifier: GPL-2.0-only
/* Device numbers and the nodes that have them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/input.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "login.h"

/* Who holds a session may take what is in here and nothing else. */
static const char *const folders[] = { "/dev/dri", "/dev/input", "/dev/helix" };

static bool is_device(const char *path, dev_t number)
{
	struct stat st;

	return !stat(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == number;
}

static bool find_by_number(dev_t number, char *path, size_t size)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		DIR *dir = opendir(folders[i]);
		struct dirent *entry;
		bool found = false;

		while (dir && !found && (entry = readdir(dir))) {
			int len = snprintf(path, size, "%s/%s", folders[i], entry->d_name);

			found = len > 0 && (size_t)len < size && is_device(path, number);
		}
		if (dir)
			closedir(dir);
		if (found)
			return true;
	}
	return false;
}

/*
 * udev knows the guest's card. It is not in here: the scanout's node has its name, under a
 * number of its own.
 */
static bool find_by_name(dev_t number, char *path, size_t size)
{
	char line[NAME_MAX + 16], name[NAME_MAX + 1];
	bool found = false;
	FILE *file;

	snprintf(line, sizeof(line), "/sys/dev/char/%u:%u/uevent", major(number), minor(number));
	file = fopen(line, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "DEVNAME=dri/%255[^/\n]", name) == 1;
	if (file)
		fclose(file);
	return found && snprintf(path, size, "/dev/dri/%s", name) < (int)size;
}

int device_open(uint32_t major, uint32_t minor)
{
	dev_t number = makedev(major, minor);
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!find_by_number(number, path, sizeof(path)) &&
	    !find_by_name(number, path, sizeof(path)))
		return -ENODEV;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	if (!fstat(fd, &st) && S_ISCHR(st.st_mode))
		return fd;
	close(fd);
	return -ENODEV;
}

void device_revoke(int fd)
{
	/* What is no input device says ENOTTY and is none the worse for it. */
	ioctl(fd, EVIOCREVOKE, NULL);
}
