/* Receiving a full copy.
 *
 * What the blocks show may be effects of records up to the drain mark, so the log that completes
 * the copy must be the history that those records belong to. The sender's history is kept beside
 * the copy (DIR/copy/source); a copy that goes on with another sender, or a log that takes another
 * turn before the drain mark, is given up and begun anew. */
#include "net/repl_copy_in.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/dataset.h"
#include "engine/snapshot_log.h"
#include "engine/snapshot_writer.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_SIZE = 4096 };

struct repl_copy_in {
	char dir[PATH_SIZE]; /* the data directory */
	struct snapshot_writer *writer;
	struct snapshot_head head;
	struct snapshot_tail tail;
	bool ended;	   /* the tail has come */
	uint64_t need_lsn; /* the log has to lead up to there, at least */
	struct wal_history source;
	struct snapshot_log *log;
	uint64_t wal_segment_size;
	uint64_t bytes, total;
};

static bool path_of(const char *dir, const char *name, char out[PATH_SIZE])
{
	int n = snprintf(out, PATH_SIZE, "%s/%s/%s", dir, DATASET_COPY, name);

	return n > 0 && n < PATH_SIZE;
}

/* --- whose copy it is --- */

static enum status write_source(const struct repl_copy_in *c)
{
	const struct io *io = io_posix();
	struct buf bytes = {0};
	struct io_file *f;
	char tmp[PATH_SIZE], path[PATH_SIZE], folder[PATH_SIZE];
	enum status st = wal_history_encode(&c->source, &bytes);

	if (!path_of(c->dir, "source.tmp", tmp) || !path_of(c->dir, "source", path) ||
	    !path_of(c->dir, "", folder)) {
		st = ST_LIMIT;
	}
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &f);
	}
	if (st == ST_OK) {
		st = io->ops->pwrite(io->ctx, f, bytes.data, bytes.len, 0);
		if (st == ST_OK) {
			st = io->ops->datasync(io->ctx, f);
		}
		io->ops->close(io->ctx, f);
	}
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, tmp, path);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, folder);
	}
	buf_deinit(&bytes);
	return st;
}

static enum status read_source(const char *dir, struct wal_history *out)
{
	const struct io *io = io_posix();
	uint8_t bytes[WAL_HISTORY_TEXT_MAX + 1];
	struct slice in = {.data = bytes};
	struct io_file *f;
	char path[PATH_SIZE];
	enum status st = path_of(dir, "source", path) ? ST_OK : ST_LIMIT;

	if (st == ST_OK) {
		st = io->ops->open(io->ctx, path, IO_READ, &f);
	}
	if (st == ST_OK) {
		st = io->ops->pread(io->ctx, f, bytes, sizeof bytes, 0, &in.len);
		io->ops->close(io->ctx, f);
	}
	return st == ST_OK ? wal_history_decode(&in, out) : st;
}

/* True when records up to lsn are the same in both histories, however far each goes. */
static bool same_up_to(const struct wal_history *a, const struct wal_history *b, uint64_t lsn)
{
	uint64_t fork;

	return wal_history_fork(a, UINT64_MAX, b, UINT64_MAX, &fork) == ST_OK && fork >= lsn;
}

static enum status give_up(struct repl_copy_in *c, const char *why, struct buf *error)
{
	struct buf ignored = {0};

	snapshot_writer_close(c->writer);
	c->writer = NULL;
	snapshot_log_close(c->log);
	c->log = NULL;
	if (dataset_drop_copy(io_posix(), c->dir, &ignored) != ST_OK) {
		logger(LOG_LVL_WARNING, "an unfinished copy can't be removed: %.*s",
		       (int)ignored.len, (const char *)ignored.data);
	}
	buf_deinit(&ignored);
	buf_note(error, "%s: the full copy begins anew", why);
	return ST_CORRUPT;
}

