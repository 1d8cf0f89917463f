// SPDX-License-Identifier: GPL-2.0-only
/* Owns the defaults and the limits of what can be set. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

enum {
	OPT_QMP = 256,
	OPT_CONTROL,
	OPT_LISTEN,
	OPT_PORT,
	OPT_WEB,
	OPT_ENCODER,
	OPT_BITRATE,
	OPT_FPS,
	OPT_THREADS,
	OPT_CONSOLE0,
};

static const struct option options_long[] = {
	{ "qmp", required_argument, NULL, OPT_QMP },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "web", required_argument, NULL, OPT_WEB },
	{ "encoder", required_argument, NULL, OPT_ENCODER },
	{ "bitrate", required_argument, NULL, OPT_BITRATE },
	{ "fps", required_argument, NULL, OPT_FPS },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "console0", no_argument, NULL, OPT_CONSOLE0 },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

static const char options_help[] =
"Usage: helix-exportd --qmp PATH [OPTION]...\n"
"\n"
"Serves the desktops of a virtual machine to browsers: takes pictures from\n"
"QEMU's D-Bus display, encodes H.264, sends keyboard and mouse back.\n"
"\n"
"  --qmp PATH         QEMU's monitor, a Unix socket; -display dbus,p2p=on\n"
"  --control PATH     the helix-control device's Unix socket; without it the\n"
"                     guest cannot enable outputs\n"
"  --listen ADDRESS   loopback address to serve on (127.0.0.1)\n"
"  --port PORT        TCP port, 0 for any that is free (8800)\n"
"  --web DIR          directory of the page's files\n"
"  --encoder NAME     H.264 encoder of libavcodec (libx264)\n"
"  --bitrate KBIT     ceiling of each desktop's stream, 100 to 200000 (8000)\n"
"  --fps N            frames per second of each desktop at most, 1 to 240 (60)\n"
"  --threads N        encoding threads, 1 to 64 (one per processor, at most 8)\n"
"  --console0         serve the VM's console too, as desktop 0\n"
"  -v, --verbose      say more on standard error\n"
"  -h, --help         this text\n"
"  -V, --version      the version\n"
"\n"
"When serving it prints one line: listening http://ADDRESS:PORT/\n";

static bool options_number(const char *name, const char *text,
			   unsigned int min, unsigned int max,
			   unsigned int *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || !g_ascii_isdigit(text[0]) || *end || value < min ||
	    value > max) {
		fprintf(stderr,
			"helix-exportd: --%s takes a number from %u to %u, not \"%s\"\n",
			name, min, max, text);
		return false;
	}
	*out = (unsigned int)value;
	return true;
}

static void options_defaults(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->vm.name = "vm";
	options->vm.clipboard = VM_CLIPBOARD_OFF;
	options->http.listen = "127.0.0.1";
	options->http.port = 8800;
	options->http.listen_fd = -1;
	options->encoder.name = "libx264";
	options->encoder.bitrate_kbit = 8000;
	options->encoder.fps = 60;
	options->threads = CLAMP(g_get_num_processors(), 1, 8);
}

/* False if the option is wrong or unknown. */
static bool options_take(struct options *options, int opt, const char *arg)
{
	unsigned int port;

	switch (opt) {
	case OPT_QMP:
		options->vm.qmp = arg;
		return true;
	case OPT_CONTROL:
		options->vm.control = arg;
		return true;
	case OPT_LISTEN:
		options->http.listen = arg;
		return true;
	case OPT_PORT:
		if (!options_number("port", arg, 0, 65535, &port))
			return false;
		options->http.port = (int)port;
		return true;
	case OPT_WEB:
		options->http.web = arg;
		return true;
	case OPT_ENCODER:
		options->encoder.name = arg;
		return true;
	case OPT_BITRATE:
		return options_number("bitrate", arg, 100, 200000,
				      &options->encoder.bitrate_kbit);
	case OPT_FPS:
		return options_number("fps", arg, 1, 240,
				      &options->encoder.fps);
	case OPT_THREADS:
		return options_number("threads", arg, 1, 64,
				      &options->threads);
	case OPT_CONSOLE0:
		options->vm.console0 = true;
		return true;
	case 'v':
		options->verbose = true;
		return true;
	default:
		fprintf(stderr, "helix-exportd: see helix-exportd --help\n");
		return false;
	}
}

static enum options_result options_check(const struct options *options)
{
	if (!options->vm.qmp) {
		fprintf(stderr, "helix-exportd: --qmp is needed; see helix-exportd --help\n");
		return OPTIONS_WRONG;
	}
	if (!request_listen_allowed(options->http.listen)) {
		fprintf(stderr,
			"helix-exportd: --listen %s: not a loopback address. Anybody who can connect\n"
			"can see and use the desktops, and there is no TLS and no token yet. To reach\n"
			"it from elsewhere, forward the port: ssh -L 8800:127.0.0.1:8800 HOST\n",
			options->http.listen);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *options, int argc,
				  char **argv)
{
	int opt;

	options_defaults(options);
	while ((opt = getopt_long(argc, argv, "vhV", options_long, NULL)) >= 0) {
		if (opt == 'h') {
			fputs(options_help, stdout);
			return OPTIONS_DONE;
		}
		if (opt == 'V') {
			puts("helix-exportd " HELIX_VERSION);
			return OPTIONS_DONE;
		}
		if (!options_take(options, opt, optarg))
			return OPTIONS_WRONG;
	}
	if (optind < argc) {
		fprintf(stderr, "helix-exportd: what is \"%s\"? See helix-exportd --help\n",
			argv[optind]);
		return OPTIONS_WRONG;
	}
	return options_check(options);
}
