// SPDX-License-Identifier: GPL-2.0-only
/*
 * top: a table of all scanouts, again and again. What they do is asked of the broker
 * or, where there is none, of the module; how often they flip and wait is in sysfs and
 * debugfs, for root. A rate is what has come since the look before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "files.h"
#include "opts.h"
#include "signals.h"

#define INTERVAL_MS	2000
#define WIDTH		80	/* where there is no terminal */
#define LINE		512

enum sort_key { BY_SCANOUT, BY_STATE, BY_USER, BY_FLIPS, BY_FPS, BY_WAITS, BY_AGE };

static const char *const sort_names[] = {
	[BY_SCANOUT] = "scanout", [BY_STATE] = "state", [BY_USER] = "user", [BY_FLIPS] = "flips",
	[BY_FPS] = "fps", [BY_WAITS] = "waits", [BY_AGE] = "age",
};

struct top_args {
	uint32_t sort;
	uint32_t interval_ms;
	uint32_t count;		/* 0: no end */
	int once;
	int json;
	const char *root;
};

static int parse_sort(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	(void)opt;
	for (uint32_t i = 0; i < ARRAY_SIZE(sort_names); i++) {
		if (!strcmp(sort_names[i], text)) {
			*(uint32_t *)to = i;
			return 0;
		}
	}
	return hl_error_set(err, EINVAL, "--sort \"%s\" is none of scanout, state, user, flips, fps, waits, age",
			    text);
}

static const struct opt options[] = {
	{ .name = "sort", .letter = 's', .value = "KEY", .parse = parse_sort,
	  .offset = offsetof(struct top_args, sort),
	  .help = "scanout, state, user, flips, fps, waits or age [scanout]" },
	{ .name = "interval", .letter = 'i', .value = "SECONDS", .parse = opt_milli,
	  .offset = offsetof(struct top_args, interval_ms), .min = 100, .max = 3600000,
	  .help = "from one look to the next, 0.1..3600 [2]" },
	{ .name = "count", .letter = 'n', .value = "N", .parse = opt_u32,
	  .offset = offsetof(struct top_args, count), .min = 1, .max = UINT32_MAX,
	  .help = "end after N looks [none]" },
	{ .name = "once", .letter = '1', .parse = opt_set, .offset = offsetof(struct top_args, once),
	  .help = "one look; rates need two" },
	OPT_JSON(struct top_args, json, "an object for each look, on a line"),
	{ .name = "root", .value = "DIR", .parse = opt_text, .offset = offsetof(struct top_args, root),
	  .help = "look for /sys below DIR" },
};

