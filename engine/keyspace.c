/* User keys, collections and elements over the three layers: active memtable, frozen memtable,
 * store. */
#include "engine/keyspace.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/planted.h"
#include "engine/engine_impl.h"

/* --- reads --- */

bool engine_entry_meta(const struct mt_entry *entry, struct meta *out)
{
	struct slice name, value;

	return (entry->flags & (MT_TOMBSTONE | MT_ABSENT)) == 0 &&
	       stored_split(mt_entry_key(entry), mt_entry_value(entry), &name, &value) == ST_OK &&
	       meta_decode(value, out) == ST_OK;
}

struct mt_entry *view_find(const struct engine *e, struct slice key, uint64_t hash, bool *hidden)
{
	struct mt_entry *entry = memtable_find(e->active, key, hash);

	*hidden = memtable_flushed(e->active) && !PLANTED(50);
	if (entry != NULL && (entry->flags & MT_ABSENT) == 0) {
		return entry;
	}
	if (*hidden || e->frozen == NULL) {
		return NULL;
	}
	entry = memtable_find(e->frozen, key, hash);
	*hidden = memtable_flushed(e->frozen);
	return entry != NULL && (entry->flags & MT_ABSENT) == 0 ? entry : NULL;
}

enum status view_lookup(struct engine *e, struct slice key, struct slice *stored)
{
	uint64_t hash = memtable_hash(key, e->hash_seed);
	bool hidden;
	struct mt_entry *entry = view_find(e, key, hash, &hidden);
	enum status st;

	if (entry != NULL) {
		if (entry->lsn > e->batch.seen_lsn) {
			e->batch.seen_lsn = entry->lsn;
		}
		if ((entry->flags & MT_TOMBSTONE) != 0) {
			return ST_NOT_FOUND;
		}
		*stored = mt_entry_value(entry);
		return ST_OK;
	}
	if (hidden) {
		return ST_NOT_FOUND;
	}
	st = store_get(e->reader, key, stored);
	e->looked = st == ST_OK || st == ST_NOT_FOUND;
	e->looked_hash = hash;
	e->looked_present = st == ST_OK;
	return st;
}

/* The value proper of a key or named element; a name that only shares the hash of a cut one is
 * another name. */
static enum status get_named(struct engine *e, const struct store_key *key, struct slice *value)
{
	struct slice stored, name;
	enum status st = view_lookup(e, store_key_slice(key), &stored);

	if (st != ST_OK) {
		return st;
	}
	if (!store_key_is_long(store_key_slice(key))) {
		*value = stored;
		return ST_OK;
	}
	st = stored_split(store_key_slice(key), stored, &name, value);
	if (st == ST_OK && !slice_eq(name, key->name)) {
		return ST_NOT_FOUND;
	}
	return st;
}

/* Refuses to write a cut name over another one with the same hash. */
static enum status check_collision(struct engine *e, const struct store_key *key)
{
	struct slice stored, name, value;
	enum status st;

	if (!store_key_is_long(store_key_slice(key))) {
		return ST_OK;
	}
	st = view_lookup(e, store_key_slice(key), &stored);
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_OK : st;
	}
	st = stored_split(store_key_slice(key), stored, &name, &value);
	if (st == ST_OK && !slice_eq(name, key->name)) {
		return ST_COLLISION;
	}
	return st;
}

static bool expired(const struct engine *e, const struct meta *m)
{
	return m->expire_at_ms != 0 && m->expire_at_ms <= e->batch.now_ms;
}

enum status ks_lookup(struct engine *e, const struct store_key *key, struct meta *out)
{
	struct slice value;
	enum status st = get_named(e, key, &value);

	if (st == ST_OK) {
		st = meta_decode(value, out);
	}
	if (st == ST_OK && expired(e, out)) {
		expire_noticed(e, key->name);
		return ST_NOT_FOUND;
	}
	if (st == ST_OK && out->fields_at_ms != 0 && out->fields_at_ms <= e->batch.now_ms) {
		expire_noticed_fields(e, key->name);
	}
	return st;
}

