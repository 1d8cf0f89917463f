// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: the DRM lessee behind a tenancy, made and emptied here.
 *
 * The core lets nobody create a lease but an ioctl on the master's file with
 * its objects in user memory, which the caller could change between our check
 * and its use, and revoking has to work where there is no user memory at all.
 * So the lessee is built here, by the protocol of drm_lease.c: it is inserted
 * below its owner, and its objects are added and removed, under
 * mode_config.idr_mutex. Its last reference goes through the core's own path.
 *
 * A lessee whose idr is empty may show nothing: that is what revoked means.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem.h>
#include <drm/drm_property.h>
#include <drm/drm_vma_manager.h>

#include "helix.h"

/* The core only asks whether there is an entry. */
static int helix_lease_entry;

static struct helix_lessee *helix_lessee_alloc(struct helix_lease *lease)
{
	struct helix_lessee *lessee;
	struct drm_master *m;

	BUILD_BUG_ON(offsetof(struct helix_lessee, base));

	lessee = kzalloc(sizeof(*lessee), GFP_KERNEL);
	if (!lessee)
		return NULL;

	m = &lessee->base;
	lessee->lease = lease;
	kref_init(&m->refcount);
	helix_master_init_legacy(m);
	idr_init_base(&m->magic_map, 1);
	m->dev = lease->scanout->gpu->drm;
	INIT_LIST_HEAD(&m->lessees);
	INIT_LIST_HEAD(&m->lessee_list);
	idr_init(&m->leases);
	idr_init_base(&m->lessee_idr, 1);
	return lessee;
}

/* Fill @ids with what a lease of @s has; returns how many. */
static int helix_lease_objects(struct helix_scanout *s, u32 ids[4])
{
	int n = 0;

	ids[n++] = s->connector->base.id;
	ids[n++] = s->crtc->base.id;
	ids[n++] = s->primary->base.id;
	if (s->cursor)
		ids[n++] = s->cursor->base.id;
	return n;
}

/* Did the master lease it to somebody behind our back? */
static bool helix_object_is_leased(struct drm_master *owner, u32 id)
{
	struct drm_master *other;

	lockdep_assert_held(&owner->dev->mode_config.idr_mutex);

	list_for_each_entry(other, &owner->lessees, lessee_list)
		if (idr_find(&other->leases, id))
			return true;
	return false;
}

static int helix_lessee_insert(struct drm_master *lessee, struct drm_master *owner,
			       const u32 *ids, int n)
{
	int i, ret;

	lockdep_assert_held(&owner->dev->mode_config.idr_mutex);

	for (i = 0; i < n; i++) {
		if (helix_object_is_leased(owner, ids[i]))
			return -EBUSY;
		ret = idr_alloc(&lessee->leases, &helix_lease_entry, ids[i],
				ids[i] + 1, GFP_KERNEL);
		if (ret < 0)
			return ret;
	}

	ret = idr_alloc(&owner->lessee_idr, lessee, 1, 0, GFP_KERNEL);
	if (ret < 0)
		return ret;

	lessee->lessee_id = ret;
	lessee->lessor = drm_master_get(owner);
	list_add_tail(&lessee->lessee_list, &owner->lessees);
	return 0;
}

static int helix_lease_add_lessee(struct helix_lease *lease)
{
	struct helix_scanout *s = lease->scanout;
	struct drm_device *drm = s->gpu->drm;
	struct helix_lessee *lessee;
	u32 ids[4];
	int n, ret;

	lessee = helix_lessee_alloc(lease);
	if (!lessee)
		return -ENOMEM;
	lease->lessee = &lessee->base;

	n = helix_lease_objects(s, ids);
	mutex_lock(&drm->mode_config.idr_mutex);
	ret = helix_lessee_insert(lease->lessee, s->gpu->master, ids, n);
	mutex_unlock(&drm->mode_config.idr_mutex);

	if (ret)
		drm_master_put(&lease->lessee);
	return ret;
}

struct helix_lease *helix_lease_new(struct helix_scanout *s)
{
	struct helix_lease *lease;
	int ret;

	lease = kzalloc(sizeof(*lease), GFP_KERNEL);
	if (!lease)
		return ERR_PTR(-ENOMEM);
	lease->queue = helix_queue_new();
	if (!lease->queue) {
		kfree(lease);
		return ERR_PTR(-ENOMEM);
	}

	kref_init(&lease->ref);
	mutex_init(&lease->opens_lock);
	INIT_LIST_HEAD(&lease->opens);
	kref_get(&s->ref);
	lease->scanout = s;
	/* Ours while it is ENABLING: nobody else changes it. */
	lease->generation = s->generation;
	lease->end_on_close = s->acquire_flags & HELIX_LEASE_ACQUIRE_END_ON_CLOSE;
	if (s->acquire_flags & HELIX_LEASE_ACQUIRE_CGROUP)
		lease->cgroup = s->owner.cgroup;

	ret = helix_lease_add_lessee(lease);
	if (ret) {
		helix_lease_put(lease);
		return ERR_PTR(ret);
	}
	return lease;
}

/* From here on the core finds none of the lease's objects for any of its files. */
void helix_lease_revoke_rights(struct helix_lease *lease)
{
	struct drm_device *drm = lease->scanout->gpu->drm;
	u32 ids[4];
	int n;

	n = helix_lease_objects(lease->scanout, ids);
	mutex_lock(&drm->mode_config.idr_mutex);
	while (n--)
		idr_remove(&lease->lessee->leases, ids[n]);
	mutex_unlock(&drm->mode_config.idr_mutex);
}

