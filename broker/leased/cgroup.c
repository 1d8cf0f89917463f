// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define DEPTH_MAX	32	/* a descriptor is open for each level */

/* ---- wherever it is ---- */

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

static int open_root(const char *sysroot)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup", sysroot);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_group(int folder, uint64_t id)
{
	struct stat st;

	return !fstat(folder, &st) && st.st_ino == id;
}

/* ---- by its path ---- */

/* As /proc says it; none that is not below the root of all as we see it. */
static bool path_of(const char *sysroot, pid_t pid, char path[PATH_MAX])
{
	char name[PATH_MAX], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *file;

	snprintf(name, sizeof(name), "%s/proc/%d/cgroup", sysroot, pid);
	file = fopen(name, "re");
	while (file && !found && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "0::/", 4) && strncmp(line, "0::/..", 6) &&
			snprintf(path, PATH_MAX, "%s", line + 3) < PATH_MAX;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* Of the folders on the way the one that it is; @path ends there then. Takes over @folder. */
static bool find_on(int folder, uint64_t id, char *path)
{
	char *name = path + 1, *end;
	bool found = is_group(folder, id);

	if (found)
		*name = '\0';
	for (; !found && folder >= 0 && *name; name = end + 1) {
		bool last;
		int next;

		end = strchrnul(name, '/');
		last = !*end;
		*end = '\0';
		next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(folder);
		folder = next;
		found = next >= 0 && is_group(next, id);
		if (found || last)
			break;
		*end = '/';
	}
	if (folder >= 0)
		close(folder);
	return found;
}

bool cgroup_path(const char *sysroot, pid_t pid, uint64_t id, char path[PATH_MAX])
{
	int root = open_root(sysroot);

	if (root < 0)
		return false;
	if (path_of(sysroot, pid, path))
		return find_on(root, id, path);
	close(root);
	return false;
}

/* Takes over @root. To be opened it need not be read, as in search_entry(). */
static int open_path(int root, const char *path, uint64_t id)
{
	const char *name = path[1] ? path + 1 : ".";
	int how = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd = openat(root, name, O_RDONLY | how), ret;

	if (fd < 0 && errno == EACCES)
		fd = openat(root, name, O_PATH | how);
	ret = fd >= 0 ? fd : errno == ENODEV ? -ENOENT : -errno;
	if (fd >= 0 && !is_group(fd, id)) {
		close(fd);
		ret = -ENOENT;
	}
	close(root);
	return ret;
}

int cgroup_open(const char *sysroot, const char *path, uint64_t id)
{
	int root = open_root(sysroot);

	if (root < 0)
		return root;
	return path[0] ? open_path(root, path, id) : search(root, id, 0);
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
