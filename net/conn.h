/* One client connection: bytes in, requests run, replies out when they may leave. Executor thread.
 */
#ifndef CAIRN_NET_CONN_H
#define CAIRN_NET_CONN_H

#include "engine/base/buf.h"
#include "net/command/session.h"
#include "net/proto/resp_reader.h"
#include "net/stream.h"

#include <event2/event.h>

struct server;

/* Output up to off may leave once lsn is acknowledged. */
struct conn_mark {
	size_t off;
	uint64_t lsn;
};

enum conn_wait {
	CONN_READY,
	CONN_COLD,  /* its next request waits for a prefetch */
	CONN_LATER, /* its next request is to be tried again next turn */
	CONN_EVENT, /* likewise when a thread has something to tell, or at the session's deadline */
	CONN_HELD,  /* back-pressure: until hold_until_us */
	CONN_BLOCKED, /* likewise when a key that it waits for changes: conn_block.c */
	CONN_FULL,    /* until some of its replies have left */
	CONN_PAUSED   /* CLIENT PAUSE */
};

struct conn {
	struct session session; /* first */
	struct server *server;
	struct conn *next, *prev;
	struct conn *dirty_next, *gated_next, *dead_next, *arrived_next;
	struct conn *guest_next, *guest_prev; /* of those who have not authenticated */
	bool guest;
	size_t guest_bytes; /* what it holds, as counted in server.guest_bytes */
	bool in_dirty, in_gated, in_arrived, dead, writing, reading;
	bool lacks_output; /* what it was to be sent was given up: it is closed with the turn */
	bool unix_socket;
	bool eof; /* the peer sends no more, but may read */
	struct stream stream;
	struct conn *shaking_next, *shaking_prev; /* while its handshake is not done */
	struct event *read_event, *write_event;
	struct resp_reader reader;
	struct buf in;	      /* bytes not yet run; empty for most clients at most times */
	struct slice arrived; /* read in this turn into the shared buffer, as in was empty */
	size_t looked;	      /* bytes of it that were looked at ahead */
	struct buf out;	      /* replies not yet sent, from out_sent on */
	size_t out_sent;
	struct conn_mark *marks; /* ascending; grows with the turns that one reply waits for */
	size_t marks_count, marks_cap, marks_first;
	enum conn_wait wait;
	struct event *block_timer; /* ends CONN_BLOCKED; NULL: never needed yet */
	bool no_wait;		   /* the next request has waited and runs now */
	uint32_t warm_run;	   /* requests since one waited for cold keys */
	uint64_t hold_until_us;
	uint64_t soft_limit_since_ms, active_ms, created_ms; /* monotonic */
};

/* Takes over an accepted, non-blocking socket, whose TLS handshake may be yet to come. local: the
 * peer is on this machine. NULL: out of memory (the socket is closed). */
struct conn *conn_create(struct server *s, struct stream stream, const char *addr,
			 const char *laddr, bool local, bool unix_socket);

/* Closes and forgets; the memory goes at the end of the turn (conn_reap). */
void conn_close(struct conn *c);

/* Forgets the client but not its socket, which is the caller's from now on. False: it is closed. */
bool conn_detach(struct conn *c, struct stream *out);

/* Runs what is pending, as far as it may run now. */
void conn_run(struct conn *c);

/* Runs what was read in this turn, of all clients. */
void conn_run_all_arrived(struct server *s);

/* Sets what the client waits for, and counts who is blocked. */
void conn_set_wait(struct conn *c, enum conn_wait wait);

/* Runs the request that a blocked client waits with. False: it can't run now, and waits on. */
bool conn_run_blocked(struct conn *c);

/* The wait of a blocked client is over: its request is run again next turn. */
void conn_unblock(struct conn *c);

/* Reads what has come; it runs at the end of the turn's events. */
void conn_read(struct conn *c);

/* Closes clients whose TLS handshake takes too long. */
void conn_shaking_check(struct server *s);

/* Room for one more handshake: where there are as many as may be, the oldest makes it if it had its
 * time. False: there is none now. */
bool conn_shaking_room(struct server *s);

/* Goes on reading after a wait that left nothing pending. */
void conn_resume(struct conn *c);

/* Sends what may leave; called at the end of a turn. */
void conn_flush(struct conn *c);

/* Puts the client on the list of those that the end of this turn looks at. */
void conn_touch(struct conn *c);

/* Appends a message that is no reply to its output, to leave when lsn is acknowledged. What is over
 * the client's hard limit is given up, and the client with it, when the turn ends. */
void conn_push(struct conn *c, struct slice message, uint64_t lsn);

/* Takes no more requests; closes when what was answered so far has left. */
void conn_stop(struct conn *c);

/* Frees closed connections. */
void conn_reap(struct server *s);

/* Output that waits, gated or not. */
size_t conn_output(const struct conn *c);

/* True when a client that waits (CONN_FULL) may go on. */
bool conn_output_taken(const struct conn *c);

/* Closes a client whose output is over its limits; true: it did. Looked at in each turn that adds
 * output, and once a second for soft limits. */
bool conn_check_output(struct conn *c);

#endif
