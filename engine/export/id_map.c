/* Two tables with open addressing over the same entries: by id, and by key. */
#include "engine/export/id_map.h"

#include "engine/base/alloc.h"
#include "engine/export/stream_notes.h"

#include <xxhash.h>

enum { BUCKETS_MIN = 64 };

static void destroy_entry(struct id_entry *e)
{
	if (e != NULL) {
		stream_notes_destroy(e->notes);
		mem_free(e);
	}
}

void id_map_deinit(struct id_map *map)
{
	for (size_t i = 0; i < map->buckets_count; i++) {
		destroy_entry(map->by_id[i]);
	}
	mem_free(map->by_id);
	mem_free(map->by_key);
	buf_deinit(&map->stale);
	*map = (struct id_map){0};
}

static uint64_t hash_of(struct slice key)
{
	return XXH3_64bits(key.data, key.len);
}

/* Ids are handed out one after the other: a multiplication spreads them. */
static size_t home_of_id(const struct id_map *map, uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 20) & (map->buckets_count - 1);
}

static size_t home(const struct id_map *map, struct id_entry *const *table,
		   const struct id_entry *e)
{
	return table == map->by_id ? home_of_id(map, e->id)
				   : (size_t)e->key_hash & (map->buckets_count - 1);
}

static size_t find(const struct id_map *map, uint64_t id)
{
	size_t mask = map->buckets_count - 1, i = home_of_id(map, id);

	while (map->by_id[i] != NULL && map->by_id[i]->id != id) {
		i = (i + 1) & mask;
	}
	return i;
}

/* Puts an entry that is not there into a table. */
static void put_in(const struct id_map *map, struct id_entry **table, struct id_entry *e)
{
	size_t mask = map->buckets_count - 1, i = home(map, table, e);

	while (table[i] != NULL) {
		i = (i + 1) & mask;
	}
	table[i] = e;
}

/* Takes an entry out of a table; those behind it that it kept from their place move up. */
static void take_out(const struct id_map *map, struct id_entry **table, const struct id_entry *e)
{
	size_t mask = map->buckets_count - 1, hole = home(map, table, e), i;

	while (table[hole] != e) {
		hole = (hole + 1) & mask;
	}
	i = hole;
	for (;;) {
		i = (i + 1) & mask;
		if (table[i] == NULL) {
			break;
		}
		if (((i - home(map, table, table[i])) & mask) >= ((i - hole) & mask)) {
			table[hole] = table[i];
			hole = i;
		}
	}
	table[hole] = NULL;
}

static enum status grow(struct id_map *map)
{
	struct id_map wider = *map;

	wider.buckets_count = map->buckets_count == 0 ? BUCKETS_MIN : map->buckets_count * 2;
	wider.by_id = mem_calloc(wider.buckets_count, sizeof *wider.by_id);
	wider.by_key = mem_calloc(wider.buckets_count, sizeof *wider.by_key);
	if (wider.by_id == NULL || wider.by_key == NULL) {
		mem_free(wider.by_id);
		mem_free(wider.by_key);
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < map->buckets_count; i++) {
		if (map->by_id[i] != NULL) {
			put_in(&wider, wider.by_id, map->by_id[i]);
			put_in(&wider, wider.by_key, map->by_id[i]);
		}
	}
	mem_free(map->by_id);
	mem_free(map->by_key);
	*map = wider;
	return ST_OK;
}

/* Whoever had this key before has it no more; but: the entry that has it now. */
static enum status make_stale(struct id_map *map, struct slice key, const struct id_entry *but)
{
	uint64_t hash = hash_of(key);
	size_t mask = map->buckets_count - 1, i = (size_t)hash & mask;

