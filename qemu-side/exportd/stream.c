// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the encoder of one rung, the damage that it has not seen, and the list
 * of viewers. Rules:
 *
 * - a frame is encoded when there is damage, or a viewer needs a key frame,
 *   and a viewer can take it; nothing else costs anything, but for one frame of
 *   higher quality when nothing has changed for a moment;
 * - what the viewers' links can take sets the bit rate and the frame rate;
 * - the encoder is chosen with each key frame, for all who watch then; one that
 *   fails is passed over until there was a rest or another size;
 * - one frame is in the encoder at a time; what changes meanwhile goes into
 *   the next one, so a slow encoder skips and never queues;
 * - a worker touches only the job's encoder and surface, never the stream, and
 *   it closes encoders: drivers take their time;
 * - the surface is read while QEMU waits for us, if it can be had so, and when
 *   the guest's GPU work for it is done: no worker waits for that, and no driver
 *   is taken to hang because it does.
 */
#include "stream.h"

#include "rate.h"

#include <stdatomic.h>
#include <string.h>

#define STREAM_KEY_JOIN_US	(100 * 1000)	/* one key frame per batch of joiners */
#define STREAM_KEY_AGAIN_US	(500 * 1000)	/* for those who lost frames */
#define STREAM_QUIET_US		(20 * 1000)	/* see stream_may_read() */
#define STREAM_DRAWN_US		(5 * 1000)	/* between two looks whether it is */
#define STREAM_TELLS_AHEAD_US	G_USEC_PER_SEC	/* a client's idea of our clock */
#define STREAM_RETRY_MS		1000
#define STREAM_REST_TICKS	10		/* nobody watches: five seconds */
#define STREAM_RATE_TICKS	4		/* frames a second over two seconds */

/* A frame that is being made. */
struct frame {
	struct job job;
	struct worker_pool *pool;
	struct stream *stream;		/* NULL: it went meanwhile */
	atomic_bool given_up;		/* so that the worker frees the encoder */
	struct encoder *encoder;
	struct choices *choices;
	int choice;
	bool refused;			/* its driver hangs: the encoder is not touched */
	struct surface *surface;	/* a reference */
	struct damage damage;
	bool key;
	bool fine;
	unsigned int kbit;
	bool read;			/* the surface was */
	gint64 flushed, begun;
	struct encoded out;
};

struct stream {
	struct worker_pool *pool;
	struct choices *choices;
	const struct encoder_options *options;
	enum rung rung;
	const struct stream_ops *ops;
	void *data;

	struct surface *surface;	/* the newest; NULL while waiting */
	struct damage damage;		/* since the last frame was begun */
	gint64 damaged_at;		/* the oldest of it */
	gint64 touched_at;		/* when we heard of the newest */

	struct encoder *encoder;	/* the frame's while there is one */
	int choice;			/* of which kind it is */
	unsigned int without;		/* bits of choices that failed */
	struct frame *frame;
	int64_t next, took_us;		/* the last one's, for the pool */
	uint32_t priority;
	gint64 encoded_at;		/* last begun */
	bool fine;			/* so was that, or nothing was */
	unsigned int kbit;		/* what it is held to */
	gint64 key_at;			/* last key frame begun */
	unsigned int unwatched;		/* ticks */
	gint64 failed_at;		/* encoder, 0 if it works */
	bool key_asked;			/* whoever watches */
	guint timer;			/* for the next frame */
	gint64 timer_at;
	char codec[CODEC_STRING_LEN];
	const struct encoder_kind *coded_by;
	bool imported;			/* so was its picture */
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
	struct latency latency;
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
		.encoder = stream->coded_by->name,
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
				  const struct frame *frame)
{
	return !stream->config ||
	       stream->coded_by != choices_kind(frame->choices, frame->choice) ||
	       frame->out.width != stream->width ||
	       frame->out.height != stream->height ||
	       surface_width(frame->surface) != stream->desktop_width ||
	       surface_height(frame->surface) != stream->desktop_height ||
	       strcmp(frame->out.codec, stream->codec);
}

