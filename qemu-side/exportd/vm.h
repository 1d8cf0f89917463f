/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One virtual machine: its display, its control device, and the requests of
 * its guest, which become desktops in the hub.
 */
#ifndef HELIX_VM_H
#define HELIX_VM_H

#include <limits.h>
#include <stdbool.h>

#include "hub.h"

#define VM_PRIORITY_MAX 255
#define VM_CLIPBOARD_OFF (-1)
#define VM_IDLE_DEFAULT UINT_MAX	/* what the server has for all */

struct vm;

struct vm_options {
	const char *name;	/* what its desktops' ids begin with */
	const char *qmp;	/* socket; NULL if it was handed over */
	const char *control;	/* socket, or NULL */
	bool console0;		/* the console is a desktop too */
	int clipboard;		/* scanout that has the VM's, or off */
	unsigned int priority;	/* on top of that of leases */
	unsigned int idle_after, idle_warn;	/* seconds, or VM_IDLE_DEFAULT */
};

/* What holds for its desktops, where @all is for whom nothing else is said. */
struct idle_policy vm_idle_policy(const struct vm_options *options,
				  const struct idle_policy *all);

/* [A-Za-z0-9_-]{1,32} */
bool vm_name_valid(const char *name);

/* The end of a handed-over VM: use vm_free(). */
typedef void (*vm_ended)(struct vm *vm, const char *why, void *data);

/*
 * Copies @options, starts connecting, and connects again whenever the VM comes
 * back. Nothing that the VM does or does not do makes a call here wait.
 */
struct vm *vm_new(const struct vm_options *options, struct hub *hub);
/*
 * The same for sockets that somebody connected for us: @display speaks D-Bus,
 * @control, or -1, is the control device's. Takes both. They cannot be
 * connected again, so the VM ends with its display.
 */
struct vm *vm_new_handed(const struct vm_options *options, struct hub *hub,
			 int display, int control, vm_ended ended, void *data);
void vm_free(struct vm *vm);

/* Ends its desktops; then it may be busy telling QEMU what was let go. */
void vm_close(struct vm *vm, const char *why);
bool vm_is_busy(const struct vm *vm);

/*
 * Every half second: desktops that nobody uses are told and ended, by asking the
 * guest to. The console, which is nobody's lease, stays.
 */
void vm_tick(struct vm *vm, const struct idle_policy *all);

const struct vm_options *vm_options(const struct vm *vm);
/* Takes what changes nothing but what vm_tick() does. */
void vm_set_idle(struct vm *vm, const struct vm_options *options);

struct vm_info {
	const char *name, *qmp, *control;	/* sockets may be NULL */
	bool handed;
	bool connected;		/* to the display */
	bool attached;		/* to the control device */
	bool ends_leases;	/* somebody in the guest ends what it is asked to */
	const char *error;	/* why not, or NULL */
	unsigned int desktops, connects;
	unsigned int idle_ends;	/* desktops that were asked to end for that */
};

void vm_describe(const struct vm *vm, struct vm_info *info);

#endif
