// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the table of what can be asked of the API, and by whom. openapi.yaml
 * describes it to others; a test holds the one against the other.
 *
 * A desktop that the caller's grant does not cover and one that does not exist
 * look the same: 404.
 */
#include <errno.h>
#include <string.h>

#include "api.h"
#include "api_json.h"
#include "grant.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "token.h"

#define API_SIZE_MIN	16
#define API_SIZE_MAX	8192
#define API_REFRESH_MAX	500000		/* millihertz; desktop_resize() takes no more */
#define API_TTL_DEFAULT	3600
#define API_BODY_DEPTH	4
#define API_PARAM_MAX	64

struct api {
	struct api_env env;
	gint64 started;
};

/* A request on its way through a handler. */
struct call {
	struct api *api;
	const struct api_request *req;
	struct api_answer *answer;
	char param[API_PARAM_MAX];	/* what stands for {id} or {name} */
	struct desktop *desktop;	/* of {id}, where the route has one */
	struct json_object *body;	/* an object, where the route takes one */
};

enum api_scope {
	API_ANYBODY,	/* who has any grant */
	API_DESKTOP,	/* the role, for the desktop {id} */
	API_ROLE,	/* the role, for whatever desktops */
	API_SERVER,	/* the role, for all desktops */
	API_METRICS,	/* as SERVER, or from loopback if that is allowed */
};

struct api_route {
	const char *method, *path;
	enum api_scope scope;
	enum role role;
	bool body;	/* it takes a JSON object */
	void (*handle)(struct call *call);
};

/* --- answers --- */

static void api_refuse(struct call *call, unsigned int status, const char *code,
		       const char *message)
{
	struct json_object *root = json_object_new_object();
	struct json_object *error = json_object_new_object();

	api_add_string(error, "code", code);
	api_add_string(error, "message", message);
	json_object_object_add(root, "error", error);
	call->answer->status = status;
	call->answer->text = api_text(root);
}

/* Takes @root. */
static void api_answer(struct call *call, unsigned int status,
		       struct json_object *root)
{
	call->answer->status = status;
	call->answer->text = api_text(root);
}

static void api_done(struct call *call, unsigned int status, const char *what)
{
	struct json_object *root = json_object_new_object();

	api_add_string(root, "status", what);
	api_answer(call, status, root);
}

/* --- members of the body --- */

/* False, and refused, if it is there and wrong, or needed and not there. */
static bool body_text(struct call *call, const char *name, bool needed,
		      const char **out)
{
	g_autofree char *why = NULL;
	struct json_object *value;

	*out = NULL;
	if (!json_object_object_get_ex(call->body, name, &value)) {
		if (!needed)
			return true;
	} else if (json_object_is_type(value, json_type_string)) {
		*out = json_object_get_string(value);
		if (strlen(*out) == (size_t)json_object_get_string_len(value))
			return true;
	}
	why = g_strdup_printf("\"%s\" must be a string", name);
	api_refuse(call, 400, "bad-request", why);
	return false;
}

static bool body_number(struct call *call, const char *name, bool needed,
			int64_t min, int64_t max, int64_t *out)
{
	g_autofree char *why = NULL;
	struct json_object *value;

	if (!json_object_object_get_ex(call->body, name, &value)) {
		if (!needed)
			return true;
	} else if (json_object_is_type(value, json_type_int)) {
		*out = json_object_get_int64(value);
		if (*out >= min && *out <= max)
			return true;
	}
	why = g_strdup_printf("\"%s\" must be a whole number from %" G_GINT64_FORMAT
			      " to %" G_GINT64_FORMAT, name, (gint64)min,
			      (gint64)max);
	api_refuse(call, 400, "bad-request", why);
	return false;
}

static bool body_flag(struct call *call, const char *name, bool *out)
{
	g_autofree char *why = NULL;
	struct json_object *value;

	*out = false;
	if (!json_object_object_get_ex(call->body, name, &value))
		return true;
	*out = json_object_get_boolean(value);
	if (json_object_is_type(value, json_type_boolean))
		return true;
	why = g_strdup_printf("\"%s\" must be true or false", name);
	api_refuse(call, 400, "bad-request", why);
	return false;
}

/* --- desktops --- */

static void api_get_desktops(struct call *call)
{
	api_answer(call, 200, api_desktop_array(call->api->env.hub,
						call->req->grant));
}

static void api_get_desktop(struct call *call)
{
	api_answer(call, 200, api_desktop(call->desktop));
}

