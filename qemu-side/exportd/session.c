// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the WebSockets. Rules: what a client sends is bounded in size and in
 * number; what it is sent comes out of its viewer's bounded queue; it sees and
 * does what its grant covers, and is hung up on as soon as that ends. Who came with
 * a token for one use hears nothing, and is not heard, until that is noted. What is
 * sent meanwhile is read all the same, or no pong would be.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "message.h"
#include "server.h"
#include "share.h"

#define SESSION_BAD_MAX		16	/* messages that are none, then hang up */
#define SESSION_RATE_MAX	2000	/* messages in a second: a mouse has 1000 */
#define SESSION_RATE_WATCH	500	/* of who has none: 240 frames may be acknowledged */
#define SESSION_DESKTOP_MAX	64	/* viewers of one desktop */
#define SESSION_SEND_BUFFER	(256 << 10)
#define SESSION_UNSENT		(32 << 10)
#define SESSION_TRY_LATER	((enum lws_close_status)1013)
#define SESSION_TOKEN_ENDED	((enum lws_close_status)4401)

/* Zeroed by the library when the connection is made. */
struct session {
	struct http *http;
	struct lws *wsi;
	struct connection *connection;
	struct viewer *viewer;
	struct desktop *desktop;	/* NULL: events, or gone */
	uint64_t number;		/* the higher the newer */
	bool events;
	struct packet *told;		/* the list it was told last */
	bool waits;			/* for its token's use to be noted */
	bool closing;			/* when all is sent */
	bool cut;			/* without sending anything more */
	enum lws_close_status code;
	const char *reason;
	unsigned int bad;
	gint64 rate_since;
	unsigned int rate;
	GByteArray *message;		/* in parts */
};

size_t session_size(void)
{
	return sizeof(struct session);
}

static void session_wake(void *data)
{
	struct session *session = data;

	lws_callback_on_writable(session->wsi);
}

static void session_set_deadline(struct session *session)
{
	unsigned int seconds = session->waits ? SERVER_NOTE_S :
			       session->closing ? SERVER_CLOSE_S : 0;

	/* one that is closed and reads nothing would keep its place for ever */
	session->connection->deadline = !seconds ? 0 :
		g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}

static void session_close(struct session *session, enum lws_close_status code,
			  const char *reason)
{
	if (session->closing)
		return;
	session->closing = true;
	session->code = code;
	session->reason = reason;
	session_set_deadline(session);
	session_wake(session);
}

static void session_gone(struct viewer *viewer)
{
	struct session *session = viewer->wake_data;

	session->desktop = NULL;
	session_close(session, LWS_CLOSE_STATUS_NORMAL, "desktop gone");
}

/* --- what it watches --- */

/* Which scanout, from "/ws?scanout=N"; -1 if the query does not say. */
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

/* The desktop that "/ws?desktop=ID" or "/ws?scanout=N" names, or NULL. */
static struct desktop *session_find(struct session *session)
{
	struct hub *hub = session->http->hub;
	struct desktop *desktop = NULL;
	/* lws leaves out an argument that has not room with its name */
	char id[DESKTOP_ID_LEN + sizeof("desktop=")] = "";
	long scanout;

	if (lws_get_urlarg_by_name_safe(session->wsi, "desktop", id,
					sizeof(id)) > 0) {
		desktop = hub_find_id(hub, id);
	} else {
		scanout = session_scanout(session->wsi);
		if (scanout >= 0)
			desktop = hub_find(hub, (uint32_t)scanout);
	}
	/* one that it must not see is to it like one that is not there */
	if (desktop &&
	    !grant_covers(&session->connection->grant, desktop_id(desktop)))
		return NULL;
	return desktop;
}

static enum rung session_rung(struct lws *wsi)
{
	enum rung rung = RUNG_FULL;
	char name[sizeof("rung=thumb") + 8] = "";	/* as above: with its name */

	if (lws_get_urlarg_by_name_safe(wsi, "rung", name, sizeof(name)) > 0)
		rung_parse(name, &rung);
	return rung;
}

/* Whether it shows the desktop as one of many: "tile=1" of the query. */
static bool session_is_tile(struct lws *wsi)
{
	char word[sizeof("tile=1")] = "";	/* as above: with its name */

	return lws_get_urlarg_by_name_safe(wsi, "tile", word, sizeof(word)) > 0 &&
	       !strcmp(word, "1");
}

