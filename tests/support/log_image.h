/* The segments of a log as bytes, to be damaged and read. Its records are those of log_sample.h. */
#ifndef CAIRN_TESTS_SUPPORT_LOG_IMAGE_H
#define CAIRN_TESTS_SUPPORT_LOG_IMAGE_H

#include "engine/wal/wal_reader.h"

#include <stdbool.h>

enum { LOG_IMAGE_FILES = 64, LOG_ERROR_SIZE = 768 };

struct log_file {
	uint64_t first_lsn; /* by its name */
	char name[WAL_SEGMENT_NAME_SIZE];
	struct buf bytes;
};

struct log_image {
	size_t count;
	struct log_file files[LOG_IMAGE_FILES]; /* ascending */
};

/* What a reader made of a log. */
struct log_verdict {
	enum status st;		       /* of the stop, or of opening */
	uint64_t first, last, records; /* LSNs given; 0: none */
	bool wrong;		       /* a record was not that of its LSN, or out of order */
	struct wal_reader_end end;
	char error[LOG_ERROR_SIZE];
};

/* Takes over the segments of a folder; asserts that it can be read. */
void log_image_load(struct log_image *im, const struct io *io, const char *dir);
void log_image_copy(struct log_image *to, const struct log_image *from); /* to: zeroed */
void log_image_deinit(struct log_image *im);

/* Adds an empty file, to be filled by the caller; it must come last. */
struct log_file *log_image_add(struct log_image *im, uint64_t first_lsn);
/* Takes the i-th file out. */
void log_image_remove(struct log_image *im, size_t i);

/* Reads it all by wal_reader, comparing each record with the sample. */
void log_image_read(const struct log_image *im, uint64_t from_lsn, uint64_t safe_lsn,
		    struct log_verdict *out);
/* Likewise from a folder. */
void log_dir_read(const struct io *io, const char *dir, uint64_t from_lsn, uint64_t safe_lsn,
		  struct log_verdict *out);

#endif
