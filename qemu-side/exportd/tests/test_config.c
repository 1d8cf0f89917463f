// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

static char dir[] = "/tmp/helix-config-XXXXXX";
static char *file;
static struct config config;
static char *error;

static int setup(void **state)
{
	(void)state;
	unsetenv("STATE_DIRECTORY");
	if (!g_mkdtemp(dir))
		return -1;
	file = g_build_filename(dir, "exportd.conf", NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	g_unlink(file);
	g_rmdir(dir);
	g_free(file);
	return 0;
}

static int each_end(void **state)
{
	(void)state;
	config_free(&config);
	g_clear_pointer(&error, g_free);
	return 0;
}

#define load(...) load_args((char *[]){ "helix-exportd", __VA_ARGS__, NULL })

static enum config_result load_args(char **argv)
{
	return config_load(&config, (int)g_strv_length(argv), argv, &error);
}

static enum config_result load_file(const char *text)
{
	assert_true(g_file_set_contents(file, text, -1, NULL));
	return load("--config", file);
}

/* @text is refused, and what is said names the file and all of @parts. */
static void assert_refused(const char *text, const char *const *parts)
{
	assert_int_equal(load_file(text), CONFIG_WRONG);
	assert_non_null(error);
	assert_non_null(strstr(error, file));
	for (; *parts; parts++)
		if (!strstr(error, *parts))
			fail_msg("\"%s\" does not say \"%s\"", error, *parts);
	each_end(NULL);
}

#define refused(text, ...) \
	assert_refused(text, (const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(load("--qmp", "/run/q"), CONFIG_RUN);
	assert_string_equal(config.http.listen, "127.0.0.1");
	assert_int_equal(config.http.port, 8800);
	assert_int_equal(config.http.listen_fd, -1);
	assert_int_equal(config.http.auth, HTTP_AUTH_NONE);
	assert_null(config.http.trusted_proxies);
	assert_int_equal(config.http.connections, 384);
	assert_int_equal(config.http.connections_each, 160);
	assert_int_equal(config.http.viewers, 256);
	assert_int_equal(config.http.token_failures, 10);
	assert_string_equal(config.encoder.name, "auto");
	assert_null(config.encoder.device);
	assert_int_equal(config.idle.after, 0);
	assert_int_equal(config.idle.warn, 60);
	assert_false(config.idle.thumbnails);
	assert_int_equal(config.nr_vms, 1);
	assert_string_equal(config.vms[0].name, "vm");
	assert_int_equal(config.vms[0].clipboard, VM_CLIPBOARD_OFF);
	assert_null(config.vms[0].control);
}

static void test_file(void **state)
{
	(void)state;
	assert_int_equal(load_file("# a comment\n"
				   "[server]\nport = 0\nserver-names=a.example, b.example\nlog=json\nlog-level=debug\n"
				   "[encoder]\nbitrate=2500\nfps=30 \n"
				   "[vm first]\nqmp=/run/a/qmp\ncontrol=/run/a/ctl\n"
				   "console0=true\nclipboard=3\npriority=7\n"
				   "[vm second]\nqmp=/run/b/qmp\n"), CONFIG_RUN);
	assert_int_equal(config.http.port, 0);
	assert_string_equal(config.http.server_names[1], "b.example");
	assert_null(config.http.server_names[2]);
	assert_int_equal(config.log_format, LOG_FORMAT_JSON);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(config.encoder.bitrate_kbit, 2500);
	assert_int_equal(config.encoder.fps, 30);
	assert_int_equal(config.nr_vms, 2);
	assert_string_equal(config.vms[0].name, "first");
	assert_string_equal(config.vms[0].control, "/run/a/ctl");
	assert_true(config.vms[0].console0);
	assert_int_equal(config.vms[0].clipboard, 3);
	assert_int_equal(config.vms[0].priority, 7);
	assert_string_equal(config.vms[1].qmp, "/run/b/qmp");
	assert_false(config.vms[1].console0);
}

static void test_idle(void **state)
{
	struct idle_policy policy;

	(void)state;
	assert_int_equal(load_file("[idle]\nafter=1800\nwarn=120\ncount-thumbnails=true\n"
				   "[vm a]\nqmp=/run/a\n"
				   "[vm b]\nqmp=/run/b\nidle-after=0\n"
				   "[vm c]\nqmp=/run/c\nidle-after=300\nidle-warn=0\n"),
			 CONFIG_RUN);
	policy = vm_idle_policy(&config.vms[0], &config.idle);
	assert_int_equal(policy.after, 1800);
	assert_int_equal(policy.warn, 120);
	assert_true(policy.thumbnails);
	policy = vm_idle_policy(&config.vms[1], &config.idle);
	assert_int_equal(policy.after, 0);
	policy = vm_idle_policy(&config.vms[2], &config.idle);
	assert_int_equal(policy.after, 300);
	assert_int_equal(policy.warn, 0);
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--idle-after=90", "--idle-warn=90"),
			 CONFIG_RUN);
	assert_int_equal(config.idle.after, 90);
	each_end(NULL);
	/* the default warning does not fit; that is said, not guessed about */
	assert_int_equal(load("--qmp=/q", "--idle-after=30"), CONFIG_WRONG);
	assert_string_equal(error, "[idle] warn=60 is more than after=30");
	each_end(NULL);
	assert_int_equal(load_file("[idle]\nafter=100\n[vm a]\nqmp=/run/a\nidle-after=50\n"),
			 CONFIG_WRONG);
	assert_string_equal(error, "[vm a] idle-warn=60 is more than idle-after=50");
	each_end(NULL);
	refused("[idle]\nafter=31536001\n", "[idle]", "after=31536001", "0 to 31536000");
	refused("[idle]\nwarn=-1\n", "warn=-1", "0 to 86400");
	refused("[idle]\ncount-thumbnails=1\n", "true or false");
	refused("[idle]\ncount=1\n", "after, warn, count-thumbnails");
}

static void test_flags_go_before_the_file(void **state)
{
	(void)state;
	g_file_set_contents(file, "[encoder]\nfps=30\nbitrate=2500\n"
				  "[vm vm]\nqmp=/run/file\n", -1, NULL);
	assert_int_equal(load("--fps=12", "-c", file, "--qmp", "/run/flag"),
			 CONFIG_RUN);
	assert_int_equal(config.encoder.fps, 12);
	assert_int_equal(config.encoder.bitrate_kbit, 2500);
	assert_int_equal(config.nr_vms, 1);
	assert_string_equal(config.vms[0].qmp, "/run/flag");
}

static void test_errors_say_where_and_what(void **state)
{
	(void)state;
	refused("[server]\nport=70000\n", "[server]", "port=70000", "0 to 65535");
	refused("[server]\nport=-1\n", "port=-1", "0 to 65535");
	refused("[server]\nport=80x\n", "port=80x");
	refused("[server]\nport=\n", "port=");
	refused("[server]\nweb=relative\n", "web=relative", "absolute");
	refused("[server]\nlog=xml\n", "log=xml", "text, json, journal");
	refused("[server]\nmetrics-open=yes\n", "metrics-open=yes", "true or false");
	refused("[server]\nprot=1\n", "[server]", "prot", "port");
	refused("[encoder]\nqmp=/x\n", "[encoder]", "qmp", "bitrate");
	refused("[encoder]\nname=auto,x264\n", "x264", "libx264", "h264_vaapi", "libsvtav1");
	refused("[encoder]\nname= , \n", "auto", "libx264");
	refused("[sever]\nport=1\n", "[sever]", "[server]", "[encoder]", "[vm NAME]");
	refused("[vm a b]\nqmp=/x\n", "[vm a b]", "A-Z");
	refused("[vm ]\nqmp=/x\n", "[vm ]");
	refused("[vm a]\ncontrol=/x\n", "[vm a]", "qmp", "needed");
	refused("[vm a]\nqmp=/x\nclipboard=-1\n", "clipboard=-1", "0 to 65535");
	refused("[server]\nport 1\n", "port 1");
	refused("port=1\n", "group");
	refused("[server]\nserver-names=\xff\n", "[server]", "server-names");
}

static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(load("--config", "/nonexistent/exportd.conf"),
			 CONFIG_WRONG);
	assert_non_null(strstr(error, "/nonexistent/exportd.conf"));
}

