// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns our end of the port. Rules: what the guest says is bounded and checked; a
 * request names the lease by its generation and, by the session that the guest
 * gave itself, the program that is to do it, so that one which was left in the
 * port ends nothing later; who does not read is not waited for; that somebody
 * listens is known no longer than the guest has the port open.
 */
#include "leaseport.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define LEASEPORT_ROOT		"/org/qemu/Display1"
#define LEASEPORT_INTERFACE	"org.qemu.Display1.Chardev"
#define LEASEPORT_CALL_MS	2000
#define LEASEPORT_RETRY_MS	1000
#define LEASEPORT_VERSION	1

struct leaseport {
	struct display *display;
	const char *vm;		/* for the log */
	GCancellable *cancellable;
	guint retry;
	int sock;		/* -1: not registered */
	guint watch;
	guint changes;		/* of whether the guest has it open */
	char line[LEASEPORT_LINE_MAX];
	size_t len;
	char session[LEASEPORT_SESSION_MAX + 1];	/* "": nobody listens */
};

static void leaseport_look(struct leaseport *port);

/* --- what the guest says --- */

static bool leaseport_session(struct json_object *root, char *out, size_t size)
{
	struct json_object *value;
	const char *text;
	size_t len;

	if (!json_object_object_get_ex(root, "session", &value) ||
	    !json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	len = strlen(text);
	if (!len || len >= size || strspn(text, "0123456789abcdef") != len ||
	    len != (size_t)json_object_get_string_len(value))
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool leaseport_scanout(struct json_object *root, uint32_t *out)
{
	struct json_object *value;
	int64_t number;

	if (!json_object_object_get_ex(root, "scanout", &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	number = json_object_get_int64(value);
	*out = (uint32_t)number;
	return number >= 1 && number <= UINT16_MAX;
}

/* For the log: the guest wrote it. */
static void leaseport_why(struct json_object *root, char *out, size_t size)
{
	g_autofree char *valid = NULL;
	struct json_object *value;
	const char *end;
	char *at;

	g_strlcpy(out, "it does not say why", size);
	if (!json_object_object_get_ex(root, "error", &value) ||
	    !json_object_is_type(value, json_type_string))
		return;
	valid = g_utf8_make_valid(json_object_get_string(value), -1);
	for (at = valid; *at; at++)
		if (g_ascii_iscntrl(*at))
			*at = '?';
	g_strlcpy(out, valid, size);
	/* and not cut within a character: a log in JSON has to stay one */
	if (!g_utf8_validate(out, -1, &end))
		out[end - out] = '\0';
}

static const char *leaseport_read(struct json_object *root,
				  struct leaseport_line *out)
{
	struct json_object *value;
	const char *op;

	if (!json_object_is_type(root, json_type_object))
		return "it is no JSON object";
	if (!json_object_object_get_ex(root, "op", &value) ||
	    !json_object_is_type(value, json_type_string))
		return "\"op\" must be a string";
	op = json_object_get_string(value);
	if (!strcmp(op, "hello")) {
		out->word = LEASEPORT_HELLO;
		return leaseport_session(root, out->session, sizeof(out->session)) ?
		       NULL : "\"session\" must be 1 to 32 of 0-9 a-f";
	}
	if (strcmp(op, "done") && strcmp(op, "failed"))
		return "\"op\" must be hello, done or failed";
	if (!leaseport_scanout(root, &out->scanout))
		return "\"scanout\" must be a number from 1 to 65535";
	out->word = *op == 'd' ? LEASEPORT_DONE : LEASEPORT_FAILED;
	if (out->word == LEASEPORT_FAILED)
		leaseport_why(root, out->why, sizeof(out->why));
	return NULL;
}

bool leaseport_parse(const char *text, size_t len, struct leaseport_line *out,
		     const char **error)
{
	struct json_tokener *tokener = json_tokener_new_ex(3);
	struct json_object *root;

	*out = (struct leaseport_line){ 0 };
	root = json_tokener_parse_ex(tokener, text, (int)len);
	*error = json_tokener_get_parse_end(tokener) == len ?
		 leaseport_read(root, out) : "there is something after the JSON object";
	json_object_put(root);
	json_tokener_free(tokener);
	return !*error;
}

/* --- the port --- */

static gboolean leaseport_again(gpointer data)
{
	struct leaseport *port = data;

	port->retry = 0;
	leaseport_look(port);
	return G_SOURCE_REMOVE;
}

static void leaseport_drop(struct leaseport *port)
{
	if (port->changes)
		g_dbus_connection_signal_unsubscribe(
			display_connection(port->display), port->changes);
	if (port->watch)
		g_source_remove(port->watch);
	if (port->sock >= 0)
		close(port->sock);
	port->changes = 0;
	port->watch = 0;
	port->sock = -1;
	port->len = 0;
	port->session[0] = '\0';
}

/* QEMU may notice only in a moment that a former one of us is gone. */
static void leaseport_later(struct leaseport *port)
{
	leaseport_drop(port);
	if (!port->retry)
		port->retry = g_timeout_add(LEASEPORT_RETRY_MS, leaseport_again,
					    port);
}

/* Takes @root. All or nothing: half a line would be part of the next one. */
static bool leaseport_send(struct leaseport *port, struct json_object *root)
{
	g_autofree char *line = NULL;
	size_t len;
	ssize_t n;

	line = g_strconcat(json_object_to_json_string_ext(root,
					JSON_C_TO_STRING_PLAIN), "\n", NULL);
	json_object_put(root);
	len = strlen(line);
	n = port->sock < 0 ? -1 : send(port->sock, line, len,
				       MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == (ssize_t)len)
		return true;
	if (port->sock >= 0) {
		log_vm(WARN, port->vm, "the guest does not read what it is told about its leases");
		leaseport_later(port);
	}
	return false;
}

static struct json_object *leaseport_op(const char *op)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "op", json_object_new_string(op));
	return root;
}

static void leaseport_heard(struct leaseport *port, const char *text, size_t len)
{
	struct leaseport_line line;
	const char *error;

	if (!leaseport_parse(text, len, &line, &error)) {
		log_vm(WARN, port->vm, "what the guest says about its leases: %s",
		       error);
		return;
	}
	switch (line.word) {
	case LEASEPORT_HELLO:
		if (strcmp(port->session, line.session))
			log_vm(INFO, port->vm, "the guest takes what it is asked about its leases");
		memcpy(port->session, line.session, sizeof(port->session));
		break;
	case LEASEPORT_DONE:
		log_vm(INFO, port->vm, "the guest has ended scanout %u",
		       line.scanout);
		break;
	case LEASEPORT_FAILED:
		log_vm(WARN, port->vm, "the guest has not ended scanout %u: %s",
		       line.scanout, line.why);
		break;
	}
}

/* Each whole line of what there is; the rest is the beginning of the next one. */
static bool leaseport_lines(struct leaseport *port)
{
	char *end;

	while ((end = memchr(port->line, '\n', port->len))) {
		size_t used = (size_t)(end - port->line) + 1;

		leaseport_heard(port, port->line, used - 1);
		port->len -= used;
		memmove(port->line, end + 1, port->len);
	}
	return port->len < sizeof(port->line);
}

static gboolean leaseport_readable(gint fd, GIOCondition cond, gpointer data)
{
	struct leaseport *port = data;
	ssize_t n;

	(void)cond;
	n = recv(fd, port->line + port->len, sizeof(port->line) - port->len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n > 0) {
		port->len += (size_t)n;
		if (leaseport_lines(port))
			return G_SOURCE_CONTINUE;
		log_vm(WARN, port->vm, "what the guest says about its leases is longer than a line may be");
	}
	port->watch = 0;
	leaseport_later(port);
	return G_SOURCE_REMOVE;
}

/*
 * Who listened in the guest has gone, however that came. What neither side has read
 * goes with him, a hello too; who comes next is greeted when we are back.
 */
static void leaseport_changed(GDBusConnection *conn, const char *sender,
			      const char *path, const char *interface,
			      const char *signal, GVariant *args, gpointer data)
{
	g_autoptr(GVariant) changed = NULL;
	struct leaseport *port = data;
	gboolean open;

	(void)conn;
	(void)sender;
	(void)path;
	(void)interface;
	(void)signal;
	if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(sa{sv}as)")))
		return;
	changed = g_variant_get_child_value(args, 1);
	if (!g_variant_lookup(changed, "FEOpened", "b", &open) || open)
		return;
	if (port->session[0])
		log_vm(INFO, port->vm, "the guest takes nothing any more that it is asked about its leases");
	leaseport_later(port);
}

static void leaseport_registered(GObject *source, GAsyncResult *result,
				 gpointer data)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;
	struct leaseport *port = data;
	struct json_object *hello;

	reply = g_dbus_connection_call_with_unix_fd_list_finish(
			G_DBUS_CONNECTION(source), NULL, result, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!reply) {
		log_vm(DEBUG, port->vm, "the port for its leases: %s",
		       error->message);
		leaseport_later(port);
		return;
	}
	/* whoever listens says so now, and who comes later by himself */
	hello = leaseport_op("hello");
	json_object_object_add(hello, "version",
			       json_object_new_int(LEASEPORT_VERSION));
	leaseport_send(port, hello);
}

static void leaseport_register(struct leaseport *port, const char *path)
{
	g_autoptr(GUnixFDList) fds = NULL;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_vm(ERROR, port->vm, "the port for its leases: no socket pair: %s",
		       g_strerror(errno));
		leaseport_later(port);
		return;
	}
	port->sock = pair[0];
	port->watch = g_unix_fd_add(port->sock, G_IO_IN, leaseport_readable,
				    port);
	port->changes = g_dbus_connection_signal_subscribe(
		display_connection(port->display), NULL,
		"org.freedesktop.DBus.Properties", "PropertiesChanged", path,
		LEASEPORT_INTERFACE, G_DBUS_SIGNAL_FLAGS_NONE,
		leaseport_changed, port, NULL);
	fds = g_unix_fd_list_new_from_array(&pair[1], 1);
	g_dbus_connection_call_with_unix_fd_list(
		display_connection(port->display), NULL, path,
		LEASEPORT_INTERFACE, "Register", g_variant_new("(h)", 0), NULL,
		G_DBUS_CALL_FLAGS_NONE, LEASEPORT_CALL_MS, fds,
		port->cancellable, leaseport_registered, port);
}

