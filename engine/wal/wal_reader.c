/* Walks frames and records over segments; wal_reader.h says how a stop is judged. */
#include "engine/wal/wal_reader.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/planted.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { WINDOW_DEFAULT = 1 << 20, WINDOW_MIN = 128, ERROR_SIZE = 640 };

/* What somebody can do about damage. */
#define REMEDY                                                                                     \
	"restore the file from a copy, or build a new directory from what is good with cairn-wal " \
	"replay"

struct open_segment {
	struct wal_reader_segment seg;
	struct wal_source_file file; /* when the reader opened it */
	char name[WAL_SEGMENT_NAME_SIZE];
};

struct wal_reader {
	struct wal_reader_options opts;
	const struct io *io;
	struct open_segment *segments;
	size_t count, current;
	bool entered; /* the current segment's header was read */
	struct buf header;
	struct wal_segment segment;
	uint64_t off; /* where the next frame is expected */

	struct buf window; /* bytes of the segment from window_off on */
	uint64_t window_off;

	struct wal_frame_decoder *decoder;
	struct wal_frame frame;
	uint64_t frame_off;
	struct slice records; /* of the frame, not yet given */
	uint32_t records_left;
	uint64_t record_lsn;

	uint64_t expected; /* LSN of the next record */
	uint64_t chain;
	struct wal_reader_end end;
	enum status stopped; /* ST_OK while reading */
	char error[ERROR_SIZE];
};

static enum status create(const struct wal_reader_options *opts, size_t count,
			  struct wal_reader **out)
{
	struct wal_reader *r = mem_calloc(1, sizeof *r);
	enum status st;

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->opts = *opts;
	if (r->opts.window == 0) {
		r->opts.window = WINDOW_DEFAULT;
	}
	INVARIANT(r->opts.window >= WINDOW_MIN && r->opts.window % 8 == 0);
	r->end.watermark = PLANTED(18) ? 0 : opts->safe_lsn;
	r->segments = mem_calloc(count, sizeof *r->segments);
	st = r->segments == NULL ? ST_NO_MEMORY : wal_frame_decoder_create(&r->decoder);
	if (st != ST_OK) {
		wal_reader_close(r);
		return st;
	}
	*out = r;
	return ST_OK;
}

/* Reading begins in the last segment that may hold from_lsn. */
static void choose_first(struct wal_reader *r)
{
	while (r->current + 1 < r->count &&
	       r->segments[r->current + 1].seg.first_lsn <= r->opts.from_lsn) {
		r->current++;
	}
	r->end.empty = r->count == 0;
	if (r->count > 0) {
		r->end.first_lsn = r->segments[r->current].seg.first_lsn;
	}
}

enum status wal_reader_open(const struct io *io, const char *dir,
			    const struct wal_reader_options *opts, struct wal_reader **out)
{
	struct wal_segment_list list = {0};
	struct wal_reader *r = NULL;
	char path[WAL_PATH_MAX];
	enum status st = wal_segment_list_read(io, dir, &list);

	if (st == ST_OK) {
		st = create(opts, list.count, &r);
	}
	for (size_t i = 0; st == ST_OK && i < list.count; i++) {
		struct open_segment *s = &r->segments[i];

		wal_segment_name(list.first_lsn[i], s->name);
		st = wal_segment_path(dir, s->name, path);
		if (st == ST_OK) {
			s->file.io = io;
			st = io->ops->open(io->ctx, path, IO_READ, &s->file.file);
		}
		if (st == ST_OK) {
			s->seg = (struct wal_reader_segment){list.first_lsn[i],
							     wal_source_of_file(&s->file), s->name};
			r->count++;
		}
	}
	wal_segment_list_deinit(&list);
	if (st != ST_OK) {
		wal_reader_close(r);
		return st;
	}
	r->io = io;
	choose_first(r);
	*out = r;
	return ST_OK;
}

enum status wal_reader_open_segments(const struct wal_reader_segment *segments, size_t count,
				     const struct wal_reader_options *opts, struct wal_reader **out)
{
	enum status st = create(opts, count, out);

	if (st != ST_OK) {
		return st;
	}
	for (size_t i = 0; i < count; i++) {
		(*out)->segments[i].seg = segments[i];
	}
	(*out)->count = count;
	choose_first(*out);
	return ST_OK;
}

void wal_reader_close(struct wal_reader *r)
{
	if (r == NULL) {
		return;
	}
	for (size_t i = 0; r->segments != NULL && i < r->count; i++) {
		struct wal_source_file *f = &r->segments[i].file;

		if (f->file != NULL) {
			f->io->ops->close(f->io->ctx, f->file);
		}
	}
	mem_free(r->segments);
	wal_frame_decoder_destroy(r->decoder);
	buf_deinit(&r->header);
	buf_deinit(&r->window);
	mem_free(r);
}

