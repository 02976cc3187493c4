/* Writing the store: transactions that take effect as a whole, ranges that are removed in pieces, a
 * map that is full. */
#include "engine/base/bytes.h"
#include "engine/key_codec.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAP = 64 << 20, SMALL_MAP = 1 << 20, ELEMS = 1000 };

static struct slice elem_of(uint64_t id, uint64_t n, struct store_key *k, uint8_t subkey[8])
{
	bytes_put_u64be(subkey, n);
	store_key_of_elem(k, 3, id, slice_of(subkey, 8));
	return store_key_slice(k);
}

static struct store_txn *begin(struct temp_store *t)
{
	struct store_txn *txn;

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	return txn;
}

static uint64_t entries(struct temp_store *t)
{
	struct store_info info;

	assert_int_equal(store_info(t->store, &info), ST_OK);
	return info.entries;
}

static void put_elems(struct store_txn *txn, uint64_t id)
{
	struct store_key k;
	uint8_t subkey[8];

	for (uint64_t n = 0; n < ELEMS; n++) {
		assert_int_equal(
		    store_txn_put(txn, elem_of(id, n, &k, subkey), slice_str("element")), ST_OK);
	}
}

static void what_is_aborted_is_not_there(void **state)
{
	struct temp_store t;
	struct store_txn *txn;

	(void)state;
	temp_store_create(&t, MAP);
	txn = begin(&t);
	put_elems(txn, 1);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	txn = begin(&t);
	put_elems(txn, 2);
	assert_true(store_txn_dirty(txn) > ELEMS * 8);
	store_txn_abort(txn);
	assert_int_equal(entries(&t), ELEMS);
	txn = begin(&t);
	assert_int_equal(store_txn_clear(txn), ST_OK);
	store_txn_abort(txn);
	assert_int_equal(entries(&t), ELEMS);
	txn = begin(&t);
	assert_int_equal(store_txn_clear(txn), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(entries(&t), 0);
	temp_store_destroy(&t);
}

static void a_range_is_removed_in_pieces_and_nothing_beside_it(void **state)
{
	struct temp_store t;
	struct store_key prefix;
	uint32_t all = 0, removed;
	uint64_t bytes, all_bytes = 0;

	(void)state;
	temp_store_create(&t, MAP);
	for (uint64_t id = 1; id <= 3; id++) {
		struct store_txn *txn = begin(&t);

		put_elems(txn, id);
		assert_int_equal(store_txn_commit(txn), ST_OK);
	}
	store_key_of_elem(&prefix, 3, 2, slice_of(NULL, 0));
	do {
		struct store_txn *txn = begin(&t);

		assert_int_equal(
		    store_txn_del_prefix(txn, store_key_slice(&prefix), 300, &removed, &bytes),
		    ST_OK);
		assert_int_equal(store_txn_commit(txn), ST_OK);
		assert_true(removed <= 300);
		all += removed;
		all_bytes += bytes;
	} while (removed == 300);
	assert_int_equal(all, ELEMS);
	assert_int_equal(all_bytes, ELEMS * (11 + 8 + 7));
	assert_int_equal(entries(&t), 2 * ELEMS);
	temp_store_destroy(&t);
}

static void counters_and_state_are_part_of_the_transaction(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct slot_stat stat = {.keys = 1, .expires = 2, .bytes = 3, .garbage = 4};
	struct slot_stat *all = calloc(SLOTS, sizeof *all);
	struct store_state s = {.checkpoint_lsn = 9, .drain_lsn = 9, .next_id = 5}, got;
	struct store_txn *txn;

	(void)state;
	temp_store_create(&t, MAP);
	for (int keep = 0; keep < 2; keep++) {
		txn = begin(&t);
		assert_int_equal(store_txn_slot(txn, 16383, &stat), ST_OK);
		assert_int_equal(store_txn_state(txn, &s), ST_OK);
		if (keep) {
			assert_int_equal(store_txn_commit(txn), ST_OK);
		} else {
			store_txn_abort(txn);
		}
		assert_int_equal(store_reader_open(t.store, &r), ST_OK);
		assert_int_equal(store_reader_slots(r, all), ST_OK);
		assert_int_equal(store_reader_state(r, &got), ST_OK);
		assert_int_equal(all[16383].garbage, keep ? 4 : 0);
		assert_int_equal(got.checkpoint_lsn, keep ? 9 : 0);
		store_reader_close(r);
	}
	free(all);
	temp_store_destroy(&t);
}

static void a_full_map_refuses_the_transaction_and_keeps_the_last_one(void **state)
{
	static uint8_t value[100000];
	struct temp_store t;
	struct store_txn *txn;
	struct store_key k;
	uint8_t subkey[8];
	enum status st = ST_OK;

	(void)state;
	temp_store_create(&t, SMALL_MAP);
	txn = begin(&t);
	put_elems(txn, 1);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	txn = begin(&t);
	for (uint64_t n = 0; st == ST_OK; n++) {
		assert_true(n < 100);
		st = store_txn_put(txn, elem_of(2, n, &k, subkey), slice_of(value, sizeof value));
	}
	assert_int_equal(st, ST_MAP_FULL);
	store_txn_abort(txn);
	assert_int_equal(entries(&t), ELEMS);
	/* With a larger map there is room again. */
	temp_store_reopen(&t, MAP);
	txn = begin(&t);
	assert_int_equal(
	    store_txn_put(txn, elem_of(2, 0, &k, subkey), slice_of(value, sizeof value)), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(entries(&t), ELEMS + 1);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_aborted_is_not_there),
	    cmocka_unit_test(a_range_is_removed_in_pieces_and_nothing_beside_it),
	    cmocka_unit_test(counters_and_state_are_part_of_the_transaction),
	    cmocka_unit_test(a_full_map_refuses_the_transaction_and_keeps_the_last_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