bool repl_copy_in_unfinished(const char *dir, struct buf *resume)
{
	struct buf ignored = {0};
	struct wal_history source;
	bool there = read_source(dir, &source) == ST_OK &&
		     snapshot_copy_resume(io_posix(), dir, resume, &ignored) == ST_OK;

	buf_deinit(&ignored);
	return there;
}

/* --- blocks --- */

/* The place where the copy in dir goes on may only be used with records of its own source. */
static enum status check_source(struct repl_copy_in *c, struct buf *error)
{
	struct wal_history before;
	struct snapshot_resume place;
	enum status st = read_source(c->dir, &before);

	if (st == ST_OK) {
		st = snapshot_resume_decode(snapshot_writer_resume(c->writer), &place);
	}
	if (st != ST_OK || !same_up_to(&before, &c->source, place.drain_lsn)) {
		return give_up(c, "the unfinished copy is of another history", error);
	}
	return ST_OK;
}

static enum status begin(struct repl_copy_in *c, uint64_t map_size_max, struct slice payload,
			 struct buf *error)
{
	bool goes_on;
	enum status st = wal_history_decode(&payload, &c->source);

	if (st == ST_OK) {
		st = snapshot_head_decode(payload, &c->head);
	}
	if (st != ST_OK) {
		buf_note(error, "the head of a full copy does not decode");
		return ST_CORRUPT;
	}
	c->total = c->head.bytes;
	st = snapshot_writer_open(io_posix(), c->dir, &c->head, map_size_max, &c->writer, &goes_on,
				  error);
	if (st == ST_OK && goes_on) {
		st = check_source(c, error);
	}
	if (st == ST_OK) {
		st = write_source(c);
		if (st != ST_OK) {
			buf_note(error, "cannot write %s/copy: %s", c->dir, status_text(st));
		}
	}
	if (st == ST_OK) {
		logger(LOG_LVL_NOTICE,
		       "MASTER <-> REPLICA sync: receiving about %" PRIu64 " keys, %" PRIu64
		       " bytes, as of LSN %" PRIu64 "%s",
		       c->head.keys, c->head.bytes, c->head.lsn,
		       goes_on ? " (going on with an unfinished copy)" : "");
	}
	return st;
}

enum status repl_copy_in_begin(const char *dir, uint64_t map_size_max, uint64_t wal_segment_size,
			       struct slice head, struct repl_copy_in **out, struct buf *error)
{
	struct repl_copy_in *c = mem_calloc(1, sizeof *c);
	enum status st = c == NULL ? ST_NO_MEMORY : ST_OK;

