/* Lists of byte strings: order, empty strings, growth, failing memory. */
#include "engine/base/alloc.h"
#include "engine/base/byte_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct slice word(unsigned i, char *dst, size_t cap)
{
	int len = snprintf(dst, cap, "%.*s%u", (int)(i % 9), "xxxxxxxxx", i);

	/* Every seventh is empty. */
	return slice_of(dst, i % 7 == 0 ? 0 : (size_t)len);
}

static void strings_come_back_in_their_order(void **state)
{
	struct byte_list l = {0};
	struct slice *all;
	char text[32];

	(void)state;
	assert_int_equal(byte_list_count(&l), 0);
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(byte_list_add(&l, word(i, text, sizeof text)), ST_OK);
	}
	assert_int_equal(byte_list_count(&l), 5000);
	all = byte_list_slices(&l);
	assert_non_null(all);
	for (unsigned i = 0; i < 5000; i++) {
		struct slice want = word(i, text, sizeof text);

		assert_true(slice_eq(byte_list_at(&l, i), want));
		assert_true(slice_eq(all[i], want));
	}
	mem_free(all);
	byte_list_deinit(&l);
	assert_int_equal(byte_list_count(&l), 0);
	assert_int_equal(byte_list_add(&l, slice_str("again")), ST_OK);
	assert_true(slice_eq(byte_list_at(&l, 0), slice_str("again")));
	byte_list_deinit(&l);
}

static void an_add_without_memory_changes_nothing(void **state)
{
	struct byte_list l = {0};
	enum status st = ST_NO_MEMORY;
	char text[32];

	(void)state;
	for (int64_t nth = 0; st == ST_NO_MEMORY; nth++) {
		byte_list_deinit(&l);
		mem_fail_nth(nth);
		st = byte_list_add(&l, word(1, text, sizeof text));
		mem_fail_nth(-1);
		assert_int_equal(byte_list_count(&l), st == ST_OK);
		assert_int_equal(byte_list_add(&l, slice_str("next")), ST_OK);
		assert_true(slice_eq(byte_list_at(&l, byte_list_count(&l) - 1), slice_str("next")));
	}
	assert_int_equal(st, ST_OK);
	byte_list_deinit(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_come_back_in_their_order),
	    cmocka_unit_test(an_add_without_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
