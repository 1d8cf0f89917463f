// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tenant may do with its scanout's node.
 *
 * DRM isolates lessees from each other's CRTCs, planes and connectors. It does
 * not isolate their framebuffers, which are not leasable objects: any lessee may
 * name any framebuffer's id, get a handle of its pixels, or show it. So:
 *
 *  - an ioctl passes only if it is in the table below,
 *  - the ones that return what is behind the id of a framebuffer or of a blob are
 *    served here, from one copy of the caller's structure, for the lease's own,
 *  - what a plane is to show is checked where no copy is left to change: in the
 *    plane's atomic_check, under its lock. The driver's helper table is replaced
 *    at BIND by a copy of it with our check in front. A framebuffer may stay
 *    where it is; a new one must have been created by the present lease. So must
 *    a blob that an atomic commit names: see blob.c.
 *  - the CRTC's atomic_check is wrapped likewise: nobody turns on what is not leased.
 *    A call that was under way when its lease ended either committed before the
 *    scanout was turned off, and is undone by that, or comes after, and is refused in
 *    commit.c, whoever's the scanout is by then.
 *
 * A refused call returns EACCES and is counted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_atomic.h>
#include <drm/drm_device.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_print.h>
#include <drm/drm_property.h>
#include <drm/virtgpu_drm.h>

#include "helix.h"
#include "trace.h"

enum helix_rule {
	HELIX_DENY = 0,
	HELIX_ALWAYS,	/* needs no rights on the scanout */
	HELIX_LIVE,	/* only while the lease lives */
	HELIX_COMMIT,	/* likewise, and may commit: see commit.c */
	HELIX_MAKE_FB,	/* likewise, and while the lease has not too many */
	HELIX_MAKE_BLOB,
	HELIX_NOOP,	/* succeeds and does nothing */
	HELIX_NO_LEASE,	/* what the core says to every lessee */
	HELIX_GETFB,
	HELIX_GETFB2,
	HELIX_DIRTYFB,
	HELIX_GETBLOB,
	HELIX_RMFB,
	HELIX_GETCONNECTOR,
};

#define RULE(name, rule)	[DRM_IOCTL_NR(DRM_IOCTL_ ## name)] = HELIX_ ## rule

/*
 * Not here, and so denied: buffers by global name (GEM_FLINK, GEM_OPEN),
 * what concerns leases, and everything from before mode-setting.
 */
