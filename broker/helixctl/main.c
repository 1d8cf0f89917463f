// SPDX-License-Identifier: GPL-2.0-only
/* helixctl: finds the subcommand; what they share in output and errors. */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "error.h"

static const struct command {
	const char *name;
	int (*run)(const struct context *ctx, int argc, char **argv);
	const char *help;
} commands[] = {
	{ "list", cmd_list, "show every scanout and its owner" },
	{ "info", cmd_info, "show what GPUs and host there are, or all about one scanout" },
	{ "acquire", cmd_acquire, "hold a scanout until a signal comes" },
	{ "run", cmd_run, "run a command that has a scanout of its own" },
	{ "resize", cmd_resize, "give a leased scanout another size" },
	{ "revoke", cmd_revoke, "take a scanout from its owner" },
	{ "policy", cmd_policy, "show or set who may have how many scanouts" },
	{ "top", cmd_top, "show what scanouts do and how much, again and again" },
	{ "monitor", cmd_monitor, "tell what happens to scanouts as it happens" },
	{ "doctor", cmd_doctor, "say what is wrong and what to do" },
	{ "cdi", cmd_cdi, "give scanouts to containers" },
	{ "host", cmd_host, "end leases when the host asks for it" },
	{ "unbind", cmd_unbind, "have the module let go of the GPUs" },
	{ 0 },
};

static void help(void)
{
	printf("usage: helixctl [--socket PATH | --direct] COMMAND [ARGUMENT]...\n\n");
	for (const struct command *cmd = commands; cmd->name; cmd++)
		printf("  %-9s %s\n", cmd->name, cmd->help);
	printf("\n"
	       "      --socket PATH  where the broker listens [%s]\n"
	       "      --direct       ask the kernel module, with no broker (root)\n"
	       "  -h, --help         show this and exit\n"
	       "  -V, --version      show the version and exit\n\n"
	       "helixctl COMMAND --help tells more; so does helixctl(1).\n", HL_SOCKET_PATH);
}

int fail(int status, const struct hl_error *err)
{
	fprintf(stderr, "helixctl: %s\n", err->message);
	return status;
}

int fail_usage(const char *cmd, const struct hl_error *err)
{
	if (err)
		fprintf(stderr, "helixctl %s: %s\n", cmd, err->message);
	fprintf(stderr, "See \"helixctl %s --help\".\n", cmd);
	return EXIT_USAGE;
}

int print_json(json_object *obj)
{
	const char *text = obj ? json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
							JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
	int status = EXIT_OK;

	if (!text || puts(text) < 0 || fflush(stdout)) {
		fprintf(stderr, "helixctl: cannot write the output\n");
		status = EXIT_REFUSED;
	}
	json_object_put(obj);
	return status;
}

const char *user_name(uint32_t uid)
{
	static char text[64];
	struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(text, sizeof(text), "%s", pw->pw_name);
	else
		snprintf(text, sizeof(text), "%u", uid);
	return text;
}

const char *wait_object(const struct hl_scanout *s)
{
	const char *kind = hl_wait_name(s->wait_for);
	size_t len = strlen(kind);

	return !strncmp(s->wait_name, kind, len) && s->wait_name[len] == ' ' ?
	       s->wait_name + len + 1 : s->wait_name;
}

const char *duration(uint64_t ms, char text[DURATION_LEN])
{
	unsigned long long s = ms / 1000;

	if (s < 10)
		snprintf(text, DURATION_LEN, "%llu.%llus", s, (unsigned long long)ms % 1000 / 100);
	else if (s < 60)
		snprintf(text, DURATION_LEN, "%llus", s);
	else if (s < 3600)
		snprintf(text, DURATION_LEN, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, DURATION_LEN, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(text, DURATION_LEN, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return text;
}

int ctx_generation(struct hl_conn *conn, const char *cmd, uint32_t scanout, uint64_t *generation,
		   struct hl_error *err)
{
	struct hl_scanout now;
	int ret = hl_query(conn, scanout, &now, err);

	if (ret)
		return ret;
	if (now.state == HELIX_LEASE_STATE_FREE)
		return hl_error_set(err, ESTALE, "%s: scanout %u is free", cmd, scanout);
	if (now.hidden)
		return hl_error_set(err, EACCES, "%s: scanout %u is another user's", cmd, scanout);
	*generation = now.generation;
	return 0;
}

int ctx_connect(const struct context *ctx, struct hl_conn **conn, struct hl_error *err)
{
	return ctx->direct ? hl_open_module(NULL, conn, err) : hl_connect(ctx->socket, conn, err);
}

static int dispatch(const struct context *ctx, int argc, char **argv)
{
	for (const struct command *cmd = commands; cmd->name; cmd++)
		if (!strcmp(cmd->name, argv[0]))
			return cmd->run(ctx, argc, argv);
	fprintf(stderr, "helixctl: there is no command \"%s\"; see helixctl --help\n", argv[0]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "direct", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	struct context ctx = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			ctx.socket = optarg;
			break;
		case 'd':
			ctx.direct = 1;
			break;
		case 'h':
			help();
			return EXIT_OK;
		case 'V':
			puts("helixctl " HELIX_VERSION);
			return EXIT_OK;
		default:
			fprintf(stderr, "See \"helixctl --help\".\n");
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "helixctl: a command is missing; see helixctl --help\n");
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	optind = 0;
	return dispatch(&ctx, argc, argv);
}