static void test_a_file_without_a_vm_is_good(void **state)
{
	(void)state;
	assert_int_equal(load_file("[server]\nport=0\n"), CONFIG_RUN);
	assert_int_equal(config.nr_vms, 0);
}

static void test_wrong_flags(void **state)
{
	(void)state;
	assert_int_equal(load("--control", "/x"), CONFIG_WRONG);
	assert_non_null(strstr(error, "--qmp"));
	each_end(NULL);
	assert_int_equal(load("--qmp", "/x", "--fps", "0"), CONFIG_WRONG);
	assert_non_null(strstr(error, "--fps 0"));
	assert_non_null(strstr(error, "1 to 240"));
	each_end(NULL);
	assert_int_equal(load("--qmp", "/x", "more"), CONFIG_WRONG);
	assert_non_null(strstr(error, "more"));
	each_end(NULL);
	assert_int_equal(load("--log=text"), CONFIG_WRONG);
	assert_non_null(strstr(error, "nothing to serve"));
}

static void test_outside_of_the_machine_only_with_tls_and_token(void **state)
{
	(void)state;
	assert_int_equal(load("--qmp=/q", "--listen=0.0.0.0"), CONFIG_WRONG);
	assert_non_null(strstr(error, "loopback"));
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--listen=0.0.0.0", "--auth=token",
			      "--token-key=/k"), CONFIG_WRONG);
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--listen=0.0.0.0",
			      "--tls-certificate=/c", "--tls-key=/k"),
			 CONFIG_WRONG);
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--listen=0.0.0.0", "--auth=token",
			      "--token-key=/t", "--tls-certificate=/c",
			      "--tls-key=/k"), CONFIG_RUN);
}

