/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands of helixctl. Each gets its own arguments, argv[0] being its
 * name, and returns the exit status after having said what failed.
 */
#ifndef HELIXCTL_CMD_H
#define HELIXCTL_CMD_H

#include <json-c/json.h>

#include "helix-lease-client.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* See "EXIT STATUS" in helixctl(1). */
#define EXIT_OK		0
#define EXIT_REFUSED	1
#define EXIT_USAGE	2
#define EXIT_TIMEOUT	3
#define EXIT_NO_LEASE	125
#define EXIT_CANNOT_RUN	126
#define EXIT_NOT_FOUND	127

/* What stands before the subcommand. */
struct context {
	const char *socket;	/* NULL: the default */
	int direct;		/* ask the module, not the broker */
};

int cmd_list(const struct context *ctx, int argc, char **argv);
int cmd_info(const struct context *ctx, int argc, char **argv);
int cmd_acquire(const struct context *ctx, int argc, char **argv);
int cmd_run(const struct context *ctx, int argc, char **argv);
int cmd_revoke(const struct context *ctx, int argc, char **argv);
int cmd_resize(const struct context *ctx, int argc, char **argv);
int cmd_policy(const struct context *ctx, int argc, char **argv);
int cmd_host(const struct context *ctx, int argc, char **argv);
int cmd_cdi(const struct context *ctx, int argc, char **argv);
int cmd_unbind(const struct context *ctx, int argc, char **argv);
int cmd_top(const struct context *ctx, int argc, char **argv);
int cmd_doctor(const struct context *ctx, int argc, char **argv);
int cmd_monitor(const struct context *ctx, int argc, char **argv);

int ctx_connect(const struct context *ctx, struct hl_conn **conn, struct hl_error *err);

/*
 * The generation of what is leased now as number @scanout, for a command that was
 * given none. -ESTALE: it is free; -EACCES: another user's.
 */
int ctx_generation(struct hl_conn *conn, const char *cmd, uint32_t scanout, uint64_t *generation,
		   struct hl_error *err);

/* Prints "helixctl: ..." and returns @status. */
int fail(int status, const struct hl_error *err);
int fail_usage(const char *cmd, const struct hl_error *err);

/* Takes @obj; one line on stdout. */
int print_json(json_object *obj);

/* A name for a uid where there is one, else its number, in a static buffer. */
const char *user_name(uint32_t uid);

/* What is waited for, by its name, which may begin with the kind: that is said beside it. */
const char *wait_object(const struct hl_scanout *s);

#define DURATION_LEN 24

/* "0.4s", "12s", "3m05s", "2h07m", "4d03h": two units are enough for people. */
const char *duration(uint64_t ms, char text[DURATION_LEN]);

#endif
