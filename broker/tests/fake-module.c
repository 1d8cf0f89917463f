// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>

#include "fake-module.h"

struct fake_scanout {
	int watch;		/* read end: hangs up when the last handle is closed; -1 when free */
	struct helix_lease_query state;
};

struct fake_module {
	struct module base;
	pthread_mutex_t lock;
	int gate;		/* eventfd: readable while ACQUIRE may pass */
	unsigned int waiting;
	unsigned int interrupted;
	int fail;
	uint64_t generation;
	unsigned int nr;
	struct fake_scanout *scanouts;
};

static struct fake_module *to_fake(struct module *mod)
{
	return (struct fake_module *)mod;
}

static void end_lease(struct fake_scanout *s)
{
	close(s->watch);
	s->watch = -1;
	s->state.state = HELIX_LEASE_STATE_FREE;
}

/* What the release of the handle file does in the kernel. */
static void collect(struct fake_module *fake)
{
	for (unsigned int i = 0; i < fake->nr; i++) {
		struct pollfd pfd = { .fd = fake->scanouts[i].watch };

		if (pfd.fd >= 0 && poll(&pfd, 1, 0) > 0)
			end_lease(&fake->scanouts[i]);
	}
}

static int fake_info(struct module *mod, struct helix_lease_info *arg)
{
	arg->abi_version = HELIX_LEASE_ABI_VERSION;
	arg->nr_gpus = 1;
	arg->nr_scanouts = to_fake(mod)->nr;
	arg->host_state = HELIX_LEASE_HOST_UP;
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

static int grant(struct fake_module *fake, struct helix_lease_acquire *arg, uint32_t uid)
{
	struct fake_scanout *s;
	int fds[2], ret;

	collect(fake);
	s = pick(fake, arg->scanout, &ret);
	if (!s)
		return ret;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->watch = fds[0];
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
	s->state.grants++;
	memcpy(s->state.label, arg->label, sizeof(arg->label));
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

static int fake_query(struct module *mod, struct helix_lease_query *arg)
{
	struct fake_module *fake = to_fake(mod);
	uint32_t scanout = arg->scanout;

	if (!scanout || scanout > fake->nr)
		return -EINVAL;
	pthread_mutex_lock(&fake->lock);
	collect(fake);
	*arg = fake->scanouts[scanout - 1].state;
	arg->scanout = scanout;
	arg->output = scanout;
	arg->gpu = 0x10;
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static void fake_close(struct module *mod)
{
	struct fake_module *fake = to_fake(mod);

	for (unsigned int i = 0; i < fake->nr; i++)
		if (fake->scanouts[i].watch >= 0)
			close(fake->scanouts[i].watch);
	close(fake->gate);
	pthread_mutex_destroy(&fake->lock);
	free(fake->scanouts);
	free(fake);
}

static const struct module_ops fake_ops = {
	.info = fake_info,
	.bind = fake_bind,
	.acquire = fake_acquire,
	.revoke = fake_revoke,
	.query = fake_query,
	.close = fake_close,
};

struct module *fake_module_new(unsigned int nr_scanouts)
{
	struct fake_module *fake = calloc(1, sizeof(*fake));

	fake->base.ops = &fake_ops;
	pthread_mutex_init(&fake->lock, NULL);
	fake->gate = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	fake->nr = nr_scanouts;
	fake->scanouts = calloc(nr_scanouts, sizeof(*fake->scanouts));
	for (unsigned int i = 0; i < nr_scanouts; i++)
		fake->scanouts[i].watch = -1;
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
	struct helix_lease_acquire arg = { .scanout = scanout, .width = 640, .height = 480 };
	int ret;

	pthread_mutex_lock(&to_fake(mod)->lock);
	ret = grant(to_fake(mod), &arg, uid);
	pthread_mutex_unlock(&to_fake(mod)->lock);
	if (ret)
		return ret;
	close(arg.lease_fd);
	return arg.handle_fd;
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
