/* Encoding and decoding of store keys and key records. */
#include "engine/key_codec.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

#include <stdbool.h>
#include <stddef.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NAME_HASH_LEN = 16, NAME_LEN_FIELD = 4 };

uint64_t key_order(struct slice name)
{
	return XXH3_64bits(name.data, name.len) >> 16;
}

/* Appends order bytes and name after the prefix that is in place; cuts and hashes what is too long.
 */
static void put_name(struct store_key *k, size_t at, struct slice name)
{
	uint64_t order = key_order(name) << 16;

	bytes_put_u64be(k->bytes + at, order); /* the last two bytes are overwritten by the name */
	at += KEY_ORDER_LEN;
	if (name.len <= STORE_KEY_DIRECT_MAX - at) {
		if (name.len > 0) {
			memcpy(k->bytes + at, name.data, name.len);
		}
		k->len = (uint16_t)(at + name.len);
	} else {
		XXH128_canonical_t hash;
		size_t keep = STORE_KEY_MAX - NAME_HASH_LEN - at;

		XXH128_canonicalFromHash(&hash, XXH3_128bits(name.data, name.len));
		memcpy(k->bytes + at, name.data, keep);
		memcpy(k->bytes + at + keep, hash.digest, NAME_HASH_LEN);
		k->len = STORE_KEY_MAX;
	}
	k->name = name;
}

static void put_elem_prefix(struct store_key *k, uint16_t slot, uint8_t space, uint64_t id)
{
	k->slot = slot;
	bytes_put_u16be(k->bytes, slot);
	k->bytes[2] = space;
	bytes_put_u64be(k->bytes + KEY_PREFIX_LEN, id);
}

void store_key_of_key(struct store_key *k, struct slice name)
{
	k->slot = keyslot(name);
	bytes_put_u16be(k->bytes, k->slot);
	k->bytes[2] = KEYSPACE_KEY;
	put_name(k, KEY_PREFIX_LEN, name);
}

void store_key_of_field(struct store_key *k, uint16_t slot, uint64_t id, struct slice field)
{
	put_elem_prefix(k, slot, KEYSPACE_ELEM, id);
	put_name(k, ELEM_PREFIX_LEN, field);
}

void store_key_of_elem(struct store_key *k, uint16_t slot, uint64_t id, struct slice subkey)
{
	INVARIANT(subkey.len <= STORE_KEY_DIRECT_MAX - ELEM_PREFIX_LEN);
	put_elem_prefix(k, slot, KEYSPACE_ELEM, id);
	if (subkey.len > 0) {
		memcpy(k->bytes + ELEM_PREFIX_LEN, subkey.data, subkey.len);
	}
	k->len = (uint16_t)(ELEM_PREFIX_LEN + subkey.len);
	k->name = subkey;
}

void store_key_of_garbage(struct store_key *k, uint16_t slot, uint64_t id)
{
	put_elem_prefix(k, slot, KEYSPACE_GARBAGE, id);
	k->len = ELEM_PREFIX_LEN;
	k->name = slice_of(NULL, 0);
}

uint16_t store_key_slot(struct slice key)
{
	return bytes_get_u16be(key.data);
}

uint8_t store_key_space(struct slice key)
{
	return key.data[2];
}

uint64_t store_key_id(struct slice key)
{
	return bytes_get_u64be(key.data + KEY_PREFIX_LEN);
}

enum status store_key_check(struct slice key)
{
	size_t min;

	if (key.len < KEY_PREFIX_LEN || key.len > STORE_KEY_MAX || store_key_slot(key) >= SLOTS) {
		return ST_CORRUPT;
	}
	switch (store_key_space(key)) {
	case KEYSPACE_KEY:
		min = KEY_PREFIX_LEN + KEY_ORDER_LEN;
		break;
	case KEYSPACE_ELEM:
		min = ELEM_PREFIX_LEN;
		break;
	case KEYSPACE_GARBAGE:
		return key.len == ELEM_PREFIX_LEN ? ST_OK : ST_CORRUPT;
	default:
		return ST_CORRUPT;
	}
	return key.len >= min ? ST_OK : ST_CORRUPT;
}

enum status stored_split(struct slice key, struct slice stored, struct slice *name,
			 struct slice *value)
{
	size_t at = store_key_space(key) == KEYSPACE_KEY ? KEY_PREFIX_LEN : ELEM_PREFIX_LEN;

