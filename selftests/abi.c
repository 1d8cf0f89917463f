// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno contract: what every ioctl says to every kind of bad argument, on
 * the control node and on a handle.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include "helix_test.h"
#include "kselftest_harness.h"

#define PAGE	4096

/* Up to the member that was the last one of the first published structure. */
#define UP_TO(type, last) (offsetof(struct type, last) + sizeof(((struct type *)0)->last))

#define COMMAND(cmd, type, last, flags, on_handle, admin) \
	{ #cmd, HELIX_LEASE_ ## cmd, sizeof(struct type), UP_TO(type, last), flags, on_handle, admin }

static const struct command {
	const char *name;
	unsigned long cmd;
	uint32_t size;
	uint32_t first_size;
	uint32_t flags;
	bool on_handle;
	bool admin;
} commands[] = {
	COMMAND(INFO, helix_lease_info, host_state, 0, true, false),
	COMMAND(BIND, helix_lease_bind, __reserved, 0, false, true),
	COMMAND(UNBIND, helix_lease_unbind, flags, HELIX_LEASE_UNBIND_FORCE, false, true),
	COMMAND(ACQUIRE, helix_lease_acquire, cursor_plane_id,
		HELIX_LEASE_ACQUIRE_END_ON_CLOSE | HELIX_LEASE_ACQUIRE_PIDFD |
		HELIX_LEASE_ACQUIRE_CGROUP, false, false),
	COMMAND(REVOKE, helix_lease_revoke, generation, 0, true, true),
	COMMAND(QUERY, helix_lease_query, label, 0, true, false),
	COMMAND(RESIZE, helix_lease_resize, __reserved, 0, true, true),
	COMMAND(LIST, helix_lease_list, entries, 0, false, false),
	COMMAND(SET_POLICY, helix_lease_policy, grace_ms, 0, false, false),
	COMMAND(KEEP, helix_lease_keep, flags, 0, true, false),
};

#define for_each_command(c) \
	for (c = commands; c < commands + sizeof(commands) / sizeof(*commands); c++)

static int drop_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1U << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

FIXTURE(abi) {
	int control;
	bool host;
	struct helix_lease_acquire acq;
	uint8_t *buf;
};

FIXTURE_SETUP(abi)
{
	struct helix_lease_info info;

	self->control = helix_setup();
	ASSERT_GE(self->control, 0);
	ASSERT_EQ(helix_info(self->control, &info), 0);
	self->host = info.host_state != HELIX_LEASE_HOST_NONE;
	ASSERT_EQ(helix_acquire(self->control, 0, &self->acq), 0);
	/* A page that a read past the end would leave. */
	self->buf = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->buf, MAP_FAILED);
	ASSERT_EQ(munmap(self->buf + 2 * PAGE, PAGE), 0);
}

FIXTURE_TEARDOWN(abi)
{
	helix_close_lease(&self->acq);
	close(self->control);
}

static void put32(uint8_t *buf, size_t offset, uint32_t value)
{
	memcpy(buf + offset, &value, sizeof(value));
}

TEST_F_TIMEOUT(abi, unknown_commands_are_enotty, 120)
{
	unsigned int nr;

	for (nr = sizeof(commands) / sizeof(*commands); nr < 256; nr++)
		EXPECT_EQ(sys_ioctl(self->control, _IO(HELIX_LEASE_IOC_TYPE, nr), self->buf),
			  -ENOTTY);
	EXPECT_EQ(sys_ioctl(self->control, _IO('d', 0), self->buf), -ENOTTY);
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_INFO | (8 << _IOC_SIZESHIFT), self->buf),
		  -ENOTTY);
}

TEST_F_TIMEOUT(abi, a_handle_knows_its_own_commands_only, 120)
{
	const struct command *c;

	for_each_command(c) {
		put32(self->buf, 0, 0);
		EXPECT_EQ(sys_ioctl(self->acq.handle_fd, c->cmd, self->buf),
			  c->on_handle ? -EINVAL : -ENOTTY) TH_LOG("%s", c->name);
	}
}

TEST_F_TIMEOUT(abi, null_and_unmapped_structures_are_efault, 120)
{
	const struct command *c;

	for_each_command(c) {
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, NULL), -EFAULT)
			TH_LOG("%s", c->name);
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf + 2 * PAGE), -EFAULT)
			TH_LOG("%s", c->name);
		/* The size can be read, the rest cannot. */
		put32(self->buf, 2 * PAGE - 4, c->size);
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf + 2 * PAGE - 4), -EFAULT)
			TH_LOG("%s", c->name);
	}
}

