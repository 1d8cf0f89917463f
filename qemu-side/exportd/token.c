// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the key and the records of tokens. Rules: a token is judged by one
 * algorithm only, whatever it says of itself; that a token is used up or
 * revoked is on the disk before anybody is told so; a record is dropped when
 * its token would be expired anyway, so there is a bound to what is remembered.
 *
 * All records are written at a time, by a thread, one write after the other: what
 * changes meanwhile is in the next one. The thread has a copy of them.
 */
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <json-c/json.h>
#include <jwt.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "share.h"

#define TOKEN_KEY_MAX	4096
#define TOKEN_AUDIENCE	"helix"
#define TOKEN_SKEW	10		/* seconds that two hosts' clocks differ */
#define TOKEN_ID_BYTES	16
#define TOKEN_FILE_MAX	(4 << 20)

struct tokens {
	char *key_file;
	char *path;			/* of the records, NULL: none are kept */
	unsigned char key[TOKEN_KEY_MAX];
	int key_len;
	GHashTable *records;		/* id to struct token_info */
	unsigned int keys;		/* that there were */
	uint64_t note;			/* the last one */
	uint64_t noted, lost;		/* the last on the disk; not taken by it */
	struct writing *writing;	/* NULL: none is under way */
	void (*told)(void *data);
	void *told_data;
};

/* A write, which has a thread of its own. */
struct writing {
	struct tokens *tokens;		/* the main loop's; NULL: they are gone */
	GTask *task;
	char *path;
	uint64_t note;			/* the last one that is in it */
	struct token_info *records;	/* as they were when it began */
	size_t nr_records;
};

static gint64 token_now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}

bool token_id_valid(const char *id)
{
	size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len && len < GRANT_ID_LEN && !id[len];
}

/* --- the key --- */

static bool token_key_safe(int fd, const char *path, char **error)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		*error = g_strdup_printf("token key %s: %s", path,
					 g_strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		*error = g_strdup_printf("token key %s: not a file", path);
		return false;
	}
	if (st.st_mode & (S_IRWXO | S_IWGRP)) {
		*error = g_strdup_printf("token key %s: others can read or change it (mode %04o); chmod 600, or 640 with a group of this process",
					 path, st.st_mode & 07777);
		return false;
	}
	if (st.st_uid && st.st_uid != geteuid()) {
		*error = g_strdup_printf("token key %s: belongs to user %u, neither to root nor to us",
					 path, st.st_uid);
		return false;
	}
	return true;
}

static bool token_key_load(struct tokens *tokens, char **error)
{
	unsigned char key[TOKEN_KEY_MAX + 1];
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(tokens->key_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*error = g_strdup_printf("token key %s: %s", tokens->key_file,
					 g_strerror(errno));
		return false;
	}
	if (!token_key_safe(fd, tokens->key_file, error)) {
		close(fd);
		return false;
	}
	while (len < sizeof(key) &&
	       (n = read(fd, key + len, sizeof(key) - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (len < TOKEN_KEY_MIN || len > TOKEN_KEY_MAX) {
		*error = g_strdup_printf("token key %s: has to have %d to %d bytes",
					 tokens->key_file, TOKEN_KEY_MIN,
					 TOKEN_KEY_MAX);
		explicit_bzero(key, sizeof(key));
		return false;
	}
	if (tokens->key_len != (int)len || memcmp(tokens->key, key, len))
		tokens->keys++;
	memset(tokens->key, 0, sizeof(tokens->key));
	memcpy(tokens->key, key, len);
	tokens->key_len = (int)len;
	explicit_bzero(key, sizeof(key));
	return true;
}

/* --- records --- */

static gboolean token_is_old(gpointer id, gpointer value, gpointer data)
{
	const struct token_info *info = value;

	(void)id;
	return grant_expired(&info->grant, *(gint64 *)data);
}

/* To be remembered until it ends; others are only to be listed. */
static bool token_is_kept(const struct token_info *info)
{
	return info->used || info->revoked;
}

static gboolean token_is_most(gpointer id, gpointer value, gpointer data)
{
	const struct token_info *info = value;

	(void)id;
	return !token_is_kept(info) && shares_is_most(data, &info->grant);
}

/* What is remembered only to be listed makes room: of the machine that has most. */
static void tokens_make_room(struct tokens *tokens)
{
	struct shares *listed = shares_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, tokens->records);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct token_info *info = value;

		if (!token_is_kept(info))
			shares_count(listed, &info->grant);
	}
	g_hash_table_foreach_remove(tokens->records, token_is_most, listed);
	shares_free(listed);
}

static bool token_is_for_all(const struct grant *grant)
{
	return !strcmp(grant->desktop, "*");
}

/* Whether one more token of the machine of @grant may be kept; see TOKENS_MAX. */
static bool tokens_has_room(const struct tokens *tokens,
			    const struct grant *grant, const struct grant *by)
{
	struct shares *kept = shares_new();
	unsigned int left, share;
	gint64 now = token_now();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, tokens->records);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct token_info *info = value;

		if (token_is_kept(info) && !grant_expired(&info->grant, now))
			shares_count(kept, &info->grant);
	}
	left = TOKENS_MAX - MIN(shares_total(kept), TOKENS_MAX);
	share = shares_of(kept, grant);
	shares_free(kept);
	return token_is_for_all(grant) || token_is_for_all(by) ? left > 0 :
							share < left;
}

