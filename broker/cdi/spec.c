// SPDX-License-Identifier: GPL-2.0-only
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "spec.h"

#ifndef HELIXCTL_PATH
#define HELIXCTL_PATH "/usr/bin/helixctl"
#endif

#define NODE_MODE	0660
#define HOOK_TIMEOUT_S	60	/* above the longest that the hook itself waits */

/*
 * What a compositor has to be told in a container: that there is no seat daemon and no
 * terminal to ask, and that the card is the one of that name, since udev has all the
 * guest's by the names they have in sysfs.
 */
const char *const cdi_environment[] = {
	"LIBSEAT_BACKEND=builtin",
	"SEATD_VTBOUND=0",
	"XDG_SEAT=seat0",
	"XDG_SESSION_TYPE=wayland",
	"WLR_DRM_DEVICES=/dev/dri/card0",
	"KWIN_DRM_DEVICES=/dev/dri/card0",
	NULL,
};

/* The one that was built with this, or that of the distribution. */
static const char *helixctl_path(void)
{
	return access(HELIXCTL_PATH, X_OK) ? "/usr/bin/helixctl" : HELIXCTL_PATH;
}

static gid_t group_id(const char *name)
{
	struct group *group = getgrnam(name);

	return group ? group->gr_gid : (gid_t)-1;
}

struct cdi_options cdi_options_default(void)
{
	return (struct cdi_options) {
		.helixctl = helixctl_path(),
		.state_dir = CDI_STATE_DIR,
		.video = group_id("video"),
		.render = group_id("render"),
		.input = group_id("input"),
	};
}

gid_t cdi_group(const struct cdi_options *options, const char *path)
{
	if (!strncmp(path, "/dev/input/", strlen("/dev/input/")))
		return options->input;
	return strstr(path, "/renderD") ? options->render : options->video;
}

/* ---- JSON that is NULL from the first failure on ---- */

static void put(json_object **obj, const char *key, json_object *value)
{
	if (*obj && value && hl_json_add(*obj, key, value))
		return;
	if (!*obj || !value)
		json_object_put(value);
	json_object_put(*obj);
	*obj = NULL;
}

/* A list that is empty is not said at all. */
static void put_list(json_object **obj, const char *key, json_object *list)
{
	if (list && !json_object_array_length(list))
		json_object_put(list);
	else
		put(obj, key, list);
}

static void append(json_object **array, json_object *value)
{
	if (*array && value && !json_object_array_add(*array, value))
		return;
	json_object_put(value);
	json_object_put(*array);
	*array = NULL;
}

static json_object *string(const char *text)
{
	return json_object_new_string(text);
}

static json_object *strings(const char *const *list)
{
	json_object *array = json_object_new_array();

	for (; *list; list++)
		append(&array, string(*list));
	return array;
}

/* ---- the parts ---- */

static json_object *node_json(const struct cdi_options *options, const char *path,
			      const struct cdi_node *node)
{
	json_object *obj = json_object_new_object();
	gid_t group = cdi_group(options, path);

	put(&obj, "path", string(path));
	put(&obj, "hostPath", string(node->path));
	put(&obj, "type", string("c"));
	put(&obj, "major", json_object_new_int64(node->major));
	put(&obj, "minor", json_object_new_int64(node->minor));
	put(&obj, "fileMode", json_object_new_int(NODE_MODE));
	/* No "m": a container that may make nodes makes none of another's. */
	put(&obj, "permissions", string("rw"));
	put(&obj, "uid", json_object_new_int(0));
	put(&obj, "gid", json_object_new_int64(group == (gid_t)-1 ? 0 : group));
	return obj;
}

static void add_node(json_object **nodes, const struct cdi_options *options, const char *path,
		     const struct cdi_node *node)
{
	if (node->path[0])
		append(nodes, node_json(options, path, node));
}

static void add_inputs(json_object **nodes, const struct cdi_options *options,
		       const struct cdi_scanout *s)
{
	for (size_t i = 0; i < s->nr_inputs; i++)
		add_node(nodes, options, s->inputs[i].node.path, &s->inputs[i].node);
}

