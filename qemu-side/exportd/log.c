// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns level, format and counts. Called from every thread: a line is formatted
 * first and written with one call, so lines of two threads never mix.
 */
/* the journal would add our own file and line */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "log.h"

#include <glib.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_MAX	1024
#define LOG_NAME_MAX	80

static atomic_int log_threshold = LOG_LEVEL_INFO;
static atomic_int log_form = LOG_FORMAT_TEXT;
static _Atomic uint64_t log_counts[LOG_LEVEL_DEBUG + 1];

static const struct {
	const char *name;
	int priority;	/* syslog's */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static const struct {
	const char *name;	/* in text and JSON */
	const char *field;	/* in the journal */
} log_subjects[] = {
	[LOG_SUBJECT_NONE] = { NULL, NULL },
	[LOG_SUBJECT_VM] = { "vm", "HELIX_VM" },
	[LOG_SUBJECT_DESKTOP] = { "desktop", "HELIX_DESKTOP" },
	[LOG_SUBJECT_PEER] = { "peer", "HELIX_PEER" },
};

struct log_entry {
	enum log_level level;
	enum log_subject subject;
	const char *name;	/* of the subject */
	const char *text;
};

bool log_is_journal(void)
{
	unsigned long long device, inode;
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == device &&
	       st.st_ino == inode;
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_threshold, (int)level);
}

void log_set_format(enum log_format format)
{
	atomic_store(&log_form, (int)format);
}

uint64_t log_count(enum log_level level)
{
	return atomic_load(&log_counts[level]);
}

/* What a guest or a browser sent may be in the text: keep it on its line. */
static void log_sanitise(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* A log that cannot be written is no reason to stop serving. */
static void log_write(const char *line, size_t len)
{
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

static size_t log_time(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t at;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	at = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	at += (size_t)snprintf(buf + at, size - at, ".%03ldZ",
			       now.tv_nsec / 1000000);
	return at;
}

static void log_text(const struct log_entry *entry)
{
	char line[LOG_TEXT_MAX + LOG_NAME_MAX + 64], when[40];
	const char *subject = log_subjects[entry->subject].name;
	int len;

	log_time(when, sizeof(when));
	len = snprintf(line, sizeof(line), "%s %s: %s%s%.*s%s%s\n", when,
		       log_levels[entry->level].name, subject ? subject : "",
		       subject ? " " : "", LOG_NAME_MAX,
		       subject ? entry->name : "", subject ? ": " : "",
		       entry->text);
	log_write(line, (size_t)len);
}

static void log_json(const struct log_entry *entry)
{
	struct json_object *root = json_object_new_object();
	const char *subject = log_subjects[entry->subject].name, *colon, *text;
	char line[6 * (LOG_TEXT_MAX + LOG_NAME_MAX)], when[40];
	int len;

	log_time(when, sizeof(when));
	json_object_object_add(root, "time", json_object_new_string(when));
	json_object_object_add(root, "level",
		json_object_new_string(log_levels[entry->level].name));
	if (subject)
		json_object_object_add(root, subject,
				       json_object_new_string(entry->name));
	colon = strchr(subject ? entry->name : "", ':');
	if (entry->subject == LOG_SUBJECT_DESKTOP && colon)
		json_object_object_add(root, "vm",
			json_object_new_string_len(entry->name,
					(int)(colon - entry->name)));
	json_object_object_add(root, "message",
			       json_object_new_string(entry->text));
	text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	len = snprintf(line, sizeof(line), "%s\n", text);
	if (len > 0 && (size_t)len < sizeof(line))
		log_write(line, (size_t)len);
	json_object_put(root);
}

/* False: there is no journal. */
static bool log_journal(const struct log_entry *entry)
{
	const char *field = log_subjects[entry->subject].field, *colon;
	char message[LOG_TEXT_MAX + 16], priority[16];
	char subject[LOG_NAME_MAX + 32], vm[LOG_NAME_MAX + 32];
	struct iovec iov[5] = { { "SYSLOG_IDENTIFIER=helix-exportd", 31 } };
	int n = 1;

#define LOG_FIELD(buf, ...) \
	(iov[n++] = (struct iovec){ buf, (size_t)snprintf(buf, sizeof(buf), __VA_ARGS__) })
	LOG_FIELD(message, "MESSAGE=%s", entry->text);
	LOG_FIELD(priority, "PRIORITY=%d", log_levels[entry->level].priority);
	if (field)
		LOG_FIELD(subject, "%s=%.*s", field, LOG_NAME_MAX, entry->name);
	colon = strchr(field ? entry->name : "", ':');
	if (entry->subject == LOG_SUBJECT_DESKTOP && colon)
		LOG_FIELD(vm, "HELIX_VM=%.*s",
			  (int)MIN(colon - entry->name, LOG_NAME_MAX),
			  entry->name);
#undef LOG_FIELD
	return sd_journal_sendv(iov, n) >= 0;
}

static void log_emit(const struct log_entry *entry)
{
	switch ((enum log_format)atomic_load(&log_form)) {
	case LOG_FORMAT_JOURNAL:
		if (!log_journal(entry))
			log_text(entry);
		break;
	case LOG_FORMAT_JSON:
		log_json(entry);
		break;
	case LOG_FORMAT_TEXT:
		log_text(entry);
		break;
	}
}

/*
 * Whether @site may speak. Two threads may both believe that they begin a new
 * period: then a few lines more or less are said, which is no harm.
 */
static bool log_admit(struct log_site *site, unsigned int *left_out)
{
	struct timespec now;
	int64_t since = atomic_load(&site->since);

	*left_out = 0;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - since >= LOG_SITE_S &&
	    atomic_compare_exchange_strong(&site->since, &since, now.tv_sec)) {
		unsigned int count = atomic_exchange(&site->count, 0);

		*left_out = count > LOG_SITE_MAX ? count - LOG_SITE_MAX : 0;
	}
	return atomic_fetch_add(&site->count, 1) < LOG_SITE_MAX;
}

void log_line(struct log_site *site, enum log_level level,
	      enum log_subject subject, const char *name, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX], left[64];
	struct log_entry entry = { level, name ? subject : LOG_SUBJECT_NONE,
				   name, text };
	unsigned int left_out;
	va_list ap;

	if ((int)level > atomic_load(&log_threshold))
		return;
	atomic_fetch_add(&log_counts[level], 1);
	if (!log_admit(site, &left_out))
		return;
	if (left_out) {
		const struct log_entry more = { level, LOG_SUBJECT_NONE, NULL,
						left };

		snprintf(left, sizeof(left),
			 "%u more lines like the next one were left out",
			 left_out);
		log_emit(&more);
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_sanitise(text);
	log_emit(&entry);
}
