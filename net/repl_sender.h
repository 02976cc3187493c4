/* A primary's side of one replica: a thread that reads the log (or the store, for a full copy) and
 * writes the stream (net/proto/repl_message.h) to the replica's socket.
 *
 * The executor starts it with the socket of a client that sent WALSTREAM, tells it how far the log
 * may be shown, and reads what the replica has acknowledged. A slow replica costs one piece of
 * memory and nothing else: the log on disk is the backlog. */
#ifndef CAIRN_NET_REPL_SENDER_H
#define CAIRN_NET_REPL_SENDER_H

#include "engine/engine_shard.h"
#include "net/stream.h"

#include <stdbool.h>

struct repl_sender;

struct repl_sender_options {
	struct engine *engine; /* stays open until the sender is gone */
	struct stream stream;  /* taken over: closed with the sender */
	bool full_copy;	       /* else frames from lsn + 1 on, if they are still there */
	struct wal_history history;
	uint64_t lsn, chain; /* where the replica's log ends */
	struct slice resume; /* snapshot_resume_encode of an unfinished copy; empty: none. Copied */
	struct slice refetch; /* names that the replica fetches anew; empty: it does not. Copied */
	uint64_t refetch_lsn; /* the fork that it goes back to */
	uint64_t ship_lsn;    /* as repl_sender_publish */
	uint64_t horizon;
	uint32_t timeout_ms;	/* without an ack the replica is given up */
	uint32_t ping_ms;	/* between heartbeats */
	uint64_t bandwidth_max; /* of a full copy, bytes per second; 0: no limit */
	pid_t executor;		/* thread that a full copy gives way to */
	unsigned copy_cpu;	/* percent of a core that a full copy has nevertheless, 1 to 100 */
	bool nodelay;
	bool digests; /* the replica understands marks and contents */
	/* The state changed, or an ack came that was asked for (repl_sender_want_ack). Sender's
	 * thread; must not block. */
	void (*notify)(void *arg);
	void *arg;
};

enum repl_sender_state {
	REPL_SENDER_STARTING,
	REPL_SENDER_COPY,   /* a full copy is under way */
	REPL_SENDER_ONLINE, /* frames, as they come */
	REPL_SENDER_GONE,   /* the thread is done: stop it */
};

struct repl_sender_info {
	enum repl_sender_state state;
	bool copied;			      /* it began with a full copy */
	uint64_t received_lsn, durable_lsn;   /* acknowledged */
	uint64_t sent_lsn;		      /* newest one given to the socket */
	uint64_t ack_age_ms;		      /* since the last ack */
	uint64_t bytes_sent, copy_bytes_sent; /* payload and headers */
};

/* ST_NO_MEMORY: the socket is closed. */
MUST_CHECK enum status repl_sender_start(const struct repl_sender_options *opts,
					 struct repl_sender **out);

/* Ends the thread, closes the socket, frees. NULL is fine. Waits for the thread: milliseconds. */
void repl_sender_stop(struct repl_sender *s);

/* Frames up to lsn may be shown to replicas; horizon goes out with the next heartbeat. Executor. */
void repl_sender_publish(struct repl_sender *s, uint64_t lsn, uint64_t horizon);

/* Tells the replica at which LSN this node puts its memory aside for a checkpoint (0: not yet);
 * before repl_sender_publish shows that record. */
void repl_sender_mark(struct repl_sender *s, uint64_t lsn);
/* Tells it what this node's slots hold: the payload of a C (net/proto/repl_message.h), copied. What
 * was not sent yet gives way. For replicas that understand it; others are spared it. ST_NO_MEMORY.
 */
MUST_CHECK enum status repl_sender_contents(struct repl_sender *s, struct slice payload);

/* Asks to be told (notify) about each ack while wanted. Executor. */
void repl_sender_want_ack(struct repl_sender *s, bool wanted);

/* Any thread. */
void repl_sender_info(const struct repl_sender *s, struct repl_sender_info *out);

#endif
