// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns a libavcodec context and the 4:2:0 picture it encodes from. The picture
 * persists: only damage is converted into it. A thumbnail is scaled from
 * another such picture of full size, always all of it: that costs less than to
 * find out which part, and averaging 4:2:0 looks better than what libyuv has
 * for RGB at ratios that are not whole.
 *
 * The stream is made for WebCodecs: Annex B with parameter sets in front of
 * every key frame, no B-frames and a bitstream restriction that says so
 * (decoders then show a frame at once), key frames only when asked for.
 */
#include "encoder.h"

#include <glib.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libyuv.h>
#include <stdio.h>
#include <string.h>

#define ENCODER_CRF		"23"
#define ENCODER_CRF_FINE	"6"		/* 6 dB and more nearer to the picture */
#define ENCODER_GOP_INFINITE	(1 << 30)	/* x264's own constant */

struct encoder {
	struct encoder_options options;
	enum rung rung;
	AVCodecContext *ctx;
	AVFrame *frame;		/* its size is even */
	AVFrame *whole;		/* what a thumbnail is scaled from, else NULL */
	AVPacket *packet;
	int width, height;		/* of the surface */
	int shown_width, shown_height;	/* of the part of frame that counts */
	bool fresh;		/* nothing encoded since it was opened */
	unsigned int kbit;	/* at most */
	bool fine;
	int64_t pts;
	char codec[ENCODER_CODEC_LEN];
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
	av_packet_free(&encoder->packet);
	encoder->width = 0;
	encoder->height = 0;
}

void encoder_rest(struct encoder *encoder)
{
	encoder_close(encoder);
}

void encoder_free(struct encoder *encoder)
{
	if (!encoder)
		return;
	encoder_close(encoder);
	g_free(encoder);
}

static bool encoder_takes_yuv420p(const AVCodec *codec)
{
	const enum AVPixelFormat *formats = NULL;
	int count = 0, i;

	if (avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_PIX_FORMAT,
					 0, (const void **)&formats, &count) < 0)
		return false;
	for (i = 0; i < count; i++)
		if (formats[i] == AV_PIX_FMT_YUV420P)
			return true;
	return !formats;	/* NULL: takes any */
}

