/* The memtable against simple models: lookups, scans both ways, the checkpoint's sort, the heap. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/key_codec.h"
#include "engine/memtable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEED = 7, ELEMS = 3000 };

static struct memtable *make(void)
{
	struct memtable *mt;

	assert_int_equal(memtable_create(1 << 20, SEED, &mt), ST_OK);
	return mt;
}

static uint64_t hash_of(const struct store_key *k)
{
	return memtable_hash(store_key_slice(k), SEED);
}

static struct mt_entry *put(struct memtable *mt, struct store_key *k, const char *value)
{
	struct slice part = slice_str(value);
	struct mt_entry *e;

	assert_int_equal(memtable_upsert(mt, store_key_slice(k), hash_of(k), &e), ST_OK);
	assert_int_equal(memtable_store(mt, e, &part, 1), ST_OK);
	e->flags = 0;
	return e;
}

static void elem_key(struct store_key *k, uint64_t id, uint64_t n)
{
	uint8_t sub[8];

	bytes_put_u64be(sub, n);
	store_key_of_elem(k, 5, id, slice_of(sub, sizeof sub));
	k->name = slice_of(NULL, 0); /* sub ends here */
}

static void a_value_is_found_and_replaced(void **state)
{
	struct memtable *mt = make();
	struct store_key k;
	struct mt_entry *e;

	(void)state;
	store_key_of_key(&k, slice_str("key:1"));
	e = put(mt, &k, "first");
	assert_true(slice_eq(mt_entry_value(e), slice_str("first")));
	assert_ptr_equal(put(mt, &k, "2nd"), e);
	assert_true(slice_eq(mt_entry_value(e), slice_str("2nd")));
	assert_ptr_equal(put(mt, &k, "a longer value than before"), e);
	assert_ptr_equal(memtable_find(mt, store_key_slice(&k), hash_of(&k)), e);
	assert_int_equal(memtable_entries(mt), 1);
	memtable_destroy(mt);
}

static void a_part_may_borrow_from_the_value_that_it_replaces(void **state)
{
	struct memtable *mt = make();
	struct store_key k;
	struct mt_entry *e;
	struct slice parts[2];

	(void)state;
	store_key_of_key(&k, slice_str("k"));
	e = put(mt, &k, "0123456789");
	parts[0] = slice_str("<>");
	parts[1] = slice_of(e->value, 8);
	assert_int_equal(memtable_store(mt, e, parts, 2), ST_OK);
	assert_true(slice_eq(mt_entry_value(e), slice_str("<>01234567")));
	memtable_destroy(mt);
}

static void check_scan(struct memtable *mt, uint64_t id, const bool *have, uint64_t from,
		       bool reverse)
{
	int64_t step = reverse ? -1 : 1;
	int64_t expect = reverse ? (int64_t)from - 1 : (int64_t)from;
	struct mt_scan scan;
	struct store_key k;
	struct mt_entry *e;

	elem_key(&k, id, from);
	assert_int_equal(mt_scan_open(mt, memtable_group(mt, 5, KEYSPACE_ELEM, id),
				      store_key_slice(&k), reverse, &scan),
			 ST_OK);
	while ((e = mt_scan_peek(&scan)) != NULL) {
		while (!have[expect]) {
			expect += step;
		}
		assert_int_equal(bytes_get_u64be(e->key + ELEM_PREFIX_LEN), expect);
		expect += step;
		mt_scan_advance(&scan, e);
	}
	for (; expect >= 0 && expect < ELEMS; expect += step) {
		assert_false(have[expect]);
	}
}

static void scans_see_every_entry_in_order_while_more_arrive(void **state)
{
	static bool have[2][ELEMS + 1];
	struct memtable *mt = make();
	struct rng rng;

	(void)state;
	rng_seed(&rng, 42);
	for (int i = 0; i < 4000; i++) {
		uint64_t c = rng_below(&rng, 2);
		uint64_t n = rng_below(&rng, ELEMS);
		struct store_key k;

		elem_key(&k, c + 1, n);
		(void)put(mt, &k, "v");
		have[c][n] = true;
		if (rng_below(&rng, 20) == 0) {
			check_scan(mt, c + 1, have[c], rng_below(&rng, ELEMS),
				   rng_below(&rng, 2) == 0);
		}
	}
	check_scan(mt, 1, have[0], 0, false);
	check_scan(mt, 2, have[1], ELEMS, true);
	memtable_destroy(mt);
}

