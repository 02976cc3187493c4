/* Batches of keys that will be looked up soon: first the memtables' cells and entries, then, for
 * keys that no memtable knows, the store. */
#include "engine/ahead.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/engine_impl.h"

struct ahead {
	size_t count;
	/* Where the key stands that a request about an element noted last, AHEAD_MAX: nowhere; and
	 * whether what it holds was looked at: once per batch. */
	size_t last;
	bool knows_last;
	struct meta last_meta; /* its payload is not to be used; form FORM_INLINE: no elements */
	struct {
		uint64_t hash;
		bool looks, follow;
		struct slice value; /* where follow, after the fetch */
	} items[AHEAD_MAX];
	struct store_key keys[AHEAD_MAX];
};

/* Takes what was put in place as the next key. */
static void note(struct engine *e, struct ahead *a, bool looks)
{
	struct slice key = store_key_slice(&a->keys[a->count]);

	a->items[a->count].hash = memtable_hash(key, e->hash_seed);
	a->items[a->count].looks = looks;
	a->items[a->count].follow = false;
	memtable_prefetch_cell(e->active, key, a->items[a->count].hash);
	a->count++;
}

void ahead_add(struct engine *e, struct slice name, bool looks)
{
	struct ahead *a = e->ahead;

	if (a->count < AHEAD_MAX) {
		store_key_of_key(&a->keys[a->count], name);
		note(e, a, looks);
	}
}

/* What the last key holds. A key that is not found, or whose page could fault, has no elements. */
static void look_at_last(struct engine *e, struct ahead *a)
{
	struct slice key = store_key_slice(&a->keys[a->last]), stored;
	bool hidden;
	struct mt_entry *entry = view_find(e, key, a->items[a->last].hash, &hidden);
	bool found = entry != NULL && engine_entry_meta(entry, &a->last_meta);

	if (entry == NULL && !hidden && !store_key_is_long(key) && residency_all(e->residency)) {
		found = store_get(e->reader, key, &stored) == ST_OK &&
			meta_decode(stored, &a->last_meta) == ST_OK;
	}
	if (!found) {
		a->last_meta.form = FORM_INLINE;
	}
	a->knows_last = true;
}

/* Whether key, put in place as the next one, is that noted last, and is known to hold a large
 * collection. Else the key itself is noted if it is another one. */
static bool is_large(struct engine *e, struct ahead *a, const struct store_key *key)
{
	if (a->last == AHEAD_MAX ||
	    !slice_eq(store_key_slice(&a->keys[a->last]), store_key_slice(key))) {
		a->last = a->count;
		a->knows_last = false;
		note(e, a, true);
		return false;
	}
	if (!a->knows_last) {
		look_at_last(e, a);
	}
	return a->last_meta.form == FORM_LARGE;
}

int ahead_add_element(struct engine *e, struct slice name, const struct slice elements[2],
		      bool looks)
{
	struct ahead *a = e->ahead;
	struct store_key *key = &a->keys[a->count];
	struct slice element;

	if (a->count == AHEAD_MAX) {
		return -1;
	}
	store_key_of_key(key, name);
	if (!is_large(e, a, key)) {
		return -1;
	}
	element = elements[a->last_meta.type == TYPE_ZSET && elements[1].data != NULL];
	if (element.data == NULL) {
		return -1;
	}
	store_key_of_field(key, key->slot, a->last_meta.id, element);
	note(e, a, looks);
	return (int)a->count - 1;
}

void ahead_follow(struct engine *e, int element, struct meta *collection, uint16_t *slot)
{
	struct ahead *a = e->ahead;

	a->items[element].follow = true;
	*collection = a->last_meta;
	*slot = a->keys[element].slot;
}

struct slice ahead_value(const struct engine *e, int element)
{
	return e->ahead->items[element].value;
}

void ahead_add_list_end(struct engine *e, struct slice name, bool left, bool pop)
{
	struct ahead *a = e->ahead;
	struct store_key *key = &a->keys[a->count];
	uint64_t *ends = a->last_meta.aux, position;
	uint8_t subkey[8];

	if (a->count == AHEAD_MAX) {
		return;
	}
	store_key_of_key(key, name);
	if (!is_large(e, a, key) || a->last_meta.type != TYPE_LIST || (pop && ends[0] >= ends[1])) {
		return;
	}
	if (left) {
		position = pop ? ends[0]++ : --ends[0];
	} else {
		position = pop ? --ends[1] : ends[1]++;
	}
	bytes_put_u64be(subkey, position);
	store_key_of_elem(key, key->slot, a->last_meta.id, slice_of(subkey, sizeof subkey));
	note(e, a, pop);
}

