// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls with random arguments: of the control node and the handle, and every
 * number that DRM has on a scanout node. A call may fail with any documented
 * errno; afterwards everything is as it should be, and a bystander has noticed
 * nothing. The number of calls is fixed; the seed is printed, and HELIX_SEED
 * sets it.
 *
 * Arguments are made from good ones by changing some words, so that calls get
 * past the first check. That each command was seen to succeed and to fail is
 * part of the test.
 */
#include <limits.h>
#include <drm/virtgpu_drm.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define CALLS		6000	/* on the control node and handles */
#define DRM_ROUNDS	40	/* of all numbers DRM can have */
#define HELD		4	/* leases at once */

/* --- chance ----------------------------------------------------------------- */

static uint64_t rng;

static uint32_t chance(void)
{
	/* xorshift64*: the same everywhere, whatever libc. */
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (rng * 0x2545f4914f6cdd1dULL) >> 32;
}

static bool one_in(uint32_t n)
{
	return chance() % n == 0;
}

static uint64_t seed_it(void)
{
	const char *given = getenv("HELIX_SEED");
	uint64_t seed = 0;

	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = time(NULL);
	seed &= UINT32_MAX;
	rng = seed * 2 + 1;
	return seed;
}

/* A word that code may not have thought of. */
static uint32_t odd_word(uint32_t was)
{
	switch (chance() % 7) {
	case 0:
		return 0;
	case 1:
		return chance() % 20;
	case 2:
		return was ^ (1U << chance() % 32);
	case 3:
		return was + 1;
	case 4:
		return -1U - chance() % 2;
	case 5:
		return INT_MAX;
	default:
		return chance();
	}
}

static void interrupt(int sig)
{
}

