// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns a console's listener, the newest picture (a mailbox of one), the
 * damage not yet encoded, the encoder and the list of viewers. Rules:
 *
 * - a frame is encoded when there is damage, or a viewer needs a key frame,
 *   and a viewer can take it; nothing else costs anything;
 * - one frame is in the encoder at a time; what changes meanwhile goes into
 *   the next one, so a slow encoder skips and never queues;
 * - a worker touches only the job's encoder and surface, never the desktop.
 */
#include "desktop.h"

#include <string.h>

#include "api.h"
#include "input.h"
#include "listener.h"
#include "log.h"

#define DESKTOP_KEY_JOIN_US	(100 * 1000)	/* one key frame per batch of joiners */
#define DESKTOP_KEY_AGAIN_US	(500 * 1000)	/* for those who lost frames */
#define DESKTOP_HOLD_US		(5 * G_USEC_PER_SEC)
#define DESKTOP_RETRY_MS	1000
#define DESKTOP_RATE_TICKS	4		/* frames a second over two seconds */

struct member {
	struct viewer *viewer;
	void (*gone)(struct viewer *viewer);
	bool joined;		/* it has had a key frame */
};

struct desktop {
	struct desktop_env env;
	struct console *console;
	uint32_t scanout;
	uint64_t generation;
	uint32_t priority;
	uint32_t asked_width, asked_height;
	char name[DESKTOP_NAME_LEN];

	struct listener *listener;
	guint listen_timer;
	struct surface *surface;	/* the newest; NULL while waiting */
	bool was_off;			/* see desktop_picture() */
	struct surface *held;
	bool held_update;
	gint64 held_at;
	struct damage damage;		/* since the last frame was begun */
	gint64 damaged_at;		/* the oldest of it */
	bool live;

	struct encoder *encoder;	/* the job's while there is one */
	struct job *job;
	gint64 encoded_at;		/* last begun */
	gint64 key_at;			/* last key frame begun */
	gint64 failed_at;		/* encoder, 0 if it works */
	bool key_asked;			/* by a viewer's message */
	guint timer;			/* for the next frame */
	gint64 timer_at;
	char codec[ENCODER_CODEC_LEN];
	int width, height;		/* of the stream */
	struct packet *config;
	uint32_t seq;

	GPtrArray *members;
	struct input input;

	uint64_t frames, bytes;
	uint64_t rate_frames[DESKTOP_RATE_TICKS];	/* frames at past ticks */
	gint64 rate_at[DESKTOP_RATE_TICKS];
	unsigned int rate_next;
	double fps;
};

static void desktop_listen(struct desktop *desktop);

/* --- messages to viewers --- */

/* Takes @text. */
static struct packet *desktop_packet(char *text)
{
	struct packet *packet = packet_text(text);

	g_free(text);
	return packet;
}

static struct packet *desktop_state_packet(const char *state,
					   const char *message)
{
	return desktop_packet(api_state(state, message));
}

static struct packet *desktop_config_packet(const struct desktop *desktop)
{
	const struct api_config config = {
		.scanout = desktop->scanout,
		.name = desktop->name,
		.codec = desktop->codec,
		.width = desktop->width,
		.height = desktop->height,
		.encoder = desktop->env.encoder->name,
	};

	return desktop_packet(api_config(&config));
}

/* Takes the reference. */
static void desktop_broadcast(struct desktop *desktop, struct packet *text)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		viewer_queue_text(member->viewer, text);
	}
	packet_unref(text);
}

static void desktop_set_live(struct desktop *desktop, bool live)
{
	if (desktop->live == live)
		return;
	desktop->live = live;
	log_info("desktop %u: %s", desktop->scanout,
		 live ? "live" : "waiting for a picture");
	desktop_broadcast(desktop, desktop_state_packet(
		live ? "live" : "waiting",
		live ? "" : "waiting for the desktop's first picture"));
}

/* --- encoding --- */

