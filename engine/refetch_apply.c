/* The store's transaction: what the given-up records have touched is taken out, what the primary
 * has of it is put in, and the position goes back, at once or not at all. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/digest_keeper.h"
#include "engine/key_codec.h"
#include "engine/refetch.h"
#include "engine/snapshot_block.h"
#include "engine/store.h"

#include <inttypes.h>

enum { AT_ONCE = 1 << 16 };

static const uint64_t dirty_max = (uint64_t)512 << 20;

struct applying {
	const struct refetch *patch;
	struct store *store;
	struct store_txn *txn;
	struct slot_stat *stats; /* [SLOTS] */
	uint64_t touched[SLOTS / 64];
	struct digest_keeper digests;
	struct store_state state;
};

static struct slot_stat *touch(struct applying *a, uint16_t slot)
{
	a->touched[slot / 64] |= UINT64_C(1) << (slot % 64);
	return &a->stats[slot];
}

/* --- out --- */

/* A collection's elements, and the mark that says that it is dead. */
static enum status remove_collection(struct applying *a, uint16_t slot, uint64_t id)
{
	struct slot_stat *stat = touch(a, slot);
	struct store_key mark, prefix;
	struct slice old;
	uint32_t removed = AT_ONCE;
	enum status st;

	store_key_of_garbage(&mark, slot, id);
	store_key_of_elem(&prefix, slot, id, slice_of(NULL, 0));
	st = store_txn_get(a->txn, store_key_slice(&mark), &old);
	if (st == ST_OK) {
		stat->garbage--;
		stat->bytes -= mark.len;
		st = store_txn_del(a->txn, store_key_slice(&mark));
	} else if (st == ST_NOT_FOUND) {
		st = ST_OK;
	}
	while (st == ST_OK && removed == AT_ONCE) {
		uint64_t bytes = 0;

		st = store_txn_del_prefix(a->txn, store_key_slice(&prefix), AT_ONCE, &removed,
					  &bytes);
		stat->bytes -= bytes;
		if (st == ST_OK && store_txn_dirty(a->txn) > dirty_max) {
			st = ST_LIMIT;
		}
	}
	return st == ST_OK ? digest_keeper_empty(&a->digests, stat, slot, id) : st;
}

static enum status record_of(struct slice key, struct slice stored, struct meta *m)
{
	struct slice name, value;
	enum status st = stored_split(key, stored, &name, &value);

	return st == ST_OK ? meta_decode(value, m) : st;
}

static enum status remove_key(struct applying *a, struct slice name)
{
	struct slot_stat *stat;
	struct store_key key;
	struct slice stored;
	static const struct kept_entry none;
	struct kept_entry kept;
	uint64_t due_ms;
	size_t bytes;
	struct meta m;
	enum status st;

	store_key_of_key(&key, name);
	st = store_txn_get(a->txn, store_key_slice(&key), &stored);
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK) {
		st = record_of(store_key_slice(&key), stored, &m);
	}
	if (st != ST_OK) {
		return st;
	}
	due_ms = meta_due_ms(&m);
	kept = (struct kept_entry){.digest = digest_of_entry(store_key_slice(&key), stored),
				   .id = m.form == FORM_LARGE ? m.id : 0};
	bytes = key.len + stored.len;
	stat = touch(a, key.slot);
	stat->keys--;
	stat->bytes -= bytes;
	stat->expires -= m.expire_at_ms != 0;
	if (due_ms != 0) {
		st = store_txn_expiry(a->txn, due_ms, store_key_slice(&key), false);
	}
	if (st == ST_OK) {
		st = store_txn_del(a->txn, store_key_slice(&key));
	}
	if (st == ST_OK) {
		st = digest_keeper_record(&a->digests, stat, store_key_slice(&key), &kept, &none);
	}
	/* What this key held is held by nobody now; what the primary has of it comes with the
	 * entries. */
	return st == ST_OK && kept.id != 0 ? remove_collection(a, key.slot, kept.id) : st;
}

static enum status take_out(struct applying *a)
{
	const struct divergent_names *n = &a->patch->names;
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < byte_list_count(&n->keys); i++) {
		st = remove_key(a, byte_list_at(&n->keys, i));
	}
	for (size_t i = 0; st == ST_OK && i < n->ids_count; i++) {
		st = remove_collection(a, n->ids[i].slot, n->ids[i].id);
	}
	return st;
}

/* --- in --- */

/* An entry may only be what was taken out. */
static enum status check_entry(const struct applying *a, struct slice key, struct slice value)
{
	const struct divergent_names *n = &a->patch->names;
	struct slice name, rest;
	enum status st = snapshot_entry_check(key, value);
	bool wanted = false;

	if (st == ST_OK && store_key_space(key) == KEYSPACE_KEY) {
		st = stored_split(key, value, &name, &rest);
		wanted = st == ST_OK && divergent_names_has_key(n, name);
	} else if (st == ST_OK) {
		wanted = divergent_names_has_id(n, store_key_slot(key), store_key_id(key));
	}
	return st == ST_OK && !wanted ? ST_CORRUPT : st;
}

static enum status put_entry(struct applying *a, struct slice key, struct slice value)
{
	static const struct kept_entry none;
	struct kept_entry kept = {.digest = digest_of_entry(key, value)};
	struct slot_stat *stat;
	struct meta m;
	enum status st = check_entry(a, key, value);

