/* Sockets of the replication threads: connecting and waiting with a time limit, both cut short by
 * an eventfd. */
#ifndef CAIRN_NET_REPL_SOCKET_H
#define CAIRN_NET_REPL_SOCKET_H

#include "engine/base/buf.h"
#include "engine/base/status.h"
#include "net/stream.h"

#include <stdbool.h>

struct repl_target {
	const char *host;
	int port;
	const char *source; /* bind-source-addr; "": the kernel chooses */
	uint32_t timeout_ms;
	bool nodelay;
	struct ssl_st *ssl; /* TLS's end (tls_connector), used up in any case; NULL: plain */
};

/* Connects and, where TLS is wanted, shakes hands; non-blocking afterwards. ST_IO: refused,
 * unreachable, timed out (errno ETIMEDOUT) or not trusted; ST_END: wake_fd became readable. error
 * says which. */
MUST_CHECK enum status repl_connect(const struct repl_target *to, int wake_fd, struct stream *out,
				    struct buf *error);

/* Waits until the stream is readable, or writable too when out is asked for, wake_fd is readable,
 * or ms have passed. Empties wake_fd. */
void repl_wait(struct stream *s, int wake_fd, bool out, uint64_t ms, bool *readable);

#endif
