/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs that measure in a guest share: series of times, the line of
 * JSON they print, and a tenant on a plain DRM lease next to one on a node.
 *
 * What is compared is measured by turns, so that whatever else the machine does
 * falls on both.
 */
#ifndef HELIX_BENCH_H
#define HELIX_BENCH_H

#include "helix_test.h"

#define SERIES_MAX	4000

struct series {
	double at[SERIES_MAX];
	int n;
};

static inline double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static inline void series_add(struct series *s, double value)
{
	if (s->n < SERIES_MAX)
		s->at[s->n++] = value;
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double percentile(const struct series *s, int p)
{
	struct series sorted = *s;

	qsort(sorted.at, sorted.n, sizeof(sorted.at[0]), by_value);
	return sorted.n ? sorted.at[(sorted.n - 1) * p / 100] : 0;
}

/* @ratio: of pairs, where the series are such; 0 for that of the values. */
static inline void report(const char *name, double value, const char *unit,
			  double baseline, double ratio, int rounds)
{
	printf("{\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"baseline\":%.2f,\"ratio\":%.4f,\"rounds\":%d}\n",
	       name, value, unit, baseline, ratio ? ratio : value / baseline, rounds);
	fflush(stdout);
}

/* The 50th and 99th percentile of @ours over those of @base. */
static inline void report_latency(const char *name, const struct series *ours,
				  const struct series *base)
{
	static const int ps[] = { 50, 99 };
	char row[96];

	for (unsigned int i = 0; i < sizeof(ps) / sizeof(ps[0]); i++) {
		snprintf(row, sizeof(row), "%s_p%d", name, ps[i]);
		report(row, percentile(ours, ps[i]), "us", percentile(base, ps[i]), 0, ours->n);
	}
}

/* The medians, and the median of the ratios of each round's pair. */
static inline void report_pairs(const char *name, const char *unit, const struct series *ours,
				const struct series *base)
{
	static struct series ratios;

	ratios.n = 0;
	for (int i = 0; i < ours->n && i < base->n; i++)
		series_add(&ratios, ours->at[i] / base->at[i]);
	report(name, percentile(ours, 50), unit, percentile(base, 50), percentile(&ratios, 50),
	       ratios.n);
}

/* Ends the program: a benchmark goes on after nothing. */
static inline void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int open_card(void)
{
	int fd = open(CARD, O_RDWR | O_CLOEXEC);

	must(fd >= 0, "opening the card");
	must(!drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), "universal planes");
	return fd;
}

static inline void bind_card(int control, int card, struct helix_lease_bind *bind)
{
	int ret = helix_bind_fd(control, card, bind);

	errno = -ret;
	must(!ret, "HELIX_LEASE_BIND");
	errno = -helix_wait_all_free(control);
	must(!errno, "waiting for every scanout to be free");
}

static inline void unbind(int control)
{
	errno = -helix_wait_all_free(control);
	must(!errno, "waiting for every scanout to be free");
	errno = -helix_unbind(control);
	must(!errno, "HELIX_LEASE_UNBIND");
}

static inline void acquire(int control, uint32_t scanout, struct helix_lease_acquire *acq)
{
	errno = -helix_acquire(control, scanout, acq);
	must(!errno, "HELIX_LEASE_ACQUIRE");
}

/*
 * What ACQUIRE does, with a plain DRM lease of the same objects, which are in
 * @acq already. Returns the lessee's id; its file is @acq's lease_fd.
 */
static inline uint32_t plain_acquire(int card, struct helix_lease_acquire *acq)
{
	uint32_t ids[4] = { acq->connector_id, acq->crtc_id, acq->primary_plane_id,
			    acq->cursor_plane_id };
	uint32_t lessee = 0;

	acq->handle_fd = -1;
	acq->lease_fd = drmModeCreateLease(card, ids, ids[3] ? 4 : 3, O_CLOEXEC, &lessee);
	must(acq->lease_fd >= 0, "drmModeCreateLease");
	return lessee;
}

#endif /* HELIX_BENCH_H */
