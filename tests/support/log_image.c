/* A log in memory and the reader's verdict on it. */
#include "tests/support/log_image.h"

#include "tests/support/log_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void load_file(struct log_file *f, const struct io *io, const char *dir)
{
	char path[WAL_PATH_MAX];
	struct io_file *file;
	uint64_t size;
	size_t got;

	assert_int_equal(wal_segment_path(dir, f->name, path), ST_OK);
	assert_int_equal(io->ops->open(io->ctx, path, IO_READ, &file), ST_OK);
	assert_int_equal(io->ops->size(io->ctx, file, &size), ST_OK);
	assert_int_equal(buf_reserve(&f->bytes, size + 1), ST_OK);
	assert_int_equal(io->ops->pread(io->ctx, file, f->bytes.data, size, 0, &got), ST_OK);
	assert_int_equal(got, size);
	f->bytes.len = got;
	io->ops->close(io->ctx, file);
}

struct log_file *log_image_add(struct log_image *im, uint64_t first_lsn)
{
	struct log_file *f = &im->files[im->count];

	assert_true(im->count < LOG_IMAGE_FILES);
	*f = (struct log_file){.first_lsn = first_lsn};
	wal_segment_name(first_lsn, f->name);
	im->count++;
	return f;
}

void log_image_load(struct log_image *im, const struct io *io, const char *dir)
{
	struct wal_segment_list list;

	memset(im, 0, sizeof *im);
	assert_int_equal(wal_segment_list_read(io, dir, &list), ST_OK);
	for (size_t i = 0; i < list.count; i++) {
		load_file(log_image_add(im, list.first_lsn[i]), io, dir);
	}
	wal_segment_list_deinit(&list);
}

void log_image_copy(struct log_image *to, const struct log_image *from)
{
	for (size_t i = 0; i < from->count; i++) {
		struct log_file *f = log_image_add(to, from->files[i].first_lsn);
		struct slice bytes = buf_slice(&from->files[i].bytes);

		assert_int_equal(buf_append(&f->bytes, bytes.data, bytes.len), ST_OK);
	}
}

void log_image_remove(struct log_image *im, size_t i)
{
	buf_deinit(&im->files[i].bytes);
	memmove(&im->files[i], &im->files[i + 1], (--im->count - i) * sizeof im->files[0]);
}

void log_image_deinit(struct log_image *im)
{
	for (size_t i = 0; i < im->count; i++) {
		buf_deinit(&im->files[i].bytes);
	}
	im->count = 0;
}

static void judge(struct wal_reader *r, struct log_verdict *out)
{
	struct wal_record rec;

	while ((out->st = wal_reader_next(r, &rec)) == ST_OK) {
		out->wrong |= !log_sample_is(&rec) || (out->last != 0 && rec.lsn != out->last + 1);
		out->first = out->first == 0 ? rec.lsn : out->first;
		out->last = rec.lsn;
		out->records++;
	}
	/* The same answer again, whatever it was. */
	out->wrong |= wal_reader_next(r, &rec) != out->st;
	wal_reader_end(r, &out->end);
	(void)snprintf(out->error, sizeof out->error, "%s", wal_reader_error(r));
	wal_reader_close(r);
}

void log_image_read(const struct log_image *im, uint64_t from_lsn, uint64_t safe_lsn,
		    struct log_verdict *out)
{
	struct wal_reader_options opts = {.from_lsn = from_lsn, .safe_lsn = safe_lsn};
	struct wal_reader_segment segments[LOG_IMAGE_FILES];
	struct slice bytes[LOG_IMAGE_FILES];
	struct wal_reader *r;

	*out = (struct log_verdict){0};
	for (size_t i = 0; i < im->count; i++) {
		bytes[i] = buf_slice(&im->files[i].bytes);
		segments[i] = (struct wal_reader_segment){
		    im->files[i].first_lsn, wal_source_of_memory(&bytes[i]), im->files[i].name};
	}
	out->st = wal_reader_open_segments(segments, im->count, &opts, &r);
	if (out->st == ST_OK) {
		judge(r, out);
	}
}

void log_dir_read(const struct io *io, const char *dir, uint64_t from_lsn, uint64_t safe_lsn,
		  struct log_verdict *out)
{
	struct wal_reader_options opts = {.from_lsn = from_lsn, .safe_lsn = safe_lsn};
	struct wal_reader *r;

	*out = (struct log_verdict){0};
	out->st = wal_reader_open(io, dir, &opts, &r);
	if (out->st == ST_OK) {
		judge(r, out);
	}
}
