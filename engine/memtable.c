/* The memtable's hash, groups and memory. Ordered scans are in memtable_scan.c. */
#include "engine/memtable.h"

#include "engine/arena.h"
#include "engine/base/alloc.h"
#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/mem_ahead.h"
#include "engine/key_codec.h"
#include "engine/memtable_impl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	TABLE_SLOTS_MIN = 1 << 12,
	ENTRY_BYTES_TYPICAL =
	    160,	   /* a 16-byte key with a 100-byte value, to size the table at first */
	GROUP_SPACE = 'C', /* the space of pseudo keys under which groups are found */
	TAG_SHIFT = 48,
	GROWTH_MAX = 1 << 16, /* bytes of a value up to which one that grows gets more room */
	FILTER_SHIFT = 20,
	FILTER_BITS_PER_CELL = 4,
	GROW_AHEAD = 16, /* cells whose entries are fetched before they are hashed anew */
	BACK_PART = 16,	 /* of the planned size: backed ahead of its use */
};

static const uint64_t POINTER_MASK = ((uint64_t)1 << TAG_SHIFT) - 1;

uint64_t memtable_hash(struct slice key, uint64_t seed)
{
	return XXH3_64bits_withSeed(key.data, key.len, seed);
}

static struct mt_entry *cell_entry(uint64_t cell)
{
	return (struct mt_entry *)(uintptr_t)(cell & POINTER_MASK); /* NOLINT: tagged pointer */
}

static uint64_t cell_of(const struct mt_entry *e, uint64_t hash)
{
	return (hash & ~POINTER_MASK) | (uint64_t)(uintptr_t)e;
}

enum status memtable_create(size_t bytes_max, uint64_t seed, struct memtable **out)
{
	struct memtable *mt = mem_calloc(1, sizeof *mt);
	size_t slots = TABLE_SLOTS_MIN;
	enum status st;

	if (mt == NULL) {
		return ST_NO_MEMORY;
	}
	while (slots * 2 < bytes_max / ENTRY_BYTES_TYPICAL * 3) {
		slots *= 2;
	}
	mt->seed = seed;
	mt->mask = slots - 1;
	mt->back_len = bytes_max / BACK_PART;
	/* Beyond its limit a table still takes the batches under way, and replay may bring two
	 * tables' worth. */
	st = arena_init(&mt->arena, bytes_max * 2 + ((size_t)8 << 20));
	if (st == ST_OK) {
		mt->cells = mem_map(slots * sizeof *mt->cells);
		mt->filter_mask = slots * FILTER_BITS_PER_CELL - 1;
		mt->filter = mem_map(slots * FILTER_BITS_PER_CELL / 8);
		mt->unresolved_max = slots;
		mt->unresolved = mem_map(slots * sizeof *mt->unresolved);
		mt->key_groups = mem_calloc(SLOTS, sizeof(struct mt_group *));
		mt->slot_keys = mem_calloc(SLOTS, sizeof *mt->slot_keys);
	}
	if (mt->cells == NULL || mt->filter == NULL || mt->unresolved == NULL ||
	    mt->key_groups == NULL || mt->slot_keys == NULL) {
		memtable_destroy(mt);
		return ST_NO_MEMORY;
	}
	*out = mt;
	return ST_OK;
}

static void free_runs(struct memtable *mt)
{
	while (mt->runs != NULL) {
		struct mt_runs *r = mt->runs;

		mt->runs = r->next;
		for (uint32_t i = 0; i < r->count; i++) {
			mem_free(r->items[i].entries);
		}
		mem_free(r);
	}
}

/* Before memory is given back that may be backed right now. */
static void settle(struct memtable *mt)
{
	if (mt->ahead != NULL) {
		mem_ahead_settle(mt->ahead);
	}
}

void memtable_destroy(struct memtable *mt)
{
	if (mt == NULL) {
		return;
	}
	free_runs(mt);
	settle(mt);
	arena_deinit(&mt->arena);
	mem_unmap(mt->cells, (mt->mask + 1) * sizeof *mt->cells);
	mem_unmap(mt->filter, (mt->filter_mask + 1) / 8);
	mem_free(mt->key_groups);
	mem_free(mt->slot_keys);
	mem_unmap(mt->unresolved, mt->unresolved_max * sizeof *mt->unresolved);
	buf_deinit(&mt->timers);
	mem_free(mt);
}

