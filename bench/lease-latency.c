// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a scanout takes to be granted and to be given back.
 *
 * Runs in a guest, as root, before anybody has bound the card. The baseline of
 * the same run is the kernel's own DRM lease of the same kind of objects on the
 * same card: a lease alone, with no output enabled on the host, no hotplug, and
 * nothing blanked or waited for at the end.
 *
 * Prints one JSON object per line: name, value, unit, and baseline and ratio.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include <linux/helix_lease.h>

#define ROUNDS_MAX 1000

struct series {
	double us[ROUNDS_MAX];
	int n;
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(struct series *s, int p)
{
	qsort(s->us, s->n, sizeof(s->us[0]), by_value);
	return s->us[(s->n - 1) * p / 100];
}

static void report(const char *what, struct series *ours, struct series *plain)
{
	static const int ps[] = { 50, 95 };

	for (unsigned int i = 0; i < sizeof(ps) / sizeof(ps[0]); i++) {
		double value = percentile(ours, ps[i]);
		double baseline = percentile(plain, ps[i]);

		printf("{\"name\":\"%s_p%d\",\"value\":%.1f,\"unit\":\"us\",\"baseline\":%.1f,\"ratio\":%.3f,\"rounds\":%d}\n",
		       what, ps[i], value, baseline, value / baseline, ours->n);
	}
}

static int fail(const char *what)
{
	fprintf(stderr, "lease-latency: %s: %s\n", what, strerror(errno));
	return 1;
}

/* The last CRTC, its connector and its primary plane; virtio-gpu pairs them by index. */
static int pick_objects(int fd, uint32_t ids[3])
{
	drmModeRes *res = drmModeGetResources(fd);
	drmModePlaneRes *planes;
	int last, found = 0;

	if (!res || !res->count_crtcs || res->count_connectors != res->count_crtcs)
		return -1;
	last = res->count_crtcs - 1;
	ids[0] = res->connectors[last];
	ids[1] = res->crtcs[last];

	planes = drmModeGetPlaneResources(fd);
	for (uint32_t i = 0; planes && i < planes->count_planes && !found; i++) {
		drmModePlane *plane = drmModeGetPlane(fd, planes->planes[i]);

		if (plane && plane->possible_crtcs == 1u << last) {
			ids[2] = plane->plane_id;
			found = 1;
		}
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	drmModeFreeResources(res);
	return found ? 0 : -1;
}

static int plain_leases(int fd, int rounds, struct series *grant, struct series *revoke)
{
	uint32_t ids[3];

	if (drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) || pick_objects(fd, ids))
		return fail("finding objects for a plain lease");

	for (int i = 0; i < rounds; i++) {
		double start = now_us();
		uint32_t lessee;
		int lease = drmModeCreateLease(fd, ids, 3, O_CLOEXEC, &lessee);

		if (lease < 0)
			return fail("drmModeCreateLease");
		grant->us[grant->n++] = now_us() - start;

		start = now_us();
		if (drmModeRevokeLease(fd, lessee))
			return fail("drmModeRevokeLease");
		close(lease);
		revoke->us[revoke->n++] = now_us() - start;
	}
	return 0;
}

static int helix_leases(int fd, int rounds, struct series *grant, struct series *revoke)
{
	for (int i = 0; i < rounds; i++) {
		struct helix_lease_acquire acquire = {
			.size = sizeof(acquire), .width = 1280, .height = 720,
			.handle_fd = -1, .lease_fd = -1, .label = "bench",
		};
		struct helix_lease_revoke end = { .size = sizeof(end) };
		double start = now_us();

		if (ioctl(fd, HELIX_LEASE_ACQUIRE, &acquire))
			return fail("HELIX_LEASE_ACQUIRE");
		grant->us[grant->n++] = now_us() - start;

		end.scanout = acquire.scanout;
		end.generation = acquire.generation;
		start = now_us();
		if (ioctl(fd, HELIX_LEASE_REVOKE, &end))
			return fail("HELIX_LEASE_REVOKE");
		revoke->us[revoke->n++] = now_us() - start;

		close(acquire.handle_fd);
		close(acquire.lease_fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct series grant, revoke, plain_grant, plain_revoke;
	struct helix_lease_bind bind = { .size = sizeof(bind) };
	int rounds = argc > 1 ? atoi(argv[1]) : 50;
	int card, control;

	if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: lease-latency [ROUNDS, 1 to %d]\n", ROUNDS_MAX);
		return 2;
	}

	card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (card < 0)
		return fail("opening /dev/dri/card0");
	control = open("/dev/helix/lease", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return fail("opening /dev/helix/lease");

	if (plain_leases(card, rounds, &plain_grant, &plain_revoke))
		return 1;

	bind.drm_fd = card;
	if (ioctl(control, HELIX_LEASE_BIND, &bind))
		return fail("HELIX_LEASE_BIND");
	if (helix_leases(control, rounds, &grant, &revoke))
		return 1;

	report("grant", &grant, &plain_grant);
	report("revoke", &revoke, &plain_revoke);
	return 0;
}