/* Whatever waits is woken by a signal; a test of patience is elsewhere. */
static void interrupt_every_ms(long ms)
{
	struct itimerval timer = {
		.it_value.tv_usec = ms * 1000,
		.it_interval.tv_usec = ms * 1000,
	};
	struct sigaction sa = { .sa_handler = interrupt };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* --- the control node and handles ------------------------------------------- */

union argument {
	uint32_t words[1024];
	struct helix_lease_info info;
	struct helix_lease_bind bind;
	struct helix_lease_unbind unbind;
	struct helix_lease_acquire acquire;
	struct helix_lease_revoke revoke;
	struct helix_lease_query query;
	struct helix_lease_resize resize;
	struct helix_lease_list list;
	struct helix_lease_policy policy;
};

#define NR_COMMANDS	10

static const struct {
	unsigned long cmd;
	const char *name;
	uint32_t size;
	bool on_handle;
} commands[NR_COMMANDS] = {
	{ HELIX_LEASE_INFO, "INFO", sizeof(struct helix_lease_info), true },
	{ HELIX_LEASE_BIND, "BIND", sizeof(struct helix_lease_bind), false },
	{ HELIX_LEASE_UNBIND, "UNBIND", sizeof(struct helix_lease_unbind), false },
	{ HELIX_LEASE_ACQUIRE, "ACQUIRE", sizeof(struct helix_lease_acquire), false },
	{ HELIX_LEASE_REVOKE, "REVOKE", sizeof(struct helix_lease_revoke), true },
	{ HELIX_LEASE_QUERY, "QUERY", sizeof(struct helix_lease_query), true },
	{ HELIX_LEASE_RESIZE, "RESIZE", sizeof(struct helix_lease_resize), true },
	{ HELIX_LEASE_LIST, "LIST", sizeof(struct helix_lease_list), false },
	{ HELIX_LEASE_SET_POLICY, "SET_POLICY", sizeof(struct helix_lease_policy), false },
	{ HELIX_LEASE_KEEP, "KEEP", sizeof(struct helix_lease_keep), true },
};

/* All that the header speaks of; anything else is a bug, ENOMEM among it. */
static bool documented(int ret)
{
	static const int known[] = {
		0, ENOTTY, EINVAL, E2BIG, EOPNOTSUPP, EFAULT, EPERM, ENODEV, EINTR,
		ETIMEDOUT, EBADF, EACCES, EEXIST, ENOSPC, EBUSY, ESRCH, ECANCELED,
		EHOSTDOWN, EHOSTUNREACH, EMFILE, ENFILE, ESTALE, EDQUOT, ENOENT,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (-ret == known[i])
			return true;
	return false;
}

struct player {
	int control;
	struct helix_lease_acquire held[HELD];
	int nr_held;
	void *entries;	/* room for whatever LIST writes */
	uint32_t calls[NR_COMMANDS][2][2];	/* command, on a handle, failed */
	bool has_host;
};

static void drop(struct player *p, int i)
{
	helix_close_lease(&p->held[i]);
	p->held[i] = p->held[--p->nr_held];
}

static void drop_all(struct player *p)
{
	while (p->nr_held)
		drop(p, 0);
}

/* A good request, as far as one can know. */
static void good_argument(struct player *p, int which, int handle, union argument *arg)
{
	const struct helix_lease_acquire *lease =
		p->nr_held ? &p->held[chance() % p->nr_held] : NULL;

	memset(arg, 0, sizeof(*arg));
	arg->words[0] = commands[which].size;
	switch (commands[which].cmd) {
	case HELIX_LEASE_BIND:
		arg->bind.drm_fd = open(helix_card(0), O_RDWR | O_CLOEXEC);
		break;
	case HELIX_LEASE_UNBIND:
		arg->unbind.flags = one_in(4) ? 0 : HELIX_LEASE_UNBIND_FORCE;
		arg->unbind.timeout_ms = PATIENCE_MS;
		break;
	case HELIX_LEASE_ACQUIRE:
		helix_acquire_init(&arg->acquire, 0);
		break;
	case HELIX_LEASE_REVOKE:
		arg->revoke.timeout_ms = PATIENCE_MS;
		if (lease && handle < 0) {
			arg->revoke.scanout = lease->scanout;
			arg->revoke.generation = lease->generation;
		}
		break;
	case HELIX_LEASE_QUERY:
		arg->query.scanout = handle < 0 ? 1 + chance() % 15 : 0;
		break;
	case HELIX_LEASE_RESIZE:
		arg->resize.width = 640 + 8 * (chance() % 100);
		arg->resize.height = 480 + 8 * (chance() % 50);
		arg->resize.timeout_ms = PATIENCE_MS;
		if (lease && handle < 0) {
			arg->resize.scanout = lease->scanout;
			arg->resize.generation = lease->generation;
		}
		break;
	case HELIX_LEASE_LIST:
		arg->list.nr = 4;
		arg->list.entry_size = sizeof(struct helix_lease_query);
		arg->list.entries = (uintptr_t)p->entries;
		break;
	}
}

/* Not so long that the run is spent waiting. */
static void hurry(uint32_t *timeout_ms)
{
	if (*timeout_ms <= HELIX_LEASE_TIMEOUT_MAX_MS && *timeout_ms != PATIENCE_MS)
		*timeout_ms = 1 + *timeout_ms % 100;
}

static void spoil(struct player *p, int which, union argument *arg)
{
	uint32_t words = commands[which].size / 4;
	int n;

	for (n = 1 + chance() % 3; n; n--) {
		uint32_t i = 1 + chance() % (words - 1);

		arg->words[i] = odd_word(arg->words[i]);
	}
	if (one_in(6))
		arg->words[0] = odd_word(arg->words[0]);
	else if (one_in(6))
		arg->words[0] = chance() % 5000;

	switch (commands[which].cmd) {
	case HELIX_LEASE_UNBIND:
		hurry(&arg->unbind.timeout_ms);
		break;
	case HELIX_LEASE_ACQUIRE:
		hurry(&arg->acquire.timeout_ms);
		break;
	case HELIX_LEASE_REVOKE:
		hurry(&arg->revoke.timeout_ms);
		break;
	case HELIX_LEASE_RESIZE:
		hurry(&arg->resize.timeout_ms);
		break;
	case HELIX_LEASE_LIST:
		/* It may be wrong, but not our stack. */
		if (arg->list.entries != (uintptr_t)p->entries)
			arg->list.entries = one_in(2) ? 0 : 1ULL << 63 | chance();
		break;
	}
}

/* Somewhere a structure does not belong. */
static void *bad_place(union argument *arg, char *page)
{
	switch (chance() % 4) {
	case 0:
		return NULL;
	case 1:
		return (void *)(uintptr_t)(0xffff800000000000ULL + chance());
	case 2:
		/* It ends where memory does. */
		memcpy(page + getpagesize() - 16, arg, 16);
		return page + getpagesize() - 16;
	default:
		return page + getpagesize();
	}
}

/*
 * One that is right, and waits for what always comes: on a slow machine not before
 * the alarm, which would end each of them.
 */
static void let_alarm(int how, unsigned long cmd)
{
	sigset_t alarm;

	if (cmd != HELIX_LEASE_REVOKE && cmd != HELIX_LEASE_RESIZE && cmd != HELIX_LEASE_BIND)
		return;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(how, &alarm, NULL);
}

static void play(struct __test_metadata *_metadata, struct player *p, int which,
		 int handle, char *page)
{
	union argument arg;
	void *where = &arg;
	int card = -1, ret;
	bool right = one_in(3);

	good_argument(p, which, handle, &arg);
	if (commands[which].cmd == HELIX_LEASE_BIND)
		card = arg.bind.drm_fd;
	if (right) {
		let_alarm(SIG_BLOCK, commands[which].cmd);
	} else {
		spoil(p, which, &arg);
		if (one_in(12))
			where = bad_place(&arg, page);
	}
	ret = sys_ioctl(handle < 0 ? p->control : handle, commands[which].cmd, where);
	if (right)
		let_alarm(SIG_UNBLOCK, commands[which].cmd);
	if (card >= 0)
		close(card);

	p->calls[which][handle >= 0][!!ret]++;
	ASSERT_TRUE(documented(ret))
		TH_LOG("%s: %s", commands[which].name, strerror(-ret));
	if (ret)
		return;
	if (commands[which].cmd == HELIX_LEASE_ACQUIRE) {
		if (p->nr_held == HELD)
			drop(p, chance() % HELD);
		p->held[p->nr_held++] = arg.acquire;
	}
	if (commands[which].cmd == HELIX_LEASE_SET_POLICY && arg.policy.mask) {
		struct helix_lease_policy none = { .size = sizeof(none), .mask = 0xf };

		ASSERT_EQ(sys_ioctl(p->control, HELIX_LEASE_SET_POLICY, &none), 0);
	}
}

FIXTURE(fuzz) {
	struct player p;
	char *page;
	uint64_t seed;
};

FIXTURE_SETUP(fuzz)
{
	struct helix_lease_info info;

	memset(&self->p, 0, sizeof(self->p));
	self->p.control = helix_setup();
	ASSERT_GE(self->p.control, 0);
	ASSERT_EQ(helix_info(self->p.control, &info), 0);
	self->p.has_host = info.host_state != HELIX_LEASE_HOST_NONE;
	/* A page, and one that cannot be touched. */
	self->page = mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->page, MAP_FAILED);
	ASSERT_EQ(mprotect(self->page + getpagesize(), getpagesize(), PROT_NONE), 0);
	/* As many as there can be, of the largest size there can be. */
	self->p.entries = mmap(NULL, 256 * getpagesize(), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->p.entries, MAP_FAILED);
	self->seed = seed_it();
	TH_LOG("HELIX_SEED=%llu", (unsigned long long)self->seed);
}

FIXTURE_TEARDOWN(fuzz)
{
	close(self->p.control);
}

TEST_F_TIMEOUT(fuzz, control_node_and_handles, 400)
{
	struct player *p = &self->p;
	struct helix_lease_info info;
	int i, which, where;

	interrupt_every_ms(100);
	for (i = 0; i < CALLS; i++) {
		int handle = p->nr_held && one_in(3) ?
			     p->held[chance() % p->nr_held].handle_fd : -1;

		which = chance() % NR_COMMANDS;
		/* One of these two is all that works without, and with, a GPU. */
		if (commands[which].cmd == HELIX_LEASE_UNBIND && !one_in(8))
			which = 3;
		if (i % 16 == 0) {
			int ret = helix_info(p->control, &info);

			ASSERT_EQ(ret, 0);
			if (!info.nr_gpus) {
				which = 1;
				handle = -1;
			}
		}
		play(_metadata, p, which, handle, self->page);
		if (p->nr_held && one_in(8))
			drop(p, chance() % p->nr_held);

		/* A number that is not one of ours. */
		if (one_in(16)) {
			union argument arg = { .words[0] = 8 };
			unsigned long cmd = chance();

			if (one_in(2))
				cmd = _IO(HELIX_LEASE_IOC_TYPE, NR_COMMANDS + chance() % 200);
			if (_IOC_TYPE(cmd) == HELIX_LEASE_IOC_TYPE && _IOC_NR(cmd) < NR_COMMANDS)
				continue;
			/* FIONBIO and its like are the VFS's. */
			if (_IOC_TYPE(cmd) != HELIX_LEASE_IOC_TYPE)
				continue;
			ASSERT_EQ(sys_ioctl(p->control, cmd, &arg), -ENOTTY);
		}
	}
	interrupt_every_ms(0);

	for (which = 0; which < NR_COMMANDS; which++) {
		for (where = 0; where < 2; where++) {
			uint32_t good = p->calls[which][where][0];
			uint32_t bad = p->calls[which][where][1];
			bool can = where ? commands[which].on_handle : true;

			/* Nothing can be resized without a control device. */
			if (commands[which].cmd == HELIX_LEASE_RESIZE && !p->has_host)
				can = false;
			/* None of these leases has a process to be left to. */
			if (commands[which].cmd == HELIX_LEASE_KEEP)
				can = false;
			TH_LOG("%-10s %-15s %5u succeeded, %5u failed", commands[which].name,
			       where ? "on a handle" : "on the node", good, bad);
			EXPECT_GT(bad, 0);
			if (can) {
				EXPECT_GT(good, 0);
			} else {
				EXPECT_EQ(good, 0);
			}
		}
	}

	drop_all(p);
	ASSERT_EQ(helix_info(p->control, &info), 0);
	if (!info.nr_gpus)
		ASSERT_EQ(helix_bind_card(p->control), 0);
	ASSERT_EQ(helix_wait_all_free(p->control), 0);
	for (i = 1; i <= 3; i++) {
		struct helix_lease_acquire acq;

		ASSERT_EQ(helix_acquire(p->control, i, &acq), 0);
		helix_close_lease(&acq);
	}
	EXPECT_EQ(helix_wait_all_free(p->control), 0);
}

/* --- DRM, as a tenant -------------------------------------------------------- */

struct tenant {
	struct helix_lease_acquire acq;
	int node;
	struct picture shown;
	drmModeModeInfo mode;
	uint32_t *pixels;
};

static uint8_t scratch[65536];
static uint8_t zeros[4096];

/* Ids that mean something to this tenant, to his neighbour, or to nobody. */
static uint32_t some_id(const struct tenant *me, const struct tenant *other)
{
	const uint32_t mine[] = {
		me->acq.crtc_id, me->acq.connector_id, me->acq.primary_plane_id,
		me->acq.cursor_plane_id, me->shown.fb, me->shown.handle,
		other->acq.crtc_id, other->acq.connector_id, other->shown.fb,
		other->acq.primary_plane_id, DRM_MODE_OBJECT_CRTC,
		DRM_MODE_OBJECT_CONNECTOR, DRM_MODE_OBJECT_PLANE, DRM_FORMAT_XRGB8888,
	};

	return one_in(3) ? chance() % 128 : mine[chance() % ARRAY_SIZE(mine)];
}

static void random_words(const struct tenant *me, const struct tenant *other,
			 uint32_t *words, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (!(i % 2) && one_in(4)) {
			uint64_t where = (uintptr_t)scratch + chance() % 4096;

			memcpy(words + i, &where, 8);
			i++;
		} else if (one_in(2)) {
			words[i] = 0;
		} else if (one_in(2)) {
			words[i] = some_id(me, other);
		} else {
			words[i] = odd_word(chance() % 4096);
		}
	}
}

