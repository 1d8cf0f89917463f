// SPDX-License-Identifier: GPL-2.0-only
/*
 * QUERY and LIST: what a scanout is doing, for one and for all.
 *
 * Both copy a scanout's answer out of its lock, in helix_scanout_query(), and
 * write it to the caller without any. Neither waits.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/uaccess.h>

#include "helix.h"

int helix_ioctl_query(struct helix_ucmd *ucmd)
{
	struct helix_lease_query *query = ucmd->cmd;
	struct helix_scanout *s;

	if (query->flags)
		return -EOPNOTSUPP;
	s = helix_ucmd_scanout(ucmd, query->scanout);
	if (IS_ERR(s))
		return PTR_ERR(s);
	helix_scanout_query(s, query);
	helix_scanout_put(s);

	/* A handle says nothing about the next tenant. */
	if (ucmd->handle && query->generation != ucmd->handle->generation)
		return -ESTALE;
	return helix_ucmd_respond(ucmd, sizeof(*query));
}

/* One entry of the caller's array: what we know, then zeroes. */
static int helix_list_write(struct helix_scanout *s, u8 __user *entry, u32 entry_size)
{
	struct helix_lease_query query = {};
	u32 size = min_t(u32, entry_size, sizeof(query));

	query.size = size;
	helix_scanout_query(s, &query);
	if (copy_to_user(entry, &query, size) ||
	    clear_user(entry + size, entry_size - size))
		return -EFAULT;
	return 0;
}

int helix_ioctl_list(struct helix_ucmd *ucmd)
{
	struct helix_lease_list *list = ucmd->cmd;
	u8 __user *entry = u64_to_user_ptr(list->entries);
	unsigned long number;
	struct helix_scanout *s;
	u32 nr = 0;
	int ret;

	if (list->flags || list->__reserved)
		return -EOPNOTSUPP;
	if (list->entry_size < offsetofend(struct helix_lease_query, label))
		return -EINVAL;
	if (list->entry_size > PAGE_SIZE)
		return -E2BIG;

	xa_for_each_start(&helix_scanouts, number, s, list->first) {
		if (nr == list->nr)
			break;
		s = helix_scanout_get(number);
		if (!s)
			continue;
		ret = helix_list_write(s, entry, list->entry_size);
		helix_scanout_put(s);
		if (ret)
			return ret;
		entry += list->entry_size;
		nr++;
	}
	/* Where it stopped for want of room. */
	list->first = s ? number : 0;
	list->nr = nr;
	list->entry_size = min_t(u32, list->entry_size, sizeof(struct helix_lease_query));
	return helix_ucmd_respond(ucmd, sizeof(*list));
}
