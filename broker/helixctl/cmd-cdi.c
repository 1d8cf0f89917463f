// SPDX-License-Identifier: GPL-2.0-only
/*
 * cdi: scanouts for containers. "generate" writes the specification that runtimes read;
 * "hook" is what that makes them run when a container starts. It acquires the container's
 * scanout for its first process, by a pidfd, and leaves the lease to that: from there on
 * there is nobody who has to see the container end, or to do something about it. And for
 * its control group: a container that was here before still has the node.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "cmd.h"
#include "codec.h"
#include "container.h"
#include "error.h"
#include "numbers.h"
#include "opts.h"
#include "records.h"

#define STATE_TIMEOUT_MS	10000	/* for the runtime to say what it starts */
#define SHORT_ID		12	/* of a container's name that is a long number, as podman shows it */

struct cdi_args {
	const char *output;
};

static const struct opt options[] = {
	{ .name = "output", .letter = 'o', .value = "FILE",
	  .help = "the specification; - for stdout [" CDI_FILE "]",
	  .parse = opt_text, .offset = offsetof(struct cdi_args, output) },
};

static const struct usage usage = {
	.text = "usage: helixctl cdi generate [--output FILE]\n"
		"       helixctl cdi hook N|any\n"
		"Scanouts for containers, as --device " CDI_KIND "=any of the runtime.\n\n"
		"generate  write the CDI specification, and udev's records for the containers\n"
		"hook      acquire a scanout for the container whose OCI state is on stdin; what\n"
		"          the specification makes a runtime run\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
	.missing = "generate, or hook and a scanout, has to be given",
	.min_args = 1,
	.max_args = 2,
};

/* ---- generate ---- */

static int list_scanouts(const struct context *ctx, struct hl_scanout **list, size_t *n,
			 struct hl_error *err)
{
	struct hl_conn *conn = NULL;
	int ret = ctx_connect(ctx, &conn, err);

	if (!ret)
		ret = hl_list(conn, list, n, err);
	hl_close(conn);
	return ret;
}

static int generate(const struct context *ctx, const char *path)
{
	struct hl_scanout *list = NULL;
	struct hl_error err;
	size_t n;
	int ret = list_scanouts(ctx, &list, &n, &err);

	if (!ret)
		ret = cdi_generate(list, n, path, &err);
	free(list);
	return ret ? fail(EXIT_REFUSED, &err) : EXIT_OK;
}

/* ---- hook ---- */

struct wish {
	struct hl_acquire_args lease;
};

/* What a container may ask for, as an annotation with the name of the option. */
static const struct opt wishes[] = { OPTS_LEASE(struct wish, lease) };
static const char *const annotations[] = { "size", "refresh", "label", "priority" };

static int grant_wish(const struct cdi_container *c, const char *name, struct wish *wish,
		      struct hl_error *err)
{
	char annotation[64];
	const char *text;
	int ret = 0;

	snprintf(annotation, sizeof(annotation), "helix.dev/%s", name);
	text = cdi_container_annotation(c, annotation);
	for (size_t i = 0; text && i < ARRAY_SIZE(wishes); i++) {
		const struct opt *opt = &wishes[i];

		if (!strcmp(opt->name, name))
			ret = opt->parse(opt, text, (char *)wish + opt->offset, err);
	}
	return ret ? hl_error_wrap(err, ret, "annotation %s", annotation) : 0;
}

/* What the container's annotations ask for, and a label by which people know it. */
static int args_of_container(const struct cdi_container *c, struct hl_acquire_args *args,
			     char label[HL_LABEL_LEN], struct hl_error *err)
{
	struct wish wish = { .lease = *args };
	size_t len = strlen(c->id);
	int ret = 0;

	snprintf(label, HL_LABEL_LEN, "%.*s", len > HL_LABEL_LEN - 1 ? SHORT_ID : (int)len, c->id);
	if (!hl_label_check(label, NULL))
		wish.lease.label = label;
	for (size_t i = 0; !ret && i < ARRAY_SIZE(annotations); i++)
		ret = grant_wish(c, annotations[i], &wish, err);
	*args = wish.lease;
	return ret;
}

