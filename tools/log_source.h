/* The log as the tools take it from a command line: folders and files, in LSN order, one record
 * after the other. The reading itself is engine/wal/wal_reader.h's; here are operands, duplicates,
 * and patience with a node that writes at the same time. */
#ifndef CAIRN_TOOLS_LOG_SOURCE_H
#define CAIRN_TOOLS_LOG_SOURCE_H

#include "engine/wal/wal_reader.h"
#include "tools/tool.h"

/* Where a record stands. */
struct log_place {
	const char *file;		       /* path; valid until the next log_next */
	uint64_t off;			       /* of its frame */
	uint32_t stored_len, raw_len, records; /* of its frame */
	uint64_t epoch, timeline;
	unsigned flags; /* WAL_FRAME_* */
};

/* A segment that was found, in LSN order. */
struct log_segment {
	char *path; /* owned by the source */
	uint64_t first_lsn;
	uint64_t file_bytes;
};

struct log_source;

/* Finds the segments of every operand: a data directory, a folder of segments, or a file. A segment
 * found twice (say, in the log and in its archive) counts once, the longer file winning. Returns
 * EXIT_GO_ON, or an exit code after telling what is wrong: also, when there is no segment at
 * all. Operands must outlive the source. */
int log_open(struct tool *t, char *const *operands, size_t count, struct log_source **out);
void log_close(struct log_source *l); /* NULL is fine */

/* All segments, ascending; valid until log_seek or log_next. */
const struct log_segment *log_segments(const struct log_source *l, size_t *count);

/* Reads a segment's header; storage backs what *out borrows. Errors of wal_segment_read. */
MUST_CHECK enum status log_segment_header(const struct log_source *l, size_t index,
					  struct buf *storage, struct wal_segment *out);

/* Makes the next record the first one at or after lsn (0: the oldest there is). Returns EXIT_GO_ON,
 * or an exit code after telling what is wrong: also, with need_all, when the log begins after lsn.
 */
int log_seek(struct log_source *l, uint64_t lsn, bool need_all);

/* The next record, valid until the next call. ST_END: the log ends in order. ST_TORN: it ends in an
 * unfinished write, or a node is writing just there. ST_CORRUPT, ST_VERSION, ST_IO: see log_error.
 */
MUST_CHECK enum status log_next(struct log_source *l, struct wal_record *rec,
				struct log_place *place);

/* After ST_END or ST_TORN: waits for a node to write more, at most wait_ms; true when it is worth
 * calling log_next again. */
bool log_wait(struct log_source *l, uint32_t wait_ms);

/* What the reader knows; complete after a stop. */
void log_end(const struct log_source *l, struct wal_reader_end *out);

/* One line about the last stop: what, where, what to do. "" after a plain end. */
const char *log_error(const struct log_source *l);

/* The exit code for what a record holds that makes no sense (st), told with its place. */
int log_bad_record(const struct log_source *l, enum status st, const struct wal_record *rec,
		   const struct log_place *place);

/* The exit code for a stop, told on stderr unless it is ST_END. */
int log_report(const struct log_source *l, enum status st);

#endif
