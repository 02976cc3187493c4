/* Removing what has expired: found in memtables, in the store's index, or by a read that met it. */
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { HOUR = 3600000, LONG_NAME = 700 };

static int setup(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	engine_box_open(b, 51);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	engine_box_close(*state);
	free(*state);
	return 0;
}

static void put(struct engine_box *b, struct slice name, uint64_t expiry)
{
	struct meta m = {.type = TYPE_STRING, .expire_at_ms = expiry};
	struct slice part = slice_str("v");
	struct store_key key;

	engine_box_begin(b);
	store_key_of_key(&key, name);
	assert_int_equal(ks_put_blind(b->e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(b);
}

/* n keys that expire at the given time. */
static void put_many(struct engine_box *b, int from, int to, uint64_t expiry)
{
	for (int i = from; i < to; i++) {
		char name[LONG_NAME];
		int len = snprintf(name, sizeof name, "key:%d", i);

		if (i % 10 == 0) { /* longer than a store key */
			memset(name + len, 'x', sizeof name - (size_t)len);
			len = LONG_NAME;
		}
		put(b, slice_of(name, (size_t)len), expiry);
	}
}

static uint64_t keys_left(struct engine_box *b)
{
	while (engine_count_resolve(b->e, 1000) > 0) {
		(void)engine_turn_end(b->e);
	}
	return engine_keys(b->e);
}

static void due_keys_are_removed_wherever_they_are(void **state)
{
	struct engine_box *b = *state;
	uint64_t now = b->now_ms;

	put_many(b, 0, 100, now + HOUR);
	put_many(b, 100, 150, now + 3 * HOUR);
	engine_box_checkpoint(b); /* in the store */
	put_many(b, 150, 250, now + HOUR);
	put_many(b, 250, 260, 0);
	/* In the store it was due, but it has been given more time since. */
	put_many(b, 5, 6, now + 3 * HOUR);
	assert_int_equal(engine_expire_cycle(b->e, now, 1000), 0);
	assert_int_equal(engine_expire_cycle(b->e, now + HOUR, 1000), 199);
	assert_int_equal(engine_expire_cycle(b->e, now + HOUR, 1000), 0);
	assert_int_equal(keys_left(b), 61);
	engine_box_restart(b);
	assert_int_equal(keys_left(b), 61);
	assert_int_equal(engine_expire_cycle(b->e, now + 4 * HOUR, 1000), 51);
	assert_int_equal(keys_left(b), 10);
	assert_int_equal(engine_expires(b->e), 0);
}

static void one_call_removes_no_more_than_it_is_told(void **state)
{
	struct engine_box *b = *state;
	uint64_t removed = 0;

	put_many(b, 0, 150, b->now_ms + 1);
	engine_box_checkpoint(b);
	put_many(b, 150, 300, b->now_ms + 1);
	for (int calls = 0; removed < 300; calls++) {
		uint32_t n = engine_expire_cycle(b->e, b->now_ms + 1, 70);

		assert_true(n <= 70 && calls < 300);
		removed += n;
	}
	assert_int_equal(removed, 300);
	assert_int_equal(keys_left(b), 0);
}

static void a_read_that_meets_an_expired_key_has_it_removed_after_its_batch(void **state)
{
	struct engine_box *b = *state;
	struct engine_stats stats;
	struct store_key key;
	struct meta m;

	put(b, slice_str("k"), b->now_ms + 1);
	put(b, slice_str("other"), b->now_ms + HOUR);
	b->now_ms++;
	engine_box_begin(b);
	store_key_of_key(&key, slice_str("k"));
	assert_int_equal(ks_lookup(b->e, &key, &m), ST_NOT_FOUND);
	assert_int_equal(keys_left(b), 2); /* still there, unseen */
	engine_box_commit(b);
	assert_int_equal(keys_left(b), 1);
	engine_stats(b->e, &stats);
	assert_int_equal(stats.expired_keys, 1);
}

static void a_collection_goes_with_its_elements(void **state)
{
	struct engine_box *b = *state;
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE, .count = 1};
	struct slice value = slice_str("v");
	struct store_key key;

	store_key_of_key(&key, slice_str("h"));
	m.expire_at_ms = b->now_ms + 1;
	engine_box_begin(b);
	m.id = ks_new_id(b->e);
	assert_int_equal(ks_field_put(b->e, key.slot, m.id, slice_str("f"), &value, 1), ST_OK);
	assert_int_equal(ks_put(b->e, &key, NULL, &m, NULL, 0), ST_OK);
	engine_box_commit(b);
	engine_box_checkpoint(b);
	assert_int_equal(engine_expire_cycle(b->e, b->now_ms + 1, 10), 1);
	assert_int_equal(keys_left(b), 0);
	engine_box_checkpoint(b);
	/* Elements of a dead collection go in the background. */
	engine_box_await_gone(b, key.slot, m.id, slice_str("f"));
}

static void after_a_flush_there_is_nothing_to_expire(void **state)
{
	struct engine_box *b = *state;

	put_many(b, 0, 20, b->now_ms + 1);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	assert_int_equal(ks_flush(b->e), ST_OK);
	engine_box_commit(b);
	assert_int_equal(engine_expire_cycle(b->e, b->now_ms + HOUR, 100), 0);
	assert_int_equal(keys_left(b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(due_keys_are_removed_wherever_they_are, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(one_call_removes_no_more_than_it_is_told, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		a_read_that_meets_an_expired_key_has_it_removed_after_its_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_collection_goes_with_its_elements, setup, teardown),
	    cmocka_unit_test_setup_teardown(after_a_flush_there_is_nothing_to_expire, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