/*
 * A tenant may ask for as much memory as he likes, of the guest and of the host;
 * that is for a memory cgroup and for the host to bound, and not what is tested.
 */
static void modest(unsigned int nr, uint32_t *words)
{
	struct drm_virtgpu_resource_create_blob *blob = (void *)words;
	struct drm_virtgpu_resource_create *create = (void *)words;
	struct drm_syncobj_timeline_wait *timeline = (void *)words;
	struct drm_syncobj_timeline_array *points = (void *)words;
	struct drm_virtgpu_execbuffer *exec = (void *)words;
	struct drm_mode_create_dumb *dumb = (void *)words;
	struct drm_mode_create_blob *prop = (void *)words;
	struct drm_syncobj_array *array = (void *)words;
	struct drm_syncobj_wait *wait = (void *)words;

	switch (nr) {
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_CREATE_DUMB):
		dumb->width %= 512;
		dumb->height %= 512;
		dumb->bpp = one_in(4) ? dumb->bpp : 32;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_CREATEPROPBLOB):
		prop->length %= 4096;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_VIRTGPU_RESOURCE_CREATE):
		create->width %= 512;
		create->height %= 512;
		create->depth %= 3;
		create->array_size %= 3;
		create->last_level %= 3;
		create->nr_samples %= 3;
		create->size %= 1 << 20;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB):
		blob->size %= 1 << 20;
		blob->cmd_size %= 64;
		blob->cmd = (uintptr_t)zeros;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_VIRTGPU_EXECBUFFER):
		/* Commands are the host's to check; these do nothing. */
		exec->size = exec->size % 64 & ~3;
		exec->command = (uintptr_t)zeros;
		exec->num_bo_handles %= 16;
		exec->num_in_syncobjs %= 16;
		exec->num_out_syncobjs %= 16;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_WAIT):
		wait->count_handles %= 16;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_RESET):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
		array->count_handles %= 16;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT):
		timeline->count_handles %= 16;
		break;
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_QUERY):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL):
		points->count_handles %= 16;
		break;
	}
}

