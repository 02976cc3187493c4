/* Giving up what is off the shard's history: a primary that was deposed goes back to the last LSN
 * that it shares with its successor, the fork.
 *
 * Nothing is given up before it has been archived: the records after the fork are first written to
 *
 *   DIR/divergent/<epoch>-<first LSN>-<timeline>.wal     (decimal; 16 hexadecimal digits each)
 *
 * a regular segment (engine/wal/wal_segment.h): its header has the history of the log it comes
 * from, its frames are those of the log, sealed anew; a frame that needs another dictionary than
 * the first one is compressed anew. A clean mark ends it. Names are temporary until all of it is
 * synced, so a file that has its name is complete. Of two of the same name the longer one is kept.
 *
 * Then the mark DIR/rewind names the fork, and the log is cut: segments behind the fork are
 * removed, newest first, what follows the fork's frame in its segment is blanked, and the mark is
 * removed. Each step may be repeated: after a crash rewind_recover goes on from the mark. */
#ifndef CAIRN_ENGINE_REWIND_H
#define CAIRN_ENGINE_REWIND_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/divergent.h"

enum { REWIND_FILE_SIZE = 256 };

/* Name of the mark in the data directory. */
#define REWIND_MARK "rewind"

/* What was archived. */
struct rewind_result {
	uint64_t records, bytes; /* bytes: of the file */
	uint64_t first_lsn, last_lsn;
	struct divergent_name name;
	char file[REWIND_FILE_SIZE]; /* relative to the data directory; "" when there was nothing */
};

/* Archives the records after fork_lsn and cuts the log behind it. The engine of DIR is closed; the
 * directory is locked meanwhile. Afterwards engine_open finds exactly the records up to fork_lsn.
 * ST_AGAIN: the log alone is not enough, since the store may hold effects of later records or the
 * log does not reach back to the fork; the records are archived all the same, nothing else has
 * changed, and a full copy is needed. ST_INVALID: fork_lsn is not the end of a frame of this log,
 * or lies behind its end; nothing has changed. ST_CORRUPT: the log is damaged; nothing has changed.
 * ST_LOCKED. ST_IO, ST_NO_SPACE: try again; a log that is partly cut is cut by the next start.
 * error gets a line for humans. Any thread; waits for the disk. */
MUST_CHECK enum status rewind_log(const struct io *io, const char *dir, uint64_t fork_lsn,
				  struct rewind_result *out, struct buf *error);

/* Only archives the records after after_lsn, and those that share a frame with it: before a full
 * copy takes the log's place. Errors as above but ST_AGAIN and ST_INVALID. */
MUST_CHECK enum status rewind_archive(const struct io *io, const char *dir, uint64_t after_lsn,
				      struct rewind_result *out, struct buf *error);

/* Finishes a cut that was interrupted, if there is one. Called by engine_open, which holds the
 * directory's lock, after dataset_recover. */
MUST_CHECK enum status rewind_recover(const struct io *io, const char *dir, struct buf *error);

#endif