static void api_add_viewer(const struct desktop_viewer *viewer, void *data)
{
	struct json_object *root = json_object_new_object();

	api_add_number(root, "viewer", viewer->number);
	api_add_string(root, "role", role_name(viewer->role));
	api_add_string(root, "rung", rung_name(viewer->rung));
	api_add_number(root, "queued_frames", viewer->queued_frames);
	api_add_number(root, "queued_bytes", viewer->queued_bytes);
	api_add_number(root, "dropped_frames", viewer->dropped);
	json_object_array_add(data, root);
}

/* The parts that are known; NULL if none is. */
static struct json_object *api_latency(const struct stream_info *info)
{
	struct json_object *root = NULL, *part;
	int i;

	for (i = 0; i < LATENCY_PARTS; i++) {
		part = api_figures(&info->latency[i]);
		if (part && !root)
			root = json_object_new_object();
		if (part)
			json_object_object_add(root,
				latency_part_name((enum latency_part)i), part);
	}
	return root;
}

static struct json_object *api_rungs(const struct desktop_info *info)
{
	struct json_object *rungs = json_object_new_object();
	int i;

	for (i = 0; i < RUNG_COUNT; i++) {
		struct json_object *rung = json_object_new_object();

		json_object_object_add(rung, "encoder", info->rung[i].encoder ?
			json_object_new_string(info->rung[i].encoder) : NULL);
		json_object_object_add(rung, "codec", info->rung[i].encoder ?
			json_object_new_string(codec_name(info->rung[i].codec)) :
			NULL);
		json_object_object_add(rung, "import", info->rung[i].encoder ?
			json_object_new_string(stream_import_name(&info->rung[i])) :
			NULL);
		api_add_number(rung, "frames", info->rung[i].frames);
		api_add_number(rung, "bytes", info->rung[i].bytes);
		api_add_decimal(rung, "fps", info->rung[i].fps);
		api_add_number(rung, "viewers", info->rung[i].viewers);
		api_add_number(rung, "width", (uint64_t)info->rung[i].width);
		api_add_number(rung, "height", (uint64_t)info->rung[i].height);
		api_add_number(rung, "bitrate_kbit", info->rung[i].kbit);
		api_add_number(rung, "fps_limit", info->rung[i].fps_limit);
		json_object_object_add(rung, "latency",
				       api_latency(&info->rung[i]));
		json_object_object_add(rungs, rung_name((enum rung)i), rung);
	}
	return rungs;
}

static void api_get_stats(struct call *call)
{
	struct json_object *root = api_desktop(call->desktop);
	struct json_object *viewers = json_object_new_array();
	struct desktop_info info;

	desktop_describe(call->desktop, &info);
	api_add_number(root, "unused_s", info.idle_s);
	json_object_object_add(root, "rungs", api_rungs(&info));
	/* those who look at it in full */
	json_object_object_add(root, "latency",
			       api_latency(&info.rung[RUNG_FULL]));
	/* the number goes, who they are comes */
	desktop_each_viewer(call->desktop, api_add_viewer, viewers);
	json_object_object_add(root, "viewers", viewers);
	api_answer(call, 200, root);
}

static void api_post_keyframe(struct call *call)
{
	desktop_key_frame(call->desktop);
	api_done(call, 202, "asked");
}

static void api_post_resize(struct call *call)
{
	int64_t width, height, refresh = 0;

	if (!body_number(call, "width", true, API_SIZE_MIN, API_SIZE_MAX, &width) ||
	    !body_number(call, "height", true, API_SIZE_MIN, API_SIZE_MAX, &height) ||
	    !body_number(call, "refresh_mhz", false, 0, API_REFRESH_MAX, &refresh))
		return;
	if (call->req->grant->role < ROLE_ADMIN &&
	    desktop_controller(call->desktop)) {
		api_refuse(call, 409, "controlled",
			   "somebody controls this desktop, and its size with it");
		return;
	}
	switch (desktop_resize(call->desktop, (uint32_t)width, (uint32_t)height,
			       (uint32_t)refresh)) {
	case 0:
		/* the guest decides: what comes of it shows in the list */
		api_done(call, 202, "asked");
		break;
	case EPERM:
		api_refuse(call, 409, "fixed-size",
			   "the size of this output is the virtual machine's own");
		break;
	default:
		api_refuse(call, 400, "bad-request", "no such size can be had");
		break;
	}
}

