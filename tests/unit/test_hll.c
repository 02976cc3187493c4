/* HyperLogLog values: against plain registers, at the borders between the encodings, and with bytes
 * that make no sense. */
#include "engine/types/hll.h"

#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPARSE_MAX 3000

static void check_registers(const struct hll *h, const uint8_t *model)
{
	uint8_t registers[HLL_REGISTERS] = {0};

	assert_int_equal(hll_merge(h, registers), ST_OK);
	assert_memory_equal(registers, model, HLL_REGISTERS);
}

static void a_new_one_is_empty(void **state)
{
	static const uint8_t bytes[] = {'H', 'Y', 'L', 'L', 1, 0, 0, 0,	   0,
					0,   0,	  0,   0,   0, 0, 0, 0x7f, 0xff};
	struct hll h;
	uint64_t count;

	(void)state;
	hll_init(&h);
	assert_int_equal(h.len, sizeof bytes);
	assert_memory_equal(h.bytes, bytes, sizeof bytes);
	assert_true(hll_cached(&h, &count));
	assert_int_equal(count, 0);
	assert_int_equal(hll_count(&h, &count), ST_OK);
	assert_int_equal(count, 0);
}

/* Registers raised at random places, often next to each other, in both encodings. */
static void registers_are_those_of_a_model(void **state)
{
	static uint8_t model[HLL_REGISTERS];
	static struct hll sparse, dense;
	struct rng rng;
	bool a, b;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		rng_seed(&rng, seed);
		memset(model, 0, sizeof model);
		hll_init(&sparse);
		hll_init(&dense);
		assert_int_equal(hll_to_dense(&dense), ST_OK);
		for (int i = 0; i < 600; i++) {
			uint32_t width = seed % 2 == 0 ? 40 : HLL_REGISTERS;
			uint32_t index = (uint32_t)rng_below(&rng, width);
			uint8_t value = (uint8_t)(1 + rng_below(&rng, seed % 5 == 0 ? 50 : 6));
			bool raised = value > model[index];

			assert_int_equal(hll_raise(&sparse, index, value, SPARSE_MAX, &a), ST_OK);
			assert_int_equal(hll_raise(&dense, index, value, SPARSE_MAX, &b), ST_OK);
			assert_true(a == raised && b == raised);
			model[index] = raised ? value : model[index];
			if (i % 50 == 0) {
				check_registers(&sparse, model);
				check_registers(&dense, model);
			}
		}
		check_registers(&sparse, model);
		check_registers(&dense, model);
	}
}

static void equal_neighbours_share_a_run(void **state)
{
	struct hll h;
	bool raised;

	(void)state;
	hll_init(&h);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(hll_raise(&h, i, 7, SPARSE_MAX, &raised), ST_OK);
	}
	assert_int_equal(h.len, HLL_HEADER + 1 + 2); /* four registers, then a long run of zeros */
	assert_int_equal(h.bytes[HLL_HEADER], 0x80 | 6 << 2 | 3);
	assert_int_equal(hll_raise(&h, 1, 9, SPARSE_MAX, &raised), ST_OK);
	assert_int_equal(h.len, HLL_HEADER + 3 + 2);
	assert_int_equal(hll_raise(&h, 1, 9, SPARSE_MAX, &raised), ST_OK);
	assert_false(raised);
}

static void long_or_high_values_turn_dense(void **state)
{
	struct hll h;
	bool raised;

	(void)state;
	hll_init(&h);
	assert_int_equal(hll_raise(&h, 5, 32, SPARSE_MAX, &raised), ST_OK);
	assert_false(hll_is_dense(&h));
	assert_int_equal(hll_raise(&h, 9, 33, SPARSE_MAX, &raised), ST_OK);
	assert_true(hll_is_dense(&h) && raised);
	assert_int_equal(h.len, HLL_DENSE_LEN);
	hll_init(&h);
	for (uint32_t i = 0; !hll_is_dense(&h); i += 100) {
		assert_int_equal(hll_raise(&h, i, 1, 64, &raised), ST_OK);
		assert_true(raised);
		assert_true(h.len <= 64 || h.len == HLL_DENSE_LEN);
	}
}

/* Within six standard errors, and the same from both encodings. */
static void estimates_are_near(void **state)
{
	static struct hll h, dense;
	struct rng rng;
	uint64_t next = 1;
	bool raised;

	(void)state;
	rng_seed(&rng, 7);
	hll_init(&h);
	for (uint64_t n = 1; n <= 200000; n++) {
		uint64_t element = rng_below(&rng, UINT64_MAX), count, again;

		assert_int_equal(
		    hll_add(&h, slice_of(&element, sizeof element), SPARSE_MAX, &raised), ST_OK);
		if (n < next) {
			continue;
		}
		next *= 3;
		dense = h;
		assert_int_equal(hll_to_dense(&dense), ST_OK);
		assert_int_equal(hll_count(&h, &count), ST_OK);
		assert_int_equal(hll_count(&dense, &again), ST_OK);
		assert_int_equal(count, again);
		assert_true(labs((long)count - (long)n) <= (long)(n / 20 + 1));
	}
	assert_true(hll_is_dense(&h));
}

static void runs_that_do_not_cover_all_are_refused(void **state)
{
	static uint8_t registers[HLL_REGISTERS];
	struct hll h;
	uint64_t count;
	bool raised;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		hll_init(&h);
		if (kind == 0) {
			h.len = HLL_HEADER; /* nothing at all */
		} else if (kind == 1) {
			h.len--; /* half a run */
		} else if (kind == 2) {
			h.bytes[h.len++] = 0x00; /* one register too many */
		} else {
			h.bytes[HLL_HEADER + 1]--; /* one too few */
		}
		assert_int_equal(hll_count(&h, &count), ST_CORRUPT);
		assert_int_equal(hll_merge(&h, registers), ST_CORRUPT);
		assert_int_equal(hll_raise(&h, HLL_REGISTERS - 1, 40, SPARSE_MAX, &raised),
				 ST_CORRUPT);
		assert_false(raised);
	}
	assert_int_equal(hll_raise(&h, HLL_REGISTERS - 1, 4, SPARSE_MAX, &raised), ST_CORRUPT);
}

static void other_strings_are_no_values(void **state)
{
	struct hll h;

	(void)state;
	hll_init(&h);
	assert_true(hll_is_value(slice_of(h.bytes, h.len), h.len));
	assert_false(hll_is_value(slice_of(h.bytes, HLL_HEADER - 1), HLL_HEADER - 1));
	h.bytes[4] = 0;
	assert_false(hll_is_value(slice_of(h.bytes, h.len), h.len));
	assert_true(hll_is_value(slice_of(h.bytes, h.len), HLL_DENSE_LEN));
	h.bytes[4] = 2;
	assert_false(hll_is_value(slice_of(h.bytes, h.len), HLL_DENSE_LEN));
	h.bytes[4] = 1;
	h.bytes[0] = 'h';
	assert_false(hll_is_value(slice_of(h.bytes, h.len), h.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_new_one_is_empty),
	    cmocka_unit_test(registers_are_those_of_a_model),
	    cmocka_unit_test(equal_neighbours_share_a_run),
	    cmocka_unit_test(long_or_high_values_turn_dense),
	    cmocka_unit_test(estimates_are_near),
	    cmocka_unit_test(runs_that_do_not_cover_all_are_refused),
	    cmocka_unit_test(other_strings_are_no_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
