// SPDX-License-Identifier: GPL-2.0-only
/* policy: what the module lets owners have; with an option for it, sets that first. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "cmd.h"
#include "codec.h"
#include "error.h"
#include "opts.h"

struct policy_args {
	struct hl_policy policy;
	int json;
};

static int parse_who(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	struct hl_policy *policy = to;
	struct group *group;

	(void)opt;
	policy->mask |= HELIX_LEASE_POLICY_WHO;
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

static int parse_per_user(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	struct hl_policy *policy = to;

	policy->mask |= HELIX_LEASE_POLICY_MAX_PER_UID;
	return opt_u32(opt, text, &policy->max_per_uid, err);
}

static int parse_per_cgroup(const struct opt *opt, const char *text, void *to,
			    struct hl_error *err)
{
	struct hl_policy *policy = to;

	policy->mask |= HELIX_LEASE_POLICY_MAX_PER_CGROUP;
	return opt_u32(opt, text, &policy->max_per_cgroup, err);
}

static int parse_grace(const struct opt *opt, const char *text, void *to, struct hl_error *err)
{
	struct hl_policy *policy = to;

	policy->mask |= HELIX_LEASE_POLICY_GRACE_MS;
	return opt_milli(opt, text, &policy->grace_ms, err);
}

/* Each sets the policy's mask as well, so it is given the whole policy. */
static const struct opt options[] = {
	{ .name = "who", .value = "WHO", .parse = parse_who,
	  .help = "any, admin, or a group's name: who of those that may open\n"
		  "the control node may acquire" },
	{ .name = "per-user", .value = "N", .parse = parse_per_user, .max = UINT32_MAX,
	  .help = "scanouts of a user other than root; 0: any number" },
	{ .name = "per-cgroup", .value = "N", .parse = parse_per_cgroup, .max = UINT32_MAX,
	  .help = "scanouts of a control group; 0: any number" },
	{ .name = "grace", .value = "SECONDS", .parse = parse_grace,
	  .max = HELIX_LEASE_GRACE_MAX_MS,
	  .help = "keep a picture so long for an owner who comes back; 0..600" },
	OPT_JSON(struct policy_args, json, "an object on one line"),
};

static const struct usage usage = {
	.text = "usage: helixctl policy [OPTION]...\n"
		"Show who may have how many scanouts; with options, set that first. Only root\n"
		"may set it. Leases that are there stay.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
};

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
	struct policy_args args = { 0 };
	struct hl_conn *conn = NULL;
	struct hl_error err;
	int status, ret;

	status = opts_parse(&usage, &args, argc, argv);
	if (status >= 0)
		return status;
	ret = ctx_connect(ctx, &conn, &err);
	if (!ret)
		ret = args.policy.mask ? hl_set_policy(conn, &args.policy, &err) :
					 hl_get_policy(conn, &args.policy, &err);
	hl_close(conn);
	if (ret)
		return fail(EXIT_REFUSED, &err);
	return args.json ? print_json(hl_policy_to_json(&args.policy)) :
			   print_policy(&args.policy);
}
