// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the defaults and the limits of what can be set. One table has it all:
 * the file, the command line and the help are read from it, so that they cannot
 * disagree.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "choice.h"
#include "idle.h"
#include "proxy.h"
#include "request.h"

#define CONFIG_FLAG_BASE	256	/* getopt's value of the first of the table */
#define CONFIG_VM_NAME		"vm"	/* of the one that --qmp names */

enum config_type {
	CONFIG_TEXT,
	CONFIG_PATH,	/* absolute, in the file */
	CONFIG_NUMBER,
	CONFIG_SWITCH,
	CONFIG_CHOICE,	/* the number of a word */
	CONFIG_LIST,	/* of words, with commas between them */
};

struct config_key {
	const char *group, *name;	/* in the file */
	const char *flag;		/* on the command line, or NULL */
	enum config_type type;
	size_t offset;		/* in struct config; of "vm" in struct vm_options */
	unsigned int min, max;
	const char *const *choices;
	bool (*check)(const char *text, char **why);	/* of a text, or NULL */
	bool live;		/* a reload changes it */
	const char *arg, *help;
};

static const char *const config_auths[] = { "none", "token", NULL };
static const char *const config_levels[] = { "error", "warning", "info",
					     "debug", NULL };
static const char *const config_imports[] = { "auto", "off", NULL };
/* Of the file, those that are there once. */
static const char *const config_groups[] = { "server", "idle", "encoder", NULL };
static const char *const config_formats[] = { "text", "json", "journal", NULL };

#define CONFIG_OF(field)	offsetof(struct config, field)
#define CONFIG_OF_VM(field)	offsetof(struct vm_options, field)

