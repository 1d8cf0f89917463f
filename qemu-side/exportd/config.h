/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be set: by a file in GLib's key file syntax, and by the command line,
 * which has the last word. See exportd.conf(5).
 */
#ifndef HELIX_CONFIG_H
#define HELIX_CONFIG_H

#include <stdbool.h>

#include "encoder.h"
#include "http.h"
#include "idle.h"
#include "log.h"
#include "vms.h"

struct config {
	struct http_options http;
	struct encoder_options encoder;
	unsigned int threads;	/* that encode */
	unsigned int log_level, log_format;
	const char *attach;	/* socket on which VMs are handed over, or NULL */
	struct idle_policy idle;	/* of what is not used; a VM can have another */
	const char *vm_directory;	/* the API's VMs have their sockets below */
	struct vm_options vms[VMS_MAX];
	unsigned int nr_vms;

	const char *file;	/* it came from, or NULL */
	bool check;		/* say whether it is good, and end */
	/* what all of this points to */
	GStringChunk *strings;
	GPtrArray *lists;
};

enum config_result {
	CONFIG_RUN,
	CONFIG_DONE,	/* --help, --version */
	CONFIG_WRONG,	/* @error says what, where, and what is allowed */
};

/*
 * Reads the command line, and the file that it names. The same arguments can
 * be read again for a reload.
 */
enum config_result config_load(struct config *config, int argc, char **argv,
			       char **error);
void config_free(struct config *config);

/* What differs between two and cannot be changed while running: text, or NULL. */
char *config_needs_restart(const struct config *old, const struct config *new);

#endif