/* What it can decode: "codecs=h264,av1" of the query. */
static unsigned int session_codecs(struct lws *wsi)
{
	char names[CODEC_LIST_LEN] = "";

	lws_get_urlarg_by_name_safe(wsi, "codecs", names, sizeof(names));
	return codec_list(names);
}

static void session_leave(struct session *session)
{
	if (session->desktop)
		desktop_leave(session->desktop, session->viewer);
	session->desktop = NULL;
}

/* --- places --- */

/* Whether it has a place of @desktop; NULL: one of all, of the machine @vm if not NULL. */
static bool session_has_place(const struct session *session,
			      const struct desktop *desktop, const char *vm)
{
	char mine[GRANT_VM_LEN];

	if (desktop)
		return session->desktop == desktop;
	if (!session->desktop && !session->events)
		return false;
	grant_vm(&session->connection->grant, mine);
	return !vm || !strcmp(mine, vm);
}

/* The places of @desktop, as above, that @token has; NULL: any. */
static unsigned int sessions_share(const struct http *http,
				   const struct desktop *desktop,
				   const char *token)
{
	unsigned int i, share = 0;

	for (i = 0; i < http->sessions->len; i++) {
		const struct session *each = http->sessions->pdata[i];

		share += session_has_place(each, desktop, NULL) &&
			 (!token || !strcmp(each->connection->grant.id, token));
	}
	return share;
}

/*
 * The newest one of the token that has most of these places, if more than @least. So
 * a link cannot keep out who has another one, and nobody loses a place to who would
 * have more.
 */
static struct session *sessions_loser(const struct http *http,
				      const struct desktop *desktop,
				      const char *vm, unsigned int least)
{
	g_autoptr(GHashTable) shares = g_hash_table_new(g_str_hash, g_str_equal);
	const GPtrArray *all = http->sessions;
	struct session *loser = NULL;
	unsigned int i, share, most = least;

	for (i = 0; i < all->len; i++) {
		struct session *each = all->pdata[i];
		char *token = each->connection->grant.id;

		if (!session_has_place(each, desktop, vm))
			continue;
		share = GPOINTER_TO_UINT(g_hash_table_lookup(shares, token));
		g_hash_table_insert(shares, token, GUINT_TO_POINTER(share + 1));
	}
	for (i = 0; i < all->len; i++) {
		struct session *each = all->pdata[i];
		char *token = each->connection->grant.id;

		if (!session_has_place(each, desktop, vm))
			continue;
		share = GPOINTER_TO_UINT(g_hash_table_lookup(shares, token));
		if (share > most ||
		    (loser && share == most && each->number > loser->number)) {
			most = share;
			loser = each;
		}
	}
	return loser;
}

/*
 * Who loses one of all places to @grant: one of the machine that has most, for the
 * administrator of one desktop has as many tokens as they like; or, where the one of
 * @grant would have as many, one of that.
 */
static struct session *sessions_loser_to(const struct http *http,
					 const struct grant *grant)
{
	struct shares *machines = shares_new();
	const struct grant *rich = grant;
	char vm[GRANT_VM_LEN];
	unsigned int i, least;
	bool richer;

	for (i = 0; i < http->sessions->len; i++) {
		const struct session *each = http->sessions->pdata[i];

		if (session_has_place(each, NULL, NULL))
			shares_count(machines, &each->connection->grant);
	}
	for (i = 0; i < http->sessions->len; i++) {
		const struct session *each = http->sessions->pdata[i];

		if (shares_is_most(machines, &each->connection->grant))
			rich = &each->connection->grant;
	}
	richer = shares_of(machines, rich) > shares_of(machines, grant) + 1;
	shares_free(machines);
	least = richer ? 0 : sessions_share(http, NULL, grant->id) + 1;
	grant_vm(richer ? rich : grant, vm);
	return sessions_loser(http, NULL, vm, least);
}

bool sessions_have_room(const struct http *http, const struct grant *grant)
{
	return sessions_share(http, NULL, NULL) < http->options.viewers ||
	       (grant && sessions_loser_to(http, grant));
}

static void session_refuse_place(struct session *session, const char *why)
{
	viewer_say(session->viewer, api_error("busy", why));
	session_close(session, SESSION_TRY_LATER, "too many viewers");
}

static bool session_push_out(struct session *loser, const char *why)
{
	if (!loser)
		return false;
	session_leave(loser);
	loser->events = false;
	session_refuse_place(loser, why);
	return true;
}

