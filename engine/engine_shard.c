/* Following a primary, becoming one, and how far the store may run ahead of the replicas. */
#include "engine/engine_shard.h"

#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"

void engine_set_replica(struct engine *e, bool replica)
{
	INVARIANT(!e->batch.open);
	e->opts.replica = replica;
	e->freeze_at = 0;
	e->freezes_told = false;
}

bool engine_is_replica(const struct engine *e)
{
	return e->opts.replica;
}

enum status engine_position(struct engine *e, struct engine_position *out)
{
	uint64_t lsn, chain;

	wal_writer_chain(e->wal, &lsn, &chain);
	if (lsn != e->next_lsn - 1) {
		return ST_AGAIN;
	}
	*out = (struct engine_position){.lsn = lsn, .chain = chain, .history = e->history};
	return ST_OK;
}

/* --- frames --- */

/* Looks at every operation before the first one is applied: a frame counts whole or not at all. */
static enum status check_records(const struct wal_frame *f, struct slice records)
{
	for (uint32_t i = 0; i < f->records; i++) {
		struct wal_record rec;
		struct wal_op op;
		size_t used;
		enum status st = wal_record_decode(records, &rec, &used);

		while (st == ST_OK) {
			struct meta m;

			st = wal_op_next(&rec.ops, &op);
			if (st == ST_OK && op.kind == WAL_OP_PUT_KEY) {
				st = meta_decode(op.value, &m);
			}
		}
		if (st != ST_END) {
			return ST_CORRUPT;
		}
		records = slice_skip(records, used);
	}
	return records.len == 0 ? ST_OK : ST_CORRUPT;
}

/* A flush takes a fresh table rather than the time to empty the old one. */
static enum status apply_flush(struct engine *e)
{
	struct memtable *fresh;
	enum status st = engine_fresh_table(e, &fresh);

	if (st == ST_OK) {
		memtable_set_flushed(fresh, true);
		engine_retire_table(e, e->active);
		e->active = fresh;
		e->unresolved_at = 0;
		e->looked = false;
	}
	return st;
}

/* Tells watchers. An element's operation does not name its key, so all watches of this node break:
 * too many rather than too few. */
static void tell(struct engine *e, const struct wal_op *op, const struct store_key *key)
{
	bool named = op->kind == WAL_OP_PUT_KEY || op->kind == WAL_OP_DEL_KEY;

	if (e->opts.touched != NULL && op->kind != WAL_OP_DROP && !library_set_concerns(op)) {
		e->opts.touched(e->opts.touched_arg, named ? key : NULL);
	}
}

static enum status apply_record(struct engine *e, const struct wal_record *rec, uint64_t lsn)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st;

	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		struct store_key key;
		uint64_t hash;

		if (PLANTED(55) && op.kind == WAL_OP_DEL_KEY) {
			continue;
		}
		st = apply_key(&op, &key);
		if (st == ST_OK) {
			tell(e, &op, &key);
			if (op.kind == WAL_OP_FLUSH) {
				st = apply_flush(e);
			} else {
				hash = memtable_hash(store_key_slice(&key), e->hash_seed);
				st = apply_op(e, &op, &key, hash, lsn);
			}
		}
		if (st != ST_OK) {
			return st;
		}
		e->stats.writes_since_checkpoint++;
	}
	return st == ST_END ? ST_OK : st;
}

enum status engine_apply_frame(struct engine *e, const struct wal_frame *f, struct slice stored,
			       struct slice records)
{
	enum status st = engine_writable(e);

	INVARIANT(!e->batch.open && e->opts.replica);
	if (st != ST_OK) {
		return st;
	}
	if (f->records == 0 || f->first_lsn != e->next_lsn || f->stored_len != stored.len) {
		return ST_CORRUPT;
	}
	st = check_records(f, records);
	if (st == ST_OK) {
		st = wal_writer_append_frame(e->wal, f, stored);
	}
	if (st != ST_OK) {
		return st;
	}
	/* The log has it. What can't be applied now would make reads lie, so there is no way back
	 * but a restart, which applies it. */
	for (uint32_t i = 0; st == ST_OK && i < f->records; i++) {
		struct wal_record rec;
		size_t used;

		st = wal_record_decode(records, &rec, &used);
		if (st == ST_OK) {
			st = apply_record(e, &rec, f->first_lsn + i);
			records = slice_skip(records, used);
		}
		if (st == ST_OK) {
			e->next_lsn = f->first_lsn + i + 1;
			engine_freeze_told(e, f->first_lsn + i);
		}
	}
	if (st != ST_OK) {
		engine_fail(e, "applying the primary's records", st);
	}
	e->next_lsn = wal_frame_next_lsn(f);
	return ST_OK;
}

/* --- timelines --- */

enum status engine_follow_history(struct engine *e, const struct wal_history *history,
				  struct slice dictionary)
{
	uint64_t last = e->next_lsn - 1, fork;
	enum status st;

	if (wal_history_fork(history, UINT64_MAX, &e->history, last, &fork) != ST_OK ||
	    fork != last) {
		return ST_CORRUPT;
	}
	st = wal_writer_set_history(e->wal, history, dictionary);
	if (st == ST_OK) {
		e->history = *history;
	}
	return st;
}

enum status engine_promote(struct engine *e, uint64_t epoch)
{
	struct wal_history next = e->history;
	enum status st;

	INVARIANT(!e->batch.open);
	wal_history_begin(&next, (struct wal_timeline){.id = engine_random_id(e),
						       .epoch = epoch,
						       .first_lsn = e->next_lsn});
	st = wal_writer_set_history(e->wal, &next, e->opts.wal_dictionary);
	if (st == ST_OK) {
		e->history = next;
		e->opts.replica = false;
	}
	return st;
}

/* --- what the replicas need --- */

void engine_set_horizon(struct engine *e, uint64_t lsn)
{
	e->horizon = lsn;
}

uint64_t engine_last_lsn(const struct engine *e)
{
	return e->next_lsn - 1;
}

const struct wal_history *engine_history(const struct engine *e)
{
	return &e->history;
}

uint64_t engine_durable_lsn(const struct engine *e)
{
	return wal_writer_durable_lsn(e->wal);
}

enum status engine_tail_open(struct engine *e, uint64_t lsn, struct wal_pin *pin,
			     struct wal_tail **out, struct buf *error)
{
	struct wal_tail_options opts = {
	    .io = e->opts.io, .dir = e->wal_dir, .archive_dir = e->archive_dir, .lsn = lsn};

	wal_writer_pin(e->wal, pin, lsn);
	return wal_tail_open(&opts, out, error);
}

void engine_pin(struct engine *e, struct wal_pin *pin, uint64_t lsn)
{
	wal_writer_pin(e->wal, pin, lsn);
}

void engine_unpin(struct engine *e, struct wal_pin *pin)
{
	wal_writer_unpin(e->wal, pin);
}
