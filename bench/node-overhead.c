// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guard costs a tenant: page flips and cheap ioctls on the node of
 * scanout 1, against a plain DRM lease of output 0, which the module leaves to
 * the console, in turns of a few. What is left of other differences between the
 * two outputs, and of chance, shows in the rows called plain_: the same with
 * plain leases on both, while the card is not bound.
 *
 * For a guest without the control device, whose outputs stay connected.
 */
#include "bench.h"

#define FLIPS_PER_TURN	5
#define CALLS_PER_TURN	50

static struct series flips[2], get_cap[2], get_props[2];

struct tenant {
	struct helix_lease_acquire acq;
	struct picture p[2];
	unsigned int shown;
	uint32_t lessee;
};

static double per_call_ns(double start, int calls)
{
	return (now_us() - start) * 1000 / calls;
}

static void measure_flips(struct tenant *t, struct series *s)
{
	double start = now_us();
	char buf[256];

	for (int i = 0; i < FLIPS_PER_TURN; i++) {
		t->shown ^= 1;
		must(!drmModePageFlip(t->acq.lease_fd, t->acq.crtc_id, t->p[t->shown].fb,
				      DRM_MODE_PAGE_FLIP_EVENT, NULL), "drmModePageFlip");
		must(read(t->acq.lease_fd, buf, sizeof(buf)) > 0, "the event of a flip");
	}
	series_add(s, FLIPS_PER_TURN / (now_us() - start) * 1e6);
}

static void measure_get_cap(struct tenant *t, struct series *s)
{
	struct drm_get_cap cap = { .capability = DRM_CAP_DUMB_BUFFER };
	double start = now_us();

	for (int i = 0; i < CALLS_PER_TURN; i++)
		must(!ioctl(t->acq.lease_fd, DRM_IOCTL_GET_CAP, &cap), "GET_CAP");
	series_add(s, per_call_ns(start, CALLS_PER_TURN));
}

static void measure_get_props(struct tenant *t, struct series *s)
{
	uint32_t ids[64];
	uint64_t values[64];
	double start = now_us();

	for (int i = 0; i < CALLS_PER_TURN; i++) {
		struct drm_mode_obj_get_properties props = {
			.props_ptr = (uintptr_t)ids,
			.prop_values_ptr = (uintptr_t)values,
			.count_props = 64,
			.obj_id = t->acq.crtc_id,
			.obj_type = DRM_MODE_OBJECT_CRTC,
		};

		must(!ioctl(t->acq.lease_fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &props),
		     "OBJ_GETPROPERTIES");
	}
	series_add(s, per_call_ns(start, CALLS_PER_TURN));
}

/* Both show the same mode, whatever else their connectors offer. */
static void find_mode(struct tenant *t, drmModeModeInfo *mode)
{
	drmModeConnector *connector = drmModeGetConnector(t->acq.lease_fd, t->acq.connector_id);
	int found = 0;

	must(!!connector, "drmModeGetConnector");
	for (int i = 0; i < connector->count_modes && !found; i++) {
		*mode = connector->modes[i];
		found = mode->hdisplay == 1024 && mode->vdisplay == 768;
	}
	drmModeFreeConnector(connector);
	errno = ENOENT;
	must(found, "a mode of 1024x768");
}

static void show(struct tenant *t)
{
	drmModeModeInfo mode;
	int fd = t->acq.lease_fd;

	must(!drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), "universal planes");
	find_mode(t, &mode);
	for (int i = 0; i < 2; i++) {
		errno = -picture_create(fd, 1024, 768, DRM_FORMAT_XRGB8888, &t->p[i]);
		must(!errno, "a picture");
	}
	t->shown = 0;
	errno = -tenant_set_crtc(fd, &t->acq, t->p[0].fb, &mode);
	must(!errno, "showing a picture");
}

static void plain_begin(struct tenant *t, int card)
{
	t->lessee = plain_acquire(card, &t->acq);
	show(t);
}

static void plain_end(struct tenant *t, int card)
{
	must(!drmModeRevokeLease(card, t->lessee), "drmModeRevokeLease");
	close(t->acq.lease_fd);
	must(!drmModeSetCrtc(card, t->acq.crtc_id, 0, 0, 0, NULL, 0, NULL), "turning a CRTC off");
}

/* The objects of output 0, which QUERY does not know. virtio-gpu pairs them by index. */
static void find_output_0(int card, struct helix_lease_acquire *acq)
{
	drmModeRes *res = drmModeGetResources(card);
	drmModePlaneRes *planes = drmModeGetPlaneResources(card);

	must(res && planes && res->count_crtcs && res->count_connectors, "the card's objects");
	acq->connector_id = res->connectors[0];
	acq->crtc_id = res->crtcs[0];
	acq->primary_plane_id = 0;
	acq->cursor_plane_id = 0;
	for (uint32_t i = 0; i < planes->count_planes && !acq->primary_plane_id; i++) {
		drmModePlane *plane = drmModeGetPlane(card, planes->planes[i]);

		if (plane && plane->possible_crtcs == 1)
			acq->primary_plane_id = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
}

static void by_turns(struct tenant *ours, struct tenant *base, int rounds, const char *kind)
{
	struct tenant *t[2] = { ours, base };
	char name[64];
	int i, which;

	for (i = 0; i < 2; i++)
		flips[i].n = get_cap[i].n = get_props[i].n = 0;
	for (i = 0; i < 2 * rounds; i++) {
		/* ours, base, base, ours: neither is always the later one. */
		which = (i ^ i >> 1) & 1;
		measure_flips(t[which], &flips[which]);
		measure_get_cap(t[which], &get_cap[which]);
		measure_get_props(t[which], &get_props[which]);
	}
	snprintf(name, sizeof(name), "%s_page_flips", kind);
	report_pairs(name, "1/s", &flips[0], &flips[1]);
	snprintf(name, sizeof(name), "%s_get_cap", kind);
	report_pairs(name, "ns", &get_cap[0], &get_cap[1]);
	snprintf(name, sizeof(name), "%s_obj_getproperties", kind);
	report_pairs(name, "ns", &get_props[0], &get_props[1]);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1000;
	struct tenant ours = {}, base = {};
	struct helix_lease_bind bind;
	int card, control;

	control = helix_open_control();
	must(control >= 0, "opening " CONTROL_NODE);
	card = open_card();
	find_output_0(card, &base.acq);

	bind_card(control, card, &bind);
	acquire(control, 1, &ours.acq);
	show(&ours);
	plain_begin(&base, card);
	by_turns(&ours, &base, rounds, "node");
	plain_end(&base, card);
	helix_close_lease(&ours.acq);
	unbind(control);

	plain_begin(&ours, card);
	plain_begin(&base, card);
	by_turns(&ours, &base, rounds, "plain");
	plain_end(&base, card);
	plain_end(&ours, card);
	return 0;
}
