/* Collecting elements: an array, a hash table over it, and its order at the end. */
#include "engine/types/zset_gather.h"

#include "engine/base/alloc.h"

#include <stdlib.h>

enum { TABLE_MIN = 64 };

struct gathered {
	double score;
	uint64_t off, len; /* of the member in bytes */
	uint64_t hash;
};

static struct gathered *entry_at(const struct zset_gather *g, uint64_t i)
{
	return (struct gathered *)(void *)g->entries.data + i;
}

static struct slice member_at(const struct zset_gather *g, const struct gathered *entry)
{
	return slice_of(g->bytes.data + entry->off, (size_t)entry->len);
}

void zset_gather_deinit(struct zset_gather *g)
{
	buf_deinit(&g->bytes);
	buf_deinit(&g->entries);
	mem_free(g->table);
	mem_free(g->sorted);
	*g = (struct zset_gather){0};
}

double *zset_gather_find(const struct zset_gather *g, struct slice member)
{
	uint64_t hash = key_order(member);

	for (uint64_t at = hash & g->mask; g->table != NULL && g->table[at] != 0;
	     at = (at + 1) & g->mask) {
		struct gathered *entry = entry_at(g, g->table[at] - 1);

		if (entry->hash == hash && slice_eq(member_at(g, entry), member)) {
			return &entry->score;
		}
	}
	return NULL;
}

static void table_put(struct zset_gather *g, uint64_t hash, uint64_t entry)
{
	uint64_t at = hash & g->mask;

	while (g->table[at] != 0) {
		at = (at + 1) & g->mask;
	}
	g->table[at] = entry + 1;
}

/* Room for one more, at most half of the table in use. */
static enum status table_grow(struct zset_gather *g)
{
	uint64_t slots = g->table == NULL ? TABLE_MIN : 2 * (g->mask + 1);

	if (g->table != NULL && 2 * (g->count + 1) <= g->mask + 1) {
		return ST_OK;
	}
	mem_free(g->table);
	g->table = mem_calloc((size_t)slots, sizeof *g->table);
	if (g->table == NULL) {
		return ST_NO_MEMORY;
	}
	g->mask = slots - 1;
	for (uint64_t i = 0; i < g->count; i++) {
		table_put(g, entry_at(g, i)->hash, i);
	}
	return ST_OK;
}

enum status zset_gather_add(struct zset_gather *g, struct slice member, double score)
{
	struct gathered entry = {
	    .score = score, .off = g->bytes.len, .len = member.len, .hash = key_order(member)};
	enum status st = table_grow(g);

	if (st == ST_OK) {
		st = buf_append(&g->bytes, member.data, member.len);
	}
	if (st == ST_OK) {
		st = buf_append(&g->entries, &entry, sizeof entry);
	}
	if (st == ST_OK) {
		table_put(g, entry.hash, g->count);
		g->count++;
	}
	return st;
}

static int compare(const void *a, const void *b)
{
	return zset_element_cmp(a, b);
}

enum status zset_gather_sort(struct zset_gather *g, struct zset_element **out)
{
	mem_free(g->sorted);
	g->sorted = mem_calloc((size_t)g->count + 1, sizeof *g->sorted);
	if (g->sorted == NULL) {
		return ST_NO_MEMORY;
	}
	for (uint64_t i = 0; i < g->count; i++) {
		const struct gathered *entry = entry_at(g, i);

		g->sorted[i].score = entry->score;
		g->sorted[i].member = member_at(g, entry);
	}
	qsort(g->sorted, (size_t)g->count, sizeof *g->sorted, compare);
	*out = g->sorted;
	return ST_OK;
}
