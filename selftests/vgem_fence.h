/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fences of vgem, for whoever has libdrm: any tenant could get one, and it signals by
 * itself after ten seconds.
 */
#ifndef HELIX_VGEM_FENCE_H
#define HELIX_VGEM_FENCE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <drm/vgem_drm.h>
#include <linux/dma-buf.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#define VGEM_CARDS	8

/* Its card, or -ENODEV. */
static inline int open_vgem(void)
{
	drmVersion *version;
	char path[32];
	int i, fd, is;

	for (i = 0; i < VGEM_CARDS; i++) {
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

/* A sync file that is pending, and @fence for who wants it to signal; or -errno. */
static inline int vgem_fence(int vgem, uint32_t *fence)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct drm_vgem_fence_attach attach = { .flags = VGEM_FENCE_WRITE };
	uint32_t pitch;
	uint64_t size;
	int buf, ret;

	if (drmModeCreateDumbBuffer(vgem, 64, 64, 32, 0, &attach.handle, &pitch, &size) ||
	    ioctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach))
		return -errno;
	*fence = attach.out_fence;
	if (drmPrimeHandleToFD(vgem, attach.handle, O_CLOEXEC, &buf))
		return -errno;
	ret = ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) ? -errno : 0;
	close(buf);
	return ret ? ret : export.fd;
}

#endif /* HELIX_VGEM_FENCE_H */
