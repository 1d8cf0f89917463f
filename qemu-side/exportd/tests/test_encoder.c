// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream, read back by libavcodec's decoder, and its parameter set by a
 * reader written here.
 */
#include <glib.h>
#include <libavutil/hwcontext.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "decode.h"

#define WIDTH	320
#define HEIGHT	240
#define XRGB	0x20020888

static const struct encoder_options options = {
	.name = "libx264", .bitrate_kbit = 8000, .fps = 60,
};

static uint32_t pixels[WIDTH * HEIGHT];
static AVCodecContext *decoder;
static AVFrame *frame;
static struct encoder *encoder;

static struct encoder *new_encoder(enum rung rung, const char *name)
{
	struct encoder *made = encoder_new(&options, rung);

	encoder_use(made, encoder_kind_find(encoder_kinds, name));
	return made;
}

static int setup(void **state)
{
	(void)state;
	encoder = new_encoder(RUNG_FULL, "libx264");
	decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	decoder->thread_count = 1;
	frame = av_frame_alloc();
	return avcodec_open2(decoder, NULL, NULL);
}

/* From here on by another encoder, and another decoder. */
static void use(const char *name)
{
	const struct encoder_kind *kind = encoder_kind_find(encoder_kinds, name);
	static const enum AVCodecID ids[CODEC_COUNT] = {
		[CODEC_H264] = AV_CODEC_ID_H264,
		[CODEC_HEVC] = AV_CODEC_ID_HEVC,
		[CODEC_AV1] = AV_CODEC_ID_AV1,
	};

	encoder_use(encoder, kind);
	avcodec_free_context(&decoder);
	decoder = avcodec_alloc_context3(avcodec_find_decoder(ids[kind->codec]));
	decoder->thread_count = 1;
	decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
	assert_int_equal(avcodec_open2(decoder, NULL, NULL), 0);
}

static int teardown(void **state)
{
	(void)state;
	encoder_free(encoder);
	avcodec_free_context(&decoder);
	av_frame_free(&frame);
	return 0;
}

static struct surface *draw(int width, int height, uint32_t left,
			    uint32_t right)
{
	struct surface *surface;
	const char *error;
	int i;

	for (i = 0; i < width * height; i++)
		pixels[i] = i % width < width / 2 ? left : right;
	surface = surface_copy(pixels, (size_t)(width * height * 4),
			       (uint32_t)width, (uint32_t)height,
			       (uint32_t)width * 4, XRGB, &error);
	assert_non_null(surface);
	return surface;
}

/* Encodes with the damage given and returns the packet. */
static struct encoded encode(struct surface *surface, struct rect damaged,
			     bool key)
{
	struct damage damage = { 0 };
	struct encoded out;

	damage_add(&damage, &damaged, surface_width(surface),
		   surface_height(surface));
	if (!encoder_read(encoder, surface, &damage, &out) ||
	    !encoder_encode(encoder, key, &out))
		fail_msg("%s", out.error);
	return out;
}

static void decode(const struct encoded *out)
{
	decode_packet(decoder, out->packet, frame);
}

static void expect_luma(int x, int y, int wanted)
{
	int got = frame->data[0][y * frame->linesize[0] + x];

	if (abs(got - wanted) > 4)
		fail_msg("luma at %d,%d is %d, not %d", x, y, got, wanted);
}

static void done(struct encoded *out, struct surface *surface)
{
	packet_unref(out->packet);
	surface_unref(surface);
}

static const struct rect everything = { 0, 0, WIDTH, HEIGHT };

static void test_pixels_come_through(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0x00000000);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	assert_true(out.key);	/* the first one always is */
	decode(&out);
	assert_int_equal(frame->width, WIDTH);
	assert_int_equal(frame->height, HEIGHT);
	assert_int_equal(frame->colorspace, AVCOL_SPC_SMPTE170M);
	assert_int_equal(frame->color_range, AVCOL_RANGE_MPEG);
	expect_luma(20, 100, 235);
	expect_luma(300, 100, 16);
	done(&out, surface);
}

static void test_only_damage_reaches_the_stream(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0x00000000);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	decode(&out);
	done(&out, surface);

	surface = draw(WIDTH, HEIGHT, 0x00808080, 0x00808080);
	out = encode(surface, (struct rect){ 0, 0, 64, HEIGHT }, false);
	assert_false(out.key);
	decode(&out);
	expect_luma(20, 100, 126);
	expect_luma(120, 100, 235);	/* changed, but nobody said so */
	expect_luma(300, 100, 16);
	done(&out, surface);
}

