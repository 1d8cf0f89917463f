// SPDX-License-Identifier: GPL-2.0-only
/*
 * A desktop whose pictures are in a GPU's memory, between a stand-in for QEMU and
 * viewers, with a stand-in for the GPU's driver: whatever fails, who watches has
 * the picture in the end.
 */
#include <libavcodec/avcodec.h>
#include <libavutil/log.h>

#include "desktop.h"
#include "fake_qemu.h"
#include "standin_gpu.h"

static struct encoder_options options = {
	.name = "h264_vaapi", .device = STANDIN_NODE,
	.bitrate_kbit = 8000, .fps = 60,
	.deadline_ms = 1000,
};

static struct choices *choices;
static struct worker_pool *pool;
static struct desktop *desktop;
static struct dmabuf dmabuf;
static struct viewer *viewer;
static AVCodecContext *decoder;
static AVFrame *frame;
static bool hung;

static void wake(void *data)
{
	(void)data;
}

static void gone(struct viewer *who)
{
	(void)who;
}

static int setup(void **state)
{
	const struct desktop_config config = {
		.vm = "vm", .scanout = 3, .width = SIZE, .height = SIZE,
	};
	struct desktop_env env = { 0 };
	char *error;

	(void)state;
	standin_fails(NULL);
	if (fake_open())
		return -1;
	choices = choices_new(&options, encoder_kinds, &error);
	pool = worker_pool_new(1);
	env.choices = choices;
	env.pool = pool;
	desktop = desktop_new(&env, &console, &config);
	until(qemu);
	dmabuf = standin_dmabuf(SIZE, SIZE);
	standin_draw(&dmabuf, SIZE / 2, 0x00ffffff, 0);
	decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	decoder->thread_count = 1;
	frame = av_frame_alloc();
	viewer = viewer_new(wake, NULL);
	desktop_join(desktop, viewer, RUNG_FULL, false, gone);
	return avcodec_open2(decoder, NULL, NULL);
}

static int teardown(void **state)
{
	(void)state;
	standin_fails(NULL);	/* lets go of who hangs */
	desktop_leave(desktop, viewer);
	viewer_free(viewer);
	desktop_free(desktop, "the test is over");
	fake_close();
	worker_pool_free(pool);
	choices_free(choices);
	close(dmabuf.fd);
	avcodec_free_context(&decoder);
	av_frame_free(&frame);
	return 0;
}

static struct stream_info describe(void)
{
	struct desktop_info info;

	desktop_describe(desktop, &info);
	return info.rung[RUNG_FULL];
}

/* The newest picture that the viewer has, if there is one; and what was said. */
static bool decode_all(char **said)
{
	struct packet *from;
	bool any = false;

	while ((from = viewer_next(viewer))) {
		AVPacket *packet = av_packet_alloc();
		size_t skip = from->video ? PACKET_VIDEO_HEADER : 0;

		assert_int_equal(av_new_packet(packet, (int)(from->len - skip)), 0);
		memcpy(packet->data, from->data + skip, from->len - skip);
		if (!from->video && g_strstr_len((char *)from->data,
						 (gssize)from->len,
						 "encoder-changed")) {
			g_free(*said);
			*said = g_strndup((char *)from->data, from->len);
		} else if (from->video) {
			assert_int_equal(avcodec_send_packet(decoder, packet), 0);
			any = !avcodec_receive_frame(decoder, frame);
		}
		av_packet_free(&packet);
		packet_unref(from);
	}
	return any;
}

static void expect_lines(int above, int below)
{
	int got_above = frame->data[0][SIZE / 4 * frame->linesize[0] + SIZE / 2];
	int got_below = frame->data[0][SIZE * 3 / 4 * frame->linesize[0] + SIZE / 2];

	if (abs(got_above - above) > 4 || abs(got_below - below) > 4)
		fail_msg("luma is %d and %d, not %d and %d", got_above,
			 got_below, above, below);
}

/* As QEMU does: the picture, and what changed of it. */
static void show_dmabuf(void)
{
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	call_update_dmabuf();
}

static void test_a_dma_buf_reaches_who_watches(void **state)
{
	g_autofree char *said = NULL;
	unsigned int i;

	(void)state;
	show_dmabuf();
	until(answers == 2 && viewer->frames);
	assert_true(decode_all(&said));
	expect_lines(235, 16);
	assert_string_equal(describe().encoder, "h264_vaapi");
	assert_true(describe().imported);
	for (i = 0; i < 5; i++) {
		standin_draw(&dmabuf, SIZE / 2, i % 2 ? 0x00ffffff : 0,
			     i % 2 ? 0 : 0x00ffffff);
		call_update_dmabuf();
		/* the answer says that it was read */
		until(answers == 3 + i);
		until(viewer->frames);
		until(decode_all(&said));
	}
	expect_lines(16, 235);
	assert_null(said);
	assert_int_equal(listeners, 1);
}

