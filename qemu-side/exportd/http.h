/* SPDX-License-Identifier: GPL-2.0-only */
/* The web server: page files, the API, one WebSocket per viewer. */
#ifndef HELIX_HTTP_H
#define HELIX_HTTP_H

#include <glib.h>
#include <stdbool.h>

#include "hub.h"

struct api;
struct tokens;

struct http;

enum http_auth {
	HTTP_AUTH_NONE,		/* who can connect may do everything */
	HTTP_AUTH_TOKEN,
};

/* Filled by config.c, which knows what goes with what. */
struct http_options {
	const char *listen;	/* numeric address, or "localhost" */
	int port;		/* 0: any that is free */
	int listen_fd;		/* a socket that listens already, or -1 */
	const char *web;	/* directory of the page, or NULL */
	/* What it is called in URLs, beside a loopback address; NULL at the end. */
	const char *const *server_names;
	const char *tls_certificate, *tls_key;	/* PEM files, both or none */
	enum http_auth auth;
	const char *token_key;	/* file, see tokens_new() */
	struct tokens *tokens;	/* of this key, or NULL */
	const char *state_dir;	/* where used and revoked tokens are noted */
	bool metrics_open;	/* for everybody on loopback */
	/* Reverse proxies, see proxy.h; NULL at the end, or NULL. */
	const char *const *trusted_proxies;
	unsigned int connections;	/* at once */
	unsigned int connections_each;	/* of one address, see port.h */
	unsigned int viewers;		/* WebSockets at once */
	unsigned int token_failures;	/* of one address in a minute */
};

/* Runs in @loop. NULL, with the reason logged, if it cannot listen. */
struct http *http_new(const struct http_options *options, struct hub *hub,
		      struct api *api, GMainLoop *loop);
/* Hangs up on everybody. */
void http_free(struct http *http);

/*
 * The configuration was read again: takes what can change, which is the TLS
 * certificate and its key, and how many may connect, for who connects from now
 * on. What cannot be used, with the reason logged, stays as it was.
 */
void http_reload(struct http *http, const struct http_options *options);

/* As port_name(). */
char *http_name(const struct http *http);
/* Every half second: deadlines, tokens that ended, the list of desktops. */
void http_tick(struct http *http);

#endif