	if (st == ST_OK) {
		st = store_txn_put(a->txn, key, value);
	}
	if (st != ST_OK) {
		return st;
	}
	stat = touch(a, store_key_slot(key));
	stat->bytes += key.len + value.len;
	stat->garbage += store_key_space(key) == KEYSPACE_GARBAGE;
	if (store_key_space(key) == KEYSPACE_ELEM) {
		return digest_keeper_element(&a->digests, stat, key, none.digest, kept.digest);
	}
	if (store_key_space(key) != KEYSPACE_KEY) {
		return ST_OK;
	}
	stat->keys++;
	st = record_of(key, value, &m);
	stat->expires += st == ST_OK && m.expire_at_ms != 0;
	if (st == ST_OK) {
		kept.id = m.form == FORM_LARGE ? m.id : 0;
		st = digest_keeper_record(&a->digests, stat, key, &none, &kept);
	}
	if (st == ST_OK && meta_due_ms(&m) != 0) {
		st = store_txn_expiry(a->txn, meta_due_ms(&m), key, true);
	}
	return st;
}

static enum status put_in(struct applying *a)
{
	struct snapshot_codec *codec = NULL;
	struct snapshot_block block;
	struct slice raw, key, value;
	enum status st;

	if (a->patch->block.len == 0) {
		return ST_OK;
	}
	st = snapshot_codec_create(&codec);
	if (st == ST_OK) {
		st = snapshot_block_decode(codec, a->patch->block, &block, &raw);
	}
	while (st == ST_OK) {
		st = snapshot_entry_decode(&raw, &key, &value);
		if (st == ST_OK) {
			st = put_entry(a, key, value);
		}
	}
	snapshot_codec_destroy(codec);
	return st == ST_END ? ST_OK : st;
}

/* --- the position --- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static enum status put_state(struct applying *a)
{
	const struct refetch *p = a->patch;
	struct store_state next = {
	    .checkpoint_lsn =
		smaller(a->state.checkpoint_lsn, smaller(p->checkpoint_lsn, p->fork_lsn)),
	    .drain_lsn = larger(p->drain_lsn, p->fork_lsn),
	    .next_id = larger(a->state.next_id, p->next_id),
	    .history = p->history,
	};

	next.previous_checkpoint_lsn = next.checkpoint_lsn;
	while (next.history.count > 1 &&
	       next.history.items[next.history.count - 1].first_lsn > p->fork_lsn) {
		next.history.count--;
	}
	return store_txn_state(a->txn, &next);
}

static enum status put_slots(struct applying *a)
{
	enum status st = ST_OK;

	for (uint32_t slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		if ((a->touched[slot / 64] >> (slot % 64) & 1) != 0) {
			st = store_txn_slot(a->txn, (uint16_t)slot, &a->stats[slot]);
		}
	}
	return st;
}

static enum status load(struct applying *a)
{
	struct store_reader *r = NULL;
	enum status st = store_reader_open(a->store, &r);

	if (st == ST_OK) {
		st = store_reader_state(r, &a->state);
	}
	if (st == ST_OK) {
		st = store_reader_slots(r, a->stats);
	}
	store_reader_close(r);
	return st;
}

static enum status change(struct applying *a)
{
	enum status st = store_txn_begin(a->store, &a->txn);

	if (st != ST_OK) {
		return st;
	}
	digest_keeper_begin(&a->digests, a->txn);
	st = take_out(a);
	if (st == ST_OK) {
		st = put_in(a);
	}
	if (st == ST_OK) {
		st = digest_keeper_save(&a->digests);
	}
	if (st == ST_OK) {
		st = put_slots(a);
	}
	if (st == ST_OK) {
		st = put_state(a);
	}
	if (st != ST_OK) {
		store_txn_abort(a->txn);
		return st;
	}
	return store_txn_commit(a->txn);
}

/* A start that finds the newest commit damaged goes back to the one before, and that must not be
 * what was given up. */
static enum status commit_again(struct applying *a)
{
	enum status st = load(a);

	if (st == ST_OK) {
		st = store_txn_begin(a->store, &a->txn);
	}
	if (st != ST_OK) {
		return st;
	}
	st = store_txn_state(a->txn, &a->state);
	if (st != ST_OK) {
		store_txn_abort(a->txn);
		return st;
	}
	return store_txn_commit(a->txn);
}

enum status refetch_apply(const struct io *io, const char *store_path, uint64_t map_size_max,
			  const struct refetch *patch, struct buf *error)
{
	struct store_options opts = {.path = store_path, .io = io, .map_size_max = map_size_max};
	struct applying a = {.patch = patch};
	enum status st;

	a.stats = mem_alloc(SLOTS * sizeof *a.stats);
	st = a.stats == NULL ? ST_NO_MEMORY : store_open(&opts, &a.store, error);
	if (st == ST_OK) {
		st = load(&a);
	}
	if (st == ST_OK) {
		st = change(&a);
	}
	if (st == ST_OK && commit_again(&a) != ST_OK) {
		logger(LOG_LVL_WARNING, "the store has only one commit after the fork: damage to "
					"it can't be undone before the next one");
	}
	if (st != ST_OK && error->len == 0) {
		buf_note(error, "putting refetched keys into %s: %s", store_path, status_text(st));
	}
	store_close(a.store);
	mem_free(a.stats);
	return st;
}
