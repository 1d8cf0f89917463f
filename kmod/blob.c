// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property blobs, and whose they are.
 *
 * DRM has one space of blob ids for all, easy to guess, and checks nothing: who
 * has an id may read the blob, or set it on an object of his own and see there
 * what is in it (a mode in GETCRTC, damage on his screen). The core knows who
 * made a blob only while its maker keeps the id; compositors let go of theirs
 * while they are in use. So a blob is a tenant's
 *
 *  - to use, if an open file of his lease made it and has its id,
 *  - to read, then too, or if it is what one of his own objects has now: its EDID
 *    or its formats, which nobody can set, or what his CRTC was given.
 *
 * What the core itself makes for a call that names no blob (SETCRTC's mode) needs
 * no asking: see helix_call_names_blobs().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ww_mutex.h>

#include <drm/drm_connector.h>
#include <drm/drm_crtc.h>
#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_mode_object.h>
#include <drm/drm_plane.h>
#include <drm/drm_property.h>

#include "helix.h"

/* Between two tries of the CRTC's lock, which nobody holds over a wait. */
#define HELIX_BLOB_RETRY_MS	2

static bool helix_lease_has_blob(struct helix_lease *lease, struct drm_property_blob *blob)
{
	struct mutex *blob_lock = &lease->scanout->gpu->drm->mode_config.blob_lock;
	struct drm_property_blob *other;
	struct helix_open *open;
	bool has = false;

	mutex_lock(&lease->opens_lock);
	mutex_lock(blob_lock);
	list_for_each_entry(open, &lease->opens, link)
		list_for_each_entry(other, &open->file->blobs, head_file)
			has |= other == blob;
	mutex_unlock(blob_lock);
	mutex_unlock(&lease->opens_lock);
	return has;
}

/* Is it the value of a property which only the driver sets? */
static bool helix_object_has_blob(const struct drm_mode_object *obj,
				  const struct drm_property_blob *blob)
{
	const struct drm_object_properties *props = obj->properties;
	int i;

	for (i = 0; i < props->count; i++)
		if (drm_property_type_is(props->properties[i], DRM_MODE_PROP_BLOB) &&
		    (props->properties[i]->flags & DRM_MODE_PROP_IMMUTABLE) &&
		    READ_ONCE(props->values[i]) == blob->base.id)
			return true;
	return false;
}

static bool helix_crtc_state_has_blob(const struct drm_crtc_state *state,
				      const struct drm_property_blob *blob)
{
	return state->mode_blob == blob || state->degamma_lut == blob ||
	       state->ctm == blob || state->gamma_lut == blob;
}

/* 1 or 0; -EBUSY if it cannot be seen now. */
static int helix_try_crtc_has_blob(struct helix_lease *lease,
				   const struct drm_property_blob *blob)
{
	struct drm_crtc *crtc = lease->scanout->crtc;
	int has;

	if (!ww_mutex_trylock(&crtc->mutex.mutex, NULL))
		return -EBUSY;
	/* With the lock held the next tenant cannot have set anything yet. */
	has = helix_lease_live(lease) && helix_crtc_state_has_blob(crtc->state, blob);
	ww_mutex_unlock(&crtc->mutex.mutex);
	return has;
}

static int helix_crtc_has_blob(struct helix_lease *lease, const struct drm_property_blob *blob)
{
	unsigned long deadline = helix_commit_deadline();
	struct helix_wait wait;
	int ret;

	ret = helix_try_crtc_has_blob(lease, blob);
	if (ret != -EBUSY)
		return ret;

	helix_wait_begin(&wait, lease->scanout, HELIX_LEASE_WAIT_LOCK, "crtc");
	do {
		if (schedule_timeout_interruptible(msecs_to_jiffies(HELIX_BLOB_RETRY_MS)))
			ret = -EINTR;
		else
			ret = helix_try_crtc_has_blob(lease, blob);
	} while (ret == -EBUSY && time_before(jiffies, deadline));
	if (ret == -EBUSY)
		ret = -ETIMEDOUT;
	helix_wait_end(&wait, min(ret, 0));
	return ret;
}

/**
 * helix_lease_may_read_blob - may this tenant see what is in a blob?
 * @lease: the tenant's
 * @blob: referenced by the caller, so that its id is nobody else's meanwhile
 *
 * Returns: 1 or 0; -ETIMEDOUT or -EINTR if that could not be found out.
 */
int helix_lease_may_read_blob(struct helix_lease *lease, struct drm_property_blob *blob)
{
	struct helix_scanout *s = lease->scanout;

	if (helix_lease_has_blob(lease, blob) ||
	    helix_object_has_blob(&s->connector->base, blob) ||
	    helix_object_has_blob(&s->primary->base, blob) ||
	    (s->cursor && helix_object_has_blob(&s->cursor->base, blob)))
		return 1;
	return helix_crtc_has_blob(lease, blob);
}

/*
 * One member of a state, with the object's lock held; @was is what it replaces.
 * A flip changes none: it is not even asked whose call this is.
 */
static bool helix_may_set_blob(struct helix_scanout *s, struct drm_property_blob *was,
			       struct drm_property_blob *blob)
{
	struct helix_lease *lease;
	bool may;

	if (!blob || blob == was || !helix_call_names_blobs())
		return true;
	lease = helix_scanout_lease(s);
	if (!lease)
		return false;
	may = helix_lease_has_blob(lease, blob);
	if (!may)
		helix_deny(lease, "blob", blob->base.id);
	helix_lease_put(lease);
	return may;
}

/**
 * helix_may_set_crtc_blobs - does a tenant's new state of a CRTC have only his blobs?
 * @s: whose CRTC it is
 * @was: what is replaced
 * @new: checked
 *
 * Returns: true if it does, or if they are not a tenant's doing.
 */
bool helix_may_set_crtc_blobs(struct helix_scanout *s, const struct drm_crtc_state *was,
			      const struct drm_crtc_state *new)
{
	return helix_may_set_blob(s, was->mode_blob, new->mode_blob) &&
	       helix_may_set_blob(s, was->degamma_lut, new->degamma_lut) &&
	       helix_may_set_blob(s, was->ctm, new->ctm) &&
	       helix_may_set_blob(s, was->gamma_lut, new->gamma_lut);
}

/**
 * helix_may_set_plane_blobs - likewise of a plane
 * @s: whose plane it is
 * @was: what is replaced
 * @new: checked
 *
 * Returns: true if it does, or if they are not a tenant's doing.
 */
bool helix_may_set_plane_blobs(struct helix_scanout *s, const struct drm_plane_state *was,
			       const struct drm_plane_state *new)
{
	return helix_may_set_blob(s, was->fb_damage_clips, new->fb_damage_clips);
}
