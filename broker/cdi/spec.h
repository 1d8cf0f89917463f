/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CDI specification of the scanouts (github.com/cncf-tags/container-device-interface):
 * what a container runtime adds to a container for --device helix.dev/scanout=3, and
 * for =any. See Documentation/containers.rst.
 */
#ifndef CDI_SPEC_H
#define CDI_SPEC_H

#include <stdbool.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "devices.h"

#define CDI_KIND	"helix.dev/scanout"
#define CDI_ANY		"any"
#define CDI_FILE	"/run/cdi/helix.dev-scanout.json"
#define CDI_STATE_DIR	"/run/helix/cdi"

/*
 * Of the specification, not of its files' rules: the lowest version that has all that is
 * used here, so that runtimes which know no newer one take it. additionalGids are the
 * newest part.
 */
#define CDI_VERSION	"0.7.0"

struct cdi_options {
	const char *helixctl;	/* path of the hook's program */
	const char *state_dir;	/* where cdi_records_write() writes */
	gid_t video;		/* groups of the nodes in the container; (gid_t)-1: root's */
	gid_t render;
	gid_t input;
};

/* "NAME=value" of each variable, then NULL. */
extern const char *const cdi_environment[];

/* Those of this system: groups by name, the rest by default. */
struct cdi_options cdi_options_default(void);

/* NULL: out of memory. */
json_object *cdi_spec(const struct cdi_devices *devices, const struct cdi_options *options);

/* The group of a node in a container, as its path says. */
gid_t cdi_group(const struct cdi_options *options, const char *path);

#endif
