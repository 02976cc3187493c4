/* A primary's side of one replica that is a redis-server, or a tool that pretends to be one: a
 * thread that sends an RDB file of the store, then the log's records as Redis commands.
 *
 * The file is the store at one checkpoint (engine/export/settled_store.h), the commands are those
 * of the records after it, so the replica holds exactly what this node held after some record, at
 * all times: nothing is sent that could count twice. The stream is this replica's own: its
 * replication id is of no other, its offsets count its bytes. Its newest bytes are kept, also when
 * the link is lost, so that the replica can go on there (redis_feed_resume).
 *
 * The counterpart for Cairn's own replicas is repl_sender.h; the executor treats both alike. */
#ifndef CAIRN_NET_REDIS_FEED_H
#define CAIRN_NET_REDIS_FEED_H

#include "net/repl_sender.h"

#include <stdbool.h>

enum { REDIS_REPLID_LEN = 40 };

struct redis_feed;

/* How the replica wants it. */
struct redis_feed_wish {
	bool psync; /* it sent PSYNC and acknowledges what it gets; else SYNC */
	bool eof;   /* it knows a file by the mark at its end, and need not know its length */
	bool named_continue;	    /* it takes a replication id with +CONTINUE */
	bool rdb_only;		    /* nothing follows the file */
	bool no_keys, no_libraries; /* the file is to have none */
};

struct redis_feed_options {
	struct engine *engine; /* stays open until the feed is gone */
	struct stream stream;  /* taken over: closed with the feed */
	struct redis_feed_wish wish;
	char replid[REDIS_REPLID_LEN + 1]; /* unique among all streams that ever were */
	char mark[REDIS_REPLID_LEN + 1];   /* what ends the file; random */
	uint64_t ship_lsn;		   /* as redis_feed_publish */
	uint64_t file_lsn;   /* the file is to have at least the records up to here: the caller has
			      * asked for a checkpoint of them */
	uint32_t timeout_ms; /* without a sign of life the replica is given up */
	uint32_t ping_ms;
	uint64_t bandwidth_max; /* of the file, bytes per second; 0: no limit */
	uint64_t backlog_size;	/* bytes of the stream that are kept for a cut link */
	bool nodelay;
	/* As in repl_sender_options. */
	void (*notify)(void *arg);
	void *arg;
};

/* ST_NO_MEMORY: the socket is closed. */
MUST_CHECK enum status redis_feed_start(const struct redis_feed_options *opts,
					struct redis_feed **out);

/* Ends the thread and closes the socket; what is needed to go on stays. Waits for the thread:
 * milliseconds. */
void redis_feed_halt(struct redis_feed *f);
/* Whether it is that stream. Executor; it may be running. */
bool redis_feed_is_stream(struct redis_feed *f, const char *replid);
/* Whether a halted feed could go on at all. */
bool redis_feed_is_whole(const struct redis_feed *f);
/* Whether a halted feed can go on, behind that offset of its stream. */
bool redis_feed_can_resume(const struct redis_feed *f, const char *replid, uint64_t offset);
/* Goes on with a halted feed on another connection. When the log no longer reaches back to where it
 * stood, the replica gets a new file and a new stream, named by opts. ST_NO_MEMORY: the socket is
 * closed; the feed is halted. */
MUST_CHECK enum status redis_feed_resume(struct redis_feed *f,
					 const struct redis_feed_options *opts, uint64_t offset);
/* Halts it and frees it. NULL is fine. */
void redis_feed_destroy(struct redis_feed *f);

/* As repl_sender_publish, repl_sender_want_ack and repl_sender_info; a Redis replica says nothing
 * of its disk, so durable_lsn is 0. */
void redis_feed_publish(struct redis_feed *f, uint64_t lsn);
void redis_feed_want_ack(struct redis_feed *f, bool wanted);
void redis_feed_info(const struct redis_feed *f, struct repl_sender_info *out);

#endif