/* The size DRM's headers give it, mostly; the number alone says what it is. */
static unsigned long drm_command(unsigned int nr)
{
	static const unsigned long known[] = {
		DRM_IOCTL_VERSION, DRM_IOCTL_GET_UNIQUE, DRM_IOCTL_GET_MAGIC,
		DRM_IOCTL_GET_CLIENT, DRM_IOCTL_SET_VERSION, DRM_IOCTL_GET_CAP,
		DRM_IOCTL_SET_CLIENT_CAP, DRM_IOCTL_AUTH_MAGIC, DRM_IOCTL_GEM_CLOSE,
		DRM_IOCTL_GEM_FLINK, DRM_IOCTL_GEM_OPEN, DRM_IOCTL_PRIME_HANDLE_TO_FD,
		DRM_IOCTL_PRIME_FD_TO_HANDLE, DRM_IOCTL_WAIT_VBLANK,
		DRM_IOCTL_CRTC_GET_SEQUENCE, DRM_IOCTL_CRTC_QUEUE_SEQUENCE,
		DRM_IOCTL_MODE_GETRESOURCES, DRM_IOCTL_MODE_GETPLANERESOURCES,
		DRM_IOCTL_MODE_GETCRTC, DRM_IOCTL_MODE_GETENCODER,
		DRM_IOCTL_MODE_GETCONNECTOR, DRM_IOCTL_MODE_GETPLANE,
		DRM_IOCTL_MODE_GETPROPERTY, DRM_IOCTL_MODE_GETPROPBLOB,
		DRM_IOCTL_MODE_OBJ_GETPROPERTIES, DRM_IOCTL_MODE_GETGAMMA,
		DRM_IOCTL_MODE_SETCRTC, DRM_IOCTL_MODE_SETPLANE,
		DRM_IOCTL_MODE_SETPROPERTY, DRM_IOCTL_MODE_OBJ_SETPROPERTY,
		DRM_IOCTL_MODE_SETGAMMA, DRM_IOCTL_MODE_CURSOR, DRM_IOCTL_MODE_CURSOR2,
		DRM_IOCTL_MODE_PAGE_FLIP, DRM_IOCTL_MODE_ATOMIC,
		DRM_IOCTL_MODE_CREATEPROPBLOB, DRM_IOCTL_MODE_DESTROYPROPBLOB,
		DRM_IOCTL_MODE_ADDFB, DRM_IOCTL_MODE_ADDFB2, DRM_IOCTL_MODE_RMFB,
		DRM_IOCTL_MODE_GETFB, DRM_IOCTL_MODE_GETFB2, DRM_IOCTL_MODE_DIRTYFB,
		DRM_IOCTL_MODE_CREATE_DUMB, DRM_IOCTL_MODE_MAP_DUMB,
		DRM_IOCTL_MODE_DESTROY_DUMB, DRM_IOCTL_SYNCOBJ_CREATE,
		DRM_IOCTL_SYNCOBJ_DESTROY, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD,
		DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, DRM_IOCTL_SYNCOBJ_WAIT,
		DRM_IOCTL_SYNCOBJ_RESET, DRM_IOCTL_SYNCOBJ_SIGNAL,
		DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, DRM_IOCTL_SYNCOBJ_QUERY,
		DRM_IOCTL_SYNCOBJ_TRANSFER, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
		DRM_IOCTL_MODE_CREATE_LEASE, DRM_IOCTL_MODE_LIST_LESSEES,
		DRM_IOCTL_MODE_GET_LEASE, DRM_IOCTL_MODE_REVOKE_LEASE,
		DRM_IOCTL_VIRTGPU_MAP, DRM_IOCTL_VIRTGPU_EXECBUFFER,
		DRM_IOCTL_VIRTGPU_GETPARAM, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,
		DRM_IOCTL_VIRTGPU_RESOURCE_INFO, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
		DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, DRM_IOCTL_VIRTGPU_WAIT,
		DRM_IOCTL_VIRTGPU_GET_CAPS, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
		DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
	};
	unsigned int i;

	if (one_in(12))
		return _IOC(chance() % 4, DRM_IOCTL_BASE, nr, chance() % 512);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (DRM_IOCTL_NR(known[i]) == nr)
			return known[i];
	return _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE, nr, 64);
}

