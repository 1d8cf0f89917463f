// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns a libavcodec context and the 4:2:0 picture in memory that it encodes from.
 * The picture persists: only damage is converted into it. A thumbnail is scaled from
 * another such picture of full size, always all of it: that costs less than to
 * find out which part, and averaging 4:2:0 looks better than what libyuv has
 * for RGB at ratios that are not whole. Of a surface in a GPU's memory import.c
 * makes the picture there; it is kept for when nothing has changed.
 *
 * The stream is made for WebCodecs: parameter sets in front of every key frame,
 * no B-frames, and in H.264 a bitstream restriction that says so (decoders then
 * show a frame at once), key frames only when asked for.
 */
#include "encoder.h"

#include <glib.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libyuv.h>
#include <stdio.h>
#include <string.h>

#define ENCODER_GOP_INFINITE	(1 << 30)	/* x264's own constant */
#define ENCODER_REOPEN_US	(2 * G_USEC_PER_SEC)
#define ENCODER_TRY_WIDTH	640
#define ENCODER_TRY_HEIGHT	480
#define ENCODER_TRY_FORMAT	0x20020888	/* x8r8g8b8 */

struct encoder {
	struct encoder_options options;
	enum rung rung;
	const struct encoder_kind *kind;
	AVCodecContext *ctx;
	unsigned int opened_kbit;	/* what it was opened for */
	int64_t opened_at;
	AVFrame *frame;		/* its size is even */
	AVFrame *whole;		/* what a thumbnail is scaled from, else NULL */
	struct import *import;	/* of a dma-buf; then there is neither of them */
	AVFrame *imported;	/* the last, or NULL */
	AVPacket *packet;
	int width, height;		/* of the surface */
	int shown_width, shown_height;	/* of the part of frame that counts */
	bool fresh;		/* nothing encoded since it was opened */
	unsigned int kbit;	/* at most */
	bool fine;
	int64_t pts;
	char codec[CODEC_STRING_LEN];
};

static bool encoder_fail(char *error, const char *what, int averror)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	if (averror)
		av_strerror(averror, text, sizeof(text));
	snprintf(error, ENCODER_ERROR_LEN, "%s%s%s", what, averror ? ": " : "",
		 text);
	return false;
}

static unsigned int encoder_or(unsigned int value, unsigned int fallback)
{
	return value ? value : fallback;
}

unsigned int encoder_fps(const struct encoder_options *options, enum rung rung)
{
	unsigned int fps = encoder_or(options->thumb_fps, ENCODER_THUMB_FPS);

	return rung == RUNG_FULL ? options->fps : MIN(fps, options->fps);
}

unsigned int encoder_kbit(const struct encoder_options *options,
			  enum rung rung)
{
	unsigned int kbit = encoder_or(options->thumb_kbit, ENCODER_THUMB_KBIT);

	return rung == RUNG_FULL ? options->bitrate_kbit :
	       MIN(kbit, options->bitrate_kbit);
}

struct encoder *encoder_new(const struct encoder_options *options,
			    enum rung rung)
{
	struct encoder *encoder = g_new0(struct encoder, 1);

	encoder->options = *options;
	encoder->rung = rung;
	encoder->kbit = encoder_kbit(options, rung);
	return encoder;
}

static void encoder_close(struct encoder *encoder)
{
	avcodec_free_context(&encoder->ctx);
	av_frame_free(&encoder->frame);
	av_frame_free(&encoder->whole);
	av_frame_free(&encoder->imported);
	import_free(encoder->import);
	encoder->import = NULL;
	av_packet_free(&encoder->packet);
	encoder->width = 0;
	encoder->height = 0;
}

bool encoder_is_open(const struct encoder *encoder)
{
	return encoder->ctx;
}

void encoder_use(struct encoder *encoder, const struct encoder_kind *kind)
{
	if (encoder->kind == kind)
		return;
	encoder_close(encoder);
	encoder->kind = kind;
}

void encoder_free(struct encoder *encoder)
{
	if (!encoder)
		return;
	encoder_close(encoder);
	g_free(encoder);
}

/* The largest inside of a thumbnail's box with the surface's proportions. */
static void encoder_set_thumb_size(struct encoder *encoder)
{
	int64_t box_width = encoder_or(encoder->options.thumb_width,
				       ENCODER_THUMB_WIDTH);
	int64_t box_height = box_width * 9 / 16;
	int64_t width = encoder->width, height = encoder->height;

	if (width <= box_width && height <= box_height)
		return;
	if (width * box_height > height * box_width) {
		height = height * box_width / width;
		width = box_width;
	} else {
		width = width * box_height / height;
		height = box_height;
	}
	encoder->shown_width = (int)MAX(width & ~1, 16);
	encoder->shown_height = (int)MAX(height & ~1, 16);
}

