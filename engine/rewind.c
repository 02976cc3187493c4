/* Rewinding: what is possible, the mark, and the cut. */
#include "engine/rewind.h"

#include "engine/base/alloc.h"
#include "engine/dir_lock.h"
#include "engine/rewind_impl.h"
#include "engine/store.h"
#include "engine/wal/wal_files.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_reader.h"

#include <inttypes.h>
#include <stdio.h>

enum { MARK_SIZE = 64 };

static const char mark_text[] = "Rewind to LSN ";

struct rewind {
	const struct io *io;
	const char *dir;
	char wal_dir[WAL_PATH_MAX], mark[WAL_PATH_MAX], mark_tmp[WAL_PATH_MAX];
	struct buf *error;
};

static enum status find_paths(struct rewind *r, const struct io *io, const char *dir,
			      struct buf *error)
{
	enum status st = wal_segment_path(dir, "wal", r->wal_dir);

	r->io = io;
	r->dir = dir;
	r->error = error;
	if (st == ST_OK) {
		st = wal_segment_path(dir, REWIND_MARK, r->mark);
	}
	if (st == ST_OK) {
		st = wal_segment_path(dir, REWIND_MARK ".tmp", r->mark_tmp);
	}
	if (st != ST_OK) {
		buf_note(error, "%s: the path is too long", dir);
	}
	return st;
}

static enum status failed(const struct rewind *r, enum status st, const char *what,
			  const char *path)
{
	buf_note(r->error, "rewinding: cannot %s %s: %s; mend that and start again", what, path,
		 status_text(st));
	return st;
}

/* --- looking --- */

static enum status read_store(const struct rewind *r, struct store_state *state)
{
	char path[WAL_PATH_MAX];
	enum status st = wal_segment_path(r->dir, "keyspace.mdb", path);

	*state = (struct store_state){0};
	if (st == ST_OK) {
		st = store_peek_state(r->io, path, state, r->error);
	}
	if (st == ST_NOT_FOUND) {
		r->error->len = 0;
		return ST_OK; /* a node that never was */
	}
	return st;
}

/* Reads the log to its end and notes what there is around lsn. */
static enum status survey(const struct rewind *r, uint64_t lsn, uint64_t safe_lsn,
			  struct rewind_survey *out)
{
	struct wal_reader_options opts = {.from_lsn = lsn, .safe_lsn = safe_lsn};
	struct wal_segment_list list = {0};
	struct wal_reader *reader = NULL;
	struct wal_reader_end end;
	struct wal_record rec;
	enum status st = wal_segment_list_read(r->io, r->wal_dir, &list);

	*out = (struct rewind_survey){.oldest_lsn = list.count > 0 ? list.first_lsn[0] : 0};
	out->at_frame_end = lsn == 0 || lsn + 1 == out->oldest_lsn;
	wal_segment_list_deinit(&list);
	if (st == ST_OK) {
		st = wal_reader_open(r->io, r->wal_dir, &opts, &reader);
	}
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st != ST_OK) {
		return failed(r, st, "open", r->wal_dir);
	}
	while ((st = wal_reader_next(reader, &rec)) == ST_OK) {
		if (rec.lsn == lsn) {
			out->at_frame_end = wal_reader_left(reader) == 0;
		}
	}
	wal_reader_end(reader, &end);
	if (st == ST_END || st == ST_TORN) {
		out->last_lsn = end.empty ? 0 : end.at.next_lsn - 1;
		out->history = end.history;
		st = ST_OK;
	} else {
		buf_note(r->error, "%s", wal_reader_error(reader));
	}
	wal_reader_close(reader);
	return st;
}

/* --- the mark --- */

static enum status write_mark(const struct rewind *r, uint64_t fork_lsn)
{
	const struct io *io = r->io;
	char text[MARK_SIZE];
	int n = snprintf(text, sizeof text, "%s%" PRIu64 "\n", mark_text, fork_lsn);
	struct io_file *file;
	enum status st =
	    io->ops->open(io->ctx, r->mark_tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &file);

	if (st == ST_OK) {
		st = io->ops->pwrite(io->ctx, file, text, (size_t)n, 0);
		if (st == ST_OK) {
			st = io->ops->datasync(io->ctx, file);
		}
		io->ops->close(io->ctx, file);
	}
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, r->mark_tmp, r->mark);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, r->dir);
	}
	return st == ST_OK ? ST_OK : failed(r, st, "write", r->mark);
}

