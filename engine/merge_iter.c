/* Ordered scans over active memtable, frozen memtable and store as one. For a key that several
 * layers hold the newest decides; a tombstone hides what is below it. */
#include "engine/base/invariant.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"

enum { SIDE_ACTIVE, SIDE_FROZEN, SIDE_STORE, SIDES };

static bool in_prefix(const struct engine_iter *it, struct slice key)
{
	return slice_has_prefix(key, slice_of(it->prefix, it->prefix_len));
}

static enum status load_table(struct engine_iter *it, struct mt_scan *scan, struct merge_side *side)
{
	struct mt_entry *entry;

	for (;;) {
		entry = mt_scan_peek(scan);
		if (entry == NULL || (entry->flags & MT_ABSENT) == 0) {
			break;
		}
		mt_scan_advance(scan, entry);
	}
	side->entry = entry;
	side->at_end = entry == NULL;
	if (entry != NULL) {
		side->key = mt_entry_key(entry);
		side->value = mt_entry_value(entry);
		side->at_end = !in_prefix(it, side->key);
	}
	return ST_OK;
}

static enum status store_result(struct engine_iter *it, enum status st, struct merge_side *side)
{
	if (st == ST_NOT_FOUND) {
		side->at_end = true;
		return ST_OK;
	}
	if (st != ST_OK) {
		return st;
	}
	side->at_end = !in_prefix(it, side->key);
	return ST_OK;
}

/* First position of the store's side. */
static enum status start_store(struct engine_iter *it, struct merge_side *side)
{
	struct slice start = slice_of(it->start, it->start_len);
	enum status st;

	if (it->cursor == NULL) {
		st = store_cursor_open(it->e->reader, &it->cursor);
		if (st != ST_OK) {
			return st;
		}
	}
	if (it->reverse) {
		st = store_cursor_seek_before(it->cursor, start, &side->key, &side->value);
	} else {
		st = store_cursor_seek(it->cursor, start, &side->key, &side->value);
	}
	return store_result(it, st, side);
}

static enum status step(struct engine_iter *it, int i)
{
	struct merge_side *side = &it->sides[i];
	enum status st;

	if (i == SIDE_STORE) {
		if (it->reverse) {
			st = store_cursor_prev(it->cursor, &side->key, &side->value);
		} else {
			st = store_cursor_next(it->cursor, &side->key, &side->value);
		}
		return store_result(it, st, side);
	}
	struct mt_scan *scan = i == SIDE_ACTIVE ? &it->active : &it->frozen;

	mt_scan_advance(scan, side->entry);
	return load_table(it, scan, side);
}

static enum status open_sides(struct engine_iter *it, uint16_t slot, uint8_t space, uint64_t id)
{
	struct engine *e = it->e;
	struct slice start = slice_of(it->start, it->start_len);
	bool flushed = memtable_flushed(e->active);
	enum status st;

	st = mt_scan_open(e->active, memtable_group(e->active, slot, space, id), start, it->reverse,
			  &it->active);
	if (st == ST_OK) {
		st = load_table(it, &it->active, &it->sides[SIDE_ACTIVE]);
	}
	it->frozen.count = 0;
	if (st == ST_OK && e->frozen != NULL && !flushed) {
		st = mt_scan_open(e->frozen, memtable_group(e->frozen, slot, space, id), start,
				  it->reverse, &it->frozen);
		flushed = memtable_flushed(e->frozen);
	}
	if (st == ST_OK) {
		st = load_table(it, &it->frozen, &it->sides[SIDE_FROZEN]);
	}
	it->sides[SIDE_STORE].at_end = true;
	if (st == ST_OK && !flushed) {
		st = start_store(it, &it->sides[SIDE_STORE]);
	}
	return st;
}

enum status merge_open(struct engine *e, struct slice prefix, struct slice start, bool reverse,
		       struct engine_iter **out)
{
	struct engine_iter *it = NULL;
	uint8_t space = store_key_space(prefix);
	uint64_t id = space == KEYSPACE_ELEM ? store_key_id(prefix) : 0;
	enum status st;

	for (int i = 0; i < ENGINE_ITERS && it == NULL; i++) {
		it = e->iters[i].in_use ? NULL : &e->iters[i];
	}
	if (it == NULL) {
		return ST_LIMIT;
	}
	INVARIANT(prefix.len <= sizeof it->prefix && start.len <= sizeof it->start);
	it->e = e;
	it->in_use = true;
	it->reverse = reverse;
	memcpy(it->prefix, prefix.data, prefix.len);
	it->prefix_len = prefix.len;
	memcpy(it->start, start.data, start.len);
	it->start_len = start.len;
	st = open_sides(it, store_key_slot(prefix), space, id);
	if (st != ST_OK) {
		merge_close(it);
		return st;
	}
	*out = it;
	return ST_OK;
}

/* Moves every side but the winner past the winner's key: they hold older versions of it. */
static enum status skip_older(struct engine_iter *it, int winner, struct slice key)
{
	for (int i = winner + 1; i < SIDES; i++) {
		if (!it->sides[i].at_end && slice_eq(it->sides[i].key, key)) {
			enum status st = step(it, i);

			if (st != ST_OK) {
				return st;
			}
		}
	}
	return ST_OK;
}

enum status merge_next(struct engine_iter *it, struct slice *key, struct slice *value)
{
	for (;;) {
		int best = -1;
		struct merge_side won;
		enum status st;

		for (int i = 0; i < SIDES; i++) {
			int c;

			if (it->sides[i].at_end) {
				continue;
			}
			if (best < 0) {
				best = i;
				continue;
			}
			c = slice_cmp(it->sides[i].key, it->sides[best].key);
			if (it->reverse ? c > 0 : c < 0) {
				best = i;
			}
		}
		if (best < 0) {
			return ST_END;
		}
		won = it->sides[best];
		st = skip_older(it, best, won.key);
		if (st == ST_OK) {
			st = step(it, best);
		}
		if (st != ST_OK) {
			return st;
		}
		if (best != SIDE_STORE) {
			if (won.entry->lsn > it->e->batch.seen_lsn) {
				it->e->batch.seen_lsn = won.entry->lsn;
			}
			if ((won.entry->flags & MT_TOMBSTONE) != 0 && !PLANTED(42)) {
				continue;
			}
		}
		*key = won.key;
		*value = won.value;
		return ST_OK;
	}
}

void merge_close(struct engine_iter *it)
{
	it->in_use = false;
}