/* Bits of the hash that neither the cell's index nor its tag is taken from, as far as tables go. */
static size_t filter_bit(const struct memtable *mt, uint64_t hash)
{
	return (size_t)(hash >> FILTER_SHIFT) & mt->filter_mask;
}

/* False: the table does not have the key, not even as a tombstone. */
static bool passes_filter(const struct memtable *mt, uint64_t hash)
{
	size_t bit = filter_bit(mt, hash);

	return (mt->filter[bit / 64] >> (bit % 64) & 1) != 0;
}

struct mt_entry *memtable_find(const struct memtable *mt, struct slice key, uint64_t hash)
{
	if (!passes_filter(mt, hash)) {
		return NULL;
	}
	for (size_t i = hash & mt->mask;; i = (i + 1) & mt->mask) {
		uint64_t cell = mt->cells[i];
		struct mt_entry *e;

		if (cell == 0) {
			return NULL;
		}
		if (((cell ^ hash) & ~POINTER_MASK) != 0) {
			continue;
		}
		e = cell_entry(cell);
		if (e->key_len == key.len && memcmp(e->key, key.data, key.len) == 0) {
			return e;
		}
	}
}

void memtable_prefetch_cell(const struct memtable *mt, struct slice key, uint64_t hash)
{
	__builtin_prefetch(&mt->filter[filter_bit(mt, hash) / 64]);
	__builtin_prefetch(&mt->cells[hash & mt->mask]);
	__builtin_prefetch(&mt->key_groups[store_key_slot(key)]);
}

bool memtable_prefetch_entry(const struct memtable *mt, struct slice key, uint64_t hash)
{
	uint64_t cell;

	__builtin_prefetch(mt->key_groups[store_key_slot(key)]);
	if (!passes_filter(mt, hash)) {
		return false;
	}
	cell = mt->cells[hash & mt->mask];
	if (cell != 0 && ((cell ^ hash) & ~POINTER_MASK) == 0) {
		__builtin_prefetch(cell_entry(cell));
		__builtin_prefetch((const uint8_t *)cell_entry(cell) + 64);
	}
	return true;
}

static void cell_put(uint64_t *cells, size_t mask, uint64_t cell, uint64_t hash)
{
	size_t i = hash & mask;

	while (cells[i] != 0) {
		i = (i + 1) & mask;
	}
	cells[i] = cell;
}

/* Doubles the table. Only a table that outgrew its planned size comes here, once per size. */
static enum status grow(struct memtable *mt)
{
	size_t slots = (mt->mask + 1) * 2;
	uint64_t *cells = mem_map(slots * sizeof *cells);

	if (cells == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i <= mt->mask; i++) {
		if (i + GROW_AHEAD <= mt->mask && mt->cells[i + GROW_AHEAD] != 0) {
			/* Its key is all that is read of it, and nothing says where it lies. */
			__builtin_prefetch(cell_entry(mt->cells[i + GROW_AHEAD])->key);
		}
		if (mt->cells[i] != 0) {
			struct slice key = mt_entry_key(cell_entry(mt->cells[i]));

			cell_put(cells, slots - 1, mt->cells[i], memtable_hash(key, mt->seed));
		}
	}
	settle(mt);
	mem_unmap(mt->cells, (mt->mask + 1) * sizeof *cells);
	mt->cells = cells;
	mt->mask = slots - 1;
	return ST_OK;
}

/* Adds an entry that is known to be missing; it hangs in no group yet. */
static enum status insert(struct memtable *mt, struct slice key, uint64_t hash,
			  struct mt_entry **out)
{
	struct mt_entry *e;
	size_t bit;

	if ((mt->cells_used + 1) * 10 > (mt->mask + 1) * 7) {
		enum status st = grow(mt);

		if (st != ST_OK) {
			return st;
		}
	}
	e = arena_alloc(&mt->arena, sizeof *e + key.len);
	if (e == NULL) {
		return ST_NO_MEMORY;
	}
	*e = (struct mt_entry){.key_len = (uint16_t)key.len, .flags = MT_ABSENT};
	memcpy(e->key, key.data, key.len);
	cell_put(mt->cells, mt->mask, cell_of(e, hash), hash);
	mt->cells_used++;
	bit = filter_bit(mt, hash);
	mt->filter[bit / 64] |= (uint64_t)1 << (bit % 64);
	*out = e;
	return ST_OK;
}

