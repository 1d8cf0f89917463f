// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a frame costs helix-exportd, next to libx264 alone: the same pictures
 * with the same settings, but converted before the clock runs and without
 * anything around it. By turns, in processor time, so that what else the
 * machine does falls on neither. Another encoder of ours is compared with
 * libx264 too.
 *
 * usage: encode-cost [ROUNDS [ENCODER]]   prints a line of JSON for each scene
 */
#include <glib.h>
#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encoder.h"

#define WIDTH	1280
#define HEIGHT	720
#define FRAMES	60
#define XRGB	0x20020888	/* PIXMAN_x8r8g8b8 */

static struct encoder_options options = {
	.name = "libx264", .bitrate_kbit = 8000, .fps = 60,
};

/* Draws frame @n into @pixels and says what changed. */
struct scene {
	const char *name;
	struct rect (*draw)(uint32_t *pixels, int n);
};

static uint32_t noise(uint32_t x)
{
	x ^= x << 13;
	x ^= x >> 17;
	return x ^ x << 5;
}

static void fill(uint32_t *pixels, struct rect r, uint32_t seed)
{
	int x, y;

	for (y = r.y; y < r.y + r.height; y++)
		for (x = r.x; x < r.x + r.width; x++)
			pixels[y * WIDTH + x] = (uint32_t)(x * 255 / WIDTH) << 16 |
						(uint32_t)(y * 255 / HEIGHT) << 8 |
						(seed ? noise(seed + (uint32_t)(y * WIDTH + x)) & 0x3f : 0);
}

static struct rect draw_typing(uint32_t *pixels, int n)
{
	struct rect glyph = { 40 + n % 64 * 16, 80, 16, 24 };

	fill(pixels, glyph, (uint32_t)n + 1);
	return glyph;
}

static struct rect draw_window(uint32_t *pixels, int n)
{
	struct rect moved = { 100 + n * 8, 120, 408, 300 };

	fill(pixels, moved, 0);
	fill(pixels, (struct rect){ moved.x + 8, 120, 400, 300 }, 7);
	return moved;
}

static struct rect draw_film(uint32_t *pixels, int n)
{
	struct rect film = { 160, 90, 960, 540 };

	fill(pixels, film, (uint32_t)n * 7919 + 1);
	return film;
}

static const struct scene scenes[] = {
	{ "typing", draw_typing },
	{ "window", draw_window },
	{ "film", draw_film },
};

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void die(const char *what)
{
	fprintf(stderr, "encode-cost: %s\n", what);
	exit(1);
}

/* Ours: from the picture that QEMU shares to a frame with its header. */
static double ours(const struct scene *scene, size_t *bytes)
{
	uint32_t *pixels = g_new0(uint32_t, WIDTH * HEIGHT);
	struct encoder *encoder = encoder_new(&options, RUNG_FULL);
	double spent = 0, begun;
	struct surface *surface;
	struct encoded out;
	const char *error;
	int n;

	encoder_use(encoder, encoder_kind_find(encoder_kinds, options.name));
	fill(pixels, (struct rect){ 0, 0, WIDTH, HEIGHT }, 0);
	surface = surface_copy(pixels, WIDTH * HEIGHT * 4, WIDTH, HEIGHT,
			       WIDTH * 4, XRGB, &error);
	if (!surface)
		die(error);
	*bytes = 0;
	for (n = 0; n < FRAMES; n++) {
		struct rect rect = scene->draw(pixels, n);
		struct damage damage = { 0 };

		if (!surface_update(surface, &rect,
				    pixels + rect.y * WIDTH + rect.x,
				    (size_t)(WIDTH * 4 * (rect.height - 1) + rect.width * 4),
				    WIDTH * 4, XRGB, &error))
			die(error);
		damage_add(&damage, &rect, WIDTH, HEIGHT);
		begun = cpu_us();
		if (!encoder_read(encoder, surface, &damage, &out) ||
		    !encoder_encode(encoder, false, &out))
			die(out.error);
		if (n)		/* the first opens the encoder */
			spent += cpu_us() - begun;
		*bytes += out.packet->len - PACKET_VIDEO_HEADER;
		packet_unref(out.packet);
	}
	surface_unref(surface);
	encoder_free(encoder);
	g_free(pixels);
	return spent / (FRAMES - 1);
}

