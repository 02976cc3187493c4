/* A hash of store keys with the newest value each, and their sorted order. */
#include "engine/export/overlay.h"

#include "engine/base/alloc.h"

#include <stdlib.h>
#include <xxhash.h>

enum { BUCKETS_MIN = 1024, BUCKETS_KEPT = 16 * 1024, ENTRY_COST = 64 };

struct entry {
	uint8_t *value; /* NULL: deleted, or empty */
	size_t value_len, value_cap;
	uint32_t hash;
	uint16_t key_len;
	bool gone;
	uint8_t key[];
};

struct overlay {
	struct entry **buckets; /* open addressing, a power of two */
	size_t buckets_count, used;
	struct entry **sorted; /* after overlay_finish */
	uint64_t memory, memory_max;
	bool flushed;
};

enum status overlay_create(uint64_t memory_max, struct overlay **out)
{
	struct overlay *o = mem_calloc(1, sizeof *o);

	if (o == NULL) {
		return ST_NO_MEMORY;
	}
	o->memory_max = memory_max;
	o->buckets_count = BUCKETS_MIN;
	o->buckets = mem_calloc(o->buckets_count, sizeof *o->buckets);
	if (o->buckets == NULL) {
		mem_free(o);
		return ST_NO_MEMORY;
	}
	*out = o;
	return ST_OK;
}

static void clear(struct overlay *o)
{
	if (o->used == 0) {
		o->memory = 0;
		return;
	}
	for (size_t i = 0; i < o->buckets_count; i++) {
		if (o->buckets[i] != NULL) {
			mem_free(o->buckets[i]->value);
			mem_free(o->buckets[i]);
			o->buckets[i] = NULL;
		}
	}
	o->used = 0;
	o->memory = 0;
}

void overlay_destroy(struct overlay *o)
{
	if (o == NULL) {
		return;
	}
	clear(o);
	mem_free(o->buckets);
	mem_free(o->sorted);
	mem_free(o);
}

enum status overlay_reset(struct overlay *o)
{
	clear(o);
	mem_free(o->sorted);
	o->sorted = NULL;
	o->flushed = false;
	if (o->buckets_count > BUCKETS_KEPT) {
		struct entry **fewer = mem_calloc(BUCKETS_MIN, sizeof(*fewer));

		if (fewer == NULL) {
			return ST_NO_MEMORY;
		}
		mem_free(o->buckets);
		o->buckets = fewer;
		o->buckets_count = BUCKETS_MIN;
	}
	return ST_OK;
}

static uint32_t hash_of(struct slice key)
{
	return (uint32_t)XXH3_64bits(key.data, key.len);
}

/* The bucket that holds the key, or the free one where it belongs. */
static size_t find_bucket(const struct overlay *o, struct slice key, uint32_t hash)
{
	size_t mask = o->buckets_count - 1, i = hash & mask;

	while (o->buckets[i] != NULL) {
		const struct entry *e = o->buckets[i];

		if (e->hash == hash && slice_eq(slice_of(e->key, e->key_len), key)) {
			break;
		}
		i = (i + 1) & mask;
	}
	return i;
}

static enum status grow(struct overlay *o)
{
	size_t count = o->buckets_count * 2, mask = count - 1;
	struct entry **buckets = mem_calloc(count, sizeof *buckets);

	if (buckets == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t k = 0; k < o->buckets_count; k++) {
		if (o->buckets[k] != NULL) {
			size_t i = o->buckets[k]->hash & mask;

			while (buckets[i] != NULL) {
				i = (i + 1) & mask;
			}
			buckets[i] = o->buckets[k];
		}
	}
	mem_free(o->buckets);
	o->buckets = buckets;
	o->buckets_count = count;
	return ST_OK;
}

/* Finds or makes the entry of a store key. */
static enum status take_entry(struct overlay *o, struct slice key, struct entry **out)
{
	uint32_t hash = hash_of(key);
	struct entry *e;
	size_t i;

