/* The write transaction: the checkpoint thread's only tool. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/store_private.h"

#include <errno.h>
#include <stdint.h>
#include <sys/statvfs.h>

enum { NODE_OVERHEAD = 10 /* LMDB's node header and the offset that points to it */ };

/* Looks at the leaves beside the one at: LMDB may merge it with them when something is removed. */
static enum status check_beside(const struct store_tree *tree, const struct store_place *at)
{
	struct store_place to = *at;
	enum status st;

	to.step[to.depth - 1].index = to.step[to.depth - 1].count;
	st = store_tree_settle(tree, &to);
	if (st == ST_OK || st == ST_NOT_FOUND) {
		to = *at;
		to.step[to.depth - 1].index = 0;
		st = store_tree_prev(tree, &to);
	}
	return st;
}

/* LMDB believes whatever a page says, so what it is about to step on is looked at first: the way to
 * key in the commit that this transaction began from; with removal also the leaves beside. Returns
 * 0 or MDB_CORRUPTED. */
int store_txn_guard(const struct store_txn *t, const struct store_tree *tree, struct slice key,
		    bool removal)
{
	struct store_place at;
	struct slice k, v;
	bool exact;
	enum status st = t->cleared ? ST_NOT_FOUND : store_tree_seek(tree, key, &at, &exact);

	if (st == ST_OK) {
		st = store_tree_check(tree, &at);
	}
	if (st == ST_OK && exact) {
		st = store_tree_entry(tree, &at, &k, &v, NULL);
	}
	if (st == ST_OK && removal) {
		st = check_beside(tree, &at);
	}
	return st == ST_OK || st == ST_NOT_FOUND ? 0 : MDB_CORRUPTED;
}

static bool on_guarded_leaf(const struct store_txn *t, struct slice key)
{
	return t->guarded.depth > 0 &&
	       (t->guarded_lo.data == NULL || slice_cmp(t->guarded_lo, key) <= 0) &&
	       (t->guarded_hi.data == NULL || slice_cmp(key, t->guarded_hi) < 0);
}

/* Looks at the way to a key of the keyspace. Writes in key order stay on one leaf, to which the way
 * was looked at already. */
static int guard_key(struct store_txn *t, struct slice key)
{
	const struct store_tree *tree = &t->base.keyspace;
	struct store_place *at = &t->guarded;
	struct slice k, v;
	bool exact = false;
	enum status st;

	if (t->cleared) {
		return 0;
	}
	if (on_guarded_leaf(t, key)) {
		st = store_tree_seek_here(tree, key, at, &exact);
	} else {
		t->guarded_beside = false;
		st = store_tree_seek(tree, key, at, &exact);
		if (st == ST_OK) {
			st = store_tree_check(tree, at);
		}
		if (st == ST_OK) {
			st = store_tree_bounds(tree, at, &t->guarded_lo, &t->guarded_hi);
		}
	}
	if (st == ST_OK && exact) {
		st = store_tree_entry(tree, at, &k, &v, NULL);
	}
	if (st != ST_OK) {
		at->depth = 0;
	}
	return st == ST_OK || st == ST_NOT_FOUND ? 0 : MDB_CORRUPTED;
}

/* Before what guard_key was asked about is removed: the leaves beside, once for each leaf. */
static int guard_beside(struct store_txn *t)
{
	enum status st;

	if (t->cleared || t->guarded.depth == 0 || t->guarded_beside) {
		return 0;
	}
	st = check_beside(&t->base.keyspace, &t->guarded);
	t->guarded_beside = st == ST_OK || st == ST_NOT_FOUND;
	return t->guarded_beside ? 0 : MDB_CORRUPTED;
}

/* Looks at all of a tree. */
static int guard_all(const struct store_tree *tree)
{
	struct store_place at;
	bool exact;
	enum status st = store_tree_seek(tree, slice_of(NULL, 0), &at, &exact);

	if (st == ST_OK) {
		st = store_tree_check(tree, &at);
	}
	while (st == ST_OK) {
		struct slice key, value;

		st = store_tree_entry(tree, &at, &key, &value, NULL);
		if (st == ST_OK) {
			st = store_tree_next(tree, &at);
		}
	}
	return st == ST_NOT_FOUND ? 0 : MDB_CORRUPTED;
}

