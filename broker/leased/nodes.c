// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

#include "acl.h"
#include "devices.h"
#include "devices-watch.h"
#include "drain.h"
#include "error.h"
#include "log.h"
#include "nodes.h"
#include "userns.h"

#define PAGE	64	/* scanouts asked for at once */

struct nodes {
	struct module *mod;
	struct hl_monitor *mon;
	struct devices_watch *devices;
	sd_event_source *io;
	uint64_t *doubtful;	/* by scanout: the last lease whose nodes were another's at first */
	size_t nr_doubtful;
};

static void doubt(struct nodes *nodes, const struct hl_scanout *s)
{
	if (s->scanout >= nodes->nr_doubtful) {
		size_t n = s->scanout + PAGE;
		uint64_t *more = realloc(nodes->doubtful, n * sizeof(*more));

		if (!more)
			return log_error("out of memory");
		memset(more + nodes->nr_doubtful, 0, (n - nodes->nr_doubtful) * sizeof(*more));
		nodes->doubtful = more;
		nodes->nr_doubtful = n;
	}
	nodes->doubtful[s->scanout] = s->generation;
}

static bool is_doubtful(const struct nodes *nodes, uint32_t scanout, uint64_t generation)
{
	return scanout < nodes->nr_doubtful && nodes->doubtful[scanout] == generation;
}

static void settle_node(struct nodes *nodes, const struct cdi_node *node,
			const struct hl_scanout *s, const struct acl_users *users)
{
	struct hl_error err;
	bool others;
	int ret = acl_give(node->path, makedev(node->major, node->minor), users, &others, &err);

	if (ret && ret != -ENOENT)
		log_error("%s", err.message);
	/* One that cannot be taken from others would be theirs the next time, too. */
	else if (others && s->state == HELIX_LEASE_STATE_LEASED)
		doubt(nodes, s);
}

/* Root needs nobody's leave. A user's container may have a root who is not he himself. */
static struct acl_users users_of(const struct hl_scanout *s)
{
	struct acl_users users = { .n = 0 };
	uid_t root;

	if (s->state != HELIX_LEASE_STATE_LEASED || !s->owner_uid)
		return users;
	users.uid[users.n++] = s->owner_uid;
	if (userns_root(s->owner_pid, s->owner_uid, &root) && root != s->owner_uid)
		users.uid[users.n++] = root;
	return users;
}

static void settle_scanout(struct nodes *nodes, const struct cdi_scanout *devices,
			   const struct hl_scanout *s)
{
	struct acl_users users = users_of(s);

	settle_node(nodes, &devices->scanout, s, &users);
	for (size_t i = 0; i < devices->nr_inputs; i++)
		settle_node(nodes, &devices->inputs[i].node, s, &users);
}

static int settle_some(struct nodes *nodes, const struct hl_scanout *list, size_t n,
		       struct hl_error *err)
{
	struct cdi_devices devices;
	int ret = cdi_devices_read("", list, n, &devices, err);

	for (size_t i = 0; !ret && i < n; i++)
		settle_scanout(nodes, &devices.scanouts[i], &list[i]);
	if (!ret)
		cdi_devices_free(&devices);
	return ret;
}

static void settle(struct nodes *nodes)
{
	struct hl_scanout page[PAGE];
	struct hl_error err;
	uint32_t next = 1;
	int ret = 0;

	while (!ret && next) {
		size_t n = 0;

		ret = hl_module_list(nodes->mod, &next, page, PAGE, &n, &err);
		if (!ret)
			ret = settle_some(nodes, page, n, &err);
	}
	/* Without a GPU there is no lease, and no node either. */
	if (ret && ret != -ENODEV)
		log_error("who may open the nodes of scanouts is not current: %s", err.message);
}

bool nodes_give(struct nodes *nodes, uint32_t scanout, uint64_t generation)
{
	struct hl_scanout s;
	struct hl_error err;
	int ret = hl_module_query(nodes->mod, scanout, &s, &err);

	if (!ret)
		ret = settle_some(nodes, &s, 1, &err);
	if (ret)
		log_error("nobody may open the nodes of scanout %u: %s", scanout, err.message);
	return !is_doubtful(nodes, scanout, generation);
}

/* ---- when ---- */

static bool changes_owner(const struct hl_event *event)
{
	switch (event->type) {
	case HELIX_LEASE_EVENT_GRANTED:
	case HELIX_LEASE_EVENT_REVOKING:
	case HELIX_LEASE_EVENT_REVOKED:
	case HELIX_LEASE_EVENT_FREED:
		return true;
	default:
		return false;
	}
}

static int on_told(void *data, const struct hl_event *event, struct hl_error *err)
{
	bool *changed = data;

	(void)err;
	*changed |= !event || changes_owner(event);
	return 0;
}

static int on_event(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct nodes *nodes = data;
	bool changed = false;
	struct hl_error err;
	int ret = drain(nodes->mon, on_told, &changed, &err);

	(void)fd;
	(void)revents;
	if (changed)
		settle(nodes);
	if (!ret)
		return 0;
	log_error("who may open the nodes of scanouts is not kept current any more: %s", err.message);
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

/* It may have set the node's mode, which our list is a part of, or be a new one. */
static void on_devices(void *data)
{
	settle(data);
}

static int start(struct nodes *nodes, sd_event *event)
{
	static const char *const subsystems[] = { "helix", "input", NULL };
	int ret = devices_watch_new(event, subsystems, on_devices, nodes, &nodes->devices);

	if (ret >= 0)
		ret = sd_event_add_io(event, &nodes->io, hl_monitor_fd(nodes->mon), EPOLLIN,
				      on_event, nodes);
	return ret;
}

int nodes_new(sd_event *event, struct module *mod, struct nodes **out, struct hl_error *err)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));
	int ret;

	if (!nodes)
		return hl_error_set(err, ENOMEM, "out of memory");
	nodes->mod = mod;
	ret = hl_monitor_open(&nodes->mon, err);
	if (!ret) {
		ret = start(nodes, event);
		if (ret < 0)
			hl_error_set(err, -ret, "cannot listen: %s", strerror(-ret));
	}
	if (ret < 0) {
		nodes_free(nodes);
		return ret;
	}
	settle(nodes);
	*out = nodes;
	return 0;
}

void nodes_free(struct nodes *nodes)
{
	if (!nodes)
		return;
	sd_event_source_disable_unref(nodes->io);
	devices_watch_free(nodes->devices);
	hl_monitor_close(nodes->mon);
	free(nodes->doubtful);
	free(nodes);
}
