// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every row asks for the same: no B-frames, no look-ahead, a picture out for
 * each picture in, key frames when asked for and never else, parameter sets in
 * front of each. What has a constant quality under a ceiling gets that: a
 * still text costs little, a film stays below the bit rate.
 */
#include "encoder_kind.h"

#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
#include <libyuv.h>
#include <string.h>

#define KIND_POOL	4	/* pictures of a device: one is enough, drivers differ */

typedef const char *const setting[2];

static setting kind_x264[] = {
	{ "preset", "ultrafast" }, { "tune", "zerolatency" },
	{ "forced-idr", "1" }, { NULL, NULL },
};

static setting kind_x265[] = {
	{ "preset", "ultrafast" }, { "tune", "zerolatency" },
	{ "forced-idr", "1" },
	/* one thread: desktops are the unit of parallelism */
	{ "x265-params", "log-level=none:pools=none:frame-threads=1:keyint=-1:scenecut=0" },
	{ NULL, NULL },
};

static setting kind_svt[] = {
	{ "preset", "11" },
	{ "svtav1-params", "pred-struct=1:lp=1:scd=0" }, { NULL, NULL },
};

static setting kind_nvenc[] = {
	{ "preset", "p2" }, { "tune", "ull" }, { "zerolatency", "1" },
	{ "delay", "0" }, { "forced-idr", "1" }, { "rc", "vbr" }, { NULL, NULL },
};

static setting kind_vaapi[] = {
	{ "async_depth", "1" }, { NULL, NULL },
};

static setting kind_videotoolbox[] = {
	{ "realtime", "1" }, { "prio_speed", "1" }, { NULL, NULL },
};

static AVFrame *kind_to_nv12(const AVFrame *picture)
{
	AVFrame *nv12 = av_frame_alloc();

	if (!nv12)
		return NULL;
	nv12->format = AV_PIX_FMT_NV12;
	nv12->width = picture->width;
	nv12->height = picture->height;
	if (av_frame_get_buffer(nv12, 0) < 0) {
		av_frame_free(&nv12);
		return NULL;
	}
	I420ToNV12(picture->data[0], picture->linesize[0], picture->data[1],
		   picture->linesize[1], picture->data[2], picture->linesize[2],
		   nv12->data[0], nv12->linesize[0], nv12->data[1],
		   nv12->linesize[1], picture->width, picture->height);
	return nv12;
}

static void kind_free_source(void *opaque, uint8_t *data)
{
	AVFrame *source = (AVFrame *)data;

	(void)opaque;
	av_frame_free(&source);
}

/* A device may still read it when the transfer has returned: Vulkan does. */
static bool kind_keep_source(AVFrame *frame, AVFrame *source)
{
	frame->opaque_ref = av_buffer_create((uint8_t *)source, sizeof(*source),
					     kind_free_source, NULL, 0);
	return frame->opaque_ref;
}

AVFrame *encoder_kind_upload(AVBufferRef *frames, const AVFrame *picture,
			     int *rc)
{
	AVFrame *nv12 = kind_to_nv12(picture), *out = av_frame_alloc();

	*rc = nv12 && out ? av_hwframe_get_buffer(frames, out, 0) :
			    AVERROR(ENOMEM);
	if (*rc >= 0)
		*rc = av_frame_copy_props(out, picture);
	if (*rc >= 0 && !kind_keep_source(out, nv12))
		*rc = AVERROR(ENOMEM);
	if (*rc >= 0) {
		*rc = av_hwframe_transfer_data(out, nv12, 0);
		nv12 = NULL;	/* the frame's */
	}
	av_frame_free(&nv12);
	if (*rc < 0)
		av_frame_free(&out);
	return out;
}

static int kind_send_upload(AVCodecContext *ctx, const AVFrame *picture)
{
	AVFrame *frame;
	int rc;

	frame = encoder_kind_upload(ctx->hw_frames_ctx, picture, &rc);
	if (!frame)
		return rc;
	rc = avcodec_send_frame(ctx, frame);
	av_frame_free(&frame);
	return rc;
}

