// SPDX-License-Identifier: MIT
/*
 * Events of one lease, read from its handle. The handle is left blocking, as its other
 * holders, and its ioctls, may want it: so it is read only when there is something. Whoever has
 * several readers makes it O_NONBLOCK: of these one may have been faster by then.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"

#define EVENT_MAX	4096	/* as long as the module ever makes one */
#define POLL_MAX_MS	(24 * 3600 * 1000)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int left_ms(int64_t end_ms)
{
	int64_t left = end_ms - now_ms();

	return left < 0 ? 0 : left > POLL_MAX_MS ? POLL_MAX_MS : left;
}

static short poll_handle(int fd, int timeout_ms, int *ret)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	*ret = poll(&pfd, 1, timeout_ms) < 0 ? -errno : 0;
	return *ret ? 0 : pfd.revents;
}

/* Is the scanout free, or somebody else's? Only then has the last event been queued. */
static bool lease_is_over(int fd)
{
	struct helix_lease_query query = { .size = sizeof(query) };

	return ioctl(fd, HELIX_LEASE_QUERY, &query) < 0 || query.state == HELIX_LEASE_STATE_FREE;
}

/*
 * After its end a handle hangs up, and poll() waits for nothing any more; but events
 * still come until the scanout is free. What comes is an edge, which epoll tells.
 */
static int wait_hung_up(int fd, int64_t end_ms)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int n, ret = 0;

	if (ep < 0)
		return -errno;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) {
		ret = -errno;
		close(ep);
		return ret;
	}
	do {
		n = epoll_wait(ep, &event, 1, left_ms(end_ms));
		if (n < 0)
			ret = -errno;
	} while (n > 0 && !(poll_handle(fd, 0, &ret) & POLLIN) && !ret && !lease_is_over(fd));
	close(ep);
	return ret;
}

/* 0: read it; -EAGAIN: nothing came; -ENODATA: nothing will. */
static int wait_event(int fd, int64_t end_ms)
{
	int ret;

	/* poll() would pass over it. */
	if (fd < 0)
		return -EBADF;
	for (;;) {
		short revents = poll_handle(fd, left_ms(end_ms), &ret);

		if (ret || revents & POLLIN)
			return ret;
		if (revents & (POLLNVAL | POLLERR))
			return -EBADF;
		if (revents & POLLHUP && lease_is_over(fd))
			return poll_handle(fd, 0, &ret) & POLLIN ? 0 : ret ? ret : -ENODATA;
		if (revents & POLLHUP)
			ret = wait_hung_up(fd, end_ms);
		if (ret)
			return ret;
		if (!left_ms(end_ms) && !(poll_handle(fd, 0, &ret) & POLLIN))
			return ret ? ret : -EAGAIN;
	}
}

/* One and no more: a newer module's may be longer than ours. */
static ssize_t read_one(int fd, char *buf, size_t cap)
{
	size_t room = sizeof(struct helix_lease_event);
	ssize_t n;

	do {
		n = read(fd, buf, room);
		room += 8;
	} while (n < 0 && errno == EINVAL && room <= cap);
	return n < 0 ? -errno : n;
}

static void event_from_module(const struct helix_lease_event *in, struct hl_event *out)
{
	*out = (struct hl_event) {
		.type = in->type,
		.time_ns = in->time_ns,
		.lost = in->lost,
		.scanout = {
			.scanout = in->scanout,
			.state = in->state,
			.generation = in->generation,
			.width = in->width,
			.height = in->height,
			.refresh_mhz = in->refresh_mhz,
			.wait_for = in->wait_for,
			.wait_ms = in->wait_ms,
		},
	};
	if (in->scanout)
		hl_node_name(in->scanout, out->scanout.node);
}

int hl_lease_next_event(const struct hl_lease *lease, uint32_t timeout_ms,
			struct hl_event *event, struct hl_error *err)
{
	char buf[EVENT_MAX] __attribute__((aligned(8)));
	struct helix_lease_event got = { 0 };
	int64_t end_ms = now_ms() + timeout_ms;
	ssize_t n;

	do {
		n = wait_event(lease->handle_fd, end_ms);
		if (!n)
			n = read_one(lease->handle_fd, buf, sizeof(buf));
		if (!n)
			n = -ENODATA;
	} while (n == -EAGAIN && left_ms(end_ms));
	if (n == -EAGAIN)
		return hl_error_set(err, EAGAIN, "events: nothing has happened to scanout %u",
				    lease->scanout);
	if (n == -ENODATA)
		return hl_error_set(err, ENODATA, "events: the lease of scanout %u is over",
				    lease->scanout);
	if (n < 0)
		return hl_error_set(err, -n, "events of scanout %u: %s", lease->scanout,
				    strerror(-n));
	memcpy(&got, buf, (size_t)n < sizeof(got) ? (size_t)n : sizeof(got));
	if (!got.type || got.size > (size_t)n)
		return hl_error_set(err, EPROTO, "events: the module's answer makes no sense");
	event_from_module(&got, event);
	return 0;
}
