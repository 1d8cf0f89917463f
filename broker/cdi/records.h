/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that the CDI specification speaks of: itself, and for each scanout a
 * folder STATE/N/udev with those of udev's records and tags that are about the
 * scanout's own devices, for containers to mount as /run/udev. libinput takes only
 * what udev has a record of, and mutter looks for tags.
 *
 * Beside it, STATE/N/nspawn has the arguments of systemd-nspawn that do what the
 * specification does, but for the lease.
 *
 * Files are replaced one by one and folders never: a container that has one mounted
 * sees what becomes of its devices.
 */
#ifndef CDI_RECORDS_H
#define CDI_RECORDS_H

#include "devices.h"
#include "spec.h"

/*
 * Writes the records of every scanout below options->state_dir. @sysroot: what stands
 * before /run/udev; "" but in tests.
 */
int cdi_records_write(const char *sysroot, const struct cdi_devices *devices,
		      const struct cdi_options *options, struct hl_error *err);

/*
 * Adds to @s the input devices that there are records of, and that sysfs has none of: while
 * helix-leased renews them, which is a moment. Of these there is a number, and no node.
 */
void cdi_records_absent(const struct cdi_options *options, struct cdi_scanout *s);

/* Replaces @path, its folder included where that is missing, unless it says the same. */
int cdi_file_write(const char *path, const char *text, size_t len, struct hl_error *err);

/*
 * All of it: reads what devices the @n scanouts of @list have, writes their records and the
 * specification, as @path; "-" prints it. Must run as root.
 */
int cdi_generate(const struct hl_scanout *list, size_t n, const char *path, struct hl_error *err);

#endif
