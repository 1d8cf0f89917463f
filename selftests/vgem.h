/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fences that signal when a test says so: vgem's. Any tenant could get one; it
 * signals by itself after ten seconds.
 */
#ifndef HELIX_VGEM_H
#define HELIX_VGEM_H

#include <drm/vgem_drm.h>
#include <linux/dma-buf.h>

#include "helix_test.h"

static inline int open_vgem(void)
{
	drmVersion *version;
	char path[32];
	int i, fd, is;

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		is = version && !strcmp(version->name, "vgem");
		drmFreeVersion(version);
		if (is)
			return fd;
		close(fd);
	}
	return -ENODEV;
}

/* A sync file that is pending until vgem_signal(). */
static inline int vgem_fence(int vgem, uint32_t *fence)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct drm_vgem_fence_attach attach = { .flags = VGEM_FENCE_WRITE };
	uint32_t pitch;
	uint64_t size;
	int buf, ret;

	if (drmModeCreateDumbBuffer(vgem, 64, 64, 32, 0, &attach.handle, &pitch, &size))
		return -errno;
	ret = sys_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach);
	if (ret)
		return ret;
	*fence = attach.out_fence;
	if (drmPrimeHandleToFD(vgem, attach.handle, O_CLOEXEC, &buf))
		return -errno;
	ret = sys_ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export);
	close(buf);
	return ret ? ret : export.fd;
}

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
