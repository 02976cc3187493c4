/* One WAL segment cut behind an LSN: the plan, the shortened copy, and the change of names. */
#ifndef CAIRN_TOOLS_SEGMENT_CUT_H
#define CAIRN_TOOLS_SEGMENT_CUT_H

#include "engine/wal/wal_segment.h"

struct cut_plan {
	const char *path;  /* of the segment; borrowed */
	uint64_t keep_lsn; /* newest record that stays; below the first LSN: none does */
	/* Filled in by segment_cut_plan. */
	uint64_t keep_off;  /* end of the last frame that stays whole */
	uint64_t split_off; /* of the frame whose first records stay; 0: none */
	uint64_t cut_bytes; /* from keep_off to the last byte that is not zero */
};

/* Reads the file. ST_CORRUPT: its header, or the frame to be split, is damaged; ST_VERSION; ST_IO;
 * ST_NO_MEMORY. */
MUST_CHECK enum status segment_cut_plan(const struct io *io, struct cut_plan *plan);

/* Writes what stays into PATH.repair, synced. error gets a line for humans. */
MUST_CHECK enum status segment_cut_write(const struct io *io, const struct cut_plan *plan,
					 struct buf *error);

/* Gives the old file the name PATH.cut as well, and PATH.repair the old one's; dir is the folder,
 * synced. */
MUST_CHECK enum status segment_cut_replace(const struct io *io, const struct cut_plan *plan,
					   const char *dir, struct buf *error);

/* A C string in *out: PATH.cut, or PATH.cut.1 and so on when that exists. ST_LIMIT: too many. */
MUST_CHECK enum status segment_keep_name(const char *path, struct buf *out);

#endif
