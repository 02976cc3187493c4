/* Facts of a logged operation, and the map from collection ids to keys. */
#include "engine/export/op_facts.h"

#include "engine/base/alloc.h"
#include "engine/export/stream_notes.h"
#include "engine/library_set.h"

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
		destroy_entry(map->buckets[i]);
	}
	mem_free(map->buckets);
	*map = (struct id_map){0};
}

static size_t home(const struct id_map *map, uint64_t id)
{
	/* Ids are handed out one after the other: a multiplication spreads them. */
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 20) & (map->buckets_count - 1);
}

static size_t find(const struct id_map *map, uint64_t id)
{
	size_t mask = map->buckets_count - 1, i = home(map, id);

	while (map->buckets[i] != NULL && map->buckets[i]->id != id) {
		i = (i + 1) & mask;
	}
	return i;
}

static enum status grow(struct id_map *map)
{
	struct id_map wider = {.buckets_count =
				   map->buckets_count == 0 ? BUCKETS_MIN : map->buckets_count * 2};

	wider.buckets = mem_calloc(wider.buckets_count, sizeof *wider.buckets);
	if (wider.buckets == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < map->buckets_count; i++) {
		if (map->buckets[i] != NULL) {
			wider.buckets[find(&wider, map->buckets[i]->id)] = map->buckets[i];
		}
	}
	wider.used = map->used;
	mem_free(map->buckets);
	*map = wider;
	return ST_OK;
}

enum status id_map_add(struct id_map *map, const struct meta *meta, struct slice key)
{
	struct id_entry *e;
	size_t i;

	if (meta->form != FORM_LARGE) {
		return ST_OK;
	}
	if (map->used * 4 >= map->buckets_count * 3 && grow(map) != ST_OK) {
		return ST_NO_MEMORY;
	}
	i = find(map, meta->id);
	e = map->buckets[i];
	if (e == NULL || e->key_len != key.len || memcmp(e->key, key.data, key.len) != 0) {
		e = mem_alloc(sizeof *e + key.len);
		if (e == NULL) {
			return ST_NO_MEMORY;
		}
		e->notes = NULL;
		if (map->buckets[i] != NULL) {
			/* It was renamed, and is the same otherwise. */
			e->notes = map->buckets[i]->notes;
			map->buckets[i]->notes = NULL;
		}
		e->key_len = key.len;
		if (key.len > 0) {
			memcpy(e->key, key.data, key.len);
		}
		map->used += map->buckets[i] == NULL;
		destroy_entry(map->buckets[i]);
		map->buckets[i] = e;
	}
	e->id = meta->id;
	e->type = meta->type;
	e->count = meta->count;
	e->aux[0] = meta->aux[0];
	e->aux[1] = meta->aux[1];
	e->expire_at_ms = meta->expire_at_ms;
	return ST_OK;
}

const struct id_entry *id_map_find(const struct id_map *map, uint64_t id)
{
	return map->buckets_count == 0 ? NULL : map->buckets[find(map, id)];
}

struct id_entry *id_map_entry(struct id_map *map, uint64_t id)
{
	return map->buckets_count == 0 ? NULL : map->buckets[find(map, id)];
}

/* Takes an entry out; those behind it that it kept from their place move up. */
static void forget(struct id_map *map, uint64_t id)
{
	size_t mask = map->buckets_count - 1, hole, i;

	if (id_map_find(map, id) == NULL) {
		return;
	}
	hole = i = find(map, id);
	destroy_entry(map->buckets[hole]);
	map->used--;
	for (;;) {
		i = (i + 1) & mask;
		if (map->buckets[i] == NULL) {
			break;
		}
		if (((i - home(map, map->buckets[i]->id)) & mask) >= ((i - hole) & mask)) {
			map->buckets[hole] = map->buckets[i];
			hole = i;
		}
	}
	map->buckets[hole] = NULL;
}

/* Key records carry their own name. */
static enum status of_key(const struct wal_op *op, struct op_facts *out)
{
	enum status st;

	out->has_slot = true;
	out->slot = keyslot(op->name);
	out->has_key = true;
	out->key = op->name;
	if (op->kind != WAL_OP_PUT_KEY) {
		return ST_OK;
	}
	st = meta_decode(op->value, &out->meta);
	if (st != ST_OK) {
		return st;
	}
	out->has_meta = out->has_type = true;
	out->type = out->meta.type;
	if (out->meta.form != FORM_LARGE) {
		out->has_value = true;
		out->value = out->meta.payload;
	}
	return ST_OK;
}

enum status op_facts_of(const struct id_map *map, const struct wal_op *op, struct op_facts *out)
{
	const struct id_entry *e;

	*out = (struct op_facts){0};
	if (op->kind == WAL_OP_FLUSH) {
		return ST_OK;
	}
	out->is_library = library_set_concerns(op);
	if (out->is_library) {
		out->has_library = op->kind != WAL_OP_FLUSH_LIBRARIES;
		out->library = op->name;
		out->has_value = op->kind == WAL_OP_PUT_LIBRARY;
		out->value = op->value;
		return ST_OK;
	}
	if (op->kind == WAL_OP_PUT_KEY || op->kind == WAL_OP_DEL_KEY) {
		return of_key(op, out);
	}
	out->has_slot = true;
	out->slot = op->slot;
	e = id_map_find(map, op->id);
	if (e != NULL) {
		out->has_key = out->has_type = true;
		out->key = slice_of(e->key, e->key_len);
		out->type = e->type;
	}
	if (op->kind != WAL_OP_DROP) {
		out->has_sub = true;
		out->sub = op->name;
	}
	if (op->kind == WAL_OP_PUT_FIELD || op->kind == WAL_OP_PUT_ELEM) {
		out->has_value = !out->has_type || out->type != TYPE_SET; /* members have none */
		out->value = op->value;
		out->is_score =
		    op->kind == WAL_OP_PUT_FIELD && out->has_type && out->type == TYPE_ZSET;
	}
	return ST_OK;
}

enum status id_map_learn(struct id_map *map, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	struct meta meta;
	enum status st = ST_OK;

	while (st == ST_OK) {
		st = wal_op_next(&ops, &op);
		if (st == ST_OK && op.kind == WAL_OP_FLUSH) {
			id_map_deinit(map);
		}
		if (st != ST_OK || op.kind != WAL_OP_PUT_KEY) {
			continue;
		}
		st = meta_decode(op.value, &meta);
		if (st == ST_OK) {
			st = id_map_add(map, &meta, op.name);
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
			forget(map, op.id);
		}
	}
}
