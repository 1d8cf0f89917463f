/* SPDX-License-Identifier: GPL-2.0-only */
/* The TCP port that is listened on, and the addresses of who connects. */
#ifndef HELIX_PORT_H
#define HELIX_PORT_H

#include <netinet/in.h>
#include <stdbool.h>

#define PORT_PEER_LEN	INET6_ADDRSTRLEN

struct port;

/* @fd is the callee's. */
typedef void (*port_accepted)(int fd, const char *peer, void *data);

/*
 * Binds @address, a numeric one or "localhost", or takes @fd, which listens
 * already, if that is not -1. NULL with @error, freed by the caller.
 */
struct port *port_open(const char *address, int number, int fd,
		       port_accepted accepted, void *data, char **error);
void port_close(struct port *port);

/* What it is bound to, "127.0.0.1:8800" or "[::]:8800". The caller's. */
char *port_name(const struct port *port);
/* Whether only this machine can connect to it. */
bool port_is_loopback(const struct port *port);

/*
 * Those who are counted as one: an IPv4 address, or the 64 bits of an IPv6
 * address that name a network, for who has one has all of it.
 */
void port_peer_group(const char *peer, char group[PORT_PEER_LEN]);

#endif
