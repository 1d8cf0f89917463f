// SPDX-License-Identifier: GPL-2.0-only
/*
 * helix-viewer: watches the desktops of a helix-exportd and reports what came.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "report.h"
#include "session.h"

enum { EXIT_ALL = 0, EXIT_SOME_MISSING = 1, EXIT_NOT_RUN = 2 };

static struct session *running;

static void on_signal(int signal)
{
	(void)signal;
	session_stop(running);
}

static void stop_on_signals(struct session *session)
{
	struct sigaction action = { .sa_handler = on_signal };

	running = session;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int watch(const struct options *options)
{
	struct session *session = session_new(options);
	const struct desktop *desktops;
	int status = EXIT_NOT_RUN;
	char *text;
	size_t n;

	if (!session)
		return EXIT_NOT_RUN;
	stop_on_signals(session);
	session_run(session);

	desktops = session_desktops(session, &n);
	text = report_text(desktops, n, session_measured_s(session));
	if (!session_reached_server(session))
		fprintf(stderr, "helix-viewer: no list of desktops came from %s port %u within %.0f s\n",
			options->host, options->port, options->wait_s);
	else if (text && report_write(text, options->output))
		status = session_complete(session) ? EXIT_ALL : EXIT_SOME_MISSING;

	for (size_t i = 0; i < n; i++) {
		if (!desktop_delivered(&desktops[i]))
			fprintf(stderr, "helix-viewer: scanout %u '%s' delivered no frame\n",
				desktops[i].scanout, desktops[i].name);
		if (desktops[i].violations)
			fprintf(stderr, "helix-viewer: scanout %u broke the protocol %u times, last: %s\n",
				desktops[i].scanout, desktops[i].violations, desktops[i].violation);
	}
	if (options->desktops > n)
		fprintf(stderr, "helix-viewer: %zu of %u desktops were there\n", n, options->desktops);
	free(text);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	session_free(session);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;

	if (!options_parse(argc, argv, &options)) {
		fprintf(stderr, "Try 'helix-viewer --help'.\n");
		return EXIT_NOT_RUN;
	}
	if (options.help) {
		options_usage();
		return EXIT_ALL;
	}
	return watch(&options);
}
