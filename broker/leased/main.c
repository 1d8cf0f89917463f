// SPDX-License-Identifier: GPL-2.0-only
/* helix-leased: puts the parts together, in the order in which they need each other. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "cdi-watch.h"
#include "error.h"
#include "gpu.h"
#include "hotplug.h"
#include "input.h"
#include "input-record.h"
#include "listen.h"
#include "log.h"
#include "nodes.h"
#include "options.h"
#include "server.h"
#include "watch.h"

#define EXIT_USAGE 2

static int open_module(const struct options *opts, int64_t deadline_ms, struct module **mod,
		       struct hl_error *err)
{
	unsigned int delay_ms = 0;
	int ret;

	do {
		ret = hl_module_open(opts->module, mod, err);
	} while ((ret == -ENOENT || ret == -ENXIO || ret == -ENODEV) &&
		 gpu_backoff(&delay_ms, deadline_ms));
	return ret;
}

/* A client takes two, and one that waits three more: 1024, as is usual, is too few for --clients 512. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot have more than the usual descriptors: %s", strerror(errno));
}

static int start_loop(sd_event **event, struct hl_error *err)
{
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);

	ret = sd_event_new(event);
	/* Without a callback the signal ends the loop. */
	if (ret >= 0)
		ret = sd_event_add_signal(*event, NULL, SIGTERM, NULL, NULL);
	if (ret >= 0)
		ret = sd_event_add_signal(*event, NULL, SIGINT, NULL, NULL);
	if (ret >= 0)
		ret = sd_event_set_watchdog(*event, 1);
	if (ret >= 0)
		return 0;
	return hl_error_set(err, -ret, "cannot make an event loop: %s", strerror(-ret));
}

/* To serve matters more: without it only the journal is the poorer. */
static struct watch *start_watch(sd_event *event)
{
	struct watch *watch = NULL;
	struct hl_monitor *mon;
	struct hl_error err;
	int ret = hl_monitor_open(&mon, &err);

	if (!ret)
		ret = watch_new(event, mon, &watch, &err);
	if (ret)
		log_warn("what happens to scanouts will not be written here: %s", err.message);
	return watch;
}

/* Likewise: who is not root then cannot open what he has leased. */
static struct nodes *start_nodes(sd_event *event, struct module *mod)
{
	struct nodes *nodes = NULL;
	struct hl_error err;

	if (nodes_new(event, mod, &nodes, &err))
		log_warn("nodes of scanouts stay root's: %s", err.message);
	return nodes;
}

/* Likewise: a container then keeps the size that it began with. */
static struct hotplug *start_hotplug(sd_event *event, struct module *mod)
{
	struct hotplug *hotplug = NULL;
	struct hl_error err;

	if (hotplug_new(event, mod, &hotplug, &err))
		log_warn("containers will not hear of a resize: %s", err.message);
	return hotplug;
}

/* Likewise: who asks by the socket gets a scanout all the same. */
static struct cdi_watch *start_cdi(const struct options *opts, sd_event *event, struct module *mod)
{
	struct cdi_watch *watch = NULL;
	struct hl_error err;

	if (opts->cdi &&
	    cdi_watch_new(event, mod, opts->cdi, record_any_absent(""), &watch, &err))
		log_error("container runtimes will not know of scanouts: %s", err.message);
	return watch;
}

/* Likewise: without it tenants of before may hear what is typed for others. */
static struct input *start_input(struct module *mod, struct cdi_watch *cdi)
{
	struct input *input = NULL;
	struct hl_error err;

	if (input_new(mod, cdi, "", INPUT_WAIT_MS, &input, &err)) {
		log_error("who had a scanout before may hear its input: %s", err.message);
		cdi_watch_catch_up(cdi);
	}
	return input;
}

static bool on_grant(void *data, uint32_t scanout)
{
	return input_settle(data, scanout);
}

static int serve(const struct options *opts, struct module *mod, int fd, struct hl_error *err)
{
	struct watch *watch = NULL;
	struct cdi_watch *cdi = NULL;
	struct hotplug *hotplug = NULL;
	struct nodes *nodes = NULL;
	struct input *input = NULL;
	struct server *srv = NULL;
	sd_event *event = NULL;
	int ret = start_loop(&event, err);

	if (!ret) {
		nodes = start_nodes(event, mod);
		ret = server_new(event, fd, mod, &opts->policy, nodes, &srv, err);
	}
	if (!ret) {
		watch = start_watch(event);
		cdi = start_cdi(opts, event, mod);
		hotplug = start_hotplug(event, mod);
		input = start_input(mod, cdi);
		server_on_grant(srv, on_grant, input);
		sd_notify(0, "READY=1\nSTATUS=Serving scanouts");
		log_info("serving");
		ret = sd_event_loop(event);
		if (ret < 0)
			hl_error_set(err, -ret, "the event loop failed: %s", strerror(-ret));
		sd_notify(0, "STOPPING=1");
	}
	input_stop(input);
	server_free(srv);
	nodes_free(nodes);
	input_free(input);
	hotplug_free(hotplug);
	cdi_watch_free(cdi);
	watch_free(watch);
	sd_event_unref(event);
	return ret;
}

/* What no option names stays as it is: an administrator may have set it. */
static int set_policy(const struct options *opts, struct module *mod, struct hl_error *err)
{
	struct hl_policy policy = opts->policy.module;

	return policy.mask ? hl_module_policy(mod, &policy, err) : 0;
}

static int run(const struct options *opts, struct hl_error *err)
{
	int64_t deadline_ms = gpu_now_ms() + opts->wait_s * 1000LL;
	struct module *mod = NULL;
	bool ours = false;
	int fd = -1;
	int ret;

	/* The socket last: a client that can connect is not made to wait for hardware. */
	sd_notify(0, "STATUS=Waiting for the helix_lease module");
	ret = open_module(opts, deadline_ms, &mod, err);
	if (!ret && opts->bind) {
		sd_notify(0, "STATUS=Waiting for the GPU");
		ret = gpu_bind(mod, opts->card, deadline_ms, err);
	}
	if (!ret)
		ret = set_policy(opts, mod, err);
	if (!ret)
		ret = listen_open(opts->socket, opts->group, &fd, &ours, err);
	if (!ret)
		ret = serve(opts, mod, fd, err);
	if (fd >= 0)
		close(fd);
	if (ours)
		unlink(opts->socket);
	hl_module_close(mod);
	return ret;
}

int main(int argc, char **argv)
{
	struct options opts;
	struct hl_error err;

	log_init();
	allow_descriptors();
	if (options_parse(argc, argv, &opts, &err)) {
		fprintf(stderr, "helix-leased: %s\n", err.message);
		return EXIT_USAGE;
	}
	if (opts.help) {
		options_help();
		return 0;
	}
	if (opts.version) {
		puts("helix-leased " HELIX_VERSION);
		return 0;
	}
	if (run(&opts, &err) < 0) {
		log_error("%s", err.message);
		sd_notifyf(0, "STATUS=%s\nERRNO=%d", err.message, err.code);
		return EXIT_FAILURE;
	}
	return 0;
}
