/* How many keys there are: the store's counters plus each memtable's change to them.
 *
 * A blind write does not look at what it replaces, so its share is unknown until somebody looks:
 * the checkpoint, which reads the old record anyway, or engine_count_resolve when an exact number
 * is asked for. Until then an unknown base counts as absent, so that sums are never too low.
 *
 * While a checkpoint runs, what the store says of a frozen key may be the checkpoint's own doing.
 * So it notes what it replaces in the entry, before it commits; an entry without the note is not in
 * any snapshot that the executor can have yet, and may be looked up. */
#include "engine/base/alloc.h"
#include "engine/engine_impl.h"

struct share {
	int keys, expires;
};

static struct share share_of(const struct mt_entry *e)
{
	struct share s = {0, 0};
	uint8_t base = atomic_load_explicit(&e->base, memory_order_relaxed);
	struct meta m;

	if ((e->flags & MT_ABSENT) != 0) {
		return s;
	}
	if ((e->flags & MT_TOMBSTONE) == 0) {
		s.keys = 1;
		s.expires = engine_entry_meta(e, &m) && m.expire_at_ms != 0;
	}
	if ((base & MT_BASE_DRAINED) != 0) {
		return s; /* no counter knows it yet */
	}
	if ((base & 3) == MT_BASE_PRESENT) {
		s.keys--;
	}
	if ((base & MT_BASE_EXPIRES) != 0) {
		s.expires--;
	}
	return s;
}

void counts_remove(struct memtable *mt, const struct mt_entry *e)
{
	struct share s = share_of(e);

	memtable_counts(mt)->keys -= s.keys;
	memtable_counts(mt)->expires -= s.expires;
	memtable_slot_keys(mt)[store_key_slot(mt_entry_key(e))] -= s.keys;
}

void counts_add(struct memtable *mt, const struct mt_entry *e)
{
	struct share s = share_of(e);

	memtable_counts(mt)->keys += s.keys;
	memtable_counts(mt)->expires += s.expires;
	memtable_slot_keys(mt)[store_key_slot(mt_entry_key(e))] += s.keys;
}

/* What the store says of a key record, as an entry's base. */
static enum status store_base(struct engine *e, struct slice key, uint8_t *base)
{
	struct slice stored, name, value;
	struct meta m;
	enum status st = store_get(e->reader, key, &stored);

	if (st == ST_NOT_FOUND) {
		*base = MT_BASE_ABSENT;
		return ST_OK;
	}
	if (st == ST_OK) {
		st = stored_split(key, stored, &name, &value);
	}
	if (st == ST_OK) {
		st = meta_decode(value, &m);
	}
	if (st == ST_OK) {
		*base = (uint8_t)(MT_BASE_PRESENT | (m.expire_at_ms != 0 ? MT_BASE_EXPIRES : 0));
	}
	return st;
}

/* Nobody else sees an entry yet that gets its base. */
static void set_base(struct mt_entry *e, uint8_t base)
{
	atomic_store_explicit(&e->base, base, memory_order_relaxed);
}

static enum status list_unknown(struct engine *e, struct mt_entry *entry)
{
	set_base(entry, MT_BASE_UNKNOWN);
	e->unresolved_listed++;
	return memtable_unresolved_add(e->active, entry);
}

enum status counts_base(struct engine *e, struct mt_entry *entry, bool looked_below)
{
	struct slice key = mt_entry_key(entry);
	uint8_t base = MT_BASE_UNKNOWN;
	enum status st;
	uint64_t hash;

