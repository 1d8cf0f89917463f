// SPDX-License-Identifier: GPL-2.0-only
/* Who may ask what, and that openapi.yaml describes just that. argv[1]: the file. */
#include "test.h"

#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "api.h"
#include "grant.h"
#include "vms.h"

static const char *openapi;
static struct hub *hub;
static struct vms *vms;
static struct api *api;
static struct http_options http = { .listen = "127.0.0.1" };
static const struct encoder_options encoder = { .name = "libx264" };
static struct api_answer answer;
static struct choices *choices;

static int setup(void **state)
{
	char *error;

	(void)state;
	choices = choices_new(&encoder, encoder_kinds, &error);
	hub = hub_new(&(struct desktop_env){ .choices = choices });
	vms = vms_new(hub);
	api = api_new(&(struct api_env){
		.hub = hub, .vms = vms, .http = &http, .choices = choices,
		.threads = 1, .vm_directory = "/tmp/helix-none/",
	});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	api_free(api);
	vms_free(vms);
	hub_free(hub);
	choices_free(choices);
	return 0;
}

static int each_end(void **state)
{
	(void)state;
	g_clear_pointer(&answer.text, g_free);
	http.metrics_open = false;
	return 0;
}

static unsigned int ask(enum role role, const char *desktop, const char *method,
			const char *path, const char *body)
{
	struct grant grant = { .role = role };
	struct api_request req = {
		.method = method, .path = path, .query = "", .body = body,
		.body_len = body ? strlen(body) : 0,
		.grant = desktop ? &grant : NULL, .peer = "192.0.2.1",
	};

	each_end(NULL);
	if (desktop)
		g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop));
	api_handle(api, &req, &answer);
	assert_non_null(answer.text);
	return answer.status;
}

/* Every refusal is {"error":{"code","message"}}. */
static void assert_code(const char *code)
{
	struct json_object *root = json_tokener_parse(answer.text), *error, *value;

	assert_true(json_object_object_get_ex(root, "error", &error));
	assert_true(json_object_object_get_ex(error, "message", &value));
	assert_true(json_object_object_get_ex(error, "code", &value));
	assert_string_equal(json_object_get_string(value), code);
	json_object_put(root);
}

static void test_no_grant_no_answer(void **state)
{
	struct api_route_info route;
	unsigned int i;

	(void)state;
	for (i = 0; (route = api_route_get(i)).method; i++) {
		g_auto(GStrv) parts = g_strsplit_set(route.path, "{}", 3);
		g_autofree char *path = g_strdup_printf("%s%s%s", parts[0],
					parts[1] ? "x" : "",
					parts[1] ? parts[2] : "");
		unsigned int status;

		status = ask(ROLE_NONE, NULL, route.method, path, "{}");
		if (status != 403 && status != 404)
			fail_msg("%s %s: %u", route.method, path, status);
	}
}

static void test_what_is_for_admins_of_all(void **state)
{
	static const struct {
		const char *method, *path;
	} routes[] = {
		{ "GET", "/api/vms" }, { "POST", "/api/vms" },
		{ "DELETE", "/api/vms/vm" }, { "GET", "/metrics" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(routes); i++) {
		assert_int_equal(ask(ROLE_CONTROL, "*", routes[i].method,
				     routes[i].path, "{}"), 403);
		assert_code("forbidden");
		assert_int_equal(ask(ROLE_ADMIN, "vm:*", routes[i].method,
				     routes[i].path, "{}"), 403);
		assert_int_not_equal(ask(ROLE_ADMIN, "*", routes[i].method,
					 routes[i].path, "{}"), 403);
	}
}

static void test_metrics_may_be_open_on_loopback(void **state)
{
	struct api_request req = { .method = "GET", .path = "/metrics",
				   .query = "", .peer = "127.0.0.1" };

	(void)state;
	api_handle(api, &req, &answer);
	assert_int_equal(answer.status, 403);
	each_end(NULL);
	http.metrics_open = true;
	api_handle(api, &req, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.text, "helix_exportd_build_info"));
	g_clear_pointer(&answer.text, g_free);
	req.peer = "192.0.2.1";
	api_handle(api, &req, &answer);
	assert_int_equal(answer.status, 403);
}

