// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which encoder is taken, on a machine that has what the rows of this table
 * stand for: some are libx264 under another name with a fault, which only tests
 * have.
 */
#include <glib.h>
#include <libavutil/log.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "choice.h"
#include "test.h"

#define HANG_S 60	/* no test depends on it */

static sem_t gate, through;
static struct choices *choices;
static char *error;

static int broken_prepare(AVCodecContext *ctx, const char *device)
{
	(void)ctx;
	(void)device;
	av_log(NULL, AV_LOG_ERROR, "the device is on fire\n");
	return AVERROR(EIO);
}

/* A driver that does not come back, until the test lets it. */
static int hung_prepare(AVCodecContext *ctx, const char *device)
{
	(void)ctx;
	(void)device;
	sem_wait(&gate);
	sem_post(&through);
	return AVERROR(EIO);
}

static const char *const settings[][2] = {
	{ "preset", "ultrafast" }, { "tune", "zerolatency" }, { NULL, NULL },
};

static const char *const settings_x265[][2] = {
	{ "preset", "ultrafast" }, { "tune", "zerolatency" },
	{ "x265-params", "log-level=none:pools=none:frame-threads=1" },
	{ NULL, NULL },
};

static const struct encoder_kind table[] = {
	{ .name = "missing", .avcodec = "no-such-encoder" },
	{ .name = "broken", .avcodec = "libx264", .hardware = true,
	  .settings = settings, .prepare = broken_prepare },
	{ .name = "hung", .avcodec = "libx264", .hardware = true,
	  .settings = settings, .prepare = hung_prepare },
	{ .name = "good", .avcodec = "libx264", .settings = settings },
	{ .name = "modern", .avcodec = "libx265", .codec = CODEC_HEVC,
	  .settings = settings_x265 },
	{ .name = "libx264", .avcodec = "libx264", .settings = settings },
	{ .name = NULL },
};

static struct encoder_options options = {
	.bitrate_kbit = 1000, .fps = 30,
};

static void make(const char *names)
{
	options.name = names;
	choices = choices_new(&options, table, &error);
	assert_non_null(choices);
}

static void expect_name(int choice, const char *name)
{
	assert_true(choice != CHOICE_NONE);
	assert_string_equal(choices_kind(choices, choice)->name, name);
}

static int teardown(void **state)
{
	(void)state;
	choices_free(choices);
	choices = NULL;
	g_clear_pointer(&error, g_free);
	options.deadline_ms = 0;
	return 0;
}

static struct choice_info info(unsigned int index)
{
	struct choice_info of;

	choices_describe(choices, index, &of);
	return of;
}

static void test_auto_prefers_a_gpu_and_ends_with_libx264(void **state)
{
	static const char *const wanted[] = {
		"h264_nvenc", "h264_vaapi", "h264_videotoolbox", "libx264",
	};
	unsigned int i;

	(void)state;
	options.name = "auto";
	choices = choices_new(&options, encoder_kinds, &error);
	assert_int_equal(choices_count(choices), 4);
	for (i = 0; i < 4; i++)
		assert_string_equal(info(i).name, wanted[i]);
}

static void test_the_order_is_as_named_and_auto_may_be_in_it(void **state)
{
	(void)state;
	options.name = "libsvtav1, h264_vaapi,auto,libsvtav1";
	choices = choices_new(&options, encoder_kinds, &error);
	assert_int_equal(choices_count(choices), 5);
	assert_string_equal(info(0).name, "libsvtav1");
	assert_string_equal(info(1).name, "h264_vaapi");
	assert_string_equal(info(2).name, "h264_nvenc");
	assert_string_equal(info(4).name, "libx264");
}

static void test_an_unknown_name_is_an_error_that_lists_the_known(void **state)
{
	(void)state;
	options.name = "good,x264";
	assert_null(choices_new(&options, table, &error));
	assert_non_null(strstr(error, "\"x264\""));
	assert_non_null(strstr(error, "auto, missing"));
	assert_non_null(strstr(error, "libx264"));
	g_clear_pointer(&error, g_free);
	assert_false(choices_check("", &error));
	g_clear_pointer(&error, g_free);
	assert_true(choices_check("auto", &error));
}

