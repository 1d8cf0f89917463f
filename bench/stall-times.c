// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a tenant waits in each of its calls while another one sits in a
 * blocking commit whose fence is pending for two seconds, and a third one asks
 * for properties over and over, as every compositor does when it starts: on
 * scanout nodes, and on plain DRM leases of the same objects, which is what a
 * stock kernel has.
 *
 * For a guest without the control device, whose outputs stay connected. A call
 * on a node may fail with the errno that Documentation/locking.rst has for it;
 * that is printed, and its time counts.
 */
#include "bench.h"
#include "vgem.h"

#define STALL_MS	2000
#define SETTLE_MS	300

struct tenant {
	struct helix_lease_acquire acq;
	struct picture p[2];
	drmModeModeInfo mode;
	uint32_t lessee;
};

static int control, card, vgem;
static struct tenant acting, stuck, asking;

static int act_flip(struct tenant *t)
{
	return drmModePageFlip(t->acq.lease_fd, t->acq.crtc_id, t->p[1].fb, 0, NULL) ? -errno : 0;
}

static int act_setcrtc(struct tenant *t)
{
	return tenant_set_crtc(t->acq.lease_fd, &t->acq, t->p[1].fb, &t->mode);
}

static int act_setplane(struct tenant *t)
{
	return drmModeSetPlane(t->acq.lease_fd, t->acq.primary_plane_id, t->acq.crtc_id, t->p[1].fb, 0,
			       0, 0, t->mode.hdisplay, t->mode.vdisplay, 0, 0,
			       t->mode.hdisplay << 16, t->mode.vdisplay << 16) ? -errno : 0;
}

static int act_getproperties(struct tenant *t)
{
	drmModeObjectProperties *props =
		drmModeObjectGetProperties(t->acq.lease_fd, t->acq.crtc_id, DRM_MODE_OBJECT_CRTC);
	int ret = props ? 0 : -errno;

	drmModeFreeObjectProperties(props);
	return ret;
}

static int act_getconnector(struct tenant *t)
{
	drmModeConnector *connector = drmModeGetConnector(t->acq.lease_fd, t->acq.connector_id);
	int ret = connector ? 0 : -errno;

	drmModeFreeConnector(connector);
	return ret;
}

static int act_rmfb(struct tenant *t)
{
	return drmModeRmFB(t->acq.lease_fd, t->p[0].fb) ? -errno : 0;
}

static int act_close(struct tenant *t)
{
	int fd = t->acq.lease_fd;

	t->acq.lease_fd = -1;
	return close(fd) ? -errno : 0;
}

static const struct {
	const char *name;
	int (*act)(struct tenant *t);
} actions[] = {
	{ "page_flip", act_flip },
	{ "setcrtc", act_setcrtc },
	{ "setplane", act_setplane },
	{ "obj_getproperties", act_getproperties },
	{ "getconnector_probing", act_getconnector },
	{ "rmfb_shown", act_rmfb },
	{ "close_shown", act_close },
};

static void tenant_begin(struct tenant *t, uint32_t scanout, bool plain)
{
	int fd;

	if (plain)
		t->lessee = plain_acquire(card, &t->acq);
	else
		acquire(control, scanout, &t->acq);
	fd = t->acq.lease_fd;
	must(!drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), "the atomic capability");
	errno = -tenant_show(fd, &t->acq, &t->p[0], &t->mode);
	must(!errno, "showing a picture");
	errno = -picture_create(fd, t->mode.hdisplay, t->mode.vdisplay, DRM_FORMAT_XRGB8888, &t->p[1]);
	must(!errno, "a second picture");
}

static void tenant_end(struct tenant *t, bool plain)
{
	if (plain) {
		/* Closed is revoked. */
		must(t->acq.lease_fd < 0 || !drmModeRevokeLease(card, t->lessee), "drmModeRevokeLease");
		must(!drmModeSetCrtc(card, t->acq.crtc_id, 0, 0, 0, NULL, 0, NULL),
		     "turning a CRTC off");
	} else {
		close(t->acq.handle_fd);
	}
	if (t->acq.lease_fd >= 0)
		close(t->acq.lease_fd);
}

/* A process that has nothing of the tenant which acts: his close is to be the last. */
static pid_t fork_without(struct tenant *t)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid)
		close(t->acq.lease_fd);
	return pid;
}

/* The blocking commit of @t, in a process of its own. */
static pid_t stall(struct tenant *t, int sync_file)
{
	pid_t pid = fork_without(&acting);

	if (!pid)
		_exit(flip_after(t->acq.lease_fd, t->acq.primary_plane_id, t->p[1].fb, sync_file, 0) ? 1 : 0);
	return pid;
}

/* Signals when the time is over, whatever the others do. */
static pid_t signal_later(uint32_t fence)
{
	pid_t pid = fork_without(&acting);

	if (!pid) {
		helix_sleep_ms(STALL_MS);
		_exit(vgem_signal(vgem, fence) ? 1 : 0);
	}
	return pid;
}

static pid_t ask_on_and_on(struct tenant *t)
{
	pid_t pid = fork_without(&acting);

	while (!pid)
		act_getproperties(t);
	return pid;
}

/* How long an action of one tenant took next to the two others, in ms. */
static double next_to_stall(bool plain, unsigned int i)
{
	int sync_file, status, ret;
	pid_t commit, asker, later;
	uint32_t fence = 0;
	double start, took;

	tenant_begin(&acting, 1, plain);
	tenant_begin(&stuck, 2, plain);
	tenant_begin(&asking, 3, plain);
	sync_file = vgem_fence(vgem, &fence);
	errno = sync_file < 0 ? -sync_file : 0;
	must(!errno, "a fence of vgem");

	commit = stall(&stuck, sync_file);
	later = signal_later(fence);
	helix_sleep_ms(SETTLE_MS);
	must(!waitpid(commit, &status, WNOHANG), "the blocking commit, which should wait for its fence,");
	asker = ask_on_and_on(&asking);
	helix_sleep_ms(SETTLE_MS);

	start = now_us();
	ret = actions[i].act(&acting);
	took = (now_us() - start) / 1000;
	if (ret)
		printf("# %s on a %s next to a stall: %s\n", actions[i].name,
		       plain ? "plain lease" : "node", strerror(-ret));

	must(waitpid(commit, &status, 0) == commit, "waiting for the blocking commit");
	must(waitpid(later, &status, 0) == later && !status, "signalling the fence");
	kill(asker, SIGKILL);
	must(waitpid(asker, &status, 0) == asker, "waiting for the third tenant");
	close(sync_file);
	tenant_end(&acting, plain);
	tenant_end(&stuck, plain);
	tenant_end(&asking, plain);
	return took;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 3, r;
	static struct series took[2];
	struct helix_lease_bind bind;
	char name[64];
	unsigned int i;

	control = helix_open_control();
	must(control >= 0, "opening " CONTROL_NODE);
	card = open_card();
	vgem = open_vgem();
	must(vgem >= 0, "opening vgem");

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		took[0].n = took[1].n = 0;
		for (r = 0; r < rounds; r++) {
			bind_card(control, card, &bind);
			series_add(&took[0], next_to_stall(false, i));
			unbind(control);
			series_add(&took[1], next_to_stall(true, i));
		}
		snprintf(name, sizeof(name), "stall_%s", actions[i].name);
		report(name, percentile(&took[0], 50), "ms", percentile(&took[1], 50), 0, rounds);
	}
	return 0;
}
