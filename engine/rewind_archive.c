/* The archive of given-up records: frames of the log, sealed anew in one segment file. */
#include "engine/base/alloc.h"
#include "engine/divergent.h"
#include "engine/rewind_impl.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_reader.h"
#include "engine/wal/wal_tail.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	PIECE_BYTES = 1 << 20,
	GROUP_BYTES = 4 << 20, /* written at once */
	ZSTD_LEVEL = 1,
};

struct archive {
	const struct io *io;
	struct buf *error;
	char folder[WAL_PATH_MAX], tmp[WAL_PATH_MAX], path[WAL_PATH_MAX];
	struct wal_history history;
	struct io_file *file;
	uint64_t off;
	struct buf group; /* not yet written */
	/* The segment that frames come from. */
	struct buf source_header;
	struct wal_segment source;
	/* The one that is written. */
	struct buf dictionary;
	struct wal_segment segment;
	uint64_t chain;
	uint64_t next_lsn;
	struct wal_frame_encoder *encoder;
	struct wal_frame_decoder *decoder; /* NULL until a frame needs another dictionary */
	struct rewind_result *result;
};

static enum status failed(struct archive *a, enum status st, const char *what, const char *path)
{
	buf_note(a->error, "cannot %s %s: %s; nothing was given up", what, path, status_text(st));
	return st;
}

static enum status make_folder(struct archive *a, const char *dir)
{
	enum status st = wal_segment_path(dir, DIVERGENT_FOLDER, a->folder);

	if (st == ST_OK) {
		st = wal_segment_path(a->folder, "archive.tmp", a->tmp);
	}
	if (st == ST_OK) {
		st = a->io->ops->mkdir(a->io->ctx, a->folder);
	}
	if (st == ST_OK) {
		st = a->io->ops->sync_dir(a->io->ctx, dir);
	}
	return st == ST_OK ? ST_OK : failed(a, st, "create the folder", a->folder);
}

/* --- a file that is there already --- */

/* Reads the whole file; how far it goes. ST_NOT_FOUND: none, or not a whole one. */
static enum status measure(struct archive *a, uint64_t *last_lsn, uint64_t *bytes)
{
	struct wal_source_file file = {.io = a->io};
	struct wal_reader_options opts = {0};
	struct wal_reader_segment segment = {.first_lsn = a->segment.first_lsn, .name = a->path};
	struct wal_reader_end end;
	struct wal_reader *r = NULL;
	struct wal_record rec;
	enum status st = a->io->ops->open(a->io->ctx, a->path, IO_READ, &file.file);

	if (st != ST_OK) {
		return st;
	}
	segment.source = wal_source_of_file(&file);
	st = a->io->ops->size(a->io->ctx, file.file, bytes);
	if (st == ST_OK) {
		st = wal_reader_open_segments(&segment, 1, &opts, &r);
	}
	while (st == ST_OK) {
		st = wal_reader_next(r, &rec);
	}
	if (st == ST_END) {
		wal_reader_end(r, &end);
		*last_lsn = end.at.next_lsn - 1;
		st = end.clean ? ST_OK : ST_NOT_FOUND;
	} else if (st == ST_TORN || st == ST_CORRUPT || st == ST_VERSION) {
		st = ST_NOT_FOUND;
	}
	wal_reader_close(r);
	a->io->ops->close(a->io->ctx, file.file);
	return st;
}

/* Whether the archive's file has all records up to last_lsn already. */
static enum status is_there(struct archive *a, uint64_t last_lsn, bool *there)
{
	uint64_t last = 0, bytes = 0;
	enum status st = measure(a, &last, &bytes);

	*there = st == ST_OK && last >= last_lsn;
	if (*there) {
		a->result->last_lsn = last;
		a->result->records = last + 1 - a->result->first_lsn;
		a->result->bytes = bytes;
	}
	return st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(a, st, "read", a->path);
}

/* --- writing --- */

static enum status flush(struct archive *a)
{
	enum status st =
	    a->io->ops->pwrite(a->io->ctx, a->file, a->group.data, a->group.len, a->off);

	if (st != ST_OK) {
		return failed(a, st, "write", a->tmp);
	}
	a->off += a->group.len;
	a->group.len = 0;
	return ST_OK;
}

