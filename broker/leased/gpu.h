/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hands the DRM master of every virtio-gpu to the module, once; afterwards the
 * module keeps it, and a broker that starts again finds it bound.
 */
#ifndef HELIX_GPU_H
#define HELIX_GPU_H

#include <stdbool.h>
#include <stdint.h>

#include "module.h"

/* Tries until @deadline_ms (CLOCK_MONOTONIC). @card: only this node, NULL for all there are. */
int gpu_bind(struct module *mod, const char *card, int64_t deadline_ms, struct hl_error *err);

int64_t gpu_now_ms(void);

/* Sleeps a little longer at each call; false once @deadline_ms is past. */
bool gpu_backoff(unsigned int *delay_ms, int64_t deadline_ms);

#endif
