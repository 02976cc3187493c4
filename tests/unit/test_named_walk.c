/* Random fields: none but the hash's own, no repeats in samples, each about equally often. */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_hash.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS_MAX = 4000 };

struct fixture {
	struct engine_box box;
	struct store_key key;
	struct meta m;
	uint32_t fields;
	uint32_t hits[FIELDS_MAX];
	uint32_t given;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 3);
	store_key_of_key(&f->key, slice_str("hash"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_box_close(&f->box);
	free(f);
	return 0;
}

/* Makes the hash exactly fields long, half of it in the store, and begins a batch. */
static void fill(struct fixture *f, uint32_t fields)
{
	const struct hash_limits limits = {.entries = 512, .value = 64};
	uint64_t added;

	for (; f->fields < fields; f->fields++) {
		char name[16];
		struct slice pair[2] = {slice_str(name), slice_str("value of some length")};
		enum status st;

		(void)snprintf(name, sizeof name, "%u", f->fields);
		pair[0] = slice_str(name);
		engine_box_begin(&f->box);
		st = ks_lookup(f->box.e, &f->key, &f->m);
		assert_int_equal(type_hash_set(f->box.e, &f->key, st == ST_OK ? &f->m : NULL, pair,
					       1, &limits, &added),
				 ST_OK);
		engine_box_commit(&f->box);
		if (f->fields == fields / 2) {
			engine_box_checkpoint(&f->box);
		}
	}
	memset(f->hits, 0, sizeof f->hits);
	f->given = 0;
	engine_box_begin(&f->box);
	assert_int_equal(ks_lookup(f->box.e, &f->key, &f->m), ST_OK);
}

static void take(void *arg, struct slice field, struct slice value)
{
	struct fixture *f = arg;
	char name[16] = {0};
	uint32_t n;

	assert_true(field.len < sizeof name);
	memcpy(name, field.data, field.len);
	n = (uint32_t)strtoul(name, NULL, 10);
	assert_true(n < f->fields);
	assert_true(slice_eq(value, slice_str("value of some length")));
	f->hits[n]++;
	f->given++;
}

static void samples_never_repeat(void **state)
{
	static const uint32_t sizes[] = {1, 2, 10, 60, 130, 1000, 4000};
	static const uint32_t counts[] = {1, 2, 5, 20, 120, 499, 500, 999, 3999, 4000};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
			if (counts[k] > sizes[i]) {
				continue;
			}
			fill(f, sizes[i]);
			assert_int_equal(
			    named_sample(f->box.e, &f->key, &f->m, counts[k], &f->box.rng, take, f),
			    ST_OK);
			assert_int_equal(f->given, counts[k]);
			for (uint32_t n = 0; n < f->fields; n++) {
				assert_true(f->hits[n] <= 1);
			}
			engine_box_commit(&f->box);
		}
	}
}

/* How often the least and the most frequent of all fields came, relative to the mean. */
static void check_spread(const struct fixture *f, double low, double high)
{
	double mean = (double)f->given / f->fields;

	for (uint32_t n = 0; n < f->fields; n++) {
		if (f->hits[n] < low * mean || f->hits[n] > high * mean) {
			fail_msg("field %u: %u times, mean %f", n, f->hits[n], mean);
		}
	}
}

static void single_fields_come_about_equally_often(void **state)
{
	static const struct {
		uint32_t size;
		double low, high;
	} cases[] = {
	    {1, 1, 1},
	    {50, 0.8, 1.2},   /* a blob: exact */
	    {120, 0.8, 1.2},  /* large, counted off: exact */
	    {1000, 0.2, 2.4}, /* by order: near enough */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fill(f, cases[i].size);
		for (uint32_t round = 0; round < 400 * cases[i].size; round++) {
			struct named_iter it;
			struct slice field, value;

			assert_int_equal(named_random(f->box.e, &f->key, &f->m, &f->box.rng, &it,
						      &field, &value),
					 ST_OK);
			take(f, field, value);
			named_iter_close(&it);
		}
		check_spread(f, cases[i].low, cases[i].high);
		engine_box_commit(&f->box);
	}
}

static void a_sample_without_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	enum status st = ST_NO_MEMORY;
	uint32_t failures = 0;

	fill(f, 1000);
	for (int64_t nth = 0; st == ST_NO_MEMORY; nth++) {
		mem_fail_nth(nth);
		f->given = 0;
		st = named_sample(f->box.e, &f->key, &f->m, 50, &f->box.rng, take, f);
		mem_fail_nth(-1);
		failures += st == ST_NO_MEMORY;
	}
	assert_int_equal(st, ST_OK);
	assert_true(failures > 0);
	assert_int_equal(f->given, 50);
	engine_box_commit(&f->box);
}

static void a_record_that_counts_too_many_fields_ends(void **state)
{
	struct fixture *f = *state;
	struct meta wrong;

	fill(f, 200);
	wrong = f->m;
	wrong.count = 100000;
	assert_int_equal(named_sample(f->box.e, &f->key, &wrong, 90000, &f->box.rng, take, f),
			 ST_CORRUPT);
	assert_int_equal(named_sample(f->box.e, &f->key, &wrong, 300, &f->box.rng, take, f),
			 ST_CORRUPT);
	engine_box_commit(&f->box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(samples_never_repeat, setup, teardown),
	    cmocka_unit_test_setup_teardown(single_fields_come_about_equally_often, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_sample_without_memory_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_record_that_counts_too_many_fields_ends, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