/* Names the file after its first frame and begins it, unless it is there already. */
static enum status begin(struct archive *a, const struct wal_frame *first, uint64_t last_lsn,
			 bool *there)
{
	enum status st;
	struct divergent_name *id = &a->result->name;
	char name[DIVERGENT_NAME_SIZE];

	*id = (struct divergent_name){first->epoch, first->first_lsn, first->timeline};
	divergent_name_format(id, name);
	(void)snprintf(a->result->file, sizeof a->result->file, "%s/%s", DIVERGENT_FOLDER, name);
	a->result->first_lsn = first->first_lsn;
	a->segment = (struct wal_segment){
	    .first_lsn = first->first_lsn,
	    .chain = first->chain,
	    .watermark = first->first_lsn - 1,
	    .created_ms = first->time_ms,
	    .history = a->history,
	};
	a->chain = first->chain;
	a->next_lsn = first->first_lsn;
	st = wal_segment_path(a->folder, name, a->path);
	if (st == ST_OK) {
		st = is_there(a, last_lsn, there);
	}
	if (st != ST_OK || *there) {
		return st;
	}
	st = buf_append(&a->dictionary, a->source.dictionary.data, a->source.dictionary.len);
	a->segment.dictionary = buf_slice(&a->dictionary);
	if (st == ST_OK) {
		st = wal_segment_encode(&a->segment, &a->group);
	}
	if (st == ST_OK) {
		st =
		    a->io->ops->open(a->io->ctx, a->tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &a->file);
	}
	return st == ST_OK ? ST_OK : failed(a, st, "begin", a->tmp);
}

/* Compresses a frame's records without the dictionary of its segment. */
static enum status encode_anew(struct archive *a, struct wal_frame *f, struct slice stored)
{
	struct slice records;
	enum status st = ST_OK;

	if (a->decoder == NULL) {
		st = wal_frame_decoder_create(&a->decoder);
	}
	if (st == ST_OK) {
		st = wal_frame_decoder_set_dictionary(a->decoder, a->source.dictionary);
	}
	if (st == ST_OK) {
		st = wal_frame_decode(a->decoder, f, stored, &records);
	}
	if (st == ST_OK) {
		f->flags = 0;
		st = wal_frame_encode(a->encoder, f, records, a->segment.salt, &a->group);
	}
	return st;
}

static enum status copy_frame(struct archive *a, struct wal_frame *f, struct slice stored)
{
	bool other = (f->flags & WAL_FRAME_DICTIONARY) != 0 &&
		     !slice_eq(a->source.dictionary, a->segment.dictionary);
	uint64_t span = wal_frame_span(f);
	enum status st;

	/* As it was, unless a frame before it had to change. */
	f->chain = a->chain;
	f->watermark = f->first_lsn - 1;
	if (other) {
		st = encode_anew(a, f, stored);
	} else {
		st = buf_reserve(&a->group, (size_t)span);
		if (st == ST_OK) {
			uint8_t *at = a->group.data + a->group.len;

			wal_frame_encode_header(f, a->segment.salt, at);
			memset(at + span - WAL_FRAME_ALIGN, 0, WAL_FRAME_ALIGN);
			memcpy(at + WAL_FRAME_HEADER_LEN, stored.data, stored.len);
			a->group.len += (size_t)span;
		}
	}
	if (st != ST_OK) {
		return failed(a, st, "archive a frame in", a->path);
	}
	a->chain = f->digest;
	a->next_lsn = wal_frame_next_lsn(f);
	return a->group.len >= GROUP_BYTES ? flush(a) : ST_OK;
}

