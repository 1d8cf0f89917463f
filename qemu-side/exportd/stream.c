// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoder of one rung, the damage that it has not seen, and the list
 * of viewers. Rules:
 *
 * - a frame is encoded when there is damage, or a viewer needs a key frame,
 *   and a viewer can take it; nothing else costs anything;
 * - one frame is in the encoder at a time; what changes meanwhile goes into
 *   the next one, so a slow encoder skips and never queues;
 * - a worker touches only the job's encoder and surface, never the stream.
 */
#include "stream.h"

#include <string.h>

#define STREAM_KEY_JOIN_US	(100 * 1000)	/* one key frame per batch of joiners */
#define STREAM_KEY_AGAIN_US	(500 * 1000)	/* for those who lost frames */
#define STREAM_RETRY_MS		1000
#define STREAM_RATE_TICKS	4		/* frames a second over two seconds */

struct stream {
	struct worker_pool *pool;
	const struct encoder_options *options;
	enum rung rung;
	const struct stream_ops *ops;
	void *data;

	struct surface *surface;	/* the newest; NULL while waiting */
	struct damage damage;		/* since the last frame was begun */
	gint64 damaged_at;		/* the oldest of it */

	struct encoder *encoder;	/* the job's while there is one */
	struct job *job;
	gint64 encoded_at;		/* last begun */
	gint64 key_at;			/* last key frame begun */
	gint64 failed_at;		/* encoder, 0 if it works */
	bool key_asked;			/* whoever watches */
	guint timer;			/* for the next frame */
	gint64 timer_at;
	char codec[ENCODER_CODEC_LEN];
	int width, height;		/* coded */
	int desktop_width, desktop_height;
	struct packet *config;
	uint32_t seq;

	GPtrArray *viewers;

	uint64_t frames, bytes;
	uint64_t rate_frames[STREAM_RATE_TICKS];	/* frames at past ticks */
	gint64 rate_at[STREAM_RATE_TICKS];
	unsigned int rate_next;
	double fps;
};

static gboolean stream_timer(gpointer data)
{
	struct stream *stream = data;

	stream->timer = 0;
	stream_kick(stream);
	return G_SOURCE_REMOVE;
}

/* The earliest of all that are asked for counts: a kick looks at everything. */
static void stream_kick_in(struct stream *stream, gint64 microseconds)
{
	gint64 at = g_get_monotonic_time() + microseconds;

	if (stream->timer) {
		if (stream->timer_at <= at)
			return;
		g_source_remove(stream->timer);
	}
	stream->timer_at = at;
	stream->timer = g_timeout_add((guint)(microseconds / 1000 + 1),
				      stream_timer, stream);
}

/* Microseconds until a key frame may be made; -1 if nobody needs one. */
static gint64 stream_key_due(const struct stream *stream, gint64 now)
{
	bool wanted = stream->key_asked;
	gint64 gap = STREAM_KEY_AGAIN_US, since;
	unsigned int i;

	for (i = 0; i < stream->viewers->len; i++) {
		const struct viewer *viewer = stream->viewers->pdata[i];

		if (!viewer_wants_key(viewer, now))
			continue;
		wanted = true;
		if (viewer->joining)
			gap = STREAM_KEY_JOIN_US;
	}
	if (!wanted)
		return -1;
	since = now - stream->key_at;
	return !stream->key_at || since >= gap ? 0 : gap - since;
}

static bool stream_is_wanted(const struct stream *stream, gint64 now)
{
	unsigned int i;

	for (i = 0; i < stream->viewers->len; i++) {
		const struct viewer *viewer = stream->viewers->pdata[i];

		if (!viewer->need_key && viewer_wants_frame(viewer, now))
			return true;
	}
	return false;
}

static void stream_make_config(struct stream *stream)
{
	const struct stream_format format = {
		.rung = stream->rung,
		.codec = stream->codec,
		.encoder = stream->options->name,
		.width = stream->width,
		.height = stream->height,
		.desktop_width = stream->desktop_width,
		.desktop_height = stream->desktop_height,
		.kbit = encoder_kbit(stream->options, stream->rung),
		.fps = encoder_fps(stream->options, stream->rung),
	};

	packet_unref(stream->config);
	stream->config = stream->ops->config(&format, stream->data);
}

static bool stream_changed_format(const struct stream *stream,
				  const struct job *job)
{
	return !stream->config || job->out.width != stream->width ||
	       job->out.height != stream->height ||
	       surface_width(job->surface) != stream->desktop_width ||
	       surface_height(job->surface) != stream->desktop_height ||
	       strcmp(job->out.codec, stream->codec);
}

static void stream_publish(struct stream *stream, struct job *job)
{
	struct encoded *out = &job->out;
	gint64 now = g_get_monotonic_time();
	unsigned int i;

	if (stream_changed_format(stream, job)) {
		stream->width = out->width;
		stream->height = out->height;
		stream->desktop_width = surface_width(job->surface);
		stream->desktop_height = surface_height(job->surface);
		g_strlcpy(stream->codec, out->codec, sizeof(stream->codec));
		stream_make_config(stream);
	}
	packet_seal_video(out->packet, out->key, stream->seq++,
			  job->capture_us, (uint32_t)out->width,
			  (uint32_t)out->height, stream->config);
	stream->frames++;
	stream->bytes += out->packet->len - PACKET_VIDEO_HEADER;
	for (i = 0; i < stream->viewers->len; i++)
		viewer_queue_video(stream->viewers->pdata[i], out->packet, now);
}

