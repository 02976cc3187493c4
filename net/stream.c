/* TLS on non-blocking sockets. OpenSSL keeps a queue of errors per thread, and judges the outcome
 * of a call by it too: it is emptied before each. */
#include "net/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	WRITE_MAX = 1 << 20, /* bytes encrypted in one go: others have their turn in between */
	GATHER = 16 * 1024,  /* the most that one TLS record holds */
	ERROR_TEXT = 256,
};

enum status stream_tls(struct stream *s, int fd, struct ssl_st *ssl, bool server)
{
	ERR_clear_error();
	if (SSL_set_fd(ssl, fd) != 1) {
		return ST_NO_MEMORY;
	}
	if (server) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
	}
	*s = (struct stream){.fd = fd, .ssl = ssl, .shaking = true};
	return ST_OK;
}

/* --- outcomes --- */

/* What a call that did nothing leaves: true when it is to be repeated. Sets errno otherwise. */
static bool is_waiting(struct stream *s, int outcome, bool *wants_write)
{
	int kept = errno;
	int what = SSL_get_error(s->ssl, outcome);

	*wants_write = what == SSL_ERROR_WANT_WRITE;
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return true;
	}
	s->broken = what != SSL_ERROR_ZERO_RETURN;
	/* Never one that callers take for "later". */
	errno = what != SSL_ERROR_SYSCALL || kept == 0 || kept == EAGAIN || kept == EINTR ? EPROTO
											  : kept;
	return false;
}

static void note_failure(const struct stream *s, struct buf *error)
{
	unsigned long code = ERR_peek_error();
	long verdict = SSL_get_verify_result(s->ssl);
	char text[ERROR_TEXT];

	error->len = 0;
	if (code == 0) {
		/* The peer went away in the middle of it. */
		buf_note(error, "the connection broke during the TLS handshake: %m");
		return;
	}
	ERR_error_string_n(code, text, sizeof text);
	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
		buf_note(error, "%s: %s", text, X509_verify_cert_error_string(verdict));
	} else {
		buf_note(error, "%s", text);
	}
}

enum status stream_handshake(struct stream *s, struct buf *error)
{
	bool wants_write;
	int outcome;

	ERR_clear_error();
	errno = 0;
	outcome = SSL_do_handshake(s->ssl);
	if (outcome == 1) {
		s->shaking = s->read_wants_write = false;
		/* The first bytes may have come with its end. */
		s->again = SSL_has_pending(s->ssl) == 1;
		return ST_OK;
	}
	if (is_waiting(s, outcome, &wants_write)) {
		s->read_wants_write = wants_write;
		s->again = false;
		return ST_AGAIN;
	}
	s->broken = true;
	note_failure(s, error);
	return ST_IO;
}

/* --- bytes --- */

ssize_t stream_tls_read(struct stream *s, void *dst, size_t size)
{
	size_t got = 0;

	s->read_wants_write = false;
	s->again = true; /* unless it turns out that all has been had */
	if (s->broken) {
		errno = EPROTO;
		return -1;
	}
	while (got < size) {
		bool wants_write, waiting;
		size_t n = 0;
		int outcome;

		ERR_clear_error();
		errno = 0;
		outcome = SSL_read_ex(s->ssl, (uint8_t *)dst + got, size - got, &n);
		if (outcome == 1) {
			got += n;
			if (SSL_has_pending(s->ssl) == 0) {
				s->again = false;
				break; /* a call of the system less: the socket tells */
			}
			continue;
		}
		waiting = is_waiting(s, outcome, &wants_write);
		if (waiting) {
			s->read_wants_write = wants_write;
			s->again = false;
		}
		if (got > 0) {
			break; /* the end is told when it is met again */
		}
		return waiting || s->broken ? -1 : 0;
	}
	return (ssize_t)got;
}

ssize_t stream_tls_write(struct stream *s, const void *src, size_t size)
{
	size_t sent = 0;

	if (s->broken) {
		errno = EPROTO;
		return -1;
	}
	while (sent < size && sent < WRITE_MAX) {
		bool wants_write;
		size_t n = 0;
		int outcome;

		ERR_clear_error();
		errno = 0;
		outcome = SSL_write_ex(s->ssl, (const uint8_t *)src + sent, size - sent, &n);
		if (outcome == 1) {
			sent += n;
			continue;
		}
		/* That it waits for something to read does not happen without renegotiation. */
		if (!is_waiting(s, outcome, &wants_write)) {
			s->broken = true; /* also after the other side's goodbye */
		}
		if (sent > 0) {
			break;
		}
		return -1;
	}
	return (ssize_t)sent;
}

ssize_t stream_write_parts(struct stream *s, const struct iovec *parts, int count)
{
	uint8_t gathered[GATHER];
	size_t n = 0;

	if (s->ssl == NULL) {
		return writev(s->fd, parts, count);
	}
	/* A short header and what follows it are one record, and one call of the system. */
	if (count > 0 && parts->iov_len >= sizeof gathered) {
		return stream_tls_write(s, parts->iov_base, parts->iov_len);
	}
	for (int i = 0; i < count && n < sizeof gathered; i++) {
		size_t room = sizeof gathered - n;
		size_t len = parts[i].iov_len < room ? parts[i].iov_len : room;

		if (len > 0) {
			memcpy(gathered + n, parts[i].iov_base, len);
		}
		n += len;
	}
	return stream_tls_write(s, gathered, n);
}

void stream_close(struct stream *s)
{
	if (s->ssl != NULL) {
		ERR_clear_error();
		if (!s->shaking && !s->broken) {
			(void)SSL_shutdown(s->ssl);
		}
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	if (s->fd >= 0) {
		(void)close(s->fd);
	}
	*s = STREAM_NONE;
}
