// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the queue of one client. Rule: the queue is bounded in frames, bytes
 * and texts; a client that is behind loses all queued frames at once and
 * resumes at a key frame, which is made only when it can take one.
 */
#include "viewer.h"

struct viewer *viewer_new(void (*wake)(void *data), void *data)
{
	struct viewer *viewer = g_new0(struct viewer, 1);

	g_queue_init(&viewer->queue);
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

static void viewer_drop(struct viewer *viewer)
{
	viewer_drop_frames(viewer);
	viewer->dropped++;
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
		viewer_drop(viewer);
		return;
	}
	if (viewer_is_full(viewer, video->len) && !video->key) {
		viewer_drop(viewer);
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

struct packet *viewer_next(struct viewer *viewer)
{
	struct packet *packet = g_queue_pop_head(&viewer->queue);

	viewer->blocked = false;
	if (packet)
		viewer_forget(viewer, packet);
	return packet;
}

void viewer_ack(struct viewer *viewer, uint32_t seq, gint64 now)
{
	/* only of frames that were sent and not yet acknowledged */
	if (viewer->last_seq - seq > viewer->last_seq - viewer->acked_seq)
		return;
	viewer->acks = true;
	viewer->acked_seq = seq;
	viewer->acked_at = now;
}

void viewer_restart(struct viewer *viewer)
{
	viewer_drop_frames(viewer);
	viewer->need_key = true;
	viewer->acked_seq = viewer->last_seq;
}

void viewer_switch(struct viewer *viewer)
{
	viewer_restart(viewer);
	viewer->joining = true;
	/* the config that is queued or was sent last is of another stream */
	packet_unref(viewer->config);
	viewer->config = NULL;
}

bool viewer_wants_key(const struct viewer *viewer, gint64 now)
{
	return viewer->need_key && !viewer->frames && !viewer->blocked &&
	       !viewer->broken && !viewer_is_behind(viewer, now);
}

bool viewer_wants_frame(const struct viewer *viewer, gint64 now)
{
	return (!viewer->need_key && !viewer->broken) ||
	       viewer_wants_key(viewer, now);
}
