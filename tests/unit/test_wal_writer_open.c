/* Beginning and end of a log's writer: where it goes on, what it must make durable first, what a
 * clean end leaves. */
#include "engine/base/alloc.h"
#include "tests/support/wal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t segments(struct wal_box *b)
{
	struct wal_segment_list list;
	size_t count;

	assert_int_equal(wal_segment_list_read(b->opts.io, "wal", &list), ST_OK);
	count = list.count;
	wal_segment_list_deinit(&list);
	return count;
}

static void write_some(struct wal_box *b, uint32_t count)
{
	assert_int_equal(wal_box_append(b, count), ST_OK);
	wal_box_await_durable(b, b->next_lsn - 1);
}

static void a_new_log_begins_at_lsn_1(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	assert_true(memory_disk_exists(b->disk, "wal/0000000000000001.wal"));
	assert_int_equal(wal_writer_written_lsn(b->w), 0);
	assert_int_equal(wal_writer_durable_lsn(b->w), 0);
	assert_int_equal(wal_writer_state(b->w), WAL_RUNNING);
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	wal_box_read(b, &v);
	assert_int_equal(v.st, ST_END);
	assert_int_equal(v.last, 3);
	assert_true(v.end.clean);
	assert_int_equal(v.end.history.shard_id, 42);
}

static void a_clean_log_goes_on_in_its_last_segment(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	for (int i = 0; i < 4; i++) {
		wal_box_open(b, true);
		assert_int_equal(wal_writer_durable_lsn(b->w), (uint64_t)i * 3);
		write_some(b, 3);
		assert_int_equal(wal_box_close(b), ST_OK);
	}
	assert_int_equal(segments(b), 1);
	wal_box_read(b, &v);
	assert_true(v.st == ST_END && v.last == 12 && !v.wrong && v.end.clean);
	assert_int_equal(v.end.history.count, 1);
}

/* Else a reader would take the old mark for the end of a log that went on. */
static void the_old_clean_mark_is_void_before_anything_follows(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	wal_box_open(b, true);
	/* The first record never gets there whole. */
	memory_disk_fail(b->disk, MEMORY_DISK_WRITE, 0, UINT64_MAX, ST_IO);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_state(b, WAL_FAILED);
	assert_int_equal(wal_box_close(b), ST_IO);
	wal_box_read(b, &v);
	assert_int_equal(v.st, ST_TORN);
	assert_int_equal(v.last, 3);
	assert_false(v.end.clean);
	memory_disk_lose_power(b->disk);
	wal_box_read(b, &v);
	assert_int_equal(v.st, ST_END);
	assert_false(v.end.clean);
}

static void a_segment_of_its_own_begins_when_the_header_would_not_fit(void **state)
{
	static const uint8_t words[] = "a raw dictionary: any bytes do";
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	wal_box_open(b, false); /* another timeline */
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	assert_int_equal(segments(b), 2);
	b->opts.dictionary = slice_of(words, sizeof words); /* another dictionary */
	b->opts.compression_level = 1;
	wal_box_open(b, true);
	write_some(b, 30);
	assert_int_equal(wal_box_close(b), ST_OK);
	assert_int_equal(segments(b), 3);
	b->opts.segment_size = 4200; /* full already */
	wal_box_open(b, true);
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	assert_int_equal(segments(b), 4);
	wal_box_read(b, &v);
	assert_true(v.st == ST_END && v.last == 39 && !v.wrong);
	assert_int_equal(v.end.history.count, 2);
	assert_int_equal(v.end.history.items[1].first_lsn, 4);
}

static void a_torn_tail_is_left_behind(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	write_some(b, 3);
	memory_disk_fail(b->disk, MEMORY_DISK_WRITE, 0, UINT64_MAX, ST_IO);
	assert_int_equal(wal_box_append(b, 8), ST_OK);
	wal_box_await_state(b, WAL_FAILED);
	assert_int_equal(wal_box_close(b), ST_IO);
	memory_disk_fail(b->disk, MEMORY_DISK_WRITE, 0, 0, ST_OK);
	wal_box_read(b, &v);
	assert_int_equal(v.st, ST_TORN);
	wal_box_open(b, false);
	assert_int_equal(b->next_lsn, 4);
	assert_true(memory_disk_exists(b->disk, "wal/0000000000000004.wal"));
	write_some(b, 3);
	assert_int_equal(wal_box_close(b), ST_OK);
	wal_box_read(b, &v);
	assert_true(v.st == ST_END && v.last == 6 && !v.wrong && v.end.clean);
}

