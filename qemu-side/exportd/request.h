/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judgements on an HTTP request's text: may this host name, this origin, this
 * path be served? Pure functions.
 */
#ifndef HELIX_REQUEST_H
#define HELIX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_PATH_MAX 256

/*
 * Host names this machine: a loopback name or address or one of @names, which
 * may be NULL and ends with NULL, and a port or none.
 */
bool request_host_allowed(const char *host, const char *const *names);

/*
 * @origin, an Origin header or NULL if there was none, is that of a page that
 * came from @host, which is allowed, by https if @tls.
 */
bool request_origin_allowed(const char *origin, const char *host, bool tls);

/* The number of a Content-Length header; false if it is none. */
bool request_length(const char *text, size_t *length);

/* The token of "Bearer TOKEN"; NULL if it is something else. */
const char *request_bearer(const char *authorization);

/*
 * The file below the web directory that @path, decoded, names: relative,
 * without "..", hidden files, or anything but plain characters. "/" is
 * index.html. False: serve nothing.
 */
bool request_file(const char *path, char *file, size_t size);

const char *request_mime(const char *file);

/* Whether an address to listen on is loopback ("localhost" is too). */
bool request_listen_allowed(const char *address);

#endif
