/* Walking the frames of a growing log, segment by segment; wal_tail.h says for whom. */
#include "engine/wal/wal_tail.h"

#include "engine/base/alloc.h"
#include "engine/wal/wal_frame.h"

#include <inttypes.h>

struct wal_tail {
	struct wal_tail_options opts;
	struct wal_source_file file; /* .file NULL: no segment is open */
	struct wal_segment segment;
	struct buf header; /* backs segment */
	bool announced;	   /* the caller knows this segment's header */
	uint64_t off;	   /* of the next frame */
	uint64_t next_lsn, chain;
	struct buf window; /* bytes of the file from window_off on */
	uint64_t window_off;
};

static void close_segment(struct wal_tail *t)
{
	if (t->file.file != NULL) {
		t->opts.io->ops->close(t->opts.io->ctx, t->file.file);
		t->file.file = NULL;
	}
	t->window.len = 0;
}

/* --- segments --- */

static enum status open_in(struct wal_tail *t, const char *dir, uint64_t first_lsn)
{
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX];
	enum status st;

	wal_segment_name(first_lsn, name);
	st = wal_segment_path(dir, name, path);
	return st == ST_OK ? t->opts.io->ops->open(t->opts.io->ctx, path, IO_READ, &t->file.file)
			   : st;
}

/* Opens a segment at its first frame; the log's folder is asked before the archive. */
static enum status enter(struct wal_tail *t, uint64_t first_lsn, struct buf *error)
{
	enum status st;

	close_segment(t);
	t->file.io = t->opts.io;
	st = open_in(t, t->opts.dir, first_lsn);
	if (st == ST_NOT_FOUND && t->opts.archive_dir != NULL) {
		st = open_in(t, t->opts.archive_dir, first_lsn);
	}
	if (st == ST_OK) {
		t->header.len = 0;
		st = wal_segment_read(wal_source_of_file(&t->file), &t->header, &t->segment);
	}
	if (st == ST_OK && t->segment.first_lsn != first_lsn) {
		st = ST_CORRUPT;
	}
	if (st != ST_OK) {
		if (st != ST_NOT_FOUND) {
			buf_note(error, "segment %016" PRIx64 ".wal: %s", first_lsn,
				 status_text(st));
		}
		close_segment(t);
		return st;
	}
	t->announced = false;
	t->off = t->segment.header_len;
	t->next_lsn = first_lsn;
	t->chain = t->segment.chain;
	return ST_OK;
}

/* The newest segment of a folder that begins at or before lsn; 0: none. */
static enum status newest_before(struct wal_tail *t, const char *dir, uint64_t lsn, uint64_t *first)
{
	struct wal_segment_list list = {0};
	enum status st = wal_segment_list_read(t->opts.io, dir, &list);

	*first = 0;
	for (size_t i = 0; st == ST_OK && i < list.count; i++) {
		if (list.first_lsn[i] <= lsn) {
			*first = list.first_lsn[i];
		}
	}
	wal_segment_list_deinit(&list);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* --- frames --- */

/* Makes len bytes at off readable as *out; fewer at the end of the file. */
static enum status bytes_at(struct wal_tail *t, uint64_t off, size_t len, size_t ahead,
			    struct slice *out)
{
	size_t got;
	enum status st;

	if (off < t->window_off || off + len > t->window_off + t->window.len) {
		size_t want = len > ahead ? len : ahead;

		t->window.len = 0;
		st = buf_reserve(&t->window, want);
		if (st == ST_OK) {
			st = t->opts.io->ops->pread(t->opts.io->ctx, t->file.file, t->window.data,
						    want, off, &got);
		}
		if (st != ST_OK) {
			return st;
		}
		t->window.len = got;
		t->window_off = off;
	}
	*out = slice_skip(buf_slice(&t->window), off - t->window_off);
	if (out->len > len) {
		out->len = len;
	}
	return ST_OK;
}

/* The frame at t->off, checked to continue the log. ST_END: no such frame is there (yet). */
static enum status frame_here(struct wal_tail *t, size_t ahead, struct wal_frame *f)
{
	struct slice bytes;
	uint64_t span;
	enum status st = bytes_at(t, t->off, WAL_FRAME_HEADER_LEN, ahead, &bytes);

	if (st != ST_OK) {
		return st;
	}
	st = wal_frame_decode_header(bytes, t->segment.salt, f);
	if (st == ST_NEED_MORE || st == ST_NOT_FOUND || st == ST_CORRUPT) {
		return ST_END;
	}
	if (st != ST_OK) {
		return st;
	}
	span = wal_frame_span(f);
	st = bytes_at(t, t->off, span, ahead, &bytes);
	if (st != ST_OK) {
		return st;
	}
	if (bytes.len < span || f->first_lsn != t->next_lsn || f->chain != t->chain) {
		return ST_END;
	}
	bytes = slice_skip(bytes, WAL_FRAME_HEADER_LEN);
	bytes.len = f->stored_len;
	return wal_frame_check_payload(f, bytes) == ST_OK ? ST_OK : ST_END;
}

static void step_over(struct wal_tail *t, const struct wal_frame *f)
{
	t->off += wal_frame_span(f);
	if (f->records > 0) {
		t->next_lsn = wal_frame_next_lsn(f);
		t->chain = f->digest;
	}
}

/* No frame at t->off though the log goes on to limit: the next segment, or damage. */
static enum status next_segment(struct wal_tail *t, uint64_t limit, struct buf *error)
{
	uint64_t lsn = t->next_lsn, chain = t->chain, here = t->segment.first_lsn;
	uint64_t at = t->off;
	enum status st;

