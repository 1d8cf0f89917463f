/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was seen of one desktop: its counters, and the rules of the stream which
 * it must keep. Knows nothing of sockets.
 */
#ifndef HELIX_VIEWER_DESKTOP_H
#define HELIX_VIEWER_DESKTOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../latency.h"
#include "message.h"
#include "packet.h"

struct desktop {
	unsigned int scanout;
	bool listed;			/* in the server's last list */
	char name[MESSAGE_TEXT_MAX];
	char codec[MESSAGE_TEXT_MAX];
	char encoder[MESSAGE_TEXT_MAX];
	unsigned int width, height;
	uint64_t frames, key_frames, bytes;
	uint64_t frames_before, bytes_before;	/* those before the measured time began */
	uint64_t flushed_us;		/* the capture time of the frame that is coming in */
	struct latency latency;		/* LATENCY_TOTAL: from there until all of it had come */
	double first_frame_s;		/* negative: none came */
	uint32_t last_seq;
	bool configured;		/* this connection has had its config */
	bool flowing;			/* and a frame after it */
	unsigned int connections;
	unsigned int violations;	/* of the protocol */
	char violation[MESSAGE_TEXT_MAX];	/* the last one */
	FILE *record;			/* owned; NULL: not recorded */
};

void desktop_init(struct desktop *desktop, unsigned int scanout);
void desktop_finish(struct desktop *desktop);

/* A connection was made: what comes on it starts from nothing. */
void desktop_connected(struct desktop *desktop);
void desktop_configure(struct desktop *desktop, const struct server_message *config);

/* The header of a video message has come, @at seconds after the start. */
void desktop_frame(struct desktop *desktop, const struct packet_header *header, double at);
/* @len bytes of its access unit have come. */
void desktop_payload(struct desktop *desktop, const uint8_t *bytes, size_t len);
/* All of it has, at @now_us of the clock that capture times are of. */
void desktop_complete(struct desktop *desktop, int64_t now_us);

/* The measured time begins: what is counted for it starts from nothing. */
void desktop_measure(struct desktop *desktop);

/* The stream broke a rule of the protocol. */
void desktop_violation(struct desktop *desktop, const char *what);

static inline bool desktop_delivered(const struct desktop *desktop)
{
	return desktop->frames > 0;
}

#endif
