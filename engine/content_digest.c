/* Digests of entries, and of a slot walked from its first entry to its last. */
#include "engine/content_digest.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/key_codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct digest digest_of_entry(struct slice key, struct slice stored)
{
	XXH128_hash_t h =
	    XXH3_128bits_withSeed(stored.data, stored.len, XXH3_64bits(key.data, key.len));

	return (struct digest){h.low64, h.high64};
}

void digest_text(struct digest d, char out[DIGEST_TEXT_LEN + 1])
{
	(void)snprintf(out, DIGEST_TEXT_LEN + 1, "%016" PRIx64 "%016" PRIx64, d.hi, d.lo);
}

void digest_put(uint8_t *dst, struct digest d)
{
	bytes_put_u64le(dst, d.lo);
	bytes_put_u64le(dst + 8, d.hi);
}

struct digest digest_get(const uint8_t *at)
{
	return (struct digest){bytes_get_u64le(at), bytes_get_u64le(at + 8)};
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static enum status add_id(struct content_digest *c, uint64_t id)
{
	if (c->ids_count == c->ids_cap) {
		size_t cap = c->ids_cap == 0 ? 16 : c->ids_cap * 2;
		uint64_t *wider = mem_realloc(c->ids, cap * sizeof *wider);

		if (wider == NULL) {
			return ST_NO_MEMORY;
		}
		c->ids = wider;
		c->ids_cap = cap;
	}
	c->ids[c->ids_count++] = id;
	c->sorted = false;
	return ST_OK;
}

static enum status add_record(struct content_digest *c, struct slice key, struct slice stored)
{
	struct slice name, value;
	struct meta m;
	enum status st = stored_split(key, stored, &name, &value);

	if (st == ST_OK) {
		st = meta_decode(value, &m);
	}
	if (st == ST_OK && m.form == FORM_LARGE) {
		st = add_id(c, m.id);
	}
	if (st == ST_OK) {
		c->sum = digest_add(c->sum, digest_of_entry(key, stored));
	}
	return st;
}

/* How many records name this collection. Key records come before elements. */
static int64_t names(struct content_digest *c, uint64_t id)
{
	size_t lo = 0, hi = c->ids_count;

	if (hi == 0) {
		return 0;
	}
	if (!c->sorted) {
		qsort(c->ids, c->ids_count, sizeof *c->ids, by_number);
		c->sorted = true;
		c->id = 0;
	}
	if (c->id == id) {
		return c->names;
	}
	c->id = id;
	c->names = 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->ids[mid] < id) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	for (; lo < c->ids_count && c->ids[lo] == id; lo++) {
		c->names++;
	}
	return c->names;
}

enum status content_digest_add(struct content_digest *c, struct slice key, struct slice stored)
{
	int64_t of_names;

	switch (store_key_space(key)) {
	case KEYSPACE_KEY:
		return add_record(c, key, stored);
	case KEYSPACE_ELEM:
		of_names = names(c, store_key_id(key));
		if (of_names != 0) {
			c->sum = digest_add(c->sum,
					    digest_times(digest_of_entry(key, stored), of_names));
		}
		return ST_OK;
	default:
		return ST_OK;
	}
}

struct digest content_digest_take(struct content_digest *c)
{
	struct digest sum = c->sum;

	c->sum = (struct digest){0};
	c->ids_count = 0;
	c->sorted = false;
	return sum;
}

void content_digest_deinit(struct content_digest *c)
{
	mem_free(c->ids);
	*c = (struct content_digest){0};
}
