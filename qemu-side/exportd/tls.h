/* SPDX-License-Identifier: GPL-2.0-only */
/* What of TLS is not the web server library's: its versions, a new certificate. */
#ifndef HELIX_TLS_H
#define HELIX_TLS_H

#include <stdbool.h>

/* Whether the two files are a certificate (with its chain) and its key. */
bool tls_check(const char *certificate, const char *key, char **error);

/* @context is an SSL_CTX: TLS 1.2 at least. */
void tls_harden(void *context);

/*
 * Who connects from now on gets this certificate. Nothing is changed if it is
 * not good.
 */
bool tls_reload(void *context, const char *certificate, const char *key,
		char **error);

#endif