static const struct config_key config_keys[] = {
	{ "vm", "qmp", "qmp", CONFIG_PATH, CONFIG_OF_VM(qmp), .live = true,
	  .arg = "PATH", .help = "QEMU's monitor, a Unix socket; -display dbus,p2p=on" },
	{ "vm", "control", "control", CONFIG_PATH, CONFIG_OF_VM(control),
	  .live = true, .arg = "PATH",
	  .help = "the helix-control device's Unix socket; without it the\n"
		  "guest cannot enable outputs" },
	{ "vm", "console0", "console0", CONFIG_SWITCH, CONFIG_OF_VM(console0),
	  .live = true, .help = "serve the VM's console too, as desktop 0" },
	{ "vm", "clipboard", "clipboard", CONFIG_NUMBER, CONFIG_OF_VM(clipboard),
	  0, 65535, .live = true, .arg = "N",
	  .help = "the desktop that has the VM's clipboard (none)" },
	{ "vm", "priority", NULL, CONFIG_NUMBER, CONFIG_OF_VM(priority),
	  0, VM_PRIORITY_MAX, .live = true },
	{ "vm", "idle-after", NULL, CONFIG_NUMBER, CONFIG_OF_VM(idle_after),
	  0, IDLE_AFTER_MAX, .live = true },
	{ "vm", "idle-warn", NULL, CONFIG_NUMBER, CONFIG_OF_VM(idle_warn),
	  0, IDLE_WARN_MAX, .live = true },

	{ "server", "listen", "listen", CONFIG_TEXT, CONFIG_OF(http.listen),
	  .arg = "ADDRESS", .help = "address to serve on (127.0.0.1); other than loopback\n"
	  "needs TLS and tokens" },
	{ "server", "port", "port", CONFIG_NUMBER, CONFIG_OF(http.port),
	  0, 65535, .arg = "PORT", .help = "TCP port, 0 for any that is free (8800)" },
	{ "server", "server-names", "server-names", CONFIG_LIST,
	  CONFIG_OF(http.server_names), .arg = "NAME,...",
	  .help = "what the server is called in URLs, besides loopback" },
	{ "server", "web", "web", CONFIG_PATH, CONFIG_OF(http.web),
	  .arg = "DIR", .help = "directory of the page's files" },
	{ "server", "tls-certificate", "tls-certificate", CONFIG_PATH,
	  CONFIG_OF(http.tls_certificate), .live = true, .arg = "FILE",
	  .help = "serve HTTPS with this certificate chain (PEM)" },
	{ "server", "tls-key", "tls-key", CONFIG_PATH, CONFIG_OF(http.tls_key),
	  .live = true, .arg = "FILE", .help = "and this private key" },
	{ "server", "auth", "auth", CONFIG_CHOICE, CONFIG_OF(http.auth),
	  .choices = config_auths, .arg = "none|token",
	  .help = "whom to serve: everybody who connects, or who has\n"
		  "a token (none on loopback)" },
	{ "server", "token-key", "token-key", CONFIG_PATH,
	  CONFIG_OF(http.token_key), .arg = "FILE",
	  .help = "the key that signs tokens" },
	{ "server", "state", "state", CONFIG_PATH, CONFIG_OF(http.state_dir),
	  .arg = "DIR", .help = "where tokens are remembered ($STATE_DIRECTORY)" },
	{ "server", "metrics-open", "metrics-open", CONFIG_SWITCH,
	  CONFIG_OF(http.metrics_open),
	  .help = "/metrics for everybody on loopback" },
	{ "server", "trusted-proxies", "trusted-proxies", CONFIG_LIST,
	  CONFIG_OF(http.trusted_proxies), .arg = "ADDRESS,...",
	  .help = "reverse proxies that are believed for whom they ask" },
	{ "server", "connections", "connections", CONFIG_NUMBER,
	  CONFIG_OF(http.connections), 16, 7680, .arg = "N",
	  .help = "at once, 16 to 7680 (384)" },
	{ "server", "connections-each", "connections-each", CONFIG_NUMBER,
	  CONFIG_OF(http.connections_each), 1, 7680, .live = true,
	  .arg = "N", .help = "of one address, 1 to 7680 (160)" },
	{ "server", "viewers", "viewers", CONFIG_NUMBER,
	  CONFIG_OF(http.viewers), 1, 7680, .live = true, .arg = "N",
	  .help = "WebSockets at once, 1 to 7680 (256)" },
	{ "server", "token-failures", "token-failures", CONFIG_NUMBER,
	  CONFIG_OF(http.token_failures), 1, 10000, .arg = "N",
	  .help = "bad tokens that an address may send in a minute,\n"
		  "1 to 10000 (10)" },
	{ "server", "attach", "attach", CONFIG_PATH, CONFIG_OF(attach),
	  .arg = "PATH", .help = "Unix socket on which VMs are handed over" },
	{ "server", "vm-directory", "vm-directory", CONFIG_PATH,
	  CONFIG_OF(vm_directory), .live = true, .arg = "DIR",
	  .help = "the API adds VMs with sockets below it (/run/helix)" },
	{ "server", "log", "log", CONFIG_CHOICE, CONFIG_OF(log_format),
	  .choices = config_formats, .live = true, .arg = "text|json|journal",
	  .help = "form of the log (text, or the journal if stderr is)" },
	{ "server", "log-level", "log-level", CONFIG_CHOICE,
	  CONFIG_OF(log_level), .choices = config_levels, .live = true,
	  .arg = "error|warning|info|debug", .help = "how much of it (info)" },

	{ "idle", "after", "idle-after", CONFIG_NUMBER, CONFIG_OF(idle.after),
	  0, IDLE_AFTER_MAX, .live = true, .arg = "SECONDS",
	  .help = "end a desktop that nobody uses for so long, 0: never (0)" },
	{ "idle", "warn", "idle-warn", CONFIG_NUMBER, CONFIG_OF(idle.warn),
	  0, IDLE_WARN_MAX, .live = true, .arg = "SECONDS",
	  .help = "of them, how many it is told before (60)" },
	{ "idle", "count-thumbnails", "idle-count-thumbnails", CONFIG_SWITCH,
	  CONFIG_OF(idle.thumbnails), .live = true,
	  .help = "who sees it in a grid uses it" },

	{ "encoder", "name", "encoder", CONFIG_TEXT, CONFIG_OF(encoder.name),
	  .check = choices_check, .arg = "NAME,...",
	  .help = "encoders, the one liked best first; auto is those of a\n"
	  "GPU and libx264 (auto)" },
	{ "encoder", "device", "encoder-device", CONFIG_TEXT,
	  CONFIG_OF(encoder.device), .arg = "PATH|N",
	  .help = "GPU for it: a render node for VA-API, a number for NVENC" },
	{ "encoder", "import", "import", CONFIG_CHOICE,
	  CONFIG_OF(encoder.import), .choices = config_imports,
	  .arg = "auto|off",
	  .help = "whether it takes pictures from QEMU's GPU without a copy,\n"
		  "where it can (auto)" },
	{ "encoder", "bitrate", "bitrate", CONFIG_NUMBER,
	  CONFIG_OF(encoder.bitrate_kbit), 100, 200000, .arg = "KBIT",
	  .help = "ceiling of each desktop's stream, 100 to 200000 (8000)" },
	{ "encoder", "fps", "fps", CONFIG_NUMBER, CONFIG_OF(encoder.fps), 1, 240,
	  .arg = "N", .help = "frames per second of each desktop at most, 1 to 240 (60)" },
	{ "encoder", "threads", "threads", CONFIG_NUMBER, CONFIG_OF(threads),
	  1, 64, .arg = "N",
	  .help = "encoding threads, 1 to 64 (one per processor, at most 8)" },
	{ "encoder", "thumb-width", "thumb-width", CONFIG_NUMBER,
	  CONFIG_OF(encoder.thumb_width), 64, 1920, .arg = "N",
	  .help = "width of a desktop in the list at most (480)" },
	{ "encoder", "thumb-fps", "thumb-fps", CONFIG_NUMBER,
	  CONFIG_OF(encoder.thumb_fps), 1, 60, .arg = "N",
	  .help = "its frames per second at most (10)" },
	{ "encoder", "thumb-bitrate", "thumb-bitrate", CONFIG_NUMBER,
	  CONFIG_OF(encoder.thumb_kbit), 50, 20000, .arg = "KBIT",
	  .help = "its ceiling (500)" },
};

