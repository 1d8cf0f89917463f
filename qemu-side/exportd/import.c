// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns a graph of libavfilter and the devices that it runs on. Rules:
 *
 * - the graph is made for one size and format and for pictures of one kind; the
 *   buffer behind them may be another one each time;
 * - a descriptor is borrowed for as long as import_read() takes;
 * - whatever a driver refuses is an error and never a picture that is wrong: an
 *   odd size, for which the last line or column would have to be made up, is
 *   refused here.
 */
#include "import.h"

#include <drm_fourcc.h>
#include <glib.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_drm.h>
#include <libavutil/hwcontext_vaapi.h>
#include <libavutil/mem.h>
#include <stdio.h>

#define IMPORT_POOL	4	/* pictures: one that is made, one in the encoder */

/* The matrix and range that libyuv has, as encoder.c tells decoders. */
static const struct import_path {
	enum AVHWDeviceType device;	/* the encoder's */
	enum AVHWDeviceType mapper;	/* derived from it, takes the dma-buf */
	enum AVPixelFormat format;	/* what the encoder is sent */
	enum AVColorSpace space;	/* that the filter wants to see */
	const char *scale;		/* the filter that converts, too */
	const char *colours;		/* options of it */
	const char *flip;		/* behind it, where the last line is first */
	bool late;
} import_paths[] = {
	[IMPORT_VAAPI] = {
		.device = AV_HWDEVICE_TYPE_VAAPI,
		.mapper = AV_HWDEVICE_TYPE_VAAPI,
		.format = AV_PIX_FMT_VAAPI,
		.space = AVCOL_SPC_RGB,
		.scale = "scale_vaapi",
		.colours = "out_color_matrix=smpte170m:out_range=limited:"
			   "out_color_primaries=bt709:out_color_transfer=bt709",
		.flip = ",transpose_vaapi=dir=vflip",
	},
	[IMPORT_CUDA] = {
		.device = AV_HWDEVICE_TYPE_CUDA,
		.mapper = AV_HWDEVICE_TYPE_VULKAN,
		.format = AV_PIX_FMT_CUDA,
		.space = AVCOL_SPC_SMPTE170M,	/* it reads the matrix there */
		.scale = "scale_vulkan",
		.colours = "out_range=limited",
		.flip = ",vflip_vulkan",
		.late = true,
	},
};

struct import {
	const struct import_path *path;
	struct dmabuf like;
	AVBufferRef *device;
	AVBufferRef *source;	/* frames that are a dma-buf */
	AVFilterGraph *graph;
	AVFilterContext *in, *out;
	AVBufferRef *frames;	/* that the encoder is sent */
	int64_t count;
};

/* --- errors --- */

static void import_fail(char *error, const char *what, int averror)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	av_strerror(averror, text, sizeof(text));
	snprintf(error, IMPORT_ERROR_LEN, "%s: %s", what, text);
}

/* --- setting it up --- */

/* As little-endian words, libavutil's names begin at the other end. */
static enum AVPixelFormat import_format(uint32_t fourcc)
{
	switch (fourcc) {
	case DRM_FORMAT_XRGB8888:
		return AV_PIX_FMT_BGR0;
	case DRM_FORMAT_ARGB8888:
		return AV_PIX_FMT_BGRA;
	case DRM_FORMAT_XBGR8888:
		return AV_PIX_FMT_RGB0;
	case DRM_FORMAT_ABGR8888:
		return AV_PIX_FMT_RGBA;
	default:
		return AV_PIX_FMT_NONE;
	}
}

/* A path is a render node; anything else names a device of another kind. */
static int import_open_device(struct import *import, const char *name)
{
	bool is_path = name && *name == '/';

	if (is_path != (import->path->device == AV_HWDEVICE_TYPE_VAAPI))
		name = NULL;
	return av_hwdevice_ctx_create(&import->device, import->path->device,
				      name, NULL, 0);
}

/* The buffers come from elsewhere: it needs no device node of its own. */
static int import_open_source(struct import *import)
{
	AVBufferRef *device = av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_DRM);
	AVHWFramesContext *frames;
	AVDRMDeviceContext *drm;
	int rc;

	if (!device)
		return AVERROR(ENOMEM);
	drm = ((AVHWDeviceContext *)device->data)->hwctx;
	drm->fd = -1;
	rc = av_hwdevice_ctx_init(device);
	if (rc >= 0)
		import->source = av_hwframe_ctx_alloc(device);
	av_buffer_unref(&device);
	if (rc < 0)
		return rc;
	if (!import->source)
		return AVERROR(ENOMEM);
	frames = (AVHWFramesContext *)import->source->data;
	frames->format = AV_PIX_FMT_DRM_PRIME;
	frames->sw_format = import_format(import->like.fourcc);
	frames->width = (int)import->like.width;
	frames->height = (int)import->like.height;
	return av_hwframe_ctx_init(import->source);
}