/* --- key records --- */

static void touched(struct engine *e, const struct store_key *key)
{
	if (e->opts.touched != NULL) {
		e->opts.touched(e->opts.touched_arg, key);
	}
}

static enum status put_record(struct engine *e, const struct store_key *key, const struct meta *m,
			      uint8_t flags, const struct slice *parts, size_t parts_count)
{
	struct slice all[6];
	uint8_t header[META_ENCODED_MAX];
	struct wal_op op = {
	    .kind = WAL_OP_PUT_KEY, .flags = flags, .slot = key->slot, .name = key->name};
	enum status st = check_collision(e, key);

	INVARIANT(parts_count <= sizeof all / sizeof all[0] - 1);
	if (st != ST_OK) {
		return st;
	}
	touched(e, key);
	all[0] = slice_of(header, meta_encode(m, header));
	if (m->form == FORM_LARGE) {
		parts_count = 0;
	}
	for (size_t i = 0; i < parts_count; i++) {
		all[i + 1] = parts[i];
	}
	return batch_apply(e, &op, key, all, parts_count + 1);
}

/* A record that ks_lookup does not show, because its time has come, may still hold a collection. */
static enum status drop_expired(struct engine *e, const struct store_key *key)
{
	struct slice value;
	struct meta m;
	enum status st = get_named(e, key, &value);

	if (st == ST_OK) {
		st = meta_decode(value, &m);
	}
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK && m.form == FORM_LARGE) {
		st = ks_drop(e, key->slot, m.id);
	}
	return st;
}

enum status ks_put(struct engine *e, const struct store_key *key, const struct meta *old,
		   const struct meta *m, const struct slice *parts, size_t parts_count)
{
	bool drop =
	    old != NULL && old->form == FORM_LARGE && (m->form != FORM_LARGE || m->id != old->id);
	uint64_t drop_id = drop ? old->id : 0;
	enum status st = ST_OK;

	if (old == NULL && e->batch.met_expired) {
		st = drop_expired(e, key);
	}
	/* The record first: parts may borrow from what the layers hold, which a drop does not
	 * disturb either, but old may point into the record as well. */
	if (st == ST_OK) {
		st = put_record(e, key, m, 0, parts, parts_count);
	}
	if (st == ST_OK && drop && !PLANTED(52)) {
		st = ks_drop(e, key->slot, drop_id);
	}
	return st;
}

enum status ks_put_blind(struct engine *e, const struct store_key *key, const struct meta *m,
			 const struct slice *parts, size_t parts_count)
{
	struct slice bytes = store_key_slice(key);
	bool hidden;
	struct mt_entry *entry = view_find(e, bytes, memtable_hash(bytes, e->hash_seed), &hidden);
	struct meta old;

	INVARIANT(m->form == FORM_INLINE);
	if (entry == NULL) {
		return put_record(e, key, m, hidden ? 0 : WAL_OP_BLIND, parts, parts_count);
	}
	/* What a memtable holds costs nothing to look at, and its collection has to be dropped
	 * here: the checkpoint sees only what the store holds. */
	if (engine_entry_meta(entry, &old) && old.form == FORM_LARGE) {
		enum status st = ks_drop(e, key->slot, old.id);

		if (st != ST_OK) {
			return st;
		}
	}
	return put_record(e, key, m, 0, parts, parts_count);
}

static enum status delete_record(struct engine *e, const struct store_key *key)
{
	struct wal_op op = {.kind = WAL_OP_DEL_KEY, .slot = key->slot, .name = key->name};

	touched(e, key);
	return batch_apply(e, &op, key, NULL, 0);
}

enum status ks_delete(struct engine *e, const struct store_key *key, const struct meta *old)
{
	bool drop = old->form == FORM_LARGE;
	uint64_t id = old->id;
	enum status st = delete_record(e, key);

	if (st == ST_OK && drop) {
		st = ks_drop(e, key->slot, id);
	}
	return st;
}

enum status ks_remove(struct engine *e, const struct store_key *key)
{
	struct meta old;
	enum status st = ks_lookup(e, key, &old);

