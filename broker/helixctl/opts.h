/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of a subcommand as a table. What getopt is told, what --help prints,
 * how a value is read and where it goes all come from the same row.
 */
#ifndef HELIXCTL_OPTS_H
#define HELIXCTL_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "helix-lease-client.h"

struct opt;

/* @text: the value, NULL where there is none; @to: where it goes. 0 or -errno. */
typedef int (*opt_parse_fn)(const struct opt *opt, const char *text, void *to,
			    struct hl_error *err);

/**
 * struct opt - a row
 * @name: without the dashes
 * @letter: of the short form, or 0
 * @value: what --help calls its value; NULL: it has none
 * @help: for --help; further lines are indented as the first
 * @parse: reads the value
 * @offset: of what @parse sets, in the arguments that opts_parse() is given
 * @min: of a number; of one with decimals, in thousandths
 * @max: likewise
 */
struct opt {
	const char *name;
	char letter;
	const char *value;
	const char *help;
	opt_parse_fn parse;
	size_t offset;
	uint64_t min;
	uint64_t max;
};

/**
 * struct usage - what a subcommand takes
 * @text: for --help, before the options
 * @opts: the table; --help is in none and in all
 * @nr_opts: its length
 * @more: for --help, after the options; or NULL
 * @missing: what to say when there are fewer arguments than @min_args
 * @min_args: so many arguments there must be
 * @max_args: and no more than so many; -1 for any number
 * @command: options end at the first argument, which is a command with its own
 */
struct usage {
	const char *text;
	const struct opt *opts;
	size_t nr_opts;
	const char *more;
	const char *missing;
	int min_args;
	int max_args;
	bool command;
};

/* -1: go on, the arguments begin at argv[optind]; else the exit status. */
int opts_parse(const struct usage *usage, void *args, int argc, char **argv);

/* Kinds of options, and what they set. */
int opt_set(const struct opt *opt, const char *text, void *to, struct hl_error *err);	/* int: 1 */
int opt_text(const struct opt *opt, const char *text, void *to, struct hl_error *err);	/* char * */
int opt_u32(const struct opt *opt, const char *text, void *to, struct hl_error *err);
int opt_u64(const struct opt *opt, const char *text, void *to, struct hl_error *err);
int opt_milli(const struct opt *opt, const char *text, void *to, struct hl_error *err);	/* uint32_t */

/* Rows that several commands have. */
#define OPT_JSON(type, member, text)						\
	{ .name = "json", .letter = 'j', .help = text, .parse = opt_set,	\
	  .offset = offsetof(type, member) }
#define OPT_GENERATION(type, member)						\
	{ .name = "generation", .letter = 'g', .value = "G",			\
	  .help = "the lease meant [the present one]", .parse = opt_u64,	\
	  .offset = offsetof(type, member), .min = 1, .max = UINT64_MAX }
#define OPT_TIMEOUT(type, member, text)						\
	{ .name = "timeout", .letter = 't', .value = "SECONDS",			\
	  .help = text ", at most 120 [10]", .parse = opt_milli,		\
	  .offset = offsetof(type, member), .min = 1,				\
	  .max = HELIX_LEASE_TIMEOUT_MAX_MS }
#define OPT_REFRESH(type, member)						\
	{ .name = "refresh", .letter = 'r', .value = "HZ",			\
	  .help = "1..1000, up to three decimals [60]", .parse = opt_milli,	\
	  .offset = offsetof(type, member), .min = HL_REFRESH_MIN_MHZ,		\
	  .max = HL_REFRESH_MAX_MHZ }

/* What scanout is wanted; @member is a struct hl_acquire_args. */
#define OPTS_LEASE(type, member)						\
	{ .name = "size", .letter = 's', .value = "WxH",			\
	  .help = "pixels, 1x1..16384x16384 [1280x720]", .parse = opt_lease_size, \
	  .offset = offsetof(type, member) },					\
	OPT_REFRESH(type, member.refresh_mhz),					\
	{ .name = "scanout", .letter = 'n', .value = "N",			\
	  .help = "this one and no other [any]", .parse = opt_u32,		\
	  .offset = offsetof(type, member.scanout), .min = 1, .max = UINT32_MAX }, \
	{ .name = "label", .letter = 'l', .value = "TEXT",			\
	  .help = "shown to people, at most 31 bytes", .parse = opt_lease_label, \
	  .offset = offsetof(type, member.label) },				\
	OPT_TIMEOUT(type, member.timeout_ms, "how long to wait"),		\
	{ .name = "priority", .value = "N",					\
	  .help = "told to the host, 0..255, more is more [0]", .parse = opt_u32, \
	  .offset = offsetof(type, member.priority), .max = HL_PRIORITY_MAX },	\
	{ .name = "cgroup",							\
	  .help = "only the owner's control group may open the node",		\
	  .parse = opt_lease_cgroup, .offset = offsetof(type, member) },	\
	{ .name = "end-on-close",						\
	  .help = "end as well with the last close of the node",		\
	  .parse = opt_lease_end_on_close, .offset = offsetof(type, member) }

int opt_lease_size(const struct opt *opt, const char *text, void *to, struct hl_error *err);
int opt_lease_label(const struct opt *opt, const char *text, void *to, struct hl_error *err);
int opt_lease_cgroup(const struct opt *opt, const char *text, void *to, struct hl_error *err);
int opt_lease_end_on_close(const struct opt *opt, const char *text, void *to,
			   struct hl_error *err);

extern const struct hl_acquire_args lease_args_default;

#endif
