/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of helix-leased; see helix-leased(8). */
#ifndef HELIX_OPTIONS_H
#define HELIX_OPTIONS_H

#include <stdbool.h>

#include "policy.h"

struct options {
	const char *socket;
	const char *module;
	const char *card;	/* NULL: every virtio-gpu */
	const char *cdi;	/* CDI specification; NULL: none is written */
	gid_t group;		/* of the socket; (gid_t)-1: left alone */
	unsigned int wait_s;
	bool bind;
	bool help;
	bool version;
	struct policy policy;
};

/* Strings point into @argv. */
int options_parse(int argc, char **argv, struct options *opts, struct hl_error *err);
void options_help(void);

#endif
