/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All virtual machines that are served. They come from the configuration, by
 * the API, or handed over by whoever started them; each comes and goes without
 * the others noticing.
 */
#ifndef HELIX_VMS_H
#define HELIX_VMS_H

#include "vm.h"

#define VMS_MAX 64

struct vms;

enum vm_origin {
	VM_CONFIGURED,	/* by the file or the command line */
	VM_ADDED,	/* by the API */
	VM_HANDED,	/* over, as open sockets */
};

enum vms_status {
	VMS_OK,
	VMS_INVALID,	/* the name, or no monitor */
	VMS_EXISTS,
	VMS_FULL,
};

struct vms *vms_new(struct hub *hub);
/* Lets QEMU hear of what viewers let go, for a moment, and ends all. */
void vms_free(struct vms *vms);

enum vms_status vms_add(struct vms *vms, const struct vm_options *options,
			enum vm_origin origin);
/* Takes the descriptors, whatever it returns; @control may be -1. */
enum vms_status vms_hand_over(struct vms *vms, const struct vm_options *options,
			      int display, int control);
/* False: there is none of this name. */
bool vms_remove(struct vms *vms, const char *name, const char *why);

/*
 * The configuration was read: VMs that it has no more go, those that changed
 * start over, new ones come. Others, and those that did not come from it, are
 * left alone; but a name in it is the configuration's.
 */
void vms_configure(struct vms *vms, const struct vm_options *options,
		   unsigned int count);

/* For whom nothing else is configured. */
void vms_set_idle(struct vms *vms, const struct idle_policy *policy);
/* Every half second. */
void vms_tick(struct vms *vms);

unsigned int vms_count(const struct vms *vms);
struct vm *vms_get(const struct vms *vms, unsigned int index);
enum vm_origin vms_origin(const struct vms *vms, unsigned int index);
/* -1: none. */
int vms_find(const struct vms *vms, const char *name);

#endif
