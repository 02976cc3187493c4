/* Read transactions: lookups, cursors, the expiry index and the small tables. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/keyslot.h"
#include "engine/store_private.h"

#include <stdint.h>

/* Address space for a look at another's file: LMDB takes as much as is committed. */
enum { PEEK_MAP_SIZE = 1 << 20 };

/* --- snapshots --- */

enum { META_ATTEMPTS = 8 };

static enum status table_of(struct store_trees *t, const struct store_tree *main_tree,
			    const char *name, struct store_tree *out)
{
	struct slice key, value;
	struct store_place at;
	bool exact, table;
	enum status st = store_tree_seek(main_tree, slice_str(name), &at, &exact);

	if (st == ST_OK) {
		st = exact ? store_tree_check(main_tree, &at) : ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = store_tree_entry(main_tree, &at, &key, &value, &table);
	}
	if (st != ST_OK || !table) {
		return ST_CORRUPT;
	}
	*out = *main_tree;
	out->seen = &t->seen;
	return store_tree_of(out, value);
}

enum status store_trees_load(struct store *s, uint64_t txnid, struct store_trees *out)
{
	/* Transactions take turns with the two meta pages. */
	const uint8_t *meta = s->map + (txnid & 1) * s->page_size;
	struct store_tree main_tree = {
	    .map = s->map, .page_size = s->page_size, .seen = &out->seen};
	uint64_t bytes, last;
	enum status st = s->io->ops->size(s->io->ctx, s->file, &bytes);

	if (st != ST_OK) {
		return st;
	}
	memset(&out->seen, 0, sizeof out->seen);
	last = bytes_get_u64le(meta + STORE_META_LAST_PAGE);
	main_tree.pages = bytes / s->page_size;
	main_tree.pages = last < main_tree.pages ? last + 1 : main_tree.pages;
	st = store_tree_of(&main_tree, slice_of(meta + STORE_META_MAIN, STORE_TABLE_LEN));
	if (bytes_get_u64le(meta + STORE_META_TXN) != txnid) {
		return ST_AGAIN;
	}
	if (st == ST_OK) {
		st = table_of(out, &main_tree, "keyspace", &out->keyspace);
	}
	if (st == ST_OK) {
		st = table_of(out, &main_tree, "expires", &out->expires);
	}
	if (st == ST_OK) {
		st = table_of(out, &main_tree, "slots", &out->slots);
	}
	if (st == ST_OK && s->has_sums) {
		st = table_of(out, &main_tree, "sums", &out->sums);
	}
	return st == ST_OK ? table_of(out, &main_tree, "node", &out->node) : st;
}

/* --- readers --- */

/* Begins, or renews, a snapshot at the newest commit, and finds its tables. A commit may take the
 * meta page away in between; then there is a newer one. */
static enum status take_snapshot(struct store_reader *r, MDB_txn **txn, struct store_trees *trees)
{
	enum status st = ST_AGAIN;

	for (int i = 0; st == ST_AGAIN && i < META_ATTEMPTS; i++) {
		int rc;

		if (*txn == NULL) {
			rc = mdb_txn_begin(r->store->env, NULL, MDB_RDONLY, txn);
		} else {
			rc = mdb_txn_renew(*txn);
		}
		if (rc != 0) {
			return store_from_lmdb(rc);
		}
		st = store_trees_load(r->store, mdb_txn_id(*txn), trees);
		if (st != ST_OK) {
			mdb_txn_reset(*txn);
		}
	}
	return st == ST_AGAIN ? ST_IO : st;
}

enum status store_reader_open(struct store *s, struct store_reader **out)
{
	struct store_reader *r = mem_calloc(1, sizeof *r);
	enum status st;

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->store = s;
	st = take_snapshot(r, &r->txn, &r->trees[0]);
	if (st != ST_OK) {
		store_reader_close(r);
		return st;
	}
	r->active = true;
	r->round = 1;
	*out = r;
	return ST_OK;
}

/* Takes the new snapshot beside the old one: when LMDB refuses (after a failed meta page it serves
 * no new readers), or its tables are damaged, the old one still serves. */
enum status store_reader_renew(struct store_reader *r)
{
	MDB_txn **fresh = r->active ? &r->spare : &r->txn;
	unsigned turn = r->active ? r->turn ^ 1u : r->turn;
	enum status st = take_snapshot(r, fresh, &r->trees[turn]);

