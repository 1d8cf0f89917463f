// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>

#include "fake-module.h"

struct fake_scanout {
	int watch;		/* other end of the handle: hangs up with its last close; -1 when free */
	int pidfd;		/* readable when the process has ended; -1 for none */
	struct helix_lease_query state;
};

struct fake_module {
	struct module base;
	pthread_mutex_t lock;
	int gate;		/* eventfd: readable while ACQUIRE may pass */
	unsigned int waiting;
	unsigned int interrupted;
	int fail;
	uint32_t host_state;
	struct helix_lease_policy policy;
	uint64_t generation;
	unsigned int nr;
	struct fake_scanout *scanouts;
};

static struct fake_module *to_fake(struct module *mod)
{
	return (struct fake_module *)mod;
}

/* To the handle; one that nobody reads, or has, is the reader's loss. */
static void tell(struct fake_scanout *s, uint32_t type)
{
	struct helix_lease_event event = {
		.size = sizeof(event),
		.type = type,
		.scanout = s->state.scanout,
		.state = s->state.state,
		.generation = s->state.generation,
		.width = s->state.width,
		.height = s->state.height,
		.refresh_mhz = s->state.refresh_mhz,
	};

	send(s->watch, &event, sizeof(event), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_lease(struct fake_scanout *s)
{
	s->state.state = HELIX_LEASE_STATE_FREE;
	tell(s, HELIX_LEASE_EVENT_FREED);
	close(s->watch);
	s->watch = -1;
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->pidfd = -1;
}

/* What the release of the handle file and the end of the process do in the kernel. */
static void collect(struct fake_module *fake)
{
	for (unsigned int i = 0; i < fake->nr; i++) {
		struct pollfd pfds[] = {
			{ .fd = fake->scanouts[i].watch },
			{ .fd = fake->scanouts[i].pidfd, .events = POLLIN },
		};

		if (pfds[0].fd >= 0 && poll(pfds, 2, 0) > 0)
			end_lease(&fake->scanouts[i]);
	}
}

static int fake_info(struct module *mod, struct helix_lease_info *arg)
{
	arg->abi_version = HELIX_LEASE_ABI_VERSION;
	arg->nr_gpus = to_fake(mod)->nr ? 1 : 0;
	arg->nr_scanouts = to_fake(mod)->nr;
	arg->host_state = to_fake(mod)->host_state;
	return 0;
}

static int fake_bind(struct module *mod, struct helix_lease_bind *arg)
{
	(void)mod;
	(void)arg;
	return -EEXIST;
}

/* As many uids as /proc tells: the owner's, or the broker's own. */
static int uid_of(pid_t pid, uint32_t *uid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid ? pid : getpid());
	if (stat(path, &st) < 0)
		return -ESRCH;
	*uid = st.st_uid;
	return 0;
}

static int pass_gate(struct fake_module *fake, uint32_t timeout_ms)
{
	struct pollfd pfd = { .fd = fake->gate, .events = POLLIN };
	int n, code;

	pthread_mutex_lock(&fake->lock);
	fake->waiting++;
	pthread_mutex_unlock(&fake->lock);
	n = poll(&pfd, 1, timeout_ms ? timeout_ms : HELIX_LEASE_TIMEOUT_DEFAULT_MS);
	code = errno;
	pthread_mutex_lock(&fake->lock);
	fake->waiting--;
	fake->interrupted += n < 0;
	pthread_mutex_unlock(&fake->lock);
	return n > 0 ? 0 : n < 0 ? -code : -ETIMEDOUT;
}

static struct fake_scanout *pick(struct fake_module *fake, uint32_t scanout, int *ret)
{
	*ret = 0;
	if (scanout > fake->nr)
		*ret = -EINVAL;
	else if (scanout && fake->scanouts[scanout - 1].watch >= 0)
		*ret = -EBUSY;
	else if (scanout)
		return &fake->scanouts[scanout - 1];
	for (unsigned int i = 0; !*ret && i < fake->nr; i++)
		if (fake->scanouts[i].watch < 0)
			return &fake->scanouts[i];
	if (!*ret)
		*ret = -ENOSPC;
	return NULL;
}

static int over_quota(struct fake_module *fake, uint32_t uid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fake->nr; i++)
		n += fake->scanouts[i].watch >= 0 && fake->scanouts[i].state.owner_uid == uid;
	return uid && fake->policy.max_per_uid && n >= fake->policy.max_per_uid;
}

