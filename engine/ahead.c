/* Batches of keys that will be looked up soon: first the memtables' cells and entries, then, for
 * keys that no memtable knows, the store. */
#include "engine/ahead.h"

#include "engine/base/alloc.h"
#include "engine/engine_impl.h"

struct ahead {
	size_t count;
	struct {
		uint64_t hash;
		bool looks;
	} items[AHEAD_MAX];
	struct store_key keys[AHEAD_MAX];
};

void ahead_add(struct engine *e, struct slice name, bool looks)
{
	struct ahead *a = e->ahead;
	struct slice key;

	if (a->count == AHEAD_MAX) {
		return;
	}
	store_key_of_key(&a->keys[a->count], name);
	key = store_key_slice(&a->keys[a->count]);
	a->items[a->count].hash = memtable_hash(key, e->hash_seed);
	a->items[a->count].looks = looks;
	memtable_prefetch_cell(e->active, key, a->items[a->count].hash);
	a->count++;
}

size_t ahead_fetch(struct engine *e)
{
	struct ahead *a = e->ahead;
	struct slice missing[AHEAD_MAX];
	size_t n = 0;
	bool flushed =
	    memtable_flushed(e->active) || (e->frozen != NULL && memtable_flushed(e->frozen));

	/* One lookup alone would wait just as long here. */
	for (size_t i = 0; a->count > 1 && i < a->count; i++) {
		struct slice key = store_key_slice(&a->keys[i]);
		uint64_t hash = a->items[i].hash;

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
	a->count = 0;
	return n;
}

enum status ahead_create(struct engine *e)
{
	e->ahead = mem_calloc(1, sizeof *e->ahead);
	return e->ahead == NULL ? ST_NO_MEMORY : ST_OK;
}
