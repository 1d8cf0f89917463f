// SPDX-License-Identifier: GPL-2.0-only
#include "tls.h"

#include <glib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static bool tls_use(SSL_CTX *context, const char *certificate, const char *key,
		    char **error)
{
	const char *file = certificate, *why;
	unsigned long code;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, certificate) == 1) {
		file = key;
		if (SSL_CTX_use_PrivateKey_file(context, key,
						SSL_FILETYPE_PEM) == 1 &&
		    SSL_CTX_check_private_key(context) == 1)
			return true;
	}
	/* the first is the cause, what comes after only its consequence */
	code = ERR_get_error();
	why = code ? ERR_reason_error_string(code) : NULL;
	if (ERR_SYSTEM_ERROR(code))
		why = g_strerror((int)ERR_GET_REASON(code));
	*error = g_strdup_printf("TLS with %s: %s", file,
				 why ? why : "cannot be used");
	ERR_clear_error();
	return false;
}

bool tls_check(const char *certificate, const char *key, char **error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	bool ok = false;

	if (context)
		ok = tls_use(context, certificate, key, error);
	else
		*error = g_strdup("TLS cannot be set up");
	SSL_CTX_free(context);
	return ok;
}

void tls_harden(void *context)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE);
}

bool tls_reload(void *context, const char *certificate, const char *key,
		char **error)
{
	return tls_check(certificate, key, error) &&
	       tls_use(context, certificate, key, error);
}