static void encoder_set_size(struct encoder *encoder, int width, int height)
{
	encoder->width = width;
	encoder->height = height;
	encoder->shown_width = width;
	encoder->shown_height = height;
	if (encoder->rung == RUNG_THUMB)
		encoder_set_thumb_size(encoder);
}

static bool encoder_scales(const struct encoder *encoder)
{
	return encoder->shown_width != encoder->width ||
	       encoder->shown_height != encoder->height;
}

/* libx264 and others look at these before each frame. */
static void encoder_set_rate(const struct encoder *encoder, AVCodecContext *ctx)
{
	const struct encoder_kind *kind = encoder->kind;
	int64_t rate = (int64_t)encoder->kbit * 1000, buffer = rate;

	/* what a slow link gets at once is late: half a second at most */
	if (encoder->kbit < encoder_kbit(&encoder->options, encoder->rung))
		buffer = rate / 2;
	ctx->rc_max_rate = rate;
	ctx->rc_buffer_size = (int)MIN(buffer, INT32_MAX);
	/* of the ceiling, on average; libavcodec's default is not none */
	ctx->bit_rate = kind->quality ? 0 : rate / 4 * 3;
	if (!kind->quality)
		return;
	av_opt_set(ctx->priv_data, kind->quality,
		   encoder->fine && kind->value_fine ? kind->value_fine :
						       kind->value, 0);
}

static void encoder_set_common(const struct encoder *encoder,
			       AVCodecContext *ctx)
{
	int fps = (int)encoder_fps(&encoder->options, encoder->rung);
	const char *const (*setting)[2];

	ctx->width = (encoder->shown_width + 1) & ~1;
	ctx->height = (encoder->shown_height + 1) & ~1;
	ctx->pix_fmt = AV_PIX_FMT_YUV420P;
	ctx->time_base = (AVRational){ 1, fps };
	ctx->framerate = (AVRational){ fps, 1 };
	ctx->gop_size = ENCODER_GOP_INFINITE;
	ctx->max_b_frames = 0;
	ctx->refs = 1;
	/* desktops are the unit of parallelism, not slices of one frame */
	ctx->thread_count = 1;
	/* libyuv's matrix; a browser would guess another for large pictures */
	ctx->color_range = AVCOL_RANGE_MPEG;
	ctx->colorspace = AVCOL_SPC_SMPTE170M;
	ctx->color_primaries = AVCOL_PRI_BT709;
	ctx->color_trc = AVCOL_TRC_BT709;
	/* a libavcodec that lacks one of them is tried all the same */
	for (setting = encoder->kind->settings; (*setting)[0]; setting++)
		av_opt_set(ctx->priv_data, (*setting)[0], (*setting)[1], 0);
	encoder_set_rate(encoder, ctx);
}

static AVFrame *encoder_new_frame(const struct encoder *encoder, int width,
				  int height)
{
	AVFrame *frame = av_frame_alloc();

	if (!frame)
		return NULL;
	frame->format = AV_PIX_FMT_YUV420P;
	frame->width = width;
	frame->height = height;
	frame->color_range = encoder->ctx->color_range;
	frame->colorspace = encoder->ctx->colorspace;
	frame->color_primaries = encoder->ctx->color_primaries;
	frame->color_trc = encoder->ctx->color_trc;
	if (av_frame_get_buffer(frame, 0) < 0)
		av_frame_free(&frame);
	return frame;
}

static bool encoder_open_frames(struct encoder *encoder)
{
	encoder->packet = av_packet_alloc();
	if (encoder->import)
		return encoder->packet;
	encoder->frame = encoder_new_frame(encoder, encoder->ctx->width,
					   encoder->ctx->height);
	if (encoder_scales(encoder))
		encoder->whole = encoder_new_frame(encoder,
						   (encoder->width + 1) & ~1,
						   (encoder->height + 1) & ~1);
	return encoder->packet && encoder->frame &&
	       (encoder->whole || !encoder_scales(encoder));
}