enum {
	FLAG_CHECK = CONFIG_FLAG_BASE + G_N_ELEMENTS(config_keys),
};

static const char config_usage[] =
"Usage: helix-exportd [--config FILE] [OPTION]...\n"
"       helix-exportd token --key FILE [OPTION]...\n"
"\n"
"Serves the desktops of virtual machines to browsers: takes pictures from\n"
"QEMU's D-Bus display, encodes them, sends keyboard and mouse back.\n"
"\n";

static const char config_help_end[] =
"  -c, --config FILE  read FILE first; what is given here goes before it\n"
"  --check-config     say whether all this is good, and end\n"
"  -v, --verbose      the same as --log-level=debug\n"
"  -h, --help         this text\n"
"  -V, --version      the version\n"
"\n"
"When serving it prints one line: listening http://ADDRESS:PORT/\n"
"Files: /etc/helix/exportd.conf (by the system's service). See exportd.conf(5).\n";

/* --- one value --- */

/* Where it was read, for errors. */
struct config_place {
	const char *file;	/* or NULL: the command line */
	const char *group;
};

static bool config_complain(char **error, const struct config_place *place,
			    const struct config_key *key, const char *text,
			    const char *allowed)
{
	if (place->file)
		*error = g_strdup_printf("%s: [%s] %s=%s: %s", place->file,
					 place->group, key->name, text, allowed);
	else
		*error = g_strdup_printf("--%s %s: %s", key->flag, text,
					 allowed);
	return false;
}

static bool config_number(const struct config_key *key, const char *text,
			  unsigned int *out)
{
	guint64 value;

	if (!g_ascii_string_to_unsigned(text, 10, key->min, key->max, &value,
					NULL))
		return false;
	*out = (unsigned int)value;
	return true;
}

