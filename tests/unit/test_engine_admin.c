/* Statistics, settings of a running engine, and touching keys for the executor. */
#include "engine/base/alloc.h"
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	engine_box_open(b, 61);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	engine_box_close(*state);
	free(*state);
	return 0;
}

static void put(struct engine_box *b, const char *name, size_t len)
{
	struct meta m = {.type = TYPE_STRING};
	uint8_t *bytes = calloc(1, len + 1);
	struct slice part = slice_of(bytes, len);
	struct store_key key;

	engine_box_begin(b);
	store_key_of_key(&key, slice_str(name));
	assert_int_equal(ks_put_blind(b->e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(b);
	free(bytes);
}

static void statistics_follow_what_happens(void **state)
{
	struct engine_box *b = *state;
	struct engine_stats before, after;

	engine_stats(b->e, &before);
	assert_int_equal(before.last_lsn, 0);
	assert_int_equal(before.memtable_entries, 0);
	assert_int_equal(before.write_state, ST_OK);
	assert_true(before.timeline != 0 && before.shard_id != 0);
	put(b, "a", 100);
	put(b, "b", 100);
	engine_count_throttled(b->e);
	engine_stats(b->e, &after);
	assert_int_equal(after.last_lsn, 2);
	assert_int_equal(after.memtable_entries, 2);
	assert_true(after.memtable_bytes > before.memtable_bytes);
	assert_int_equal(after.throttled, 1);
	assert_int_equal(after.checkpoint_lsn, 0);
	engine_box_checkpoint(b);
	engine_stats(b->e, &after);
	assert_int_equal(after.checkpoint_lsn, 2);
	assert_false(after.checkpoint_running);
	assert_int_equal(after.memtable_entries, 0);
	assert_true(after.store.entries >= 2);
	engine_box_restart(b);
	engine_stats(b->e, &after);
	assert_int_equal(after.shard_id, before.shard_id);
	assert_int_equal(after.last_lsn, 2);
}

static void settings_hold_from_then_on(void **state)
{
	struct engine_box *b = *state;
	struct engine_stats stats;
	uint64_t lsn;

	engine_set_memtable_max(b->e, 16 << 20);
	engine_set_wal(b->e, 0, 8 << 20, 1000);
	engine_set_fsync(b->e, WAL_FSYNC_ALWAYS);
	put(b, "a", 5000); /* zeros: compression would show */
	engine_stats(b->e, &stats);
	assert_int_equal(stats.memtable_max, 16 << 20);
	lsn = stats.last_lsn;
	while (engine_ack_lsn(b->e) < lsn) {
		(void)engine_turn_end(b->e);
		(void)usleep(500);
	}
	engine_stats(b->e, &stats);
	/* Acknowledged only when it was durable, and written as it is. */
	assert_true(stats.wal.durable_lsn >= lsn);
	assert_true(stats.wal.stored_bytes >= 5000);
}

static void keys_are_touched_by_a_reader_of_another_thread(void **state)
{
	struct engine_box *b = *state;
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE, .count = 3};
	struct store_reader *r;
	struct store_key key, none;
	struct slice value = slice_str("value");

	put(b, "long", 100000);
	store_key_of_key(&key, slice_str("h"));
	engine_box_begin(b);
	m.id = ks_new_id(b->e);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    ks_field_put(b->e, key.slot, m.id, slice_of(&"abc"[i], 1), &value, 1), ST_OK);
	}
	assert_int_equal(ks_put(b->e, &key, NULL, &m, NULL, 0), ST_OK);
	engine_box_commit(b);
	store_key_of_key(&none, slice_str("nothing"));
	assert_int_equal(engine_reader_open(b->e, &r), ST_OK);
	for (int round = 0; round < 2; round++) {
		/* In the store or not: nothing to see but that it ends and keeps no snapshot. */
		engine_touch(r, store_key_slice(&key), 0);
		engine_touch(r, store_key_slice(&key), 2);
		engine_touch(r, store_key_slice(&key), 100);
		engine_touch(r, store_key_slice(&none), 100);
		store_key_of_key(&none, slice_str("long"));
		engine_touch(r, store_key_slice(&none), 1);
		engine_box_checkpoint(b);
	}
	engine_reader_close(r);
	engine_reader_close(NULL);
}

static void what_is_in_a_memtable_is_warm(void **state)
{
	struct engine_box *b = *state;
	struct store_key key;

	put(b, "a", 10);
	store_key_of_key(&key, slice_str("a"));
	assert_true(engine_key_warm(b->e, &key, false));
	/* A small store is in memory as a whole. */
	assert_true(engine_all_warm(b->e));
	store_key_of_key(&key, slice_str("never seen"));
	assert_true(engine_key_warm(b->e, &key, false));
}

static void a_reader_without_memory_is_refused(void **state)
{
	struct engine_box *b = *state;
	struct store_reader *r;

	mem_fail_nth(0);
	assert_int_equal(engine_reader_open(b->e, &r), ST_NO_MEMORY);
	mem_fail_nth(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(statistics_follow_what_happens, setup, teardown),
	    cmocka_unit_test_setup_teardown(settings_hold_from_then_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(keys_are_touched_by_a_reader_of_another_thread, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(what_is_in_a_memtable_is_warm, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_reader_without_memory_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
