// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <linux/helix_lease.h>
#include <linux/helix_lease_netlink.h>

#include "drain.h"
#include "error.h"
#include "log.h"
#include "watch.h"

#define LINE	512

struct watch {
	struct hl_monitor *mon;
	sd_event_source *io;
};

/* ---- words ---- */

static const char *end_of_lease(uint32_t cause)
{
	switch (cause) {
	case HELIX_LEASE_CAUSE_OWNER:
		return "was given back";
	case HELIX_LEASE_CAUSE_ADMIN:
		return "was revoked by an administrator";
	case HELIX_LEASE_CAUSE_PROCESS:
		return "ended with its process";
	case HELIX_LEASE_CAUSE_NODE:
		return "ended with the last close of its node";
	case HELIX_LEASE_CAUSE_GPU:
		return "ended because its GPU has gone";
	default:
		return "ended";
	}
}

static const char *level_of_end(uint32_t cause)
{
	if (cause == HELIX_LEASE_CAUSE_GPU)
		return SD_ERR;
	return cause == HELIX_LEASE_CAUSE_ADMIN ? SD_NOTICE : SD_INFO;
}

static void describe(const struct hl_scanout *s, const char *what, char *line, size_t size)
{
	snprintf(line, size, "scanout %u generation %" PRIu64 " of pid %u user %u%s%s%s %s",
		 s->scanout, s->generation, s->owner_pid, s->owner_uid, s->label[0] ? " \"" : "",
		 s->label, s->label[0] ? "\"" : "", what);
}

static void describe_wait(const struct hl_scanout *s, const char *what, uint32_t ms, char *line,
			  size_t size)
{
	char text[LINE];

	snprintf(text, sizeof(text), "%s: it has waited %u.%03u s for %s%s%s%s", what, ms / 1000,
		 ms % 1000, hl_wait_name(s->wait_for), s->wait_name[0] ? " (" : "", s->wait_name,
		 s->wait_name[0] ? ")" : "");
	describe(s, text, line, size);
}

/* What draws on a scanout, or on none that anybody has leased. */
static void describe_context(const struct hl_event *event, const char *what, char *line,
			     size_t size)
{
	const struct hl_scanout *s = &event->scanout;
	char text[LINE];

	snprintf(text, sizeof(text), "%s %s: it has waited %u.%03u s (%s)",
		 s->scanout ? "shows what" : "what draws on no leased scanout", what,
		 s->wait_ms / 1000, s->wait_ms % 1000, s->wait_name);
	if (s->scanout)
		describe(s, text, line, size);
	else
		snprintf(line, size, "%s", text);
}

const char *watch_line(const struct hl_event *event, char *line, size_t size)
{
	const struct hl_scanout *s = &event->scanout;

	switch (event->type) {
	case HELIX_LEASE_EVENT_REVOKING:
		describe(s, end_of_lease(event->cause), line, size);
		return level_of_end(event->cause);
	case HELIX_LEASE_EVENT_QUARANTINED:
		describe_wait(s, "could not be turned off", s->wait_ms, line, size);
		return SD_ERR;
	case HELIX_LEASE_EVENT_STALLED:
		describe_wait(s, "is stalled", s->wait_ms, line, size);
		return SD_WARNING;
	case HELIX_LEASE_EVENT_RESUMED:
		describe(s, "moves again", line, size);
		return SD_INFO;
	case HELIX_LEASE_EVENT_HOST_LOST:
		snprintf(line, size, "the host daemon has gone: no scanout can be acquired or freed");
		return SD_WARNING;
	case HELIX_LEASE_EVENT_HOST_BACK:
		snprintf(line, size, "the host daemon is back");
		return SD_INFO;
	case HELIX_LEASE_EVENT_CONTEXT_STALLED:
		describe_context(event, "makes no progress on the host", line, size);
		return SD_WARNING;
	case HELIX_LEASE_EVENT_CONTEXT_KILLED:
		describe_context(event, "was killed by the host", line, size);
		return SD_ERR;
	default:
		return NULL;
	}
}

const char *watch_state_line(const struct hl_scanout *s, char *line, size_t size)
{
	if (s->state == HELIX_LEASE_STATE_QUARANTINED) {
		describe_wait(s, "could not be turned off", s->wait_ms, line, size);
		return SD_ERR;
	}
	if (s->stalled_ms) {
		describe_wait(s, "is stalled", s->stalled_ms, line, size);
		return SD_WARNING;
	}
	return NULL;
}

/* ---- the loop ---- */

static void tell(const struct hl_event *event)
{
	char line[LINE];
	const char *level = watch_line(event, line, sizeof(line));

	if (level)
		log_line(level, "%s", line);
	if (event->type == HELIX_LEASE_EVENT_HOST_LOST)
		sd_notify(0, "STATUS=Serving scanouts; the host daemon is not connected");
	else if (event->type == HELIX_LEASE_EVENT_HOST_BACK)
		sd_notify(0, "STATUS=Serving scanouts");
}

static int tell_states(struct watch *watch, struct hl_error *err)
{
	struct hl_scanout *list;
	size_t n;
	int ret = hl_monitor_dump(watch->mon, &list, &n, err);

	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		char line[LINE];
		const char *level = watch_state_line(&list[i], line, sizeof(line));

		if (level)
			log_line(level, "%s", line);
	}
	free(list);
	return 0;
}

static int on_told(void *data, const struct hl_event *event, struct hl_error *err)
{
	struct watch *watch = data;

	if (event) {
		tell(event);
		return 0;
	}
	log_warn("more happened than could be told; this is what is the matter now");
	return tell_states(watch, err);
}

static int on_event(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct watch *watch = data;
	struct hl_error err;

	(void)fd;
	(void)revents;
	if (!drain(watch->mon, on_told, watch, &err))
		return 0;
	log_error("what happens is not written here any more: %s", err.message);
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

int watch_new(sd_event *event, struct hl_monitor *mon, struct watch **out, struct hl_error *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch) {
		hl_monitor_close(mon);
		return hl_error_set(err, ENOMEM, "out of memory");
	}
	watch->mon = mon;
	ret = tell_states(watch, err);
	if (!ret) {
		ret = sd_event_add_io(event, &watch->io, hl_monitor_fd(mon), EPOLLIN, on_event,
				      watch);
		if (ret < 0)
			hl_error_set(err, -ret, "monitor: %s", strerror(-ret));
	}
	if (ret < 0) {
		watch_free(watch);
		return ret;
	}
	*out = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	sd_event_source_disable_unref(watch->io);
	hl_monitor_close(watch->mon);
	free(watch);
}
