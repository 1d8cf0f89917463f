/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may have what. Decides from a peer's credentials, as the kernel gives
 * them, and from numbers the server counts; keeps no state of its own. How many
 * leases anybody may have is the module's to decide, which also sees those who
 * do not come here: @module is what it is told at the start.
 */
#ifndef HELIX_POLICY_H
#define HELIX_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

#include "helix-lease-client.h"

#define POLICY_GROUPS_MAX 16

struct policy {
	gid_t allowed[POLICY_GROUPS_MAX];	/* members may connect; all may when empty */
	unsigned int nr_allowed;
	struct hl_policy module;		/* what its mask names is set */
	unsigned int priority_max;		/* of users other than root */
	unsigned int clients;
	unsigned int clients_per_uid;
	unsigned int waiting;			/* acquire, revoke and resize under way */
	unsigned int waiting_per_uid;
	unsigned int idle_ms;			/* a client that asks nothing so long is dropped */
};

/* Root is bound by the limits that protect the broker, not by those between users. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uid_t user;		/* who is counted: of one in a user namespace its maker, but root */
	uid_t owner;		/* of its leases, as the module says it: its maker, whoever that is */
	int pidfd;		/* -1 where the kernel gives none */
	bool gone;		/* had ended when that was asked for */
	gid_t *groups;
	int nr_groups;
};

extern const struct policy policy_default;

/* What @sock's other end was when it connected. To be given to peer_release(). */
int peer_read(int sock, struct peer *peer, struct hl_error *err);
/* Of the process that @pidfd names, as we see it; 0: ended, not to be seen, or no pidfd. */
pid_t peer_of_pidfd(int pidfd);
/*
 * Whether the process @pid, which @pidfd names, has no other user's rights but @uid's, or is in
 * a user namespace of his.
 */
bool peer_is_user(pid_t pid, int pidfd, uid_t uid);
void peer_release(struct peer *peer);

/* False once the process has ended; true where that cannot be known. */
bool peer_alive(const struct peer *peer);

int policy_connect(const struct policy *policy, const struct peer *peer, unsigned int clients,
		   unsigned int clients_of_uid, struct hl_error *err);
int policy_wait(const struct policy *policy, const struct peer *peer, unsigned int waiting,
		unsigned int waiting_of_uid, struct hl_error *err);
int policy_priority(const struct policy *policy, const struct peer *peer, unsigned int priority,
		    struct hl_error *err);

/* Whether it is this peer's to revoke, to resize and to know everything about. */
bool policy_owns(const struct peer *peer, const struct hl_scanout *scanout);

#endif
