// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream with a real encoder and one thread, which a test can keep busy. What
 * is waited for is bounded by a guard that no test depends on.
 */
#include <libavutil/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "stream.h"
#include "faulty.h"
#include "guard.h"
#include "test.h"

#define SIZE	64
#define XRGB	0x20020888

/*
 * So many frames a second that none is put off; and no finer one by itself,
 * however long a test takes between two steps.
 */
#define NEVER_MS	(3600 * 1000)
#define DEADLINE_MS	50

static struct encoder_options options = {
	.name = "libx264", .bitrate_kbit = 8000, .fps = 1000000,
	.still_ms = NEVER_MS,
};

static struct choices *choices;
static struct worker_pool *pool;
static struct stream *stream;
static struct surface *surface;
static bool still;
static bool may_fail;
static unsigned int reads, configs;
static const struct rect corner = { 0, 0, 16, 16 };

struct blocker {
	struct job job;
	sem_t begun, gate;
	bool done;
};

static void blocker_read(struct job *job)
{
	struct blocker *blocker = (struct blocker *)job;

	sem_post(&blocker->begun);
	hang_on(&blocker->gate, GUARD_S);
}

static void blocker_nothing(struct job *job)
{
	(void)job;
}

static void blocker_done(struct job *job)
{
	((struct blocker *)job)->done = true;
}

/* Keeps the only thread busy. */
static void block(struct blocker *blocker)
{
	*blocker = (struct blocker){ .job = {
		.read = blocker_read, .work = blocker_nothing,
		.was_read = blocker_nothing, .done = blocker_done,
	} };
	sem_init(&blocker->begun, 0, 0);
	sem_init(&blocker->gate, 0, 0);
	worker_submit(pool, &blocker->job);
}

static void unblock(struct blocker *blocker)
{
	sem_post(&blocker->gate);
	until(blocker->done);
	sem_destroy(&blocker->gate);
	sem_destroy(&blocker->begun);
}

static struct packet *config(const struct stream_format *format, void *data)
{
	(void)data;
	assert_true(may_fail || !strcmp(format->encoder, "libx264"));
	configs++;
	return packet_text(format->encoder);
}

static unsigned int failures;
static char last_failed[32], last_next[32];

static void failed(const char *encoder, const char *why, const char *next,
		   void *data)
{
	(void)data;
	if (!may_fail)
		fail_msg("%s: %s", encoder, why);
	failures++;
	g_strlcpy(last_failed, encoder ? encoder : "", sizeof(last_failed));
	g_strlcpy(last_next, next ? next : "", sizeof(last_next));
}

static bool is_still(void *data)
{
	(void)data;
	return still;
}

static void read_it(void *data)
{
	(void)data;
	reads++;
}

static const struct stream_ops ops = {
	.config = config, .failed = failed, .is_still = is_still,
	.read = read_it,
};

static void wake(void *data)
{
	(void)data;
}

/* --- encoders with faults, which only this test has --- */

static atomic_bool breaks;
static sem_t hang;

static int send_or_break(AVCodecContext *ctx, const AVFrame *picture)
{
	return atomic_load(&breaks) ? AVERROR(EIO) :
				      avcodec_send_frame(ctx, picture);
}

static int send_and_hang(AVCodecContext *ctx, const AVFrame *picture)
{
	hang_on(&hang, GUARD_S);
	return avcodec_send_frame(ctx, picture);
}

static const struct encoder_kind faulty_kinds[] = {
	{ .name = "breaks", .avcodec = "libx264", .settings = fast_settings,
	  .send = send_or_break },
	{ .name = "hangs", .avcodec = "libx264", .settings = fast_settings,
	  .hardware = true, .send = send_and_hang },
	/* by its label alone: what is tested is who gets it */
	{ .name = "av1", .avcodec = "libx264", .codec = CODEC_AV1,
	  .settings = fast_settings },
	{ .name = "libx264", .avcodec = "libx264", .settings = fast_settings },
	{ .name = NULL },
};

static struct encoder_options faulty_options = {
	.bitrate_kbit = 8000, .fps = 1000000, .deadline_ms = DEADLINE_MS,
	.still_ms = NEVER_MS,
};

