/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A binary message of helix-exportd, as far as a viewer that does not decode
 * needs it. See Documentation/stream-protocol.rst.
 */
#ifndef HELIX_VIEWER_PACKET_H
#define HELIX_VIEWER_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADER_SIZE 24

enum packet_type {
	PACKET_VIDEO = 1,
};

struct packet_header {
	uint8_t type;
	bool key;
	uint32_t seq;
	uint64_t capture_us;
	uint32_t width, height;
};

/*
 * Decodes the header in @bytes, which are the first PACKET_HEADER_SIZE of a
 * message. Returns NULL, or a static sentence that says what is wrong with it.
 */
const char *packet_parse(const uint8_t bytes[PACKET_HEADER_SIZE],
			 struct packet_header *header);

#endif