static void helix_lease_release(struct kref *ref)
{
	struct helix_lease *lease = container_of(ref, struct helix_lease, ref);

	WARN_ON(!list_empty(&lease->opens));
	helix_pidfd_free(lease->pidfd);
	if (lease->lessee)
		drm_master_put(&lease->lessee);
	helix_scanout_put(lease->scanout);
	helix_queue_put(lease->queue);
	mutex_destroy(&lease->opens_lock);
	kfree(lease);
}

void helix_lease_get(struct helix_lease *lease)
{
	kref_get(&lease->ref);
}

void helix_lease_put(struct helix_lease *lease)
{
	kref_put(&lease->ref, helix_lease_release);
}

bool helix_lease_live(struct helix_lease *lease)
{
	/* A lease never comes back, so that no lock is needed to see it gone. */
	return READ_ONCE(lease->scanout->lease) == lease;
}

struct helix_lease *helix_file_lease(struct drm_file *file)
{
	/* Set before the file was usable, and never changed: see guard.c. */
	return container_of(file->master, struct helix_lessee, base)->lease;
}

static bool helix_file_has_fb(struct drm_file *file, struct drm_framebuffer *fb)
{
	struct drm_framebuffer *other;
	bool found = false;

	mutex_lock(&file->fbs_lock);
	list_for_each_entry(other, &file->fbs, filp_head) {
		if (other == fb) {
			found = true;
			break;
		}
	}
	mutex_unlock(&file->fbs_lock);
	return found;
}

/* Every handle allows the file to map the buffer: one look, however many handles it has. */
static bool helix_file_has_handle(struct drm_file *file, struct drm_gem_object *obj)
{
	return drm_vma_node_is_allowed(&obj->vma_node, file);
}

/**
 * helix_lease_owns_fb - did this tenant create the framebuffer?
 * @lease: lease
 * @fb: framebuffer, referenced by the caller
 * @by_handle: also accept one whose buffer the tenant has a handle of. The
 *	legacy cursor ioctls wrap the caller's handle in a framebuffer that
 *	is in nobody's list.
 *
 * Return: whether he did.
 */
bool helix_lease_owns_fb(struct helix_lease *lease, struct drm_framebuffer *fb,
			 bool by_handle)
{
	struct helix_open *open;
	bool owns = false;

	mutex_lock(&lease->opens_lock);
	list_for_each_entry(open, &lease->opens, link) {
		owns = helix_file_has_fb(open->file, fb) ||
		       (by_handle && fb->obj[0] &&
			helix_file_has_handle(open->file, fb->obj[0]));
		if (owns)
			break;
	}
	mutex_unlock(&lease->opens_lock);
	return owns;
}

/**
 * helix_lease_add_open - one more open file, before it is in the list
 * @lease: lease
 *
 * Return: 0, or -ENOSPC if it has as many as it may have.
 */
int helix_lease_add_open(struct helix_lease *lease)
{
	int ret = 0;

	mutex_lock(&lease->opens_lock);
	if (lease->nr_opens < HELIX_MAX_OPENS)
		lease->nr_opens++;
	else
		ret = -ENOSPC;
	mutex_unlock(&lease->opens_lock);
	return ret;
}

/* It could not be opened. */
void helix_lease_drop_open(struct helix_lease *lease)
{
	mutex_lock(&lease->opens_lock);
	lease->nr_opens--;
	mutex_unlock(&lease->opens_lock);
}

static unsigned int helix_lease_count_fbs(struct helix_lease *lease)
{
	struct drm_framebuffer *fb;
	struct helix_open *open;
	unsigned int n = 0;

	lockdep_assert_held(&lease->opens_lock);

	list_for_each_entry(open, &lease->opens, link) {
		mutex_lock(&open->file->fbs_lock);
		list_for_each_entry(fb, &open->file->fbs, filp_head)
			n++;
		mutex_unlock(&open->file->fbs_lock);
	}
	return n;
}

static unsigned int helix_lease_count_blobs(struct helix_lease *lease)
{
	struct mutex *blob_lock = &lease->scanout->gpu->drm->mode_config.blob_lock;
	struct drm_property_blob *blob;
	struct helix_open *open;
	unsigned int n = 0;

	lockdep_assert_held(&lease->opens_lock);

	mutex_lock(blob_lock);
	list_for_each_entry(open, &lease->opens, link)
		list_for_each_entry(blob, &open->file->blobs, head_file)
			n++;
	mutex_unlock(blob_lock);
	return n;
}

/**
 * helix_lease_make - may this tenant make one more?
 * @lease: lease
 * @what: of this kind
 *
 * Return: 0, and helix_lease_made() is to be called when it is made, or could not be;
 * -ENOSPC if the lease has as many as it may have.
 */
int helix_lease_make(struct helix_lease *lease, enum helix_made what)
{
	unsigned int n;
	int ret = 0;

	mutex_lock(&lease->opens_lock);
	n = what == HELIX_MADE_FB ? helix_lease_count_fbs(lease) : helix_lease_count_blobs(lease);
	if (n + lease->making[what] < HELIX_MAX_MADE)
		lease->making[what]++;
	else
		ret = -ENOSPC;
	mutex_unlock(&lease->opens_lock);
	return ret;
}

void helix_lease_made(struct helix_lease *lease, enum helix_made what)
{
	mutex_lock(&lease->opens_lock);
	lease->making[what]--;
	mutex_unlock(&lease->opens_lock);
}
