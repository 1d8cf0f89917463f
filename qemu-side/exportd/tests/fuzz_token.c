// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: a token's text, either any, or a good one with some of its
 * bytes changed, which must not be taken.
 */
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "token.h"

static struct tokens *tokens;
static char *good;

static void prepare(void)
{
	static const char key[] = "a key of more than thirty-two bytes";
	struct grant grant = { .role = ROLE_CONTROL, .desktop = "vm:3" };
	char path[] = "/tmp/helix-fuzz-key-XXXXXX", *error = NULL;
	int fd = mkstemp(path);

	expect(fd >= 0 && write(fd, key, sizeof(key)) == (ssize_t)sizeof(key));
	close(fd);
	tokens = tokens_new(path, NULL, &error);
	if (!tokens)
		fprintf(stderr, "%s\n", error);
	unlink(path);
	grant.expires = g_get_real_time() / G_USEC_PER_SEC + 24 * 3600;
	good = tokens ? tokens_issue(tokens, &grant, false, &error) : NULL;
	if (tokens && !good)
		fprintf(stderr, "%s\n", error);
	expect(good != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };
	enum token_verdict verdict;
	struct grant grant;
	size_t at;
	char *text;

	if (!tokens)
		prepare();
	if (fuzz_byte(&fuzz) & 1) {
		text = strdup(good);
		while (fuzz.size) {
			at = fuzz_word(&fuzz) % strlen(good);
			text[at] = (char)fuzz_byte(&fuzz);
		}
	} else {
		text = malloc(fuzz.size + 1);
		memcpy(text, fuzz.data, fuzz.size);
		text[fuzz.size] = '\0';
	}
	verdict = tokens_check(tokens, text, &grant);
	expect(verdict <= TOKEN_NO_ROOM);
	expect((verdict == TOKEN_OK) == !strcmp(text, good));
	if (verdict == TOKEN_OK)
		expect(grant.role == ROLE_CONTROL &&
		       !strcmp(grant.desktop, "vm:3"));
	free(text);
	return 0;
}