enum status store_txn_begin(struct store *s, struct store_txn **out)
{
	struct store_txn *t = &s->txn;
	enum status st;
	int dead = 0;
	int rc;

	INVARIANT(t->txn == NULL);
	if (s->read_only) {
		return ST_READ_ONLY;
	}
	/* A reader that was killed would pin its pages for ever. */
	rc = mdb_reader_check(s->env, &dead);
	if (rc == 0) {
		rc = mdb_txn_begin(s->env, NULL, 0, &t->txn);
	}
	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	memset(&t->count, 0, sizeof t->count);
	t->last_clean = NULL;
	t->key_len = 0;
	t->keys = NULL;
	t->expiry = NULL;
	t->cleared = false;
	t->guarded.depth = 0;
	st = store_trees_load(s, mdb_txn_id(t->txn) - 1, &t->base);
	if (st != ST_OK) {
		store_txn_abort(t);
		return st == ST_AGAIN ? ST_CORRUPT : st; /* nobody else commits */
	}
	rc = mdb_cursor_open(t->txn, s->keyspace, &t->keys);
	if (rc == 0) {
		rc = mdb_cursor_open(t->txn, s->expires, &t->expiry);
	}
	if (rc != 0) {
		store_txn_abort(t);
		return store_from_lmdb(rc);
	}
	*out = t;
	return ST_OK;
}

/* Pages of this transaction lie on the heap, all others in the map: the first write to one of those
 * copies it. */
static bool clean(const struct store_txn *t, const void *at)
{
	uintptr_t from = (uintptr_t)t->store->map, p = (uintptr_t)at;

	return t->store->map == NULL || (p >= from && p - from < t->store->map_size);
}

/* The write is about to touch the page that holds at. */
static void count_leaf(struct store_txn *t, const void *at)
{
	const void *page = (const void *)((uintptr_t)at / t->store->page_size);

	/* Searches that end past a leaf show its clean neighbour: count that once, not each time.
	 */
	if (page != t->last_clean) {
		t->count.leaves++;
		t->last_clean = page;
	}
}

/* Brings the cursor to key. Writes in key order stay on one page, where LMDB searches only that
 * page; the put or delete that follows finds it so as well. */
static int seek(struct store_txn *t, struct slice key)
{
	MDB_val k = to_val(key);
	int rc;

	if (t->key_len != 0 && slice_eq(slice_of(t->key, t->key_len), key)) {
		return 0;
	}
	t->key_len = 0;
	rc = guard_key(t, key);
	if (rc == 0) {
		rc = mdb_cursor_get(t->keys, &k, &t->old, MDB_SET_RANGE);
	}
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return rc;
	}
	t->found = rc == 0 && slice_eq(from_val(k), key);
	t->clean = rc != 0 || clean(t, t->old.mv_data);
	if (rc != 0) {
		t->old.mv_data = NULL;
	}
	if (key.len <= sizeof t->key) {
		memcpy(t->key, key.data, key.len);
		t->key_len = key.len;
	}
	return 0;
}

enum status store_txn_get(struct store_txn *t, struct slice key, struct slice *out)
{
	int rc = seek(t, key);

	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	if (!t->found) {
		return ST_NOT_FOUND;
	}
	if (t->old.mv_size > STORE_CHECK_LEN_MAX) {
		*out = slice_of(t->old.mv_data, t->old.mv_size - STORE_SUM_LEN);
		return ST_OK;
	}
	return store_sum_check(key, from_val(t->old), out);
}

/* Puts where the cursor will find its place, and counts what that costs. before: bytes of the value
 * that is replaced; is_new: there is none. */
static enum status put(struct store_txn *t, struct slice key, struct slice value, unsigned flags,
		       bool is_new, size_t before)
{
	MDB_val k = to_val(key);
	MDB_val v = {.mv_size = value.len + STORE_SUM_LEN};
	size_t page = t->store->page_size;
	int rc;

	t->key_len = 0;
	rc = mdb_cursor_put(t->keys, &k, &v, MDB_RESERVE | flags);
	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	if (value.len > 0) {
		memcpy(v.mv_data, value.data, value.len);
	}
	bytes_put_u32le((uint8_t *)v.mv_data + value.len, store_sum(key, value));
	if (v.mv_size > page / 2) {
		t->count.big += (v.mv_size / page + 1) * page;
	} else if (is_new) {
		t->count.inserted += key.len + v.mv_size + NODE_OVERHEAD;
	} else if (v.mv_size > before) {
		t->count.inserted += v.mv_size - before;
	}
	return ST_OK;
}

