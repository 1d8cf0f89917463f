// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns what is known of each encoder on this machine. Rules:
 *
 * - it is tried and not asked: a driver may claim what it cannot do;
 * - a driver is tried in a thread that is left behind if it does not come back;
 * - one that fails for a stream is passed over by that stream alone: devices
 *   have a limit of sessions. One that hangs is used by nobody any more.
 */
#include "choice.h"

#include <glib.h>
#include <libavutil/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"

struct choice {
	const struct encoder_kind *kind;
	bool named;		/* and not only the last resort */
	bool failed;		/* when it was tried */
	atomic_bool struck;
	uint64_t failures;
	char why[ENCODER_ERROR_LEN];
};

struct choices {
	const struct encoder_options *options;
	unsigned int count;
	struct choice list[CHOICES_MAX];
};

static bool choices_have(const struct choices *choices,
			 const struct encoder_kind *kind)
{
	unsigned int i;

	for (i = 0; i < choices->count; i++)
		if (choices->list[i].kind == kind)
			return true;
	return false;
}

static void choices_add(struct choices *choices,
			const struct encoder_kind *kind, bool named)
{
	if (!kind || choices_have(choices, kind) ||
	    choices->count == CHOICES_MAX)
		return;
	choices->list[choices->count].kind = kind;
	choices->list[choices->count].named = named;
	choices->count++;
}

static char *choices_unknown(const char *name, const struct encoder_kind *table)
{
	GString *text = g_string_new(NULL);

	g_string_printf(text, "there is no encoder \"%s\"; there are auto", name);
	for (; table->name; table++)
		g_string_append_printf(text, ", %s", table->name);
	return g_string_free(text, FALSE);
}

static bool choices_add_name(struct choices *choices, const char *name,
			     const struct encoder_kind *table, char **error)
{
	const struct encoder_kind *kind = encoder_kind_find(table, name);
	const char *const *of_auto;

	if (!strcmp(name, "auto")) {
		for (of_auto = encoder_kinds_auto; *of_auto; of_auto++)
			choices_add(choices, encoder_kind_find(table, *of_auto),
				    true);
		return true;
	}
	if (!kind)
		*error = choices_unknown(name, table);
	choices_add(choices, kind, true);
	return kind;
}

static bool choices_add_names(struct choices *choices, const char *names,
			      const struct encoder_kind *table, char **error)
{
	g_auto(GStrv) words = g_strsplit_set(names, ", ", -1);
	unsigned int i;

	for (i = 0; words[i]; i++)
		if (*words[i] &&
		    !choices_add_name(choices, words[i], table, error))
			return false;
	if (!choices->count)
		*error = choices_unknown("", table);
	return choices->count;
}

struct choices *choices_new(const struct encoder_options *options,
			    const struct encoder_kind *table, char **error)
{
	struct choices *choices = g_new0(struct choices, 1);

	choices->options = options;
	if (!choices_add_names(choices, options->name, table, error)) {
		g_free(choices);
		return NULL;
	}
	choices_add(choices, encoder_kind_find(table, ENCODER_KIND_LAST), false);
	return choices;
}

void choices_free(struct choices *choices)
{
	g_free(choices);
}

bool choices_check(const char *names, char **error)
{
	const struct encoder_options options = { .name = names };
	struct choices *choices = choices_new(&options, encoder_kinds, error);

	choices_free(choices);
	return choices;
}

/* --- trying --- */

/* Of two: who waits, and the thread; the last one frees it. */
struct attempt {
	struct encoder_options options;
	const struct encoder_kind *kind;
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned int refs;
	bool ended, ok;
	char error[ENCODER_ERROR_LEN];
};

/* What libavcodec said last in this thread: it knows more than its errors. */
static __thread char attempt_said[ENCODER_ERROR_LEN];

static void attempt_listen(void *object, int level, const char *format,
			   va_list args)
{
	(void)object;
	if (level > AV_LOG_ERROR || *attempt_said)
		return;
	vsnprintf(attempt_said, sizeof(attempt_said), format, args);
	attempt_said[strcspn(attempt_said, "\n")] = '\0';
}

static void attempt_unref(struct attempt *attempt)
{
	bool last;

	pthread_mutex_lock(&attempt->lock);
	last = !--attempt->refs;
	pthread_mutex_unlock(&attempt->lock);
	if (!last)
		return;
	pthread_cond_destroy(&attempt->done);
	pthread_mutex_destroy(&attempt->lock);
	g_free(attempt);
}

static void *attempt_run(void *data)
{
	struct attempt *attempt = data;
	char error[ENCODER_ERROR_LEN] = "";
	bool ok;

	*attempt_said = '\0';
	ok = encoder_try(&attempt->options, attempt->kind, error);
	pthread_mutex_lock(&attempt->lock);
	attempt->ended = true;
	attempt->ok = ok;
	if (*attempt_said && !ok)
		g_snprintf(attempt->error, sizeof(attempt->error),
			   "%.60s (%.90s)", error, attempt_said);
	else
		memcpy(attempt->error, error, sizeof(error));
	pthread_cond_signal(&attempt->done);
	pthread_mutex_unlock(&attempt->lock);
	attempt_unref(attempt);
	return NULL;
}