static void test_key_frames_come_only_when_asked_for(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out;
	int i;

	(void)state;
	for (i = 0; i < 700; i++) {
		bool key = i == 0 || i == 333;

		out = encode(surface, everything, key);
		assert_int_equal(out.key, key);
		decode(&out);
		packet_unref(out.packet);
	}
	surface_unref(surface);
}

static void test_a_scene_change_is_no_key_frame(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ff0000, 0);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	done(&out, surface);
	surface = draw(WIDTH, HEIGHT, 0x0000ff00, 0x00ffffff);
	out = encode(surface, everything, false);
	assert_false(out.key);
	done(&out, surface);
}

static void test_joining_in_the_middle(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	packet_unref(out.packet);	/* never seen by the decoder */
	out = encode(surface, (struct rect){ 0, 0, 0, 0 }, true);
	assert_true(out.key);
	decode(&out);
	expect_luma(20, 100, 235);
	done(&out, surface);
}

static void test_resizing(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	decode(&out);
	done(&out, surface);
	surface = draw(161, 121, 0x00ffffff, 0);	/* odd: padded by one */
	out = encode(surface, (struct rect){ 0, 0, 2, 2 }, false);
	assert_true(out.key);
	assert_int_equal(out.width, 161);
	assert_int_equal(out.height, 121);
	decode(&out);
	assert_int_equal(frame->width, 162);
	assert_int_equal(frame->height, 122);
	expect_luma(20, 100, 235);
	expect_luma(150, 120, 16);
	done(&out, surface);
}

static void test_after_a_rest_it_begins_afresh(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	packet_unref(out.packet);
	encoder_use(encoder, NULL);
	assert_false(encoder_is_open(encoder));
	encoder_use(encoder, encoder_kind_find(encoder_kinds, "libx264"));
	out = encode(surface, (struct rect){ 0, 0, 0, 0 }, false);
	assert_true(out.key);
	decode(&out);
	expect_luma(20, 100, 235);
	done(&out, surface);
}

static void expect_thumb(int width, int height, int thumb_width,
			 int thumb_height)
{
	struct encoder *thumb = new_encoder(RUNG_THUMB, "libx264");
	struct damage all = { 1, { { 0, 0, width, height } } };
	uint32_t *large = calloc((size_t)(width * height), 4);
	struct surface *surface;
	struct encoded out;
	const char *error;
	int i;

	for (i = 0; i < width * height; i++)
		large[i] = i % width < width / 2 ? 0x00ffffff : 0;
	surface = surface_copy(large, (size_t)(width * height * 4),
			       (uint32_t)width, (uint32_t)height,
			       (uint32_t)width * 4, XRGB, &error);
	assert_true(encoder_read(thumb, surface, &all, &out));
	assert_true(encoder_encode(thumb, false, &out));
	assert_int_equal(out.width, thumb_width);
	assert_int_equal(out.height, thumb_height);
	decode(&out);
	assert_int_equal(frame->width, (thumb_width + 1) & ~1);
	assert_int_equal(frame->height, (thumb_height + 1) & ~1);
	expect_luma(thumb_width / 4, thumb_height / 2, 235);
	expect_luma(thumb_width * 3 / 4, thumb_height / 2, 16);
	done(&out, surface);
	encoder_free(thumb);
	free(large);
}

static void test_thumbnails_keep_proportions_inside_their_box(void **state)
{
	(void)state;
	expect_thumb(1920, 1080, 480, 270);
	expect_thumb(1366, 768, 480, 268);
	expect_thumb(1024, 768, 360, 270);
	expect_thumb(720, 1280, 150, 270);
	expect_thumb(4001, 64, 480, 16);
}

static void test_small_desktops_are_their_own_thumbnail(void **state)
{
	(void)state;
	expect_thumb(320, 200, 320, 200);
	expect_thumb(321, 201, 321, 201);
}

