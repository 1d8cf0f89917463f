/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host asks the guest about its leases: a virtio-serial port, which
 * QEMU's display shows as a character device of a name of its own, and at whose
 * other end "helixctl host" listens. One JSON object in each line. See
 * Documentation/exportd.rst.
 */
#ifndef HELIX_LEASEPORT_H
#define HELIX_LEASEPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "display.h"

#define LEASEPORT_NAME		"dev.helix.lease"
#define LEASEPORT_LINE_MAX	1024
#define LEASEPORT_SESSION_MAX	32

struct leaseport;

/* Looks for the port on @display, which has to be ready. */
struct leaseport *leaseport_new(struct display *display, const char *vm);
void leaseport_free(struct leaseport *port);

/* Whether somebody in the guest listens. */
bool leaseport_is_ready(const struct leaseport *port);

/* Each false if it could not be sent. Of a lease that is over nothing happens. */
bool leaseport_revoke(struct leaseport *port, uint32_t scanout,
		      uint64_t generation);
/* It ends in so many seconds; 0: it does not any more. */
bool leaseport_tell(struct leaseport *port, uint32_t scanout,
		    uint64_t generation, unsigned int seconds);

enum leaseport_word {
	LEASEPORT_HELLO,	/* with @session */
	LEASEPORT_DONE,		/* what was asked for @scanout */
	LEASEPORT_FAILED,	/* the same, and @why */
};

struct leaseport_line {
	enum leaseport_word word;
	char session[LEASEPORT_SESSION_MAX + 1];
	uint32_t scanout;
	char why[160];		/* printable */
};

/* One line of the guest's, without its end: pure. False with a static @error. */
bool leaseport_parse(const char *text, size_t len, struct leaseport_line *out,
		     const char **error);

#endif
