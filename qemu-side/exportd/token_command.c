// SPDX-License-Identifier: GPL-2.0-only
#include "token_command.h"

#include <getopt.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "grant.h"
#include "token.h"

#define TOKEN_COMMAND_TTL	3600

static const char token_help[] =
"Usage: helix-exportd token --key FILE [OPTION]...\n"
"\n"
"Prints a token that helix-exportd accepts which has the same key.\n"
"\n"
"  --key FILE         the key, 32 to 4096 bytes that others cannot read\n"
"  --desktop PATTERN  VM:N, VM:* or * (*)\n"
"  --role ROLE        view, control or admin (view)\n"
"  --ttl SECONDS      how long it is good (3600)\n"
"  --once             for one use\n";

struct token_args {
	const char *key;
	struct grant grant;
	guint64 ttl;
	bool once;
};

static bool token_complain(const char *what, const char *text)
{
	fprintf(stderr, "helix-exportd: token: %s \"%s\"; see helix-exportd token --help\n",
		what, text);
	return false;
}

static bool token_take(struct token_args *args, int opt, const char *text)
{
	switch (opt) {
	case 'k':
		args->key = text;
		return true;
	case 'd':
		if (!grant_pattern_valid(text) ||
		    g_strlcpy(args->grant.desktop, text,
			      sizeof(args->grant.desktop)) >=
		    sizeof(args->grant.desktop))
			return token_complain("VM:N, VM:* or * is needed, not", text);
		return true;
	case 'r':
		return role_parse(text, &args->grant.role) &&
		       args->grant.role != ROLE_NONE ? true :
		       token_complain("view, control or admin is needed, not", text);
	case 't':
		return g_ascii_string_to_unsigned(text, 10, 1, TOKEN_TTL_MAX,
						  &args->ttl, NULL) ? true :
		       token_complain("seconds, up to a year, are needed, not", text);
	case 'o':
		args->once = true;
		return true;
	default:
		return token_complain("wrong option before", text ? text : "the end");
	}
}

static int token_print(struct token_args *args)
{
	g_autofree char *error = NULL, *token = NULL;
	struct tokens *tokens = tokens_new(args->key, NULL, &error);

	if (tokens) {
		args->grant.expires = g_get_real_time() / G_USEC_PER_SEC +
				      (gint64)args->ttl;
		token = tokens_issue(tokens, &args->grant, args->once, &error);
		tokens_free(tokens);
	}
	if (!token) {
		fprintf(stderr, "helix-exportd: token: %s\n", error);
		return EXIT_FAILURE;
	}
	puts(token);
	return EXIT_SUCCESS;
}

int token_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "desktop", required_argument, NULL, 'd' },
		{ "role", required_argument, NULL, 'r' },
		{ "ttl", required_argument, NULL, 't' },
		{ "once", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct token_args args = {
		.grant = { .role = ROLE_VIEW, .desktop = "*" },
		.ttl = TOKEN_COMMAND_TTL,
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h') {
			fputs(token_help, stdout);
			return EXIT_SUCCESS;
		}
		if (!token_take(&args, opt, optarg))
			return 2;
	}
	if (optind < argc || !args.key) {
		token_complain(args.key ? "what is" : "--key is needed, not",
			       optind < argc ? argv[optind] : "nothing");
		return 2;
	}
	return token_print(&args);
}
