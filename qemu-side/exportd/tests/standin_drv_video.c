// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for a GPU's VA-API driver, for machines without one: libva loads it
 * by LIBVA_DRIVERS_PATH and LIBVA_DRIVER_NAME=standin. It does in memory what the
 * encoders and import.c ask of a driver: takes linear DRM_PRIME_2 surfaces by
 * mapping them, converts, scales and flips with libyuv, and encodes H.264 with
 * libx264, whose headers it leaves in the stream. Colours other than BT.601 in
 * limited range are refused, so that a test notices if they were not asked for.
 *
 * HELIX_STANDIN_VA=WHAT[=N] has it fail from the N'th time on: "import", "vpp",
 * "encode"; or hang: "hang-import", "hang-encode"; or lack a way to hold a rate:
 * "no-vbr". It is looked at each time.
 */
#include <libavcodec/avcodec.h>
#include <libyuv.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <va/va_backend.h>
#include <va/va_backend_vpp.h>
#include <va/va_drmcommon.h>
#include <va/va_enc_h264.h>

#define ITEMS_MAX	512
#define SIDE_MAX	8192

enum kind {
	KIND_NONE, KIND_CONFIG, KIND_CONTEXT, KIND_SURFACE, KIND_BUFFER,
	KIND_IMAGE
};

struct item {
	enum kind kind;
	/* config, context */
	VAProfile profile;
	VAEntrypoint entrypoint;
	VASurfaceID target;
	AVCodecContext *codec;
	VABufferID picture, sequence, pipeline;	/* of this picture */
	VAEncSequenceParameterBufferH264 last_sequence;
	/* surface: NV12 of its own, or RGB in a mapping */
	int width, height, stride;
	uint32_t fourcc;
	uint8_t *pixels;
	void *map;
	size_t map_len;
	/* buffer */
	VABufferType type;
	uint8_t *data;
	size_t size;
	bool lent;		/* data is a surface's */
	VACodedBufferSegment coded;
	/* image */
	VABufferID buffer;
};

static struct item items[ITEMS_MAX];	/* an id is an index and one */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of their kinds */

static VAGenericID item_new(enum kind kind, struct item **item)
{
	VAGenericID id;

	pthread_mutex_lock(&lock);
	for (id = 1; id < ITEMS_MAX && items[id].kind; id++)
		;
	if (id == ITEMS_MAX) {
		pthread_mutex_unlock(&lock);
		return VA_INVALID_ID;
	}
	*item = &items[id];
	memset(*item, 0, sizeof(**item));
	(*item)->kind = kind;
	pthread_mutex_unlock(&lock);
	return id;
}

static struct item *item_get(VAGenericID id, enum kind kind)
{
	return id < ITEMS_MAX && items[id].kind == kind ? &items[id] : NULL;
}

static void item_free(struct item *item)
{
	if (!item)
		return;
	if (item->map)
		munmap(item->map, item->map_len);
	else
		free(item->pixels);
	if (!item->lent)
		free(item->data);
	avcodec_free_context(&item->codec);
	pthread_mutex_lock(&lock);
	memset(item, 0, sizeof(*item));
	pthread_mutex_unlock(&lock);
}

/* Whether @what is to happen this time. */
static bool injected(const char *what, unsigned int *times)
{
	const char *text = getenv("HELIX_STANDIN_VA");
	size_t len = strlen(what);

	if (!text || strncmp(text, what, len) || (text[len] && text[len] != '='))
		return false;
	return ++*times >= (text[len] ? strtoul(text + len + 1, NULL, 10) : 1);
}

static void hang_if(const char *what)
{
	static unsigned int times;

	while (injected(what, &times))
		usleep(1000);
}

/* --- what there is --- */

static VAStatus query_profiles(VADriverContextP ctx, VAProfile *list, int *count)
{
	(void)ctx;
	list[0] = VAProfileH264ConstrainedBaseline;
	list[1] = VAProfileH264Main;
	list[2] = VAProfileH264High;
	list[3] = VAProfileNone;
	*count = 4;
	return VA_STATUS_SUCCESS;
}

