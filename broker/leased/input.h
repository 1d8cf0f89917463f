/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is typed for a tenant is for no tenant of before. Who has opened an event node hears
 * its device for as long as that is there, lease or no lease, and the kernel lets nobody else
 * end that. So when a lease is over that was bound to a control group, and that is not empty, the input devices of
 * its scanout are taken from their driver and given back to it: every open of the old ones
 * is dead, and the new ones have the same numbers. The control group is kept from opening those by one more device program of that group.
 *
 * Two ways lead here: the module's events, as soon as a lease has ended, and a grant, which is
 * not answered before its scanout's input is nobody's. What has to be done still is in a file
 * for each scanout, for the broker that comes after one that was killed.
 */
#ifndef HELIX_INPUT_H
#define HELIX_INPUT_H

#include "cdi-watch.h"
#include "module.h"

#define INPUT_STATE_DIR	"/run/helix/input"

struct input;

/*
 * Borrows @mod and @cdi, which may be NULL, until input_free(). @sysroot: what stands before
 * /sys and /run; "" but in tests. -EBUSY: another process sees to the input of this guest.
 */
int input_new(struct module *mod, struct cdi_watch *cdi, const char *sysroot, struct input **out,
	      struct hl_error *err);

/* Ends every wait, so that those who are in input_settle() come back. Then it may be freed. */
void input_stop(struct input *input);
void input_free(struct input *input);

/*
 * Deals with what has become of the leases of @scanout, on any thread. Takes as long as udev does, at most some
 * seconds for this scanout and each that is dealt with already.
 */
void input_settle(struct input *input, uint32_t scanout);

#endif