static bool parse_mark(struct slice text, uint64_t *fork_lsn)
{
	struct slice prefix = slice_str(mark_text);
	uint64_t lsn = 0;
	size_t i;

	if (!slice_has_prefix(text, prefix)) {
		return false;
	}
	text = slice_skip(text, prefix.len);
	for (i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(text.data[i] - '0');

		if (lsn > (UINT64_MAX - digit) / 10) {
			return false;
		}
		lsn = lsn * 10 + digit;
	}
	*fork_lsn = lsn;
	return i > 0 && i + 1 == text.len && text.data[i] == '\n';
}

/* ST_NOT_FOUND: there is none. */
static enum status read_mark(const struct rewind *r, uint64_t *fork_lsn)
{
	char text[MARK_SIZE];
	struct io_file *file;
	size_t got = 0;
	enum status st = r->io->ops->open(r->io->ctx, r->mark, IO_READ, &file);

	if (st == ST_OK) {
		st = r->io->ops->pread(r->io->ctx, file, text, sizeof text, 0, &got);
		r->io->ops->close(r->io->ctx, file);
	}
	if (st == ST_OK && !parse_mark(slice_of(text, got), fork_lsn)) {
		st = ST_CORRUPT;
	}
	return st == ST_OK || st == ST_NOT_FOUND ? st : failed(r, st, "read", r->mark);
}

static enum status remove_mark(const struct rewind *r)
{
	enum status st = r->io->ops->unlink(r->io->ctx, r->mark);

	if (st == ST_OK || st == ST_NOT_FOUND) {
		st = r->io->ops->sync_dir(r->io->ctx, r->dir);
	}
	return st == ST_OK ? ST_OK : failed(r, st, "remove", r->mark);
}

/* --- the cut --- */

static enum status segment_path(const struct rewind *r, uint64_t first_lsn, char out[WAL_PATH_MAX])
{
	char name[WAL_SEGMENT_NAME_SIZE];

	wal_segment_name(first_lsn, name);
	return wal_segment_path(r->wal_dir, name, out);
}

/* Where the frame that ends with lsn ends in the file of its segment. */
static enum status find_end(const struct rewind *r, uint64_t lsn, uint64_t *off)
{
	struct wal_reader_options opts = {.from_lsn = lsn};
	struct wal_reader *reader;
	struct wal_record rec;
	struct wal_place place;
	enum status st = wal_reader_open(r->io, r->wal_dir, &opts, &reader);

	if (st != ST_OK) {
		return failed(r, st, "open", r->wal_dir);
	}
	st = wal_reader_next(reader, &rec);
	if (st == ST_OK && rec.lsn == lsn && wal_reader_left(reader) == 0) {
		struct wal_frame f = {0};

		wal_reader_place(reader, &place);
		f.stored_len = place.stored_len;
		*off = place.offset + wal_frame_span(&f);
	} else {
		buf_note(r->error,
			 "rewinding: the log in %s has no frame that ends with LSN %" PRIu64 " %s",
			 r->wal_dir, lsn, wal_reader_error(reader));
		st = ST_CORRUPT;
	}
	wal_reader_close(reader);
	return st;
}

/* Blanks a segment from off on: what a recycled file still held there must not count either. */
static enum status blank_from(const struct rewind *r, uint64_t first_lsn, uint64_t off)
{
	const struct io *io = r->io;
	char path[WAL_PATH_MAX];
	struct io_file *file;
	uint64_t size = 0;
	enum status st = segment_path(r, first_lsn, path);

	if (st == ST_OK) {
		st = io->ops->open(io->ctx, path, IO_READ | IO_WRITE, &file);
	}
	if (st != ST_OK) {
		return failed(r, st, "open", path);
	}
	st = io->ops->size(io->ctx, file, &size);
	if (st == ST_OK) {
		st = io->ops->truncate(io->ctx, file, off);
	}
	/* The writer finds its room again; a shorter file is as good. */
	if (st == ST_OK && size > off) {
		st = io->ops->allocate(io->ctx, file, size);
		st = st == ST_NO_SPACE ? ST_OK : st;
	}
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, file);
	}
	io->ops->close(io->ctx, file);
	return st == ST_OK ? ST_OK : failed(r, st, "cut", path);
}

