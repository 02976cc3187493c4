/* The segment files of a log that is being written: begin, retain, recycle, archive, delete. */
#ifndef CAIRN_ENGINE_WAL_WAL_FILES_H
#define CAIRN_ENGINE_WAL_WAL_FILES_H

#include "engine/wal/wal_segment.h"

struct wal_file_entry {
	uint64_t first_lsn, bytes, created_ms;
};

/* Files of one folder; used by the WAL thread alone. */
struct wal_files {
	const struct io *io;
	const char *dir;
	const char *archive_dir;	/* NULL: none */
	struct wal_file_entry *entries; /* ascending; the last one is being written */
	size_t count, cap;
	uint64_t archived_below; /* segments that begin below this LSN are in the archive */
};

/* Lists the folder and removes what a crash left half made. */
MUST_CHECK enum status wal_files_open(struct wal_files *f, const struct io *io, const char *dir,
				      const char *archive_dir);
void wal_files_close(struct wal_files *f);

/* Makes a segment with this header and gives it opened for reading and writing: from a released
 * file when may_recycle and there is one, else new, with size bytes reserved. Durable, name
 * included, on return. Replaces a segment of the same first LSN, which can only be an empty one.
 * segment's salt and header_len are set. On failure nothing but a leftover that wal_files_open
 * removes is there. */
MUST_CHECK enum status wal_files_begin(struct wal_files *f, struct wal_segment *segment,
				       uint64_t size, uint64_t release_lsn, uint64_t keep_size,
				       uint64_t keep_ms, struct io_file **out);

/* Deletes released segments beyond what retention keeps; one is left for recycling. */
void wal_files_trim(struct wal_files *f, uint64_t release_lsn, uint64_t keep_size, uint64_t keep_ms,
		    uint64_t now_ms);

/* Sum of the sizes. */
uint64_t wal_files_bytes(const struct wal_files *f);

/* Copies a finished segment to the archive: temporary name, sync, rename, folder sync. ST_OK when
 * it is there already with the same size. Any thread. */
MUST_CHECK enum status wal_archive_copy(const struct io *io, const char *dir,
					const char *archive_dir, uint64_t first_lsn);

#endif
