// SPDX-License-Identifier: GPL-2.0-only
/*
 * helix-exportd: frames from QEMU's display to browsers, input back. One
 * thread runs everything but the encoders; it never waits for anybody.
 */
#include <glib-unix.h>
#include <glib.h>
#include <libavutil/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http.h"
#include "hub.h"
#include "log.h"
#include "options.h"
#include "vms.h"
#include "worker.h"

#define MAIN_TICK_MS 500

struct daemon {
	struct options options;
	GMainLoop *loop;
	struct worker_pool *pool;
	struct hub *hub;
	struct api *api;
	struct http *http;
	struct vms *vms;
};

static gboolean main_tick(gpointer data)
{
	struct daemon *daemon = data;

	hub_tick(daemon->hub);
	http_tick(daemon->http);
	return G_SOURCE_CONTINUE;
}

static gboolean main_quit(gpointer data)
{
	struct daemon *daemon = data;

	log_info("stopping");
	g_main_loop_quit(daemon->loop);
	return G_SOURCE_CONTINUE;
}

static void main_announce(const struct daemon *daemon)
{
	const char *address = daemon->options.http.listen;
	bool six = strchr(address, ':');

	printf("listening http://%s%s%s:%d/\n", six ? "[" : "", address,
	       six ? "]" : "", http_port(daemon->http));
	fflush(stdout);
}

static int main_serve(struct daemon *daemon)
{
	daemon->vms = vms_new(daemon->hub);
	daemon->http = http_new(&daemon->options.http, daemon->hub,
				daemon->api, daemon->loop);
	if (!daemon->http) {
		vms_free(daemon->vms);
		return EXIT_FAILURE;
	}
	vms_configure(daemon->vms, &daemon->options.vm, 1);
	main_announce(daemon);
	g_main_loop_run(daemon->loop);

	/* viewers first: to them the desktops are not gone, only we are */
	http_free(daemon->http);
	vms_free(daemon->vms);
	return EXIT_SUCCESS;
}

static int main_run(struct daemon *daemon)
{
	struct desktop_env env = { .encoder = &daemon->options.encoder };
	guint tick, term, intr;
	int rc;

	daemon->pool = worker_pool_new(daemon->options.threads);
	if (!daemon->pool) {
		log_error("starting %u encoding threads failed",
			  daemon->options.threads);
		return EXIT_FAILURE;
	}
	env.pool = daemon->pool;
	daemon->loop = g_main_loop_new(NULL, FALSE);
	daemon->hub = hub_new(&env);
	daemon->api = api_new(&(struct api_env){ .hub = daemon->hub });
	tick = g_timeout_add(MAIN_TICK_MS, main_tick, daemon);
	term = g_unix_signal_add(SIGTERM, main_quit, daemon);
	intr = g_unix_signal_add(SIGINT, main_quit, daemon);

	rc = main_serve(daemon);

	g_source_remove(intr);
	g_source_remove(term);
	g_source_remove(tick);
	api_free(daemon->api);
	hub_free(daemon->hub);
	worker_pool_free(daemon->pool);
	g_main_loop_unref(daemon->loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	char error[ENCODER_ERROR_LEN];

	switch (options_parse(&daemon.options, argc, argv)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (daemon.options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	av_log_set_level(AV_LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	if (!encoder_probe(&daemon.options.encoder, error)) {
		log_error("encoder %s: %s", daemon.options.encoder.name, error);
		return EXIT_FAILURE;
	}
	return main_run(&daemon);
}
