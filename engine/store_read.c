/* Read transactions: lookups, cursors, the expiry index and the small tables. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/keyslot.h"
#include "engine/store_private.h"

#include <stdint.h>

/* Address space for a look at another's file: LMDB takes as much as is committed. */
enum { PEEK_MAP_SIZE = 1 << 20 };

/* --- readers --- */

enum status store_reader_open(struct store *s, struct store_reader **out)
{
	struct store_reader *r = mem_calloc(1, sizeof *r);
	int rc;

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &r->txn);
	if (rc != 0) {
		mem_free(r);
		return store_from_lmdb(rc);
	}
	r->store = s;
	r->active = true;
	r->round = 1;
	*out = r;
	return ST_OK;
}

/* Takes the new snapshot beside the old one: when LMDB refuses (after a failed meta page it serves
 * no new readers), the old one still serves. */
enum status store_reader_renew(struct store_reader *r)
{
	MDB_txn *fresh = r->active ? r->spare : r->txn;
	int rc;

	if (fresh == NULL) {
		rc = mdb_txn_begin(r->store->env, NULL, MDB_RDONLY, &fresh);
	} else {
		rc = mdb_txn_renew(fresh);
	}
	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	if (r->active) {
		mdb_txn_reset(r->txn);
		r->spare = r->txn;
	}
	r->txn = fresh;
	r->active = true;
	r->round++;
	return ST_OK;
}

void store_reader_reset(struct store_reader *r)
{
	if (r->active) {
		mdb_txn_reset(r->txn);
		r->active = false;
	}
}

void store_reader_close(struct store_reader *r)
{
	if (r == NULL) {
		return;
	}
	mdb_cursor_close(r->probe);
	mdb_cursor_close(r->expiry);
	mdb_txn_abort(r->txn);
	if (r->spare != NULL) {
		mdb_txn_abort(r->spare);
	}
	mem_free(r);
}

/* Makes a cursor of the reader usable in its present round. */
static int ready(const struct store_reader *r, MDB_dbi dbi, MDB_cursor **cursor, uint64_t *round)
{
	int rc = 0;

	if (!r->active) {
		return MDB_BAD_TXN;
	}
	if (*cursor == NULL) {
		rc = mdb_cursor_open(r->txn, dbi, cursor);
	} else if (*round != r->round) {
		rc = mdb_cursor_renew(r->txn, *cursor);
	}
	*round = r->round;
	return rc;
}

/* Compares the checksum of an entry near the place where a key was missed. */
static bool sound(struct slice key, struct slice stored)
{
	struct slice value;

	return stored.len > STORE_CHECK_LEN_MAX || store_sum_check(key, stored, &value) == ST_OK;
}

/* LMDB's pages have no checksum, so a damaged key or branch would make a search miss what is there.
 * A search that is led astray by one damaged key ends beside it, or in a leaf whose keys do not
 * enclose the wanted one: both show when the neighbours are looked at. */
static enum status confirm_miss(struct store_reader *r, struct slice key)
{
	MDB_val k = to_val(key), v;
	int rc = ready(r, r->store->keyspace, &r->probe, &r->probe_round);

	if (rc == 0) {
		rc = mdb_cursor_get(r->probe, &k, &v, MDB_SET_RANGE);
	}
	if (rc == 0) {
		if (slice_cmp(from_val(k), key) <= 0 || !sound(from_val(k), from_val(v))) {
			return ST_CORRUPT;
		}
		rc = mdb_cursor_get(r->probe, &k, &v, MDB_PREV);
	} else if (rc == MDB_NOTFOUND) {
		rc = mdb_cursor_get(r->probe, &k, &v, MDB_LAST);
	}
	if (rc == 0 && (slice_cmp(from_val(k), key) >= 0 || !sound(from_val(k), from_val(v)))) {
		return ST_CORRUPT;
	}
	return rc == 0 ? ST_NOT_FOUND : store_from_lmdb(rc);
}

enum status store_get(struct store_reader *r, struct slice key, struct slice *out)
{
	MDB_val k = to_val(key), v;
	int rc = mdb_get(r->txn, r->store->keyspace, &k, &v);

	if (rc == MDB_NOTFOUND) {
		return confirm_miss(r, key);
	}
	return rc == 0 ? store_sum_check(key, from_val(v), out) : store_from_lmdb(rc);
}

/* --- cursors --- */

enum status store_cursor_open(struct store_reader *r, struct store_cursor **out)
{
	struct store_cursor *c = mem_calloc(1, sizeof *c);
	int rc;

	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	c->reader = r;
	rc = ready(r, r->store->keyspace, &c->cursor, &c->round);
	if (rc != 0) {
		mem_free(c);
		return store_from_lmdb(rc);
	}
	*out = c;
	return ST_OK;
}

void store_cursor_close(struct store_cursor *c)
{
	if (c != NULL) {
		mdb_cursor_close(c->cursor);
		mem_free(c);
	}
}

/* What a move of the cursor has found. */
static enum status landed(int rc, MDB_val k, MDB_val v, struct slice *key, struct slice *value)
{
	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	*key = from_val(k);
	return store_sum_check(*key, from_val(v), value);
}

enum status store_cursor_seek(struct store_cursor *c, struct slice at, struct slice *key,
			      struct slice *value)
{
	MDB_val k = to_val(at), v = {0};
	int rc = ready(c->reader, c->reader->store->keyspace, &c->cursor, &c->round);

