// SPDX-License-Identifier: GPL-2.0-only
/*
 * helix-exportd: frames from QEMU's display to browsers, input back. One
 * thread runs everything but the encoders and the visits to monitors; it never
 * waits for anybody.
 */
#include <glib-unix.h>
#include <glib.h>
#include <libavutil/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "attach.h"
#include "choice.h"
#include "config.h"
#include "http.h"
#include "hub.h"
#include "log.h"
#include "service.h"
#include "token.h"
#include "token_command.h"
#include "vms.h"
#include "worker.h"

#define MAIN_TICK_MS 500

struct daemon {
	int argc;
	char **argv;
	struct config config;	/* as started; parts point into it */
	struct config live;	/* as reloaded last: what can change */
	GMainLoop *loop;
	struct choices *choices;
	struct worker_pool *pool;
	struct hub *hub;
	struct vms *vms;
	struct tokens *tokens;
	struct api *api;
	struct attach *attach;
	struct http *http;
};

/* "2 virtual machines, 8 desktops" */
static void main_status(struct daemon *daemon, void (*say)(const char *status))
{
	g_autofree char *status = NULL;

	status = g_strdup_printf("Serving %u desktops of %u virtual machines",
				 hub_count(daemon->hub),
				 vms_count(daemon->vms));
	say(status);
}

static gboolean main_tick(gpointer data)
{
	struct daemon *daemon = data;

	hub_tick(daemon->hub);
	vms_tick(daemon->vms);
	http_tick(daemon->http);
	main_status(daemon, service_status);
	return G_SOURCE_CONTINUE;
}

static gboolean main_quit(gpointer data)
{
	struct daemon *daemon = data;

	log_info("stopping");
	service_stopping();
	g_main_loop_quit(daemon->loop);
	return G_SOURCE_CONTINUE;
}

static void main_set_log(const struct config *config)
{
	log_set_level((enum log_level)config->log_level);
	log_set_format((enum log_format)config->log_format);
}

/* --- reload --- */

/* Everything that can change while running, from a configuration that is good. */
static void main_apply(struct daemon *daemon, struct config *config)
{
	g_autofree char *left = config_needs_restart(&daemon->config, config);
	g_autofree char *error = NULL;

	main_set_log(config);
	vms_set_idle(daemon->vms, &config->idle);
	vms_configure(daemon->vms, config->vms, config->nr_vms);
	api_set_vm_directory(daemon->api, config->vm_directory);
	http_reload(daemon->http, &config->http);
	if (daemon->tokens && !tokens_reload(daemon->tokens, &error))
		log_error("the key of the tokens stays as it was: %s", error);
	if (left)
		log_warn("changed, and needs a restart: %s", left);
	config_free(&daemon->live);
	daemon->live = *config;
	log_info("the configuration was read again");
}

static gboolean main_reload(gpointer data)
{
	struct daemon *daemon = data;
	g_autofree char *error = NULL;
	struct config config;

	service_reloading();
	if (config_load(&config, daemon->argc, daemon->argv, &error) ==
	    CONFIG_RUN) {
		main_apply(daemon, &config);
	} else {
		log_error("the configuration stays as it was: %s", error);
		config_free(&config);
	}
	main_status(daemon, service_ready);
	return G_SOURCE_CONTINUE;
}

/* --- life --- */

static void main_announce(const struct daemon *daemon)
{
	g_autofree char *name = http_name(daemon->http);

	printf("listening http%s://%s/\n",
	       daemon->config.http.tls_certificate ? "s" : "", name);
	fflush(stdout);
}

static bool main_open_attach(struct daemon *daemon)
{
	int fd = service_socket("attach");

	if (fd >= 0)
		daemon->attach = attach_new_fd(fd, daemon->vms);
	else if (daemon->config.attach)
		daemon->attach = attach_new(daemon->config.attach, daemon->vms);
	return daemon->attach || !daemon->config.attach;
}

