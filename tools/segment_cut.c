/* Cutting a segment. Frames are copied as they are; a frame that is cut in its middle is made anew
 * from its first records, with the same chain. */
#include "tools/segment_cut.h"

#include "engine/base/alloc.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_record.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { COPY = 1 << 20, NAMES_MAX = 1000, LEVEL = 1 };

static enum status open_read(const struct io *io, const char *path, struct io_file **out)
{
	return io->ops->open(io->ctx, path, IO_READ, out);
}

/* The last byte from off on that is not zero, as an offset one past it; off: none. */
static enum status find_tail(const struct io *io, struct io_file *f, uint64_t off, uint64_t *out)
{
	uint8_t *bytes = mem_alloc(COPY);
	enum status st = bytes == NULL ? ST_NO_MEMORY : ST_OK;
	size_t got = COPY;

	*out = off;
	for (; st == ST_OK && got == COPY; off += got) {
		st = io->ops->pread(io->ctx, f, bytes, COPY, off, &got);
		for (size_t i = st == ST_OK ? got : 0; i > 0; i--) {
			if (bytes[i - 1] != 0) {
				*out = off + i;
				break;
			}
		}
	}
	mem_free(bytes);
	return st;
}

/* Reads frame headers as long as what they hold stays. */
static enum status find_end(const struct io *io, struct io_file *f, const struct wal_segment *s,
			    struct cut_plan *plan)
{
	uint8_t head[WAL_FRAME_HEADER_LEN];
	uint64_t off = s->header_len;
	struct wal_frame frame;
	enum status st;
	size_t got;

	plan->split_off = 0;
	for (;;) {
		plan->keep_off = off;
		st = io->ops->pread(io->ctx, f, head, sizeof head, off, &got);
		if (st != ST_OK) {
			return st;
		}
		st = wal_frame_decode_header(slice_of(head, got), s->salt, &frame);
		if (st != ST_OK || frame.first_lsn > plan->keep_lsn) {
			return st == ST_VERSION ? ST_VERSION : ST_OK;
		}
		if (frame.records > 0 && wal_frame_next_lsn(&frame) - 1 > plan->keep_lsn) {
			plan->split_off = off;
			return ST_OK;
		}
		off += wal_frame_span(&frame);
	}
}

enum status segment_cut_plan(const struct io *io, struct cut_plan *plan)
{
	struct wal_source_file source = {.io = io};
	struct wal_segment segment;
	struct buf storage = {0};
	uint64_t tail;
	enum status st = open_read(io, plan->path, &source.file);

	if (st != ST_OK) {
		return st;
	}
	st = wal_segment_read(wal_source_of_file(&source), &storage, &segment);
	if (st == ST_NOT_FOUND) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = find_end(io, source.file, &segment, plan);
	}
	if (st == ST_OK) {
		st = find_tail(io, source.file, plan->keep_off, &tail);
	}
	if (st == ST_OK) {
		plan->cut_bytes = tail - plan->keep_off;
	}
	buf_deinit(&storage);
	io->ops->close(io->ctx, source.file);
	return st;
}

/* The records of a frame up to the last one that stays: their bytes and number. */
static enum status first_records(struct slice raw, const struct wal_frame *f, uint64_t keep_lsn,
				 struct slice *out, uint32_t *records)
{
	size_t len = 0;

	*records = 0;
	while (f->first_lsn + *records <= keep_lsn) {
		struct wal_record rec;
		size_t used;
		enum status st = wal_record_decode(slice_skip(raw, len), &rec, &used);

		if (st != ST_OK) {
			return st;
		}
		len += used;
		++*records;
	}
	*out = slice_of(raw.data, len);
	return ST_OK;
}

/* Makes the frame at plan->split_off again with its first records only. */
static enum status split_frame(const struct io *io, struct io_file *f, const struct wal_segment *s,
			       const struct cut_plan *plan, struct buf *out)
{
	struct wal_frame_encoder *encoder = NULL;
	struct wal_frame_decoder *decoder = NULL;
	struct wal_frame frame;
	struct buf stored = {0};
	struct slice raw, kept;
	uint32_t records;
	size_t got;
	enum status st = buf_reserve(&stored, WAL_FRAME_HEADER_LEN);

	if (st == ST_OK) {
		st = io->ops->pread(io->ctx, f, stored.data, WAL_FRAME_HEADER_LEN, plan->split_off,
				    &got);
	}
	if (st == ST_OK) {
		st = wal_frame_decode_header(slice_of(stored.data, got), s->salt, &frame);
	}
	if (st == ST_OK) {
		st = buf_reserve(&stored, frame.stored_len);
	}
	if (st == ST_OK) {
		st = io->ops->pread(io->ctx, f, stored.data, frame.stored_len,
				    plan->split_off + WAL_FRAME_HEADER_LEN, &got);
	}
	if (st == ST_OK) {
		stored.len = got;
		st = wal_frame_check_payload(&frame, buf_slice(&stored));
	}
	if (st == ST_OK) {
		st = wal_frame_decoder_create(&decoder);
	}
	if (st == ST_OK) {
		st = wal_frame_decoder_set_dictionary(decoder, s->dictionary);
	}
	if (st == ST_OK) {
		st = wal_frame_decode(decoder, &frame, buf_slice(&stored), &raw);
	}
	if (st == ST_OK) {
		st = first_records(raw, &frame, plan->keep_lsn, &kept, &records);
	}
	if (st == ST_OK) {
		st = wal_frame_encoder_create(LEVEL, s->dictionary, &encoder);
	}
	if (st == ST_OK) {
		frame.records = records;
		st = wal_frame_encode(encoder, &frame, kept, s->salt, out);
	}
	wal_frame_decoder_destroy(decoder);
	wal_frame_encoder_destroy(encoder);
	buf_deinit(&stored);
	return st == ST_NEED_MORE || st == ST_NOT_FOUND ? ST_CORRUPT : st;
}

