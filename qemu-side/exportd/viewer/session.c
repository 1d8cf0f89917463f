// SPDX-License-Identifier: GPL-2.0-only
/*
 * One run of the viewer. Owns the libwebsockets context and one link for the
 * list and one for each desktop; everything happens in session_run()'s thread.
 * Rule: a link that is wanted and down is tried again until the run ends, so a
 * server that starts late or restarts costs time and nothing else.
 */
#include <errno.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "session.h"

#define LINKS_MAX (OPTIONS_SCANOUTS_MAX + 1)	/* the first is the list */
#define TICK_US (100 * LWS_US_PER_MS)
#define RETRY_US (500 * LWS_US_PER_MS)
#define TEXT_MAX (2048 * 1024)	/* six times a clipboard, if all of it is escaped */
#define RX_BUFFER (64 * 1024)

enum phase { GATHERING, MEASURING, DONE };

struct link {
	struct session *session;
	struct desktop *desktop;	/* NULL: the list */
	struct lws *wsi;		/* NULL: down */
	lws_sorted_usec_list_t retry;
	/* The message that is coming in */
	char *text;
	size_t text_len;
	uint8_t header[PACKET_HEADER_SIZE];
	size_t header_len;
	bool is_video;
	bool ack_wanted;
};

struct session {
	struct options options;
	struct lws_context *context;
	lws_sorted_usec_list_t tick;
	struct link links[LINKS_MAX];
	struct desktop desktops[OPTIONS_SCANOUTS_MAX];
	size_t n_desktops;
	bool reached;			/* a list was received */
	enum phase phase;
	double started, measuring_since, measured_s;	/* CLOCK_MONOTONIC */
	double offset_s;		/* from --since to started */
	volatile sig_atomic_t stop;
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double since_start(const struct session *session)
{
	return session->offset_s + seconds(CLOCK_MONOTONIC) - session->started;
}

static __attribute__((format(printf, 2, 3)))
void progress(const struct session *session, const char *format, ...)
{
	va_list arguments;

	if (session->options.quiet)
		return;
	fprintf(stderr, "helix-viewer: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* Links */

static void link_retry_later(struct link *link);

static void link_connect(lws_sorted_usec_list_t *retry)
{
	struct link *link = lws_container_of(retry, struct link, retry);
	struct session *session = link->session;
	struct lws_client_connect_info info = { 0 };
	char path[32], host[160];

	if (session->phase == DONE || (link->desktop && !link->desktop->listed))
		return;
	if (link->desktop)
		snprintf(path, sizeof(path), "/ws?scanout=%u", link->desktop->scanout);
	else
		snprintf(path, sizeof(path), "/ws?events");
	snprintf(host, sizeof(host), strchr(session->options.host, ':') ? "[%s]:%u" : "%s:%u",
		 session->options.host, session->options.port);
	info.context = session->context;
	info.address = session->options.host;
	info.port = (int)session->options.port;
	info.path = path;
	info.host = host;
	info.origin = host;
	info.protocol = "helix.v1";
	info.opaque_user_data = link;
	info.pwsi = &link->wsi;
	/* On failure the callback may have been called already, or not at all. */
	if (!lws_client_connect_via_info(&info)) {
		link->wsi = NULL;
		link_retry_later(link);
	}
}

static void link_retry_later(struct link *link)
{
	lws_sul_schedule(link->session->context, 0, &link->retry, link_connect, RETRY_US);
}

static void link_down(struct link *link)
{
	link->wsi = NULL;
	link->text_len = 0;
	link->header_len = 0;
	link->ack_wanted = false;
	if (link->session->phase != DONE)
		link_retry_later(link);
}

/* The list of desktops */

static FILE *open_record(const struct session *session, unsigned int scanout)
{
	char path[4096];
	FILE *file;

	if (!session->options.record)
		return NULL;
	snprintf(path, sizeof(path), "%s/scanout-%u.h264", session->options.record, scanout);
	file = fopen(path, "wb");
	if (!file)
		fprintf(stderr, "helix-viewer: opening the record %s: %s\n", path, strerror(errno));
	return file;
}

static bool wanted(const struct session *session, unsigned int scanout)
{
	if (!session->options.n_scanouts)
		return true;
	for (size_t i = 0; i < session->options.n_scanouts; i++)
		if (session->options.scanouts[i] == scanout)
			return true;
	return false;
}

static struct desktop *find_desktop(struct session *session, unsigned int scanout)
{
	for (size_t i = 0; i < session->n_desktops; i++)
		if (session->desktops[i].scanout == scanout)
			return &session->desktops[i];
	return NULL;
}

static struct desktop *add_desktop(struct session *session, unsigned int scanout)
{
	size_t i = session->n_desktops;
	struct desktop *desktop = &session->desktops[i];

	if (i == OPTIONS_SCANOUTS_MAX)
		return NULL;
	desktop_init(desktop, scanout);
	desktop->record = open_record(session, scanout);
	session->links[i + 1].session = session;
	session->links[i + 1].desktop = desktop;
	session->n_desktops++;
	return desktop;
}

static void take_entry(struct session *session, const struct desktop_entry *entry)
{
	struct desktop *desktop = find_desktop(session, entry->scanout);
	struct link *link;

	if (!desktop) {
		desktop = add_desktop(session, entry->scanout);
		if (!desktop)
			return;
		progress(session, "scanout %u '%s' is there", entry->scanout, entry->name);
	}
	link = &session->links[desktop - session->desktops + 1];
	memcpy(desktop->name, entry->name, sizeof(desktop->name));
	if (!desktop->listed) {
		desktop->listed = true;
		if (!link->wsi)
			lws_sul_schedule(session->context, 0, &link->retry, link_connect, 1);
	}
}

static void take_list(struct session *session, const struct server_message *msg)
{
	bool listed[OPTIONS_SCANOUTS_MAX] = { false };

	session->reached = true;
	for (size_t i = 0; i < msg->n_desktops; i++) {
		struct desktop *desktop;

		if (!wanted(session, msg->desktops[i].scanout))
			continue;
		take_entry(session, &msg->desktops[i]);
		desktop = find_desktop(session, msg->desktops[i].scanout);
		if (desktop)
			listed[desktop - session->desktops] = true;
	}
	for (size_t i = 0; i < session->n_desktops; i++)
		if (!listed[i])
			session->desktops[i].listed = false;
}

/* Messages */

static void take_text(struct link *link)
{
	struct session *session = link->session;
	struct server_message msg;
	const char *error = server_message_parse(link->text, link->text_len, &msg);

	if (error) {
		progress(session, "the server sent %s", error);
		if (link->desktop)
			desktop_violation(link->desktop, error);
		return;
	}
	if (msg.type == SERVER_DESKTOPS && !link->desktop)
		take_list(session, &msg);
	else if (msg.type == SERVER_CONFIG && link->desktop)
		desktop_configure(link->desktop, &msg);
	else if (msg.type == SERVER_STATE && link->desktop && msg.text[0])
		progress(session, "scanout %u: %s: %s", link->desktop->scanout, msg.state, msg.text);
	else if (msg.type == SERVER_ERROR)
		progress(session, "the server reports an error: %s", msg.text);
}

static void receive_text(struct link *link, const char *bytes, size_t len, bool first, bool last)
{
	char *grown;

	if (first)
		link->text_len = 0;
	if (link->text_len + len > TEXT_MAX) {
		progress(link->session, "a text message of more than %d bytes was dropped", TEXT_MAX);
		link->text_len = 0;
		return;
	}
	grown = realloc(link->text, link->text_len + len + 1);
	if (!grown)
		return;
	link->text = grown;
	memcpy(link->text + link->text_len, bytes, len);
	link->text_len += len;
	if (last)
		take_text(link);
}

static void take_header(struct link *link)
{
	struct desktop *desktop = link->desktop;
	struct packet_header header;
	const char *error = packet_parse(link->header, &header);

	link->is_video = !error && header.type == PACKET_VIDEO;
	if (error)
		desktop_violation(desktop, error);
	if (!link->is_video)
		return;
	if (!desktop_delivered(desktop))
		progress(link->session, "scanout %u '%s': first frame, %ux%u, after %.1f s",
			 desktop->scanout, desktop->name, header.width, header.height,
			 since_start(link->session));
	desktop_frame(desktop, &header, since_start(link->session));
	link->ack_wanted = true;
	lws_callback_on_writable(link->wsi);
}

static void receive_binary(struct link *link, const uint8_t *bytes, size_t len, bool first, bool last)
{
	size_t part;

	if (!link->desktop)
		return;
	if (first) {
		link->header_len = 0;
		link->is_video = false;
	}
	part = PACKET_HEADER_SIZE - link->header_len;
	if (part > len)
		part = len;
	if (part) {
		memcpy(link->header + link->header_len, bytes, part);
		link->header_len += part;
		if (link->header_len == PACKET_HEADER_SIZE)
			take_header(link);
	}
	if (link->is_video && len > part)
		desktop_payload(link->desktop, bytes + part, len - part);
	if (last && link->is_video)
		desktop_complete(link->desktop, (int64_t)(seconds(CLOCK_MONOTONIC) * 1e6));
	if (last && link->header_len < PACKET_HEADER_SIZE)
		desktop_violation(link->desktop, "binary message shorter than its header");
}

static void receive(struct link *link, struct lws *wsi, const void *bytes, size_t len)
{
	bool first = lws_is_first_fragment(wsi);
	bool last = lws_is_final_fragment(wsi);

	if (lws_frame_is_binary(wsi))
		receive_binary(link, bytes, len, first, last);
	else
		receive_text(link, bytes, len, first, last);
}

static int send_ack(struct link *link)
{
	unsigned char buffer[LWS_PRE + 64];
	char *text = (char *)buffer + LWS_PRE;
	int len;

	if (!link->ack_wanted)
		return 0;
	link->ack_wanted = false;
	len = snprintf(text, sizeof(buffer) - LWS_PRE, "{\"type\":\"ack\",\"seq\":%u}",
		       link->desktop->last_seq);
	return lws_write(link->wsi, (unsigned char *)text, (size_t)len, LWS_WRITE_TEXT) < len ? -1 : 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct link *link = lws_get_opaque_user_data(wsi);

	(void)user;
	if (!link)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		if (link->desktop)
			desktop_connected(link->desktop);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		receive(link, wsi, in, len);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_ack(link);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
	case LWS_CALLBACK_CLIENT_CLOSED:
		link_down(link);
		break;
	default:
		break;
	}
	return 0;
}

/* The clock */

static bool all_delivered(const struct session *session)
{
	size_t least = session->options.n_scanouts ? session->options.n_scanouts :
		       session->options.desktops ? session->options.desktops : 1;
	size_t delivered = 0;

	for (size_t i = 0; i < session->n_desktops; i++) {
		if (desktop_delivered(&session->desktops[i]))
			delivered++;
		else if (session->desktops[i].listed)
			return false;
	}
	return delivered >= least;
}

static void begin_measuring(struct session *session)
{
	session->phase = MEASURING;
	session->measuring_since = seconds(CLOCK_MONOTONIC);
	progress(session, "measuring for %.1f s", session->options.for_s);
	for (size_t i = 0; i < session->n_desktops; i++)
		desktop_measure(&session->desktops[i]);
}

static void tick(lws_sorted_usec_list_t *sul)
{
	struct session *session = lws_container_of(sul, struct session, tick);
	double now = seconds(CLOCK_MONOTONIC);

	if (session->phase == GATHERING) {
		bool late = now - session->started > session->options.wait_s;

		if (all_delivered(session) || (late && session->n_desktops))
			begin_measuring(session);
		else if (late)
			session->phase = DONE;
	} else if (session->phase == MEASURING &&
		   now - session->measuring_since >= session->options.for_s) {
		session->phase = DONE;
	}
	if (session->stop)
		session->phase = DONE;
	if (session->phase == DONE) {
		if (session->measuring_since > 0)
			session->measured_s = now - session->measuring_since;
		lws_cancel_service(session->context);
		return;
	}
	lws_sul_schedule(session->context, 0, &session->tick, tick, TICK_US);
}

/* The whole */

static void log_line(int level, const char *line)
{
	(void)level;
	fprintf(stderr, "helix-viewer: %s", line);
}

struct session *session_new(const struct options *options)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "helix.v1", .callback = callback, .rx_buffer_size = RX_BUFFER },
		LWS_PROTOCOL_LIST_TERM
	};
	struct lws_context_creation_info info = { 0 };
	struct session *session;

	if (options->record && mkdir(options->record, 0777) && errno != EEXIST) {
		fprintf(stderr, "helix-viewer: making the directory %s: %s\n",
			options->record, strerror(errno));
		return NULL;
	}
	session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	session->options = *options;
	session->started = seconds(CLOCK_MONOTONIC);
	if (options->since > 0)
		session->offset_s = seconds(CLOCK_REALTIME) - options->since;
	session->links[0].session = session;

	lws_set_log_level(LLL_ERR, log_line);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	session->context = lws_create_context(&info);
	if (!session->context) {
		fprintf(stderr, "helix-viewer: libwebsockets could not start\n");
		free(session);
		return NULL;
	}
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session->phase = DONE;
	lws_context_destroy(session->context);
	for (size_t i = 0; i < session->n_desktops; i++)
		desktop_finish(&session->desktops[i]);
	for (size_t i = 0; i < LINKS_MAX; i++)
		free(session->links[i].text);
	free(session);
}

void session_run(struct session *session)
{
	lws_sul_schedule(session->context, 0, &session->links[0].retry, link_connect, 1);
	lws_sul_schedule(session->context, 0, &session->tick, tick, TICK_US);
	while (session->phase != DONE)
		if (lws_service(session->context, 0) < 0)
			break;
}

void session_stop(struct session *session)
{
	session->stop = 1;		/* the next tick sees it */
}

bool session_reached_server(const struct session *session)
{
	return session->reached;
}

bool session_complete(const struct session *session)
{
	for (size_t i = 0; i < session->n_desktops; i++)
		if (session->desktops[i].violations)
			return false;
	return all_delivered(session);
}

const struct desktop *session_desktops(const struct session *session, size_t *n)
{
	*n = session->n_desktops;
	return session->desktops;
}

double session_measured_s(const struct session *session)
{
	return session->measured_s;
}
