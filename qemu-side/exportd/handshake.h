/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages between QEMU's helix-control device and its mediator, as bytes.
 * See uapi/linux/helix_control.h.
 */
#ifndef HELIX_HANDSHAKE_H
#define HELIX_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/helix_control.h>

#define HANDSHAKE_FDS	3	/* memfd, doorbell, completion: with HELLO */

/* A message in the machine's byte order. */
struct handshake {
	uint32_t type;
	uint32_t version;
	uint32_t generation;
	uint32_t shm_size;
	uint32_t pool;
	uint32_t priority;
	uint8_t vm_id[16];
};

/*
 * Reads what QEMU sent. @fds is the number of descriptors that came along,
 * @greeted whether a HELLO was seen before. False: @error says why.
 */
bool handshake_parse(const struct helix_ctl_msg *msg, unsigned int fds,
		     bool greeted, struct handshake *out, const char **error);

void handshake_ack(struct helix_ctl_msg *msg, uint32_t generation);

#endif