/* For the size that is set. */
static bool encoder_open_with(struct encoder *encoder, const char *wished,
			      char *error)
{
	const struct encoder_kind *kind = encoder->kind;
	const AVCodec *codec = avcodec_find_encoder_by_name(kind->avcodec);
	int rc = 0;

	*error = '\0';
	avcodec_free_context(&encoder->ctx);
	if (!codec)
		return encoder_fail(error, "not in this libavcodec", 0);
	encoder->ctx = avcodec_alloc_context3(codec);
	if (!encoder->ctx)
		return encoder_fail(error, "out of memory", 0);
	encoder->fresh = true;
	encoder->opened_kbit = encoder->kbit;
	encoder->opened_at = g_get_monotonic_time();
	encoder_set_common(encoder, encoder->ctx);
	if (wished)
		av_opt_set(encoder->ctx->priv_data, wished, kind->wished_value,
			   0);
	if (encoder->import)
		rc = import_prepare(encoder->import, encoder->ctx);
	else if (kind->prepare)
		rc = kind->prepare(encoder->ctx, encoder->options.device);
	if (rc < 0)
		return encoder_fail(error, "opening the device", rc);
	rc = avcodec_open2(encoder->ctx, codec, NULL);
	return rc >= 0 || encoder_fail(error, "opening the encoder", rc);
}

static bool encoder_open_codec(struct encoder *encoder, char *error)
{
	const char *wished = encoder->kind->wished;

	return encoder_open_with(encoder, wished, error) ||
	       (wished && encoder_open_with(encoder, NULL, error));
}

static bool encoder_open_import(struct encoder *encoder,
				const struct dmabuf *dmabuf,
				struct encoded *out)
{
	if (encoder->kind->import == IMPORT_NONE)
		encoder_fail(out->error, "it takes pictures in memory only", 0);
	else
		encoder->import = import_new(encoder->kind->import,
					     encoder->options.device, dmabuf,
					     encoder->shown_width,
					     encoder->shown_height, out->error);
	out->unreadable = !encoder->import;
	return encoder->import;
}

/* For pictures like the one that @surface has. */
static bool encoder_open(struct encoder *encoder, const struct surface *surface,
			 struct encoded *out)
{
	const struct dmabuf *dmabuf = surface_dmabuf(surface);

	encoder_close(encoder);
	if (!encoder->kind)
		return encoder_fail(out->error, "there is no encoder", 0);
	encoder_set_size(encoder, surface_width(surface),
			 surface_height(surface));
	if ((dmabuf && !encoder_open_import(encoder, dmabuf, out)) ||
	    !encoder_open_codec(encoder, out->error)) {
		encoder_close(encoder);
		return false;
	}
	if (!encoder_open_frames(encoder)) {
		encoder_close(encoder);
		return encoder_fail(out->error, "no memory for a picture", 0);
	}
	return true;
}

static bool encoder_fits(const struct encoder *encoder,
			 const struct surface *surface)
{
	const struct dmabuf *dmabuf = surface_dmabuf(surface);

	if (surface_width(surface) != encoder->width ||
	    surface_height(surface) != encoder->height)
		return false;
	return dmabuf ? encoder->import && import_fits(encoder->import, dmabuf) :
			!encoder->import;
}

static int encoder_send(const struct encoder *encoder, const AVFrame *frame)
{
	if (encoder->kind->send && !encoder->import)
		return encoder->kind->send(encoder->ctx, frame);
	return avcodec_send_frame(encoder->ctx, frame);
}

static bool encoder_run(struct encoder *encoder, bool key, struct encoded *out)
{
	AVFrame *frame = encoder->import ? encoder->imported : encoder->frame;
	AVPacket *packet = encoder->packet;
	int rc;

	frame->pts = encoder->pts++;
	frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	rc = encoder_send(encoder, frame);
	if (rc < 0)
		return encoder_fail(out->error, "giving a picture to the encoder",
				    rc);
	rc = avcodec_receive_packet(encoder->ctx, packet);
	if (rc < 0)
		return encoder_fail(out->error, "the encoder gave nothing back",
				    rc);
	out->key = packet->flags & AV_PKT_FLAG_KEY;
	if (out->key)
		codec_string(encoder->kind->codec, packet->data,
			     (size_t)packet->size, encoder->codec);
	out->packet = packet_video(packet->data, (size_t)packet->size);
	av_packet_unref(packet);
	/* who joins now would wait for ever */
	if (key && !out->key) {
		packet_unref(out->packet);
		out->packet = NULL;
		return encoder_fail(out->error, "no key frame when asked for one",
				    0);
	}
	return true;
}

static void encoder_planes(AVFrame *frame, struct planes *planes)
{
	int i;

	for (i = 0; i < 3; i++) {
		planes->data[i] = frame->data[i];
		planes->stride[i] = frame->linesize[i];
	}
}

static void encoder_scale(const struct encoder *encoder)
{
	const AVFrame *from = encoder->whole;
	AVFrame *to = encoder->frame;

	I420Scale(from->data[0], from->linesize[0], from->data[1],
		  from->linesize[1], from->data[2], from->linesize[2],
		  from->width, from->height, to->data[0], to->linesize[0],
		  to->data[1], to->linesize[1], to->data[2], to->linesize[2],
		  to->width, to->height, kFilterBox);
}