static gboolean desktop_timer(gpointer data)
{
	struct desktop *desktop = data;

	desktop->timer = 0;
	desktop_kick(desktop);
	return G_SOURCE_REMOVE;
}

/* The earliest of all that are asked for counts: a kick looks at everything. */
static void desktop_kick_in(struct desktop *desktop, gint64 microseconds)
{
	gint64 at = g_get_monotonic_time() + microseconds;

	if (desktop->timer) {
		if (desktop->timer_at <= at)
			return;
		g_source_remove(desktop->timer);
	}
	desktop->timer_at = at;
	desktop->timer = g_timeout_add((guint)(microseconds / 1000 + 1),
				       desktop_timer, desktop);
}

/* Microseconds until a key frame may be made; -1 if nobody needs one. */
static gint64 desktop_key_due(const struct desktop *desktop, gint64 now)
{
	bool wanted = desktop->key_asked;
	gint64 gap = DESKTOP_KEY_AGAIN_US, since;
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		const struct member *member = desktop->members->pdata[i];

		if (!viewer_wants_key(member->viewer, now))
			continue;
		wanted = true;
		if (!member->joined)
			gap = DESKTOP_KEY_JOIN_US;
	}
	if (!wanted)
		return -1;
	since = now - desktop->key_at;
	return !desktop->key_at || since >= gap ? 0 : gap - since;
}

static bool desktop_is_wanted(const struct desktop *desktop, gint64 now)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		const struct member *member = desktop->members->pdata[i];

		if (!member->viewer->need_key &&
		    viewer_wants_frame(member->viewer, now))
			return true;
	}
	return false;
}

static void desktop_publish(struct desktop *desktop, struct job *job)
{
	struct encoded *out = &job->out;
	gint64 now = g_get_monotonic_time();
	unsigned int i;

	if (!desktop->config || out->width != desktop->width ||
	    out->height != desktop->height ||
	    strcmp(out->codec, desktop->codec)) {
		desktop->width = out->width;
		desktop->height = out->height;
		g_strlcpy(desktop->codec, out->codec, sizeof(desktop->codec));
		packet_unref(desktop->config);
		desktop->config = desktop_config_packet(desktop);
	}
	packet_seal_video(out->packet, out->key, desktop->seq++,
			  job->capture_us, (uint32_t)out->width,
			  (uint32_t)out->height, desktop->config);
	desktop->frames++;
	desktop->bytes += out->packet->len - PACKET_VIDEO_HEADER;
	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		viewer_queue_video(member->viewer, out->packet, now);
		member->joined |= !member->viewer->need_key;
	}
}

static void desktop_encode_failed(struct desktop *desktop, const char *why)
{
	struct rect all = { 0, 0, SURFACE_DIMENSION_MAX, SURFACE_DIMENSION_MAX };

	if (!desktop->failed_at) {
		log_error("desktop %u: encoding with %s: %s", desktop->scanout,
			  desktop->env.encoder->name, why);
		desktop_broadcast(desktop,
				  desktop_packet(api_error("encoder", why)));
	}
	desktop->failed_at = g_get_monotonic_time();
	if (desktop->surface)
		damage_add(&desktop->damage, &all,
			   surface_width(desktop->surface),
			   surface_height(desktop->surface));
}

static void desktop_job_done(struct job *job)
{
	struct desktop *desktop = job->owner;

	if (!desktop) {
		encoder_free(job->encoder);
	} else {
		desktop->job = NULL;
		if (job->out.packet) {
			desktop->failed_at = 0;
			desktop_publish(desktop, job);
		} else {
			desktop_encode_failed(desktop, job->out.error);
		}
		desktop_kick(desktop);
	}
	packet_unref(job->out.packet);
	surface_unref(job->surface);
	g_free(job);
}

