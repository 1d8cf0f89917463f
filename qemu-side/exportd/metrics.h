/* SPDX-License-Identifier: GPL-2.0-only */
/* What Prometheus reads: the state of everything, as text. */
#ifndef HELIX_METRICS_H
#define HELIX_METRICS_H

#include "choice.h"
#include "hub.h"
#include "vms.h"

/* The caller frees it. */
char *metrics_text(const struct hub *hub, const struct vms *vms,
		   const struct choices *choices);

#endif
