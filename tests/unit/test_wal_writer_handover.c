/* The executor's side of the writer: records change hands whole and in order, and never twice. */
#include "engine/base/alloc.h"
#include "tests/support/log_sample.h"
#include "tests/support/wal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int setup(void **state)
{
	(void)wal_box_setup(state);
	wal_box_open(*state, true);
	return 0;
}

static void expect_log(struct wal_box *b, uint64_t last)
{
	struct log_verdict v;

	wal_box_await_durable(b, last);
	wal_box_read(b, &v);
	assert_false(v.wrong);
	assert_int_equal(v.last, last);
	assert_int_equal(v.first, 1);
}

static void appends_of_all_sizes_keep_their_order(void **state)
{
	struct wal_box *b = *state;

	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(wal_box_append(b, 1 + i * i % 17), ST_OK);
		if (i % 50 == 0) {
			wal_box_await_durable(b, b->next_lsn - 1);
		}
	}
	expect_log(b, b->next_lsn - 1);
	assert_true(atomic_load(&b->notices) > 0);
}

static void the_buffer_comes_back_empty(void **state)
{
	struct wal_box *b = *state;
	struct buf records = {0};
	struct wal_stats stats;

	memory_disk_hold(b->disk, MEMORY_DISK_WRITE);
	for (uint64_t lsn = 1; lsn <= 3; lsn++) {
		log_sample_add(&records, lsn);
		assert_int_equal(wal_writer_append(b->w, &records, lsn, 1), ST_OK);
		assert_int_equal(records.len, 0);
		if (lsn == 1) {
			memory_disk_await_held(b->disk);
		}
	}
	wal_writer_stats(b->w, &stats);
	assert_true(stats.pending_bytes > 0);
	memory_disk_let_go(b->disk);
	expect_log(b, 3);
	wal_writer_stats(b->w, &stats);
	assert_int_equal(stats.pending_bytes, 0);
	assert_int_equal(stats.records, 3);
	buf_deinit(&records);
}

static void failing_memory_takes_nothing(void **state)
{
	struct wal_box *b = *state;
	struct buf records = {0}, copy = {0};

	memory_disk_hold(b->disk, MEMORY_DISK_WRITE);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	memory_disk_await_held(b->disk);
	assert_int_equal(wal_box_append(b, 1), ST_OK); /* pending: the next one must be copied */
	for (uint64_t lsn = 3; lsn < 303; lsn++) {
		log_sample_add(&records, lsn);
	}
	assert_int_equal(buf_append(&copy, records.data, records.len), ST_OK);
	mem_fail_nth(0);
	assert_int_equal(wal_writer_append(b->w, &records, 3, 300), ST_NO_MEMORY);
	mem_fail_nth(-1);
	assert_true(slice_eq(buf_slice(&records), buf_slice(&copy)));
	assert_int_equal(wal_writer_append(b->w, &records, 3, 300), ST_OK);
	memory_disk_let_go(b->disk);
	expect_log(b, 302);
	buf_deinit(&records);
	buf_deinit(&copy);
}

static void a_failed_log_takes_nothing(void **state)
{
	struct wal_box *b = *state;
	struct buf records = {0};
	size_t len;

	memory_disk_fail(b->disk, MEMORY_DISK_SYNC, 0, UINT64_MAX, ST_IO);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_state(b, WAL_FAILED);
	log_sample_add(&records, 2);
	len = records.len;
	assert_int_equal(wal_writer_append(b->w, &records, 2, 1), ST_READ_ONLY);
	assert_int_equal(records.len, len);
	assert_int_equal(wal_writer_written_lsn(b->w), 1);
	assert_int_equal(wal_writer_durable_lsn(b->w), 0);
	assert_int_equal(wal_writer_sync(b->w, 1), ST_IO);
	buf_deinit(&records);
}

static void waiting_for_what_is_durable_returns_at_once(void **state)
{
	struct wal_box *b = *state;

	assert_int_equal(wal_writer_sync(b->w, 0), ST_OK);
	assert_int_equal(wal_box_append(b, 5), ST_OK);
	assert_int_equal(wal_writer_sync(b->w, 5), ST_OK);
	assert_true(wal_writer_durable_lsn(b->w) >= 5);
	assert_int_equal(wal_writer_sync(b->w, 3), ST_OK);
}

static void the_level_changes_while_running(void **state)
{
	struct wal_box *b = *state;
	struct wal_stats raw, packed;

	assert_int_equal(wal_box_append(b, 100), ST_OK);
	wal_box_await_durable(b, 100);
	wal_writer_stats(b->w, &raw);
	assert_true(raw.stored_bytes > raw.raw_bytes); /* headers */
	wal_writer_set_level(b->w, 3);
	assert_int_equal(wal_box_append(b, 100), ST_OK);
	wal_box_await_durable(b, 200);
	wal_writer_stats(b->w, &packed);
	assert_true(packed.stored_bytes - raw.stored_bytes <
		    (packed.raw_bytes - raw.raw_bytes) * 3 / 4);
	expect_log(b, 200);
}

static void a_release_never_goes_back(void **state)
{
	struct wal_box *b = *state;
	struct wal_stats stats;

	b->opts.keep_size = 0;
	wal_writer_set_retention(b->w, 0, 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(wal_box_append(b, 10), ST_OK);
		wal_box_await_durable(b, b->next_lsn - 1);
		wal_writer_release(b->w, i == 20 ? 150 : 1); /* 1 again after 150 */
	}
	wal_writer_stats(b->w, &stats);
	assert_true(stats.first_lsn > 1);
	assert_true(stats.first_lsn <= 151);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, wal_box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(appends_of_all_sizes_keep_their_order),
	    TEST(the_buffer_comes_back_empty),
	    TEST(failing_memory_takes_nothing),
	    TEST(a_failed_log_takes_nothing),
	    TEST(waiting_for_what_is_durable_returns_at_once),
	    TEST(the_level_changes_while_running),
	    TEST(a_release_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