static VAStatus query_entrypoints(VADriverContextP ctx, VAProfile profile,
				  VAEntrypoint *list, int *count)
{
	(void)ctx;
	*list = profile == VAProfileNone ? VAEntrypointVideoProc :
					   VAEntrypointEncSlice;
	*count = 1;
	return VA_STATUS_SUCCESS;
}

static VAStatus get_config_attributes(VADriverContextP ctx, VAProfile profile,
				      VAEntrypoint entrypoint,
				      VAConfigAttrib *list, int count)
{
	static unsigned int times;
	bool no_vbr = injected("no-vbr", &times);
	int i;

	(void)ctx;
	(void)profile;
	(void)entrypoint;
	for (i = 0; i < count; i++) {
		switch (list[i].type) {
		case VAConfigAttribRTFormat:
			list[i].value = VA_RT_FORMAT_YUV420 | VA_RT_FORMAT_RGB32;
			break;
		case VAConfigAttribRateControl:
			/* AVBR is there to be chosen, as in GPUs, by who names none */
			list[i].value = VA_RC_CQP | VA_RC_CBR;
			if (!no_vbr)
				list[i].value |= VA_RC_VBR | VA_RC_AVBR;
			break;
		case VAConfigAttribEncMaxRefFrames:
			list[i].value = 1;
			break;
		case VAConfigAttribMaxPictureWidth:
		case VAConfigAttribMaxPictureHeight:
			list[i].value = SIDE_MAX;
			break;
		default:
			list[i].value = VA_ATTRIB_NOT_SUPPORTED;
			break;
		}
	}
	return VA_STATUS_SUCCESS;
}

static VAStatus create_config(VADriverContextP ctx, VAProfile profile,
			      VAEntrypoint entrypoint, VAConfigAttrib *list,
			      int count, VAConfigID *id)
{
	struct item *item;

	(void)ctx;
	/* it has neither ceiling nor buffer */
	while (count--)
		if (list[count].type == VAConfigAttribRateControl &&
		    list[count].value == VA_RC_AVBR)
			return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
	*id = item_new(KIND_CONFIG, &item);
	if (*id == VA_INVALID_ID)
		return VA_STATUS_ERROR_ALLOCATION_FAILED;
	item->profile = profile;
	item->entrypoint = entrypoint;
	return VA_STATUS_SUCCESS;
}

static VAStatus destroy_config(VADriverContextP ctx, VAConfigID id)
{
	(void)ctx;
	item_free(item_get(id, KIND_CONFIG));
	return VA_STATUS_SUCCESS;
}

static VAStatus query_config(VADriverContextP ctx, VAConfigID id,
			     VAProfile *profile, VAEntrypoint *entrypoint,
			     VAConfigAttrib *list, int *count)
{
	struct item *item = item_get(id, KIND_CONFIG);

	(void)ctx;
	(void)list;
	if (!item)
		return VA_STATUS_ERROR_INVALID_CONFIG;
	*profile = item->profile;
	*entrypoint = item->entrypoint;
	*count = 0;
	return VA_STATUS_SUCCESS;
}

static VAStatus query_surface_attributes(VADriverContextP ctx, VAConfigID id,
					 VASurfaceAttrib *list,
					 unsigned int *count)
{
	static const uint32_t formats[] = {
		VA_FOURCC_NV12, VA_FOURCC_BGRX, VA_FOURCC_BGRA, VA_FOURCC_RGBX,
		VA_FOURCC_RGBA,
	};
	struct item *item = item_get(id, KIND_CONFIG);
	unsigned int shown, i;

	(void)ctx;
	if (!item)
		return VA_STATUS_ERROR_INVALID_CONFIG;
	shown = item->entrypoint == VAEntrypointVideoProc ? 5 : 1;
	for (i = 0; list && i < shown + 3; i++) {
		list[i].flags = VA_SURFACE_ATTRIB_GETTABLE |
				VA_SURFACE_ATTRIB_SETTABLE;
		list[i].value.type = VAGenericValueTypeInteger;
		if (i < shown) {
			list[i].type = VASurfaceAttribPixelFormat;
			list[i].value.value.i = (int)formats[i];
		} else if (i == shown) {
			list[i].type = VASurfaceAttribMaxWidth;
			list[i].value.value.i = SIDE_MAX;
		} else if (i == shown + 1) {
			list[i].type = VASurfaceAttribMaxHeight;
			list[i].value.value.i = SIDE_MAX;
		} else {
			list[i].type = VASurfaceAttribMemoryType;
			list[i].value.value.i = VA_SURFACE_ATTRIB_MEM_TYPE_VA |
				VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2;
		}
	}
	*count = shown + 3;
	return VA_STATUS_SUCCESS;
}