static void test_other_desktops_do_not_exist(void **state)
{
	static const char *const posts[] = { "keyframe", "resize", "release-control", "keep" };
	size_t i;

	(void)state;
	assert_int_equal(ask(ROLE_ADMIN, "vm:3", "GET", "/api/desktops/vm:4", NULL), 404);
	assert_code("no-desktop");
	assert_int_equal(ask(ROLE_ADMIN, "vm:3", "GET", "/api/desktops/vm:3", NULL), 404);
	assert_code("no-desktop");
	for (i = 0; i < G_N_ELEMENTS(posts); i++) {
		g_autofree char *other = g_strdup_printf("/api/desktops/vm:4/%s", posts[i]);
		g_autofree char *own = g_strdup_printf("/api/desktops/vm:3/%s", posts[i]);

		/* whether it exists does not show in the answer to a low role */
		assert_int_equal(ask(ROLE_VIEW, "vm:3", "POST", other, "{}"), 404);
		assert_int_equal(ask(ROLE_VIEW, "vm:3", "POST", own, "{}"), 403);
		assert_int_equal(ask(ROLE_ADMIN, "vm:3", "POST", own, "{}"), 404);
	}
	assert_int_equal(ask(ROLE_CONTROL, "vm:3", "POST",
			     "/api/desktops/vm:3/release-control", NULL), 403);
}

static void test_methods(void **state)
{
	(void)state;
	assert_int_equal(ask(ROLE_ADMIN, "*", "DELETE", "/api/vms", NULL), 405);
	assert_string_equal(answer.allow, "GET, HEAD, POST");
	assert_int_equal(ask(ROLE_ADMIN, "*", "GET", "/api/vms/x", NULL), 405);
	assert_string_equal(answer.allow, "DELETE");
	assert_int_equal(ask(ROLE_ADMIN, "*", "GET", "/api/nothing", NULL), 404);
	assert_null(answer.allow);
	assert_code("not-found");
	assert_int_equal(ask(ROLE_ADMIN, "*", "GET", "/api/desktops/", NULL), 404);
	assert_int_equal(ask(ROLE_ADMIN, "*", "GET", "/api/desktops/vm:3/", NULL), 404);
	assert_int_equal(ask(ROLE_ADMIN, "*", "GET", "/api/desktops/a/b/stats", NULL), 404);
}

