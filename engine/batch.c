/* Batches: each operation goes into the open record and into the active memtable together; a batch
 * that fails is undone entry by entry. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"

/* Remembers an entry before it changes; the bytes too when the new value may be written over them.
 */
static enum status undo_push(struct engine *e, struct mt_entry *entry, size_t new_len)
{
	struct batch *b = &e->batch;
	struct undo u = {
	    .entry = entry,
	    .value = entry->value,
	    .lsn = entry->lsn,
	    .saved_off = SIZE_MAX,
	    .value_len = entry->value_len,
	    .value_cap = entry->value_cap,
	    .flags = entry->flags,
	    .base = entry->base,
	};
	enum status st;

	if (mt_fits(entry, new_len) && entry->value_len > 0) {
		u.saved_off = b->undo_bytes.len;
		st = buf_append(&b->undo_bytes, entry->value, entry->value_len);
		if (st != ST_OK) {
			return st;
		}
	}
	return buf_append(&b->undo, &u, sizeof u);
}

/* DROP is a put too: of the collection's garbage mark. */
static bool is_put(const struct wal_op *op)
{
	return op->kind == WAL_OP_PUT_KEY || op->kind == WAL_OP_PUT_FIELD ||
	       op->kind == WAL_OP_PUT_ELEM || op->kind == WAL_OP_DROP;
}

/* Whether the stored value begins with the whole name: key and field names that were cut. */
static bool carries_name(const struct wal_op *op, const struct store_key *key)
{
	return op->kind != WAL_OP_PUT_ELEM && store_key_is_long(store_key_slice(key));
}

static bool is_key(const struct store_key *key)
{
	return key->bytes[2] == KEYSPACE_KEY;
}

/* When the record in an entry is due, 0 when it never is or the entry holds none. */
static uint64_t entry_expiry(const struct mt_entry *entry)
{
	struct meta m;

	return engine_entry_meta(entry, &m) ? meta_due_ms(&m) : 0;
}

/* Sees that the heap has an item for the entry that is due no later than its expiry. */
static enum status keep_timer(struct engine *e, struct mt_entry *entry, uint64_t old_expiry)
{
	uint64_t expiry = entry_expiry(entry);

	if (expiry == 0 ||
	    ((entry->flags & MT_TIMED) != 0 && old_expiry != 0 && expiry >= old_expiry)) {
		return ST_OK;
	}
	entry->flags |= MT_TIMED;
	return memtable_timer_add(e->active, expiry, entry);
}

/* The large collection that a key's entry names; 0: none. */
static uint64_t entry_collection(const struct mt_entry *entry)
{
	struct meta m;

	return engine_entry_meta(entry, &m) && m.form == FORM_LARGE ? m.id : 0;
}

/* Puts a value (or a tombstone) under a key of the active table. undo: within a batch that may be
 * rolled back. */
static enum status table_write(struct engine *e, const struct store_key *key, uint64_t hash,
			       bool tombstone, bool blind, uint64_t lsn, const struct slice *parts,
			       size_t parts_count, bool undo)
{
	struct slice bytes = store_key_slice(key);
	struct mt_entry *entry;
	size_t len = 0;
	uint64_t old_expiry = 0, unseen = 0;
	bool fresh;
	enum status st;

	for (size_t i = 0; i < parts_count; i++) {
		len += parts[i].len;
	}
	st = memtable_upsert(e->active, bytes, hash, &entry);
	if (st == ST_OK && undo) {
		st = undo_push(e, entry, tombstone ? SIZE_MAX : len);
	}
	if (st != ST_OK) {
		return st;
	}
	fresh = (entry->flags & MT_ABSENT) != 0;
	if (is_key(key)) {
		if (fresh) {
			st = counts_base(e, entry, !blind && undo);
			if (st != ST_OK) {
				return st;
			}
		} else if ((entry->flags & MT_TIMED) != 0) {
			old_expiry = entry_expiry(entry);
		}
		/* Its writer had what this replaces in the store only, where the checkpoint looks;
		 * here it is still in memory. */
		if (!fresh && blind && !PLANTED(56)) {
			unseen = entry_collection(entry);
		}
		counts_remove(e->active, entry);
	}
	if (!tombstone) {
		st = memtable_store(e->active, entry, parts, parts_count);
	}
	if (st == ST_OK) {
		entry->lsn = lsn;
		entry->flags = (uint8_t)((entry->flags & (MT_BLIND | MT_TIMED)) |
					 (tombstone ? MT_TOMBSTONE : 0));
		/* Blindness is about what lies below the table, so only the first write decides it.
		 */
		if (fresh && blind &&
		    atomic_load_explicit(&entry->base, memory_order_relaxed) != MT_BASE_ABSENT &&
		    !PLANTED(51)) {
			entry->flags |= MT_BLIND;
		}
	}
	if (is_key(key)) {
		counts_add(e->active, entry);
		if (st == ST_OK && !tombstone) {
			st = keep_timer(e, entry, old_expiry);
		}
	}
	if (st == ST_OK && unseen != 0) {
		struct store_key mark;

		store_key_of_garbage(&mark, key->slot, unseen);
		st = table_write(e, &mark, memtable_hash(store_key_slice(&mark), e->hash_seed),
				 false, false, lsn, NULL, 0, undo);
	}
	return st;
}

