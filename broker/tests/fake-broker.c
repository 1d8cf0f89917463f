// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server on a socket of its own with the stand-in for the module behind it,
 * as a process, for tests of the commands. usage: fake-broker SOCKET SCANOUTS [TROUBLE]...
 *
 * Troubles: host-down, host-none, and of a scanout stalled=N, quarantined=N, quiescing=N.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-module.h"
#include "listen.h"
#include "server.h"

#define LONG_MS 90000

static bool make_trouble(struct module *mod, const char *trouble)
{
	const char *number = strchr(trouble, '=');
	uint32_t scanout = number ? atoi(number + 1) : 0;

	if (!strcmp(trouble, "host-down")) {
		fake_module_host(mod, HELIX_LEASE_HOST_DOWN);
	} else if (!strcmp(trouble, "host-none")) {
		fake_module_host(mod, HELIX_LEASE_HOST_NONE);
	} else if (scanout && !strncmp(trouble, "stalled=", 8)) {
		fake_module_give(mod, scanout, getuid());	/* its handle stays open */
		fake_module_stall(mod, scanout, LONG_MS, "fence vgem unbound");
	} else if (scanout && !strncmp(trouble, "quarantined=", 12)) {
		fake_module_stuck(mod, scanout, HELIX_LEASE_STATE_QUARANTINED, LONG_MS);
	} else if (scanout && !strncmp(trouble, "quiescing=", 10)) {
		fake_module_stuck(mod, scanout, HELIX_LEASE_STATE_QUIESCING, LONG_MS);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct server *srv = NULL;
	struct hl_error err = { 0 };
	sd_event *event = NULL;
	struct module *mod;
	sigset_t set;
	bool ours;
	int fd;

	if (argc < 3)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	mod = fake_module_new(atoi(argv[2]));
	for (int i = 3; i < argc; i++)
		if (!make_trouble(mod, argv[i]))
			return 2;
	if (listen_open(argv[1], -1, &fd, &ours, &err) || sd_event_new(&event) < 0 ||
	    sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL) < 0 ||
	    server_new(event, fd, mod, &policy_default, NULL, &srv, &err)) {
		fprintf(stderr, "fake-broker: %s\n", err.message);
		return 1;
	}
	puts("serving");
	fflush(stdout);
	sd_event_loop(event);
	server_free(srv);
	sd_event_unref(event);
	close(fd);
	hl_module_close(mod);
	unlink(argv[1]);
	return 0;
}
