// SPDX-License-Identifier: GPL-2.0-only
/*
 * Size, stride, format and tiling come from the guest in the end, and a GPU's
 * driver is not made to doubt them. Rule: only what is known to be one plane
 * with nothing beside it passes, which is all that QEMU's messages can name.
 */
#include "dmabuf.h"

#include <drm_fourcc.h>
#include <glib.h>
#include <unistd.h>

#include "surface.h"

static const struct {
	uint32_t fourcc, pixman;
} dmabuf_formats[] = {
	{ DRM_FORMAT_XRGB8888, 0x20020888 },
	{ DRM_FORMAT_ARGB8888, 0x20028888 },
	{ DRM_FORMAT_XBGR8888, 0x20030888 },
	{ DRM_FORMAT_ABGR8888, 0x20038888 },
	{ DRM_FORMAT_BGRX8888, 0x20080888 },
	{ DRM_FORMAT_BGRA8888, 0x20088888 },
	{ DRM_FORMAT_RGBX8888, 0x20090888 },
	{ DRM_FORMAT_RGBA8888, 0x20098888 },
};

/* With compression there would be a second plane, and colours in a third. */
static bool dmabuf_is_one_plane(uint64_t modifier)
{
	switch (modifier) {
	case DRM_FORMAT_MOD_LINEAR:
	case DRM_FORMAT_MOD_INVALID:	/* the kernel's driver knows */
	case I915_FORMAT_MOD_X_TILED:
	case I915_FORMAT_MOD_Y_TILED:
	case I915_FORMAT_MOD_Yf_TILED:
	case I915_FORMAT_MOD_4_TILED:
		return true;
	}
	if (fourcc_mod_is_vendor(modifier, AMD))
		return !AMD_FMT_MOD_GET(DCC, modifier);
	/* block-linear, and its field for the kind of compression */
	if (fourcc_mod_is_vendor(modifier, NVIDIA))
		return (modifier & 0x10) && !(modifier >> 23 & 7);
	return false;
}

/* A GPU reads whole tiles. 1: not known, or AMD's, which are the driver's to check. */
static uint32_t dmabuf_tile_rows(uint64_t modifier)
{
	switch (modifier) {
	case I915_FORMAT_MOD_X_TILED:
		return 8;
	case I915_FORMAT_MOD_Y_TILED:
	case I915_FORMAT_MOD_Yf_TILED:
	case I915_FORMAT_MOD_4_TILED:
		return 32;
	}
	/* eight rows, and so many powers of two of them */
	return fourcc_mod_is_vendor(modifier, NVIDIA) ? 8u << (modifier & 0xf) : 1;
}

/* Up to the last byte that is read. */
static uint64_t dmabuf_reach(const struct dmabuf *dmabuf)
{
	uint32_t rows = dmabuf_tile_rows(dmabuf->modifier);

	if (rows > 1)
		return (uint64_t)dmabuf->stride *
		       ((dmabuf->height + rows - 1) / rows * rows);
	return (uint64_t)dmabuf->stride * (dmabuf->height - 1) +
	       dmabuf->width * 4;
}

uint32_t dmabuf_pixman(const struct dmabuf *dmabuf)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(dmabuf_formats); i++)
		if (dmabuf_formats[i].fourcc == dmabuf->fourcc)
			return dmabuf_formats[i].pixman;
	return 0;
}

bool dmabuf_is_linear(const struct dmabuf *dmabuf)
{
	return dmabuf->modifier == DRM_FORMAT_MOD_LINEAR;
}

uint64_t dmabuf_size(const struct dmabuf *dmabuf)
{
	off_t size = lseek(dmabuf->fd, 0, SEEK_END);

	return size < 0 ? 0 : (uint64_t)size;
}

const char *dmabuf_check(const struct dmabuf *dmabuf)
{
	if (!dmabuf->width || !dmabuf->height ||
	    dmabuf->width > SURFACE_DIMENSION_MAX ||
	    dmabuf->height > SURFACE_DIMENSION_MAX)
		return "dma-buf has an impossible size";
	if (!dmabuf_pixman(dmabuf))
		return "dma-buf has a format that is not 32-bit RGB";
	if (!dmabuf_is_one_plane(dmabuf->modifier))
		return "dma-buf has a tiling that is not known to be of one plane";
	if (dmabuf->stride < dmabuf->width * 4 || dmabuf->stride % 4 ||
	    dmabuf->stride > DMABUF_STRIDE_MAX)
		return "dma-buf has an impossible stride";
	if (dmabuf_reach(dmabuf) > dmabuf_size(dmabuf))
		return "picture is larger than its dma-buf";
	return NULL;
}