/* Half of the places, whatever is watched: from many addresses a link could else have all. */
static bool session_has_too_many(const struct session *session)
{
	const struct http_options *options = &session->http->options;
	const char *token = session->connection->grant.id;
	unsigned int places = MIN(options->connections, options->viewers);

	return *token && sessions_share(session->http, NULL, token) >=
			 places / 2 + places % 2;
}

/* A place of @desktop, NULL: of those who are told of all; false if it was refused. */
static bool session_take_place(struct session *session,
			       const struct desktop *desktop)
{
	static const char all[] = "too many are connected";
	static const char here[] = "too many watch this desktop";
	const struct grant *grant = &session->connection->grant;
	const struct http *http = session->http;
	struct desktop_info info = { 0 };
	const char *why = NULL;

	if (desktop)
		desktop_describe(desktop, &info);
	if (session_has_too_many(session))
		why = "half of all places are of this token";
	else if (info.viewers >= SESSION_DESKTOP_MAX &&
		 !session_push_out(sessions_loser(http, desktop, NULL,
				sessions_share(http, desktop, grant->id) + 1), here))
		why = here;
	else if (!sessions_have_room(http, NULL) &&
		 !session_push_out(sessions_loser_to(http, grant), all))
		why = all;
	if (why)
		session_refuse_place(session, why);
	return !why;
}

/* --- opening --- */

static void session_open_desktop(struct session *session)
{
	struct desktop *desktop = session_find(session);

	if (!desktop) {
		viewer_say(session->viewer,
			   api_error("no-desktop", "there is no such desktop"));
		session_close(session, LWS_CLOSE_STATUS_NORMAL, "no such desktop");
		return;
	}
	if (!session_take_place(session, desktop))
		return;
	log_desktop(INFO, desktop_id(desktop), "viewer from %s, role %s%s%s",
		    session->connection->peer,
		    role_name(session->connection->grant.role),
		    *session->connection->grant.id ? ", token " : "",
		    session->connection->grant.id);
	session->desktop = desktop;
	session->viewer->codecs = session_codecs(session->wsi);
	desktop_join(desktop, session->viewer, session_rung(session->wsi),
		     session_is_tile(session->wsi), session_gone);
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

static struct packet *session_list(struct session *session)
{
	char *text = api_desktops_event(session->http->hub,
					&session->connection->grant);
	struct packet *packet = packet_text(text);

	g_free(text);
	return packet;
}

static void session_tell(struct session *session, struct packet *list)
{
	/* not read the last one yet: it will get a newer one later */
	if (session->viewer->queue.length || session->closing ||
	    (session->told && session->told->len == list->len &&
	     !memcmp(session->told->data, list->data, list->len)))
		return;
	packet_unref(session->told);
	session->told = packet_ref(list);
	viewer_queue_text(session->viewer, list);
}

static void session_open_events(struct session *session)
{
	struct packet *list;

	if (!session_take_place(session, NULL))
		return;
	list = session_list(session);
	session->events = true;
	session_tell(session, list);
	packet_unref(list);
}

void sessions_tell(struct http *http)
{
	g_autoptr(GHashTable) lists = NULL;
	unsigned int i;

	/* one list for all that may see the same */
	lists = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
				      (GDestroyNotify)packet_unref);
	for (i = 0; i < http->sessions->len; i++) {
		struct session *session = http->sessions->pdata[i];
		const struct grant *grant = &session->connection->grant;
		struct packet *list;
		char *key;

		if (!session->events)
			continue;
		key = g_strdup_printf("%s %s", role_name(grant->role),
				      grant->desktop);
		list = g_hash_table_lookup(lists, key);
		if (list) {
			g_free(key);
		} else {
			list = session_list(session);
			g_hash_table_insert(lists, key, list);
		}
		session_tell(session, list);
	}
}

/* --- life --- */

static int session_open(struct http *http, struct lws *wsi,
			struct session *session)
{
	int size = SESSION_SEND_BUFFER, unsent = SESSION_UNSENT;
	struct connection *connection = lws_get_opaque_user_data(wsi);

