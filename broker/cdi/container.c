// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in the container's file system was put there by whoever made its image: every
 * path below its root is resolved as if that were "/", with no way out of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "container.h"
#include "error.h"
#include "filter.h"

#define STATE_MAX	(256 << 10)
#define CONFIG_MAX	(8 << 20)
#define CONFIG_TIMEOUT_MS 10000
#define JSON_DEPTH	64
#define NODE_MODE	0660

/* ---- what the runtime says ---- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* All of @fd, NUL-terminated, to be given to free(). */
static int read_all(int fd, const char *what, size_t max, int timeout_ms, char **text,
		    size_t *len, struct hl_error *err)
{
	int64_t deadline = now_ms() + timeout_ms;
	char *buf = malloc(max + 1);
	size_t done = 0;
	ssize_t n = 1;
	int code = buf ? 0 : ENOMEM;

	while (!code && n && done <= max) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - now_ms();
		int ready = left > 0 ? poll(&pfd, 1, left) : 0;

		if (!ready)
			code = ETIMEDOUT;
		else if (ready < 0 || (n = read(fd, buf + done, max + 1 - done)) < 0)
			code = errno == EINTR ? 0 : errno;
		else
			done += n;
		if (n < 0)
			n = 1;
	}
	if (!code && done > max)
		code = EFBIG;
	if (code) {
		free(buf);
		return hl_error_set(err, code, "cannot read %s: %s", what, strerror(code));
	}
	buf[done] = '\0';
	*text = buf;
	*len = done;
	return 0;
}

static int parse(const char *text, size_t len, const char *what, json_object **obj,
		 struct hl_error *err)
{
	json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	json_object *parsed = NULL;

	if (!tok)
		return hl_error_set(err, ENOMEM, "out of memory");
	if (len <= INT_MAX)
		parsed = json_tokener_parse_ex(tok, text, len);
	json_tokener_free(tok);
	if (!json_object_is_type(parsed, json_type_object)) {
		json_object_put(parsed);
		return hl_error_set(err, EINVAL, "%s is not a JSON object", what);
	}
	*obj = parsed;
	return 0;
}

static const char *member(json_object *obj, const char *name)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static int read_config(const char *bundle, struct cdi_container *c, struct hl_error *err)
{
	char path[PATH_MAX], *text;
	json_object *root;
	const char *rootfs;
	size_t len;
	int fd, ret;

	snprintf(path, sizeof(path), "%s/config.json", bundle);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	ret = read_all(fd, path, CONFIG_MAX, CONFIG_TIMEOUT_MS, &text, &len, err);
	close(fd);
	if (ret)
		return ret;
	ret = parse(text, len, path, &c->config, err);
	free(text);
	if (ret)
		return ret;
	rootfs = json_object_object_get_ex(c->config, "root", &root) ? member(root, "path") : NULL;
	if (!rootfs)
		return hl_error_set(err, EINVAL, "%s names no root file system", path);
	if (rootfs[0] == '/')
		c->rootfs = strdup(rootfs);
	else if (asprintf(&c->rootfs, "%s/%s", bundle, rootfs) < 0)
		c->rootfs = NULL;
	return c->rootfs ? 0 : hl_error_set(err, ENOMEM, "out of memory");
}

static int read_state(json_object *state, struct cdi_container *c, struct hl_error *err)
{
	const char *bundle = member(state, "bundle"), *id = member(state, "id");
	json_object *pid;

	if (!bundle || bundle[0] != '/')
		return hl_error_set(err, EINVAL, "the state names no bundle");
	if (!json_object_object_get_ex(state, "pid", &pid) ||
	    !json_object_is_type(pid, json_type_int) || json_object_get_int(pid) <= 0)
		return hl_error_set(err, EINVAL, "the state names no process");
	c->pid = json_object_get_int(pid);
	snprintf(c->id, sizeof(c->id), "%s", id ? id : "");
	return read_config(bundle, c, err);
}

