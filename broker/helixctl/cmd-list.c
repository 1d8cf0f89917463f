// SPDX-License-Identifier: GPL-2.0-only
/* list and info: what there is, as a table or as JSON. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "numbers.h"
#include "opts.h"

struct list_args {
	int json;
};

static const struct opt list_options[] = {
	OPT_JSON(struct list_args, json, "an array of objects on one line"),
};

static const struct usage list_usage = {
	.text = "usage: helixctl list [OPTION]\n"
		"Show every scanout, what it does, waits for and who owns it. Through the broker\n"
		"only root sees that of other users' scanouts.\n\n",
	.opts = list_options,
	.nr_opts = ARRAY_SIZE(list_options),
};

static const struct opt info_options[] = {
	OPT_JSON(struct list_args, json, "an object on one line"),
};

static const struct usage info_usage = {
	.text = "usage: helixctl info [OPTION] [SCANOUT]\n"
		"Show how many GPUs and scanouts there are, and whether the host answers; or\n"
		"everything about one scanout.\n\n",
	.opts = info_options,
	.nr_opts = ARRAY_SIZE(info_options),
	.max_args = 1,
};

static int list_json(const struct hl_scanout *list, size_t n)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < n; i++) {
		json_object *obj = hl_scanout_to_json(&list[i]);

		if (!obj || json_object_array_add(array, obj)) {
			json_object_put(obj);
			json_object_put(array);
			array = NULL;
		}
	}
	return print_json(array);
}

#define ROW "%7s  %-11s  %-7s  %10s  %6s  %10s  %7s  %-8s  %-6s  %5s  %4s  %7s  %7s  %4s  %s\n"

static void list_row(const struct hl_scanout *s)
{
	char number[12], size[24] = "-", refresh[16] = "-", generation[24] = "-", pid[16] = "-";
	char opens[12] = "-", priority[12] = "-", quarantines[24] = "-", label[160] = "";
	char age[DURATION_LEN] = "-", stalled[DURATION_LEN] = "-", wait[DURATION_LEN];
	const char *user = "-", *alone = "-";

	snprintf(number, sizeof(number), "%u", s->scanout);
	if (s->generation)
		snprintf(generation, sizeof(generation), "%" PRIu64, s->generation);
	if (!s->hidden) {
		snprintf(opens, sizeof(opens), "%u", s->opens);
		snprintf(quarantines, sizeof(quarantines), "%" PRIu64, s->quarantines);
	}
	if (!s->hidden && s->state != HELIX_LEASE_STATE_FREE) {
		snprintf(size, sizeof(size), "%ux%u", s->width, s->height);
		snprintf(refresh, sizeof(refresh), "%.6g", s->refresh_mhz / 1000.0);
		snprintf(pid, sizeof(pid), "%u", s->owner_pid);
		snprintf(priority, sizeof(priority), "%u", s->priority);
		snprintf(label, sizeof(label), "%s", s->label);
		user = user_name(s->owner_uid);
		alone = s->cgroup_alone ? "cgroup" : "-";
	}
	if (s->lease_ms)
		duration(s->lease_ms, age);
	if (s->stalled_ms)
		duration(s->stalled_ms, stalled);
	if (s->wait_name[0])
		snprintf(label + strlen(label), sizeof(label) - strlen(label),
			 "%s(%s for %s)", label[0] ? " " : "", duration(s->wait_ms, wait),
			 s->wait_name);
	printf(ROW, number, hl_state_name(s->state), hl_wait_name(s->wait_for), size, refresh,
	       generation, pid, user, alone, opens, priority, age, stalled, quarantines, label);
}

static int list_table(const struct hl_scanout *list, size_t n)
{
	printf(ROW, "SCANOUT", "STATE", "WAITS", "SIZE", "HZ", "GENERATION", "PID", "USER",
	       "ALONE", "OPENS", "PRIO", "AGE", "STALLED", "QUAR", "LABEL");
	for (size_t i = 0; i < n; i++)
		list_row(&list[i]);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

int cmd_list(const struct context *ctx, int argc, char **argv)
{
	struct hl_conn *conn = NULL;
	struct hl_scanout *list;
	struct hl_error err;
	struct list_args args = { 0 };
	int status;
	size_t n;

	status = opts_parse(&list_usage, &args, argc, argv);
	if (status >= 0)
		return status;
	if (ctx_connect(ctx, &conn, &err) || hl_list(conn, &list, &n, &err)) {
		hl_close(conn);
		return fail(EXIT_REFUSED, &err);
	}
	status = args.json ? list_json(list, n) : list_table(list, n);
	free(list);
	hl_close(conn);
	return status;
}

static int print_info(const struct hl_info *info)
{
	printf("gpus: %u\nscanouts: %u\nhost: %s\nmodule abi: %u\n", info->nr_gpus,
	       info->nr_scanouts, hl_host_name(info->host_state), info->abi_version);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

/* What is somebody else's is not printed as zeros. */
static void print_lease(const struct hl_scanout *s)
{
	char text[DURATION_LEN];

	printf("generation: %" PRIu64 "\nlabel: %s\n", s->generation, s->label);
	printf("size: %ux%u at %.6g Hz\n", s->width, s->height, s->refresh_mhz / 1000.0);
	printf("priority: %u\n", s->priority);
	printf("owner: pid %u, user %s, cgroup %" PRIu64 "%s\n", s->owner_pid,
	       user_name(s->owner_uid), s->owner_cgroup,
	       s->cgroup_alone ? ", which alone may open the node" : "");
	printf("in this state for: %s\n", duration(s->state_ms, text));
	printf("leased for: %s\n", duration(s->lease_ms, text));
	printf("stalled for: %s\n", duration(s->stalled_ms, text));
	printf("opens: %u\ngrants: %" PRIu64 "\ndenials: %" PRIu64 "\n", s->opens, s->grants,
	       s->denials);
	printf("stalls: %" PRIu64 "\nquarantines: %" PRIu64 "\n", s->stalls, s->quarantines);
}

