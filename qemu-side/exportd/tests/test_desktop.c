// SPDX-License-Identifier: GPL-2.0-only
/* A desktop between a stand-in for QEMU and viewers. */
#include <libavutil/log.h>

#include "desktop.h"
#include "fake_qemu.h"

static const struct encoder_options options = {
	.name = "libx264", .bitrate_kbit = 8000, .fps = 60,
};

static struct choices *choices;
static struct worker_pool *pool;
static struct desktop *desktop;

static void wake(void *data)
{
	(void)data;
}

static void gone(struct viewer *viewer)
{
	(void)viewer;
}

static int setup_desktop(bool was_off)
{
	struct desktop_env env = { 0 };
	const struct desktop_config config = {
		.vm = "vm", .scanout = 3, .width = SIZE, .height = SIZE,
		.was_off = was_off,
	};
	char *error;

	if (fake_open())
		return -1;
	choices = choices_new(&options, encoder_kinds, &error);
	env.choices = choices;
	pool = worker_pool_new(1);
	env.pool = pool;
	desktop = desktop_new(&env, &console, &config);
	until(qemu);
	call_scanout();
	until(answers == 1);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_desktop(false);
}

static int setup_off(void **state)
{
	(void)state;
	return setup_desktop(true);
}

static int teardown(void **state)
{
	(void)state;
	desktop_free(desktop, "the test is over");
	fake_close();
	worker_pool_free(pool);
	choices_free(choices);
	return 0;
}

static struct viewer *join(enum rung rung)
{
	struct viewer *viewer = viewer_new(wake, NULL);

	desktop_join(desktop, viewer, rung, false, gone);
	return viewer;
}

static void leave(struct viewer *viewer)
{
	desktop_leave(desktop, viewer);
	viewer_free(viewer);
}

static unsigned int take_frames(struct viewer *viewer)
{
	struct packet *packet;
	unsigned int frames = 0;

	while ((packet = viewer_next(viewer))) {
		frames += packet->video;
		packet_unref(packet);
	}
	return frames;
}

static struct desktop_info describe(void)
{
	struct desktop_info info;

	desktop_describe(desktop, &info);
	return info;
}

static void test_an_unwatched_desktop_holds_its_answer(void **state)
{
	gint64 begun = g_get_monotonic_time();

	(void)state;
	call_update(1);
	until(answers == 2);
	/* nobody read it, and no timer is early */
	assert_true(g_get_monotonic_time() - begun >= 400 * 1000);
	assert_int_equal(describe().frames, 0);
}

static void test_who_joins_gets_what_was_held(void **state)
{
	struct viewer *viewer;

	(void)state;
	call_update(1);
	viewer = join(RUNG_FULL);
	until(answers == 2 && viewer->frames);
	assert_true(describe().rung[RUNG_FULL].frames >= 1);
	leave(viewer);
}

static void test_each_update_is_a_frame_while_it_is_watched(void **state)
{
	struct viewer *viewer = join(RUNG_FULL);
	unsigned int i, frames = 0;

	(void)state;
	until(viewer->frames);
	for (i = 0; i < 5; i++) {
		take_frames(viewer);
		call_update(1);
		until(answers == 2 + i && (frames = viewer->frames));
		assert_true(frames >= 1);
	}
	leave(viewer);
}

static void test_a_thumbnail_alone_sets_the_pace(void **state)
{
	struct viewer *viewer = join(RUNG_THUMB);

	(void)state;
	until(viewer->frames);
	take_frames(viewer);
	call_update(1);
	until(answers == 2);
	until(viewer->frames);
	assert_int_equal(describe().rung[RUNG_FULL].frames, 0);
	leave(viewer);
}