/* Timelines that began after the fork are no part of what is left. */
static void forget_after(struct wal_history *h, uint64_t fork_lsn)
{
	while (h->count > 0 && h->items[h->count - 1].first_lsn > fork_lsn) {
		h->count--;
	}
}

static enum status read_header(const struct rewind *r, uint64_t first_lsn, struct buf *storage,
			       struct wal_segment *out)
{
	struct wal_source_file file = {.io = r->io};
	char path[WAL_PATH_MAX];
	enum status st = segment_path(r, first_lsn, path);

	if (st == ST_OK) {
		st = r->io->ops->open(r->io->ctx, path, IO_READ, &file.file);
	}
	if (st == ST_OK) {
		st = wal_segment_read(wal_source_of_file(&file), storage, out);
		r->io->ops->close(r->io->ctx, file.file);
	}
	return st == ST_OK ? ST_OK : failed(r, st, "read the header of", path);
}

/* The log begins right behind the fork: an empty segment takes the place of its first one, so that
 * the log still says where it goes on. */
static enum status replace_first(const struct rewind *r, uint64_t fork_lsn)
{
	struct buf storage = {0};
	struct wal_segment segment;
	struct wal_files files = {0};
	struct io_file *file;
	enum status st = read_header(r, fork_lsn + 1, &storage, &segment);

	if (st == ST_OK) {
		forget_after(&segment.history, fork_lsn);
		segment.watermark = fork_lsn;
		st = segment.history.count > 0 ? wal_files_open(&files, r->io, r->wal_dir, NULL)
					       : ST_CORRUPT;
		if (st == ST_OK) {
			st = wal_files_begin(&files, &segment, WAL_SEGMENT_HEADER_UNIT, 0,
					     UINT64_MAX, 0, &file);
		}
		if (st == ST_OK) {
			r->io->ops->close(r->io->ctx, file);
		} else {
			(void)failed(r, st, "begin anew", r->wal_dir);
		}
		wal_files_close(&files);
	}
	buf_deinit(&storage);
	return st;
}

/* Removes the segments from index on, newest first. */
static enum status remove_from(const struct rewind *r, const struct wal_segment_list *list,
			       size_t from)
{
	enum status st = ST_OK;

	for (size_t i = list->count; st == ST_OK && i > from; i--) {
		char path[WAL_PATH_MAX];

		st = segment_path(r, list->first_lsn[i - 1], path);
		if (st == ST_OK) {
			st = r->io->ops->unlink(r->io->ctx, path);
		}
		if (st != ST_OK) {
			return failed(r, st, "remove", path);
		}
		/* The log that is left has no hole at any moment. */
		st = r->io->ops->sync_dir(r->io->ctx, r->wal_dir);
	}
	return st == ST_OK ? ST_OK : failed(r, st, "sync the folder", r->wal_dir);
}

static enum status cut(const struct rewind *r, uint64_t fork_lsn)
{
	struct wal_segment_list list = {0};
	uint64_t off = 0;
	size_t kept = 0;
	enum status st = wal_segment_list_read(r->io, r->wal_dir, &list);

	if (st != ST_OK) {
		return failed(r, st, "list", r->wal_dir);
	}
	while (kept < list.count && list.first_lsn[kept] <= fork_lsn) {
		kept++;
	}
	if (kept > 0) {
		st = find_end(r, fork_lsn, &off);
		if (st == ST_OK) {
			st = remove_from(r, &list, kept);
		}
		if (st == ST_OK) {
			st = blank_from(r, list.first_lsn[kept - 1], off);
		}
	} else {
		/* A log of which nothing is left still has a first segment, but at its beginning.
		 */
		st = remove_from(r, &list, fork_lsn > 0 ? 1 : 0);
		if (st == ST_OK && fork_lsn > 0) {
			st = replace_first(r, fork_lsn);
		}
	}
	wal_segment_list_deinit(&list);
	return st == ST_OK ? remove_mark(r) : st;
}

/* --- the door --- */

