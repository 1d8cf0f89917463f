// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <glib/gstdio.h>
#include <jwt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token.h"

#define KEY "0123456789abcdef0123456789abcdef"

static const struct grant everybody = { .role = ROLE_ADMIN, .desktop = "*" };

static char *dir, *key_file;
static struct tokens *tokens;

static void write_key(const char *key, mode_t mode)
{
	assert_true(g_file_set_contents(key_file, key, -1, NULL));
	assert_int_equal(chmod(key_file, mode), 0);
}

static struct tokens *open_tokens(void)
{
	g_autofree char *error = NULL;
	struct tokens *opened = tokens_new(key_file, dir, &error);

	if (!opened)
		fail_msg("%s", error);
	return opened;
}

/* What became of the last note. */
static enum token_noted settle(void)
{
	uint64_t note = tokens_note(tokens);

	while (tokens_noted(tokens, note) == TOKEN_NOTING)
		g_main_context_iteration(NULL, TRUE);
	return tokens_noted(tokens, note);
}

static int begin(void **state)
{
	(void)state;
	dir = g_dir_make_tmp("helix-token-XXXXXX", NULL);
	key_file = g_build_filename(dir, "key", NULL);
	write_key(KEY, 0600);
	tokens = open_tokens();
	return 0;
}

static int end(void **state)
{
	g_autofree char *records = g_build_filename(dir, "tokens.json", NULL);

	(void)state;
	settle();
	tokens_free(tokens);
	chmod(dir, 0700);
	g_unlink(records);
	g_unlink(key_file);
	g_rmdir(dir);
	g_free(key_file);
	g_free(dir);
	return 0;
}

static gint64 now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}

static char *issue(enum role role, const char *desktop, bool once,
		   struct grant *grant)
{
	g_autofree char *error = NULL;
	char *text;

	memset(grant, 0, sizeof(*grant));
	grant->role = role;
	g_strlcpy(grant->desktop, desktop, sizeof(grant->desktop));
	grant->expires = now() + 600;
	text = tokens_issue(tokens, grant, once, &error);
	if (!text)
		fail_msg("%s", error);
	return text;
}

/* A token that another program made; a claim that is NULL or 0 is left out. */
static char *forge(jwt_alg_t alg, const char *key, const char *aud,
		   const char *role, const char *sub, const char *jti,
		   long exp, long nbf)
{
	char *text, *copy;
	jwt_t *jwt;

	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key,
				     key ? (int)strlen(key) : 0), 0);
	if (aud)
		jwt_add_grant(jwt, "aud", aud);
	if (role)
		jwt_add_grant(jwt, "role", role);
	if (sub)
		jwt_add_grant(jwt, "sub", sub);
	if (jti)
		jwt_add_grant(jwt, "jti", jti);
	if (exp)
		jwt_add_grant_int(jwt, "exp", exp);
	if (nbf)
		jwt_add_grant_int(jwt, "nbf", nbf);
	text = jwt_encode_str(jwt);
	assert_non_null(text);
	copy = g_strdup(text);
	jwt_free_str(text);
	jwt_free(jwt);
	return copy;
}

static void expect(enum token_verdict verdict, const char *text)
{
	struct grant grant;

	memset(&grant, 0x55, sizeof(grant));
	assert_int_equal(tokens_check(tokens, text, &grant), verdict);
	if (verdict != TOKEN_OK)
		assert_int_equal(grant.role, ROLE_NONE);
}

static void expect_forged(enum token_verdict verdict, char *text)
{
	expect(verdict, text);
	g_free(text);
}

static void test_what_is_issued_is_good(void **state)
{
	g_autofree char *text = NULL;
	struct grant given, got;

	(void)state;
	text = issue(ROLE_CONTROL, "vm:3", false, &given);
	assert_int_equal(tokens_check(tokens, text, &got), TOKEN_OK);
	assert_int_equal(got.role, ROLE_CONTROL);
	assert_string_equal(got.desktop, "vm:3");
	assert_string_equal(got.id, given.id);
	assert_true(got.expires == given.expires);
	expect(TOKEN_OK, text);		/* as often as one likes */
}

static void test_what_another_program_signs_is_good(void **state)
{
	(void)state;
	expect_forged(TOKEN_OK, forge(JWT_ALG_HS256, KEY, "helix", "view", "*",
				      "a", now() + 60, 0));
}