static void api_post_release_control(struct call *call)
{
	desktop_release_control(call->desktop);
	api_done(call, 200, "released");
}

static void api_post_keep(struct call *call)
{
	if (!desktop_keep(call->desktop)) {
		api_refuse(call, 409, "stays",
			   "this desktop is not ended for not being used");
		return;
	}
	log_peer(INFO, call->req->peer, "desktop %s is to be kept",
		 desktop_id(call->desktop));
	api_done(call, 200, "kept");
}

/* --- virtual machines --- */

static const char *const api_origins[] = {
	[VM_CONFIGURED] = "configured", [VM_ADDED] = "added",
	[VM_HANDED] = "handed-over",
};

static void api_add_or_null(struct json_object *root, const char *name,
			    const char *value)
{
	json_object_object_add(root, name,
			       value ? json_object_new_string(value) : NULL);
}

static struct json_object *api_vm(const struct vms *vms, unsigned int index)
{
	struct json_object *root = json_object_new_object();
	struct vm_info info;

	vm_describe(vms_get(vms, index), &info);
	api_add_string(root, "name", info.name);
	api_add_string(root, "origin", api_origins[vms_origin(vms, index)]);
	api_add_or_null(root, "qmp", info.qmp);
	api_add_or_null(root, "control", info.control);
	api_add_string(root, "state", info.connected ? "connected" : "connecting");
	json_object_object_add(root, "attached",
			       json_object_new_boolean(info.attached));
	json_object_object_add(root, "ends_leases",
			       json_object_new_boolean(info.ends_leases));
	api_add_or_null(root, "error", info.error);
	api_add_number(root, "desktops", info.desktops);
	return root;
}

static void api_get_vms(struct call *call)
{
	struct json_object *array = json_object_new_array();
	const struct vms *vms = call->api->env.vms;
	unsigned int i;

	for (i = 0; i < vms_count(vms); i++)
		json_object_array_add(array, api_vm(vms, i));
	api_answer(call, 200, array);
}

/* A path below @directory that nothing in it leads out of again. */
static bool api_path_allowed(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	while (len && directory[len - 1] == '/')
		len--;
	return !strncmp(path, directory, len) && path[len] == '/' &&
	       path[len + 1] && !strstr(path, "/../") &&
	       !g_str_has_suffix(path, "/..") && strlen(path) < 108;
}

static void api_post_vms(struct call *call)
{
	const char *directory = call->api->env.vm_directory;
	struct vm_options options = {
		.clipboard = VM_CLIPBOARD_OFF,
		.idle_after = VM_IDLE_DEFAULT,
		.idle_warn = VM_IDLE_DEFAULT,
	};
	struct vms *vms = call->api->env.vms;

	if (!body_text(call, "name", true, &options.name) ||
	    !body_text(call, "qmp", true, &options.qmp) ||
	    !body_text(call, "control", false, &options.control) ||
	    !body_flag(call, "console0", &options.console0))
		return;
	if (!api_path_allowed(options.qmp, directory) ||
	    (options.control && !api_path_allowed(options.control, directory))) {
		g_autofree char *why = NULL;

		why = g_strdup_printf("sockets must be below %s", directory);
		api_refuse(call, 400, "bad-path", why);
		return;
	}
	switch (vms_add(vms, &options, VM_ADDED)) {
	case VMS_OK:
		log_vm(INFO, options.name, "asked for by %s", call->req->peer);
		api_answer(call, 201, api_vm(vms, (unsigned int)
					     vms_find(vms, options.name)));
		return;
	case VMS_INVALID:
		api_refuse(call, 400, "bad-name",
			   "\"name\" must be 1 to 32 of A-Z a-z 0-9 _ -");
		return;
	case VMS_EXISTS:
		api_refuse(call, 409, "exists", "there is a VM of this name");
		return;
	case VMS_FULL:
		api_refuse(call, 409, "full", "there are too many VMs");
		return;
	}
}

static void api_delete_vm(struct call *call)
{
	if (vms_remove(call->api->env.vms, call->param, "by the API"))
		api_done(call, 200, "removed");
	else
		api_refuse(call, 404, "no-vm", "there is no such VM");
}

/* --- tokens --- */

static bool api_has_tokens(struct call *call)
{
	if (!call->api->env.tokens)
		api_refuse(call, 409, "no-token-key",
			   "this server has no key to sign tokens with");
	return call->api->env.tokens;
}