	if (rc == 0) {
		/* LMDB takes no empty key. */
		rc = mdb_cursor_get(c->cursor, &k, &v, at.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
	}
	if (rc == 0 && slice_cmp(from_val(k), at) < 0) {
		return ST_CORRUPT;
	}
	return landed(rc, k, v, key, value);
}

enum status store_cursor_seek_before(struct store_cursor *c, struct slice at, struct slice *key,
				     struct slice *value)
{
	MDB_val k = to_val(at), v = {0};
	int rc = ready(c->reader, c->reader->store->keyspace, &c->cursor, &c->round);

	if (rc != 0 || at.len == 0) {
		return rc == 0 ? ST_NOT_FOUND : store_from_lmdb(rc);
	}
	rc = mdb_cursor_get(c->cursor, &k, &v, MDB_SET_RANGE);
	if (rc == 0) {
		rc = mdb_cursor_get(c->cursor, &k, &v, MDB_PREV);
	} else if (rc == MDB_NOTFOUND) {
		rc = mdb_cursor_get(c->cursor, &k, &v, MDB_LAST);
	}
	if (rc == 0 && slice_cmp(from_val(k), at) >= 0) {
		return ST_CORRUPT;
	}
	return landed(rc, k, v, key, value);
}

static enum status step(struct store_cursor *c, MDB_cursor_op op, struct slice *key,
			struct slice *value)
{
	MDB_val k = {0}, v = {0};

	if (!c->reader->active || c->round != c->reader->round) {
		return ST_INVALID; /* the place is gone with the snapshot: seek first */
	}
	return landed(mdb_cursor_get(c->cursor, &k, &v, op), k, v, key, value);
}

enum status store_cursor_next(struct store_cursor *c, struct slice *key, struct slice *value)
{
	return step(c, MDB_NEXT, key, value);
}

enum status store_cursor_prev(struct store_cursor *c, struct slice *key, struct slice *value)
{
	return step(c, MDB_PREV, key, value);
}

/* --- the expiry index --- */

enum status store_reader_expiries(struct store_reader *r, uint64_t from_ms, struct slice from_key,
				  uint64_t until_ms, uint32_t max,
				  void (*each)(void *arg, uint64_t expire_at_ms, struct slice key),
				  void *arg)
{
	uint8_t raw[STORE_INDEX_MAX];
	struct slice whole, from;
	MDB_val k, v;
	int rc = ready(r, r->store->expires, &r->expiry, &r->expiry_round);

	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	from = slice_of(raw, store_index_encode(from_ms, from_key, raw, &whole));
	k = to_val(from);
	rc = mdb_cursor_get(r->expiry, &k, &v, MDB_SET_RANGE);
	if (rc == 0 && slice_eq(from_val(k), from)) {
		rc = mdb_cursor_get(r->expiry, &k, &v, MDB_NEXT);
	}
	for (uint32_t n = 0; rc == 0 && n < max; n++) {
		uint64_t at;
		struct slice key;
		enum status st = store_index_decode(from_val(k), from_val(v), &at, &key);

		if (st != ST_OK) {
			return st;
		}
		if (at > until_ms) {
			break;
		}
		each(arg, at, key);
		rc = mdb_cursor_get(r->expiry, &k, &v, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? ST_OK : store_from_lmdb(rc);
}

/* --- the small tables --- */

enum status store_reader_state(struct store_reader *r, struct store_state *out)
{
	return store_get_state(r->store, r->txn, out);
}

enum status store_peek_state(const struct io *io, const char *path, struct store_state *out,
			     struct buf *error)
{
	struct store_options opts = {
	    .path = path, .io = io, .map_size_max = PEEK_MAP_SIZE, .read_only = true};
	struct store_reader *reader = NULL;
	struct store *store = NULL;
	enum status st = store_open(&opts, &store, error);

	if (st == ST_OK) {
		st = store_reader_open(store, &reader);
	}
	if (st == ST_OK) {
		st = store_reader_state(reader, out);
	}
	store_reader_close(reader);
	store_close(store);
	if (st != ST_OK && error->len == 0) {
		buf_note(error, "cannot read %s: %s", path, status_text(st));
	}
	return st;
}

enum status store_reader_note(struct store_reader *r, const char *name, struct slice *out)
{
	char key[STORE_NOTE_MAX];

	return store_get_record(r->txn, r->store->node, store_note_key(name, key), out);
}

static enum status read_slot(MDB_val k, MDB_val v, struct slot_stat *stats)
{
	struct slice key = from_val(k), value;
	uint16_t slot;
	enum status st = key.len == 2 ? store_sum_check(key, from_val(v), &value) : ST_CORRUPT;

	if (st != ST_OK) {
		return st;
	}
	slot = bytes_get_u16be(key.data);
	return slot < SLOTS ? store_slot_decode(value, &stats[slot]) : ST_CORRUPT;
}

enum status store_reader_slots(struct store_reader *r, struct slot_stat *stats)
{
	MDB_cursor *cursor = NULL;
	MDB_val k, v;
	enum status st = ST_OK;
	int rc = mdb_cursor_open(r->txn, r->store->slots, &cursor);

	memset(stats, 0, SLOTS * sizeof *stats);
	while (st == ST_OK && rc == 0 && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		st = read_slot(k, v, stats);
	}
	mdb_cursor_close(cursor);
	if (st != ST_OK) {
		return st;
	}
	return rc == MDB_NOTFOUND ? ST_OK : store_from_lmdb(rc);
}