static const struct usage usage = {
	.text = "usage: helixctl top [OPTION]...\n"
		"Show all scanouts, what they do and how much, until a signal comes.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

/* ---- one look ---- */

struct row {
	struct hl_scanout s;
	bool has_flips, has_fps, has_waits;
	uint64_t flips;
	double fps;
	uint64_t waits, waits_failed, waits_us;
};

struct look {
	int64_t time_ns;
	struct hl_info info;
	bool broker;	/* has told it, and not the module */
	struct row *rows;
	size_t n;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Of a broker that is not there nobody is told who can do without it. */
static int open_any(const struct context *ctx, struct hl_conn **conn, bool *broker, struct hl_error *err)
{
	int ret = ctx_connect(ctx, conn, err);

	*broker = !ret && !ctx->direct;
	if (ret && !ctx->direct && !ctx->socket && !hl_open_module(NULL, conn, NULL))
		return 0;
	return ret;
}

static struct row *row_of(struct look *look, uint32_t scanout)
{
	for (size_t i = 0; i < look->n; i++)
		if (look->rows[i].s.scanout == scanout)
			return &look->rows[i];
	return NULL;
}

/* "3 commit: 12 waits, 1 in vain, 4711 us; ...": debugfs is for people, so what is no such line is passed over. */
static void read_waits(struct look *look, const char *root)
{
	char path[FILES_PATH], line[LINE];
	FILE *file = fopen(files_path(path, root, "/sys/kernel/debug/helix_lease/waits"), "re");

	if (!file)
		return;
	for (size_t i = 0; i < look->n; i++)
		look->rows[i].has_waits = true;
	while (fgets(line, sizeof(line), file)) {
		uint64_t waits, failed, us;
		struct row *row;
		uint32_t scanout;

		if (sscanf(line, "%" SCNu32 " %*[a-z]: %" SCNu64 " waits, %" SCNu64 " in vain, %" SCNu64,
			   &scanout, &waits, &failed, &us) != 4)
			continue;
		row = row_of(look, scanout);
		if (row) {
			row->waits += waits;
			row->waits_failed += failed;
			row->waits_us += us;
		}
	}
	fclose(file);
}

static void read_flips(struct look *look, const struct look *before, const char *root)
{
	double seconds = (look->time_ns - before->time_ns) / 1e9;

	for (size_t i = 0; i < look->n; i++) {
		struct row *row = &look->rows[i], *then = row_of((struct look *)before, row->s.scanout);
		char path[FILES_PATH];

		files_path(path, root, "/sys/class/helix/helix!scanout%u/flips", row->s.scanout);
		row->has_flips = files_u64(path, &row->flips);
		row->has_fps = row->has_flips && then && then->has_flips &&
			       then->flips <= row->flips && seconds > 0;
		if (row->has_fps)
			row->fps = (row->flips - then->flips) / seconds;
	}
}

static int take_look(const struct context *ctx, const char *root, const struct look *before,
		     struct look *look, struct hl_error *err)
{
	struct hl_scanout *list = NULL;
	struct hl_conn *conn = NULL;
	int ret;

	*look = (struct look) { 0 };
	ret = open_any(ctx, &conn, &look->broker, err);
	if (!ret)
		ret = hl_get_info(conn, &look->info, err);
	if (!ret)
		ret = hl_list(conn, &list, &look->n, err);
	hl_close(conn);
	if (ret)
		return ret;
	look->time_ns = now_ns();
	look->rows = calloc(look->n ? look->n : 1, sizeof(*look->rows));
	if (!look->rows) {
		free(list);
		return hl_error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < look->n; i++)
		look->rows[i].s = list[i];
	free(list);
	read_flips(look, before, root);
	read_waits(look, root);
	return 0;
}

/* ---- order ---- */

static int compare(double a, double b)
{
	return (a > b) - (a < b);
}

/* Numbers fall, words rise, and what is equal is in the order of its number. */
static int by_key(const void *a, const void *b, void *data)
{
	const struct row *x = a, *y = b;
	int order = 0;

	switch (*(const uint32_t *)data) {
	case BY_STATE:
		order = compare(y->s.state, x->s.state);
		break;
	case BY_USER:
		order = compare(x->s.owner_uid, y->s.owner_uid);
		break;
	case BY_FLIPS:
		order = compare(y->flips, x->flips);
		break;
	case BY_FPS:
		order = compare(y->fps, x->fps);
		break;
	case BY_WAITS:
		order = compare(y->waits, x->waits);
		break;
	case BY_AGE:
		order = compare(y->s.lease_ms, x->s.lease_ms);
		break;
	}
	return order ? order : compare(x->s.scanout, y->s.scanout);
}

/* ---- table ---- */

static void print_cut(const char *line, int width)
{
	int end = strlen(line);

	while (end > 0 && line[end - 1] == ' ')
		end--;
	width = end < width ? end : width;
	/* Not in the middle of a character. */
	while (width > 0 && (line[width] & 0xc0) == 0x80)
		width--;
	printf("%.*s\n", width, line);
}

static void number_or_dash(char text[24], bool has, uint64_t value)
{
	if (has)
		snprintf(text, 24, "%" PRIu64, value);
	else
		strcpy(text, "-");
}

static void print_row(const struct row *row, int width)
{
	const struct hl_scanout *s = &row->s;
	bool owned = !s->hidden && s->state != HELIX_LEASE_STATE_FREE;
	char pid[24], generation[24], flips[24], waits[24], fps[24] = "-", what[256], line[LINE];
	char text[DURATION_LEN];

	number_or_dash(pid, owned, s->owner_pid);
	number_or_dash(generation, owned, s->generation);
	number_or_dash(flips, row->has_flips, row->flips);
	number_or_dash(waits, row->has_waits, row->waits);
	if (row->has_fps)
		snprintf(fps, sizeof(fps), "%.1f", row->fps);
	if (s->wait_for != HELIX_LEASE_WAIT_NONE)
		snprintf(what, sizeof(what), "%s %s %s", hl_wait_name(s->wait_for),
			 duration(s->wait_ms, text), wait_object(s));
	else
		snprintf(what, sizeof(what), "%s", owned ? s->label : "");
	snprintf(line, sizeof(line), "%3u %-11s %6s %7s %-8.8s %8s %5s %6s %s", s->scanout,
		 s->stalled_ms ? "stalled" : hl_state_name(s->state), generation, pid, owned ? user_name(s->owner_uid) : "-",
		 flips, fps, waits, what);
	print_cut(line, width);
}

static int terminal_size(int *width, int *height)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 0;
	*width = size.ws_col;
	*height = size.ws_row;
	return 1;
}

static void print_table(const struct look *look, bool redraw)
{
	size_t leased = 0, free_ones = 0, stalled = 0, quarantined = 0, shown = look->n;
	int width = WIDTH, height = 0;
	char line[LINE];

	for (size_t i = 0; i < look->n; i++) {
		const struct hl_scanout *s = &look->rows[i].s;

		leased += s->state == HELIX_LEASE_STATE_LEASED;
		free_ones += s->state == HELIX_LEASE_STATE_FREE;
		stalled += s->stalled_ms != 0;
		quarantined += s->state == HELIX_LEASE_STATE_QUARANTINED;
	}
	terminal_size(&width, &height);
	/* Two lines above, and the cursor's. */
	if (redraw && height > 3 && shown > (size_t)height - 3)
		shown = height - 3;
	if (redraw)
		fputs("\033[H\033[2J", stdout);
	snprintf(line, sizeof(line), "%u GPUs, host %s; scanouts: %zu leased, %zu free, %zu stalled, %zu quarantined",
		 look->info.nr_gpus, hl_host_name(look->info.host_state), leased, free_ones, stalled,
		 quarantined);
	print_cut(line, width);
	snprintf(line, sizeof(line), "%3s %-11s %6s %7s %-8s %8s %5s %6s %s", "NR", "STATE", "GEN",
		 "PID", "USER", "FLIPS", "FPS", "WAITS", "LABEL OR WAIT");
	print_cut(line, width);
	for (size_t i = 0; i < shown; i++)
		print_row(&look->rows[i], width);
}

/* ---- JSON ---- */

static json_object *row_to_json(const struct row *row)
{
	json_object *obj = hl_scanout_to_json(&row->s);
	bool ok = obj;

	if (ok && row->has_flips)
		ok = hl_json_add(obj, "flips", json_object_new_uint64(row->flips));
	if (ok && row->has_fps)
		ok = hl_json_add(obj, "fps", json_object_new_double(row->fps));
	if (ok && row->has_waits)
		ok = hl_json_add(obj, "waits", json_object_new_uint64(row->waits)) &&
		     hl_json_add(obj, "waits_failed", json_object_new_uint64(row->waits_failed)) &&
		     hl_json_add(obj, "waits_us", json_object_new_uint64(row->waits_us));
	if (ok)
		return obj;
	json_object_put(obj);
	return NULL;
}

static int print_look_json(const struct look *look)
{
	json_object *obj = hl_info_to_json(&look->info), *array = json_object_new_array();
	bool ok = obj && array &&
		  hl_json_add(obj, "time_ns", json_object_new_int64(look->time_ns)) &&
		  hl_json_add(obj, "broker", json_object_new_boolean(look->broker));

	for (size_t i = 0; ok && i < look->n; i++) {
		json_object *row = row_to_json(&look->rows[i]);

		ok = row && !json_object_array_add(array, row);
		if (!ok)
			json_object_put(row);
	}
	if (ok && hl_json_add(obj, "scanouts", array))
		return print_json(obj);
	if (!ok)
		json_object_put(array);
	json_object_put(obj);
	return print_json(NULL);
}

/* ---- the loop ---- */

static int show(const struct look *look, const struct top_args *args, bool redraw)
{
	if (args->json)
		return print_look_json(look);
	print_table(look, redraw);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

static int watch(const struct context *ctx, const struct top_args *args, int sigfd)
{
	bool redraw = isatty(STDOUT_FILENO) && !args->json && args->count != 1;
	struct look before = { 0 }, look;
	struct signalfd_siginfo info;
	int status = EXIT_OK;

	for (uint32_t seen = 1; ; seen++) {
		struct hl_error err;
		int ret = take_look(ctx, args->root, &before, &look, &err);

		/* Who watches sees what is wrong, and that it is over. */
		if (ret && !redraw) {
			status = fail(EXIT_REFUSED, &err);
			break;
		}
		if (ret) {
			printf("\033[H\033[2J%s\n", err.message);
			fflush(stdout);
		} else {
			qsort_r(look.rows, look.n, sizeof(*look.rows), by_key, (void *)&args->sort);
			status = show(&look, args, redraw);
			free(before.rows);
			before = look;
		}
		if (status != EXIT_OK || seen == args->count ||
		    signals_wait(sigfd, -1, args->interval_ms, &info) == WAKE_SIGNAL)
			break;
		if (!redraw && !args->json)
			putchar('\n');
	}
	free(before.rows);
	return status;
}

int cmd_top(const struct context *ctx, int argc, char **argv)
{
	struct top_args args = { .interval_ms = INTERVAL_MS, .root = "" };
	struct hl_error err;
	sigset_t saved;
	int sigfd, status = opts_parse(&usage, &args, argc, argv);

	if (status >= 0)
		return status;
	if (args.once)
		args.count = 1;
	if (signals_open(&sigfd, &saved, &err))
		return fail(EXIT_REFUSED, &err);
	status = watch(ctx, &args, sigfd);
	close(sigfd);
	return status;
}
