// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line of helix-viewer.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define DEFAULT_URL "http://127.0.0.1:8800/"
#define PORT_HTTP 80
#define LONGEST_S (7 * 24 * 3600.0)

void options_usage(void)
{
	puts("Usage: helix-viewer [OPTION...]\n"
	     "Watches desktops of a helix-exportd as a browser would, without decoding, and\n"
	     "writes what came as JSON.\n\n"
	     "  --url URL         the page's address (default " DEFAULT_URL ")\n"
	     "  --scanout N       watch this one; may be repeated (default: all there are)\n"
	     "  --desktops N      wait until N desktops are there\n"
	     "  --wait SECONDS    deadline for the server, the desktops and their first frames\n"
	     "                    (default 60)\n"
	     "  --for SECONDS     then go on watching for so long (default 10)\n"
	     "  --since EPOCH     count first_frame_s from this time (seconds since 1970, may\n"
	     "                    have a fraction) instead of from the viewer's start\n"
	     "  --output FILE     write the JSON there instead of to stdout\n"
	     "  --record DIR      keep each stream as DIR/scanout-N.h264 (Annex B)\n"
	     "  --quiet           no progress on stderr\n"
	     "  --help\n\n"
	     "Exit status: 0 every desktop delivered a frame; 1 some did not, or broke the\n"
	     "protocol; 2 wrong usage, or the server was never reached.");
}

static bool parse_uint(const char *name, const char *text, unsigned long low,
		       unsigned long high, unsigned int *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)text[0]) ||
	    number < low || number > high) {
		fprintf(stderr, "helix-viewer: %s: '%s' is not a number from %lu to %lu\n",
			name, text, low, high);
		return false;
	}
	*value = (unsigned int)number;
	return true;
}

static bool parse_seconds(const char *name, const char *text, double high,
			  double *value)
{
	char *end;
	double number;

	errno = 0;
	number = strtod(text, &end);
	if (errno || *end || end == text || !isfinite(number) || number < 0 ||
	    number > high) {
		fprintf(stderr, "helix-viewer: %s: '%s' is not a number of seconds from 0 to %.0f\n",
			name, text, high);
		return false;
	}
	*value = number;
	return true;
}

bool options_parse_url(const char *url, struct options *options)
{
	static const char scheme[] = "http://";
	const char *host, *host_end, *rest;
	size_t host_len;

	if (strncmp(url, scheme, strlen(scheme))) {
		fprintf(stderr, "helix-viewer: --url: '%s' does not begin with %s\n", url, scheme);
		return false;
	}
	host = url + strlen(scheme);
	if (host[0] == '[') {
		host++;
		host_end = strchr(host, ']');
		rest = host_end ? host_end + 1 : NULL;
	} else {
		host_end = host + strcspn(host, ":/");
		rest = host_end;
	}
	host_len = host_end ? (size_t)(host_end - host) : 0;
	if (!host_len || host_len >= sizeof(options->host)) {
		fprintf(stderr, "helix-viewer: --url: no usable host in '%s'\n", url);
		return false;
	}
	memcpy(options->host, host, host_len);
	options->host[host_len] = '\0';

	options->port = PORT_HTTP;
	if (*rest == ':') {
		char port[8];
		size_t len = strcspn(++rest, "/");

		if (len >= sizeof(port)) {
			fprintf(stderr, "helix-viewer: --url: no usable port in '%s'\n", url);
			return false;
		}
		memcpy(port, rest, len);
		port[len] = '\0';
		if (!parse_uint("--url: port", port, 1, 65535, &options->port))
			return false;
		rest += len;
	}
	if (strcmp(rest, "") && strcmp(rest, "/")) {
		fprintf(stderr, "helix-viewer: --url: '%s' is more than a server's address\n", url);
		return false;
	}
	return true;
}

static bool add_scanout(struct options *options, const char *text)
{
	unsigned int scanout;

	if (!parse_uint("--scanout", text, 0, 65535, &scanout))
		return false;
	for (size_t i = 0; i < options->n_scanouts; i++)
		if (options->scanouts[i] == scanout)
			return true;
	if (options->n_scanouts == OPTIONS_SCANOUTS_MAX) {
		fprintf(stderr, "helix-viewer: --scanout: more than %d\n", OPTIONS_SCANOUTS_MAX);
		return false;
	}
	options->scanouts[options->n_scanouts++] = scanout;
	return true;
}

static bool take(struct options *options, int option)
{
	switch (option) {
	case 'u':
		return options_parse_url(optarg, options);
	case 's':
		return add_scanout(options, optarg);
	case 'd':
		return parse_uint("--desktops", optarg, 1, OPTIONS_SCANOUTS_MAX, &options->desktops);
	case 'w':
		return parse_seconds("--wait", optarg, LONGEST_S, &options->wait_s);
	case 'f':
		return parse_seconds("--for", optarg, LONGEST_S, &options->for_s);
	case 'S':
		return parse_seconds("--since", optarg, 1e11, &options->since);
	case 'o':
		options->output = optarg;
		return true;
	case 'r':
		options->record = optarg;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	default:
		return false;		/* getopt has said what */
	}
}

bool options_parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "scanout", required_argument, NULL, 's' },
		{ "desktops", required_argument, NULL, 'd' },
		{ "wait", required_argument, NULL, 'w' },
		{ "for", required_argument, NULL, 'f' },
		{ "since", required_argument, NULL, 'S' },
		{ "output", required_argument, NULL, 'o' },
		{ "record", required_argument, NULL, 'r' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	memset(options, 0, sizeof(*options));
	options->wait_s = 60;
	options->for_s = 10;
	if (!options_parse_url(DEFAULT_URL, options))
		return false;
	optind = 0;			/* start over: the tests parse many times */
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!take(options, option))
			return false;
	if (optind < argc) {
		fprintf(stderr, "helix-viewer: unexpected argument '%s'\n", argv[optind]);
		return false;
	}
	if (options->n_scanouts && options->desktops) {
		fprintf(stderr, "helix-viewer: --scanout and --desktops exclude each other\n");
		return false;
	}
	return true;
}