static const char *file_name(const struct wal_reader *r)
{
	return r->current < r->count ? r->segments[r->current].seg.name : "(no segment)";
}

__attribute__((format(printf, 3, 4))) static enum status stop(struct wal_reader *r, enum status st,
							      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->error, sizeof r->error, fmt, ap);
	va_end(ap);
	r->stopped = st;
	return st;
}

/* Makes bytes [off, off + len) of the segment available, as far as there are any; *out is short at
 * its end. */
static enum status bytes_at(struct wal_reader *r, uint64_t off, size_t len, struct slice *out)
{
	struct wal_source src = r->segments[r->current].seg.source;
	size_t want = len < r->opts.window ? r->opts.window : len, got;
	enum status st;

	if (off >= r->window_off && off + len <= r->window_off + r->window.len) {
		*out = slice_of(r->window.data + (off - r->window_off), len);
		return ST_OK;
	}
	r->window.len = 0;
	st = buf_reserve(&r->window, want);
	if (st != ST_OK) {
		return st;
	}
	st = src.read_at(src.ctx, r->window.data, want, off, &got);
	if (st != ST_OK) {
		return st;
	}
	r->window.len = got;
	r->window_off = off;
	*out = slice_of(r->window.data, got < len ? got : len);
	return ST_OK;
}

/* Reads the current segment's header and goes to its first frame. */
static enum status enter(struct wal_reader *r)
{
	struct wal_reader_segment *s = &r->segments[r->current].seg;
	enum status st = wal_segment_read(s->source, &r->header, &r->segment);

	if (st == ST_IO || st == ST_NO_MEMORY) {
		return stop(r, st, "cannot read the header of %s: %s", s->name, status_text(st));
	}
	if (st == ST_VERSION) {
		return stop(
		    r, st,
		    "%s: the segment header at offset 0 has an unknown format version or "
		    "flags: use a newer Cairn; if there is none, the header is damaged: " REMEDY,
		    s->name);
	}
	if (st != ST_OK || r->segment.first_lsn != s->first_lsn) {
		return stop(r, ST_CORRUPT,
			    "%s: the segment header at offset 0 is damaged or not that of this "
			    "file (LSN %" PRIu64 "): " REMEDY,
			    s->name, s->first_lsn);
	}
	if (r->end.frames == 0 && r->expected == 0) {
		r->expected = r->segment.first_lsn;
		r->chain = r->segment.chain;
	}
	if (r->segment.watermark > r->end.watermark) {
		r->end.watermark = r->segment.watermark;
	}
	st = wal_frame_decoder_set_dictionary(r->decoder, r->segment.dictionary);
	if (st != ST_OK) {
		return stop(r, st, "%s: %s", s->name, status_text(st));
	}
	r->end.history = r->segment.history;
	/* A mark at the end of the segment before is void: the log went on here. */
	r->end.clean = false;
	r->off = r->segment.header_len;
	r->window.len = 0;
	r->entered = true;
	return ST_OK;
}

/* --- judging a stop --- */

/* Whether a sealed header of this segment begins at off. */
static enum status header_at(struct wal_reader *r, uint64_t off, struct wal_frame *f)
{
	struct slice bytes;
	enum status st = bytes_at(r, off, WAL_FRAME_HEADER_LEN, &bytes);

	return st == ST_OK ? wal_frame_decode_header(bytes, r->segment.salt, f) : st;
}

/* Looks behind a bad place for sealed headers: how far do they say the log was durable? *tail gets
 * the end of the last bytes that are not blank. */
static enum status look_behind(struct wal_reader *r, uint64_t from, uint64_t *watermark,
			       uint64_t *tail)
{
	uint64_t off = from;

	*tail = from;
	for (;;) {
		struct slice bytes;
		enum status st = bytes_at(r, off, r->opts.window, &bytes);
		size_t at = 0;

		if (st != ST_OK) {
			return st;
		}
		for (; at + 8 <= bytes.len; at += 8) {
			struct wal_frame f;

			if (bytes_get_u64le(bytes.data + at) == 0) {
				continue;
			}
			*tail = off + at + 8;
			if (!wal_frame_magic(bytes.data + at)) {
				continue;
			}
			st = header_at(r, off + at, &f);
			if (st == ST_OK && f.watermark > *watermark && f.first_lsn >= r->expected) {
				*watermark = f.watermark;
			}
			if (st == ST_IO || st == ST_NO_MEMORY) {
				return st;
			}
			/* A look at the window's end may have moved it. */
			st = bytes_at(r, off, r->opts.window, &bytes);
			if (st != ST_OK) {
				return st;
			}
		}
		for (size_t i = at; i < bytes.len; i++) {
			*tail = bytes.data[i] != 0 ? off + i + 1 : *tail;
		}
		if (bytes.len < r->opts.window) {
			return ST_OK;
		}
		off += r->opts.window;
	}
}

