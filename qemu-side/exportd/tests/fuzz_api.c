// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: requests of the API with any body, of callers with any role,
 * against what really answers them; only QEMU's monitor is never visited.
 */
#include <glib.h>
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "api.h"
#include "fuzz.h"
#include "grant.h"
#include "log.h"
#include "qmp.h"
#include "token.h"
#include "vms.h"

#define DIRECTORY	"/run/helix-fuzz"
#define TURNS		4	/* of the main loop, for VMs to go */
#define ROUNDS		256	/* then the tokens that were made are forgotten */

static struct http_options http = { .listen = "127.0.0.1" };
static const struct encoder_options encoder = { .name = "libx264" };
static struct choices *choices;
static struct hub *hub;
static struct vms *vms;
static struct tokens *tokens;
static struct api *api;
static char key_path[32];
static unsigned int round_of;

/* In place of qmp.c: the monitors of these VMs never answer. */
void qmp_open_display(const char *path, GCancellable *cancellable,
		      GAsyncReadyCallback callback, gpointer data)
{
	(void)cancellable;
	(void)callback;
	(void)data;
	/* the one thing that a request can have this server do outside */
	expect(g_str_has_prefix(path, DIRECTORY "/") && !strstr(path, "/../") &&
	       !g_str_has_suffix(path, "/.."));
}

struct qmp_display *qmp_open_display_finish(GAsyncResult *result,
					    GError **error)
{
	(void)result;
	(void)error;
	return NULL;
}

void qmp_display_free(struct qmp_display *display)
{
	(void)display;
}

static void prepare(void)
{
	static const char key[] = "a key of more than thirty-two bytes";
	char path[] = "/tmp/helix-fuzz-key-XXXXXX", *error = NULL;
	int fd;

	if (!*key_path) {
		fd = mkstemp(path);
		expect(fd >= 0 && !unlink(path) &&
		       write(fd, key, sizeof(key)) == (ssize_t)sizeof(key));
		snprintf(key_path, sizeof(key_path), "/proc/self/fd/%d", fd);
		log_set_level(LOG_LEVEL_ERROR);
		choices = choices_new(&encoder, encoder_kinds, &error);
		hub = hub_new(&(struct desktop_env){ .choices = choices });
		vms = vms_new(hub);
	}
	api_free(api);
	tokens_free(tokens);
	tokens = tokens_new(key_path, NULL, &error);
	expect(tokens != NULL);
	api = api_new(&(struct api_env){
		.hub = hub, .vms = vms, .tokens = tokens, .http = &http,
		.choices = choices, .threads = 1, .vm_directory = DIRECTORY,
	});
}

static const char *member(struct json_object *root, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value))
		return NULL;
	return json_object_get_string(value);
}

/* What was done for a caller is within what the caller may. */
static void check_done(const struct api_request *req,
		       const struct api_answer *answer,
		       struct json_object *root)
{
	struct grant made = { 0 };
	const char *desktop = member(root, "desktop");

	if (answer->status != 201)
		return;
	expect(req->grant && req->grant->role == ROLE_ADMIN);
	if (strcmp(req->path, "/api/tokens")) {
		expect(!strcmp(req->path, "/api/vms") &&
		       !strcmp(req->grant->desktop, "*"));
		return;
	}
	expect(desktop && role_parse(member(root, "role"), &made.role));
	g_strlcpy(made.desktop, desktop, sizeof(made.desktop));
	expect(made.role <= req->grant->role &&
	       (!strcmp(req->grant->desktop, "*") ||
		strcmp(made.desktop, "*")));
}

static void check(const struct api_request *req, const struct api_answer *answer)
{
	struct json_object *root, *error;

	expect(answer->text && answer->status >= 200 && answer->status < 600);
	if (strcmp(answer->mime, "application/json"))
		return;
	root = json_tokener_parse(answer->text);
	expect(root != NULL);
	if (answer->status < 400) {
		expect(req->grant != NULL);
		check_done(req, answer, root);
	} else {
		expect(json_object_object_get_ex(root, "error", &error));
		expect(member(error, "code") && member(error, "message"));
	}
	json_object_put(root);
}

/* "/api/vms/{name}" with something in the braces. */
static char *take_path(struct fuzz *fuzz, const char *pattern)
{
	static const char *const names[] = { "vm:3", "a", "a%00b", "", "..",
					     "vm:4294967296" };
	g_auto(GStrv) parts = g_strsplit_set(pattern, "{}", 3);

	if (!parts[1])
		return g_strdup(pattern);
	return g_strconcat(parts[0],
			   names[fuzz_byte(fuzz) % G_N_ELEMENTS(names)],
			   parts[2], NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const desktops[] = { "*", "vm:*", "vm:3" };
	struct fuzz fuzz = { data, size };
	struct api_answer answer;
	struct grant grant = { 0 };
	struct api_request req = { .query = "", .peer = "192.0.2.1" };
	struct api_route_info route;
	unsigned int routes = 0, turn;
	uint8_t caller;
	char *path, *body;

	if (round_of++ % ROUNDS == 0)
		prepare();
	while (api_route_get(routes).method)
		routes++;
	route = api_route_get(fuzz_byte(&fuzz) % routes);
	path = take_path(&fuzz, route.path);
	caller = fuzz_byte(&fuzz);
	grant.role = (enum role)(caller % (ROLE_ADMIN + 1));
	g_strlcpy(grant.desktop, desktops[caller / 8 % G_N_ELEMENTS(desktops)],
		  sizeof(grant.desktop));
	if (caller & 0x40)
		grant.expires = g_get_real_time() / G_USEC_PER_SEC + 60;
	req.method = route.method;
	req.path = path;
	req.grant = caller & 0x80 ? NULL : &grant;
	/* just as long as it says, and the zero that is promised */
	body = g_malloc(fuzz.size + 1);
	memcpy(body, fuzz.data, fuzz.size);
	body[fuzz.size] = '\0';
	req.body = fuzz.size ? body : NULL;
	req.body_len = fuzz.size;

	api_handle(api, &req, &answer);
	check(&req, &answer);
	g_free(answer.text);
	while (vms_count(vms)) {
		struct vm_info info;

		vm_describe(vms_get(vms, 0), &info);
		expect(vms_remove(vms, info.name, "the round is over"));
	}
	for (turn = 0; turn < TURNS; turn++)
		g_main_context_iteration(NULL, FALSE);
	g_free(path);
	g_free(body);
	return 0;
}
