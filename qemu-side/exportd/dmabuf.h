/* SPDX-License-Identifier: GPL-2.0-only */
/* A picture in a buffer that a GPU can read, as QEMU describes it. Pure. */
#ifndef HELIX_DMABUF_H
#define HELIX_DMABUF_H

#include <stdbool.h>
#include <stdint.h>

#define DMABUF_STRIDE_MAX	(1u << 20)	/* beyond any real one */

struct dmabuf {
	int fd;
	uint32_t width, height, stride, fourcc;
	uint64_t modifier;
	bool y0_top;	/* the last line comes first: QEMU's name for it */
};

/*
 * NULL if it can be what it says that it is: one plane of 32-bit RGB that is not
 * larger than the buffer. Else a static sentence.
 */
const char *dmabuf_check(const struct dmabuf *dmabuf);
/* Pixman's name of the format, which is known. */
uint32_t dmabuf_pixman(const struct dmabuf *dmabuf);
/* Whether line follows line. */
bool dmabuf_is_linear(const struct dmabuf *dmabuf);
/* Bytes of the buffer, or 0 if it does not say. */
uint64_t dmabuf_size(const struct dmabuf *dmabuf);

#endif
