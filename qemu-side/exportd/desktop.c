// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns a console's listener, the newest picture (a mailbox of one), the streams
 * made of it, and the list of who is here. Rule: a picture that is not the
 * guest's is not shown to anybody.
 */
#include "desktop.h"

#include <errno.h>
#include <string.h>

#include "api.h"
#include "clipboard.h"
#include "input.h"
#include "listener.h"
#include "log.h"
#include "resize.h"
#include "seat.h"

#define DESKTOP_HOLD_US		(5 * G_USEC_PER_SEC)
#define DESKTOP_RETRY_MS	1000
#define DESKTOP_REFRESH_MAX	500000	/* mHz */
#define DESKTOP_REFUSE_US	G_USEC_PER_SEC

struct member {
	struct viewer *viewer;
	enum rung rung;
	bool tile;
	void (*gone)(struct viewer *viewer);
};

struct desktop {
	struct desktop_env env;
	struct console *console;
	char vm[DESKTOP_VM_LEN];
	char id[DESKTOP_ID_LEN];
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
	bool live;
	bool no_import;			/* a dma-buf could not be had */

	struct stream *streams[RUNG_COUNT];
	GPtrArray *members;
	struct cursor *cursor;
	struct resize *resize;
	struct clipboard *clipboard;	/* the VM's, or NULL */
	struct seat *seat;
	struct input input;
	struct idle idle;
	struct idle_policy idle_policy;	/* by which it was looked at last */
};

static gboolean desktop_listen_again(gpointer data);

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
	log_info("desktop %s: %s", desktop->id,
		 live ? "live" : "waiting for a picture");
	desktop_broadcast(desktop, desktop_state_packet(
		live ? "live" : "waiting",
		live ? "" : "waiting for the desktop's first picture"));
}

/* --- the streams --- */

static struct packet *desktop_config(const struct stream_format *format,
				     void *data)
{
	const struct desktop *desktop = data;
	const struct api_config config = {
		.id = desktop->id,
		.vm = desktop->vm,
		.scanout = desktop->scanout,
		.name = desktop->name,
		.codec = format->codec,
		.width = format->width,
		.height = format->height,
		.encoder = format->encoder,
		.rung = rung_name(format->rung),
		.desktop_width = format->desktop_width,
		.desktop_height = format->desktop_height,
		.kbit = format->kbit,
		.fps = format->fps,
		.absolute = desktop->console->absolute,
		.touch = desktop->console->touch,
		.resize = resize_possible(desktop->resize),
		.clipboard = desktop->clipboard,
	};

	return desktop_packet(api_config(&config));
}

static void desktop_encoder_failed(const char *encoder, const char *why,
				   const char *next, void *data)
{
	struct desktop *desktop = data;
	g_autofree char *text = NULL;

	text = g_strdup_printf("%s%s%s%s%s", encoder ? encoder : "",
			       encoder ? ": " : "", why,
			       next ? "; going on with " : "", next ? next : "");
	if (next)
		log_desktop(WARN, desktop->id, "encoding: %s", text);
	else
		log_desktop(ERROR, desktop->id, "encoding: %s", text);
	desktop_broadcast(desktop, desktop_packet(api_error(next ?
				"encoder-changed" : "encoder", text)));
}

/* What QEMU then sends is in memory; it has the whole picture once more. */
static void desktop_unreadable(const char *encoder, const char *why, void *data)
{
	struct desktop *desktop = data;
	g_autofree char *text = NULL;

	if (desktop->no_import)
		return;
	desktop->no_import = true;
	text = g_strdup_printf("%s: %s; going on with shared memory", encoder,
			       why);
	log_desktop(WARN, desktop->id, "dma-buf: %s", text);
	desktop_broadcast(desktop, desktop_packet(api_error("encoder-changed",
							    text)));
	/* not from within the stream or the listener */
	if (!desktop->listen_timer)
		desktop->listen_timer = g_timeout_add(0, desktop_listen_again,
						      desktop);
}

static bool desktop_is_still(void *data)
{
	const struct desktop *desktop = data;

	return listener_owes(desktop->listener);
}

/* The largest that somebody watches, or NULL. */
static struct stream *desktop_lead(const struct desktop *desktop)
{
	enum rung rung;

	for (rung = 0; rung < RUNG_COUNT; rung++)
		if (stream_is_watched(desktop->streams[rung]))
			return desktop->streams[rung];
	return NULL;
}