static struct attempt *attempt_new(const struct encoder_options *options,
				   const struct encoder_kind *kind)
{
	struct attempt *attempt = g_new0(struct attempt, 1);
	pthread_condattr_t clock;

	attempt->options = *options;
	attempt->kind = kind;
	attempt->refs = 1;
	pthread_mutex_init(&attempt->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&attempt->done, &clock);
	pthread_condattr_destroy(&clock);
	return attempt;
}

static void attempt_await(struct attempt *attempt, unsigned int ms)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&attempt->lock);
	while (!attempt->ended && !rc)
		rc = pthread_cond_timedwait(&attempt->done, &attempt->lock,
					    &until);
	pthread_mutex_unlock(&attempt->lock);
}

static void attempt_thread(struct attempt *attempt, unsigned int ms)
{
	pthread_t thread;

	attempt->refs++;
	if (pthread_create(&thread, NULL, attempt_run, attempt)) {
		attempt->refs--;
		return;
	}
	pthread_detach(thread);
	attempt_await(attempt, ms);
}

static void choice_try(struct choice *choice,
		       const struct encoder_options *options)
{
	struct attempt *attempt = attempt_new(options, choice->kind);
	unsigned int ms = options->deadline_ms ? options->deadline_ms :
						 CHOICE_TRY_MS;

	if (choice->kind->hardware) {
		attempt_thread(attempt, ms);
	} else {
		attempt->refs++;
		attempt_run(attempt);
	}
	pthread_mutex_lock(&attempt->lock);
	choice->failed = !attempt->ok;
	if (!attempt->ended)
		g_snprintf(choice->why, sizeof(choice->why),
			   "no frame within %u milliseconds", ms);
	else
		memcpy(choice->why, attempt->error, sizeof(choice->why));
	pthread_mutex_unlock(&attempt->lock);
	attempt_unref(attempt);
}

static void choices_log(const struct choices *choices)
{
	unsigned int i;

	for (i = 0; i < choices->count; i++) {
		const struct choice *choice = &choices->list[i];

		if (choice->failed)
			log_info("encoder %s: %s", choice->kind->name,
				 choice->why);
		else
			log_info("encoder %s: works", choice->kind->name);
	}
}

bool choices_try(struct choices *choices, char **error)
{
	g_autoptr(GString) why = g_string_new(NULL);
	unsigned int i, works = 0;

	av_log_set_callback(attempt_listen);
	for (i = 0; i < choices->count; i++) {
		struct choice *choice = &choices->list[i];

		choice_try(choice, choices->options);
		if (choice->named && !choice->failed)
			works++;
		else if (choice->named)
			g_string_append_printf(why, "%s%s: %s",
					       why->len ? "; " : "",
					       choice->kind->name, choice->why);
	}
	av_log_set_callback(av_log_default_callback);
	choices_log(choices);
	if (!works)
		*error = g_strdup(why->str);
	return works;
}

/* --- picking --- */

static bool choice_works(const struct choice *choice)
{
	return !choice->failed && !atomic_load(&choice->struck);
}

int choices_pick(const struct choices *choices, unsigned int codecs,
		 unsigned int without)
{
	unsigned int i;

	for (i = 0; i < choices->count; i++) {
		const struct choice *choice = &choices->list[i];

		if (choice_works(choice) && !(without & (1u << i)) &&
		    (codecs & CODEC_BIT(choice->kind->codec)))
			return (int)i;
	}
	return CHOICE_NONE;
}

bool choices_import(const struct choices *choices)
{
	int choice = choices_pick(choices, CODEC_OF_ALL, 0);

	return choices->options->import == ENCODER_IMPORT_AUTO &&
	       choice != CHOICE_NONE &&
	       choices->list[choice].kind->import != IMPORT_NONE;
}

void choices_note_failure(struct choices *choices, int choice)
{
	if (choice != CHOICE_NONE)
		choices->list[choice].failures++;
}

void choices_strike(struct choices *choices, int choice)
{
	if (choice == CHOICE_NONE || choices_is_struck(choices, choice))
		return;
	g_strlcpy(choices->list[choice].why, "hung, and is not used any more",
		  ENCODER_ERROR_LEN);
	atomic_store(&choices->list[choice].struck, true);
}

bool choices_is_struck(const struct choices *choices, int choice)
{
	return choice != CHOICE_NONE &&
	       atomic_load(&choices->list[choice].struck);
}

const struct encoder_kind *choices_kind(const struct choices *choices,
					int choice)
{
	return choice == CHOICE_NONE ? NULL : choices->list[choice].kind;
}

const struct encoder_options *choices_options(const struct choices *choices)
{
	return choices->options;
}

unsigned int choices_count(const struct choices *choices)
{
	return choices->count;
}

void choices_describe(const struct choices *choices, unsigned int index,
		      struct choice_info *info)
{
	const struct choice *choice = &choices->list[index];

	*info = (struct choice_info){
		.name = choice->kind->name,
		.codec = choice->kind->codec,
		.hardware = choice->kind->hardware,
		.works = choice_works(choice),
		.why = choice->why,
		.failures = choice->failures,
	};
}
