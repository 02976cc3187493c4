/* Reading logs for comparison. */
#include "tests/support/log_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <xxhash.h>

#include <cmocka.h>

static enum status read_all(struct wal_reader *r, struct log_digest *out)
{
	struct wal_reader_end end;
	struct wal_record rec;
	enum status st;

	*out = (struct log_digest){0};
	while ((st = wal_reader_next(r, &rec)) == ST_OK) {
		out->first_lsn = out->first_lsn == 0 ? rec.lsn : out->first_lsn;
		out->last_lsn = rec.lsn;
		out->records++;
		out->digest = XXH3_64bits_withSeed(rec.ops.data, rec.ops.len,
						   out->digest * 31 + rec.lsn + rec.time_ms);
	}
	wal_reader_end(r, &end);
	out->clean = end.clean;
	out->history = end.history;
	return st;
}

void log_digest_dir(const char *dir, uint64_t from_lsn, struct log_digest *out)
{
	struct wal_reader_options opts = {.from_lsn = from_lsn};
	struct wal_reader *r;

	assert_int_equal(wal_reader_open(io_posix(), dir, &opts, &r), ST_OK);
	assert_int_equal(read_all(r, out), ST_END);
	wal_reader_close(r);
}

bool log_digest_file(const char *path, struct log_digest *out)
{
	struct wal_source_file file = {.io = io_posix()};
	struct wal_reader_segment segment = {.name = path};
	struct wal_reader_options opts = {0};
	struct buf storage = {0};
	struct wal_segment header;
	struct wal_reader *r;
	enum status st;

	if (io_posix()->ops->open(NULL, path, IO_READ, &file.file) != ST_OK) {
		return false;
	}
	segment.source = wal_source_of_file(&file);
	st = wal_segment_read(segment.source, &storage, &header);
	if (st == ST_OK) {
		segment.first_lsn = header.first_lsn;
		assert_int_equal(wal_reader_open_segments(&segment, 1, &opts, &r), ST_OK);
		st = read_all(r, out);
		wal_reader_close(r);
	}
	io_posix()->ops->close(NULL, file.file);
	buf_deinit(&storage);
	return st == ST_END;
}

size_t log_frame_ends(const char *dir, uint64_t from_lsn, uint64_t *ends, size_t max)
{
	struct wal_reader_options opts = {.from_lsn = from_lsn};
	struct wal_record rec;
	struct wal_reader *r;
	size_t count = 0;

	assert_int_equal(wal_reader_open(io_posix(), dir, &opts, &r), ST_OK);
	while (wal_reader_next(r, &rec) == ST_OK) {
		if (wal_reader_left(r) == 0 && count < max) {
			ends[count++] = rec.lsn;
		}
	}
	wal_reader_close(r);
	return count;
}
