// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was seen of one desktop. The rules checked here are those which a
 * decoder relies on: config first, then a key frame, and numbers that rise.
 */
#include <errno.h>
#include <string.h>

#include "desktop.h"

void desktop_init(struct desktop *desktop, unsigned int scanout)
{
	memset(desktop, 0, sizeof(*desktop));
	desktop->scanout = scanout;
	desktop->first_frame_s = -1;
}

void desktop_finish(struct desktop *desktop)
{
	if (desktop->record && fclose(desktop->record))
		fprintf(stderr, "helix-viewer: writing the record of scanout %u: %s\n",
			desktop->scanout, strerror(errno));
	desktop->record = NULL;
}

void desktop_violation(struct desktop *desktop, const char *what)
{
	desktop->violations++;
	snprintf(desktop->violation, sizeof(desktop->violation), "%s", what);
}

void desktop_connected(struct desktop *desktop)
{
	desktop->connections++;
	desktop->configured = false;
	desktop->flowing = false;
}

void desktop_configure(struct desktop *desktop, const struct server_message *config)
{
	memcpy(desktop->codec, config->codec, sizeof(desktop->codec));
	memcpy(desktop->encoder, config->encoder, sizeof(desktop->encoder));
	if (config->name[0])
		memcpy(desktop->name, config->name, sizeof(desktop->name));
	desktop->width = config->width;
	desktop->height = config->height;
	desktop->configured = true;
	desktop->flowing = false;	/* a key frame must come next */
}

void desktop_frame(struct desktop *desktop, const struct packet_header *header, double at)
{
	if (!desktop->configured)
		desktop_violation(desktop, "video before its config");
	else if (!desktop->flowing && !header->key)
		desktop_violation(desktop, "video that does not begin with a key frame");
	else if (desktop->flowing && (int32_t)(header->seq - desktop->last_seq) <= 0)
		desktop_violation(desktop, "sequence number that does not rise");

	desktop->flowing = true;
	desktop->last_seq = header->seq;
	desktop->width = header->width;
	desktop->height = header->height;
	desktop->flushed_us = header->capture_us;
	desktop->frames++;
	desktop->key_frames += header->key;
	if (desktop->first_frame_s < 0)
		desktop->first_frame_s = at;
}

void desktop_payload(struct desktop *desktop, const uint8_t *bytes, size_t len)
{
	desktop->bytes += len;
	if (!desktop->record || fwrite(bytes, 1, len, desktop->record) == len)
		return;
	fprintf(stderr, "helix-viewer: writing the record of scanout %u: %s; no more of it is kept\n",
		desktop->scanout, strerror(errno));
	fclose(desktop->record);
	desktop->record = NULL;
}

void desktop_complete(struct desktop *desktop, int64_t now_us)
{
	/* With a server on another machine it is no time of this clock. */
	if (desktop->flushed_us <= INT64_MAX)
		latency_add(&desktop->latency, LATENCY_TOTAL,
			    (int64_t)desktop->flushed_us, now_us);
}

void desktop_measure(struct desktop *desktop)
{
	desktop->frames_before = desktop->frames;
	desktop->bytes_before = desktop->bytes;
	memset(&desktop->latency, 0, sizeof(desktop->latency));
}
