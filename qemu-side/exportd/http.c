// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the connections of clients, through libwebsockets, in the main loop, and
 * answers requests; session.c has the WebSockets. Rules: what is read is bounded
 * before it is looked at, and has to come before a deadline; Host, Origin and
 * token are judged before anything else, and the token again when what was asked for
 * is done: a body may come late.
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "message.h"
#include "proxy.h"
#include "request.h"
#include "server.h"
#include "tls.h"

#define HTTP_FDS_SPARE		128	/* of the library, beside connections */
#define HTTP_FILE_MAX		(4 << 20)
#define HTTP_BODY_MAX		4096	/* of a request */
#define HTTP_HEADER_MAX		8192	/* of a request, all of it */
#define HTTP_HEADERS_MAX	2048	/* of an answer */
#define HTTP_REFUSAL_MAX	1024
#define HTTP_QUERY_MAX		512
#define HTTP_HEADER_S		10	/* for TLS and a request's headers */
#define HTTP_IDLE_S		20	/* until the next request is complete */
#define HTTP_EXCHANGE_S		60	/* for a request's body and its answer */
#define HTTP_BODY_S		10
#define HTTP_FAILURES_S		60
#define HTTP_FAILURES_NAMES	1024
#define HTTP_TICKET		"helix.ticket."

_Static_assert(LWS_PRE <= PACKET_HEADROOM, "packets have room for framing");

struct answer {
	unsigned int status;
	const char *mime;
	struct packet *body;
	const char *allow;	/* methods, or NULL */
	bool hang_up;
	const struct refusal *refusal;
};

/* What a request waits for, beside its body: that something is noted. */
enum waits {
	WAITS_NOT,
	WAITS_TO_BE_SERVED,	/* its token was for one use */
	WAITS_TO_BE_ANSWERED,	/* it has changed tokens */
};

/* One request and its answer. */
struct exchange {
	struct packet *body;	/* headers are sent, this is next */
	bool head;		/* asked for without the body, whatever it says */
	bool hang_up;		/* after it */
	bool answered;
	enum waits waits;
	struct answer held;	/* of one that waits to be answered */
	struct api_request request;	/* waits for its body, if it has a path */
	GByteArray *received;
	size_t expected;
};

/* Why nothing is done. All text is constant. */
struct refusal {
	unsigned int status;
	const char *code, *message;
	bool token;		/* the one that was sent is not good */
};

static void http_deadline(struct connection *connection, unsigned int seconds)
{
	connection->deadline = g_get_monotonic_time() +
			       seconds * G_USEC_PER_SEC;
}

/* --- answers --- */

static const struct {
	const char *name, *value;
	bool tls;
} http_headers[] = {
	/* blob: for the guest's pointer, which the page makes a cursor */
	{ "content-security-policy:", "default-src 'self'; img-src 'self' blob:; "
	  "object-src 'none'; base-uri 'none'; form-action 'none'; "
	  "frame-ancestors 'none'", false },
	{ "x-content-type-options:", "nosniff", false },
	{ "cache-control:", "no-cache", false },
	{ "referrer-policy:", "no-referrer", false },
	{ "cross-origin-opener-policy:", "same-origin", false },
	{ "cross-origin-resource-policy:", "same-origin", false },
	{ "strict-transport-security:", "max-age=31536000", true },
};

static bool http_add_header(struct lws *wsi, const char *name, const char *value,
			    uint8_t **at, uint8_t *end)
{
	return !lws_add_http_header_by_name(wsi, (const uint8_t *)name,
					    (const uint8_t *)value,
					    (int)strlen(value), at, end);
}

static bool http_add_refusal(struct lws *wsi, const struct refusal *refusal,
			     uint8_t **at, uint8_t *end)
{
	g_autofree char *challenge = NULL;

	if (refusal->status == HTTP_STATUS_UNAUTHORIZED) {
		challenge = refusal->token ?
			g_strdup_printf("Bearer realm=\"helix\", error=\"invalid_token\", error_description=\"%s\"",
					refusal->message) :
			g_strdup("Bearer realm=\"helix\"");
		return http_add_header(wsi, "www-authenticate:", challenge, at,
				       end);
	}
	if (refusal->status == 429)
		return http_add_header(wsi, "retry-after:",
				       G_STRINGIFY(HTTP_FAILURES_S), at, end);
	return true;
}