/*
 * QEMU may draw the next picture when the largest rung has this one, so it
 * draws no more of them than are encoded; and few, of a desktop that nobody
 * watches: the listener sees to that.
 */
static void desktop_was_read(void *data)
{
	struct desktop *desktop = data;
	struct stream *lead = desktop_lead(desktop);
	enum rung rung;

	if (desktop->surface && (!lead || stream_is_behind(lead)))
		return;
	for (rung = 0; rung < RUNG_COUNT; rung++)
		if (stream_is_reading(desktop->streams[rung]))
			return;
	listener_answer(desktop->listener);
}

static const struct stream_ops desktop_stream_ops = {
	.config = desktop_config,
	.failed = desktop_encoder_failed,
	.unreadable = desktop_unreadable,
	.is_still = desktop_is_still,
	.read = desktop_was_read,
};

void desktop_kick(struct desktop *desktop)
{
	enum rung rung;

	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_kick(desktop->streams[rung]);
}

/* --- pictures --- */

static void desktop_unhold(struct desktop *desktop)
{
	surface_unref(desktop->held);
	desktop->held = NULL;
	desktop->was_off = false;
}

static void desktop_show_streams(struct desktop *desktop)
{
	enum rung rung;

	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_show(desktop->streams[rung], desktop->surface);
}

/* Takes the reference. */
static void desktop_show(struct desktop *desktop, struct surface *surface)
{
	surface_unref(desktop->surface);
	desktop->surface = surface;
	desktop_set_live(desktop, true);
	desktop_show_streams(desktop);
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
	enum rung rung;

	if (desktop->surface) {
		for (rung = 0; rung < RUNG_COUNT; rung++)
			stream_damage(desktop->streams[rung], rects, count, at);
	} else if (desktop->held) {
		if (!desktop->held_update && count == 1 &&
		    rects->width >= surface_width(desktop->held) &&
		    rects->height >= surface_height(desktop->held))
			desktop->held_update = true;
		else
			desktop_show_held(desktop);
	}
	desktop_was_read(desktop);
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
	desktop_show_streams(desktop);
	desktop_set_live(desktop, false);
}

static void desktop_listener_closed(void *data)
{
	struct desktop *desktop = data;

	listener_free(desktop->listener);
	desktop->listener = NULL;
	desktop_disable(desktop);
	if (desktop->listen_timer)
		g_source_remove(desktop->listen_timer);
	desktop->listen_timer = g_timeout_add(DESKTOP_RETRY_MS,
					      desktop_listen_again, desktop);
}

/* --- the cursor --- */

static void desktop_tell_cursor(struct packet *packet, const void *except,
				void *data)
{
	struct desktop *desktop = data;
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		if (member->rung == RUNG_FULL && member->viewer != except)
			viewer_queue_text(member->viewer, packet);
	}
}

static void desktop_show_cursor(const struct desktop *desktop,
				struct viewer *viewer)
{
	struct packet *packets[2];
	unsigned int i;

	cursor_describe(desktop->cursor, &packets[0], &packets[1]);
	for (i = 0; i < G_N_ELEMENTS(packets); i++) {
		if (packets[i])
			viewer_queue_text(viewer, packets[i]);
		packet_unref(packets[i]);
	}
}

static void desktop_cursor(struct cursor_image *image, void *data)
{
	struct desktop *desktop = data;

	cursor_define(desktop->cursor, image);
}

static void desktop_place(int x, int y, bool on, void *data)
{
	struct desktop *desktop = data;

	cursor_place(desktop->cursor, x, y, on);
}

/* --- listening --- */

static const struct listener_ops desktop_listener_ops = {
	.scanout = desktop_picture,
	.damage = desktop_damage,
	.disable = desktop_disable,
	.cursor = desktop_cursor,
	.place = desktop_place,
	.closed = desktop_listener_closed,
};

static void desktop_listen(struct desktop *desktop)
{
	cursor_restart(desktop->cursor, desktop->was_off);
	desktop->listener = listener_new(desktop->console,
					 !desktop->no_import &&
					 choices_import(desktop->env.choices),
					 &desktop_listener_ops, desktop);
	if (!desktop->listener)
		desktop->listen_timer = g_timeout_add(DESKTOP_RETRY_MS,
					desktop_listen_again, desktop);
}

