// SPDX-License-Identifier: GPL-2.0-only
/* policy: what the module lets owners have; with an option for it, sets that first. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "numbers.h"

enum { OPT_WHO = 256, OPT_PER_USER, OPT_PER_CGROUP, OPT_GRACE };

static void help(void)
{
	fputs("usage: helixctl policy [OPTION]...\n"
	      "Show who may have how many scanouts; with options, set that first. Only root\n"
	      "may set it. Leases that are there stay.\n\n"
	      "      --who WHO         any, admin, or a group's name: who of those that may open\n"
	      "                        the control node may acquire\n"
	      "      --per-user N      scanouts of a user other than root; 0: any number\n"
	      "      --per-cgroup N    scanouts of a control group; 0: any number\n"
	      "      --grace SECONDS   keep a picture so long for an owner who comes back; 0..600\n"
	      "  -j, --json            an object on one line\n"
	      "  -h, --help            show this and exit\n", stdout);
}

static int parse_who(const char *text, struct hl_policy *policy, struct hl_error *err)
{
	struct group *group;

	policy->gid = 0;
	if (!strcmp(text, "any") || !strcmp(text, "admin")) {
		policy->who = text[1] == 'n' ? HELIX_LEASE_WHO_ANY : HELIX_LEASE_WHO_ADMIN;
		return 0;
	}
	errno = 0;
	group = getgrnam(text);
	if (!group)
		return hl_error_set(err, errno ? errno : ENOENT,
				    "--who \"%s\" is neither any, admin nor a group", text);
	policy->who = HELIX_LEASE_WHO_GROUP;
	policy->gid = group->gr_gid;
	return 0;
}

/* 0, -errno, or 1 where it is none of these. */
static int parse_option(int opt, struct hl_policy *policy, struct hl_error *err)
{
	switch (opt) {
	case OPT_WHO:
		policy->mask |= HELIX_LEASE_POLICY_WHO;
		return parse_who(optarg, policy, err);
	case OPT_PER_USER:
		policy->mask |= HELIX_LEASE_POLICY_MAX_PER_UID;
		return hl_parse_u32("--per-user", optarg, 0, UINT32_MAX, &policy->max_per_uid, err);
	case OPT_PER_CGROUP:
		policy->mask |= HELIX_LEASE_POLICY_MAX_PER_CGROUP;
		return hl_parse_u32("--per-cgroup", optarg, 0, UINT32_MAX,
				    &policy->max_per_cgroup, err);
	case OPT_GRACE:
		policy->mask |= HELIX_LEASE_POLICY_GRACE_MS;
		return hl_parse_milli("--grace", optarg, 0, HELIX_LEASE_GRACE_MAX_MS,
				      &policy->grace_ms, err);
	default:
		return 1;
	}
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct hl_policy *policy, int *json)
{
	static const struct option options[] = {
		{ "who", required_argument, NULL, OPT_WHO },
		{ "per-user", required_argument, NULL, OPT_PER_USER },
		{ "per-cgroup", required_argument, NULL, OPT_PER_CGROUP },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hl_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		int ret;

		if (opt == 'h') {
			help();
			return EXIT_OK;
		}
		if (opt == 'j') {
			*json = 1;
			continue;
		}
		ret = parse_option(opt, policy, &err);
		if (ret)
			return fail_usage(argv[0], ret < 0 ? &err : NULL);
	}
	if (optind < argc) {
		fprintf(stderr, "helixctl policy: \"%s\" is not expected\n", argv[optind]);
		return fail_usage(argv[0], NULL);
	}
	return -1;
}

static void print_limit(const char *name, uint32_t limit)
{
	if (limit)
		printf("%s: %u\n", name, limit);
	else
		printf("%s: any number\n", name);
}

static int print_policy(const struct hl_policy *policy)
{
	struct group *group = NULL;

	if (policy->who == HELIX_LEASE_WHO_GROUP)
		group = getgrgid(policy->gid);
	if (group)
		printf("who: group %s\n", group->gr_name);
	else if (policy->who == HELIX_LEASE_WHO_GROUP)
		printf("who: group %u\n", policy->gid);
	else
		printf("who: %s\n", hl_who_name(policy->who));
	print_limit("per user", policy->max_per_uid);
	print_limit("per cgroup", policy->max_per_cgroup);
	printf("grace: %u.%03u s\n", policy->grace_ms / 1000, policy->grace_ms % 1000);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_OK;
}

int cmd_policy(const struct context *ctx, int argc, char **argv)
{
	struct hl_policy policy = { 0 };
	struct hl_conn *conn = NULL;
	struct hl_error err;
	int json = 0, status, ret;

	status = parse(argc, argv, &policy, &json);
	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret)
		ret = policy.mask ? hl_set_policy(conn, &policy, &err) :
				    hl_get_policy(conn, &policy, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	return json ? print_json(hl_policy_to_json(&policy)) : print_policy(&policy);
}
