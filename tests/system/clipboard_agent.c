// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in the guest, in the place of spice-vdagentd and a desktop's spice-vdagent,
 * which need X11: speaks the agent's protocol on its port for one text each way.
 * What the host copies it fetches and prints; then it copies a text of its own,
 * and ends when the host has fetched that.
 *
 * usage: clipboard_agent TEXT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT		"/dev/virtio-ports/com.redhat.spice.0"
#define PATIENCE_S	300	/* a guard against hanging */
#define AGAIN_US	100000
#define MESSAGE_MAX	(1 << 20)

/* spice-protocol's vd_agent.h; all of it is little-endian, as the guest is */
#define CLIENT_PORT	1
#define PROTOCOL	1
#define CHUNK_MAX	2048
enum { CLIPBOARD = 4, CAPABILITIES = 6, GRAB = 7, REQUEST = 8 };
#define CAP_BY_DEMAND	(1u << 5)
#define CAP_SELECTION	(1u << 6)
#define CAP_SERIAL	(1u << 17)
#define SELECTION	0
#define UTF8_TEXT	1

struct chunk {
	uint32_t port, size;
} __attribute__((packed));

struct message {
	uint32_t protocol, type;
	uint64_t opaque;
	uint32_t size;
} __attribute__((packed));

static const char *own;
static int port = -1;

static void die(const char *what)
{
	fprintf(stderr, "clipboard_agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *what, const void *text, size_t len)
{
	printf("%s %.*s\n", what, (int)len, (const char *)text);
	fflush(stdout);
}

/* False: the host is not there any more. */
static bool put(const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len) {
		n = write(port, at, len);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool get(void *data, size_t len)
{
	char *at = data;
	ssize_t n;

	while (len) {
		n = read(port, at, len);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_message(uint32_t type, const uint32_t *words, size_t count,
			 const char *text)
{
	size_t size = count * sizeof(*words) + strlen(text);
	struct chunk chunk = { CLIENT_PORT, (uint32_t)(sizeof(struct message) + size) };
	struct message message = { PROTOCOL, type, 0, (uint32_t)size };

	if (chunk.size > CHUNK_MAX) {
		errno = EMSGSIZE;
		die("sending");
	}
	return put(&chunk, sizeof(chunk)) && put(&message, sizeof(message)) &&
	       put(words, count * sizeof(*words)) && put(text, strlen(text));
}

/* A whole message, its chunks put together. */
static struct message *receive(void)
{
	static char buf[MESSAGE_MAX];
	const struct message *message = (const struct message *)buf;
	size_t got = 0;
	struct chunk chunk;

	do {
		if (!get(&chunk, sizeof(chunk)))
			return NULL;
		if (chunk.size > sizeof(buf) - got) {
			errno = EMSGSIZE;
			die("receiving");
		}
		if (!get(buf + got, chunk.size))
			return NULL;
		got += chunk.size;
	} while (got < sizeof(*message) || got < sizeof(*message) + message->size);
	return (struct message *)buf;
}

/* False: it has to be opened again. */
static bool answer(const struct message *message)
{
	static const uint32_t request[] = { SELECTION, UTF8_TEXT };
	static const uint32_t grab[] = { SELECTION, 1, UTF8_TEXT };
	const char *data = (const char *)(message + 1);

	switch (message->type) {
	case CAPABILITIES:
		say("ready", "", 0);
		return true;
	case GRAB:
		return send_message(REQUEST, request, 2, "");
	case CLIPBOARD:
		if (message->size < sizeof(request))
			return true;
		say("got", data + sizeof(request), message->size - sizeof(request));
		return send_message(GRAB, grab, 3, "");
	case REQUEST:
		if (!send_message(CLIPBOARD, request, 2, own))
			return false;
		say("given", own, strlen(own));
		exit(0);
	default:
		return true;
	}
}

static void serve(void)
{
	static const uint32_t caps[] = {
		1, CAP_BY_DEMAND | CAP_SELECTION | CAP_SERIAL,
	};
	struct message *message;

	port = open(PORT, O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(PORT);
	if (send_message(CAPABILITIES, caps, 2, ""))
		while ((message = receive()) && answer(message))
			;
	close(port);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	own = argv[1];
	alarm(PATIENCE_S);
	/* the host hangs up when its own side begins anew: so do agents then */
	for (;;) {
		serve();
		usleep(AGAIN_US);
	}
}
