/* The checksum against its published value, and in pieces of every size. */
#include "net/proto/crc64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_check_value_is_right(void **state)
{
	(void)state;
	assert_true(crc64(0, slice_str("123456789")) == UINT64_C(0xe9c6d914c4b8d9ca));
	assert_true(crc64(0, slice_of(NULL, 0)) == 0);
}

static void pieces_give_the_same_sum_as_the_whole(void **state)
{
	uint8_t bytes[100];
	uint64_t whole;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(i * 37 + 11);
	}
	whole = crc64(0, slice_of(bytes, sizeof bytes));
	for (size_t cut = 0; cut <= sizeof bytes; cut++) {
		uint64_t first = crc64(0, slice_of(bytes, cut));

		assert_true(crc64(first, slice_of(bytes + cut, sizeof bytes - cut)) == whole);
	}
}

static void every_flipped_bit_changes_it(void **state)
{
	uint8_t bytes[24] = "some twenty-four bytes.";
	uint64_t sum = crc64(0, slice_of(bytes, sizeof bytes));

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(crc64(0, slice_of(bytes, sizeof bytes)) != sum);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_check_value_is_right),
	    cmocka_unit_test(pieces_give_the_same_sum_as_the_whole),
	    cmocka_unit_test(every_flipped_bit_changes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
