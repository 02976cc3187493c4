/* The inside of replication, shared by replication.c (roles, applying), replication_accept.c (a
 * replica comes), replication_refetch.c (back from a fork), replication_failover.c (handing over),
 * replication_digests.c (whether all hold the same) and replication_view.c (what INFO tells).
 * Executor thread. */
#ifndef CAIRN_NET_REPLICATION_IMPL_H
#define CAIRN_NET_REPLICATION_IMPL_H

#include "engine/engine_digest.h"
#include "net/divergent_files.h"
#include "net/redis_feed.h"
#include "net/replication.h"

/* A connected replica. */
struct replica {
	struct replica *next;
	struct repl_sender *sender; /* of a Cairn node, or */
	struct redis_feed *feed;    /* of a redis-server */
	struct session session;	    /* of the client that it was: number, addresses */
	char node_id[41], ip[64];
	int port, fd;
	bool asked_full, counted;
};

enum failover_state { FAILOVER_NONE, FAILOVER_WAITING, FAILOVER_IN_PROGRESS };

/* The slots of this node and of its primary, at the LSNs of their newest checkpoints. */
struct shard_digests {
	uint64_t seen_lsn;	   /* this node's newest checkpoint that was dealt with */
	uint64_t mine_lsn;	   /* of mine; 0: none */
	struct slot_content *mine; /* [SLOTS]; NULL until the first one of a replica */
	struct buf theirs;	   /* the payload of the primary's last C; empty: none to compare */
	uint8_t reported[REPL_SLOT_BITS]; /* slots that differ, and of which the log tells */
	uint64_t checks, differ, mismatches, checked_lsn;
};

struct replication {
	struct server *server;

	/* As a replica. */
	bool replica;
	char *host;
	int port;
	struct repl_receiver *receiver;
	bool engine_follows; /* the engine knows that it is a replica's */
	bool promote_wanted; /* a primary to commands, but the engine has still to begin a timeline
			      */
	bool link_up, copying, need_full;
	bool joined; /* since it follows that primary its log has met the primary's: none of it is
			off the shard's history */
	bool flush_wanted;	/* the promotion is to begin with an empty keyspace */
	bool writes_paused;	/* by the cluster: writes wait until it says otherwise */
	uint64_t promote_epoch; /* of the timeline that a promotion begins; 0 without a cluster */
	uint64_t heard_ms;	/* when the primary was last heard, 0: never; see note_heard */
	uint64_t link_down_since_ms, retry_at_ms;
	struct repl_heartbeat heartbeat; /* the primary's last one */
	uint64_t applied_bytes, input_bytes;

	/* As somebody's primary. */
	struct replica *replicas;
	unsigned replicas_count;
	uint64_t lost_lsn, lost_until_ms; /* of replicas that went away lately */
	int acks_wanted;
	uint64_t full_copies, continued, refused_to_continue, output_bytes;
	/* A WALSTREAM that was accepted, until its connection is handed over. */
	bool pending;
	struct walstream_request pending_request;
	/* The same for PSYNC and SYNC. */
	bool psync_pending;
	struct psync_request psync_request;
	/* Feeds whose link was lost, newest first: their replicas may come back. */
	struct parked_feed *parked;
	struct buf pending_resume, pending_refetch;

	/* FAILOVER. */
	enum failover_state failover;
	char failover_host[256];
	int failover_port;
	bool failover_force, failing_over; /* the link that is being made carries FAILOVER */
	unsigned failover_attempts;
	uint64_t failover_deadline_ms, failover_lsn;

	struct divergent_files divergent; /* what this node had to give up */
	/* Ways back from a fork, since the start. */
	uint64_t rejoined_by_log, rejoined_by_keys, rejoined_by_copy;
	/* The way by keys, while need_full: names to fetch anew, whose fork, from which archive;
	 * and how often that was tried. Empty: a full copy is what is needed. */
	struct buf refetch;
	uint64_t refetch_lsn;
	struct divergent_name refetch_archive;
	unsigned refetch_tries;

	struct shard_digests digests;
};

