// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the newest wish. Rule: one is on its way to QEMU at a time, and the
 * next one goes RESIZE_GAP_MS after it at the earliest: a window that is being
 * dragged asks with every frame, and each answer costs the guest a hotplug and
 * new buffers.
 */
#include "resize.h"

#include <glib.h>

#define RESIZE_GAP_MS	200

struct resize {
	struct console *console;
	resize_answer answer;
	void *data;

	struct resize_wish sent;	/* while busy */
	bool busy;
	uint32_t cookie;		/* of the call that is on its way */
	struct resize_wish next;
	bool waiting;
	guint timer;			/* the gap */
};

static void resize_go(struct resize *resize);

static void resize_tell(struct resize *resize, const struct resize_wish *wish,
			const char *status)
{
	if (wish->viewer)
		resize->answer(wish, status, resize->data);
}

static gboolean resize_again(gpointer data)
{
	struct resize *resize = data;

	resize->timer = 0;
	resize_go(resize);
	return G_SOURCE_REMOVE;
}

/* The console outlives a desktop on it, and the answer may find another one. */
static void resize_done(int status, uint32_t cookie, void *data)
{
	const struct console *console = data;
	struct resize *resize = console->resize;

	if (!resize || !resize->busy || resize->cookie != cookie)
		return;
	resize->busy = false;
	resize->timer = g_timeout_add(RESIZE_GAP_MS, resize_again, resize);
	resize_tell(resize, &resize->sent, status ? "failed" : "ok");
}

static void resize_go(struct resize *resize)
{
	static uint32_t cookie;

	if (!resize->waiting || resize->busy || resize->timer)
		return;
	resize->waiting = false;
	resize->busy = true;
	resize->sent = resize->next;
	resize->cookie = ++cookie;
	resize->console->scale = resize->sent.scale;
	console_set_size(resize->console, resize->sent.width,
			 resize->sent.height, resize->sent.refresh_mhz ?
			 resize->sent.refresh_mhz : resize->console->refresh_mhz,
			 resize_done, resize->cookie, resize->console);
}

bool resize_possible(const struct resize *resize)
{
	return resize->console->gpu != CONSOLE_GPU_NONE &&
	       resize->console->head != 0;
}

void resize_ask(struct resize *resize, const struct resize_wish *wish)
{
	struct resize_wish old = resize->next;
	bool superseded = resize->waiting;

	resize->next = *wish;
	resize->waiting = true;
	if (superseded)
		resize_tell(resize, &old, "superseded");
	resize_go(resize);
}

void resize_drop(struct resize *resize)
{
	if (!resize->waiting)
		return;
	resize->waiting = false;
	resize_tell(resize, &resize->next, "superseded");
}

void resize_forget(struct resize *resize, const void *viewer)
{
	if (resize->sent.viewer == viewer)
		resize->sent.viewer = NULL;
	if (resize->next.viewer == viewer)
		resize->next.viewer = NULL;
}

struct resize *resize_new(struct console *console, resize_answer answer,
			  void *data)
{
	struct resize *resize = g_new0(struct resize, 1);

	resize->console = console;
	resize->answer = answer;
	resize->data = data;
	console->resize = resize;
	return resize;
}

void resize_free(struct resize *resize)
{
	if (!resize)
		return;
	if (resize->timer)
		g_source_remove(resize->timer);
	resize->console->resize = NULL;
	g_free(resize);
}
