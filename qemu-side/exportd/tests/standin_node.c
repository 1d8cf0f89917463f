// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the place of libdrm's, for libva: every file is a render node, of which the
 * stand-in for a GPU's driver asks nothing. Linked or preloaded.
 */
#include <xf86drm.h>

const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

/*
 * libavcodec 7.1 does not free the last picture of an encoder of VA-API, nor so
 * the device: Documentation/exportd.rst. That is told from other leaks by who
 * allocated it, for which the whole stack is needed.
 */
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void)
{
	return "leak:libavcodec.so\n";
}

int drmGetNodeTypeFromFd(int fd)
{
	(void)fd;
	return DRM_NODE_RENDER;
}
