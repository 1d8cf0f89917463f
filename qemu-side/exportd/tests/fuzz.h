/* SPDX-License-Identifier: GPL-2.0-only */
/* What the libFuzzer targets share: input as numbers, and what must hold. */
#ifndef HELIX_FUZZ_H
#define HELIX_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void expect(int holds)
{
	if (!holds)
		abort();
}

struct fuzz {
	const uint8_t *data;
	size_t size;
};

/* Fills @out; with zeros where the input is at its end. */
static inline void fuzz_take(struct fuzz *fuzz, void *out, size_t len)
{
	size_t have = len < fuzz->size ? len : fuzz->size;

	memset(out, 0, len);
	if (have)
		memcpy(out, fuzz->data, have);
	fuzz->data += have;
	fuzz->size -= have;
}

static inline uint8_t fuzz_byte(struct fuzz *fuzz)
{
	uint8_t value;

	fuzz_take(fuzz, &value, sizeof(value));
	return value;
}

static inline uint32_t fuzz_word(struct fuzz *fuzz)
{
	uint32_t value;

	fuzz_take(fuzz, &value, sizeof(value));
	return value;
}

/* Mostly a number that can be, for what is behind the checks; else any. */
static inline uint32_t fuzz_near(struct fuzz *fuzz, uint32_t limit)
{
	uint8_t kind = fuzz_byte(fuzz);

	return kind < 0xf0 ? fuzz_byte(fuzz) % (limit + 2) : fuzz_word(fuzz);
}

#endif
