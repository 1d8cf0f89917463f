/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test needs for standin_drv_video.c: a device file to open, and pictures
 * in shared memory in the place of dma-bufs.
 */
#ifndef HELIX_STANDIN_GPU_H
#define HELIX_STANDIN_GPU_H

#include <drm_fourcc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmabuf.h"
#include "test.h"

/* With standin_node.c, any file that can be opened. */
#define STANDIN_NODE	"/dev/null"

/* What fails, and from the how many'th time on; NULL: nothing does. */
static inline void standin_fails(const char *what)
{
	if (what)
		setenv("HELIX_STANDIN_VA", what, 1);
	else
		unsetenv("HELIX_STANDIN_VA");
}

/* A picture of @width times @height, XRGB; its descriptor is the caller's. */
static inline struct dmabuf standin_dmabuf(uint32_t width, uint32_t height)
{
	struct dmabuf dmabuf = {
		.fd = memfd_create("stand-in for a dma-buf", MFD_CLOEXEC),
		.width = width,
		.height = height,
		.stride = width * 4 + 64,
		.fourcc = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
	};

	assert_int_equal(ftruncate(dmabuf.fd, (off_t)dmabuf.stride * height), 0);
	return dmabuf;
}

/* Lines above @split, as they are stored, in one colour, the others in another. */
static inline void standin_draw(const struct dmabuf *dmabuf, uint32_t split,
			 uint32_t above, uint32_t below)
{
	size_t len = (size_t)dmabuf->stride * dmabuf->height;
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			    dmabuf->fd, 0);
	uint32_t x, y;

	assert_true(map != MAP_FAILED);
	for (y = 0; y < dmabuf->height; y++)
		for (x = 0; x < dmabuf->width; x++)
			((uint32_t *)(map + (size_t)y * dmabuf->stride))[x] =
				y < split ? above : below;
	munmap(map, len);
}

#endif