/* After a kill the log's end may be in the page cache alone, and counts as durable from now on. */
static void what_recovery_read_is_durable_before_the_log_goes_on(void **state)
{
	for (int clean = 0; clean < 2; clean++) {
		struct wal_box *b = *state;
		struct log_verdict v;

		b->opts.fsync = WAL_FSYNC_NO;
		wal_box_open(b, true);
		assert_int_equal(wal_box_append(b, 5), ST_OK);
		wal_box_await_written(b, 5);
		/* As a kill does: the file stays as it is, unsynced. */
		memory_disk_fail(b->disk, MEMORY_DISK_SYNC, 0, UINT64_MAX, ST_IO);
		assert_int_equal(wal_box_close(b), ST_IO);
		memory_disk_fail(b->disk, MEMORY_DISK_SYNC, 0, 0, ST_OK);
		wal_box_open(b, clean == 1);
		assert_int_equal(wal_writer_durable_lsn(b->w), 5);
		memory_disk_lose_power(b->disk);
		wal_box_read(b, &v);
		assert_int_equal(v.end.at.next_lsn, 6);
		assert_int_equal(v.last, 5);
		(void)wal_box_teardown(state);
		(void)wal_box_setup(state);
	}
}

static void a_folder_that_is_not_there_is_said(void **state)
{
	struct wal_box *b = *state;

	wal_box_prepare(b, true);
	b->opts.dir = "elsewhere";
	assert_int_equal(wal_writer_open(&b->opts, &b->w), ST_NOT_FOUND);
	assert_null(b->w);
	b->opts.dir = "wal";
}

/* Each call of opening fails once, with and without a segment to go on in. */
static void an_open_that_fails_leaves_a_log_that_opens(void **state)
{
	for (int round = 0; round < 3; round++) {
		for (uint64_t n = 0;; n++) {
			struct wal_box *b = *state;
			struct log_verdict v;
			enum status st;

			if (round > 0) {
				wal_box_open(b, true);
				write_some(b, 3);
				assert_int_equal(wal_box_close(b), ST_OK);
			}
			wal_box_prepare(b, round != 2);
			memory_disk_fail(b->disk, MEMORY_DISK_ANY, n, 1, ST_IO);
			st = wal_writer_open(&b->opts, &b->w);
			memory_disk_fail(b->disk, MEMORY_DISK_ANY, 0, 0, ST_OK);
			if (st != ST_OK) {
				assert_int_equal(st, ST_IO);
				assert_null(b->w);
				wal_box_open(b, false);
			}
			write_some(b, 2);
			assert_int_equal(wal_box_close(b), ST_OK);
			wal_box_read(b, &v);
			assert_true(v.st == ST_END && !v.wrong);
			assert_int_equal(v.last, round > 0 ? 5 : 2);
			(void)wal_box_teardown(state);
			(void)wal_box_setup(state);
			if (st == ST_OK) {
				assert_true(n > 3);
				break;
			}
		}
	}
}

static void failing_memory_fails_the_open_cleanly(void **state)
{
	struct wal_box *b = *state;
	enum status st;

	wal_box_prepare(b, true);
	for (int64_t n = 0;; n++) {
		mem_fail_nth(n);
		st = wal_writer_open(&b->opts, &b->w);
		mem_fail_nth(-1);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
		assert_null(b->w);
	}
	write_some(b, 2);
}

static void closing_writes_and_syncs_what_is_pending(void **state)
{
	static const enum wal_fsync policies[] = {WAL_FSYNC_NO, WAL_FSYNC_EVERYSEC,
						  WAL_FSYNC_ALWAYS};

	for (size_t i = 0; i < 3; i++) {
		struct wal_box *b = *state;
		struct log_verdict v;

		b->opts.fsync = policies[i];
		wal_box_open(b, true);
		for (int k = 0; k < 20; k++) {
			assert_int_equal(wal_box_append(b, 1), ST_OK);
		}
		assert_int_equal(wal_box_close(b), ST_OK);
		memory_disk_lose_power(b->disk);
		wal_box_read(b, &v);
		assert_true(v.st == ST_END && v.last == 20 && !v.wrong && v.end.clean);
		assert_int_equal(v.end.watermark, 20);
		(void)wal_box_teardown(state);
		(void)wal_box_setup(state);
	}
	assert_int_equal(wal_writer_close(NULL), ST_OK);
}

/* The mark may only say what is so: no mark after a failure, and none that was not synced. */
static void a_close_that_fails_leaves_no_mark(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	write_some(b, 3);
	memory_disk_fail(b->disk, MEMORY_DISK_SYNC, 0, UINT64_MAX, ST_IO);
	assert_int_equal(wal_box_close(b), ST_IO);
	memory_disk_fail(b->disk, MEMORY_DISK_SYNC, 0, 0, ST_OK);
	memory_disk_lose_power(b->disk);
	wal_box_read(b, &v);
	assert_int_equal(v.last, 3);
	assert_false(v.end.clean);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, wal_box_setup, wal_box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_new_log_begins_at_lsn_1),
	    TEST(a_clean_log_goes_on_in_its_last_segment),
	    TEST(the_old_clean_mark_is_void_before_anything_follows),
	    TEST(a_segment_of_its_own_begins_when_the_header_would_not_fit),
	    TEST(a_torn_tail_is_left_behind),
	    TEST(what_recovery_read_is_durable_before_the_log_goes_on),
	    TEST(a_folder_that_is_not_there_is_said),
	    TEST(an_open_that_fails_leaves_a_log_that_opens),
	    TEST(failing_memory_fails_the_open_cleanly),
	    TEST(closing_writes_and_syncs_what_is_pending),
	    TEST(a_close_that_fails_leaves_no_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
