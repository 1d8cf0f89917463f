/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Unix socket (SEQPACKET) on which whoever starts virtual machines hands them
 * over: one message, the VM's open sockets with it, one answer. See
 * Documentation/exportd.rst.
 */
#ifndef HELIX_ATTACH_H
#define HELIX_ATTACH_H

#include "vms.h"

struct attach;

/* Makes the socket at @path. NULL, with the reason logged, if it cannot. */
struct attach *attach_new(const char *path, struct vms *vms);
/* Takes @fd, a listening socket. */
struct attach *attach_new_fd(int fd, struct vms *vms);
void attach_free(struct attach *attach);

/* One message, read: pure. False with a static @error. */
struct attach_request {
	char name[DESKTOP_VM_LEN];
	bool console0;
	int clipboard;
	unsigned int priority;
	int display, control;	/* which of the descriptors; -1: none */
};

bool attach_parse(const char *text, size_t len, unsigned int fds,
		  struct attach_request *out, const char **error);

#endif
