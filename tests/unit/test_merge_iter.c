/* Ordered scans over three layers against a plain array: elements change while some are in the
 * store, some on their way there and some new. */
#include "engine/base/bytes.h"
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ELEMS = 60, ROUNDS = 1500, ITERS_MAX = 8, SLOT = 9 };

struct fixture {
	struct engine_box box;
	uint64_t id;
	uint32_t value[ELEMS]; /* 0: not there */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 21);
	f->id = ks_new_id(f->box.e);
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

static struct slice subkey_of(uint32_t n, uint8_t bytes[8])
{
	bytes_put_u64be(bytes, n);
	return slice_of(bytes, 8);
}

static void change(struct fixture *f)
{
	struct engine_box *b = &f->box;
	uint32_t n = (uint32_t)rng_below(&b->rng, ELEMS);
	uint32_t v =
	    (uint32_t)rng_below(&b->rng, 3) == 0 ? 0 : 1 + (uint32_t)rng_below(&b->rng, 99);
	uint8_t subkey[8], bytes[BOX_VALUE_MAX];
	struct slice value = engine_box_value(v, bytes);

	if (v == 0) {
		assert_int_equal(ks_elem_del(b->e, SLOT, f->id, subkey_of(n, subkey)), ST_OK);
	} else {
		assert_int_equal(ks_elem_put(b->e, SLOT, f->id, subkey_of(n, subkey), &value, 1),
				 ST_OK);
	}
	f->value[n] = v;
}

/* Walks from a place on and compares with the array. */
static void check(struct fixture *f, uint32_t from, bool reverse)
{
	struct engine_box *b = &f->box;
	struct ks_iter it = {0};
	struct slice name, value;
	uint8_t subkey[8], bytes[BOX_VALUE_MAX];
	int64_t at = reverse ? (int64_t)from - 1 : from;
	enum status st;

	assert_int_equal(ks_elems_open(b->e, SLOT, f->id, subkey_of(from, subkey), reverse, &it),
			 ST_OK);
	while ((st = ks_elems_next(&it, &name, &value)) == ST_OK) {
		while (f->value[at] == 0) {
			at += reverse ? -1 : 1;
		}
		assert_int_equal(bytes_get_u64be(name.data), at);
		assert_true(slice_eq(value, engine_box_value(f->value[at], bytes)));
		at += reverse ? -1 : 1;
	}
	assert_int_equal(st, ST_END);
	for (; at >= 0 && at < ELEMS; at += reverse ? -1 : 1) {
		assert_int_equal(f->value[at], 0);
	}
	/* The end stays the end. */
	assert_int_equal(ks_elems_next(&it, &name, &value), ST_END);
	ks_iter_close(&it);
}

static void a_walk_sees_the_newest_of_each_element(void **state)
{
	struct fixture *f = *state;
	struct engine_box *b = &f->box;

	for (int round = 0; round < ROUNDS; round++) {
		engine_box_begin(b);
		for (uint64_t n = rng_below(&b->rng, 6); n > 0; n--) {
			change(f);
		}
		if (rng_below(&b->rng, 200) == 0) {
			assert_int_equal(ks_flush(b->e), ST_OK);
			memset(f->value, 0, sizeof f->value);
			change(f);
		}
		check(f, (uint32_t)rng_below(&b->rng, ELEMS), rng_below(&b->rng, 2) == 0);
		engine_box_commit(b);
		engine_box_live(b);
		engine_box_begin(b);
		check(f, 0, false);
		check(f, ELEMS, true);
		engine_box_commit(b);
	}
}

static void only_so_many_walks_are_open_at_once(void **state)
{
	struct fixture *f = *state;
	struct engine_box *b = &f->box;
	struct ks_iter it[ITERS_MAX + 1] = {{0}};

	engine_box_begin(b);
	for (int i = 0; i <= ITERS_MAX; i++) {
		assert_int_equal(ks_elems_open(b->e, SLOT, f->id, slice_of(NULL, 0), false, &it[i]),
				 i < ITERS_MAX ? ST_OK : ST_LIMIT);
	}
	ks_iter_close(&it[0]);
	assert_int_equal(ks_elems_open(b->e, SLOT, f->id, slice_of(NULL, 0), false, &it[0]), ST_OK);
	for (int i = 0; i <= ITERS_MAX; i++) {
		ks_iter_close(&it[i]);
	}
	engine_box_commit(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_walk_sees_the_newest_of_each_element, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(only_so_many_walks_are_open_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
