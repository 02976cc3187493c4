/* Encoding and decoding of the store's own records. */
#include "engine/store_format.h"

#include "engine/base/bytes.h"
#include "engine/base/planted.h"
#include "engine/key_codec.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { STATE_FIXED = 5 * 8 + 4, TIMELINE_LEN = 24, INDEX_HASH_LEN = 16 };

uint32_t store_sum(struct slice key, struct slice value)
{
	uint64_t of_value = XXH3_64bits(value.data, value.len);
	uint64_t of_key = XXH3_64bits(key.data, key.len);

	return (uint32_t)of_value ^ (uint32_t)(of_key >> 32);
}

enum status store_sum_check(struct slice key, struct slice stored, struct slice *value)
{
	if (stored.len < STORE_SUM_LEN) {
		return ST_CORRUPT;
	}
	*value = slice_of(stored.data, stored.len - STORE_SUM_LEN);
	if (PLANTED(22)) {
		return ST_OK;
	}
	return bytes_get_u32le(stored.data + value->len) == store_sum(key, *value) ? ST_OK
										   : ST_CORRUPT;
}

size_t store_state_encode(const struct store_state *state, uint8_t *dst)
{
	uint8_t *at = dst + STATE_FIXED;

	bytes_put_u64le(dst, state->checkpoint_lsn);
	bytes_put_u64le(dst + 8, state->previous_checkpoint_lsn);
	bytes_put_u64le(dst + 16, state->drain_lsn);
	bytes_put_u64le(dst + 24, state->next_id);
	bytes_put_u64le(dst + 32, state->history.shard_id);
	bytes_put_u32le(dst + 40, state->history.count);
	for (uint32_t i = 0; i < state->history.count; i++) {
		const struct wal_timeline *t = &state->history.items[i];

		bytes_put_u64le(at, t->id);
		bytes_put_u64le(at + 8, t->epoch);
		bytes_put_u64le(at + 16, t->first_lsn);
		at += TIMELINE_LEN;
	}
	return (size_t)(at - dst);
}

enum status store_state_decode(struct slice value, struct store_state *out)
{
	uint32_t count;
	const uint8_t *at;

	if (value.len < STATE_FIXED) {
		return ST_CORRUPT;
	}
	count = bytes_get_u32le(value.data + 40);
	if (count > WAL_HISTORY_MAX || value.len != STATE_FIXED + (size_t)count * TIMELINE_LEN) {
		return ST_CORRUPT;
	}
	memset(out, 0, sizeof *out);
	out->checkpoint_lsn = bytes_get_u64le(value.data);
	out->previous_checkpoint_lsn = bytes_get_u64le(value.data + 8);
	out->drain_lsn = bytes_get_u64le(value.data + 16);
	out->next_id = bytes_get_u64le(value.data + 24);
	out->history.shard_id = bytes_get_u64le(value.data + 32);
	out->history.count = count;
	at = value.data + STATE_FIXED;
	for (uint32_t i = 0; i < count; i++) {
		struct wal_timeline *t = &out->history.items[i];

		t->id = bytes_get_u64le(at);
		t->epoch = bytes_get_u64le(at + 8);
		t->first_lsn = bytes_get_u64le(at + 16);
		at += TIMELINE_LEN;
	}
	return ST_OK;
}

size_t store_slot_encode(const struct slot_stat *stat, uint8_t *dst)
{
	bytes_put_u64le(dst, stat->keys);
	bytes_put_u64le(dst + 8, stat->expires);
	bytes_put_u64le(dst + 16, stat->bytes);
	bytes_put_u64le(dst + 24, stat->garbage);
	if (stat->undigested) {
		return STORE_SLOT_UNDIGESTED_LEN;
	}
	digest_put(dst + STORE_SLOT_UNDIGESTED_LEN, stat->digest);
	return STORE_SLOT_LEN;
}

enum status store_slot_decode(struct slice value, struct slot_stat *out)
{
	if (value.len != STORE_SLOT_LEN && value.len != STORE_SLOT_UNDIGESTED_LEN) {
		return ST_CORRUPT;
	}
	out->keys = bytes_get_u64le(value.data);
	out->expires = bytes_get_u64le(value.data + 8);
	out->bytes = bytes_get_u64le(value.data + 16);
	out->garbage = bytes_get_u64le(value.data + 24);
	out->digest = (struct digest){0};
	out->undigested = value.len == STORE_SLOT_UNDIGESTED_LEN;
	if (!out->undigested) {
		out->digest = digest_get(value.data + STORE_SLOT_UNDIGESTED_LEN);
	} else if (out->bytes == 0) {
		out->undigested = false; /* of nothing it is known */
	}
	return ST_OK;
}

void store_sum_key_encode(uint16_t slot, uint64_t id, uint8_t *dst)
{
	bytes_put_u16be(dst, slot);
	bytes_put_u64be(dst + 2, id);
}

enum status store_sum_key_decode(struct slice key, uint16_t *slot, uint64_t *id)
{
	if (key.len != STORE_SUM_KEY_LEN || bytes_get_u16be(key.data) >= SLOTS) {
		return ST_CORRUPT;
	}
	*slot = bytes_get_u16be(key.data);
	*id = bytes_get_u64be(key.data + 2);
	return ST_OK;
}

void store_sum_row_encode(const struct collection_sum *sum, uint8_t *dst)
{
	digest_put(dst, sum->elements);
	bytes_put_u32le(dst + DIGEST_LEN, (uint32_t)sum->names);
}

enum status store_sum_row_decode(struct slice value, struct collection_sum *out)
{
	if (value.len != STORE_SUM_ROW_LEN) {
		return ST_CORRUPT;
	}
	out->elements = digest_get(value.data);
	out->names = (int32_t)bytes_get_u32le(value.data + DIGEST_LEN);
	return ST_OK;
}

size_t store_index_encode(uint64_t expire_at_ms, struct slice key, uint8_t *dst,
			  struct slice *value)
{
	XXH128_canonical_t hash;
	size_t keep = STORE_INDEX_MAX - 8 - INDEX_HASH_LEN;

	bytes_put_u64be(dst, expire_at_ms);
	if (key.len <= STORE_INDEX_DIRECT_MAX) {
		if (key.len > 0) {
			memcpy(dst + 8, key.data, key.len);
		}
		*value = slice_of(NULL, 0);
		return 8 + key.len;
	}
	XXH128_canonicalFromHash(&hash, XXH3_128bits(key.data, key.len));
	memcpy(dst + 8, key.data, keep);
	memcpy(dst + 8 + keep, hash.digest, INDEX_HASH_LEN);
	*value = key;
	return STORE_INDEX_MAX;
}

enum status store_index_decode(struct slice index_key, struct slice value, uint64_t *expire_at_ms,
			       struct slice *key)
{
	if (index_key.len < 8) {
		return ST_CORRUPT;
	}
	*expire_at_ms = bytes_get_u64be(index_key.data);
	*key = index_key.len == STORE_INDEX_MAX ? value : slice_skip(index_key, 8);
	return store_key_check(*key);
}