/* Has what a record holds fetched, as far as the first lines go. */
static void prefetch_value(struct slice value)
{
	enum { CACHE_LINE = 64, LINES = 8 };

	for (size_t at = 0; at < value.len && at < (size_t)LINES * CACHE_LINE; at += CACHE_LINE) {
		__builtin_prefetch(value.data + at);
	}
}

/* What a memtable says of a record; data NULL: nothing, or that it is gone. *below: the store
 * decides. */
static struct slice peek(const struct engine *e, struct slice key, uint64_t hash, bool *below)
{
	bool hidden;
	const struct mt_entry *entry = view_find(e, key, hash, &hidden);

	*below = entry == NULL && !hidden;
	if (entry == NULL || (entry->flags & MT_TOMBSTONE) != 0) {
		return slice_of(NULL, 0);
	}
	return mt_entry_value(entry);
}

/* Notes the values of the elements that are followed. in_store: what the store has of them was
 * looked for. */
static void follow(struct engine *e, struct ahead *a, bool in_store)
{
	for (size_t i = 0; i < a->count; i++) {
		struct slice *value = &a->items[i].value;
		bool below;

		if (!a->items[i].follow) {
			continue;
		}
		*value = peek(e, store_key_slice(&a->keys[i]), a->items[i].hash, &below);
		if (below && in_store) {
			(void)!store_ahead_get(e->reader, store_key_slice(&a->keys[i]), value);
		}
	}
	store_ahead_rewind(e->reader);
}

size_t ahead_fetch(struct engine *e)
{
	struct ahead *a = e->ahead;
	struct slice missing[AHEAD_MAX];
	size_t n = 0;
	bool follows = false;
	bool flushed =
	    memtable_flushed(e->active) || (e->frozen != NULL && memtable_flushed(e->frozen));

	/* One lookup alone would wait just as long here. */
	for (size_t i = 0; a->count > 1 && i < a->count; i++) {
		struct slice key = store_key_slice(&a->keys[i]);
		uint64_t hash = a->items[i].hash;

		follows |= a->items[i].follow;
		if (memtable_prefetch_entry(e->active, key, hash) || !a->items[i].looks) {
			continue;
		}
		if (e->frozen != NULL && memtable_prefetch_entry(e->frozen, key, hash)) {
			continue;
		}
		missing[n++] = key;
	}
	/* Where the executor could fault nothing may be touched here either. */
	if (flushed || n < 2 || !residency_all(e->residency)) {
		n = 0;
	} else {
		(void)store_reader_ahead(e->reader, missing, n);
	}
	if (follows) {
		follow(e, a, n > 0);
	}
	a->count = 0;
	a->last = AHEAD_MAX; /* what it holds may change now */
	return n;
}

void ahead_peek(struct engine *e, const struct store_key *keys, size_t count, struct slice *values)
{
	struct slice missing[AHEAD_MAX], found[AHEAD_MAX];
	uint64_t hashes[AHEAD_MAX];
	size_t at[AHEAD_MAX], n = 0;

	INVARIANT(count <= AHEAD_MAX);
	for (size_t i = 0; i < count; i++) {
		hashes[i] = memtable_hash(store_key_slice(&keys[i]), e->hash_seed);
		memtable_prefetch_cell(e->active, store_key_slice(&keys[i]), hashes[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct slice key = store_key_slice(&keys[i]);

		if (!memtable_prefetch_entry(e->active, key, hashes[i]) && e->frozen != NULL) {
			(void)memtable_prefetch_entry(e->frozen, key, hashes[i]);
		}
	}
	for (size_t i = 0; i < count; i++) {
		bool below;

		values[i] = peek(e, store_key_slice(&keys[i]), hashes[i], &below);
		prefetch_value(values[i]);
		if (below) {
			at[n] = i;
			missing[n++] = store_key_slice(&keys[i]);
		}
	}
	if (n == 0 || !residency_all(e->residency)) {
		return;
	}
	store_reader_peek(e->reader, missing, n, found);
	for (size_t i = 0; i < n; i++) {
		values[at[i]] = found[i];
		prefetch_value(found[i]);
	}
}

enum status ahead_create(struct engine *e)
{
	e->ahead = mem_calloc(1, sizeof *e->ahead);
	if (e->ahead == NULL) {
		return ST_NO_MEMORY;
	}
	e->ahead->last = AHEAD_MAX;
	return ST_OK;
}
