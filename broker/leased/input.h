/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is typed for a tenant is for no tenant of before. Who has opened an event node hears
 * its device for as long as that is there, lease or no lease, and the kernel lets nobody else
 * end that. So when a lease is over, the input devices of its scanout are taken from their
 * driver and given back to it: every open of the old ones is dead, and the new ones have the
 * same numbers. A control group that the lease was bound to is kept from opening those by one
 * more device program of that group. Only where nobody is left in such a group, and it was not
 * a user's, nothing has to be done.
 *
 * Two ways lead here: the module's events, as soon as a lease has ended, and a grant, which is
 * not answered before its scanout's input is nobody's. What has to be done still is in a file
 * for each scanout, for the broker that comes after one that was killed.
 */
#ifndef HELIX_INPUT_H
#define HELIX_INPUT_H

#include <stdbool.h>

#include "cdi-watch.h"
#include "module.h"

struct input;

#define INPUT_WAIT_MS	60000	/* two rounds, also of a slow kernel */

/*
 * Borrows @mod and @cdi, which may be NULL, until input_free(). @sysroot: what stands before
 * /sys and /run; "" but in tests. @wait_ms: INPUT_WAIT_MS but there. -EBUSY: another process sees
 * to the input of this guest.
 */
int input_new(struct module *mod, struct cdi_watch *cdi, const char *sysroot, unsigned int wait_ms,
	      struct input **out, struct hl_error *err);

/* Ends every wait, so that those who are in input_settle() come back. Then it may be freed. */
void input_stop(struct input *input);
void input_free(struct input *input);

/*
 * Deals with what has become of the leases of @scanout, on any thread. Takes as long as udev
 * does, and at most twice the 9 s of one round: those that are over are dealt with together,
 * and this one after those with which that has begun already. Once more where one that nobody
 * here has seen came and went meanwhile. False: another's round has not come to its end, whatever
 * it waits for in the kernel, and the input may be somebody else's still.
 */
bool input_settle(struct input *input, uint32_t scanout);

#endif
