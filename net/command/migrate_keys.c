/* A table of names that only grows while a MIGRATE begins. */
#include "net/command/migrate_keys.h"

#include "engine/base/alloc.h"

#include <xxhash.h>

enum { INDEX_MIN = 8 };

enum status migrate_keys_init(struct migrate_keys *k, size_t count, size_t bytes)
{
	size_t size = INDEX_MIN;

	while (size < 2 * count) {
		size *= 2;
	}
	*k = (struct migrate_keys){.index_mask = size - 1};
	k->list = mem_calloc(count, sizeof *k->list);
	k->index = mem_calloc(size, sizeof *k->index);
	if (k->list == NULL || k->index == NULL) {
		return ST_NO_MEMORY;
	}
	return buf_reserve(&k->names, bytes); /* once, since slices will point into it */
}

void migrate_keys_deinit(struct migrate_keys *k)
{
	mem_free(k->list);
	mem_free(k->index);
	buf_deinit(&k->names);
}

/* Where a name is in the index, or would be. */
static size_t place_of(const struct migrate_keys *k, struct slice name)
{
	size_t at = XXH3_64bits(name.data, name.len) & k->index_mask;

	while (k->index[at] != 0 && !slice_eq(k->list[k->index[at] - 1].name, name)) {
		at = (at + 1) & k->index_mask;
	}
	return at;
}

enum status migrate_keys_add(struct migrate_keys *k, struct slice name)
{
	size_t off = k->names.len;
	enum status st = buf_append(&k->names, name.data, name.len);

	if (st == ST_OK) {
		k->list[k->count].name = slice_of(k->names.data + off, name.len);
		k->index[place_of(k, name)] = (uint32_t)(k->count + 1);
		k->count++;
	}
	return st;
}

struct moving_key *migrate_keys_find(const struct migrate_keys *k, struct slice name)
{
	size_t at = place_of(k, name);

	return k->index[at] == 0 ? NULL : &k->list[k->index[at] - 1];
}
