/* Listpacks that are written are read back entry by entry. */
#include "net/proto/listpack.h"

#include "engine/base/alloc.h"
#include "net/proto/rdb_packed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t numbers[] = {0,	     1,	       127,	  128,	     -1,
				  4095,	     4096,     -4096,	  -4097,     32767,
				  -32768,    32768,    INT32_MAX, INT32_MIN, (int64_t)INT32_MAX + 1,
				  INT64_MAX, INT64_MIN};
static const size_t lengths[] = {0, 1, 63, 64, 4095, 4096, 20000, 300000};

enum { NUMBERS = sizeof numbers / sizeof numbers[0], LENGTHS = sizeof lengths / sizeof lengths[0] };

static enum status fill(struct listpack *lp, const uint8_t *text)
{
	enum status st = listpack_begin(lp);

	for (size_t i = 0; st == ST_OK && i < NUMBERS; i++) {
		st = listpack_int(lp, numbers[i]);
	}
	for (size_t i = 0; st == ST_OK && i < LENGTHS; i++) {
		st = listpack_string(lp, slice_of(text, lengths[i]));
	}
	return st == ST_OK ? listpack_end(lp) : st;
}

static void what_is_written_is_read(void **state)
{
	uint8_t *text = malloc(300000);
	struct listpack lp = {0};
	struct packed_cursor c;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 300000);
	for (int round = 0; round < 2; round++) { /* the buffer is used again */
		assert_int_equal(fill(&lp, text), ST_OK);
	}
	assert_int_equal(packed_open(&c, PACKED_LISTPACK, buf_slice(&lp.bytes)), ST_OK);
	for (size_t i = 0; i < NUMBERS + LENGTHS; i++) {
		uint8_t digits[PACKED_DIGITS];
		struct slice got;

		assert_int_equal(packed_next(&c, digits, &got), ST_OK);
		if (i < NUMBERS) {
			char wanted[32];

			(void)snprintf(wanted, sizeof wanted, "%" PRId64, numbers[i]);
			assert_true(slice_eq(got, slice_str(wanted)));
		} else {
			assert_true(slice_eq(got, slice_of(text, lengths[i - NUMBERS])));
		}
	}
	{
		uint8_t digits[PACKED_DIGITS];
		struct slice got;

		assert_int_equal(packed_next(&c, digits, &got), ST_END);
	}
	buf_deinit(&lp.bytes);
	free(text);
}

static void more_entries_than_the_header_counts(void **state)
{
	struct listpack lp = {0};
	struct packed_cursor c;
	size_t n = 0;
	bool is_int;
	int64_t v;

	(void)state;
	assert_int_equal(listpack_begin(&lp), ST_OK);
	for (int64_t i = 0; i < 70000; i++) {
		assert_int_equal(listpack_int(&lp, i), ST_OK);
	}
	assert_int_equal(listpack_end(&lp), ST_OK);
	assert_int_equal(packed_open(&c, PACKED_LISTPACK, buf_slice(&lp.bytes)), ST_OK);
	while (packed_next_int(&c, &is_int, &v) == ST_OK) {
		assert_true(is_int);
		assert_int_equal(v, n++);
	}
	assert_int_equal(n, 70000);
	buf_deinit(&lp.bytes);
}

static void without_memory_it_says_so(void **state)
{
	uint8_t *text = calloc(1, 300000);

	(void)state;
	assert_non_null(text);
	for (int n = 0;; n++) {
		struct listpack lp = {0};
		enum status st;

		mem_fail_nth(n);
		st = fill(&lp, text);
		mem_fail_nth(-1);
		buf_deinit(&lp.bytes);
		if (st == ST_OK) {
			assert_true(n > 3);
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(more_entries_than_the_header_counts),
	    cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