/* False hangs up. */
static bool http_write_headers(struct lws *wsi, const struct answer *answer)
{
	uint8_t buf[LWS_PRE + HTTP_HEADERS_MAX], *start = buf + LWS_PRE;
	uint8_t *at = start, *end = buf + sizeof(buf);
	size_t i;

	if (lws_add_http_common_headers(wsi, answer->status, answer->mime,
					answer->body->len, &at, end))
		return false;
	for (i = 0; i < G_N_ELEMENTS(http_headers); i++)
		if ((!http_headers[i].tls || lws_is_ssl(wsi)) &&
		    !http_add_header(wsi, http_headers[i].name,
				     http_headers[i].value, &at, end))
			return false;
	if (answer->allow &&
	    !http_add_header(wsi, "allow:", answer->allow, &at, end))
		return false;
	if (answer->hang_up &&
	    !http_add_header(wsi, "connection:", "close", &at, end))
		return false;
	if (answer->refusal &&
	    !http_add_refusal(wsi, answer->refusal, &at, end))
		return false;
	return !lws_finalize_write_http_header(wsi, start, &at, end);
}

/* Takes the body. Nonzero hangs up. */
static int http_respond(struct lws *wsi, struct exchange *exchange,
			struct answer *answer)
{
	packet_unref(exchange->body);
	exchange->body = answer->body;
	exchange->hang_up = answer->hang_up;
	exchange->answered = true;
	if (!http_write_headers(wsi, answer))
		return -1;
	if (exchange->head) {
		packet_unref(exchange->body);
		exchange->body = NULL;
		return answer->hang_up || lws_http_transaction_completed(wsi) ?
		       -1 : 0;
	}
	lws_callback_on_writable(wsi);
	return 0;
}

static struct packet *http_refusal_body(const struct refusal *refusal)
{
	g_autofree char *text = NULL;

	text = g_strdup_printf("{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
			       refusal->code, refusal->message);
	return packet_text(text);
}

static void http_log_refusal(struct lws *wsi, const struct refusal *refusal)
{
	const struct connection *connection = lws_get_opaque_user_data(wsi);

	/* files that are not there and such are nobody's attack */
	if (refusal->status == HTTP_STATUS_NOT_FOUND)
		return;
	log_peer(WARN, connection->peer, "refused with %u: %s",
		 refusal->status, refusal->message);
}

static struct answer http_refusal(struct lws *wsi, const struct refusal *refusal,
				  bool hang_up)
{
	http_log_refusal(wsi, refusal);
	return (struct answer){
		.status = refusal->status,
		.mime = "application/json",
		.body = http_refusal_body(refusal),
		.hang_up = hang_up,
		.refusal = refusal,
	};
}

static int http_refuse(struct lws *wsi, struct exchange *exchange,
		       const struct refusal *refusal, const char *allow,
		       bool hang_up)
{
	struct answer answer = http_refusal(wsi, refusal, hang_up);

	answer.allow = allow;
	return http_respond(wsi, exchange, &answer);
}

/* Where a WebSocket was asked for: all at once, then the library hangs up. */
static void http_refuse_upgrade(struct lws *wsi, const struct refusal *refusal)
{
	struct answer answer = http_refusal(wsi, refusal, true);

	if (http_write_headers(wsi, &answer))
		lws_write(wsi, answer.body->data, answer.body->len,
			  LWS_WRITE_HTTP_FINAL);
	packet_unref(answer.body);
}

static const struct refusal http_not_found = {
	HTTP_STATUS_NOT_FOUND, "not-found", "there is no such thing", false,
};

static const struct refusal http_no_method = {
	HTTP_STATUS_METHOD_NOT_ALLOWED, "method", "not with this method", false,
};

/* --- who asks --- */

static const struct refusal http_bad_host = {
	HTTP_STATUS_FORBIDDEN, "host",
	"this server does not answer to that name", false,
};

static const struct refusal http_bad_origin = {
	HTTP_STATUS_FORBIDDEN, "origin", "a page from elsewhere asked", false,
};

static const struct refusal http_no_token = {
	HTTP_STATUS_UNAUTHORIZED, "no-token", "a token is needed", false,
};

static const struct refusal http_bad_ticket = {
	HTTP_STATUS_UNAUTHORIZED, "ticket",
	"the ticket is not good, or not any more", true,
};

static const struct refusal http_too_many_connections = {
	429, "connections", "too many connections from this address", false,
};

static const struct refusal http_too_many_failures = {
	429, "failures", "too many bad tokens from this address", false,
};

static const struct refusal http_full = {
	HTTP_STATUS_SERVICE_UNAVAILABLE, "full", "too many are connected", false,
};