/* The path of the character device of our name, or NULL. */
static char *leaseport_find(GVariant *objects)
{
	GVariant *interfaces;
	GVariantIter iter;
	const char *path;

	g_variant_iter_init(&iter, objects);
	while (g_variant_iter_next(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
		g_autoptr(GVariant) all = interfaces, chardev = NULL;
		const char *name;

		chardev = g_variant_lookup_value(all, LEASEPORT_INTERFACE,
						 G_VARIANT_TYPE("a{sv}"));
		if (chardev && g_variant_lookup(chardev, "Name", "&s", &name) &&
		    !strcmp(name, LEASEPORT_NAME))
			return g_strdup(path);
	}
	return NULL;
}

static void leaseport_got_objects(GObject *source, GAsyncResult *result,
				  gpointer data)
{
	g_autoptr(GVariant) reply = NULL, objects = NULL;
	g_autoptr(GError) error = NULL;
	struct leaseport *port = data;
	g_autofree char *path = NULL;

	reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result,
					      &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!reply) {
		log_vm(DEBUG, port->vm, "the port for its leases: %s",
		       error->message);
		leaseport_later(port);
		return;
	}
	objects = g_variant_get_child_value(reply, 0);
	path = leaseport_find(objects);
	if (path)
		leaseport_register(port, path);
	else
		log_vm(DEBUG, port->vm, "there is no port for its leases");
}