int cdi_container_read(int fd, int timeout_ms, struct cdi_container *c, struct hl_error *err)
{
	static const char what[] = "the state of the container, from stdin";
	json_object *state = NULL;
	char *text;
	size_t len;
	int ret = read_all(fd, what, STATE_MAX, timeout_ms, &text, &len, err);

	if (ret)
		return ret;
	*c = (struct cdi_container) { 0 };
	ret = parse(text, len, what, &state, err);
	free(text);
	if (!ret)
		ret = read_state(state, c, err);
	json_object_put(state);
	if (ret)
		cdi_container_free(c);
	return ret;
}

void cdi_container_free(struct cdi_container *c)
{
	json_object_put(c->config);
	free(c->rootfs);
	*c = (struct cdi_container) { 0 };
}

int cdi_container_check(const struct cdi_container *c, struct hl_error *err)
{
	unsigned int inside = 1, outside = 1, count = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", c->pid);
	file = fopen(path, "re");
	if (!file)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (fscanf(file, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0;
	fclose(file);
	if (inside || outside || count != UINT_MAX)
		return hl_error_set(err, EOPNOTSUPP,
				    "a container in a user namespace cannot have a scanout");
	return 0;
}

const char *cdi_container_annotation(const struct cdi_container *c, const char *name)
{
	json_object *annotations;

	if (!json_object_object_get_ex(c->config, "annotations", &annotations))
		return NULL;
	return member(annotations, name);
}

/* ---- its file system ---- */

static int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* A folder of the container's /dev. */
static int open_folder(int root, const char *name, struct hl_error *err)
{
	int dev = open_below(root, "dev", O_PATH | O_DIRECTORY), fd;
	char path[64];

	if (dev < 0)
		return hl_error_set(err, errno, "the container has no /dev: %s", strerror(errno));
	if (mkdirat(dev, name, 0755) < 0 && errno != EEXIST) {
		hl_error_set(err, errno, "cannot make /dev/%s in the container: %s", name,
			     strerror(errno));
		close(dev);
		return -err->code;
	}
	close(dev);
	/* Nobody else is in there yet: its first process waits for us. */
	snprintf(path, sizeof(path), "dev/%s", name);
	fd = open_below(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot open /dev/%s of the container: %s", name,
				    strerror(errno));
	return fd;
}

static int place_node(int folder, const char *name, const struct cdi_node *node, gid_t group,
		      struct hl_error *err)
{
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return hl_error_set(err, errno, "cannot replace %s in the container: %s", name,
				    strerror(errno));
	if (mknodat(folder, name, S_IFCHR | NODE_MODE, makedev(node->major, node->minor)) < 0 ||
	    fchmodat(folder, name, NODE_MODE, 0) < 0 ||
	    fchownat(folder, name, 0, group == (gid_t)-1 ? 0 : group, AT_SYMLINK_NOFOLLOW) < 0)
		return hl_error_set(err, errno, "cannot make %s in the container: %s", name,
				    strerror(errno));
	return 0;
}

static int place_scanout(int root, const struct cdi_scanout *own, const struct cdi_options *options,
			 struct hl_error *err)
{
	int folder = open_folder(root, "dri", err);
	char by_minor[16];
	int ret;

	if (folder < 0)
		return folder;
	snprintf(by_minor, sizeof(by_minor), "card%u", own->scanout.minor);
	ret = place_node(folder, "card0", &own->scanout, options->video, err);
	if (!ret)
		ret = place_node(folder, by_minor, &own->scanout, options->video, err);
	close(folder);
	return ret;
}

/* ---- what is another scanout's ---- */

static bool is_node(const struct cdi_node *node, dev_t rdev)
{
	return node->path[0] && makedev(node->major, node->minor) == rdev;
}

/*
 * Whether the runtime put it there for the pool's sake: scanout nodes have a major number
 * of their own, and an input device says by its serial whose it is. One that is gone says
 * nothing, and is of no use to anybody.
 */
static bool is_pools(const struct cdi_devices *all, dev_t rdev)
{
	char path[64];

	for (size_t i = 0; i < all->n; i++)
		if (major(rdev) == all->scanouts[i].scanout.major ||
		    is_node(&all->scanouts[i].render, rdev))
			return true;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(rdev), minor(rdev));
	return access(path, F_OK) < 0 || cdi_input_owner("", major(rdev), minor(rdev));
}

/* Of @name below /dev every device that is a scanout's, but not this one's. */
static int clear_folder(int root, const char *name, const struct cdi_devices *all,
			const struct cdi_scanout *own, struct hl_error *err)
{
	int folder = open_folder(root, name, err);
	struct dirent *entry;
	DIR *dir;
	int ret = 0;

	if (folder < 0)
		return folder;
	dir = fdopendir(folder);
	if (!dir) {
		close(folder);
		return hl_error_set(err, ENOMEM, "out of memory");
	}
	while (!ret && (entry = readdir(dir))) {
		struct stat st;

		if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISCHR(st.st_mode) || !is_pools(all, st.st_rdev) ||
		    cdi_is_own(own, major(st.st_rdev), minor(st.st_rdev)))
			continue;
		if (unlinkat(folder, entry->d_name, 0) < 0)
			ret = hl_error_set(err, errno, "cannot take %s from the container: %s",
					   entry->d_name, strerror(errno));
	}
	closedir(dir);
	return ret;
}

