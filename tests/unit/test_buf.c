/* Growable bytes, and the slices that borrow them. */
#include "engine/base/buf.h"

#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void appended_bytes_are_there_in_order(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf_printf(&b, "%d,", i % 10), ST_OK);
	}
	assert_int_equal(b.len, 2000);
	assert_memory_equal(b.data, "0,1,2,3,4,5,6,7,8,9,0,", 22);
	assert_int_equal(buf_append(&b, NULL, 0), ST_OK);
	assert_int_equal(b.len, 2000);
	buf_deinit(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append(&b, "again", 5), ST_OK);
	assert_true(slice_eq(buf_slice(&b), slice_str("again")));
	buf_deinit(&b);
}

static void text_longer_than_the_room_is_printed_whole(void **state)
{
	struct buf b = {0};
	char word[5000];

	(void)state;
	memset(word, 'w', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	assert_int_equal(buf_printf(&b, "<%s>", word), ST_OK);
	assert_int_equal(b.len, sizeof word + 1);
	assert_int_equal(b.data[b.len - 1], '>');
	buf_deinit(&b);
}

static void a_failed_growth_changes_nothing(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_append(&b, "abc", 3), ST_OK);
	mem_fail_nth(0);
	assert_int_equal(buf_reserve(&b, 1 << 20), ST_NO_MEMORY);
	assert_true(slice_eq(buf_slice(&b), slice_str("abc")));
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), ST_NO_MEMORY);
	assert_true(slice_eq(buf_slice(&b), slice_str("abc")));
	mem_fail_nth(-1);
	buf_deinit(&b);
}

static void consuming_moves_the_rest_down(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_append(&b, "hello world", 11), ST_OK);
	buf_consume(&b, 6);
	assert_true(slice_eq(buf_slice(&b), slice_str("world")));
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	buf_deinit(&b);
}

static void shrinking_keeps_filled_buffers_and_small_ones(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_reserve(&b, 100000), ST_OK);
	assert_int_equal(buf_append(&b, "x", 1), ST_OK);
	buf_shrink(&b, 1024);
	assert_true(b.cap >= 100000);
	buf_consume(&b, 1);
	buf_shrink(&b, 200000);
	assert_true(b.cap >= 100000);
	buf_shrink(&b, 1024);
	assert_true(b.cap <= 1024);
	buf_deinit(&b);
}

static void slices_compare_as_unsigned_bytes_prefix_first(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
	    {"", "", 0},	{"", "a", -1},	      {"a", "", 1},
	    {"abc", "abd", -1}, {"abc", "ab", 1},     {"ab", "abc", -1},
	    {"a", "a", 0},	{"\x7f", "\x80", -1}, {"\xff", "\x01", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice a = slice_str(cases[i].a), b = slice_str(cases[i].b);
		int c = slice_cmp(a, b);

		assert_int_equal((c > 0) - (c < 0), cases[i].order);
		assert_int_equal(slice_eq(a, b), cases[i].order == 0);
	}
	assert_true(slice_has_prefix(slice_str("abc"), slice_str("ab")));
	assert_true(slice_has_prefix(slice_str("abc"), slice_of(NULL, 0)));
	assert_false(slice_has_prefix(slice_str("ab"), slice_str("abc")));
	assert_true(slice_eq(slice_skip(slice_str("abc"), 1), slice_str("bc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appended_bytes_are_there_in_order),
	    cmocka_unit_test(text_longer_than_the_room_is_printed_whole),
	    cmocka_unit_test(a_failed_growth_changes_nothing),
	    cmocka_unit_test(consuming_moves_the_rest_down),
	    cmocka_unit_test(shrinking_keeps_filled_buffers_and_small_ones),
	    cmocka_unit_test(slices_compare_as_unsigned_bytes_prefix_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