static void leaseport_look(struct leaseport *port)
{
	g_dbus_connection_call(display_connection(port->display), NULL,
			       LEASEPORT_ROOT, "org.freedesktop.DBus.ObjectManager",
			       "GetManagedObjects", NULL,
			       G_VARIANT_TYPE("(a{oa{sa{sv}}})"),
			       G_DBUS_CALL_FLAGS_NONE, LEASEPORT_CALL_MS,
			       port->cancellable, leaseport_got_objects, port);
}

struct leaseport *leaseport_new(struct display *display, const char *vm)
{
	struct leaseport *port = g_new0(struct leaseport, 1);

	port->display = display;
	port->vm = vm;
	port->sock = -1;
	port->cancellable = g_cancellable_new();
	leaseport_look(port);
	return port;
}

void leaseport_free(struct leaseport *port)
{
	if (!port)
		return;
	g_cancellable_cancel(port->cancellable);
	g_object_unref(port->cancellable);
	leaseport_drop(port);
	if (port->retry)
		g_source_remove(port->retry);
	g_free(port);
}

/* --- what the guest is asked --- */

bool leaseport_is_ready(const struct leaseport *port)
{
	return port && port->session[0];
}

static struct json_object *leaseport_request(const struct leaseport *port,
					     const char *op, uint32_t scanout,
					     uint64_t generation)
{
	struct json_object *root = leaseport_op(op);

	json_object_object_add(root, "session",
			       json_object_new_string(port->session));
	json_object_object_add(root, "scanout", json_object_new_int64(scanout));
	json_object_object_add(root, "generation",
			       json_object_new_uint64(generation));
	return root;
}

bool leaseport_revoke(struct leaseport *port, uint32_t scanout,
		      uint64_t generation)
{
	return leaseport_is_ready(port) &&
	       leaseport_send(port, leaseport_request(port, "revoke", scanout,
						      generation));
}

bool leaseport_tell(struct leaseport *port, uint32_t scanout,
		    uint64_t generation, unsigned int seconds)
{
	struct json_object *root;

	if (!leaseport_is_ready(port))
		return false;
	root = leaseport_request(port, seconds ? "ending" : "kept", scanout,
				 generation);
	if (seconds)
		json_object_object_add(root, "seconds",
				       json_object_new_int64(seconds));
	return leaseport_send(port, root);
}