static void restore(struct engine *e, const struct undo *u)
{
	struct mt_entry *entry = u->entry;
	bool key = entry->key[2] == KEYSPACE_KEY;

	if (key) {
		counts_remove(e->active, entry);
	}
	/* The heap keeps items whatever becomes of their entry, so the mark for one must stay as
	 * well. */
	entry->flags = (uint8_t)(u->flags | (entry->flags & MT_TIMED));
	entry->value = u->value;
	entry->value_len = u->value_len;
	entry->value_cap = u->value_cap;
	entry->lsn = u->lsn;
	entry->base = u->base;
	if (u->saved_off != SIZE_MAX && !PLANTED(43)) {
		memcpy(entry->value, e->batch.undo_bytes.data + u->saved_off, u->value_len);
	}
	if (key) {
		counts_add(e->active, entry);
	}
}

/* Undoes what was pushed since the log had length keep. */
static void undo_to(struct engine *e, size_t keep)
{
	struct batch *b = &e->batch;
	struct undo *log = (struct undo *)(void *)b->undo.data;

	while (b->undo.len > keep) {
		b->undo.len -= sizeof *log;
		restore(e, &log[b->undo.len / sizeof *log]);
	}
}

void engine_begin(struct engine *e, struct slice cmd, uint64_t now_ms, uint64_t client_id)
{
	struct batch *b = &e->batch;

	INVARIANT(!b->open);
	b->open = true;
	b->cmd = cmd;
	b->now_ms = now_ms;
	b->client_id = client_id;
	b->seen_lsn = 0;
	b->ops = 0;
	b->met_expired = false;
}

static enum status open_record(struct engine *e)
{
	struct batch *b = &e->batch;
	enum status st;

	INVARIANT(b->open);
	if (b->ops > 0) {
		return ST_OK;
	}
	if (e->turn_count == 0) {
		e->turn_first_lsn = e->next_lsn;
	}
	st = wal_record_begin(&e->turn, b->cmd, b->now_ms, b->client_id, &b->record_start);
	if (st == ST_OK) {
		b->undo.len = 0;
		b->undo_bytes.len = 0;
		b->undo_next_id = e->next_id;
		b->seen_lsn = e->next_lsn;
	}
	return st;
}

/* Takes back the record header of a batch whose first operation failed. */
static void close_empty_record(struct engine *e)
{
	if (e->batch.ops == 0) {
		e->turn.len = e->batch.record_start;
	}
}

enum status batch_apply(struct engine *e, const struct wal_op *op, const struct store_key *key,
			const struct slice *parts, size_t parts_count)
{
	struct slice stored[8];
	uint8_t name_len[4];
	size_t n = 0, undo_len, turn_len;
	bool put = is_put(op);
	enum status st = open_record(e);

	INVARIANT(parts_count <= sizeof stored / sizeof stored[0] - 2);
	if (st != ST_OK) {
		return st;
	}
	undo_len = e->batch.undo.len;
	turn_len = e->turn.len;
	st = wal_record_add(&e->turn, e->batch.record_start, op, parts, parts_count);
	if (st != ST_OK) {
		close_empty_record(e);
		return st;
	}
	if (put && carries_name(op, key)) {
		bytes_put_u32le(name_len, (uint32_t)key->name.len);
		stored[n++] = slice_of(name_len, sizeof name_len);
		stored[n++] = key->name;
	}
	for (size_t i = 0; i < parts_count; i++) {
		stored[n++] = parts[i];
	}
	st = table_write(e, key, memtable_hash(store_key_slice(key), e->hash_seed), !put,
			 (op->flags & WAL_OP_BLIND) != 0, e->next_lsn, stored, n, true);
	if (st != ST_OK) {
		undo_to(e, undo_len);
		e->turn.len = turn_len;
		close_empty_record(e);
		return st;
	}
	e->batch.ops++;
	e->stats.writes_since_checkpoint++;
	return ST_OK;
}

enum status batch_flush(struct engine *e)
{
	struct wal_op op = {.kind = WAL_OP_FLUSH};
	struct memtable *mt;
	size_t turn_len;
	enum status st = open_record(e);

	if (st != ST_OK) {
		return st;
	}
	turn_len = e->turn.len;
	st = wal_record_add(&e->turn, e->batch.record_start, &op, NULL, 0);
	if (st == ST_OK) {
		st = engine_fresh_table(e, &mt);
		if (st != ST_OK) {
			e->turn.len = turn_len;
		}
	}
	if (st != ST_OK) {
		close_empty_record(e);
		return st;
	}
	memtable_set_flushed(mt, true);
	if (e->batch.undo_active == NULL) {
		e->batch.undo_active = e->active;
		e->batch.undo_flush_len = e->batch.undo.len;
	} else {
		/* What came between two FLUSHes of one batch goes with its table, whatever becomes
		 * of the batch. */
		engine_retire_table(e, e->active);
	}
	e->active = mt;
	e->unresolved_at = 0;
	e->batch.ops++;
	return ST_OK;
}

