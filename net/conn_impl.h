/* What conn.c, conn_block.c, conn_read.c, conn_out.c, conn_tls.c and guests.c share. Executor
 * thread. */
#ifndef CAIRN_NET_CONN_IMPL_H
#define CAIRN_NET_CONN_IMPL_H

#include "net/conn.h"

enum { CONN_KEEP_BUFFER = 16 * 1024 /* spare capacity an idle client keeps */ };

/* --- conn.c --- */

/* Runs what was read in this turn and what is pending. */
void conn_run_arrived(struct conn *c);
/* Runs pending requests, at most so many. */
void conn_run_some(struct conn *c, int most);
/* Whether the event loop looks for bytes to read. */
void conn_set_reading(struct conn *c, bool on);

/* --- conn_block.c --- */

/* The client's next request waits for keys: until one changes, or its session's deadline. */
void conn_block(struct conn *c);
/* It does no more. */
void conn_block_end(struct conn *c);

/* --- conn_read.c --- */

/* Event: the socket is readable. */
void conn_on_read(evutil_socket_t fd, short what, void *arg);
/* Notes the keys of the requests that begin at bytes, for ahead_fetch; returns how many bytes these
 * requests are. */
size_t conn_look_ahead(struct conn *c, struct slice bytes);

/* --- conn_out.c --- */

/* Ties the output written since the last mark to the LSN it depends on. */
void conn_mark_output(struct conn *c);
/* True when a client has so many replies to read that its next request has to wait (CONN_FULL)
 * until the socket has taken them. What is over a hard limit then closes it, as in Redis. */
bool conn_output_full(struct conn *c);
/* Event: the socket takes bytes again. */
void conn_on_write(evutil_socket_t fd, short what, void *arg);

/* --- conn_tls.c --- */

/* Counts a client whose handshake is yet to come. */
void conn_shaking_begin(struct conn *c);
/* Takes it off the books, when it is on them. */
void conn_shaking_end(struct conn *c);
/* Goes on with the handshake: its socket is readable or takes bytes. */
void conn_shake(struct conn *c);

/* --- guests.c --- */

/* Counts what a client holds while it has not authenticated. False: it is closed, because it was,
 * or because guests hold too much and it is among those who do. */
bool guest_check(struct conn *c);
/* Takes a client that goes off the books. */
void guest_forget(struct conn *c);
/* Closes the guest that came first, when it had time enough to log in. False: there is none. */
bool guest_close_idle(struct server *s);

#endif
