// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "numbers.h"
#include "opts.h"

#define OPTS_MAX	16
#define VAL_FIRST	256	/* of getopt's numbers for what has no letter */
#define LEFT_LEN	48

static const struct opt opt_help = { .name = "help", .letter = 'h', .help = "show this and exit" };

/* ---- help ---- */

static int left_column(const struct opt *opt, char text[LEFT_LEN])
{
	char letter[5] = "    ";

	if (opt->letter)
		snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
	return snprintf(text, LEFT_LEN, "  %s--%s%s%s", letter, opt->name, opt->value ? " " : "",
			opt->value ? opt->value : "");
}

static void print_opt(const struct opt *opt, int width)
{
	const char *line = opt->help, *end;
	char left[LEFT_LEN];

	left_column(opt, left);
	while ((end = strchr(line, '\n'))) {
		printf("%-*s  %.*s\n", width, left, (int)(end - line), line);
		left[0] = '\0';
		line = end + 1;
	}
	printf("%-*s  %s\n", width, left, line);
}

static void print_help(const struct usage *usage)
{
	char left[LEFT_LEN];
	int width = left_column(&opt_help, left);

	for (size_t i = 0; i < usage->nr_opts; i++) {
		int len = left_column(&usage->opts[i], left);

		width = len > width ? len : width;
	}
	fputs(usage->text, stdout);
	for (size_t i = 0; i < usage->nr_opts; i++)
		print_opt(&usage->opts[i], width);
	print_opt(&opt_help, width);
	if (usage->more)
		fputs(usage->more, stdout);
}

/* ---- parsing ---- */

static int val_of(const struct usage *usage, size_t i)
{
	return usage->opts[i].letter ? usage->opts[i].letter : VAL_FIRST + (int)i;
}

static const struct opt *opt_of(const struct usage *usage, int val)
{
	for (size_t i = 0; i < usage->nr_opts; i++)
		if (val_of(usage, i) == val)
			return &usage->opts[i];
	return NULL;
}

/* Both forms for getopt: @shorts has room for two characters and more an option. */
static void make_tables(const struct usage *usage, struct option longs[OPTS_MAX + 2], char *shorts)
{
	size_t i;

	if (usage->command)
		*shorts++ = '+';
	for (i = 0; i < usage->nr_opts; i++) {
		const struct opt *opt = &usage->opts[i];

		longs[i] = (struct option) {
			.name = opt->name,
			.has_arg = opt->value ? required_argument : no_argument,
			.val = val_of(usage, i),
		};
		if (opt->letter)
			*shorts++ = opt->letter;
		if (opt->letter && opt->value)
			*shorts++ = ':';
	}
	longs[i++] = (struct option) { .name = opt_help.name, .val = opt_help.letter };
	longs[i] = (struct option) { 0 };
	*shorts++ = opt_help.letter;
	*shorts = '\0';
}

static int check_arguments(const struct usage *usage, int argc, char **argv)
{
	int nr = argc - optind;

	if (nr < usage->min_args) {
		fprintf(stderr, "helixctl %s: %s\n", argv[0], usage->missing);
		return fail_usage(argv[0], NULL);
	}
	if (usage->max_args >= 0 && nr > usage->max_args) {
		fprintf(stderr, "helixctl %s: \"%s\" is not expected\n", argv[0],
			argv[optind + usage->max_args]);
		return fail_usage(argv[0], NULL);
	}
	return -1;
}

int opts_parse(const struct usage *usage, void *args, int argc, char **argv)
{
	struct option longs[OPTS_MAX + 2];
	char shorts[2 * OPTS_MAX + 3];
	struct hl_error err;
	int val;

	if (usage->nr_opts > OPTS_MAX) {
		hl_error_set(&err, E2BIG, "more than %d options", OPTS_MAX);
		return fail_usage(argv[0], &err);
	}
	make_tables(usage, longs, shorts);
	while ((val = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct opt *opt = opt_of(usage, val);

		if (val == opt_help.letter) {
			print_help(usage);
			return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
		}
		if (!opt)
			return fail_usage(argv[0], NULL);
		if (opt->parse(opt, optarg, (char *)args + opt->offset, &err))
			return fail_usage(argv[0], &err);
	}
	return check_arguments(usage, argc, argv);
}

/* ---- kinds ---- */

#define WHAT_LEN 40

static const char *what(const struct opt *opt, char text[WHAT_LEN])
{
	snprintf(text, WHAT_LEN, "--%s", opt->name);
	return text;
}

int opt_set(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	(void)opt;
	(void)text;
	(void)err;
	*(int *)to = 1;
	return 0;
}

int opt_text(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	(void)opt;
	(void)err;
	*(const char **)to = text;
	return 0;
}

int opt_u32(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	char name[WHAT_LEN];

	return hl_parse_u32(what(opt, name), text, opt->min, opt->max, to, err);
}

int opt_u64(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	char name[WHAT_LEN];

	return hl_parse_u64(what(opt, name), text, opt->min, opt->max, to, err);
}

int opt_milli(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	char name[WHAT_LEN];

	return hl_parse_milli(what(opt, name), text, opt->min, opt->max, to, err);
}

/* ---- of a lease that is wanted ---- */

const struct hl_acquire_args lease_args_default = { .width = 1280, .height = 720, .pidfd = -1 };

int opt_lease_size(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	struct hl_acquire_args *args = to;
	char name[WHAT_LEN];

	return hl_parse_size(what(opt, name), text, &args->width, &args->height, err);
}

int opt_lease_label(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	int ret = hl_label_check(text, err);

	return ret ? ret : opt_text(opt, text, to, err);
}

static int set_flag(void *to, uint32_t flag)
{
	struct hl_acquire_args *args = to;

	args->flags |= flag;
	return 0;
}

int opt_lease_cgroup(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	(void)opt;
	(void)text;
	(void)err;
	return set_flag(to, HL_ACQUIRE_CGROUP);
}

int opt_lease_end_on_close(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	(void)opt;
	(void)text;
	(void)err;
	return set_flag(to, HL_ACQUIRE_END_ON_CLOSE);
}
