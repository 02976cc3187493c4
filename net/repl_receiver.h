/* A replica's side of its primary: a thread that connects, shakes hands, checks what comes and
 * queues it for the executor. One receiver is one attempt: it ends with the connection, and the
 * executor decides what comes next.
 *
 * The executor takes items in order and applies them; what it has applied and what is durable goes
 * back to the primary as acknowledgements. A full copy is written beside the old dataset by this
 * thread (net/repl_copy_in.h). */
#ifndef CAIRN_NET_REPL_RECEIVER_H
#define CAIRN_NET_REPL_RECEIVER_H

#include "engine/engine_shard.h"
#include "net/repl_queue.h"
#include "net/stream.h"

#include <stdbool.h>

struct repl_receiver;

struct repl_receiver_options {
	const char *host; /* all texts are copied */
	int port;
	const char *source;	     /* bind-source-addr; "": none */
	const char *user, *password; /* masteruser, masterauth; "": none */
	const char *node_id;	     /* this node's run id */
	int my_port;		     /* where this node serves clients */
	const char *my_ip;	     /* "": as the primary sees it */
	struct engine_position at;   /* where this node's log ends */
	bool full;		     /* its log can't be continued: ask for a full copy */
	struct slice refetch;	     /* names to fetch anew (engine/refetch.h); empty: none */
	uint64_t refetch_lsn;	     /* from after this fork */
	bool failover;		     /* this node hands over to that one */
	const char *dir;	     /* data directory, for a full copy */
	uint64_t map_size_max, wal_segment_size;
	uint32_t timeout_ms; /* repl-timeout */
	bool nodelay;
	struct ssl_st *ssl;	   /* TLS's end (tls_connector), used up in any case; NULL: plain */
	void (*notify)(void *arg); /* there are items. Receiver's thread; must not block */
	void *arg;
};

enum repl_receiver_state {
	REPL_RECEIVER_CONNECT, /* no connection yet */
	REPL_RECEIVER_HANDSHAKE,
	REPL_RECEIVER_COPY,
	REPL_RECEIVER_ONLINE,
	REPL_RECEIVER_ENDED,
};

struct repl_receiver_info {
	enum repl_receiver_state state;
	uint64_t io_age_ms;   /* since the last byte came */
	uint64_t bytes;	      /* received */
	uint64_t copy_total;  /* estimate of a full copy's bytes, 0: unknown */
	uint64_t copy_bytes;  /* of it received, uncompressed */
	uint64_t copy_age_ms; /* since the last block */
};

/* ST_NO_MEMORY. */
MUST_CHECK enum status repl_receiver_start(const struct repl_receiver_options *opts,
					   struct repl_receiver **out);
/* Ends the thread, frees what was not taken. NULL is fine. */
void repl_receiver_stop(struct repl_receiver *r);

/* The next item, borrowed until repl_receiver_drop; NULL: none now. Executor. */
struct repl_item *repl_receiver_peek(struct repl_receiver *r);
/* Forgets the item that peek gave. Executor. */
void repl_receiver_drop(struct repl_receiver *r);

/* Goes back to the primary: newest LSN applied here, newest durable one. Executor. */
void repl_receiver_publish(struct repl_receiver *r, uint64_t applied_lsn, uint64_t durable_lsn);

/* Any thread. */
void repl_receiver_info(const struct repl_receiver *r, struct repl_receiver_info *out);

#endif