/* In the place of the one that there was, if there is one. */
static gboolean desktop_listen_again(gpointer data)
{
	struct desktop *desktop = data;

	desktop->listen_timer = 0;
	listener_free(desktop->listener);
	desktop->listener = NULL;
	surface_unref(desktop->surface);
	desktop->surface = NULL;
	desktop_show_streams(desktop);
	desktop_listen(desktop);
	return G_SOURCE_REMOVE;
}

/* --- who controls it --- */

/* Others change the controller, and as often as they like: only the last counts. */
static void desktop_tell_role(struct viewer *viewer, uint32_t controller)
{
	struct packet *packet = desktop_packet(api_role(role_name(viewer->role),
						viewer->number, controller));

	packet->latest = PACKET_ROLE;
	viewer_queue_text(viewer, packet);
	packet_unref(packet);
}

static void desktop_seat_tell(void *data, struct viewer *viewer,
			      enum seat_word word, uint32_t number)
{
	(void)data;
	switch (word) {
	case SEAT_TELL_ROLE:
		desktop_tell_role(viewer, number);
		break;
	case SEAT_TELL_REQUEST:
		viewer_say(viewer, api_control("request", number));
		break;
	case SEAT_TELL_GRANTED:
		viewer_say(viewer, api_control("granted", 0));
		break;
	case SEAT_TELL_DENIED:
		viewer_say(viewer, api_control("denied", 0));
		break;
	}
}

static void desktop_seat_lost(void *data, struct viewer *viewer)
{
	struct desktop *desktop = data;

	input_release(&desktop->input, viewer);
}

static const struct seat_ops desktop_seat_ops = {
	.tell = desktop_seat_tell,
	.lost = desktop_seat_lost,
};

void desktop_release_control(struct desktop *desktop)
{
	seat_clear(desktop->seat, g_get_monotonic_time());
}

/* --- whether it is used --- */

bool desktop_keep(struct desktop *desktop)
{
	idle_touch(&desktop->idle);
	return desktop->idle.state != IDLE_OFF;
}

/* Of what is in a grid, one look long ago is not use; of what is open, it is. */
static bool desktop_is_used(const struct desktop *desktop,
			    const struct idle_policy *policy)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		const struct member *member = desktop->members->pdata[i];
		bool tile = member->tile || member->rung == RUNG_THUMB;

		if (member->rung != RUNG_NONE && (!tile || policy->thumbnails))
			return true;
	}
	return false;
}

enum idle_state desktop_idle(struct desktop *desktop,
			     const struct idle_policy *policy, bool able)
{
	desktop->idle_policy = *policy;
	return idle_look(&desktop->idle, policy,
			 desktop_is_used(desktop, policy), able,
			 g_get_monotonic_time());
}

enum idle_state desktop_idle_state(const struct desktop *desktop)
{
	return desktop->idle.state;
}

bool desktop_is_due(struct desktop *desktop)
{
	return idle_is_due(&desktop->idle);
}

bool desktop_ends_first(struct desktop *desktop)
{
	return idle_ends_first(&desktop->idle);
}

uint32_t desktop_controller(const struct desktop *desktop)
{
	return seat_controller(desktop->seat);
}

void desktop_key_frame(struct desktop *desktop)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		viewer_restart(member->viewer);
	}
	desktop_kick(desktop);
}

void desktop_each_viewer(const struct desktop *desktop,
			 void (*each)(const struct desktop_viewer *viewer,
				      void *data),
			 void *data)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		const struct member *member = desktop->members->pdata[i];
		const struct viewer *viewer = member->viewer;

		each(&(struct desktop_viewer){
			.number = viewer->number,
			.role = viewer->role,
			.rung = member->rung,
			.queued_frames = viewer->frames,
			.queued_bytes = viewer->bytes,
			.dropped = viewer->dropped,
		}, data);
	}
}

/* --- its size --- */

static void desktop_resized(const struct resize_wish *wish, const char *status,
			    void *data)
{
	(void)data;
	viewer_say((struct viewer *)wish->viewer,
		   api_resized(wish->width, wish->height, status));
}

int desktop_resize(struct desktop *desktop, uint32_t width, uint32_t height,
		   uint32_t refresh_mhz)
{
	const struct resize_wish wish = {
		.width = width,
		.height = height,
		.refresh_mhz = refresh_mhz,
		.scale = desktop->console->scale,
	};

	if (!resize_possible(desktop->resize))
		return EPERM;
	if (width < MESSAGE_SIZE_MIN || width > MESSAGE_SIZE_MAX ||
	    height < MESSAGE_SIZE_MIN || height > MESSAGE_SIZE_MAX ||
	    refresh_mhz > DESKTOP_REFRESH_MAX)
		return EINVAL;
	resize_ask(desktop->resize, &wish);
	return 0;
}