static void test_switching_rungs_moves_the_viewer(void **state)
{
	struct viewer *viewer = join(RUNG_FULL);
	uint64_t before;

	(void)state;
	until(viewer->frames);
	desktop_watch(desktop, viewer, RUNG_THUMB, false);
	assert_int_equal(describe().rung[RUNG_FULL].viewers, 0);
	assert_int_equal(describe().rung[RUNG_THUMB].viewers, 1);
	until(describe().rung[RUNG_THUMB].frames && viewer->frames);
	desktop_watch(desktop, viewer, RUNG_NONE, false);
	assert_int_equal(viewer->frames, 0);
	assert_int_equal(describe().rung[RUNG_THUMB].viewers, 0);
	assert_int_equal(describe().viewers, 1);
	before = describe().frames;
	call_update(1);
	until(answers == 2);	/* held, as nobody looks */
	assert_true(describe().frames <= before + 1);
	leave(viewer);
}

static void test_who_changes_the_controller_drowns_nobody(void **state)
{
	const struct message request = {
		.type = MESSAGE_CONTROL, .control.action = ACTION_REQUEST,
	};
	const struct message release = {
		.type = MESSAGE_CONTROL, .control.action = ACTION_RELEASE,
	};
	struct viewer *restless = viewer_new(wake, NULL);
	struct viewer *other = join(RUNG_NONE);
	unsigned int i;

	(void)state;
	restless->role = ROLE_CONTROL;
	desktop_join(desktop, restless, RUNG_NONE, false, gone);
	/* as many as one read of a socket may bring, before anything is sent */
	for (i = 0; i < 2 * VIEWER_TEXTS_MAX; i++) {
		desktop_input(desktop, restless, i % 2 ? &release : &request);
		take_frames(restless);
	}
	assert_false(other->broken);
	assert_int_equal(other->texts, 2);	/* state, role */
	leave(restless);
	leave(other);
}

static void test_what_qemu_shows_on_an_output_that_was_off_is_not_shown(void **state)
{
	GVariantBuilder list;

	(void)state;
	assert_false(describe().live);
	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	g_variant_builder_add(&list, "(iiii)", 0, 0, SIZE, SIZE);
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", (guint64)1, &list), NULL);
	until(answers == 2);
	assert_false(describe().live);
	call_update(1);
	until(answers == 3);
	assert_true(describe().live);
}

static enum idle_state look(const struct idle_policy *policy)
{
	return desktop_idle(desktop, policy, true);
}

static void test_who_counts_as_a_viewer(void **state)
{
	struct idle_policy policy = { .after = 600, .warn = 60 };
	struct viewer *viewer;

	(void)state;
	assert_int_equal(describe().idle, IDLE_OFF);
	assert_false(desktop_keep(desktop));
	assert_int_equal(look(&policy), IDLE_COUNTING);
	assert_true(desktop_keep(desktop));
	viewer = join(RUNG_FULL);
	assert_int_equal(look(&policy), IDLE_USED);
	/* the same picture, but as one of many */
	desktop_watch(desktop, viewer, RUNG_FULL, true);
	assert_int_equal(look(&policy), IDLE_COUNTING);
	desktop_watch(desktop, viewer, RUNG_THUMB, false);
	assert_int_equal(look(&policy), IDLE_COUNTING);
	policy.thumbnails = true;
	assert_int_equal(look(&policy), IDLE_USED);
	/* a page that nobody can see is no viewer in any case */
	desktop_watch(desktop, viewer, RUNG_NONE, false);
	assert_int_equal(look(&policy), IDLE_COUNTING);
	desktop_watch(desktop, viewer, RUNG_FULL, false);
	assert_int_equal(look(&policy), IDLE_USED);
	leave(viewer);
	assert_int_equal(look(&policy), IDLE_COUNTING);
	policy.after = 0;
	assert_int_equal(look(&policy), IDLE_OFF);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_OFF(name) cmocka_unit_test_setup_teardown(name, setup_off, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_unwatched_desktop_holds_its_answer),
		T(test_who_joins_gets_what_was_held),
		T(test_each_update_is_a_frame_while_it_is_watched),
		T(test_a_thumbnail_alone_sets_the_pace),
		T(test_switching_rungs_moves_the_viewer),
		T(test_who_counts_as_a_viewer),
		T(test_who_changes_the_controller_drowns_nobody),
		T_OFF(test_what_qemu_shows_on_an_output_that_was_off_is_not_shown),
	};

	av_log_set_level(AV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
