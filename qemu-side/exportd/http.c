// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the sockets of browsers, through libwebsockets, in the main loop.
 * Rules: what is read is bounded before it is looked at; what is written comes
 * out of a viewer's bounded queue or is one bounded answer; Host and Origin are
 * judged before anything else.
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api.h"
#include "log.h"
#include "message.h"
#include "request.h"

#define HTTP_VIEWERS_MAX	64
#define HTTP_FDS_MAX		160
#define HTTP_FILE_MAX		(4 << 20)
#define HTTP_HEADERS_MAX	2048
#define HTTP_BAD_MAX		16	/* messages that are none, then hang up */
#define HTTP_SEND_BUFFER	(256 << 10)
#define HTTP_UNSENT		(32 << 10)
#define HTTP_PROTOCOL		"helix.v1"

_Static_assert(LWS_PRE <= PACKET_HEADROOM, "packets have room for framing");

struct http {
	const struct http_options *options;
	struct hub *hub;
	struct api *api;
	struct lws_context *context;
	struct lws_vhost *vhost;
	int web;		/* directory, or -1 */
	GPtrArray *sessions;
	struct packet *events;	/* the list as it was told last */
};

/* One WebSocket. Zeroed by the library when the connection is made. */
struct session {
	struct http *http;
	struct lws *wsi;
	struct viewer *viewer;
	struct desktop *desktop;	/* NULL: events, or gone */
	bool events;
	struct packet *told;		/* the list it was told last */
	bool closing;			/* when all is sent */
	enum lws_close_status code;
	const char *reason;
	unsigned int bad;
	size_t received;		/* of a message in parts */
	char message[MESSAGE_MAX];
};

/* One HTTP exchange. */
struct exchange {
	struct packet *body;	/* headers are sent, this is next */
};

/* --- plain HTTP --- */

static const struct {
	const char *name, *value;
} http_headers[] = {
	{ "content-security-policy:", "default-src 'self'; object-src 'none'; "
	  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "x-content-type-options:", "nosniff" },
	{ "cache-control:", "no-cache" },
	{ "referrer-policy:", "no-referrer" },
	{ "cross-origin-opener-policy:", "same-origin" },
	{ "cross-origin-resource-policy:", "same-origin" },
};

/* Takes @body. */
static int http_respond(struct lws *wsi, struct exchange *exchange,
			unsigned int status, const char *mime,
			struct packet *body, bool head)
{
	uint8_t buf[LWS_PRE + HTTP_HEADERS_MAX], *start = buf + LWS_PRE;
	uint8_t *at = start, *end = buf + sizeof(buf);
	size_t i;

	packet_unref(exchange->body);
	exchange->body = body;
	if (lws_add_http_common_headers(wsi, status, mime, body->len, &at, end))
		return -1;
	for (i = 0; i < G_N_ELEMENTS(http_headers); i++)
		if (lws_add_http_header_by_name(wsi,
				(const uint8_t *)http_headers[i].name,
				(const uint8_t *)http_headers[i].value,
				(int)strlen(http_headers[i].value), &at, end))
			return -1;
	if (lws_finalize_write_http_header(wsi, start, &at, end))
		return -1;
	if (head)
		return lws_http_transaction_completed(wsi) ? -1 : 0;
	lws_callback_on_writable(wsi);
	return 0;
}

static int http_refuse(struct lws *wsi, struct exchange *exchange,
		       unsigned int status, const char *why)
{
	return http_respond(wsi, exchange, status, "text/plain; charset=utf-8",
			    packet_text(why), false);
}

/* A regular file below the web directory, never outside of it. */
static int http_open_file(struct http *http, const char *file)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	if (http->web < 0) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_openat2, http->web, file, &how, sizeof(how));
}

static struct packet *http_read_file(int fd)
{
	g_autofree char *data = NULL;
	struct stat st;
	size_t got = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > HTTP_FILE_MAX)
		return NULL;
	data = g_malloc((size_t)st.st_size + 1);
	while (got < (size_t)st.st_size) {
		n = read(fd, data + got, (size_t)st.st_size - got);
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return packet_bytes(data, got);
}

static int http_serve_file(struct http *http, struct lws *wsi,
			   struct exchange *exchange, const char *path,
			   bool head)
{
	struct packet *body = NULL;
	char file[REQUEST_PATH_MAX];
	int fd;

	if (!request_file(path, file, sizeof(file)))
		return http_refuse(wsi, exchange, HTTP_STATUS_NOT_FOUND,
				   "not found\n");
	fd = http_open_file(http, file);
	if (fd >= 0) {
		body = http_read_file(fd);
		close(fd);
	}
	if (!body)
		return http_refuse(wsi, exchange, HTTP_STATUS_NOT_FOUND,
				   "not found\n");
	return http_respond(wsi, exchange, HTTP_STATUS_OK, request_mime(file),
			    body, head);
}

