/* What a receiver has for the executor, in order: a bounded queue between two threads. */
#ifndef CAIRN_NET_REPL_QUEUE_H
#define CAIRN_NET_REPL_QUEUE_H

#include "engine/base/buf.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_history.h"
#include "net/proto/repl_message.h"

#include <pthread.h>
#include <stdbool.h>

enum repl_item_kind {
	REPL_ITEM_ONLINE,     /* the primary continues this node's log */
	REPL_ITEM_COPYING,    /* a full copy has begun */
	REPL_ITEM_REFETCHING, /* what comes replaces what this node wrote after the fork */
	REPL_ITEM_HISTORY,    /* history and dictionary of the frames that follow */
	REPL_ITEM_FRAME,      /* one frame */
	REPL_ITEM_HEARTBEAT,  /* the primary's positions */
	REPL_ITEM_MARK,	      /* the primary's next checkpoint is at lsn */
	REPL_ITEM_CONTENTS,   /* what its slots held at one */
	REPL_ITEM_END,	      /* the last item */
};

enum repl_end {
	REPL_END_RETRY,	    /* the connection failed: try again in a while */
	REPL_END_ALIEN,	    /* the primary is no Cairn node: it may be replaced by one, some day */
	REPL_END_REWIND,    /* go back to lsn, then try again */
	REPL_END_TAKEN,	    /* FAILOVER: the other node has the primary's role already */
	REPL_END_REFETCHED, /* what was to be fetched anew lies beside the dataset */
	REPL_END_COPIED,    /* a complete new dataset lies beside the old one */
};

struct repl_item {
	struct repl_item *next;
	enum repl_item_kind kind;
	struct wal_frame frame;
	struct buf stored, records; /* FRAME: as stored, decoded; CONTENTS: stored is the payload */
	struct wal_history history;
	struct buf dictionary;
	struct repl_heartbeat heartbeat;
	enum repl_end end;
	uint64_t lsn;
	char text[256]; /* END: why */
};

struct repl_queue {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct repl_item *first, *last;
	size_t bytes;
};

void repl_queue_init(struct repl_queue *q);
void repl_queue_deinit(struct repl_queue *q); /* with what is in it */

/* An item of this kind, or NULL: out of memory. */
struct repl_item *repl_item_create(enum repl_item_kind kind);
void repl_item_destroy(struct repl_item *item);

/* Takes the item over. True: the queue was empty, so its reader has to be told. Receiver. */
bool repl_queue_push(struct repl_queue *q, struct repl_item *item);
/* Waits for at most us microseconds while more than bytes_max are queued. True: they still are.
 * Receiver. */
bool repl_queue_full(struct repl_queue *q, size_t bytes_max, uint64_t us);

/* The first item, still in the queue; NULL: empty. Executor. */
struct repl_item *repl_queue_peek(struct repl_queue *q);
/* Forgets the first item. Executor. */
void repl_queue_drop(struct repl_queue *q);

#endif
