/* Which files of a data directory are the dataset, and how a full copy takes its place.
 *
 * The dataset is DIR/keyspace.mdb and the segments in DIR/wal. A full copy of another node's
 * grows beside it in DIR/copy, in the same layout. When it is complete the mark DIR/copy/READY is
 * written: before it the old dataset is the node's, from it on the new one. Then the files change
 * places:
 *
 *   1  keyspace.mdb -> old/keyspace.mdb, copy/keyspace.mdb -> keyspace.mdb
 *   2  wal -> old/wal, copy/wal -> wal
 *   3  old is removed, then READY, then copy
 *
 * Each rename is durable before the next one begins, so a file that is still in copy/ has not
 * changed places, and after a crash at any moment dataset_recover finds out how far it was and
 * goes on. Nothing else in the directory is touched (divergent/, the archive, settings). */
#ifndef CAIRN_ENGINE_DATASET_H
#define CAIRN_ENGINE_DATASET_H

#include "engine/base/buf.h"
#include "engine/base/io.h"

/* Folder of a copy that is being made, below the data directory. */
#define DATASET_COPY "copy"

/* Makes the finished copy in DIR/copy the dataset; returns when the old one is gone. The copy's
 * store and log must be closed and durable, the engine of DIR closed: the directory is locked
 * meanwhile. Before anything is changed, the copy's log is read once: ST_CORRUPT when it does not
 * lead from the store's checkpoint to the store's drain mark. ST_NOT_FOUND: a part of the copy is
 * missing. ST_LOCKED. After ST_IO or ST_NO_SPACE either dataset may be the node's:
 * dataset_recover, and so the next engine_open, settles it. error gets one line for humans. Any
 * thread; waits for the disk. */
MUST_CHECK enum status dataset_commit_copy(const struct io *io, const char *dir, struct buf *error);

/* Finishes an interrupted change of dataset, if there is one. A copy without the mark is left as
 * it is, to be taken up again; one without a store is removed. Called by engine_open, which holds
 * the directory's lock. */
MUST_CHECK enum status dataset_recover(const struct io *io, const char *dir, struct buf *error);

/* Removes an unfinished copy, its store first: what is left of it after a crash is no copy to take
 * up. Fine when there is none. ST_INVALID: it is complete, and the next start makes it the dataset.
 * The copy's store and log must be closed. */
MUST_CHECK enum status dataset_drop_copy(const struct io *io, const char *dir, struct buf *error);

#endif
