/* Recovery: the log's records after the store's checkpoint go into the active memtable, by the same
 * apply as everywhere.
 *
 * A torn tail is reported and left behind: the writer goes on in a new segment that begins at its
 * LSN. Everything else that is wrong stops the start. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"
#include "engine/wal/wal_reader.h"

#include <inttypes.h>

enum {
	LOOKAHEAD = 16,
	TABLES_MAX = 2, /* what one table takes during a replay, in units of memtable_max */
};

/* Operations decoded but not applied: their lookups are begun together, so that they wait for
 * memory together. */
struct lookahead {
	uint32_t count;
	struct {
		struct wal_op op;
		struct store_key key;
		uint64_t hash, lsn;
	} items[LOOKAHEAD];
};

static enum status apply_all(struct engine *e, struct lookahead *ahead)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < ahead->count; i++) {
		(void)memtable_prefetch_entry(e->active, store_key_slice(&ahead->items[i].key),
					      ahead->items[i].hash);
	}
	for (uint32_t i = 0; st == ST_OK && i < ahead->count; i++) {
		st = apply_op(e, &ahead->items[i].op, &ahead->items[i].key, ahead->items[i].hash,
			      ahead->items[i].lsn);
	}
	ahead->count = 0;
	return st;
}

static enum status add_record(struct engine *e, struct lookahead *ahead,
			      const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	enum status st;

	for (;;) {
		uint32_t i = ahead->count;

		if (i == LOOKAHEAD) {
			st = apply_all(e, ahead);
			if (st != ST_OK) {
				return st;
			}
			continue;
		}
		st = wal_op_next(&ops, &ahead->items[i].op);
		if (st == ST_OK) {
			st = apply_key(&ahead->items[i].op, &ahead->items[i].key);
		}
		if (st != ST_OK) {
			return st == ST_END ? ST_OK : st;
		}
		ahead->items[i].hash =
		    memtable_hash(store_key_slice(&ahead->items[i].key), e->hash_seed);
		ahead->items[i].lsn = rec->lsn;
		memtable_prefetch_cell(e->active, store_key_slice(&ahead->items[i].key),
				       ahead->items[i].hash);
		ahead->count++;
	}
}

/* The tail of a node that was killed under load is what its active and its frozen table held; it
 * fits into one here, and the checkpoint takes it while the node serves. A larger one (after a full
 * copy, or when memtable-max was lowered) is drained on the way. Only what is durable may go into
 * the store, and the end of the log may be in the page cache alone. */
static enum status make_room(struct engine *e, const struct wal_reader *r)
{
	struct wal_reader_end end;
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX];
	struct io_file *file;
	enum status st;

	wal_reader_end(r, &end);
	wal_segment_name(end.at.segment_first, name);
	st = wal_segment_path(e->wal_dir, name, path);
	if (st == ST_OK) {
		st = e->opts.io->ops->open(e->opts.io->ctx, path, IO_READ | IO_WRITE, &file);
	}
	if (st == ST_OK) {
		st = e->opts.io->ops->datasync(e->opts.io->ctx, file);
		e->opts.io->ops->close(e->opts.io->ctx, file);
	}
	return st == ST_OK ? engine_drain_recovered(e, &end.history) : st;
}

static enum status replay(struct engine *e, struct wal_reader *r, struct lookahead *ahead,
			  uint64_t from_lsn, struct buf *error)
{
	uint64_t expect = from_lsn;

	for (;;) {
		struct wal_record rec;
		enum status st = wal_reader_next(r, &rec);

		if (st != ST_OK) {
			return st;
		}
		if (rec.lsn != expect && !PLANTED(40)) {
			buf_note(error,
				 "the write-ahead log in %s begins at LSN %" PRIu64
				 ", but the store needs LSN %" PRIu64
				 ": segments are missing; restore them (from the archive) and "
				 "start again",
				 e->wal_dir, rec.lsn, expect);
			return ST_CORRUPT;
		}
		expect++;
		st = add_record(e, ahead, &rec);
		if (st == ST_OK && wal_reader_left(r) == 0) {
			st = apply_all(e, ahead);
			if (st == ST_OK &&
			    memtable_bytes(e->active) >= TABLES_MAX * e->memtable_max) {
				e->next_lsn = rec.lsn + 1;
				st = make_room(e, r);
			}
		}
		if (st != ST_OK) {
			buf_note(error, "cannot apply the log's record %" PRIu64 ": %s", rec.lsn,
				 status_text(st));
			return st;
		}
		e->stats.recovery_records++;
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
	struct lookahead *ahead = NULL;
	struct wal_reader *r;
	enum status st = wal_reader_open(e->opts.io, e->wal_dir, &opts, &r);

	if (st != ST_OK) {
		buf_note(error, "cannot open the write-ahead log in %s: %s", e->wal_dir,
			 status_text(st));
		return st;
	}
	ahead = mem_calloc(1, sizeof *ahead);
	st = ahead == NULL ? ST_NO_MEMORY : replay(e, r, ahead, from, error);
	mem_free(ahead);
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
	if (st == ST_OK) {
		finish(e, state, &end, at, clean);
	}
	wal_reader_close(r);
	return st;
}
