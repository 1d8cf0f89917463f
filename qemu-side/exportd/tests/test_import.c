// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pictures in a GPU's memory to a stream, by libavutil, libavfilter, libavcodec
 * and libva as they are, with a stand-in for the driver: standin_drv_video.c.
 */
#include <glib.h>
#include <libavutil/log.h>

#include "encoder.h"
#include "decode.h"
#include "standin_gpu.h"

#define WIDTH	320
#define HEIGHT	240

static struct encoder_options options = {
	.name = "h264_vaapi", .device = STANDIN_NODE,
	.bitrate_kbit = 8000, .fps = 60,
};

static AVCodecContext *decoder;
static AVFrame *frame;
static struct encoder *encoder;
static struct dmabuf dmabuf;

static void open_encoder(enum rung rung, const char *name)
{
	encoder_free(encoder);
	encoder = encoder_new(&options, rung);
	encoder_use(encoder, encoder_kind_find(encoder_kinds, name));
}

static int setup(void **state)
{
	(void)state;
	standin_fails(NULL);
	dmabuf = standin_dmabuf(WIDTH, HEIGHT);
	standin_draw(&dmabuf, HEIGHT / 2, 0x00ffffff, 0x00000000);
	open_encoder(RUNG_FULL, "h264_vaapi");
	decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	decoder->thread_count = 1;
	frame = av_frame_alloc();
	return avcodec_open2(decoder, NULL, NULL);
}

static int teardown(void **state)
{
	(void)state;
	encoder_free(encoder);
	encoder = NULL;
	avcodec_free_context(&decoder);
	av_frame_free(&frame);
	close(dmabuf.fd);
	return 0;
}

static struct surface *import(void)
{
	const char *error = NULL;
	struct surface *surface = surface_import(&dmabuf, &error);

	if (!surface)
		fail_msg("%s", error);
	return surface;
}

static struct surface *in_memory(uint32_t colour)
{
	g_autofree uint32_t *pixels = g_new(uint32_t, WIDTH * HEIGHT);
	const char *error;
	int i;

	for (i = 0; i < WIDTH * HEIGHT; i++)
		pixels[i] = colour;
	return surface_copy(pixels, WIDTH * HEIGHT * 4, WIDTH, HEIGHT,
			    WIDTH * 4, 0x20020888, &error);
}

/* Takes the reference. */
static bool encode(struct surface *surface, bool damaged, struct encoded *out)
{
	struct rect all = {
		0, 0, surface_width(surface), surface_height(surface),
	};
	struct damage damage = { 0 };
	bool ok;

	if (damaged)
		damage_add(&damage, &all, all.width, all.height);
	ok = encoder_read(encoder, surface, &damage, out) &&
	     encoder_encode(encoder, false, out);
	surface_unref(surface);
	return ok;
}

/* Takes the packet. */
static void decode(struct encoded *out)
{
	decode_packet(decoder, out->packet, frame);
	packet_unref(out->packet);
}

static void show(struct surface *surface, bool damaged, bool key)
{
	struct encoded out;

	if (!encode(surface, damaged, &out))
		fail_msg("%s", out.error);
	assert_int_equal(out.key, key);
	decode(&out);
}

static void expect(int plane, int x, int y, int wanted)
{
	int got = frame->data[plane][y * frame->linesize[plane] + x];

	if (abs(got - wanted) > 4)
		fail_msg("plane %d at %d,%d is %d, not %d", plane, x, y, got,
			 wanted);
}

static void expect_lines(int above, int below)
{
	expect(0, frame->width / 2, frame->height / 4, above);
	expect(0, frame->width / 2, frame->height * 3 / 4, below);
}

static void test_pixels_of_a_dma_buf_come_through(void **state)
{
	(void)state;
	show(import(), true, true);
	assert_int_equal(frame->width, WIDTH);
	assert_int_equal(frame->height, HEIGHT);
	assert_int_equal(frame->colorspace, AVCOL_SPC_SMPTE170M);
	assert_int_equal(frame->color_range, AVCOL_RANGE_MPEG);
	expect_lines(235, 16);
	/* the matrix and the range of libyuv, and the order of the components */
	standin_draw(&dmabuf, HEIGHT / 2, 0x00ff0000, 0x000000ff);
	show(import(), true, false);
	expect_lines(82, 41);
	expect(2, 80, 30, 240);
	expect(1, 80, 90, 240);
}

static void test_the_other_order_of_components(void **state)
{
	(void)state;
	show(import(), true, true);
	dmabuf.fourcc = DRM_FORMAT_ABGR8888;
	standin_draw(&dmabuf, HEIGHT / 2, 0xff0000ff, 0xffff0000);
	show(import(), true, true);
	expect_lines(82, 41);
}

static void test_a_picture_that_is_upside_down(void **state)
{
	(void)state;
	dmabuf.y0_top = true;
	show(import(), true, true);
	expect_lines(16, 235);
}

