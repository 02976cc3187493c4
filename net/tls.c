/* Contexts of OpenSSL by the tls-* directives. */
#include "net/tls.h"

#include "engine/base/alloc.h"
#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>

enum { ERROR_TEXT = 256, PROTOCOLS_TEXT = 128 };

struct tls {
	SSL_CTX *server, *client;	    /* in force */
	SSL_CTX *next_server, *next_client; /* loaded, not taken yet */
};

static const struct {
	const char *name;
	uint64_t without; /* the option that leaves it out */
} protocols[] = {{"TLSv1", SSL_OP_NO_TLSv1},
		 {"TLSv1.1", SSL_OP_NO_TLSv1_1},
		 {"TLSv1.2", SSL_OP_NO_TLSv1_2},
		 {"TLSv1.3", SSL_OP_NO_TLSv1_3}};

enum { PROTOCOLS = sizeof protocols / sizeof protocols[0] };

struct tls *tls_create(void)
{
	return mem_calloc(1, sizeof(struct tls));
}

void tls_destroy(struct tls *t)
{
	if (t != NULL) {
		tls_drop(t);
		SSL_CTX_free(t->server);
		SSL_CTX_free(t->client);
		mem_free(t);
	}
}

/* "what: file: reason", as Redis has it. */
static enum status failed(struct buf *error, const char *what, const char *file)
{
	char text[ERROR_TEXT];

	ERR_error_string_n(ERR_peek_error(), text, sizeof text);
	error->len = 0;
	if (file != NULL) {
		buf_note(error, "Failed to %s: %s: %s", what, file, text);
	} else {
		buf_note(error, "Failed to %s: %s", what, text);
	}
	ERR_clear_error();
	return ST_INVALID;
}

static enum status complain(struct buf *error, const char *text)
{
	error->len = 0;
	buf_note(error, "%s", text);
	return ST_INVALID;
}

/* --- the parts of a context --- */

/* Options that leave out the versions that are not named; none named: 1.2 and 1.3. */
static enum status parse_protocols(const char *text, uint64_t *options, struct buf *error)
{
	char list[PROTOCOLS_TEXT], *save = NULL;

	*options = protocols[0].without | protocols[1].without;
	if (text[0] == 0) {
		return ST_OK;
	}
	*options = 0;
	for (int i = 0; i < PROTOCOLS; i++) {
		*options |= protocols[i].without;
	}
	if (strlen(text) >= sizeof list) {
		return complain(error, "Invalid tls-protocols specified. The text is too long.");
	}
	memcpy(list, text, strlen(text) + 1);
	for (char *word = strtok_r(list, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		int i = 0;

		while (i < PROTOCOLS && strcasecmp(word, protocols[i].name) != 0) {
			i++;
		}
		if (i == PROTOCOLS) {
			return complain(error, "Invalid tls-protocols specified. Use a combination "
					       "of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.");
		}
		*options &= ~protocols[i].without;
	}
	return ST_OK;
}

/* Never asks at a terminal: without a password a key that needs one does not load. */
static int give_password(char *dst, int size, int encrypting, void *arg)
{
	const char *password = arg;
	size_t len = strlen(password);

	(void)encrypting;
	if (len == 0 || size < 0 || len > (size_t)size) {
		return -1;
	}
	memcpy(dst, password, len);
	return (int)len;
}

static enum status load_identity(SSL_CTX *ctx, const char *cert, const char *key,
				 const char *password, struct buf *error)
{
	enum status st = ST_OK;

	SSL_CTX_set_default_passwd_cb(ctx, give_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)password);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
		st = failed(error, "load certificate", cert);
	} else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		st = failed(error, "load private key", key);
	}
	/* The text is borrowed. */
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return st;
}

static enum status load_dh(SSL_CTX *ctx, const char *file, struct buf *error)
{
	BIO *in = BIO_new_file(file, "r");
	EVP_PKEY *params = in == NULL ? NULL : PEM_read_bio_Parameters(in, NULL);
	enum status st = ST_OK;

	if (params == NULL) {
		st = failed(error, "load DH params file", file);
	} else if (SSL_CTX_set0_tmp_dh_pkey(ctx, params) != 1) {
		EVP_PKEY_free(params);
		st = failed(error, "load DH params file", file);
	}
	BIO_free(in);
	return st;
}

static enum status load_ca(SSL_CTX *ctx, const struct tls_settings *s, struct buf *error)
{
	const char *file = s->ca_cert_file[0] == 0 ? NULL : s->ca_cert_file;
	const char *dir = s->ca_cert_dir[0] == 0 ? NULL : s->ca_cert_dir;

	if ((file == NULL && dir == NULL) || SSL_CTX_load_verify_locations(ctx, file, dir) == 1) {
		return ST_OK;
	}
	return failed(error, "configure CA certificate(s) file/directory",
		      file != NULL ? file : dir);
}

static void set_sessions(SSL_CTX *ctx, const struct tls_settings *s)
{
	static const unsigned char context[] = "cairn";

	if (!s->session_caching) {
		(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return;
	}
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	(void)SSL_CTX_sess_set_cache_size(ctx, s->session_cache_size);
	(void)SSL_CTX_set_timeout(ctx, s->session_cache_timeout_s);
	(void)SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1);
}