static int setup(void **state)
{
	static uint32_t pixels[SIZE * SIZE];
	const char *error;
	char *why;

	(void)state;
	reads = 0;
	configs = 0;
	still = true;
	may_fail = false;
	pool = worker_pool_new(1);
	choices = choices_new(&options, encoder_kinds, &why);
	stream = stream_new(pool, choices, RUNG_FULL, &ops, NULL);
	surface = surface_copy(pixels, sizeof(pixels), SIZE, SIZE, SIZE * 4,
			       XRGB, &error);
	stream_show(stream, surface);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stream_free(stream);
	worker_pool_free(pool);
	choices_free(choices);
	surface_unref(surface);
	return 0;
}

static uint64_t frames(void)
{
	struct stream_info info;

	stream_describe(stream, &info);
	return info.frames;
}

/* Key frames and others that wait for it. */
static void take(struct viewer *viewer, unsigned int *keys,
		 unsigned int *others)
{
	struct packet *packet;

	*keys = 0;
	*others = 0;
	while ((packet = viewer_next(viewer))) {
		*keys += packet->video && packet->key;
		*others += packet->video && !packet->key;
		packet_unref(packet);
	}
}

static void test_unwatched_is_not_encoded(void **state)
{
	(void)state;
	stream_damage(stream, &corner, 1, 1);
	assert_false(stream_is_reading(stream));
	assert_true(stream_is_behind(stream));
	stream_tick(stream);
	assert_false(stream_is_reading(stream));
}

static void test_one_frame_for_all_who_watch(void **state)
{
	struct viewer *viewers[3];
	unsigned int i, keys, others;

	(void)state;
	for (i = 0; i < 3; i++) {
		viewers[i] = viewer_new(wake, NULL);
		stream_join(stream, viewers[i]);
	}
	until(frames() == 1);
	/* those who came while the first's key frame was made */
	until(!viewers[1]->need_key && !viewers[2]->need_key);
	assert_true(frames() <= 2);
	for (i = 0; i < 3; i++)
		take(viewers[i], &keys, &others);
	assert_false(stream_is_behind(stream));

	stream_damage(stream, &corner, 1, 1);
	until(frames() >= 2 && !stream_is_behind(stream) &&
	      !stream_is_reading(stream));
	until(viewers[2]->frames == 1);
	for (i = 0; i < 3; i++) {
		take(viewers[i], &keys, &others);
		assert_int_equal(others, 1);
		stream_leave(stream, viewers[i]);
		viewer_free(viewers[i]);
	}
	assert_int_equal(configs, 1);
}