static void test_thumbnails_see_damage(void **state)
{
	static uint32_t wide[960 * 540];
	struct encoder *thumb = new_encoder(RUNG_THUMB, "libx264");
	struct damage all = { 1, { { 0, 0, 960, 540 } } };
	struct damage left = { 1, { { 0, 0, 480, 540 } } };
	struct surface *surface;
	struct encoded out;
	const char *error;

	(void)state;
	memset(wide, 0, sizeof(wide));
	surface = surface_copy(wide, sizeof(wide), 960, 540, 960 * 4, XRGB,
			       &error);
	assert_true(encoder_read(thumb, surface, &all, &out));
	assert_true(encoder_encode(thumb, false, &out));
	decode(&out);
	done(&out, surface);
	memset(wide, 0xff, sizeof(wide));
	surface = surface_copy(wide, sizeof(wide), 960, 540, 960 * 4, XRGB,
			       &error);
	assert_true(encoder_read(thumb, surface, &left, &out));
	assert_true(encoder_encode(thumb, false, &out));
	assert_false(out.key);
	decode(&out);
	expect_luma(120, 135, 235);
	expect_luma(360, 135, 16);	/* changed, but nobody said so */
	done(&out, surface);
	encoder_free(thumb);
}

/* A picture with much to code: noise on a ramp, another one for each @seed. */
static struct surface *draw_noise(uint32_t seed)
{
	struct surface *surface;
	const char *error;
	int i;

	for (i = 0; i < WIDTH * HEIGHT; i++) {
		seed = seed * 1664525 + 1013904223;
		pixels[i] = ((uint32_t)(i % WIDTH * 200 / WIDTH) +
			     (seed >> 27)) * 0x010101;
	}
	surface = surface_copy(pixels, sizeof(pixels), WIDTH, HEIGHT,
			       WIDTH * 4, XRGB, &error);
	assert_non_null(surface);
	return surface;
}

/* Of the picture decoded last against @surface: the mean in luma. */
static double squared_error(struct surface *surface)
{
	uint8_t *luma = malloc(WIDTH * HEIGHT * 3 / 2);
	struct planes planes = {
		{ luma, luma + WIDTH * HEIGHT, luma + WIDTH * HEIGHT * 5 / 4 },
		{ WIDTH, WIDTH / 2, WIDTH / 2 },
	};
	struct damage all = { 1, { everything } };
	double sum = 0;
	int x, y;

	surface_convert(surface, &all, &planes);
	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++) {
			int d = luma[y * WIDTH + x] -
				frame->data[0][y * frame->linesize[0] + x];

			sum += d * d;
		}
	free(luma);
	return sum / (WIDTH * HEIGHT);
}

static void test_a_fine_frame_is_nearer_to_the_picture(void **state)
{
	const struct rect nothing = { 0, 0, 0, 0 };
	struct surface *surface = draw_noise(1);
	struct encoded out = encode(surface, everything, false);
	double coarse, fine;

	(void)state;
	decode(&out);
	packet_unref(out.packet);
	coarse = squared_error(surface);

	encoder_tune(encoder, 8000, true);
	out = encode(surface, nothing, false);
	assert_false(out.key);
	decode(&out);
	packet_unref(out.packet);
	fine = squared_error(surface);
	assert_true(fine < coarse / 4);		/* 6 dB */

	/* what comes next is coarse again, but does not undo it */
	encoder_tune(encoder, 8000, false);
	out = encode(surface, nothing, false);
	decode(&out);
	assert_true(out.packet->len < 1000);
	assert_true(squared_error(surface) < coarse / 4);
	done(&out, surface);
}

/* Bytes of one second in which everything changes with each frame. */
static size_t second_of_noise(uint32_t seed)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = 0; i < options.fps; i++) {
		struct surface *surface = draw_noise(seed + i);
		struct encoded out = encode(surface, everything, false);

		assert_true(!out.key || (seed == 0 && i == 0));
		decode(&out);
		bytes += out.packet->len;
		done(&out, surface);
	}
	return bytes;
}

static void test_the_rate_changes_without_a_key_frame(void **state)
{
	size_t full, low, again;

	(void)state;
	second_of_noise(0);	/* uses up what the buffer holds */
	full = second_of_noise(1000);
	encoder_tune(encoder, 1000, false);
	second_of_noise(2000);
	low = second_of_noise(3000);
	encoder_tune(encoder, 8000, false);
	again = second_of_noise(4000);
	assert_true(low < 1500 * 125);
	assert_true(full > 2 * low);
	assert_true(again > 2 * low);
}