/* Where the next segment continues exactly what was read, whatever lies behind this place never
 * became part of the log. */
static enum status try_next_segment(struct wal_reader *r, const char *why)
{
	struct wal_reader_segment *next = &r->segments[r->current + 1].seg;
	uint64_t stopped_at = r->off, chain = r->chain;
	const char *here = file_name(r);
	enum status st;

	if (next->first_lsn != r->expected) {
		return stop(r, ST_CORRUPT,
			    "%s: %s at offset %" PRIu64 ", LSN %" PRIu64
			    ", but the log goes on with %s: " REMEDY,
			    here, why, stopped_at, r->expected, next->name);
	}
	r->current++;
	r->entered = false;
	st = enter(r);
	if (st != ST_OK) {
		return st;
	}
	if (r->segment.chain != chain && !PLANTED(4)) {
		return stop(r, ST_CORRUPT,
			    "%s does not continue %s (chain differs at offset %" PRIu64
			    ", LSN %" PRIu64 "): a segment is missing or from another log: " REMEDY,
			    r->segments[r->current].seg.name, here, stopped_at, r->expected);
	}
	return ST_OK;
}

/* The frame at r->off is not one that continues the log. Decides what that means. ST_OK: reading
 * goes on in the next segment. */
static enum status judge(struct wal_reader *r, const char *why)
{
	uint64_t watermark = r->end.watermark, tail;
	struct wal_frame f = {0};
	bool begun;
	enum status st;

	if (r->current + 1 < r->count) {
		return try_next_segment(r, why);
	}
	st = look_behind(r, r->off, &watermark, &tail);
	if (st != ST_OK) {
		return stop(r, st, "cannot read %s: %s", file_name(r), status_text(st));
	}
	r->end.watermark = watermark;
	if (r->expected <= watermark && !PLANTED(10)) {
		return stop(r, ST_CORRUPT,
			    "%s: %s at offset %" PRIu64 ", LSN %" PRIu64 ", but LSN %" PRIu64
			    " was durable: " REMEDY,
			    file_name(r), why, r->off, r->expected, watermark);
	}
	/* Behind the end of a recycled file lie its old frames, but their headers are not sealed
	 * for this segment; elsewhere only blanks can. A clean mark says that no record followed: a
	 * writer that goes on after one first makes an empty frame durable. */
	begun = header_at(r, r->off, &f) == ST_OK;
	if (tail == r->off || ((r->segment.recycled || r->end.clean) && !begun)) {
		return stop(r, ST_END, "%s", "");
	}
	r->end.clean = false;
	r->end.torn_bytes = r->segment.recycled ? wal_frame_span(&f) : tail - r->off;
	return stop(r, ST_TORN,
		    "%s: torn tail of %" PRIu64 " bytes at offset %" PRIu64
		    ": the log ends at LSN %" PRIu64,
		    file_name(r), r->end.torn_bytes, r->off, r->expected - 1);
}

/* --- frames --- */

/* Reads the frame at r->off if it continues the log. ST_NOT_FOUND, with *why: it does not. */
static enum status read_frame(struct wal_reader *r, struct slice *stored, const char **why)
{
	struct wal_frame *f = &r->frame;
	enum status st = header_at(r, r->off, f);

	*why = "no valid frame header";
	if (st == ST_NEED_MORE || st == ST_NOT_FOUND) {
		return ST_NOT_FOUND;
	}
	if (st != ST_OK) {
		return st == ST_CORRUPT ? ST_NOT_FOUND : st;
	}
	st = bytes_at(r, r->off + WAL_FRAME_HEADER_LEN, f->stored_len, stored);
	if (st != ST_OK) {
		return st;
	}
	if (stored->len < f->stored_len) {
		*why = "a frame is cut short";
		return ST_NOT_FOUND;
	}
	if (wal_frame_check_payload(f, *stored) != ST_OK) {
		*why = "a frame's payload checksum differs";
		return ST_NOT_FOUND;
	}
	if (f->first_lsn != r->expected && !PLANTED(6)) {
		*why = "a frame's LSN does not follow";
		return ST_NOT_FOUND;
	}
	if (f->chain != r->chain && !PLANTED(4)) {
		*why = "a frame does not follow its predecessor";
		return ST_NOT_FOUND;
	}
	return ST_OK;
}

