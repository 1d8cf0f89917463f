// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "test.h"
#include "viewer.h"

#define SECOND G_USEC_PER_SEC

static struct viewer *viewer;
static struct packet *config;
static unsigned int wakes;

static void wake(void *data)
{
	(void)data;
	wakes++;
}

static int setup(void **state)
{
	(void)state;
	wakes = 0;
	viewer = viewer_new(wake, NULL);
	config = packet_text("{\"type\":\"config\"}");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	viewer_free(viewer);
	packet_unref(config);
	return 0;
}

static void frame(bool key, uint32_t seq, gint64 now)
{
	struct packet *packet = packet_video("payload", 7);

	packet_seal_video(packet, key, seq, 0, 16, 16, config);
	viewer_queue_video(viewer, packet, now);
	packet_unref(packet);
}

/* 't' text, 'K' key frame, 'p' other frame, 0 nothing. */
static char next(uint32_t *seq)
{
	struct packet *packet = viewer_next(viewer);
	char kind;

	if (!packet)
		return 0;
	kind = !packet->video ? 't' : packet->key ? 'K' : 'p';
	if (seq)
		*seq = packet->seq;
	packet_unref(packet);
	return kind;
}

static void test_starts_with_config_and_key_frame(void **state)
{
	(void)state;
	assert_true(viewer_wants_key(viewer, 0));
	frame(false, 0, 0);
	assert_int_equal(next(NULL), 0);
	frame(true, 1, 0);
	frame(false, 2, 0);
	assert_int_equal(wakes > 0, 1);
	assert_int_equal(next(NULL), 't');
	assert_int_equal(next(NULL), 'K');
	assert_int_equal(next(NULL), 'p');
	assert_int_equal(next(NULL), 0);
	assert_false(viewer_wants_key(viewer, 0));
}

static void test_config_is_sent_again_only_when_it_changed(void **state)
{
	struct packet *old = config;

	(void)state;
	frame(true, 1, 0);
	frame(true, 2, 0);
	assert_int_equal(next(NULL), 't');
	assert_int_equal(next(NULL), 'K');
	assert_int_equal(next(NULL), 0);	/* the older one was dropped */
	config = packet_text("{\"type\":\"config\",\"width\":1}");
	frame(true, 3, 0);
	assert_int_equal(next(NULL), 't');
	assert_int_equal(next(NULL), 'K');
	packet_unref(old);
}

static void test_slow_viewer_loses_frames_and_resumes_at_a_key(void **state)
{
	uint32_t seq = 0;
	unsigned int i;

	(void)state;
	frame(true, 0, 0);
	for (i = 1; i < 100; i++)
		frame(false, i, 0);
	assert_true(viewer->frames <= VIEWER_FRAMES_MAX);
	assert_true(viewer->need_key);
	assert_int_equal(viewer->frames, 0);
	assert_false(viewer_wants_key(viewer, 0));	/* it takes nothing yet */
	assert_int_equal(next(NULL), 't');	/* the config was not dropped */
	assert_true(viewer_wants_key(viewer, 0));
	frame(false, 100, 0);
	assert_int_equal(viewer->frames, 0);
	frame(true, 101, 0);
	frame(false, 102, 0);
	assert_int_equal(next(&seq), 'K');
	assert_int_equal(seq, 101);
	assert_int_equal(next(&seq), 'p');
	assert_int_equal(seq, 102);
}

static void test_bytes_are_bounded(void **state)
{
	static char big[3 << 20];
	struct packet *packet;
	uint32_t seq;

	(void)state;
	frame(true, 0, 0);
	for (seq = 1; seq < 5; seq++) {
		packet = packet_video(big, sizeof(big));
		packet_seal_video(packet, false, seq, 0, 16, 16, config);
		viewer_queue_video(viewer, packet, 0);
		packet_unref(packet);
		assert_true(viewer->bytes <= VIEWER_BYTES_MAX);
	}
	assert_true(viewer->need_key);
}

static void test_texts_are_bounded(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < VIEWER_TEXTS_MAX; i++)
		viewer_queue_text(viewer, config);
	assert_false(viewer->broken);
	viewer_queue_text(viewer, config);
	assert_true(viewer->broken);
	assert_int_equal(viewer->texts, VIEWER_TEXTS_MAX);
	assert_false(viewer_wants_frame(viewer, 0));
}

