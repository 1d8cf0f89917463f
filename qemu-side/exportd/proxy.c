// SPDX-License-Identifier: GPL-2.0-only
/*
 * A header is believed as far as those are trusted who wrote it: each proxy
 * adds, at the end, the address that it was asked from.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

#define PROXY_BITS	128	/* an IPv4 address is the last 32 of them */
#define PROXY_BITS_FOUR	96

/* IPv4 as IPv6 has it, so that both are compared in one way. */
static bool proxy_address(const char *text, struct in6_addr *six, bool *is_four)
{
	struct in_addr four;

	*is_four = inet_pton(AF_INET, text, &four) == 1;
	if (*is_four) {
		memset(six, 0, sizeof(*six));
		memset(&six->s6_addr[10], 0xff, 2);
		memcpy(&six->s6_addr[12], &four, sizeof(four));
		return true;
	}
	return inet_pton(AF_INET6, text, six) == 1;
}

static bool proxy_network(const char *text, struct in6_addr *six,
			  unsigned int *bits)
{
	const char *slash = strchr(text, '/');
	g_autofree char *address = NULL;
	guint64 given = PROXY_BITS;
	unsigned int before;
	bool four;

	address = slash ? g_strndup(text, (gsize)(slash - text)) :
			  g_strdup(text);
	if (!proxy_address(address, six, &four))
		return false;
	before = four ? PROXY_BITS_FOUR : 0;
	if (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0,
						 PROXY_BITS - before, &given,
						 NULL))
		return false;
	*bits = slash ? before + (unsigned int)given : PROXY_BITS;
	return true;
}

static bool proxy_within(const struct in6_addr *address,
			 const struct in6_addr *network, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;
	unsigned int mask = 0xffu << (8 - rest) & 0xff;

	if (memcmp(address, network, bytes))
		return false;
	return !rest || !((address->s6_addr[bytes] ^ network->s6_addr[bytes]) &
			  mask);
}

bool proxy_valid(const char *text)
{
	struct in6_addr six;
	unsigned int bits;

	return proxy_network(text, &six, &bits);
}

bool proxy_trusted(const char *peer, const char *const *proxies)
{
	struct in6_addr address, network;
	unsigned int bits;
	bool four;
	size_t i;

	if (!proxies || !proxy_address(peer, &address, &four))
		return false;
	for (i = 0; proxies[i]; i++)
		if (proxy_network(proxies[i], &network, &bits) &&
		    proxy_within(&address, &network, bits))
			return true;
	return false;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80" */
static bool proxy_read(const char *text, char client[PORT_PEER_LEN])
{
	g_autofree char *address = g_strstrip(g_strdup(text));
	char *end, *start = address;
	struct in6_addr six;
	bool four;

	if (*start == '[') {
		start++;
		end = strchr(start, ']');
		if (!end)
			return false;
		*end = '\0';
	} else {
		end = strchr(start, ':');
		if (end && !strchr(end + 1, ':'))
			*end = '\0';
	}
	if (!proxy_address(start, &six, &four))
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		inet_ntop(AF_INET, &six.s6_addr[12], client, PORT_PEER_LEN);
	else
		inet_ntop(AF_INET6, &six, client, PORT_PEER_LEN);
	return true;
}

void proxy_client(const char *peer, const char *forwarded,
		  const char *const *proxies, char client[PORT_PEER_LEN])
{
	g_auto(GStrv) hops = g_strsplit(forwarded, ",", -1);
	unsigned int i = g_strv_length(hops);

	g_strlcpy(client, peer, PORT_PEER_LEN);
	while (i-- > 0 && proxy_trusted(client, proxies))
		if (!proxy_read(hops[i], client))
			return;
}