static void test_a_slow_encoder_skips(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	struct blocker blocker;
	uint64_t before;
	int i;

	(void)state;
	stream_join(stream, viewer);
	until(frames() == 1);
	before = frames();
	block(&blocker);
	for (i = 0; i < 20; i++)
		stream_damage(stream, &corner, 1, i);
	/* the first of them is in the queue, the others are in the mailbox */
	assert_true(stream_is_reading(stream));
	assert_true(stream_is_behind(stream));
	unblock(&blocker);
	until(frames() == before + 2);
	assert_false(stream_is_behind(stream));
	assert_false(stream_is_reading(stream));
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static void test_a_surface_that_is_drawn_on_is_read_later(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);

	(void)state;
	stream_join(stream, viewer);
	until(frames() == 1);
	still = false;
	stream_damage(stream, &corner, 1, 1);
	assert_false(stream_is_reading(stream));
	still = true;		/* now it waits for us */
	stream_damage(stream, &corner, 1, 1);
	assert_true(stream_is_reading(stream));
	until(frames() == 2);
	assert_true(reads >= 2);

	/* and if nothing more comes, nobody draws */
	still = false;
	stream_damage(stream, &corner, 1, 1);
	assert_false(stream_is_reading(stream));
	until(frames() == 3);
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static void test_who_comes_back_after_a_rest_gets_a_key_frame(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	unsigned int i, keys, others;
	uint64_t before;

	(void)state;
	stream_join(stream, viewer);
	until(frames() == 1);
	stream_leave(stream, viewer);
	for (i = 0; i < 40; i++)
		stream_tick(stream);
	stream_damage(stream, &corner, 1, 1);
	before = frames();
	stream_join(stream, viewer);
	until(frames() > before && !viewer->need_key);
	take(viewer, &keys, &others);
	assert_int_equal(keys, 1);
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static gboolean soon(gpointer data)
{
	*(bool *)data = true;
	return G_SOURCE_REMOVE;
}

static void test_at_rest_one_finer_frame_and_then_silence(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	unsigned int keys, others;
	bool later = false;

	(void)state;
	options.still_ms = 0;
	stream_join(stream, viewer);
	until(frames() == 2);
	take(viewer, &keys, &others);
	assert_int_equal(keys, 1);
	assert_int_equal(others, 1);
	/* long enough for a third, and asked for, but nothing changed */
	g_timeout_add(700, soon, &later);
	until(later);
	stream_tick(stream);
	assert_false(stream_is_reading(stream));
	assert_int_equal(frames(), 2);
	/* what changes is worth a new one */
	stream_damage(stream, &corner, 1, 1);
	until(frames() == 4);
	options.still_ms = NEVER_MS;
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static void test_acknowledged_times_make_latency(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	struct stream_ack ack = { 0 };
	struct stream_info info;
	unsigned int keys, others;

	(void)state;
	stream_join(stream, viewer);
	until(frames() == 1);
	stream_describe(stream, &info);
	assert_int_equal(info.latency[LATENCY_ENCODE].count, 1);
	assert_int_equal(info.latency[LATENCY_TOTAL].count, 0);
	take(viewer, &keys, &others);
	ack.received = (uint64_t)g_get_monotonic_time();
	ack.decoded = ack.received + 1000;
	ack.painted = ack.received + 3000;
	stream_ack(stream, viewer, &ack);
	stream_describe(stream, &info);
	assert_int_equal(info.latency[LATENCY_SEND].count, 1);
	assert_int_equal(info.latency[LATENCY_NETWORK].count, 1);
	assert_int_equal(info.latency[LATENCY_DECODE].count, 1);
	assert_int_equal(info.latency[LATENCY_PAINT].count, 1);
	assert_int_equal(info.latency[LATENCY_TOTAL].count, 1);
	/* the same again counts once */
	stream_ack(stream, viewer, &ack);
	stream_describe(stream, &info);
	assert_int_equal(info.latency[LATENCY_TOTAL].count, 1);
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static void test_lies_about_times_are_not_counted(void **state)
{
	const uint64_t lies[] = { 1, UINT64_MAX, INT64_MAX,
				  (UINT64_C(1) << 53) - 1 };
	struct stream_ack ack = { 0 };
	struct stream_info info;
	unsigned int keys, others;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct viewer *viewer = viewer_new(wake, NULL);
		uint64_t before = frames();

		stream_join(stream, viewer);
		until(frames() > before && !viewer->need_key);
		take(viewer, &keys, &others);
		ack.seq = viewer->last_seq;
		ack.received = lies[i];
		ack.decoded = lies[i];
		ack.painted = lies[i];
		stream_ack(stream, viewer, &ack);
		stream_leave(stream, viewer);
		viewer_free(viewer);
	}
	stream_describe(stream, &info);
	assert_int_equal(info.latency[LATENCY_NETWORK].count, 0);
	assert_int_equal(info.latency[LATENCY_TOTAL].count, 0);
}

static void test_a_stream_may_go_while_it_is_encoded(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	struct blocker blocker;

	(void)state;
	block(&blocker);
	stream_join(stream, viewer);
	assert_true(stream_is_reading(stream));
	stream_leave(stream, viewer);
	viewer_free(viewer);
	stream_free(stream);
	stream = NULL;
	unblock(&blocker);
	assert_int_equal(reads, 0);
}

static void test_a_picture_may_go_while_it_is_encoded(void **state)
{
	struct viewer *viewer = viewer_new(wake, NULL);
	struct blocker blocker;

	(void)state;
	block(&blocker);
	stream_join(stream, viewer);
	stream_show(stream, NULL);
	unblock(&blocker);
	until(frames() == 1);
	assert_false(stream_is_behind(stream));
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

/* --- when an encoder fails --- */

/* The stream that setup() made is replaced by one of @names. */
static void use(const char *names)
{
	char *error;

	stream_free(stream);
	worker_pool_free(pool);
	choices_free(choices);
	may_fail = true;
	failures = 0;
	configs = 0;
	atomic_store(&breaks, false);
	faulty_options.name = names;
	pool = worker_pool_new(1);
	choices = choices_new(&faulty_options, faulty_kinds, &error);
	assert_non_null(choices);
	stream = stream_new(pool, choices, RUNG_FULL, &ops, NULL);
	stream_show(stream, surface);
}

static const char *encoder(void)
{
	struct stream_info info;

	stream_describe(stream, &info);
	return info.encoder ? info.encoder : "";
}

static struct viewer *join(unsigned int codecs)
{
	struct viewer *viewer = viewer_new(wake, NULL);

	viewer->codecs = codecs;
	stream_join(stream, viewer);
	return viewer;
}

static void leave(struct viewer *viewer)
{
	stream_leave(stream, viewer);
	viewer_free(viewer);
}

static void test_one_that_fails_is_replaced_with_a_key_frame(void **state)
{
	struct viewer *viewer;
	unsigned int keys, others;

	(void)state;
	use("breaks");
	viewer = join(CODEC_OF_ALL);
	until(frames() == 1);
	assert_string_equal(encoder(), "breaks");
	take(viewer, &keys, &others);
	assert_int_equal(keys, 1);

	atomic_store(&breaks, true);
	stream_damage(stream, &corner, 1, 1);
	until(!strcmp(encoder(), "libx264"));
	assert_int_equal(failures, 1);
	assert_string_equal(last_failed, "breaks");
	assert_string_equal(last_next, "libx264");
	assert_int_equal(configs, 2);
	assert_false(viewer->need_key);
	take(viewer, &keys, &others);
	assert_int_equal(keys, 1);
	/* it stays so, and what changed while it failed is not lost */
	assert_false(stream_is_behind(stream));
	atomic_store(&breaks, false);
	stream_damage(stream, &corner, 1, 1);
	until(viewer->frames >= 1);
	assert_string_equal(encoder(), "libx264");
	leave(viewer);
}

static void test_after_a_rest_it_is_tried_again(void **state)
{
	struct blocker blocker;
	struct viewer *viewer;
	unsigned int i;

	(void)state;
	use("breaks");
	atomic_store(&breaks, true);
	viewer = join(CODEC_OF_ALL);
	until(!strcmp(encoder(), "libx264"));
	leave(viewer);
	/* whatever is in the works comes before this */
	block(&blocker);
	unblock(&blocker);
	for (i = 0; i < 40; i++)
		stream_tick(stream);
	atomic_store(&breaks, false);
	viewer = join(CODEC_OF_ALL);
	until(!strcmp(encoder(), "breaks"));
	assert_int_equal(failures, 1);
	leave(viewer);
}

/* Of the same encoders, in the same pool. */
static void test_one_that_hangs_holds_up_nobody(void **state)
{
	struct viewer *viewer, *other;
	struct stream *second;
	struct stream_info info;

	(void)state;
	sem_init(&hang, 0, 0);
	use("hangs");
	viewer = join(CODEC_OF_ALL);
	until(frames() >= 1);
	assert_string_equal(encoder(), "libx264");
	assert_int_equal(failures, 1);
	assert_string_equal(last_failed, "hangs");
	assert_string_equal(last_next, "libx264");
	assert_false(viewer->need_key);
	assert_true(reads >= 1);	/* QEMU was answered */

	/* nobody tries it again */
	second = stream_new(pool, choices, RUNG_THUMB, &ops, NULL);
	stream_show(second, surface);
	other = viewer_new(wake, NULL);
	stream_join(second, other);
	until(!other->need_key);
	stream_describe(second, &info);
	assert_string_equal(info.encoder, "libx264");
	assert_int_equal(failures, 1);
	stream_leave(second, other);
	viewer_free(other);
	stream_free(second);

	leave(viewer);
	sem_post(&hang);	/* it comes back to a stream that forgot it */
}

static pthread_t main_thread;
static atomic_uint closed_here, closed_elsewhere;
static struct encoder *newest;

struct encoder *__real_encoder_new(const struct encoder_options *with,
				   enum rung rung);
struct encoder *__wrap_encoder_new(const struct encoder_options *with,
				   enum rung rung);
void __real_encoder_free(struct encoder *encoder);
void __wrap_encoder_free(struct encoder *encoder);

struct encoder *__wrap_encoder_new(const struct encoder_options *with,
				   enum rung rung)
{
	newest = __real_encoder_new(with, rung);
	return newest;
}

void __wrap_encoder_free(struct encoder *encoder)
{
	if (encoder && encoder_is_open(encoder))
		atomic_fetch_add(pthread_equal(pthread_self(), main_thread) ?
				 &closed_here : &closed_elsewhere, 1);
	__real_encoder_free(encoder);
}

static bool drawn;

bool __wrap_surface_is_drawn(const struct surface *of);

bool __wrap_surface_is_drawn(const struct surface *of)
{
	(void)of;
	return drawn;
}

/* By the guest's GPU, which takes as long as its guest likes. */
static void test_what_is_being_drawn_is_not_waited_for_in_a_worker(void **state)
{
	struct encoder *stuck;
	struct blocker blocker;
	struct viewer *viewer;

	(void)state;
	sem_init(&hang, 0, 1);
	/* as long as no encoder needs that is not stuck */
	faulty_options.deadline_ms = 3000;
	use("hangs");
	drawn = true;
	viewer = join(CODEC_OF_ALL);
	stream_tick(stream);
	assert_false(stream_is_reading(stream));
	block(&blocker);	/* which there is a thread for */
	unblock(&blocker);
	assert_int_equal(frames(), 0);
	drawn = false;
	until(frames() == 1);
	assert_string_equal(encoder(), "hangs");

	/* it began when all was drawn, and the guest had more drawn then */
	stream_damage(stream, &corner, 1, 1);
	assert_true(stream_is_reading(stream));
	drawn = true;
	stuck = newest;
	until(newest != stuck);
	sem_post(&hang);	/* of that one, and of the next */
	sem_post(&hang);
	drawn = false;
	until(frames() == 2);
	assert_string_equal(encoder(), "hangs");
	assert_int_equal(failures, 0);
	assert_false(viewer->need_key);
	leave(viewer);
	faulty_options.deadline_ms = DEADLINE_MS;
}

/* Of a driver, which may take its time for that. */
static void test_a_worker_closes_what_a_stream_that_went_leaves(void **state)
{
	struct blocker blocker;
	struct viewer *viewer;
	int passes = 1;

	(void)state;
	main_thread = pthread_self();
	atomic_store(&closed_here, 0);
	atomic_store(&closed_elsewhere, 0);
	sem_init(&hang, 0, (unsigned int)passes);
	faulty_options.deadline_ms = NEVER_MS;
	use("hangs");
	viewer = join(CODEC_OF_ALL);
	assert_true(stream_is_reading(stream));
	while (passes) {
		g_usleep(1000);
		sem_getvalue(&hang, &passes);
	}
	/* then the frame is made, and nobody here has heard of it */
	block(&blocker);
	while (sem_wait(&blocker.begun))
		;
	leave(viewer);
	stream_free(stream);
	stream = NULL;
	unblock(&blocker);
	until(atomic_load(&closed_elsewhere) + atomic_load(&closed_here) == 1);
	assert_int_equal(atomic_load(&closed_here), 0);
	faulty_options.deadline_ms = DEADLINE_MS;
}

/* It was to be closed, and waited for a thread when that was found. */
static void test_an_encoder_of_a_driver_that_hangs_is_left_alone(void **state)
{
	struct blocker blocker;
	struct encoder *encoder;
	struct viewer *viewer;

	(void)state;
	atomic_store(&closed_here, 0);
	atomic_store(&closed_elsewhere, 0);
	sem_init(&hang, 0, 1);
	faulty_options.deadline_ms = NEVER_MS;
	use("hangs");
	encoder = newest;
	viewer = join(CODEC_OF_ALL);
	until(frames() == 1);
	leave(viewer);
	block(&blocker);
	stream_free(stream);
	stream = NULL;
	choices_strike(choices, 0);
	unblock(&blocker);
	worker_pool_free(pool);
	pool = worker_pool_new(1);
	assert_int_equal(atomic_load(&closed_here), 0);
	assert_int_equal(atomic_load(&closed_elsewhere), 0);
	__real_encoder_free(encoder);
	faulty_options.deadline_ms = DEADLINE_MS;
}

/* A frame of it waited for a thread; the stream is there still, or is not. */
static void test_a_frame_that_waits_leaves_a_driver_that_hangs_alone(void **state)
{
	struct blocker blocker;
	struct encoder *left;
	struct viewer *viewer;
	unsigned int gone;

	(void)state;
	faulty_options.deadline_ms = NEVER_MS;
	for (gone = 0; gone < 2; gone++) {
		atomic_store(&closed_here, 0);
		atomic_store(&closed_elsewhere, 0);
		sem_init(&hang, 0, 1);
		use("hangs");
		left = newest;
		viewer = join(CODEC_OF_ALL);
		until(frames() == 1);
		block(&blocker);
		stream_damage(stream, &corner, 1, 1);
		choices_strike(choices, 0);
		if (!gone) {
			unblock(&blocker);
			until(!strcmp(encoder(), "libx264"));
			assert_true(newest != left);
		}
		leave(viewer);
		stream_free(stream);
		stream = NULL;
		if (gone)
			unblock(&blocker);
		worker_pool_free(pool);
		pool = worker_pool_new(1);
		assert_int_equal(atomic_load(&closed_elsewhere), 0);
		assert_true(encoder_is_open(left));
		__real_encoder_free(left);
	}
	faulty_options.deadline_ms = DEADLINE_MS;
}

static void test_when_all_fail_it_is_said_once_and_tried_again(void **state)
{
	struct viewer *viewer;

	(void)state;
	use("breaks");
	choices_strike(choices, 1);	/* libx264 */
	atomic_store(&breaks, true);
	viewer = join(CODEC_OF_ALL);
	until(failures == 1);
	assert_string_equal(last_next, "");
	stream_damage(stream, &corner, 1, 1);
	assert_int_equal(frames(), 0);
	atomic_store(&breaks, false);
	until(frames() >= 1);
	assert_int_equal(failures, 1);
	assert_false(viewer->need_key);
	leave(viewer);
}

/* --- who can decode what --- */

static void test_all_who_watch_can_decode_it(void **state)
{
	const unsigned int both = CODEC_OF_ALL | CODEC_BIT(CODEC_AV1);
	struct viewer *modern, *plain;
	unsigned int keys, others;
	uint64_t before;

	(void)state;
	use("av1");
	modern = join(both);
	until(!modern->need_key);
	assert_string_equal(encoder(), "av1");
	take(modern, &keys, &others);

	plain = join(CODEC_OF_ALL);
	until(!plain->need_key);
	assert_string_equal(encoder(), "libx264");
	take(modern, &keys, &others);
	assert_int_equal(keys, 1);	/* the same for the other */
	take(plain, &keys, &others);
	assert_int_equal(keys, 1);

	/* no key frame only because the codec could be another */
	leave(plain);
	before = frames();
	stream_damage(stream, &corner, 1, 1);
	until(frames() > before);
	assert_string_equal(encoder(), "libx264");
	take(modern, &keys, &others);
	assert_int_equal(keys, 0);

	viewer_restart(modern);
	stream_kick(stream);
	until(!modern->need_key);
	assert_string_equal(encoder(), "av1");
	assert_int_equal(failures, 0);
	leave(modern);
}

static void test_who_comes_in_the_middle_gets_nothing_it_cannot_decode(void **state)
{
	const unsigned int both = CODEC_OF_ALL | CODEC_BIT(CODEC_AV1);
	struct viewer *modern, *plain;
	struct packet *packet;
	struct blocker blocker;

	(void)state;
	use("av1");
	block(&blocker);
	modern = join(both);
	assert_true(stream_is_reading(stream));
	plain = join(CODEC_OF_ALL);
	unblock(&blocker);
	until(!plain->need_key);
	assert_string_equal(encoder(), "libx264");
	assert_int_equal(configs, 2);	/* one of av1 went before */
	packet = viewer_next(plain);
	assert_false(packet->video);
	assert_memory_equal(packet->data, "libx264", 7);
	packet_unref(packet);
	packet = viewer_next(plain);
	assert_true(packet->video && packet->key);
	packet_unref(packet);
	leave(plain);
	leave(modern);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unwatched_is_not_encoded),
		T(test_one_frame_for_all_who_watch),
		T(test_a_slow_encoder_skips),
		T(test_a_surface_that_is_drawn_on_is_read_later),
		T(test_who_comes_back_after_a_rest_gets_a_key_frame),
		T(test_at_rest_one_finer_frame_and_then_silence),
		T(test_acknowledged_times_make_latency),
		T(test_lies_about_times_are_not_counted),
		T(test_a_stream_may_go_while_it_is_encoded),
		T(test_a_picture_may_go_while_it_is_encoded),
		T(test_one_that_fails_is_replaced_with_a_key_frame),
		T(test_after_a_rest_it_is_tried_again),
		T(test_one_that_hangs_holds_up_nobody),
		T(test_what_is_being_drawn_is_not_waited_for_in_a_worker),
		T(test_a_worker_closes_what_a_stream_that_went_leaves),
		T(test_an_encoder_of_a_driver_that_hangs_is_left_alone),
		T(test_a_frame_that_waits_leaves_a_driver_that_hangs_alone),
		T(test_when_all_fail_it_is_said_once_and_tried_again),
		T(test_all_who_watch_can_decode_it),
		T(test_who_comes_in_the_middle_gets_nothing_it_cannot_decode),
	};

	av_log_set_level(AV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
