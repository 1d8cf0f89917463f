// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl.h"
#include "error.h"
#include "log.h"

#define ATTRIBUTE	"system.posix_acl_access"
#define VALUE_MAX	1024	/* more than any list that was made for a device node */
/* From the name of a node to its list: who takes one that has lost its name is the last. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define READ_WRITE	(ACL_READ | ACL_WRITE)

static void put_entry(char **at, unsigned int tag, unsigned int perm, uint32_t id)
{
	struct posix_acl_xattr_entry entry = {
		.e_tag = htole16(tag),
		.e_perm = htole16(perm & 7),
		.e_id = htole32(id),
	};

	memcpy(*at, &entry, sizeof(entry));
	*at += sizeof(entry);
}

size_t acl_build(mode_t mode, const struct acl_users *users, void *value)
{
	struct posix_acl_xattr_header header = { htole32(POSIX_ACL_XATTR_VERSION) };
	char *at = (char *)value + sizeof(header);

	memcpy(value, &header, sizeof(header));
	put_entry(&at, ACL_USER_OBJ, mode >> 6, ACL_UNDEFINED_ID);
	for (size_t i = 0; i < users->n; i++)
		put_entry(&at, ACL_USER, READ_WRITE, users->uid[i]);
	put_entry(&at, ACL_GROUP_OBJ, mode >> 3, ACL_UNDEFINED_ID);
	if (users->n)
		put_entry(&at, ACL_MASK, READ_WRITE, ACL_UNDEFINED_ID);
	put_entry(&at, ACL_OTHER, mode, ACL_UNDEFINED_ID);
	return at - (char *)value;
}

static bool is_one_of(const struct acl_users *users, uid_t uid)
{
	for (size_t i = 0; i < users->n; i++)
		if (users->uid[i] == uid)
			return true;
	return false;
}

mode_t acl_parse(const void *value, size_t len, mode_t mode, const struct acl_users *users,
		 bool *others)
{
	const size_t head = sizeof(struct posix_acl_xattr_header);
	struct posix_acl_xattr_entry entry;

	mode &= 0777;
	*others = len && (len < head || (len - head) % sizeof(entry));
	for (size_t at = head; at + sizeof(entry) <= len; at += sizeof(entry)) {
		memcpy(&entry, (const char *)value + at, sizeof(entry));
		switch (le16toh(entry.e_tag)) {
		case ACL_GROUP_OBJ:
			mode = (mode & ~070) | (le16toh(entry.e_perm) & 7) << 3;
			break;
		case ACL_USER:
			*others |= !is_one_of(users, le32toh(entry.e_id));
			break;
		case ACL_GROUP:
			*others = true;
			break;
		}
	}
	return mode;
}

static int change(int fd, mode_t mode, const struct acl_users *users, bool *others)
{
	char path[32], have[VALUE_MAX], want[ACL_ROOM];
	ssize_t len;
	size_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = getxattr(path, ATTRIBUTE, have, sizeof(have));
	if (len < 0 && errno == ENODATA)
		len = 0;
	if (len < 0)
		return -errno;
	mode = acl_parse(have, len, mode, users, others);
	n = acl_build(mode, users, want);
	if (!users->n ? !len : (size_t)len == n && !memcmp(have, want, n))
		return 0;
	return setxattr(path, ATTRIBUTE, want, n, 0) < 0 ? -errno : 0;
}

int acl_give(const char *path, dev_t device, const struct acl_users *users, bool *others,
	     struct hl_error *err)
{
	struct stat st;
	int fd, ret = 0;

	*others = false;
	pthread_mutex_lock(&lock);
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		ret = -errno;
	else if (!S_ISCHR(st.st_mode) || st.st_rdev != device)
		ret = -ENOENT;
	if (!ret)
		ret = change(fd, st.st_mode, users, others);
	pthread_mutex_unlock(&lock);
	if (fd >= 0)
		close(fd);
	if (ret)
		hl_error_set(err, -ret, "cannot set who may open %s: %s", path, strerror(-ret));
	return ret;
}

int acl_hold(const char *path)
{
	return open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

void acl_take(int node)
{
	static const struct acl_users nobody;
	struct stat st;
	bool others;
	int ret = 0;

	if (node < 0)
		return;
	pthread_mutex_lock(&lock);
	if (fstat(node, &st) < 0)
		ret = -errno;
	else if (S_ISCHR(st.st_mode))
		ret = change(node, st.st_mode, &nobody, &others);
	pthread_mutex_unlock(&lock);
	if (ret)
		log_error("cannot set who may open a device that has gone: %s", strerror(-ret));
	close(node);
}