	if (st == ST_OK) {
		return ks_delete(e, key, &old);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status ks_detach(struct engine *e, const struct store_key *key, const struct meta *old)
{
	(void)old;
	return delete_record(e, key);
}

void ks_touch(struct engine *e, const struct store_key *key)
{
	touched(e, key);
}

enum status ks_flush(struct engine *e)
{
	touched(e, NULL);
	return batch_flush(e);
}

/* --- collections --- */

uint64_t ks_new_id(struct engine *e)
{
	return e->next_id++;
}

enum status ks_drop(struct engine *e, uint16_t slot, uint64_t id)
{
	struct wal_op op = {.kind = WAL_OP_DROP, .slot = slot, .id = id};
	struct store_key key;

	store_key_of_garbage(&key, slot, id);
	return batch_apply(e, &op, &key, NULL, 0);
}

enum status ks_field_get(struct engine *e, uint16_t slot, uint64_t id, struct slice field,
			 struct slice *value)
{
	struct store_key key;

	store_key_of_field(&key, slot, id, field);
	return get_named(e, &key, value);
}

enum status ks_field_put(struct engine *e, uint16_t slot, uint64_t id, struct slice field,
			 const struct slice *parts, size_t parts_count)
{
	struct wal_op op = {.kind = WAL_OP_PUT_FIELD, .slot = slot, .id = id, .name = field};
	struct store_key key;
	enum status st;

	store_key_of_field(&key, slot, id, field);
	st = check_collision(e, &key);
	if (st != ST_OK) {
		return st;
	}
	return batch_apply(e, &op, &key, parts, parts_count);
}

enum status ks_field_del(struct engine *e, uint16_t slot, uint64_t id, struct slice field)
{
	struct wal_op op = {.kind = WAL_OP_DEL_FIELD, .slot = slot, .id = id, .name = field};
	struct store_key key;

	store_key_of_field(&key, slot, id, field);
	return batch_apply(e, &op, &key, NULL, 0);
}

enum status ks_elem_get(struct engine *e, uint16_t slot, uint64_t id, struct slice subkey,
			struct slice *value)
{
	struct store_key key;

	store_key_of_elem(&key, slot, id, subkey);
	return view_lookup(e, store_key_slice(&key), value);
}

enum status ks_elem_put(struct engine *e, uint16_t slot, uint64_t id, struct slice subkey,
			const struct slice *parts, size_t parts_count)
{
	struct wal_op op = {.kind = WAL_OP_PUT_ELEM, .slot = slot, .id = id, .name = subkey};
	struct store_key key;

	store_key_of_elem(&key, slot, id, subkey);
	return batch_apply(e, &op, &key, parts, parts_count);
}

enum status ks_elem_del(struct engine *e, uint16_t slot, uint64_t id, struct slice subkey)
{
	struct wal_op op = {.kind = WAL_OP_DEL_ELEM, .slot = slot, .id = id, .name = subkey};
	struct store_key key;

	store_key_of_elem(&key, slot, id, subkey);
	return batch_apply(e, &op, &key, NULL, 0);
}

/* --- ordered scans --- */

static void put_order(uint8_t *dst, uint64_t order)
{
	uint8_t bytes[8];

	bytes_put_u64be(bytes, order << 16);
	memcpy(dst, bytes, KEY_ORDER_LEN);
}

static uint64_t get_order(const uint8_t *at)
{
	uint8_t bytes[8] = {0};

	memcpy(bytes, at, KEY_ORDER_LEN);
	return bytes_get_u64be(bytes) >> 16;
}

static void put_prefix(uint8_t *dst, uint16_t slot, uint8_t space, uint64_t id)
{
	bytes_put_u16be(dst, slot);
	dst[2] = space;
	bytes_put_u64be(dst + KEY_PREFIX_LEN, id);
}

enum status ks_keys_open(struct engine *e, uint16_t slot, uint64_t from_order, struct ks_iter *it)
{
	uint8_t start[KEY_PREFIX_LEN + 8];

	put_prefix(start, slot, KEYSPACE_KEY, 0);
	put_order(start + KEY_PREFIX_LEN, from_order);
	it->impl = NULL;
	return merge_open(e, slice_of(start, KEY_PREFIX_LEN),
			  slice_of(start, KEY_PREFIX_LEN + KEY_ORDER_LEN), false, &it->impl);
}

enum status ks_keys_next(struct ks_iter *it, uint64_t *order, struct slice *name, struct meta *meta)
{
	for (;;) {
		struct slice key, stored, value;
		enum status st = merge_next(it->impl, &key, &stored);

		if (st == ST_OK) {
			st = stored_split(key, stored, name, &value);
		}
		if (st == ST_OK) {
			st = meta_decode(value, meta);
		}
		if (st != ST_OK) {
			return st;
		}
		if (expired(it->impl->e, meta)) {
			expire_noticed(it->impl->e, *name);
			continue;
		}
		*order = get_order(key.data + KEY_PREFIX_LEN);
		return ST_OK;
	}
}

enum status ks_fields_open(struct engine *e, uint16_t slot, uint64_t id, uint64_t from_order,
			   struct ks_iter *it)
{
	uint8_t start[ELEM_PREFIX_LEN + KEY_ORDER_LEN];

	put_prefix(start, slot, KEYSPACE_ELEM, id);
	put_order(start + ELEM_PREFIX_LEN, from_order);
	it->impl = NULL;
	return merge_open(e, slice_of(start, ELEM_PREFIX_LEN), slice_of(start, sizeof start), false,
			  &it->impl);
}

enum status ks_fields_next(struct ks_iter *it, uint64_t *order, struct slice *name,
			   struct slice *value)
{
	struct slice key, stored;
	enum status st;

	do {
		st = merge_next(it->impl, &key, &stored);
	} while (st == ST_OK && key.len < ELEM_PREFIX_LEN + KEY_ORDER_LEN);
	if (st == ST_OK) {
		st = stored_split(key, stored, name, value);
	}
	if (st == ST_OK) {
		*order = get_order(key.data + ELEM_PREFIX_LEN);
	}
	return st;
}

enum status ks_elems_open(struct engine *e, uint16_t slot, uint64_t id, struct slice from,
			  bool reverse, struct ks_iter *it)
{
	uint8_t prefix[ELEM_PREFIX_LEN], start[STORE_KEY_MAX];
	size_t len = ELEM_PREFIX_LEN;

	INVARIANT(from.len <= STORE_KEY_DIRECT_MAX - ELEM_PREFIX_LEN);
	put_prefix(prefix, slot, KEYSPACE_ELEM, id);
	/* From the end means below the first key that the next collection could have. */
	put_prefix(start, slot, KEYSPACE_ELEM, reverse && from.len == 0 ? id + 1 : id);
	if (from.len > 0) {
		memcpy(start + len, from.data, from.len);
		len += from.len;
	}
	it->impl = NULL;
	return merge_open(e, slice_of(prefix, sizeof prefix), slice_of(start, len), reverse,
			  &it->impl);
}

enum status ks_elems_next(struct ks_iter *it, struct slice *subkey, struct slice *value)
{
	struct slice key;
	enum status st = merge_next(it->impl, &key, value);

	if (st == ST_OK) {
		*subkey = slice_skip(key, ELEM_PREFIX_LEN);
	}
	return st;
}

void ks_iter_close(struct ks_iter *it)
{
	if (it->impl != NULL) {
		merge_close(it->impl);
		it->impl = NULL;
	}
}

int ks_random_slot(struct engine *e, uint64_t random)
{
	uint64_t total = 0, pick;

	for (int slot = 0; slot < SLOTS; slot++) {
		total += engine_slot_keys(e, (uint16_t)slot);
	}
	if (total == 0) {
		return -1;
	}
	pick = random % total;
	for (int slot = 0; slot < SLOTS; slot++) {
		uint64_t n = engine_slot_keys(e, (uint16_t)slot);

		if (pick < n) {
			return slot;
		}
		pick -= n;
	}
	return -1;
}