static const struct refusal http_bad_tokens[] = {
	[TOKEN_MALFORMED] = { HTTP_STATUS_UNAUTHORIZED, "malformed",
			      "this is no token of this server", true },
	[TOKEN_SIGNATURE] = { HTTP_STATUS_UNAUTHORIZED, "signature",
			      "the token was not signed by this server", true },
	[TOKEN_EXPIRED] = { HTTP_STATUS_UNAUTHORIZED, "expired",
			    "the token has expired", true },
	[TOKEN_NOT_YET] = { HTTP_STATUS_UNAUTHORIZED, "not-yet",
			    "the token is not valid yet", true },
	[TOKEN_REVOKED] = { HTTP_STATUS_UNAUTHORIZED, "revoked",
			    "the token was revoked", true },
	[TOKEN_USED] = { HTTP_STATUS_UNAUTHORIZED, "used",
			 "the token was for one use and has been used", true },
	[TOKEN_NO_ROOM] = { HTTP_STATUS_SERVICE_UNAVAILABLE, "no-room",
			    TOKENS_NO_ROOM, false },
};

static const struct refusal http_not_used = {
	HTTP_STATUS_SERVICE_UNAVAILABLE, "unavailable",
	"that the token is used cannot be noted", false,
};

static const struct refusal http_not_noted = {
	HTTP_STATUS_SERVICE_UNAVAILABLE, "not-noted",
	"what was asked for cannot be noted", false,
};

/* --- what is to be noted before it is told --- */

static uint64_t http_note(const struct http *http)
{
	return http->options.tokens ? tokens_note(http->options.tokens) : 0;
}

/* It waits for what was to be noted since @before. */
static void http_wait(const struct http *http, struct connection *connection,
		      uint64_t before)
{
	uint64_t note = http_note(http);

	if (note != before)
		connection->note = note;
}

/* Something became of notes. */
static void http_told(void *data)
{
	struct http *http = data;
	unsigned int i;

	for (i = 0; i < http->connections->len; i++) {
		struct connection *connection = http->connections->pdata[i];
		enum token_noted noted;

		if (!connection->note)
			continue;
		noted = tokens_noted(http->options.tokens, connection->note);
		if (noted == TOKEN_NOTING)
			continue;
		connection->note = 0;
		connection->lost = noted == TOKEN_NOT_NOTED;
		lws_callback_on_writable(connection->wsi);
	}
	sessions_judge(http);
}

static unsigned int http_connections_of(const struct http *http,
					const char *group)
{
	unsigned int i, count = 0;

	for (i = 0; i < http->connections->len; i++) {
		const struct connection *connection =
			http->connections->pdata[i];

		count += !strcmp(connection->group, group);
	}
	return count;
}

/*
 * Before a request of a proxy is judged: for whom it asks this time. Without the
 * header it asks for itself.
 */
static void http_identify(const struct http *http, struct lws *wsi)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	g_autofree char *forwarded = NULL;
	char scheme[8] = "";
	int len;

	if (!*connection->proxy)
		return;
	/* all of it, for its end is what counts; a request's headers are bounded */
	len = lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR);
	forwarded = g_malloc0((gsize)len + 1);
	if (len)
		lws_hdr_copy(wsi, forwarded, len + 1,
			     WSI_TOKEN_X_FORWARDED_FOR);
	proxy_client(connection->proxy, forwarded,
		     http->options.trusted_proxies, connection->peer);
	port_peer_group(connection->peer, connection->group);
	if (lws_hdr_custom_copy(wsi, scheme, sizeof(scheme),
				"x-forwarded-proto:", 18) < 0)
		*scheme = '\0';
	connection->secure = http->tls ||
			     !g_ascii_strcasecmp(scheme, "https");
}

static const struct refusal *http_judge_source(const struct http *http,
					       struct lws *wsi, bool acts)
{
	const struct connection *connection = lws_get_opaque_user_data(wsi);
	char origin[160] = "", host[128] = "";

	/* who connects directly was judged when it did */
	if (*connection->proxy &&
	    http_connections_of(http, connection->group) >
	    http->options.connections_each)
		return &http_too_many_connections;

	if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0 ||
	    !request_host_allowed(host, http->options.server_names))
		return &http_bad_host;
	if (!acts || !lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN))
		return NULL;
	if (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) <= 0 ||
	    !request_origin_allowed(origin, host, connection->secure))
		return &http_bad_origin;
	return NULL;
}

static const struct refusal *http_judge_token(struct http *http,
					      struct connection *connection,
					      const char *text, bool upgrade)
{
	uint64_t before = http_note(http);
	enum token_verdict verdict;
	struct grant grant;

	/* one for one use is not spent on that */
	if (upgrade && !sessions_have_room(http, NULL) &&
	    tokens_peek(http->tokens, text, &grant) == TOKEN_OK &&
	    !sessions_have_room(http, &grant))
		return &http_full;
	verdict = tokens_check(http->tokens, text, &connection->grant);
	http_wait(http, connection, before);
	if (verdict == TOKEN_OK)
		return NULL;
	/* the others were good once: nobody guesses those */
	if (verdict == TOKEN_MALFORMED || verdict == TOKEN_SIGNATURE)
		limit_count(http->failures, connection->group,
			    g_get_monotonic_time());
	return &http_bad_tokens[verdict];
}

