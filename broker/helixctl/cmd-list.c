// SPDX-License-Identifier: GPL-2.0-only
/* list and info: what there is, as a table or as JSON. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"

/* -1: go on; else the exit status. *@json: --json was given. */
static int parse_json_option(int argc, char **argv, const char *help, int *json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			*json = 1;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return fail_usage(argv[0], NULL);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "helixctl %s: \"%s\" is not expected\n", argv[0], argv[optind]);
		return fail_usage(argv[0], NULL);
	}
	return -1;
}

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

static void list_row(const struct hl_scanout *s)
{
	char size[24] = "-", refresh[16] = "-", generation[24] = "-", pid[16] = "-";
	const char *user = "-";

	if (s->generation)
		snprintf(generation, sizeof(generation), "%llu", (unsigned long long)s->generation);
	if (s->state != HELIX_LEASE_STATE_FREE) {
		snprintf(size, sizeof(size), "%ux%u", s->width, s->height);
		snprintf(refresh, sizeof(refresh), "%.6g", s->refresh_mhz / 1000.0);
		snprintf(pid, sizeof(pid), "%u", s->owner_pid);
		user = user_name(s->owner_uid);
	}
	printf("%7u  %-11s  %-8s  %10s  %5s  %10s  %7s  %-8s  %5u  %s\n", s->scanout,
	       hl_state_name(s->state), hl_wait_name(s->wait_for), size, refresh, generation, pid,
	       user, s->opens, s->state == HELIX_LEASE_STATE_FREE ? "" : s->label);
}

static int list_table(const struct hl_scanout *list, size_t n)
{
	printf("%7s  %-11s  %-8s  %10s  %5s  %10s  %7s  %-8s  %5s  %s\n", "SCANOUT", "STATE",
	       "WAITS", "SIZE", "HZ", "GENERATION", "PID", "USER", "OPENS", "LABEL");
	for (size_t i = 0; i < n; i++)
		list_row(&list[i]);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

int cmd_list(const struct context *ctx, int argc, char **argv)
{
	static const char help[] =
		"usage: helixctl list [--json]\n"
		"Show every scanout, what it does, waits for and who owns it.\n\n"
		"  -j, --json  an array of objects on one line\n"
		"  -h, --help  show this and exit\n";
	struct hl_conn *conn = NULL;
	struct hl_scanout *list;
	struct hl_error err;
	int json = 0, status;
	size_t n;

	status = parse_json_option(argc, argv, help, &json);
	if (status >= 0)
		return status;
	if (ctx_connect(ctx, &conn, &err) || hl_list(conn, &list, &n, &err)) {
		hl_close(conn);
		return fail(EXIT_REFUSED, &err);
	}
	status = json ? list_json(list, n) : list_table(list, n);
	free(list);
	hl_close(conn);
	return status;
}

int cmd_info(const struct context *ctx, int argc, char **argv)
{
	static const char help[] =
		"usage: helixctl info [--json]\n"
		"Show how many GPUs and scanouts there are, and whether the host answers.\n\n"
		"  -j, --json  an object on one line\n"
		"  -h, --help  show this and exit\n";
	struct hl_conn *conn = NULL;
	struct hl_info info;
	struct hl_error err;
	int json = 0, status, ret;

	status = parse_json_option(argc, argv, help, &json);
	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret)
		ret = hl_get_info(conn, &info, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	if (json)
		return print_json(hl_info_to_json(&info));
	printf("gpus: %u\nscanouts: %u\nhost: %s\nmodule abi: %u\n", info.nr_gpus,
	       info.nr_scanouts, hl_host_name(info.host_state), info.abi_version);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}
