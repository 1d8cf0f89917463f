/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test of helix_lease needs: the ioctls, poisoned, and a tenant's
 * screenful of pixels.
 */
#ifndef HELIX_TEST_H
#define HELIX_TEST_H

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>
#include <drm_fourcc.h>

#include <linux/helix_lease.h>

#define CONTROL_NODE	"/dev/helix/lease"
#define PCI_DEVICES	"/sys/bus/pci/devices"
/* The first virtio-gpu: card0, but one that was lost may come back with another number. */
#define CARD		helix_card(0)

/* A hang guard, not a measurement: emulation is slow. */
#define PATIENCE_MS	60000

static inline int sysfs_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* The name in @dir that begins with @prefix and goes on with a digit. */
static inline int helix_entry(const char *dir, const char *prefix, char name[NAME_MAX + 1])
{
	size_t len = strlen(prefix);
	struct dirent *entry;
	int ret = -ENOENT;
	DIR *d = opendir(dir);

	while (d && ret && (entry = readdir(d))) {
		if (strncmp(entry->d_name, prefix, len) || !isdigit(entry->d_name[len]))
			continue;
		strcpy(name, entry->d_name);
		ret = 0;
	}
	if (d)
		closedir(d);
	return ret;
}

/* Is there a virtio device below this one that virtio_gpu drives? */
static inline bool helix_is_virtio_gpu(const char *device)
{
	char name[NAME_MAX + 1], path[PATH_MAX], driver[PATH_MAX];

	if (helix_entry(device, "virtio", name))
		return false;
	snprintf(path, sizeof(path), "%s/%s/driver", device, name);
	return realpath(path, driver) && strstr(driver, "/virtio_gpu");
}

/* The node of the nth virtio-gpu by PCI address, "" if there are not so many. */
static inline const char *helix_card(int n)
{
	char device[64], name[NAME_MAX + 1];
	static char path[NAME_MAX + 16];
	struct dirent **found;
	int i, count;

	path[0] = 0;
	count = scandir(PCI_DEVICES, &found, NULL, alphasort);
	for (i = 0; i < count; i++) {
		snprintf(device, sizeof(device), PCI_DEVICES "/%.16s", found[i]->d_name);
		if (!path[0] && helix_is_virtio_gpu(device) && !n--) {
			snprintf(device, sizeof(device), PCI_DEVICES "/%.16s/drm",
				 found[i]->d_name);
			if (!helix_entry(device, "card", name))
				snprintf(path, sizeof(path), "/dev/dri/%s", name);
		}
		free(found[i]);
	}
	if (count >= 0)
		free(found);
	return path;
}

static inline int sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static inline int helix_open_control(void)
{
	return open(CONTROL_NODE, O_RDWR | O_CLOEXEC);
}

static inline int helix_info(int control, struct helix_lease_info *info)
{
	memset(info, 0xa5, sizeof(*info));
	info->size = sizeof(*info);
	info->flags = 0;
	return sys_ioctl(control, HELIX_LEASE_INFO, info);
}

static inline int helix_bind_fd(int control, int drm_fd, struct helix_lease_bind *bind)
{
	memset(bind, 0xa5, sizeof(*bind));
	bind->size = sizeof(*bind);
	bind->flags = 0;
	bind->drm_fd = drm_fd;
	bind->__reserved = 0;
	return sys_ioctl(control, HELIX_LEASE_BIND, bind);
}

static inline int helix_unbind(int control)
{
	struct helix_lease_unbind unbind = { .size = sizeof(unbind) };

	return sys_ioctl(control, HELIX_LEASE_UNBIND, &unbind);
}

/* A good request; outputs are poisoned, so that one which is not written shows. */
static inline void helix_acquire_init(struct helix_lease_acquire *acq, uint32_t scanout)
{
	memset(acq, 0xa5, sizeof(*acq));
	acq->size = sizeof(*acq);
	acq->flags = 0;
	acq->scanout = scanout;
	acq->width = 1024;
	acq->height = 768;
	acq->refresh_mhz = 0;
	acq->timeout_ms = PATIENCE_MS;
	acq->owner_pid = 0;
	memset(acq->label, 0, sizeof(acq->label));
	strcpy((char *)acq->label, "selftest");
	acq->pidfd = 0;
	acq->priority = 0;
}