	at += KEY_ORDER_LEN;
	if (!store_key_is_long(key)) {
		if (key.len < at) {
			return ST_CORRUPT;
		}
		*name = slice_skip(key, at);
		*value = stored;
		return ST_OK;
	}
	if (stored.len < NAME_LEN_FIELD) {
		return ST_CORRUPT;
	}
	uint32_t len = bytes_get_u32le(stored.data);

	if (len > stored.len - NAME_LEN_FIELD || len <= STORE_KEY_DIRECT_MAX - at) {
		return ST_CORRUPT;
	}
	*name = slice_of(stored.data + NAME_LEN_FIELD, len);
	*value = slice_skip(stored, NAME_LEN_FIELD + (size_t)len);
	return ST_OK;
}

size_t meta_encode(const struct meta *m, uint8_t *dst)
{
	size_t n = 2;
	uint8_t flags = (uint8_t)(m->flags & ~(META_EXPIRE | META_TIMED));

	dst[0] = (uint8_t)((unsigned)m->type | (unsigned)m->form << 4);
	if (m->expire_at_ms != 0) {
		flags |= META_EXPIRE;
		bytes_put_u64le(dst + n, m->expire_at_ms);
		n += 8;
	}
	if (m->fields_timed != 0) {
		flags |= META_TIMED;
		bytes_put_u64le(dst + n, m->fields_at_ms);
		bytes_put_u64le(dst + n + 8, m->fields_timed);
		n += META_TIMED_LEN;
	}
	dst[1] = flags;
	if (m->form == FORM_LARGE) {
		bytes_put_u64le(dst + n, m->id);
		bytes_put_u64le(dst + n + 8, m->count);
		bytes_put_u64le(dst + n + 16, m->aux[0]);
		bytes_put_u64le(dst + n + 24, m->aux[1]);
		n += META_LARGE_LEN;
	}
	return n;
}

enum status meta_decode(struct slice value, struct meta *out)
{
	size_t at = 2;
	unsigned type, form;

	if (value.len < at) {
		return ST_CORRUPT;
	}
	type = value.data[0] & 0x0f;
	form = value.data[0] >> 4;
	if (type < TYPE_STRING || type > TYPE_STREAM || form > FORM_LARGE ||
	    (value.data[1] & ~(META_EXPIRE | META_RAW | META_ENCODED | META_TIMED)) != 0) {
		return ST_CORRUPT;
	}
	out->type = (enum value_type)type;
	out->form = (enum value_form)form;
	out->flags = value.data[1];
	out->expire_at_ms = 0;
	if ((out->flags & META_EXPIRE) != 0) {
		if (value.len < at + 8) {
			return ST_CORRUPT;
		}
		out->expire_at_ms = bytes_get_u64le(value.data + at);
		if (out->expire_at_ms == 0) { /* means no expiry, never written */
			return ST_CORRUPT;
		}
		at += 8;
	}
	out->fields_at_ms = 0;
	out->fields_timed = 0;
	if ((out->flags & META_TIMED) != 0) {
		if (value.len < at + META_TIMED_LEN || out->type != TYPE_HASH ||
		    out->form != FORM_LARGE) {
			return ST_CORRUPT;
		}
		out->fields_at_ms = bytes_get_u64le(value.data + at);
		out->fields_timed = bytes_get_u64le(value.data + at + 8);
		if (out->fields_at_ms == 0 || out->fields_timed == 0) {
			return ST_CORRUPT;
		}
		at += META_TIMED_LEN;
	}
	if (out->form == FORM_INLINE) {
		out->payload = slice_skip(value, at);
		out->id = 0;
		out->count = 0;
		return ST_OK;
	}
	if (value.len != at + META_LARGE_LEN) {
		return ST_CORRUPT;
	}
	out->payload = slice_of(NULL, 0);
	out->id = bytes_get_u64le(value.data + at);
	out->count = bytes_get_u64le(value.data + at + 8);
	out->aux[0] = bytes_get_u64le(value.data + at + 16);
	out->aux[1] = bytes_get_u64le(value.data + at + 24);
	return ST_OK;
}

const char *value_type_text(enum value_type type)
{
	switch (type) {
	case TYPE_STRING:
		return "string";
	case TYPE_LIST:
		return "list";
	case TYPE_HASH:
		return "hash";
	case TYPE_SET:
		return "set";
	case TYPE_ZSET:
		return "zset";
	case TYPE_STREAM:
		return "stream";
	default:
		return "none";
	}
}