static void group_key(uint8_t dst[ELEM_PREFIX_LEN + 1], uint16_t slot, uint8_t space, uint64_t id)
{
	bytes_put_u16be(dst, slot);
	dst[2] = GROUP_SPACE;
	bytes_put_u64be(dst + KEY_PREFIX_LEN, id);
	dst[ELEM_PREFIX_LEN] = space;
}

struct mt_group *memtable_group(const struct memtable *mt, uint16_t slot, uint8_t space,
				uint64_t id)
{
	uint8_t bytes[ELEM_PREFIX_LEN + 1] = {0};
	struct slice key = slice_of(bytes, sizeof bytes);
	struct mt_entry *e;
	struct mt_group *last = mt->last_group;

	if (space == KEYSPACE_KEY) {
		return mt->key_groups[slot];
	}
	if (last != NULL && last->id == id && last->slot == slot && last->space == space) {
		return last;
	}
	group_key(bytes, slot, space, id);
	e = memtable_find(mt, key, memtable_hash(key, mt->seed));
	if (e == NULL) {
		return NULL;
	}
	/* A group's pseudo entry keeps the pointer where entries keep their value's. */
	return (struct mt_group *)(void *)e->value;
}

static enum status make_group(struct memtable *mt, uint16_t slot, uint8_t space, uint64_t id,
			      struct mt_group **out)
{
	struct mt_group *g = arena_alloc(&mt->arena, sizeof *g);

	if (g == NULL) {
		return ST_NO_MEMORY;
	}
	*g = (struct mt_group){.slot = slot, .space = space, .id = id};
	if (space == KEYSPACE_KEY) {
		mt->key_groups[slot] = g;
	} else {
		uint8_t bytes[ELEM_PREFIX_LEN + 1] = {0};
		struct slice key = slice_of(bytes, sizeof bytes);
		struct mt_entry *e;
		enum status st;

		group_key(bytes, slot, space, id);
		st = insert(mt, key, memtable_hash(key, mt->seed), &e);
		if (st != ST_OK) {
			return st;
		}
		e->value = (uint8_t *)g;
	}
	g->next = mt->groups;
	mt->groups = g;
	mt->groups_count++;
	*out = g;
	return ST_OK;
}

enum status memtable_upsert(struct memtable *mt, struct slice key, uint64_t hash,
			    struct mt_entry **out)
{
	struct mt_entry *e = memtable_find(mt, key, hash);
	uint8_t space = store_key_space(key);
	uint16_t slot = store_key_slot(key);
	uint64_t id = space == KEYSPACE_ELEM ? store_key_id(key) : 0;
	struct mt_group *g;
	enum status st;

	if (e != NULL) {
		*out = e;
		return ST_OK;
	}
	g = memtable_group(mt, slot, space, id);
	if (g == NULL) {
		st = make_group(mt, slot, space, id, &g);
		if (st != ST_OK) {
			return st;
		}
	}
	if (space != KEYSPACE_KEY) {
		mt->last_group = g;
	}
	st = insert(mt, key, hash, &e);
	if (st != ST_OK) {
		return st;
	}
	e->next = g->head;
	g->head = e;
	g->count++;
	mt->entries++;
	*out = e;
	return ST_OK;
}

static bool borrows(const struct mt_entry *e, struct slice part)
{
	return part.len > 0 && part.data < e->value + e->value_cap &&
	       part.data + part.len > e->value;
}

enum status memtable_store(struct memtable *mt, struct mt_entry *e, const struct slice *parts,
			   size_t parts_count)
{
	size_t len = 0;
	bool in_place;
	uint8_t *at;

	for (size_t i = 0; i < parts_count; i++) {
		len += parts[i].len;
	}
	if (len > UINT32_MAX) {
		return ST_LIMIT;
	}
	in_place = mt_fits(e, len);
	for (size_t i = 0; in_place && i < parts_count; i++) {
		in_place = !borrows(e, parts[i]);
	}
	if (!in_place) {
		/* What has grown once will grow again: a quarter more for it, so that the next
		 * times are in place. */
		size_t cap = e->value_len > 0 && len <= GROWTH_MAX ? len + len / 4 : len;

		at = arena_alloc(&mt->arena, cap == 0 ? 1 : cap);
		if (at == NULL) {
			return ST_NO_MEMORY;
		}
		e->value = at;
		e->value_cap = (uint32_t)cap;
	}
	at = e->value;
	for (size_t i = 0; i < parts_count; i++) {
		if (parts[i].len > 0) {
			memcpy(at, parts[i].data, parts[i].len);
			at += parts[i].len;
		}
	}
	e->value_len = (uint32_t)len;
	return ST_OK;
}

