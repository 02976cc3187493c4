/* Recovery: the log's records after the store's checkpoint go into the active memtable, by the same
 * apply as everywhere. recovery_ahead.c reads them meanwhile.
 *
 * A torn tail is reported and left behind: the writer goes on in a new segment that begins at its
 * LSN. Everything else that is wrong stops the start. */
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"
#include "engine/recovery_ahead.h"

#include <inttypes.h>

enum {
	FETCH = 32,	/* operations ahead that are fetched themselves, */
	LOOKAHEAD = 16, /* whose lookups wait for memory together */
	CACHE_LINE = 64,
	TABLES_MAX = 2, /* what one table takes during a replay, in units of memtable_max */
};

static enum status apply_batch(struct engine *e, const struct recovery_batch *b)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; st == ST_OK && i < b->count; i++) {
		const struct recovery_item *at = &b->items[i];

		if (i + FETCH < b->count) { /* they lie in another core's cache */
			__builtin_prefetch(&at[FETCH]);
			__builtin_prefetch((const uint8_t *)&at[FETCH] + CACHE_LINE);
		}
		if (i + LOOKAHEAD < b->count) {
			memtable_prefetch_cell(e->active, store_key_slice(&at[LOOKAHEAD].key),
					       at[LOOKAHEAD].hash);
		}
		if (i + LOOKAHEAD / 2 < b->count) {
			(void)memtable_prefetch_entry(e->active,
						      store_key_slice(&at[LOOKAHEAD / 2].key),
						      at[LOOKAHEAD / 2].hash);
		}
		st = apply_op(e, &at->op, &at->key, at->hash, at->lsn);
		e->next_lsn = at->lsn; /* for an error's text */
	}
	if (st == ST_OK && b->records > 0) {
		e->next_lsn = b->last_lsn + 1;
	}
	return st;
}

/* The tail of a node that was killed under load is what its active and its frozen table held; it
 * fits into one here, and the checkpoint takes it while the node serves. A larger one (after a full
 * copy, or when memtable-max was lowered) is drained on the way. Only what is durable may go into
 * the store, and the end of the log may be in the page cache alone. */
static enum status make_room(struct engine *e, const struct wal_reader_end *end)
{
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX];
	struct io_file *file;
	enum status st;

	wal_segment_name(end->at.segment_first, name);
	st = wal_segment_path(e->wal_dir, name, path);
	if (st == ST_OK) {
		st = e->opts.io->ops->open(e->opts.io->ctx, path, IO_READ | IO_WRITE, &file);
	}
	if (st == ST_OK) {
		st = e->opts.io->ops->datasync(e->opts.io->ctx, file);
		e->opts.io->ops->close(e->opts.io->ctx, file);
	}
	return st == ST_OK ? engine_drain_recovered(e, &end->history) : st;
}

/* Applies batches until the log stops; what the reader says then. */
static enum status replay(struct engine *e, struct recovery_ahead *ahead, struct buf *error)
{
	for (;;) {
		struct recovery_batch *b = recovery_ahead_next(ahead);
		enum status st = apply_batch(e, b);

		e->stats.recovery_records += b->records;
		memtable_back_ahead(e->active, e->mem_ahead);
		if (st == ST_OK && b->whole &&
		    memtable_bytes(e->active) >= TABLES_MAX * e->memtable_max) {
			st = make_room(e, &b->end);
		}
		if (st != ST_OK) {
			buf_note(error, "cannot apply the log's record %" PRIu64 ": %s",
				 e->next_lsn, status_text(st));
			return st;
		}
		if (b->stop != ST_OK) {
			return b->stop;
		}
	}
}

/* The log must reach as far as the store may have been written to. */
static enum status check_reach(const struct engine *e, const struct store_state *state,
			       const struct wal_reader_end *end, struct buf *error)
{
	uint64_t last = end->at.next_lsn - 1;

	if (end->empty && state->drain_lsn > 0) {
		buf_note(
		    error,
		    "there is no write-ahead log in %s, but the store was written up to LSN "
		    "%" PRIu64
		    ": restore the log's folder, or make a new one with cairn-wal replay --to-env",
		    e->wal_dir, state->drain_lsn);
		return ST_CORRUPT;
	}
	if (!end->empty && last < state->drain_lsn) {
		buf_note(error,
			 "the write-ahead log in %s ends at LSN %" PRIu64
			 ", but the store was written up to LSN %" PRIu64
			 ": the log's end is missing; restore it",
			 e->wal_dir, last, state->drain_lsn);
		return ST_CORRUPT;
	}
	if (!end->empty && end->history.shard_id != state->history.shard_id &&
	    state->history.count > 0) {
		buf_note(error, "the write-ahead log in %s belongs to another shard than the store",
			 e->wal_dir);
		return ST_CORRUPT;
	}
	return ST_OK;
}

static void finish(struct engine *e, const struct store_state *state,
		   const struct wal_reader_end *end, struct wal_position *at, bool *clean)
{
	*at = end->at;
	*clean = end->clean;
	e->history = state->history;
	if (end->empty) {
		*at = (struct wal_position){.next_lsn = 1};
		return;
	}
	e->history = end->history;
	e->stats.recovery_torn_bytes = end->torn_bytes;
	e->stats.recovery_cut_lsn = end->torn_bytes > 0 ? end->at.next_lsn : 0;
}

enum status recovery_run(struct engine *e, const struct store_state *state, struct wal_position *at,
			 bool *clean, struct buf *error)
{
	uint64_t from = state->checkpoint_lsn + (PLANTED(41) ? 2 : 1);
	struct wal_reader_options opts = {.from_lsn = from, .safe_lsn = state->drain_lsn};
	struct wal_reader_end end;
	struct recovery_ahead *ahead = NULL;
	struct wal_reader *r;
	uint64_t begins;
	enum status st = wal_reader_open(e->opts.io, e->wal_dir, &opts, &r);

	if (st != ST_OK) {
		buf_note(error, "cannot open the write-ahead log in %s: %s", e->wal_dir,
			 status_text(st));
		return st;
	}
	st = recovery_ahead_start(r, from, e->hash_seed, &ahead);
	if (st == ST_OK) {
		st = replay(e, ahead, error);
	}
	begins = recovery_ahead_end(ahead);
	if (begins != 0) {
		buf_note(error,
			 "the write-ahead log in %s begins at LSN %" PRIu64
			 ", but the store needs LSN %" PRIu64
			 ": segments are missing; restore them (from the archive) and "
			 "start again",
			 e->wal_dir, begins, from);
	}
	wal_reader_end(r, &end);
	if (st == ST_END || st == ST_TORN) {
		if (st == ST_TORN) {
			logger(LOG_LVL_WARNING,
			       "recovery: %s; nothing acknowledged is lost by cutting it",
			       wal_reader_error(r));
		}
		st = check_reach(e, state, &end, error);
	} else if (error->len == 0) {
		buf_note(error, "%s", wal_reader_error(r));
	}
	if (st != ST_OK && error->len == 0) {
		buf_note(error, "cannot read the log's record %" PRIu64 ": %s", e->next_lsn,
			 status_text(st));
	}
	if (st == ST_OK) {
		finish(e, state, &end, at, clean);
	}
	wal_reader_close(r);
	return st;
}