/* ---- udev's records ---- */

/* A mount of them that is nowhere yet. */
static int open_records(const struct cdi_scanout *own, const struct cdi_options *options,
			struct hl_error *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
	};
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%u/udev", options->state_dir, own->number);
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s (does helix-leased --cdi run?)",
				    path, strerror(errno));
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		hl_error_set(err, errno, "cannot mount %s read-only: %s", path, strerror(errno));
		close(fd);
		return -err->code;
	}
	return fd;
}

static int place_records(int root, int records, struct hl_error *err)
{
	int target = open_below(root, "run/udev", O_PATH | O_DIRECTORY);
	int ret = 0;

	if (target < 0)
		return hl_error_set(err, errno, "the container has no /run/udev: %s",
				    strerror(errno));
	if (move_mount(records, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		ret = hl_error_set(err, errno, "cannot mount udev's records in the container: %s",
				   strerror(errno));
	close(target);
	return ret;
}

/* ---- all of it ---- */

static int enter(pid_t pid, struct hl_error *err)
{
	char path[64];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		ret = hl_error_set(err, errno, "cannot enter the container's mount namespace: %s",
				   strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

static int place_in(int root, const struct cdi_devices *all, const struct cdi_scanout *own,
		    int records, const struct cdi_options *options, struct hl_error *err)
{
	static const char *const folders[] = { "helix", "input", "dri" };
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(folders) / sizeof(folders[0]); i++)
		ret = clear_folder(root, folders[i], all, own, err);
	if (!ret)
		ret = place_scanout(root, own, options, err);
	if (!ret)
		ret = place_records(root, records, err);
	return ret;
}

int cdi_container_place(const struct cdi_container *c, const struct cdi_devices *all,
			const struct cdi_scanout *own, const struct cdi_options *options,
			struct hl_error *err)
{
	int records, root, ret;

	records = open_records(own, options, err);
	if (records < 0)
		return records;
	ret = cdi_filter_attach(c->pid, all, own, err);
	if (!ret)
		ret = enter(c->pid, err);
	if (!ret) {
		root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			ret = hl_error_set(err, errno, "cannot open the container's %s: %s",
					   c->rootfs, strerror(errno));
		else
			ret = place_in(root, all, own, records, options, err);
		if (root >= 0)
			close(root);
	}
	close(records);
	return ret;
}
