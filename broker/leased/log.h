/* SPDX-License-Identifier: GPL-2.0-only */
/* One line per event on stderr, with the level that journald understands. */
#ifndef HELIX_LOG_H
#define HELIX_LOG_H

#include <systemd/sd-daemon.h>

/* Journald prefixes, unless a person is reading. */
void log_init(void);
void log_line(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	log_line(SD_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(SD_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(SD_INFO, __VA_ARGS__)

#endif
