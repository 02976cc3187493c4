/* Integers at byte offsets. */
#include "engine/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void fixed_width_integers_have_the_stated_byte_order(void **state)
{
	uint8_t at[9] = {0};

	(void)state;
	bytes_put_u16le(at + 1, 0x0102);
	assert_memory_equal(at + 1, "\x02\x01", 2);
	bytes_put_u32le(at + 1, 0x01020304);
	assert_memory_equal(at + 1, "\x04\x03\x02\x01", 4);
	assert_int_equal(bytes_get_u32le(at + 1), 0x01020304);
	bytes_put_u64le(at + 1, 0x0102030405060708);
	assert_memory_equal(at + 1, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	assert_int_equal(bytes_get_u64le(at + 1), 0x0102030405060708);
	bytes_put_u64be(at + 1, 0x0102030405060708);
	assert_memory_equal(at + 1, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_int_equal(bytes_get_u64be(at + 1), 0x0102030405060708);
	bytes_put_u16be(at + 1, 0xfffe);
	assert_int_equal(bytes_get_u16be(at + 1), 0xfffe);
	assert_int_equal(bytes_get_u16le(at + 1), 0xfeff);
}

static void varints_come_back_from_every_width(void **state)
{
	static const uint64_t cases[] = {
	    0, 1, 127, 128, 16383, 16384, UINT32_MAX, 1ull << 62, 1ull << 63, UINT64_MAX,
	};
	uint8_t at[BYTES_VARINT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = bytes_put_varint(at, cases[i]);
		uint64_t back = ~cases[i];

		assert_int_equal(bytes_get_varint(at, len, &back), len);
		assert_true(back == cases[i]);
		/* Every shorter input is refused, never read beyond. */
		for (size_t cut = 0; cut < len; cut++) {
			assert_int_equal(bytes_get_varint(at, cut, &back), 0);
		}
	}
}

static void varints_over_64_bits_are_refused(void **state)
{
	static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
	static const uint8_t endless[16] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
					    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
	uint64_t v = 7;

	(void)state;
	assert_int_equal(bytes_get_varint(over, sizeof over, &v), 0);
	assert_int_equal(bytes_get_varint(endless, sizeof endless, &v), 0);
	assert_int_equal(v, 7);
}

static void a_varint_has_one_form(void **state)
{
	static const uint8_t longer[][3] = {{0x80, 0x00}, {0x81, 0x00}, {0xff, 0x80, 0x00}};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
		assert_int_equal(bytes_get_varint(longer[i], sizeof longer[i], &v), 0);
	}
	assert_int_equal(v, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fixed_width_integers_have_the_stated_byte_order),
	    cmocka_unit_test(varints_come_back_from_every_width),
	    cmocka_unit_test(varints_over_64_bits_are_refused),
	    cmocka_unit_test(a_varint_has_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
