// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the certificate that is served. Rule: there is one. A context has a slot for
 * each kind of key, so that a new certificate of another kind would stand beside the
 * former one, and clients go on being given that. After a reload each handshake takes
 * it from a context of its own, which belongs to the one that accepts.
 */
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

/* A context that has the two files and nothing else; NULL with @error. */
static SSL_CTX *tls_load(const char *certificate, const char *key, char **error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		*error = g_strdup("TLS cannot be set up");
	else if (tls_use(context, certificate, key, error))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

bool tls_check(const char *certificate, const char *key, char **error)
{
	SSL_CTX *context = tls_load(certificate, key, error);
	bool ok = context;

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

static void tls_free_served(void *parent, void *served, CRYPTO_EX_DATA *all,
			    int slot, long number, void *data)
{
	(void)parent;
	(void)all;
	(void)slot;
	(void)number;
	(void)data;
	SSL_CTX_free(served);
}

/* Where a context has the one whose certificate it serves. */
static int tls_slot(void)
{
	static int slot = -1;

	if (slot < 0)
		slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL,
						tls_free_served);
	return slot;
}

/* Somebody connects. Zero ends the handshake. */
static int tls_serve(SSL *client, void *data)
{
	SSL_CTX *served = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(client),
					      tls_slot());
	STACK_OF(X509) *chain = NULL;

	(void)data;
	SSL_certs_clear(client);
	SSL_CTX_get0_chain_certs(served, &chain);
	return SSL_use_cert_and_key(client, SSL_CTX_get0_certificate(served),
				    SSL_CTX_get0_privatekey(served), chain, 1);
}

bool tls_reload(void *context, const char *certificate, const char *key,
		char **error)
{
	SSL_CTX *former = SSL_CTX_get_ex_data(context, tls_slot());
	SSL_CTX *served = tls_load(certificate, key, error);

	if (!served)
		return false;
	if (!SSL_CTX_set_ex_data(context, tls_slot(), served)) {
		*error = g_strdup("TLS cannot be set up again");
		SSL_CTX_free(served);
		return false;
	}
	SSL_CTX_set_cert_cb(context, tls_serve, NULL);
	SSL_CTX_free(former);
	return true;
}
