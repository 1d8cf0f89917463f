// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ids.h"
#include "userns.h"

bool userns_owner(pid_t pid, uid_t *owner)
{
	char path[64];
	bool found = false;
	int ns, parent;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	/* Ours has a parent that is not shown to us, or none. */
	while (ns >= 0 && (parent = ioctl(ns, NS_GET_PARENT)) >= 0) {
		found = !ioctl(ns, NS_GET_OWNER_UID, owner);
		close(ns);
		ns = parent;
	}
	if (ns >= 0)
		close(ns);
	return found;
}

bool userns_root(pid_t pid, uid_t owner, uid_t *root)
{
	char map[CDI_IDS_MAX], process[16];
	struct hl_error err;
	uint32_t outside;
	uid_t of;

	snprintf(process, sizeof(process), "%d", pid);
	if (cdi_ids_read(process, "uid", map, &err) || cdi_ids_outside(map, 0, &outside))
		return false;
	/* Afterwards: with another process of that number the map may be another's. */
	if (!userns_owner(pid, &of) || of != owner)
		return false;
	*root = outside;
	return true;
}