static int config_choice(const struct config_key *key, const char *text)
{
	int i;

	for (i = 0; key->choices[i]; i++)
		if (!strcmp(key->choices[i], text))
			return i;
	return -1;
}

static const char *config_keep(struct config *config, const char *text)
{
	return g_string_chunk_insert(config->strings, text);
}

static const char **config_words(struct config *config, const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, ", ", -1);
	const char **list = g_new0(const char *, g_strv_length(words) + 1);
	unsigned int i, count = 0;

	for (i = 0; words[i]; i++)
		if (*words[i])
			list[count++] = config_keep(config, words[i]);
	g_ptr_array_add(config->lists, list);
	return list;
}

/* Sets the field of @base that @key describes. False with @error. */
static bool config_set(struct config *config, void *base,
		       const struct config_key *key, const char *text,
		       const struct config_place *place, char **error)
{
	char *at = (char *)base + key->offset;
	g_autofree char *allowed = NULL, *words = NULL;
	int choice;

	switch (key->type) {
	case CONFIG_PATH:
		if (place->file && text[0] != '/')
			return config_complain(error, place, key, text,
					       "an absolute path is needed");
		/* fall through */
	case CONFIG_TEXT:
		if (!*text)
			return config_complain(error, place, key, text,
					       "it must not be empty");
		if (key->check && !key->check(text, &allowed))
			return config_complain(error, place, key, text, allowed);
		*(const char **)at = config_keep(config, text);
		return true;
	case CONFIG_NUMBER:
		if (config_number(key, text, (unsigned int *)at))
			return true;
		allowed = g_strdup_printf("a number from %u to %u is needed",
					  key->min, key->max);
		return config_complain(error, place, key, text, allowed);
	case CONFIG_SWITCH:
		if (strcmp(text, "true") && strcmp(text, "false"))
			return config_complain(error, place, key, text,
					       "true or false is needed");
		*(bool *)at = !strcmp(text, "true");
		return true;
	case CONFIG_LIST:
		*(const char ***)at = config_words(config, text);
		return true;
	case CONFIG_CHOICE:
		choice = config_choice(key, text);
		if (choice >= 0) {
			*(unsigned int *)at = (unsigned int)choice;
			return true;
		}
		words = g_strjoinv(", ", (char **)key->choices);
		allowed = g_strdup_printf("one of %s is needed", words);
		return config_complain(error, place, key, text, allowed);
	}
	return false;
}

/* --- the file --- */

static struct vm_options *config_vm(struct config *config, const char *name)
{
	struct vm_options *vm;
	unsigned int i;

	for (i = 0; i < config->nr_vms; i++)
		if (!strcmp(config->vms[i].name, name))
			return &config->vms[i];
	if (config->nr_vms == VMS_MAX)
		return NULL;
	vm = &config->vms[config->nr_vms++];
	*vm = (struct vm_options){
		.name = config_keep(config, name),
		.clipboard = VM_CLIPBOARD_OFF,
		.idle_after = VM_IDLE_DEFAULT,
		.idle_warn = VM_IDLE_DEFAULT,
	};
	return vm;
}

static const struct config_key *config_find(const char *group, const char *name)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(config_keys); i++)
		if (!strcmp(config_keys[i].group, group) &&
		    !strcmp(config_keys[i].name, name))
			return &config_keys[i];
	return NULL;
}

static bool config_unknown_key(char **error, const char *file,
			       const char *group, const char *kind,
			       const char *name)
{
	g_autoptr(GString) known = g_string_new(NULL);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(config_keys); i++)
		if (!strcmp(config_keys[i].group, kind))
			g_string_append_printf(known, "%s%s",
					       known->len ? ", " : "",
					       config_keys[i].name);
	*error = g_strdup_printf("%s: [%s] %s: there is no such key; there are %s",
				 file, group, name, known->str);
	return false;
}

