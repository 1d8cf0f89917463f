/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one output of a leased scanout: mode setting and flips, and nothing of
 * how its pictures are made.
 */
#ifndef HELIX_GPU_KMS_H
#define HELIX_GPU_KMS_H

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include "guest.h"

struct output {
	int fd;
	uint32_t connector, crtc;
	drmModeModeInfo mode;
	bool shows, flipping;
};

/* The node is a whole card with one connector and one CRTC. */
static inline void output_open(struct output *o)
{
	static const char node[] = "/dev/dri/card0";
	drmModeConnector *connector = NULL;
	drmModeRes *res;

	o->fd = open(node, O_RDWR | O_CLOEXEC);
	if (o->fd < 0)
		end(ENDED_FAILED, "%s: %s", node, strerror(errno));
	res = drmModeGetResources(o->fd);
	if (!res || res->count_connectors != 1 || res->count_crtcs != 1)
		end(ENDED_FAILED, "%s has not one connector and one CRTC", node);
	o->crtc = res->crtcs[0];
	connector = drmModeGetConnector(o->fd, res->connectors[0]);
	if (!connector || !connector->count_modes)
		end(ENDED_FAILED, "%s has no mode", node);
	o->connector = connector->connector_id;
	o->mode = connector->modes[0];
	drmModeFreeConnector(connector);
	drmModeFreeResources(res);
}

static void flipped(int fd, unsigned int sequence, unsigned int s, unsigned int us, void *data)
{
	struct output *o = data;

	(void)fd, (void)sequence, (void)s, (void)us;
	o->flipping = false;
}

/* Until the flip before this one has been seen. -1 with errno when a signal came. */
static inline int output_wait(struct output *o)
{
	drmEventContext events = { .version = 2, .page_flip_handler = flipped };
	struct pollfd fd = { .fd = o->fd, .events = POLLIN };

	while (o->flipping) {
		if (poll(&fd, 1, -1) < 0)
			return -1;
		if (drmHandleEvent(o->fd, &events))
			return -1;
	}
	return 0;
}

static inline int output_show(struct output *o, uint32_t fb)
{
	int ret;

	if (!o->shows) {
		ret = drmModeSetCrtc(o->fd, o->crtc, fb, 0, 0, &o->connector, 1, &o->mode);
		o->shows = !ret;
		return ret;
	}
	ret = drmModePageFlip(o->fd, o->crtc, fb, DRM_MODE_PAGE_FLIP_EVENT, o);
	o->flipping = !ret;
	return ret;
}

/*
 * How many pictures were shown, where others can read it at any time: a file of
 * the name in HELIX_FRAMES.
 */
static inline volatile uint64_t *frame_counter(void)
{
	const char *path = getenv("HELIX_FRAMES");
	static uint64_t nobody_looks;
	void *at;
	int fd;

	if (!path || !*path)
		return &nobody_looks;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(uint64_t)))
		end(ENDED_FAILED, "%s: %s", path, strerror(errno));
	at = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		end(ENDED_FAILED, "%s: %s", path, strerror(errno));
	close(fd);
	return at;
}

#endif /* HELIX_GPU_KMS_H */
