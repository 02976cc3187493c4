/* Sums by name: what is added is there, in each order. */
#include "engine/base/alloc.h"
#include "tools/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void sums_and_orders(void **state)
{
	struct tally t = {0};
	struct tally_row **rows;

	(void)state;
	assert_int_equal(tally_sorted(&t, TALLY_BY_BYTES, &rows), ST_OK);
	assert_null(rows);
	assert_int_equal(tally_add(&t, slice_str("b"), 5, 1), ST_OK);
	assert_int_equal(tally_add(&t, slice_str("a"), 3, 0), ST_OK);
	assert_int_equal(tally_add(&t, slice_str("b"), 7, 1), ST_OK);
	assert_int_equal(tally_add(&t, slice_str("c"), 12, 0), ST_OK);
	assert_int_equal(tally_add(&t, slice_of(NULL, 0), 0, 0), ST_OK);
	for (int order = TALLY_BY_BYTES; order <= TALLY_BY_NAME; order++) {
		static const char *const wanted[] = {"bca", "bac", "abc"};
		char got[8] = {0};
		size_t n = 0;

		assert_int_equal(tally_sorted(&t, (enum tally_order)order, &rows), ST_OK);
		for (size_t i = 0; i < t.used; i++) {
			if (rows[i]->name_len > 0) {
				got[n++] = (char)rows[i]->name[0];
			}
			if (rows[i]->name_len > 0 && rows[i]->name[0] == 'b') {
				assert_int_equal(rows[i]->count, 2);
				assert_int_equal(rows[i]->bytes, 12);
				assert_int_equal(rows[i]->max_bytes, 7);
				assert_int_equal(rows[i]->extra, 2);
			}
		}
		assert_string_equal(got, wanted[order]);
		mem_free(rows);
	}
	tally_deinit(&t);
}

static void many_names_each_counted_once(void **state)
{
	struct tally t = {0};
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++) {
			(void)snprintf(name, sizeof name, "n%d", i);
			assert_int_equal(tally_add(&t, slice_str(name), 1, 0), ST_OK);
		}
	}
	assert_int_equal(t.used, 5000);
	for (size_t i = 0; i < t.buckets_count; i++) {
		assert_true(t.buckets[i] == NULL || t.buckets[i]->count == 3);
	}
	tally_deinit(&t);
}

static void no_memory_leaves_the_sums_as_they_were(void **state)
{
	struct tally t = {0};
	char name[16];
	int added = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		for (uint64_t nth = 0;; nth++) {
			enum status st;

			mem_fail_nth((int64_t)nth);
			st = tally_add(&t, slice_str(name), 1, 0);
			mem_fail_nth(-1);
			if (st == ST_OK) {
				break;
			}
			assert_int_equal(st, ST_NO_MEMORY);
			assert_int_equal(t.used, added);
		}
		added++;
	}
	assert_int_equal(t.used, 200);
	tally_deinit(&t);
}

static void a_prefix_ends_with_its_colon(void **state)
{
	(void)state;
	assert_true(slice_eq(tally_prefix(slice_str("user:1:x")), slice_str("user:")));
	assert_true(slice_eq(tally_prefix(slice_str(":x")), slice_str(":")));
	assert_true(slice_eq(tally_prefix(slice_str("")), slice_str("")));
	assert_true(slice_eq(tally_prefix(slice_str("plain")), slice_str("plain")));
	assert_int_equal(tally_prefix(slice_str("no colon and far too long to be a group")).len,
			 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sums_and_orders),
	    cmocka_unit_test(many_names_each_counted_once),
	    cmocka_unit_test(no_memory_leaves_the_sums_as_they_were),
	    cmocka_unit_test(a_prefix_ends_with_its_colon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