static const u8 helix_rules[256] = {
	RULE(VERSION, ALWAYS),
	RULE(GET_UNIQUE, ALWAYS),
	RULE(GET_CLIENT, ALWAYS),
	RULE(GET_STATS, ALWAYS),
	RULE(SET_VERSION, LIVE),
	RULE(GET_CAP, ALWAYS),
	RULE(SET_CLIENT_CAP, ALWAYS),

	/* Among the opens of one lease: the magics are the lessee's. */
	RULE(GET_MAGIC, LIVE),
	RULE(AUTH_MAGIC, LIVE),
	/* Seat managers call them; a lessee is master while its owner is. */
	RULE(SET_MASTER, NOOP),
	RULE(DROP_MASTER, NOOP),
	/* wlroots tries, and opens its node once more when the answer is EINVAL. */
	RULE(MODE_CREATE_LEASE, NO_LEASE),
	/* KWin asks for its own. GET_LEASE writes to user memory under idr_mutex. */
	RULE(MODE_LIST_LESSEES, LIVE),

	RULE(GEM_CLOSE, ALWAYS),
	RULE(PRIME_HANDLE_TO_FD, ALWAYS),
	RULE(PRIME_FD_TO_HANDLE, ALWAYS),

	RULE(WAIT_VBLANK, LIVE),
	RULE(CRTC_GET_SEQUENCE, LIVE),
	RULE(CRTC_QUEUE_SEQUENCE, LIVE),

	RULE(MODE_GETRESOURCES, LIVE),
	RULE(MODE_GETPLANERESOURCES, LIVE),
	RULE(MODE_GETCRTC, LIVE),
	RULE(MODE_GETENCODER, LIVE),
	RULE(MODE_GETCONNECTOR, GETCONNECTOR),
	RULE(MODE_GETPLANE, LIVE),
	RULE(MODE_GETPROPERTY, LIVE),
	RULE(MODE_GETPROPBLOB, GETBLOB),
	RULE(MODE_OBJ_GETPROPERTIES, LIVE),
	RULE(MODE_GETGAMMA, LIVE),

	RULE(MODE_SETCRTC, COMMIT),
	RULE(MODE_SETPLANE, COMMIT),
	RULE(MODE_SETPROPERTY, COMMIT),
	RULE(MODE_OBJ_SETPROPERTY, COMMIT),
	RULE(MODE_SETGAMMA, COMMIT),
	RULE(MODE_CURSOR, COMMIT),
	RULE(MODE_CURSOR2, COMMIT),
	RULE(MODE_PAGE_FLIP, COMMIT),
	RULE(MODE_ATOMIC, COMMIT),
	RULE(MODE_CREATEPROPBLOB, MAKE_BLOB),
	RULE(MODE_DESTROYPROPBLOB, ALWAYS),

	RULE(MODE_ADDFB, MAKE_FB),
	RULE(MODE_ADDFB2, MAKE_FB),
	RULE(MODE_RMFB, RMFB),
#ifdef DRM_IOCTL_MODE_CLOSEFB
	/* The core looks for it among the caller's own. */
	RULE(MODE_CLOSEFB, ALWAYS),
#endif
	RULE(MODE_GETFB, GETFB),
	RULE(MODE_GETFB2, GETFB2),
	RULE(MODE_DIRTYFB, DIRTYFB),
	RULE(MODE_CREATE_DUMB, LIVE),
	RULE(MODE_MAP_DUMB, ALWAYS),
	RULE(MODE_DESTROY_DUMB, ALWAYS),

	RULE(SYNCOBJ_CREATE, ALWAYS),
	RULE(SYNCOBJ_DESTROY, ALWAYS),
	RULE(SYNCOBJ_HANDLE_TO_FD, ALWAYS),
	RULE(SYNCOBJ_FD_TO_HANDLE, ALWAYS),
	RULE(SYNCOBJ_WAIT, ALWAYS),
	RULE(SYNCOBJ_RESET, ALWAYS),
	RULE(SYNCOBJ_SIGNAL, ALWAYS),
	RULE(SYNCOBJ_TIMELINE_WAIT, ALWAYS),
	RULE(SYNCOBJ_QUERY, ALWAYS),
	RULE(SYNCOBJ_TRANSFER, ALWAYS),
	RULE(SYNCOBJ_TIMELINE_SIGNAL, ALWAYS),
#ifdef DRM_IOCTL_SYNCOBJ_EVENTFD
	RULE(SYNCOBJ_EVENTFD, ALWAYS),
#endif
#ifdef DRM_IOCTL_SET_CLIENT_NAME
	RULE(SET_CLIENT_NAME, ALWAYS),
#endif
#ifdef DRM_IOCTL_GEM_CHANGE_HANDLE
	RULE(GEM_CHANGE_HANDLE, ALWAYS),
#endif

	/* Handles are per file; the host checks contexts. */
	RULE(VIRTGPU_MAP, ALWAYS),
	RULE(VIRTGPU_EXECBUFFER, ALWAYS),
	RULE(VIRTGPU_GETPARAM, ALWAYS),
	RULE(VIRTGPU_RESOURCE_CREATE, ALWAYS),
	RULE(VIRTGPU_RESOURCE_INFO, ALWAYS),
	RULE(VIRTGPU_TRANSFER_FROM_HOST, ALWAYS),
	RULE(VIRTGPU_TRANSFER_TO_HOST, ALWAYS),
	RULE(VIRTGPU_WAIT, ALWAYS),
	RULE(VIRTGPU_GET_CAPS, ALWAYS),
	RULE(VIRTGPU_RESOURCE_CREATE_BLOB, ALWAYS),
	RULE(VIRTGPU_CONTEXT_INIT, ALWAYS),
};

long helix_deny(struct helix_lease *lease, const char *what, unsigned int value)
{
	struct helix_scanout *s = lease->scanout;

	atomic64_inc(&s->denials);
	trace_helix_denied(s->number, lease->generation, what, value);
	return -EACCES;
}

/* The framebuffer, referenced, if it is one of this lease's. */
static struct drm_framebuffer *helix_own_fb(struct drm_file *priv, u32 id)
{
	struct helix_lease *lease = helix_file_lease(priv);
	struct drm_framebuffer *fb;

