// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a scanout takes to be granted and to be given back: ACQUIRE and
 * REVOKE, against the kernel's own DRM_IOCTL_MODE_CREATE_LEASE and REVOKE_LEASE
 * of the same objects on the same card; and the same next to 14 desktops that
 * draw sixty frames a second, against none that draws.
 *
 * The kernel's own lease is a lease alone: no output is enabled on the host, no
 * hotplug awaited, and nothing turned off at the end. Where the guest has no
 * control device ACQUIRE enables nothing either: those rows are called _alone.
 */
#include "bench.h"

#define FRAME_US	16667
/* With and without busy neighbours by turns of so many. */
#define PER_TURN	10

static void grant_and_revoke(int control, uint32_t scanout, struct series *grant,
			     struct series *revoke)
{
	struct helix_lease_acquire acq;
	double start = now_us();

	acquire(control, scanout, &acq);
	series_add(grant, now_us() - start);

	start = now_us();
	errno = -helix_revoke(control, acq.scanout, acq.generation);
	must(!errno, "HELIX_LEASE_REVOKE");
	series_add(revoke, now_us() - start);
	helix_close_lease(&acq);
}

static void plain_grant_and_revoke(int card, const struct helix_lease_query *q,
				   struct series *grant, struct series *revoke)
{
	struct helix_lease_acquire acq = {
		.connector_id = q->connector_id,
		.crtc_id = q->crtc_id,
		.primary_plane_id = q->primary_plane_id,
		.cursor_plane_id = q->cursor_plane_id,
	};
	double start = now_us();
	uint32_t lessee = plain_acquire(card, &acq);

	series_add(grant, now_us() - start);
	start = now_us();
	must(!drmModeRevokeLease(card, lessee), "drmModeRevokeLease");
	series_add(revoke, now_us() - start);
	close(acq.lease_fd);
}

/* A desktop that draws until it is killed. Says in @ready that it shows something. */
static void draw(int control, uint32_t scanout, int ready)
{
	struct helix_lease_acquire acq;
	struct picture p[2];
	drmModeModeInfo mode;
	double next;
	int i, ret;

	acquire(control, scanout, &acq);
	errno = -tenant_show(acq.lease_fd, &acq, &p[0], &mode);
	must(!errno, "showing a neighbour's picture");
	ret = picture_create(acq.lease_fd, p[0].width, p[0].height, DRM_FORMAT_XRGB8888, &p[1]);
	errno = -ret;
	must(!ret, "a neighbour's second picture");
	must(write(ready, "", 1) == 1, "a pipe");

	for (i = 1, next = now_us();; i ^= 1) {
		drmModePageFlip(acq.lease_fd, acq.crtc_id, p[i].fb, 0, NULL);
		next += FRAME_US;
		if (next > now_us())
			helix_sleep_ms((next - now_us()) / 1000);
		else
			next = now_us();
	}
}

static void signal_all(pid_t *pids, uint32_t n, int sig)
{
	for (uint32_t i = 0; i < n; i++)
		kill(pids[i], sig);
}

static void next_to_busy_ones(int control, uint32_t scanout, int rounds, const char *alone)
{
	static struct series grant[2], revoke[2];
	uint32_t n = scanout - 1, i;
	pid_t pids[n];
	int ready[2], busy, r;
	char name[64], c;

	must(!pipe(ready), "pipe");
	for (i = 0; i < n; i++) {
		pids[i] = fork();
		must(pids[i] >= 0, "fork");
		if (!pids[i])
			draw(control, i + 1, ready[1]);
		must(read(ready[0], &c, 1) == 1, "a neighbour");
	}
	for (r = 0; r < 2 * rounds; r++) {
		busy = r / PER_TURN & 1;
		if (r % PER_TURN == 0) {
			signal_all(pids, n, busy ? SIGCONT : SIGSTOP);
			helix_sleep_ms(100);
		}
		grant_and_revoke(control, scanout, &grant[busy], &revoke[busy]);
	}
	signal_all(pids, n, SIGKILL);
	for (i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);

	snprintf(name, sizeof(name), "grant%s_next_to_%u_busy", alone, n);
	report_latency(name, &grant[1], &grant[0]);
	snprintf(name, sizeof(name), "revoke%s_next_to_%u_busy", alone, n);
	report_latency(name, &revoke[1], &revoke[0]);
}

int main(int argc, char **argv)
{
	static struct series grant, revoke, plain_grant, plain_revoke;
	int rounds = argc > 1 ? atoi(argv[1]) : 200;
	struct helix_lease_query query;
	struct helix_lease_bind bind;
	struct helix_lease_info info;
	const char *alone;
	char name[32];
	int card, control, i;

	control = helix_open_control();
	must(control >= 0, "opening " CONTROL_NODE);
	card = open_card();
	bind_card(control, card, &bind);
	errno = -helix_info(control, &info);
	must(!errno, "HELIX_LEASE_INFO");
	alone = info.host_state == HELIX_LEASE_HOST_NONE ? "_alone" : "";
	errno = -helix_query(control, bind.nr_scanouts, &query);
	must(!errno, "HELIX_LEASE_QUERY");

	for (i = 0; i < rounds; i++) {
		plain_grant_and_revoke(card, &query, &plain_grant, &plain_revoke);
		grant_and_revoke(control, bind.nr_scanouts, &grant, &revoke);
	}
	snprintf(name, sizeof(name), "grant%s", alone);
	report_latency(name, &grant, &plain_grant);
	snprintf(name, sizeof(name), "revoke%s", alone);
	report_latency(name, &revoke, &plain_revoke);

	next_to_busy_ones(control, bind.nr_scanouts, rounds / 2, alone);
	unbind(control);
	return 0;
}