/* @base: what a group of this @kind fills. */
static bool config_read_group(struct config *config, GKeyFile *keys,
			      const char *group, const char *kind, void *base,
			      char **error)
{
	const struct config_place place = { config->file, group };
	g_auto(GStrv) names = g_key_file_get_keys(keys, group, NULL, NULL);
	unsigned int i;

	for (i = 0; names && names[i]; i++) {
		const struct config_key *key = config_find(kind, names[i]);
		g_autofree char *text = NULL;

		if (!key)
			return config_unknown_key(error, config->file, group,
						  kind, names[i]);
		text = g_key_file_get_string(keys, group, names[i], NULL);
		if (!text) {
			*error = g_strdup_printf("%s: [%s] %s: the value is no text",
						 config->file, group, names[i]);
			return false;
		}
		if (!config_set(config, base, key, g_strchomp(text), &place,
				error))
			return false;
	}
	return true;
}

static bool config_read_vm(struct config *config, GKeyFile *keys,
			   const char *group, char **error)
{
	const char *name = group + strlen("vm ");
	struct vm_options *vm;

	if (!vm_name_valid(name)) {
		*error = g_strdup_printf("%s: [%s]: the name of a VM is 1 to 32 of A-Z a-z 0-9 _ -",
					 config->file, group);
		return false;
	}
	vm = config_vm(config, name);
	if (!vm) {
		*error = g_strdup_printf("%s: [%s]: more than %d VMs",
					 config->file, group, VMS_MAX);
		return false;
	}
	if (!config_read_group(config, keys, group, "vm", vm, error))
		return false;
	if (!vm->qmp)
		*error = g_strdup_printf("%s: [%s] qmp: it is needed, the path of QEMU's monitor",
					 config->file, group);
	return vm->qmp;
}

static bool config_read_file(struct config *config, char **error)
{
	g_autoptr(GKeyFile) keys = g_key_file_new();
	g_autoptr(GError) why = NULL;
	g_auto(GStrv) groups = NULL;
	unsigned int i;
	bool ok = true;

	if (!g_key_file_load_from_file(keys, config->file, G_KEY_FILE_NONE,
				       &why)) {
		*error = g_strdup_printf("%s: %s", config->file, why->message);
		return false;
	}
	groups = g_key_file_get_groups(keys, NULL);
	for (i = 0; ok && groups[i]; i++) {
		if (g_strv_contains(config_groups, groups[i])) {
			ok = config_read_group(config, keys, groups[i],
					       groups[i], config, error);
		} else if (g_str_has_prefix(groups[i], "vm ")) {
			ok = config_read_vm(config, keys, groups[i], error);
		} else {
			*error = g_strdup_printf("%s: [%s]: there is no such group; there are [server], [idle], [encoder] and [vm NAME]",
						 config->file, groups[i]);
			ok = false;
		}
	}
	return ok;
}

/* --- the command line --- */

static void config_print_help(void)
{
	size_t i;

	fputs(config_usage, stdout);
	for (i = 0; i < G_N_ELEMENTS(config_keys); i++) {
		const struct config_key *key = &config_keys[i];
		g_autofree char *left = NULL;
		g_auto(GStrv) lines = NULL;
		unsigned int line;

		if (!key->flag)
			continue;
		left = g_strdup_printf("--%s%s%s", key->flag,
				       key->arg ? " " : "",
				       key->arg ? key->arg : "");
		lines = g_strsplit(key->help, "\n", -1);
		if (strlen(left) > 18) {
			printf("  %s\n", left);
			left[0] = '\0';
		}
		for (line = 0; lines[line]; line++)
			printf("  %-18s %s\n", line ? "" : left, lines[line]);
	}
	fputs(config_help_end, stdout);
}