enum status store_txn_put(struct store_txn *t, struct slice key, struct slice value)
{
	int rc = seek(t, key);

	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	if (t->clean) {
		count_leaf(t, t->old.mv_data);
	}
	return put(t, key, value, 0, !t->found, t->found ? t->old.mv_size : 0);
}

enum status store_txn_append(struct store_txn *t, struct slice key, struct slice value)
{
	if (guard_key(t, key) != 0) {
		return ST_CORRUPT;
	}
	return put(t, key, value, MDB_APPEND, true, 0);
}

enum status store_txn_del(struct store_txn *t, struct slice key)
{
	int rc = seek(t, key);

	if (rc != 0 || !t->found) {
		return store_from_lmdb(rc);
	}
	if (t->clean) {
		count_leaf(t, t->old.mv_data);
	}
	t->key_len = 0;
	rc = guard_beside(t);
	return store_from_lmdb(rc == 0 ? mdb_cursor_del(t->keys, 0) : rc);
}

enum status store_txn_expiry(struct store_txn *t, uint64_t expire_at_ms, struct slice key, bool add)
{
	uint8_t raw[STORE_INDEX_MAX];
	struct slice value;
	struct slice index = slice_of(raw, store_index_encode(expire_at_ms, key, raw, &value));
	MDB_val k = to_val(index), v = {0};
	bool found;
	int rc = store_txn_guard(t, &t->base.expires, index, !add);

	if (rc == 0) {
		rc = mdb_cursor_get(t->expiry, &k, &v, MDB_SET_RANGE);
	}
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return store_from_lmdb(rc);
	}
	found = rc == 0 && slice_eq(from_val(k), index);
	if (found == add) {
		return ST_OK;
	}
	if (rc != 0 || clean(t, v.mv_data)) {
		count_leaf(t, rc != 0 ? NULL : v.mv_data);
	}
	if (!add) {
		return store_from_lmdb(mdb_cursor_del(t->expiry, 0));
	}
	k = to_val(index);
	v = to_val(value);
	rc = mdb_cursor_put(t->expiry, &k, &v, 0);
	t->count.inserted += index.len + value.len + NODE_OVERHEAD;
	return store_from_lmdb(rc);
}

enum status store_txn_slot(struct store_txn *t, uint16_t slot, const struct slot_stat *stat)
{
	uint8_t key[2], raw[STORE_SLOT_LEN];
	size_t len = store_slot_encode(stat, raw);

	bytes_put_u16be(key, slot);
	if (store_txn_guard(t, &t->base.slots, slice_of(key, sizeof key), false) != 0) {
		return ST_CORRUPT;
	}
	return store_from_lmdb(store_put_record(t->txn, t->store->slots, slice_of(key, sizeof key),
						slice_of(raw, len)));
}

enum status store_txn_state(struct store_txn *t, const struct store_state *state)
{
	INVARIANT(state->history.count <= WAL_HISTORY_MAX);
	if (store_txn_guard(t, &t->base.node, slice_str(STORE_STATE_KEY), false) != 0) {
		return ST_CORRUPT;
	}
	return store_from_lmdb(store_put_state(t->txn, t->store->node, state));
}

enum status store_txn_note(struct store_txn *t, const char *name, struct slice value)
{
	char raw[STORE_NOTE_MAX];
	struct slice key = store_note_key(name, raw);
	MDB_val k = to_val(key);
	int rc;

	if (store_txn_guard(t, &t->base.node, key, value.len == 0) != 0) {
		return ST_CORRUPT;
	}
	if (value.len > 0) {
		return store_from_lmdb(store_put_record(t->txn, t->store->node, key, value));
	}
	rc = mdb_del(t->txn, t->store->node, &k, NULL);
	return rc == MDB_NOTFOUND ? ST_OK : store_from_lmdb(rc);
}