static void desktop_encode(struct desktop *desktop, bool key, gint64 now)
{
	struct job *job = g_new0(struct job, 1);

	job->encoder = desktop->encoder;
	job->surface = surface_ref(desktop->surface);
	job->damage = desktop->damage;
	job->key = key;
	job->capture_us = (uint64_t)(damage_is_empty(&desktop->damage) ?
				     now : desktop->damaged_at);
	job->done = desktop_job_done;
	job->owner = desktop;
	desktop->job = job;
	desktop->encoded_at = now;
	if (key) {
		desktop->key_at = now;
		desktop->key_asked = false;
	}
	damage_clear(&desktop->damage);
	worker_submit(desktop->env.pool, job);
}

void desktop_kick(struct desktop *desktop)
{
	gint64 now = g_get_monotonic_time(), due, key_due;
	bool changed;

	if (desktop->job || !desktop->surface || !desktop->members->len)
		return;
	if (desktop->failed_at &&
	    now - desktop->failed_at < DESKTOP_RETRY_MS * 1000) {
		desktop_kick_in(desktop, DESKTOP_RETRY_MS * 1000);
		return;
	}
	changed = !damage_is_empty(&desktop->damage) &&
		  desktop_is_wanted(desktop, now);
	key_due = desktop_key_due(desktop, now);
	if (!changed && key_due < 0)
		return;

	due = desktop->encoded_at + G_USEC_PER_SEC / desktop->env.encoder->fps -
	      now;
	/* the timer's grain is a millisecond: do not lose a frame to it */
	if (due > 1000) {
		desktop_kick_in(desktop, due - 1000);
		return;
	}
	if (key_due == 0)
		desktop_encode(desktop, true, now);
	else if (changed)
		desktop_encode(desktop, false, now);
	else
		desktop_kick_in(desktop, key_due);
}

/* --- pictures --- */

static void desktop_unhold(struct desktop *desktop)
{
	surface_unref(desktop->held);
	desktop->held = NULL;
	desktop->was_off = false;
}

static void desktop_note_damage(struct desktop *desktop,
				const struct rect *rects, unsigned int count,
				gint64 at)
{
	unsigned int i;

	if (damage_is_empty(&desktop->damage) || at < desktop->damaged_at)
		desktop->damaged_at = at;
	for (i = 0; i < count; i++)
		damage_add(&desktop->damage, &rects[i],
			   surface_width(desktop->surface),
			   surface_height(desktop->surface));
	desktop_kick(desktop);
}

/* Takes the reference. */
static void desktop_show(struct desktop *desktop, struct surface *surface)
{
	struct rect all = { 0, 0, surface_width(surface),
			    surface_height(surface) };

	surface_unref(desktop->surface);
	desktop->surface = surface;
	damage_clear(&desktop->damage);
	desktop_set_live(desktop, true);
	desktop_note_damage(desktop, &all, 1, g_get_monotonic_time());
}

/*
 * On an output that was off, what QEMU has when we begin to listen is its own
 * "not active" text or what a former tenant left: one picture and at most one
 * update of all of it. That is not shown. Whatever comes next is the guest's.
 */
static void desktop_picture(struct surface *surface, void *data)
{
	struct desktop *desktop = data;

	surface_ref(surface);
	if (desktop->was_off && !desktop->held) {
		desktop->held = surface;
		desktop->held_update = false;
		desktop->held_at = g_get_monotonic_time();
		return;
	}
	desktop_unhold(desktop);
	desktop_show(desktop, surface);
}

static void desktop_show_held(struct desktop *desktop)
{
	struct surface *surface = surface_ref(desktop->held);

	desktop_unhold(desktop);
	desktop_show(desktop, surface);
}

static void desktop_damage(const struct rect *rects, unsigned int count,
			   gint64 at, void *data)
{
	struct desktop *desktop = data;

	if (desktop->surface) {
		desktop_note_damage(desktop, rects, count, at);
	} else if (desktop->held) {
		if (!desktop->held_update && count == 1 &&
		    rects->width >= surface_width(desktop->held) &&
		    rects->height >= surface_height(desktop->held))
			desktop->held_update = true;
		else
			desktop_show_held(desktop);
	}
}

