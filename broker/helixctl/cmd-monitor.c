// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor: first what every scanout does now, then what happens, a line each.
 * Events that were lost are made up for by another look at every scanout, which
 * is said, so that the last line about a scanout is always true.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "opts.h"
#include "signals.h"

#define BURST		64
#define TIMEOUT_MAX_MS	(24 * 3600 * 1000)

struct monitor_args {
	int json;
	uint32_t count;		/* 0: no end */
	uint32_t timeout_ms;	/* 0: none */
};

static const struct opt options[] = {
	{ .name = "count", .letter = 'n', .value = "N", .help = "end after N events, with status 0",
	  .parse = opt_u32, .offset = offsetof(struct monitor_args, count), .min = 1,
	  .max = UINT32_MAX },
	{ .name = "timeout", .letter = 't', .value = "SECONDS",
	  .help = "end after so long; with --count and fewer events,\nwith status 3",
	  .parse = opt_milli, .offset = offsetof(struct monitor_args, timeout_ms), .min = 1,
	  .max = TIMEOUT_MAX_MS },
	OPT_JSON(struct monitor_args, json, "an object on each line"),
};

static const struct usage usage = {
	.text = "usage: helixctl monitor [OPTION]...\n"
		"Show what every scanout does, then each event as it happens; only root may.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* ---- lines ---- */

static void print_wait(const struct hl_scanout *s)
{
	char text[DURATION_LEN];

	if (s->wait_for)
		printf(" waits %s for %s", duration(s->wait_ms, text), hl_wait_name(s->wait_for));
	if (s->wait_name[0])
		printf(" (%s)", s->wait_name);
}

/* What stands after the word: the same for a state and for an event. */
static void print_scanout(const struct hl_scanout *s)
{
	printf(" scanout %u %s", s->scanout, hl_state_name(s->state));
	if (s->state != HELIX_LEASE_STATE_FREE || s->generation)
		printf(" generation %" PRIu64, s->generation);
	if (s->state != HELIX_LEASE_STATE_FREE)
		printf(" %ux%u pid %u user %s", s->width, s->height, s->owner_pid,
		       user_name(s->owner_uid));
	print_wait(s);
	if (s->label[0] && s->state != HELIX_LEASE_STATE_FREE)
		printf(" \"%s\"", s->label);
	putchar('\n');
}

static bool print_object(json_object *obj)
{
	return print_json(obj) == EXIT_OK;
}

/* Takes @obj; {"event":@word} and what was in it. */
static json_object *with_word(const char *word, json_object *obj)
{
	json_object *out = json_object_new_object();
	bool ok = obj && out && hl_json_add(out, "event", json_object_new_string(word));

	if (ok) {
		json_object_object_foreach(obj, key, value)
			ok = ok && hl_json_add(out, key, json_object_get(value));
	}
	json_object_put(obj);
	if (ok)
		return out;
	json_object_put(out);
	return NULL;
}

static bool print_event(const struct hl_event *event, int json)
{
	if (json)
		return print_object(hl_event_to_json(event));
	printf("%" PRIu64 ".%06" PRIu64 " %s", event->time_ns / 1000000000,
	       event->time_ns / 1000 % 1000000, hl_event_name(event->type));
	if (event->cause)
		printf(" by %s", hl_cause_name(event->cause));
	if (hl_event_of_context(event))
		printf(" on GPU %02x:%02x.%x", event->scanout.gpu >> 8,
		       event->scanout.gpu >> 3 & 0x1f, event->scanout.gpu & 7);
	if (event->scanout.scanout) {
		print_scanout(&event->scanout);
	} else {
		print_wait(&event->scanout);
		putchar('\n');
	}
	return !fflush(stdout);
}

static bool print_state(const struct hl_scanout *s, int json)
{
	if (json)
		return print_object(with_word("state", hl_scanout_to_json(s)));
	fputs("state", stdout);
	print_scanout(s);
	return !fflush(stdout);
}

/* The events tell of changes only, and the dump is of scanouts. */
static bool print_host(int json)
{
	struct hl_conn *conn = NULL;
	struct hl_info info;
	bool known = !hl_open_module(NULL, &conn, NULL) && !hl_get_info(conn, &info, NULL);

	hl_close(conn);
	if (!known)
		return true;
	if (json) {
		json_object *obj = json_object_new_object();
		const char *host = hl_host_name(info.host_state);

		if (!hl_json_add(obj, "host_state", json_object_new_string(host))) {
			json_object_put(obj);
			obj = NULL;
		}
		return print_object(with_word("state", obj));
	}
	printf("state host %s\n", hl_host_name(info.host_state));
	return !fflush(stdout);
}

static bool print_lost(int json)
{
	if (json)
		return print_object(with_word("lost", json_object_new_object()));
	puts("lost: more happened than could be told; this is how it is now:");
	return !fflush(stdout);
}

/* ---- the loop ---- */

static int show_all(struct hl_monitor *mon, int json)
{
	struct hl_scanout *list = NULL;
	struct hl_error err;
	bool ok = true;
	size_t n;

	if (hl_monitor_dump(mon, &list, &n, &err))
		return fail(EXIT_REFUSED, &err);
	ok = print_host(json);
	for (size_t i = 0; ok && i < n; i++)
		ok = print_state(&list[i], json);
	free(list);
	return ok ? -1 : EXIT_REFUSED;
}

/* -1: go on; else the exit status. In a flood it comes up now and then, to see the time. */
static int take_events(struct hl_monitor *mon, const struct monitor_args *args, uint32_t *seen)
{
	for (int i = 0; i < BURST; i++) {
		struct hl_event event;
		struct hl_error err;
		int status, ret = hl_monitor_next(mon, &event, &err);

		if (ret == -EAGAIN)
			return -1;
		if (ret == -ENOBUFS) {
			status = print_lost(args->json) ? show_all(mon, args->json) : EXIT_REFUSED;
			if (status >= 0)
				return status;
			continue;
		}
		if (ret)
			return fail(EXIT_REFUSED, &err);
		if (!print_event(&event, args->json))
			return EXIT_REFUSED;
		if (++*seen == args->count)
			return EXIT_OK;
	}
	return -1;
}

static enum wake wait_for_more(int fd, int sigfd, int64_t end_ms, struct signalfd_siginfo *info)
{
	struct pollfd pfds[] = {
		{ .fd = sigfd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int64_t left = end_ms ? end_ms - now_ms() : -1;
	int n;

	if (end_ms && left <= 0)
		return WAKE_TIMEOUT;
	n = poll(pfds, 2, left);
	if (n < 0)
		return errno == EINTR ? WAKE_EVENT : WAKE_TIMEOUT;
	if (!n)
		return WAKE_TIMEOUT;
	if (pfds[0].revents && read(sigfd, info, sizeof(*info)) == sizeof(*info))
		return WAKE_SIGNAL;
	return WAKE_EVENT;
}

static int watch(struct hl_monitor *mon, int sigfd, const struct monitor_args *args)
{
	int64_t end_ms = args->timeout_ms ? now_ms() + args->timeout_ms : 0;
	uint32_t seen = 0;
	int status = show_all(mon, args->json);

	while (status < 0) {
		struct signalfd_siginfo info;

		switch (wait_for_more(hl_monitor_fd(mon), sigfd, end_ms, &info)) {
		case WAKE_SIGNAL:
			return EXIT_OK;
		case WAKE_TIMEOUT:
			return args->count ? EXIT_TIMEOUT : EXIT_OK;
		default:
			status = take_events(mon, args, &seen);
		}
	}
	return status;
}

int cmd_monitor(const struct context *ctx, int argc, char **argv)
{
	struct monitor_args args = { 0 };
	struct hl_monitor *mon;
	struct hl_error err;
	sigset_t saved;
	int sigfd, status = opts_parse(&usage, &args, argc, argv);

	(void)ctx;
	if (status >= 0)
		return status;
	if (hl_monitor_open(&mon, &err))
		return fail(EXIT_REFUSED, &err);
	if (signals_open(&sigfd, &saved, &err)) {
		hl_monitor_close(mon);
		return fail(EXIT_REFUSED, &err);
	}
	status = watch(mon, sigfd, &args);
	hl_monitor_close(mon);
	close(sigfd);
	return status;
}
