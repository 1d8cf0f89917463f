/* SPDX-License-Identifier: GPL-2.0-only */
/* Fences that signal when a test says so: vgem's. */
#ifndef HELIX_VGEM_H
#define HELIX_VGEM_H

#include "helix_test.h"
#include "vgem_fence.h"

static inline int vgem_signal(int vgem, uint32_t fence)
{
	struct drm_vgem_fence_signal signal = { .fence = fence };

	return sys_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal);
}

/*
 * A machine may be so slow that ten seconds are not enough for what is to be seen
 * while a fence is pending. That says nothing: it is done once more, so often.
 */
#define VGEM_TRIES	5

/* What would end it: nothing, before vgem_signal(). */
static inline int fence_pending(int sync_file)
{
	struct pollfd pfd = { .fd = sync_file, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

/* Show @fb on @plane once @in_fence has signalled; @fd has the atomic capability. */
static inline int flip_after(int fd, uint32_t plane, uint32_t fb, int in_fence, uint32_t flags)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int ret;

	drmModeAtomicAddProperty(req, plane, property_id(fd, plane, DRM_MODE_OBJECT_PLANE,
							 "FB_ID"), fb);
	drmModeAtomicAddProperty(req, plane, property_id(fd, plane, DRM_MODE_OBJECT_PLANE,
							 "IN_FENCE_FD"), in_fence);
	ret = drmModeAtomicCommit(fd, req, flags, NULL);
	drmModeAtomicFree(req);
	return ret;
}

#endif /* HELIX_VGEM_H */