static void the_sorted_table_is_in_key_order_without_absent_entries(void **state)
{
	struct memtable *mt = make();
	struct mt_sorted sorted;
	struct rng rng;
	size_t absent = 0;

	(void)state;
	rng_seed(&rng, 1);
	for (int i = 0; i < 20000; i++) {
		char name[32];
		struct store_key k;
		struct mt_entry *e;

		(void)snprintf(name, sizeof name, "key:%d", i);
		if (i % 3 == 0) {
			elem_key(&k, rng_below(&rng, 50), (uint64_t)i);
		} else if (i % 7 == 0) {
			store_key_of_garbage(&k, (uint16_t)rng_below(&rng, SLOTS), (uint64_t)i);
		} else {
			store_key_of_key(&k, slice_str(name));
		}
		e = put(mt, &k, name);
		if (i % 11 == 0) {
			e->flags = MT_ABSENT;
			absent++;
		}
	}
	assert_int_equal(memtable_sort(mt, &sorted), ST_OK);
	assert_int_equal(sorted.count, 20000 - absent);
	for (size_t i = 1; i < sorted.count; i++) {
		assert_true(slice_cmp(mt_entry_key(sorted.entries[i - 1]),
				      mt_entry_key(sorted.entries[i])) < 0);
	}
	mt_sorted_deinit(&sorted);
	memtable_destroy(mt);
}

static void a_reset_table_is_empty_and_usable(void **state)
{
	struct memtable *mt = make();
	struct store_key k;
	char name[32];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		(void)snprintf(name, sizeof name, "key:%d", i);
		store_key_of_key(&k, slice_str(name));
		(void)put(mt, &k, name);
	}
	while (!memtable_reset(mt, 4096)) {
	}
	assert_int_equal(memtable_entries(mt), 0);
	assert_int_equal(memtable_bytes(mt), 0);
	assert_null(memtable_find(mt, store_key_slice(&k), hash_of(&k)));
	assert_null(memtable_group(mt, k.slot, KEYSPACE_KEY, 0));
	(void)put(mt, &k, "again");
	assert_int_equal(memtable_entries(mt), 1);
	memtable_destroy(mt);
}

static void timers_come_out_earliest_first_and_only_when_due(void **state)
{
	struct memtable *mt = make();
	uint64_t last = 0;
	int popped = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (int i = 0; i < 200; i++) {
		char name[16];
		struct store_key k;
		struct mt_entry *e;

		(void)snprintf(name, sizeof name, "%d", i);
		store_key_of_key(&k, slice_str(name));
		e = put(mt, &k, name);
		e->lsn = 1 + rng_below(&rng, 1000); /* serves as the due time here */
		assert_int_equal(memtable_timer_add(mt, e->lsn, e), ST_OK);
	}
	for (uint64_t now = 0; now <= 1000; now += 50) {
		struct mt_entry *e;

		while ((e = memtable_timer_pop(mt, now)) != NULL) {
			assert_true(e->lsn <= now && e->lsn >= last);
			last = e->lsn;
			popped++;
		}
	}
	assert_int_equal(popped, 200);
	memtable_destroy(mt);
}

static void running_out_of_memory_leaves_the_table_as_it_was(void **state)
{
	static uint8_t big[200000];
	struct slice part = slice_of(big, sizeof big);
	struct memtable *mt;
	struct store_key k;
	struct mt_entry *e;
	int64_t n = 0;

	(void)state;
	for (;; n++) {
		enum status st;

		mem_fail_nth(n);
		st = memtable_create(1 << 16, SEED, &mt);
		mem_fail_nth(-1);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
	assert_int_equal(n, 7);
	store_key_of_key(&k, slice_str("big"));
	e = put(mt, &k, "small");
	mem_fail_nth(0);
	assert_int_equal(memtable_store(mt, e, &part, 1), ST_NO_MEMORY);
	mem_fail_nth(-1);
	assert_true(slice_eq(mt_entry_value(e), slice_str("small")));
	memtable_destroy(mt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_is_found_and_replaced),
	    cmocka_unit_test(a_part_may_borrow_from_the_value_that_it_replaces),
	    cmocka_unit_test(scans_see_every_entry_in_order_while_more_arrive),
	    cmocka_unit_test(the_sorted_table_is_in_key_order_without_absent_entries),
	    cmocka_unit_test(a_reset_table_is_empty_and_usable),
	    cmocka_unit_test(timers_come_out_earliest_first_and_only_when_due),
	    cmocka_unit_test(running_out_of_memory_leaves_the_table_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
