/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of helix-viewer.
 */
#ifndef HELIX_VIEWER_OPTIONS_H
#define HELIX_VIEWER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_SCANOUTS_MAX 64

struct options {
	char host[128];			/* without brackets */
	unsigned int port;
	unsigned int scanouts[OPTIONS_SCANOUTS_MAX];	/* --scanout, or none: all */
	size_t n_scanouts;
	unsigned int desktops;		/* --desktops; 0: as many as are listed */
	double wait_s;
	double for_s;
	double since;			/* CLOCK_REALTIME seconds; 0: the viewer's start */
	const char *output;		/* NULL: stdout */
	const char *record;		/* directory, or NULL */
	bool quiet;
	bool help;
};

/*
 * Parses the command line. False after a message on stderr that names the
 * option and what is wrong with it.
 */
bool options_parse(int argc, char **argv, struct options *options);
void options_usage(void);

/* For options_parse() and its test: "http://HOST[:PORT][/]" in its parts. */
bool options_parse_url(const char *url, struct options *options);

#endif
