// SPDX-License-Identifier: GPL-2.0-only
/*
 * A compositor's ears, in a network namespace of its own as a container has it: a line for
 * each hotplug that udev, or who stands in for it there, tells of.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-device.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static int on_device(sd_device_monitor *monitor, sd_device *device, void *data)
{
	const char *name = "", *plug = "0";
	dev_t node = 0;

	(void)monitor;
	(void)data;
	sd_device_get_sysname(device, &name);
	sd_device_get_property_value(device, "HOTPLUG", &plug);
	sd_device_get_devnum(device, &node);
	printf("%s %u:%u hotplug %s\n", name, major(node), minor(node), plug);
	return fflush(stdout) ? -1 : 0;
}

/* libudev listens only where udev seems to run. */
static int pretend(void)
{
	int fd;

	mkdir("/run", 0755);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 || mkdir("/run/udev", 0755) < 0)
		return -1;
	fd = open("/run/udev/control", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

int main(void)
{
	sd_device_monitor *monitor;
	sd_event *loop;

	if (pretend() < 0) {
		perror("hotplugs");
		return 1;
	}
	if (sd_event_default(&loop) < 0 || sd_device_monitor_new(&monitor) < 0 ||
	    sd_device_monitor_filter_add_match_subsystem_devtype(monitor, "drm", NULL) < 0 ||
	    sd_device_monitor_attach_event(monitor, loop) < 0 ||
	    sd_device_monitor_start(monitor, on_device, NULL) < 0)
		return 1;
	printf("listens %d\n", getpid());
	fflush(stdout);
	return sd_event_loop(loop) < 0;
}
