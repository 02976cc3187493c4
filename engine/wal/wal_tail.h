/* Following a log that is being written: whole frames as they lie on disk, for replicas.
 *
 * A tail stands between two frames. Nothing is given that was not checked here: seal, payload
 * checksum, chain and LSN, so damage on this disk does not travel. Segments that are no longer in
 * the log's folder are looked for in the archive. One tail belongs to one thread; the writer it
 * follows may run beside it. Keep what is still to be read pinned (wal_writer_pin). */
#ifndef CAIRN_ENGINE_WAL_WAL_TAIL_H
#define CAIRN_ENGINE_WAL_WAL_TAIL_H

#include "engine/base/io.h"
#include "engine/wal/wal_segment.h"

struct wal_tail;

struct wal_tail_options {
	const struct io *io;
	const char *dir;	 /* the log's folder; borrowed */
	const char *archive_dir; /* NULL: none; borrowed */
	uint64_t lsn;		 /* the first piece of frames holds this record */
};

struct wal_tail_piece {
	/* Not empty: the tail has moved to a segment with this header (whole, as stored); the
	 * frames are sealed for it. The first piece has one. */
	struct slice header;
	struct slice frames; /* whole frames back to back, padding included; may be empty */
	uint64_t first_lsn;  /* of the first record in frames */
	uint64_t next_lsn;   /* of the record that follows frames */
	uint64_t chain;	     /* digest of the last frame with records */
};

/* Finds the frame that holds lsn, or the end of the log when lsn is the next to be written.
 * ST_NOT_FOUND: that record is not there any more (or yet). ST_CORRUPT, ST_VERSION, ST_IO,
 * ST_NO_MEMORY; error gets a line for humans. */
MUST_CHECK enum status wal_tail_open(const struct wal_tail_options *opts, struct wal_tail **out,
				     struct buf *error);
void wal_tail_close(struct wal_tail *t); /* NULL is fine */

/* Where the tail stands: the LSN of the next record and the digest before it. */
uint64_t wal_tail_lsn(const struct wal_tail *t);
uint64_t wal_tail_chain(const struct wal_tail *t);

/* The header of the segment that the tail stands in, as stored; wal_tail_next will not give it once
 * more. Valid until the next call. */
struct slice wal_tail_header(struct wal_tail *t);

/* The next piece: frames whose records are all at or below limit_lsn (which must be written), about
 * bytes_max of them, at least one. *out borrows the tail until the next call. ST_END: nothing new
 * up to the limit. ST_NOT_FOUND: the log was cut off under the tail (its segment is gone).
 * ST_CORRUPT, ST_VERSION, ST_IO, ST_NO_MEMORY; then the tail can only be closed. */
MUST_CHECK enum status wal_tail_next(struct wal_tail *t, uint64_t limit_lsn, size_t bytes_max,
				     struct wal_tail_piece *out, struct buf *error);

#endif
