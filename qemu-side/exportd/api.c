// SPDX-License-Identifier: GPL-2.0-only
/* Owns the shape of the JSON. See Documentation/stream-protocol.rst. */
#include "api.h"

#include "api_json.h"
#include "grant.h"

void api_add_string(struct json_object *root, const char *name,
			   const char *value)
{
	json_object_object_add(root, name, json_object_new_string(value));
}

static void api_add_bool(struct json_object *root, const char *name,
			 bool value)
{
	json_object_object_add(root, name, json_object_new_boolean(value));
}

void api_add_number(struct json_object *root, const char *name,
			   uint64_t value)
{
	json_object_object_add(root, name, json_object_new_uint64(value));
}

/* One digit after the point, whatever the locale. */
void api_add_decimal(struct json_object *root, const char *name, double value)
{
	char text[32];

	g_ascii_formatd(text, sizeof(text), "%.1f", value);
	json_object_object_add(root, name,
			       json_object_new_double_s(value, text));
}

struct json_object *api_figures(const struct latency_figures *figures)
{
	struct json_object *root;

	if (!figures->count)
		return NULL;
	root = json_object_new_object();
	api_add_decimal(root, "p50", figures->p50);
	api_add_decimal(root, "p95", figures->p95);
	api_add_decimal(root, "p99", figures->p99);
	return root;
}

/*
 * NULL where desktops stay for ever. How long it was not used is not in it: the
 * list would have to be told twice a second for every desktop that stands still.
 */
static struct json_object *api_idle(const struct desktop_info *info)
{
	bool ending = info->idle == IDLE_ENDING || info->idle == IDLE_OVER;
	struct json_object *root;

	if (info->idle == IDLE_OFF)
		return NULL;
	root = json_object_new_object();
	api_add_string(root, "state", idle_state_name(info->idle));
	json_object_object_add(root, "ends_in", ending ?
			       json_object_new_int64(info->idle_left) : NULL);
	return root;
}

struct json_object *api_desktop(const struct desktop *desktop)
{
	struct json_object *root = json_object_new_object();
	struct desktop_info info;
	uint32_t controller = desktop_controller(desktop);

	desktop_describe(desktop, &info);
	api_add_string(root, "id", info.id);
	api_add_string(root, "vm", info.vm);
	api_add_number(root, "scanout", info.scanout);
	api_add_string(root, "name", info.name);
	api_add_number(root, "priority", info.priority);
	api_add_number(root, "width", (uint64_t)info.width);
	api_add_number(root, "height", (uint64_t)info.height);
	api_add_string(root, "state", info.live ? "live" : "waiting");
	api_add_number(root, "frames", info.frames);
	api_add_number(root, "bytes", info.bytes);
	api_add_decimal(root, "fps", info.fps);
	api_add_string(root, "encoder", info.encoder);
	api_add_number(root, "viewers", info.viewers);
	json_object_object_add(root, "idle", api_idle(&info));
	json_object_object_add(root, "latency", api_figures(&info.latency));
	json_object_object_add(root, "controller", controller ?
			       json_object_new_uint64(controller) : NULL);
	return root;
}

struct json_object *api_desktop_array(const struct hub *hub,
				      const struct grant *grant)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < hub_count(hub); i++) {
		const struct desktop *desktop = hub_get(hub, i);

		if (!grant || grant_covers(grant, desktop_id(desktop)))
			json_object_array_add(array, api_desktop(desktop));
	}
	return array;
}

char *api_text(struct json_object *root)
{
	char *text = g_strdup(json_object_to_json_string_ext(root,
					JSON_C_TO_STRING_PLAIN));

	json_object_put(root);
	return text;
}

char *api_desktops_event(const struct hub *hub, const struct grant *grant)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "desktops");
	json_object_object_add(root, "desktops", api_desktop_array(hub, grant));
	return api_text(root);
}

char *api_config(const struct api_config *config)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "config");
	api_add_string(root, "id", config->id);
	api_add_string(root, "vm", config->vm);
	api_add_number(root, "scanout", config->scanout);
	api_add_string(root, "name", config->name);
	api_add_string(root, "codec", config->codec);
	api_add_number(root, "width", (uint64_t)config->width);
	api_add_number(root, "height", (uint64_t)config->height);
	api_add_string(root, "encoder", config->encoder);
	api_add_string(root, "rung", config->rung);
	api_add_number(root, "desktop_width", (uint64_t)config->desktop_width);
	api_add_number(root, "desktop_height",
		       (uint64_t)config->desktop_height);
	api_add_number(root, "bitrate_kbit", config->kbit);
	api_add_number(root, "fps", config->fps);
	api_add_bool(root, "absolute", config->absolute);
	api_add_bool(root, "touch", config->touch);
	api_add_bool(root, "resize", config->resize);
	api_add_bool(root, "clipboard", config->clipboard);
	return api_text(root);
}

char *api_role(const char *role, uint32_t viewer, uint32_t controller)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "role");
	api_add_string(root, "role", role);
	api_add_number(root, "viewer", viewer);
	json_object_object_add(root, "controller", controller ?
			       json_object_new_uint64(controller) : NULL);
	return api_text(root);
}

char *api_control(const char *action, uint32_t viewer)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "control");
	api_add_string(root, "action", action);
	if (viewer)
		api_add_number(root, "viewer", viewer);
	return api_text(root);
}

char *api_state(const char *state, const char *message)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "state");
	api_add_string(root, "state", state);
	api_add_string(root, "message", message);
	return api_text(root);
}

char *api_time(uint64_t client, uint64_t server)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "time");
	api_add_number(root, "client", client);
	api_add_number(root, "server", server);
	return api_text(root);
}

char *api_clipboard(const char *text)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "clipboard");
	api_add_string(root, "mime", "text/plain;charset=utf-8");
	api_add_string(root, "text", text);
	return api_text(root);
}

char *api_resized(uint32_t width, uint32_t height, const char *status)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "resized");
	api_add_number(root, "width", width);
	api_add_number(root, "height", height);
	api_add_string(root, "status", status);
	return api_text(root);
}

char *api_error(const char *code, const char *message)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "type", "error");
	api_add_string(root, "code", code);
	api_add_string(root, "message", message);
	return api_text(root);
}