/* Renegotiation is a way to have the other side work, and part of old attacks. An end without a
 * goodbye is an end: what a message or command is long of, it says itself. */
static void set_modes(SSL_CTX *ctx, const struct tls_settings *s, uint64_t leave_out)
{
	uint64_t options = SSL_OP_NO_SSLv3 | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
			   SSL_OP_SINGLE_DH_USE | SSL_OP_IGNORE_UNEXPECTED_EOF | leave_out;

	if (s->prefer_server_ciphers) {
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
	}
	(void)SSL_CTX_set_options(ctx, options);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1); /* a record is one call of the system, not two */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

/* towards: for connections to others. */
static enum status make_context(const struct tls_settings *s, bool towards, SSL_CTX **out,
				struct buf *error)
{
	bool own = towards && s->client_cert_file[0] != 0;
	uint64_t leave_out;
	enum status st = parse_protocols(s->protocols, &leave_out, error);
	SSL_CTX *ctx;

	if (st != ST_OK) {
		return st;
	}
	ctx = SSL_CTX_new(towards ? TLS_client_method() : TLS_server_method());
	if (ctx == NULL) {
		(void)complain(error, "out of memory for TLS");
		return ST_NO_MEMORY;
	}
	set_modes(ctx, s, leave_out);
	set_sessions(ctx, s);
	st = load_identity(ctx, own ? s->client_cert_file : s->cert_file,
			   own ? s->client_key_file : s->key_file,
			   own ? s->client_key_file_pass : s->key_file_pass, error);
	if (st == ST_OK) {
		st = load_ca(ctx, s, error);
	}
	if (st == ST_OK && s->ciphers[0] != 0 && SSL_CTX_set_cipher_list(ctx, s->ciphers) != 1) {
		st = failed(error, "configure ciphers", s->ciphers);
	}
	if (st == ST_OK && s->ciphersuites[0] != 0 &&
	    SSL_CTX_set_ciphersuites(ctx, s->ciphersuites) != 1) {
		st = failed(error, "configure ciphersuites", s->ciphersuites);
	}
	if (st == ST_OK && !towards && s->dh_params_file[0] != 0) {
		st = load_dh(ctx, s->dh_params_file, error);
	}
	if (st != ST_OK) {
		SSL_CTX_free(ctx);
		return st;
	}
	*out = ctx;
	return ST_OK;
}

/* --- the interface --- */

static enum status check_names(const struct tls_settings *s, struct buf *error)
{
	if (s->cert_file[0] == 0) {
		return complain(error, "No tls-cert-file configured!");
	}
	if (s->key_file[0] == 0) {
		return complain(error, "No tls-key-file configured!");
	}
	if (s->needs_ca && s->ca_cert_file[0] == 0 && s->ca_cert_dir[0] == 0) {
		return complain(error, "Either tls-ca-cert-file or tls-ca-cert-dir must be "
				       "specified when tls-cluster, tls-replication or "
				       "tls-auth-clients are enabled!");
	}
	return ST_OK;
}

enum status tls_load(struct tls *t, const struct tls_settings *settings, struct buf *error)
{
	SSL_CTX *server = NULL, *client = NULL;
	enum status st = check_names(settings, error);

	ERR_clear_error();
	if (st == ST_OK) {
		st = make_context(settings, false, &server, error);
	}
	if (st == ST_OK) {
		st = make_context(settings, true, &client, error);
	}
	if (st != ST_OK) {
		SSL_CTX_free(server);
		return st;
	}
	tls_drop(t);
	t->next_server = server;
	t->next_client = client;
	return ST_OK;
}

void tls_take(struct tls *t)
{
	if (t->next_server != NULL) {
		SSL_CTX_free(t->server);
		SSL_CTX_free(t->client);
		t->server = t->next_server;
		t->client = t->next_client;
		t->next_server = t->next_client = NULL;
	}
}

void tls_drop(struct tls *t)
{
	SSL_CTX_free(t->next_server);
	SSL_CTX_free(t->next_client);
	t->next_server = t->next_client = NULL;
}

bool tls_is_loaded(const struct tls *t)
{
	return t->server != NULL;
}

enum status tls_accept(const struct tls *t, int fd, enum tls_auth auth, struct stream *out)
{
	SSL *ssl = t->server == NULL ? NULL : SSL_new(t->server);
	enum status st;

	if (ssl == NULL) {
		return t->server == NULL ? ST_NOT_FOUND : ST_NO_MEMORY;
	}
	if (auth != TLS_AUTH_YES) {
		SSL_set_verify(ssl, auth == TLS_AUTH_NO ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	}
	st = stream_tls(out, fd, ssl, true);
	if (st != ST_OK) {
		SSL_free(ssl);
	}
	return st;
}

struct ssl_st *tls_connector(const struct tls *t)
{
	ERR_clear_error();
	return t->client == NULL ? NULL : SSL_new(t->client);
}

void tls_connector_free(struct ssl_st *ssl)
{
	SSL_free(ssl);
}