	if (st != ST_OK) {
		return st;
	}
	if (r->active) {
		MDB_txn *old = r->txn;

		mdb_txn_reset(old);
		r->txn = r->spare;
		r->spare = old;
	}
	store_ahead_forget(r);
	r->turn = turn;
	r->active = true;
	r->round++;
	return ST_OK;
}

void store_reader_reset(struct store_reader *r)
{
	if (r->active) {
		mdb_txn_reset(r->txn);
		store_ahead_forget(r);
		r->active = false;
	}
}

void store_reader_close(struct store_reader *r)
{
	if (r == NULL) {
		return;
	}
	mdb_txn_abort(r->txn);
	if (r->spare != NULL) {
		mdb_txn_abort(r->spare);
	}
	mem_free(r);
}

/* --- lookups --- */

/* Compares the checksum of an entry near the place where a key was missed. */
static bool sound(struct slice key, struct slice stored)
{
	struct slice value;

	return stored.len > STORE_CHECK_LEN_MAX || store_sum_check(key, stored, &value) == ST_OK;
}

/* A damaged key would make a search miss what is there. The pages on the way are checked whole; a
 * search that is led astray by one key that looks like another ends beside it, which shows when the
 * neighbours are looked at. */
static enum status confirm_miss(const struct store_tree *t, struct store_place *at,
				struct slice key)
{
	struct store_place before = *at;
	struct slice k, v;
	enum status st = store_tree_check(t, at);

	if (st == ST_OK) {
		st = store_tree_settle(t, at);
	}
	if (st == ST_OK) {
		st = store_tree_entry(t, at, &k, &v, NULL);
		if (st == ST_OK && (slice_cmp(k, key) <= 0 || !sound(k, v))) {
			st = ST_CORRUPT;
		}
	}
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return st;
	}
	st = store_tree_prev(t, &before);
	if (st == ST_OK) {
		st = store_tree_entry(t, &before, &k, &v, NULL);
		if (st == ST_OK && (slice_cmp(k, key) >= 0 || !sound(k, v))) {
			st = ST_CORRUPT;
		}
	}
	return st == ST_OK ? ST_NOT_FOUND : st;
}

static enum status get(const struct store_tree *t, struct slice key, struct slice *out)
{
	struct store_place at;
	struct slice found, stored;
	bool exact;
	enum status st = store_tree_seek(t, key, &at, &exact);

	if (st != ST_OK) {
		return st;
	}
	if (!exact) {
		return confirm_miss(t, &at, key);
	}
	st = store_tree_entry(t, &at, &found, &stored, NULL);
	return st == ST_OK ? store_sum_check(key, stored, out) : st;
}

enum status store_tree_record(const struct store_tree *t, struct slice key, struct slice *value)
{
	return get(t, key, value);
}

enum status store_get(struct store_reader *r, struct slice key, struct slice *out)
{
	enum status st;

	if (!r->active) {
		return ST_INVALID;
	}
	st = store_ahead_get(r, key, out);
	return st == ST_NOT_FOUND ? get(&store_reader_trees(r)->keyspace, key, out) : st;
}

/* --- cursors --- */

enum status store_cursor_open(struct store_reader *r, struct store_cursor **out)
{
	struct store_cursor *c = mem_calloc(1, sizeof *c);

	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	c->reader = r;
	*out = c;
	return ST_OK;
}

void store_cursor_close(struct store_cursor *c)
{
	mem_free(c);
}

/* What a move of the cursor has found. */
static enum status landed(const struct store_cursor *c, enum status st, struct slice *key,
			  struct slice *value)
{
	struct slice stored;

	if (st == ST_OK) {
		st = store_tree_entry(&store_reader_trees(c->reader)->keyspace, &c->at, key,
				      &stored, NULL);
	}
	return st == ST_OK ? store_sum_check(*key, stored, value) : st;
}

/* To the place of key in the present snapshot, its way checked. */
static enum status place(struct store_cursor *c, struct slice key)
{
	const struct store_tree *t = &store_reader_trees(c->reader)->keyspace;
	bool exact;
	enum status st;

	c->round = 0;
	if (!c->reader->active) {
		return ST_INVALID;
	}
	st = store_tree_seek(t, key, &c->at, &exact);
	if (st == ST_OK) {
		st = store_tree_check(t, &c->at);
	}
	if (st == ST_OK) {
		c->round = c->reader->round;
	}
	return st;
}