	fb = drm_framebuffer_lookup(priv->minor->dev, priv, id);
	if (!fb)
		return ERR_PTR(-ENOENT);
	if (!helix_lease_owns_fb(lease, fb, false)) {
		drm_framebuffer_put(fb);
		return ERR_PTR(helix_deny(lease, "framebuffer", id));
	}
	return fb;
}

static int helix_getfb(struct drm_device *drm, void *data, struct drm_file *priv)
{
	struct drm_mode_fb_cmd *r = data;
	struct drm_framebuffer *fb;
	int ret = -EINVAL;

	fb = helix_own_fb(priv, r->fb_id);
	if (IS_ERR(fb))
		return PTR_ERR(fb);

	/* One plane is all this structure can describe. */
	if (fb->format->num_planes > 1 || !fb->obj[0])
		goto out;

	r->width = fb->width;
	r->height = fb->height;
	r->pitch = fb->pitches[0];
	r->bpp = drm_format_info_bpp(fb->format, 0);
	r->depth = fb->format->depth;
	ret = drm_gem_handle_create(priv, fb->obj[0], &r->handle);
out:
	drm_framebuffer_put(fb);
	return ret;
}

/* One handle for each buffer, however many planes are in it. */
static int helix_getfb2_handles(struct drm_file *priv, struct drm_framebuffer *fb,
				struct drm_mode_fb_cmd2 *r)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; i < fb->format->num_planes && !ret; i++) {
		for (j = 0; j < i; j++)
			if (fb->obj[j] == fb->obj[i])
				break;
		if (j < i)
			r->handles[i] = r->handles[j];
		else if (fb->obj[i])
			ret = drm_gem_handle_create(priv, fb->obj[i], &r->handles[i]);
		else
			ret = -ENODEV;
	}
	if (!ret)
		return 0;

	for (i = 0; i < ARRAY_SIZE(r->handles); i++) {
		for (j = 0; j < i; j++)
			if (r->handles[j] == r->handles[i])
				break;
		if (j == i && r->handles[i])
			drm_gem_handle_delete(priv, r->handles[i]);
	}
	memset(r->handles, 0, sizeof(r->handles));
	return ret;
}

static int helix_getfb2(struct drm_device *drm, void *data, struct drm_file *priv)
{
	struct drm_mode_fb_cmd2 *r = data;
	struct drm_framebuffer *fb;
	bool modifiers = !drm->mode_config.fb_modifiers_not_supported;
	unsigned int i;
	u32 id = r->fb_id;
	int ret;

	fb = helix_own_fb(priv, id);
	if (IS_ERR(fb))
		return PTR_ERR(fb);

	memset(r, 0, sizeof(*r));
	r->fb_id = id;
	r->width = fb->width;
	r->height = fb->height;
	r->pixel_format = fb->format->format;
	r->flags = modifiers ? DRM_MODE_FB_MODIFIERS : 0;
	for (i = 0; i < fb->format->num_planes; i++) {
		r->pitches[i] = fb->pitches[i];
		r->offsets[i] = fb->offsets[i];
		r->modifier[i] = modifiers ? fb->modifier : 0;
	}

	ret = helix_getfb2_handles(priv, fb, r);
	drm_framebuffer_put(fb);
	return ret;
}

static int helix_dirtyfb(struct drm_device *drm, void *data, struct drm_file *priv)
{
	struct drm_mode_fb_dirty_cmd *r = data;
	struct drm_clip_rect __user *user = u64_to_user_ptr(r->clips_ptr);
	unsigned int flags = r->flags & DRM_MODE_FB_DIRTY_FLAGS;
	struct drm_clip_rect *clips = NULL;
	struct drm_framebuffer *fb;
	int ret = -EINVAL;

	fb = helix_own_fb(priv, r->fb_id);
	if (IS_ERR(fb))
		return PTR_ERR(fb);

	if (!r->num_clips != !r->clips_ptr ||
	    r->num_clips > DRM_MODE_FB_DIRTY_MAX_CLIPS)
		goto out;
	if ((flags & DRM_MODE_FB_DIRTY_ANNOTATE_COPY) && r->num_clips % 2)
		goto out;
	if (!fb->funcs->dirty) {
		ret = -EOPNOTSUPP;
		goto out;
	}
	if (r->num_clips) {
		clips = memdup_user(user, r->num_clips * sizeof(*clips));
		if (IS_ERR(clips)) {
			ret = PTR_ERR(clips);
			goto out;
		}
	}
	ret = fb->funcs->dirty(fb, priv, flags, r->color, clips, r->num_clips);
	kfree(clips);
out:
	drm_framebuffer_put(fb);
	return ret;
}