static inline int helix_acquire(int control, uint32_t scanout, struct helix_lease_acquire *acq)
{
	helix_acquire_init(acq, scanout);
	return sys_ioctl(control, HELIX_LEASE_ACQUIRE, acq);
}

static inline int helix_revoke(int control, uint32_t scanout, uint64_t generation)
{
	struct helix_lease_revoke revoke = {
		.size = sizeof(revoke),
		.scanout = scanout,
		.timeout_ms = PATIENCE_MS,
		.generation = generation,
	};

	return sys_ioctl(control, HELIX_LEASE_REVOKE, &revoke);
}

static inline int helix_resize(int fd, uint32_t scanout, uint64_t generation,
			       uint32_t width, uint32_t height, uint32_t timeout_ms)
{
	struct helix_lease_resize resize = {
		.size = sizeof(resize),
		.scanout = scanout,
		.timeout_ms = timeout_ms,
		.generation = generation,
		.width = width,
		.height = height,
	};

	return sys_ioctl(fd, HELIX_LEASE_RESIZE, &resize);
}

static inline int helix_query(int fd, uint32_t scanout, struct helix_lease_query *query)
{
	memset(query, 0xa5, sizeof(*query));
	query->size = sizeof(*query);
	query->flags = 0;
	query->scanout = scanout;
	return sys_ioctl(fd, HELIX_LEASE_QUERY, query);
}

static inline void helix_sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

typedef int (*query_holds)(const struct helix_lease_query *query, uint32_t value);

