// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of a key frame's parameter sets what a codec string has: H.264 7.3.2.1.1,
 * HEVC 7.3.3 and ISO/IEC 14496-15 annex E, AV1 5.5.1. Rule: nothing is read
 * behind @len, whatever the encoder made.
 */
#include "codec.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define CODEC_NAL_MAX	32	/* bytes of a parameter set that are looked at */

enum {
	NAL_H264_SPS = 7,
	NAL_HEVC_SPS = 33,
	OBU_SEQUENCE_HEADER = 1,
};

const char *codec_name(enum codec codec)
{
	static const char *const names[CODEC_COUNT] = {
		[CODEC_H264] = "h264",
		[CODEC_HEVC] = "hevc",
		[CODEC_AV1] = "av1",
	};

	return names[codec];
}

unsigned int codec_list(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, ",", CODEC_COUNT * 4);
	unsigned int mask = CODEC_OF_ALL, i;
	enum codec codec;

	for (i = 0; words[i]; i++)
		for (codec = 0; codec < CODEC_COUNT; codec++)
			if (!strcmp(words[i], codec_name(codec)))
				mask |= CODEC_BIT(codec);
	return mask;
}

/* --- bits --- */

struct bits {
	const uint8_t *data;
	size_t len, at;		/* bytes, bits */
	bool over;		/* there were fewer than asked for */
};

static unsigned int bits_read(struct bits *bits, unsigned int count)
{
	unsigned int value = 0;

	while (count--) {
		if (bits->at / 8 >= bits->len) {
			bits->over = true;
			return 0;
		}
		value = value << 1 |
			(bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1);
		bits->at++;
	}
	return value;
}

/* --- H.264 and HEVC --- */

/*
 * What follows the start code of the NAL unit whose header @is says is the one,
 * without emulation prevention bytes. Returns how much of it @out has.
 */
static size_t codec_find_nal(const uint8_t *data, size_t len,
			     bool (*is)(uint8_t header),
			     uint8_t out[CODEC_NAL_MAX])
{
	size_t i, zeros = 0, count = 0;

	for (i = 0; i + 3 < len; i++)
		if (!data[i] && !data[i + 1] && data[i + 2] == 1 &&
		    is(data[i + 3]))
			break;
	for (i += 3; i < len && count < CODEC_NAL_MAX; i++) {
		if (zeros >= 2 && data[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = data[i] ? 0 : zeros + 1;
		out[count++] = data[i];
	}
	return count;
}

static bool codec_is_h264_sps(uint8_t header)
{
	return (header & 0x1f) == NAL_H264_SPS;
}

static bool codec_is_hevc_sps(uint8_t header)
{
	return (header >> 1 & 0x3f) == NAL_HEVC_SPS;
}

static bool codec_h264(const uint8_t *data, size_t len, char *out)
{
	uint8_t sps[CODEC_NAL_MAX];

	if (codec_find_nal(data, len, codec_is_h264_sps, sps) < 4)
		return false;
	snprintf(out, CODEC_STRING_LEN, "avc1.%02X%02X%02X", sps[1], sps[2],
		 sps[3]);
	return true;
}

/* Header 2 bytes, ids 1, profile 1, compatibility 4, constraints 6, level 1. */
static bool codec_hevc(const uint8_t *data, size_t len, char *out)
{
	uint8_t sps[CODEC_NAL_MAX];
	uint32_t flags = 0;
	int i, last, n;

	if (codec_find_nal(data, len, codec_is_hevc_sps, sps) < 15)
		return false;
	for (i = 0; i < 32; i++)	/* the first flag is the lowest bit */
		flags |= (uint32_t)(sps[4 + i / 8] >> (7 - i % 8) & 1) << i;
	n = snprintf(out, CODEC_STRING_LEN, "hev1.%.*s%u.%X.%c%u",
		     sps[3] >> 6 ? 1 : 0, &" ABC"[sps[3] >> 6], sps[3] & 0x1f,
		     flags, sps[3] & 0x20 ? 'H' : 'L', sps[14]);
	for (last = 13; last > 7 && !sps[last]; last--)
		;
	for (i = 8; i <= last; i++)
		n += snprintf(out + n, (size_t)(CODEC_STRING_LEN - n), ".%X",
			      sps[i]);
	return true;
}

/* --- AV1 --- */

static bool codec_leb128(const uint8_t *data, size_t len, size_t *at,
			 size_t *value)
{
	unsigned int i;

	*value = 0;
	for (i = 0; i < 8 && *at < len; i++) {
		*value |= (size_t)(data[*at] & 0x7f) << (7 * i);
		if (!(data[(*at)++] & 0x80))
			return true;
	}
	return false;
}

static void codec_skip_uvlc(struct bits *bits)
{
	unsigned int zeros = 0;

	while (!bits->over && !bits_read(bits, 1))
		zeros++;
	bits_read(bits, MIN(zeros, 32));
}

/* Our pictures have 8 bits; the rest of the header says no more of interest. */
static bool codec_av1_sequence(const uint8_t *data, size_t len, char *out)
{
	struct bits bits = { data, len, 0, false };
	unsigned int profile = bits_read(&bits, 3), level, tier = 0;

	bits_read(&bits, 1);			/* still picture */
	if (bits_read(&bits, 1)) {		/* reduced header */
		level = bits_read(&bits, 5);
	} else {
		if (bits_read(&bits, 1)) {	/* timing */
			bits_read(&bits, 32);
			bits_read(&bits, 32);
			if (bits_read(&bits, 1))
				codec_skip_uvlc(&bits);
			if (bits_read(&bits, 1))	/* decoder model */
				bits_read(&bits, 5 + 32 + 5 + 5);
		}
		bits_read(&bits, 1);		/* display delay */
		bits_read(&bits, 5);		/* operating points */
		bits_read(&bits, 12);		/* of the first */
		level = bits_read(&bits, 5);
		if (level > 7)
			tier = bits_read(&bits, 1);
	}
	if (bits.over)
		return false;
	snprintf(out, CODEC_STRING_LEN, "av01.%u.%02u%c.08", profile, level,
		 tier ? 'H' : 'M');
	return true;
}

static bool codec_av1(const uint8_t *data, size_t len, char *out)
{
	size_t at = 0, size;

	while (at < len) {
		uint8_t header = data[at++];

		at += header >> 2 & 1;		/* extension */
		size = at < len ? len - at : 0;
		if ((header & 2) && !codec_leb128(data, len, &at, &size))
			return false;
		if (at > len || size > len - at)
			return false;
		if ((header >> 3 & 15) == OBU_SEQUENCE_HEADER)
			return codec_av1_sequence(data + at, size, out);
		at += size;
	}
	return false;
}

bool codec_string(enum codec codec, const uint8_t *data, size_t len,
		  char out[CODEC_STRING_LEN])
{
	switch (codec) {
	case CODEC_H264:
		return codec_h264(data, len, out);
	case CODEC_HEVC:
		return codec_hevc(data, len, out);
	case CODEC_AV1:
		return codec_av1(data, len, out);
	default:
		return false;
	}
}
