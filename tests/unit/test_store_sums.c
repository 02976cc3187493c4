/* The table of collections' sums, and the step from the format without it. */
#include "engine/base/bytes.h"
#include "engine/base/keyslot.h"
#include "engine/store_format.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAP ((uint64_t)64 << 20)

static struct store_txn *begin(struct temp_store *t)
{
	struct store_txn *txn = NULL;

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	return txn;
}

static void put(struct temp_store *t, uint16_t slot, uint64_t id, uint64_t lo, int64_t names)
{
	struct collection_sum sum = {.elements = {lo, ~lo}, .names = names};
	struct store_txn *txn = begin(t);

	assert_int_equal(store_txn_sum_put(txn, slot, id, &sum), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

struct walk {
	uint64_t count, last;
};

static void each(void *arg, uint16_t slot, uint64_t id, const struct collection_sum *sum)
{
	struct walk *w = arg;
	uint64_t at = ((uint64_t)slot << 32) | id;

	assert_true(w->count == 0 || at > w->last);
	assert_true(sum->elements.hi == ~sum->elements.lo);
	w->last = at;
	w->count++;
}

static uint64_t rows(struct temp_store *t)
{
	struct store_reader *r;
	struct walk w = {0};

	assert_int_equal(store_reader_open(t->store, &r), ST_OK);
	assert_int_equal(store_reader_sums(r, each, &w), ST_OK);
	store_reader_close(r);
	return w.count;
}

static enum status get(struct temp_store *t, uint16_t slot, uint64_t id, struct collection_sum *out)
{
	struct store_reader *r;
	enum status st;

	assert_int_equal(store_reader_open(t->store, &r), ST_OK);
	st = store_reader_sum(r, slot, id, out);
	store_reader_close(r);
	return st;
}

static void rows_are_put_replaced_and_removed(void **state)
{
	struct temp_store t;
	struct store_txn *txn;
	struct collection_sum got;

	(void)state;
	temp_store_create(&t, MAP);
	assert_int_equal(rows(&t), 0);
	put(&t, 7, 1, 11, 1);
	put(&t, 7, 2, 12, 1);
	put(&t, 7, 2, 13, 2);
	assert_int_equal(get(&t, 7, 2, &got), ST_OK);
	assert_int_equal(got.elements.lo, 13);
	assert_int_equal(got.names, 2);
	assert_int_equal(get(&t, 6, 2, &got), ST_NOT_FOUND);
	assert_int_equal(rows(&t), 2);
	txn = begin(&t);
	assert_int_equal(store_txn_sum_get(txn, 7, 1, &got), ST_OK);
	assert_int_equal(got.elements.lo, 11);
	assert_int_equal(store_txn_sum_get(txn, 7, 3, &got), ST_NOT_FOUND);
	assert_int_equal(store_txn_sum_del(txn, 7, 1), ST_OK);
	assert_int_equal(store_txn_sum_del(txn, 7, 3), ST_OK);
	assert_int_equal(store_txn_sum_get(txn, 7, 1, &got), ST_NOT_FOUND);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(rows(&t), 1);
	temp_store_reopen(&t, MAP);
	assert_int_equal(rows(&t), 1);
	temp_store_destroy(&t);
}

static void a_slots_rows_go_together_and_others_stay(void **state)
{
	struct collection_sum sum = {.elements = {5, ~UINT64_C(5)}, .names = 1}, got;
	struct temp_store t;
	struct store_txn *txn;

	(void)state;
	temp_store_create(&t, MAP);
	txn = begin(&t);
	for (uint16_t slot = 6; slot < 9; slot++) {
		for (uint64_t id = 1; id <= 2000; id++) {
			assert_int_equal(store_txn_sum_put(txn, slot, id, &sum), ST_OK);
		}
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(rows(&t), 6000);
	txn = begin(&t);
	assert_int_equal(store_txn_sums_clear(txn, 7), ST_OK);
	assert_int_equal(store_txn_sums_clear(txn, 16383), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(rows(&t), 4000);
	assert_int_equal(get(&t, 7, 1000, &got), ST_NOT_FOUND);
	assert_int_equal(get(&t, 8, 1, &got), ST_OK);
	txn = begin(&t);
	assert_int_equal(store_txn_clear(txn), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(rows(&t), 0);
	temp_store_destroy(&t);
}

/* Replaces bytes wherever they are in the file. Returns how often. */
static int patch(struct temp_store *t, struct slice from, struct slice to)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(t->path, "r+b");
	size_t len;
	int count = 0;

	assert_non_null(file);
	len = fread(bytes, 1, sizeof bytes, file);
	assert_true(len > 0 && len < sizeof bytes && from.len == to.len);
	for (size_t i = 0; i + from.len <= len; i++) {
		if (memcmp(bytes + i, from.data, from.len) == 0) {
			memcpy(bytes + i, to.data, to.len);
			count++;
		}
	}
	rewind(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	return count;
}

/* Makes the store what the oldest version wrote: its number, and no table of this name. */
static void make_old(struct temp_store *t, bool keep_version)
{
	uint8_t now[6 + STORE_VERSION_LEN + STORE_SUM_LEN], old[sizeof now];
	struct slice key = slice_str("format");

	temp_store_close(t);
	assert_true(patch(t, slice_str("sums"), slice_str("sumz")) > 0);
	if (keep_version) {
		return;
	}
	memcpy(now, "format", 6);
	memcpy(old, "format", 6);
	bytes_put_u32le(now + 6, STORE_FORMAT_VERSION);
	bytes_put_u32le(old + 6, STORE_FORMAT_OLDEST);
	bytes_put_u32le(now + 10, store_sum(key, slice_of(now + 6, STORE_VERSION_LEN)));
	bytes_put_u32le(old + 10, store_sum(key, slice_of(old + 6, STORE_VERSION_LEN)));
	assert_true(patch(t, slice_of(now, sizeof now), slice_of(old, sizeof old)) > 0);
}

static void a_store_of_the_oldest_format_is_read_as_it_is_and_upgraded_to_write(void **state)
{
	struct slot_stat old = {.keys = 1, .bytes = 9, .undigested = true};
	struct slot_stat *stats = calloc(SLOTS, sizeof *stats);
	struct temp_store t;
	struct store_reader *r;
	struct store_txn *txn;
	struct collection_sum got;
	struct buf error = {0};

	(void)state;
	temp_store_create(&t, MAP);
	txn = begin(&t);
	assert_int_equal(store_txn_slot(txn, 3, &old), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	make_old(&t, false);
	assert_int_equal(temp_store_try(&t, MAP, true, &error), ST_OK);
	assert_int_equal(rows(&t), 0);
	assert_int_equal(get(&t, 3, 1, &got), ST_NOT_FOUND);
	temp_store_close(&t);
	assert_int_equal(temp_store_try(&t, MAP, false, &error), ST_OK);
	assert_int_equal(rows(&t), 0);
	put(&t, 7, 1, 11, 1);
	assert_int_equal(rows(&t), 1);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_reader_slots(r, stats), ST_OK);
	assert_true(stats[3].undigested);
	assert_false(stats[4].undigested);
	store_reader_close(r);
	temp_store_reopen(&t, MAP);
	assert_int_equal(rows(&t), 1);
	/* Of this format it is damage. */
	make_old(&t, true);
	assert_int_equal(temp_store_try(&t, MAP, false, &error), ST_CORRUPT);
	assert_true(error.len > 0);
	buf_deinit(&error);
	free(stats);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_put_replaced_and_removed),
	    cmocka_unit_test(a_slots_rows_go_together_and_others_stay),
	    cmocka_unit_test(a_store_of_the_oldest_format_is_read_as_it_is_and_upgraded_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