static void test_thumbnails_are_scaled_there(void **state)
{
	(void)state;
	close(dmabuf.fd);
	dmabuf = standin_dmabuf(1280, 720);
	standin_draw(&dmabuf, 360, 0x00ffffff, 0x00000000);
	open_encoder(RUNG_THUMB, "h264_vaapi");
	show(import(), true, true);
	assert_int_equal(frame->width, 480);
	assert_int_equal(frame->height, 270);
	expect_lines(235, 16);
}

static void test_it_is_read_only_when_it_is_damaged(void **state)
{
	(void)state;
	show(import(), true, true);
	standin_draw(&dmabuf, HEIGHT, 0x00808080, 0);	/* QEMU may be drawing */
	show(import(), false, false);
	expect_lines(235, 16);
	show(import(), true, false);
	expect_lines(126, 126);
}

static void test_a_new_size_is_a_new_stream(void **state)
{
	(void)state;
	show(import(), true, true);
	close(dmabuf.fd);
	dmabuf = standin_dmabuf(640, 360);
	standin_draw(&dmabuf, 180, 0, 0x00ffffff);
	show(import(), true, true);
	assert_int_equal(frame->width, 640);
	assert_int_equal(frame->height, 360);
	expect_lines(16, 235);
}

/* Whatever fails, the same encoder goes on with pictures in memory. */
static void expect_fallback(const char *why)
{
	struct encoded out;

	assert_false(encode(import(), true, &out));
	assert_true(out.unreadable);
	if (!strstr(out.error, why))
		fail_msg("it says \"%s\"", out.error);
	show(in_memory(0x00ffffff), true, true);
	expect_lines(235, 235);
	show(in_memory(0), true, false);
	expect_lines(16, 16);
}

static void test_an_import_that_fails(void **state)
{
	(void)state;
	standin_fails("import");
	expect_fallback("reading the picture");
}

static void test_an_import_that_fails_later(void **state)
{
	(void)state;
	show(import(), true, true);
	standin_fails("import");
	expect_fallback("reading the picture");
	/* and it is taken again, should it come back */
	standin_fails(NULL);
	show(import(), true, true);
	expect_lines(235, 16);
}

static void test_a_conversion_that_fails(void **state)
{
	(void)state;
	show(import(), true, true);
	standin_fails("vpp");
	expect_fallback("reading the picture");
}

static void test_a_device_that_is_not_there(void **state)
{
	const char *device = options.device;
	struct encoded out;

	(void)state;
	options.device = "/dev/null/none";
	open_encoder(RUNG_FULL, "h264_vaapi");
	options.device = device;
	assert_false(encode(import(), true, &out));
	assert_true(out.unreadable);
	assert_non_null(strstr(out.error, "opening the device"));
}

static void test_what_is_not_imported(void **state)
{
	struct encoded out;

	(void)state;
	dmabuf.width = 319;
	expect_fallback("odd");
	dmabuf.width = WIDTH;
	dmabuf.fourcc = DRM_FORMAT_BGRX8888;
	expect_fallback("format");
	dmabuf.fourcc = DRM_FORMAT_XRGB8888;
	open_encoder(RUNG_FULL, "libx264");
	assert_false(encode(import(), true, &out));
	assert_true(out.unreadable);
}

static void test_an_encoder_that_fails_is_not_unreadable(void **state)
{
	struct encoded out;

	(void)state;
	show(import(), true, true);
	show(import(), true, false);
	standin_fails("encode");
	assert_false(encode(import(), true, &out));
	assert_false(out.unreadable);
}

static void test_a_driver_without_a_ceiling_is_used_all_the_same(void **state)
{
	(void)state;
	standin_fails("no-vbr");
	show(import(), true, true);
	expect_lines(235, 16);
}

static void test_nvenc_says_what_is_missing(void **state)
{
	struct encoded out;

	(void)state;
	open_encoder(RUNG_FULL, "h264_nvenc");
	/* a machine with CUDA and without NVENC, or with both, is another test's */
	if (encode(import(), true, &out)) {
		packet_unref(out.packet);
		skip();
	}
	assert_true(out.unreadable);
	assert_non_null(strstr(out.error, ": "));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pixels_of_a_dma_buf_come_through),
		T(test_the_other_order_of_components),
		T(test_a_picture_that_is_upside_down),
		T(test_thumbnails_are_scaled_there),
		T(test_it_is_read_only_when_it_is_damaged),
		T(test_a_new_size_is_a_new_stream),
		T(test_an_import_that_fails),
		T(test_an_import_that_fails_later),
		T(test_a_conversion_that_fails),
		T(test_a_device_that_is_not_there),
		T(test_what_is_not_imported),
		T(test_an_encoder_that_fails_is_not_unreadable),
		T(test_a_driver_without_a_ceiling_is_used_all_the_same),
		T(test_nvenc_says_what_is_missing),
	};

	av_log_set_level(AV_LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