static void stream_publish(struct stream *stream, struct frame *frame)
{
	struct encoded *out = &frame->out;
	gint64 now = g_get_monotonic_time();
	unsigned int i;

	if (stream_changed_format(stream, frame)) {
		stream->coded_by = choices_kind(frame->choices, frame->choice);
		stream->width = out->width;
		stream->height = out->height;
		stream->desktop_width = surface_width(frame->surface);
		stream->desktop_height = surface_height(frame->surface);
		g_strlcpy(stream->codec, out->codec, sizeof(stream->codec));
		stream_make_config(stream);
	}
	stream->imported = surface_dmabuf(frame->surface);
	packet_seal_video(out->packet, out->key, stream->seq++,
			  (uint64_t)frame->flushed, (uint32_t)out->width,
			  (uint32_t)out->height, stream->config);
	out->packet->flushed = frame->flushed;
	out->packet->begun = frame->begun;
	out->packet->encoded = now;
	latency_add(&stream->latency, LATENCY_CAPTURE, frame->flushed,
		    frame->begun);
	latency_add(&stream->latency, LATENCY_ENCODE, frame->begun, now);
	stream->frames++;
	stream->bytes += out->packet->len - PACKET_VIDEO_HEADER;
	for (i = 0; i < stream->viewers->len; i++) {
		struct viewer *viewer = stream->viewers->pdata[i];

		/* one that came while it was made waits for the next key frame */
		if (viewer->codecs & CODEC_BIT(stream->coded_by->codec))
			viewer_queue_video(viewer, out->packet, now);
	}
}

static void stream_damage_all(struct stream *stream)
{
	struct rect all = { 0, 0, SURFACE_DIMENSION_MAX, SURFACE_DIMENSION_MAX };

	if (stream->surface)
		damage_add(&stream->damage, &all,
			   surface_width(stream->surface),
			   surface_height(stream->surface));
}

static unsigned int driver_deadline(const struct choices *choices)
{
	const struct encoder_options *options = choices_options(choices);

	return options->deadline_ms ? options->deadline_ms :
				      ENCODER_DEADLINE_MS;
}

/* What everybody who watches can decode. */
static unsigned int stream_codecs(const struct stream *stream)
{
	unsigned int codecs = ~0u, i;

	for (i = 0; i < stream->viewers->len; i++)
		codecs &= ((struct viewer *)stream->viewers->pdata[i])->codecs;
	return codecs;
}

/* --- an encoder that nobody needs any more --- */

struct leftover {
	struct job job;
	struct encoder *encoder;
	struct choices *choices;
	int choice;
};

/* In a worker, where others may have found meanwhile that its driver hangs. */
static void leftover_read(struct job *job)
{
	struct leftover *leftover = (struct leftover *)job;

	if (!choices_is_struck(leftover->choices, leftover->choice))
		encoder_free(leftover->encoder);
}

static void leftover_nothing(struct job *job)
{
	(void)job;
}

static void leftover_overdue(struct job *job)
{
	struct leftover *leftover = (struct leftover *)job;

	choices_strike(leftover->choices, leftover->choice);
}

static void leftover_done(struct job *job)
{
	g_free(job);
}

/*
 * Takes the encoder, and has a worker of @pool close it. One of a driver that
 * hangs stays: closing could hang too.
 */
static void leave_encoder(struct worker_pool *pool, struct choices *choices,
			  int choice, struct encoder *encoder, unsigned int rank)
{
	const struct encoder_kind *kind = choices_kind(choices, choice);
	struct leftover *leftover;

	if (choices_is_struck(choices, choice) &&
	    encoder_is_open(encoder))
		return;
	if (!kind || !kind->hardware || !encoder_is_open(encoder)) {
		encoder_free(encoder);
		return;
	}
	leftover = g_new0(struct leftover, 1);
	leftover->encoder = encoder;
	leftover->choices = choices;
	leftover->choice = choice;
	leftover->job.rank = rank;
	leftover->job.read = leftover_read;
	leftover->job.work = leftover_nothing;
	leftover->job.was_read = leftover_nothing;
	leftover->job.done = leftover_done;
	leftover->job.deadline_ms = driver_deadline(choices);
	leftover->job.overdue = leftover_overdue;
	worker_submit(pool, &leftover->job);
}

static void stream_leave_encoder(const struct stream *stream)
{
	leave_encoder(stream->pool, stream->choices, stream->choice,
		      stream->encoder, worker_rank(stream->rung, 0));
}

