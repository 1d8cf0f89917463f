// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several desktops at once, in a few threads, for a while: each with a QEMU that does
 * not wait for its answers and changes its size, with viewers that come, go, switch
 * and stop reading, with an encoder that fails now and then and one that hangs; and
 * each desktop ends and begins again while its frames are made. It is over when all
 * of that has happened to all of them, however long that takes. The thread sanitizer
 * sees what happened at the same time: Documentation/testing.rst.
 */
#include <libavutil/log.h>
#include <stdatomic.h>

#include "desktop.h"
#include "fake_qemu.h"
#include "faulty.h"

#define PLACES		5
#define THREADS		4
#define VIEWERS		4
#define IN_FLIGHT	3	/* calls of a QEMU that does not wait */
#define STEPS_SIZE	19	/* calls until a picture of another size */
#define STEPS_WATCH	31	/* until a viewer looks at something else */
#define STEPS_LEAVE	53	/* until one goes and comes back */
#define STEPS_LIFE	127	/* until the first desktop is another one */
#define STEPS_MORE	20	/* for each next one: not all at the same time */
#define BREAKS		40	/* every so manyth frame of that encoder */

/* --- encoders --- */

enum { HANGS, BREAKING };	/* as options name them */

static struct choices *choices;
static atomic_bool hang_now;
static atomic_uint broken;
static sem_t hang;

static int send_or_break(AVCodecContext *ctx, const AVFrame *picture)
{
	if (atomic_fetch_add(&broken, 1) % BREAKS == BREAKS - 1)
		return AVERROR(EIO);
	return avcodec_send_frame(ctx, picture);
}

/* Only one: until the test is over. */
static int send_or_hang(AVCodecContext *ctx, const AVFrame *picture)
{
	if (atomic_exchange(&hang_now, false))
		hang_on(&hang, 4 * GUARD_S);
	return avcodec_send_frame(ctx, picture);
}

static const struct encoder_kind kinds[] = {
	{ .name = "hangs", .avcodec = "libx264", .settings = fast_settings,
	  .hardware = true, .send = send_or_hang },
	{ .name = "breaks", .avcodec = "libx264", .settings = fast_settings,
	  .send = send_or_break },
	{ .name = "libx264", .avcodec = "libx264", .settings = fast_settings },
	{ .name = NULL },
};

static const struct encoder_options options = {
	.name = "hangs,breaks", .bitrate_kbit = 8000, .fps = 1000,
	.thumb_fps = 1000, .still_ms = 20, .deadline_ms = 1000,
};

/*
 * Encoders of a driver that hangs are left as they are, lest closing them hangs:
 * here is no place to look for leaks.
 */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return 1;
}

/* --- desktops --- */

struct place {
	unsigned int number;
	char path[64];
	struct console console;
	GDBusConnection *qemu;
	bool copies;		/* its pictures come in messages */
	unsigned int in_flight, steps, size;
	struct desktop *desktop;
	struct viewer *viewers[VIEWERS];
	/* what happened to it */
	unsigned int frames, sizes, lives;
};

static const struct {
	unsigned int width, height;
} sizes[] = { { 640, 360 }, { 64, 64 }, { 321, 181 } };

static struct place places[PLACES];
static struct worker_pool *pool;
static bool stopped;

static void drawn(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	struct place *place = data;

	/* it fails when the desktop went meanwhile */
	reply = g_dbus_connection_call_with_unix_fd_list_finish(
			G_DBUS_CONNECTION(source), NULL, result, NULL);
	place->in_flight--;
}

static void say(struct place *place, const char *interface, const char *method,
		GVariant *args, GUnixFDList *fds)
{
	place->in_flight++;
	call_on(place->qemu, interface, method, args, fds, drawn, place);
}

static GVariant *pixels(unsigned int width, unsigned int height, int value)
{
	g_autofree uint8_t *bytes = g_malloc(width * height * 4);

	memset(bytes, value, width * height * 4);
	return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes,
					 width * height * 4, 1);
}

static void show(struct place *place)
{
	unsigned int width = sizes[place->size].width;
	unsigned int height = sizes[place->size].height;
	g_autoptr(GUnixFDList) fds = NULL;
	int fd;

	if (place->copies) {
		say(place, "org.qemu.Display1.Listener", "Scanout",
		    g_variant_new("(uuuu@ay)", width, height, width * 4, XRGB,
				  pixels(width, height, 0x55)), NULL);
		return;
	}
	fds = g_unix_fd_list_new();
	fd = memfd_create("picture", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, width * height * 4), 0);
	g_unix_fd_list_append(fds, fd, NULL);
	close(fd);
	say(place, "org.qemu.Display1.Listener.Unix.Map", "ScanoutMap",
	    g_variant_new("(huuuuu)", 0, 0, width, height, width * 4, XRGB),
	    fds);
}

static void draw(struct place *place)
{
	unsigned int step = place->steps % 8;
	GVariantBuilder list;

	if (place->copies) {
		say(place, "org.qemu.Display1.Listener", "Update",
		    g_variant_new("(iiiiuu@ay)", step, step, 48, 48, 48 * 4,
				  XRGB, pixels(48, 48, (int)place->steps)),
		    NULL);
		return;
	}
	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	g_variant_builder_add(&list, "(iiii)", step, 0, 16, 16);
	g_variant_builder_add(&list, "(iiii)", 8, step, 48, 48);
	say(place, "org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	    g_variant_new("(ta(iiii))",
			  (guint64)g_get_monotonic_time() * 1000, &list), NULL);
}

