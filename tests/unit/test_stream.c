/* Streams with TLS on a pair of sockets: handshakes in steps, bytes that move while buffers do, and
 * ends; and what tls_load takes. */
#include "engine/base/alloc.h"
#include "net/stream.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

enum { SNDBUF = 4096, TOTAL = 3 << 20, PIECE = 100000, SMALL = 777, STEPS_MAX = 100 };

struct fixture {
	char dir[64], cert[128], key[128];
	struct tls_settings settings;
	struct tls *tls;
	int fds[2];
};

/* A key, and a certificate that it signs for itself: its own CA. */
static void write_papers(const struct fixture *f)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	FILE *out;

	assert_non_null(key);
	assert_non_null(x);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
					 (const unsigned char *)"node", -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	out = fopen(f->cert, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, x), 1);
	(void)fclose(out);
	out = fopen(f->key, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(out);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = "/tmp/cairn-stream-XXXXXX"};
	*state = &f;
	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(f.dir) == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f.fds) != 0) {
		return -1;
	}
	(void)snprintf(f.cert, sizeof f.cert, "%s/crt", f.dir);
	(void)snprintf(f.key, sizeof f.key, "%s/key", f.dir);
	write_papers(&f);
	f.settings = (struct tls_settings){.cert_file = f.cert,
					   .key_file = f.key,
					   .key_file_pass = "",
					   .client_cert_file = "",
					   .client_key_file = "",
					   .client_key_file_pass = "",
					   .dh_params_file = "",
					   .ca_cert_file = f.cert,
					   .ca_cert_dir = "",
					   .protocols = "",
					   .ciphers = "",
					   .ciphersuites = "",
					   .session_caching = true,
					   .session_cache_size = 100,
					   .session_cache_timeout_s = 100,
					   .needs_ca = true};
	f.tls = tls_create();
	return f.tls == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tls_destroy(f->tls);
	(void)unlink(f->cert);
	(void)unlink(f->key);
	return rmdir(f->dir);
}

static void load(struct fixture *f)
{
	struct buf error = {0};

	assert_int_equal(tls_load(f->tls, &f->settings, &error), ST_OK);
	tls_take(f->tls);
	buf_deinit(&error);
}

/* Both ends, before they have shaken hands. */
static void make_ends(struct fixture *f, struct stream *server, struct stream *client)
{
	int small = SNDBUF;
	struct ssl_st *ssl;

	for (int i = 0; i < 2; i++) {
		(void)setsockopt(f->fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	}
	assert_int_equal(tls_accept(f->tls, f->fds[0], TLS_AUTH_YES, server), ST_OK);
	ssl = tls_connector(f->tls);
	assert_non_null(ssl);
	assert_int_equal(stream_tls(client, f->fds[1], ssl, false), ST_OK);
}

static void shake(struct stream *server, struct stream *client)
{
	struct buf error = {0};
	int steps = 0;

	while ((server->shaking || client->shaking) && steps++ < STEPS_MAX) {
		if (client->shaking) {
			assert_true(stream_handshake(client, &error) != ST_IO);
		}
		if (server->shaking) {
			assert_true(stream_handshake(server, &error) != ST_IO);
		}
	}
	assert_false(server->shaking);
	assert_false(client->shaking);
	buf_deinit(&error);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* Writes what comes at *sent from a buffer that is another one each time. */
static void write_some(struct stream *s, size_t *sent)
{
	size_t len = TOTAL - *sent < PIECE ? TOTAL - *sent : PIECE;
	uint8_t *piece = mem_alloc(len + 1);
	ssize_t n;

	assert_non_null(piece);
	for (size_t i = 0; i < len; i++) {
		piece[i] = byte_at(*sent + i);
	}
	if (len % 2 == 0) {
		struct iovec parts[2] = {
		    {.iov_base = piece, .iov_len = len < 10 ? len : 10},
		    {.iov_base = piece + 10, .iov_len = len < 10 ? 0 : len - 10}};

		n = stream_write_parts(s, parts, 2);
	} else {
		n = stream_write(s, piece, len);
	}
	assert_true(n > 0 || (n < 0 && errno == EAGAIN));
	*sent += n > 0 ? (size_t)n : 0;
	mem_free(piece);
}

static void read_some(struct stream *s, size_t *got, size_t size)
{
	uint8_t piece[SMALL];
	ssize_t n = stream_read(s, piece, size);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_false(s->again); /* nothing is left: the socket will tell */
		return;
	}
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++) {
		assert_int_equal(piece[i], byte_at(*got + (size_t)i));
	}
	*got += (size_t)n;
}

static void bytes_go_both_ways_at_once(void **state)
{
	struct fixture *f = *state;
	struct stream server, client;
	size_t up = 0, down = 0, got_up = 0, got_down = 0;
	bool seen_again = false;

	load(f);
	make_ends(f, &server, &client);
	shake(&server, &client);
	while (got_up < TOTAL || got_down < TOTAL) {
		if (up < TOTAL) {
			write_some(&client, &up);
		}
		if (down < TOTAL) {
			write_some(&server, &down);
		}
		if (got_up < TOTAL) {
			read_some(&server, &got_up, SMALL);
		}
		if (got_down < TOTAL) {
			read_some(&client, &got_down, SMALL);
		}
		seen_again |= client.again;
	}
	assert_true(seen_again);
	stream_close(&client);
	stream_close(&server);
}