static void api_add_grant(struct json_object *root, const struct grant *grant)
{
	api_add_string(root, "id", grant->id);
	api_add_string(root, "desktop", grant->desktop);
	api_add_string(root, "role", role_name(grant->role));
	json_object_object_add(root, "expires", grant->expires ?
			       json_object_new_int64(grant->expires) : NULL);
}

struct listing {
	struct json_object *array;
	const struct grant *to;		/* whom it is shown to */
};

static void api_add_token(void *data, const struct token_info *info)
{
	struct listing *listing = data;
	struct json_object *root;

	if (!grant_contains(listing->to, &info->grant))
		return;
	root = json_object_new_object();
	api_add_grant(root, &info->grant);
	json_object_object_add(root, "once", json_object_new_boolean(info->once));
	json_object_object_add(root, "used", json_object_new_boolean(info->used));
	json_object_object_add(root, "revoked",
			       json_object_new_boolean(info->revoked));
	json_object_array_add(listing->array, root);
}

/* Whose grant ends sooner may see and revoke the longer ones of its desktops. */
static struct grant api_caller(const struct call *call)
{
	struct grant grant = *call->req->grant;

	grant.expires = 0;
	return grant;
}

static void api_get_tokens(struct call *call)
{
	const struct grant caller = api_caller(call);
	struct listing listing = { NULL, &caller };

	if (!api_has_tokens(call))
		return;
	listing.array = json_object_new_array();
	tokens_each(call->api->env.tokens, api_add_token, &listing);
	api_answer(call, 200, listing.array);
}

static void api_post_tokens(struct call *call)
{
	const char *desktop, *role;
	g_autofree char *token = NULL, *error = NULL;
	struct grant grant = { 0 };
	struct json_object *root;
	int64_t ttl = API_TTL_DEFAULT;
	bool once;

	if (!api_has_tokens(call) ||
	    !body_text(call, "desktop", true, &desktop) ||
	    !body_text(call, "role", true, &role) ||
	    !body_number(call, "ttl", false, 1, TOKEN_TTL_MAX, &ttl) ||
	    !body_flag(call, "once", &once))
		return;
	if (!grant_pattern_valid(desktop) ||
	    g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop)) >=
	    sizeof(grant.desktop)) {
		api_refuse(call, 400, "bad-desktop",
			   "\"desktop\" must be VM:N, VM:* or *");
		return;
	}
	if (!role_parse(role, &grant.role) || grant.role == ROLE_NONE) {
		api_refuse(call, 400, "bad-role",
			   "\"role\" must be view, control or admin");
		return;
	}
	grant.expires = g_get_real_time() / G_USEC_PER_SEC + ttl;
	if (!grant_contains(call->req->grant, &grant)) {
		api_refuse(call, 403, "too-much",
			   "nobody can give more, or for longer, than they have");
		return;
	}
	token = tokens_issue(call->api->env.tokens, &grant, once, &error);
	if (!token) {
		api_refuse(call, 503, "not-issued", error);
		return;
	}
	root = json_object_new_object();
	api_add_string(root, "token", token);
	api_add_grant(root, &grant);
	json_object_object_add(root, "once", json_object_new_boolean(once));
	log_peer(INFO, call->req->peer, "token %s issued: %s, %s", grant.id,
		 grant.desktop, role_name(grant.role));
	api_answer(call, 201, root);
}

struct search {
	const char *id;
	const struct grant *by;
	bool found;
};

static void api_match_token(void *data, const struct token_info *info)
{
	struct search *search = data;

	search->found |= !strcmp(info->grant.id, search->id) &&
			 grant_contains(search->by, &info->grant);
}

static void api_delete_token(struct call *call)
{
	const struct grant caller = api_caller(call);
	struct search search = { call->param, &caller, false };
	g_autofree char *error = NULL;

	if (!api_has_tokens(call))
		return;
	tokens_each(call->api->env.tokens, api_match_token, &search);
	/* one that was made elsewhere with this key is not remembered here */
	if (!token_id_valid(call->param) ||
	    (!search.found && !grant_allows(&caller, ROLE_ADMIN, NULL))) {
		api_refuse(call, 404, "no-token", "there is no such token");
		return;
	}
	if (!tokens_revoke(call->api->env.tokens, call->param, &caller, &error)) {
		log_peer(ERROR, call->req->peer, "token %s was not revoked: %s",
			 call->param, error);
		api_refuse(call, 503, "no-room", error);
		return;
	}
	log_peer(INFO, call->req->peer, "token %s revoked", call->param);
	api_done(call, 200, "revoked");
}

