// SPDX-License-Identifier: GPL-2.0-only
/* doctor: what is wrong and what to do, in words or as JSON. */
#include <stdio.h>

#include "cmd.h"
#include "codec.h"
#include "doctor.h"
#include "opts.h"

#define EXIT_CANNOT_LOOK	2

struct doctor_args {
	int json;
	const char *root;
};

static const struct opt options[] = {
	OPT_JSON(struct doctor_args, json, "an object on one line"),
	{ .name = "root", .value = "DIR", .parse = opt_text,
	  .offset = offsetof(struct doctor_args, root),
	  .help = "look for /dev, /sys, /proc, /run and /lib below DIR" },
};

static const struct usage usage = {
	.text = "usage: helixctl doctor [OPTION]...\n"
		"Say what is wrong with the leasing of scanouts on this machine, and what to do.\n"
		"Root is told the most.\n\n",
	.opts = options,
	.nr_opts = ARRAY_SIZE(options),
	.more = "\nThe exit status is 0 if all is well, 1 if something was found, 2 if neither the\n"
		"module nor the broker may be asked.\n",
};

static const char *severity_name(enum severity severity)
{
	return severity == SEVERITY_ERROR ? "error" : "warning";
}

static void print_words(const struct facts *facts, const struct findings *found)
{
	for (size_t i = 0; i < found->n; i++)
		printf("%s: %s\n  %s\n", severity_name(found->list[i].severity),
		       found->list[i].what, found->list[i].remedy);
	if (facts_refused(facts))
		printf("cannot look: %s; run this as root\n", facts->module_err.message);
	else if (!found->n)
		printf("all is well: %u GPUs, %zu scanouts, host %s\n", facts->info.nr_gpus, facts->n,
		       hl_host_name(facts->info.host_state));
}

static json_object *finding_to_json(const struct finding *f)
{
	json_object *obj = json_object_new_object();

	if (hl_json_add(obj, "id", json_object_new_string(f->id)) &&
	    hl_json_add(obj, "severity", json_object_new_string(severity_name(f->severity))) &&
	    (!f->scanout || hl_json_add(obj, "scanout", json_object_new_int64(f->scanout))) &&
	    hl_json_add(obj, "what", json_object_new_string(f->what)) &&
	    hl_json_add(obj, "remedy", json_object_new_string(f->remedy)))
		return obj;
	json_object_put(obj);
	return NULL;
}

static json_object *to_json(const struct facts *facts, const struct findings *found)
{
	json_object *obj = json_object_new_object(), *array = json_object_new_array();
	bool ok = obj && array && hl_json_add(obj, "complete", json_object_new_boolean(!facts_refused(facts)));

	for (size_t i = 0; ok && i < found->n; i++) {
		json_object *finding = finding_to_json(&found->list[i]);

		ok = finding && !json_object_array_add(array, finding);
		if (!ok)
			json_object_put(finding);
	}
	if (ok && hl_json_add(obj, "findings", array))
		return obj;
	if (!ok)
		json_object_put(array);
	json_object_put(obj);
	return NULL;
}

static int status_of(const struct facts *facts, const struct findings *found)
{
	if (facts_refused(facts))
		return EXIT_CANNOT_LOOK;
	return found->n || found->lost ? EXIT_REFUSED : EXIT_OK;
}

int cmd_doctor(const struct context *ctx, int argc, char **argv)
{
	struct doctor_args args = { .root = "" };
	struct findings found;
	struct facts facts;
	int status = opts_parse(&usage, &args, argc, argv);

	if (status >= 0)
		return status;
	doctor_look(ctx, args.root, &facts);
	doctor_judge(&facts, &found);
	status = status_of(&facts, &found);
	if (args.json) {
		if (print_json(to_json(&facts, &found)) != EXIT_OK)
			status = EXIT_CANNOT_LOOK;
	} else {
		print_words(&facts, &found);
		if (fflush(stdout))
			status = EXIT_CANNOT_LOOK;
	}
	findings_free(&found);
	facts_free(&facts);
	return status;
}