/* A guest may have drawn just before we listened, and stand still since. */
static void desktop_check_held(struct desktop *desktop)
{
	if (desktop->held &&
	    (uint32_t)surface_width(desktop->held) == desktop->asked_width &&
	    (uint32_t)surface_height(desktop->held) == desktop->asked_height &&
	    g_get_monotonic_time() - desktop->held_at > DESKTOP_HOLD_US)
		desktop_show_held(desktop);
}

static void desktop_disable(void *data)
{
	struct desktop *desktop = data;

	desktop_unhold(desktop);
	surface_unref(desktop->surface);
	desktop->surface = NULL;
	damage_clear(&desktop->damage);
	desktop_set_live(desktop, false);
}

static gboolean desktop_listen_again(gpointer data)
{
	struct desktop *desktop = data;

	desktop->listen_timer = 0;
	desktop_listen(desktop);
	return G_SOURCE_REMOVE;
}

static void desktop_listener_closed(void *data)
{
	struct desktop *desktop = data;

	listener_free(desktop->listener);
	desktop->listener = NULL;
	desktop_disable(desktop);
	desktop->listen_timer = g_timeout_add(DESKTOP_RETRY_MS,
					      desktop_listen_again, desktop);
}

static const struct listener_ops desktop_listener_ops = {
	.scanout = desktop_picture,
	.damage = desktop_damage,
	.disable = desktop_disable,
	.closed = desktop_listener_closed,
};

static void desktop_listen(struct desktop *desktop)
{
	desktop->listener = listener_new(desktop->console,
					 &desktop_listener_ops, desktop);
	if (!desktop->listener)
		desktop->listen_timer = g_timeout_add(DESKTOP_RETRY_MS,
					desktop_listen_again, desktop);
}

/* --- life --- */

/* A guest's label: shown to people, so nothing unprintable in it. */
static void desktop_set_name(struct desktop *desktop, const char *label)
{
	g_autofree char *valid = NULL;
	char *at;

	if (!label || !*label) {
		g_snprintf(desktop->name, sizeof(desktop->name), "Desktop %u",
			   desktop->scanout);
		return;
	}
	valid = g_utf8_make_valid(label, -1);
	for (at = valid; *at; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)))
			memset(at, '?', (size_t)(g_utf8_next_char(at) - at));
	g_strlcpy(desktop->name, valid, sizeof(desktop->name));
	/* g_strlcpy() may have cut a character in two */
	if (!g_utf8_validate(desktop->name, -1, (const char **)&at))
		*at = '\0';
}

void desktop_configure(struct desktop *desktop,
		       const struct desktop_config *config)
{
	char before[DESKTOP_NAME_LEN];

	memcpy(before, desktop->name, sizeof(before));
	desktop->scanout = config->scanout;
	desktop->generation = config->generation;
	desktop->priority = config->priority;
	desktop->asked_width = config->width;
	desktop->asked_height = config->height;
	desktop_set_name(desktop, config->label);
	if (desktop->config && strcmp(before, desktop->name)) {
		packet_unref(desktop->config);
		desktop->config = desktop_config_packet(desktop);
		desktop->key_asked = true;
		desktop_kick(desktop);
	}
}

struct desktop *desktop_new(const struct desktop_env *env,
			    struct console *console,
			    const struct desktop_config *config)
{
	struct desktop *desktop = g_new0(struct desktop, 1);

	desktop->env = *env;
	desktop->console = console;
	desktop->input.console = console;
	desktop->was_off = config->was_off;
	desktop->members = g_ptr_array_new_with_free_func(g_free);
	desktop->encoder = encoder_new(env->encoder);
	desktop_configure(desktop, config);
	desktop_listen(desktop);
	return desktop;
}

static void desktop_dismiss(struct desktop *desktop, const char *why)
{
	struct packet *gone = desktop_state_packet("gone", why);

	while (desktop->members->len) {
		struct member *member = desktop->members->pdata[0];
		struct viewer *viewer = member->viewer;
		void (*tell)(struct viewer *viewer) = member->gone;

		desktop_leave(desktop, viewer);
		viewer_queue_text(viewer, gone);
		tell(viewer);
	}
	packet_unref(gone);
}

