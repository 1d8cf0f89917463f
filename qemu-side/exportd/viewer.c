// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the queue of one client. Rule: the queue is bounded in frames, bytes
 * and texts; a client that is behind loses all queued frames at once and
 * resumes at a key frame, which is made only when it can take one.
 */
#include "viewer.h"

#include <string.h>

struct viewer *viewer_new(void (*wake)(void *data), void *data)
{
	struct viewer *viewer = g_new0(struct viewer, 1);

	g_queue_init(&viewer->queue);
	viewer->codecs = CODEC_OF_ALL;
	viewer->joining = true;
	viewer->need_key = true;
	viewer->wake = wake;
	viewer->wake_data = data;
	return viewer;
}

void viewer_free(struct viewer *viewer)
{
	if (!viewer)
		return;
	g_queue_clear_full(&viewer->queue, (GDestroyNotify)packet_unref);
	packet_unref(viewer->config);
	g_free(viewer);
}

static void viewer_push(struct viewer *viewer, struct packet *packet)
{
	g_queue_push_tail(&viewer->queue, packet_ref(packet));
	viewer->bytes += packet->len;
	if (packet->video)
		viewer->frames++;
	else
		viewer->texts++;
}

static void viewer_forget(struct viewer *viewer, const struct packet *packet)
{
	viewer->bytes -= packet->len;
	if (packet->video)
		viewer->frames--;
	else
		viewer->texts--;
}

static void viewer_drop_older(struct viewer *viewer, enum packet_latest latest)
{
	GList *link;

	for (link = viewer->queue.head; link; link = link->next) {
		struct packet *packet = link->data;

		if (packet->latest != latest)
			continue;
		viewer_forget(viewer, packet);
		packet_unref(packet);
		g_queue_delete_link(&viewer->queue, link);
		return;		/* there is one at most */
	}
}

void viewer_queue_text(struct viewer *viewer, struct packet *text)
{
	if (text->latest)
		viewer_drop_older(viewer, text->latest);
	if (viewer->texts >= VIEWER_TEXTS_MAX)
		viewer->broken = true;
	else
		viewer_push(viewer, text);
	viewer->wake(viewer->wake_data);
}

void viewer_say(struct viewer *viewer, char *text)
{
	struct packet *packet = packet_text(text);

	viewer_queue_text(viewer, packet);
	packet_unref(packet);
	g_free(text);
}

static void viewer_drop_frames(struct viewer *viewer)
{
	GList *link, *next;

	for (link = viewer->queue.head; link; link = next) {
		struct packet *packet = link->data;

		next = link->next;
		if (!packet->video)
			continue;
		viewer_forget(viewer, packet);
		viewer->dropped++;
		packet_unref(packet);
		g_queue_delete_link(&viewer->queue, link);
	}
}

/* An acknowledgement that never comes must not stop the stream for ever. */
static bool viewer_is_behind(const struct viewer *viewer, gint64 now)
{
	return viewer->acks &&
	       viewer->last_seq - viewer->acked_seq >= VIEWER_UNACKED_MAX &&
	       now - viewer->acked_at < VIEWER_ACK_TIMEOUT_US;
}

static bool viewer_is_full(const struct viewer *viewer, size_t more)
{
	return viewer->frames >= VIEWER_FRAMES_MAX ||
	       viewer->bytes + more > VIEWER_BYTES_MAX;
}

/*
 * A key frame costs all who watch. Who loses frames, or comes to a stream, again
 * and again waits longer for each, so that the others do not pay for it.
 */
static void viewer_put_off_key(struct viewer *viewer, gint64 now)
{
	bool again = viewer->key_after &&
		     now - viewer->key_after < 2 * VIEWER_KEY_GAP_MAX_US;

	if (!again)
		viewer->key_gap = 0;
	else if (!viewer->key_gap)
		viewer->key_gap = VIEWER_KEY_GAP_US;
	else
		viewer->key_gap = MIN(2 * viewer->key_gap,
				      VIEWER_KEY_GAP_MAX_US);
	viewer->key_after = now + viewer->key_gap;
}

static void viewer_drop(struct viewer *viewer, gint64 now)
{
	viewer_drop_frames(viewer);
	viewer->dropped++;
	rate_lost(&viewer->rate, now);
	if (!viewer->need_key)
		viewer_put_off_key(viewer, now);
	viewer->need_key = true;
	/* a key frame for one that takes nothing would only cost the others */
	viewer->blocked = true;
	viewer->wake(viewer->wake_data);
}

