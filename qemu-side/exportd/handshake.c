// SPDX-License-Identifier: GPL-2.0-only
/* The handshake's rules, apart from the socket that it is spoken over. */
#include "handshake.h"

#include <endian.h>
#include <string.h>

bool handshake_parse(const struct helix_ctl_msg *msg, unsigned int fds,
		     bool greeted, struct handshake *out, const char **error)
{
	memset(out, 0, sizeof(*out));
	if (le32toh(msg->magic) != HELIX_CTL_MAGIC) {
		*error = "message does not start with the magic number";
		return false;
	}
	out->version = le32toh(msg->version);
	if (out->version >> 16 != HELIX_CTL_VERSION_MAJOR) {
		*error = "device speaks another major version";
		return false;
	}
	out->type = le32toh(msg->type);
	out->generation = le32toh(msg->generation);

	switch (out->type) {
	case HELIX_CTL_MSG_HELLO:
		if (greeted) {
			*error = "second HELLO";
			return false;
		}
		if (fds != HANDSHAKE_FDS) {
			*error = "HELLO without its three descriptors";
			return false;
		}
		out->shm_size = le32toh(msg->shm_size);
		if (out->shm_size < sizeof(struct helix_ctl_shm)) {
			*error = "shared memory is too small for the rings";
			return false;
		}
		out->pool = le32toh(msg->pool);
		out->priority = le32toh(msg->priority);
		memcpy(out->vm_id, msg->vm_id, sizeof(out->vm_id));
		return true;
	case HELIX_CTL_MSG_RESET:
		if (!greeted) {
			*error = "RESET before HELLO";
			return false;
		}
		if (fds) {
			*error = "RESET with descriptors";
			return false;
		}
		return true;
	default:
		*error = "unknown message type";
		return false;
	}
}

void handshake_ack(struct helix_ctl_msg *msg, uint32_t generation)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = htole32(HELIX_CTL_MAGIC);
	msg->version = htole32(HELIX_CTL_VERSION);
	msg->type = htole32(HELIX_CTL_MSG_ACK);
	msg->generation = htole32(generation);
}
