/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One message to viewers: text, or an encoded frame with its header. Made
 * once, sent to any number of viewers without a copy. Only the main thread
 * counts references.
 */
#ifndef HELIX_PACKET_H
#define HELIX_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADROOM		64	/* for the WebSocket library, in front */
#define PACKET_VIDEO_HEADER	24
#define PACKET_VIDEO_TYPE	1
#define PACKET_VIDEO_KEY	0x01

struct packet {
	unsigned int refs;
	bool video;
	bool key;
	uint32_t seq;
	struct packet *config;	/* text that a viewer must have before this */
	size_t len;		/* of data: header and payload, or text */
	uint8_t *data;		/* behind PACKET_HEADROOM bytes */
};

struct packet *packet_bytes(const void *data, size_t len);
struct packet *packet_text(const char *text);
struct packet *packet_video(const void *payload, size_t len);
/* Writes the header and takes a reference on @config. */
void packet_seal_video(struct packet *packet, bool key, uint32_t seq,
		       uint64_t capture_us, uint32_t width, uint32_t height,
		       struct packet *config);

struct packet *packet_ref(struct packet *packet);
void packet_unref(struct packet *packet);

#endif