static void an_end_is_an_end_with_and_without_goodbye(void **state)
{
	struct fixture *f = *state;
	struct stream server, client;
	uint8_t byte;

	load(f);
	make_ends(f, &server, &client);
	shake(&server, &client);
	while (stream_read(&client, &byte, 1) > 0) {
		fail();
	}
	stream_close(&server);
	assert_int_equal(stream_read(&client, &byte, 1), 0);
	assert_true(client.again); /* so that nobody waits for a socket that says no more */
	assert_int_equal(stream_read(&client, &byte, 1), 0);
	stream_close(&client);
	assert_int_equal(client.fd, -1);
	stream_close(&client);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->fds), 0);
	make_ends(f, &server, &client);
	shake(&server, &client);
	(void)shutdown(server.fd, SHUT_WR);
	while (stream_read(&client, &byte, 1) != 0) {
		assert_int_equal(errno, EAGAIN);
	}
	stream_close(&client);
	stream_close(&server);
}

static void what_is_no_tls_breaks_the_handshake_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct stream server, plain = stream_plain(f->fds[1]);
	struct buf error = {0};
	uint8_t byte;

	load(f);
	assert_int_equal(tls_accept(f->tls, f->fds[0], TLS_AUTH_NO, &server), ST_OK);
	assert_int_equal(stream_handshake(&server, &error), ST_AGAIN);
	assert_int_equal(stream_write(&plain, "PING\r\nPING\r\n", 12), 12);
	assert_int_equal(stream_handshake(&server, &error), ST_IO);
	assert_non_null(memmem(error.data, error.len, "wrong version number", 20));
	assert_int_equal(stream_read(&server, &byte, 1), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(stream_write(&server, "x", 1), -1);
	stream_close(&server);
	stream_close(&plain);
	buf_deinit(&error);
}

/* Of what connections are made from now. */
static int lowest_version(const struct tls *t)
{
	struct ssl_st *ssl = tls_connector(t);
	uint64_t options;

	assert_non_null(ssl);
	options = SSL_get_options(ssl);
	tls_connector_free(ssl);
	return (options & SSL_OP_NO_TLSv1_2) == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static void settings_that_do_not_load_leave_the_old_ones(void **state)
{
	struct fixture *f = *state;
	const struct tls_settings good = f->settings;
	struct buf error = {0};
	struct {
		const char **at, *value, *says;
	} bad[] = {
	    {&f->settings.cert_file, "", "No tls-cert-file configured!"},
	    {&f->settings.key_file, "", "No tls-key-file configured!"},
	    {&f->settings.ca_cert_file, "", "Either tls-ca-cert-file or tls-ca-cert-dir must"},
	    {&f->settings.cert_file, "/none", "Failed to load certificate: /none"},
	    {&f->settings.key_file, f->cert, "Failed to load private key"},
	    {&f->settings.ca_cert_file, "/none", "Failed to configure CA certificate(s)"},
	    {&f->settings.dh_params_file, "/none", "Failed to load DH params file: /none"},
	    {&f->settings.protocols, "TLSv1.2 SSLv9", "Invalid tls-protocols specified."},
	    {&f->settings.ciphers, "nonsense", "Failed to configure ciphers"},
	    {&f->settings.ciphersuites, "nonsense", "Failed to configure ciphersuites"},
	};

	for (int round = 0; round < 2; round++) {
		assert_int_equal(tls_is_loaded(f->tls), round == 1);
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			size_t len = strlen(bad[i].says);

			*bad[i].at = bad[i].value;
			error.len = 0;
			assert_int_equal(tls_load(f->tls, &f->settings, &error), ST_INVALID);
			assert_true(error.len >= len);
			assert_memory_equal(error.data, bad[i].says, len);
			f->settings = good;
		}
		load(f);
	}
	f->settings.protocols = "tlsv1.2";
	load(f);
	/* What was loaded and not taken is not in force. */
	f->settings.protocols = "tlsv1.3";
	assert_int_equal(tls_load(f->tls, &f->settings, &error), ST_OK);
	assert_int_equal(lowest_version(f->tls), TLS1_2_VERSION);
	tls_drop(f->tls);
	tls_take(f->tls);
	assert_int_equal(lowest_version(f->tls), TLS1_2_VERSION);
	load(f);
	assert_int_equal(lowest_version(f->tls), TLS1_3_VERSION);
	buf_deinit(&error);
	(void)close(f->fds[0]);
	(void)close(f->fds[1]);
}

static void nothing_loaded_and_no_memory(void **state)
{
	struct fixture *f = *state;
	struct stream s;

	assert_int_equal(tls_accept(f->tls, f->fds[0], TLS_AUTH_YES, &s), ST_NOT_FOUND);
	assert_null(tls_connector(f->tls));
	tls_connector_free(NULL);
	mem_fail_nth(0);
	assert_null(tls_create());
	mem_fail_nth(-1);
	tls_destroy(NULL);
	(void)close(f->fds[0]);
	(void)close(f->fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(bytes_go_both_ways_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_end_is_an_end_with_and_without_goodbye, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_tls_breaks_the_handshake_and_says_so, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(settings_that_do_not_load_leave_the_old_ones, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(nothing_loaded_and_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