static void stream_damage_all(struct stream *stream)
{
	struct rect all = { 0, 0, SURFACE_DIMENSION_MAX, SURFACE_DIMENSION_MAX };

	if (stream->surface)
		damage_add(&stream->damage, &all,
			   surface_width(stream->surface),
			   surface_height(stream->surface));
}

static void stream_failed(struct stream *stream, const char *why)
{
	if (!stream->failed_at)
		stream->ops->failed(why, stream->data);
	stream->failed_at = g_get_monotonic_time();
	stream_damage_all(stream);
}

static void stream_job_done(struct job *job)
{
	struct stream *stream = job->owner;

	if (!stream) {
		encoder_free(job->encoder);
	} else {
		stream->job = NULL;
		if (job->out.packet) {
			stream->failed_at = 0;
			stream_publish(stream, job);
		} else {
			stream_failed(stream, job->out.error);
		}
		stream_kick(stream);
	}
	packet_unref(job->out.packet);
	surface_unref(job->surface);
	g_free(job);
}

static void stream_encode(struct stream *stream, bool key, gint64 now)
{
	struct job *job = g_new0(struct job, 1);

	job->encoder = stream->encoder;
	job->surface = surface_ref(stream->surface);
	job->damage = stream->damage;
	job->key = key;
	job->capture_us = (uint64_t)(damage_is_empty(&stream->damage) ?
				     now : stream->damaged_at);
	job->done = stream_job_done;
	job->owner = stream;
	stream->job = job;
	stream->encoded_at = now;
	if (key) {
		stream->key_at = now;
		stream->key_asked = false;
	}
	damage_clear(&stream->damage);
	worker_submit(stream->pool, job);
}

void stream_kick(struct stream *stream)
{
	gint64 now = g_get_monotonic_time(), due, key_due;
	bool changed;

	if (stream->job || !stream->surface || !stream->viewers->len)
		return;
	if (stream->failed_at &&
	    now - stream->failed_at < STREAM_RETRY_MS * 1000) {
		stream_kick_in(stream, STREAM_RETRY_MS * 1000);
		return;
	}
	changed = !damage_is_empty(&stream->damage) &&
		  stream_is_wanted(stream, now);
	key_due = stream_key_due(stream, now);
	if (!changed && key_due < 0)
		return;

	due = stream->encoded_at - now +
	      G_USEC_PER_SEC / encoder_fps(stream->options, stream->rung);
	/* the timer's grain is a millisecond: do not lose a frame to it */
	if (due > 1000) {
		stream_kick_in(stream, due - 1000);
		return;
	}
	if (key_due == 0)
		stream_encode(stream, true, now);
	else if (changed)
		stream_encode(stream, false, now);
	else
		stream_kick_in(stream, key_due);
}

void stream_damage(struct stream *stream, const struct rect *rects,
		   unsigned int count, gint64 at)
{
	unsigned int i;

	if (damage_is_empty(&stream->damage) || at < stream->damaged_at)
		stream->damaged_at = at;
	for (i = 0; i < count; i++)
		damage_add(&stream->damage, &rects[i],
			   surface_width(stream->surface),
			   surface_height(stream->surface));
	stream_kick(stream);
}

void stream_show(struct stream *stream, struct surface *surface)
{
	surface_unref(stream->surface);
	stream->surface = surface ? surface_ref(surface) : NULL;
	damage_clear(&stream->damage);
	stream_damage_all(stream);
	stream->damaged_at = g_get_monotonic_time();
	stream_kick(stream);
}

void stream_reconfigure(struct stream *stream)
{
	if (!stream->config)
		return;
	stream_make_config(stream);
	stream->key_asked = true;
	stream_kick(stream);
}

void stream_join(struct stream *stream, struct viewer *viewer)
{
	/* nobody waited for what changed while nobody watched */
	if (!stream->viewers->len)
		stream->damaged_at = g_get_monotonic_time();
	g_ptr_array_add(stream->viewers, viewer);
	stream_kick(stream);
}

void stream_leave(struct stream *stream, struct viewer *viewer)
{
	g_ptr_array_remove_fast(stream->viewers, viewer);
}

void stream_tick(struct stream *stream)
{
	unsigned int slot = stream->rate_next++ % STREAM_RATE_TICKS;
	gint64 now = g_get_monotonic_time();

	if (stream->rate_at[slot])
		stream->fps = (double)(stream->frames -
				       stream->rate_frames[slot]) *
			      G_USEC_PER_SEC /
			      (double)(now - stream->rate_at[slot]);
	stream->rate_frames[slot] = stream->frames;
	stream->rate_at[slot] = now;
	stream_kick(stream);
}

void stream_describe(const struct stream *stream, struct stream_info *info)
{
	info->frames = stream->frames;
	info->bytes = stream->bytes;
	info->fps = stream->fps;
	info->viewers = stream->viewers->len;
}

struct stream *stream_new(struct worker_pool *pool,
			  const struct encoder_options *options,
			  enum rung rung, const struct stream_ops *ops,
			  void *data)
{
	struct stream *stream = g_new0(struct stream, 1);

	stream->pool = pool;
	stream->options = options;
	stream->rung = rung;
	stream->ops = ops;
	stream->data = data;
	stream->viewers = g_ptr_array_new();
	stream->encoder = encoder_new(options, rung);
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->timer)
		g_source_remove(stream->timer);
	if (stream->job)
		stream->job->owner = NULL;	/* frees the encoder when done */
	else
		encoder_free(stream->encoder);
	surface_unref(stream->surface);
	packet_unref(stream->config);
	g_ptr_array_unref(stream->viewers);
	g_free(stream);
}