/* A record to write to, made if there is none; NULL if there are too many. */
static struct token_info *tokens_record(struct tokens *tokens,
					const struct grant *grant)
{
	struct token_info *info = g_hash_table_lookup(tokens->records, grant->id);
	gint64 now = token_now();

	if (info)
		return info;
	if (g_hash_table_size(tokens->records) >= TOKENS_MAX)
		g_hash_table_foreach_remove(tokens->records, token_is_old, &now);
	if (g_hash_table_size(tokens->records) >= TOKENS_MAX)
		tokens_make_room(tokens);
	if (g_hash_table_size(tokens->records) >= TOKENS_MAX)
		return NULL;
	info = g_new0(struct token_info, 1);
	info->grant = *grant;
	g_hash_table_insert(tokens->records, info->grant.id, info);
	return info;
}

static struct json_object *token_to_json(const struct token_info *info)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "id",
			       json_object_new_string(info->grant.id));
	json_object_object_add(root, "desktop",
			       json_object_new_string(info->grant.desktop));
	json_object_object_add(root, "role",
			json_object_new_string(role_name(info->grant.role)));
	json_object_object_add(root, "expires",
			       json_object_new_int64(info->grant.expires));
	json_object_object_add(root, "once", json_object_new_boolean(info->once));
	json_object_object_add(root, "used", json_object_new_boolean(info->used));
	json_object_object_add(root, "revoked",
			       json_object_new_boolean(info->revoked));
	return root;
}

static struct writing *writing_new(struct tokens *tokens)
{
	struct writing *writing = g_new0(struct writing, 1);
	gint64 now = token_now();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_foreach_remove(tokens->records, token_is_old, &now);
	writing->tokens = tokens;
	writing->path = g_strdup(tokens->path);
	writing->note = tokens->note;
	writing->records = g_new(struct token_info,
				 g_hash_table_size(tokens->records));
	g_hash_table_iter_init(&iter, tokens->records);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		writing->records[writing->nr_records++] =
			*(const struct token_info *)value;
	return writing;
}

static void writing_free(struct writing *writing)
{
	g_free(writing->path);
	g_free(writing->records);
	g_free(writing);
}

/* Complete or not at all, also when the machine goes down. */
static bool writing_do(const struct writing *writing, GError **failure)
{
	struct json_object *root = json_object_new_object();
	struct json_object *list = json_object_new_array();
	size_t i;
	bool ok;

	json_object_object_add(root, "version", json_object_new_int(1));
	json_object_object_add(root, "tokens", list);
	for (i = 0; i < writing->nr_records; i++)
		json_object_array_add(list, token_to_json(&writing->records[i]));
	ok = g_file_set_contents_full(writing->path,
			json_object_to_json_string_ext(root,
					JSON_C_TO_STRING_PLAIN), -1,
			G_FILE_SET_CONTENTS_CONSISTENT |
			G_FILE_SET_CONTENTS_DURABLE, 0600, failure);
	json_object_put(root);
	return ok;
}