/* By one that is not open, for whichever kind is chosen next. */
static void stream_replace_encoder(struct stream *stream)
{
	stream_leave_encoder(stream);
	stream->encoder = encoder_new(stream->options, stream->rung);
	stream->choice = CHOICE_NONE;
}

/* --- when there is no frame --- */

static void stream_failed(struct stream *stream, const char *why)
{
	const struct encoder_kind *kind = choices_kind(stream->choices,
						       stream->choice);
	const struct encoder_kind *next;

	if (stream->choice != CHOICE_NONE)
		stream->without |= 1u << stream->choice;
	choices_note_failure(stream->choices, stream->choice);
	next = choices_kind(stream->choices,
			    choices_pick(stream->choices, stream_codecs(stream),
					 stream->without));
	if (!stream->failed_at)
		stream->ops->failed(kind ? kind->name : NULL, why,
				    next ? next->name : NULL, stream->data);
	if (next) {
		/* at once, whenever the last one was */
		stream->key_asked = true;
		stream->key_at = 0;
		stream->encoded_at = 0;
	} else {
		stream->without = 0;
		stream->failed_at = g_get_monotonic_time();
	}
	stream_replace_encoder(stream);
	stream_damage_all(stream);
}

/* Nothing is wrong with the encoder: another picture will do. */
static void stream_unreadable(struct stream *stream, const char *why)
{
	const struct encoder_kind *kind = choices_kind(stream->choices,
						       stream->choice);

	stream->key_asked = true;
	stream->key_at = 0;
	stream_damage_all(stream);
	/* unless there is another one by now */
	if (stream->surface && surface_dmabuf(stream->surface))
		stream->ops->unreadable(kind->name, why, stream->data);
}

/* --- a frame --- */

static struct frame *frame_of(struct job *job)
{
	return (struct frame *)((char *)job - offsetof(struct frame, job));
}

/* In a worker: one that fails says so in @out. */
static void frame_read(struct job *job)
{
	struct frame *frame = frame_of(job);

	frame->refused = choices_is_struck(frame->choices, frame->choice);
	if (frame->refused) {
		g_strlcpy(frame->out.error, "it hangs elsewhere",
			  sizeof(frame->out.error));
		return;
	}
	encoder_use(frame->encoder,
		    choices_kind(frame->choices, frame->choice));
	/* before it is opened, if it will be */
	encoder_tune(frame->encoder, frame->kbit, frame->fine);
	if (encoder_read(frame->encoder, frame->surface, &frame->damage,
			 &frame->out) && encoder_reads_late(frame->encoder))
		encoder_encode(frame->encoder, frame->key, &frame->out);
}

static void frame_work(struct job *job)
{
	struct frame *frame = frame_of(job);

	if (!*frame->out.error && !frame->out.packet)
		encoder_encode(frame->encoder, frame->key, &frame->out);
	if (atomic_load(&frame->given_up) && !frame->refused) {
		encoder_free(frame->encoder);
		frame->encoder = NULL;
	}
}

static void frame_was_read(struct job *job)
{
	struct frame *frame = frame_of(job);

	frame->read = true;
	if (frame->stream)
		frame->stream->ops->read(frame->stream->data);
}

static void frame_done(struct job *job)
{
	struct frame *frame = frame_of(job);
	struct stream *stream = frame->stream;

	if (!stream) {
		/* here only if the worker did not touch it, or not any more */
		if (frame->encoder)
			leave_encoder(frame->pool, frame->choices, frame->choice,
				      frame->encoder, job->rank);
	} else {
		stream->frame = NULL;
		stream->next = job->next;
		stream->took_us = job->took_us;
		if (frame->out.packet) {
			stream->failed_at = 0;
			stream_publish(stream, frame);
		} else if (frame->out.unreadable) {
			stream_unreadable(stream, frame->out.error);
		} else {
			stream_failed(stream, frame->out.error);
		}
		stream_kick(stream);
	}
	packet_unref(frame->out.packet);
	surface_unref(frame->surface);
	g_free(frame);
}

