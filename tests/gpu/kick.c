// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every CPU rings the device's doorbell at once: one thread on each has a context of
 * its own and submits the smallest job there is with a fence, waits for that now and
 * then, and submits on. Each of the fences must be signalled: a notification that is
 * lost is a fence that never is, unless another one comes and saves it, so all end
 * with one that nothing comes after.
 *
 * usage: kick NAME ROUNDS
 *
 * A round is BURST submits on each CPU, begun by all together, and the wait for their
 * fences. In the end a line with how many CPUs and fences there were.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <xf86drm.h>
#include <libdrm/virtgpu_drm.h>
#include "kms.h"

#define BURST 8
#define SIGNALLED_MS 60000	/* none takes so long unless it is lost */

static pthread_barrier_t barrier;
static unsigned long rounds;
static volatile uint64_t *signalled;

static void submit(int fd, int *fence)
{
	/* One word of virgl: the header of a command without arguments, VIRGL_CCMD_NOP. */
	static uint32_t nothing;
	struct drm_virtgpu_execbuffer job = {
		.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT,
		.size = sizeof(nothing),
		.command = (uintptr_t)&nothing,
		.fence_fd = -1,
	};

	if (drmIoctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &job))
		end(ENDED_LOST, "a submit: %s", strerror(errno));
	*fence = job.fence_fd;
}

static void wait_for(int fence, long cpu, unsigned long round, int n)
{
	struct pollfd wait = { .fd = fence, .events = POLLIN };
	int ret;

	do {
		ret = poll(&wait, 1, SIGNALLED_MS);
	} while (ret < 0 && errno == EINTR);
	if (ret != 1)
		end(ENDED_WRONG, "fence %d of round %lu on CPU %ld is not signalled", n, round, cpu);
	close(fence);
	__atomic_add_fetch(signalled, 1, __ATOMIC_RELAXED);
}

static void *kick(void *arg)
{
	long cpu = (long)arg;
	cpu_set_t set;
	int fd;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		end(ENDED_FAILED, "CPU %ld is not to be had", cpu);
	fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		end(ENDED_FAILED, "the render node: %s", strerror(errno));
	for (unsigned long round = 0; round < rounds; round++) {
		int fences[BURST];

		/* Together, and each time with another distance between them. */
		pthread_barrier_wait(&barrier);
		for (unsigned long i = 0; i < round * (cpu + 1) % 64; i++)
			__asm__ volatile("pause");
		for (int n = 0; n < BURST; n++)
			submit(fd, &fences[n]);
		for (int n = 0; n < BURST; n++)
			wait_for(fences[n], cpu, round, n);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[64];

	if (argc != 3)
		end(ENDED_FAILED, "usage: kick NAME ROUNDS");
	begin(argv[1]);
	rounds = number(argv[2]);
	signalled = frame_counter();
	if (cpus < 2 || cpus > (long)(sizeof(threads) / sizeof(*threads)))
		end(ENDED_FAILED, "%ld CPUs", cpus);
	pthread_barrier_init(&barrier, NULL, cpus);
	for (long cpu = 0; cpu < cpus; cpu++)
		if (pthread_create(&threads[cpu], NULL, kick, (void *)cpu))
			end(ENDED_FAILED, "a thread");
	for (long cpu = 0; cpu < cpus; cpu++)
		pthread_join(threads[cpu], NULL);
	if (*signalled != cpus * rounds * BURST)
		end(ENDED_WRONG, "%lu fences were signalled", (unsigned long)*signalled);
	end(0, "%ld CPUs had %lu fences, every one signalled", cpus, (unsigned long)*signalled);
}