/* --- surfaces --- */

static bool surface_alloc(struct item *item, unsigned int width,
			  unsigned int height)
{
	item->width = (int)width;
	item->height = (int)height;
	item->stride = ((int)width + 63) & ~63;
	item->fourcc = VA_FOURCC_NV12;
	item->pixels = calloc((size_t)item->stride,
			      (size_t)(item->height + 1) / 2 * 3);
	return item->pixels;
}

static bool surface_take(struct item *item,
			 const VADRMPRIMESurfaceDescriptor *from)
{
	size_t len = (size_t)from->layers[0].pitch[0] * from->height;
	static unsigned int times;

	hang_if("hang-import");
	if (injected("import", &times) || from->num_objects != 1 ||
	    from->num_layers != 1 || from->objects[0].drm_format_modifier ||
	    from->layers[0].pitch[0] < from->width * 4 ||
	    from->objects[0].size < len)
		return false;
	item->map = mmap(NULL, len, PROT_READ, MAP_SHARED, from->objects[0].fd,
			 0);
	if (item->map == MAP_FAILED) {
		item->map = NULL;
		return false;
	}
	item->map_len = len;
	item->width = (int)from->width;
	item->height = (int)from->height;
	item->stride = (int)from->layers[0].pitch[0];
	item->fourcc = from->fourcc;
	item->pixels = item->map;
	return true;
}