/* Its thread is stuck, and with it the encoder. */
static void frame_overdue(struct job *job)
{
	struct frame *frame = frame_of(job);
	struct stream *stream = frame->stream;
	/* the guest gave its GPU more to do when it was looked at already */
	bool guest = surface_is_drawn(frame->surface);

	atomic_store(&frame->given_up, true);
	if (!guest)
		choices_strike(frame->choices, frame->choice);
	if (!stream)
		return;
	frame->stream = NULL;
	stream->frame = NULL;
	stream->encoder = encoder_new(stream->options, stream->rung);
	if (guest)
		stream_unreadable(stream, "the guest's GPU is not done with it");
	else
		stream_failed(stream, "no frame in time");
	if (!frame->read)
		stream->ops->read(stream->data);
	stream_kick(stream);
}

/* --- making one --- */

/* For the next frame. True: it has to be a key frame. */
static bool stream_choose(struct stream *stream, bool key)
{
	int choice;

	key = key || surface_width(stream->surface) != stream->desktop_width ||
	      surface_height(stream->surface) != stream->desktop_height;
	if (!key && stream->choice != CHOICE_NONE &&
	    !choices_is_struck(stream->choices, stream->choice))
		return false;
	choice = choices_pick(stream->choices, stream_codecs(stream),
			      stream->without);
	if (stream->choice == choice)
		return key;
	if (stream->choice != CHOICE_NONE)
		stream_replace_encoder(stream);
	stream->choice = choice;
	return true;
}

static void stream_encode(struct stream *stream, bool key, bool fine,
			  gint64 now)
{
	const struct encoder_kind *kind;
	struct frame *frame;

	key = stream_choose(stream, key);
	kind = choices_kind(stream->choices, stream->choice);
	if (!kind) {
		stream_failed(stream, "no encoder works that all who watch can decode");
		return;
	}
	if (surface_dmabuf(stream->surface) && kind->import == IMPORT_NONE) {
		stream_unreadable(stream, "it takes pictures in memory only");
		return;
	}
	frame = g_new0(struct frame, 1);
	frame->job.rank = worker_rank(stream->rung, stream->priority);
	frame->job.next = stream->next;
	frame->job.took_us = stream->took_us;
	frame->job.read = frame_read;
	frame->job.work = frame_work;
	frame->job.was_read = frame_was_read;
	frame->job.done = frame_done;
	frame->job.overdue = frame_overdue;
	frame->job.deadline_ms = kind->hardware ?
				 driver_deadline(stream->choices) : 0;
	frame->pool = stream->pool;
	frame->choices = stream->choices;
	frame->choice = stream->choice;
	frame->stream = stream;
	frame->encoder = stream->encoder;
	frame->surface = surface_ref(stream->surface);
	frame->damage = stream->damage;
	frame->key = key;
	frame->fine = fine;
	frame->kbit = stream->kbit;
	frame->begun = now;
	frame->flushed = damage_is_empty(&stream->damage) ? now :
			 stream->damaged_at;
	stream->frame = frame;
	stream->encoded_at = now;
	stream->fine = fine;
	if (key) {
		stream->key_at = now;
		stream->key_asked = false;
	}
	damage_clear(&stream->damage);
	worker_submit(stream->pool, &frame->job);
}

/*
 * Microseconds until the surface may be read: not while a GPU draws it. Where nobody waits for us to
 * have read it, QEMU may be drawing; it will say so when it has, and wait then.
 * If it has not said so for a while, it is not drawing.
 */
static gint64 stream_may_read(const struct stream *stream, gint64 now)
{
	gint64 quiet = now - stream->touched_at;

	if (surface_is_drawn(stream->surface))
		return STREAM_DRAWN_US;
	if (damage_is_empty(&stream->damage) ||
	    stream->ops->is_still(stream->data) || quiet >= STREAM_QUIET_US)
		return 0;
	return STREAM_QUIET_US - quiet;
}

/* Microseconds until the next frame may begin. */
static gint64 stream_pace(const struct stream *stream, gint64 now)
{
	unsigned int fps = rate_fps(stream->kbit,
				    encoder_fps(stream->options, stream->rung));
	gint64 due = stream->encoded_at + G_USEC_PER_SEC / fps - now;

	/* the timer's grain is a millisecond: do not lose a frame to it */
	return MAX(due - 1000, 0);
}

