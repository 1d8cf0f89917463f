/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */
#ifndef HELIX_OPTIONS_H
#define HELIX_OPTIONS_H

#include <stdbool.h>

#include "encoder.h"
#include "http.h"
#include "vm.h"

struct options {
	struct vm_options vm;
	struct http_options http;
	struct encoder_options encoder;
	unsigned int threads;	/* that encode */
	bool verbose;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,	/* --help, --version */
	OPTIONS_WRONG,	/* said why on standard error */
};

enum options_result options_parse(struct options *options, int argc,
				  char **argv);

#endif
