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
#include "surface.h"

#define ENCODER_CODEC_LEN	16	/* "avc1.42E01F" */
#define ENCODER_ERROR_LEN	160

struct encoder_options {
	const char *name;	/* libavcodec's, "libx264" */
	unsigned int bitrate_kbit;
	unsigned int fps;
};

struct encoder;

struct encoded {
	struct packet *packet;	/* not sealed */
	bool key;
	int width, height;
	char codec[ENCODER_CODEC_LEN];	/* for WebCodecs; of the last key frame */
	char error[ENCODER_ERROR_LEN];	/* if there is no packet */
};

/* @options must outlive the encoder. */
struct encoder *encoder_new(const struct encoder_options *options);
void encoder_free(struct encoder *encoder);

/*
 * Encodes what @surface shows now. @damage is what changed since the last
 * call; all of it counts as damaged where the size changed, which also makes a
 * key frame. Not for two threads at once.
 */
bool encoder_encode(struct encoder *encoder, struct surface *surface,
		    const struct damage *damage, bool key,
		    struct encoded *out);

/* Whether such an encoder exists and opens. */
bool encoder_probe(const struct encoder_options *options, char *error);

#endif