static void accept_frame(struct wal_reader *r)
{
	struct wal_frame *f = &r->frame;

	r->frame_off = r->off;
	r->off += wal_frame_span(f);
	r->end.clean = (f->flags & WAL_FRAME_CLEAN) != 0;
	r->end.frames++;
	r->end.stored_bytes += wal_frame_span(f);
	r->end.raw_bytes += f->raw_len;
	if (f->watermark > r->end.watermark) {
		r->end.watermark = f->watermark;
	}
	if (f->records > 0) {
		r->chain = f->digest;
		r->record_lsn = f->first_lsn;
		r->expected = wal_frame_next_lsn(f);
	}
}

/* Moves to the next frame that has records at or after from_lsn. */
static enum status next_frame(struct wal_reader *r)
{
	for (;;) {
		struct slice stored;
		const char *why;
		enum status st = r->entered ? ST_OK : enter(r);

		if (st != ST_OK) {
			return st;
		}
		st = read_frame(r, &stored, &why);
		if (st == ST_VERSION) {
			return stop(r, st,
				    "%s: unknown frame version or flags at offset %" PRIu64
				    ", LSN %" PRIu64 ": use a newer Cairn",
				    file_name(r), r->off, r->expected);
		}
		if (st == ST_NOT_FOUND) {
			st = judge(r, why);
			if (st != ST_OK) {
				return st;
			}
			continue;
		}
		if (st != ST_OK) {
			return stop(r, st, "cannot read %s: %s", file_name(r), status_text(st));
		}
		accept_frame(r);
		if (r->frame.records == 0 || r->expected <= r->opts.from_lsn) {
			continue;
		}
		st = wal_frame_decode(r->decoder, &r->frame, stored, &r->records);
		if (st != ST_OK) {
			return stop(r, st,
				    "%s: the frame at offset %" PRIu64 ", LSN %" PRIu64
				    " does not decode (%s): " REMEDY,
				    file_name(r), r->frame_off, r->frame.first_lsn,
				    status_text(st));
		}
		r->records_left = r->frame.records;
		return ST_OK;
	}
}

enum status wal_reader_next(struct wal_reader *r, struct wal_record *out)
{
	if (r->stopped != ST_OK) {
		return r->stopped;
	}
	if (r->count == 0) {
		return stop(r, ST_END, "%s", "");
	}
	for (;;) {
		size_t used;
		enum status st;

		if (r->records_left == 0) {
			st = next_frame(r);
			if (st != ST_OK) {
				return st;
			}
		}
		st = wal_record_decode(r->records, out, &used);
		r->records_left--;
		if (st != ST_OK || (r->records_left == 0 && used != r->records.len)) {
			r->records_left = 0;
			return stop(r, ST_CORRUPT,
				    "%s: the frame at offset %" PRIu64
				    " holds a record that does not decode, LSN %" PRIu64
				    ": " REMEDY,
				    file_name(r), r->frame_off, r->record_lsn);
		}
		r->records = slice_skip(r->records, used);
		out->lsn = r->record_lsn++;
		r->end.records++;
		if (out->lsn >= r->opts.from_lsn) {
			return ST_OK;
		}
	}
}

void wal_reader_resume(struct wal_reader *r)
{
	if (r->entered && (r->stopped == ST_END || r->stopped == ST_TORN)) {
		r->stopped = ST_OK;
		r->error[0] = '\0';
		r->end.torn_bytes = 0;
		r->window.len = 0;
	}
}

uint32_t wal_reader_left(const struct wal_reader *r)
{
	return r->records_left;
}

void wal_reader_place(const struct wal_reader *r, struct wal_place *out)
{
	*out = (struct wal_place){
	    .file = file_name(r),
	    .offset = r->frame_off,
	    .stored_len = r->frame.stored_len,
	    .raw_len = r->frame.raw_len,
	    .records = r->frame.records,
	    .epoch = r->frame.epoch,
	    .timeline = r->frame.timeline,
	    .flags = r->frame.flags,
	};
}

const char *wal_reader_error(const struct wal_reader *r)
{
	return r->error;
}

void wal_reader_end(const struct wal_reader *r, struct wal_reader_end *out)
{
	*out = r->end;
	out->at = (struct wal_position){
	    .next_lsn = r->expected,
	    .chain = r->chain,
	    .segment_first = r->entered ? r->segment.first_lsn : 0,
	    .segment_off = r->off,
	};
}
