/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The codecs of streams, and what a stream says about itself: the codec string
 * that WebCodecs wants is made of its own parameter sets. Pure.
 */
#ifndef HELIX_CODEC_H
#define HELIX_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec {
	CODEC_H264,
	CODEC_HEVC,
	CODEC_AV1,
	CODEC_COUNT
};

#define CODEC_BIT(codec)	(1u << (codec))
#define CODEC_OF_ALL		CODEC_BIT(CODEC_H264)	/* every viewer has it */
#define CODEC_STRING_LEN	48	/* "hev1.1.6.L93.90", "avc1.42E01F" */
#define CODEC_LIST_LEN		64	/* of a list that is worth reading */

/* "h264", "hevc" or "av1". */
const char *codec_name(enum codec codec);

/*
 * The CODEC_BIT() of each name in @text, which has commas between them. Names
 * that are not known are passed over; CODEC_OF_ALL is always in it.
 */
unsigned int codec_list(const char *text);

/*
 * The codec string of a key frame: Annex B for H.264 and HEVC, a temporal unit
 * for AV1. False, and @out is left alone, if it carries no parameter set.
 */
bool codec_string(enum codec codec, const uint8_t *data, size_t len,
		  char out[CODEC_STRING_LEN]);

#endif