static int main_serve(struct daemon *daemon)
{
	guint sources[4], i;

	if (!main_open_attach(daemon))
		return EXIT_FAILURE;
	daemon->http = http_new(&daemon->config.http, daemon->hub, daemon->api,
				daemon->loop);
	if (!daemon->http)
		return EXIT_FAILURE;
	sources[0] = g_timeout_add(MAIN_TICK_MS, main_tick, daemon);
	sources[1] = g_unix_signal_add(SIGTERM, main_quit, daemon);
	sources[2] = g_unix_signal_add(SIGINT, main_quit, daemon);
	sources[3] = g_unix_signal_add(SIGHUP, main_reload, daemon);
	vms_set_idle(daemon->vms, &daemon->config.idle);
	vms_configure(daemon->vms, daemon->config.vms, daemon->config.nr_vms);
	main_announce(daemon);
	service_watch();
	main_status(daemon, service_ready);
	g_main_loop_run(daemon->loop);

	for (i = 0; i < G_N_ELEMENTS(sources); i++)
		g_source_remove(sources[i]);
	return EXIT_SUCCESS;
}

static bool main_open_tokens(struct daemon *daemon)
{
	struct http_options *http = &daemon->config.http;
	g_autofree char *error = NULL;

	if (!http->token_key)
		return true;
	daemon->tokens = tokens_new(http->token_key, http->state_dir, &error);
	if (!daemon->tokens)
		log_error("%s", error);
	else if (!http->state_dir)
		log_warn("no state: tokens that were used up or revoked are good again after a restart");
	http->tokens = daemon->tokens;
	return daemon->tokens;
}

static int main_run(struct daemon *daemon)
{
	struct desktop_env env = { .choices = daemon->choices };
	int rc = EXIT_FAILURE;

	daemon->pool = worker_pool_new(daemon->config.threads);
	if (!daemon->pool) {
		log_error("starting %u encoding threads failed",
			  daemon->config.threads);
		return EXIT_FAILURE;
	}
	env.pool = daemon->pool;
	daemon->loop = g_main_loop_new(NULL, FALSE);
	daemon->hub = hub_new(&env);
	daemon->vms = vms_new(daemon->hub);
	if (main_open_tokens(daemon)) {
		daemon->api = api_new(&(struct api_env){
			.hub = daemon->hub,
			.vms = daemon->vms,
			.tokens = daemon->tokens,
			.http = &daemon->config.http,
			.choices = daemon->choices,
			.threads = daemon->config.threads,
			.vm_directory = daemon->config.vm_directory,
		});
		rc = main_serve(daemon);
	}

	/* viewers first: to them the desktops are not gone, only we are */
	if (daemon->http)
		http_free(daemon->http);
	attach_free(daemon->attach);
	vms_free(daemon->vms);
	api_free(daemon->api);
	tokens_free(daemon->tokens);
	hub_free(daemon->hub);
	worker_pool_free(daemon->pool);
	g_main_loop_unref(daemon->loop);
	return rc;
}

static int main_start(struct daemon *daemon)
{
	g_autofree char *error = NULL;
	int rc;

	/* SVT-AV1 talks on standard error; what fails is told by libavcodec too */
	setenv("SVT_LOG", "0", 0);
	main_set_log(&daemon->config);
	av_log_set_level(AV_LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	daemon->choices = choices_new(&daemon->config.encoder, encoder_kinds,
				      &error);
	if (!daemon->choices || !choices_try(daemon->choices, &error)) {
		log_error("no encoder: %s", error);
		choices_free(daemon->choices);
		return EXIT_FAILURE;
	}
	daemon->config.http.listen_fd = service_socket("http");
	rc = main_run(daemon);
	choices_free(daemon->choices);
	return rc;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .argc = argc, .argv = argv };
	g_autofree char *error = NULL;
	int rc = 2;

	if (argc > 1 && !strcmp(argv[1], "token"))
		return token_command(argc - 1, argv + 1);
	switch (config_load(&daemon.config, argc, argv, &error)) {
	case CONFIG_DONE:
		rc = EXIT_SUCCESS;
		break;
	case CONFIG_WRONG:
		fprintf(stderr, "helix-exportd: %s\n", error);
		break;
	case CONFIG_RUN:
		rc = daemon.config.check ? EXIT_SUCCESS : main_start(&daemon);
		break;
	}
	config_free(&daemon.live);
	config_free(&daemon.config);
	return rc;
}
