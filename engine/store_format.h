/* The bytes of records in the LMDB file: checksums, the values of the small tables and the keys of
 * the expiry index. Pure. engine/key_codec.h has the keyspace's own keys and values.
 *
 * Every value of "keyspace", "slots", "sums" and "node" ends with a 4-byte checksum (LE): the low
 * 32 bits of the value's XXH3-64, xor the high 32 bits of the XXH3-64 of its key, so that a value
 * that ended up under another key is noticed too. node  "format" -> [version u32] node  "state"  ->
 * [checkpoint_lsn][previous_checkpoint_lsn][drain_lsn][next_id][shard_id] u64, [count u32], count
 * times [timeline id][epoch][first_lsn] u64 node  "note " and a name -> what its user put there
 * (engine/snapshot_writer_impl.h) slots [slot u16 BE] -> [keys][expires][bytes][garbage] u64, then,
 * unless nobody has kept it, the slot's digest (16 bytes, content_digest.h) sums  [slot u16
 * BE][collection id u64 BE] -> [sum of its elements' digests, 16 bytes][key records that name it
 * u32] expires [expire_at_ms u64 BE][store key] -> empty; a store key over 502 bytes is cut to 487
 * and followed by the canonical XXH3-128 of the whole (511 bytes in all), and the value is the
 * whole store key. A hint only: it has no checksum, the key's record decides. Integers are
 * little-endian where nothing else is said. */
#ifndef CAIRN_ENGINE_STORE_FORMAT_H
#define CAIRN_ENGINE_STORE_FORMAT_H

#include "engine/store.h"

enum {
	STORE_SUM_LEN = 4,
	STORE_VERSION_LEN = 4,
	STORE_STATE_MAX = 5 * 8 + 4 + WAL_HISTORY_MAX * 24,
	STORE_SLOT_LEN = 32 + DIGEST_LEN,
	STORE_SLOT_UNDIGESTED_LEN = 32,
	STORE_SUM_KEY_LEN = 10,
	STORE_SUM_ROW_LEN = DIGEST_LEN + 4,
	STORE_INDEX_MAX = 511,
	STORE_INDEX_DIRECT_MAX = 502, /* longest store key that is in an index key as it is */
};

/* The checksum of a value under its key. */
uint32_t store_sum(struct slice key, struct slice value);

/* Cuts the checksum off a stored value and compares it. ST_CORRUPT: too short or not equal. */
MUST_CHECK enum status store_sum_check(struct slice key, struct slice stored, struct slice *value);

/* Encodes into dst of STORE_STATE_MAX bytes; returns the length. */
size_t store_state_encode(const struct store_state *state, uint8_t *dst);
/* ST_CORRUPT: the lengths do not fit. */
MUST_CHECK enum status store_state_decode(struct slice value, struct store_state *out);

/* Encodes into dst of STORE_SLOT_LEN bytes; returns the length. */
size_t store_slot_encode(const struct slot_stat *stat, uint8_t *dst);
/* ST_CORRUPT: the length does not fit. */
MUST_CHECK enum status store_slot_decode(struct slice value, struct slot_stat *out);

/* The key of a collection's row into dst of STORE_SUM_KEY_LEN bytes, and back. ST_CORRUPT. */
void store_sum_key_encode(uint16_t slot, uint64_t id, uint8_t *dst);
MUST_CHECK enum status store_sum_key_decode(struct slice key, uint16_t *slot, uint64_t *id);
/* Its value into dst of STORE_SUM_ROW_LEN bytes, and back. ST_CORRUPT. */
void store_sum_row_encode(const struct collection_sum *sum, uint8_t *dst);
MUST_CHECK enum status store_sum_row_decode(struct slice value, struct collection_sum *out);

/* Writes the index key of (expire_at_ms, store key) into dst of STORE_INDEX_MAX bytes; returns its
 * length. *value gets what is stored under it, borrowing key. */
size_t store_index_encode(uint64_t expire_at_ms, struct slice key, uint8_t *dst,
			  struct slice *value);
/* The parts of an index entry; key borrows it. ST_CORRUPT: too short. */
MUST_CHECK enum status store_index_decode(struct slice index_key, struct slice value,
					  uint64_t *expire_at_ms, struct slice *key);

#endif
