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
#include <sys/fsuid.h>
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
#include "ids.h"

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

static json_object *annotations_of(json_object *obj)
{
	json_object *annotations;

	if (!json_object_object_get_ex(obj, "annotations", &annotations) ||
	    !json_object_is_type(annotations, json_type_object))
		return NULL;
	return json_object_get(annotations);
}

static int read_config(const char *bundle, struct cdi_container *c, struct hl_error *err)
{
	char path[PATH_MAX], *text;
	json_object *config = NULL, *root;
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
	ret = parse(text, len, path, &config, err);
	free(text);
	if (ret)
		return ret;
	c->annotations = annotations_of(config);
	rootfs = json_object_object_get_ex(config, "root", &root) ? member(root, "path") : NULL;
	if (!rootfs)
		ret = hl_error_set(err, EINVAL, "%s names no root file system", path);
	else if (rootfs[0] == '/')
		c->rootfs = strdup(rootfs);
	else if (asprintf(&c->rootfs, "%s/%s", bundle, rootfs) < 0)
		c->rootfs = NULL;
	json_object_put(config);
	if (!ret && !c->rootfs)
		ret = hl_error_set(err, ENOMEM, "out of memory");
	return ret;
}

/*
 * crun says in the state what else would have to be looked up, and must be believed: in a
 * user namespace the bundle that it names is not the container's.
 */
static int take_root(json_object *state, const char *root, struct cdi_container *c,
		     struct hl_error *err)
{
	c->annotations = annotations_of(state);
	c->rootfs = strdup(root);
	return c->rootfs ? 0 : hl_error_set(err, ENOMEM, "out of memory");
}

static int read_state(json_object *state, struct cdi_container *c, struct hl_error *err)
{
	const char *bundle = member(state, "bundle"), *id = member(state, "id");
	const char *root = member(state, "root");
	json_object *pid;

	if (!bundle || bundle[0] != '/')
		return hl_error_set(err, EINVAL, "the state names no bundle");
	if (!json_object_object_get_ex(state, "pid", &pid) ||
	    !json_object_is_type(pid, json_type_int) || json_object_get_int(pid) <= 0)
		return hl_error_set(err, EINVAL, "the state names no process");
	c->pid = json_object_get_int(pid);
	snprintf(c->id, sizeof(c->id), "%s", id ? id : "");
	if (root && root[0] == '/')
		return take_root(state, root, c, err);
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
	json_object_put(c->annotations);
	free(c->rootfs);
	*c = (struct cdi_container) { 0 };
}

/* Nobody in there may be in that group: its nodes are its root's alone. */
static void map_group(const char *map, gid_t *group)
{
	uint32_t outside;

	if (*group != (gid_t)-1)
		*group = cdi_ids_outside(map, *group, &outside) ? (gid_t)-1 : outside;
}

/* Whether the container is in a user namespace that we are not in. */
static int differs(pid_t pid, bool *other, struct hl_error *err)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (stat("/proc/self/ns/user", &ours) < 0 || stat(path, &theirs) < 0)
		return hl_error_set(err, errno, "cannot look at %s: %s", path, strerror(errno));
	*other = ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev;
	return 0;
}

static int read_users(struct cdi_container *c, struct cdi_options *options, struct hl_error *err)
{
	char uids[CDI_IDS_MAX], gids[CDI_IDS_MAX], process[16];
	int ret;

	snprintf(process, sizeof(process), "%d", c->pid);
	ret = cdi_ids_read(process, "uid", uids, err);
	if (!ret)
		ret = cdi_ids_read(process, "gid", gids, err);
	if (ret)
		return ret;
	if (cdi_ids_outside(uids, 0, &c->uid) || cdi_ids_outside(gids, 0, &c->gid))
		return hl_error_set(err, EOPNOTSUPP, "the container's user namespace has no root");
	map_group(gids, &options->video);
	map_group(gids, &options->render);
	map_group(gids, &options->input);
	return 0;
}

int cdi_container_users(struct cdi_container *c, struct cdi_options *options, struct hl_error *err)
{
	char uids[CDI_IDS_MAX];
	bool other = false;
	int ret = cdi_ids_read("self", "uid", uids, err);

	if (!ret)
		ret = differs(c->pid, &other, err);
	if (!ret && other)
		ret = read_users(c, options, err);
	if (ret)
		return ret;
	c->outside = other && cdi_ids_same(uids) && geteuid();
	c->rootless = c->outside || !cdi_ids_same(uids);
	c->userns = c->rootless || other;
	/* Where anything is made by us we are that root ourselves. */
	if (c->outside)
		c->uid = c->gid = 0;
	return 0;
}

