// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only pages that came from here are served. A page from elsewhere can make a
 * browser connect to this server, but not forge Origin; and a name that an
 * attacker rebinds to its address shows in Host. Where no token is asked for,
 * that and the loopback address are all there is.
 */
#include "request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static bool request_port_valid(const char *port)
{
	size_t i;

	for (i = 0; port[i]; i++)
		if (!isdigit((unsigned char)port[i]) || i >= 5)
			return false;
	return i > 0;
}

static bool request_host_is(const char *host, const char *name)
{
	size_t len = strlen(name);

	if (!len || strncasecmp(host, name, len))
		return false;
	return !host[len] ||
	       (host[len] == ':' && request_port_valid(host + len + 1));
}

bool request_host_allowed(const char *host, const char *const *names)
{
	static const char *const loopback[] = {
		"localhost", "127.0.0.1", "[::1]",
	};
	size_t i;

	if (!host)
		return false;
	for (i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++)
		if (request_host_is(host, loopback[i]))
			return true;
	for (i = 0; names && names[i]; i++)
		if (request_host_is(host, names[i]))
			return true;
	return false;
}

bool request_origin_allowed(const char *origin, const char *host, bool tls)
{
	const char *scheme = tls ? "https://" : "http://";
	size_t len = strlen(scheme);

	if (!origin)
		return true;	/* not a browser */
	return host && *host && !strncasecmp(origin, scheme, len) &&
	       !strcasecmp(origin + len, host);
}

bool request_length(const char *text, size_t *length)
{
	size_t i;

	*length = 0;
	for (i = 0; text[i]; i++) {
		if (!isdigit((unsigned char)text[i]) || i >= 12)
			return false;
		*length = *length * 10 + (size_t)(text[i] - '0');
	}
	return i > 0;
}

const char *request_bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";
	size_t len = sizeof(scheme) - 1;

	if (strncasecmp(authorization, scheme, len))
		return NULL;
	authorization += len;
	return authorization + strspn(authorization, " ");
}

static bool request_char_allowed(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' ||
	       c == '/';
}

bool request_file(const char *path, char *file, size_t size)
{
	size_t len = strlen(path), i;

	if (path[0] != '/' || len >= REQUEST_PATH_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!request_char_allowed(path[i]))
			return false;
		/* no empty, hidden or parent component */
		if (path[i] == '/' && (path[i + 1] == '/' || path[i + 1] == '.'))
			return false;
	}
	path++;
	if (!*path)
		path = "index.html";
	len = strlen(path);
	if (path[len - 1] == '/' || len >= size)
		return false;
	memcpy(file, path, len + 1);
	return true;
}

const char *request_mime(const char *file)
{
	static const struct {
		const char *extension;
		const char *mime;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".ico", "image/x-icon" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".woff2", "font/woff2" },
	};
	const char *dot = strrchr(file, '.');
	size_t i;

	for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(dot, types[i].extension))
			return types[i].mime;
	return "application/octet-stream";
}

bool request_listen_allowed(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (!strcmp(address, "localhost"))
		return true;
	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &six) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&six);
}