static bool http_host_allowed(struct lws *wsi)
{
	char host[128];

	return lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) > 0 &&
	       request_host_allowed(host);
}

static int http_serve_api(struct http *http, struct lws *wsi,
			  struct exchange *exchange, const char *path, bool head)
{
	const struct api_request req = {
		.method = "GET", .path = path, .query = "", .peer = "",
	};
	struct api_answer answer;
	struct packet *body;

	api_handle(http->api, &req, &answer);
	body = packet_text(answer.text);
	g_free(answer.text);
	return http_respond(wsi, exchange, answer.status, answer.mime, body,
			    head);
}

static int http_request(struct http *http, struct lws *wsi,
			struct exchange *exchange, const char *path)
{
	bool head, get;
	char *uri;
	int len;

	if (!http_host_allowed(wsi))
		return http_refuse(wsi, exchange, HTTP_STATUS_FORBIDDEN,
				   "this server answers to localhost only\n");
	head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	get = lws_http_get_uri_and_method(wsi, &uri, &len) == LWSHUMETH_GET;
	if (!get && !head) {
		http_refuse(wsi, exchange, HTTP_STATUS_METHOD_NOT_ALLOWED,
			    "only GET and HEAD\n");
		return 0;
	}
	if (g_str_has_prefix(path, "/api/"))
		return http_serve_api(http, wsi, exchange, path, head);
	return http_serve_file(http, wsi, exchange, path, head);
}

static int http_write_body(struct lws *wsi, struct exchange *exchange)
{
	struct packet *body = exchange->body;
	int n;

	if (!body)
		return 0;
	exchange->body = NULL;
	n = lws_write(wsi, body->data, body->len, LWS_WRITE_HTTP_FINAL);
	packet_unref(body);
	if (n < 0)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Before the upgrade to a WebSocket: nonzero refuses it. */
static int http_filter(struct http *http, struct lws *wsi, const char *protocol)
{
	char origin[128] = "", host[128] = "";
	int has_origin;

	if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0 ||
	    !request_host_allowed(host)) {
		log_warn("viewer refused: Host \"%s\" is not this machine", host);
		return 1;
	}
	has_origin = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN);
	if (has_origin &&
	    (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) <= 0 ||
	     !request_origin_allowed(origin, host))) {
		log_warn("viewer refused: a page from \"%s\" asked for it",
			 origin);
		return 1;
	}
	if (!protocol || strcmp(protocol, HTTP_PROTOCOL)) {
		log_warn("viewer refused: it does not speak " HTTP_PROTOCOL);
		return 1;
	}
	if (http->sessions->len >= HTTP_VIEWERS_MAX) {
		log_warn("viewer refused: %d are connected", HTTP_VIEWERS_MAX);
		return 1;
	}
	return 0;
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len)
{
	struct http *http = lws_context_user(lws_get_context(wsi));
	struct exchange *exchange = user;

	(void)len;
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return http_request(http, wsi, exchange, in);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return http_write_body(wsi, exchange);
	case LWS_CALLBACK_HTTP_BODY:
		return -1;	/* nothing here takes one */
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return http_filter(http, wsi, NULL);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (exchange) {
			packet_unref(exchange->body);
			exchange->body = NULL;
		}
		return 0;
	default:
		return 0;
	}
}

/* --- WebSocket --- */

static void session_wake(void *data)
{
	struct session *session = data;

	lws_callback_on_writable(session->wsi);
}

static void session_close(struct session *session, enum lws_close_status code,
			  const char *reason)
{
	if (session->closing)
		return;
	session->closing = true;
	session->code = code;
	session->reason = reason;
	session_wake(session);
}

static void session_gone(struct viewer *viewer)
{
	struct session *session = viewer->wake_data;

	session->desktop = NULL;
	session_close(session, LWS_CLOSE_STATUS_NORMAL, "desktop gone");
}

/* Takes @text. */
static void session_say(struct session *session, char *text)
{
	struct packet *packet = packet_text(text);

	viewer_queue_text(session->viewer, packet);
	packet_unref(packet);
	g_free(text);
}

static void session_open_events(struct session *session)
{
	struct packet *packet;
	char *text = api_desktops_event(session->http->hub, NULL);

	packet = packet_text(text);
	g_free(text);
	session->events = true;
	session->told = packet_ref(packet);
	viewer_queue_text(session->viewer, packet);
	packet_unref(packet);
}