enum status batch_library(struct engine *e, const struct wal_op *op)
{
	struct batch *b = &e->batch;
	size_t turn_len;
	enum status st = open_record(e);

	if (st != ST_OK) {
		return st;
	}
	turn_len = e->turn.len;
	st = libraries_keep(e);
	if (st == ST_OK) {
		st = wal_record_add(&e->turn, b->record_start, op, &op->value, 1);
	}
	if (st == ST_OK) {
		st = libraries_apply(e, op, e->next_lsn);
	}
	if (st != ST_OK) {
		e->turn.len = turn_len;
		close_empty_record(e);
		return st;
	}
	b->ops++;
	e->stats.writes_since_checkpoint++;
	return ST_OK;
}

uint64_t engine_commit(struct engine *e)
{
	struct batch *b = &e->batch;
	uint64_t lsn = 0;

	INVARIANT(b->open);
	b->open = false;
	libraries_settle(e, false);
	if (b->ops > 0) {
		wal_record_end(&e->turn, b->record_start);
		lsn = e->next_lsn++;
		e->turn_count++;
		if (b->undo_active != NULL) {
			engine_retire_table(e, b->undo_active);
			b->undo_active = NULL;
		}
		if (b->undo_bytes.cap > (1 << 20)) {
			b->undo_bytes.len = 0;
			buf_shrink(&b->undo_bytes, 0);
		}
	}
	if (e->expired_count > 0 && !e->expiring) {
		expire_run_noticed(e, b->now_ms);
	}
	return lsn;
}

void engine_rollback(struct engine *e)
{
	struct batch *b = &e->batch;

	INVARIANT(b->open);
	b->open = false;
	libraries_settle(e, true);
	if (b->ops > 0) {
		if (b->undo_active != NULL) {
			b->undo.len = b->undo_flush_len;
			engine_retire_table(e, e->active);
			e->active = b->undo_active;
			b->undo_active = NULL;
			e->unresolved_at = 0;
		}
		undo_to(e, 0);
		e->turn.len = b->record_start;
		e->next_id = b->undo_next_id;
		b->ops = 0;
	}
	e->expired_count = 0;
	e->expired_names.len = 0;
}

uint64_t engine_now_ms(const struct engine *e)
{
	return e->batch.now_ms;
}

uint32_t engine_batch_ops(const struct engine *e)
{
	return e->batch.ops;
}

uint64_t engine_seen_lsn(const struct engine *e)
{
	return e->batch.seen_lsn;
}

enum status apply_key(const struct wal_op *op, struct store_key *key)
{
	switch (op->kind) {
	case WAL_OP_PUT_KEY:
	case WAL_OP_DEL_KEY:
		store_key_of_key(key, op->name);
		break;
	case WAL_OP_PUT_FIELD:
	case WAL_OP_DEL_FIELD:
		store_key_of_field(key, op->slot, op->id, op->name);
		break;
	case WAL_OP_PUT_ELEM:
	case WAL_OP_DEL_ELEM:
		/* The encoder never made a longer one. */
		if (op->name.len > STORE_KEY_DIRECT_MAX - ELEM_PREFIX_LEN) {
			return ST_CORRUPT;
		}
		store_key_of_elem(key, op->slot, op->id, op->name);
		break;
	case WAL_OP_DROP:
	case WAL_OP_FLUSH:
	case WAL_OP_PUT_LIBRARY:
	case WAL_OP_DEL_LIBRARY:
	case WAL_OP_FLUSH_LIBRARIES:
	case WAL_OP_KINDS:
		store_key_of_garbage(key, op->slot, op->id);
		break;
	}
	return ST_OK;
}

enum status apply_op(struct engine *e, const struct wal_op *op, const struct store_key *key,
		     uint64_t hash, uint64_t lsn)
{
	struct slice parts[3];
	uint8_t name_len[4];
	size_t n = 0;
	bool put = is_put(op);

	if (library_set_concerns(op)) {
		return libraries_apply(e, op, lsn);
	}
	if (op->kind == WAL_OP_FLUSH) {
		while (!memtable_reset(e->active, SIZE_MAX)) {
		}
		memtable_set_flushed(e->active, !PLANTED(49));
		e->unresolved_at = 0;
		return ST_OK;
	}
	if (op->id >= e->next_id && !PLANTED(47)) {
		e->next_id = op->id + 1;
	}
	if (op->kind == WAL_OP_PUT_KEY) {
		struct meta m;

		if (meta_decode(op->value, &m) != ST_OK) {
			return ST_CORRUPT;
		}
		if (m.form == FORM_LARGE && m.id >= e->next_id && !PLANTED(47)) {
			e->next_id = m.id + 1;
		}
	}
	if (put && carries_name(op, key)) {
		bytes_put_u32le(name_len, (uint32_t)key->name.len);
		parts[n++] = slice_of(name_len, sizeof name_len);
		parts[n++] = key->name;
	}
	if (put) {
		parts[n++] = op->value;
	}
	return table_write(e, key, hash, !put, (op->flags & WAL_OP_BLIND) != 0, lsn, parts, n,
			   false);
}
