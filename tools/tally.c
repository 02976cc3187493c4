/* A hash of sums by name. */
#include "tools/tally.h"

#include "engine/base/alloc.h"

#include <stdlib.h>
#include <xxhash.h>

enum { BUCKETS_MIN = 64, PREFIX_MAX = 24 };

static size_t find(const struct tally *t, struct slice name)
{
	size_t mask = t->buckets_count - 1;
	size_t i = (size_t)XXH3_64bits(name.data, name.len) & mask;

	while (t->buckets[i] != NULL &&
	       !slice_eq(slice_of(t->buckets[i]->name, t->buckets[i]->name_len), name)) {
		i = (i + 1) & mask;
	}
	return i;
}

static enum status grow(struct tally *t)
{
	struct tally wider = {.buckets_count =
				  t->buckets_count == 0 ? BUCKETS_MIN : t->buckets_count * 2};

	wider.buckets = mem_calloc(wider.buckets_count, sizeof *wider.buckets);
	if (wider.buckets == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < t->buckets_count; i++) {
		struct tally_row *row = t->buckets[i];

		if (row != NULL) {
			wider.buckets[find(&wider, slice_of(row->name, row->name_len))] = row;
		}
	}
	wider.used = t->used;
	mem_free(t->buckets);
	*t = wider;
	return ST_OK;
}

enum status tally_add(struct tally *t, struct slice name, uint64_t bytes, uint64_t extra)
{
	struct tally_row *row;
	size_t i;

	if (t->used * 4 >= t->buckets_count * 3 && grow(t) != ST_OK) {
		return ST_NO_MEMORY;
	}
	i = find(t, name);
	if (t->buckets[i] == NULL) {
		row = mem_calloc(1, sizeof *row + name.len);
		if (row == NULL) {
			return ST_NO_MEMORY;
		}
		row->name_len = name.len;
		if (name.len > 0) {
			memcpy(row->name, name.data, name.len);
		}
		t->buckets[i] = row;
		t->used++;
	}
	row = t->buckets[i];
	row->count++;
	row->bytes += bytes;
	row->extra += extra;
	row->max_bytes = bytes > row->max_bytes ? bytes : row->max_bytes;
	return ST_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct tally_row *x = *(struct tally_row *const *)a;
	const struct tally_row *y = *(struct tally_row *const *)b;

	return slice_cmp(slice_of(x->name, x->name_len), slice_of(y->name, y->name_len));
}

static int by_count(const void *a, const void *b)
{
	const struct tally_row *x = *(struct tally_row *const *)a;
	const struct tally_row *y = *(struct tally_row *const *)b;

	return x->count != y->count ? (x->count < y->count ? 1 : -1) : by_name(a, b);
}

static int by_bytes(const void *a, const void *b)
{
	const struct tally_row *x = *(struct tally_row *const *)a;
	const struct tally_row *y = *(struct tally_row *const *)b;

	return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : by_name(a, b);
}

enum status tally_sorted(const struct tally *t, enum tally_order order, struct tally_row ***out)
{
	struct tally_row **rows;
	size_t n = 0;

	*out = NULL;
	if (t->used == 0) {
		return ST_OK;
	}
	rows = mem_alloc(t->used * sizeof(*rows));
	if (rows == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < t->buckets_count; i++) {
		if (t->buckets[i] != NULL) {
			rows[n++] = t->buckets[i];
		}
	}
	qsort(rows, n, sizeof(*rows),
	      order == TALLY_BY_BYTES	? by_bytes
	      : order == TALLY_BY_COUNT ? by_count
					: by_name);
	*out = rows;
	return ST_OK;
}

void tally_deinit(struct tally *t)
{
	for (size_t i = 0; i < t->buckets_count; i++) {
		mem_free(t->buckets[i]);
	}
	mem_free(t->buckets);
	*t = (struct tally){0};
}

struct slice tally_prefix(struct slice key)
{
	const uint8_t *colon = key.len == 0 ? NULL : memchr(key.data, ':', key.len);

	if (colon != NULL && (size_t)(colon - key.data) < 256) {
		return slice_of(key.data, (size_t)(colon - key.data) + 1);
	}
	return slice_of(key.data, key.len < PREFIX_MAX ? key.len : PREFIX_MAX);
}