static void test_those_that_are_missing_are_passed_over(void **state)
{
	(void)state;
	make("missing,broken,good");
	assert_true(choices_try(choices, &error));
	assert_false(info(0).works);
	assert_string_equal(info(0).why, "not in this libavcodec");
	assert_false(info(1).works);
	assert_non_null(strstr(info(1).why, "on fire"));
	assert_true(info(2).works);
	assert_string_equal(info(2).why, "");
	expect_name(choices_pick(choices, CODEC_OF_ALL, 0), "good");
}

static void test_if_none_that_was_named_works_it_is_an_error(void **state)
{
	(void)state;
	make("missing,broken");
	assert_false(choices_try(choices, &error));
	assert_non_null(strstr(error, "missing: not in this libavcodec"));
	assert_non_null(strstr(error, "broken: "));
}

static void test_the_last_resort_is_always_there(void **state)
{
	(void)state;
	make("modern");
	assert_true(choices_try(choices, &error));
	expect_name(choices_pick(choices, CODEC_OF_ALL | CODEC_BIT(CODEC_HEVC),
				 0), "modern");
	/* for whom cannot decode that, and when it fails */
	expect_name(choices_pick(choices, CODEC_OF_ALL, 0), "libx264");
	expect_name(choices_pick(choices, ~0u, 1), "libx264");
	assert_int_equal(choices_pick(choices, ~0u, 3), CHOICE_NONE);
}

static void test_a_driver_that_hangs_holds_up_nobody(void **state)
{
	struct timespec until;

	(void)state;
	sem_init(&gate, 0, 0);
	sem_init(&through, 0, 0);
	options.deadline_ms = 50;
	make("hung,good");
	assert_true(choices_try(choices, &error));
	assert_false(info(0).works);
	assert_non_null(strstr(info(0).why, "no frame within"));
	expect_name(choices_pick(choices, CODEC_OF_ALL, 0), "good");
	/* and when it comes back after all, nothing is there to be hurt */
	teardown(NULL);
	sem_post(&gate);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HANG_S;
	assert_int_equal(sem_timedwait(&through, &until), 0);
}

static void test_one_that_is_struck_off_is_not_picked(void **state)
{
	int good;

	(void)state;
	make("good");
	good = choices_pick(choices, CODEC_OF_ALL, 0);
	expect_name(good, "good");
	choices_note_failure(choices, good);
	assert_true(info((unsigned int)good).works);
	choices_strike(choices, good);
	assert_true(choices_is_struck(choices, good));
	assert_false(info((unsigned int)good).works);
	assert_int_equal(info((unsigned int)good).failures, 1);
	expect_name(choices_pick(choices, CODEC_OF_ALL, 0), "libx264");
}

/* Whatever this machine has: it works, or a reason is given. */
static void test_this_machines_encoders_are_tried(void **state)
{
	unsigned int i;

	(void)state;
	options.name = "auto,hevc_nvenc,hevc_vaapi,av1_nvenc,av1_vaapi,libx265,libsvtav1";
	choices = choices_new(&options, encoder_kinds, &error);
	assert_true(choices_try(choices, &error));
	for (i = 0; i < choices_count(choices); i++) {
		assert_true(info(i).works == !*info(i).why);
		/* what is in memory needs nothing that could be missing */
		assert_true(info(i).works || !strncmp(info(i).why, "not in", 6) ||
			    info(i).hardware);
		print_message("%s: %s\n", info(i).name,
			      info(i).works ? "works" : info(i).why);
	}
	assert_true(choices_pick(choices, CODEC_OF_ALL, 0) != CHOICE_NONE);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_auto_prefers_a_gpu_and_ends_with_libx264),
		T(test_the_order_is_as_named_and_auto_may_be_in_it),
		T(test_an_unknown_name_is_an_error_that_lists_the_known),
		T(test_those_that_are_missing_are_passed_over),
		T(test_if_none_that_was_named_works_it_is_an_error),
		T(test_the_last_resort_is_always_there),
		T(test_a_driver_that_hangs_holds_up_nobody),
		T(test_one_that_is_struck_off_is_not_picked),
		T(test_this_machines_encoders_are_tried),
	};

	setenv("SVT_LOG", "0", 0);
	av_log_set_level(AV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
