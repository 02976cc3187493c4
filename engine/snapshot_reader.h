/* The giving side of a full copy: the store's content in key order, block by block, from a node
 * that goes on writing. Nothing forks, no snapshot is kept: each block has a read transaction of
 * its own, so pages are not pinned and memory is bounded by a block.
 *
 * The blocks therefore show the store at different times. Replaying the log over them makes the
 * copy exact. Let C be the store's checkpoint when the copy began and E its drain mark when it
 * ended:
 *
 *   - Everything up to C was in the store before the first block, and what came into it since are
 *     effects of records C+1..E, as the final values of single store keys. So whatever a block
 * shows of a key is its value after some record in C..E, and the replay of C+1..E puts each key
 * that was touched to its value after E. A FLUSH among them empties the copy when it is replayed.
 *   - One thing the store holds is in no record: the garbage mark of a collection that a blind
 * write replaced, which the checkpoint finds out by itself. Replayed over the old record, the write
 *     finds it out again. Where the copy already has the new record, the mark must come with the
 *     copy, or the collection's elements would be orphans. Keys of a slot come before its elements,
 *     so a slot read in one transaction has either the old record or the mark. For a slot that
 * takes several, the checkpoint leaves its marks in place until the last of it has been read
 *     (checkpoint_hold), and the reader then sends all marks once more.
 *   - Ids and counters: the replay raises the next id past those it meets, and counters and the
 *     expiry index follow the copied records (snapshot_writer.h) and then the replayed ones.
 *
 * Until E has been replayed the copy is no state that ever was: it must not serve, and the
 * checkpoint must not remove garbage from it, which the drain mark E in its store sees to.
 *
 * A broken copy goes on at the slot where it broke (snapshot_resume), under the old C: the slots
 * before it were read as above, each with its marks, and the rest shows effects of C..E just as
 * well, as long as the log reaches back to C+1. The slot that was under way begins anew, since its
 * marks may have been removed between the two readers. This is only right on the node that made the
 * first part, or on one that shares its history up to the drain mark in the place: the caller sees
 * to it.
 *
 * Readers are independent of each other; one reader is used by one thread at a time, which is not
 * the executor: reading waits for the disk. */
#ifndef CAIRN_ENGINE_SNAPSHOT_READER_H
#define CAIRN_ENGINE_SNAPSHOT_READER_H

#include "engine/base/slice.h"
#include "engine/snapshot_block.h"

struct engine;
struct snapshot_reader;

/* Begins a copy, or goes on with a broken one: resume is what snapshot_copy_resume gave on the
 * other side, empty for a new copy. Before the call the log must be pinned from the store's
 * checkpoint (engine_stats.checkpoint_lsn, or the place's LSN when it goes on), and the pin stays
 * until the copy has what it replays; a pin at an older LSN than snapshot_head.lsn is moved up
 * afterwards. ST_AGAIN: the place is not one of this store's (its log or drain mark lie ahead):
 * begin anew. ST_CORRUPT, ST_VERSION: it is damaged or unknown. ST_NO_MEMORY, ST_IO. */
MUST_CHECK enum status snapshot_reader_open(struct engine *e, struct slice resume,
					    struct snapshot_reader **out);
void snapshot_reader_close(struct snapshot_reader *r); /* before engine_close; NULL is fine */

/* What the copy is of; lives as long as the reader. */
const struct snapshot_head *snapshot_reader_head(const struct snapshot_reader *r);

/* Appends the next block to out: about raw_target bytes of entries before compression, at least one
 * entry, so more when a single one is larger (values are in chunks of some KiB where Redis allows
 * parts of them to be read; a field or list element may have up to 512 MiB). ST_END: that was all.
 * ST_CORRUPT: a damaged value was met, the copy cannot be completed. ST_IO, ST_NO_MEMORY: out is
 * unchanged, and the same call may be made again. */
MUST_CHECK enum status snapshot_reader_next(struct snapshot_reader *r, size_t raw_target,
					    struct buf *out);

/* After ST_END: what the other side needs to finish. ST_INVALID: before it. */
MUST_CHECK enum status snapshot_reader_tail(struct snapshot_reader *r, struct snapshot_tail *out);

#endif
