/* TLS: what the tls-* directives name, loaded, and what connections are made from. One pair of
 * contexts is in force; connections keep the one that they began with, so new files reach those
 * that come later. Executor, or the one thread of a tool. */
#ifndef CAIRN_NET_TLS_H
#define CAIRN_NET_TLS_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct ssl_st;
struct stream;
struct tls;

/* The directives without their "tls-". Texts are borrowed; "": not given. */
struct tls_settings {
	const char *cert_file, *key_file, *key_file_pass;
	/* Towards others; "": the same as above. */
	const char *client_cert_file, *client_key_file, *client_key_file_pass;
	const char *dh_params_file, *ca_cert_file, *ca_cert_dir;
	const char *protocols, *ciphers, *ciphersuites;
	bool prefer_server_ciphers, session_caching;
	long session_cache_size, session_cache_timeout_s;
	bool needs_ca; /* somebody's certificate is going to be asked for */
};

/* Whether who connects has to show a certificate; in the order of tls-auth-clients' words. */
enum tls_auth {
	TLS_AUTH_NO,
	TLS_AUTH_YES,
	TLS_AUTH_OPTIONAL /* not, but one that is shown has to be good */
};

/* Without contexts yet. NULL: out of memory. */
struct tls *tls_create(void);
void tls_destroy(struct tls *t); /* NULL is fine */

/* Loads all files into new contexts, which wait for tls_take. ST_INVALID, ST_NO_MEMORY: there are
 * none, and error says in Redis's words what is wrong. */
MUST_CHECK enum status tls_load(struct tls *t, const struct tls_settings *settings,
				struct buf *error);
/* Puts them in force, or drops them, when there are any. */
void tls_take(struct tls *t);
void tls_drop(struct tls *t);
/* True when contexts are in force. */
bool tls_is_loaded(const struct tls *t);

/* A stream for an accepted socket, which it owns then; to be shaken hands with. ST_NO_MEMORY,
 * ST_NOT_FOUND (nothing is loaded): the socket is the caller's still. */
MUST_CHECK enum status tls_accept(const struct tls *t, int fd, enum tls_auth auth,
				  struct stream *out);

/* The TLS end of a connection to somebody, for stream_tls; SSL_free or a stream frees it. The other
 * side's certificate has to be good. NULL: out of memory, or nothing is loaded. */
struct ssl_st *tls_connector(const struct tls *t);

/* Frees an end that no stream took. NULL is fine. */
void tls_connector_free(struct ssl_st *ssl);

#endif