static void test_unacknowledged_frames_stop_the_stream(void **state)
{
	uint32_t seq;

	(void)state;
	frame(true, 10, 0);
	while (next(NULL))
		;
	viewer_ack(viewer, 10, 0);
	for (seq = 11; seq < 11 + VIEWER_UNACKED_MAX; seq++) {
		frame(false, seq, 0);
		while (next(NULL))
			;
		assert_false(viewer->need_key);
	}
	frame(false, seq, 0);
	assert_true(viewer->need_key);
	assert_false(viewer_wants_key(viewer, 0));
	frame(true, seq + 1, 0);		/* nor a key frame */
	assert_int_equal(next(NULL), 0);
	assert_false(viewer_wants_key(viewer, 0));

	viewer_ack(viewer, seq - 1, 1);
	assert_true(viewer_wants_key(viewer, 1));
	frame(true, seq + 5, 1);
	assert_int_equal(next(NULL), 'K');
	assert_false(viewer->need_key);
}

static void test_lost_acknowledgements_do_not_stop_it_for_ever(void **state)
{
	uint32_t seq;

	(void)state;
	frame(true, 0, 0);
	viewer_ack(viewer, 0, 0);
	for (seq = 1; seq < 200; seq++) {
		frame(false, seq, 0);
		while (next(NULL))
			;
	}
	assert_false(viewer_wants_key(viewer, SECOND));
	assert_true(viewer_wants_key(viewer, VIEWER_ACK_TIMEOUT_US));
	frame(true, seq, VIEWER_ACK_TIMEOUT_US);
	assert_int_equal(next(NULL), 'K');
}

static void test_false_acknowledgements_are_ignored(void **state)
{
	(void)state;
	frame(true, 100, 0);
	viewer_ack(viewer, 101, 0);	/* was not sent yet */
	assert_false(viewer->acks);
	viewer_ack(viewer, 5, 0);	/* long before it came */
	assert_false(viewer->acks);
	viewer_ack(viewer, 100, 0);
	assert_true(viewer->acks);
}

static void test_restart_drops_what_is_queued(void **state)
{
	(void)state;
	frame(true, 0, 0);
	frame(false, 1, 0);
	viewer_restart(viewer);
	assert_int_equal(viewer->frames, 0);
	assert_true(viewer_wants_key(viewer, 0));
}

static void test_sequence_wraps(void **state)
{
	(void)state;
	frame(true, UINT32_MAX, 0);
	frame(false, 0, 0);
	viewer_ack(viewer, UINT32_MAX, 0);
	assert_true(viewer->acks);
	viewer_ack(viewer, 0, 0);
	assert_int_equal(viewer->acked_seq, 0);
}

static void test_who_loses_again_and_again_waits_for_key_frames(void **state)
{
	gint64 now = SECOND, gap = 0;
	uint32_t seq = 0;
	unsigned int i;

	(void)state;
	for (i = 0; i < 6; i++) {
		frame(true, seq++, now);
		while (!viewer->need_key)
			frame(false, seq++, now);
		while (next(NULL))
			;
		next(NULL);
		/* the first loss is made good at once */
		assert_int_equal(viewer_wants_key(viewer, now), i == 0);
		assert_true(viewer->key_after - now >= gap);
		gap = viewer->key_after - now;
		assert_true(gap <= VIEWER_KEY_GAP_MAX_US);
		now = viewer->key_after;
		assert_true(viewer_wants_key(viewer, now));
	}
	assert_int_equal(gap, VIEWER_KEY_GAP_MAX_US);

	/* one that went well for long is forgiven */
	frame(true, seq++, now);
	now += 3 * VIEWER_KEY_GAP_MAX_US;
	while (!viewer->need_key)
		frame(false, seq++, now);
	next(NULL);
	assert_true(viewer_wants_key(viewer, now));
}

static void test_what_is_known_of_a_frame_is_told_once(void **state)
{
	const struct viewer_sent *sent;

	(void)state;
	frame(true, 7, 1);
	frame(false, 8, 1);
	while (next(NULL))
		;
	sent = viewer_ack(viewer, 7, SECOND);
	assert_non_null(sent);
	assert_int_equal(sent->seq, 7);
	assert_null(viewer_ack(viewer, 7, 2 * SECOND));
	assert_null(viewer_ack(viewer, 9, 3 * SECOND));	/* not sent */
	assert_non_null(viewer_ack(viewer, 8, 4 * SECOND));
}