static VAStatus create_surfaces2(VADriverContextP ctx, unsigned int format,
				 unsigned int width, unsigned int height,
				 VASurfaceID *ids, unsigned int count,
				 VASurfaceAttrib *list, unsigned int attribs)
{
	const VADRMPRIMESurfaceDescriptor *from = NULL;
	int memory = VA_SURFACE_ATTRIB_MEM_TYPE_VA;
	struct item *item;
	unsigned int i;

	(void)ctx;
	(void)format;
	for (i = 0; i < attribs; i++) {
		if (list[i].type == VASurfaceAttribMemoryType)
			memory = list[i].value.value.i;
		if (list[i].type == VASurfaceAttribExternalBufferDescriptor)
			from = list[i].value.value.p;
	}
	if (memory != VA_SURFACE_ATTRIB_MEM_TYPE_VA &&
	    (memory != VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2 || !from))
		return VA_STATUS_ERROR_UNSUPPORTED_MEMORY_TYPE;
	if (width > SIDE_MAX || height > SIDE_MAX)
		return VA_STATUS_ERROR_RESOLUTION_NOT_SUPPORTED;
	for (i = 0; i < count; i++) {
		ids[i] = item_new(KIND_SURFACE, &item);
		if (ids[i] == VA_INVALID_ID)
			return VA_STATUS_ERROR_ALLOCATION_FAILED;
		if (memory == VA_SURFACE_ATTRIB_MEM_TYPE_VA ?
		    !surface_alloc(item, width, height) :
		    !surface_take(item, from)) {
			item_free(item);
			return VA_STATUS_ERROR_ALLOCATION_FAILED;
		}
	}
	return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces(VADriverContextP ctx, int width, int height,
				int format, int count, VASurfaceID *ids)
{
	return create_surfaces2(ctx, (unsigned int)format, (unsigned int)width,
				(unsigned int)height, ids, (unsigned int)count,
				NULL, 0);
}

static VAStatus destroy_surfaces(VADriverContextP ctx, VASurfaceID *ids,
				 int count)
{
	(void)ctx;
	while (count--)
		item_free(item_get(ids[count], KIND_SURFACE));
	return VA_STATUS_SUCCESS;
}

/* All was done when the picture ended. */
static VAStatus sync_surface(VADriverContextP ctx, VASurfaceID id)
{
	(void)ctx;
	return item_get(id, KIND_SURFACE) ? VA_STATUS_SUCCESS :
					    VA_STATUS_ERROR_INVALID_SURFACE;
}

static VAStatus query_surface_status(VADriverContextP ctx, VASurfaceID id,
				     VASurfaceStatus *status)
{
	*status = VASurfaceReady;
	return sync_surface(ctx, id);
}

/* --- images: of a surface's own memory, which is how pictures are uploaded --- */

static VAStatus query_image_formats(VADriverContextP ctx, VAImageFormat *list,
				    int *count)
{
	(void)ctx;
	list[0] = (VAImageFormat){ .fourcc = VA_FOURCC_NV12,
				   .byte_order = VA_LSB_FIRST,
				   .bits_per_pixel = 12 };
	*count = 1;
	return VA_STATUS_SUCCESS;
}

static VAStatus derive_image(VADriverContextP ctx, VASurfaceID id,
			     VAImage *image)
{
	struct item *surface = item_get(id, KIND_SURFACE), *item, *buffer;
	size_t luma;

	(void)ctx;
	if (!surface || surface->map)
		return VA_STATUS_ERROR_OPERATION_FAILED;
	memset(image, 0, sizeof(*image));
	image->image_id = item_new(KIND_IMAGE, &item);
	image->buf = item_new(KIND_BUFFER, &buffer);
	if (image->image_id == VA_INVALID_ID || image->buf == VA_INVALID_ID)
		return VA_STATUS_ERROR_ALLOCATION_FAILED;
	luma = (size_t)surface->stride * (size_t)surface->height;
	item->buffer = image->buf;
	buffer->type = VAImageBufferType;
	buffer->data = surface->pixels;
	buffer->lent = true;
	image->format.fourcc = VA_FOURCC_NV12;
	image->width = (uint16_t)surface->width;
	image->height = (uint16_t)surface->height;
	image->num_planes = 2;
	image->pitches[0] = image->pitches[1] = (uint32_t)surface->stride;
	image->offsets[1] = (uint32_t)luma;
	image->data_size = (uint32_t)(luma / 2 * 3);
	return VA_STATUS_SUCCESS;
}

static VAStatus destroy_image(VADriverContextP ctx, VAImageID id)
{
	struct item *item = item_get(id, KIND_IMAGE);

	(void)ctx;
	if (item)
		item_free(item_get(item->buffer, KIND_BUFFER));
	item_free(item);
	return VA_STATUS_SUCCESS;
}

/* --- contexts and buffers --- */

static VAStatus create_context(VADriverContextP ctx, VAConfigID config,
			       int width, int height, int flag,
			       VASurfaceID *targets, int count, VAContextID *id)
{
	struct item *from = item_get(config, KIND_CONFIG), *item;

	(void)ctx;
	(void)width;
	(void)height;
	(void)flag;
	(void)targets;
	(void)count;
	if (!from)
		return VA_STATUS_ERROR_INVALID_CONFIG;
	*id = item_new(KIND_CONTEXT, &item);
	if (*id == VA_INVALID_ID)
		return VA_STATUS_ERROR_ALLOCATION_FAILED;
	item->entrypoint = from->entrypoint;
	return VA_STATUS_SUCCESS;
}

static VAStatus destroy_context(VADriverContextP ctx, VAContextID id)
{
	(void)ctx;
	item_free(item_get(id, KIND_CONTEXT));
	return VA_STATUS_SUCCESS;
}

static VAStatus create_buffer(VADriverContextP ctx, VAContextID context,
			      VABufferType type, unsigned int size,
			      unsigned int count, void *data, VABufferID *id)
{
	struct item *item;

	(void)ctx;
	(void)context;
	*id = item_new(KIND_BUFFER, &item);
	if (*id == VA_INVALID_ID)
		return VA_STATUS_ERROR_ALLOCATION_FAILED;
	item->type = type;
	item->size = (size_t)size * count;
	item->data = calloc(1, item->size);
	if (data)
		memcpy(item->data, data, item->size);
	return VA_STATUS_SUCCESS;
}

static VAStatus map_buffer(VADriverContextP ctx, VABufferID id, void **data)
{
	struct item *item = item_get(id, KIND_BUFFER);

	(void)ctx;
	if (!item)
		return VA_STATUS_ERROR_INVALID_BUFFER;
	*data = item->type == VAEncCodedBufferType ? (void *)&item->coded :
						     item->data;
	return VA_STATUS_SUCCESS;
}

static VAStatus unmap_buffer(VADriverContextP ctx, VABufferID id)
{
	(void)ctx;
	(void)id;
	return VA_STATUS_SUCCESS;
}

static VAStatus destroy_buffer(VADriverContextP ctx, VABufferID id)
{
	(void)ctx;
	item_free(item_get(id, KIND_BUFFER));
	return VA_STATUS_SUCCESS;
}

static VAStatus begin_picture(VADriverContextP ctx, VAContextID id,
			      VASurfaceID target)
{
	struct item *item = item_get(id, KIND_CONTEXT);

	(void)ctx;
	if (!item)
		return VA_STATUS_ERROR_INVALID_CONTEXT;
	item->target = target;
	item->picture = item->sequence = item->pipeline = VA_INVALID_ID;
	return VA_STATUS_SUCCESS;
}

static VAStatus render_picture(VADriverContextP ctx, VAContextID id,
			       VABufferID *list, int count)
{
	struct item *item = item_get(id, KIND_CONTEXT), *buffer;

	(void)ctx;
	while (item && count--) {
		buffer = item_get(list[count], KIND_BUFFER);
		if (!buffer)
			return VA_STATUS_ERROR_INVALID_BUFFER;
		if (buffer->type == VAEncPictureParameterBufferType)
			item->picture = list[count];
		else if (buffer->type == VAEncSequenceParameterBufferType)
			memcpy(&item->last_sequence, buffer->data,
			       sizeof(item->last_sequence));
		else if (buffer->type == VAProcPipelineParameterBufferType)
			item->pipeline = list[count];
	}
	return item ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_CONTEXT;
}

/* --- conversion --- */

static uint8_t *chroma(const struct item *surface)
{
	return surface->pixels + surface->stride * surface->height;
}

static bool is_bt601(const VAProcPipelineParameterBuffer *pipeline)
{
	const VAProcColorProperties *colours = &pipeline->output_color_properties;
	VAProcColorStandardType standard = pipeline->output_color_standard;

	return colours->color_range == VA_SOURCE_RANGE_REDUCED &&
	       (standard == VAProcColorStandardBT601 ||
		(standard == VAProcColorStandardExplicit &&
		 colours->matrix_coefficients == 6));
}

static bool vpp_rgb(const struct item *from, struct item *to)
{
	uint8_t *scaled = malloc((size_t)to->width * (size_t)to->height * 4);
	bool bgr = from->fourcc == VA_FOURCC_BGRX ||
		   from->fourcc == VA_FOURCC_BGRA;

	if (!scaled)
		return false;
	ARGBScale(from->pixels, from->stride, from->width, from->height, scaled,
		  to->width * 4, to->width, to->height, kFilterBox);
	(bgr ? ARGBToNV12 : ABGRToNV12)(scaled, to->width * 4, to->pixels,
					to->stride, chroma(to), to->stride,
					to->width, to->height);
	free(scaled);
	return true;
}

static bool vpp_flip(const struct item *from, struct item *to)
{
	if (from->width != to->width || from->height != to->height)
		return false;
	return !NV12Copy(from->pixels, from->stride, chroma(from), from->stride,
			 to->pixels, to->stride, chroma(to), to->stride,
			 to->width, -to->height);
}

static VAStatus vpp(const struct item *context)
{
	struct item *to = item_get(context->target, KIND_SURFACE), *from;
	struct item *buffer = item_get(context->pipeline, KIND_BUFFER);
	const VAProcPipelineParameterBuffer *pipeline;
	static unsigned int times;
	bool ok;

	if (!to || !buffer || injected("vpp", &times))
		return VA_STATUS_ERROR_OPERATION_FAILED;
	pipeline = (const void *)buffer->data;
	from = item_get(pipeline->surface, KIND_SURFACE);
	if (!from || to->map)
		return VA_STATUS_ERROR_INVALID_SURFACE;
	if (!from->map)
		ok = pipeline->mirror_state == VA_MIRROR_VERTICAL &&
		     vpp_flip(from, to);
	else
		ok = is_bt601(pipeline) && vpp_rgb(from, to);
	return ok ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_PARAMETER;
}

static VAStatus query_filters(VADriverContextP ctx, VAContextID context,
			      VAProcFilterType *list, unsigned int *count)
{
	(void)ctx;
	(void)context;
	(void)list;
	*count = 0;
	return VA_STATUS_SUCCESS;
}

static VAStatus query_filter_caps(VADriverContextP ctx, VAContextID context,
				  VAProcFilterType type, void *caps,
				  unsigned int *count)
{
	(void)ctx;
	(void)context;
	(void)type;
	(void)caps;
	*count = 0;
	return VA_STATUS_ERROR_UNSUPPORTED_FILTER;
}

static VAStatus query_pipeline(VADriverContextP ctx, VAContextID context,
			       VABufferID *filters, unsigned int count,
			       VAProcPipelineCaps *caps)
{
	static VAProcColorStandardType standards[] = {
		VAProcColorStandardBT601, VAProcColorStandardBT709,
		VAProcColorStandardExplicit,
	};

	(void)ctx;
	(void)context;
	(void)filters;
	(void)count;
	memset(caps, 0, sizeof(*caps));
	caps->input_color_standards = standards;
	caps->num_input_color_standards = 3;
	caps->output_color_standards = standards;
	caps->num_output_color_standards = 3;
	caps->rotation_flags = 1u << VA_ROTATION_NONE;
	caps->mirror_flags = VA_MIRROR_VERTICAL;
	caps->max_input_width = caps->max_input_height = SIDE_MAX;
	caps->max_output_width = caps->max_output_height = SIDE_MAX;
	return VA_STATUS_SUCCESS;
}

/* --- encoding --- */

static bool encode_open(struct item *context)
{
	const VAEncSequenceParameterBufferH264 *sequence = &context->last_sequence;
	AVDictionary *options = NULL;
	AVCodecContext *codec;
	int rc;

	if (context->codec)
		return true;
	codec = avcodec_alloc_context3(avcodec_find_encoder_by_name("libx264"));
	if (!codec)
		return false;
	codec->width = sequence->picture_width_in_mbs * 16;
	codec->height = sequence->picture_height_in_mbs * 16;
	if (sequence->frame_cropping_flag) {
		codec->width -= (int)sequence->frame_crop_right_offset * 2;
		codec->height -= (int)sequence->frame_crop_bottom_offset * 2;
	}
	codec->pix_fmt = AV_PIX_FMT_NV12;
	codec->time_base = (AVRational){ 1, 60 };
	codec->gop_size = 1 << 30;
	codec->max_b_frames = 0;
	codec->thread_count = 1;
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->colorspace = AVCOL_SPC_SMPTE170M;
	av_dict_set(&options, "preset", "ultrafast", 0);
	av_dict_set(&options, "tune", "zerolatency", 0);
	av_dict_set(&options, "forced-idr", "1", 0);
	av_dict_set(&options, "crf", "12", 0);
	rc = avcodec_open2(codec, NULL, &options);
	av_dict_free(&options);
	context->codec = codec;
	return rc >= 0;
}

static AVPacket *encode_run(AVCodecContext *codec, const struct item *from,
			    bool idr)
{
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	int rc;

	frame->format = AV_PIX_FMT_NV12;
	frame->width = codec->width;
	frame->height = codec->height;
	frame->data[0] = from->pixels;
	frame->data[1] = chroma(from);
	frame->linesize[0] = frame->linesize[1] = from->stride;
	frame->pts = codec->frame_num;
	frame->pict_type = idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	rc = avcodec_send_frame(codec, frame);
	if (rc >= 0)
		rc = avcodec_receive_packet(codec, packet);
	av_frame_free(&frame);
	if (rc < 0)
		av_packet_free(&packet);
	return packet;
}

static VAStatus encode(struct item *context)
{
	struct item *from = item_get(context->target, KIND_SURFACE), *coded;
	struct item *buffer = item_get(context->picture, KIND_BUFFER);
	const VAEncPictureParameterBufferH264 *picture;
	static unsigned int times;
	AVPacket *packet;

	hang_if("hang-encode");
	if (!from || !buffer || from->map || injected("encode", &times))
		return VA_STATUS_ERROR_OPERATION_FAILED;
	picture = (const void *)buffer->data;
	coded = item_get(picture->coded_buf, KIND_BUFFER);
	if (!coded || !encode_open(context) ||
	    from->width < context->codec->width ||
	    from->height < context->codec->height)
		return VA_STATUS_ERROR_INVALID_BUFFER;
	packet = encode_run(context->codec, from,
			    picture->pic_fields.bits.idr_pic_flag);
	if (!packet || (size_t)packet->size > coded->size) {
		av_packet_free(&packet);
		return VA_STATUS_ERROR_ENCODING_ERROR;
	}
	memcpy(coded->data, packet->data, (size_t)packet->size);
	coded->coded.buf = coded->data;
	coded->coded.size = (uint32_t)packet->size;
	av_packet_free(&packet);
	return VA_STATUS_SUCCESS;
}

static VAStatus end_picture(VADriverContextP ctx, VAContextID id)
{
	struct item *context = item_get(id, KIND_CONTEXT);

	(void)ctx;
	if (!context)
		return VA_STATUS_ERROR_INVALID_CONTEXT;
	return context->entrypoint == VAEntrypointVideoProc ? vpp(context) :
							      encode(context);
}

/* --- what nobody here asks for, and libva has to have --- */

static VAStatus buffer_set_num_elements(VADriverContextP ctx, VABufferID id,
					unsigned int count)
{
	(void)ctx;
	(void)id;
	(void)count;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus create_image(VADriverContextP ctx, VAImageFormat *format,
			     int width, int height, VAImage *image)
{
	(void)ctx;
	(void)format;
	(void)width;
	(void)height;
	(void)image;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus set_image_palette(VADriverContextP ctx, VAImageID id,
				  unsigned char *palette)
{
	(void)ctx;
	(void)id;
	(void)palette;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus get_image(VADriverContextP ctx, VASurfaceID surface, int x,
			  int y, unsigned int width, unsigned int height,
			  VAImageID id)
{
	(void)ctx;
	(void)surface;
	(void)x;
	(void)y;
	(void)width;
	(void)height;
	(void)id;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus put_image(VADriverContextP ctx, VASurfaceID surface,
			  VAImageID id, int src_x, int src_y,
			  unsigned int src_width, unsigned int src_height,
			  int x, int y, unsigned int width, unsigned int height)
{
	(void)src_x;
	(void)src_y;
	(void)src_width;
	(void)src_height;
	return get_image(ctx, surface, x, y, width, height, id);
}

static VAStatus query_subpicture_formats(VADriverContextP ctx,
					 VAImageFormat *list,
					 unsigned int *flags,
					 unsigned int *count)
{
	(void)ctx;
	(void)list;
	(void)flags;
	*count = 0;
	return VA_STATUS_SUCCESS;
}

static VAStatus create_subpicture(VADriverContextP ctx, VAImageID image,
				  VASubpictureID *id)
{
	(void)ctx;
	(void)image;
	(void)id;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus destroy_subpicture(VADriverContextP ctx, VASubpictureID id)
{
	(void)ctx;
	(void)id;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus set_subpicture_image(VADriverContextP ctx, VASubpictureID id,
				     VAImageID image)
{
	(void)ctx;
	(void)id;
	(void)image;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus set_subpicture_chromakey(VADriverContextP ctx,
					 VASubpictureID id, unsigned int min,
					 unsigned int max, unsigned int mask)
{
	(void)ctx;
	(void)id;
	(void)min;
	(void)max;
	(void)mask;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus set_subpicture_alpha(VADriverContextP ctx, VASubpictureID id,
				     float alpha)
{
	(void)ctx;
	(void)id;
	(void)alpha;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus associate_subpicture(VADriverContextP ctx, VASubpictureID id,
				     VASurfaceID *targets, int count,
				     short src_x, short src_y,
				     unsigned short src_width,
				     unsigned short src_height, short x,
				     short y, unsigned short width,
				     unsigned short height, unsigned int flags)
{
	(void)ctx;
	(void)id;
	(void)targets;
	(void)count;
	(void)src_x;
	(void)src_y;
	(void)src_width;
	(void)src_height;
	(void)x;
	(void)y;
	(void)width;
	(void)height;
	(void)flags;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus deassociate_subpicture(VADriverContextP ctx, VASubpictureID id,
				       VASurfaceID *targets, int count)
{
	(void)ctx;
	(void)id;
	(void)targets;
	(void)count;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus query_display_attributes(VADriverContextP ctx,
					 VADisplayAttribute *list, int *count)
{
	(void)ctx;
	(void)list;
	*count = 0;
	return VA_STATUS_SUCCESS;
}

static VAStatus display_attributes(VADriverContextP ctx,
				   VADisplayAttribute *list, int count)
{
	(void)ctx;
	(void)list;
	(void)count;
	return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus terminate(VADriverContextP ctx)
{
	(void)ctx;
	return VA_STATUS_SUCCESS;
}

VAStatus __vaDriverInit_1_0(VADriverContextP ctx);
VAStatus __vaDriverInit_1_0(VADriverContextP ctx)
{
	ctx->version_major = 1;
	ctx->max_profiles = 4;
	ctx->max_entrypoints = 1;
	ctx->max_attributes = 8;
	ctx->max_image_formats = 1;
	ctx->max_subpic_formats = 1;
	ctx->max_display_attributes = 1;
	ctx->str_vendor = "stand-in for a GPU, in memory";
	*ctx->vtable = (struct VADriverVTable){
		.vaTerminate = terminate,
		.vaQueryConfigProfiles = query_profiles,
		.vaQueryConfigEntrypoints = query_entrypoints,
		.vaGetConfigAttributes = get_config_attributes,
		.vaCreateConfig = create_config,
		.vaDestroyConfig = destroy_config,
		.vaQueryConfigAttributes = query_config,
		.vaCreateSurfaces = create_surfaces,
		.vaCreateSurfaces2 = create_surfaces2,
		.vaQuerySurfaceAttributes = query_surface_attributes,
		.vaDestroySurfaces = destroy_surfaces,
		.vaCreateContext = create_context,
		.vaDestroyContext = destroy_context,
		.vaCreateBuffer = create_buffer,
		.vaBufferSetNumElements = buffer_set_num_elements,
		.vaMapBuffer = map_buffer,
		.vaUnmapBuffer = unmap_buffer,
		.vaDestroyBuffer = destroy_buffer,
		.vaBeginPicture = begin_picture,
		.vaRenderPicture = render_picture,
		.vaEndPicture = end_picture,
		.vaSyncSurface = sync_surface,
		.vaQuerySurfaceStatus = query_surface_status,
		.vaQueryImageFormats = query_image_formats,
		.vaCreateImage = create_image,
		.vaDeriveImage = derive_image,
		.vaDestroyImage = destroy_image,
		.vaSetImagePalette = set_image_palette,
		.vaGetImage = get_image,
		.vaPutImage = put_image,
		.vaQuerySubpictureFormats = query_subpicture_formats,
		.vaCreateSubpicture = create_subpicture,
		.vaDestroySubpicture = destroy_subpicture,
		.vaSetSubpictureImage = set_subpicture_image,
		.vaSetSubpictureChromakey = set_subpicture_chromakey,
		.vaSetSubpictureGlobalAlpha = set_subpicture_alpha,
		.vaAssociateSubpicture = associate_subpicture,
		.vaDeassociateSubpicture = deassociate_subpicture,
		.vaQueryDisplayAttributes = query_display_attributes,
		.vaGetDisplayAttributes = display_attributes,
		.vaSetDisplayAttributes = display_attributes,
	};
	ctx->vtable_vpp->vaQueryVideoProcFilters = query_filters;
	ctx->vtable_vpp->vaQueryVideoProcFilterCaps = query_filter_caps;
	ctx->vtable_vpp->vaQueryVideoProcPipelineCaps = query_pipeline;
	return VA_STATUS_SUCCESS;
}
