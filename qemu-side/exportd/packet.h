/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One message to viewers: text, a cursor, or an encoded frame with its header. Made
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
#define PACKET_CURSOR_TYPE	2

/* Of these a viewer needs the newest only: it takes the place of a queued one. */
enum packet_latest {
	PACKET_EACH,
	PACKET_CURSOR,
	PACKET_POINTER,
	PACKET_CLIPBOARD,
	PACKET_ROLE,
};

struct packet {
	unsigned int refs;
	bool binary;
	bool video;
	bool key;
	uint32_t seq;
	int64_t flushed, begun, encoded;	/* when; monotonic microseconds */
	struct packet *config;	/* text that a viewer must have before this */
	enum packet_latest latest;
	size_t len;		/* of data: header and payload, or text */
	uint8_t *data;		/* behind PACKET_HEADROOM bytes */
};

struct packet *packet_bytes(const void *data, size_t len);
struct packet *packet_text(const char *text);
/* @len bytes for the caller to fill. */
struct packet *packet_binary(size_t len);
struct packet *packet_video(const void *payload, size_t len);
/* Writes the header and takes a reference on @config. */
void packet_seal_video(struct packet *packet, bool key, uint32_t seq,
		       uint64_t capture_us, uint32_t width, uint32_t height,
		       struct packet *config);

struct packet *packet_ref(struct packet *packet);
void packet_unref(struct packet *packet);

#endif