/* ST_INVALID, ST_AGAIN: as rewind_log; the latter only once the records are archived. */
static enum status judge(const struct rewind *r, uint64_t fork_lsn, const struct rewind_survey *log,
			 bool *possible)
{
	struct wal_history history = log->history;

	if (fork_lsn > log->last_lsn) {
		buf_note(r->error, "cannot rewind to LSN %" PRIu64 ": the log ends at LSN %" PRIu64,
			 fork_lsn, log->last_lsn);
		return ST_INVALID;
	}
	*possible = fork_lsn + 1 >= log->oldest_lsn;
	if (*possible && !log->at_frame_end) {
		buf_note(r->error,
			 "cannot rewind to LSN %" PRIu64 ": no frame of the log ends there",
			 fork_lsn);
		return ST_INVALID;
	}
	forget_after(&history, fork_lsn);
	if (fork_lsn > 0 && history.count == 0) {
		*possible = false; /* the log no longer knows whose records these were */
	}
	return ST_OK;
}

static enum status run(struct rewind *r, uint64_t fork_lsn, struct rewind_result *out)
{
	struct store_state state;
	struct rewind_survey log;
	bool possible = false;
	enum status st = read_store(r, &state);

	if (st == ST_OK) {
		st = survey(r, fork_lsn, state.drain_lsn, &log);
	}
	if (st == ST_OK) {
		st = judge(r, fork_lsn, &log, &possible);
	}
	if (st == ST_OK && log.last_lsn > fork_lsn) {
		st = rewind_write_archive(r->io, r->dir, r->wal_dir, fork_lsn, &log, out, r->error);
	}
	if (st != ST_OK) {
		return st;
	}
	if (!possible || state.drain_lsn > fork_lsn || state.checkpoint_lsn > fork_lsn) {
		buf_note(r->error,
			 "cannot rewind to LSN %" PRIu64 " by the log alone: the store was written "
			 "up to LSN %" PRIu64 " and the log begins at LSN %" PRIu64,
			 fork_lsn, state.drain_lsn, log.oldest_lsn);
		return ST_AGAIN;
	}
	if (log.oldest_lsn == 0) {
		return ST_OK; /* there is no log at all, and nothing to cut */
	}
	st = write_mark(r, fork_lsn);
	return st == ST_OK ? cut(r, fork_lsn) : st;
}

/* Finds the paths and takes the directory's lock. */
static enum status enter(struct rewind *r, const struct io *io, const char *dir,
			 struct io_file **lock, struct buf *error)
{
	enum status st = find_paths(r, io, dir, error);

	return st == ST_OK ? dir_lock_take(io, dir, lock, error) : st;
}

enum status rewind_log(const struct io *io, const char *dir, uint64_t fork_lsn,
		       struct rewind_result *out, struct buf *error)
{
	struct io_file *lock;
	struct rewind r;
	enum status st = enter(&r, io, dir, &lock, error);

	*out = (struct rewind_result){0};
	if (st == ST_OK) {
		st = run(&r, fork_lsn, out);
		io->ops->close(io->ctx, lock);
	}
	return st;
}

static enum status run_archive(struct rewind *r, uint64_t after_lsn, struct rewind_result *out)
{
	struct rewind_survey log;
	struct store_state state;
	enum status st = read_store(r, &state);

	if (st == ST_OK) {
		st = survey(r, after_lsn, state.drain_lsn, &log);
	}
	if (st == ST_OK && log.last_lsn > after_lsn) {
		st =
		    rewind_write_archive(r->io, r->dir, r->wal_dir, after_lsn, &log, out, r->error);
	}
	return st;
}

enum status rewind_archive(const struct io *io, const char *dir, uint64_t after_lsn,
			   struct rewind_result *out, struct buf *error)
{
	struct io_file *lock;
	struct rewind r;
	enum status st = enter(&r, io, dir, &lock, error);

	*out = (struct rewind_result){0};
	if (st == ST_OK) {
		st = run_archive(&r, after_lsn, out);
		io->ops->close(io->ctx, lock);
	}
	return st;
}

enum status rewind_recover(const struct io *io, const char *dir, struct buf *error)
{
	struct rewind r;
	uint64_t fork_lsn = 0;
	enum status st = find_paths(&r, io, dir, error);

	if (st == ST_OK) {
		st = read_mark(&r, &fork_lsn);
	}
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	return st == ST_OK ? cut(&r, fork_lsn) : st;
}

enum status rewind_cut(const struct io *io, const char *dir, uint64_t fork_lsn, struct buf *error)
{
	struct rewind r;
	enum status st = find_paths(&r, io, dir, error);

	if (st == ST_OK) {
		st = write_mark(&r, fork_lsn);
	}
	return st == ST_OK ? cut(&r, fork_lsn) : st;
}