TEST_F_TIMEOUT(abi, short_sizes_are_einval, 120)
{
	const struct command *c;
	uint32_t size;

	for_each_command(c) {
		for (size = 0; size < c->first_size; size++) {
			memset(self->buf, 0, PAGE);
			put32(self->buf, 0, size);
			EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -EINVAL)
				TH_LOG("%s of %u bytes", c->name, size);
		}
	}
}

TEST_F_TIMEOUT(abi, a_tail_that_is_not_zero_is_e2big, 120)
{
	const struct command *c;

	for_each_command(c) {
		memset(self->buf, 0, 2 * PAGE);
		put32(self->buf, 0, c->size + 8);
		self->buf[c->size + 7] = 1;
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -E2BIG)
			TH_LOG("%s", c->name);
		put32(self->buf, 0, PAGE + 1);
		self->buf[c->size + 7] = 0;
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -E2BIG)
			TH_LOG("%s", c->name);
		put32(self->buf, 0, 0xffffffff);
		EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -E2BIG)
			TH_LOG("%s", c->name);
	}
}

TEST_F_TIMEOUT(abi, a_longer_structure_with_a_zero_tail_is_served, 120)
{
	struct {
		struct helix_lease_info info;
		uint64_t tail[4];
	} future = { .info.size = sizeof(future) };

	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_INFO, &future), 0);
	EXPECT_EQ(future.info.size, sizeof(future));
	EXPECT_EQ(future.info.abi_version, HELIX_LEASE_ABI_VERSION);
	EXPECT_EQ(future.tail[0], 0);
}

/* A request that passes every check of its structure; returns what it gets. */
static int good_request(const struct command *c, const struct helix_lease_acquire *held,
			void *buf)
{
	struct helix_lease_acquire acquire;
	struct helix_lease_bind *bind = buf;
	struct helix_lease_revoke *revoke = buf;
	struct helix_lease_query *query = buf;
	struct helix_lease_resize *resize = buf;
	struct helix_lease_list *list = buf;

	memset(buf, 0, c->size);
	switch (c->cmd) {
	case HELIX_LEASE_BIND:
		bind->drm_fd = -1;
		return -EBADF;
	case HELIX_LEASE_UNBIND:
		return -EBUSY;
	case HELIX_LEASE_ACQUIRE:
		helix_acquire_init(&acquire, held->scanout);
		memcpy(buf, &acquire, sizeof(acquire));
		return -EBUSY;
	case HELIX_LEASE_REVOKE:
		revoke->scanout = held->scanout;
		return -ESTALE;
	case HELIX_LEASE_QUERY:
		query->scanout = held->scanout;
		return 0;
	case HELIX_LEASE_RESIZE:
		resize->scanout = held->scanout;
		resize->width = 800;
		resize->height = 600;
		return -ESTALE;
	case HELIX_LEASE_LIST:
		list->entry_size = UP_TO(helix_lease_query, label);
		return 0;
	case HELIX_LEASE_KEEP:
		return -ENOTTY;	/* of a handle only */
	default:
		return 0;
	}
}

static size_t first_other(const uint8_t *buf, size_t from, size_t to, uint8_t value)
{
	while (from < to && buf[from] == value)
		from++;
	return from;
}

TEST_F_TIMEOUT(abi, every_size_from_the_first_published_on_is_served, 300)
{
	uint8_t good[512];
	const struct command *c;
	uint32_t size;
	int expected;

	for_each_command(c) {
		ASSERT_LE(c->first_size, c->size);
		ASSERT_LE(c->size, sizeof(good));
		for (size = c->first_size; size <= c->size + 64; size += 4) {
			expected = good_request(c, &self->acq, good);
			memset(self->buf, 0x5a, 2 * PAGE);
			memset(self->buf, 0, size);
			memcpy(self->buf, good, size < c->size ? size : c->size);
			put32(self->buf, 0, size);
			/* RESIZE cannot be begun without a host. */
			if (c->cmd == HELIX_LEASE_RESIZE && !self->host)
				expected = -EOPNOTSUPP;
			EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), expected)
				TH_LOG("%s of %u bytes", c->name, size);
			/* The size stays the caller's, and what is not his is not written. */
			EXPECT_EQ(memcmp(self->buf, &size, sizeof(size)), 0);
			EXPECT_EQ(first_other(self->buf, size, 2 * PAGE, 0x5a), 2 * PAGE)
				TH_LOG("%s of %u bytes", c->name, size);
			if (size > c->size) {
				EXPECT_EQ(first_other(self->buf, c->size, size, 0), size)
					TH_LOG("%s of %u bytes", c->name, size);
			}
		}
	}
}