/* A path is a render node; anything else names a device of another kind. */
static int kind_prepare_vaapi(AVCodecContext *ctx, const char *device)
{
	AVBufferRef *owner = NULL;
	AVHWFramesContext *frames;
	int rc;

	if (device && *device != '/')
		device = NULL;
	rc = av_hwdevice_ctx_create(&owner, AV_HWDEVICE_TYPE_VAAPI, device,
				    NULL, 0);
	if (rc < 0)
		return rc;
	ctx->hw_frames_ctx = av_hwframe_ctx_alloc(owner);
	av_buffer_unref(&owner);
	if (!ctx->hw_frames_ctx)
		return AVERROR(ENOMEM);
	frames = (AVHWFramesContext *)ctx->hw_frames_ctx->data;
	frames->format = AV_PIX_FMT_VAAPI;
	frames->sw_format = AV_PIX_FMT_NV12;
	frames->width = ctx->width;
	frames->height = ctx->height;
	frames->initial_pool_size = KIND_POOL;
	ctx->pix_fmt = AV_PIX_FMT_VAAPI;
	return av_hwframe_ctx_init(ctx->hw_frames_ctx);
}

/* It copies pictures from memory to the device itself. */
static int kind_prepare_nvenc(AVCodecContext *ctx, const char *device)
{
	if (!device || *device == '/')
		return 0;
	return av_opt_set(ctx->priv_data, "gpu", device, 0);
}

#define KIND_NVENC(label, id)						\
	{ .name = label, .avcodec = label, .codec = id,			\
	  .hardware = true, .quality = "cq", .value = "25",		\
	  .settings = kind_nvenc,					\
	  .prepare = kind_prepare_nvenc, .import = IMPORT_CUDA }
/* libavcodec's choice, AVBR, where there is one, has neither ceiling nor buffer. */
#define KIND_VAAPI(label, id)						\
	{ .name = label, .avcodec = label, .codec = id,			\
	  .hardware = true, .settings = kind_vaapi,			\
	  .wished = "rc_mode", .wished_value = "VBR",			\
	  .prepare = kind_prepare_vaapi, .send = kind_send_upload,	\
	  .import = IMPORT_VAAPI }

const struct encoder_kind encoder_kinds[] = {
	{ .name = "libx264", .avcodec = "libx264", .codec = CODEC_H264,
	  .tunes = true, .quality = "crf", .value = "23",
	  .value_fine = "6",		/* 6 dB and more nearer to the picture */
	  .settings = kind_x264 },
	KIND_NVENC("h264_nvenc", CODEC_H264),
	KIND_VAAPI("h264_vaapi", CODEC_H264),
	{ .name = "h264_videotoolbox", .avcodec = "h264_videotoolbox",
	  .codec = CODEC_H264, .hardware = true,
	  .settings = kind_videotoolbox },
	{ .name = "libx265", .avcodec = "libx265", .codec = CODEC_HEVC,
	  .quality = "crf", .value = "26", .settings = kind_x265 },
	KIND_NVENC("hevc_nvenc", CODEC_HEVC),
	KIND_VAAPI("hevc_vaapi", CODEC_HEVC),
	{ .name = "libsvtav1", .avcodec = "libsvtav1", .codec = CODEC_AV1,
	  .quality = "crf", .value = "35", .settings = kind_svt },
	KIND_NVENC("av1_nvenc", CODEC_AV1),
	KIND_VAAPI("av1_vaapi", CODEC_AV1),
	{ .name = NULL },
};

const char *const encoder_kinds_auto[] = {
	"h264_nvenc", "h264_vaapi", "h264_videotoolbox", ENCODER_KIND_LAST, NULL
};

const struct encoder_kind *encoder_kind_find(const struct encoder_kind *table,
					     const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}