/* --- the clipboard --- */

/* Who may only watch sees what is shown, and not what is copied. */
static void desktop_copied(const char *text, void *data)
{
	struct packet *packet = desktop_packet(text ? api_clipboard(text) :
		api_error("large-clipboard",
			  "what was copied is more than 262144 bytes"));
	struct desktop *desktop = data;
	unsigned int i;

	packet->latest = PACKET_CLIPBOARD;
	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		if (member->viewer->role >= ROLE_CONTROL)
			viewer_queue_text(member->viewer, packet);
	}
	packet_unref(packet);
}

/* --- life --- */

/* What its viewers were told about it is no longer so. */
static void desktop_reconfigure(void *data)
{
	struct desktop *desktop = data;
	enum rung rung;

	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_reconfigure(desktop->streams[rung]);
}

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
	enum rung rung;

	memcpy(before, desktop->name, sizeof(before));
	/* a later lease on the same output is another desktop */
	if (desktop->generation != config->generation)
		idle_touch(&desktop->idle);
	g_strlcpy(desktop->vm, config->vm, sizeof(desktop->vm));
	desktop->scanout = config->scanout;
	g_snprintf(desktop->id, sizeof(desktop->id), "%s:%u", desktop->vm,
		   desktop->scanout);
	desktop->generation = config->generation;
	desktop->priority = config->priority;
	if (config->width != desktop->asked_width ||
	    config->height != desktop->asked_height)
		resize_drop(desktop->resize);
	desktop->asked_width = config->width;
	desktop->asked_height = config->height;
	desktop_set_name(desktop, config->label);
	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_set_priority(desktop->streams[rung],
				    config->vm_priority + config->priority);
	if (strcmp(before, desktop->name))
		desktop_reconfigure(desktop);
}

struct desktop *desktop_new(const struct desktop_env *env,
			    struct console *console,
			    const struct desktop_config *config)
{
	struct desktop *desktop = g_new0(struct desktop, 1);
	enum rung rung;

	desktop->env = *env;
	desktop->console = console;
	desktop->resize = resize_new(console, desktop_resized, desktop);
	desktop->cursor = cursor_new(desktop_tell_cursor, desktop);
	desktop->input.console = console;
	desktop->input.cursor = desktop->cursor;
	desktop->was_off = config->was_off;
	desktop->members = g_ptr_array_new_with_free_func(g_free);
	desktop->seat = seat_new(&desktop_seat_ops, desktop);
	for (rung = 0; rung < RUNG_COUNT; rung++)
		desktop->streams[rung] = stream_new(env->pool, env->choices,
					rung, &desktop_stream_ops, desktop);
	if (config->clipboard)
		desktop->clipboard = clipboard_new(console->display,
						   desktop_copied, desktop);
	desktop_configure(desktop, config);
	console->changed = desktop_reconfigure;
	console->changed_data = desktop;
	console_let_go(console);
	idle_start(&desktop->idle, g_get_monotonic_time());
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
	enum rung rung;

	if (!desktop)
		return;
	desktop_dismiss(desktop, why);
	desktop->console->changed = NULL;
	if (desktop->listen_timer)
		g_source_remove(desktop->listen_timer);
	listener_free(desktop->listener);
	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_free(desktop->streams[rung]);
	surface_unref(desktop->surface);
	surface_unref(desktop->held);
	cursor_free(desktop->cursor);
	resize_free(desktop->resize);
	clipboard_free(desktop->clipboard);
	g_ptr_array_unref(desktop->members);
	seat_free(desktop->seat);
	g_free(desktop);
}

struct console *desktop_console(const struct desktop *desktop)
{
	return desktop->console;
}

const char *desktop_id(const struct desktop *desktop)
{
	return desktop->id;
}