/*
 * What was judged a while ago, for the body of a request may come late, a disk be
 * slow, a ticket lie around: its token may have ended since, or the key that
 * signed it.
 */
static const struct refusal *http_judge_again(const struct http *http,
					      const struct grant *grant)
{
	enum token_verdict verdict;

	/* none was asked for, or what needs none was */
	if (!http->tokens || grant->role == ROLE_NONE)
		return NULL;
	verdict = tokens_check_again(http->tokens, grant);
	return verdict == TOKEN_OK ? NULL : &http_bad_tokens[verdict];
}

static const struct refusal *http_judge_ticket(struct http *http,
					       struct connection *connection,
					       const char *text)
{
	gint64 now = g_get_monotonic_time();
	struct grant *grant = &connection->grant;

	if (tickets_take(http->tickets, text, now, grant))
		return http_judge_again(http, grant);
	limit_count(http->failures, connection->group, now);
	return &http_bad_ticket;
}

/* The ticket among the subprotocols of a WebSocket, or false. */
static bool http_ticket(struct lws *wsi, char ticket[TICKET_LEN])
{
	g_auto(GStrv) names = NULL;
	char list[128];
	size_t i;

	if (lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_PROTOCOL) <= 0)
		return false;
	names = g_strsplit(list, ",", 8);
	for (i = 0; names[i]; i++) {
		const char *name = g_strstrip(names[i]);

		if (g_str_has_prefix(name, HTTP_TICKET) &&
		    g_strlcpy(ticket, name + strlen(HTTP_TICKET),
			      TICKET_LEN) < TICKET_LEN)
			return true;
	}
	return false;
}

/*
 * Who asks, into the connection's grant. @acts: it changes something or opens a
 * WebSocket, which a page from elsewhere must not be able to.
 */
static const struct refusal *http_judge(struct http *http, struct lws *wsi,
					bool acts, bool upgrade)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	const struct refusal *refusal = http_judge_source(http, wsi, acts);
	char header[TOKEN_MAX + 16], ticket[TICKET_LEN];
	const char *text = NULL;

	memset(&connection->grant, 0, sizeof(connection->grant));
	connection->note = 0;
	connection->lost = false;
	if (refusal)
		return refusal;
	if (limit_reached(http->failures, connection->group,
			  g_get_monotonic_time()))
		return &http_too_many_failures;
	if (upgrade && http_ticket(wsi, ticket))
		return http_judge_ticket(http, connection, ticket);
	if (!http->tokens) {
		grant_all(&connection->grant);
		return NULL;
	}
	if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION))
		return &http_no_token;
	if (lws_hdr_copy(wsi, header, sizeof(header),
			 WSI_TOKEN_HTTP_AUTHORIZATION) > 0)
		text = request_bearer(header);
	return http_judge_token(http, connection, text, upgrade);
}

/* --- files --- */

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
			   struct exchange *exchange, const char *path)
{
	struct answer answer = { .status = HTTP_STATUS_OK };
	char file[REQUEST_PATH_MAX];
	int fd;

	if (!request_file(path, file, sizeof(file)))
		return http_refuse(wsi, exchange, &http_not_found, NULL, false);
	fd = http_open_file(http, file);
	if (fd >= 0) {
		answer.body = http_read_file(fd);
		close(fd);
	}
	if (!answer.body)
		return http_refuse(wsi, exchange, &http_not_found, NULL, false);
	answer.mime = request_mime(file);
	return http_respond(wsi, exchange, &answer);
}

/* --- the API --- */

static int http_serve_ticket(struct http *http, struct lws *wsi,
			     struct exchange *exchange)
{
	static const struct refusal busy = {
		429, "tickets", "too many tickets wait to be used", false,
	};
	struct connection *connection = lws_get_opaque_user_data(wsi);
	const struct grant *grant = &connection->grant;
	g_autofree char *token = NULL, *expires = NULL, *text = NULL;
	struct answer answer = {
		.status = HTTP_STATUS_OK, .mime = "application/json",
	};
	char ticket[TICKET_LEN];

	if (!tickets_issue(http->tickets, grant, g_get_monotonic_time(), ticket))
		return http_refuse(wsi, exchange, &busy, NULL, false);
	if (http->tokens && tokens_once(http->tokens, grant->id))
		token = tokens_claim(http->tokens, grant);
	expires = grant->expires ?
		  g_strdup_printf("%" G_GINT64_FORMAT, grant->expires) :
		  g_strdup("null");
	/* nothing in it needs an escape: names and base64 */
	text = g_strdup_printf("{\"ticket\":\"%s\",\"expires_in\":%d,\"role\":\"%s\",\"desktop\":\"%s\",\"token_expires\":%s%s%s%s}",
			       ticket, TICKET_LIFE_S, role_name(grant->role),
			       grant->desktop, expires,
			       token ? ",\"token\":\"" : "",
			       token ? token : "", token ? "\"" : "");
	answer.body = packet_text(text);
	return http_respond(wsi, exchange, &answer);
}