/* Poll QUERY until it says so, or patience is over. */
static inline int helix_wait_query(int fd, uint32_t scanout, query_holds holds, uint32_t value)
{
	struct helix_lease_query query;
	int waited, ret;

	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		ret = helix_query(fd, scanout, &query);
		if (ret)
			return ret;
		if (holds(&query, value))
			return 0;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

static inline int query_is_state(const struct helix_lease_query *query, uint32_t state)
{
	return query->state == state;
}

static inline int query_is_stalled(const struct helix_lease_query *query, uint32_t stalled)
{
	return !query->stalled_ms == !stalled;
}

static inline int query_has_opens(const struct helix_lease_query *query, uint32_t opens)
{
	return query->opens == opens;
}

static inline int helix_wait_state(int control, uint32_t scanout, uint32_t state)
{
	return helix_wait_query(control, scanout, query_is_state, state);
}

/* Until a commit of @scanout's tenant is reported as stalled. */
static inline int wait_stalled(int fd, uint32_t scanout)
{
	return helix_wait_query(fd, scanout, query_is_stalled, 1);
}

/* Until none is. */
static inline int wait_moves(int fd, uint32_t scanout)
{
	return helix_wait_query(fd, scanout, query_is_stalled, 0);
}

/* A parameter of the module. */
static inline int write_parameter(const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/helix_lease/parameters/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/*
 * What the module's deadlines are for a test that has not set its own, whatever the
 * last one left. A host may not run for seconds: that is no output that stays on, and
 * no tenant that does not take a new size.
 */
static inline int default_parameters(void)
{
	return write_parameter("quiesce_ms", "60000") ?: write_parameter("stall_ms", "2000") ?:
	       write_parameter("commit_ms", "10000") ?: write_parameter("replug_ms", "0");
}

/* Until a mediator is there, or none is. */
static inline int helix_wait_host(int control, uint32_t state)
{
	struct helix_lease_info info;
	int waited;

	for (waited = 0; waited < PATIENCE_MS; waited += 20) {
		if (helix_info(control, &info))
			return -errno;
		if (info.host_state == state)
			return 0;
		helix_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

static inline int helix_wait_all_free(int control)
{
	struct helix_lease_info info;
	uint32_t i;
	int ret;

	ret = helix_info(control, &info);
	for (i = 1; !ret && i <= info.nr_scanouts; i++) {
		ret = helix_wait_state(control, i, HELIX_LEASE_STATE_FREE);
		/* A GPU that has gone leaves a gap. */
		if (ret == -EINVAL)
			ret = 0;
	}
	return ret;
}

/* Bind the first GPU, as a process that exits right after would. */
static inline int helix_bind_card(int control)
{
	struct helix_lease_bind bind;
	int fd, ret;

	fd = open(CARD, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = helix_bind_fd(control, fd, &bind);
	close(fd);
	return ret;
}

/* The control node with a GPU bound and every scanout free, or a negative errno. */
static inline int helix_setup(void)
{
	struct helix_lease_info info;
	int control, ret;

	control = helix_open_control();
	if (control < 0)
		return -errno;
	ret = default_parameters();
	if (!ret)
		ret = helix_info(control, &info);
	if (!ret && !info.nr_gpus)
		ret = helix_bind_card(control);
	if (!ret)
		ret = helix_wait_all_free(control);
	if (ret) {
		close(control);
		return ret;
	}
	return control;
}

static inline void helix_close_lease(struct helix_lease_acquire *acq)
{
	close(acq->lease_fd);
	close(acq->handle_fd);
}

static inline void helix_node_path(char path[64], uint32_t scanout)
{
	snprintf(path, 64, "/dev/helix/scanout%u", scanout);
}

/* The id of a DRM property by its name, 0 if the object has none such. */
static inline uint32_t property_id(int fd, uint32_t object, uint32_t type,
				   const char *name)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(fd, object, type);
	uint32_t i, id = 0;

	for (i = 0; props && i < props->count_props && !id; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(fd, props->props[i]);

		if (prop && !strcmp(prop->name, name))
			id = prop->prop_id;
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return id;
}

/* A tenant's framebuffer: dumb, XRGB8888. */
struct picture {
	uint32_t width;
	uint32_t height;
	uint32_t handle;
	uint32_t pitch;
	uint32_t fb;
	uint64_t size;
};

static inline int picture_create(int fd, uint32_t width, uint32_t height,
				 uint32_t format, struct picture *p)
{
	uint32_t handles[4] = {}, pitches[4] = {}, offsets[4] = {};

	memset(p, 0, sizeof(*p));
	p->width = width;
	p->height = height;
	if (drmModeCreateDumbBuffer(fd, width, height, 32, 0, &p->handle, &p->pitch, &p->size))
		return -errno;
	handles[0] = p->handle;
	pitches[0] = p->pitch;
	if (drmModeAddFB2(fd, width, height, format, handles, pitches, offsets, &p->fb, 0))
		return -errno;
	return 0;
}

/* No connector has to be connected for this one. */
static drmModeModeInfo xga __attribute__((unused)) = {
	.clock = 65000,
	.hdisplay = 1024, .hsync_start = 1048, .hsync_end = 1184, .htotal = 1344,
	.vdisplay = 768, .vsync_start = 771, .vsync_end = 777, .vtotal = 806,
	.vrefresh = 60,
	.type = DRM_MODE_TYPE_USERDEF,
	.name = "1024x768",
};

/* The mode a compositor would choose: the connector's first. */
static inline int tenant_mode(int fd, uint32_t connector_id, drmModeModeInfo *mode)
{
	drmModeConnector *connector = drmModeGetConnector(fd, connector_id);
	int ret = -ENODEV;

	if (!connector)
		return -errno;
	if (connector->connection == DRM_MODE_CONNECTED && connector->count_modes) {
		*mode = connector->modes[0];
		ret = 0;
	}
	drmModeFreeConnector(connector);
	return ret;
}

static inline int tenant_set_crtc(int fd, const struct helix_lease_acquire *acq,
				  uint32_t fb, drmModeModeInfo *mode)
{
	uint32_t connector = acq->connector_id;
	int ret;

	ret = drmModeSetCrtc(fd, acq->crtc_id, fb, 0, 0, fb ? &connector : NULL, fb ? 1 : 0,
			     fb ? mode : NULL);
	return ret ? -errno : 0;
}

/* Show a picture of the connector's size: what a compositor does first. */
static inline int tenant_show(int fd, const struct helix_lease_acquire *acq,
			      struct picture *p, drmModeModeInfo *mode)
{
	int ret;

	ret = tenant_mode(fd, acq->connector_id, mode);
	if (ret)
		return ret;
	ret = picture_create(fd, mode->hdisplay, mode->vdisplay, DRM_FORMAT_XRGB8888, p);
	if (ret)
		return ret;
	return tenant_set_crtc(fd, acq, p->fb, mode);
}

#endif /* HELIX_TEST_H */