static int import_open_in(struct import *import)
{
	AVBufferSrcParameters *params = av_buffersrc_parameters_alloc();
	int rc;

	import->in = avfilter_graph_alloc_filter(import->graph,
				avfilter_get_by_name("buffer"), "in");
	if (!import->in || !params) {
		av_free(params);
		return AVERROR(ENOMEM);
	}
	params->format = AV_PIX_FMT_DRM_PRIME;
	params->width = (int)import->like.width;
	params->height = (int)import->like.height;
	params->time_base = (AVRational){ 1, 1000 };
	params->hw_frames_ctx = import->source;
	params->color_space = import->path->space;
	params->color_range = AVCOL_RANGE_JPEG;
	rc = av_buffersrc_parameters_set(import->in, params);
	av_free(params);
	return rc < 0 ? rc : avfilter_init_str(import->in, NULL);
}

static int import_parse(struct import *import, const char *text)
{
	AVFilterInOut *from = avfilter_inout_alloc();
	AVFilterInOut *to = avfilter_inout_alloc();
	int rc = AVERROR(ENOMEM);

	import->out = avfilter_graph_alloc_filter(import->graph,
				avfilter_get_by_name("buffersink"), "out");
	if (from && to && import->out)
		rc = avfilter_init_str(import->out, NULL);
	if (rc >= 0) {
		from->name = av_strdup("in");
		from->filter_ctx = import->in;
		to->name = av_strdup("out");
		to->filter_ctx = import->out;
		rc = avfilter_graph_parse_ptr(import->graph, text, &to, &from,
					      NULL);
	}
	avfilter_inout_free(&from);
	avfilter_inout_free(&to);
	return rc;
}

static int import_give_device(struct import *import)
{
	AVBufferRef *mapper = NULL;
	unsigned int i;
	int rc;

	if (import->path->mapper == import->path->device) {
		mapper = av_buffer_ref(import->device);
		rc = mapper ? 0 : AVERROR(ENOMEM);
	} else {
		rc = av_hwdevice_ctx_create_derived(&mapper,
						    import->path->mapper,
						    import->device, 0);
	}
	for (i = 0; rc >= 0 && i < import->graph->nb_filters; i++) {
		AVFilterContext *filter = import->graph->filters[i];

		filter->hw_device_ctx = av_buffer_ref(mapper);
		if (!filter->hw_device_ctx)
			rc = AVERROR(ENOMEM);
	}
	av_buffer_unref(&mapper);
	return rc;
}

static int import_open_graph(struct import *import, int width, int height)
{
	const struct import_path *path = import->path;
	g_autofree char *text = NULL;
	int rc;

	import->graph = avfilter_graph_alloc();
	if (!import->graph)
		return AVERROR(ENOMEM);
	import->graph->nb_threads = 1;
	rc = import_open_in(import);
	if (rc < 0)
		return rc;
	text = g_strdup_printf("hwmap=mode=read,%s=w=%d:h=%d:format=nv12:%s%s",
			       path->scale, width, height, path->colours,
			       import->like.y0_top ? path->flip : "");
	rc = import_parse(import, text);
	if (rc >= 0)
		rc = import_give_device(import);
	return rc < 0 ? rc : avfilter_graph_config(import->graph, NULL);
}

/* Those of the filter, or such of the encoder's device to copy to. */
static int import_open_frames(struct import *import)
{
	AVBufferRef *made = av_buffersink_get_hw_frames_ctx(import->out);
	const AVHWFramesContext *of;
	AVHWFramesContext *frames;

	if (!made)
		return AVERROR(EINVAL);
	of = (const AVHWFramesContext *)made->data;
	if (of->format == import->path->format) {
		import->frames = av_buffer_ref(made);
		return import->frames ? 0 : AVERROR(ENOMEM);
	}
	import->frames = av_hwframe_ctx_alloc(import->device);
	if (!import->frames)
		return AVERROR(ENOMEM);
	frames = (AVHWFramesContext *)import->frames->data;
	frames->format = import->path->format;
	frames->sw_format = of->sw_format;
	frames->width = of->width;
	frames->height = of->height;
	frames->initial_pool_size = IMPORT_POOL;
	return av_hwframe_ctx_init(import->frames);
}

static bool import_open(struct import *import, const char *device, int width,
			int height, char *error)
{
	const char *what = "opening the device";
	int rc = import_open_device(import, device);

	if (rc >= 0) {
		what = "setting up the conversion";
		rc = import_open_source(import);
	}
	if (rc >= 0)
		rc = import_open_graph(import, width, height);
	if (rc >= 0)
		rc = import_open_frames(import);
	if (rc < 0)
		import_fail(error, what, rc);
	return rc >= 0;
}

struct import *import_new(enum import_way way, const char *device,
			  const struct dmabuf *dmabuf, int width, int height,
			  char error[IMPORT_ERROR_LEN])
{
	struct import *import;

	if (dmabuf->width % 2 || dmabuf->height % 2) {
		g_strlcpy(error, "a size that is odd", IMPORT_ERROR_LEN);
		return NULL;
	}
	if (import_format(dmabuf->fourcc) == AV_PIX_FMT_NONE) {
		g_strlcpy(error, "a format that GPUs do not take",
			  IMPORT_ERROR_LEN);
		return NULL;
	}
	import = g_new0(struct import, 1);
	import->path = &import_paths[way];
	import->like = *dmabuf;
	if (!import_open(import, device, width, height, error)) {
		import_free(import);
		return NULL;
	}
	return import;
}