static int helix_getblob(struct drm_device *drm, void *data, struct drm_file *priv)
{
	struct helix_lease *lease = helix_file_lease(priv);
	struct drm_mode_get_blob *r = data;
	struct drm_property_blob *blob;
	int ret;

	blob = drm_property_lookup_blob(drm, r->blob_id);
	if (!blob)
		return -ENOENT;

	ret = helix_lease_may_read_blob(lease, blob);
	if (!ret)
		ret = helix_deny(lease, "blob", r->blob_id);
	if (ret < 0)
		goto out;
	ret = 0;
	if (r->length == blob->length &&
	    copy_to_user(u64_to_user_ptr(r->data), blob->data, blob->length))
		ret = -EFAULT;
	else
		r->length = blob->length;
out:
	drm_property_blob_put(blob);
	return ret;
}

/*
 * The core answers; then what it says of an unplugged connector is taken back. The
 * caller's structure may change meanwhile, and then tells him something else.
 */
static long helix_getconnector(struct helix_lease *lease, struct file *filp, unsigned int cmd,
			       unsigned long arg, helix_ioctl_fn core)
{
	struct drm_mode_get_connector __user *user = (void __user *)arg;
	long ret = core(filp, cmd, arg);
	u32 id;

	if (ret || _IOC_SIZE(cmd) < sizeof(*user))
		return ret;
	if (get_user(id, &user->connector_id))
		return -EFAULT;
	if (id != lease->scanout->connector->base.id || !helix_replug_look(lease))
		return 0;
	if (put_user(connector_status_disconnected, &user->connection) ||
	    put_user(0, &user->count_modes) ||
	    put_user(0, &user->mm_width) || put_user(0, &user->mm_height))
		return -EFAULT;
	return 0;
}

/* The caller's framebuffer, referenced: of this open of the node, as in the core. */
static struct drm_framebuffer *helix_callers_fb(struct drm_file *priv, u32 id)
{
	struct drm_framebuffer *fb, *found = NULL;

	mutex_lock(&priv->fbs_lock);
	list_for_each_entry(fb, &priv->fbs, filp_head) {
		if (fb->base.id == id) {
			drm_framebuffer_get(fb);
			found = fb;
			break;
		}
	}
	mutex_unlock(&priv->fbs_lock);
	return found;
}

/* The reference of the caller's list goes with it; another call may have been faster. */
static int helix_forget_fb(struct drm_file *priv, struct drm_framebuffer *fb)
{
	bool listed;

	mutex_lock(&priv->fbs_lock);
	listed = !list_empty(&fb->filp_head);
	list_del_init(&fb->filp_head);
	mutex_unlock(&priv->fbs_lock);
	if (!listed)
		return -ENOENT;
	drm_framebuffer_put(fb);
	return 0;
}

/*
 * The core takes a removed framebuffer off the screen with every mode-setting
 * lock held. Here only its own scanout's are tried for. What a lease that is over
 * still shows is turned off by others.
 */
static int helix_rmfb(struct drm_device *drm, void *data, struct drm_file *priv)
{
	struct helix_lease *lease = helix_file_lease(priv);
	u32 *id = data;
	struct drm_framebuffer *fb;
	int ret = 0;

	fb = helix_callers_fb(priv, *id);
	if (!fb)
		return -ENOENT;
	/* If nobody has it but the list and we, it is nowhere and can get nowhere. */
	if (helix_lease_live(lease) && drm_framebuffer_read_refcount(fb) > 2)
		ret = helix_kms_remove_fb(lease->scanout, lease->generation, fb,
					  helix_commit_deadline());
	if (!ret)
		ret = helix_forget_fb(priv, fb);
	drm_framebuffer_put(fb);
	return ret;
}

/* What drm_ioctl() does for its own: zero-extend in, copy back as much as asked. */
static long helix_serve(struct file *filp, unsigned int cmd, unsigned long arg,
			drm_ioctl_t *func, size_t ksize)
{
	union {
		struct drm_mode_fb_cmd fb;
		struct drm_mode_fb_cmd2 fb2;
		struct drm_mode_fb_dirty_cmd dirty;
		struct drm_mode_get_blob blob;
		u32 id;
	} data = {};
	size_t size = min_t(size_t, _IOC_SIZE(cmd), ksize);
	void __user *user = (void __user *)arg;
	long ret;

	if ((cmd & IOC_IN) && copy_from_user(&data, user, size))
		return -EFAULT;
	ret = drm_ioctl_kernel(filp, func, &data, 0);
	if (!ret && (cmd & IOC_OUT) && copy_to_user(user, &data, size))
		return -EFAULT;
	return ret;
}