static void encoder_set_x264(AVCodecContext *ctx)
{
	/*
	 * Constant quality under a ceiling: a still text costs little, a film
	 * stays below the bit rate.
	 */
	av_opt_set(ctx->priv_data, "preset", "ultrafast", 0);
	av_opt_set(ctx->priv_data, "tune", "zerolatency", 0);
	av_opt_set(ctx->priv_data, "crf", ENCODER_CRF, 0);
	av_opt_set(ctx->priv_data, "forced-idr", "1", 0);
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

static bool encoder_is_x264(const struct encoder *encoder)
{
	return !strncmp(encoder->options.name, "libx264", 7);
}

/* libx264 and others look at these before each frame. */
static void encoder_set_rate(const struct encoder *encoder, AVCodecContext *ctx)
{
	int64_t rate = (int64_t)encoder->kbit * 1000, buffer = rate;

	/* what a slow link gets at once is late: half a second at most */
	if (encoder->kbit < encoder_kbit(&encoder->options, encoder->rung))
		buffer = rate / 2;
	ctx->rc_max_rate = rate;
	ctx->rc_buffer_size = (int)MIN(buffer, INT32_MAX);
	if (encoder_is_x264(encoder))
		av_opt_set(ctx->priv_data, "crf", encoder->fine ?
			   ENCODER_CRF_FINE : ENCODER_CRF, 0);
	else
		ctx->bit_rate = rate;
}

static void encoder_set_common(const struct encoder *encoder,
			       AVCodecContext *ctx)
{
	int fps = (int)encoder_fps(&encoder->options, encoder->rung);

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
	if (encoder_is_x264(encoder))
		encoder_set_x264(ctx);
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
	encoder->frame = encoder_new_frame(encoder, encoder->ctx->width,
					   encoder->ctx->height);
	if (encoder_scales(encoder))
		encoder->whole = encoder_new_frame(encoder,
						   (encoder->width + 1) & ~1,
						   (encoder->height + 1) & ~1);
	return encoder->packet && encoder->frame &&
	       (encoder->whole || !encoder_scales(encoder));
}

static bool encoder_open(struct encoder *encoder, int width, int height,
			 char *error)
{
	const AVCodec *codec;
	int rc;

	encoder_close(encoder);
	codec = avcodec_find_encoder_by_name(encoder->options.name);
	if (!codec || codec->id != AV_CODEC_ID_H264)
		return encoder_fail(error, "no such H.264 encoder in libavcodec",
				    0);
	if (!encoder_takes_yuv420p(codec))
		return encoder_fail(error, "encoder does not take pictures from memory",
				    0);
	encoder->ctx = avcodec_alloc_context3(codec);
	if (!encoder->ctx)
		return encoder_fail(error, "out of memory", 0);
	encoder_set_size(encoder, width, height);
	encoder->fresh = true;
	encoder_set_common(encoder, encoder->ctx);
	rc = avcodec_open2(encoder->ctx, codec, NULL);
	if (rc < 0) {
		encoder_close(encoder);
		return encoder_fail(error, "opening the encoder", rc);
	}
	if (!encoder_open_frames(encoder)) {
		encoder_close(encoder);
		return encoder_fail(error, "no memory for a picture", 0);
	}
	return true;
}

/* The codec string of WebCodecs is three bytes of the SPS. */
static void encoder_note_codec(struct encoder *encoder, const uint8_t *data,
			       size_t len)
{
	size_t i;

	for (i = 0; i + 6 < len; i++) {
		if (data[i] || data[i + 1] || data[i + 2] != 1 ||
		    (data[i + 3] & 0x1f) != 7)
			continue;
		snprintf(encoder->codec, sizeof(encoder->codec),
			 "avc1.%02X%02X%02X", data[i + 4], data[i + 5],
			 data[i + 6]);
		return;
	}
}

static bool encoder_run(struct encoder *encoder, bool key, struct encoded *out)
{
	AVFrame *frame = encoder->frame;
	AVPacket *packet = encoder->packet;
	int rc;

	frame->pts = encoder->pts++;
	frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	rc = avcodec_send_frame(encoder->ctx, frame);
	if (rc < 0)
		return encoder_fail(out->error, "giving a picture to the encoder",
				    rc);
	rc = avcodec_receive_packet(encoder->ctx, packet);
	if (rc < 0)
		return encoder_fail(out->error, "the encoder gave nothing back",
				    rc);
	out->key = packet->flags & AV_PKT_FLAG_KEY;
	if (out->key)
		encoder_note_codec(encoder, packet->data, (size_t)packet->size);
	out->packet = packet_video(packet->data, (size_t)packet->size);
	av_packet_unref(packet);
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

bool encoder_read(struct encoder *encoder, struct surface *surface,
		  const struct damage *damage, struct encoded *out)
{
	int width = surface_width(surface), height = surface_height(surface);
	struct damage all = { 1, { { 0, 0, width, height } } };
	struct planes planes;
	int rc;

	memset(out, 0, sizeof(*out));
	if (width != encoder->width || height != encoder->height) {
		if (!encoder_open(encoder, width, height, out->error))
			return false;
		damage = &all;
	}
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

void encoder_tune(struct encoder *encoder, unsigned int kbit, bool fine)
{
	if (kbit == encoder->kbit && fine == encoder->fine)
		return;
	encoder->kbit = kbit;
	encoder->fine = fine;
	if (encoder->ctx)
		encoder_set_rate(encoder, encoder->ctx);
}

bool encoder_encode(struct encoder *encoder, bool key, struct encoded *out)
{
	if (!encoder_run(encoder, key || encoder->fresh, out)) {
		encoder_close(encoder);	/* the next call starts afresh */
		return false;
	}
	encoder->fresh = false;
	out->width = encoder->shown_width;
	out->height = encoder->shown_height;
	memcpy(out->codec, encoder->codec, sizeof(out->codec));
	return true;
}

bool encoder_probe(const struct encoder_options *options, char *error)
{
	struct encoder *encoder = encoder_new(options, RUNG_FULL);
	bool ok = encoder_open(encoder, 640, 480, error);

	encoder_free(encoder);
	return ok;
}
