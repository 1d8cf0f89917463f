/* SPDX-License-Identifier: GPL-2.0-only */
/* The picture of a packet, by libavcodec's decoder. */
#ifndef HELIX_TEST_DECODE_H
#define HELIX_TEST_DECODE_H

#include <libavcodec/avcodec.h>
#include <string.h>

#include "packet.h"
#include "test.h"

/* Every access unit in must be a picture out at once: no reordering. */
static inline void decode_packet(AVCodecContext *decoder,
				 const struct packet *from, AVFrame *frame)
{
	size_t len = from->len - PACKET_VIDEO_HEADER;
	AVPacket *packet = av_packet_alloc();

	assert_int_equal(av_new_packet(packet, (int)len), 0);
	memcpy(packet->data, from->data + PACKET_VIDEO_HEADER, len);
	assert_int_equal(avcodec_send_packet(decoder, packet), 0);
	assert_int_equal(avcodec_receive_frame(decoder, frame), 0);
	av_packet_free(&packet);
}

#endif