	/* A segment without records may be replaced by one of the same name. */
	st = enter(t, lsn, error);
	if (st != ST_OK) {
		if (st == ST_NOT_FOUND) {
			buf_note(error,
				 "segment %016" PRIx64 ".wal ends at offset %" PRIu64
				 " before LSN %" PRIu64 " of %" PRIu64 ", and no segment goes on",
				 here, at, lsn, limit);
		}
		return st;
	}
	if (t->chain != chain) {
		buf_note(error, "segment %016" PRIx64 ".wal does not continue the one before", lsn);
		return ST_CORRUPT;
	}
	return ST_OK;
}

/* Moves on to the frame that holds lsn. */
static enum status seek(struct wal_tail *t, uint64_t lsn, struct buf *error)
{
	enum { AHEAD = 1 << 20 };

	for (;;) {
		struct wal_frame f;
		enum status st = frame_here(t, AHEAD, &f);

		if (st == ST_END) {
			if (t->next_lsn == lsn) {
				return ST_OK;
			}
			if (t->next_lsn == t->segment.first_lsn) {
				return ST_NOT_FOUND;
			}
			st = next_segment(t, lsn, error);
			if (st != ST_OK) {
				return st;
			}
			continue;
		}
		if (st != ST_OK || (f.records > 0 && wal_frame_next_lsn(&f) > lsn)) {
			return st;
		}
		step_over(t, &f);
	}
}

/* --- the door --- */

enum status wal_tail_open(const struct wal_tail_options *opts, struct wal_tail **out,
			  struct buf *error)
{
	struct wal_tail *t = mem_calloc(1, sizeof *t);
	uint64_t first = 0, archived = 0;
	enum status st;

	if (t == NULL) {
		return ST_NO_MEMORY;
	}
	t->opts = *opts;
	st = newest_before(t, opts->dir, opts->lsn, &first);
	if (st == ST_OK && first == 0 && opts->archive_dir != NULL) {
		st = newest_before(t, opts->archive_dir, opts->lsn, &archived);
		first = archived;
	}
	if (st == ST_OK) {
		st = first == 0 ? ST_NOT_FOUND : enter(t, first, error);
	}
	if (st == ST_OK) {
		st = seek(t, opts->lsn, error);
	}
	if (st != ST_OK) {
		wal_tail_close(t);
		return st;
	}
	*out = t;
	return ST_OK;
}

void wal_tail_close(struct wal_tail *t)
{
	if (t == NULL) {
		return;
	}
	close_segment(t);
	buf_deinit(&t->header);
	buf_deinit(&t->window);
	mem_free(t);
}

uint64_t wal_tail_lsn(const struct wal_tail *t)
{
	return t->next_lsn;
}

uint64_t wal_tail_chain(const struct wal_tail *t)
{
	return t->chain;
}

struct slice wal_tail_header(struct wal_tail *t)
{
	t->announced = true;
	return buf_slice(&t->header);
}

/* The first frame of a piece, in this segment or at the start of the next one. */
static enum status first_frame(struct wal_tail *t, uint64_t limit, size_t ahead,
			       struct wal_frame *f, struct buf *error)
{
	enum status st = frame_here(t, ahead, f);

	if (st == ST_END) {
		st = next_segment(t, limit, error);
		if (st == ST_OK) {
			st = frame_here(t, ahead, f);
		}
	}
	if (st == ST_END) {
		buf_note(error,
			 "segment %016" PRIx64 ".wal: no valid frame at offset %" PRIu64
			 " for LSN %" PRIu64 ", though the log goes on to %" PRIu64,
			 t->segment.first_lsn, t->off, t->next_lsn, limit);
		st = ST_CORRUPT;
	}
	return st;
}

enum status wal_tail_next(struct wal_tail *t, uint64_t limit_lsn, size_t bytes_max,
			  struct wal_tail_piece *out, struct buf *error)
{
	struct wal_frame f;
	uint64_t start;
	enum status st;

	if (t->next_lsn > limit_lsn) {
		return ST_END;
	}
	/* What was read before may have grown since; one huge frame need not be kept room for. */
	t->window.len = 0;
	buf_shrink(&t->window, 4 * bytes_max);
	st = first_frame(t, limit_lsn, bytes_max, &f, error);
	start = t->off;
	*out = (struct wal_tail_piece){.first_lsn = t->next_lsn};
	while (st == ST_OK && wal_frame_next_lsn(&f) <= limit_lsn + 1 &&
	       (t->off == start || t->off + wal_frame_span(&f) - start <= bytes_max)) {
		step_over(t, &f);
		st = t->next_lsn > limit_lsn ? ST_END : frame_here(t, bytes_max, &f);
	}
	if (st != ST_OK && st != ST_END) {
		return st;
	}
	if (!t->announced) {
		t->announced = true;
		out->header = buf_slice(&t->header);
	}
	out->next_lsn = t->next_lsn;
	out->chain = t->chain;
	return bytes_at(t, start, t->off - start, bytes_max, &out->frames);
}
