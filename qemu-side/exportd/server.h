/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What http.c (requests) and session.c (WebSockets) share of the web server.
 * For these two only.
 */
#ifndef HELIX_SERVER_H
#define HELIX_SERVER_H

#include <libwebsockets.h>

#include "api.h"
#include "http.h"
#include "limit.h"
#include "packet.h"
#include "port.h"
#include "ticket.h"
#include "token.h"

#define SERVER_PROTOCOL		"helix.v1"
#define SERVER_NOTE_S		60	/* that who asked waits for the disk */
#define SERVER_CLOSE_S		5	/* for a WebSocket that we end */

struct http {
	struct http_options options;
	struct hub *hub;
	struct api *api;
	struct tokens *tokens;		/* NULL: none is asked for */
	struct tickets *tickets;
	struct limit *failures;		/* tokens that were none, per address */
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct port *port;
	void *tls;			/* SSL_CTX, NULL without TLS */
	int web;			/* directory, or -1 */
	GPtrArray *connections;
	GPtrArray *sessions;
	uint64_t sessions_opened;	/* ever */
};

/* One TCP connection. */
struct connection {
	struct http *http;
	struct lws *wsi;
	/* Who asks; where it is a trusted proxy, for whom it asked last. */
	char peer[PORT_PEER_LEN];
	char group[PORT_PEER_LEN];
	char proxy[PORT_PEER_LEN];	/* its address; "" if it is none */
	bool secure;		/* by https, to us or to the proxy */
	bool known;		/* to the library */
	gint64 deadline;	/* when it is hung up on, 0: never */
	struct grant grant;	/* of its request, or its WebSocket */
	uint64_t note;		/* of its tokens, that it waits for; 0: none */
	bool lost;		/* that one was not noted */
};

int session_callback(struct lws *wsi, enum lws_callback_reasons reason,
		     void *user, void *in, size_t len);
size_t session_size(void);

/*
 * Whether one more WebSocket of @grant has a place, or somebody would lose one to
 * it; NULL: whether one is free.
 */
bool sessions_have_room(const struct http *http, const struct grant *grant);
/* Hangs up on those whose grant is not good any more. */
void sessions_judge(struct http *http);
/* Tells those who watch the list of desktops, if it changed. */
void sessions_tell(struct http *http);

#endif