static void viewer_push_key(struct viewer *viewer, struct packet *video,
			    gint64 now)
{
	/* what is queued is older than this, and this needs none of it */
	viewer_drop_frames(viewer);
	if (viewer->config != video->config) {
		viewer_queue_text(viewer, video->config);
		packet_unref(viewer->config);
		viewer->config = packet_ref(video->config);
	}
	if (viewer->need_key) {
		viewer->acked_seq = video->seq - 1;
		viewer->acked_at = now;
	}
	viewer->joining = false;
	viewer->need_key = false;
	viewer_push(viewer, video);
	viewer->last_seq = video->seq;
}

void viewer_queue_video(struct viewer *viewer, struct packet *video,
			gint64 now)
{
	if (viewer->need_key && !video->key) {
		viewer->dropped++;
		return;
	}
	if (viewer_is_behind(viewer, now)) {
		viewer_drop(viewer, now);
		return;
	}
	if (viewer_is_full(viewer, video->len) && !video->key) {
		viewer_drop(viewer, now);
		return;
	}
	if (video->key) {
		viewer_push_key(viewer, video, now);
	} else {
		viewer_push(viewer, video);
		viewer->last_seq = video->seq;
	}
	viewer->wake(viewer->wake_data);
}

static void viewer_note_sent(struct viewer *viewer, const struct packet *packet)
{
	struct viewer_sent *sent = &viewer->sent[packet->seq % VIEWER_SENT];
	gint64 now = g_get_monotonic_time();

	viewer->total += packet->len;
	*sent = (struct viewer_sent){
		.seq = packet->seq, .known = true, .flushed = packet->flushed,
		.begun = packet->begun, .encoded = packet->encoded,
		.sent = now, .total = viewer->total,
	};
	rate_sent(&viewer->rate, packet->len, now);
	if (!viewer->acks)
		rate_delivered(&viewer->rate, packet->len,
			       now - packet->encoded, now);
}

struct packet *viewer_next(struct viewer *viewer)
{
	struct packet *packet = g_queue_pop_head(&viewer->queue);

	viewer->blocked = false;
	if (packet)
		viewer_forget(viewer, packet);
	if (packet && packet->video)
		viewer_note_sent(viewer, packet);
	return packet;
}

const struct viewer_sent *viewer_ack(struct viewer *viewer, uint32_t seq,
				     gint64 now)
{
	struct viewer_sent *sent = &viewer->sent[seq % VIEWER_SENT];

	/* only of frames that were sent and not yet acknowledged */
	if (viewer->last_seq - seq > viewer->last_seq - viewer->acked_seq)
		return NULL;
	/* until now it was measured by what the socket took */
	if (!viewer->acks)
		rate_init(&viewer->rate, viewer->rate.max_kbit, now);
	viewer->acks = true;
	viewer->acked_seq = seq;
	viewer->acked_at = now;
	if (!sent->known || sent->seq != seq)
		return NULL;
	sent->known = false;
	rate_delivered(&viewer->rate, sent->total - viewer->acked_total,
		       now - sent->encoded, now);
	viewer->acked_total = sent->total;
	if (viewer->reported_at && now - viewer->reported_at < VIEWER_REPORT_US)
		return NULL;
	viewer->reported_at = now;
	return sent;
}

void viewer_restart(struct viewer *viewer)
{
	viewer_drop_frames(viewer);
	viewer->need_key = true;
	viewer->acked_seq = viewer->last_seq;
}

void viewer_switch(struct viewer *viewer, unsigned int max_kbit, gint64 now)
{
	double kbit = viewer->rate.kbit;
	bool limited = kbit < viewer->rate.max_kbit;

	viewer_restart(viewer);
	if (viewer->switched_at && now - viewer->switched_at < VIEWER_SWITCH_US)
		viewer_put_off_key(viewer, now);
	viewer->switched_at = now;
	viewer->joining = true;
	memset(viewer->sent, 0, sizeof(viewer->sent));
	/* its link is what it was */
	rate_init(&viewer->rate, max_kbit, now);
	if (limited)
		viewer->rate.kbit = MIN(kbit, max_kbit);
	viewer->acked_total = viewer->total;
	/* the config that is queued or was sent last is of another stream */
	packet_unref(viewer->config);
	viewer->config = NULL;
}

bool viewer_wants_key(const struct viewer *viewer, gint64 now)
{
	return viewer->need_key && !viewer->frames && !viewer->blocked &&
	       now >= viewer->key_after &&
	       !viewer->broken && !viewer_is_behind(viewer, now);
}

bool viewer_wants_frame(const struct viewer *viewer, gint64 now)
{
	return (!viewer->need_key && !viewer->broken) ||
	       viewer_wants_key(viewer, now);
}
