/* The inside of a feed, shared by redis_feed.c (life, stream) and redis_feed_copy.c (the file). The
 * feed's thread, but for what is atomic. */
#ifndef CAIRN_NET_REDIS_FEED_IMPL_H
#define CAIRN_NET_REDIS_FEED_IMPL_H

#include "engine/export/settled_store.h"
#include "engine/export/translate.h"
#include "net/log_records.h"
#include "net/redis_acks.h"
#include "net/redis_backlog.h"
#include "net/redis_feed.h"
#include "net/repl_peer.h"

#include <pthread.h>

struct redis_feed {
	struct redis_feed_options opts;
	pthread_t thread;
	bool running; /* the thread has to be joined; the executor's */
	struct repl_peer peer;
	struct buf error;

	_Atomic uint64_t ship_lsn, received_lsn, sent_lsn, ack_us, copy_bytes;
	_Atomic bool sleeping, want_ack, copied;
	_Atomic int state;

	/* What a link that was cut leaves behind. streaming: all of it is set, records up to
	 * log.next_lsn are in the backlog. */
	bool streaming, resuming;
	uint64_t resume_offset;
	char replid[REDIS_REPLID_LEN + 1];	   /* of the stream under way */
	char resumed_replid[REDIS_REPLID_LEN + 1]; /* the executor's: what resuming began with */
	struct translator translator;
	struct redis_backlog backlog;
	struct redis_acks acks;
	struct log_records log;

	struct resp_sink sink;
	enum status link; /* of the connection; what is said goes to the backlog in any case */
	struct wal_pin pin;
	struct wal_tail *tail;
	uint64_t ping_us, asked_lsn; /* GETACK was sent behind this one */
};

/* Sends the file, or both of its passes, and leaves translator, log and tail where the stream
 * begins. */
MUST_CHECK enum status redis_feed_copy(struct redis_feed *f);

/* Shows it to the executor. */
void redis_feed_set_state(struct redis_feed *f, enum repl_sender_state state);

/* Opens the tail and the reader of the records from lsn on. */
MUST_CHECK enum status redis_feed_open_log(struct redis_feed *f, uint64_t lsn);

#endif
