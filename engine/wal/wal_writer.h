/* The WAL's writing side: a thread of its own compresses, appends, syncs and publishes how far it
 * got.
 *
 * The executor appends encoded records at the end of each turn; the thread takes all that is
 * pending, cuts it into frames, writes them with one pwrite where it can and syncs by policy. While
 * one group is being synced the next one gathers, so group commit needs no timer. */
#ifndef CAIRN_ENGINE_WAL_WAL_WRITER_H
#define CAIRN_ENGINE_WAL_WAL_WRITER_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/status.h"
#include "engine/wal/wal_history.h"

#include <stdbool.h>

enum wal_fsync { WAL_FSYNC_NO, WAL_FSYNC_EVERYSEC, WAL_FSYNC_ALWAYS };

/* Where the log ends, as recovery found it; the writer continues from here. */
struct wal_position {
	uint64_t next_lsn;	/* of the next record; 1 in an empty log */
	uint64_t chain;		/* checksum of the last frame, 0 in an empty log */
	uint64_t segment_first; /* first LSN of the segment to continue, 0: begin a new one */
	uint64_t segment_off;	/* byte where the next frame goes */
};

struct wal_writer_options {
	const struct io *io;
	const struct clock *clock;
	const char *dir;	 /* the wal folder; exists */
	const char *archive_dir; /* NULL: no archive */
	uint64_t segment_size;	 /* bytes at which a new segment is begun */
	uint64_t keep_size;	 /* finished segments kept beyond what is needed, bytes */
	uint64_t keep_ms;	 /* and milliseconds; 0: by size alone */
	int compression_level;	 /* zstd level; 0: raw frames */
	struct slice dictionary; /* trained zstd dictionary, empty: none */
	enum wal_fsync fsync;
	struct wal_history history; /* the timeline of new records is the last entry */
	struct wal_position at;
	bool fresh_segment; /* go on in a new segment, as behind a torn tail */
	/* Called on the WAL thread whenever a watermark moved or the state changed; must not block.
	 */
	void (*notify)(void *arg);
	void *notify_arg;
};

enum wal_state {
	WAL_RUNNING,
	WAL_STALLED, /* no space: retried by itself; what is pending waits, new writes are to be
			refused */
	WAL_FAILED,  /* write or sync error: nothing more becomes durable until a restart */
};

struct wal_stats {
	uint64_t written_lsn, durable_lsn;
	uint64_t frames, records;
	uint64_t raw_bytes,
	    stored_bytes;    /* payload before and after compression, headers in stored */
	uint64_t disk_bytes; /* bytes given to pwrite */
	uint64_t fsyncs, fsync_us_total, fsync_us_max;
	uint64_t pending_bytes; /* appended, not yet written */
	uint64_t segments, segments_bytes;
	uint64_t first_lsn; /* oldest LSN still on disk */
	enum wal_state state;
	int last_errno;
};

struct wal_frame;
struct wal_writer;

/* Starts the thread. The first segment is made here, so errors of the folder appear here. */
MUST_CHECK enum status wal_writer_open(const struct wal_writer_options *opts,
				       struct wal_writer **out);

/* Hands over count whole encoded records whose LSNs start at first_lsn (= the last one given + 1).
 * The bytes are copied or swapped out of *records, which comes back empty with some capacity.
 * Executor thread. ST_NO_MEMORY, or ST_AGAIN while received frames are pending: nothing taken, call
 * again later. ST_READ_ONLY: state is WAL_FAILED, nothing taken. */
MUST_CHECK enum status wal_writer_append(struct wal_writer *w, struct buf *records,
					 uint64_t first_lsn, uint32_t count);

/* --- what a primary sent (wal_writer_frames.c) --- */

/* Hands over a sealed frame as it came: it is written under this log's own seal, otherwise byte for
 * byte. f: as decoded, checked by the caller to follow what was handed over before (LSN and chain);
 * stored: its payload, copied. Executor thread. ST_AGAIN: records or a new segment are still
 * pending; ST_NO_MEMORY: both leave nothing taken, call again later. ST_READ_ONLY as
 * wal_writer_append. */
MUST_CHECK enum status wal_writer_append_frame(struct wal_writer *w, const struct wal_frame *f,
					       struct slice stored);

/* What is appended from now on belongs to this history and, in frames, needs this dictionary
 * (copied): a segment that says so is begun, unless the present one does. Executor thread. The same
 * statuses. */
MUST_CHECK enum status wal_writer_set_history(struct wal_writer *w,
					      const struct wal_history *history,
					      struct slice dictionary);

/* Digest of the last frame with records that was written, and the LSN it ends with; 0, 0 in an
 * empty log. Any thread. */
void wal_writer_chain(struct wal_writer *w, uint64_t *lsn, uint64_t *chain);

/* --- keeping segments (wal_writer_frames.c) --- */

/* While a pin is in place, segments with records from its LSN on are neither recycled nor deleted.
 * The caller owns the pin and removes it before the writer is closed. Any thread. */
struct wal_pin {
	uint64_t lsn;
	struct wal_pin *next, *prev;
	bool placed;
};
void wal_writer_pin(struct wal_writer *w, struct wal_pin *pin, uint64_t lsn); /* sets or moves */
void wal_writer_unpin(struct wal_writer *w, struct wal_pin *pin); /* fine when not placed */

/* Newest LSN given to write(2), and newest known to be on disk. Any thread, one atomic load each.
 */
uint64_t wal_writer_written_lsn(const struct wal_writer *w);
uint64_t wal_writer_durable_lsn(const struct wal_writer *w);
enum wal_state wal_writer_state(const struct wal_writer *w);

/* Waits until lsn is durable, whatever the policy. Any thread but the executor and the WAL thread.
 * ST_IO: the log failed first. ST_NO_SPACE: it is stalled; try again later. */
MUST_CHECK enum status wal_writer_sync(struct wal_writer *w, uint64_t lsn);

/* Records up to lsn are no longer needed for recovery (the previous checkpoint): segments wholly at
 * or below it may be archived, recycled or deleted as retention allows. Any thread. */
void wal_writer_release(struct wal_writer *w, uint64_t lsn);

/* Changes settings of a running log. Executor thread. */
void wal_writer_set_fsync(struct wal_writer *w, enum wal_fsync fsync);
void wal_writer_set_level(struct wal_writer *w, int level);
void wal_writer_set_retention(struct wal_writer *w, uint64_t keep_size, uint64_t keep_ms);

/* A copy of the counters. Any thread. */
void wal_writer_stats(struct wal_writer *w, struct wal_stats *out);

/* Writes and syncs what is pending, marks the log as cleanly closed, ends the thread, frees. NULL
 * is fine. Returns what the last sync said. */
enum status wal_writer_close(struct wal_writer *w);

#endif