static void stream_rest(struct stream *stream, gint64 now)
{
	unsigned int still = stream->options->still_ms ?
			     stream->options->still_ms : ENCODER_STILL_MS;
	gint64 due = stream->encoded_at + still * 1000ll - now;

	if (stream->fine || stream->failed_at || !stream_is_wanted(stream, now))
		return;
	if (due > 0)
		stream_kick_in(stream, due);
	else
		stream_encode(stream, false, true, now);
}

static void stream_look(struct stream *stream, gint64 now)
{
	gint64 key_due = stream_key_due(stream, now), due;
	bool changed = !damage_is_empty(&stream->damage) &&
		       stream_is_wanted(stream, now);

	if (!changed && key_due < 0) {
		if (damage_is_empty(&stream->damage))
			stream_rest(stream, now);
		return;
	}
	due = stream_pace(stream, now);
	if (!due && (changed || !key_due))
		due = stream_may_read(stream, now);
	if (due)
		stream_kick_in(stream, due);
	else if (key_due == 0 || changed)
		stream_encode(stream, key_due == 0, false, now);
	else
		stream_kick_in(stream, key_due);
}

static void stream_kick_at(struct stream *stream, gint64 now)
{
	if (stream->frame || !stream->surface || !stream->viewers->len)
		return;
	if (stream->failed_at &&
	    now - stream->failed_at < STREAM_RETRY_MS * 1000)
		stream_kick_in(stream, STREAM_RETRY_MS * 1000);
	else
		stream_look(stream, now);
}

void stream_kick(struct stream *stream)
{
	stream_kick_at(stream, g_get_monotonic_time());
}

void stream_damage(struct stream *stream, const struct rect *rects,
		   unsigned int count, gint64 at)
{
	gint64 now = g_get_monotonic_time();
	unsigned int i;

	if (damage_is_empty(&stream->damage) || at < stream->damaged_at)
		stream->damaged_at = at;
	stream->touched_at = now;
	for (i = 0; i < count; i++)
		damage_add(&stream->damage, &rects[i],
			   surface_width(stream->surface),
			   surface_height(stream->surface));
	stream_kick_at(stream, now);
}

void stream_show(struct stream *stream, struct surface *surface)
{
	/* what failed may have been the size */
	if (surface && (surface_width(surface) != stream->desktop_width ||
			surface_height(surface) != stream->desktop_height))
		stream->without = 0;
	surface_unref(stream->surface);
	stream->surface = surface ? surface_ref(surface) : NULL;
	damage_clear(&stream->damage);
	stream_damage_all(stream);
	stream->damaged_at = g_get_monotonic_time();
	stream->touched_at = stream->damaged_at;
	stream_kick(stream);
}

void stream_set_priority(struct stream *stream, uint32_t priority)
{
	stream->priority = priority;
}

bool stream_is_reading(const struct stream *stream)
{
	return stream->frame && !stream->frame->read;
}

bool stream_is_behind(const struct stream *stream)
{
	return !damage_is_empty(&stream->damage);
}

bool stream_is_watched(const struct stream *stream)
{
	return stream->viewers->len > 0;
}

void stream_reconfigure(struct stream *stream)
{
	if (!stream->config)
		return;
	stream_make_config(stream);
	stream->key_asked = true;
	stream_kick(stream);
}

/* From what the links of all who watch can take. */
static void stream_set_rate(struct stream *stream, gint64 now)
{
	g_autofree unsigned int *kbit = NULL;
	unsigned int i, count = stream->viewers->len;
	unsigned int max = encoder_kbit(stream->options, stream->rung);

	kbit = g_new(unsigned int, count + 1);
	for (i = 0; i < count; i++) {
		struct viewer *viewer = stream->viewers->pdata[i];

		rate_tick(&viewer->rate, now);
		kbit[i] = (unsigned int)viewer->rate.kbit;
	}
	stream->kbit = count ? MIN(rate_group(kbit, count), max) : max;
}

void stream_join(struct stream *stream, struct viewer *viewer)
{
	gint64 now = g_get_monotonic_time();

	/* nobody waited for what changed while nobody watched */
	if (!stream->viewers->len)
		stream->damaged_at = now;
	viewer_switch(viewer, encoder_kbit(stream->options, stream->rung), now);
	g_ptr_array_add(stream->viewers, viewer);
	stream_set_rate(stream, now);
	stream_kick(stream);
}

