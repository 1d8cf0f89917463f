/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pictures that are in a GPU's memory, made 4:2:0 and scaled there, for an
 * encoder of the same GPU: no pixel passes through this program. Not for two
 * threads at once.
 */
#ifndef HELIX_IMPORT_H
#define HELIX_IMPORT_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>

#include "dmabuf.h"

#define IMPORT_ERROR_LEN	160

struct import;

/* How an encoder can have them. */
enum import_way {
	IMPORT_NONE,
	IMPORT_VAAPI,	/* hwmap, scale_vaapi */
	IMPORT_CUDA,	/* hwmap to Vulkan, scale_vulkan, a copy to CUDA */
};

/*
 * For pictures like @dmabuf, out of which come such of @width times @height, both
 * even; @device as of encoder_options, may be NULL. NULL: @error says why not.
 */
struct import *import_new(enum import_way way, const char *device,
			  const struct dmabuf *dmabuf, int width, int height,
			  char error[IMPORT_ERROR_LEN]);
void import_free(struct import *import);
/* Whether @dmabuf is enough like the one that it was made for. */
bool import_fits(const struct import *import, const struct dmabuf *dmabuf);

/* Before @ctx, whose colours are set, is opened: what it will be sent. */
int import_prepare(const struct import *import, AVCodecContext *ctx);

/*
 * A picture of it for the encoder. The GPU has read @dmabuf then, unless
 * import_is_late(). NULL: @error says why not.
 */
AVFrame *import_read(struct import *import, const struct dmabuf *dmabuf,
		     char error[IMPORT_ERROR_LEN]);
/* Whether it has read it only when the picture was encoded. */
bool import_is_late(const struct import *import);

#endif
