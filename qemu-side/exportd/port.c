// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the listening socket. Rule: when the process has no descriptor left,
 * nobody is accepted for a second, rather than the loop spinning on it.
 */
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_BACKLOG	128
#define PORT_BATCH	32	/* accepted before others have their turn */
#define PORT_PAUSE_MS	1000

struct port {
	int fd;
	guint source;
	guint pause;
	port_accepted accepted;
	void *data;
};

union port_address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static void port_peer(const union port_address *address, char *peer)
{
	const struct in6_addr *six = &address->six.sin6_addr;

	if (address->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->four.sin_addr, peer, PORT_PEER_LEN);
	else if (address->any.sa_family == AF_INET6 &&
		 IN6_IS_ADDR_V4MAPPED(six))
		inet_ntop(AF_INET, &six->s6_addr[12], peer, PORT_PEER_LEN);
	else if (address->any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, six, peer, PORT_PEER_LEN);
	else
		g_strlcpy(peer, "unknown", PORT_PEER_LEN);
}

void port_peer_group(const char *peer, char group[PORT_PEER_LEN])
{
	struct in6_addr six;

	g_strlcpy(group, peer, PORT_PEER_LEN);
	if (inet_pton(AF_INET6, peer, &six) != 1)
		return;
	memset(&six.s6_addr[8], 0, 8);
	inet_ntop(AF_INET6, &six, group, PORT_PEER_LEN);
}

static void port_watch(struct port *port);

static gboolean port_again(gpointer data)
{
	struct port *port = data;

	port->pause = 0;
	port_watch(port);
	return G_SOURCE_REMOVE;
}

static gboolean port_ready(gint fd, GIOCondition condition, gpointer data)
{
	union port_address address;
	struct port *port = data;
	char peer[PORT_PEER_LEN];
	socklen_t len;
	int taken, i;

	(void)condition;
	for (i = 0; i < PORT_BATCH; i++) {
		len = sizeof(address);
		memset(&address, 0, sizeof(address));
		taken = accept4(fd, &address.any, &len,
				SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (taken < 0)
			break;
		port_peer(&address, peer);
		port->accepted(taken, peer, port->data);
	}
	if (i == PORT_BATCH || (errno != EMFILE && errno != ENFILE &&
				errno != ENOBUFS && errno != ENOMEM))
		return G_SOURCE_CONTINUE;
	port->source = 0;
	port->pause = g_timeout_add(PORT_PAUSE_MS, port_again, port);
	return G_SOURCE_REMOVE;
}

static void port_watch(struct port *port)
{
	port->source = g_unix_fd_add(port->fd, G_IO_IN, port_ready, port);
}

static bool port_parse(const char *text, int number, union port_address *address,
		       socklen_t *len)
{
	memset(address, 0, sizeof(*address));
	if (!strcmp(text, "localhost"))
		text = "127.0.0.1";
	if (inet_pton(AF_INET, text, &address->four.sin_addr) == 1) {
		address->four.sin_family = AF_INET;
		address->four.sin_port = htons((uint16_t)number);
		*len = sizeof(address->four);
		return true;
	}
	if (inet_pton(AF_INET6, text, &address->six.sin6_addr) == 1) {
		address->six.sin6_family = AF_INET6;
		address->six.sin6_port = htons((uint16_t)number);
		*len = sizeof(address->six);
		return true;
	}
	return false;
}

static int port_bind(const char *text, int number, char **error)
{
	union port_address address;
	int fd, on = 1;
	socklen_t len;

	if (!port_parse(text, number, &address, &len)) {
		*error = g_strdup_printf("listening on %s: not a numeric address",
					 text);
		return -1;
	}
	fd = socket(address.any.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, &address.any, len) && !listen(fd, PORT_BACKLOG))
		return fd;
	*error = g_strdup_printf("listening on %s port %d: %s", text, number,
				 g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct port *port_open(const char *address, int number, int fd,
		       port_accepted accepted, void *data, char **error)
{
	struct port *port;

	if (fd < 0)
		fd = port_bind(address, number, error);
	else if (!g_unix_set_fd_nonblocking(fd, TRUE, NULL)) {
		*error = g_strdup_printf("the socket that was handed over: %s",
					 g_strerror(errno));
		fd = -1;
	}
	if (fd < 0)
		return NULL;
	port = g_new0(struct port, 1);
	port->fd = fd;
	port->accepted = accepted;
	port->data = data;
	port_watch(port);
	return port;
}

void port_close(struct port *port)
{
	if (!port)
		return;
	if (port->source)
		g_source_remove(port->source);
	if (port->pause)
		g_source_remove(port->pause);
	close(port->fd);
	g_free(port);
}

static bool port_address(const struct port *port, union port_address *address)
{
	socklen_t len = sizeof(*address);

	memset(address, 0, sizeof(*address));
	return !getsockname(port->fd, &address->any, &len);
}

char *port_name(const struct port *port)
{
	g_autoptr(GSocketAddress) bound = NULL;
	union port_address address;

	if (port_address(port, &address))
		bound = g_socket_address_new_from_native(&address,
							 sizeof(address));
	return bound ? g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(bound)) :
		       g_strdup("unknown");
}

bool port_is_loopback(const struct port *port)
{
	union port_address address;

	if (!port_address(port, &address))
		return false;
	if (address.any.sa_family == AF_INET)
		return ntohl(address.four.sin_addr.s_addr) >> 24 == 127;
	return address.any.sa_family == AF_UNIX ||
	       (address.any.sa_family == AF_INET6 &&
		IN6_IS_ADDR_LOOPBACK(&address.six.sin6_addr));
}
