/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON API: what it answers to requests, and the messages to viewers. Text
 * belongs to the caller.
 */
#ifndef HELIX_API_H
#define HELIX_API_H

#include <stddef.h>

#include "hub.h"
#include "http.h"
#include "vms.h"

struct api;
struct grant;

/* What the API works on. All of it outlives the API. */
struct api_env {
	struct hub *hub;
	struct vms *vms;
	struct tokens *tokens;	/* NULL: there are none */
	const struct http_options *http;
	const struct choices *choices;
	unsigned int threads;
	const char *vm_directory;
};

struct api *api_new(const struct api_env *env);
void api_free(struct api *api);
/* Those that are added have their sockets below it. */
void api_set_vm_directory(struct api *api, const char *directory);

struct api_request {
	const char *method;	/* "GET"; HEAD comes as GET */
	const char *path;	/* decoded, "/api/desktops/vm:3" */
	const char *query;	/* after the "?", or "" */
	const char *body;	/* or NULL */
	size_t body_len;
	const struct grant *grant;	/* the caller's; NULL: none */
	const char *peer;	/* address, for the log */
};

struct api_answer {
	unsigned int status;
	const char *mime;
	char *text;		/* the caller's to free */
	const char *allow;	/* with 405: the methods there are, else NULL */
};

/* Fills all of @answer, whatever was asked. */
void api_handle(struct api *api, const struct api_request *req,
		struct api_answer *answer);

/* One of what can be asked. */
struct api_route_info {
	const char *method, *path;	/* "/api/desktops/{id}" */
};

/* All of them; ends with a NULL method. */
struct api_route_info api_route_get(unsigned int index);

/* What /api/desktops says to @grant, in a message for /ws?events; NULL: all. */
char *api_desktops_event(const struct hub *hub, const struct grant *grant);

/* Messages to the viewers of a desktop. */
struct api_config {
	const char *id, *vm;
	uint32_t scanout;
	const char *name, *codec, *encoder, *rung;
	int width, height;
	int desktop_width, desktop_height;
	unsigned int kbit, fps;
	bool absolute, touch, resize, clipboard;	/* what it can take */
};

char *api_config(const struct api_config *config);
/* @controller: 0 is nobody. */
char *api_role(const char *role, uint32_t viewer, uint32_t controller);
/* @viewer: 0 is left out. */
char *api_control(const char *action, uint32_t viewer);
char *api_state(const char *state, const char *message);
char *api_time(uint64_t client, uint64_t server);
char *api_clipboard(const char *text);
char *api_resized(uint32_t width, uint32_t height, const char *status);
char *api_error(const char *code, const char *message);

#endif
