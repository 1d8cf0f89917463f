/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doctor in two halves: doctor_look() takes down what there is, and decides nothing;
 * doctor_judge() says what is wrong with it, and looks at nothing.
 */
#ifndef HELIXCTL_DOCTOR_H
#define HELIXCTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd.h"

#define DOCTOR_TEXT	512

/* A device node: what is there, and who may open it. */
struct node {
	bool there;
	bool device;		/* a character device */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned int major, minor;
};

/**
 * struct facts - what there is
 * @kernel: release of the running one
 * @module_loaded: helix_lease is
 * @module_built: there is a helix_lease.ko for this kernel
 * @module_host: its parameter "host" is not N
 * @gpus: virtio-gpus that the driver has
 * @control: helix-control functions on the PCI bus
 * @master: who is DRM master of a card that is no GPU of the module, and may be shown; or ""
 * @udev: udevd runs here
 * @udev_rules: and has the module's rules
 * @node: the control node
 * @broker: 0 or -errno of asking it, @broker_err the words
 * @module: likewise of the module, which is asked where the broker does not answer
 * @info: what one of them told, if one did
 * @list: likewise, of @n scanouts; owned
 * @nodes: their nodes; owned
 * @faults: what helix-leased could not do about their input after a lease, or ""; owned
 */
struct facts {
	char kernel[128];
	bool module_loaded;
	bool module_built;
	bool module_host;
	unsigned int gpus;
	unsigned int control;
	char master[128];
	bool udev;
	bool udev_rules;
	struct node node;
	int broker, module;
	struct hl_error broker_err, module_err;
	struct hl_info info;
	struct hl_scanout *list;
	struct node *nodes;
	char (*faults)[DOCTOR_TEXT / 2];
	size_t n;
};

void doctor_look(const struct context *ctx, const char *root, struct facts *facts);
void facts_free(struct facts *facts);

/* Has anybody told what the module does? */
bool facts_answered(const struct facts *facts);

/* Did nobody because we may not ask, so that nothing can be said of it? */
bool facts_refused(const struct facts *facts);

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

/**
 * struct finding - something that is wrong
 * @id: a word for programs, which does not change
 * @severity: whether desktops suffer, or may
 * @scanout: which; 0 if it is not about one
 * @what: is wrong
 * @remedy: what to do
 */
struct finding {
	const char *id;
	enum severity severity;
	uint32_t scanout;
	char what[DOCTOR_TEXT];
	char remedy[DOCTOR_TEXT];
};

struct findings {
	struct finding *list;
	size_t n;
	bool lost;		/* out of memory: there are more */
};

/* In the order in which they want to be dealt with. To be given to findings_free(). */
void doctor_judge(const struct facts *facts, struct findings *out);
void findings_free(struct findings *findings);

#endif
