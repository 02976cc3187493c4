/* The inside of giving records up, shared by its files: rewind.c (what may be done, the mark, the
 * cut) and rewind_archive.c (the file in divergent/). */
#ifndef CAIRN_ENGINE_REWIND_IMPL_H
#define CAIRN_ENGINE_REWIND_IMPL_H

#include "engine/rewind.h"
#include "engine/wal/wal_segment.h"

/* What a look at the whole log from an LSN on has found. */
struct rewind_survey {
	uint64_t oldest_lsn; /* of the oldest segment; 0: there is no log */
	uint64_t last_lsn;   /* of the last record; 0: none */
	bool at_frame_end;   /* the LSN is the last of its frame, or precedes the log's first */
	struct wal_history history; /* of the last segment */
};

/* Writes the records after lsn, which exist, to DIR/divergent, durable; or finds that they are
 * there. wal_dir is DIR/wal. ST_NOT_FOUND cannot be; other errors with error. */
MUST_CHECK enum status rewind_write_archive(const struct io *io, const char *dir,
					    const char *wal_dir, uint64_t lsn,
					    const struct rewind_survey *log,
					    struct rewind_result *out, struct buf *error);

/* Writes the mark and cuts the log behind fork_lsn, which is the end of a frame, whatever the store
 * holds; the caller has the directory's lock. Errors as rewind_recover, which finishes it. */
MUST_CHECK enum status rewind_cut(const struct io *io, const char *dir, uint64_t fork_lsn,
				  struct buf *error);

#endif
