/* SPDX-License-Identifier: GPL-2.0-only */
/* What the API says, as JSON text that the caller frees. */
#ifndef HELIX_API_H
#define HELIX_API_H

#include "hub.h"

/* The array of /api/desktops. */
char *api_desktops(const struct hub *hub);
/* The same in a message, for /ws?events. */
char *api_desktops_event(const struct hub *hub);

/* Messages to the viewers of a desktop. */
struct api_config {
	uint32_t scanout;
	const char *name, *codec, *encoder;
	int width, height;
};

char *api_config(const struct api_config *config);
char *api_state(const char *state, const char *message);
char *api_error(const char *code, const char *message);

#endif