TEST_F_TIMEOUT(abi, acquire_of_the_first_size_is_granted, 120)
{
	uint32_t size = UP_TO(helix_lease_acquire, cursor_plane_id);
	struct helix_lease_acquire *acq = (void *)self->buf;
	struct helix_lease_query query;

	memset(self->buf, 0x5a, PAGE);
	helix_acquire_init(acq, 0);
	acq->size = size;
	memset(self->buf + size, 0x5a, PAGE - size);
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, acq), 0);
	EXPECT_EQ(acq->size, size);
	EXPECT_NE(acq->primary_plane_id, 0xa5a5a5a5);
	EXPECT_NE(acq->cursor_plane_id, 0xa5a5a5a5);
	EXPECT_EQ(first_other(self->buf, size, PAGE, 0x5a), PAGE);
	/* What it could not say reads as zero. */
	ASSERT_EQ(helix_query(acq->handle_fd, 0, &query), 0);
	EXPECT_EQ(query.priority, 0);
	helix_close_lease(acq);
}

TEST_F_TIMEOUT(abi, query_of_the_current_size_fills_every_member, 120)
{
	struct helix_lease_query query;
	const uint8_t *bytes = (void *)&query;
	size_t i, run = 0;

	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	/* Four poisoned bytes in a row would be a member that was left out. */
	for (i = 0; i < sizeof(query); i++) {
		run = bytes[i] == 0xa5 ? run + 1 : 0;
		ASSERT_LT(run, 4) TH_LOG("at byte %zu", i);
	}
	EXPECT_EQ(query.wait_name[HELIX_LEASE_WAIT_NAME_LEN - 1], 0);
}

TEST_F_TIMEOUT(abi, the_version_is_the_headers, 60)
{
	struct helix_lease_info info;

	/* Counted up with this header: a module that is older or newer would show. */
	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.abi_version, 5);
	EXPECT_EQ(HELIX_LEASE_ABI_VERSION, 5);
	EXPECT_EQ(sizeof(struct helix_lease_info), 24);
	EXPECT_EQ(sizeof(struct helix_lease_bind), 24);
	EXPECT_EQ(sizeof(struct helix_lease_unbind), 16);
	EXPECT_EQ(sizeof(struct helix_lease_acquire), 104);
	EXPECT_EQ(sizeof(struct helix_lease_revoke), 24);
	EXPECT_EQ(sizeof(struct helix_lease_query), 256);
	EXPECT_EQ(sizeof(struct helix_lease_resize), 40);
	EXPECT_EQ(sizeof(struct helix_lease_list), 32);
	EXPECT_EQ(sizeof(struct helix_lease_policy), 32);
	EXPECT_EQ(sizeof(struct helix_lease_keep), 8);
	EXPECT_EQ(sizeof(struct helix_lease_event), 56);
}

TEST_F_TIMEOUT(abi, unknown_flags_are_eopnotsupp, 120)
{
	const struct command *c;
	int bit;

	for_each_command(c) {
		for (bit = 0; bit < 32; bit++) {
			if (c->flags & (1U << bit))
				continue;
			memset(self->buf, 0, PAGE);
			put32(self->buf, 0, c->size);
			put32(self->buf, 4, 1U << bit);
			EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -EOPNOTSUPP)
				TH_LOG("%s flag %d", c->name, bit);
		}
	}
}

TEST_F_TIMEOUT(abi, administration_needs_cap_sys_admin, 120)
{
	struct helix_lease_acquire acq;
	const struct command *c;

	ASSERT_EQ(drop_admin(), 0);
	for_each_command(c) {
		memset(self->buf, 0, PAGE);
		put32(self->buf, 0, c->size);
		if (c->admin) {
			EXPECT_EQ(sys_ioctl(self->control, c->cmd, self->buf), -EPERM)
				TH_LOG("%s", c->name);
		}
	}
	/* For oneself, but for nobody else. */
	helix_acquire_init(&acq, 0);
	acq.owner_pid = 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), -EPERM);
	helix_acquire_init(&acq, 0);
	acq.owner_pid = getpid();
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	helix_close_lease(&acq);
	/* A handle is the right. */
	EXPECT_EQ(helix_revoke(self->acq.handle_fd, 0, 0), 0);
}

