/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One stream of a desktop, one of its rungs: its encoder, the frame in it, what
 * changed since, and the viewers who get it. Main thread only.
 */
#ifndef HELIX_STREAM_H
#define HELIX_STREAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "choice.h"
#include "damage.h"
#include "encoder.h"
#include "latency.h"
#include "packet.h"
#include "surface.h"
#include "viewer.h"
#include "worker.h"

struct stream;

/* What is coded now, for the message that viewers get before it. */
struct stream_format {
	enum rung rung;
	const char *codec, *encoder;
	int width, height;
	int desktop_width, desktop_height;	/* from which it was scaled */
	unsigned int kbit, fps;		/* at most */
};

struct stream_ops {
	/* The message, as a reference. */
	struct packet *(*config)(const struct stream_format *format,
				 void *data);
	/*
	 * @encoder failed, or there is none: NULL. The stream goes on with @next;
	 * NULL: it is tried again, and this is told once until it works.
	 */
	void (*failed)(const char *encoder, const char *why, const char *next,
		       void *data);
	/*
	 * @encoder cannot have the picture where it is, in a GPU's memory: the
	 * stream goes on when it is shown one in memory. May be told more than
	 * once. The surface has to stay until the stream has returned.
	 */
	void (*unreadable)(const char *encoder, const char *why, void *data);
	/* Whether nobody draws on the surface until read() was called. */
	bool (*is_still)(void *data);
	/* It is not being read any more, for now. */
	void (*read)(void *data);
};

struct stream_info {
	uint64_t frames, bytes;
	double fps;
	unsigned int viewers;
	const char *encoder;		/* NULL before the first frame */
	enum codec codec;		/* of that encoder */
	bool imported;			/* the last frame, of a GPU's memory */
	int width, height;		/* coded; 0 before the first frame */
	unsigned int kbit, fps_limit;	/* what it is held to now */
	struct latency_figures latency[LATENCY_PARTS];
	/* LATENCY_PARTS of them, while the stream lives */
	const struct latency_total *latency_all;
};

/* That a viewer has frame @seq; our clock, in microseconds, 0: not said. */
struct stream_ack {
	uint32_t seq;
	uint64_t received, decoded, painted;
};

struct stream *stream_new(struct worker_pool *pool, struct choices *choices,
			  enum rung rung, const struct stream_ops *ops,
			  void *data);
/* No viewer may be left. */
void stream_free(struct stream *stream);

/* A new picture, all of it damaged; NULL: there is none. */
void stream_show(struct stream *stream, struct surface *surface);
/* @at: when the oldest of it was flushed. */
void stream_damage(struct stream *stream, const struct rect *rects,
		   unsigned int count, gint64 at);
/* What the config message says besides the format has changed. */
void stream_reconfigure(struct stream *stream);

void stream_join(struct stream *stream, struct viewer *viewer);
void stream_leave(struct stream *stream, struct viewer *viewer);

/* Of the VM and of the lease together; the larger the more important. */
void stream_set_priority(struct stream *stream, uint32_t priority);
/* Whether the surface is being read. */
bool stream_is_reading(const struct stream *stream);
/* Whether what changed will be read, when it is time. */
bool stream_is_behind(const struct stream *stream);
bool stream_is_watched(const struct stream *stream);

void stream_ack(struct stream *stream, struct viewer *viewer,
		const struct stream_ack *ack);

/* A viewer can take frames again, or time has passed: look what is due. */
void stream_kick(struct stream *stream);
/* Every half second. */
void stream_tick(struct stream *stream);

/* "dmabuf" or "shm": how QEMU's pictures come into it. */
const char *stream_import_name(const struct stream_info *info);
void stream_describe(const struct stream *stream, struct stream_info *info);

#endif