	if (o->used * 4 >= o->buckets_count * 3 && grow(o) != ST_OK) {
		return ST_NO_MEMORY;
	}
	i = find_bucket(o, key, hash);
	if (o->buckets[i] == NULL) {
		e = mem_calloc(1, sizeof *e + key.len);
		if (e == NULL) {
			return ST_NO_MEMORY;
		}
		memcpy(e->key, key.data, key.len);
		e->key_len = (uint16_t)key.len;
		e->hash = hash;
		e->gone = true;
		o->buckets[i] = e;
		o->used++;
		o->memory += ENTRY_COST + key.len;
	}
	*out = o->buckets[i];
	return ST_OK;
}

static enum status set_value(struct overlay *o, struct entry *e, const struct effect *effect)
{
	size_t len = effect_stored_len(effect), at = 0;

	if (len > e->value_cap) {
		uint8_t *value;

		if (o->memory + len > o->memory_max) {
			return ST_LIMIT;
		}
		value = mem_realloc(e->value, len);
		if (value == NULL) {
			return ST_NO_MEMORY;
		}
		o->memory += len - e->value_cap;
		e->value = value;
		e->value_cap = len;
	}
	for (size_t i = 0; i < effect->stored_count; i++) {
		if (effect->stored[i].len > 0) {
			memcpy(e->value + at, effect->stored[i].data, effect->stored[i].len);
			at += effect->stored[i].len;
		}
	}
	e->value_len = len;
	e->gone = false;
	return ST_OK;
}

static void set_gone(struct overlay *o, struct entry *e)
{
	mem_free(e->value);
	o->memory -= e->value_cap;
	e->value = NULL;
	e->value_len = e->value_cap = 0;
	e->gone = true;
}

enum status overlay_apply(struct overlay *o, const struct effect *effect)
{
	struct entry *e;
	enum status st;

	switch (effect->kind) {
	case EFFECT_FLUSH:
		clear(o);
		o->flushed = true;
		return ST_OK;
	case EFFECT_DROP:
		/* Nothing refers to a dropped collection any more and its id never comes back, so
		 * readers, who go from a key record to its elements, cannot meet what is left. */
		return ST_OK;
	case EFFECT_LIBRARY: /* no key; who wants libraries looks at the operations */
		return ST_OK;
	case EFFECT_PUT:
	case EFFECT_DEL:
		break;
	}
	if (o->memory >= o->memory_max) {
		return ST_LIMIT;
	}
	st = take_entry(o, store_key_slice(&effect->key), &e);
	if (st != ST_OK) {
		return st;
	}
	if (effect->kind == EFFECT_DEL) {
		set_gone(o, e);
		return ST_OK;
	}
	return set_value(o, e, effect);
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	return slice_cmp(slice_of(x->key, x->key_len), slice_of(y->key, y->key_len));
}

enum status overlay_finish(struct overlay *o)
{
	size_t n = 0;

	if (o->used == 0) {
		return ST_OK;
	}
	mem_free(o->sorted);
	o->sorted = mem_alloc(o->used * sizeof *o->sorted);
	if (o->sorted == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < o->buckets_count; i++) {
		if (o->buckets[i] != NULL) {
			o->sorted[n++] = o->buckets[i];
		}
	}
	qsort(o->sorted, n, sizeof *o->sorted, by_key);
	return ST_OK;
}

bool overlay_flushed(const struct overlay *o)
{
	return o->flushed;
}

enum overlay_answer overlay_find(const struct overlay *o, struct slice key, struct slice *value)
{
	const struct entry *e = o->buckets[find_bucket(o, key, hash_of(key))];

	if (e == NULL) {
		return overlay_flushed(o) ? OVERLAY_GONE : OVERLAY_SILENT;
	}
	if (e->gone) {
		return OVERLAY_GONE;
	}
	*value = slice_of(e->value, e->value_len);
	return OVERLAY_VALUE;
}

size_t overlay_count(const struct overlay *o)
{
	return o->used;
}

size_t overlay_seek(const struct overlay *o, struct slice key)
{
	size_t lo = 0, hi = o->used;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct entry *e = o->sorted[mid];

		if (slice_cmp(slice_of(e->key, e->key_len), key) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

enum overlay_answer overlay_at(const struct overlay *o, size_t index, struct slice *key,
			       struct slice *value)
{
	const struct entry *e = o->sorted[index];

	*key = slice_of(e->key, e->key_len);
	*value = slice_of(e->value, e->value_len);
	return e->gone ? OVERLAY_GONE : OVERLAY_VALUE;
}
