/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One stream: surfaces in, access units out, by an encoder of libavcodec, which
 * may be another one from one frame to the next.
 */
#ifndef HELIX_ENCODER_H
#define HELIX_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "codec.h"
#include "damage.h"
#include "encoder_kind.h"
#include "packet.h"
#include "rung.h"
#include "surface.h"

#define ENCODER_ERROR_LEN	160

/* Whether pictures in a GPU's memory are taken. */
enum encoder_import {
	ENCODER_IMPORT_AUTO,	/* where the encoder can */
	ENCODER_IMPORT_OFF,
};

struct encoder_options {
	/* names with commas between them, and "auto"; outlives all of it */
	const char *name;
	const char *device;	/* a render node, or a number for NVENC; or NULL */
	unsigned int bitrate_kbit;	/* ceiling */
	unsigned int fps;
	/* of the thumbnail; 0: ENCODER_THUMB_... */
	unsigned int thumb_kbit, thumb_fps, thumb_width;
	unsigned int import;	/* enum encoder_import */
	/* for a frame in a driver; 0: ENCODER_DEADLINE_MS */
	unsigned int deadline_ms;
	/* until a picture stands still; 0: ENCODER_STILL_MS */
	unsigned int still_ms;
};

#define ENCODER_DEADLINE_MS	5000	/* a GPU that slept takes seconds to wake */
#define ENCODER_STILL_MS	300
#define ENCODER_THUMB_KBIT	500
#define ENCODER_THUMB_FPS	10
#define ENCODER_THUMB_WIDTH	480	/* and 9/16 of it in height */

struct encoder;

struct encoded {
	struct packet *packet;	/* not sealed */
	bool key;
	int width, height;	/* of the coded picture */
	char codec[CODEC_STRING_LEN];	/* for WebCodecs; of the last key frame */
	char error[ENCODER_ERROR_LEN];	/* if there is no packet */
	/* then: what failed was to have the picture of the GPU's memory */
	bool unreadable;
};

struct encoder *encoder_new(const struct encoder_options *options,
			    enum rung rung);
/* A driver may take its time. */
void encoder_free(struct encoder *encoder);
/* Whether there is anything that takes time to free. */
bool encoder_is_open(const struct encoder *encoder);
/*
 * The next frame is made by @kind, and is a key frame if the last one was not.
 * Nothing can be read before this was called once.
 */
void encoder_use(struct encoder *encoder, const struct encoder_kind *kind);

/* Frames a second of @rung at most. */
unsigned int encoder_fps(const struct encoder_options *options, enum rung rung);
/* Ceiling of @rung. */
unsigned int encoder_kbit(const struct encoder_options *options,
			  enum rung rung);

/*
 * A frame is made in two steps, not for two threads at once. First what
 * @surface shows now is read: after that it may change. @damage is what changed
 * since the last call; all of it counts as damaged where the size changed,
 * which also makes a key frame.
 */
bool encoder_read(struct encoder *encoder, struct surface *surface,
		  const struct damage *damage, struct encoded *out);
/*
 * From the next frame on: what the stream is held to, and whether it is @fine,
 * for a picture that stands still. There is no key frame for it, unless the
 * encoder cannot change its rate while it runs: then it is opened anew, once in
 * a few seconds and when much has changed.
 */
void encoder_tune(struct encoder *encoder, unsigned int kbit, bool fine);
/*
 * After a read that succeeded: whether the surface must not change before it is
 * encoded all the same.
 */
bool encoder_reads_late(const struct encoder *encoder);
/* Then it is encoded. */
bool encoder_encode(struct encoder *encoder, bool key, struct encoded *out);

/* Whether @kind is there, opens, and makes a frame of a test picture. */
bool encoder_try(const struct encoder_options *options,
		 const struct encoder_kind *kind, char error[ENCODER_ERROR_LEN]);

#endif
