/* A log that is only written to, for a store that is not open yet. */
#include "engine/snapshot_log.h"

#include "engine/base/alloc.h"
#include "engine/base/waiting.h"
#include "engine/wal/wal_writer.h"

#include <stdio.h>

enum { PENDING_PAUSE_US = 500 };

struct snapshot_log {
	const struct io *io;
	char folder[WAL_PATH_MAX];
	struct wal_writer *wal;
	struct wal_history history;
	uint64_t next_lsn, chain;
};

static void remove_file(void *arg, const char *name)
{
	struct snapshot_log *l = arg;
	char path[WAL_PATH_MAX];

	if (wal_segment_path(l->folder, name, path) == ST_OK) {
		/* What stays is overwritten or found by the check before the copy is taken. */
		(void)l->io->ops->unlink(l->io->ctx, path);
	}
}

static enum status make_folder(struct snapshot_log *l, const char *copy)
{
	enum status st = wal_segment_path(copy, "wal", l->folder);

	if (st == ST_OK) {
		st = l->io->ops->mkdir(l->io->ctx, l->folder);
	}
	return st == ST_OK ? l->io->ops->list(l->io->ctx, l->folder, remove_file, l) : st;
}

enum status snapshot_log_open(const struct io *io, const struct clock *clock, const char *copy,
			      uint64_t segment_size, const struct wal_segment *segment,
			      uint64_t first_lsn, uint64_t chain, struct snapshot_log **out)
{
	struct snapshot_log *l = mem_calloc(1, sizeof *l);
	struct wal_writer_options opts = {
	    .io = io,
	    .clock = clock,
	    .segment_size = segment_size,
	    .keep_size = UINT64_MAX,
	    .dictionary = segment->dictionary,
	    .fsync = WAL_FSYNC_NO,
	    .history = segment->history,
	    .at = {.next_lsn = first_lsn, .chain = chain},
	};
	enum status st;

	if (l == NULL) {
		return ST_NO_MEMORY;
	}
	l->io = io;
	l->history = segment->history;
	l->next_lsn = first_lsn;
	l->chain = chain;
	st = make_folder(l, copy);
	opts.dir = l->folder;
	if (st == ST_OK) {
		st = wal_writer_open(&opts, &l->wal);
	}
	if (st != ST_OK) {
		mem_free(l);
		return st;
	}
	*out = l;
	return ST_OK;
}

enum status snapshot_log_frame(struct snapshot_log *l, const struct wal_segment *segment,
			       const struct wal_frame *f, struct slice stored)
{
	enum status st = ST_OK;

	if (f->first_lsn != l->next_lsn || f->chain != l->chain || f->records == 0) {
		return ST_CORRUPT;
	}
	/* The log's thread takes one kind of thing at a time. */
	if (!wal_history_eq(&segment->history, &l->history)) {
		while ((st = wal_writer_set_history(l->wal, &segment->history,
						    segment->dictionary)) == ST_AGAIN) {
			waiting_pause_us(PENDING_PAUSE_US);
		}
		l->history = segment->history;
	}
	while (st == ST_OK && (st = wal_writer_append_frame(l->wal, f, stored)) == ST_AGAIN) {
		waiting_pause_us(PENDING_PAUSE_US);
		st = ST_OK;
	}
	if (st == ST_OK) {
		l->next_lsn = wal_frame_next_lsn(f);
		l->chain = f->digest;
	}
	return st;
}

uint64_t snapshot_log_next_lsn(const struct snapshot_log *l)
{
	return l->next_lsn;
}

const struct wal_history *snapshot_log_history(const struct snapshot_log *l)
{
	return &l->history;
}

enum status snapshot_log_finish(struct snapshot_log *l)
{
	enum status st = wal_writer_sync(l->wal, l->next_lsn - 1);
	enum status closed = wal_writer_close(l->wal);

	mem_free(l);
	return st == ST_OK ? closed : st;
}

void snapshot_log_close(struct snapshot_log *l)
{
	if (l != NULL) {
		(void)wal_writer_close(l->wal);
		mem_free(l);
	}
}