void import_free(struct import *import)
{
	if (!import)
		return;
	av_buffer_unref(&import->frames);
	avfilter_graph_free(&import->graph);
	av_buffer_unref(&import->source);
	av_buffer_unref(&import->device);
	g_free(import);
}

bool import_fits(const struct import *import, const struct dmabuf *dmabuf)
{
	const struct dmabuf *like = &import->like;

	return like->width == dmabuf->width && like->height == dmabuf->height &&
	       like->fourcc == dmabuf->fourcc && like->y0_top == dmabuf->y0_top;
}

int import_prepare(const struct import *import, AVCodecContext *ctx)
{
	ctx->pix_fmt = import->path->format;
	ctx->hw_frames_ctx = av_buffer_ref(import->frames);
	return ctx->hw_frames_ctx ? 0 : AVERROR(ENOMEM);
}

bool import_is_late(const struct import *import)
{
	return import->path->late;
}

/* --- a picture --- */

static void import_free_desc(void *opaque, uint8_t *data)
{
	(void)opaque;
	av_free(data);
}

static AVFrame *import_wrap(struct import *import, const struct dmabuf *dmabuf)
{
	AVDRMFrameDescriptor *desc = av_mallocz(sizeof(*desc));
	AVFrame *frame = av_frame_alloc();

	if (desc && frame)
		frame->buf[0] = av_buffer_create((uint8_t *)desc, sizeof(*desc),
						 import_free_desc, NULL, 0);
	if (!frame || !frame->buf[0]) {
		av_free(desc);
		av_frame_free(&frame);
		return NULL;
	}
	desc->nb_objects = 1;
	desc->objects[0].fd = dmabuf->fd;
	desc->objects[0].size = (size_t)dmabuf_size(dmabuf);
	desc->objects[0].format_modifier = dmabuf->modifier;
	desc->nb_layers = 1;
	desc->layers[0].format = dmabuf->fourcc;
	desc->layers[0].nb_planes = 1;
	desc->layers[0].planes[0].pitch = (ptrdiff_t)dmabuf->stride;
	frame->data[0] = (uint8_t *)desc;
	frame->format = AV_PIX_FMT_DRM_PRIME;
	frame->width = (int)dmabuf->width;
	frame->height = (int)dmabuf->height;
	frame->pts = import->count++;
	frame->colorspace = import->path->space;
	frame->color_range = AVCOL_RANGE_JPEG;
	frame->color_primaries = AVCOL_PRI_BT709;
	frame->color_trc = AVCOL_TRC_BT709;
	frame->hw_frames_ctx = av_buffer_ref(import->source);
	if (!frame->hw_frames_ctx)
		av_frame_free(&frame);
	return frame;
}

/* Until the surface was made, and so its source read. */
static int import_await(const struct import *import, const AVFrame *frame)
{
	const AVHWFramesContext *frames;
	const AVVAAPIDeviceContext *va;
	VAStatus status;

	if (import->path->format != AV_PIX_FMT_VAAPI)
		return 0;
	frames = (const AVHWFramesContext *)frame->hw_frames_ctx->data;
	va = frames->device_ctx->hwctx;
	status = vaSyncSurface(va->display,
			       (VASurfaceID)(uintptr_t)frame->data[3]);
	return status == VA_STATUS_SUCCESS ? 0 : AVERROR(EIO);
}

/* Takes @made, which is of the filter's device. */
static AVFrame *import_hand_over(struct import *import, AVFrame *made, int *rc)
{
	AVFrame *copy;

	if (made->format == import->path->format)
		return made;
	copy = av_frame_alloc();
	*rc = copy ? av_hwframe_get_buffer(import->frames, copy, 0) :
		     AVERROR(ENOMEM);
	if (*rc >= 0)
		*rc = av_hwframe_transfer_data(copy, made, 0);
	if (*rc >= 0)
		*rc = av_frame_copy_props(copy, made);
	av_frame_free(&made);
	if (*rc < 0)
		av_frame_free(&copy);
	return copy;
}

static AVFrame *import_run(struct import *import, AVFrame *frame, int *rc)
{
	AVFrame *made = av_frame_alloc();

	*rc = made ? av_buffersrc_add_frame(import->in, frame) : AVERROR(ENOMEM);
	if (*rc >= 0)
		*rc = av_buffersink_get_frame(import->out, made);
	if (*rc >= 0)
		*rc = import_await(import, made);
	if (*rc < 0) {
		av_frame_free(&made);
		return NULL;
	}
	return import_hand_over(import, made, rc);
}

AVFrame *import_read(struct import *import, const struct dmabuf *dmabuf,
		     char error[IMPORT_ERROR_LEN])
{
	AVFrame *frame = import_wrap(import, dmabuf), *made;
	int rc = AVERROR(ENOMEM);

	made = frame ? import_run(import, frame, &rc) : NULL;
	av_frame_free(&frame);
	if (!made)
		import_fail(error, "reading the picture", rc);
	return made;
}
