/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asked, where a reverse proxy that is trusted asks for others. Pure
 * functions on addresses, which are numeric text as port.h hands them out.
 */
#ifndef HELIX_PROXY_H
#define HELIX_PROXY_H

#include <stdbool.h>

#include "port.h"

/* Whether @text is an address, or a network as 10.0.0.0/8 or fd00::/8. */
bool proxy_valid(const char *text);

/* Whether @peer is, or is in, one of @proxies, which may be NULL. */
bool proxy_trusted(const char *peer, const char *const *proxies);

/*
 * Whom @peer, a trusted proxy, asks for, by its X-Forwarded-For header: the last
 * address of @forwarded that is not that of a trusted proxy. What is before it
 * anybody could have written, and is not looked at. Where an address is none, or
 * all are those of proxies, it is the proxy that is known last.
 */
void proxy_client(const char *peer, const char *forwarded,
		  const char *const *proxies, char client[PORT_PEER_LEN]);

#endif