static enum status copy_front(const struct io *io, struct io_file *from, struct io_file *to,
			      uint64_t len)
{
	uint8_t *bytes = mem_alloc(COPY);
	enum status st = bytes == NULL ? ST_NO_MEMORY : ST_OK;
	uint64_t off = 0;

	while (st == ST_OK && off < len) {
		size_t want = len - off < COPY ? (size_t)(len - off) : COPY, got;

		st = io->ops->pread(io->ctx, from, bytes, want, off, &got);
		if (st == ST_OK) {
			st = got == 0 ? ST_IO : io->ops->pwrite(io->ctx, to, bytes, got, off);
			off += got;
		}
	}
	mem_free(bytes);
	return st;
}

static enum status path_with(struct buf *out, const char *path, const char *tail)
{
	out->len = 0;
	return buf_printf(out, "%s%s%c", path, tail, '\0');
}

enum status segment_cut_write(const struct io *io, const struct cut_plan *plan, struct buf *error)
{
	struct wal_source_file source = {.io = io};
	struct wal_segment segment;
	struct io_file *to = NULL;
	struct buf storage = {0}, path = {0}, frame = {0};
	enum status st = path_with(&path, plan->path, ".repair");

	if (st == ST_OK) {
		st = open_read(io, plan->path, &source.file);
	}
	if (st == ST_OK) {
		st = wal_segment_read(wal_source_of_file(&source), &storage, &segment);
	}
	if (st == ST_OK && plan->split_off != 0) {
		st = split_frame(io, source.file, &segment, plan, &frame);
	}
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, (const char *)path.data,
				   IO_READ | IO_WRITE | IO_CREATE | IO_TRUNC, &to);
	}
	if (st == ST_OK) {
		st = copy_front(io, source.file, to, plan->keep_off);
	}
	if (st == ST_OK && frame.len > 0) {
		st = io->ops->pwrite(io->ctx, to, frame.data, frame.len, plan->keep_off);
	}
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, to);
	}
	if (st != ST_OK) {
		buf_note(error, "%s: the shortened copy cannot be made: %s", plan->path,
			 status_text(st));
	}
	if (to != NULL) {
		io->ops->close(io->ctx, to);
	}
	if (source.file != NULL) {
		io->ops->close(io->ctx, source.file);
	}
	buf_deinit(&storage);
	buf_deinit(&path);
	buf_deinit(&frame);
	return st;
}

enum status segment_keep_name(const char *path, struct buf *out)
{
	char tail[24] = ".cut";

	for (int n = 1; n < NAMES_MAX; n++) {
		enum status st = path_with(out, path, tail);

		if (st != ST_OK) {
			return st;
		}
		if (access((const char *)out->data, F_OK) != 0) {
			return errno == ENOENT ? ST_OK : ST_IO;
		}
		(void)snprintf(tail, sizeof tail, ".cut.%d", n);
	}
	return ST_LIMIT;
}

/* A second name, or, where the file system has no such thing, a copy. */
static enum status keep_old(const struct io *io, const char *path, const char *kept)
{
	struct io_file *from, *to;
	uint64_t size;
	enum status st;

	if (link(path, kept) == 0) {
		return ST_OK;
	}
	st = open_read(io, path, &from);
	if (st != ST_OK) {
		return st;
	}
	st = io->ops->open(io->ctx, kept, IO_WRITE | IO_CREATE | IO_EXCL, &to);
	if (st == ST_OK) {
		st = io->ops->size(io->ctx, from, &size);
		if (st == ST_OK) {
			st = copy_front(io, from, to, size);
		}
		if (st == ST_OK) {
			st = io->ops->datasync(io->ctx, to);
		}
		io->ops->close(io->ctx, to);
	}
	io->ops->close(io->ctx, from);
	return st;
}

enum status segment_cut_replace(const struct io *io, const struct cut_plan *plan, const char *dir,
				struct buf *error)
{
	struct buf kept = {0}, fresh = {0};
	enum status st = segment_keep_name(plan->path, &kept);

	if (st == ST_OK) {
		st = path_with(&fresh, plan->path, ".repair");
	}
	if (st == ST_OK) {
		st = keep_old(io, plan->path, (const char *)kept.data);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, dir);
	}
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, (const char *)fresh.data, plan->path);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, dir);
	}
	if (st != ST_OK) {
		buf_note(error, "%s: cannot be kept as .cut or replaced: %s", plan->path,
			 status_text(st));
	}
	buf_deinit(&kept);
	buf_deinit(&fresh);
	return st;
}