	/* what the kernel holds for a slow viewer is late and cannot be dropped */
	setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &size,
		   sizeof(size));
	setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT,
		   &unsent, sizeof(unsent));
	session->http = http;
	session->number = ++http->sessions_opened;
	session->wsi = wsi;
	session->connection = connection;
	session->message = g_byte_array_new();
	session->viewer = viewer_new(session_wake, session);
	session->viewer->role = connection->grant.role;
	session->waits = connection->note != 0;
	session_set_deadline(session);
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
	session_leave(session);
	g_ptr_array_remove_fast(session->http->sessions, session);
	viewer_free(session->viewer);
	session->viewer = NULL;
	packet_unref(session->told);
	g_byte_array_unref(session->message);
}

static int session_hang_up(struct session *session)
{
	lws_close_reason(session->wsi, session->code,
			 (unsigned char *)session->reason,
			 strlen(session->reason));
	return -1;
}

static void session_cut(struct session *session, const char *why)
{
	log_peer(INFO, session->connection->peer, "hung up on: %s", why);
	session_leave(session);
	session->events = false;
	session->cut = true;
	session_close(session, SESSION_TOKEN_ENDED, why);
}

void sessions_judge(struct http *http)
{
	unsigned int i;

	if (!http->tokens)
		return;
	for (i = 0; i < http->sessions->len; i++) {
		struct session *session = http->sessions->pdata[i];

		if (session->cut)
			continue;
		switch (tokens_check_again(http->tokens,
					   &session->connection->grant)) {
		case TOKEN_OK:
			if (session->connection->lost)
				session_cut(session,
					    "the token's use cannot be noted");
			break;
		case TOKEN_EXPIRED:
			session_cut(session, "token expired");
			break;
		case TOKEN_REVOKED:
			session_cut(session, "token revoked");
			break;
		default:
			session_cut(session, "token no longer valid");
		}
	}
}

/* --- traffic --- */

/* The socket takes more. Nonzero hangs up. */
static int session_write(struct session *session)
{
	struct packet *packet;
	int n;

	if (session->cut)
		return session_hang_up(session);
	if (session->waits) {
		if (session->connection->note)
			return 0;
		session->waits = false;
		session_set_deadline(session);
	}
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
	viewer_say(session->viewer, api_error("bad-message", why));
	if (++session->bad >= SESSION_BAD_MAX)
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
	else if (msg.type == MESSAGE_TIME)
		viewer_say(session->viewer,
			   api_time(msg.time.client,
				    (uint64_t)g_get_monotonic_time()));
	else if (session->desktop)
		desktop_input(session->desktop, session->viewer, &msg);
	message_clear(&msg);
}

/* Whether it has something to use; who watches says little, and nothing long. */
static bool session_may_use(const struct session *session)
{
	return session->desktop && session->viewer->role >= ROLE_CONTROL;
}

static size_t session_limit(const struct session *session)
{
	const GByteArray *message = session->message;

	return session_may_use(session) ?
	       message_limit((const char *)message->data, message->len) :
	       MESSAGE_MAX;
}

static bool session_is_flood(struct session *session)
{
	gint64 now = g_get_monotonic_time();

	if (now - session->rate_since >= G_USEC_PER_SEC) {
		session->rate_since = now;
		session->rate = 0;
	}
	return ++session->rate > (session_may_use(session) ? SESSION_RATE_MAX :
							     SESSION_RATE_WATCH);
}

/* Nonzero hangs up. */
static int session_receive(struct session *session, const void *in, size_t len)
{
	GByteArray *message = session->message;

	if (session->closing)
		return 0;
	if (lws_frame_is_binary(session->wsi)) {
		lws_close_reason(session->wsi,
				 LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, NULL, 0);
		return -1;
	}
	/* parts count too: empty ones could come for ever */
	if (session_is_flood(session)) {
		session_close(session, LWS_CLOSE_STATUS_POLICY_VIOLATION,
			      "too many messages");
		return 0;
	}
	/* @len is at most what the library reads at a time */
	g_byte_array_append(message, in, (guint)len);
	if (message->len > session_limit(session)) {
		lws_close_reason(session->wsi,
				 LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
		return -1;
	}
	if (lws_remaining_packet_payload(session->wsi) ||
	    !lws_is_final_fragment(session->wsi))
		return 0;
	session->message = g_byte_array_new();
	if (!session->waits)
		session_message(session, (const char *)message->data,
				message->len);
	g_byte_array_unref(message);
	return 0;
}

int session_callback(struct lws *wsi, enum lws_callback_reasons reason,
		     void *user, void *in, size_t len)
{
	struct http *http = lws_context_user(lws_get_context(wsi));
	struct session *session = user;

	switch (reason) {
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