TEST_F_TIMEOUT(abi, info_says_what_is_there, 120)
{
	struct helix_lease_info info;

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(info.abi_version, HELIX_LEASE_ABI_VERSION);
	EXPECT_EQ(info.nr_gpus, 1);
	EXPECT_GE(info.nr_scanouts, 1);
	EXPECT_LE(info.host_state, HELIX_LEASE_HOST_UP);
	ASSERT_EQ(helix_info(self->acq.handle_fd, &info), 0);
	EXPECT_EQ(info.abi_version, HELIX_LEASE_ABI_VERSION);
}

TEST_F_TIMEOUT(abi, bind_takes_drm_masters_only, 120)
{
	struct helix_lease_bind bind;
	int null, card, closed;

	EXPECT_EQ(helix_bind_fd(self->control, -1, &bind), -EBADF);
	closed = open("/dev/null", O_RDWR);
	close(closed);
	EXPECT_EQ(helix_bind_fd(self->control, closed, &bind), -EBADF);
	null = open("/dev/null", O_RDWR);
	EXPECT_EQ(helix_bind_fd(self->control, null, &bind), -EINVAL);
	EXPECT_EQ(helix_bind_fd(self->control, self->control, &bind), -EINVAL);
	EXPECT_EQ(helix_bind_fd(self->control, self->acq.handle_fd, &bind), -EINVAL);
	/* A tenant's file is DRM's only half. */
	EXPECT_EQ(helix_bind_fd(self->control, self->acq.lease_fd, &bind), -EINVAL);
	/* The master is the module's: this open is not one. */
	card = open(CARD, O_RDWR);
	ASSERT_GE(card, 0);
	EXPECT_EQ(helix_bind_fd(self->control, card, &bind), -EACCES);
	close(card);
	card = open("/dev/dri/renderD128", O_RDWR);
	if (card >= 0) {
		EXPECT_EQ(helix_bind_fd(self->control, card, &bind), -EINVAL);
		close(card);
	}
	memset(&bind, 0, sizeof(bind));
	bind.size = sizeof(bind);
	bind.__reserved = 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_BIND, &bind), -EOPNOTSUPP);
	close(null);
}

TEST_F_TIMEOUT(abi, unbind_is_ebusy_while_a_scanout_is_not_free, 120)
{
	struct helix_lease_query query;

	EXPECT_EQ(helix_unbind(self->control), -EBUSY);
	/* Nothing was changed. */
	ASSERT_EQ(helix_query(self->acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);
}

TEST_F_TIMEOUT(abi, with_o_nonblock_nothing_waits, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;
	struct helix_lease_bind bind;
	struct helix_lease_info info;
	int control = open(CONTROL_NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int ret;

	ASSERT_GE(control, 0);
	/* What has to wait, and leaves nothing half done, is not begun. */
	EXPECT_EQ(helix_acquire(control, 0, &acq), -EAGAIN);
	EXPECT_EQ(helix_bind_fd(control, -1, &bind), -EAGAIN);
	EXPECT_EQ(helix_unbind(control), -EAGAIN);
	/* What never waits is as ever. */
	EXPECT_EQ(helix_info(control, &info), 0);
	EXPECT_EQ(helix_query(control, self->acq.scanout, &query), 0);
	EXPECT_EQ(query.state, HELIX_LEASE_STATE_LEASED);

	/* REVOKE is begun, and over where no host has to be told. The rights are gone at once. */
	ret = helix_revoke(control, self->acq.scanout, self->acq.generation);
	EXPECT_TRUE(ret == -EINPROGRESS || (!ret && !self->host));
	EXPECT_EQ(drmModeGetResources(self->acq.lease_fd), NULL);
	EXPECT_EQ(helix_wait_state(control, self->acq.scanout, HELIX_LEASE_STATE_FREE), 0);
	EXPECT_EQ(helix_revoke(control, self->acq.scanout, self->acq.generation), -ESTALE);
	close(control);

	/* A handle that is read without waiting is no different. */
	ASSERT_EQ(helix_acquire(self->control, 0, &acq), 0);
	ASSERT_EQ(fcntl(acq.handle_fd, F_SETFL, O_NONBLOCK), 0);
	ret = helix_revoke(acq.handle_fd, 0, 0);
	EXPECT_TRUE(ret == -EINPROGRESS || (!ret && !self->host));
	EXPECT_EQ(helix_wait_state(self->control, acq.scanout, HELIX_LEASE_STATE_FREE), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(abi, acquire_refuses_values_out_of_range, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_info info;

#define REFUSED(field, value) do {							\
	helix_acquire_init(&acq, 0);							\
	acq.field = value;								\
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), -EINVAL)		\
		TH_LOG(#field " = " #value);						\
} while (0)

	ASSERT_EQ(helix_info(self->control, &info), 0);
	REFUSED(width, 0);
	REFUSED(width, 16385);
	REFUSED(height, 0);
	REFUSED(height, 16385);
	REFUSED(refresh_mhz, 999);
	REFUSED(refresh_mhz, 1000001);
	REFUSED(timeout_ms, HELIX_LEASE_TIMEOUT_MAX_MS + 1);
	REFUSED(scanout, info.nr_scanouts + 1);
	REFUSED(scanout, 0xffffffff);
	REFUSED(label[HELIX_LEASE_LABEL_LEN - 1], 'x');
	REFUSED(priority, HELIX_LEASE_PRIORITY_MAX + 1);
	/* Without its flag. */
	REFUSED(pidfd, 1);
#undef REFUSED
	helix_acquire_init(&acq, 0);
	acq.owner_pid = 0x7fffffff;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), -ESRCH);
	acq.owner_pid = 0xffffffff;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), -ESRCH);
}

