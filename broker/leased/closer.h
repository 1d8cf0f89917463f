/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Closes what a client has had a say in. That may take as long as the client likes: a socket of
 * its own lingers, a file system of its own is asked. So each is closed on a thread that nobody
 * waits for, and interrupted until it has come back.
 *
 * All calls are the event loop's.
 */
#ifndef HELIX_CLOSER_H
#define HELIX_CLOSER_H

#include <stdbool.h>
#include <sys/types.h>

struct closer;

/* NULL: out of memory. After job_init(), whose signal interrupts. */
struct closer *closer_new(void);

/* Takes @nfds descriptors, one at least, that came from @user. */
void closer_take(struct closer *closer, uid_t user, const int *fds, int nfds);

/* Takes a connection, which has its last answer. */
void closer_hang_up(struct closer *closer, uid_t user, int sock);

/* Interrupts what has not come back. False: there is nothing. */
bool closer_press(struct closer *closer);

/* How many have begun since the last press. */
unsigned int closer_begun(struct closer *closer);
/* How many of @user's were pressed and have not come back. */
unsigned int closer_stuck(struct closer *closer, uid_t user);

/* False: some have not come back, and use it still. */
bool closer_free(struct closer *closer);

#endif
