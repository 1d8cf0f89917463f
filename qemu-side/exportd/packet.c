// SPDX-License-Identifier: GPL-2.0-only
/* Owns the bytes that go out. A packet never changes once it was queued. */
#include "packet.h"

#include <endian.h>
#include <glib.h>
#include <string.h>

static struct packet *packet_new(size_t len)
{
	struct packet *packet = g_new0(struct packet, 1);

	packet->refs = 1;
	packet->len = len;
	packet->data = (uint8_t *)g_malloc(PACKET_HEADROOM + len) +
		       PACKET_HEADROOM;
	return packet;
}

struct packet *packet_bytes(const void *data, size_t len)
{
	struct packet *packet = packet_new(len);

	memcpy(packet->data, data, len);
	return packet;
}

struct packet *packet_text(const char *text)
{
	return packet_bytes(text, strlen(text));
}

struct packet *packet_binary(size_t len)
{
	struct packet *packet = packet_new(len);

	packet->binary = true;
	return packet;
}

struct packet *packet_video(const void *payload, size_t len)
{
	struct packet *packet = packet_binary(PACKET_VIDEO_HEADER + len);

	packet->video = true;
	memset(packet->data, 0, PACKET_VIDEO_HEADER);
	memcpy(packet->data + PACKET_VIDEO_HEADER, payload, len);
	return packet;
}

static void packet_put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

void packet_seal_video(struct packet *packet, bool key, uint32_t seq,
		       uint64_t capture_us, uint32_t width, uint32_t height,
		       struct packet *config)
{
	uint8_t *header = packet->data;

	packet->key = key;
	packet->seq = seq;
	packet->config = packet_ref(config);
	header[0] = PACKET_VIDEO_TYPE;
	header[1] = key ? PACKET_VIDEO_KEY : 0;
	packet_put32(header + 4, seq);
	packet_put32(header + 8, (uint32_t)capture_us);
	packet_put32(header + 12, (uint32_t)(capture_us >> 32));
	packet_put32(header + 16, width);
	packet_put32(header + 20, height);
}

struct packet *packet_ref(struct packet *packet)
{
	packet->refs++;
	return packet;
}

void packet_unref(struct packet *packet)
{
	if (!packet || --packet->refs)
		return;
	packet_unref(packet->config);
	g_free(packet->data - PACKET_HEADROOM);
	g_free(packet);
}
