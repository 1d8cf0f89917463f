// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of AGL's lease manager, as written for it: nothing but dlmclient.h and DRM.
 * usage: dlm-client NAME [kms]. Says what it got, or the errno; with kms it shows
 * pictures on it: a mode, and flips whose events it waits for with poll().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include <dlmclient.h>

#define FLIPS		5
#define FLIP_MS		20000	/* a guard, nothing is measured */

struct picture {
	uint32_t fb;
	struct drm_mode_create_dumb dumb;
};

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int make_picture(int fd, const drmModeModeInfo *mode, struct picture *p)
{
	struct drm_mode_map_dumb map = { 0 };
	void *pixels;

	p->dumb = (struct drm_mode_create_dumb) {
		.width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32,
	};
	if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &p->dumb))
		return failed("create");
	map.handle = p->dumb.handle;
	if (drmIoctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		return failed("map");
	pixels = mmap(NULL, p->dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.offset);
	if (pixels == MAP_FAILED)
		return failed("mmap");
	memset(pixels, 0x55, p->dumb.size);
	munmap(pixels, p->dumb.size);
	return drmModeAddFB(fd, mode->hdisplay, mode->vdisplay, 24, 32, p->dumb.pitch,
			    p->dumb.handle, &p->fb) ? failed("addfb") : 0;
}

static void on_flip(int fd, unsigned int frame, unsigned int sec, unsigned int usec, void *data)
{
	(void)fd;
	(void)frame;
	(void)sec;
	(void)usec;
	*(int *)data += 1;
}

static int flip(int fd, uint32_t crtc, uint32_t fb)
{
	drmEventContext context = { .version = 2, .page_flip_handler = on_flip };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int done = 0;

	if (drmModePageFlip(fd, crtc, fb, DRM_MODE_PAGE_FLIP_EVENT, &done))
		return failed("flip");
	while (!done) {
		if (poll(&pfd, 1, FLIP_MS) <= 0)
			return failed("no flip event");
		if (drmHandleEvent(fd, &context))
			return failed("event");
	}
	return 0;
}

static int show(int fd, const drmModeConnector *conn, uint32_t crtc)
{
	struct picture pictures[2] = { 0 };
	uint32_t id = conn->connector_id;
	drmModeModeInfo mode = conn->modes[0];

	if (make_picture(fd, &mode, &pictures[0]) || make_picture(fd, &mode, &pictures[1]))
		return 1;
	if (drmModeSetCrtc(fd, crtc, pictures[0].fb, 0, 0, &id, 1, &mode))
		return failed("setcrtc");
	for (int i = 0; i < FLIPS; i++)
		if (flip(fd, crtc, pictures[(i + 1) % 2].fb))
			return 1;
	printf("shown %dx%d, %d flips\n", mode.hdisplay, mode.vdisplay, FLIPS);
	return 0;
}

static int kms(int fd)
{
	drmModeRes *res = drmModeGetResources(fd);
	drmModeConnector *conn;
	int status = 1;

	if (!res)
		return failed("resources");
	printf("connectors %d crtcs %d\n", res->count_connectors, res->count_crtcs);
	if (res->count_connectors == 1 && res->count_crtcs == 1) {
		conn = drmModeGetConnector(fd, res->connectors[0]);
		if (!conn)
			return failed("connector");
		if (conn->connection == DRM_MODE_CONNECTED && conn->count_modes)
			status = show(fd, conn, res->crtcs[0]);
		else
			puts("not connected");
		drmModeFreeConnector(conn);
	}
	drmModeFreeResources(res);
	return status;
}

int main(int argc, char **argv)
{
	struct dlm_lease *lease;
	int fd, status = 0;

	if (argc < 2)
		return 2;
	dlm_enable_debug_log(true);
	lease = dlm_get_lease(argv[1]);
	if (!lease)
		return failed("lease");
	fd = dlm_lease_fd(lease);
	printf("lease %s\n", fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC ? "open" : "broken");
	if (argc > 2)
		status = kms(fd);
	dlm_release_lease(lease);
	printf("fd %s\n", fcntl(fd, F_GETFD) < 0 && errno == EBADF ? "closed" : "left open");
	printf("none %d\n", dlm_lease_fd(NULL));
	dlm_release_lease(NULL);
	return status;
}
