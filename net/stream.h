/* A connected, non-blocking socket that may have TLS on it: reading and writing as recv and send do
 * it, so that who moves bytes need not know which it is. A plain one costs a look at a pointer.
 *
 * TLS keeps bytes to itself: a read that fills its buffer may leave some that no event loop or poll
 * sees. Who waits for a socket looks at stream.again first, and tells stream_writable that the
 * socket takes bytes when stream.read_wants_write was set. A write that took less than all of it is
 * repeated with the rest, from any address, and with nothing else before it. One thread at a time.
 */
#ifndef CAIRN_NET_STREAM_H
#define CAIRN_NET_STREAM_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct iovec;
struct ssl_st;

/* Steps of handshakes that one who serves many makes in a turn: a signature is some ms at worst. */
enum { STREAM_SHAKES_PER_TURN = 16 };

struct stream {
	int fd;		       /* -1: none */
	struct ssl_st *ssl;    /* NULL: plain */
	bool shaking;	       /* the handshake is not done: nothing else may be called */
	bool again;	       /* a read gets further, whether or not the socket is readable */
	bool read_wants_write; /* a read, or the handshake, waits until the socket takes bytes */
	bool broken;	       /* TLS is out of step: nothing can be read or written any more */
};

/* Closed, or not opened yet. */
#define STREAM_NONE ((struct stream){.fd = -1})

/* A plain stream on a socket, which it owns. */
static inline struct stream stream_plain(int fd)
{
	return (struct stream){.fd = fd};
}

/* Puts TLS on a socket: the stream owns both. server: the other side begins the handshake. The
 * handshake is to be done with stream_handshake. ST_NO_MEMORY: both are the caller's still. */
MUST_CHECK enum status stream_tls(struct stream *s, int fd, struct ssl_st *ssl, bool server);

/* Goes on with the handshake. ST_AGAIN: when the socket is readable, or takes bytes
 * (read_wants_write). ST_IO: error says why it failed. */
MUST_CHECK enum status stream_handshake(struct stream *s, struct buf *error);

/* The part of stream_read and stream_write that is TLS's. */
ssize_t stream_tls_read(struct stream *s, void *dst, size_t size);
ssize_t stream_tls_write(struct stream *s, const void *src, size_t size);

/* As recv: bytes read, 0 at the end, -1 with errno. */
static inline ssize_t stream_read(struct stream *s, void *dst, size_t size)
{
	return s->ssl == NULL ? recv(s->fd, dst, size, 0) : stream_tls_read(s, dst, size);
}

/* As send: bytes written, perhaps not all; -1 with errno. No signal. */
static inline ssize_t stream_write(struct stream *s, const void *src, size_t size)
{
	return s->ssl == NULL ? send(s->fd, src, size, MSG_NOSIGNAL)
			      : stream_tls_write(s, src, size);
}

/* As writev. What is repeated after a short write begins with the same bytes. */
ssize_t stream_write_parts(struct stream *s, const struct iovec *parts, int count);

/* The socket takes bytes again. */
static inline void stream_writable(struct stream *s)
{
	if (s->read_wants_write) {
		s->read_wants_write = false;
		s->again = true;
	}
}

/* Says goodbye where TLS can without waiting, and closes. Fine when there is none. */
void stream_close(struct stream *s);

#endif
