// SPDX-License-Identifier: GPL-2.0-only
/* Codec strings of key frames as encoders make them, and of what is broken. */
#include <string.h>

#include "codec.h"
#include "test.h"

static const uint8_t avc[] = {
	0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x20, 0xda, 0x01, 0x40, 0x16,
};

/* VPS, then the SPS, with emulation prevention bytes in both */
static const uint8_t hevc[] = {
	0, 0, 0, 1, 0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60,
	0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5d, 0x95, 0x98, 0x09,
	0, 0, 0, 1, 0x42, 0x01, 0x01, 0x01, 0x60,
	0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5d, 0xa0, 0x02, 0x80,
};

/* a temporal delimiter, then the sequence header */
static const uint8_t av1[] = {
	0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x42, 0xa6, 0x7f, 0xd9,
	0xe2, 0x57, 0xc8, 0x02,
};

/* the same with timing and a decoder model, written out by hand: 5.5.1 */
static const uint8_t av1_timing[] = {
	0x0a, 0x14,
	0x04,				/* profile 0, timing follows */
	0x00, 0x00, 0x00, 0x04,		/* 1 / */
	0x00, 0x00, 0x00, 0xf2,		/* 60, equal interval: uvlc "1" */
	0x00,				/* no model, no delay, */
	0x00, 0x00, 0x0a, 0x00, 0, 0, 0, 0, 0, 0,
};

static void expect(enum codec codec, const uint8_t *data, size_t len,
		   const char *wanted)
{
	char text[CODEC_STRING_LEN] = "";

	assert_true(codec_string(codec, data, len, text));
	assert_string_equal(text, wanted);
}

static void test_strings_are_read_from_parameter_sets(void **state)
{
	(void)state;
	expect(CODEC_H264, avc, sizeof(avc), "avc1.42C020");
	expect(CODEC_HEVC, hevc, sizeof(hevc), "hev1.1.6.L93.90");
	expect(CODEC_AV1, av1, sizeof(av1), "av01.0.08M.08");
}

static void test_the_header_of_av1_may_have_timing(void **state)
{
	char text[CODEC_STRING_LEN] = "";

	(void)state;
	assert_true(codec_string(CODEC_AV1, av1_timing, sizeof(av1_timing),
				 text));
	assert_memory_equal(text, "av01.0.", 7);
}

static void test_a_high_tier_is_said(void **state)
{
	uint8_t high[sizeof(av1)];

	(void)state;
	memcpy(high, av1, sizeof(av1));
	high[7] |= 4;		/* the bit behind the level */
	expect(CODEC_AV1, high, sizeof(high), "av01.0.08H.08");
}

/* Copied to be no longer than it says: a sanitizer sees what is read beyond. */
static void test_what_is_cut_off_is_no_string(void **state)
{
	static const struct {
		const uint8_t *data;
		size_t len, enough;
	} all[CODEC_COUNT] = {
		[CODEC_H264] = { avc, sizeof(avc), 8 },
		[CODEC_HEVC] = { hevc, sizeof(hevc), 50 },
		[CODEC_AV1] = { av1, sizeof(av1), sizeof(av1) },
	};
	enum codec codec;
	size_t len;

	(void)state;
	for (codec = 0; codec < CODEC_COUNT; codec++)
		for (len = 0; len <= all[codec].len; len++) {
			uint8_t *cut = test_malloc(len ? len : 1);
			char text[CODEC_STRING_LEN] = "as it was";

			memcpy(cut, all[codec].data, len);
			if (codec_string(codec, cut, len, text)) {
				assert_true(len >= all[codec].enough);
			} else {
				assert_true(len < all[codec].enough);
				assert_string_equal(text, "as it was");
			}
			test_free(cut);
		}
}

static void test_another_codecs_frame_is_no_string(void **state)
{
	char text[CODEC_STRING_LEN] = "";

	(void)state;
	assert_false(codec_string(CODEC_HEVC, avc, sizeof(avc), text));
	assert_false(codec_string(CODEC_H264, av1, sizeof(av1), text));
}

static void test_lists_of_names(void **state)
{
	const unsigned int h264 = CODEC_BIT(CODEC_H264);

	(void)state;
	assert_int_equal(codec_list(""), h264);
	assert_int_equal(codec_list("h264,av1"), h264 | CODEC_BIT(CODEC_AV1));
	assert_int_equal(codec_list("av1,hevc"), h264 | CODEC_BIT(CODEC_AV1) |
			 CODEC_BIT(CODEC_HEVC));
	/* a client may know more than we */
	assert_int_equal(codec_list("av2,,vp9,hevc1,AV1"), h264);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings_are_read_from_parameter_sets),
		cmocka_unit_test(test_the_header_of_av1_may_have_timing),
		cmocka_unit_test(test_a_high_tier_is_said),
		cmocka_unit_test(test_what_is_cut_off_is_no_string),
		cmocka_unit_test(test_another_codecs_frame_is_no_string),
		cmocka_unit_test(test_lists_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
