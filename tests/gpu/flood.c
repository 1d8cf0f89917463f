// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills the ring of commands: submits as fast as the driver takes them, waiting
 * for none. Each is as small as a submit can be: one command that does nothing.
 *
 * usage: flood NAME
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <xf86drm.h>
#include <libdrm/virtgpu_drm.h>
#include "kms.h"

int main(int argc, char **argv)
{
	volatile uint64_t *submits = frame_counter();
	/* One word of virgl: the header of a command without arguments, VIRGL_CCMD_NOP. */
	uint32_t nothing = 0;
	struct drm_virtgpu_execbuffer submit = { .size = sizeof(nothing), .command = (uintptr_t)&nothing };
	int fd;

	if (argc != 2)
		end(ENDED_FAILED, "usage: flood NAME");
	begin(argv[1]);
	fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		end(ENDED_FAILED, "the render node: %s", strerror(errno));
	while (!told_to_end) {
		if (drmIoctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &submit))
			end(ENDED_LOST, "a submit: %s", strerror(errno));
		++*submits;
	}
	end(0, "ended after %lu submits", (unsigned long)*submits);
}
