/* The way back from a fork for a node whose store has gone beyond it: just the keys and collections
 * that the given-up records name are fetched from the new primary, and put into the store in one
 * transaction together with its new position.
 *
 * What comes is as of the primary's store, which may be ahead of the fork or behind it; so the
 * store is exact again only when the log has been replayed over it, from the older of the two
 * checkpoints to the primary's drain mark. Effects are final values, so replaying them over what
 * has them already changes nothing, as with a full copy (engine/snapshot_reader.h). All of that log
 * is here before anything is changed.
 *
 *   DIR/refetch/patch   what was fetched, and an XXH3-64 over it
 *   DIR/refetch/wal/    the primary's log from the fork on
 *   DIR/refetch/READY   from here on the change is finished by whoever starts:
 *                         the store's transaction, then the own log is cut at the fork
 *   DIR/refetch/MOVE    READY renamed: the fetched segments are moved behind it, in order
 *
 * Each step may be repeated. engine_open finishes what was begun before anything is read; without
 * a mark it removes the folder, and the node is what it was.
 *
 * A patch, little-endian: [version u32][fork][checkpoint][drain mark][next id] u64, the primary's
 * history (engine/wal/wal_history.h), names, [length u64] and a block (engine/snapshot_block.h;
 * length 0: there are no entries). Names: [count u32] and per key [length u32][bytes]; [count u32]
 * and per collection [slot u16][id u64]. */
#ifndef CAIRN_ENGINE_REFETCH_H
#define CAIRN_ENGINE_REFETCH_H

#include "engine/divergent_names.h"
#include "engine/wal/wal_history.h"

struct engine;

/* The folder in the data directory, and that of its log. */
#define REFETCH_FOLDER "refetch"

enum {
	REFETCH_NAMES_MAX = 100 * 1000, /* beyond that a full copy is as good */
	REFETCH_BYTES_MAX = 64 << 20,	/* of entries in a patch */
};

struct refetch {
	uint64_t fork_lsn, checkpoint_lsn, drain_lsn, next_id;
	struct wal_history history;
	struct divergent_names names; /* all that is to be replaced; owned */
	struct slice block;	      /* borrows the patch */
};

/* --- bytes; pure --- */

/* Appends names. ST_NO_MEMORY. */
MUST_CHECK enum status refetch_names_encode(const struct divergent_names *n, struct buf *out);
/* Reads names from the front of *in and advances it; *out is to be deinited. ST_CORRUPT: lengths
 * that do not fit, or too many; ST_NO_MEMORY. */
MUST_CHECK enum status refetch_names_decode(struct slice *in, struct divergent_names *out);
/* Reads a whole patch; out->names is to be deinited. ST_CORRUPT, ST_VERSION, ST_NO_MEMORY. */
MUST_CHECK enum status refetch_decode(struct slice in, struct refetch *out);

/* --- on the primary --- */

/* Makes the patch for a replica that goes back to fork_lsn: appends it to out. names are what the
 * replica asks for; the collections that its keys hold here are added. history: this node's.
 * until_lsn: how far the replica is to get before it counts as one.
 * ST_LIMIT: it would be too large. ST_CORRUPT, ST_IO, ST_NO_MEMORY. Any thread; waits for the disk.
 */
MUST_CHECK enum status refetch_make(struct engine *e, const struct wal_history *history,
				    uint64_t fork_lsn, uint64_t until_lsn,
				    struct divergent_names *names, struct buf *out);

/* --- on the node that goes back --- */

/* Makes the folder anew, empty, and writes the patch, not yet synced by name. ST_IO, ST_NO_SPACE;
 * error gets a line for humans, here and below. */
MUST_CHECK enum status refetch_begin(const struct io *io, const char *dir, struct slice patch,
				     struct buf *error);

/* Takes what was fetched: the engine of DIR is closed, the directory is locked meanwhile.
 * archive: the given-up records. ST_AGAIN: it can't be done this way, nothing has changed and the
 * folder is gone; a full copy is needed. ST_CORRUPT: what was fetched is damaged; nothing has
 * changed. ST_IO, ST_NO_SPACE, ST_LOCKED: the next start goes on. Any thread; waits for the disk.
 */
MUST_CHECK enum status refetch_commit(const struct io *io, const char *dir, uint64_t map_size_max,
				      const struct divergent_name *archive, struct buf *error);

/* Finishes what a crash interrupted, or removes what was never complete. Called by engine_open,
 * which holds the directory's lock, before rewind_recover. */
MUST_CHECK enum status refetch_recover(const struct io *io, const char *dir, uint64_t map_size_max,
				       struct buf *error);

/* The store's transaction alone, in a store that nobody has open. ST_LIMIT: it would be too large
 * for one; nothing has changed. ST_CORRUPT: the patch or the store; ST_IO, ST_NO_SPACE. */
MUST_CHECK enum status refetch_apply(const struct io *io, const char *store_path,
				     uint64_t map_size_max, const struct refetch *patch,
				     struct buf *error);

#endif
