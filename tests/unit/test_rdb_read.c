/* Strings and scores from bytes that nobody vouches for. */
#include "net/proto/rdb_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_is_no_string_is_refused(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len;
		enum status want;
	} cases[] = {
	    {"nothing", "", 0, ST_CORRUPT},
	    {"cut",
	     "\x03"
	     "ab",
	     3, ST_CORRUPT},
	    {"a length of 2^63", "\x81\x80\0\0\0\0\0\0\0a", 10, ST_CORRUPT},
	    {"a length of another kind", "\x82\0\0\0\0\0", 6, ST_CORRUPT},
	    {"a number cut short", "\xc2\x01\x02\x03", 4, ST_CORRUPT},
	    {"a form that there is not", "\xc4\x01\x02\x03", 4, ST_CORRUPT},
	    {"longer than allowed",
	     "\x0b"
	     "aaaaaaaaaaa",
	     12, ST_LIMIT},
	    {"LZF, cut",
	     "\xc3\x05\x05\x04"
	     "abc",
	     7, ST_CORRUPT},
	    {"LZF, more than can be", "\xc3\x01\x81\0\0\0\0\xff\0\0\0\0", 12, ST_CORRUPT},
	    {"LZF, longer than allowed",
	     "\xc3\x05\x0b\x00"
	     "a\xe0\x01\x00",
	     8, ST_LIMIT},
	    {"LZF, a length in another form",
	     "\xc3\xc0\x05\x04"
	     "abcd",
	     8, ST_CORRUPT},
	    {"LZF, of another length",
	     "\xc3\x02\x03\x00"
	     "a",
	     5, ST_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rdb_reader r = {slice_of(cases[i].bytes, cases[i].len), 10};
		struct buf scratch = {0};
		struct slice got;
		enum status st = rdb_read_string(&r, &scratch, &got);

		if (st != cases[i].want) {
			fail_msg("%s: %s", cases[i].what, status_text(st));
		}
		buf_deinit(&scratch);
	}
}

static void nothing_packed_is_nothing(void **state)
{
	struct rdb_reader r = {slice_of("\xc3\x00\x00", 3), 10};
	struct buf scratch = {0};
	struct slice got;

	(void)state;
	assert_int_equal(rdb_read_string(&r, &scratch, &got), ST_OK);
	assert_int_equal(got.len, 0);
	buf_deinit(&scratch);
}

static void scores_are_numbers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		double want;
	} cases[] = {{"1.5", true, 1.5},      {"-2", true, -2}, {"1e300", true, 1e300},
		     {"inf", true, INFINITY}, {"", false, 0},	{"nan", false, 0},
		     {"1.5x", false, 0},      {"x", false, 0}};
	double got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum status st = rdb_score_of(slice_str(cases[i].text), &got);

		assert_int_equal(st, cases[i].good ? ST_OK : ST_CORRUPT);
		if (cases[i].good) {
			assert_true(got == cases[i].want);
		}
	}
}

static void scores_in_both_forms(void **state)
{
	struct rdb_reader text = {slice_of("\x03"
					   "2.5\xff\xfe\xfd",
					   7),
				  10};
	struct rdb_reader binary = {slice_of("\0\0\0\0\0\0\x04\x40\0\0\0\0\0\0\xf8\x7f", 16), 10};
	double got;

	(void)state;
	assert_int_equal(rdb_read_score_text(&text, &got), ST_OK);
	assert_true(got == 2.5);
	assert_int_equal(rdb_read_score_text(&text, &got), ST_OK);
	assert_true(isinf(got) && got < 0);
	assert_int_equal(rdb_read_score_text(&text, &got), ST_OK);
	assert_true(isinf(got) && got > 0);
	assert_int_equal(rdb_read_score_text(&text, &got), ST_CORRUPT); /* nan */
	assert_int_equal(rdb_read_score(&binary, &got), ST_OK);
	assert_true(got == 2.5);
	assert_int_equal(rdb_read_score(&binary, &got), ST_CORRUPT); /* nan */
	assert_int_equal(rdb_read_score(&binary, &got), ST_CORRUPT); /* nothing left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_no_string_is_refused),
	    cmocka_unit_test(nothing_packed_is_nothing),
	    cmocka_unit_test(scores_are_numbers),
	    cmocka_unit_test(scores_in_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