	if (map->buckets_count == 0) {
		return ST_OK;
	}
	for (; map->by_key[i] != NULL; i = (i + 1) & mask) {
		struct id_entry *e = map->by_key[i];

		if (e == but || e->stale || e->key_hash != hash ||
		    !slice_eq(id_entry_key(e), key)) {
			continue;
		}
		if (buf_append(&map->stale, &e->id, sizeof e->id) != ST_OK) {
			return ST_NO_MEMORY;
		}
		e->stale = true;
	}
	return ST_OK;
}

/* The entry of that id and key, in both tables. NULL: out of memory. */
static struct id_entry *entry_for(struct id_map *map, uint64_t id, struct slice key)
{
	struct id_entry *old = map->by_id[find(map, id)], *e;

	if (old != NULL && slice_eq(id_entry_key(old), key)) {
		return old;
	}
	e = mem_calloc(1, sizeof *e + key.len);
	if (e == NULL) {
		return NULL;
	}
	e->id = id;
	e->key_hash = hash_of(key);
	e->key_len = key.len;
	if (key.len > 0) {
		memcpy(e->key, key.data, key.len);
	}
	if (old != NULL) {
		/* It was renamed, and is the same otherwise. */
		e->notes = old->notes;
		old->notes = NULL;
		take_out(map, map->by_id, old);
		take_out(map, map->by_key, old);
		destroy_entry(old);
		map->used--;
	}
	put_in(map, map->by_id, e);
	put_in(map, map->by_key, e);
	map->used++;
	return e;
}

enum status id_map_add(struct id_map *map, const struct meta *meta, struct slice key)
{
	struct id_entry *e;

	if (meta->form != FORM_LARGE) {
		return ST_OK;
	}
	if (map->used * 4 >= map->buckets_count * 3 && grow(map) != ST_OK) {
		return ST_NO_MEMORY;
	}
	e = entry_for(map, meta->id, key);
	if (e == NULL) {
		return ST_NO_MEMORY;
	}
	e->stale = false;
	e->type = meta->type;
	e->count = meta->count;
	e->aux[0] = meta->aux[0];
	e->aux[1] = meta->aux[1];
	e->expire_at_ms = meta->expire_at_ms;
	return make_stale(map, key, e);
}

struct id_entry *id_map_entry(struct id_map *map, uint64_t id)
{
	return map->buckets_count == 0 ? NULL : map->by_id[find(map, id)];
}

const struct id_entry *id_map_find(const struct id_map *map, uint64_t id)
{
	return map->buckets_count == 0 ? NULL : map->by_id[find(map, id)];
}

static void forget(struct id_map *map, struct id_entry *e)
{
	if (e != NULL) {
		take_out(map, map->by_id, e);
		take_out(map, map->by_key, e);
		destroy_entry(e);
		map->used--;
	}
}

enum status id_map_learn(struct id_map *map, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	struct meta meta;
	enum status st = ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		if (op.kind == WAL_OP_FLUSH) {
			id_map_deinit(map);
		} else if (op.kind == WAL_OP_DEL_KEY) {
			st = make_stale(map, op.name, NULL);
		} else if (op.kind == WAL_OP_PUT_KEY) {
			st = meta_decode(op.value, &meta);
			if (st == ST_OK) {
				st = meta.form == FORM_LARGE ? id_map_add(map, &meta, op.name)
							     : make_stale(map, op.name, NULL);
			}
		}
	}
	return st == ST_END ? ST_OK : st;
}

void id_map_settle(struct id_map *map, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;

	while (wal_op_next(&ops, &op) == ST_OK) {
		if (op.kind == WAL_OP_DROP) {
			forget(map, id_map_entry(map, op.id));
		}
	}
	for (size_t i = 0; i + sizeof(uint64_t) <= map->stale.len; i += sizeof(uint64_t)) {
		struct id_entry *e;
		uint64_t id;

		memcpy(&id, map->stale.data + i, sizeof id);
		e = id_map_entry(map, id);
		if (e != NULL && e->stale) {
			forget(map, e);
		}
	}
	map->stale.len = 0;
}
