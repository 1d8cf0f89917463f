/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The encoders of libavcodec that this program knows how to set up: one row of
 * a table for each. Which of them there are here is found out by trying.
 */
#ifndef HELIX_ENCODER_KIND_H
#define HELIX_ENCODER_KIND_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>

#include "codec.h"
#include "import.h"

struct encoder_kind {
	const char *name;	/* as it is set and shown */
	const char *avcodec;	/* libavcodec's name for it */
	enum codec codec;
	/* The work is a driver's, which may hang: frames have a deadline. */
	bool hardware;
	/* libavcodec passes on a rate that changes, and makes no key frame of it. */
	bool tunes;
	/* Option and value of constant quality; NULL: it is given a bit rate. */
	const char *quality, *value;
	const char *value_fine;	/* of a picture that stands still, or NULL */
	const char *const (*settings)[2];	/* options; ends with NULL */
	/* An option that not every driver has: one that does not is opened without. */
	const char *wished, *wished_value;
	/*
	 * Before the context is opened; @device may be NULL. Returns 0 or an
	 * AVERROR. NULL: nothing to do.
	 */
	int (*prepare)(AVCodecContext *ctx, const char *device);
	/*
	 * Sends @picture, planar 4:2:0 in memory. Returns 0 or an AVERROR. NULL:
	 * it is sent as it is.
	 */
	int (*send)(AVCodecContext *ctx, const AVFrame *picture);
	/* Where it gets pictures that are in a GPU's memory, in the place of both. */
	enum import_way import;
};

/* All there are; the name behind the last is NULL. */
extern const struct encoder_kind encoder_kinds[];

/* Those that "auto" tries, in this order; ends with NULL. */
extern const char *const encoder_kinds_auto[];

/* Takes what no other could, in memory and without a device. */
#define ENCODER_KIND_LAST "libx264"

/* The one of @table that is called so, or NULL. */
const struct encoder_kind *encoder_kind_find(const struct encoder_kind *table,
					     const char *name);

/*
 * Puts @picture, planar 4:2:0, into a frame of @frames, a device's of NV12.
 * NULL: *@rc is an AVERROR.
 */
AVFrame *encoder_kind_upload(AVBufferRef *frames, const AVFrame *picture,
			     int *rc);

#endif
