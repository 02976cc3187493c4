/* The taking side of a full copy: builds DIR/copy/keyspace.mdb from the blocks that
 * snapshot_reader.h describes, beside the dataset that is in use.
 *
 * Nothing of a block is used before all of it has been checked: its checksums, that it follows what
 * came before, that its keys ascend and that each entry could stand in a store. Entries go into the
 * store in transactions of some tens of MiB, fully synced, together with the place from which a
 * broken copy goes on. Slot counters and the expiry index are built on the way.
 *
 * The copy's log, DIR/copy/wal, is the caller's: the records from snapshot_head.lsn + 1 to at least
 * snapshot_tail.drain_lsn must be in it before dataset_commit_copy. It goes with the copy when that
 * begins anew. One writer is used by one thread at a time; it waits for the disk. */
#ifndef CAIRN_ENGINE_SNAPSHOT_WRITER_H
#define CAIRN_ENGINE_SNAPSHOT_WRITER_H

#include "engine/base/io.h"
#include "engine/snapshot_block.h"

struct snapshot_writer;

/* The place from which the unfinished copy in DIR goes on, as bytes for snapshot_reader_open;
 * replaces what is in out. ST_NOT_FOUND: there is none. Changes nothing; no writer may be open. */
MUST_CHECK enum status snapshot_copy_resume(const struct io *io, const char *dir, struct buf *out,
					    struct buf *error);

/* Takes up the unfinished copy of this head (the same LSN and the same history up to it), or begins
 * one, removing any other. *goes_on tells which: entries are expected from the place that
 * snapshot_writer_resume gives, or from the start. map_size_max: bytes of address space, as for the
 * engine. ST_INVALID: DIR/copy is complete already. ST_IO, ST_NO_SPACE, ST_NO_MEMORY; error gets a
 * line for humans. */
MUST_CHECK enum status snapshot_writer_open(const struct io *io, const char *dir,
					    const struct snapshot_head *head, uint64_t map_size_max,
					    struct snapshot_writer **out, bool *goes_on,
					    struct buf *error);

/* Closes without finishing; what has come so far is kept for another time as far as it can be. NULL
 * is fine. */
void snapshot_writer_close(struct snapshot_writer *w);

/* The place of the newest commit, as snapshot_copy_resume; valid until the next call. */
struct slice snapshot_writer_resume(struct snapshot_writer *w);

/* Entries and bytes of keys and values taken so far: for progress. */
void snapshot_writer_progress(const struct snapshot_writer *w, uint64_t *entries, uint64_t *bytes);

/* Bytes of dirty pages at which a transaction is committed, instead of 32 MiB. */
void snapshot_writer_set_commit(struct snapshot_writer *w, uint64_t bytes);

/* Takes a whole block. ST_CORRUPT, ST_VERSION: it is not a block that may follow, and nothing of it
 * was used. ST_NO_SPACE, ST_MAP_FULL, ST_IO, ST_NO_MEMORY: the writer is of no more use; close it
 * and go on from the last commit. error gets a line for humans. */
MUST_CHECK enum status snapshot_writer_add(struct snapshot_writer *w, struct slice block,
					   struct buf *error);

/* To be called before a wait for the next block: commits what has come, if it is worth a commit (1
 * MiB of dirty pages), so that a copy that comes slowly does not write long pieces at once. Errors
 * as for add. */
MUST_CHECK enum status snapshot_writer_rest(struct snapshot_writer *w, struct buf *error);

/* Checks that everything has come, stores the state that the copy is in (checkpoint at the head's
 * LSN, drain mark at the tail's) and closes the store, durable; close the writer afterwards. Until
 * the copy is made the dataset it can still be taken up and finished again, with a newer tail.
 * ST_CORRUPT: the tail says otherwise; errors as for add. */
MUST_CHECK enum status snapshot_writer_finish(struct snapshot_writer *w,
					      const struct snapshot_tail *tail, struct buf *error);

#endif
