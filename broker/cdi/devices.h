/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which devices belong to a scanout, as sysfs tells: its own node, the render node
 * of its GPU, and the input devices whose serial is "helix-" and its number, which
 * is how whoever made the virtual machine has tied them together.
 */
#ifndef CDI_DEVICES_H
#define CDI_DEVICES_H

#include <stddef.h>

#include "helix-lease-client.h"

#define CDI_INPUTS_MAX	16
#define CDI_PATH_LEN	48

/* A device of the host; @path is empty where there is none. */
struct cdi_node {
	char path[CDI_PATH_LEN];
	unsigned int major;
	unsigned int minor;
};

struct cdi_input {
	struct cdi_node node;	/* /dev/input/eventN */
	char parent[16];	/* inputN, which udev has a record of as well */
};

struct cdi_scanout {
	uint32_t number;
	struct cdi_node scanout;
	struct cdi_node card;	/* of its GPU: only for what udev has to say of it */
	struct cdi_node render;
	struct cdi_input inputs[CDI_INPUTS_MAX];	/* by number */
	size_t nr_inputs;
};

struct cdi_devices {
	struct cdi_scanout *scanouts;
	size_t n;
};

/*
 * Those of the @n scanouts of @list. @sysroot: what stands before /sys; "" but in tests.
 * 0, -ENOMEM, or -E2BIG: more input devices than a desktop has hands for; then there are none.
 */
int cdi_devices_read(const char *sysroot, const struct hl_scanout *list, size_t n,
		     struct cdi_devices *devices, struct hl_error *err);
void cdi_devices_free(struct cdi_devices *devices);

/* The scanout whose input device, by its device number, this is; 0: of none. */
uint32_t cdi_input_owner(const char *sysroot, unsigned int major, unsigned int minor);

#endif
