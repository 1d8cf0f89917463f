// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tenant that is stuck: it acquires a scanout, and every picture it shows waits for a
 * fence of vgem that it does not signal. vgem gives such a fence up after ten seconds;
 * then comes the next. usage: stall SOCKET, until a signal comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include "helix-lease-client.h"
#include "vgem_fence.h"

#define FLIP_MS	60000	/* a guard: six times what vgem waits */

static int failed(const char *what)
{
	fprintf(stderr, "stall: %s: %s\n", what, strerror(errno));
	return -1;
}

static uint32_t property(int fd, uint32_t plane, const char *name)
{
	drmModeObjectProperties *all = drmModeObjectGetProperties(fd, plane, DRM_MODE_OBJECT_PLANE);
	uint32_t id = 0;

	for (uint32_t i = 0; all && i < all->count_props; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(fd, all->props[i]);

		if (prop && !strcmp(prop->name, name))
			id = prop->prop_id;
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(all);
	return id;
}

static int show(int fd, const struct hl_lease *lease, uint32_t *fb)
{
	drmModeConnector *conn = drmModeGetConnector(fd, lease->connector_id);
	uint32_t handle, pitch, id = lease->connector_id;
	uint64_t size;
	int ret = -1;

	if (conn && conn->count_modes &&
	    !drmModeCreateDumbBuffer(fd, conn->modes[0].hdisplay, conn->modes[0].vdisplay, 32, 0,
				     &handle, &pitch, &size) &&
	    !drmModeAddFB(fd, conn->modes[0].hdisplay, conn->modes[0].vdisplay, 24, 32, pitch,
			  handle, fb))
		ret = drmModeSetCrtc(fd, lease->crtc_id, *fb, 0, 0, &id, 1, &conn->modes[0]);
	drmModeFreeConnector(conn);
	return ret ? failed("mode") : 0;
}

/* Returns when the picture is there after all. */
static int flip_stuck(int fd, const struct hl_lease *lease, uint32_t fb, int vgem)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint32_t plane = lease->primary_plane_id;
	char event[256];
	uint32_t name;
	int fence = vgem_fence(vgem, &name), ret;

	if (fence < 0) {
		errno = -fence;
		return failed("fence");
	}
	drmModeAtomicAddProperty(req, plane, property(fd, plane, "FB_ID"), fb);
	drmModeAtomicAddProperty(req, plane, property(fd, plane, "IN_FENCE_FD"), fence);
	ret = drmModeAtomicCommit(fd, req, DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, NULL);
	drmModeAtomicFree(req);
	close(fence);
	if (ret)
		return failed("flip");
	if (poll(&pfd, 1, FLIP_MS) <= 0 || read(fd, event, sizeof(event)) <= 0)
		return failed("event");
	return 0;
}

int main(int argc, char **argv)
{
	const struct hl_acquire_args args = {
		.width = 640, .height = 480, .label = "stuck", .timeout_ms = 60000, .pidfd = -1,
	};
	struct hl_conn *conn = NULL;
	struct hl_lease lease;
	struct hl_error err;
	int vgem = open_vgem();
	uint32_t fb;

	if (argc != 2 || vgem < 0) {
		fprintf(stderr, "stall: usage: stall SOCKET, with vgem's card\n");
		return 2;
	}
	if (hl_connect(argv[1], &conn, &err) || hl_acquire(conn, &args, &lease, &err)) {
		fprintf(stderr, "stall: %s\n", err.message);
		return 1;
	}
	hl_close(conn);
	if (drmSetClientCap(lease.lease_fd, DRM_CLIENT_CAP_ATOMIC, 1) || show(lease.lease_fd, &lease, &fb))
		return 1;
	printf("scanout %u generation %" PRIu64 "\n", lease.scanout, lease.generation);
	fflush(stdout);
	while (!flip_stuck(lease.lease_fd, &lease, fb, vgem))
		;
	return 1;
}