/*
 * Each by the name that it has in the guest, since in a user namespace runtimes bind what
 * they find there by the container's name for it. The others that the scanout needs, of
 * which card0 would be the card itself, are the hook's.
 */
static json_object *scanout_nodes(const struct cdi_options *options, const struct cdi_scanout *s)
{
	json_object *nodes = json_object_new_array();

	add_node(&nodes, options, s->scanout.path, &s->scanout);
	add_node(&nodes, options, s->render.path, &s->render);
	add_inputs(&nodes, options, s);
	return nodes;
}

/*
 * All that one of them may turn out to need: a runtime fixes what a container may open
 * before its hooks run. The hook takes away what is not the container's.
 */
static json_object *pool_nodes(const struct cdi_options *options, const struct cdi_devices *devices)
{
	json_object *nodes = json_object_new_array();

	for (size_t i = 0; i < devices->n; i++) {
		const struct cdi_scanout *s = &devices->scanouts[i];
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(devices->scanouts[k].render.path, s->render.path);
		add_node(&nodes, options, s->scanout.path, &s->scanout);
		if (!seen)
			add_node(&nodes, options, s->render.path, &s->render);
		add_inputs(&nodes, options, s);
	}
	return nodes;
}

static json_object *mounts(const struct cdi_options *options, const char *name)
{
	static const char *const how[] = { "bind", "ro", "nosuid", "nodev", "noexec", NULL };
	json_object *array = json_object_new_array(), *mount = json_object_new_object();
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/udev", options->state_dir, name);
	put(&mount, "hostPath", string(path));
	put(&mount, "containerPath", string("/run/udev"));
	put(&mount, "type", string("bind"));
	put(&mount, "options", strings(how));
	append(&array, mount);
	return array;
}

static json_object *hooks(const struct cdi_options *options, const char *name)
{
	const char *const args[] = { "helixctl", "cdi", "hook", name, NULL };
	json_object *array = json_object_new_array(), *hook = json_object_new_object();

	put(&hook, "hookName", string("createRuntime"));
	put(&hook, "path", string(options->helixctl));
	put(&hook, "args", strings(args));
	put(&hook, "timeout", json_object_new_int(HOOK_TIMEOUT_S));
	append(&array, hook);
	return array;
}

/* Takes @nodes. */
static json_object *device(const struct cdi_options *options, const char *name, json_object *nodes)
{
	json_object *obj = json_object_new_object(), *edits = json_object_new_object();

	put_list(&edits, "deviceNodes", nodes);
	put(&edits, "mounts", mounts(options, name));
	put(&edits, "hooks", hooks(options, name));
	put(&obj, "name", string(name));
	put(&obj, "containerEdits", edits);
	return obj;
}

/* For whoever in the container is not root. */
static json_object *groups(const struct cdi_options *options)
{
	const gid_t ids[] = { options->video, options->render, options->input };
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i] && ids[i] != (gid_t)-1)
			append(&array, json_object_new_int64(ids[i]));
	return array;
}

json_object *cdi_spec(const struct cdi_devices *devices, const struct cdi_options *options)
{
	json_object *spec = json_object_new_object(), *edits = json_object_new_object();
	json_object *array = json_object_new_array(), *gids = groups(options);
	char name[16];

	for (size_t i = 0; i < devices->n; i++) {
		const struct cdi_scanout *s = &devices->scanouts[i];

		snprintf(name, sizeof(name), "%u", s->number);
		append(&array, device(options, name, scanout_nodes(options, s)));
	}
	append(&array, device(options, CDI_ANY, pool_nodes(options, devices)));
	put(&edits, "env", strings(cdi_environment));
	put_list(&edits, "additionalGids", gids);
	put(&spec, "cdiVersion", string(CDI_VERSION));
	put(&spec, "kind", string(CDI_KIND));
	put(&spec, "devices", array);
	put(&spec, "containerEdits", edits);
	return spec;
}