/* Which desktop, from "/ws?scanout=N"; -1 if the query does not say. */
static long session_scanout(struct lws *wsi)
{
	char number[16] = "", *end;
	unsigned long scanout;

	if (lws_get_urlarg_by_name_safe(wsi, "scanout", number,
					sizeof(number)) <= 0 ||
	    !g_ascii_isdigit(number[0]))
		return -1;
	scanout = strtoul(number, &end, 10);
	return *end || scanout > UINT16_MAX ? -1 : (long)scanout;
}

static bool session_wants_events(struct lws *wsi)
{
	char arg[32];
	int i;

	for (i = 0; lws_hdr_copy_fragment(wsi, arg, sizeof(arg),
					  WSI_TOKEN_HTTP_URI_ARGS, i) > 0; i++)
		if (!strcmp(arg, "events") || g_str_has_prefix(arg, "events="))
			return true;
	return false;
}

static bool session_is_ws(struct lws *wsi)
{
	char path[16];

	return lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) > 0 &&
	       !strcmp(path, "/ws");
}

/* The desktop that "/ws?desktop=ID" or "/ws?scanout=N" names, or NULL. */
static struct desktop *session_find(struct session *session)
{
	struct hub *hub = session->http->hub;
	char id[DESKTOP_ID_LEN] = "";
	long scanout;

	if (lws_get_urlarg_by_name_safe(session->wsi, "desktop", id,
					sizeof(id)) > 0)
		return hub_find_id(hub, id);
	scanout = session_scanout(session->wsi);
	return scanout < 0 ? NULL : hub_find(hub, (uint32_t)scanout);
}

static void session_open_desktop(struct session *session)
{
	struct desktop *desktop = session_find(session);

	if (!desktop) {
		session_say(session, api_error("no-desktop",
				"there is no such desktop"));
		session_close(session, LWS_CLOSE_STATUS_NORMAL, "no such desktop");
		return;
	}
	session->desktop = desktop;
	desktop_join(desktop, session->viewer, RUNG_FULL, session_gone);
}

static int session_open(struct http *http, struct lws *wsi,
			struct session *session)
{
	int size = HTTP_SEND_BUFFER, unsent = HTTP_UNSENT;

	if (!session_is_ws(wsi))
		return -1;
	/* what the kernel holds for a slow viewer is late and cannot be dropped */
	setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &size,
		   sizeof(size));
	setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT,
		   &unsent, sizeof(unsent));
	session->http = http;
	session->wsi = wsi;
	session->viewer = viewer_new(session_wake, session);
	session->viewer->role = ROLE_ADMIN;
	g_ptr_array_add(http->sessions, session);
	if (session_wants_events(wsi))
		session_open_events(session);
	else
		session_open_desktop(session);
	return 0;
}

static void session_closed(struct session *session)
{
	if (!session->viewer)
		return;
	if (session->desktop)
		desktop_leave(session->desktop, session->viewer);
	g_ptr_array_remove_fast(session->http->sessions, session);
	viewer_free(session->viewer);
	session->viewer = NULL;
	packet_unref(session->told);
}

static int session_hang_up(struct session *session)
{
	lws_close_reason(session->wsi, session->code,
			 (unsigned char *)session->reason,
			 strlen(session->reason));
	return -1;
}

/* The socket takes more. Nonzero hangs up. */
static int session_write(struct session *session)
{
	struct packet *packet;
	int n;

	if (session->viewer->broken)
		session_close(session, LWS_CLOSE_STATUS_POLICY_VIOLATION,
			      "too far behind");
	packet = viewer_next(session->viewer);
	if (!packet && session->closing)
		return session_hang_up(session);
	if (packet) {
		n = lws_write(session->wsi, packet->data, packet->len,
			      packet->binary ? LWS_WRITE_BINARY :
					      LWS_WRITE_TEXT);
		packet_unref(packet);
		if (n < 0)
			return -1;
	}
	if (session->viewer->queue.length || session->closing)
		session_wake(session);
	else if (session->desktop)
		desktop_kick(session->desktop);
	return 0;
}

static void session_bad(struct session *session, const char *why)
{
	session_say(session, api_error("bad-message", why));
	if (++session->bad >= HTTP_BAD_MAX)
		session_close(session, LWS_CLOSE_STATUS_POLICY_VIOLATION,
			      "too many bad messages");
}

static void session_message(struct session *session, const char *text,
			    size_t len)
{
	struct message msg;
	const char *why;

	if (!message_parse(text, len, &msg, &why))
		session_bad(session, why);
	else if (session->desktop)
		desktop_input(session->desktop, session->viewer, &msg);
	message_clear(&msg);
}