static gpointer writing_thread(gpointer data)
{
	struct writing *writing = data;
	g_autoptr(GTask) task = writing->task;
	GError *failure = NULL;

	if (writing_do(writing, &failure))
		g_task_return_pointer(task, writing, NULL);
	else
		g_task_return_error(task, failure);
	return NULL;
}

static void tokens_written(GObject *source, GAsyncResult *result, gpointer data);

/* What is not written yet, unless a write is under way: that one's end does it. */
static void tokens_write(struct tokens *tokens)
{
	struct writing *writing;
	GError *failure = NULL;
	GThread *thread;

	if (tokens->writing || MAX(tokens->noted, tokens->lost) == tokens->note)
		return;
	writing = writing_new(tokens);
	tokens->writing = writing;
	writing->task = g_task_new(NULL, NULL, tokens_written, writing);
	thread = g_thread_try_new("tokens", writing_thread, writing, &failure);
	if (thread) {
		g_thread_unref(thread);
		return;
	}
	g_task_return_error(writing->task, failure);
	g_object_unref(writing->task);
}

/* What was used up is to be had again where nobody could be told that it was. */
static void tokens_lose(struct tokens *tokens, uint64_t note)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, tokens->records);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct token_info *info = value;

		if (info->note > tokens->noted && info->note <= note)
			info->used = false;
	}
	tokens->lost = note;
}

static void tokens_go_on(struct tokens *tokens, const struct writing *writing,
			 const GError *failure)
{
	tokens->writing = NULL;
	if (!failure) {
		tokens->noted = writing->note;
	} else {
		log_error("writing %s: %s", writing->path, failure->message);
		tokens_lose(tokens, writing->note);
	}
	if (tokens->told)
		tokens->told(tokens->told_data);
	tokens_write(tokens);
}

static void tokens_written(GObject *source, GAsyncResult *result, gpointer data)
{
	struct writing *writing = data;
	g_autoptr(GError) failure = NULL;

	(void)source;
	g_task_propagate_pointer(G_TASK(result), &failure);
	if (writing->tokens)
		tokens_go_on(writing->tokens, writing, failure);
	writing_free(writing);
}

static uint64_t tokens_changed(struct tokens *tokens)
{
	if (tokens->path) {
		tokens->note++;
		tokens_write(tokens);
	}
	return tokens->note;
}

uint64_t tokens_note(const struct tokens *tokens)
{
	return tokens->note;
}

enum token_noted tokens_noted(const struct tokens *tokens, uint64_t note)
{
	if (note <= tokens->noted)
		return TOKEN_NOTED;
	return note <= tokens->lost ? TOKEN_NOT_NOTED : TOKEN_NOTING;
}

void tokens_tell(struct tokens *tokens, void (*told)(void *data), void *data)
{
	tokens->told = told;
	tokens->told_data = data;
}