/* libavcodec would make a key frame of each change, as it does for NVENC. */
static void test_one_that_cannot_change_its_rate_is_not_told_of_little(void **state)
{
	static const char *const settings[][2] = {
		{ "preset", "ultrafast" }, { "tune", "zerolatency" },
		{ NULL, NULL },
	};
	static const struct encoder_kind kind = {
		.name = "fixed", .avcodec = "libx264", .quality = "crf",
		.value = "23", .settings = settings,
	};
	size_t full, same;

	(void)state;
	encoder_use(encoder, &kind);
	encoder_tune(encoder, 1500, false);
	second_of_noise(0);
	full = second_of_noise(1000);
	encoder_tune(encoder, 1050, false);
	second_of_noise(2000);
	same = second_of_noise(3000);
	assert_true(same > full * 9 / 10);
}

/* --- a reader of the sequence parameter set, by H.264 7.3.2.1.1 and E.1.1 --- */

struct bits {
	uint8_t data[256];
	size_t len, at;
};

static unsigned int bit(struct bits *bits)
{
	assert_true(bits->at < bits->len * 8);
	unsigned int value = bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1;

	bits->at++;
	return value;
}

static unsigned int u(struct bits *bits, int count)
{
	unsigned int value = 0;

	while (count--)
		value = value << 1 | bit(bits);
	return value;
}

static unsigned int ue(struct bits *bits)
{
	int zeros = 0;

	while (!bit(bits))
		zeros++;
	return (1u << zeros) - 1 + u(bits, zeros);
}

/* Finds the NAL unit of @type, without emulation prevention bytes. */
static void find_nal(const struct packet *packet, unsigned int type,
		     struct bits *bits)
{
	const uint8_t *data = packet->data + PACKET_VIDEO_HEADER;
	size_t len = packet->len - PACKET_VIDEO_HEADER, i;

	for (i = 0; i + 4 < len; i++)
		if (!data[i] && !data[i + 1] && data[i + 2] == 1 &&
		    (data[i + 3] & 0x1f) == type)
			break;
	assert_true(i + 4 < len);
	memset(bits, 0, sizeof(*bits));
	for (i += 4; i < len && bits->len < sizeof(bits->data); i++) {
		if (i + 2 < len && !data[i] && !data[i + 1] && data[i + 2] <= 1)
			break;
		if (data[i] == 3 && !data[i - 1] && !data[i - 2])
			continue;
		bits->data[bits->len++] = data[i];
	}
}

static void skip_vui_before_timing(struct bits *sps)
{
	if (bit(sps) && u(sps, 8) == 255)	/* aspect ratio */
		u(sps, 32);
	if (bit(sps))				/* overscan */
		bit(sps);
	if (bit(sps)) {				/* video signal type */
		u(sps, 4);
		if (bit(sps))
			u(sps, 24);
	}
	if (bit(sps)) {				/* chroma location */
		ue(sps);
		ue(sps);
	}
}

static void skip_hrd(struct bits *sps)
{
	unsigned int count = ue(sps) + 1;

	u(sps, 8);
	while (count--) {
		ue(sps);
		ue(sps);
		bit(sps);
	}
	u(sps, 20);
}

static void test_parameter_set_promises_no_reordering(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);
	struct bits sps, pps;
	char codec[CODEC_STRING_LEN];
	bool nal, vcl;

	(void)state;
	find_nal(out.packet, 8, &pps);
	find_nal(out.packet, 7, &sps);
	snprintf(codec, sizeof(codec), "avc1.%02X%02X%02X", sps.data[0],
		 sps.data[1], sps.data[2]);
	assert_string_equal(out.codec, codec);
	assert_int_equal(u(&sps, 8), 66);	/* baseline: no more fields here */
	u(&sps, 16);
	ue(&sps);				/* id */
	ue(&sps);				/* log2 max frame num */
	if (ue(&sps) == 0)			/* picture order count type */
		ue(&sps);
	ue(&sps);				/* reference frames */
	bit(&sps);
	ue(&sps);				/* size */
	ue(&sps);
	assert_int_equal(bit(&sps), 1);		/* frames only */
	bit(&sps);
	if (bit(&sps)) {			/* cropping */
		ue(&sps);
		ue(&sps);
		ue(&sps);
		ue(&sps);
	}
	assert_int_equal(bit(&sps), 1);		/* VUI is there */
	skip_vui_before_timing(&sps);
	if (bit(&sps)) {			/* timing */
		u(&sps, 32);
		u(&sps, 32);
		bit(&sps);
	}
	nal = bit(&sps);
	if (nal)
		skip_hrd(&sps);
	vcl = bit(&sps);
	if (vcl)
		skip_hrd(&sps);
	if (nal || vcl)
		bit(&sps);
	bit(&sps);				/* pic_struct */
	assert_int_equal(bit(&sps), 1);		/* bitstream restriction */
	bit(&sps);
	ue(&sps);
	ue(&sps);
	ue(&sps);
	ue(&sps);
	assert_int_equal(ue(&sps), 0);		/* max_num_reorder_frames */
	done(&out, surface);
}