static void test_bad_bodies(void **state)
{
	static const char *const bodies[] = {
		NULL, "", "{", "[]", "null", "{} {}", "{\"name\":\"a\"}x",
		"{\"name\":\"\xff\"}", "{\"name\":1,\"qmp\":\"/tmp/helix-none/q\"}",
		"{\"name\":\"a\"}", "{\"qmp\":\"/tmp/helix-none/q\"}",
		"{\"name\":\"a\",\"qmp\":7}",
		"{\"name\":\"a b\",\"qmp\":\"/tmp/helix-none/q\"}",
		"{\"name\":\"a\",\"qmp\":\"/tmp/helix-none/q\",\"console0\":1}",
		"{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(bodies); i++)
		if (ask(ROLE_ADMIN, "*", "POST", "/api/vms", bodies[i]) != 400)
			fail_msg("%s: %u", bodies[i], answer.status);
	assert_int_equal(vms_count(vms), 0);
}

static void test_sockets_of_the_api_stay_in_their_directory(void **state)
{
	static const char *const paths[] = {
		"/etc/passwd", "relative", "/tmp/helix-none", "/tmp/helix-none/",
		"/tmp/helix-nonesuch/q", "/tmp/helix-none/../q",
		"/tmp/helix-none/a/..", "",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autofree char *body = g_strdup_printf("{\"name\":\"a\",\"qmp\":\"%s\"}",
							paths[i]);

		assert_int_equal(ask(ROLE_ADMIN, "*", "POST", "/api/vms", body), 400);
		assert_code("bad-path");
	}
}

static void test_vms_come_and_go(void **state)
{
	static const char body[] = "{\"name\":\"a\",\"qmp\":\"/tmp/helix-none/q\"}";

	(void)state;
	assert_int_equal(ask(ROLE_ADMIN, "*", "POST", "/api/vms", body), 201);
	assert_int_equal(ask(ROLE_ADMIN, "*", "POST", "/api/vms", body), 409);
	assert_code("exists");
	assert_int_equal(vms_count(vms), 1);
	assert_int_equal(ask(ROLE_ADMIN, "*", "DELETE", "/api/vms/a", NULL), 200);
	assert_int_equal(ask(ROLE_ADMIN, "*", "DELETE", "/api/vms/a", NULL), 404);
	assert_code("no-vm");
}

static void test_a_server_without_a_key_has_no_tokens(void **state)
{
	(void)state;
	assert_int_equal(ask(ROLE_CONTROL, "*", "GET", "/api/tokens", NULL), 403);
	assert_int_equal(ask(ROLE_ADMIN, "vm:3", "GET", "/api/tokens", NULL), 409);
	assert_code("no-token-key");
}

static bool known(const char *method, const char *path)
{
	struct api_route_info route;
	unsigned int i;

	/* the one that the web server answers by itself */
	if (!strcmp(path, "/api/ticket") && !strcmp(method, "POST"))
		return true;
	for (i = 0; (route = api_route_get(i)).method; i++)
		if (!strcmp(route.method, method) && !strcmp(route.path, path))
			return true;
	return false;
}

/* Its lines are held to this form by the other test, which parses it. */
static GHashTable *described(void)
{
	GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autofree char *text = NULL, *path = NULL;
	g_auto(GStrv) lines = NULL;
	bool in_paths = false;
	int i;

	assert_true(g_file_get_contents(openapi, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (i = 0; lines[i]; i++) {
		const char *line = lines[i];

		if (g_ascii_isalpha(line[0]))
			in_paths = !strcmp(line, "paths:");
		if (!in_paths)
			continue;
		if (g_str_has_prefix(line, "  /")) {
			g_free(path);
			path = g_strndup(line + 2, strlen(line) - 3);
		} else if (g_str_has_prefix(line, "    ") && g_ascii_isalpha(line[4]) &&
			   !g_str_has_prefix(line, "    parameters")) {
			g_autofree char *method = g_ascii_strup(line + 4, (gssize)strcspn(line + 4, ":"));

			g_hash_table_add(set, g_strdup_printf("%s %s", method, path));
		}
	}
	return set;
}

static void test_openapi_has_every_route_and_no_other(void **state)
{
	g_autoptr(GHashTable) set = described();
	struct api_route_info route;
	GHashTableIter iter;
	gpointer key;
	unsigned int i;

	(void)state;
	for (i = 0; (route = api_route_get(i)).method; i++) {
		g_autofree char *name = g_strdup_printf("%s %s", route.method, route.path);

		if (!g_hash_table_contains(set, name))
			fail_msg("not described: %s", name);
	}
	g_hash_table_iter_init(&iter, set);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		g_auto(GStrv) parts = g_strsplit(key, " ", 2);

		if (!known(parts[0], parts[1]))
			fail_msg("described, but there is none: %s", (char *)key);
	}
	assert_true(i > 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_grant_no_answer, each_end),
		cmocka_unit_test_teardown(test_what_is_for_admins_of_all, each_end),
		cmocka_unit_test_teardown(test_metrics_may_be_open_on_loopback, each_end),
		cmocka_unit_test_teardown(test_other_desktops_do_not_exist, each_end),
		cmocka_unit_test_teardown(test_methods, each_end),
		cmocka_unit_test_teardown(test_bad_bodies, each_end),
		cmocka_unit_test_teardown(test_sockets_of_the_api_stay_in_their_directory, each_end),
		cmocka_unit_test_teardown(test_vms_come_and_go, each_end),
		cmocka_unit_test_teardown(test_a_server_without_a_key_has_no_tokens, each_end),
		cmocka_unit_test_teardown(test_openapi_has_every_route_and_no_other, each_end),
	};

	if (argc != 2)
		return 2;
	openapi = argv[1];
	return cmocka_run_group_tests(tests, setup, teardown);
}
