/* Libraries in the engine: through batches, rollbacks, FLUSH, checkpoints and restarts. What power
 * loss, full copies and replication make of them is in the tests that use
 * tests/support/small_node.h.
 */
#include "engine/engine_library.h"

#include "engine/base/alloc.h"
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put(struct engine_box *b, const char *name, const char *code)
{
	engine_box_begin(b);
	assert_int_equal(engine_library_put(b->e, slice_str(name), slice_str(code)), ST_OK);
	engine_box_commit(b);
}

/* "": there is none of that name. */
static void expect(struct engine_box *b, const char *name, const char *code)
{
	const struct library *l = library_set_find(engine_libraries(b->e), slice_str(name));

	if (code[0] == 0) {
		assert_null(l);
	} else {
		assert_non_null(l);
		assert_true(slice_eq(library_code(l), slice_str(code)));
	}
}

static void they_survive_restarts_with_and_without_a_checkpoint(void **state)
{
	struct engine_box b = {0};

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	engine_box_restart(&b);
	expect(&b, "one", "code 1");
	put(&b, "two", "code 2");
	engine_box_checkpoint(&b);
	put(&b, "one", "code 3");
	engine_box_begin(&b);
	assert_int_equal(engine_library_del(b.e, slice_str("two")), ST_OK);
	engine_box_commit(&b);
	expect(&b, "two", "");
	engine_box_restart(&b);
	expect(&b, "one", "code 3");
	expect(&b, "two", "");
	engine_box_begin(&b);
	assert_int_equal(engine_libraries_flush(b.e), ST_OK);
	engine_box_commit(&b);
	engine_box_checkpoint(&b);
	engine_box_restart(&b);
	assert_int_equal(engine_libraries(b.e)->count, 0);
	engine_box_close(&b);
}

static void a_checkpoint_takes_them_even_when_no_key_has_changed(void **state)
{
	struct engine_box b = {0};
	struct engine_stats stats;

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	engine_box_checkpoint(&b);
	engine_stats(b.e, &stats);
	assert_int_equal(stats.checkpoint_lsn, 1);
	engine_box_close(&b);
}

static void a_rollback_brings_back_what_was_there(void **state)
{
	struct engine_box b = {0};
	uint64_t version;

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	version = engine_libraries_version(b.e);
	engine_box_begin(&b);
	assert_int_equal(engine_libraries_flush(b.e), ST_OK);
	assert_int_equal(engine_library_put(b.e, slice_str("two"), slice_str("x")), ST_OK);
	expect(&b, "one", "");
	assert_int_not_equal(engine_libraries_version(b.e), version);
	engine_box_rollback(&b);
	expect(&b, "one", "code 1");
	expect(&b, "two", "");
	engine_box_restart(&b);
	expect(&b, "one", "code 1");
	expect(&b, "two", "");
	engine_box_close(&b);
}

static void keys_and_libraries_do_not_touch_each_other(void **state)
{
	struct engine_box b = {0};

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	engine_box_begin(&b);
	assert_int_equal(ks_flush(b.e), ST_OK);
	engine_box_commit(&b);
	expect(&b, "one", "code 1");
	engine_box_checkpoint(&b);
	engine_box_restart(&b);
	expect(&b, "one", "code 1");
	assert_int_equal(engine_keys(b.e), 0);
	engine_box_close(&b);
}

static void a_reply_that_tells_of_them_waits_for_their_record(void **state)
{
	struct engine_box b = {0};
	uint64_t lsn;

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	lsn = engine_last_lsn(b.e);
	engine_box_begin(&b);
	(void)engine_libraries(b.e);
	assert_int_equal(engine_seen_lsn(b.e), lsn);
	engine_box_rollback(&b);
	engine_box_close(&b);
}

static void memory_that_runs_out_changes_nothing(void **state)
{
	struct engine_box b = {0};
	int failures = 0;

	(void)state;
	engine_box_open(&b, 1);
	put(&b, "one", "code 1");
	for (int nth = 0;; nth++) {
		enum status st;

		engine_box_begin(&b);
		mem_fail_nth(nth);
		st = engine_library_put(b.e, slice_str("two"), slice_str("code 2"));
		mem_fail_nth(-1);
		engine_box_commit(&b);
		if (st == ST_OK) {
			break;
		}
		failures++;
		assert_int_equal(st, ST_NO_MEMORY);
		expect(&b, "one", "code 1");
		expect(&b, "two", "");
		assert_int_equal(engine_last_lsn(b.e), 1);
	}
	assert_true(failures >= 2);
	engine_box_restart(&b);
	expect(&b, "two", "code 2");
	engine_box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(they_survive_restarts_with_and_without_a_checkpoint),
	    cmocka_unit_test(a_checkpoint_takes_them_even_when_no_key_has_changed),
	    cmocka_unit_test(a_rollback_brings_back_what_was_there),
	    cmocka_unit_test(keys_and_libraries_do_not_touch_each_other),
	    cmocka_unit_test(a_reply_that_tells_of_them_waits_for_their_record),
	    cmocka_unit_test(memory_that_runs_out_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
