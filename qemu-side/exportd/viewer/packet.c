// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 24-byte header in front of every access unit, little endian.
 */
#include "packet.h"

#define FLAG_KEY 0x01

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

const char *packet_parse(const uint8_t bytes[PACKET_HEADER_SIZE],
			 struct packet_header *header)
{
	header->type = bytes[0];
	header->key = bytes[1] & FLAG_KEY;
	header->seq = le32(bytes + 4);
	header->capture_us = le64(bytes + 8);
	header->width = le32(bytes + 16);
	header->height = le32(bytes + 20);

	/* Other types are of later versions, whose rules we do not know. */
	if (header->type != PACKET_VIDEO)
		return NULL;
	if (bytes[2] || bytes[3])
		return "reserved bytes of the header are not zero";
	if (!header->width || !header->height)
		return "video without a size";
	return NULL;
}
