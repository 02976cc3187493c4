/* WAL segments: files named after their first LSN, with a header that repeats all that a tool
 * needs. Frames (wal_frame.h) follow the header back to back.
 *
 * Name: 16 lower-case hexadecimal digits of the first LSN, then ".wal". Integers little-endian.
 *
 *   off  size  field
 *     0     8  magic "CairnWAL"
 *     8     4  format version, 1
 *    12     4  header length H, a multiple of 4096: where the first frame begins
 *    16     8  XXH3-64 of bytes 24..H-1, seeded with version << 32 | H
 *    24     8  shard id
 *    32     8  first LSN: of the first record that may be in this segment
 *    40     8  chain: digest of the last frame before this segment that had records, 0 for none
 *    48     8  watermark: newest LSN known durable at creation. A segment is begun only after the
 *              one before is synced, so this is the first LSN - 1
 *    56     8  wall clock of creation, ms
 *    64     4  flags: 1 recycled file (stale bytes may follow the last frame; without it only
 *              zeros may); others must be 0
 *    68     4  number of history entries, 1..64
 *    72     4  dictionary length, 0 for none
 *    76     4  0
 *    80  24*n  history, oldest first: timeline id, epoch, first LSN
 *     +        dictionary (zstd), then zeros up to H
 *
 * Salt of the frames in a segment: XXH3-64 of (shard id, first LSN, id of the newest timeline in
 * the header) as three u64. It keeps frames of other segments and the remains in a recycled file
 * from being taken for this segment's. */
#ifndef CAIRN_ENGINE_WAL_WAL_SEGMENT_H
#define CAIRN_ENGINE_WAL_WAL_SEGMENT_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/wal/wal_writer.h"

enum {
	WAL_SEGMENT_VERSION = 1,
	WAL_SEGMENT_PREFIX_LEN = 16, /* enough of a header to know its length */
	WAL_SEGMENT_NAME_SIZE = 21,  /* with the terminator */
	WAL_SEGMENT_HEADER_UNIT = 4096,
	WAL_DICTIONARY_MAX = 1 << 20,
	WAL_PATH_MAX = 4096,
};

struct wal_segment {
	uint64_t first_lsn;
	uint64_t chain;
	uint64_t watermark;
	uint64_t created_ms;
	uint64_t salt;	     /* computed */
	uint32_t header_len; /* computed */
	bool recycled;
	struct wal_history history;
	struct slice dictionary; /* borrowed */
};

/* Writes the file name of a segment. */
void wal_segment_name(uint64_t first_lsn, char out[WAL_SEGMENT_NAME_SIZE]);

/* True when the name is exactly that of a segment. */
bool wal_segment_name_parse(const char *name, uint64_t *first_lsn);

/* Joins dir and name. ST_LIMIT: longer than WAL_PATH_MAX. */
MUST_CHECK enum status wal_segment_path(const char *dir, const char *name, char out[WAL_PATH_MAX]);

/* The salt that a segment's frames are sealed with. */
uint64_t wal_segment_salt(uint64_t shard_id, uint64_t first_lsn, uint64_t timeline);

/* Appends a whole header to out and sets salt and header_len. ST_LIMIT: dictionary over
 * WAL_DICTIONARY_MAX. */
MUST_CHECK enum status wal_segment_encode(struct wal_segment *s, struct buf *out);

/* The length a header claims in its first WAL_SEGMENT_PREFIX_LEN bytes. ST_NOT_FOUND: no header;
 * ST_VERSION: of an unknown version; ST_CORRUPT: impossible length. */
MUST_CHECK enum status wal_segment_header_len(struct slice prefix, uint32_t *out);

/* Reads a whole header. The dictionary borrows in. Errors as above; ST_CORRUPT also for a checksum
 * that differs; ST_VERSION also for unknown flags. */
MUST_CHECK enum status wal_segment_decode(struct slice in, struct wal_segment *out);

/* --- where bytes come from --- */

/* Random access to the bytes of one segment: a file or memory. */
struct wal_source {
	/* Reads up to len bytes; *got is short only at the end. */
	enum status (*read_at)(void *ctx, void *dst, size_t len, uint64_t off, size_t *got);
	void *ctx;
};

struct wal_source_file {
	const struct io *io;
	struct io_file *file;
};

/* Both borrow their argument, which must outlive the source. */
struct wal_source wal_source_of_file(struct wal_source_file *f);
struct wal_source wal_source_of_memory(struct slice *bytes);

/* Reads a segment's header from a source; storage gets its bytes and backs out->dictionary. Errors
 * of wal_segment_decode, of the source, ST_NO_MEMORY. */
MUST_CHECK enum status wal_segment_read(struct wal_source src, struct buf *storage,
					struct wal_segment *out);

/* --- folders --- */

struct wal_segment_list {
	uint64_t *first_lsn; /* ascending */
	size_t count;
	size_t cap;
};

/* Lists the segments of a folder; other files are passed over. ST_NOT_FOUND: no folder. */
MUST_CHECK enum status wal_segment_list_read(const struct io *io, const char *dir,
					     struct wal_segment_list *out);
void wal_segment_list_deinit(struct wal_segment_list *list);

#endif