/* Nonzero hangs up. */
static int session_receive(struct session *session, const void *in, size_t len)
{
	if (session->closing)
		return 0;
	if (lws_frame_is_binary(session->wsi)) {
		lws_close_reason(session->wsi,
				 LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, NULL, 0);
		return -1;
	}
	if (len > sizeof(session->message) - session->received) {
		lws_close_reason(session->wsi,
				 LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
		return -1;
	}
	memcpy(session->message + session->received, in, len);
	session->received += len;
	if (lws_remaining_packet_payload(session->wsi) ||
	    !lws_is_final_fragment(session->wsi))
		return 0;
	len = session->received;
	session->received = 0;
	session_message(session, session->message, len);
	return 0;
}

static int session_callback(struct lws *wsi, enum lws_callback_reasons reason,
			    void *user, void *in, size_t len)
{
	struct http *http = lws_context_user(lws_get_context(wsi));
	struct session *session = user;

	switch (reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return http_filter(http, wsi, in);
	case LWS_CALLBACK_ESTABLISHED:
		return session_open(http, wsi, session);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return session_write(session);
	case LWS_CALLBACK_RECEIVE:
		return session_receive(session, in, len);
	case LWS_CALLBACK_CLOSED:
		session_closed(session);
		return 0;
	default:
		return 0;
	}
}

/* --- life --- */

static const struct lws_protocols http_protocols[] = {
	{ .name = "http", .callback = http_callback,
	  .per_session_data_size = sizeof(struct exchange) },
	{ .name = HTTP_PROTOCOL, .callback = session_callback,
	  .per_session_data_size = sizeof(struct session),
	  .rx_buffer_size = MESSAGE_MAX },
	LWS_PROTOCOL_LIST_TERM
};

/* Who does not answer a ping is gone, and what it holds down is let go. */
static const lws_retry_bo_t http_idle = {
	.secs_since_valid_ping = 10,
	.secs_since_valid_hangup = 20,
};

static void http_log(int level, const char *line)
{
	log_at(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
	       LOG_SUBJECT_NONE, NULL, "libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

struct http *http_new(const struct http_options *options, struct hub *hub,
		      struct api *api, GMainLoop *loop)
{
	struct lws_context_creation_info info = { 0 };
	void *loops[1] = { loop };
	struct http *http = g_new0(struct http, 1);

	http->options = options;
	http->hub = hub;
	http->api = api;
	http->sessions = g_ptr_array_new();
	http->web = -1;
	if (options->web) {
		http->web = open(options->web, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (http->web < 0) {
			log_error("opening the page's directory %s: %s",
				  options->web, g_strerror(errno));
			http_free(http);
			return NULL;
		}
	}

	lws_set_log_level(LLL_ERR | LLL_WARN, http_log);
	info.port = (int)options->port;
	info.iface = strcmp(options->listen, "localhost") ? options->listen :
							    "127.0.0.1";
	info.protocols = http_protocols;
	info.user = http;
	info.foreign_loops = loops;
	info.options = LWS_SERVER_OPTION_GLIB |
		       LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
	info.fd_limit_per_thread = HTTP_FDS_MAX;
	info.timeout_secs = 10;
	info.keepalive_timeout = 15;
	info.retry_and_idle_policy = &http_idle;
	info.vhost_name = "helix";
	http->context = lws_create_context(&info);
	if (http->context)
		http->vhost = lws_get_vhost_by_name(http->context, "helix");
	if (!http->vhost) {
		log_error("listening on %s port %u failed (is the port in use?)",
			  options->listen, options->port);
		http_free(http);
		return NULL;
	}
	return http;
}

void http_free(struct http *http)
{
	if (http->context)
		lws_context_destroy(http->context);
	if (http->web >= 0)
		close(http->web);
	packet_unref(http->events);
	g_ptr_array_unref(http->sessions);
	g_free(http);
}

void http_reload(struct http *http, const struct http_options *options)
{
	(void)http;
	(void)options;
}

int http_port(const struct http *http)
{
	return lws_get_vhost_listen_port(http->vhost);
}

static bool http_has_events(const struct http *http)
{
	unsigned int i;

	for (i = 0; i < http->sessions->len; i++)
		if (((struct session *)http->sessions->pdata[i])->events)
			return true;
	return false;
}

static void http_tell(struct http *http, struct session *session)
{
	/* not read the last one yet: it will get a newer one later */
	if (!session->events || session->told == http->events ||
	    session->viewer->queue.length)
		return;
	packet_unref(session->told);
	session->told = packet_ref(http->events);
	viewer_queue_text(session->viewer, http->events);
}

void http_tick(struct http *http)
{
	g_autofree char *text = NULL;
	unsigned int i;

	if (!http_has_events(http))
		return;
	text = api_desktops_event(http->hub, NULL);
	if (!http->events || strlen(text) != http->events->len ||
	    memcmp(text, http->events->data, http->events->len)) {
		packet_unref(http->events);
		http->events = packet_text(text);
	}
	for (i = 0; i < http->sessions->len; i++)
		http_tell(http, http->sessions->pdata[i]);
}