/* Takes the frames of a piece that have records. */
static enum status copy_piece(struct archive *a, struct slice frames, uint64_t last_lsn,
			      bool *there)
{
	while (frames.len > 0) {
		struct wal_frame f;
		struct slice stored;
		enum status st = wal_frame_decode_header(frames, a->source.salt, &f);

		if (st != ST_OK || wal_frame_span(&f) > frames.len) {
			return failed(a, ST_CORRUPT, "archive a frame in", a->folder);
		}
		stored = slice_of(frames.data + WAL_FRAME_HEADER_LEN, f.stored_len);
		frames = slice_skip(frames, (size_t)wal_frame_span(&f));
		if (f.records == 0) {
			continue;
		}
		if (a->next_lsn == 0) {
			st = begin(a, &f, last_lsn, there);
		}
		if (st != ST_OK || *there) {
			return st;
		}
		st = copy_frame(a, &f, stored);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

/* The mark that says that this was all; then the name. */
static enum status end(struct archive *a)
{
	struct wal_frame mark = {
	    .flags = WAL_FRAME_CLEAN,
	    .first_lsn = a->next_lsn,
	    .epoch = a->history.items[a->history.count - 1].epoch,
	    .timeline = a->history.items[a->history.count - 1].id,
	    .time_ms = a->segment.created_ms,
	    .chain = a->chain,
	    .watermark = a->next_lsn - 1,
	};
	const struct io *io = a->io;
	enum status st =
	    wal_frame_encode(a->encoder, &mark, slice_of(NULL, 0), a->segment.salt, &a->group);

	if (st != ST_OK) {
		return failed(a, st, "end", a->tmp);
	}
	st = flush(a);
	if (st != ST_OK) {
		return st;
	}
	st = io->ops->datasync(io->ctx, a->file);
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, a->tmp, a->path);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, a->folder);
	}
	if (st != ST_OK) {
		return failed(a, st, "make durable", a->path);
	}
	a->result->last_lsn = a->next_lsn - 1;
	a->result->records = a->next_lsn - a->result->first_lsn;
	a->result->bytes = a->off;
	return ST_OK;
}

static enum status copy_all(struct archive *a, struct wal_tail *tail, uint64_t last_lsn)
{
	struct wal_tail_piece piece;
	bool there = false;
	enum status st;

	while ((st = wal_tail_next(tail, last_lsn, PIECE_BYTES, &piece, a->error)) == ST_OK) {
		if (piece.header.len > 0) {
			a->source_header.len = 0;
			st = buf_append(&a->source_header, piece.header.data, piece.header.len);
			if (st == ST_OK) {
				st = wal_segment_decode(buf_slice(&a->source_header), &a->source);
			}
		}
		if (st == ST_OK) {
			st = copy_piece(a, piece.frames, last_lsn, &there);
		}
		if (st != ST_OK || there) {
			return st;
		}
	}
	return st == ST_END ? end(a) : st;
}

static void release(struct archive *a)
{
	if (a->file != NULL) {
		a->io->ops->close(a->io->ctx, a->file);
	}
	buf_deinit(&a->group);
	buf_deinit(&a->source_header);
	buf_deinit(&a->dictionary);
	wal_frame_decoder_destroy(a->decoder);
	wal_frame_encoder_destroy(a->encoder);
	mem_free(a);
}

enum status rewind_write_archive(const struct io *io, const char *dir, const char *wal_dir,
				 uint64_t lsn, const struct rewind_survey *log,
				 struct rewind_result *out, struct buf *error)
{
	struct wal_tail_options opts = {
	    .io = io,
	    .dir = wal_dir,
	    .lsn = lsn + 1 > log->oldest_lsn ? lsn + 1 : log->oldest_lsn,
	};
	struct wal_tail *tail = NULL;
	struct archive *a = mem_calloc(1, sizeof *a);
	enum status st;

	if (a == NULL) {
		return ST_NO_MEMORY;
	}
	a->io = io;
	a->error = error;
	a->history = log->history;
	a->result = out;
	st = make_folder(a, dir);
	if (st == ST_OK) {
		st = wal_frame_encoder_create(ZSTD_LEVEL, slice_of(NULL, 0), &a->encoder);
	}
	if (st == ST_OK) {
		st = wal_tail_open(&opts, &tail, error);
	}
	if (st == ST_OK) {
		st = copy_all(a, tail, log->last_lsn);
	}
	if (st != ST_OK && error->len == 0) {
		buf_note(error, "cannot archive the log's records after LSN %" PRIu64 ": %s", lsn,
			 status_text(st));
	}
	wal_tail_close(tail);
	release(a);
	return st;
}
