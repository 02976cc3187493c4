/* Bits against one-bit-at-a-time models, and field arithmetic against exact wide integers. */
#include "engine/base/rng.h"
#include "engine/types/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BYTES = 40, ROUNDS = 20000 };

static bool bit_at(const uint8_t *bytes, uint64_t i)
{
	return (bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* Mostly runs of zeros or ones, so that scans pass over whole words. */
static void fill(struct rng *r, uint8_t *dst, size_t len)
{
	uint8_t base = rng_below(r, 2) == 0 ? 0 : 0xff;

	memset(dst, base, len);
	for (uint64_t n = rng_below(r, 4); n > 0 && len > 0; n--) {
		dst[rng_below(r, len)] = (uint8_t)rng_next(r);
	}
}

static void counting_and_finding_agree_with_one_bit_at_a_time(void **state)
{
	struct rng r;
	uint8_t bytes[BYTES];

	(void)state;
	rng_seed(&r, 1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = (size_t)rng_below(&r, BYTES + 1);
		uint64_t from = rng_below(&r, len * 8 + 3);
		bool bit = rng_below(&r, 2) == 1;
		uint64_t ones = 0, pos = len * 8;

		fill(&r, bytes, len);
		for (uint64_t i = 0; i < len * 8; i++) {
			ones += bit_at(bytes, i);
			if (pos == len * 8 && i >= from && bit_at(bytes, i) == bit) {
				pos = i;
			}
		}
		assert_int_equal(bits_count(slice_of(bytes, len)), ones);
		assert_int_equal(bits_find(slice_of(bytes, len), bit, from), pos);
	}
}

static void combining_works_on_every_byte(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 2);
	for (int round = 0; round < 2000; round++) {
		uint8_t a[BYTES], b[BYTES], out[BYTES];
		size_t len = (size_t)rng_below(&r, BYTES + 1);

		fill(&r, a, BYTES);
		fill(&r, b, BYTES);
		for (enum bits_op op = BITS_AND; op <= BITS_XOR; op++) {
			memcpy(out, a, BYTES);
			bits_combine(op, out, b, len);
			for (size_t i = 0; i < BYTES; i++) {
				uint8_t want[] = {a[i] & b[i], a[i] | b[i], a[i] ^ b[i]};

				assert_int_equal(out[i], i < len ? want[op] : a[i]);
			}
		}
		memcpy(out, a, BYTES);
		bits_invert(out, len);
		for (size_t i = 0; i < BYTES; i++) {
			assert_int_equal(out[i], i < len ? (uint8_t)~a[i] : a[i]);
		}
	}
}

static void a_field_is_the_bits_at_its_place_and_nothing_else(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t before[BITS_FIELD_SPAN], bytes[BITS_FIELD_SPAN];
		unsigned at = (unsigned)rng_below(&r, 8);
		unsigned width = 1 + (unsigned)rng_below(&r, 64);
		uint64_t v = rng_next(&r), want = 0;

		for (size_t i = 0; i < sizeof bytes; i++) {
			before[i] = (uint8_t)rng_next(&r);
		}
		for (unsigned i = 0; i < width; i++) {
			want = want << 1 | bit_at(before, at + i);
		}
		assert_true(bits_get(before, at, width) == want);
		memcpy(bytes, before, sizeof bytes);
		bits_set(bytes, at, width, v);
		assert_true(bits_get(bytes, at, width) == (v << (64 - width)) >> (64 - width));
		for (unsigned i = 0; i < sizeof bytes * 8; i++) {
			if (i < at || i >= at + width) {
				assert_int_equal(bit_at(bytes, i), bit_at(before, i));
			}
		}
	}
}

static __int128 clamp(__int128 v, __int128 min, __int128 max)
{
	return v < min ? min : v > max ? max : v;
}

static void adding_handles_overflow_as_asked(void **state)
{
	static const int64_t steps[] = {0, 1, -1, 127, 128, -128, 255, 256, INT64_MAX, INT64_MIN};
	struct rng r;

	(void)state;
	rng_seed(&r, 4);
	for (int round = 0; round < ROUNDS * 5; round++) {
		bool is_signed = rng_below(&r, 2) == 1;
		unsigned width = 1 + (unsigned)rng_below(&r, is_signed ? 64 : 63);
		__int128 one = 1;
		__int128 max = (one << (is_signed ? width - 1 : width)) - 1;
		__int128 min = is_signed ? -max - 1 : 0;
		uint64_t raw = rng_next(&r) >> (64 - width);
		uint64_t v = is_signed ? (uint64_t)bits_sign(raw, width) : raw;
		int64_t by = rng_below(&r, 2) == 0 ? steps[rng_below(&r, 10)]
						   : (int64_t)rng_next(&r) >> rng_below(&r, 64);
		__int128 exact = (is_signed ? (__int128)(int64_t)v : (__int128)v) + by;
		bool fits = exact >= min && exact <= max;
		uint64_t mask = UINT64_MAX >> (64 - width);
		uint64_t out = 0;

		assert_true(bits_add(v, by, is_signed, width, BITS_WRAP, &out));
		assert_true((out & mask) == ((uint64_t)exact & mask));
		assert_true(is_signed ? (int64_t)out >= min && (int64_t)out <= max : out <= mask);
		assert_true(bits_add(v, by, is_signed, width, BITS_SAT, &out));
		assert_true(out == (uint64_t)clamp(exact, min, max));
		assert_int_equal(bits_add(v, by, is_signed, width, BITS_FAIL, &out), fits);
	}
}

static void a_value_out_of_range_is_brought_into_it(void **state)
{
	static const struct {
		int64_t v;
		bool is_signed;
		unsigned width;
		int64_t wrap, sat;
	} cases[] = {
	    {256, false, 8, 0, 255},
	    {-1, false, 8, 255, 255},
	    {128, true, 8, -128, 127},
	    {-129, true, 8, 127, -128},
	    {1, true, 1, -1, 0},
	    {-2, true, 1, 0, -1},
	    {INT64_MIN, true, 63, 0, INT64_MAX / 2},
	    {INT64_MIN + 127, true, 8, 127, 127},
	    {INT64_MIN + 128, true, 8, -128, -128},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t out = 0;

		assert_true(bits_add((uint64_t)cases[i].v, 0, cases[i].is_signed, cases[i].width,
				     BITS_WRAP, &out));
		assert_true((int64_t)out == cases[i].wrap);
		assert_true(bits_add((uint64_t)cases[i].v, 0, cases[i].is_signed, cases[i].width,
				     BITS_SAT, &out));
		assert_true((int64_t)out == cases[i].sat);
		assert_false(bits_add((uint64_t)cases[i].v, 0, cases[i].is_signed, cases[i].width,
				      BITS_FAIL, &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counting_and_finding_agree_with_one_bit_at_a_time),
	    cmocka_unit_test(combining_works_on_every_byte),
	    cmocka_unit_test(a_field_is_the_bits_at_its_place_and_nothing_else),
	    cmocka_unit_test(adding_handles_overflow_as_asked),
	    cmocka_unit_test(a_value_out_of_range_is_brought_into_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
