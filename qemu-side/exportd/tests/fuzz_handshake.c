// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: any bytes at all on the control socket. */
#include "fuzz.h"
#include "handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };
	const char *error = NULL;
	struct helix_ctl_msg msg;
	unsigned int fds, flags;
	struct handshake hs;
	bool greeted;

	flags = fuzz_byte(&fuzz);
	fds = flags & 7;
	greeted = flags & 8;
	fuzz_take(&fuzz, &msg, sizeof(msg));
	if (flags & 0x10) {
		/* most inputs are to get past the first two members */
		msg.magic = HELIX_CTL_MAGIC;
		msg.version = HELIX_CTL_VERSION;
	}
	if (!handshake_parse(&msg, fds, greeted, &hs, &error)) {
		expect(error != NULL);
		return 0;
	}
	if (hs.type == HELIX_CTL_MSG_HELLO)
		expect(!greeted && fds == HANDSHAKE_FDS &&
		       hs.shm_size >= sizeof(struct helix_ctl_shm));
	else
		expect(hs.type == HELIX_CTL_MSG_RESET && greeted && !fds);
	handshake_ack(&msg, hs.generation);
	return 0;
}
