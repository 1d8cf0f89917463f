// SPDX-License-Identifier: GPL-2.0-only
/* helix-login1: org.freedesktop.login1 for a container that has one seat and no systemd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "login.h"

#define EXIT_USAGE	2
#define RUNTIME_DIR	"/run/systemd"
#define RUNTIME_MAX	1024	/* bytes; leaves room for the files' names in a path */

struct options {
	const char *runtime_dir;
	bool daemon;
	bool help;
	bool version;
};

static const struct option long_options[] = {
	{ "daemon", no_argument, NULL, 'd' },
	{ "runtime", required_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void help(void)
{
	puts("usage: helix-login1 [OPTION]...\n"
	     "Serve org.freedesktop.login1 on the system bus of a container: one seat, one session.\n\n"
	     "  -d, --daemon         return as soon as it serves, and go on in the background\n"
	     "  -r, --runtime DIR    write what libsystemd reads of sessions there [" RUNTIME_DIR "]\n"
	     "  -h, --help           show this and exit\n"
	     "  -V, --version        show the version and exit");
}

static int parse(int argc, char **argv, struct options *opts, struct hl_error *err)
{
	int opt;

	*opts = (struct options) { .runtime_dir = RUNTIME_DIR };
	while ((opt = getopt_long(argc, argv, "dr:hV", long_options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			opts->daemon = true;
			break;
		case 'r':
			if (!*optarg || strlen(optarg) > RUNTIME_MAX)
				return hl_error_set(err, EINVAL, "--runtime: a folder's name of 1 to %d bytes is needed",
						    RUNTIME_MAX);
			opts->runtime_dir = optarg;
			break;
		case 'h':
			opts->help = true;
			break;
		case 'V':
			opts->version = true;
			break;
		default:
			return hl_error_set(err, EINVAL, "see helix-login1 --help");
		}
	}
	if (optind < argc)
		return hl_error_set(err, EINVAL, "\"%s\" is not an option; see helix-login1 --help", argv[optind]);
	return 0;
}

/* ---- the session ---- */

static uint64_t now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

void login_set_idle(struct login *login, int idle)
{
	static const char *const objects[][2] = {
		{ LOGIN_SESSION_PATH, LOGIN_NAME ".Session" },
		{ LOGIN_SEAT_PATH, LOGIN_NAME ".Seat" },
		{ NULL, LOGIN_NAME ".User" },	/* its path is the user's */
		{ LOGIN_PATH, LOGIN_NAME ".Manager" },
	};

	if (idle == login->idle)
		return;
	login->idle = idle;
	login->idle_since = now_us(CLOCK_REALTIME);
	login->idle_since_monotonic = now_us(CLOCK_MONOTONIC);
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		sd_bus_emit_properties_changed(login->bus, objects[i][0] ? objects[i][0] : login->user_path,
					       objects[i][1], "IdleHint", "IdleSinceHint",
					       "IdleSinceHintMonotonic", NULL);
}

static char *text_of(const char *variable, const char *otherwise)
{
	const char *text = getenv(variable);

	return strdup(text && *text && !strchr(text, '\n') ? text : otherwise);
}

static int describe(struct login *login, struct hl_error *err)
{
	struct passwd *entry = getpwuid(getuid());
	char number[16], runtime[32];

	login->uid = getuid();
	login->gid = getgid();
	snprintf(number, sizeof(number), "%u", login->uid);
	snprintf(runtime, sizeof(runtime), "/run/user/%u", login->uid);
	/* A container may well have a user that it has no name for. */
	login->user = strdup(entry ? entry->pw_name : number);
	login->runtime_path = text_of("XDG_RUNTIME_DIR", runtime);
	login->desktop = text_of("XDG_SESSION_DESKTOP", "");
	login->type = strdup("wayland");
	login->class = strdup("user");
	login->since = now_us(CLOCK_REALTIME);
	login->since_monotonic = now_us(CLOCK_MONOTONIC);
	/* As the real one: an object's name begins with no digit. */
	if (asprintf(&login->user_path, LOGIN_PATH "/user/_%u", login->uid) < 0)
		login->user_path = NULL;
	if (login->user && login->runtime_path && login->desktop && login->type && login->class &&
	    login->user_path)
		return 0;
	return hl_error_set(err, ENOMEM, "out of memory");
}

static void forget(struct login *login)
{
	session_drop_control(login);
	sd_bus_flush_close_unref(login->bus);
	sd_event_unref(login->event);
	free(login->user);
	free(login->user_path);
	free(login->runtime_path);
	free(login->desktop);
	free(login->type);
	free(login->class);
}

/* ---- the bus ---- */

static int make_loop(struct login *login, struct hl_error *err)
{
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Who waited for it to serve may be gone: that is an error like any other. */
	signal(SIGPIPE, SIG_IGN);
	ret = sd_event_new(&login->event);
	/* Without a callback the signal ends the loop. */
	if (ret >= 0)
		ret = sd_event_add_signal(login->event, NULL, SIGTERM, NULL, NULL);
	if (ret >= 0)
		ret = sd_event_add_signal(login->event, NULL, SIGINT, NULL, NULL);
	return ret < 0 ? hl_error_set(err, -ret, "cannot make an event loop: %s", strerror(-ret)) : 0;
}

static int join_bus(struct login *login, struct hl_error *err)
{
	int ret = sd_bus_open_system(&login->bus);

	if (ret >= 0)
		ret = sd_bus_attach_event(login->bus, login->event, SD_EVENT_PRIORITY_NORMAL);
	/* Nobody could ask any more: the loop ends, with an error. */
	if (ret >= 0)
		ret = sd_bus_set_exit_on_disconnect(login->bus, 1);
	if (ret < 0)
		return hl_error_set(err, -ret, "cannot connect to the system bus: %s", strerror(-ret));
	ret = manager_register(login);
	if (ret >= 0)
		ret = session_register(login);
	if (ret >= 0)
		ret = seat_register(login);
	if (ret >= 0)
		ret = user_register(login);
	if (ret < 0)
		return hl_error_set(err, -ret, "cannot make the objects: %s", strerror(-ret));
	return 0;
}

static int refuse_name(struct hl_error *err)
{
	return hl_error_set(err, EEXIST, "the bus has " LOGIN_NAME " already: a logind runs here");
}

/* Before anything is written that may be another's. */
static int check_name(struct login *login, struct hl_error *err)
{
	int ret = sd_bus_get_name_creds(login->bus, LOGIN_NAME, 0, NULL);

	if (ret >= 0)
		return refuse_name(err);
	if (ret != -ENXIO)
		return hl_error_set(err, -ret, "cannot ask who has the name " LOGIN_NAME ": %s", strerror(-ret));
	return 0;
}

static int take_name(struct login *login, struct hl_error *err)
{
	int ret = sd_bus_request_name(login->bus, LOGIN_NAME, 0);

	if (ret == -EEXIST)
		return refuse_name(err);
	if (ret < 0)
		return hl_error_set(err, -ret, "cannot get the name " LOGIN_NAME ": %s", strerror(-ret));
	return 0;
}

static int tell_ready(int fd, struct hl_error *err)
{
	if (fd < 0)
		return 0;
	if (write(fd, "", 1) != 1)
		return hl_error_set(err, errno, "cannot tell that it serves: %s", strerror(errno));
	close(fd);
	return 0;
}

/* The files before the name: whoever waits for it finds them. */
static int run(struct login *login, int ready_fd, struct hl_error *err)
{
	int ret = files_write(login, err);

	if (!ret)
		ret = take_name(login, err);
	if (!ret)
		ret = tell_ready(ready_fd, err);
	if (!ret && sd_event_loop(login->event))
		ret = hl_error_set(err, ECONNRESET, "the system bus has gone");
	/* Who was faster at the name wrote the same files: they are his. */
	if (ret != -EEXIST)
		files_remove(login);
	return ret;
}

static int serve(struct login *login, int ready_fd, struct hl_error *err)
{
	int ret = describe(login, err);

	if (!ret)
		ret = make_loop(login, err);
	if (!ret)
		ret = join_bus(login, err);
	if (!ret)
		ret = check_name(login, err);
	return ret ? ret : run(login, ready_fd, err);
}

/*
 * In the parent: waits until the child serves, or has ended with a message, and ends
 * likewise. In the child: returns the descriptor by which it says so.
 */
static int go_to_background(struct hl_error *err)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hl_error_set(err, errno, "cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return hl_error_set(err, errno, "cannot go to the background: %s", strerror(errno));
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		/* Who reads what it prints waits for no end; its errors still go where they went. */
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
		close(ends[0]);
		setsid();
		return ends[1];
	}
	close(ends[1]);
	_exit(read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct login login = { 0 };
	struct options opts;
	struct hl_error err;
	int ready_fd = -1, ret;

	if (parse(argc, argv, &opts, &err)) {
		fprintf(stderr, "helix-login1: %s\n", err.message);
		return EXIT_USAGE;
	}
	if (opts.help) {
		help();
		return 0;
	}
	if (opts.version) {
		puts("helix-login1 " HELIX_VERSION);
		return 0;
	}
	if (opts.daemon)
		ready_fd = go_to_background(&err);
	ret = opts.daemon && ready_fd < 0 ? ready_fd : 0;
	login.runtime_dir = opts.runtime_dir;
	if (!ret)
		ret = serve(&login, ready_fd, &err);
	forget(&login);
	if (!ret)
		return 0;
	fprintf(stderr, "helix-login1: %s\n", err.message);
	return EXIT_FAILURE;
}