static int acquire_for(struct hl_conn *conn, const struct cdi_container *c, uint32_t scanout,
		       struct hl_lease *lease, struct hl_error *err)
{
	struct hl_acquire_args args = lease_args_default;
	char label[HL_LABEL_LEN];
	int ret = args_of_container(c, &args, label, err);

	if (ret)
		return ret;
	args.scanout = scanout;
	args.flags = HL_ACQUIRE_PIDFD | HL_ACQUIRE_CGROUP;
	args.pidfd = syscall(SYS_pidfd_open, c->pid, 0);
	if (args.pidfd < 0)
		return hl_error_set(err, errno, "cannot watch process %d: %s", c->pid,
				    strerror(errno));
	ret = hl_acquire(conn, &args, lease, err);
	close(args.pidfd);
	return ret;
}

/* What was =any (@pool) has become a number: the container gets that one's devices. */
static int place(struct hl_conn *conn, const struct cdi_container *c, uint32_t scanout, bool pool,
		 const struct cdi_options *options, struct hl_error *err)
{
	const struct cdi_scanout *own = NULL;
	struct hl_scanout *list;
	struct cdi_devices all;
	size_t n;
	int ret = hl_list(conn, &list, &n, err);

	if (ret)
		return ret;
	ret = cdi_devices_read("", list, n, &all, err);
	free(list);
	if (ret)
		return ret;
	for (size_t i = 0; i < all.n; i++) {
		if (all.scanouts[i].number == scanout)
			own = &all.scanouts[i];
		else if (pool)
			/* The container may have them: they are in the specification all the time. */
			cdi_records_absent(options, &all.scanouts[i]);
	}
	if (own)
		ret = cdi_container_place(c, &all, own, pool, options, err);
	else
		ret = hl_error_set(err, ENODEV, "scanout %u has just gone", scanout);
	cdi_devices_free(&all);
	return ret;
}

static int serve_container(const struct context *ctx, struct cdi_container *c,
			   uint32_t scanout, struct hl_error *err)
{
	struct hl_lease lease = { .handle_fd = -1, .lease_fd = -1 };
	struct cdi_options options = cdi_options_default();
	struct hl_conn *conn = NULL;
	int ret = cdi_container_users(c, &options, err);

	if (!ret)
		ret = ctx_connect(ctx, &conn, err);
	if (!ret)
		ret = acquire_for(conn, c, scanout, &lease, err);
	if (!ret)
		ret = place(conn, c, lease.scanout, !scanout, &options, err);
	if (!ret)
		ret = hl_lease_keep(&lease, err);
	/* After a failure this is what ends the lease. */
	hl_lease_release(&lease);
	hl_close(conn);
	return ret;
}

static int hook(const struct context *ctx, const char *name)
{
	struct cdi_container container;
	uint32_t scanout = 0;
	struct hl_error err;
	int ret;

	if (strcmp(name, CDI_ANY) && hl_parse_u32("N", name, 1, UINT32_MAX, &scanout, &err))
		return fail_usage("cdi", &err);
	ret = cdi_container_read(STDIN_FILENO, STATE_TIMEOUT_MS, &container, &err);
	if (!ret) {
		ret = serve_container(ctx, &container, scanout, &err);
		cdi_container_free(&container);
	}
	if (!ret)
		return EXIT_OK;
	hl_error_wrap(&err, ret, CDI_KIND "=%s", name);
	/* Runtimes tell that a hook has failed, and few of them why. */
	openlog("helixctl", LOG_PID, LOG_DAEMON);
	syslog(LOG_ERR, "%s", err.message);
	return fail(EXIT_REFUSED, &err);
}

int cmd_cdi(const struct context *ctx, int argc, char **argv)
{
	struct cdi_args args = { 0 };
	int status = opts_parse(&usage, &args, argc, argv);
	int nr = argc - optind;

	if (status >= 0)
		return status;
	if (!strcmp(argv[optind], "generate") && nr == 1)
		return generate(ctx, args.output ? args.output : CDI_FILE);
	if (!strcmp(argv[optind], "hook") && nr == 2 && !args.output)
		return hook(ctx, argv[optind + 1]);
	fprintf(stderr, "helixctl cdi: %s\n", usage.missing);
	return fail_usage(argv[0], NULL);
}
