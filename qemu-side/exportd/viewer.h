/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One WebSocket client: what waits to be sent to it, what it holds down. No
 * socket in here; whoever has it calls viewer_next() when it can be written.
 */
#ifndef HELIX_VIEWER_H
#define HELIX_VIEWER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec.h"
#include "grant.h"
#include "keymap.h"
#include "packet.h"
#include "rate.h"

#define VIEWER_FRAMES_MAX	12		/* queued */
#define VIEWER_BYTES_MAX	(8u << 20)	/* queued */
#define VIEWER_TEXTS_MAX	64		/* queued */
#define VIEWER_UNACKED_MAX	45		/* of a viewer that acknowledges */
#define VIEWER_ACK_TIMEOUT_US	(3 * G_USEC_PER_SEC)
#define VIEWER_BUTTONS		5

#define VIEWER_SENT		64	/* remembered; more than may be unacknowledged */
#define VIEWER_REPORT_US	(40 * 1000)	/* times are taken no more often */
#define VIEWER_KEY_GAP_US	(500 * 1000)	/* from a second loss to a key frame */
#define VIEWER_KEY_GAP_MAX_US	(4 * G_USEC_PER_SEC)
#define VIEWER_SWITCH_US	G_USEC_PER_SEC	/* sooner again is not a person's */

/* A frame that was sent. */
struct viewer_sent {
	uint32_t seq;
	bool known;		/* and not reported yet */
	gint64 flushed, begun, encoded, sent;
	uint64_t total;		/* bytes until then */
};

struct viewer {
	enum role role;
	unsigned int codecs;	/* CODEC_BIT()s of what it can decode */
	uint32_t number;	/* among those of its desktop, from 1 */
	gint64 refused_at;	/* when it was last told that its input does not count */

	GQueue queue;		/* of struct packet */
	unsigned int frames;	/* of them */
	unsigned int texts;
	size_t bytes;
	struct packet *config;	/* queued last */
	bool joining;		/* had no key frame of this stream yet */
	bool need_key;		/* frames are dropped until a key frame */
	bool blocked;		/* dropped some, not asked for more since */
	bool broken;		/* too far behind to be told so: hang up */
	uint64_t dropped;

	gint64 key_gap;		/* before it gets another key frame */
	gint64 key_after;
	gint64 switched_at;	/* to the stream that it watches */

	struct rate rate;
	struct viewer_sent sent[VIEWER_SENT];	/* by seq */
	uint64_t total, acked_total;		/* bytes */
	gint64 reported_at;

	bool acks;		/* it acknowledges */
	uint32_t last_seq;	/* queued last */
	uint32_t acked_seq;
	gint64 acked_at;

	bool keys[KEYMAP_QNUM_MAX];
	bool buttons[VIEWER_BUTTONS];
	double wheel_y;		/* part of a step */

	void (*wake)(void *data);	/* there is something to send */
	void *wake_data;
};

struct viewer *viewer_new(void (*wake)(void *data), void *data);
void viewer_free(struct viewer *viewer);

/* Anything that is no video; see enum packet_latest. */
void viewer_queue_text(struct viewer *viewer, struct packet *text);
/* Queues a message for this one alone; frees @text. */
void viewer_say(struct viewer *viewer, char *text);
/* Queues or drops. @now: monotonic microseconds. */
void viewer_queue_video(struct viewer *viewer, struct packet *video,
			gint64 now);
/* The next packet to send, as a reference, or NULL. */
struct packet *viewer_next(struct viewer *viewer);

/*
 * Returns what is known of the frame, if it may be told how long that took:
 * once, and not too often. Else NULL.
 */
const struct viewer_sent *viewer_ack(struct viewer *viewer, uint32_t seq,
				     gint64 now);
/* It lost its picture and asks to start over. */
void viewer_restart(struct viewer *viewer);
/* The same, with another stream, of @max_kbit. */
void viewer_switch(struct viewer *viewer, unsigned int max_kbit, gint64 now);

/* Whether a key frame made now would get it going. */
bool viewer_wants_key(const struct viewer *viewer, gint64 now);
/* Whether a frame made now would be sent to it. */
bool viewer_wants_frame(const struct viewer *viewer, gint64 now);

#endif
