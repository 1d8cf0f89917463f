// SPDX-License-Identifier: GPL-2.0-only
/*
 * No page of a tenant is faulted in while the core holds a lock.
 *
 * Some calls of the core read and write the caller's memory with mode-setting
 * locks held that all tenants need, or with the device's master_mutex, or with the
 * file's fbs_lock, which guard.c takes under those locks. A page may take as long as
 * its owner likes: that is what userfaultfd and FUSE are for.
 * So for these calls the guard first faults in what they name, where nobody else
 * waits, and then has the core run with page faults disabled: a page that went
 * missing meanwhile is an EFAULT, and the whole is tried again, a few times. The
 * core writes its structure back then as well, half filled: the next try gets
 * what the caller had in it.
 *
 * Nothing is decided here by what the caller's structure says: it may change.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/minmax.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_mode_config.h>
#include <drm/drm_property.h>

#include "helix.h"

/* Under memory pressure pages go again; one that always does is the caller's doing. */
#define HELIX_FAULT_TRIES	8

/* Of each array. What is larger no call of a tenant's needs. */
#define HELIX_FAULT_MAX		SZ_1M

static bool helix_fault_in_write(u64 user, u64 size)
{
	return !size || size > HELIX_FAULT_MAX ||
	       !fault_in_safe_writeable(u64_to_user_ptr(user), size);
}

static bool helix_fault_in_read(u64 user, u64 size)
{
	return !size || size > HELIX_FAULT_MAX ||
	       !fault_in_readable(u64_to_user_ptr(user), size);
}

static bool helix_fault_in_resources(const struct drm_mode_card_res *r)
{
	return helix_fault_in_write(r->fb_id_ptr, r->count_fbs * sizeof(u32)) &&
	       helix_fault_in_write(r->crtc_id_ptr, r->count_crtcs * sizeof(u32)) &&
	       helix_fault_in_write(r->connector_id_ptr, r->count_connectors * sizeof(u32)) &&
	       helix_fault_in_write(r->encoder_id_ptr, r->count_encoders * sizeof(u32));
}

static bool helix_fault_in_connector(const struct drm_mode_get_connector *c)
{
	return helix_fault_in_write(c->encoders_ptr, c->count_encoders * sizeof(u32)) &&
	       helix_fault_in_write(c->modes_ptr,
				    c->count_modes * sizeof(struct drm_mode_modeinfo)) &&
	       helix_fault_in_write(c->props_ptr, c->count_props * sizeof(u32)) &&
	       helix_fault_in_write(c->prop_values_ptr, c->count_props * sizeof(u64));
}

static bool helix_fault_in_properties(const struct drm_mode_obj_get_properties *p)
{
	return helix_fault_in_write(p->props_ptr, p->count_props * sizeof(u32)) &&
	       helix_fault_in_write(p->prop_values_ptr, p->count_props * sizeof(u64));
}

static bool helix_fault_in_gamma(const struct drm_mode_crtc_lut *lut, bool (*in)(u64, u64))
{
	u64 size = lut->gamma_size * sizeof(u16);

	return in(lut->red, size) && in(lut->green, size) && in(lut->blue, size);
}

/* Where the core puts a fence, the value of the property is a pointer itself. */
static bool helix_fault_in_value(const struct drm_mode_config *config, u32 prop, u64 value)
{
	return prop != config->prop_out_fence_ptr->base.id ||
	       helix_fault_in_write(value, sizeof(s32));
}

static bool helix_fault_in_prop(const struct drm_mode_config *config, u64 prop, u64 value)
{
	u32 id;
	u64 v;

	return !get_user(id, (u32 __user *)u64_to_user_ptr(prop)) &&
	       !copy_from_user(&v, u64_to_user_ptr(value), sizeof(v)) &&
	       helix_fault_in_value(config, id, v);
}

static bool helix_fault_in_atomic(const struct drm_mode_config *config,
				  const struct drm_mode_atomic *a)
{
	u64 objs = a->count_objs * sizeof(u32), props = 0, i;
	u32 count;

	if (objs > HELIX_FAULT_MAX || !helix_fault_in_read(a->objs_ptr, objs) ||
	    !helix_fault_in_read(a->count_props_ptr, objs))
		return false;

	for (i = 0; i < objs; i += sizeof(u32)) {
		if (get_user(count, (u32 __user *)u64_to_user_ptr(a->count_props_ptr + i)))
			return false;
		props += count;
		if (props > HELIX_FAULT_MAX / sizeof(u64))
			return false;
	}

	for (i = 0; i < props; i++)
		if (!helix_fault_in_prop(config, a->props_ptr + i * sizeof(u32),
					 a->prop_values_ptr + i * sizeof(u64)))
			return false;
	return true;
}