/* Has [used, used + ahead) of a region backed, of which everything below *backed was asked for. */
static void back(struct memtable *mt, void *base, size_t size, size_t used, size_t ahead,
		 size_t *backed)
{
	size_t from = *backed > used ? *backed : used;
	size_t to = used + ahead < size ? used + ahead : size;

	if (used + ahead / 2 >= *backed && from < to) {
		mem_ahead_want(mt->ahead, (uint8_t *)base + from, to - from);
		*backed = to;
	}
}

void memtable_back_ahead(struct memtable *mt, struct mem_ahead *m)
{
	if (mt->ahead == NULL) {
		mem_ahead_want(m, mt->cells, (mt->mask + 1) * sizeof *mt->cells);
		mem_ahead_want(m, mt->filter, (mt->filter_mask + 1) / 8);
		mt->ahead = m;
	}
	back(mt, mt->arena.base, mt->arena.reserved, mt->arena.used, mt->back_len, &mt->backed);
	if (mt->unresolved_count > 0) {
		back(mt, mt->unresolved, mt->unresolved_max * sizeof *mt->unresolved,
		     mt->unresolved_count * sizeof *mt->unresolved, mt->back_len / BACK_PART,
		     &mt->unresolved_backed);
	}
}

size_t memtable_bytes(const struct memtable *mt)
{
	return arena_bytes(&mt->arena) + mt->entries * sizeof(uint64_t);
}

size_t memtable_entries(const struct memtable *mt)
{
	return mt->entries;
}

bool memtable_reset(struct memtable *mt, size_t step)
{
	size_t bytes = (mt->mask + 1) * sizeof *mt->cells;
	size_t n = bytes - mt->cleared < step ? bytes - mt->cleared : step;

	if (mt->cleared == 0) {
		free_runs(mt);
		arena_reset(&mt->arena);
		memset(mt->filter, 0, (mt->filter_mask + 1) / 8);
		memset(mt->key_groups, 0, SLOTS * sizeof(struct mt_group *));
		memset(mt->slot_keys, 0, SLOTS * sizeof *mt->slot_keys);
		mt->groups = NULL;
		mt->last_group = NULL;
		mt->groups_count = 0;
		mt->entries = 0;
		mt->cells_used = 0;
		mt->counts = (struct mt_counts){0};
		mt->unresolved_count = 0;
		mt->timers.len = 0;
		mt->flushed = false;
	}
	memset((uint8_t *)mt->cells + mt->cleared, 0, n);
	mt->cleared += n;
	if (mt->cleared < bytes) {
		return false;
	}
	mt->cleared = 0;
	return true;
}

struct mt_counts *memtable_counts(struct memtable *mt)
{
	return &mt->counts;
}

int32_t *memtable_slot_keys(struct memtable *mt)
{
	return mt->slot_keys;
}

struct mt_entry **memtable_unresolved(struct memtable *mt, size_t *count)
{
	*count = mt->unresolved_count;
	return mt->unresolved;
}

enum status memtable_unresolved_add(struct memtable *mt, struct mt_entry *e)
{
	if (mt->unresolved_count == mt->unresolved_max) {
		size_t bytes = mt->unresolved_max * sizeof *mt->unresolved;
		struct mt_entry **list = mem_map(bytes * 2);

		if (list == NULL) {
			return ST_NO_MEMORY;
		}
		memcpy(list, mt->unresolved, bytes);
		settle(mt);
		mem_unmap(mt->unresolved, bytes);
		mt->unresolved = list;
		mt->unresolved_max *= 2;
	}
	mt->unresolved[mt->unresolved_count++] = e;
	return ST_OK;
}

bool memtable_flushed(const struct memtable *mt)
{
	return mt->flushed;
}

void memtable_set_flushed(struct memtable *mt, bool flushed)
{
	mt->flushed = flushed;
}
