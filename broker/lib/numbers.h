/* SPDX-License-Identifier: MIT */
/* Numbers that people write: all of the text, in range, or an error that says which. */
#ifndef HL_NUMBERS_H
#define HL_NUMBERS_H

#include "helix-lease-client.h"

/* @what names the value in the message: "--scanout". */
int hl_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
		 struct hl_error *err);
int hl_parse_u32(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		 struct hl_error *err);

/* Up to three decimals, as thousandths: "59.94" is 59940. */
int hl_parse_milli(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		   struct hl_error *err);

/* "1280x720" */
int hl_parse_size(const char *what, const char *text, uint32_t *width, uint32_t *height,
		  struct hl_error *err);

#endif
