/* Unpacking LZF: both kinds of runs, and streams that lie about themselves. */
#include "net/proto/lzf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void runs_are_unpacked(void **state)
{
	static const struct {
		const char *packed;
		size_t packed_len;
		const char *want;
	} cases[] = {
	    {"", 0, ""},
	    {"\x02"
	     "abc",
	     4, "abc"},
	    /* a literal, then 2 + 2 bytes from distance 1 */
	    {"\x00"
	     "a\x40\x00",
	     4, "aaaaa"},
	    /* distance 3, 1 + 2 bytes */
	    {"\x02"
	     "abc\x20\x02",
	     6, "abcabc"},
	    /* a long copy: 7 + 3 + 2 bytes */
	    {"\x00"
	     "z\xe0\x03\x00",
	     5, "zzzzzzzzzzzzz"},
	};
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].want);

		assert_int_equal(
		    lzf_unpack(slice_of(cases[i].packed, cases[i].packed_len), out, len), ST_OK);
		assert_memory_equal(out, cases[i].want, len);
		/* Any other length is a lie. */
		assert_int_equal(
		    lzf_unpack(slice_of(cases[i].packed, cases[i].packed_len), out, len + 1),
		    ST_CORRUPT);
		if (len > 0) {
			assert_int_equal(lzf_unpack(slice_of(cases[i].packed, cases[i].packed_len),
						    out, len - 1),
					 ST_CORRUPT);
		}
	}
}

static void cut_and_wrong_streams_are_refused(void **state)
{
	static const struct {
		const char *what, *packed;
		size_t len;
	} cases[] = {
	    {"literals missing",
	     "\x02"
	     "ab",
	     3},
	    {"a copy before the beginning", "\x20\x00", 2},
	    {"a copy from too far back",
	     "\x00"
	     "a\x20\x01",
	     4},
	    {"a distance missing",
	     "\x00"
	     "a\x20",
	     3},
	    {"a long copy's length missing",
	     "\x00"
	     "a\xe0",
	     3},
	    {"a long copy's distance missing",
	     "\x00"
	     "a\xe0\x01",
	     4},
	};
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum status st = lzf_unpack(slice_of(cases[i].packed, cases[i].len), out, 10);

		if (st != ST_CORRUPT) {
			fail_msg("%s: %s", cases[i].what, status_text(st));
		}
	}
}

static void lengths_that_no_stream_gives_are_known(void **state)
{
	(void)state;
	assert_true(lzf_plausible(5, 264));
	assert_true(lzf_plausible(0, 0));
	assert_false(lzf_plausible(5, 1 << 20));
	assert_false(lzf_plausible(5, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(runs_are_unpacked),
	    cmocka_unit_test(cut_and_wrong_streams_are_refused),
	    cmocka_unit_test(lengths_that_no_stream_gives_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