const char *cdi_container_annotation(const struct cdi_container *c, const char *name)
{
	return c->annotations ? member(c->annotations, name) : NULL;
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

/* The file system of a user namespace takes files of who is in there, and of nobody else. */
static int make_folder(const struct cdi_container *c, int dev, const char *name)
{
	int ret, code;

	setfsgid(c->gid);
	setfsuid(c->uid);
	ret = mkdirat(dev, name, 0755);
	code = errno;
	setfsuid(0);
	setfsgid(0);
	errno = code;
	return ret;
}

/* A folder of the container's /dev. */
static int open_folder(const struct cdi_container *c, int root, const char *name,
		       struct hl_error *err)
{
	int dev = open_below(root, "dev", O_PATH | O_DIRECTORY), fd;
	char path[64];

	if (dev < 0)
		return hl_error_set(err, errno, "the container has no /dev: %s", strerror(errno));
	if (make_folder(c, dev, name) < 0 && errno != EEXIST) {
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

/*
 * The folder may be another container's as well, which may put anything in the place of what we
 * make there: a name is not gone by twice without a look at what it is.
 */
static int make_node(const struct cdi_container *c, int folder, const char *name, dev_t rdev,
		     gid_t group)
{
	mode_t mask = umask(0);
	int ret = mknodat(folder, name, S_IFCHR | NODE_MODE, rdev), fd, code = 0;
	struct stat st;

	umask(mask);
	if (ret < 0)
		return errno;
	fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0)
		code = errno;
	else if (!S_ISCHR(st.st_mode) || st.st_rdev != rdev)
		code = EEXIST;
	else if (fchownat(fd, "", c->uid, group, AT_EMPTY_PATH) < 0)
		code = errno;
	close(fd);
	return code;
}

static int place_node(const struct cdi_container *c, int folder, const char *name,
		      const struct cdi_node *node, gid_t group, struct hl_error *err)
{
	int code;

	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return hl_error_set(err, errno, "cannot replace %s in the container: %s", name,
				    strerror(errno));
	code = make_node(c, folder, name, makedev(node->major, node->minor),
			 group == (gid_t)-1 ? c->gid : group);
	return code ? hl_error_set(err, code, "cannot make %s in the container: %s", name,
				   strerror(code)) : 0;
}

/* A node by a name of the container's. */
struct item {
	char path[CDI_PATH_LEN];
	const struct cdi_node *node;
	int mount;	/* rootless: of the guest's node, which is nowhere yet */
};

#define ITEMS_MAX	(4 + CDI_INPUTS_MAX)

/* All that a container with @own has, the names that only the hook gives it first. */
static size_t items_of(const struct cdi_scanout *own, struct item *items)
{
	const struct cdi_node *nodes[ITEMS_MAX] = {
		&own->scanout, &own->scanout, &own->scanout, &own->render,
	};
	size_t n = 0, all = 4 + own->nr_inputs;

	for (size_t i = 0; i < own->nr_inputs; i++)
		nodes[4 + i] = &own->inputs[i].node;
	for (size_t i = 0; i < all; i++) {
		if (!nodes[i]->path[0])
			continue;
		items[n] = (struct item) { .node = nodes[i], .mount = -1 };
		snprintf(items[n++].path, CDI_PATH_LEN, "%s", nodes[i]->path);
	}
	snprintf(items[0].path, CDI_PATH_LEN, "/dev/dri/card0");
	snprintf(items[1].path, CDI_PATH_LEN, "/dev/dri/card%u", own->scanout.minor);
	return n;
}

/* card0 and cardN, which mean another device outside. */
static int place_cards(const struct cdi_container *c, int root, const struct item *items,
		       const struct cdi_options *options, struct hl_error *err)
{
	int folder = open_folder(c, root, "dri", err), ret = 0;

	if (folder < 0)
		return folder;
	for (size_t i = 0; !ret && i < 2; i++)
		ret = place_node(c, folder, strrchr(items[i].path, '/') + 1, items[i].node,
				 options->video, err);
	close(folder);
	return ret;
}

/* ---- in a user namespace ---- */

/*
 * There nobody can make a node, and the host's, which the runtime has bound, are of users
 * who are nobody in there. So each folder of them gets a file system on top that is ours,
 * with nodes that are the container's. Without root's rights there are none but the host's;
 * helix-leased lets the user open them, and no others.
 */
static int new_folder(struct hl_error *err)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -1, code;

	if (fs >= 0 && !fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	code = errno;
	if (fs >= 0)
		close(fs);
	if (fd < 0)
		hl_error_set(err, code, "cannot make a file system for nodes: %s", strerror(code));
	return fd < 0 ? -err->code : fd;
}

static int bind_node(int folder, const char *name, int mount, struct hl_error *err)
{
	int fd = openat(folder, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0 || move_mount(mount, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		ret = hl_error_set(err, errno, "cannot bind %s in the container: %s", name,
				   strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* In @folder all that is in the folder /dev/@name. */
static int place_items(const struct cdi_container *c, int folder, const char *name,
		       const struct item *items, size_t n, const struct cdi_options *options,
		       struct hl_error *err)
{
	char prefix[32];
	size_t len = snprintf(prefix, sizeof(prefix), "/dev/%s/", name);
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++) {
		const struct item *item = &items[i];

		if (strncmp(item->path, prefix, len))
			continue;
		if (c->rootless)
			ret = bind_node(folder, item->path + len, item->mount, err);
		else
			ret = place_node(c, folder, item->path + len, item->node,
					 cdi_group(options, item->node->path), err);
	}
	return ret;
}

/* Nothing can be bound in a file system that is nowhere yet. */
static int cover_folder(const struct cdi_container *c, int root, const char *name,
			const struct item *items, size_t n, const struct cdi_options *options,
			struct hl_error *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	int target = open_folder(c, root, name, err), folder, ret = 0;

	if (target < 0)
		return target;
	folder = new_folder(err);
	if (folder < 0)
		ret = folder;
	else if (move_mount(folder, "", target, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		ret = hl_error_set(err, errno, "cannot mount on /dev/%s of the container: %s", name,
				   strerror(errno));
	if (!ret)
		ret = place_items(c, folder, name, items, n, options, err);
	if (!ret && mount_setattr(folder, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
		ret = hl_error_set(err, errno, "cannot make /dev/%s of the container read-only: %s",
				   name, strerror(errno));
	if (folder >= 0)
		close(folder);
	close(target);
	return ret;
}

/* What bind_node() takes, while we are where the nodes are. */
static int open_mounts(struct item *items, size_t n, struct hl_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct cdi_node *node = items[i].node;
		struct stat st;
		int fd = open_tree(AT_FDCWD, node->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

		items[i].mount = fd;
		if (fd < 0 || fstat(fd, &st) < 0)
			return hl_error_set(err, errno, "cannot bind %s: %s", node->path,
					    strerror(errno));
		if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(node->major, node->minor))
			return hl_error_set(err, ENODEV, "%s is not the device %u:%u", node->path,
					    node->major, node->minor);
	}
	return 0;
}

static void close_mounts(const struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].mount >= 0)
			close(items[i].mount);
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
static int clear_folder(const struct cdi_container *c, int root, const char *name,
			const struct cdi_devices *all, const struct cdi_scanout *own,
			struct hl_error *err)
{
	int folder = open_folder(c, root, name, err);
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

/*
 * A user may do no more with his container than who is in its user namespace. The mounts that
 * are bound there have to be in a mount namespace of that one.
 */
static int become_root(pid_t pid, struct hl_error *err)
{
	char path[64];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0)
		ret = hl_error_set(err, errno, "cannot enter the container's user namespace: %s",
				   strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

static const char *const folders[] = { "helix", "input", "dri" };

/* What is put into the container, @n of @items, and @records, or -1. */
struct things {
	struct item items[ITEMS_MAX];
	size_t n;
	int records;
};

static int place_devices(const struct cdi_container *c, int root, const struct cdi_devices *all,
			 const struct cdi_scanout *own, bool pool, const struct things *things,
			 const struct cdi_options *options, struct hl_error *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (c->userns)
			ret = cover_folder(c, root, folders[i], things->items, things->n, options, err);
		else if (pool)
			ret = clear_folder(c, root, folders[i], all, own, err);
	}
	if (!ret && !c->userns)
		ret = place_cards(c, root, things->items, options, err);
	return ret;
}

static int place_in(const struct cdi_container *c, const struct cdi_devices *all,
		    const struct cdi_scanout *own, const struct things *things,
		    const struct cdi_options *options, struct hl_error *err)
{
	bool pool = things->records >= 0;
	int root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC), ret;

	if (root < 0)
		return hl_error_set(err, errno, "cannot open the container's %s: %s", c->rootfs,
				    strerror(errno));
	ret = place_devices(c, root, all, own, pool, things, options, err);
	if (!ret && pool)
		ret = place_records(root, things->records, err);
	close(root);
	return ret;
}

int cdi_container_place(const struct cdi_container *c, const struct cdi_devices *all,
			const struct cdi_scanout *own, bool pool,
			const struct cdi_options *options, struct hl_error *err)
{
	struct things things = { .records = -1 };
	int ret = 0;

	things.n = items_of(own, things.items);
	if (c->outside)
		ret = become_root(c->pid, err);
	if (!ret && c->rootless)
		ret = open_mounts(things.items, things.n, err);
	if (!ret && pool) {
		/* For the one alone the specification has them. */
		things.records = open_records(own, options, err);
		ret = things.records < 0 ? things.records : 0;
	}
	/* Without root's rights there are no device programs, and none is needed. */
	if (!ret && pool && !c->rootless)
		ret = cdi_filter_attach(c->pid, all, own, err);
	if (!ret)
		ret = enter(c->pid, err);
	if (!ret)
		ret = place_in(c, all, own, &things, options, err);
	close_mounts(things.items, things.n);
	if (things.records >= 0)
		close(things.records);
	return ret;
}
