/* The table "sums": a row for each large collection; and the step from the format without it. */
#include "engine/base/bytes.h"
#include "engine/store_private.h"

enum { ROW_DIRTY = STORE_SUM_KEY_LEN + STORE_SUM_ROW_LEN + STORE_SUM_LEN + 10 };

static struct slice row_key(uint16_t slot, uint64_t id, uint8_t raw[STORE_SUM_KEY_LEN])
{
	store_sum_key_encode(slot, id, raw);
	return slice_of(raw, STORE_SUM_KEY_LEN);
}

enum status store_txn_sum_get(struct store_txn *t, uint16_t slot, uint64_t id,
			      struct collection_sum *out)
{
	uint8_t raw[STORE_SUM_KEY_LEN];
	struct slice key = row_key(slot, id, raw), value;
	enum status st;

	if (store_txn_guard(t, &t->base.sums, key, false) != 0) {
		return ST_CORRUPT;
	}
	st = store_get_record(t->txn, t->store->sums, key, &value);
	return st == ST_OK ? store_sum_row_decode(value, out) : st;
}

enum status store_txn_sum_put(struct store_txn *t, uint16_t slot, uint64_t id,
			      const struct collection_sum *sum)
{
	uint8_t raw[STORE_SUM_KEY_LEN], row[STORE_SUM_ROW_LEN];
	struct slice key = row_key(slot, id, raw);

	if (store_txn_guard(t, &t->base.sums, key, false) != 0) {
		return ST_CORRUPT;
	}
	store_sum_row_encode(sum, row);
	t->count.inserted += ROW_DIRTY;
	return store_from_lmdb(
	    store_put_record(t->txn, t->store->sums, key, slice_of(row, sizeof row)));
}

enum status store_txn_sum_del(struct store_txn *t, uint16_t slot, uint64_t id)
{
	uint8_t raw[STORE_SUM_KEY_LEN];
	struct slice key = row_key(slot, id, raw);
	MDB_val k = to_val(key);
	int rc;

	if (store_txn_guard(t, &t->base.sums, key, true) != 0) {
		return ST_CORRUPT;
	}
	rc = mdb_del(t->txn, t->store->sums, &k, NULL);
	return rc == MDB_NOTFOUND ? ST_OK : store_from_lmdb(rc);
}

enum status store_txn_sums_clear(struct store_txn *t, uint16_t slot)
{
	uint8_t raw[STORE_SUM_KEY_LEN];
	struct slice from = row_key(slot, 0, raw);
	MDB_cursor *c = NULL;
	int rc = mdb_cursor_open(t->txn, t->store->sums, &c);

	while (rc == 0) {
		MDB_val k = to_val(from), v;

		rc = store_txn_guard(t, &t->base.sums, from, true);
		if (rc == 0) {
			rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
		}
		if (rc == 0 && (k.mv_size != STORE_SUM_KEY_LEN || memcmp(k.mv_data, raw, 2) != 0)) {
			rc = MDB_NOTFOUND;
		}
		if (rc == 0) {
			memcpy(raw, k.mv_data, sizeof raw); /* the next search begins here */
			rc = mdb_cursor_del(c, 0);
		}
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? ST_OK : store_from_lmdb(rc);
}

enum status store_reader_sum(struct store_reader *r, uint16_t slot, uint64_t id,
			     struct collection_sum *out)
{
	uint8_t raw[STORE_SUM_KEY_LEN];
	struct slice value;
	enum status st;

	if (!r->active) {
		return ST_INVALID;
	}
	if (!r->store->has_sums) {
		return ST_NOT_FOUND;
	}
	st = store_tree_record(&store_reader_trees(r)->sums, row_key(slot, id, raw), &value);
	return st == ST_OK ? store_sum_row_decode(value, out) : st;
}

enum status store_reader_sums(struct store_reader *r,
			      void (*each)(void *arg, uint16_t slot, uint64_t id,
					   const struct collection_sum *sum),
			      void *arg)
{
	const struct store_tree *t = &store_reader_trees(r)->sums;
	struct store_place place;
	bool exact;
	enum status st;

	if (!r->active || !r->store->has_sums) {
		return r->active ? ST_OK : ST_INVALID;
	}
	st = store_tree_seek(t, slice_of(NULL, 0), &place, &exact);
	if (st == ST_OK) {
		st = store_tree_check(t, &place);
	}
	while (st == ST_OK) {
		struct slice key, stored, value;
		struct collection_sum sum;
		uint16_t slot = 0;
		uint64_t id = 0;

		st = store_tree_entry(t, &place, &key, &stored, NULL);
		if (st == ST_OK) {
			st = store_sum_check(key, stored, &value);
		}
		if (st == ST_OK) {
			st = store_sum_key_decode(key, &slot, &id);
		}
		if (st == ST_OK) {
			st = store_sum_row_decode(value, &sum);
		}
		if (st == ST_OK) {
			each(arg, slot, id, &sum);
			st = store_tree_next(t, &place);
		}
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

int store_sums_create(struct store *s)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc == 0) {
		rc = mdb_dbi_open(txn, "sums", MDB_CREATE, &s->sums);
	}
	if (rc == 0) {
		rc = store_put_version(txn, s->node);
	}
	if (rc == 0) {
		rc = mdb_txn_commit(txn);
		s->has_sums = rc == 0;
		return rc;
	}
	if (txn != NULL) {
		mdb_txn_abort(txn);
	}
	return rc;
}