static int print_scanout(const struct hl_scanout *s)
{
	char text[DURATION_LEN];

	printf("scanout: %u\nstate: %s\n", s->scanout, hl_state_name(s->state));
	if (s->wait_name[0])
		printf("waits for: %s, %s, for %s\n", hl_wait_name(s->wait_for), s->wait_name,
		       duration(s->wait_ms, text));
	else
		printf("waits for: %s\n", hl_wait_name(s->wait_for));
	if (s->hidden)
		puts("owner: another user");
	else
		print_lease(s);
	printf("connector: %u\ncrtc: %u\nprimary plane: %u\ncursor plane: %u\n",
	       s->connector_id, s->crtc_id, s->primary_plane_id, s->cursor_plane_id);
	printf("gpu: %02x:%02x.%x output %u\n", s->gpu >> 8 & 0xff, s->gpu >> 3 & 0x1f, s->gpu & 7,
	       s->output);
	printf("node: %s (%u:%u)\n", s->node, s->dev_major, s->dev_minor);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

static int show_scanout(struct hl_conn *conn, uint32_t number, int json)
{
	struct hl_scanout scanout;
	struct hl_error err;

	if (hl_query(conn, number, &scanout, &err))
		return fail(EXIT_REFUSED, &err);
	return json ? print_json(hl_scanout_to_json(&scanout)) : print_scanout(&scanout);
}

static int show_info(struct hl_conn *conn, int json)
{
	struct hl_info info;
	struct hl_error err;

	if (hl_get_info(conn, &info, &err))
		return fail(EXIT_REFUSED, &err);
	return json ? print_json(hl_info_to_json(&info)) : print_info(&info);
}

int cmd_info(const struct context *ctx, int argc, char **argv)
{
	struct hl_conn *conn = NULL;
	struct hl_error err;
	uint32_t number = 0;
	struct list_args args = { 0 };
	int status;

	status = opts_parse(&info_usage, &args, argc, argv);
	if (status >= 0)
		return status;
	if (optind < argc && hl_parse_u32("SCANOUT", argv[optind], 1, UINT32_MAX, &number, &err))
		return fail_usage(argv[0], &err);
	if (ctx_connect(ctx, &conn, &err))
		return fail(EXIT_REFUSED, &err);
	status = number ? show_scanout(conn, number, args.json) : show_info(conn, args.json);
	hl_close(conn);
	return status;
}