static void test_another_buffer_for_each_picture(void **state)
{
	g_autofree char *said = NULL;
	unsigned int i;

	(void)state;
	for (i = 0; i < 6; i++) {
		close(dmabuf.fd);
		dmabuf = standin_dmabuf(SIZE, SIZE);
		standin_draw(&dmabuf, SIZE / 2, i % 2 ? 0x00ffffff : 0, 0x00808080);
		show_dmabuf();
		until(answers == 2 + 2 * i && viewer->frames);
		until(decode_all(&said));
	}
	expect_lines(235, 126);
	assert_true(describe().imported);
	assert_null(said);
}

/* QEMU's part when a dma-buf is refused: the same in shared memory. */
static void read_back(void)
{
	g_autofree char *said = NULL;
	unsigned int before;

	until(listeners == 2 && qemu);
	before = unknown;
	show_dmabuf();
	until(unknown == before + 1);
	call_scanout();		/* black */
	call_update(1);
	until(describe().encoder && !describe().imported && viewer->frames);
	until(decode_all(&said));
	expect_lines(16, 16);
}

static void expect_fallback(const char *what, const char *words,
			    const char *encoder)
{
	g_autofree char *said = NULL;

	show_dmabuf();
	until(answers == 2 && viewer->frames);
	assert_true(decode_all(&said));
	standin_fails(what);
	call_update_dmabuf();
	until(listeners == 2);
	decode_all(&said);
	if (!said || !strstr(said, words))
		fail_msg("viewers are told: %s", said ? said : "nothing");
	if (!hung)
		standin_fails(NULL);	/* what failed once is not trusted again */
	read_back();
	assert_string_equal(describe().encoder, encoder);
}

static void test_a_buffer_that_the_gpu_refuses(void **state)
{
	(void)state;
	expect_fallback("import", "shared memory", "h264_vaapi");
}

static void test_a_conversion_that_fails(void **state)
{
	(void)state;
	expect_fallback("vpp", "shared memory", "h264_vaapi");
}

static void test_an_encoder_that_fails_is_followed_by_one_in_memory(void **state)
{
	(void)state;
	expect_fallback("encode", "libx264", "libx264");
}

static void test_a_gpu_that_hangs_while_it_reads(void **state)
{
	(void)state;
	hung = true;
	expect_fallback("hang-import", "libx264", "libx264");
	hung = false;
}

static void test_a_gpu_that_hangs_while_it_encodes(void **state)
{
	(void)state;
	hung = true;
	expect_fallback("hang-encode", "libx264", "libx264");
	hung = false;
}

static void test_the_first_buffer_is_refused(void **state)
{
	(void)state;
	standin_fails("import");
	show_dmabuf();
	read_back();
}

static void test_an_impossible_buffer_is_read_back(void **state)
{
	struct dmabuf lie = dmabuf;

	(void)state;
	lie.height = 4 * SIZE;
	call_scanout_dmabuf(dmabuf.fd, &lie);
	until(unknown == 1);
	call_scanout();
	until(viewer->frames);
	assert_false(describe().imported);
	assert_int_equal(listeners, 1);
}

static void test_without_import_qemu_is_told_to_read_back(void **state)
{
	(void)state;
	/* as of the start: nothing is registered again */
	assert_true(choices_import(choices));
	options.import = ENCODER_IMPORT_OFF;
	assert_false(choices_import(choices));
	options.import = ENCODER_IMPORT_AUTO;
	choices_strike(choices, 0);
	assert_false(choices_import(choices));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_dma_buf_reaches_who_watches),
		T(test_another_buffer_for_each_picture),
		T(test_a_buffer_that_the_gpu_refuses),
		T(test_a_conversion_that_fails),
		T(test_an_encoder_that_fails_is_followed_by_one_in_memory),
		T(test_a_gpu_that_hangs_while_it_reads),
		T(test_a_gpu_that_hangs_while_it_encodes),
		T(test_the_first_buffer_is_refused),
		T(test_an_impossible_buffer_is_read_back),
		T(test_without_import_qemu_is_told_to_read_back),
	};

	av_log_set_level(AV_LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
