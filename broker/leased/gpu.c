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

/* Bus, device and function as struct helix_lease_query has them; -1 where it is on no PCI bus. */
static int64_t pci_address(drmDevicePtr device)
{
	const drmPciBusInfoPtr pci = device->bustype == DRM_BUS_PCI ? device->businfo.pci : NULL;

	return pci ? pci->bus << 8 | pci->dev << 3 | pci->func : -1;
}

/* BIND could not say: whoever is not the master, which the module is then, is just refused. */
static int is_bound(struct module *mod, int fd, bool *yes, struct hl_error *err)
{
	struct hl_scanout page[16];
	drmDevicePtr device;
	uint32_t next = 0;
	int64_t address;
	int ret = drmGetDevice2(fd, 0, &device);

	*yes = false;
	if (ret)
		return hl_error_set(err, -ret, "cannot find its device: %s", strerror(-ret));
	address = pci_address(device);
	drmFreeDevice(&device);
	do {
		size_t n = 0;

		ret = hl_module_list(mod, &next, page, sizeof(page) / sizeof(page[0]), &n, err);
		for (size_t i = 0; !ret && i < n; i++)
			*yes |= page[i].gpu == address;
	} while (!ret && next && !*yes);
	return ret == -ENODEV ? 0 : ret;
}

static int bind_fd(struct module *mod, int fd, const char *path, struct hl_error *err)
{
	bool bound;
	int ret;

	if (!is_virtio_gpu(fd))
		return hl_error_set(err, ENOTTY, "%s is not a virtio-gpu", path);
	ret = is_bound(mod, fd, &bound, err);
	if (ret)
		return hl_error_wrap(err, ret, "%s", path);
	if (bound)
		return 0;
	/* The first to open a card is its master already; else ask, and let the module say no. */
	drmSetMaster(fd);
	ret = hl_module_bind(mod, fd, err);
	if (ret && ret != -EEXIST)
		return hl_error_wrap(err, ret, "%s", path);
	log_info("bound %s", path);
	return 0;
}

/* 0 when it is bound afterwards, whoever did it; -ENOTTY when it is not ours to bind. */
static int bind_card(struct module *mod, const char *path, struct hl_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	ret = bind_fd(mod, fd, path, err);
	close(fd);
	return ret;
}

/* Tries every card, and tells of one that failed. */
static int bind_cards(struct module *mod, struct hl_error *err)
{
	drmDevicePtr devices[MAX_DEVICES];
	int n = drmGetDevices2(0, devices, MAX_DEVICES);
	unsigned int bound = 0;
	int failed = 0;

	if (n < 0)
		return hl_error_set(err, -n, "cannot list DRM devices: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		struct hl_error one;
		int ret;

		if (!(devices[i]->available_nodes & 1 << DRM_NODE_PRIMARY))
			continue;
		ret = bind_card(mod, devices[i]->nodes[DRM_NODE_PRIMARY], &one);
		bound += !ret;
		if (ret && ret != -ENOTTY)
			failed = hl_error_set(err, one.code, "%s", one.message);
	}
	drmFreeDevices(devices, n);
	if (!failed && !bound)
		return hl_error_set(err, ENODEV, "there is no virtio-gpu under /dev/dri");
	return failed;
}

int gpu_bind(struct module *mod, const char *card, int64_t deadline_ms, struct hl_error *err)
{
	unsigned int delay_ms = 0;
	struct hl_info info;
	int ret = hl_module_info(mod, &info, err);

	if (ret)
		return ret;
	do {
		ret = card ? bind_card(mod, card, err) : bind_cards(mod, err);
		/* There are leases to look after: a card that cannot be had keeps nobody waiting. */
		if (ret && info.nr_gpus) {
			log_warn("%s", err->message);
			ret = 0;
		}
	} while (ret && gpu_backoff(&delay_ms, deadline_ms));
	if (!ret && !hl_module_info(mod, &info, NULL))
		log_info("%u GPUs with scanouts up to number %u are bound", info.nr_gpus,
			 info.nr_scanouts);
	return ret;
}
