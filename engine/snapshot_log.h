/* The log of a full copy, DIR/copy/wal, or of a refetch: written frame by frame as the sender
 * stored them. One thread at a time; it waits for the disk. */
#ifndef CAIRN_ENGINE_SNAPSHOT_LOG_H
#define CAIRN_ENGINE_SNAPSHOT_LOG_H

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_segment.h"

struct snapshot_log;

/* Begins the log at first_lsn with this chain, in the history and with the dictionary of segment;
 * segment_size: bytes of each of its files, which are allocated as they begin. What an earlier
 * attempt left is removed. copy: the folder that
 * gets the log, which exists. ST_LIMIT: its path is too long. ST_IO, ST_NO_SPACE, ST_NO_MEMORY. */
MUST_CHECK enum status snapshot_log_open(const struct io *io, const struct clock *clock,
					 const char *copy, uint64_t segment_size,
					 const struct wal_segment *segment, uint64_t first_lsn,
					 uint64_t chain, struct snapshot_log **out);

/* Appends a frame whose payload was checked. segment: what it was sealed for; a new history begins
 * a segment. ST_CORRUPT: it does not follow. ST_READ_ONLY: the disk failed. ST_NO_MEMORY. */
MUST_CHECK enum status snapshot_log_frame(struct snapshot_log *l, const struct wal_segment *segment,
					  const struct wal_frame *f, struct slice stored);

/* The LSN after the last record, and the history it belongs to. */
uint64_t snapshot_log_next_lsn(const struct snapshot_log *l);
const struct wal_history *snapshot_log_history(const struct snapshot_log *l);

/* Makes it durable and closes it; then the log is gone, whatever is returned. */
MUST_CHECK enum status snapshot_log_finish(struct snapshot_log *l);
void snapshot_log_close(struct snapshot_log *l); /* gives it up; NULL is fine */

#endif
