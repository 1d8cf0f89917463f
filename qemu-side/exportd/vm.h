/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One virtual machine: its display, its control device, and the requests of
 * its guest, which become desktops in the hub.
 */
#ifndef HELIX_VM_H
#define HELIX_VM_H

#include <stdbool.h>

#include "hub.h"

struct vm;

struct vm_options {
	const char *name;	/* what its desktops' ids begin with */
	const char *qmp;	/* socket */
	const char *control;	/* socket, or NULL */
	bool console0;		/* the console is a desktop too */
};

/* Starts connecting, and connects again whenever the VM comes back. */
struct vm *vm_new(const struct vm_options *options, struct hub *hub);
void vm_free(struct vm *vm);

#endif