const char *desktop_vm(const struct desktop *desktop)
{
	return desktop->vm;
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
	enum rung rung;

	info->id = desktop->id;
	info->vm = desktop->vm;
	info->scanout = desktop->scanout;
	info->name = desktop->name;
	info->priority = desktop->priority;
	info->width = desktop->surface ? surface_width(desktop->surface) :
		      (int)desktop->asked_width;
	info->height = desktop->surface ? surface_height(desktop->surface) :
		       (int)desktop->asked_height;
	info->live = desktop->live;
	info->frames = 0;
	info->bytes = 0;
	info->fps = 0;
	info->latency = (struct latency_figures){ 0 };
	info->encoder = NULL;
	for (rung = 0; rung < RUNG_COUNT; rung++) {
		struct stream_info *stream = &info->rung[rung];

		stream_describe(desktop->streams[rung], stream);
		if (!info->encoder)
			info->encoder = stream->encoder;
		info->frames += stream->frames;
		info->bytes += stream->bytes;
		info->fps = MAX(info->fps, stream->fps);
		if (!info->latency.count)
			info->latency = stream->latency[LATENCY_TOTAL];
	}
	/* nothing was encoded yet: what would be used for everybody */
	if (!info->encoder) {
		const struct encoder_kind *kind = choices_kind(
			desktop->env.choices,
			choices_pick(desktop->env.choices, CODEC_OF_ALL, 0));

		info->encoder = kind ? kind->name : "";
	}
	info->viewers = desktop->members->len;
	info->idle = desktop->idle.state;
	info->idle_s = (unsigned int)(desktop->idle.unused_us / G_USEC_PER_SEC);
	info->idle_left = idle_left(&desktop->idle, &desktop->idle_policy);
}

/* --- viewers --- */

void desktop_join(struct desktop *desktop, struct viewer *viewer,
		  enum rung rung, bool tile, void (*gone)(struct viewer *viewer))
{
	struct member *member = g_new0(struct member, 1);
	struct packet *state;

	member->viewer = viewer;
	member->rung = RUNG_NONE;
	member->gone = gone;
	g_ptr_array_add(desktop->members, member);
	state = desktop_state_packet(desktop->live ? "live" : "waiting",
		desktop->live ? "" : "waiting for the desktop's first picture");
	viewer_queue_text(viewer, state);
	packet_unref(state);
	seat_join(desktop->seat, viewer);
	desktop_watch(desktop, viewer, rung, tile);
}

static struct member *desktop_find_member(const struct desktop *desktop,
					  const struct viewer *viewer)
{
	unsigned int i;

	for (i = 0; i < desktop->members->len; i++) {
		struct member *member = desktop->members->pdata[i];

		if (member->viewer == viewer)
			return member;
	}
	return NULL;
}

static void desktop_switch(struct desktop *desktop, struct member *member,
			   enum rung rung)
{
	struct viewer *viewer = member->viewer;

	if (member->rung != RUNG_NONE)
		stream_leave(desktop->streams[member->rung], viewer);
	member->rung = rung;
	viewer_restart(viewer);
	if (rung == RUNG_FULL)
		desktop_show_cursor(desktop, viewer);
	if (rung != RUNG_NONE)
		stream_join(desktop->streams[rung], viewer);
}

void desktop_watch(struct desktop *desktop, struct viewer *viewer,
		   enum rung rung, bool tile)
{
	struct member *member = desktop_find_member(desktop, viewer);

	if (!member)
		return;
	member->tile = tile;
	if (member->rung != rung)
		desktop_switch(desktop, member, rung);
	/* who opens it and goes before anybody looks has used it, too */
	if (desktop_is_used(desktop, &desktop->idle_policy))
		idle_touch(&desktop->idle);
}

void desktop_leave(struct desktop *desktop, struct viewer *viewer)
{
	struct member *member = desktop_find_member(desktop, viewer);

	if (!member)
		return;
	seat_leave(desktop->seat, viewer, g_get_monotonic_time());
	input_release(&desktop->input, viewer);
	cursor_forget(desktop->cursor, viewer);
	resize_forget(desktop->resize, viewer);
	if (member->rung != RUNG_NONE)
		stream_leave(desktop->streams[member->rung], viewer);
	g_ptr_array_remove_fast(desktop->members, member);
}

/* Once a second at most: a client may ask for it as often as it likes. */
static void desktop_refuse(struct viewer *viewer, const char *code,
			   const char *message, gint64 now)
{
	if (viewer->refused_at && now - viewer->refused_at < DESKTOP_REFUSE_US)
		return;
	viewer->refused_at = now;
	viewer_say(viewer, api_error(code, message));
}

static const char *desktop_refusal(const char *code)
{
	static const struct {
		const char *code, *message;
	} refusals[] = {
		{ "no-touch", "the guest has no touch screen on this desktop" },
		{ "no-relative", "the guest's pointer on this desktop is absolute" },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(refusals); i++)
		if (!strcmp(code, refusals[i].code))
			return refusals[i].message;
	return "";
}

