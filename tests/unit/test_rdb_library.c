/* Payloads of libraries: what is put comes back, in Redis's bytes; what is cut or changed does not.
 */
#include "net/proto/rdb_library.h"

#include "net/proto/rdb_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_is_put_comes_back(void **state)
{
	static const char *const codes[] = {"#!lua name=a\nx", "", "-7", "123456", "40000"};
	struct buf payload = {0}, scratch = {0};
	struct rdb_reader r;
	struct slice code;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(rdb_library_put(&payload, slice_str(codes[i])), ST_OK);
	}
	assert_int_equal(rdb_library_seal(&payload), ST_OK);
	assert_int_equal(rdb_library_open(buf_slice(&payload), &r), ST_OK);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_OK);
		assert_true(slice_eq(code, slice_str(codes[i])));
	}
	assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_END);
	/* Each byte counts. */
	for (size_t i = 0; i < payload.len; i++) {
		assert_int_equal(rdb_library_open(slice_of(payload.data, i), &r), ST_CORRUPT);
		payload.data[i] ^= 0x10;
		assert_int_equal(rdb_library_open(buf_slice(&payload), &r), ST_CORRUPT);
		payload.data[i] ^= 0x10;
	}
	buf_deinit(&payload);
	buf_deinit(&scratch);
}

static void redis_servers_bytes_are_read(void **state)
{
	/* FUNCTION DUMP of redis-server 7.0.15. */
	static const uint8_t dumped[] =
	    "\xf5\x40\x44#!lua name=lib\nredis.register_function('f', function() return 1 end)"
	    "\n\x00\xaf\xec\x4a\xc1\x0d\xc9\x0c\xa3";
	struct buf scratch = {0}, made = {0};
	struct rdb_reader r;
	struct slice code;

	(void)state;
	assert_int_equal(rdb_library_open(slice_of(dumped, sizeof dumped - 1), &r), ST_OK);
	assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_OK);
	assert_int_equal(code.len, 0x44);
	assert_int_equal(rdb_library_put(&made, code), ST_OK);
	assert_int_equal(rdb_library_seal(&made), ST_OK);
	assert_true(slice_eq(buf_slice(&made), slice_of(dumped, sizeof dumped - 1)));
	assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_END);
	buf_deinit(&made);
	buf_deinit(&scratch);
}

static void other_things_are_told_apart(void **state)
{
	struct buf payload = {0}, scratch = {0};
	struct rdb_reader r;
	struct slice code;

	(void)state;
	assert_int_equal(buf_append(&payload, "\xf6\x01x", 3), ST_OK);
	assert_int_equal(rdb_library_seal(&payload), ST_OK);
	assert_int_equal(rdb_library_open(buf_slice(&payload), &r), ST_OK);
	assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_WRONG_TYPE);
	payload.len = 0;
	assert_int_equal(buf_append(&payload, "\xf5\x05x", 3), ST_OK);
	assert_int_equal(rdb_library_seal(&payload), ST_OK);
	assert_int_equal(rdb_library_open(buf_slice(&payload), &r), ST_OK);
	assert_int_equal(rdb_library_next(&r, &scratch, &code), ST_CORRUPT);
	buf_deinit(&payload);
	buf_deinit(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_put_comes_back),
	    cmocka_unit_test(redis_servers_bytes_are_read),
	    cmocka_unit_test(other_things_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
