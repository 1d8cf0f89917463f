/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signed tokens: JSON Web Tokens (RFC 7519) with HMAC-SHA256 and nothing else,
 * and what is remembered of them: issued, used up, revoked.
 */
#ifndef HELIX_TOKEN_H
#define HELIX_TOKEN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "grant.h"

#define TOKEN_MAX	1024	/* bytes of a token's text, with its NUL */
#define TOKEN_KEY_MIN	32	/* bytes of the key */
#define TOKEN_TTL_MAX	(366 * 24 * 3600)	/* seconds that one is good for */
/*
 * Remembered at a time. Those that are neither used nor revoked make room for
 * others, first those of the machine that has most. Of the rest no machine has more
 * than it leaves for all others: one has half, two have a third each, and there is
 * always room for one that had none. Tokens for all machines ("*") have what is left.
 */
#define TOKENS_MAX	4096
#define TOKENS_NO_ROOM \
	"no more tokens for these desktops can be remembered as used or revoked"

struct tokens;

enum token_verdict {
	TOKEN_OK,
	TOKEN_MALFORMED,	/* no token, or not one of this server's shape */
	TOKEN_SIGNATURE,	/* by another key or algorithm */
	TOKEN_EXPIRED,
	TOKEN_NOT_YET,
	TOKEN_REVOKED,
	TOKEN_USED,		/* was for one use */
	TOKEN_NO_ROOM,		/* good, but there is none to remember that it is used */
};

/*
 * @key_file: 32 to 4096 bytes, all of them the key, readable by its owner and at
 * most its group. @state_dir: where to remember, NULL for one that only issues
 * and remembers nothing. NULL with @error, freed by the caller, if it cannot.
 */
struct tokens *tokens_new(const char *key_file, const char *state_dir,
			  char **error);
void tokens_free(struct tokens *tokens);
/* Reads the key again; the former one goes on if that fails. */
bool tokens_reload(struct tokens *tokens, char **error);

/*
 * What is issued, used up or revoked is to be on the disk before anybody is told
 * so. A thread writes it there, for a disk may take long, and nobody else's desktop
 * waits for that. Each such change is a note, counted from 1; without a @state_dir
 * there are none.
 */
enum token_noted {
	TOKEN_NOTED,
	TOKEN_NOTING,		/* not yet */
	TOKEN_NOT_NOTED,	/* the disk did not take it: what was used up is not */
};

/* The last note, 0: there was none. */
uint64_t tokens_note(const struct tokens *tokens);
/* What became of a note; to be asked each time that @told, below, is called. */
enum token_noted tokens_noted(const struct tokens *tokens, uint64_t note);
/* @told is called in the main loop when something became of one; NULL: nobody is. */
void tokens_tell(struct tokens *tokens, void (*told)(void *data), void *data);

/*
 * A new token for @grant, whose id is made here and written to it. Freed by the
 * caller; NULL with @error if the grant cannot be given. Makes a note.
 */
char *tokens_issue(struct tokens *tokens, struct grant *grant, bool once,
		   char **error);

/*
 * An ordinary token with the grant, and the id, of one for one use that was just
 * used up: whoever came first keeps what the link was for.
 */
char *tokens_claim(struct tokens *tokens, const struct grant *grant);
/* Whether the token of this id was for one use. */
bool tokens_once(const struct tokens *tokens, const char *id);

/* Judges @text. TOKEN_OK fills @grant, and uses up a token for one use: a note. */
enum token_verdict tokens_check(struct tokens *tokens, const char *text,
				struct grant *grant);
/* The same, but uses up none. */
enum token_verdict tokens_peek(struct tokens *tokens, const char *text,
			       struct grant *grant);

/*
 * Whether what tokens_check() gave is good still: TOKEN_OK, or what ended it
 * meanwhile: TOKEN_SIGNATURE (the key was replaced), TOKEN_EXPIRED, TOKEN_REVOKED.
 */
enum token_verdict tokens_check_again(const struct tokens *tokens,
				      const struct grant *grant);

/* Whether a token can have this id. */
bool token_id_valid(const char *id);
/*
 * Makes a note; what the disk does not take is revoked for as long as this process
 * runs. @by who has all machines is held to no share of one. False with @error: no
 * such id can be, or too many are remembered.
 */
bool tokens_revoke(struct tokens *tokens, const char *id,
		   const struct grant *by, char **error);
bool tokens_revoked(const struct tokens *tokens, const char *id);

/* Counts up with each new key: what the former one signed is void then. */
unsigned int tokens_keys(const struct tokens *tokens);

/* What is remembered, in no order. */
struct token_info {
	struct grant grant;
	bool once, used, revoked;
	uint64_t note;		/* that it was used */
};

void tokens_each(const struct tokens *tokens,
		 void (*each)(void *data, const struct token_info *info),
		 void *data);

#endif
