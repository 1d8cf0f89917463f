/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A picture that QEMU keeps up to date: its own memory, mapped, or a copy of
 * what it sent. Reference counted, because a worker may be reading it when
 * the console has already moved to another.
 */
#ifndef HELIX_SURFACE_H
#define HELIX_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "damage.h"
#include "dmabuf.h"

#define SURFACE_DIMENSION_MAX 16384

struct surface;

/*
 * Maps @fd (which stays the caller's) read only. NULL: @error is set to a
 * static sentence.
 */
struct surface *surface_map(int fd, uint32_t offset, uint32_t width,
			    uint32_t height, uint32_t stride, uint32_t format,
			    const char **error);
/* Copies @len bytes of @data. */
struct surface *surface_copy(const void *data, size_t len, uint32_t width,
			     uint32_t height, uint32_t stride, uint32_t format,
			     const char **error);
/* Copies @rect, whose pixels are @data. Only for a surface_copy(). */
bool surface_update(struct surface *surface, const struct rect *rect,
		    const void *data, size_t len, uint32_t stride,
		    uint32_t format, const char **error);

/*
 * Takes over @dmabuf (its descriptor stays the caller's) as it is: not for
 * surface_convert(), but for who can do with surface_dmabuf().
 */
struct surface *surface_import(const struct dmabuf *dmabuf, const char **error);
/* Maps it instead, for which it has to be linear. */
struct surface *surface_map_dmabuf(const struct dmabuf *dmabuf,
				   const char **error);
/* Of a surface_import(), else NULL. */
const struct dmabuf *surface_dmabuf(const struct surface *surface);
/* Whether a GPU has yet to draw it: who reads a dma-buf then waits for that. */
bool surface_is_drawn(const struct surface *surface);

struct surface *surface_ref(struct surface *surface);
void surface_unref(struct surface *surface);

int surface_width(const struct surface *surface);
int surface_height(const struct surface *surface);

/* Where planes of a 4:2:0 picture of the surface's size are. */
struct planes {
	uint8_t *data[3];
	int stride[3];
};

/*
 * Converts the damaged parts to I420 (BT.601, limited range). Planes must
 * have room for even dimensions.
 */
void surface_convert(struct surface *surface, const struct damage *damage,
		     const struct planes *planes);

#endif