TEST_F_TIMEOUT(abi, a_label_may_be_unterminated, 120)
{
	struct helix_lease_acquire acq;
	struct helix_lease_query query;

	helix_acquire_init(&acq, 0);
	memset(acq.label, 'x', sizeof(acq.label));
	ASSERT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, &acq), 0);
	ASSERT_EQ(helix_query(acq.handle_fd, 0, &query), 0);
	EXPECT_EQ(memcmp(query.label, acq.label, sizeof(acq.label)), 0);
	helix_close_lease(&acq);
}

TEST_F_TIMEOUT(abi, acquire_that_cannot_write_back_leaves_nothing, 120)
{
	struct helix_lease_acquire *acq = (void *)self->buf;

	helix_acquire_init(acq, 6);
	ASSERT_EQ(mprotect(self->buf, PAGE, PROT_READ), 0);
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_ACQUIRE, acq), -EFAULT);
	EXPECT_EQ(helix_wait_state(self->control, 6, HELIX_LEASE_STATE_FREE), 0);
}

TEST_F_TIMEOUT(abi, acquire_without_descriptors_left_is_emfile, 120)
{
	struct helix_lease_acquire acq;
	int fd, last = -1;

	while ((fd = dup(self->control)) >= 0)
		last = fd;
	EXPECT_EQ(errno, EMFILE);
	EXPECT_EQ(helix_acquire(self->control, 0, &acq), -EMFILE);
	/* One is not enough. */
	close(last);
	EXPECT_EQ(helix_acquire(self->control, 0, &acq), -EMFILE);
}

TEST_F_TIMEOUT(abi, revoke_and_query_refuse_what_does_not_exist, 120)
{
	struct helix_lease_revoke revoke = { .size = sizeof(revoke), .scanout = 1 };
	struct helix_lease_query query;
	struct helix_lease_info info;

	ASSERT_EQ(helix_info(self->control, &info), 0);
	EXPECT_EQ(helix_query(self->control, 0, &query), -EINVAL);
	EXPECT_EQ(helix_query(self->control, info.nr_scanouts + 1, &query), -EINVAL);
	EXPECT_EQ(helix_query(self->control, 0xffffffff, &query), -EINVAL);
	EXPECT_EQ(helix_revoke(self->control, 0, 1), -EINVAL);
	EXPECT_EQ(helix_revoke(self->control, info.nr_scanouts + 1, 1), -EINVAL);
	revoke.timeout_ms = HELIX_LEASE_TIMEOUT_MAX_MS + 1;
	EXPECT_EQ(sys_ioctl(self->control, HELIX_LEASE_REVOKE, &revoke), -EINVAL);
}

TEST_F_TIMEOUT(abi, a_node_that_is_not_leased_is_enxio, 120)
{
	struct helix_lease_query query;
	struct helix_lease_info info;
	uint32_t i, tried = 0;
	char path[64];

	ASSERT_EQ(helix_info(self->control, &info), 0);
	for (i = 1; i <= info.nr_scanouts; i++) {
		ASSERT_EQ(helix_query(self->control, i, &query), 0);
		if (query.state != HELIX_LEASE_STATE_FREE)
			continue;
		helix_node_path(path, i);
		EXPECT_EQ(open(path, O_RDWR), -1);
		EXPECT_EQ(errno, ENXIO);
		tried++;
	}
	EXPECT_GT(tried, 0);
}

TEST_HARNESS_MAIN
