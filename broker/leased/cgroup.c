// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

#define DEPTH_MAX	32	/* a descriptor is open for each level */

static int search(int folder, uint64_t id, unsigned int depth);

/*
 * Whoever a folder was given to may have taken the right to read it from everybody, us
 * included: to be the one that was looked for it need not be read. One that has gone
 * meanwhile is none.
 */
static int search_entry(int folder, const struct dirent *entry, uint64_t id, unsigned int depth)
{
	int how = O_DIRECTORY | O_CLOEXEC, fd = openat(folder, entry->d_name, O_RDONLY | how);

	if (fd < 0 && errno == EACCES && entry->d_ino == id)
		fd = openat(folder, entry->d_name, O_PATH | how);
	if (fd < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	if (entry->d_ino == id)
		return fd;
	if (depth < DEPTH_MAX)
		return search(fd, id, depth + 1);
	close(fd);
	return -ENAMETOOLONG;
}

/*
 * An id is the number of the folder's inode. To open one by its handle would take the
 * right to read everything. -ENOENT only where all was looked at.
 */
static int search(int folder, uint64_t id, unsigned int depth)
{
	struct dirent *entry;
	int found = -ENOENT;
	DIR *dir = fdopendir(folder);

	if (!dir) {
		close(folder);
		return -ENOMEM;
	}
	while (found < 0 && (entry = readdir(dir))) {
		int one;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		one = search_entry(dirfd(dir), entry, id, depth);
		if (one != -ENOENT)
			found = one;
	}
	closedir(dir);
	return found;
}

int cgroup_open(const char *sysroot, uint64_t id)
{
	char path[PATH_MAX];
	int root;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup", sysroot);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : search(root, id, 0);
}

bool cgroup_populated(int cgroup)
{
	int fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t len;

	/* Without a file it has been removed, which one with a process cannot be. */
	if (fd < 0)
		return errno != ENOENT && errno != ENODEV;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return errno != ENODEV;
	text[len] = '\0';
	return !strstr(text, "populated 0");
}