/* --- the server --- */

static struct json_object *api_choices(const struct choices *choices)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < choices_count(choices); i++) {
		struct json_object *choice = json_object_new_object();
		struct choice_info info;

		choices_describe(choices, i, &info);
		api_add_string(choice, "name", info.name);
		api_add_string(choice, "codec", codec_name(info.codec));
		json_object_object_add(choice, "hardware",
			json_object_new_boolean(info.hardware));
		json_object_object_add(choice, "works",
			json_object_new_boolean(info.works));
		api_add_string(choice, "why", info.why);
		api_add_number(choice, "failures", info.failures);
		json_object_array_add(array, choice);
	}
	return array;
}

static void api_get_server(struct call *call)
{
	const struct api_env *env = &call->api->env;
	const struct encoder_options *options = choices_options(env->choices);
	struct json_object *root = json_object_new_object();
	struct json_object *encoder = json_object_new_object();
	struct json_object *limits = json_object_new_object();

	api_add_string(root, "version", HELIX_VERSION);
	api_add_string(root, "protocol", "helix.v1");
	api_add_string(root, "auth", env->http->auth == HTTP_AUTH_TOKEN ?
		       "token" : "none");
	json_object_object_add(root, "tls",
		json_object_new_boolean(env->http->tls_certificate != NULL));
	api_add_number(root, "uptime_s", (uint64_t)
		       ((g_get_monotonic_time() - call->api->started) /
			G_USEC_PER_SEC));
	api_add_string(encoder, "name", options->name);
	api_add_number(encoder, "bitrate_kbit", options->bitrate_kbit);
	api_add_number(encoder, "fps", options->fps);
	api_add_number(encoder, "threads", env->threads);
	json_object_object_add(encoder, "choices", api_choices(env->choices));
	json_object_object_add(root, "encoder", encoder);
	api_add_number(limits, "vms", VMS_MAX);
	api_add_number(limits, "queued_frames", VIEWER_FRAMES_MAX);
	api_add_number(limits, "queued_bytes", VIEWER_BYTES_MAX);
	api_add_number(limits, "message_bytes", MESSAGE_MAX);
	json_object_object_add(root, "limits", limits);
	api_answer(call, 200, root);
}

static void api_get_metrics(struct call *call)
{
	const struct api_env *env = &call->api->env;

	call->answer->mime = "text/plain; version=0.0.4; charset=utf-8";
	call->answer->text = metrics_text(env->hub, env->vms,
					  env->choices);
}

/* --- the table --- */

static const struct api_route api_routes[] = {
	{ "GET", "/api/desktops", API_ANYBODY, ROLE_VIEW, false, api_get_desktops },
	{ "GET", "/api/desktops/{id}", API_DESKTOP, ROLE_VIEW, false, api_get_desktop },
	{ "GET", "/api/desktops/{id}/stats", API_DESKTOP, ROLE_VIEW, false, api_get_stats },
	{ "POST", "/api/desktops/{id}/keyframe", API_DESKTOP, ROLE_CONTROL, false, api_post_keyframe },
	{ "POST", "/api/desktops/{id}/resize", API_DESKTOP, ROLE_CONTROL, true, api_post_resize },
	{ "POST", "/api/desktops/{id}/release-control", API_DESKTOP, ROLE_ADMIN, false, api_post_release_control },
	{ "POST", "/api/desktops/{id}/keep", API_DESKTOP, ROLE_CONTROL, false, api_post_keep },
	{ "GET", "/api/vms", API_SERVER, ROLE_ADMIN, false, api_get_vms },
	{ "POST", "/api/vms", API_SERVER, ROLE_ADMIN, true, api_post_vms },
	{ "DELETE", "/api/vms/{name}", API_SERVER, ROLE_ADMIN, false, api_delete_vm },
	{ "GET", "/api/tokens", API_ROLE, ROLE_ADMIN, false, api_get_tokens },
	{ "POST", "/api/tokens", API_ROLE, ROLE_ADMIN, true, api_post_tokens },
	{ "DELETE", "/api/tokens/{id}", API_ROLE, ROLE_ADMIN, false, api_delete_token },
	{ "GET", "/api/server", API_ANYBODY, ROLE_VIEW, false, api_get_server },
	{ "GET", "/metrics", API_METRICS, ROLE_ADMIN, false, api_get_metrics },
};