static void test_parameter_sets_precede_every_key_frame(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);
	struct bits nal;

	(void)state;
	packet_unref(out.packet);
	out = encode(surface, everything, true);
	find_nal(out.packet, 7, &nal);
	find_nal(out.packet, 8, &nal);
	find_nal(out.packet, 5, &nal);
	done(&out, surface);
}

static void test_what_libavcodec_lacks_is_an_error(void **state)
{
	static const struct encoder_kind none = {
		.name = "none", .avcodec = "no-such-encoder",
	};
	char error[ENCODER_ERROR_LEN] = "";

	(void)state;
	assert_false(encoder_try(&options, &none, error));
	assert_string_equal(error, "not in this libavcodec");
	assert_true(encoder_try(&options,
				encoder_kind_find(encoder_kinds, "libx264"),
				error));
}

/* --- the other codecs, by independent decoders --- */

static void modern(const char *name, const char *string)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out;
	int i;

	use(name);
	out = encode(surface, everything, false);
	assert_true(out.key);
	assert_memory_equal(out.codec, string, strlen(string));
	decode(&out);
	assert_int_equal(frame->width, WIDTH);
	assert_int_equal(frame->colorspace, AVCOL_SPC_SMPTE170M);
	assert_int_equal(frame->color_range, AVCOL_RANGE_MPEG);
	expect_luma(20, 100, 235);
	expect_luma(300, 100, 16);
	done(&out, surface);

	surface = draw(WIDTH, HEIGHT, 0x00808080, 0x00808080);
	out = encode(surface, (struct rect){ 0, 0, 64, HEIGHT }, false);
	assert_false(out.key);
	decode(&out);
	expect_luma(20, 100, 126);
	expect_luma(200, 100, 16);	/* changed, but nobody said so */
	done(&out, surface);

	/* a picture out for each picture in, and key frames as asked for */
	for (i = 0; i < 40; i++) {
		surface = draw(WIDTH, HEIGHT, (uint32_t)i * 0x040404,
			       0x00ffffff);
		out = encode(surface, everything, i == 20);
		assert_int_equal(out.key, i == 20);
		/* who joins here has seen nothing before */
		if (out.key)
			use(name);
		decode(&out);
		expect_luma(300, 100, 235);
		done(&out, surface);
	}

	surface = draw(161, 121, 0x00ffffff, 0);
	out = encode(surface, (struct rect){ 0, 0, 2, 2 }, false);
	assert_true(out.key);
	assert_int_equal(out.width, 161);
	decode(&out);
	assert_int_equal(frame->width, 162);
	expect_luma(20, 100, 235);
	expect_luma(150, 119, 16);
	done(&out, surface);
}

static void test_hevc_comes_through(void **state)
{
	(void)state;
	modern("libx265", "hev1.1.6.L");
}

static void test_av1_comes_through(void **state)
{
	(void)state;
	modern("libsvtav1", "av01.0.");
}

static void test_another_encoder_begins_with_a_key_frame(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out = encode(surface, everything, false);

	(void)state;
	decode(&out);
	packet_unref(out.packet);
	use("libsvtav1");
	out = encode(surface, (struct rect){ 0, 0, 0, 0 }, false);
	assert_true(out.key);
	assert_memory_equal(out.codec, "av01.", 5);
	decode(&out);
	expect_luma(20, 100, 235);	/* all of it, though nothing changed */
	done(&out, surface);
}

/* It is opened again for that, when it was open for a moment. */
static void test_a_rate_that_cannot_be_told_makes_a_key_frame(void **state)
{
	struct surface *surface = draw(WIDTH, HEIGHT, 0x00ffffff, 0);
	struct encoded out;
	int64_t begun = g_get_monotonic_time();
	int keys = 0, n = 0;

	(void)state;
	use("libx265");
	do {
		out = encode(surface, everything, false);
		decode(&out);
		keys += out.key;
		packet_unref(out.packet);
		encoder_tune(encoder, 1000, false);
		g_usleep(20000);
		n++;
	} while (keys < 2 && g_get_monotonic_time() - begun < 60 * G_USEC_PER_SEC);
	assert_int_equal(keys, 2);
	assert_true(n > 1);
	out = encode(surface, everything, false);
	assert_false(out.key);		/* once */
	decode(&out);
	done(&out, surface);
}

