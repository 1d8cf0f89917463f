// SPDX-License-Identifier: GPL-2.0-only
/*
 * A context of Venus without Vulkan: asks its render server for nothing, and waits
 * in the kernel until that is done, again and again. Vulkan's own calls wait for
 * memory that they share with the server, and the device sees no fence of that.
 *
 * usage: venus NAME
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <xf86drm.h>
#include <drm/virtgpu_drm.h>
#include "kms.h"

#define CAPSET_VENUS	4

int main(int argc, char **argv)
{
	struct drm_virtgpu_context_set_param parameters[] = {
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS }, { VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64 },
	};
	struct drm_virtgpu_context_init init = { .num_params = 2, .ctx_set_params = (uintptr_t)parameters };
	volatile uint64_t *rounds = frame_counter();
	uint32_t nothing = 0;
	int fd;

	if (argc != 2)
		end(ENDED_FAILED, "usage: venus NAME");
	begin(argv[1]);
	fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	if (fd < 0 || drmIoctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init))
		end(ENDED_FAILED, "a context of Venus: %s", strerror(errno));
	while (!told_to_end) {
		struct drm_virtgpu_execbuffer submit = { .flags = VIRTGPU_EXECBUF_RING_IDX | VIRTGPU_EXECBUF_FENCE_FD_OUT,
							 .command = (uintptr_t)&nothing, .fence_fd = -1 };
		struct pollfd wait = { .events = POLLIN };

		if (drmIoctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &submit))
			end(ENDED_LOST, "a submit: %s", strerror(errno));
		wait.fd = submit.fence_fd;
		while (poll(&wait, 1, -1) < 0 && errno == EINTR && !told_to_end)
			;
		close(wait.fd);
		++*rounds;
		usleep(50000);
	}
	end(0, "ended after %lu rounds", (unsigned long)*rounds);
}