static void wake(void *data)
{
	(void)data;
}

static void gone(struct viewer *viewer)
{
	(void)viewer;
}

static void begin(struct place *place)
{
	const struct desktop_env env = { .pool = pool, .choices = choices };
	const struct desktop_config config = {
		.vm = "vm", .scanout = place->number + 1,
		.generation = place->lives + 1, .priority = 60 * place->number,
	};
	unsigned int i;

	place->desktop = desktop_new(&env, &place->console, &config);
	for (i = 0; i < VIEWERS; i++) {
		place->viewers[i] = viewer_new(wake, NULL);
		desktop_join(place->desktop, place->viewers[i],
			     i ? RUNG_THUMB : RUNG_FULL, i > 0, gone);
	}
}

static void end(struct place *place)
{
	unsigned int i;

	desktop_free(place->desktop, "the test wants another one");
	for (i = 0; i < VIEWERS; i++)
		viewer_free(place->viewers[i]);
}

/* Reads what it has, all of it, and says so. */
static void take(struct place *place, struct viewer *viewer, bool acks)
{
	struct packet *packet;

	while ((packet = viewer_next(viewer))) {
		struct message ack = { .type = MESSAGE_ACK };
		unsigned int sum = 0;
		size_t i;

		for (i = 0; i < packet->len; i++)
			sum += packet->data[i];
		assert_true(sum);
		ack.ack.seq = packet->seq;
		ack.ack.received = (uint64_t)g_get_monotonic_time();
		ack.ack.decoded = ack.ack.received;
		ack.ack.painted = ack.ack.received;
		place->frames += packet->video;
		if (packet->video && acks)
			desktop_input(place->desktop, viewer, &ack);
		packet_unref(packet);
	}
}

/* The last one never reads, and is told to begin anew when it has lost too much. */
static void look(struct place *place)
{
	unsigned int i;

	for (i = 0; i + 1 < VIEWERS; i++)
		take(place, place->viewers[i], i < 2);
	if (place->steps % STEPS_WATCH == 0)
		desktop_watch(place->desktop, place->viewers[1],
			      (enum rung)(place->steps / STEPS_WATCH % 3), false);
	if (place->steps % STEPS_LEAVE == 0) {
		desktop_leave(place->desktop, place->viewers[2]);
		viewer_free(place->viewers[2]);
		place->viewers[2] = viewer_new(wake, NULL);
		desktop_join(place->desktop, place->viewers[2], RUNG_FULL,
			     false, gone);
		desktop_key_frame(place->desktop);
	}
}

static void step(struct place *place)
{
	look(place);
	if (!place->qemu || place->in_flight >= IN_FLIGHT)
		return;
	if (place->steps++ % STEPS_SIZE == 0) {
		place->size = (place->size + 1) % G_N_ELEMENTS(sizes);
		place->sizes++;
		show(place);
	} else {
		draw(place);
	}
	if (place->steps == STEPS_LIFE + STEPS_MORE * place->number) {
		end(place);
		g_clear_object(&place->qemu);
		place->steps = 0;
		place->lives++;
		begin(place);
	} else if (place->steps % 10 == 0) {
		desktop_tick(place->desktop);
	}
}

static gboolean pulse(gpointer data)
{
	unsigned int i;

	(void)data;
	if (stopped)
		return G_SOURCE_REMOVE;
	for (i = 0; i < PLACES; i++)
		step(&places[i]);
	return G_SOURCE_CONTINUE;
}

static bool all_had(unsigned int lives)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		if (places[i].lives < lives ||
		    places[i].frames < lives * STEPS_LIFE / 4 ||
		    places[i].sizes < lives * (STEPS_LIFE / STEPS_SIZE))
			return false;
	return true;
}

static bool at_rest(void)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		if (places[i].in_flight || !places[i].qemu)
			return false;
	return true;
}

static uint64_t failures(int choice)
{
	struct choice_info info;

	choices_describe(choices, (unsigned int)choice, &info);
	return info.failures;
}

static void test_many_desktops_at_once(void **state)
{
	unsigned int i;

	(void)state;
	g_timeout_add(1, pulse, NULL);
	until(all_had(1));
	atomic_store(&hang_now, true);
	until(choices_is_struck(choices, HANGS));
	until(all_had(2));
	until(failures(BREAKING) >= PLACES);
	until(all_had(3));
	stopped = true;
	until(at_rest());
	for (i = 0; i < PLACES; i++)
		end(&places[i]);
}

static int setup(void **state)
{
	char *error;
	unsigned int i;

	(void)state;
	sem_init(&hang, 0, 0);
	if (fake_open())
		return -1;
	pool = worker_pool_new(THREADS);
	choices = choices_new(&options, kinds, &error);
	for (i = 0; i < PLACES; i++) {
		struct place *place = &places[i];

		place->number = i;
		place->copies = i % 2;
		g_snprintf(place->path, sizeof(place->path),
			   "/org/qemu/Display1/Console_%u", i + 10);
		place->console.path = place->path;
		fake_console(place->path, &place->qemu);
		begin(place);
	}
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	(void)state;
	sem_post(&hang);
	for (i = 0; i < PLACES; i++)
		g_clear_object(&places[i].qemu);
	fake_close();
	worker_pool_free(pool);
	choices_free(choices);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_desktops_at_once,
						setup, teardown),
	};

	av_log_set_level(AV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