static long helix_make(struct helix_lease *lease, enum helix_made what, struct file *filp,
		       unsigned int cmd, unsigned long arg, helix_ioctl_fn core)
{
	long ret;

	ret = helix_lease_make(lease, what);
	if (ret)
		return ret;
	ret = core(filp, cmd, arg);
	helix_lease_made(lease, what);
	return ret;
}

static long helix_serve_dirtyfb(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return helix_serve(filp, cmd, arg, helix_dirtyfb, sizeof(struct drm_mode_fb_dirty_cmd));
}

/**
 * helix_guard_ioctl - a tenant's ioctl
 * @filp: an open file of a scanout node
 * @cmd: command
 * @arg: its argument
 * @core: where it goes if it may pass
 *
 * The command's number alone decides: it is all the core looks at, too.
 *
 * Return: what the core returns, or a negative errno of ours.
 */
long helix_guard_ioctl(struct file *filp, unsigned int cmd, unsigned long arg,
		       helix_ioctl_fn core)
{
	struct drm_file *priv = filp->private_data;
	struct helix_lease *lease = helix_file_lease(priv);
	enum helix_rule rule;

	if (_IOC_TYPE(cmd) != DRM_IOCTL_BASE)
		return -ENOTTY;

	rule = helix_rules[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(helix_rules))];
	if (rule == HELIX_DENY)
		return helix_deny(lease, "ioctl", _IOC_NR(cmd));
	core = helix_nofault_core(cmd, core);
	if (rule == HELIX_ALWAYS)
		return core(filp, cmd, arg);
	if (rule == HELIX_NOOP)
		return 0;
	if (rule == HELIX_RMFB)
		return helix_serve(filp, cmd, arg, helix_rmfb, sizeof(u32));
	if (rule == HELIX_NO_LEASE)
		return -EINVAL;
	if (!helix_lease_live(lease))
		return -EACCES;

	switch (rule) {
	case HELIX_COMMIT:
		return helix_commit_ioctl(lease, filp, cmd, arg, core);
	case HELIX_MAKE_FB:
		return helix_make(lease, HELIX_MADE_FB, filp, cmd, arg, core);
	case HELIX_MAKE_BLOB:
		return helix_make(lease, HELIX_MADE_BLOB, filp, cmd, arg, core);
	case HELIX_GETFB:
		return helix_serve(filp, cmd, arg, helix_getfb,
				   sizeof(struct drm_mode_fb_cmd));
	case HELIX_GETFB2:
		return helix_serve(filp, cmd, arg, helix_getfb2,
				   sizeof(struct drm_mode_fb_cmd2));
	case HELIX_DIRTYFB:
		return helix_commit_ioctl(lease, filp, cmd, arg, helix_serve_dirtyfb);
	case HELIX_GETCONNECTOR:
		return helix_getconnector(lease, filp, cmd, arg, core);
	case HELIX_GETBLOB:
		return helix_serve(filp, cmd, arg, helix_getblob,
				   sizeof(struct drm_mode_get_blob));
	default:
		return core(filp, cmd, arg);
	}
}

/* May @s's present tenant put @fb on one of its planes? */
static bool helix_may_show(struct helix_scanout *s, struct drm_plane *plane,
			   struct drm_framebuffer *fb)
{
	struct helix_lease *lease = helix_scanout_lease(s);
	bool may;

	if (!lease)
		return false;
	may = helix_lease_owns_fb(lease, fb, plane->type == DRM_PLANE_TYPE_CURSOR);
	if (!may)
		helix_deny(lease, "framebuffer", fb->base.id);
	helix_lease_put(lease);
	return may;
}

static int helix_plane_check(struct drm_plane *plane, struct drm_atomic_state *state)
{
	const struct helix_plane_guard *guard =
		container_of(plane->helper_private, struct helix_plane_guard, funcs);
	const struct drm_plane_state *was = drm_atomic_get_old_plane_state(state, plane);
	const struct drm_plane_state *new = drm_atomic_get_new_plane_state(state, plane);

	if (new->fb && new->fb != was->fb &&
	    !helix_may_show(guard->scanout, plane, new->fb))
		return -EACCES;
	if (!helix_may_set_plane_blobs(guard->scanout, was, new))
		return -EACCES;

	return guard->real->atomic_check ? guard->real->atomic_check(plane, state) : 0;
}

