/* The engine as one node of a shard: what replication asks of it beyond engine/engine.h.
 *
 * A replica holds the same records at the same LSNs as its primary. It takes frames as the primary
 * stored them, applies their effects by the code that recovery uses, and gives the same bytes to
 * its own log. It writes nothing of its own: expired keys are hidden and wait for the primary's
 * delete.
 *
 * Executor thread, unless a function says otherwise. */
#ifndef CAIRN_ENGINE_ENGINE_SHARD_H
#define CAIRN_ENGINE_ENGINE_SHARD_H

#include "engine/engine.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_tail.h"

/* As engine_options.replica, while running. The caller sees to it that no batch is open and that a
 * replica is given no writes. */
void engine_set_replica(struct engine *e, bool replica);
bool engine_is_replica(const struct engine *e);

/* Where the log ends. */
struct engine_position {
	uint64_t lsn;	/* of the newest record; 0: none yet */
	uint64_t chain; /* digest of the frame that ends with it; 0 when there is none */
	struct wal_history history;
};

/* ST_AGAIN: records are still on their way to the log; ask again after a turn. */
MUST_CHECK enum status engine_position(struct engine *e, struct engine_position *out);

/* Applies one frame of the primary, which must begin at the next LSN (and whose chain the caller
 * has checked): its effects are visible on return and acknowledged as any write is. stored: its
 * payload as it came; records: the payload decoded. ST_AGAIN, ST_NO_SPACE, ST_NO_MEMORY: nothing
 * was taken, try again later. ST_CORRUPT: it does not follow or holds no records; nothing was
 * taken. ST_READ_ONLY: the node is stopped for writes. */
MUST_CHECK enum status engine_apply_frame(struct engine *e, const struct wal_frame *f,
					  struct slice stored, struct slice records);

/* What comes from the next LSN on belongs to this history, and its frames need this dictionary
 * (copied). ST_CORRUPT: the history does not continue this node's. ST_AGAIN, ST_NO_MEMORY,
 * ST_READ_ONLY: as above. */
MUST_CHECK enum status engine_follow_history(struct engine *e, const struct wal_history *history,
					     struct slice dictionary);

/* Makes a replica a primary: a new timeline of this config epoch begins at the next LSN. ST_AGAIN,
 * ST_NO_MEMORY: frames are still on their way to the log; try again after a turn. */
MUST_CHECK enum status engine_promote(struct engine *e, uint64_t epoch);

/* Checkpoint horizon: newest LSN that all connected replicas have (for a replica: that its primary
 * says all have); UINT64_MAX: no replica counts. A memtable that reaches further is drained only
 * when memory asks for it, so the store holds shared history and a deposed primary can be rewound
 * by its log alone. */
void engine_set_horizon(struct engine *e, uint64_t lsn);

/* What this node knows of its shard's history. */
const struct wal_history *engine_history(const struct engine *e);

/* Follows this node's log from the record lsn on (wal_tail_open), with the pin placed there first;
 * the caller moves it with engine_pin and takes it away with engine_unpin, also after a failure.
 * Any thread. */
MUST_CHECK enum status engine_tail_open(struct engine *e, uint64_t lsn, struct wal_pin *pin,
					struct wal_tail **out, struct buf *error);
void engine_pin(struct engine *e, struct wal_pin *pin, uint64_t lsn);
void engine_unpin(struct engine *e, struct wal_pin *pin);

/* As engine_close, but leaves the memtable to the log: nothing is checkpointed. For a data
 * directory that is to be rewound or replaced. */
enum status engine_close_quick(struct engine *e);

#endif