void desktop_free(struct desktop *desktop, const char *why)
{
	if (!desktop)
		return;
	desktop_dismiss(desktop, why);
	if (desktop->timer)
		g_source_remove(desktop->timer);
	if (desktop->listen_timer)
		g_source_remove(desktop->listen_timer);
	listener_free(desktop->listener);
	if (desktop->job)
		desktop->job->owner = NULL;	/* frees the encoder when done */
	else
		encoder_free(desktop->encoder);
	surface_unref(desktop->surface);
	surface_unref(desktop->held);
	packet_unref(desktop->config);
	g_ptr_array_unref(desktop->members);
	g_free(desktop);
}

struct console *desktop_console(const struct desktop *desktop)
{
	return desktop->console;
}

uint32_t desktop_scanout(const struct desktop *desktop)
{
	return desktop->scanout;
}

uint64_t desktop_generation(const struct desktop *desktop)
{
	return desktop->generation;
}

void desktop_describe(const struct desktop *desktop, struct desktop_info *info)
{
	info->scanout = desktop->scanout;
	info->name = desktop->name;
	info->priority = desktop->priority;
	info->width = desktop->surface ? surface_width(desktop->surface) :
		      (int)desktop->asked_width;
	info->height = desktop->surface ? surface_height(desktop->surface) :
		       (int)desktop->asked_height;
	info->live = desktop->live;
	info->frames = desktop->frames;
	info->bytes = desktop->bytes;
	info->fps = desktop->fps;
	info->encoder = desktop->env.encoder->name;
	info->viewers = desktop->members->len;
}

/* --- viewers --- */

void desktop_join(struct desktop *desktop, struct viewer *viewer,
		  void (*gone)(struct viewer *viewer))
{
	struct member *member = g_new0(struct member, 1);
	struct packet *state;

	member->viewer = viewer;
	member->gone = gone;
	/* nobody waited for what changed while nobody watched */
	if (!desktop->members->len)
		desktop->damaged_at = g_get_monotonic_time();
	g_ptr_array_add(desktop->members, member);
	state = desktop_state_packet(desktop->live ? "live" : "waiting",
		desktop->live ? "" : "waiting for the desktop's first picture");
	viewer_queue_text(viewer, state);
	packet_unref(state);
	desktop_kick(desktop);
}

void desktop_leave(struct desktop *desktop, struct viewer *viewer)
{
	unsigned int i;

	input_release(&desktop->input, viewer);
	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		if (member->viewer == viewer) {
			g_ptr_array_remove_index_fast(desktop->members, i);
			return;
		}
	}
}

void desktop_input(struct desktop *desktop, struct viewer *viewer,
		   const struct message *msg)
{
	switch (msg->type) {
	case MESSAGE_KEYFRAME:
		viewer_restart(viewer);
		desktop_kick(desktop);
		break;
	case MESSAGE_ACK:
		viewer_ack(viewer, msg->ack.seq, g_get_monotonic_time());
		desktop_kick(desktop);
		break;
	default:
		/* before there is a picture there is nothing to point at */
		input_message(&desktop->input, viewer, msg,
			      desktop->surface ? surface_width(desktop->surface) : 0,
			      desktop->surface ? surface_height(desktop->surface) : 0);
		break;
	}
}

void desktop_tick(struct desktop *desktop)
{
	unsigned int slot = desktop->rate_next++ % DESKTOP_RATE_TICKS;
	gint64 now = g_get_monotonic_time();

	if (desktop->rate_at[slot])
		desktop->fps = (double)(desktop->frames -
					desktop->rate_frames[slot]) *
			       G_USEC_PER_SEC /
			       (double)(now - desktop->rate_at[slot]);
	desktop->rate_frames[slot] = desktop->frames;
	desktop->rate_at[slot] = now;
	desktop_check_held(desktop);
	desktop_kick(desktop);
}
