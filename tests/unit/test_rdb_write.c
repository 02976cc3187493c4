/* What is written is what the reader reads, in as few bytes as Redis takes. */
#include "net/proto/rdb_write.h"

#include "net/proto/rdb_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void lengths_come_back(void **state)
{
	static const struct {
		uint64_t v;
		size_t bytes;
	} cases[] = {{0, 1},
		     {63, 1},
		     {64, 2},
		     {16383, 2},
		     {16384, 5},
		     {UINT32_MAX, 5},
		     {UINT64_C(1) << 32, 9},
		     {UINT64_MAX, 9}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t bytes[RDB_LEN_MAX];
		struct rdb_reader r;
		uint64_t got;

		assert_int_equal(rdb_put_len(bytes, cases[i].v), cases[i].bytes);
		for (size_t cut = 0; cut < cases[i].bytes; cut++) {
			r = (struct rdb_reader){slice_of(bytes, cut), 1};
			assert_int_equal(rdb_read_len(&r, &got), ST_CORRUPT);
		}
		r = (struct rdb_reader){slice_of(bytes, cases[i].bytes), 1};
		assert_int_equal(rdb_read_len(&r, &got), ST_OK);
		assert_true(got == cases[i].v && r.left.len == 0);
	}
}

static void strings_come_back(void **state)
{
	static const struct {
		const char *text;
		size_t head; /* bytes */
		bool whole;
	} cases[] = {{"", 1, false},	       {"a", 1, false},
		     {"0", 2, true},	       {"-1", 2, true},
		     {"127", 2, true},	       {"-128", 2, true},
		     {"128", 3, true},	       {"-32768", 3, true},
		     {"32767", 3, true},       {"32768", 5, true},
		     {"2147483647", 5, true},  {"-2147483648", 5, true},
		     {"2147483648", 1, false}, {"-2147483649", 1, false},
		     {"007", 1, false},	       {"-0", 1, false},
		     {"-", 1, false},	       {"+1", 1, false},
		     {"1 ", 1, false},	       {"99999999999", 1, false},
		     {"12a", 1, false},	       {"100000000000", 1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t bytes[64];
		struct slice text = slice_str(cases[i].text), got;
		struct rdb_reader r;
		struct buf scratch = {0};
		bool whole;
		size_t len = rdb_put_string(bytes, text, &whole);

		if (len != cases[i].head || whole != cases[i].whole) {
			fail_msg("'%s': %zu bytes, whole %d", cases[i].text, len, whole);
		}
		if (!whole) {
			memcpy(bytes + len, text.data, text.len);
			len += text.len;
		}
		r = (struct rdb_reader){slice_of(bytes, len), 64};
		assert_int_equal(rdb_read_string(&r, &scratch, &got), ST_OK);
		assert_true(slice_eq(got, text) && r.left.len == 0);
		buf_deinit(&scratch);
	}
}

static void the_footer_is_that_of_redis_7_0(void **state)
{
	uint8_t bytes[RDB_FOOTER];

	(void)state;
	rdb_put_version(bytes, RDB_VERSION_WRITTEN);
	rdb_put_checksum(bytes + 2, UINT64_C(0x5b7950cb5eb0e55f));
	assert_memory_equal(bytes, "\x0a\x00\x5f\xe5\xb0\x5e\xcb\x50\x79\x5b", RDB_FOOTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lengths_come_back),
	    cmocka_unit_test(strings_come_back),
	    cmocka_unit_test(the_footer_is_that_of_redis_7_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