/* --- the way into a device, through one that this machine has --- */

/*
 * No GPU is here. But Mesa's software has Vulkan, and a picture of a Vulkan
 * device is uploaded to as one of a GPU's is. Not under the address sanitizer:
 * libavutil 7.1 never frees a Vulkan device that something was uploaded to.
 */
static void test_pictures_reach_a_device_as_they_were(void **state)
{
	AVBufferRef *device = NULL, *pool;
	AVFrame *planar, *back;
	AVHWFramesContext *frames;
	AVFrame *uploaded;
	int rc, x, y;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	if (av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VULKAN, NULL, NULL,
				   0) < 0)
		skip();
	pool = av_hwframe_ctx_alloc(device);
	frames = (AVHWFramesContext *)pool->data;
	frames->format = AV_PIX_FMT_VULKAN;
	frames->sw_format = AV_PIX_FMT_NV12;
	frames->width = WIDTH;
	frames->height = HEIGHT;
	assert_int_equal(av_hwframe_ctx_init(pool), 0);

	planar = av_frame_alloc();
	planar->format = AV_PIX_FMT_YUV420P;
	planar->width = WIDTH;
	planar->height = HEIGHT;
	planar->pts = 42;
	assert_int_equal(av_frame_get_buffer(planar, 0), 0);
	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			planar->data[0][y * planar->linesize[0] + x] =
				(uint8_t)(x * 3 + y);
	for (y = 0; y < HEIGHT / 2; y++)
		for (x = 0; x < WIDTH / 2; x++) {
			planar->data[1][y * planar->linesize[1] + x] =
				(uint8_t)(x + y * 5);
			planar->data[2][y * planar->linesize[2] + x] =
				(uint8_t)(x * 7 + y);
		}

	uploaded = encoder_kind_upload(pool, planar, &rc);
	assert_non_null(uploaded);
	assert_int_equal(uploaded->format, AV_PIX_FMT_VULKAN);
	assert_int_equal(uploaded->pts, 42);
	back = av_frame_alloc();
	assert_int_equal(av_hwframe_transfer_data(back, uploaded, 0), 0);
	assert_int_equal(back->format, AV_PIX_FMT_NV12);
	for (y = 0; y < HEIGHT; y++)
		assert_memory_equal(back->data[0] + y * back->linesize[0],
				    planar->data[0] + y * planar->linesize[0],
				    WIDTH);
	for (y = 0; y < HEIGHT / 2; y++)
		for (x = 0; x < WIDTH / 2; x++) {
			const uint8_t *pair = back->data[1] +
				y * back->linesize[1] + 2 * x;

			assert_int_equal(pair[0], (uint8_t)(x + y * 5));
			assert_int_equal(pair[1], (uint8_t)(x * 7 + y));
		}
	av_frame_free(&back);
	av_frame_free(&uploaded);
	av_frame_free(&planar);
	av_buffer_unref(&pool);
	av_buffer_unref(&device);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pixels_come_through),
		T(test_only_damage_reaches_the_stream),
		T(test_key_frames_come_only_when_asked_for),
		T(test_a_scene_change_is_no_key_frame),
		T(test_joining_in_the_middle),
		T(test_resizing),
		T(test_after_a_rest_it_begins_afresh),
		T(test_thumbnails_keep_proportions_inside_their_box),
		T(test_small_desktops_are_their_own_thumbnail),
		T(test_thumbnails_see_damage),
		T(test_a_fine_frame_is_nearer_to_the_picture),
		T(test_the_rate_changes_without_a_key_frame),
		T(test_one_that_cannot_change_its_rate_is_not_told_of_little),
		T(test_parameter_set_promises_no_reordering),
		T(test_parameter_sets_precede_every_key_frame),
		T(test_what_libavcodec_lacks_is_an_error),
		T(test_hevc_comes_through),
		T(test_av1_comes_through),
		T(test_another_encoder_begins_with_a_key_frame),
		T(test_a_rate_that_cannot_be_told_makes_a_key_frame),
		T(test_pictures_reach_a_device_as_they_were),
	};

	setenv("SVT_LOG", "0", 0);
	av_log_set_level(AV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