	if (memtable_flushed(e->active)) {
		set_base(entry, MT_BASE_ABSENT);
		return ST_OK;
	}
	if (e->frozen == NULL && !looked_below) {
		return list_unknown(e, entry);
	}
	hash = memtable_hash(key, e->hash_seed);
	if (e->frozen != NULL) {
		struct mt_entry *below = memtable_find(e->frozen, key, hash);

		if (below != NULL && (below->flags & MT_ABSENT) == 0) {
			bool dead = (below->flags & MT_TOMBSTONE) != 0;
			struct meta m;

			base = dead ? MT_BASE_ABSENT : MT_BASE_PRESENT;
			if (engine_entry_meta(below, &m) && m.expire_at_ms != 0) {
				base |= MT_BASE_EXPIRES;
			}
			set_base(entry, base);
			return ST_OK;
		}
		if (memtable_flushed(e->frozen)) {
			set_base(entry, MT_BASE_ABSENT);
			return ST_OK;
		}
	}
	if (looked_below) {
		if (e->looked && e->looked_hash == hash && !e->looked_present) {
			set_base(entry, MT_BASE_ABSENT);
			return ST_OK;
		}
		st = store_base(e, key, &base);
		set_base(entry, base);
		return st;
	}
	return list_unknown(e, entry);
}

enum status counts_load(struct engine *e)
{
	enum status st = store_reader_slots(e->reader, e->base);

	if (st != ST_OK) {
		return st;
	}
	e->base_keys = 0;
	e->base_expires = 0;
	for (int i = 0; i < SLOTS; i++) {
		e->base_keys += e->base[i].keys;
		e->base_expires += e->base[i].expires;
	}
	return ST_OK;
}

/* Resolves entries of one table's list from *at on, at most *budget; returns how many are left. */
static size_t resolve_table(struct engine *e, struct memtable *mt, size_t *at, uint32_t *budget)
{
	size_t count;
	struct mt_entry **list = memtable_unresolved(mt, &count);

	for (; *at<count && * budget> 0; (*at)++, (*budget)--) {
		struct mt_entry *entry = list[*at];
		uint8_t was = atomic_load(&entry->base), base = was;

		if ((entry->flags & MT_ABSENT) != 0 ||
		    (was != MT_BASE_UNKNOWN && (was & MT_BASE_DRAINED) == 0) ||
		    (was == MT_BASE_UNKNOWN &&
		     store_base(e, mt_entry_key(entry), &base) != ST_OK)) {
			continue;
		}
		/* Both count as unknown until here. The checkpoint may have come by meanwhile, and
		 * has seen the same. */
		counts_remove(mt, entry);
		atomic_store(&entry->base, (uint8_t)(base & ~MT_BASE_DRAINED));
		counts_add(mt, entry);
	}
	return count - *at;
}

uint64_t engine_count_resolve(struct engine *e, uint32_t budget)
{
	uint64_t left = 0;

	if (e->frozen != NULL && !memtable_flushed(e->active)) {
		left = resolve_table(e, e->frozen, &e->frozen_unresolved_at, &budget);
	}
	return left + resolve_table(e, e->active, &e->unresolved_at, &budget);
}

uint64_t engine_count_listed(const struct engine *e)
{
	return e->unresolved_listed;
}

static int64_t sum(const struct engine *e, uint64_t base, bool keys)
{
	struct mt_counts *c = memtable_counts(e->active);
	int64_t total = keys ? c->keys : c->expires;

	if (memtable_flushed(e->active)) {
		return total;
	}
	if (e->frozen != NULL) {
		c = memtable_counts(e->frozen);
		total += keys ? c->keys : c->expires;
		if (memtable_flushed(e->frozen)) {
			return total;
		}
	}
	return total + (int64_t)base;
}

uint64_t engine_keys(const struct engine *e)
{
	int64_t n = sum(e, e->base_keys, true);

	return n > 0 ? (uint64_t)n : 0;
}

uint64_t engine_expires(const struct engine *e)
{
	int64_t n = sum(e, e->base_expires, false);

	return n > 0 ? (uint64_t)n : 0;
}

uint64_t engine_slot_keys(const struct engine *e, uint16_t slot)
{
	int64_t n = memtable_slot_keys(e->active)[slot];

	if (!memtable_flushed(e->active)) {
		bool flushed = false;

		if (e->frozen != NULL) {
			n += memtable_slot_keys(e->frozen)[slot];
			flushed = memtable_flushed(e->frozen);
		}
		if (!flushed) {
			n += (int64_t)e->base[slot].keys;
		}
	}
	return n > 0 ? (uint64_t)n : 0;
}