static void test_times_are_not_taken_too_often(void **state)
{
	(void)state;
	frame(true, 7, 1);
	frame(false, 8, 1);
	while (next(NULL))
		;
	assert_non_null(viewer_ack(viewer, 7, SECOND));
	assert_null(viewer_ack(viewer, 8, SECOND + 1));
}

static void test_another_stream_begins_anew(void **state)
{
	(void)state;
	frame(true, 7, 1);
	frame(false, 8, 1);
	while (next(NULL))
		;
	viewer_switch(viewer, 500, SECOND);
	assert_int_equal((int)viewer->rate.kbit, 500);
	assert_null(viewer_ack(viewer, 8, SECOND));
	frame(false, 100, SECOND);
	assert_int_equal(next(NULL), 0);
	frame(true, 101, SECOND);
	assert_int_equal(next(NULL), 't');	/* even the same config */
	assert_int_equal(next(NULL), 'K');
	/* a link that was found slow stays so */
	viewer->rate.kbit = 200;
	viewer_switch(viewer, 8000, SECOND);
	assert_int_equal((int)viewer->rate.kbit, 200);
}

static void test_who_comes_and_goes_waits_for_key_frames(void **state)
{
	gint64 now = SECOND, gap = 0;
	unsigned int i;

	(void)state;
	/* as a person does, who opens a desktop and closes it */
	for (i = 0; i < 20; i++, now += VIEWER_SWITCH_US) {
		viewer_switch(viewer, 500, now);
		assert_true(viewer_wants_key(viewer, now));
	}
	for (i = 0; i < 20; i++, now += VIEWER_SWITCH_US / 20) {
		viewer_switch(viewer, 500, now);
		gap = viewer->key_after - now;
	}
	assert_int_equal(gap, VIEWER_KEY_GAP_MAX_US);
	assert_false(viewer_wants_key(viewer, now));
	/* one that is made for somebody else is for it, too */
	frame(true, 1, now);
	assert_int_equal(next(NULL), 't');
	assert_int_equal(next(NULL), 'K');
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void queue_latest(enum packet_latest latest, const char *said)
{
	struct packet *packet = packet_text(said);

	packet->latest = latest;
	viewer_queue_text(viewer, packet);
	packet_unref(packet);
}

static void expect_text(const char *said)
{
	struct packet *packet = viewer_next(viewer);

	assert_non_null(packet);
	assert_int_equal(packet->len, strlen(said));
	assert_memory_equal(packet->data, said, packet->len);
	packet_unref(packet);
}

static void test_of_the_latest_only_the_latest_waits(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 10 * VIEWER_TEXTS_MAX; i++) {
		queue_latest(PACKET_CURSOR, "an older cursor");
		queue_latest(PACKET_POINTER, "an older pointer");
	}
	queue_latest(PACKET_EACH, "a text");
	queue_latest(PACKET_CURSOR, "cursor");
	queue_latest(PACKET_POINTER, "pointer");
	assert_false(viewer->broken);
	expect_text("a text");
	expect_text("cursor");
	expect_text("pointer");
	assert_null(viewer_next(viewer));
	assert_int_equal(viewer->bytes, 0);
	assert_int_equal(viewer->texts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_starts_with_config_and_key_frame),
		T(test_config_is_sent_again_only_when_it_changed),
		T(test_slow_viewer_loses_frames_and_resumes_at_a_key),
		T(test_bytes_are_bounded),
		T(test_texts_are_bounded),
		T(test_unacknowledged_frames_stop_the_stream),
		T(test_lost_acknowledgements_do_not_stop_it_for_ever),
		T(test_false_acknowledgements_are_ignored),
		T(test_restart_drops_what_is_queued),
		T(test_sequence_wraps),
		T(test_who_loses_again_and_again_waits_for_key_frames),
		T(test_what_is_known_of_a_frame_is_told_once),
		T(test_times_are_not_taken_too_often),
		T(test_another_stream_begins_anew),
		T(test_who_comes_and_goes_waits_for_key_frames),
		T(test_of_the_latest_only_the_latest_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