static const char *token_json_string(struct json_object *root, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool token_json_bool(struct json_object *root, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(root, name, &value) &&
	       json_object_get_boolean(value);
}

static bool tokens_load_one(struct tokens *tokens, struct json_object *root)
{
	const char *id = token_json_string(root, "id");
	const char *desktop = token_json_string(root, "desktop");
	struct grant grant = { .role = ROLE_NONE };
	struct json_object *expires;
	struct token_info *info;

	if (!token_id_valid(id) ||
	    !json_object_object_get_ex(root, "expires", &expires))
		return false;
	g_strlcpy(grant.id, id, sizeof(grant.id));
	g_strlcpy(grant.desktop, desktop, sizeof(grant.desktop));
	role_parse(token_json_string(root, "role"), &grant.role);
	grant.expires = json_object_get_int64(expires);
	info = tokens_record(tokens, &grant);
	if (!info)
		return false;
	info->once = token_json_bool(root, "once");
	info->used = token_json_bool(root, "used");
	info->revoked = token_json_bool(root, "revoked");
	return true;
}

static bool tokens_load_all(struct tokens *tokens, struct json_object *root)
{
	struct json_object *list;
	size_t i;

	if (!json_object_object_get_ex(root, "tokens", &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(list); i++)
		if (!tokens_load_one(tokens, json_object_array_get_idx(list, i)))
			return false;
	return true;
}

static bool tokens_load(struct tokens *tokens, char **error)
{
	g_autoptr(GError) failure = NULL;
	g_autofree char *text = NULL;
	struct json_object *root;
	size_t len;
	bool ok;

	if (!g_file_get_contents(tokens->path, &text, &len, &failure)) {
		if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return true;
		*error = g_strdup_printf("reading %s: %s", tokens->path,
					 failure->message);
		return false;
	}
	root = len <= TOKEN_FILE_MAX ? json_tokener_parse(text) : NULL;
	ok = root && tokens_load_all(tokens, root);
	json_object_put(root);
	/* to start without them would be to accept what was revoked */
	if (!ok)
		*error = g_strdup_printf("%s: is not what we wrote; remove it to forget which tokens are used and revoked",
					 tokens->path);
	return ok;
}

/* --- life --- */

/* Written once at the start: a directory that takes nothing shows now. */
static bool tokens_open(struct tokens *tokens, char **error)
{
	g_autoptr(GError) failure = NULL;
	struct writing *writing;
	bool ok;

	if (!tokens_load(tokens, error))
		return false;
	writing = writing_new(tokens);
	ok = writing_do(writing, &failure);
	writing_free(writing);
	if (!ok)
		*error = g_strdup_printf("writing %s: %s", tokens->path,
					 failure->message);
	return ok;
}

struct tokens *tokens_new(const char *key_file, const char *state_dir,
			  char **error)
{
	struct tokens *tokens = g_new0(struct tokens, 1);

	tokens->key_file = g_strdup(key_file);
	tokens->records = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
						g_free);
	if (!token_key_load(tokens, error)) {
		tokens_free(tokens);
		return NULL;
	}
	if (!state_dir)
		return tokens;
	tokens->path = g_build_filename(state_dir, "tokens.json", NULL);
	if (!tokens_open(tokens, error)) {
		tokens_free(tokens);
		return NULL;
	}
	return tokens;
}

void tokens_free(struct tokens *tokens)
{
	if (!tokens)
		return;
	/* nobody is told what becomes of it: it is not waited for */
	if (tokens->writing)
		tokens->writing->tokens = NULL;
	g_hash_table_unref(tokens->records);
	g_free(tokens->key_file);
	g_free(tokens->path);
	explicit_bzero(tokens->key, sizeof(tokens->key));
	g_free(tokens);
}

bool tokens_reload(struct tokens *tokens, char **error)
{
	return token_key_load(tokens, error);
}

/* --- issuing --- */

static bool token_make_id(char *id, size_t size)
{
	unsigned char raw[TOKEN_ID_BYTES];
	size_t i;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return false;
	for (i = 0; i < sizeof(raw); i++)
		g_snprintf(id + 2 * i, size - 2 * i, "%02x", raw[i]);
	return true;
}

static char *token_sign(const struct tokens *tokens, const struct grant *grant,
			bool once)
{
	gint64 now = token_now();
	char *text = NULL, *copy = NULL;
	jwt_t *jwt = NULL;

	if (jwt_new(&jwt))
		return NULL;
	if (!jwt_set_alg(jwt, JWT_ALG_HS256, tokens->key, tokens->key_len) &&
	    !jwt_add_grant(jwt, "aud", TOKEN_AUDIENCE) &&
	    !jwt_add_grant(jwt, "sub", grant->desktop) &&
	    !jwt_add_grant(jwt, "role", role_name(grant->role)) &&
	    !jwt_add_grant(jwt, "jti", grant->id) &&
	    !jwt_add_grant_int(jwt, "iat", now) &&
	    !jwt_add_grant_int(jwt, "nbf", now) &&
	    !jwt_add_grant_int(jwt, "exp", grant->expires) &&
	    (!once || !jwt_add_grant_bool(jwt, "once", 1)))
		text = jwt_encode_str(jwt);
	if (text) {
		copy = g_strdup(text);
		jwt_free_str(text);
	}
	jwt_free(jwt);
	return copy;
}

static const char *token_refuse_grant(const struct grant *grant)
{
	gint64 now = token_now();

	if (grant->role < ROLE_VIEW || grant->role > ROLE_ADMIN)
		return "the role of a token is view, control or admin";
	if (!grant_pattern_valid(grant->desktop))
		return "the desktop of a token is VM:NUMBER, VM:* or *";
	if (grant->expires <= now || grant->expires - now > TOKEN_TTL_MAX)
		return "a token is good for 1 second to 366 days";
	return NULL;
}

char *tokens_issue(struct tokens *tokens, struct grant *grant, bool once,
		   char **error)
{
	const char *why = token_refuse_grant(grant);
	struct token_info *info;
	char *text;

	if (why) {
		*error = g_strdup(why);
		return NULL;
	}
	/* it could not be used */
	if (once && !tokens_has_room(tokens, grant, grant)) {
		*error = g_strdup(TOKENS_NO_ROOM);
		return NULL;
	}
	if (!token_make_id(grant->id, sizeof(grant->id))) {
		*error = g_strdup("no random numbers");
		return NULL;
	}
	text = token_sign(tokens, grant, once);
	if (!text) {
		*error = g_strdup("signing failed");
		return NULL;
	}
	if (!tokens->path)
		return text;
	/* a list that lacks it is a nuisance and no danger: it can be revoked */
	info = tokens_record(tokens, grant);
	if (info)
		info->once = once;
	tokens_changed(tokens);
	return text;
}

char *tokens_claim(struct tokens *tokens, const struct grant *grant)
{
	return token_sign(tokens, grant, false);
}

bool tokens_once(const struct tokens *tokens, const char *id)
{
	const struct token_info *info = g_hash_table_lookup(tokens->records, id);

	return info && info->once;
}

/* --- judging --- */

static bool token_string(jwt_t *jwt, const char *name, char *out, size_t size)
{
	const char *value = jwt_get_grant(jwt, name);

	return value && g_strlcpy(out, value, size) < size;
}

/* A number that is not there is 0; one that is no whole number is an error. */
static bool token_number(jwt_t *jwt, const char *name, gint64 *out)
{
	errno = 0;
	*out = jwt_get_grant_int(jwt, name);
	if (!errno)
		return true;
	*out = 0;
	return errno == ENOENT;
}

static bool token_bool(jwt_t *jwt, const char *name, bool *out)
{
	errno = 0;
	*out = jwt_get_grant_bool(jwt, name) > 0;
	if (!errno)
		return true;
	*out = false;
	return errno == ENOENT;
}

/* What a token that is signed says. */
static enum token_verdict token_read(jwt_t *jwt, struct grant *grant, bool *once)
{
	gint64 now = token_now(), nbf;
	char audience[16], role[16];

	if (!token_string(jwt, "aud", audience, sizeof(audience)) ||
	    strcmp(audience, TOKEN_AUDIENCE) ||
	    !token_string(jwt, "role", role, sizeof(role)) ||
	    !role_parse(role, &grant->role) ||
	    !token_string(jwt, "sub", grant->desktop, sizeof(grant->desktop)) ||
	    !grant_pattern_valid(grant->desktop) ||
	    !token_string(jwt, "jti", grant->id, sizeof(grant->id)) ||
	    !token_id_valid(grant->id) ||
	    !token_number(jwt, "exp", &grant->expires) ||
	    !token_number(jwt, "nbf", &nbf) ||
	    !token_bool(jwt, "once", once) ||
	    grant->expires <= 0)
		return TOKEN_MALFORMED;
	if (grant_expired(grant, now))
		return TOKEN_EXPIRED;
	/* so that what is remembered of it can be forgotten one day */
	if (grant->expires - now > TOKEN_TTL_MAX)
		return TOKEN_MALFORMED;
	return nbf > now + TOKEN_SKEW ? TOKEN_NOT_YET : TOKEN_OK;
}

static enum token_verdict token_verify(const struct tokens *tokens,
				       const char *text, struct grant *grant,
				       bool *once)
{
	enum token_verdict verdict;
	jwt_t *jwt = NULL;

	/*
	 * Once without a key, to see what it wants to be judged by: the library
	 * would take any algorithm that it knows.
	 */
	if (jwt_decode(&jwt, text, NULL, 0))
		return TOKEN_MALFORMED;
	verdict = !g_strcmp0(jwt_get_header(jwt, "alg"), "HS256") ?
		  TOKEN_OK : TOKEN_SIGNATURE;
	jwt_free(jwt);
	if (verdict != TOKEN_OK)
		return verdict;
	if (jwt_decode(&jwt, text, tokens->key, tokens->key_len))
		return TOKEN_SIGNATURE;
	verdict = jwt_get_alg(jwt) == JWT_ALG_HS256 ?
		  token_read(jwt, grant, once) : TOKEN_SIGNATURE;
	jwt_free(jwt);
	return verdict;
}

/* Whether it can be used up. */
static enum token_verdict tokens_usable(const struct tokens *tokens,
					const struct token_info *info)
{
	if (info && info->used)
		return TOKEN_USED;
	if (!info || !tokens_has_room(tokens, &info->grant, &info->grant))
		return TOKEN_NO_ROOM;
	return TOKEN_OK;
}

static enum token_verdict tokens_judge(struct tokens *tokens, const char *text,
				       bool use, struct grant *grant)
{
	enum token_verdict verdict;
	struct grant read = { .role = ROLE_NONE, .keys = tokens->keys };
	struct token_info *info;
	bool once;

	memset(grant, 0, sizeof(*grant));
	if (!text || strlen(text) >= TOKEN_MAX)
		return TOKEN_MALFORMED;
	verdict = token_verify(tokens, text, &read, &once);
	if (verdict != TOKEN_OK)
		return verdict;
	info = tokens_record(tokens, &read);
	if (info && info->revoked)
		return TOKEN_REVOKED;
	if (info) {
		info->grant = read;
		info->once |= once;
	}
	if (once)
		verdict = tokens_usable(tokens, info);
	if (verdict != TOKEN_OK)
		return verdict;
	if (once && use) {
		info->used = true;
		info->note = tokens_changed(tokens);
	}
	*grant = read;
	return TOKEN_OK;
}

enum token_verdict tokens_check(struct tokens *tokens, const char *text,
				struct grant *grant)
{
	return tokens_judge(tokens, text, true, grant);
}

enum token_verdict tokens_peek(struct tokens *tokens, const char *text,
			       struct grant *grant)
{
	return tokens_judge(tokens, text, false, grant);
}

enum token_verdict tokens_check_again(const struct tokens *tokens,
				      const struct grant *grant)
{
	if (grant->keys != tokens->keys)
		return TOKEN_SIGNATURE;
	if (grant_expired(grant, token_now()))
		return TOKEN_EXPIRED;
	return tokens_revoked(tokens, grant->id) ? TOKEN_REVOKED : TOKEN_OK;
}

/* --- revoking --- */

bool tokens_revoke(struct tokens *tokens, const char *id,
		   const struct grant *by, char **error)
{
	const struct token_info *known = g_hash_table_lookup(tokens->records, id);
	struct grant grant = { .role = ROLE_NONE };
	struct token_info *info;

	if (!token_id_valid(id)) {
		*error = g_strdup("that is no token's id");
		return false;
	}
	/* one that was made elsewhere and never seen: as long as it may be good */
	g_strlcpy(grant.id, id, sizeof(grant.id));
	strcpy(grant.desktop, "*");
	grant.expires = token_now() + TOKEN_TTL_MAX;
	if (!(known && token_is_kept(known)) &&
	    !tokens_has_room(tokens, known ? &known->grant : &grant, by)) {
		*error = g_strdup(TOKENS_NO_ROOM);
		return false;
	}
	info = tokens_record(tokens, &grant);
	if (!info) {
		*error = g_strdup(TOKENS_NO_ROOM);
		return false;
	}
	/* also if the disk does not take it; who asks again makes another note */
	info->revoked = true;
	tokens_changed(tokens);
	return true;
}

bool tokens_revoked(const struct tokens *tokens, const char *id)
{
	const struct token_info *info = g_hash_table_lookup(tokens->records, id);

	return info && info->revoked;
}

unsigned int tokens_keys(const struct tokens *tokens)
{
	return tokens->keys;
}

void tokens_each(const struct tokens *tokens,
		 void (*each)(void *data, const struct token_info *info),
		 void *data)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, tokens->records);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		each(data, value);
}