static void desktop_wish(struct desktop *desktop, struct viewer *viewer,
			 const struct message *msg, gint64 now)
{
	const struct resize_wish wish = {
		.width = msg->resize.width,
		.height = msg->resize.height,
		.scale = msg->resize.scale,
		.viewer = viewer,
	};

	if (resize_possible(desktop->resize))
		resize_ask(desktop->resize, &wish);
	else
		desktop_refuse(viewer, "no-resize",
			       "this desktop has the size that it has", now);
}

/* Whether only who controls the desktop may say it. */
static bool desktop_is_control(enum message_type type)
{
	switch (type) {
	case MESSAGE_KEY:
	case MESSAGE_MOVE:
	case MESSAGE_BUTTON:
	case MESSAGE_WHEEL:
	case MESSAGE_TOUCH:
	case MESSAGE_REL:
	case MESSAGE_RESIZE:
	case MESSAGE_CLIPBOARD:
		return true;
	default:
		return false;
	}
}

/*
 * Pointing at a free desktop is not yet using it. But the guest must hear of
 * it: a compositor may lose a press right behind the first motion it ever sees.
 */
static bool desktop_is_pointing(const struct desktop *desktop,
				const struct viewer *viewer,
				const struct message *msg)
{
	return msg->type == MESSAGE_MOVE && viewer->role >= ROLE_CONTROL &&
	       !seat_controller(desktop->seat);
}

static bool desktop_may(struct desktop *desktop, struct viewer *viewer,
			const struct message *msg, gint64 now)
{
	if (!desktop_is_control(msg->type) ||
	    desktop_is_pointing(desktop, viewer, msg) ||
	    seat_may_input(desktop->seat, viewer, now))
		return true;
	desktop_refuse(viewer, "not-controller", viewer->role < ROLE_CONTROL ?
		       "your link is for watching only" :
		       "somebody else controls this desktop", now);
	return false;
}

static void desktop_ack(struct desktop *desktop, struct viewer *viewer,
			const struct message *msg)
{
	const struct member *member = desktop_find_member(desktop, viewer);
	const struct stream_ack ack = {
		.seq = msg->ack.seq,
		.received = msg->ack.received,
		.decoded = msg->ack.decoded,
		.painted = msg->ack.painted,
	};

	if (member && member->rung != RUNG_NONE)
		stream_ack(desktop->streams[member->rung], viewer, &ack);
}

void desktop_input(struct desktop *desktop, struct viewer *viewer,
		   const struct message *msg)
{
	gint64 now = g_get_monotonic_time();
	const char *error;

	if (!desktop_may(desktop, viewer, msg, now))
		return;
	if (desktop_is_control(msg->type))
		idle_touch(&desktop->idle);
	switch (msg->type) {
	case MESSAGE_CONTROL:
		seat_message(desktop->seat, viewer, msg->control.action,
			     msg->control.viewer, now);
		break;
	case MESSAGE_KEYFRAME:
		viewer_restart(viewer);
		desktop_kick(desktop);
		break;
	case MESSAGE_ACK:
		desktop_ack(desktop, viewer, msg);
		break;
	case MESSAGE_WATCH:
		desktop_watch(desktop, viewer, msg->watch.rung,
			      msg->watch.tile);
		break;
	case MESSAGE_RESIZE:
		desktop_wish(desktop, viewer, msg, now);
		break;
	case MESSAGE_CLIPBOARD:
		if (desktop->clipboard)
			clipboard_set(desktop->clipboard, msg->clipboard.text);
		else
			desktop_refuse(viewer, "no-clipboard",
				       "this desktop has no clipboard", now);
		break;
	default:
		/* before there is a picture there is nothing to point at */
		error = input_message(&desktop->input, viewer, msg,
			      desktop->surface ? surface_width(desktop->surface) : 0,
			      desktop->surface ? surface_height(desktop->surface) : 0);
		if (error)
			desktop_refuse(viewer, error, desktop_refusal(error),
				       now);
		break;
	}
}

void desktop_tick(struct desktop *desktop)
{
	enum rung rung;

	desktop_check_held(desktop);
	seat_tick(desktop->seat, g_get_monotonic_time());
	for (rung = 0; rung < RUNG_COUNT; rung++)
		stream_tick(desktop->streams[rung]);
}