static void config_make_options(struct option *options, size_t count)
{
	static const struct option more[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, FLAG_CHECK },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
	};
	size_t i, n = 0;

	for (i = 0; i < G_N_ELEMENTS(config_keys); i++)
		if (config_keys[i].flag)
			options[n++] = (struct option){
				.name = config_keys[i].flag,
				.has_arg = config_keys[i].arg ?
					   required_argument : no_argument,
				.val = CONFIG_FLAG_BASE + (int)i,
			};
	for (i = 0; i < G_N_ELEMENTS(more); i++)
		options[n++] = more[i];
	g_assert(n < count);
	options[n] = (struct option){ 0 };
}

/* What one flag says, in the second pass; the first only looks for the file. */
static bool config_take_flag(struct config *config, int opt, const char *arg,
			     char **error)
{
	const struct config_place place = { NULL, NULL };
	const struct config_key *key;
	void *base = config;

	if (opt == 'v') {
		config->log_level = LOG_LEVEL_DEBUG;
		return true;
	}
	if (opt < CONFIG_FLAG_BASE || opt == FLAG_CHECK)
		return true;
	key = &config_keys[opt - CONFIG_FLAG_BASE];
	if (!strcmp(key->group, "vm"))
		base = config_vm(config, CONFIG_VM_NAME);
	if (!base) {
		*error = g_strdup_printf("--%s: more than %d VMs", key->flag,
					 VMS_MAX);
		return false;
	}
	return config_set(config, base, key, arg ? arg : "true", &place, error);
}

static enum config_result config_read_flags(struct config *config, int argc,
					    char **argv, bool take, char **error)
{
	struct option options[G_N_ELEMENTS(config_keys) + 8];
	int opt;

	config_make_options(options, G_N_ELEMENTS(options));
	optind = 0;	/* from the start, and forget what was read before */
	while ((opt = getopt_long(argc, argv, "c:vhV", options, NULL)) >= 0) {
		switch (opt) {
		case 'c':
			config->file = optarg;
			break;
		case 'h':
			config_print_help();
			return CONFIG_DONE;
		case 'V':
			puts("helix-exportd " HELIX_VERSION);
			return CONFIG_DONE;
		case FLAG_CHECK:
			config->check = true;
			break;
		case '?':
			*error = g_strdup("see helix-exportd --help");
			return CONFIG_WRONG;
		default:
			if (take && !config_take_flag(config, opt, optarg,
						      error))
				return CONFIG_WRONG;
		}
	}
	if (optind < argc) {
		*error = g_strdup_printf("what is \"%s\"? See helix-exportd --help",
					 argv[optind]);
		return CONFIG_WRONG;
	}
	return CONFIG_RUN;
}

/* --- all together --- */

static void config_defaults(struct config *config)
{
	*config = (struct config){
		.http = {
			.listen = "127.0.0.1",
			.port = 8800,
			.listen_fd = -1,
			.state_dir = g_getenv("STATE_DIRECTORY"),
			.connections = 384,
			.connections_each = 160,
			.viewers = 256,
			.token_failures = 10,
		},
		.encoder = {
			.name = "auto",
			.bitrate_kbit = 8000,
			.fps = 60,
		},
		.idle = { .warn = 60 },
		.threads = CLAMP(g_get_num_processors(), 1, 8),
		.log_level = LOG_LEVEL_INFO,
		.log_format = log_is_journal() ? LOG_FORMAT_JOURNAL :
						 LOG_FORMAT_TEXT,
		.vm_directory = "/run/helix",
		.strings = g_string_chunk_new(1024),
		.lists = g_ptr_array_new_with_free_func(g_free),
	};
}

static const char *config_wrong_proxy(const char *const *proxies)
{
	unsigned int i;

	for (i = 0; proxies && proxies[i]; i++)
		if (!proxy_valid(proxies[i]))
			return proxies[i];
	return NULL;
}