enum status store_txn_del_prefix(struct store_txn *t, struct slice prefix, uint32_t max,
				 uint32_t *removed, uint64_t *bytes)
{
	struct slice at = prefix;
	uint32_t n = 0;
	uint64_t sum = 0;
	int rc = 0;

	while (n < max) {
		MDB_val k = to_val(at), v;

		t->key_len = 0;
		rc = n == 0 ? guard_key(t, at) : 0; /* it was the last one's otherwise */
		if (rc == 0) {
			rc = mdb_cursor_get(t->keys, &k, &v, MDB_SET_RANGE);
		}
		if (rc != 0 || !slice_has_prefix(from_val(k), prefix)) {
			break;
		}
		rc = guard_key(t, from_val(k));
		if (rc == 0) {
			rc = guard_beside(t);
		}
		if (rc != 0) {
			break;
		}
		if (clean(t, v.mv_data)) {
			count_leaf(t, v.mv_data);
		}
		/* The next search starts from here, and so stays on the page. */
		memcpy(t->key, k.mv_data, k.mv_size);
		at = slice_of(t->key, k.mv_size);
		n++;
		sum += k.mv_size + (v.mv_size < STORE_SUM_LEN ? 0 : v.mv_size - STORE_SUM_LEN);
		rc = mdb_cursor_del(t->keys, 0);
		if (rc != 0) {
			break;
		}
	}
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return store_from_lmdb(rc);
	}
	*removed = n;
	*bytes = sum;
	return ST_OK;
}

enum status store_txn_clear(struct store_txn *t)
{
	int rc = guard_all(&t->base.keyspace);

	t->key_len = 0;
	if (rc == 0) {
		rc = guard_all(&t->base.expires);
	}
	if (rc == 0) {
		rc = guard_all(&t->base.slots);
	}
	if (rc == 0) {
		rc = guard_all(&t->base.sums);
	}
	t->cleared = true;
	if (rc == 0) {
		rc = mdb_drop(t->txn, t->store->keyspace, 0);
	}
	if (rc == 0) {
		rc = mdb_drop(t->txn, t->store->expires, 0);
	}
	if (rc == 0) {
		rc = mdb_drop(t->txn, t->store->slots, 0);
	}
	if (rc == 0) {
		rc = mdb_drop(t->txn, t->store->sums, 0);
	}
	return store_from_lmdb(rc);
}

uint64_t store_txn_dirty(const struct store_txn *t)
{
	uint64_t leaves = t->count.leaves * t->store->page_size;

	/* A quarter more for the branch pages above the leaves; leaves that grow split into pages
	 * that are about two thirds full. */
	return leaves + leaves / 4 + t->count.big + t->count.inserted * 3 / 2;
}

static void close_cursors(struct store_txn *t)
{
	mdb_cursor_close(t->keys);
	mdb_cursor_close(t->expiry);
	t->keys = NULL;
	t->expiry = NULL;
}

/* LMDB calls a write that came out short an I/O error. It is a full disk when there is no room
 * left: nothing of the transaction counts then, and it may be tried again. */
static bool is_full(struct store *s)
{
	enum { ROOM_MIN = 1 << 20 };
	struct statvfs facts;
	mdb_filehandle_t fd;

	return mdb_env_get_fd(s->env, &fd) == 0 && fstatvfs(fd, &facts) == 0 &&
	       (uint64_t)facts.f_bavail * facts.f_frsize < ROOM_MIN;
}

enum status store_txn_commit(struct store_txn *t)
{
	MDB_txn *txn = t->txn;
	int rc;

	close_cursors(t);
	t->txn = NULL;
	rc = mdb_txn_commit(txn); /* frees it in any case */
	if (rc == 0) {
		store_remember_info(t->store);
	}
	if (rc == EIO && is_full(t->store)) {
		return ST_NO_SPACE;
	}
	return store_from_lmdb(rc);
}

void store_txn_abort(struct store_txn *t)
{
	MDB_txn *txn = t->txn;

	close_cursors(t);
	t->txn = NULL;
	mdb_txn_abort(txn);
}