static bool http_is_api(const char *path)
{
	return g_str_has_prefix(path, "/api/") || !strcmp(path, "/metrics");
}

/* Until http_told(), or our deadline: not that of the library, which is shorter. */
static void http_hold(struct lws *wsi, struct exchange *exchange,
		      enum waits waits)
{
	exchange->waits = waits;
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
}

static int http_serve_api(struct http *http, struct lws *wsi,
			  struct exchange *exchange)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	struct api_request *request = &exchange->request;
	struct answer answer = { 0 };
	struct api_answer said = { 0 };
	uint64_t before = http_note(http);
	const struct refusal *refusal;
	int rc = 0;

	if (connection->note) {
		http_hold(wsi, exchange, WAITS_TO_BE_SERVED);
		return 0;
	}
	refusal = http_judge_again(http, &connection->grant);
	if (refusal)
		return http_refuse(wsi, exchange, refusal, NULL, false);
	if (connection->lost)
		return http_refuse(wsi, exchange, &http_not_used, NULL, false);
	if (!strcmp(request->path, "/api/ticket")) {
		if (strcmp(request->method, "POST"))
			return http_refuse(wsi, exchange, &http_no_method,
					   "POST", false);
		return http_serve_ticket(http, wsi, exchange);
	}
	request->grant = connection->grant.role == ROLE_NONE ?
			 NULL : &connection->grant;
	request->peer = connection->peer;
	api_handle(http->api, request, &said);
	answer.status = said.status;
	answer.mime = said.mime;
	answer.body = packet_text(said.text ? said.text : "");
	answer.allow = said.allow;
	g_free(said.text);
	http_wait(http, connection, before);
	if (connection->note) {
		http_hold(wsi, exchange, WAITS_TO_BE_ANSWERED);
		exchange->held = answer;
	} else {
		rc = http_respond(wsi, exchange, &answer);
	}
	/* a token may have been revoked just now */
	sessions_judge(http);
	return rc;
}

/* --- requests --- */

static void http_exchange_reset(struct exchange *exchange)
{
	packet_unref(exchange->body);
	packet_unref(exchange->held.body);
	if (exchange->received)
		g_byte_array_unref(exchange->received);
	g_free((char *)exchange->request.path);
	g_free((char *)exchange->request.query);
	memset(exchange, 0, sizeof(*exchange));
}

static const char *http_method(struct lws *wsi, bool *head)
{
	char *uri;
	int len;

	*head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	if (*head)
		return "GET";
	switch (lws_http_get_uri_and_method(wsi, &uri, &len)) {
	case LWSHUMETH_GET:
		return "GET";
	case LWSHUMETH_POST:
		return "POST";
	case LWSHUMETH_DELETE:
		return "DELETE";
	default:
		return NULL;
	}
}

static char *http_query(struct lws *wsi)
{
	GString *query = g_string_new(NULL);
	char arg[HTTP_QUERY_MAX];
	int i;

	for (i = 0; lws_hdr_copy_fragment(wsi, arg, sizeof(arg),
					  WSI_TOKEN_HTTP_URI_ARGS, i) > 0 &&
		    query->len < HTTP_QUERY_MAX; i++) {
		if (i)
			g_string_append_c(query, '&');
		g_string_append(query, arg);
	}
	return g_string_free(query, FALSE);
}

/* How much body comes, or why there must be none. */
static const struct refusal *http_expect_body(struct lws *wsi, size_t *length)
{
	static const struct refusal bad = {
		HTTP_STATUS_BAD_REQUEST, "length", "Content-Length is no number",
		false,
	};
	static const struct refusal missing = {
		HTTP_STATUS_LENGTH_REQUIRED, "length",
		"Content-Length is needed", false,
	};
	static const struct refusal large = {
		HTTP_STATUS_REQ_ENTITY_TOO_LARGE, "too-large",
		"a request has at most 4096 bytes", false,
	};
	char text[32];

	*length = 0;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
		return &missing;
	if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		return lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) ?
		       &missing : NULL;
	if (lws_hdr_copy(wsi, text, sizeof(text),
			 WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 ||
	    !request_length(text, length))
		return &bad;
	return *length > HTTP_BODY_MAX ? &large : NULL;
}