static AVCodecContext *bare_open(void)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;

	if (!ctx)
		die("libavcodec has no libx264");
	ctx->width = WIDTH;
	ctx->height = HEIGHT;
	ctx->pix_fmt = AV_PIX_FMT_YUV420P;
	ctx->time_base = (AVRational){ 1, 60 };
	ctx->framerate = (AVRational){ 60, 1 };
	ctx->gop_size = 1 << 30;
	ctx->max_b_frames = 0;
	ctx->refs = 1;
	ctx->thread_count = 1;
	ctx->rc_max_rate = 8000 * 1000;
	ctx->rc_buffer_size = 8000 * 1000;
	av_opt_set(ctx->priv_data, "preset", "ultrafast", 0);
	av_opt_set(ctx->priv_data, "tune", "zerolatency", 0);
	av_opt_set(ctx->priv_data, "crf", "23", 0);
	if (avcodec_open2(ctx, codec, NULL) < 0)
		die("libx264 does not open");
	return ctx;
}

static double bare(const struct scene *scene, size_t *bytes)
{
	uint32_t *pixels = g_new0(uint32_t, WIDTH * HEIGHT);
	struct rect all = { 0, 0, WIDTH, HEIGHT };
	AVCodecContext *ctx = bare_open();
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	double spent = 0, begun;
	int n, i;

	if (!frame || !packet)
		die("no memory");
	frame->format = AV_PIX_FMT_YUV420P;
	frame->width = WIDTH;
	frame->height = HEIGHT;
	if (av_frame_get_buffer(frame, 0) < 0)
		die("no memory for a picture");
	fill(pixels, all, 0);
	*bytes = 0;
	for (n = 0; n < FRAMES; n++) {
		struct damage damage = { 1, { all } };
		struct surface *surface;
		struct planes planes;
		const char *error;

		scene->draw(pixels, n);
		surface = surface_copy(pixels, WIDTH * HEIGHT * 4, WIDTH,
				       HEIGHT, WIDTH * 4, XRGB, &error);
		if (!surface || av_frame_make_writable(frame) < 0)
			die("no memory for a picture");
		for (i = 0; i < 3; i++) {
			planes.data[i] = frame->data[i];
			planes.stride[i] = frame->linesize[i];
		}
		surface_convert(surface, &damage, &planes);
		surface_unref(surface);
		frame->pts = n;

		begun = cpu_us();
		if (avcodec_send_frame(ctx, frame) < 0 ||
		    avcodec_receive_packet(ctx, packet) < 0)
			die("libx264 failed");
		if (n)
			spent += cpu_us() - begun;
		*bytes += (size_t)packet->size;
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	av_frame_free(&frame);
	avcodec_free_context(&ctx);
	g_free(pixels);
	return spent / (FRAMES - 1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[n / 2];
}

static void measure(const struct scene *scene, int rounds)
{
	double *us = g_new(double, rounds), *base = g_new(double, rounds);
	double *ratios = g_new(double, rounds);
	size_t bytes = 0, bare_bytes = 0;
	int i;

	for (i = 0; i < rounds; i++) {
		us[i] = ours(scene, &bytes);
		base[i] = bare(scene, &bare_bytes);
		ratios[i] = us[i] / base[i];
	}
	printf("{\"name\":\"encode_%s_cpu\",\"value\":%.1f,\"unit\":\"us\",\"baseline\":%.1f,\"ratio\":%.4f,\"rounds\":%d}\n",
	       scene->name, median(us, rounds), median(base, rounds),
	       median(ratios, rounds), rounds);
	printf("{\"name\":\"encode_%s_bytes\",\"value\":%zu,\"unit\":\"B\",\"baseline\":%zu,\"ratio\":%.4f,\"rounds\":1}\n",
	       scene->name, bytes / FRAMES, bare_bytes / FRAMES,
	       (double)bytes / (double)bare_bytes);
	g_free(us);
	g_free(base);
	g_free(ratios);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 7;
	size_t i;

	if (argc > 2)
		options.name = argv[2];
	if (rounds < 1 || !encoder_kind_find(encoder_kinds, options.name)) {
		fprintf(stderr, "usage: encode-cost [ROUNDS [ENCODER]]\n");
		return 2;
	}
	setenv("SVT_LOG", "0", 0);
	av_log_set_level(AV_LOG_ERROR);
	for (i = 0; i < G_N_ELEMENTS(scenes); i++)
		measure(&scenes[i], rounds);
	return 0;
}
