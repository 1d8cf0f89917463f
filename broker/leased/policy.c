// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "policy.h"
#include "userns.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

const struct policy policy_default = {
	.clients = 64,
	.clients_per_uid = 32,
	.waiting = 32,
	.waiting_per_uid = 16,
	.idle_ms = 30000,
	.priority_max = 127,
};

static int read_groups(int sock, struct peer *peer, struct hl_error *err)
{
	socklen_t len = 0;

	if (!getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE || !len)
		return 0;
	peer->groups = malloc(len);
	if (!peer->groups)
		return hl_error_set(err, ENOMEM, "out of memory");
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &len) < 0)
		return hl_error_set(err, errno, "cannot read the client's groups: %s",
				    strerror(errno));
	peer->nr_groups = len / sizeof(gid_t);
	return 0;
}

static void read_pidfd(int sock, struct peer *peer)
{
	socklen_t len = sizeof(peer->pidfd);

	if (!getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &peer->pidfd, &len))
		return;
	peer->pidfd = -1;
	/*
	 * Before Linux 6.5 there is only the number, which belongs to another
	 * process by now if this one has ended and been waited for. The module
	 * goes by the number as well.
	 */
	if (errno == ENOPROTOOPT && peer->pid)
		peer->pidfd = syscall(SYS_pidfd_open, peer->pid, 0);
	/* Up to Linux 6.14 SO_PEERPIDFD says EINVAL of one that has been waited for. */
	peer->gone = peer->pidfd < 0 && (errno == ESRCH || errno == EINVAL);
}

/* With the ids that he was given to use in there he would be as many users. */
static void read_user(struct peer *peer)
{
	uid_t owner;

	peer->user = peer->owner = peer->uid;
	if (!peer->pid || !userns_owner(peer->pid, &owner) || !peer_alive(peer))
		return;
	peer->owner = owner;
	if (owner)
		peer->user = owner;
}

int peer_read(int sock, struct peer *peer, struct hl_error *err)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;

	*peer = (struct peer) { .pidfd = -1 };
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return hl_error_set(err, errno, "cannot read the client's credentials: %s",
				    strerror(errno));
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;

	read_pidfd(sock, peer);
	read_user(peer);
	return read_groups(sock, peer, err);
}

/*
 * By its name, which is the kernel's alone to give ("pidfd:" was Linux 6.9's) and takes no lock of
 * the file's own: a client may send any file, and hold what that locks for as long as it likes.
 */
static bool is_pidfd(int fd)
{
	char path[64], name[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, name, sizeof(name) - 1);
	if (len < 0)
		return false;
	name[len] = '\0';
	return !strcmp(name, "anon_inode:[pidfd]") || !strncmp(name, "pidfd:[", strlen("pidfd:["));
}

pid_t peer_of_pidfd(int pidfd)
{
	char path[64], line[64];
	int pid = 0;
	FILE *file;

	if (!is_pidfd(pidfd))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	fclose(file);
	return pid > 0 ? pid : 0;
}

bool peer_is_user(pid_t pid, int pidfd, uid_t uid)
{
	/* Readable once the process has ended, and its number may be another's. */
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	unsigned int ids[4] = { 0 };
	char path[64], line[128];
	bool is = false;
	uid_t owner;
	FILE *file;

	/* With ids of his that are others, too. */
	if (userns_owner(pid, &owner))
		return owner == uid && !poll(&pfd, 1, 0);

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4)
			is = true;
	fclose(file);
	for (int i = 0; i < 4; i++)
		is = is && ids[i] == uid;
	return is && !poll(&pfd, 1, 0);
}

void peer_release(struct peer *peer)
{
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	free(peer->groups);
	*peer = (struct peer) { .pidfd = -1 };
}

bool peer_alive(const struct peer *peer)
{
	struct pollfd pfd = { .fd = peer->pidfd, .events = POLLIN };

	return !peer->gone && (peer->pidfd < 0 || poll(&pfd, 1, 0) <= 0);
}

static bool in_group(const struct peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (int i = 0; i < peer->nr_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

static bool is_allowed(const struct policy *policy, const struct peer *peer)
{
	if (!policy->nr_allowed || !peer->uid)
		return true;
	for (unsigned int i = 0; i < policy->nr_allowed; i++)
		if (in_group(peer, policy->allowed[i]))
			return true;
	return false;
}

int policy_connect(const struct policy *policy, const struct peer *peer, unsigned int clients,
		   unsigned int clients_of_uid, struct hl_error *err)
{
	if (!is_allowed(policy, peer))
		return hl_error_set(err, EACCES, "connect: user %u is in none of the allowed groups",
				    peer->uid);
	if (clients >= policy->clients)
		return hl_error_set(err, EUSERS, "connect: %u clients are connected, no more are served",
				    clients);
	if (peer->uid && clients_of_uid >= policy->clients_per_uid)
		return hl_error_set(err, EUSERS, "connect: user %u has %u connections, no more are served",
				    peer->user, clients_of_uid);
	return 0;
}

int policy_wait(const struct policy *policy, const struct peer *peer, unsigned int waiting,
		unsigned int waiting_of_uid, struct hl_error *err)
{
	if (waiting >= policy->waiting)
		return hl_error_set(err, EAGAIN, "%u requests are under way, try again", waiting);
	if (peer->uid && waiting_of_uid >= policy->waiting_per_uid)
		return hl_error_set(err, EAGAIN, "user %u has %u requests under way, try again",
				    peer->user, waiting_of_uid);
	return 0;
}

int policy_priority(const struct policy *policy, const struct peer *peer, unsigned int priority,
		    struct hl_error *err)
{
	if (!peer->uid || priority <= policy->priority_max)
		return 0;
	return hl_error_set(err, EPERM, "acquire: priority %u is more than %u, which only root may have",
			    priority, policy->priority_max);
}

bool policy_owns(const struct peer *peer, const struct hl_scanout *scanout)
{
	return !peer->uid || peer->uid == scanout->owner_uid;
}