/* A descriptor of our own for @fd if it is a pidfd, as /proc says; -EBADF if it is not. */
static int take_pidfd(int fd)
{
	char path[40], text[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return -EBADF;
	text[n] = '\0';
	if (!strstr(text, "pidfd"))
		return -EBADF;
	if (poll(&(struct pollfd) { .fd = fd, .events = POLLIN }, 1, 0) > 0)
		return -ESRCH;
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int grant(struct fake_module *fake, struct helix_lease_acquire *arg, uint32_t uid)
{
	struct fake_scanout *s;
	int fds[2], ret, pidfd = -1;

	collect(fake);
	if (over_quota(fake, uid))
		return -EDQUOT;
	s = pick(fake, arg->scanout, &ret);
	if (!s)
		return ret;
	if (arg->flags & HELIX_LEASE_ACQUIRE_PIDFD) {
		pidfd = take_pidfd(arg->pidfd);
		if (pidfd < 0)
			return pidfd;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		close(pidfd);
		return -errno;
	}
	s->watch = fds[0];
	s->pidfd = pidfd;
	arg->handle_fd = fds[1];
	arg->lease_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	arg->scanout = s - fake->scanouts + 1;
	arg->generation = ++fake->generation;
	arg->connector_id = 30 + arg->scanout;
	arg->crtc_id = 60 + arg->scanout;
	arg->primary_plane_id = 90 + arg->scanout;
	arg->refresh_mhz = arg->refresh_mhz ? arg->refresh_mhz : 60000;
	s->state.state = HELIX_LEASE_STATE_LEASED;
	s->state.generation = arg->generation;
	s->state.width = arg->width;
	s->state.height = arg->height;
	s->state.refresh_mhz = arg->refresh_mhz;
	s->state.owner_pid = arg->owner_pid;
	s->state.owner_uid = uid;
	s->state.priority = arg->priority;
	s->state.acquire_flags = arg->flags;
	s->state.grants++;
	memcpy(s->state.label, arg->label, sizeof(arg->label));
	s->state.scanout = arg->scanout;
	tell(s, HELIX_LEASE_EVENT_GRANTED);
	return 0;
}

static int fake_acquire(struct module *mod, struct helix_lease_acquire *arg)
{
	struct fake_module *fake = to_fake(mod);
	uint32_t uid;
	int ret = uid_of(arg->owner_pid, &uid);

	if (!ret)
		ret = pass_gate(fake, arg->timeout_ms);
	if (ret)
		return ret;
	pthread_mutex_lock(&fake->lock);
	ret = fake->fail ? -fake->fail : grant(fake, arg, uid);
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static int fake_revoke(struct module *mod, struct helix_lease_revoke *arg)
{
	struct fake_module *fake = to_fake(mod);
	struct fake_scanout *s;
	int ret = 0;

	if (!arg->scanout || arg->scanout > fake->nr)
		return -EINVAL;
	s = &fake->scanouts[arg->scanout - 1];
	pthread_mutex_lock(&fake->lock);
	collect(fake);
	if (s->watch < 0 || s->state.generation != arg->generation)
		ret = -ESTALE;
	else
		end_lease(s);
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static void fill_query(struct fake_module *fake, uint32_t scanout, struct helix_lease_query *arg)
{
	*arg = fake->scanouts[scanout - 1].state;
	arg->scanout = scanout;
	arg->output = scanout;
	arg->gpu = 0x10;
}

static int fake_query(struct module *mod, struct helix_lease_query *arg)
{
	struct fake_module *fake = to_fake(mod);
	uint32_t scanout = arg->scanout;

	if (!scanout || scanout > fake->nr)
		return -EINVAL;
	pthread_mutex_lock(&fake->lock);
	collect(fake);
	fill_query(fake, scanout, arg);
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static int fake_list(struct module *mod, struct helix_lease_list *arg)
{
	struct fake_module *fake = to_fake(mod);
	struct helix_lease_query *entries = (void *)(uintptr_t)arg->entries;
	uint32_t number = arg->first ? arg->first : 1, n = 0;

	if (arg->entry_size != sizeof(*entries))
		return -EINVAL;
	pthread_mutex_lock(&fake->lock);
	collect(fake);
	for (; number <= fake->nr && n < arg->nr; number++)
		fill_query(fake, number, &entries[n++]);
	arg->first = number <= fake->nr ? number : 0;
	arg->nr = n;
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static int fake_resize(struct module *mod, struct helix_lease_resize *arg)
{
	struct fake_module *fake = to_fake(mod);
	struct fake_scanout *s;
	int ret = pass_gate(fake, arg->timeout_ms);

	if (ret)
		return ret;
	if (!arg->scanout || arg->scanout > fake->nr)
		return -EINVAL;
	s = &fake->scanouts[arg->scanout - 1];
	pthread_mutex_lock(&fake->lock);
	collect(fake);
	if (s->watch < 0 || s->state.generation != arg->generation) {
		ret = -ESTALE;
	} else if (fake->fail) {
		ret = -fake->fail;
	} else {
		s->state.width = arg->width;
		s->state.height = arg->height;
		s->state.refresh_mhz = arg->refresh_mhz ? arg->refresh_mhz : 60000;
	}
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static int fake_policy(struct module *mod, struct helix_lease_policy *arg)
{
	struct fake_module *fake = to_fake(mod);

	pthread_mutex_lock(&fake->lock);
	if (arg->mask & HELIX_LEASE_POLICY_WHO) {
		fake->policy.who = arg->who;
		fake->policy.gid = arg->gid;
	}
	if (arg->mask & HELIX_LEASE_POLICY_MAX_PER_UID)
		fake->policy.max_per_uid = arg->max_per_uid;
	if (arg->mask & HELIX_LEASE_POLICY_MAX_PER_CGROUP)
		fake->policy.max_per_cgroup = arg->max_per_cgroup;
	if (arg->mask & HELIX_LEASE_POLICY_GRACE_MS)
		fake->policy.grace_ms = arg->grace_ms;
	*arg = fake->policy;
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static int fake_unbind(struct module *mod, struct helix_lease_unbind *arg)
{
	struct fake_module *fake = to_fake(mod);
	int ret = 0;

	pthread_mutex_lock(&fake->lock);
	collect(fake);
	for (unsigned int i = 0; i < fake->nr; i++) {
		if (fake->scanouts[i].watch < 0)
			continue;
		if (arg->flags & HELIX_LEASE_UNBIND_FORCE)
			end_lease(&fake->scanouts[i]);
		else
			ret = -EBUSY;
	}
	if (!ret)
		fake->nr = 0;
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static void fake_close(struct module *mod)
{
	struct fake_module *fake = to_fake(mod);

	for (unsigned int i = 0; i < fake->nr; i++)
		if (fake->scanouts[i].watch >= 0)
			end_lease(&fake->scanouts[i]);
	close(fake->gate);
	pthread_mutex_destroy(&fake->lock);
	free(fake->scanouts);
	free(fake);
}

static const struct module_ops fake_ops = {
	.info = fake_info,
	.bind = fake_bind,
	.unbind = fake_unbind,
	.acquire = fake_acquire,
	.revoke = fake_revoke,
	.query = fake_query,
	.resize = fake_resize,
	.list = fake_list,
	.policy = fake_policy,
	.close = fake_close,
};

struct module *fake_module_new(unsigned int nr_scanouts)
{
	struct fake_module *fake = calloc(1, sizeof(*fake));

	fake->base.ops = &fake_ops;
	pthread_mutex_init(&fake->lock, NULL);
	fake->gate = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	fake->nr = nr_scanouts;
	fake->host_state = HELIX_LEASE_HOST_UP;
	fake->scanouts = calloc(nr_scanouts, sizeof(*fake->scanouts));
	for (unsigned int i = 0; i < nr_scanouts; i++)
		fake->scanouts[i].watch = fake->scanouts[i].pidfd = -1;
	return &fake->base;
}

void fake_module_hold(struct module *mod, bool hold)
{
	uint64_t value = 1;

	if (hold ? read(to_fake(mod)->gate, &value, sizeof(value)) < 0 :
		   write(to_fake(mod)->gate, &value, sizeof(value)) < 0)
		abort();
}

static unsigned int read_locked(struct module *mod, const unsigned int *value)
{
	unsigned int copy;

	pthread_mutex_lock(&to_fake(mod)->lock);
	copy = *value;
	pthread_mutex_unlock(&to_fake(mod)->lock);
	return copy;
}

unsigned int fake_module_waiting(struct module *mod)
{
	return read_locked(mod, &to_fake(mod)->waiting);
}

unsigned int fake_module_interrupted(struct module *mod)
{
	return read_locked(mod, &to_fake(mod)->interrupted);
}

void fake_module_fail(struct module *mod, int code)
{
	pthread_mutex_lock(&to_fake(mod)->lock);
	to_fake(mod)->fail = code;
	pthread_mutex_unlock(&to_fake(mod)->lock);
}

int fake_module_give(struct module *mod, uint32_t scanout, uint32_t uid)
{
	struct helix_lease_acquire arg = {
		.scanout = scanout, .width = 640, .height = 480, .owner_pid = getpid(),
	};
	int ret;

	pthread_mutex_lock(&to_fake(mod)->lock);
	ret = grant(to_fake(mod), &arg, uid);
	pthread_mutex_unlock(&to_fake(mod)->lock);
	if (ret)
		return ret;
	close(arg.lease_fd);
	return arg.handle_fd;
}

void fake_module_bind_to(struct module *mod, uint32_t scanout, uint64_t cgroup)
{
	struct helix_lease_query *q = &to_fake(mod)->scanouts[scanout - 1].state;

	pthread_mutex_lock(&to_fake(mod)->lock);
	q->acquire_flags |= HELIX_LEASE_ACQUIRE_CGROUP;
	q->owner_cgroup = cgroup;
	pthread_mutex_unlock(&to_fake(mod)->lock);
}

void fake_module_stall(struct module *mod, uint32_t scanout, uint32_t ms, const char *name)
{
	struct helix_lease_query *q = &to_fake(mod)->scanouts[scanout - 1].state;

	pthread_mutex_lock(&to_fake(mod)->lock);
	q->stalled_ms = ms;
	q->stalls++;
	q->wait_for = HELIX_LEASE_WAIT_FENCE;
	q->wait_ms = ms;
	snprintf((char *)q->wait_name, sizeof(q->wait_name), "%s", name);
	pthread_mutex_unlock(&to_fake(mod)->lock);
}

void fake_module_host(struct module *mod, uint32_t host_state)
{
	to_fake(mod)->host_state = host_state;
}

void fake_module_stuck(struct module *mod, uint32_t scanout, uint32_t state, uint32_t ms)
{
	struct helix_lease_query *q = &to_fake(mod)->scanouts[scanout - 1].state;

	pthread_mutex_lock(&to_fake(mod)->lock);
	q->state = state;
	q->state_ms = ms;
	q->wait_for = HELIX_LEASE_WAIT_HOST;
	q->wait_ms = ms;
	snprintf((char *)q->wait_name, sizeof(q->wait_name), "OUTPUT_DISABLE");
	pthread_mutex_unlock(&to_fake(mod)->lock);
}

unsigned int fake_module_leased(struct module *mod)
{
	struct fake_module *fake = to_fake(mod);
	unsigned int n = 0;

	pthread_mutex_lock(&fake->lock);
	collect(fake);
	for (unsigned int i = 0; i < fake->nr; i++)
		n += fake->scanouts[i].watch >= 0;
	pthread_mutex_unlock(&fake->lock);
	return n;
}
