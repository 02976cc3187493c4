/* The socket of a replica, as the thread that serves it uses it: sending all of something while
 * what comes back is read, and giving up when nothing moves for too long. */
#ifndef CAIRN_NET_REPL_PEER_H
#define CAIRN_NET_REPL_PEER_H

#include "engine/base/buf.h"
#include "engine/base/status.h"
#include "net/stream.h"

#include <stdatomic.h>
#include <stdbool.h>

struct iovec;

struct repl_peer {
	struct stream stream; /* owned */
	int wake_fd;	      /* owned; an eventfd that ends a wait */
	uint32_t timeout_ms;  /* with nothing sent or received; 0: no limit */
	/* Takes what can be read (repl_peer_read). ST_END and others end the wait. */
	enum status (*readable)(void *arg);
	void *arg;
	struct buf *error; /* gets a line for humans when the peer is lost */

	_Atomic bool stop; /* the thread is to end */
	_Atomic uint64_t bytes_sent;
	uint64_t progress_us; /* last time that the socket took or gave something; the thread's */
};

/* Takes the stream over, also when it fails (ST_NO_MEMORY). nodelay: repl-disable-tcp-nodelay no.
 */
MUST_CHECK enum status repl_peer_open(struct repl_peer *p, const struct stream *stream,
				      bool nodelay);
void repl_peer_close(struct repl_peer *p);

/* Any thread: ends a wait; ends it and all that follow. */
void repl_peer_wake(struct repl_peer *p);
void repl_peer_stop(struct repl_peer *p);

/* The thread's. Waits until the socket can be written (out), somebody wakes it, or ms have passed
 * (a second at most), having read what came. ST_END: to be ended, or the time limit is over. */
MUST_CHECK enum status repl_peer_wait(struct repl_peer *p, bool out, uint64_t ms);
/* Sends all of it; parts is used up. Errors as repl_peer_wait, and ST_END when the connection
 * breaks. */
MUST_CHECK enum status repl_peer_send_parts(struct repl_peer *p, struct iovec *parts, int count);
MUST_CHECK enum status repl_peer_send(struct repl_peer *p, struct slice bytes);
/* Reads what is there, at most size bytes; *got may be 0. ST_END: the other side has closed. */
MUST_CHECK enum status repl_peer_read(struct repl_peer *p, uint8_t *dst, size_t size, size_t *got);

/* How long to wait so that sent bytes since began_us are no more than the limit allows, per second;
 * 0: not at all, or no limit. */
uint64_t repl_peer_ahead_ms(uint64_t began_us, uint64_t sent, uint64_t bandwidth_max);

#endif
