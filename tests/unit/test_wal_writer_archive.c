/* The archiver: each finished segment is copied before it may go, whatever becomes of the copying
 * in between. */
#include "tests/support/wal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct wal_box *b;

	(void)wal_box_setup(state);
	b = *state;
	b->opts.archive_dir = "archive";
	b->opts.segment_size = 8192;
	b->opts.keep_size = 0;
	return 0;
}

/* Writes until the log has begun so many segments; releases all of it as it goes. */
static void write_segments(struct wal_box *b, int count)
{
	for (int i = 0; i < count * 12; i++) {
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_durable(b, b->next_lsn - 1);
		wal_writer_release(b->w, b->next_lsn - 1);
	}
}

/* Archive and folder together hold the whole log, the archive all but the present segment. */
static void expect_archived(struct wal_box *b)
{
	struct log_verdict v;
	struct log_image image, live;

	log_image_load(&live, b->opts.io, "wal");
	log_image_load(&image, b->opts.io, "archive");
	assert_true(image.count > 0);
	assert_int_equal(image.files[0].first_lsn, 1);
	log_image_read(&image, 0, 0, &v);
	assert_false(v.wrong);
	assert_int_equal(v.st, ST_END);
	assert_int_equal(v.last, live.files[live.count - 1].first_lsn - 1);
	log_image_deinit(&image);
	log_image_deinit(&live);
}

static void every_finished_segment_is_archived(void **state)
{
	struct wal_box *b = *state;

	wal_box_open(b, true);
	write_segments(b, 5);
	assert_int_equal(wal_box_close(b), ST_OK);
	expect_archived(b);
	memory_disk_lose_power(b->disk);
	expect_archived(b);
}

static void a_restart_archives_what_is_left(void **state)
{
	struct wal_box *b = *state;

	b->opts.archive_dir = NULL;
	b->opts.keep_size = UINT64_MAX;
	wal_box_open(b, true);
	write_segments(b, 4);
	assert_int_equal(wal_box_close(b), ST_OK);
	b->opts.archive_dir = "archive";
	wal_box_open(b, true);
	assert_int_equal(wal_box_close(b), ST_OK);
	expect_archived(b);
}

static void what_cannot_be_archived_is_kept(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	memory_disk_put(b->disk, "no-folder", slice_str(""));
	b->opts.archive_dir = "gone";
	wal_box_open(b, true);
	/* The archiver lists, copies and renames; the copying fails for good. */
	memory_disk_fail(b->disk, MEMORY_DISK_LIST, 0, UINT64_MAX, ST_IO);
	write_segments(b, 5);
	wal_box_read(b, &v);
	memory_disk_fail(b->disk, MEMORY_DISK_LIST, 0, 0, ST_OK);
	wal_box_read(b, &v);
	assert_true(v.st == ST_END && !v.wrong);
	assert_int_equal(v.first, 1);
	assert_int_equal(v.last, b->next_lsn - 1);
}

static void archiving_goes_on_when_the_disk_is_well_again(void **state)
{
	struct wal_box *b = *state;
	struct wal_stats stats;

	wal_box_open(b, true);
	memory_disk_fail(b->disk, MEMORY_DISK_LIST, 0, UINT64_MAX, ST_NO_SPACE);
	write_segments(b, 5);
	wal_writer_stats(b->w, &stats);
	assert_int_equal(stats.first_lsn, 1);
	assert_int_equal(wal_writer_state(b->w),
			 WAL_RUNNING); /* an archive does not stop the log */
	memory_disk_fail(b->disk, MEMORY_DISK_LIST, 0, 0, ST_OK);
	for (int i = 0; i < 20000 && stats.first_lsn == 1; i++) {
		(void)usleep(500);
		wal_writer_stats(b->w, &stats);
	}
	assert_true(stats.first_lsn > 1); /* archived, and so trimmed */
	assert_int_equal(wal_box_close(b), ST_OK);
	expect_archived(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, wal_box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_finished_segment_is_archived),
	    TEST(a_restart_archives_what_is_left),
	    TEST(what_cannot_be_archived_is_kept),
	    TEST(archiving_goes_on_when_the_disk_is_well_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