static int http_api_request(struct http *http, struct lws *wsi,
			    struct exchange *exchange, const char *method,
			    const char *path)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	bool acts = strcmp(method, "GET");
	const struct refusal *refusal;

	refusal = http_expect_body(wsi, &exchange->expected);
	if (refusal)
		return http_refuse(wsi, exchange, refusal, NULL, true);
	refusal = http_judge(http, wsi, acts, false);
	/* whether it needs one is the API's to say */
	if (refusal == &http_no_token && !strcmp(path, "/metrics"))
		refusal = NULL;
	if (refusal)
		return http_refuse(wsi, exchange, refusal, NULL,
				   exchange->expected);
	exchange->request.method = method;
	exchange->request.path = g_strdup(path);
	exchange->request.query = http_query(wsi);
	if (!exchange->expected)
		return http_serve_api(http, wsi, exchange);
	exchange->received = g_byte_array_new();
	http_deadline(connection, HTTP_BODY_S);
	return 0;
}

static int http_request(struct http *http, struct lws *wsi,
			struct exchange *exchange, const char *path)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	const struct refusal *refusal;
	const char *method;

	http_exchange_reset(exchange);
	http_identify(http, wsi);
	http_deadline(connection, HTTP_EXCHANGE_S);
	method = http_method(wsi, &exchange->head);
	if (!method)
		return http_refuse(wsi, exchange, &http_no_method,
				   "GET, HEAD, POST, DELETE", true);
	if (http_is_api(path))
		return http_api_request(http, wsi, exchange, method, path);
	refusal = http_judge_source(http, wsi, false);
	if (refusal)
		return http_refuse(wsi, exchange, refusal, NULL, true);
	if (strcmp(method, "GET"))
		return http_refuse(wsi, exchange, &http_no_method, "GET, HEAD",
				   true);
	return http_serve_file(http, wsi, exchange, path);
}

static int http_body(struct exchange *exchange, const void *in, size_t len)
{
	/* what comes after a whole request is not looked at */
	if (exchange->answered || exchange->waits)
		return 0;
	if (!exchange->received ||
	    exchange->received->len + len > exchange->expected)
		return -1;
	g_byte_array_append(exchange->received, in, (guint)len);
	return 0;
}

static int http_body_complete(struct http *http, struct lws *wsi,
			      struct exchange *exchange)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);

	if (exchange->answered || exchange->waits)
		return 0;
	if (!exchange->received)
		return -1;
	http_deadline(connection, HTTP_EXCHANGE_S);
	exchange->request.body_len = exchange->received->len;
	/* for who reads it as a string */
	g_byte_array_append(exchange->received, (const guint8 *)"", 1);
	exchange->request.body = (const char *)exchange->received->data;
	return http_serve_api(http, wsi, exchange);
}

static int http_write_body(struct lws *wsi, struct exchange *exchange)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);
	struct packet *body = exchange->body;
	int n;

	if (!body)
		return 0;
	exchange->body = NULL;
	n = lws_write(wsi, body->data, body->len, LWS_WRITE_HTTP_FINAL);
	packet_unref(body);
	if (n < 0 || exchange->hang_up)
		return -1;
	http_deadline(connection, HTTP_IDLE_S);
	if (lws_partial_buffered(wsi))
		http_deadline(connection, HTTP_EXCHANGE_S);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* The socket takes more, or what was waited for has come. Nonzero hangs up. */
static int http_go_on(struct http *http, struct lws *wsi,
		      struct exchange *exchange)
{
	const struct connection *connection = lws_get_opaque_user_data(wsi);
	enum waits waits = exchange->waits;
	struct answer answer = exchange->held;

	if (waits == WAITS_NOT)
		return http_write_body(wsi, exchange);
	if (connection->note)
		return 0;
	exchange->waits = WAITS_NOT;
	if (waits == WAITS_TO_BE_SERVED)
		return http_serve_api(http, wsi, exchange);
	exchange->held.body = NULL;
	if (!connection->lost)
		return http_respond(wsi, exchange, &answer);
	packet_unref(answer.body);
	return http_refuse(wsi, exchange, &http_not_noted, NULL, false);
}

/* --- WebSockets --- */

static bool http_speaks(struct lws *wsi)
{
	g_auto(GStrv) names = NULL;
	char list[128];
	size_t i;

	if (lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_PROTOCOL) <= 0)
		return false;
	names = g_strsplit(list, ",", 8);
	for (i = 0; names[i]; i++)
		if (!strcmp(g_strstrip(names[i]), SERVER_PROTOCOL))
			return true;
	return false;
}

static const struct refusal *http_judge_upgrade(struct http *http,
						struct lws *wsi, const char *to)
{
	static const struct refusal not_websocket = {
		HTTP_STATUS_BAD_REQUEST, "upgrade", "only to a WebSocket", false,
	};
	static const struct refusal no_protocol = {
		HTTP_STATUS_BAD_REQUEST, "protocol",
		"the subprotocol has to be " SERVER_PROTOCOL, false,
	};
	const struct connection *connection = lws_get_opaque_user_data(wsi);
	const struct refusal *refusal;
	char path[16];