static void test_other_keys_and_algorithms_are_refused(void **state)
{
	(void)state;
	expect_forged(TOKEN_SIGNATURE,
		      forge(JWT_ALG_HS256, KEY "x", "helix", "view", "*", "a",
			    now() + 60, 0));
	expect_forged(TOKEN_SIGNATURE,
		      forge(JWT_ALG_HS512, KEY, "helix", "view", "*", "a",
			    now() + 60, 0));
	expect_forged(TOKEN_SIGNATURE,
		      forge(JWT_ALG_NONE, NULL, "helix", "view", "*", "a",
			    now() + 60, 0));
}

static void test_changed_tokens_are_refused(void **state)
{
	g_autofree char *text = NULL;
	struct grant given;
	size_t len, i;
	char was;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", false, &given);
	len = strlen(text);
	/* the last character has bits that do not count */
	for (i = 0; i + 1 < len; i++) {
		was = text[i];
		text[i] = was == 'A' ? 'B' : 'A';
		if (tokens_check(tokens, text, &given) == TOKEN_OK)
			fail_msg("taken with another character at %zu", i);
		text[i] = was;
	}
	expect(TOKEN_OK, text);
	for (i = 0; i + 1 < len; i++) {
		was = text[i];
		text[i] = '\0';
		if (tokens_check(tokens, text, &given) == TOKEN_OK)
			fail_msg("taken with only %zu characters", i);
		text[i] = was;
	}
}

static void test_nonsense_is_refused(void **state)
{
	char large[TOKEN_MAX + 1];

	(void)state;
	memset(large, 'a', sizeof(large));
	large[TOKEN_MAX] = '\0';
	expect(TOKEN_MALFORMED, NULL);
	expect(TOKEN_MALFORMED, "");
	expect(TOKEN_MALFORMED, ".");
	expect(TOKEN_MALFORMED, "..");
	expect(TOKEN_MALFORMED, "...");
	expect(TOKEN_MALFORMED, "a.b.c");
	expect(TOKEN_MALFORMED, "e30.e30.");
	expect(TOKEN_MALFORMED, large);
}

