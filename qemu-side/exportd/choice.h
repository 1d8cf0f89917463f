/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The encoders to choose from, in the order in which they are preferred. Main
 * thread only, but for choices_kind() and choices_is_struck().
 */
#ifndef HELIX_CHOICE_H
#define HELIX_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "encoder.h"

#define CHOICES_MAX	16
#define CHOICE_NONE	(-1)
#define CHOICE_TRY_MS	10000	/* for a driver, at the start */

struct choices;

struct choice_info {
	const char *name;
	enum codec codec;
	bool hardware;
	bool works;		/* can be picked */
	const char *why;	/* if not; else empty */
	uint64_t failures;	/* of frames, and of being opened, since the start */
};

/*
 * Of @table, those that @options names; behind them ENCODER_KIND_LAST, if it is
 * not named. NULL: @error, to be freed, says which name is none. Both arguments
 * outlive it.
 */
struct choices *choices_new(const struct encoder_options *options,
			    const struct encoder_kind *table, char **error);
void choices_free(struct choices *choices);
/* Whether choices_new() would take it; @error as there. */
bool choices_check(const char *names, char **error);

/*
 * Has each make a frame, waits CHOICE_TRY_MS at most for one in hardware, and
 * logs what came of it; before this, all count as working. False: none of those
 * that were named works, and @error, to be freed, says why not.
 */
bool choices_try(struct choices *choices, char **error);

/*
 * The first that works, whose codec is in @codecs, and whose bit is not in
 * @without; or CHOICE_NONE.
 */
int choices_pick(const struct choices *choices, unsigned int codecs,
		 unsigned int without);
/* Whether the one for what every viewer has takes dma-bufs, as far as is known. */
bool choices_import(const struct choices *choices);
/* It failed. */
void choices_note_failure(struct choices *choices, int choice);
/* It hangs: nobody uses it again. */
void choices_strike(struct choices *choices, int choice);
/* In any thread. */
bool choices_is_struck(const struct choices *choices, int choice);
const struct encoder_kind *choices_kind(const struct choices *choices,
					int choice);

const struct encoder_options *choices_options(const struct choices *choices);
unsigned int choices_count(const struct choices *choices);
void choices_describe(const struct choices *choices, unsigned int index,
		      struct choice_info *info);

#endif