	if (g_ascii_strcasecmp(to, "websocket"))
		return &not_websocket;
	if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0 ||
	    strcmp(path, "/ws"))
		return &http_not_found;
	if (!http_speaks(wsi))
		return &no_protocol;
	refusal = http_judge(http, wsi, true, true);
	if (refusal)
		return refusal;
	return sessions_have_room(http, &connection->grant) ? NULL : &http_full;
}

/* Zero goes on with the upgrade: what is still to be noted, session.c waits for. */
static int http_upgrade(struct http *http, struct lws *wsi, const char *to)
{
	const struct refusal *refusal;

	http_identify(http, wsi);
	refusal = http_judge_upgrade(http, wsi, to);
	if (!refusal)
		return 0;
	http_refuse_upgrade(wsi, refusal);
	return 1;
}

/* --- connections --- */

static void http_forget(struct connection *connection)
{
	g_ptr_array_remove_fast(connection->http->connections, connection);
	g_free(connection);
}

static void http_adopt(struct http *http, int fd,
		       struct connection *connection)
{
	struct lws_adopt_desc how = {
		.vh = http->vhost,
		.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP |
			(http->tls ? LWS_ADOPT_ALLOW_SSL : 0),
		.fd.sockfd = fd,
		.opaque = connection,
	};

	connection->wsi = lws_adopt_descriptor_vhost_via_info(&how);
	/* it has closed the socket then, and may have told us or not */
	if (!connection->wsi &&
	    g_ptr_array_find(http->connections, connection, NULL))
		http_forget(connection);
}

static void http_accepted(int fd, const char *peer, void *data)
{
	struct http *http = data;
	struct connection *connection;
	bool proxy = proxy_trusted(peer, http->options.trusted_proxies);
	char group[PORT_PEER_LEN];
	int on = 1;

	port_peer_group(peer, group);
	if (http->connections->len >= http->options.connections ||
	    (!proxy && http_connections_of(http, group) >=
		       http->options.connections_each)) {
		log_peer(WARN, peer, "hung up on: too many connections");
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection = g_new0(struct connection, 1);
	connection->http = http;
	g_strlcpy(connection->peer, peer, sizeof(connection->peer));
	g_strlcpy(connection->group, group, sizeof(connection->group));
	if (proxy)
		g_strlcpy(connection->proxy, peer, sizeof(connection->proxy));
	connection->secure = http->tls;
	http_deadline(connection, HTTP_HEADER_S);
	g_ptr_array_add(http->connections, connection);
	http_adopt(http, fd, connection);
}

static void http_end_late(struct http *http)
{
	gint64 now = g_get_monotonic_time();
	unsigned int i;

	/*
	 * Backwards, for this takes them off the list. Not by a time-out of the
	 * library's: it begins anew with each byte that comes.
	 */
	for (i = http->connections->len; i-- > 0;) {
		struct connection *connection = http->connections->pdata[i];

		if (!connection->deadline || connection->deadline > now)
			continue;
		log_peer(DEBUG, connection->peer, "hung up on: too slow");
		lws_set_timeout(connection->wsi,
				PENDING_TIMEOUT_USER_REASON_BASE,
				LWS_TO_KILL_SYNC);
	}
}

static int http_instantiated(struct lws *wsi)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);

	/* again: it said CONNECT and is to become something else than HTTP */
	if (!connection || connection->known)
		return -1;
	connection->known = true;
	return 0;
}

