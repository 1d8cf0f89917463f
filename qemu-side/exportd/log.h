/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log: what happened, how bad it is and whom it is about. Lines go to
 * standard error as text or as JSON, or to the journal with fields. Standard
 * output is kept for the one line that says where the daemon serves.
 */
#ifndef HELIX_LOG_H
#define HELIX_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_JOURNAL,
};

enum log_subject {
	LOG_SUBJECT_NONE,
	LOG_SUBJECT_VM,		/* by its name */
	LOG_SUBJECT_DESKTOP,	/* by its id, "VM:N" */
	LOG_SUBJECT_PEER,	/* by its address */
};

/* One of each place in the code that says something: see log_at(). */
struct log_site {
	_Atomic int64_t since;	/* monotonic seconds; when counting began */
	_Atomic unsigned int count;
};

/* Whether standard error goes to the journal. */
bool log_is_journal(void);

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
/* How many lines of each level there were, the left out ones too. */
uint64_t log_count(enum log_level level);

void log_line(struct log_site *site, enum log_level level,
	      enum log_subject subject, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * What a guest or a network makes us say must not fill a disk: each place may
 * say LOG_SITE_MAX things in LOG_SITE_S seconds, the rest is counted.
 */
#define LOG_SITE_MAX	50
#define LOG_SITE_S	10

#define log_at(level, subject, name, ...) do {				\
		static struct log_site log_site_;			\
		log_line(&log_site_, level, subject, name, __VA_ARGS__); \
	} while (0)

#define log_error(...)	log_at(LOG_LEVEL_ERROR, LOG_SUBJECT_NONE, NULL, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_LEVEL_WARN, LOG_SUBJECT_NONE, NULL, __VA_ARGS__)
#define log_info(...)	log_at(LOG_LEVEL_INFO, LOG_SUBJECT_NONE, NULL, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_LEVEL_DEBUG, LOG_SUBJECT_NONE, NULL, __VA_ARGS__)

/* @level: ERROR, WARN, INFO, DEBUG. */
#define log_vm(level, name, ...) \
	log_at(LOG_LEVEL_##level, LOG_SUBJECT_VM, name, __VA_ARGS__)
#define log_desktop(level, id, ...) \
	log_at(LOG_LEVEL_##level, LOG_SUBJECT_DESKTOP, id, __VA_ARGS__)
#define log_peer(level, address, ...) \
	log_at(LOG_LEVEL_##level, LOG_SUBJECT_PEER, address, __VA_ARGS__)

#endif
