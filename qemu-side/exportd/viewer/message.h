/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A text message of helix-exportd, parsed. See Documentation/stream-protocol.rst.
 */
#ifndef HELIX_VIEWER_MESSAGE_H
#define HELIX_VIEWER_MESSAGE_H

#include <stddef.h>

#define MESSAGE_DESKTOPS_MAX 256
#define MESSAGE_TEXT_MAX 128

enum server_message_type {
	SERVER_OTHER,		/* of a later version: to be ignored */
	SERVER_DESKTOPS,
	SERVER_CONFIG,
	SERVER_STATE,
	SERVER_ERROR,
};

struct desktop_entry {
	unsigned int scanout;
	char name[MESSAGE_TEXT_MAX];
};

struct server_message {
	enum server_message_type type;
	/* SERVER_DESKTOPS; points into the message */
	size_t n_desktops;
	struct desktop_entry desktops[MESSAGE_DESKTOPS_MAX];
	/* SERVER_CONFIG; name also here */
	char name[MESSAGE_TEXT_MAX];
	char codec[MESSAGE_TEXT_MAX];
	char encoder[MESSAGE_TEXT_MAX];
	unsigned int width, height;
	/* SERVER_STATE */
	char state[MESSAGE_TEXT_MAX];
	/* SERVER_STATE, SERVER_ERROR */
	char text[MESSAGE_TEXT_MAX];
};

/*
 * Parses @len bytes of JSON. Returns NULL, or a static sentence that says why
 * it is no message; then @msg holds nothing.
 */
const char *server_message_parse(const char *json, size_t len,
				 struct server_message *msg);

#endif
