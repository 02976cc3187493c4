/* The store's own records: read back as written, and refused when their length or checksum is not
 * right. */
#include "engine/base/bytes.h"
#include "engine/key_codec.h"
#include "engine/store_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_value_under_another_key_or_with_another_bit_is_noticed(void **state)
{
	uint8_t bytes[16] = "value";
	struct slice value;

	(void)state;
	bytes_put_u32le(bytes + 5, store_sum(slice_str("key"), slice_of(bytes, 5)));
	assert_int_equal(store_sum_check(slice_str("key"), slice_of(bytes, 9), &value), ST_OK);
	assert_true(slice_eq(value, slice_str("value")));
	assert_int_equal(store_sum_check(slice_str("kez"), slice_of(bytes, 9), &value), ST_CORRUPT);
	assert_int_equal(store_sum_check(slice_str("key"), slice_of(bytes, 8), &value), ST_CORRUPT);
	assert_int_equal(store_sum_check(slice_str("key"), slice_of(bytes, 3), &value), ST_CORRUPT);
	for (int bit = 0; bit < 72; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(store_sum_check(slice_str("key"), slice_of(bytes, 9), &value),
				 ST_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void the_state_comes_back_with_its_history(void **state)
{
	struct store_state s = {.checkpoint_lsn = 9,
				.previous_checkpoint_lsn = 8,
				.drain_lsn = 10,
				.next_id = 77,
				.history = {.shard_id = 5, .count = WAL_HISTORY_MAX}},
			   got;
	uint8_t bytes[STORE_STATE_MAX + 1];
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < WAL_HISTORY_MAX; i++) {
		s.history.items[i] = (struct wal_timeline){100 + i, i, 1 + i};
	}
	len = store_state_encode(&s, bytes);
	assert_int_equal(len, STORE_STATE_MAX);
	assert_int_equal(store_state_decode(slice_of(bytes, len), &got), ST_OK);
	assert_memory_equal(&got, &s, sizeof s);
	assert_int_equal(store_state_decode(slice_of(bytes, len - 1), &got), ST_CORRUPT);
	assert_int_equal(store_state_decode(slice_of(bytes, len + 1), &got), ST_CORRUPT);
	assert_int_equal(store_state_decode(slice_of(bytes, 43), &got), ST_CORRUPT);
	bytes_put_u32le(bytes + 40, WAL_HISTORY_MAX + 1);
	assert_int_equal(store_state_decode(slice_of(bytes, len), &got), ST_CORRUPT);
}

static void slot_counters_come_back(void **state)
{
	struct slot_stat stat = {.keys = 1,
				 .expires = 2,
				 .bytes = 3,
				 .garbage = UINT64_MAX,
				 .digest = {4, UINT64_MAX - 4}},
			 got = {0};
	uint8_t bytes[STORE_SLOT_LEN];
	size_t len;

	(void)state;
	len = store_slot_encode(&stat, bytes);
	assert_int_equal(store_slot_decode(slice_of(bytes, len), &got), ST_OK);
	assert_memory_equal(&got, &stat, sizeof stat);
	assert_int_equal(store_slot_decode(slice_of(bytes, len - 1), &got), ST_CORRUPT);
	/* Of a slot with something in it that nobody has kept the digest of. */
	stat.undigested = true;
	len = store_slot_encode(&stat, bytes);
	assert_int_equal(store_slot_decode(slice_of(bytes, len), &got), ST_OK);
	assert_true(got.undigested);
	assert_true(digest_eq(got.digest, (struct digest){0}));
	/* What is empty needs no building. */
	stat.bytes = 0;
	len = store_slot_encode(&stat, bytes);
	assert_int_equal(store_slot_decode(slice_of(bytes, len), &got), ST_OK);
	assert_false(got.undigested);
}

static void rows_of_collections_come_back(void **state)
{
	struct collection_sum sum = {.elements = {7, 9}, .names = 1}, got;
	uint8_t key[STORE_SUM_KEY_LEN], row[STORE_SUM_ROW_LEN];
	uint16_t slot;
	uint64_t id;

	(void)state;
	store_sum_key_encode(SLOTS - 1, UINT64_MAX, key);
	assert_int_equal(store_sum_key_decode(slice_of(key, sizeof key), &slot, &id), ST_OK);
	assert_int_equal(slot, SLOTS - 1);
	assert_true(id == UINT64_MAX);
	assert_int_equal(store_sum_key_decode(slice_of(key, sizeof key - 1), &slot, &id),
			 ST_CORRUPT);
	memset(key, 0xff, 2);
	assert_int_equal(store_sum_key_decode(slice_of(key, sizeof key), &slot, &id), ST_CORRUPT);
	for (int names = -1; names < 3; names++) {
		sum.names = names;
		store_sum_row_encode(&sum, row);
		assert_int_equal(store_sum_row_decode(slice_of(row, sizeof row), &got), ST_OK);
		assert_true(digest_eq(got.elements, sum.elements));
		assert_int_equal(got.names, names);
	}
	assert_int_equal(store_sum_row_decode(slice_of(row, sizeof row - 1), &got), ST_CORRUPT);
}

static void the_expiry_index_is_ordered_by_time_and_holds_keys_of_any_length(void **state)
{
	static uint8_t name[600];
	uint8_t a[STORE_INDEX_MAX], b[STORE_INDEX_MAX];
	struct slice value, other, key;
	uint64_t at_ms;

	(void)state;
	memset(name, 'n', sizeof name);
	for (size_t len = 0; len < sizeof name; len += 13) {
		struct store_key k;
		size_t n, m;

		store_key_of_key(&k, slice_of(name, len));
		n = store_index_encode(255, store_key_slice(&k), a, &value);
		assert_int_equal(value.len, k.len > STORE_INDEX_DIRECT_MAX ? k.len : 0);
		assert_int_equal(store_index_decode(slice_of(a, n), value, &at_ms, &key), ST_OK);
		assert_int_equal(at_ms, 255);
		assert_true(slice_eq(key, store_key_slice(&k)));
		m = store_index_encode(256, store_key_slice(&k), b, &other);
		assert_true(slice_cmp(slice_of(a, n), slice_of(b, m)) < 0);
	}
	assert_int_equal(store_index_decode(slice_of(a, 7), slice_of(NULL, 0), &at_ms, &key),
			 ST_CORRUPT);
	assert_int_equal(store_index_decode(slice_of(a, 8), slice_of(NULL, 0), &at_ms, &key),
			 ST_CORRUPT); /* no key */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_under_another_key_or_with_another_bit_is_noticed),
	    cmocka_unit_test(the_state_comes_back_with_its_history),
	    cmocka_unit_test(slot_counters_come_back),
	    cmocka_unit_test(rows_of_collections_come_back),
	    cmocka_unit_test(the_expiry_index_is_ordered_by_time_and_holds_keys_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