/* NULL if every warning fits into the time that it is of. */
static char *config_wrong_idle(const struct config *config)
{
	unsigned int i;

	if (config->idle.after && config->idle.warn > config->idle.after)
		return g_strdup_printf("[idle] warn=%u is more than after=%u",
				       config->idle.warn, config->idle.after);
	for (i = 0; i < config->nr_vms; i++) {
		const struct idle_policy policy =
			vm_idle_policy(&config->vms[i], &config->idle);

		if (policy.after && policy.warn > policy.after)
			return g_strdup_printf("[vm %s] idle-warn=%u is more than idle-after=%u",
					       config->vms[i].name, policy.warn,
					       policy.after);
	}
	return NULL;
}

static bool config_check(const struct config *config, char **error)
{
	const struct http_options *http = &config->http;
	const char *wrong = config_wrong_proxy(http->trusted_proxies);
	unsigned int i;

	for (i = 0; i < config->nr_vms; i++)
		if (!config->vms[i].qmp)
			*error = g_strdup("--qmp is needed with --control, --console0 and --clipboard");
	if (!config->file && !config->nr_vms && !config->attach)
		*error = g_strdup("there is nothing to serve: --qmp, --attach or --config is needed; see helix-exportd --help");
	else if (!http->tls_certificate != !http->tls_key)
		*error = g_strdup("tls-certificate and tls-key are needed together");
	else if (wrong)
		*error = g_strdup_printf("trusted-proxies has %s: an address is needed, or a network as 10.0.0.0/8",
					 wrong);
	else if (http->auth == HTTP_AUTH_TOKEN && !http->token_key)
		*error = g_strdup("auth=token needs token-key, the file of the key that signs tokens");
	else if (!request_listen_allowed(http->listen) &&
		 (http->auth != HTTP_AUTH_TOKEN || !http->tls_key))
		*error = g_strdup_printf("listen=%s is not a loopback address: whoever can connect could see and use the desktops. "
					 "Either set auth=token with token-key, and tls-certificate with tls-key; "
					 "or listen on 127.0.0.1 and forward the port: ssh -L 8800:127.0.0.1:8800 HOST",
					 http->listen);
	else if (!*error)
		*error = config_wrong_idle(config);
	return !*error;
}

enum config_result config_load(struct config *config, int argc, char **argv,
			       char **error)
{
	enum config_result result;

	*error = NULL;
	config_defaults(config);
	result = config_read_flags(config, argc, argv, false, error);
	if (result != CONFIG_RUN)
		return result;
	if (config->file && !config_read_file(config, error))
		return CONFIG_WRONG;
	result = config_read_flags(config, argc, argv, true, error);
	if (result != CONFIG_RUN)
		return result;
	return config_check(config, error) ? CONFIG_RUN : CONFIG_WRONG;
}

void config_free(struct config *config)
{
	if (config->strings)
		g_string_chunk_free(config->strings);
	if (config->lists)
		g_ptr_array_unref(config->lists);
	config->strings = NULL;
	config->lists = NULL;
}

static bool config_words_differ(const char *const *a, const char *const *b)
{
	return !a || !b ? a != b : !g_strv_equal(a, b);
}

static bool config_differs(const struct config_key *key,
			   const struct config *old, const struct config *new)
{
	const char *a = (const char *)old + key->offset;
	const char *b = (const char *)new + key->offset;

	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
		return g_strcmp0(*(char *const *)a, *(char *const *)b);
	case CONFIG_LIST:
		return config_words_differ(*(const char *const *const *)a,
					   *(const char *const *const *)b);
	case CONFIG_SWITCH:
		return *(const bool *)a != *(const bool *)b;
	default:
		return *(const unsigned int *)a != *(const unsigned int *)b;
	}
}

char *config_needs_restart(const struct config *old, const struct config *new)
{
	g_autoptr(GString) names = g_string_new(NULL);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(config_keys); i++) {
		const struct config_key *key = &config_keys[i];

		if (!strcmp(key->group, "vm") || key->live ||
		    !config_differs(key, old, new))
			continue;
		g_string_append_printf(names, "%s[%s] %s",
				       names->len ? ", " : "", key->group,
				       key->name);
	}
	return names->len ? g_strdup(names->str) : NULL;
}
