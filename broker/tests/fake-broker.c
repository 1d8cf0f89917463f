// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server on a socket of its own with the stand-in for the module behind it,
 * as a process, for tests of the commands. usage: fake-broker SOCKET SCANOUTS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake-module.h"
#include "listen.h"
#include "server.h"

int main(int argc, char **argv)
{
	struct server *srv = NULL;
	struct hl_error err = { 0 };
	sd_event *event = NULL;
	struct module *mod;
	sigset_t set;
	bool ours;
	int fd;

	if (argc != 3)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	mod = fake_module_new(atoi(argv[2]));
	if (listen_open(argv[1], -1, &fd, &ours, &err) || sd_event_new(&event) < 0 ||
	    sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL) < 0 ||
	    server_new(event, fd, mod, &policy_default, &srv, &err)) {
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
