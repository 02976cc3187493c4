/* Keys of lost slots go bit by bit, and those of other slots stay. */
#include "engine/base/keyslot.h"
#include "engine/keyspace.h"
#include "net/slot_purge.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PER_SLOT = 300 };

struct fixture {
	struct engine_box box;
	struct slot_purge purge;
	unsigned slot[3];
};

static const char *const tags[] = {"{a}", "{b}", "{c}"};

static void put(struct engine_box *b, const char *tag, int i)
{
	struct meta m = {.type = TYPE_STRING};
	struct slice part = slice_str("v");
	struct store_key key;
	char name[64];
	int len = snprintf(name, sizeof name, "%s%d", tag, i);

	engine_box_begin(b);
	store_key_of_key(&key, slice_of(name, (size_t)len));
	assert_int_equal(ks_put_blind(b->e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(b);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 91);
	for (int t = 0; t < 3; t++) {
		f->slot[t] = keyslot(slice_str(tags[t]));
		for (int i = 0; i < PER_SLOT; i++) {
			put(&f->box, tags[t], i);
			if (i == PER_SLOT / 2) {
				engine_box_checkpoint(&f->box); /* some are in the store */
			}
		}
	}
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

static uint64_t keys(struct fixture *f, int t)
{
	while (engine_count_resolve(f->box.e, UINT32_MAX) > 0) {
		(void)engine_turn_end(f->box.e);
	}
	return engine_slot_keys(f->box.e, (uint16_t)f->slot[t]);
}

static void lose(struct fixture *f, int t)
{
	struct slot_bits bits = {{0}};

	slot_bits_set(&bits, f->slot[t]);
	slot_purge_add(&f->purge, &bits);
}

static void steps_take_what_they_may_until_all_is_gone(void **state)
{
	struct fixture *f = *state;
	unsigned steps = 0, removed;

	lose(f, 0);
	lose(f, 2);
	lose(f, 2); /* told twice */
	assert_int_equal(f->purge.count, 2);
	while (f->purge.count > 0) {
		removed = slot_purge_step(&f->purge, f->box.e, f->box.now_ms, 70);
		assert_true(removed <= 70);
		(void)engine_turn_end(f->box.e);
		assert_true(++steps < 50);
	}
	assert_true(steps >= 2 * PER_SLOT / 70);
	assert_int_equal(keys(f, 0), 0);
	assert_int_equal(keys(f, 1), PER_SLOT);
	assert_int_equal(keys(f, 2), 0);
	assert_int_equal(slot_purge_step(&f->purge, f->box.e, f->box.now_ms, 70), 0);
	engine_box_restart(&f->box); /* the deletes were writes */
	assert_int_equal(keys(f, 0), 0);
	assert_int_equal(keys(f, 1), PER_SLOT);
}

static void a_slot_that_comes_back_is_finished_at_once(void **state)
{
	struct fixture *f = *state;

	lose(f, 0);
	lose(f, 1);
	assert_int_equal(slot_purge_step(&f->purge, f->box.e, f->box.now_ms, 10), 10);
	assert_int_equal(slot_purge_finish(&f->purge, f->box.e, f->slot[0], f->box.now_ms, false),
			 ST_OK);
	assert_int_equal(keys(f, 0), 0);
	assert_int_equal(f->purge.count, 1);
	/* Within a command's batch. */
	engine_box_begin(&f->box);
	assert_int_equal(slot_purge_finish(&f->purge, f->box.e, f->slot[1], f->box.now_ms, true),
			 ST_OK);
	engine_box_commit(&f->box);
	assert_int_equal(keys(f, 1), 0);
	assert_int_equal(f->purge.count, 0);
	/* One that is not being purged is left alone. */
	assert_int_equal(slot_purge_finish(&f->purge, f->box.e, f->slot[2], f->box.now_ms, false),
			 ST_OK);
	assert_int_equal(keys(f, 2), PER_SLOT);
}

static void a_replica_forgets_what_it_was_to_delete(void **state)
{
	struct fixture *f = *state;

	lose(f, 0);
	slot_purge_drop(&f->purge);
	assert_int_equal(slot_purge_step(&f->purge, f->box.e, f->box.now_ms, 1000), 0);
	assert_int_equal(keys(f, 0), PER_SLOT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(steps_take_what_they_may_until_all_is_gone),
	    TEST(a_slot_that_comes_back_is_finished_at_once),
	    TEST(a_replica_forgets_what_it_was_to_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
