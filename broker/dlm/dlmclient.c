// SPDX-License-Identifier: MIT
/*
 * dlmclient.h on top of helix-lease-client.h. A lease is one of the broker's; its
 * handle is what ends it with the process, as the manager's socket does there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlmclient.h"
#include "helix-lease-client.h"
#include "name.h"

#define SOCKET_NAME	"leased.sock"
#define LABEL		"libdlmclient"

struct dlm_lease {
	struct hl_lease lease;
};

static atomic_bool debug;

void dlm_enable_debug_log(bool enable)
{
	debug = enable;
}

/* What the interface's errno are called there; the others are told as they are. */
static int errno_of(int code)
{
	switch (code) {
	case EBUSY:
	case ENOSPC:
	case EDQUOT:
	case EPERM:
		return EACCES;
	case ENODEV:
		return ENOENT;
	default:
		return code;
	}
}

static int say(const char *name, const struct hl_error *err)
{
	if (debug)
		fprintf(stderr, "libdlmclient: %s: %s\n", name, err->message);
	return errno_of(err->code);
}

static int say_why(const char *name, int code, const char *why)
{
	if (debug)
		fprintf(stderr, "libdlmclient: %s: %s\n", name, why);
	return code;
}

/* Where the broker is: AGL's variable for it names the directory. */
static int open_broker(const char *name, struct hl_conn **conn)
{
	const char *dir = secure_getenv("DLM_RUNTIME_PATH");
	char path[PATH_MAX];
	struct hl_error err;

	if (dir && snprintf(path, sizeof(path), "%s/" SOCKET_NAME, dir) >= (int)sizeof(path))
		return say_why(name, ENAMETOOLONG, "DLM_RUNTIME_PATH is too long");
	return hl_connect(dir ? path : NULL, conn, &err) ? say(name, &err) : 0;
}

/* "1920x1080" */
static int take_size(const char *name, struct hl_acquire_args *args)
{
	const char *text = getenv("HELIX_DLM_SIZE");
	unsigned int width, height;
	char rest;

	if (!text)
		return 0;
	if (sscanf(text, "%5ux%5u%c", &width, &height, &rest) != 2 || !width || !height)
		return say_why(name, EINVAL, "HELIX_DLM_SIZE is not WIDTHxHEIGHT");
	args->width = width;
	args->height = height;
	return 0;
}

static int find(struct hl_conn *conn, const char *name, uint32_t *scanout)
{
	struct hl_scanout *list;
	struct hl_error err;
	size_t n;
	int ret;

	if (hl_list(conn, &list, &n, &err))
		return say(name, &err);
	ret = dlm_find_scanout("/sys", name, list, n, scanout);
	free(list);
	return ret ? say_why(name, -ret, "the name means no scanout; see libdlmclient(3)") : 0;
}

/* 0 or errno. */
static int get_lease(const char *name, struct hl_lease *lease)
{
	struct hl_acquire_args args = {
		.width = 1280, .height = 720, .timeout_ms = 60000, .label = LABEL, .pidfd = -1,
	};
	struct hl_conn *conn = NULL;
	struct hl_error err;
	int code = take_size(name, &args);

	if (!code)
		code = open_broker(name, &conn);
	if (!code)
		code = find(conn, name, &args.scanout);
	if (!code && hl_acquire(conn, &args, lease, &err))
		code = say(name, &err);
	hl_close(conn);
	return code;
}

struct dlm_lease *dlm_get_lease(const char *name)
{
	struct dlm_lease *lease;
	int code;

	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	lease = calloc(1, sizeof(*lease));
	if (!lease)
		return NULL;
	code = get_lease(name, &lease->lease);
	if (code) {
		free(lease);
		errno = code;
		return NULL;
	}
	return lease;
}

void dlm_release_lease(struct dlm_lease *lease)
{
	if (!lease)
		return;
	hl_lease_release(&lease->lease);
	free(lease);
}

int dlm_lease_fd(struct dlm_lease *lease)
{
	return lease ? lease->lease.lease_fd : -1;
}