static int tenant_begin(int control, uint32_t scanout, struct tenant *t)
{
	uint64_t offset;
	int ret;

	ret = helix_acquire(control, scanout, &t->acq);
	if (ret)
		return ret;
	t->node = t->acq.lease_fd;
	ret = tenant_show(t->node, &t->acq, &t->shown, &t->mode);
	if (ret)
		return ret;
	if (drmModeMapDumbBuffer(t->node, t->shown.handle, &offset))
		return -errno;
	t->pixels = mmap(NULL, t->shown.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 t->node, offset);
	if (t->pixels == MAP_FAILED)
		return -errno;
	memset(t->pixels, 0x5a, t->shown.size);
	return 0;
}

static bool tenant_unharmed(int control, const struct tenant *t)
{
	struct helix_lease_query query;
	size_t i;

	if (helix_query(control, t->acq.scanout, &query) ||
	    query.state != HELIX_LEASE_STATE_LEASED || query.generation != t->acq.generation)
		return false;
	for (i = 0; i < t->shown.size / 4; i += 61)
		if (t->pixels[i] != 0x5a5a5a5a)
			return false;
	return true;
}

TEST_F_TIMEOUT(fuzz, every_number_of_drm_on_a_scanout_node, 400)
{
	uint32_t calls[256] = {}, succeeded[256] = {}, nr, round, reached = 0;
	struct helix_lease_query before, after;
	int control = self->p.control, fd;
	struct tenant me, other;
	char path[64];

	ASSERT_EQ(tenant_begin(control, 2, &other), 0);
	ASSERT_EQ(tenant_begin(control, 1, &me), 0);
	munmap(me.pixels, me.shown.size);
	ASSERT_EQ(helix_query(control, 1, &before), 0);
	helix_node_path(path, 1);

	interrupt_every_ms(20);
	for (round = 0; round < DRM_ROUNDS; round++) {
		/* A file of his own for each round: what it made goes with it. */
		do {
			fd = open(path, O_RDWR | O_CLOEXEC);
		} while (fd < 0 && errno == EINTR);
		ASSERT_GE(fd, 0);
		while (drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, round % 2))
			ASSERT_EQ(errno, EINTR);
		for (nr = 0; nr < 256; nr++) {
			/* The numbers the kernel knows have their say more often. */
			unsigned int again = (nr >= 0xa0 && nr < 0xd0) || nr < 0x50 ? 4 : 1;

			for (; again; again--) {
				uint32_t words[128];
				int ret;

				random_words(&me, &other, words, 128);
				modest(nr, words);
				ret = sys_ioctl(one_in(4) ? me.node : fd, drm_command(nr), words);
				calls[nr]++;
				succeeded[nr] += !ret;
			}
		}
		/* Whatever descriptors came out of it. */
		syscall(SYS_close_range, fd, ~0U, 0);
		ASSERT_TRUE(tenant_unharmed(control, &other));
	}
	interrupt_every_ms(0);

	for (nr = 0; nr < 256; nr++) {
		EXPECT_GE(calls[nr], DRM_ROUNDS);
		reached += !!succeeded[nr];
	}
	ASSERT_EQ(helix_query(control, 1, &after), 0);
	TH_LOG("%u of DRM's numbers succeeded at times, %llu calls were refused", reached,
	       (unsigned long long)(after.denials - before.denials));
	/* Those that need nothing that chance would have to find. */
	EXPECT_GT(succeeded[DRM_IOCTL_NR(DRM_IOCTL_VERSION)], 0);
	EXPECT_GT(succeeded[DRM_IOCTL_NR(DRM_IOCTL_MODE_GETRESOURCES)], 0);
	EXPECT_GT(succeeded[DRM_IOCTL_NR(DRM_IOCTL_MODE_CREATE_DUMB)], 0);
	EXPECT_EQ(succeeded[DRM_IOCTL_NR(DRM_IOCTL_MODE_CREATE_LEASE)], 0);
	EXPECT_EQ(succeeded[DRM_IOCTL_NR(DRM_IOCTL_GEM_FLINK)], 0);
	EXPECT_EQ(succeeded[DRM_IOCTL_NR(DRM_IOCTL_GEM_OPEN)], 0);
	EXPECT_GT(after.denials, before.denials);

	/* Both can go on. */
	EXPECT_EQ(tenant_set_crtc(other.node, &other.acq, other.shown.fb, &other.mode), 0);
	helix_close_lease(&me.acq);
	EXPECT_EQ(helix_wait_state(control, 1, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(helix_acquire(control, 1, &me.acq), 0);
	helix_close_lease(&me.acq);
	helix_close_lease(&other.acq);
	EXPECT_EQ(helix_wait_all_free(control), 0);
}

TEST_HARNESS_MAIN