void stream_leave(struct stream *stream, struct viewer *viewer)
{
	g_ptr_array_remove_fast(stream->viewers, viewer);
	stream_set_rate(stream, g_get_monotonic_time());
}

/* What a client says is about itself; what cannot be is not counted. */
static void stream_note_times(struct stream *stream,
			      const struct viewer_sent *sent,
			      const struct stream_ack *ack, gint64 now)
{
	uint64_t latest = (uint64_t)(now + STREAM_TELLS_AHEAD_US);
	struct latency *latency = &stream->latency;
	gint64 received = (gint64)MIN(ack->received, latest + 1);
	gint64 decoded = (gint64)MIN(ack->decoded, latest + 1);
	gint64 painted = (gint64)MIN(ack->painted, latest + 1);

	if (received > (gint64)latest || decoded > (gint64)latest ||
	    painted > (gint64)latest)
		return;
	latency_add(latency, LATENCY_SEND, sent->encoded, sent->sent);
	if (received)
		latency_add(latency, LATENCY_NETWORK, sent->sent, received);
	if (decoded)
		latency_add(latency, LATENCY_DECODE, received, decoded);
	if (painted)
		latency_add(latency, LATENCY_PAINT, decoded, painted);
	if (painted >= sent->sent)
		latency_add(latency, LATENCY_TOTAL, sent->flushed, painted);
}

void stream_ack(struct stream *stream, struct viewer *viewer,
		const struct stream_ack *ack)
{
	gint64 now = g_get_monotonic_time();
	const struct viewer_sent *sent = viewer_ack(viewer, ack->seq, now);

	if (sent)
		stream_note_times(stream, sent, ack, now);
	stream_set_rate(stream, now);
	stream_kick(stream);
}

static void stream_rest_encoder(struct stream *stream)
{
	stream_replace_encoder(stream);
	stream->without = 0;
}

/* An encoder that nobody needs keeps tens of megabytes. */
static void stream_check_watched(struct stream *stream)
{
	if (stream->viewers->len || stream->frame)
		stream->unwatched = 0;
	else if (++stream->unwatched == STREAM_REST_TICKS)
		stream_rest_encoder(stream);
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
	stream_set_rate(stream, now);
	latency_tick(&stream->latency, now);
	stream_check_watched(stream);
	stream_kick(stream);
}

const char *stream_import_name(const struct stream_info *info)
{
	return info->imported ? "dmabuf" : "shm";
}

void stream_describe(const struct stream *stream, struct stream_info *info)
{
	enum latency_part part;

	info->frames = stream->frames;
	info->bytes = stream->bytes;
	info->fps = stream->fps;
	info->viewers = stream->viewers->len;
	info->encoder = stream->coded_by ? stream->coded_by->name : NULL;
	info->codec = stream->coded_by ? stream->coded_by->codec : CODEC_H264;
	info->imported = stream->imported;
	info->width = stream->width;
	info->height = stream->height;
	info->kbit = stream->kbit;
	info->fps_limit = rate_fps(stream->kbit,
				   encoder_fps(stream->options, stream->rung));
	for (part = 0; part < LATENCY_PARTS; part++)
		latency_describe(&stream->latency, part, &info->latency[part]);
	info->latency_all = stream->latency.all;
}

struct stream *stream_new(struct worker_pool *pool, struct choices *choices,
			  enum rung rung, const struct stream_ops *ops,
			  void *data)
{
	const struct encoder_options *options = choices_options(choices);
	struct stream *stream = g_new0(struct stream, 1);

	stream->pool = pool;
	stream->choices = choices;
	stream->choice = CHOICE_NONE;
	stream->options = options;
	stream->rung = rung;
	stream->kbit = encoder_kbit(options, rung);
	stream->fine = true;
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
	if (stream->frame) {
		stream->frame->stream = NULL;
		atomic_store(&stream->frame->given_up, true);
	} else {
		stream_leave_encoder(stream);
	}
	surface_unref(stream->surface);
	packet_unref(stream->config);
	g_ptr_array_unref(stream->viewers);
	g_free(stream);
}