static void http_destroyed(struct lws *wsi)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);

	if (connection)
		http_forget(connection);
	lws_set_opaque_user_data(wsi, NULL);
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len)
{
	struct http *http = lws_context_user(lws_get_context(wsi));
	struct exchange *exchange = user;

	switch (reason) {
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		http->tls = user;
		tls_harden(http->tls);
		return 0;
	case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
		return http_instantiated(wsi);
	case LWS_CALLBACK_WSI_DESTROY:
		http_destroyed(wsi);
		return 0;
	case LWS_CALLBACK_HTTP:
		return http_request(http, wsi, exchange, in);
	case LWS_CALLBACK_HTTP_BODY:
		return http_body(exchange, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return http_body_complete(http, wsi, exchange);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return http_go_on(http, wsi, exchange);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return http_upgrade(http, wsi, in);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (exchange)
			http_exchange_reset(exchange);
		return 0;
	case LWS_CALLBACK_RAW_ADOPT:
	case LWS_CALLBACK_RAW_RX:
		return -1;
	default:
		return 0;
	}
}

/* --- life --- */

static struct lws_protocols http_protocols[] = {
	{ .name = "http", .callback = http_callback,
	  .per_session_data_size = sizeof(struct exchange) },
	{ .name = SERVER_PROTOCOL, .callback = session_callback,
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
	       LOG_SUBJECT_NONE, NULL, "libwebsockets: %.*s",
	       (int)strcspn(line, "\n"), line);
}

static bool http_open_web(struct http *http)
{
	if (!http->options.web)
		return true;
	http->web = open(http->options.web, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (http->web >= 0)
		return true;
	log_error("opening the page's directory %s: %s", http->options.web,
		  g_strerror(errno));
	return false;
}

static bool http_start(struct http *http, GMainLoop *loop)
{
	struct lws_context_creation_info info = { 0 };
	void *loops[1] = { loop };

	lws_set_log_level(LLL_ERR | LLL_WARN, http_log);
	http_protocols[1].per_session_data_size = session_size();
	/* we accept, and hand over: see port.c */
	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	info.protocols = http_protocols;
	info.user = http;
	info.foreign_loops = loops;
	info.options = LWS_SERVER_OPTION_GLIB;
	info.fd_limit_per_thread = http->options.connections +
				   HTTP_FDS_SPARE;
	info.max_http_header_data2 = HTTP_HEADER_MAX;
	info.timeout_secs = HTTP_HEADER_S;
	info.keepalive_timeout = HTTP_IDLE_S;
	info.retry_and_idle_policy = &http_idle;
	info.vhost_name = "helix";
	info.server_string = "helix-exportd";
	if (http->options.tls_certificate) {
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info.ssl_cert_filepath = http->options.tls_certificate;
		info.ssl_private_key_filepath = http->options.tls_key;
		info.alpn = "http/1.1";
	}
	http->context = lws_create_context(&info);
	if (http->context)
		http->vhost = lws_get_vhost_by_name(http->context, "helix");
	if (!http->vhost || (http->options.tls_certificate && !http->tls)) {
		log_error("starting the web server failed");
		return false;
	}
	return true;
}

static bool http_listen(struct http *http)
{
	g_autofree char *error = NULL;

	http->port = port_open(http->options.listen, http->options.port,
			       http->options.listen_fd, http_accepted, http,
			       &error);
	if (!http->port) {
		log_error("%s", error);
		return false;
	}
	/* the configuration says so too, but not of a socket handed over */
	if (!port_is_loopback(http->port) && (!http->tls || !http->tokens)) {
		log_error("what is listened on is not loopback: it needs TLS and tokens, or anybody could see and use the desktops");
		return false;
	}
	return true;
}

static bool http_check_tls(const struct http_options *options)
{
	g_autofree char *error = NULL;

	if (!options->tls_certificate ||
	    tls_check(options->tls_certificate, options->tls_key, &error))
		return true;
	log_error("%s", error);
	return false;
}

struct http *http_new(const struct http_options *options, struct hub *hub,
		      struct api *api, GMainLoop *loop)
{
	struct http *http = g_new0(struct http, 1);

	http->options = *options;
	http->hub = hub;
	http->api = api;
	http->tokens = options->auth == HTTP_AUTH_TOKEN ? options->tokens : NULL;
	http->tickets = tickets_new();
	http->failures = limit_new(options->token_failures,
				   HTTP_FAILURES_S * G_USEC_PER_SEC,
				   HTTP_FAILURES_NAMES);
	http->connections = g_ptr_array_new();
	http->sessions = g_ptr_array_new();
	http->web = -1;
	if (!http_check_tls(options) || !http_open_web(http) ||
	    !http_start(http, loop) || !http_listen(http)) {
		http_free(http);
		return NULL;
	}
	if (options->tokens)
		tokens_tell(options->tokens, http_told, http);
	return http;
}

void http_free(struct http *http)
{
	if (http->options.tokens)
		tokens_tell(http->options.tokens, NULL, NULL);
	port_close(http->port);
	if (http->context)
		lws_context_destroy(http->context);
	if (http->web >= 0)
		close(http->web);
	tickets_free(http->tickets);
	limit_free(http->failures);
	g_ptr_array_unref(http->connections);
	g_ptr_array_unref(http->sessions);
	g_free(http);
}

void http_reload(struct http *http, const struct http_options *options)
{
	g_autofree char *error = NULL;

	http->options.connections_each = options->connections_each;
	http->options.viewers = options->viewers;
	if (!http->tls != !options->tls_certificate)
		log_error("TLS cannot be %s without a restart",
			  http->tls ? "left" : "begun");
	else if (http->tls && !tls_reload(http->tls, options->tls_certificate,
			     options->tls_key, &error))
		log_error("%s; the former certificate goes on", error);
}

char *http_name(const struct http *http)
{
	return port_name(http->port);
}

void http_tick(struct http *http)
{
	http_end_late(http);
	sessions_judge(http);
	sessions_tell(http);
}
