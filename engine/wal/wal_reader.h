/* Reading a log: the next record from an LSN on, across segments, with nothing believed before its
 * checksum.
 *
 * Where frames stop, three answers are told apart:
 *   ST_END      the log ends here; what may follow is blank or left over from a recycled file
 *   ST_TORN     the last writes never became durable: bytes that are no frame, and nothing says
 * that they ever were one that was acknowledged ST_CORRUPT  something that was durable is damaged
 * or missing The rule: let W be the newest LSN that any valid header says is durable, here, behind
 * the bad place, or in a later segment, or that the caller knows to be safe (its checkpoint). A bad
 * place whose LSN is at most W is damage. */
#ifndef CAIRN_ENGINE_WAL_WAL_READER_H
#define CAIRN_ENGINE_WAL_WAL_READER_H

#include "engine/base/io.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_record.h"
#include "engine/wal/wal_segment.h"

struct wal_reader;

/* One segment as the reader finds it. */
struct wal_reader_segment {
	uint64_t first_lsn; /* by its name */
	struct wal_source source;
	const char *name; /* for messages; borrowed until the reader is closed */
};

struct wal_reader_options {
	uint64_t from_lsn; /* first record wanted; 0: the oldest there is */
	uint64_t safe_lsn; /* everything up to here was durable, whatever the log says; 0: nothing
			      known */
	size_t window;	   /* bytes read at a time, a multiple of 8 from 128 on; 0: 1 MiB */
};

/* Opens all segments of a folder. ST_NOT_FOUND: no folder. ST_IO, ST_NO_MEMORY, ST_LIMIT. */
MUST_CHECK enum status wal_reader_open(const struct io *io, const char *dir,
				       const struct wal_reader_options *opts,
				       struct wal_reader **out);

/* Reads segments given in ascending order; the sources must outlive the reader. */
MUST_CHECK enum status wal_reader_open_segments(const struct wal_reader_segment *segments,
						size_t count, const struct wal_reader_options *opts,
						struct wal_reader **out);
void wal_reader_close(struct wal_reader *r); /* NULL is fine */

/* The next record. *out borrows the reader until the call after the last record of its frame
 * (wal_reader_left). ST_END, ST_TORN, ST_CORRUPT, ST_VERSION: as above, with wal_reader_error;
 * called again, the same answer. ST_IO, ST_NO_MEMORY.
 */
MUST_CHECK enum status wal_reader_next(struct wal_reader *r, struct wal_record *out);

/* After ST_END or ST_TORN in the last segment: makes the next call look again at what is there now
 * behind the last good frame. For a log that another process goes on writing; a segment begun
 * meanwhile needs a new reader. After any other stop nothing changes. */
void wal_reader_resume(struct wal_reader *r);

/* Records of the present frame that are still to come: the next so many calls read no frame. */
uint32_t wal_reader_left(const struct wal_reader *r);

/* The frame and file place that the last record came from; file is valid as long as the reader. */
struct wal_place {
	const char *file;
	uint64_t offset; /* of the frame */
	uint32_t stored_len, raw_len, records;
	uint64_t epoch, timeline;
	unsigned flags; /* WAL_FRAME_* */
};
void wal_reader_place(const struct wal_reader *r, struct wal_place *out);

/* After a stop: what was found, where and what to do, as one line. "" after a plain end. */
const char *wal_reader_error(const struct wal_reader *r);

/* What a reader knows once it has stopped. */
struct wal_reader_end {
	struct wal_position at;	  /* where the log continues */
	bool clean;		  /* the last frame says that the writer stopped in order */
	bool empty;		  /* there is no segment at all */
	uint64_t torn_bytes;	  /* from the torn place to the last byte that is not blank */
	uint64_t watermark;	  /* newest LSN known to have been durable */
	uint64_t frames, records; /* read so far */
	uint64_t stored_bytes, raw_bytes;
	uint64_t first_lsn;	    /* of the first segment read */
	struct wal_history history; /* of the last segment read */
};
void wal_reader_end(const struct wal_reader *r, struct wal_reader_end *out);

#endif