	if (st == ST_OK && snprintf(c->dir, sizeof c->dir, "%s", dir) >= (int)sizeof c->dir) {
		st = ST_LIMIT;
	}
	if (st == ST_OK) {
		c->wal_segment_size = wal_segment_size;
		st = begin(c, map_size_max, head, error);
	}
	if (st != ST_OK) {
		repl_copy_in_close(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

enum status repl_copy_in_block(struct repl_copy_in *c, struct slice block, struct buf *error)
{
	uint64_t entries;
	enum status st;

	if (c->ended) {
		buf_note(error, "a block after the end of the full copy");
		return ST_CORRUPT;
	}
	st = snapshot_writer_add(c->writer, block, error);
	snapshot_writer_progress(c->writer, &entries, &c->bytes);
	return st;
}

enum status repl_copy_in_rest(struct repl_copy_in *c, struct buf *error)
{
	return c->ended ? ST_OK : snapshot_writer_rest(c->writer, error);
}

enum status repl_copy_in_end(struct repl_copy_in *c, struct slice tail, struct buf *error)
{
	enum status st =
	    c->ended || tail.len != SNAPSHOT_TAIL_LEN + sizeof(uint64_t)
		? ST_CORRUPT
		: snapshot_tail_decode(slice_of(tail.data, SNAPSHOT_TAIL_LEN), &c->tail);

	if (st != ST_OK) {
		buf_note(error, "the end of a full copy does not decode");
		return ST_CORRUPT;
	}
	c->need_lsn = bytes_get_u64le(tail.data + SNAPSHOT_TAIL_LEN);
	if (c->need_lsn < c->tail.drain_lsn) {
		c->need_lsn = c->tail.drain_lsn;
	}
	st = snapshot_writer_finish(c->writer, &c->tail, error);
	if (st == ST_OK) {
		c->ended = true;
		logger(LOG_LVL_NOTICE,
		       "MASTER <-> REPLICA sync: %" PRIu64
		       " entries received; the log is needed up to LSN %" PRIu64,
		       c->tail.entries, c->need_lsn);
	}
	return st;
}

/* --- the copy's log --- */

/* The store's effects, and what the primary had when the copy ended, are all in the log: both are
 * closed. */
static enum status complete(struct repl_copy_in *c, struct buf *error)
{
	enum status st;

	if (!same_up_to(&c->source, snapshot_log_history(c->log), c->need_lsn)) {
		return give_up(c, "the primary's history has taken another turn meanwhile", error);
	}
	st = snapshot_log_finish(c->log);
	c->log = NULL;
	if (st != ST_OK) {
		buf_note(error, "the log of the full copy can't be written: %s", status_text(st));
		return st;
	}
	return ST_END;
}

static enum status open_log(struct repl_copy_in *c, const struct wal_segment *segment,
			    uint64_t first_lsn, uint64_t chain, struct buf *error)
{
	char folder[PATH_SIZE];
	enum status st = path_of(c->dir, "", folder) ? ST_OK : ST_LIMIT;

	if (st == ST_OK) {
		st = snapshot_log_open(io_posix(), clock_system(), folder, c->wal_segment_size,
				       segment, first_lsn, chain, &c->log);
	}
	if (st != ST_OK) {
		buf_note(error, "the log of the full copy can't be made: %s", status_text(st));
	}
	return st;
}

enum status repl_copy_in_frame(struct repl_copy_in *c, const struct wal_segment *segment,
			       const struct wal_frame *f, struct slice stored, struct buf *error)
{
	enum status st = ST_OK;
	uint64_t next;

	/* The first frame ends with the copy's LSN or holds it. */
	if (!c->ended || (c->log == NULL && f->first_lsn > (c->head.lsn == 0 ? 1 : c->head.lsn))) {
		buf_note(error, "a frame at LSN %" PRIu64 " has no place in the full copy",
			 f->first_lsn);
		return ST_CORRUPT;
	}
	if (c->log == NULL) {
		st = open_log(c, segment, f->first_lsn, f->chain, error);
	}
	if (st == ST_OK) {
		st = snapshot_log_frame(c->log, segment, f, stored);
		if (st != ST_OK) {
			buf_note(error, "the frame at LSN %" PRIu64 " can't be logged: %s",
				 f->first_lsn, status_text(st));
		}
	}
	if (st != ST_OK) {
		return st;
	}
	c->bytes += stored.len;
	next = snapshot_log_next_lsn(c->log);
	return next > c->need_lsn && next > c->head.lsn ? complete(c, error) : ST_OK;
}

enum status repl_copy_in_segment(struct repl_copy_in *c, const struct wal_segment *segment,
				 struct buf *error)
{
	enum status st;

	if (!c->ended || c->log != NULL || c->need_lsn > 0) {
		return ST_OK;
	}
	/* A shard without a record yet: there is no frame to wait for. */
	st = open_log(c, segment, 1, 0, error);
	return st == ST_OK ? complete(c, error) : st;
}

void repl_copy_in_progress(const struct repl_copy_in *c, uint64_t *total, uint64_t *bytes)
{
	*total = c->total;
	*bytes = c->bytes;
}

void repl_copy_in_close(struct repl_copy_in *c)
{
	if (c == NULL) {
		return;
	}
	snapshot_writer_close(c->writer);
	snapshot_log_close(c->log);
	mem_free(c);
}