/* Ends all links to replicas: the dataset is about to change under them. */
void replication_drop_replicas(struct replication *r);

/* --- replication_accept.c --- */

/* Makes the client a replica, which the caller puts a sender or a feed to; its connection is
 * *stream. cmd: what it asked with; ip "": its address is that of the connection. NULL: the client
 * is closed. */
struct replica *replication_new_replica(struct replication *r, struct conn *c, const char *cmd,
					int port, const char *ip, struct stream *stream);
/* It is being served from now on. */
void replication_add_replica(struct replication *r, struct replica *p);

/* --- replica_link.c: the thread that serves a replica, of either kind --- */

void replica_info(const struct replica *p, struct repl_sender_info *out);
void replica_publish(struct replica *p, uint64_t lsn, uint64_t horizon);
void replica_want_ack(struct replica *p, bool wanted);
/* What is said to Cairn nodes alone (repl_sender_mark, repl_sender_contents). ST_NO_MEMORY. */
void replica_mark(struct replica *p, uint64_t lsn);
MUST_CHECK enum status replica_contents(struct replica *p, struct slice payload);
/* Whether its acknowledgements count for the checkpoint horizon: it may be elected, and then the
 * history is what it has. */
bool replica_shares_history(const struct replica *p);

/* --- replication_psync.c --- */

/* The client whose PSYNC or SYNC was accepted becomes a replica. */
void replication_adopt_redis(struct replication *r, struct conn *c);
/* Keeps a feed whose link is gone for a while, or frees it. */
void replication_park(struct replication *r, struct redis_feed *feed);
/* Frees those that nobody has come back for, or all. */
void replication_trim_parked(struct replication *r, bool all);

/* Becomes a primary now; outside of a batch. ST_AGAIN, ST_NO_MEMORY: the log has not taken
 * everything yet; nothing has changed. */
MUST_CHECK enum status replication_promote(struct replication *r);

/* Follows that node ("": one that is not known yet), within a command's batch or outside of one;
 * the engine takes the role at the end of the turn. ST_NO_MEMORY: nothing has changed. */
MUST_CHECK enum status replication_follow(struct replication *r, const char *host, int port);
/* A primary for commands at once; the engine begins its timeline at the end of the turn, and writes
 * wait until then. */
void replication_lead(struct replication *r);

/* --- replication_refetch.c --- */

/* The primary's history has parted from this node's after lsn: goes back there, by the log alone
 * where the store allows it; else plans what comes next. */
void replication_go_back(struct replication *r, uint64_t lsn);
/* What was to be fetched anew is there. */
void replication_take_refetch(struct replication *r);
/* A connection has ended without it, begun or not: after some attempts a full copy it is. */
void replication_refetch_failed(struct replication *r, bool begun);
/* The way by keys is left. */
void replication_forget_refetch(struct replication *r);

/* --- replication_digests.c --- */

/* Every turn, after the engine's: tells replicas of a checkpoint that begins or is complete, and
 * compares where this node's is the primary's. */
void replication_digests_step(struct replication *r);
/* What the primary's slots held at a checkpoint: the payload of a C. ST_NO_MEMORY. */
MUST_CHECK enum status replication_digests_heard(struct replication *r, struct slice payload);
/* The dataset or the primary changes: what was said of the old one is forgotten. */
void replication_digests_forget(struct replication *r);
void replication_digests_deinit(struct replication *r);

/* --- replication_cluster.c --- */

/* Remembers when the primary was last heard, as long as the link is up. */
void replication_note_heard(struct replication *r);
/* Empties the keyspace when the promotion that has just been done is to begin like that. */
void replication_flush_due(struct replication *r);

/* --- replication_failover.c --- */

/* Every turn: goes on with a failover that waits. */
void replication_failover_step(struct replication *r);
/* The link that carries FAILOVER is up: this node has handed over. */
void replication_failover_linked(struct replication *r);
/* It could not be made: once more in a moment, as the target may just have been busy; after some
 * attempts this node is the primary again. taken: the target has the role already. */
void replication_failover_retry(struct replication *r, bool taken);

#endif
