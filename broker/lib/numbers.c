// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "codec.h"
#include "error.h"
#include "numbers.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* strtoull() would take signs, blanks and an empty text. Stops at the first other character. */
static bool take_digits(const char **text, uint64_t *out)
{
	const char *s = *text;
	uint64_t value = 0;

	if (!is_digit(*s))
		return false;
	for (; is_digit(*s); s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *s - '0', &value))
			return false;
	*text = s;
	*out = value;
	return true;
}

int hl_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
		 struct hl_error *err)
{
	const char *s = text;
	uint64_t value;

	if (!take_digits(&s, &value) || *s || value < min || value > max)
		return hl_error_set(err, EINVAL, "%s \"%s\" is not a number in %" PRIu64 "..%" PRIu64,
				    what, text, min, max);
	*out = value;
	return 0;
}

int hl_parse_u32(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		 struct hl_error *err)
{
	uint64_t value;
	int ret = hl_parse_u64(what, text, min, max, &value, err);

	if (!ret)
		*out = value;
	return ret;
}

/* The digits after the point, as thousandths. */
static bool take_fraction(const char **text, uint64_t *out)
{
	const char *s = *text;
	uint64_t value = 0;
	int n = 0;

	for (; is_digit(*s) && n < 3; s++, n++)
		value = value * 10 + (*s - '0');
	if (!n)
		return false;
	for (; n < 3; n++)
		value *= 10;
	*text = s;
	*out = value;
	return true;
}

int hl_parse_milli(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		   struct hl_error *err)
{
	const char *s = text;
	uint64_t value, fraction = 0;
	bool ok = take_digits(&s, &value) && value <= UINT32_MAX;

	if (ok && *s == '.') {
		s++;
		ok = take_fraction(&s, &fraction);
	}
	if (ok) {
		value = value * 1000 + fraction;
		ok = !*s && value >= min && value <= max;
	}
	if (!ok)
		return hl_error_set(err, EINVAL, "%s \"%s\" is not a number in %u.%03u..%u.%03u with at most three decimals",
				    what, text, min / 1000, min % 1000, max / 1000, max % 1000);
	*out = value;
	return 0;
}

int hl_parse_size(const char *what, const char *text, uint32_t *width, uint32_t *height,
		  struct hl_error *err)
{
	const char *s = text;
	uint64_t w, h;
	bool ok = take_digits(&s, &w) && *s == 'x';

	if (ok) {
		s++;
		ok = take_digits(&s, &h) && !*s;
	}
	if (!ok)
		return hl_error_set(err, EINVAL, "%s \"%s\" is not WIDTHxHEIGHT", what, text);
	if (w < 1 || w > HL_SIZE_MAX || h < 1 || h > HL_SIZE_MAX)
		return hl_error_set(err, EINVAL, "%s \"%s\" is not in 1x1..%dx%d", what, text,
				    HL_SIZE_MAX, HL_SIZE_MAX);
	*width = w;
	*height = h;
	return 0;
}