enum status store_cursor_seek(struct store_cursor *c, struct slice at, struct slice *key,
			      struct slice *value)
{
	enum status st = place(c, at);

	if (st == ST_OK) {
		st = store_tree_settle(&store_reader_trees(c->reader)->keyspace, &c->at);
	}
	return landed(c, st, key, value);
}

enum status store_cursor_seek_before(struct store_cursor *c, struct slice at, struct slice *key,
				     struct slice *value)
{
	enum status st = place(c, at);

	if (st == ST_OK) {
		st = store_tree_prev(&store_reader_trees(c->reader)->keyspace, &c->at);
	}
	return landed(c, st, key, value);
}

static enum status step(struct store_cursor *c, bool forward, struct slice *key,
			struct slice *value)
{
	const struct store_tree *t = &store_reader_trees(c->reader)->keyspace;

	if (!c->reader->active || c->round != c->reader->round) {
		return ST_INVALID; /* the place is gone with the snapshot: seek first */
	}
	return landed(c, forward ? store_tree_next(t, &c->at) : store_tree_prev(t, &c->at), key,
		      value);
}

enum status store_cursor_next(struct store_cursor *c, struct slice *key, struct slice *value)
{
	return step(c, true, key, value);
}

enum status store_cursor_prev(struct store_cursor *c, struct slice *key, struct slice *value)
{
	return step(c, false, key, value);
}

/* --- the expiry index --- */

enum status store_reader_expiries(struct store_reader *r, uint64_t from_ms, struct slice from_key,
				  uint64_t until_ms, uint32_t max,
				  void (*each)(void *arg, uint64_t expire_at_ms, struct slice key),
				  void *arg)
{
	const struct store_tree *t = &store_reader_trees(r)->expires;
	uint8_t raw[STORE_INDEX_MAX];
	struct slice whole, from;
	struct store_place place;
	bool exact;
	enum status st;

	if (!r->active) {
		return ST_INVALID;
	}
	from = slice_of(raw, store_index_encode(from_ms, from_key, raw, &whole));
	st = store_tree_seek(t, from, &place, &exact);
	if (st == ST_OK) {
		st = store_tree_check(t, &place);
	}
	if (st == ST_OK) {
		st = exact ? store_tree_next(t, &place) : store_tree_settle(t, &place);
	}
	for (uint32_t n = 0; st == ST_OK && n < max; n++) {
		struct slice k, v, key;
		uint64_t at;

		st = store_tree_entry(t, &place, &k, &v, NULL);
		if (st == ST_OK) {
			st = store_index_decode(k, v, &at, &key);
		}
		if (st != ST_OK) {
			return st;
		}
		if (at > until_ms) {
			break;
		}
		each(arg, at, key);
		st = store_tree_next(t, &place);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* --- the small tables --- */

enum status store_reader_state(struct store_reader *r, struct store_state *out)
{
	struct slice value;
	enum status st = get(&store_reader_trees(r)->node, slice_str(STORE_STATE_KEY), &value);

	if (st == ST_NOT_FOUND) {
		return ST_CORRUPT; /* written at creation */
	}
	return st == ST_OK ? store_state_decode(value, out) : st;
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

	return get(&store_reader_trees(r)->node, store_note_key(name, key), out);
}

static enum status read_slot(struct slice key, struct slice stored, struct slot_stat *stats)
{
	struct slice value;
	uint16_t slot;
	enum status st = key.len == 2 ? store_sum_check(key, stored, &value) : ST_CORRUPT;

	if (st != ST_OK) {
		return st;
	}
	slot = bytes_get_u16be(key.data);
	return slot < SLOTS ? store_slot_decode(value, &stats[slot]) : ST_CORRUPT;
}

enum status store_reader_slots(struct store_reader *r, struct slot_stat *stats)
{
	const struct store_tree *t = &store_reader_trees(r)->slots;
	struct store_place place;
	bool exact;
	enum status st = store_tree_seek(t, slice_of(NULL, 0), &place, &exact);

	memset(stats, 0, SLOTS * sizeof *stats);
	if (st == ST_OK) {
		st = store_tree_check(t, &place);
	}
	while (st == ST_OK) {
		struct slice key, stored;

		st = store_tree_entry(t, &place, &key, &stored, NULL);
		if (st == ST_OK) {
			st = read_slot(key, stored, stats);
		}
		if (st == ST_OK) {
			st = store_tree_next(t, &place);
		}
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}