static int helix_crtc_check(struct drm_crtc *crtc, struct drm_atomic_state *state)
{
	const struct helix_crtc_guard *guard =
		container_of(crtc->helper_private, struct helix_crtc_guard, funcs);
	const struct drm_crtc_state *was = drm_atomic_get_old_crtc_state(state, crtc);
	const struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, crtc);

	if (((new->enable && !was->enable) || (new->active && !was->active)) &&
	    !READ_ONCE(guard->scanout->lease))
		return -EACCES;
	if (!helix_may_set_crtc_blobs(guard->scanout, was, new))
		return -EACCES;
	helix_replug_check(guard->scanout, state);

	return guard->real->atomic_check ? guard->real->atomic_check(crtc, state) : 0;
}

/*
 * Whoever uses a helper table holds the object's lock, or is a commit that has
 * not been cleaned up: with the locks and no commit the tables can be swapped.
 */
static int helix_try_with_helpers(struct helix_scanout *s,
				  void (*change)(struct helix_scanout *s),
				  bool interruptible)
{
	struct drm_modeset_acquire_ctx ctx;
	unsigned long deadline = helix_deadline(1000);
	int ret;

	for (;;) {
		drm_modeset_acquire_init(&ctx, 0);
		ret = helix_modeset_trylock(s, &ctx, NULL);
		if (!ret && helix_commit_pending(s))
			ret = -EBUSY;
		if (!ret)
			change(s);
		drm_modeset_drop_locks(&ctx);
		drm_modeset_acquire_fini(&ctx);

		if (!ret || time_after_eq(jiffies, deadline))
			return ret;
		if (interruptible && signal_pending(current))
			return -EINTR;
		usleep_range(5000, 10000);
	}
}

static int helix_with_helpers(struct helix_scanout *s,
			      void (*change)(struct helix_scanout *s), bool interruptible)
{
	struct helix_wait wait;
	int ret;

	helix_wait_begin(&wait, s, HELIX_LEASE_WAIT_LOCK, "locks of the helper tables");
	ret = helix_try_with_helpers(s, change, interruptible);
	helix_wait_end(&wait, ret);
	return ret;
}

static void helix_guard_plane(struct helix_scanout *s, struct drm_plane *plane,
			      struct helix_plane_guard *guard)
{
	guard->scanout = s;
	guard->real = plane->helper_private;
	guard->funcs = *guard->real;
	guard->funcs.atomic_check = helix_plane_check;
	plane->helper_private = &guard->funcs;
}

static void helix_guard_swap(struct helix_scanout *s)
{
	helix_guard_plane(s, s->primary, &s->primary_guard);
	if (s->cursor)
		helix_guard_plane(s, s->cursor, &s->cursor_guard);

	s->crtc_guard.scanout = s;
	s->crtc_guard.real = s->crtc->helper_private;
	s->crtc_guard.funcs = *s->crtc_guard.real;
	s->crtc_guard.funcs.atomic_check = helix_crtc_check;
	s->crtc->helper_private = &s->crtc_guard.funcs;
	s->guarded = true;
}

static void helix_unguard_swap(struct helix_scanout *s)
{
	s->primary->helper_private = s->primary_guard.real;
	if (s->cursor)
		s->cursor->helper_private = s->cursor_guard.real;
	s->crtc->helper_private = s->crtc_guard.real;
	s->guarded = false;
}

int helix_guard_planes(struct helix_scanout *s)
{
	/* Left by a BIND that could not take it back: in front of itself it would not end. */
	if (s->primary->helper_private->atomic_check == helix_plane_check)
		return -EBUSY;
	return helix_with_helpers(s, helix_guard_swap, true);
}

/* As helix_guard_planes(), for those who have to go on after a signal. */
int helix_reguard_planes(struct helix_scanout *s)
{
	return s->guarded ? 0 : helix_with_helpers(s, helix_guard_swap, false);
}

int helix_unguard_planes(struct helix_scanout *s, bool interruptible)
{
	return s->guarded ? helix_with_helpers(s, helix_unguard_swap, interruptible) : 0;
}
