/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One H.264 stream: surfaces in, access units out, by any encoder of
 * libavcodec that takes planar 4:2:0 from memory.
 */
#ifndef HELIX_ENCODER_H
#define HELIX_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "damage.h"
#include "packet.h"
#include "rung.h"
#include "surface.h"

#define ENCODER_CODEC_LEN	16	/* "avc1.42E01F" */
#define ENCODER_ERROR_LEN	160

struct encoder_options {
	const char *name;	/* libavcodec's, "libx264"; outlives all of it */
	unsigned int bitrate_kbit;	/* ceiling */
	unsigned int fps;
	/* of the thumbnail; 0: ENCODER_THUMB_... */
	unsigned int thumb_kbit, thumb_fps, thumb_width;
};

#define ENCODER_THUMB_KBIT	500
#define ENCODER_THUMB_FPS	10
#define ENCODER_THUMB_WIDTH	480	/* and 9/16 of it in height */

struct encoder;

struct encoded {
	struct packet *packet;	/* not sealed */
	bool key;
	int width, height;	/* of the coded picture */
	char codec[ENCODER_CODEC_LEN];	/* for WebCodecs; of the last key frame */
	char error[ENCODER_ERROR_LEN];	/* if there is no packet */
};

struct encoder *encoder_new(const struct encoder_options *options,
			    enum rung rung);
void encoder_free(struct encoder *encoder);
/* Lets go of all memory; the next frame begins afresh. */
void encoder_rest(struct encoder *encoder);

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
 * From the next frame on, without a key frame: what the stream is held to, and
 * whether it is @fine, for a picture that stands still. Encoders that cannot
 * change this while they run go on as before.
 */
void encoder_tune(struct encoder *encoder, unsigned int kbit, bool fine);
/* Then it is encoded. */
bool encoder_encode(struct encoder *encoder, bool key, struct encoded *out);

/* Whether such an encoder exists and opens. */
bool encoder_probe(const struct encoder_options *options, char *error);

#endif