/* As it was if nothing changed: QEMU may be drawing on it by now. */
static bool encoder_import(struct encoder *encoder,
			   const struct surface *surface,
			   const struct damage *damage, struct encoded *out)
{
	if (encoder->imported && damage_is_empty(damage))
		return true;
	av_frame_free(&encoder->imported);
	encoder->imported = import_read(encoder->import,
					surface_dmabuf(surface), out->error);
	if (encoder->imported)
		return true;
	out->unreadable = true;
	encoder_close(encoder);
	return false;
}

static bool encoder_convert(struct encoder *encoder, struct surface *surface,
			    const struct damage *damage, struct encoded *out)
{
	struct planes planes;
	int rc;

	/* an encoder that kept the last picture gets a copy, not our changes */
	rc = av_frame_make_writable(encoder->frame);
	if (rc < 0) {
		encoder_close(encoder);
		return encoder_fail(out->error, "no memory for a picture", rc);
	}
	encoder_planes(encoder->whole ? encoder->whole : encoder->frame,
		       &planes);
	surface_convert(surface, damage, &planes);
	if (encoder->whole)
		encoder_scale(encoder);
	return true;
}

bool encoder_read(struct encoder *encoder, struct surface *surface,
		  const struct damage *damage, struct encoded *out)
{
	struct damage all = {
		1, { { 0, 0, surface_width(surface), surface_height(surface) } },
	};

	memset(out, 0, sizeof(*out));
	if (!encoder_fits(encoder, surface)) {
		if (!encoder_open(encoder, surface, out))
			return false;
		damage = &all;
	}
	if (encoder->import)
		return encoder_import(encoder, surface, damage, out);
	return encoder_convert(encoder, surface, damage, out);
}

bool encoder_reads_late(const struct encoder *encoder)
{
	return encoder->import && import_is_late(encoder->import);
}

void encoder_tune(struct encoder *encoder, unsigned int kbit, bool fine)
{
	if (kbit == encoder->kbit && fine == encoder->fine)
		return;
	encoder->kbit = kbit;
	encoder->fine = fine;
	if (encoder->ctx && encoder->kind->tunes)
		encoder_set_rate(encoder, encoder->ctx);
}

/* By half and more, and it cannot be told. */
static bool encoder_rate_is_off(const struct encoder *encoder)
{
	uint64_t now = encoder->kbit, then = encoder->opened_kbit;

	return !encoder->kind->tunes &&
	       (now * 3 < then * 2 || then * 3 < now * 2) &&
	       g_get_monotonic_time() - encoder->opened_at > ENCODER_REOPEN_US;
}

bool encoder_encode(struct encoder *encoder, bool key, struct encoded *out)
{
	if ((encoder_rate_is_off(encoder) &&
	     !encoder_open_codec(encoder, out->error)) ||
	    !encoder_run(encoder, key || encoder->fresh, out)) {
		encoder_close(encoder);	/* the next call starts afresh */
		return false;
	}
	encoder->fresh = false;
	out->width = encoder->shown_width;
	out->height = encoder->shown_height;
	memcpy(out->codec, encoder->codec, sizeof(out->codec));
	return true;
}

static bool encoder_try_picture(struct encoder *encoder, char *error)
{
	g_autofree uint32_t *pixels = NULL;
	struct damage all = {
		1, { { 0, 0, ENCODER_TRY_WIDTH, ENCODER_TRY_HEIGHT } },
	};
	struct surface *surface;
	struct encoded out;
	const char *why;
	bool ok;

	pixels = g_new0(uint32_t, ENCODER_TRY_WIDTH * ENCODER_TRY_HEIGHT);
	surface = surface_copy(pixels, 4 * ENCODER_TRY_WIDTH * ENCODER_TRY_HEIGHT,
			       ENCODER_TRY_WIDTH, ENCODER_TRY_HEIGHT,
			       4 * ENCODER_TRY_WIDTH, ENCODER_TRY_FORMAT, &why);
	ok = encoder_read(encoder, surface, &all, &out) &&
	     encoder_encode(encoder, true, &out);
	if (ok && !*out.codec)
		ok = encoder_fail(out.error, "a key frame without parameter sets",
				  0);
	if (!ok)
		memcpy(error, out.error, ENCODER_ERROR_LEN);
	packet_unref(out.packet);
	surface_unref(surface);
	return ok;
}

bool encoder_try(const struct encoder_options *options,
		 const struct encoder_kind *kind, char error[ENCODER_ERROR_LEN])
{
	struct encoder *encoder = encoder_new(options, RUNG_FULL);
	bool ok;

	encoder_use(encoder, kind);
	ok = encoder_try_picture(encoder, error);
	encoder_free(encoder);
	return ok;
}
