// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "error.h"
#include "gpu.h"
#include "log.h"

#define DRIVER		"virtio_gpu"
#define MAX_DEVICES	64
#define BACKOFF_MAX_MS	500

int64_t gpu_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

bool gpu_backoff(unsigned int *delay_ms, int64_t deadline_ms)
{
	struct timespec ts;

	if (gpu_now_ms() >= deadline_ms)
		return false;
	*delay_ms = *delay_ms ? *delay_ms * 2 : 20;
	if (*delay_ms > BACKOFF_MAX_MS)
		*delay_ms = BACKOFF_MAX_MS;
	ts = (struct timespec) { .tv_nsec = *delay_ms * 1000000L };
	nanosleep(&ts, NULL);
	return true;
}

static bool is_virtio_gpu(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool yes = version && !strcmp(version->name, DRIVER);

	drmFreeVersion(version);
	return yes;
}

/* 0 when it is bound afterwards, whoever did it; -ENOTTY when it is not ours to bind. */
static int bind_card(struct module *mod, const char *path, struct hl_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (!is_virtio_gpu(fd)) {
		close(fd);
		return hl_error_set(err, ENOTTY, "%s is not a virtio-gpu", path);
	}
	/* The first to open a card is its master already; else ask, and let the module say no. */
	drmSetMaster(fd);
	ret = hl_module_bind(mod, fd, err);
	close(fd);
	if (!ret)
		log_info("bound %s", path);
	return ret == -EEXIST ? 0 : hl_error_wrap(err, ret, "%s", path);
}

static int bind_cards(struct module *mod, struct hl_error *err)
{
	drmDevicePtr devices[MAX_DEVICES];
	int n = drmGetDevices2(0, devices, MAX_DEVICES);
	unsigned int bound = 0;
	int ret = 0;

	if (n < 0)
		return hl_error_set(err, -n, "cannot list DRM devices: %s", strerror(-n));
	for (int i = 0; i < n && !ret; i++) {
		if (!(devices[i]->available_nodes & 1 << DRM_NODE_PRIMARY))
			continue;
		ret = bind_card(mod, devices[i]->nodes[DRM_NODE_PRIMARY], err);
		if (ret == -ENOTTY)
			ret = 0;
		else if (!ret)
			bound++;
	}
	drmFreeDevices(devices, n);
	if (!ret && !bound)
		ret = hl_error_set(err, ENODEV, "there is no virtio-gpu under /dev/dri");
	return ret;
}

int gpu_bind(struct module *mod, const char *card, int64_t deadline_ms, struct hl_error *err)
{
	unsigned int delay_ms = 0;
	struct hl_info info;
	int ret = hl_module_info(mod, &info, err);

	if (ret)
		return ret;
	if (info.nr_gpus) {
		log_info("%u GPU with %u scanouts was bound before", info.nr_gpus, info.nr_scanouts);
		return 0;
	}
	do {
		ret = card ? bind_card(mod, card, err) : bind_cards(mod, err);
	} while (ret && gpu_backoff(&delay_ms, deadline_ms));
	return ret;
}