struct api_route_info api_route_get(unsigned int index)
{
	if (index >= G_N_ELEMENTS(api_routes))
		return (struct api_route_info){ 0 };
	return (struct api_route_info){
		api_routes[index].method, api_routes[index].path
	};
}

/* "{...}" in @pattern stands for one part of @path, which goes to @param. */
static bool api_match(const char *pattern, const char *path, char *param,
		      size_t size)
{
	const char *open = strchr(pattern, '{');
	size_t head, len;

	if (!open)
		return !strcmp(pattern, path);
	head = (size_t)(open - pattern);
	if (strncmp(pattern, path, head))
		return false;
	len = strcspn(path + head, "/");
	if (!len || len >= size || strcmp(strchr(open, '}') + 1, path + head + len))
		return false;
	memcpy(param, path + head, len);
	param[len] = '\0';
	return true;
}

/* The route; or NULL, with the methods that there are for such a path. */
static const struct api_route *api_find(struct call *call, char *allow,
					size_t size)
{
	const struct api_route *route;

	allow[0] = '\0';
	for (route = api_routes; route < api_routes + G_N_ELEMENTS(api_routes);
	     route++) {
		if (!api_match(route->path, call->req->path, call->param,
			       sizeof(call->param)))
			continue;
		if (!strcmp(route->method, call->req->method))
			return route;
		if (*allow)
			g_strlcat(allow, ", ", size);
		g_strlcat(allow, route->method, size);
		if (!strcmp(route->method, "GET"))
			g_strlcat(allow, ", HEAD", size);
	}
	return NULL;
}

/* False, and refused, if the caller may not. */
static bool api_authorize(struct call *call, const struct api_route *route)
{
	const struct grant *grant = call->req->grant;

	switch (route->scope) {
	case API_METRICS:
		if (call->api->env.http->metrics_open &&
		    request_listen_allowed(call->req->peer))
			return true;
		/* fall through */
	case API_SERVER:
		if (grant && grant_allows(grant, route->role, NULL))
			return true;
		break;
	case API_ANYBODY:
	case API_ROLE:
		if (grant && grant->role >= route->role)
			return true;
		break;
	case API_DESKTOP:
		if (!grant || !grant_covers(grant, call->param)) {
			api_refuse(call, 404, "no-desktop",
				   "there is no such desktop");
			return false;
		}
		if (grant->role < route->role)
			break;
		call->desktop = hub_find_id(call->api->env.hub, call->param);
		if (!call->desktop)
			api_refuse(call, 404, "no-desktop",
				   "there is no such desktop");
		return call->desktop;
	}
	api_refuse(call, 403, "forbidden", "your token does not allow that");
	return false;
}

/* False, and refused, if there is no JSON object where one is needed. */
static bool api_parse_body(struct call *call)
{
	struct json_tokener *tokener = json_tokener_new_ex(API_BODY_DEPTH);
	const struct api_request *req = call->req;
	size_t end = 0;

	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	if (req->body && req->body_len <= G_MAXINT) {
		call->body = json_tokener_parse_ex(tokener, req->body,
						   (int)req->body_len);
		end = json_tokener_get_parse_end(tokener);
	}
	while (end < req->body_len && g_ascii_isspace(req->body[end]))
		end++;
	json_tokener_free(tokener);
	if (json_object_is_type(call->body, json_type_object) &&
	    end == req->body_len)
		return true;
	api_refuse(call, 400, "bad-request", "a JSON object is needed");
	return false;
}

void api_handle(struct api *api, const struct api_request *req,
		struct api_answer *answer)
{
	static char allow[64];	/* as long as the answer is looked at */
	struct call call = { .api = api, .req = req, .answer = answer };
	const struct api_route *route = api_find(&call, allow, sizeof(allow));

	*answer = (struct api_answer){
		.status = 200,
		.mime = "application/json",
	};
	if (!route && *allow) {
		answer->allow = allow;
		api_refuse(&call, 405, "method", "this cannot be done with it");
	} else if (!route) {
		api_refuse(&call, 404, "not-found", "there is no such thing");
	} else if (api_authorize(&call, route) &&
		   (!route->body || api_parse_body(&call))) {
		route->handle(&call);
	}
	json_object_put(call.body);
}

struct api *api_new(const struct api_env *env)
{
	struct api *api = g_new0(struct api, 1);

	api->env = *env;
	api->started = g_get_monotonic_time();
	return api;
}

void api_set_vm_directory(struct api *api, const char *directory)
{
	api->env.vm_directory = directory;
}

void api_free(struct api *api)
{
	g_free(api);
}