static void test_what_belongs_together(void **state)
{
	(void)state;
	assert_int_equal(load("--qmp=/q", "--tls-key=/k"), CONFIG_WRONG);
	assert_non_null(strstr(error, "tls-certificate"));
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--auth=token"), CONFIG_WRONG);
	assert_non_null(strstr(error, "token-key"));
}

static void test_a_proxy_is_an_address(void **state)
{
	(void)state;
	assert_int_equal(load_file("[server]\ntrusted-proxies=::1, 10.0.0.0/8\n[vm a]\nqmp=/q\n"),
			 CONFIG_RUN);
	assert_string_equal(config.http.trusted_proxies[1], "10.0.0.0/8");
	each_end(NULL);
	assert_int_equal(load("--qmp=/q", "--trusted-proxies=::1,proxy.example"),
			 CONFIG_WRONG);
	assert_non_null(strstr(error, "proxy.example"));
}

static void test_too_many_vms(void **state)
{
	g_autoptr(GString) text = g_string_new(NULL);
	int i;

	(void)state;
	for (i = 0; i <= VMS_MAX; i++)
		g_string_append_printf(text, "[vm v%d]\nqmp=/q\n", i);
	refused(text->str, "[vm v64]", "64");
}

static void test_what_needs_a_restart_is_named(void **state)
{
	char *argv[] = { "helix-exportd", "--config", file, NULL };
	g_autofree char *names = NULL, *none = NULL;
	struct config next;

	(void)state;
	assert_int_equal(load_file("[server]\nport=1\nlog=text\n[vm a]\nqmp=/q\n"),
			 CONFIG_RUN);
	none = config_needs_restart(&config, &config);
	assert_null(none);
	g_file_set_contents(file, "[server]\nport=2\nlog=json\n[encoder]\nfps=9\n"
				  "[vm b]\nqmp=/q\n", -1, NULL);
	assert_int_equal(config_load(&next, 3, argv, &error), CONFIG_RUN);
	names = config_needs_restart(&config, &next);
	assert_string_equal(names, "[server] port, [encoder] fps");
	config_free(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_defaults, each_end),
		cmocka_unit_test_teardown(test_file, each_end),
		cmocka_unit_test_teardown(test_idle, each_end),
		cmocka_unit_test_teardown(test_flags_go_before_the_file, each_end),
		cmocka_unit_test_teardown(test_errors_say_where_and_what, each_end),
		cmocka_unit_test_teardown(test_no_file, each_end),
		cmocka_unit_test_teardown(test_a_file_without_a_vm_is_good, each_end),
		cmocka_unit_test_teardown(test_wrong_flags, each_end),
		cmocka_unit_test_teardown(test_outside_of_the_machine_only_with_tls_and_token, each_end),
		cmocka_unit_test_teardown(test_what_belongs_together, each_end),
		cmocka_unit_test_teardown(test_a_proxy_is_an_address, each_end),
		cmocka_unit_test_teardown(test_too_many_vms, each_end),
		cmocka_unit_test_teardown(test_what_needs_a_restart_is_named, each_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