static bool helix_fault_in_unique(unsigned long arg, unsigned int size)
{
	struct drm_unique native;
	struct {
		u32 unique_len;
		u32 unique;
	} compat;

	if (size == sizeof(native))
		return !copy_from_user(&native, (void __user *)arg, size) &&
		       helix_fault_in_write((uintptr_t)native.unique, native.unique_len);
	return size == sizeof(compat) &&
	       !copy_from_user(&compat, (void __user *)arg, size) &&
	       helix_fault_in_write(compat.unique, compat.unique_len);
}

/* What the caller's structure may be. */
union helix_asked {
	struct drm_mode_card_res resources;
	struct drm_mode_get_connector connector;
	struct drm_mode_obj_get_properties properties;
	struct drm_mode_obj_set_property property;
	struct drm_mode_crtc crtc;
	struct drm_mode_crtc_lut lut;
	struct drm_mode_atomic atomic;
};

/* All that the call will touch, as far as can be seen now; false if it cannot succeed. */
static bool helix_fault_in(struct drm_device *drm, unsigned int cmd, unsigned long arg)
{
	union helix_asked data = {};
	size_t size = min_t(size_t, _IOC_SIZE(cmd), sizeof(data));

	if (!helix_fault_in_read(arg, _IOC_SIZE(cmd)) ||
	    ((cmd & IOC_OUT) && !helix_fault_in_write(arg, _IOC_SIZE(cmd))) ||
	    copy_from_user(&data, (void __user *)arg, size))
		return false;

	switch (_IOC_NR(cmd)) {
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETRESOURCES):
		return helix_fault_in_resources(&data.resources);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETCONNECTOR):
		return helix_fault_in_connector(&data.connector);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_OBJ_GETPROPERTIES):
		return helix_fault_in_properties(&data.properties);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_OBJ_SETPROPERTY):
		return helix_fault_in_value(&drm->mode_config, data.property.prop_id,
					    data.property.value);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_SETCRTC):
		return helix_fault_in_read(data.crtc.set_connectors_ptr,
					   data.crtc.count_connectors * sizeof(u32));
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_SETGAMMA):
		return helix_fault_in_gamma(&data.lut, helix_fault_in_read);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETGAMMA):
		return helix_fault_in_gamma(&data.lut, helix_fault_in_write);
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_ATOMIC):
		return helix_fault_in_atomic(&drm->mode_config, &data.atomic);
	default:
		return helix_fault_in_unique(arg, _IOC_SIZE(cmd));
	}
}

static long helix_nofault(struct file *filp, unsigned int cmd, unsigned long arg,
			  helix_ioctl_fn core)
{
	struct drm_file *priv = filp->private_data;
	void __user *user = (void __user *)arg;
	unsigned int tries = HELIX_FAULT_TRIES;
	union helix_asked asked;
	size_t size = min_t(size_t, _IOC_SIZE(cmd), sizeof(asked));
	bool in;
	long ret;

	if (copy_from_user(&asked, user, size))
		return -EFAULT;
	do {
		in = helix_fault_in(priv->minor->dev, cmd, arg);
		pagefault_disable();
		ret = core(filp, cmd, arg);
		pagefault_enable();
		/* What was committed was done: only the answer could not be written. */
	} while (ret == -EFAULT && in && --tries && !helix_call_accepted_now() &&
		 !fatal_signal_pending(current) &&
		 !((cmd & IOC_OUT) && copy_to_user(user, &asked, size)));
	return ret;
}

static long helix_nofault_native(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_nofault(filp, cmd, arg, drm_ioctl);
}

#ifdef CONFIG_COMPAT
static long helix_nofault_compat(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_nofault(filp, cmd, arg, drm_compat_ioctl);
}
#endif

/**
 * helix_nofault_core - what to call in place of the core
 * @cmd: command
 * @core: drm_ioctl() or drm_compat_ioctl()
 *
 * Return: @core, or what faults in the caller's memory first.
 */
helix_ioctl_fn helix_nofault_core(unsigned int cmd, helix_ioctl_fn core)
{
	switch (_IOC_NR(cmd)) {
	case DRM_IOCTL_NR(DRM_IOCTL_GET_UNIQUE):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETRESOURCES):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETCONNECTOR):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_OBJ_GETPROPERTIES):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_OBJ_SETPROPERTY):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_SETCRTC):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_SETGAMMA):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_GETGAMMA):
	case DRM_IOCTL_NR(DRM_IOCTL_MODE_ATOMIC):
		break;
	default:
		return core;
	}
#ifdef CONFIG_COMPAT
	if (core == drm_compat_ioctl)
		return helix_nofault_compat;
#endif
	return helix_nofault_native;
}
