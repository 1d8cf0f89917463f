/* SPDX-License-Identifier: GPL-2.0-only */
/* The web server: page files, the API, one WebSocket per viewer. */
#ifndef HELIX_HTTP_H
#define HELIX_HTTP_H

#include <glib.h>

#include "hub.h"

struct api;

struct http;

struct http_options {
	const char *listen;	/* a loopback address */
	int port;		/* 0: any that is free */
	const char *web;	/* directory of the page, or NULL */
};

/* Runs in @loop. NULL, with the reason logged, if it cannot listen. */
struct http *http_new(const struct http_options *options, struct hub *hub,
		      struct api *api, GMainLoop *loop);
/* Hangs up on everybody. */
void http_free(struct http *http);

int http_port(const struct http *http);
/* Every half second: tells those who watch the list of desktops. */
void http_tick(struct http *http);

#endif
