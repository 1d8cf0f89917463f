// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"
#include "numbers.h"
#include "options.h"

#define GROUP_DEFAULT	"helix"
#define WAIT_DEFAULT_S	60
#define WAIT_MAX_S	3600
#define CLIENTS_MAX	512

enum {
	OPT_NO_BIND = 256,
	OPT_CLIENTS,
	OPT_IDLE,
	OPT_QUOTA_CGROUP,
	OPT_GRACE,
	OPT_MAX_PRIORITY,
	OPT_CDI,
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "group", required_argument, NULL, 'g' },
	{ "allow-group", required_argument, NULL, 'a' },
	{ "quota", required_argument, NULL, 'q' },
	{ "quota-cgroup", required_argument, NULL, OPT_QUOTA_CGROUP },
	{ "grace", required_argument, NULL, OPT_GRACE },
	{ "max-priority", required_argument, NULL, OPT_MAX_PRIORITY },
	{ "clients", required_argument, NULL, OPT_CLIENTS },
	{ "idle", required_argument, NULL, OPT_IDLE },
	{ "module", required_argument, NULL, 'm' },
	{ "card", required_argument, NULL, 'c' },
	{ "wait", required_argument, NULL, 'w' },
	{ "cdi", required_argument, NULL, OPT_CDI },
	{ "no-bind", no_argument, NULL, OPT_NO_BIND },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

void options_help(void)
{
	printf("usage: helix-leased [OPTION]...\n"
	       "Hand the virtio-gpu to the helix_lease module and serve scanouts to clients.\n\n"
	       "  -s, --socket PATH        listen here [%s]\n"
	       "  -g, --group NAME         group of the socket [%s, where it exists]\n"
	       "  -a, --allow-group NAME   serve only members of this group and root; may be repeated\n"
	       "  -q, --quota N            scanouts a user other than root may have; 0: any number\n"
	       "      --quota-cgroup N     likewise for a control group\n"
	       "      --grace SECONDS      keep a picture so long for an owner who comes back\n"
	       "      --max-priority N     what users other than root may ask for, 0..255 [%u]\n"
	       "      --clients N          connections served at once [%u]\n"
	       "      --idle SECONDS       drop a client that asks nothing for so long [%u]\n"
	       "  -m, --module PATH        control node of the module [%s]\n"
	       "  -c, --card PATH          bind this card only [every virtio-gpu]\n"
	       "      --cdi FILE           keep the CDI specification for container runtimes current\n"
	       "      --no-bind            bind nothing, serve what is bound\n"
	       "  -w, --wait SECONDS       wait so long for the module and the card [%d]\n"
	       "  -h, --help               show this and exit\n"
	       "  -V, --version            show the version and exit\n",
	       HL_SOCKET_PATH, GROUP_DEFAULT, policy_default.priority_max,
	       policy_default.clients, policy_default.idle_ms / 1000, HL_MODULE_PATH, WAIT_DEFAULT_S);
}

static int parse_group(const char *what, const char *name, gid_t *gid, struct hl_error *err)
{
	struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return hl_error_set(err, errno ? errno : ENOENT, "%s: there is no group \"%s\"",
				    what, name);
	*gid = group->gr_gid;
	return 0;
}

static int allow_group(const char *name, struct policy *policy, struct hl_error *err)
{
	if (policy->nr_allowed == POLICY_GROUPS_MAX)
		return hl_error_set(err, E2BIG, "--allow-group: more than %d groups",
				    POLICY_GROUPS_MAX);
	return parse_group("--allow-group", name, &policy->allowed[policy->nr_allowed++], err);
}

static int parse_one(int opt, const char *arg, struct options *opts, struct hl_error *err)
{
	struct hl_policy *module = &opts->policy.module;
	uint32_t seconds;
	int ret = 0;

	switch (opt) {
	case 's':
		opts->socket = arg;
		break;
	case 'g':
		ret = parse_group("--group", arg, &opts->group, err);
		break;
	case 'a':
		ret = allow_group(arg, &opts->policy, err);
		break;
	case 'q':
		ret = hl_parse_u32("--quota", arg, 0, UINT32_MAX, &module->max_per_uid, err);
		module->mask |= HELIX_LEASE_POLICY_MAX_PER_UID;
		break;
	case OPT_QUOTA_CGROUP:
		ret = hl_parse_u32("--quota-cgroup", arg, 0, UINT32_MAX, &module->max_per_cgroup,
				   err);
		module->mask |= HELIX_LEASE_POLICY_MAX_PER_CGROUP;
		break;
	case OPT_GRACE:
		ret = hl_parse_milli("--grace", arg, 0, HELIX_LEASE_GRACE_MAX_MS,
				     &module->grace_ms, err);
		module->mask |= HELIX_LEASE_POLICY_GRACE_MS;
		break;
	case OPT_MAX_PRIORITY:
		ret = hl_parse_u32("--max-priority", arg, 0, HL_PRIORITY_MAX,
				   &opts->policy.priority_max, err);
		break;
	case OPT_CLIENTS:
		ret = hl_parse_u32("--clients", arg, 1, CLIENTS_MAX, &opts->policy.clients, err);
		break;
	case OPT_IDLE:
		ret = hl_parse_u32("--idle", arg, 1, WAIT_MAX_S, &seconds, err);
		if (!ret)
			opts->policy.idle_ms = seconds * 1000;
		break;
	case 'm':
		opts->module = arg;
		break;
	case 'c':
		opts->card = arg;
		break;
	case 'w':
		ret = hl_parse_u32("--wait", arg, 0, WAIT_MAX_S, &opts->wait_s, err);
		break;
	case OPT_CDI:
		opts->cdi = arg;
		break;
	case OPT_NO_BIND:
		opts->bind = false;
		break;
	case 'h':
		opts->help = true;
		break;
	case 'V':
		opts->version = true;
		break;
	default:
		ret = hl_error_set(err, EINVAL, "see helix-leased --help");
	}
	return ret;
}

/* The module knows one group. Of several only administrators go there directly. */
static void map_groups(struct policy *policy)
{
	if (!policy->nr_allowed)
		return;
	policy->module.mask |= HELIX_LEASE_POLICY_WHO;
	policy->module.who = HELIX_LEASE_WHO_ADMIN;
	if (policy->nr_allowed == 1) {
		policy->module.who = HELIX_LEASE_WHO_GROUP;
		policy->module.gid = policy->allowed[0];
	}
}

int options_parse(int argc, char **argv, struct options *opts, struct hl_error *err)
{
	int opt;

	*opts = (struct options) {
		.socket = HL_SOCKET_PATH,
		.module = HL_MODULE_PATH,
		.group = (gid_t)-1,
		.wait_s = WAIT_DEFAULT_S,
		.bind = true,
		.policy = policy_default,
	};
	parse_group("", GROUP_DEFAULT, &opts->group, NULL);

	optind = 0;
	while ((opt = getopt_long(argc, argv, "s:g:a:q:m:c:w:hV", long_options, NULL)) != -1) {
		int ret = parse_one(opt, optarg, opts, err);

		if (ret)
			return ret;
	}
	if (optind < argc)
		return hl_error_set(err, EINVAL, "\"%s\" is not an option; see helix-leased --help",
				    argv[optind]);
	map_groups(&opts->policy);
	return 0;
}