static void test_claims_are_judged(void **state)
{
	static const struct {
		const char *aud, *role, *sub, *jti;
		long exp, nbf;
		enum token_verdict verdict;
	} cases[] = {
		{ "helix", "view", "*", "a", 60, -60, TOKEN_OK },
		{ "helix", "view", "*", "a", 60, 1, TOKEN_OK },	/* clocks differ */
		{ "helix", "view", "*", "a", -1, -60, TOKEN_EXPIRED },
		{ "helix", "view", "*", "a", 60, 50, TOKEN_NOT_YET },
		{ "helix", "view", "*", "a", TOKEN_TTL_MAX + 60, -60,
		  TOKEN_MALFORMED },
		{ "helix", "view", "*", "a", 0, -60, TOKEN_MALFORMED },
		{ "other", "view", "*", "a", 60, -60, TOKEN_MALFORMED },
		{ NULL, "view", "*", "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "none", "*", "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "root", "*", "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", NULL, "*", "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", "vm", "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", NULL, "a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", "*", NULL, 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", "*", "", 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", "*", "../a", 60, -60, TOKEN_MALFORMED },
		{ "helix", "view", "*",
		  "1234567890123456789012345678901234567890", 60, -60,
		  TOKEN_MALFORMED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		expect_forged(cases[i].verdict,
			      forge(JWT_ALG_HS256, KEY, cases[i].aud,
				    cases[i].role, cases[i].sub, cases[i].jti,
				    cases[i].exp ? now() + cases[i].exp : 0,
				    now() + cases[i].nbf));
}

static void reopen(void)
{
	assert_int_equal(settle(), TOKEN_NOTED);
	tokens_free(tokens);
	tokens = open_tokens();
}

static void test_a_token_for_one_use(void **state)
{
	g_autofree char *text = NULL;
	struct grant given, got;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", true, &given);
	assert_int_equal(tokens_peek(tokens, text, &got), TOKEN_OK);
	assert_string_equal(got.id, given.id);
	expect(TOKEN_OK, text);
	expect(TOKEN_USED, text);
	assert_int_equal(tokens_peek(tokens, text, &got), TOKEN_USED);
	reopen();
	expect(TOKEN_USED, text);
}

static void test_one_that_cannot_be_noted_is_not_used(void **state)
{
	g_autofree char *text = NULL;
	g_autofree char *away = g_strconcat(dir, ".away", NULL);
	struct grant given;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", true, &given);
	settle();
	assert_int_equal(g_rename(dir, away), 0);
	expect(TOKEN_OK, text);
	expect(TOKEN_USED, text);
	assert_int_equal(settle(), TOKEN_NOT_NOTED);
	assert_int_equal(g_rename(away, dir), 0);
	expect(TOKEN_OK, text);
	reopen();
	expect(TOKEN_USED, text);
}

/* While one is written, what changes is gathered, and written then. */
static void test_notes_wait_for_the_one_before(void **state)
{
	g_autofree char *first = NULL, *second = NULL, *third = NULL;
	g_autofree char *away = g_strconcat(dir, ".away", NULL);
	struct grant given;

	(void)state;
	first = issue(ROLE_VIEW, "vm:1", true, &given);
	second = issue(ROLE_VIEW, "vm:2", true, &given);
	third = issue(ROLE_VIEW, "vm:3", true, &given);
	settle();
	expect(TOKEN_OK, first);
	settle();
	assert_int_equal(g_rename(dir, away), 0);
	expect(TOKEN_OK, second);
	expect(TOKEN_OK, third);
	assert_int_equal(settle(), TOKEN_NOT_NOTED);
	assert_int_equal(g_rename(away, dir), 0);
	expect(TOKEN_USED, first);
	expect(TOKEN_OK, second);
	expect(TOKEN_OK, third);
	reopen();
	expect(TOKEN_USED, second);
	expect(TOKEN_USED, third);
}

static void count_told(void *data)
{
	++*(unsigned int *)data;
}

static void test_who_asked_is_told(void **state)
{
	g_autofree char *text = NULL;
	unsigned int told = 0;
	struct grant given;

	(void)state;
	tokens_tell(tokens, count_told, &told);
	text = issue(ROLE_VIEW, "vm:3", true, &given);
	assert_true(tokens_note(tokens) > 0);
	assert_int_equal(told, 0);
	settle();
	assert_int_equal(told, 1);
	/* it ends while one is written: nobody is told, and nothing is lost of memory */
	expect(TOKEN_OK, text);
	tokens_free(tokens);
	while (g_main_context_iteration(NULL, FALSE))
		continue;
	tokens = open_tokens();
	assert_int_equal(told, 1);
}

static void test_revoked(void **state)
{
	g_autofree char *text = NULL, *error = NULL;
	struct grant given;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", false, &given);
	assert_false(tokens_revoked(tokens, given.id));
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	assert_true(tokens_revoked(tokens, given.id));
	expect(TOKEN_REVOKED, text);
	reopen();
	expect(TOKEN_REVOKED, text);
	assert_true(tokens_revoked(tokens, given.id));
}

static void test_a_revocation_that_is_not_on_the_disk_is_said(void **state)
{
	g_autofree char *text = NULL, *error = NULL;
	g_autofree char *away = g_strconcat(dir, ".away", NULL);
	struct grant given;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", false, &given);
	settle();
	assert_int_equal(g_rename(dir, away), 0);
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	assert_int_equal(settle(), TOKEN_NOT_NOTED);
	expect(TOKEN_REVOKED, text);
	/* nor does asking again make it so */
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	assert_int_equal(settle(), TOKEN_NOT_NOTED);
	assert_int_equal(g_rename(away, dir), 0);
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	reopen();
	expect(TOKEN_REVOKED, text);
}

static void test_revoked_before_it_was_ever_seen(void **state)
{
	g_autofree char *error = NULL;

	(void)state;
	assert_true(tokens_revoke(tokens, "elsewhere", &everybody, &error));
	expect_forged(TOKEN_REVOKED,
		      forge(JWT_ALG_HS256, KEY, "helix", "view", "*",
			    "elsewhere", now() + 60, 0));
	assert_false(tokens_revoke(tokens, "no id", &everybody, &error));
	assert_non_null(error);
}

static void count(void *data, const struct token_info *info)
{
	(void)info;
	++*(unsigned int *)data;
}

static void test_what_is_remembered_is_bounded(void **state)
{
	g_autofree char *text = NULL, *error = NULL;
	unsigned int remembered = 0;
	struct grant given;
	char id[16];
	int i;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", true, &given);
	settle();
	tokens_free(tokens);
	tokens = tokens_new(key_file, NULL, &error);	/* no disk */
	assert_non_null(tokens);
	for (i = 0; i < TOKENS_MAX; i++) {
		g_snprintf(id, sizeof(id), "t%d", i);
		assert_true(tokens_revoke(tokens, id, &everybody, &error));
	}
	assert_false(tokens_revoke(tokens, "onemore", &everybody, &error));
	assert_int_equal(tokens_note(tokens), 0);
	tokens_each(tokens, count, &remembered);
	assert_int_equal(remembered, TOKENS_MAX);
	/* what cannot be remembered as used is not good for one use */
	expect(TOKEN_NO_ROOM, text);
}

/* How many more tokens for @desktop its own administrator can revoke. */
static unsigned int revoke_all(const char *desktop)
{
	struct grant by = { .role = ROLE_ADMIN }, given;
	g_autofree char *error = NULL;
	unsigned int count = 0;

	g_strlcpy(by.desktop, desktop, sizeof(by.desktop));
	for (;;) {
		g_free(issue(ROLE_VIEW, desktop, false, &given));
		if (!tokens_revoke(tokens, given.id, &by, &error))
			break;
		count++;
	}
	assert_string_equal(error, TOKENS_NO_ROOM);
	assert_false(tokens_revoked(tokens, given.id));
	return count;
}

static void test_no_machine_has_what_others_need(void **state)
{
	g_autofree char *once = NULL, *mine = NULL, *error = NULL;
	struct grant leaked, given, wanted = { .role = ROLE_VIEW };

	(void)state;
	once = issue(ROLE_VIEW, "one:3", true, &given);
	assert_int_equal(revoke_all("one:3"), TOKENS_MAX / 2);
	assert_int_equal(revoke_all("one:4"), 0);
	assert_int_equal(revoke_all("two:1"), TOKENS_MAX / 4);
	/* neither the list nor the use of another one's is lost to that */
	mine = issue(ROLE_VIEW, "three:1", true, &leaked);
	expect(TOKEN_NO_ROOM, once);
	expect(TOKEN_OK, mine);
	expect(TOKEN_USED, mine);
	assert_true(tokens_revoke(tokens, leaked.id, &leaked, &error));
	g_strlcpy(wanted.desktop, "one:3", sizeof(wanted.desktop));
	wanted.expires = now() + 600;
	assert_null(tokens_issue(tokens, &wanted, true, &error));
	assert_string_equal(error, TOKENS_NO_ROOM);
	/* who has all may revoke what these make, and what was never seen */
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	assert_true(tokens_revoke(tokens, "elsewhere", &everybody, &error));
	expect(TOKEN_REVOKED, once);
}

static void count_two(void *data, const struct token_info *info)
{
	*(unsigned int *)data += !strcmp(info->grant.desktop, "two:1");
}

static void test_who_makes_most_loses_them_from_the_list(void **state)
{
	unsigned int two = 0, all = 0, i;
	struct grant given;

	(void)state;
	for (i = 0; i < 3; i++)
		g_free(issue(ROLE_VIEW, "two:1", false, &given));
	for (i = 0; i < TOKENS_MAX; i++)
		g_free(issue(ROLE_VIEW, "one:3", false, &given));
	tokens_each(tokens, count_two, &two);
	tokens_each(tokens, count, &all);
	assert_int_equal(two, 3);
	assert_true(all <= TOKENS_MAX);
}

static void test_expired_records_are_dropped(void **state)
{
	g_autofree char *path = g_build_filename(dir, "tokens.json", NULL);
	unsigned int remembered = 0;

	(void)state;
	assert_true(g_file_set_contents(path,
		"{\"version\":1,\"tokens\":[{\"id\":\"old\",\"desktop\":\"*\","
		"\"role\":\"view\",\"expires\":1000,\"revoked\":true}]}", -1,
		NULL));
	reopen();
	tokens_each(tokens, count, &remembered);
	assert_int_equal(remembered, 0);
}

static void test_records_that_are_broken_are_not_ignored(void **state)
{
	static const char *const broken[] = {
		"", "{", "[]", "{\"version\":1}", "{\"tokens\":[{}]}",
		"{\"tokens\":[{\"id\":\"a/b\",\"expires\":99999999999}]}",
	};
	g_autofree char *path = g_build_filename(dir, "tokens.json", NULL);
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autofree char *error = NULL;

		assert_true(g_file_set_contents(path, broken[i], -1, NULL));
		if (tokens_new(key_file, dir, &error))
			fail_msg("started with: %s", broken[i]);
		assert_non_null(strstr(error, "tokens.json"));
	}
}

static void refuse_key(void)
{
	g_autofree char *error = NULL;

	assert_null(tokens_new(key_file, NULL, &error));
	assert_non_null(strstr(error, key_file));
}

static void test_keys_that_are_not_safe(void **state)
{
	(void)state;
	write_key(KEY, 0644);
	refuse_key();
	write_key(KEY, 0620);
	refuse_key();
	write_key("short", 0600);
	refuse_key();
	g_unlink(key_file);
	refuse_key();
	write_key(KEY, 0640);	/* a group of its own is how systemd does it */
	reopen();
}

static void test_another_key(void **state)
{
	g_autofree char *text = NULL, *error = NULL;
	struct grant given;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", false, &given);
	write_key("x", 0600);
	assert_false(tokens_reload(tokens, &error));
	expect(TOKEN_OK, text);
	write_key(KEY KEY, 0600);
	g_clear_pointer(&error, g_free);
	assert_true(tokens_reload(tokens, &error));
	expect(TOKEN_SIGNATURE, text);
	write_key(KEY, 0600);
}

static void test_grants_that_cannot_be_given(void **state)
{
	struct grant bad[] = {
		{ .role = ROLE_NONE, .desktop = "*", .expires = now() + 60 },
		{ .role = ROLE_VIEW, .desktop = "x", .expires = now() + 60 },
		{ .role = ROLE_VIEW, .desktop = "*", .expires = 0 },
		{ .role = ROLE_VIEW, .desktop = "*", .expires = now() - 1 },
		{ .role = ROLE_VIEW, .desktop = "*",
		  .expires = now() + TOKEN_TTL_MAX + 60 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *error = NULL;

		assert_null(tokens_issue(tokens, &bad[i], false, &error));
		assert_non_null(error);
	}
}

static void expect_again(enum token_verdict verdict, const struct grant *grant)
{
	assert_int_equal(tokens_check_again(tokens, grant), verdict);
}

static void test_what_was_good_is_judged_again(void **state)
{
	g_autofree char *text = NULL, *error = NULL;
	struct grant given, got;

	(void)state;
	text = issue(ROLE_VIEW, "vm:3", false, &given);
	assert_int_equal(tokens_check(tokens, text, &got), TOKEN_OK);
	expect_again(TOKEN_OK, &got);
	got.expires = now() - 1;
	expect_again(TOKEN_EXPIRED, &got);
	got.expires = now() + 60;
	assert_true(tokens_revoke(tokens, given.id, &everybody, &error));
	expect_again(TOKEN_REVOKED, &got);
	/* another key, and the first one again, which may have got about meanwhile */
	write_key(KEY KEY, 0600);
	assert_true(tokens_reload(tokens, &error));
	expect_again(TOKEN_SIGNATURE, &got);
	write_key(KEY, 0600);
	assert_true(tokens_reload(tokens, &error));
	expect_again(TOKEN_SIGNATURE, &got);
}

#define token_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		token_test(test_what_is_issued_is_good),
		token_test(test_what_another_program_signs_is_good),
		token_test(test_other_keys_and_algorithms_are_refused),
		token_test(test_changed_tokens_are_refused),
		token_test(test_nonsense_is_refused),
		token_test(test_claims_are_judged),
		token_test(test_a_token_for_one_use),
		token_test(test_one_that_cannot_be_noted_is_not_used),
		token_test(test_notes_wait_for_the_one_before),
		token_test(test_who_asked_is_told),
		token_test(test_revoked),
		token_test(test_a_revocation_that_is_not_on_the_disk_is_said),
		token_test(test_revoked_before_it_was_ever_seen),
		token_test(test_what_is_remembered_is_bounded),
		token_test(test_no_machine_has_what_others_need),
		token_test(test_who_makes_most_loses_them_from_the_list),
		token_test(test_expired_records_are_dropped),
		token_test(test_records_that_are_broken_are_not_ignored),
		token_test(test_keys_that_are_not_safe),
		token_test(test_another_key),
		token_test(test_what_was_good_is_judged_again),
		token_test(test_grants_that_cannot_be_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
