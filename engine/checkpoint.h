/* The checkpoint thread: drains a frozen memtable into the store in key order, in a few synced
 * transactions, and removes dead collections and builds missing digests bit by bit when it has
 * nothing else to do. It owns the only write transaction.
 *
 * Order that crash safety rests on: (1) the WAL is durable up to the freeze LSN before the first
 * commit; (2) the first commit stores that LSN as the drain mark; (3) the last commit stores it as
 * the checkpoint LSN; (4) only then may the WAL before the previous checkpoint go. Each commit also
 * stores the counters of the slots it finished. */
#ifndef CAIRN_ENGINE_CHECKPOINT_H
#define CAIRN_ENGINE_CHECKPOINT_H

#include "engine/base/clock.h"
#include "engine/digest_builder.h"
#include "engine/memtable.h"
#include "engine/store.h"

struct checkpoint;

struct checkpoint_options {
	struct store *store;
	const struct clock *clock;
	uint64_t chunk_bytes; /* dirty bytes at which a transaction is committed and the next one
				 begun */
	uint32_t reclaim_max; /* elements of dead collections removed per transaction */
	/* Waits until the WAL is durable up to lsn; called on the checkpoint thread. */
	enum status (*wal_sync)(void *arg, uint64_t lsn);
	/* Something changed: a chunk was committed or the drain ended. Checkpoint thread; must not
	 * block. */
	void (*notify)(void *arg);
	void *arg;
	uint32_t retry_ms; /* pause after MAP_FULL or no space before the drain is tried again */
};

/* What a drain is asked to do. The table stays frozen and alive until checkpoint_take says DONE. */
struct checkpoint_job {
	const struct memtable *table;
	uint64_t lsn; /* of the newest record in it */
	uint64_t next_id;
	struct wal_history history;
	/* The libraries of functions encoded (engine/library_set.h), which stay as long as the
	 * table does; NULL: they are as the store has them. */
	const struct buf *libraries;
};

struct checkpoint_slot_change {
	uint16_t slot;
	struct slot_stat stat;
};

enum checkpoint_phase { CHECKPOINT_IDLE, CHECKPOINT_DRAINING, CHECKPOINT_DONE, CHECKPOINT_FAILED };

struct checkpoint_stats {
	uint64_t drains, chunks, entries, bytes; /* bytes: keys and values given to LMDB */
	uint64_t drain_us_last, drain_us_total;
	uint64_t reclaimed,
	    reclaim_pending;	/* elements removed so far; dead collections still to do */
	enum status last_error; /* of the last attempt; ST_OK when it went through */
	bool exact;		/* after the last drain: no effect of a later record is there */
};

/* Starts the thread, idle. ST_NO_MEMORY. */
MUST_CHECK enum status checkpoint_start(const struct checkpoint_options *opts,
					struct checkpoint **out);

/* Gives the thread its next job; only when the caller has seen the phase CHECKPOINT_IDLE. Where
 * removing dead collections has failed since, the phase stays CHECKPOINT_FAILED. */
void checkpoint_submit(struct checkpoint *c, const struct checkpoint_job *job);

/* Commits so far: when it has moved, the executor renews its reader. Any thread. */
uint64_t checkpoint_commits(const struct checkpoint *c);

/* How much of the running drain's table has been given to the store, from 0 to 1. Any thread. */
double checkpoint_progress(const struct checkpoint *c);

/* DRAINING also while a full map or disk is being retried (see checkpoint_stats.last_error).
 * FAILED: an I/O or damage error; the node must stop taking writes. */
enum checkpoint_phase checkpoint_phase(const struct checkpoint *c);

/* After DONE: gives the counters that the drain changed (*changes is freed by mem_free) and the new
 * checkpoint's previous LSN, up to which the WAL may be released; the phase becomes IDLE. False:
 * the thread has failed since it said DONE, and nothing is given; the phase is FAILED. */
MUST_CHECK bool checkpoint_take(struct checkpoint *c, struct checkpoint_slot_change **changes,
				uint32_t *count, uint64_t *release_lsn);

/* From now on the digests of slots that have none are built, bit by bit, while there is no job. */
void checkpoint_build_digests(struct checkpoint *c);

/* Gives the slots whose digests were built since the last time, as of the checkpoint before the job
 * that runs, if one does; returns how many. To be asked after each commit, and before
 * checkpoint_take. */
uint32_t checkpoint_take_built(struct checkpoint *c, struct digest_built out[DIGEST_BUILT_MAX]);

/* A copy of the counters. Any thread. */
void checkpoint_stats(struct checkpoint *c, struct checkpoint_stats *out);

/* Garbage marks of this slot, and what they mark, stay in the store until the hold is let go; holds
 * of one slot add up. Both wait for a removal that is under way, for one short transaction. Any
 * thread but the checkpoint's and the executor. */
void checkpoint_hold(struct checkpoint *c, uint16_t slot);
void checkpoint_let_go(struct checkpoint *c, uint16_t slot);

/* Waits for a running drain (unless it is stuck retrying: then gives it up), ends the thread. NULL
 * is fine. */
void checkpoint_stop(struct checkpoint *c);

#endif
