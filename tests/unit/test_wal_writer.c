/* The log's writer: groups, syncs by policy, segments, and what happens when the disk is full or
 * fails. Nothing is called durable that a loss of power could take. */
#include "engine/wal/wal_writer_impl.h"
#include "tests/support/made_record.h"
#include "tests/support/wal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t syncs(struct wal_box *b)
{
	return memory_disk_count(b->disk, MEMORY_DISK_SYNC);
}

/* The log in the folder ends after LSN last, however that looks. */
static struct log_verdict expect_log(struct wal_box *b, uint64_t last)
{
	struct log_verdict v;

	wal_box_read(b, &v);
	assert_false(v.wrong);
	assert_true(v.st == ST_END || v.st == ST_TORN);
	assert_int_equal(v.end.at.next_lsn, last + 1);
	return v;
}

static void hold_sync(struct wal_box *b)
{
	memory_disk_hold(b->disk, MEMORY_DISK_SYNC);
}

/* --- policies --- */

static void nothing_is_durable_before_its_sync_returned(void **state)
{
	struct wal_box *b = *state;

	wal_box_open(b, true);
	hold_sync(b);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	memory_disk_await_held(b->disk);
	assert_int_equal(wal_writer_written_lsn(b->w), 1);
	assert_int_equal(wal_writer_durable_lsn(b->w), 0);
	memory_disk_let_go(b->disk);
	wal_box_await_durable(b, 1);
	memory_disk_lose_power(b->disk);
	expect_log(b, 1);
}

static void while_one_group_is_synced_the_next_one_gathers(void **state)
{
	struct wal_box *b = *state;
	struct wal_stats before, after;
	uint64_t synced;

	b->opts.segment_size = 1 << 20;
	wal_box_open(b, true);
	hold_sync(b);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	memory_disk_await_held(b->disk);
	wal_writer_stats(b->w, &before);
	synced = syncs(b);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(wal_box_append(b, 1), ST_OK);
	}
	memory_disk_let_go(b->disk);
	wal_box_await_durable(b, 51);
	wal_writer_stats(b->w, &after);
	assert_int_equal(after.frames - before.frames, 1);
	assert_int_equal(syncs(b) - synced,
			 2); /* the one that was held, and one for all the rest */
	assert_int_equal(after.records, 51);
	assert_int_equal(after.pending_bytes, 0);
}

static void everysec_syncs_once_a_second(void **state)
{
	struct wal_box *b = *state;

	b->opts.fsync = WAL_FSYNC_EVERYSEC;
	wal_box_open(b, true);
	assert_int_equal(wal_box_append(b, 3), ST_OK);
	wal_box_await_written(b, 3);
	wal_box_advance_ms(b, 999);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_written(b, 4);
	assert_int_equal(wal_writer_durable_lsn(b->w), 0);
	wal_box_advance_ms(b, 1);
	wal_box_await_durable(b, 4);
	memory_disk_lose_power(b->disk);
	expect_log(b, 4);
	/* The second counts from the last sync. */
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_written(b, 5);
	wal_box_advance_ms(b, 500);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_written(b, 6);
	assert_int_equal(wal_writer_durable_lsn(b->w), 4);
	wal_box_advance_ms(b, 500);
	wal_box_await_durable(b, 6);
}

static void no_leaves_syncing_to_the_kernel(void **state)
{
	struct wal_box *b = *state;
	uint64_t before;

	b->opts.fsync = WAL_FSYNC_NO;
	wal_box_open(b, true);
	before = syncs(b);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(wal_box_append(b, 2), ST_OK);
		wal_box_await_written(b, b->next_lsn - 1);
		wal_box_advance_ms(b, 5000);
	}
	assert_int_equal(syncs(b), before);
	assert_int_equal(wal_writer_durable_lsn(b->w), 0);
	assert_int_equal(wal_writer_sync(b->w, 4), ST_OK); /* unless somebody needs it */
	assert_true(wal_writer_durable_lsn(b->w) >= 4);
	assert_int_equal(syncs(b), before + 1);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	assert_int_equal(wal_box_close(b), ST_OK); /* or at the end */
	memory_disk_lose_power(b->disk);
	expect_log(b, 11);
}

static void a_new_policy_holds_for_what_is_written_already(void **state)
{
	struct wal_box *b = *state;

	b->opts.fsync = WAL_FSYNC_NO;
	wal_box_open(b, true);
	assert_int_equal(wal_box_append(b, 2), ST_OK);
	wal_box_await_written(b, 2);
	wal_writer_set_fsync(b->w, WAL_FSYNC_ALWAYS);
	wal_box_await_durable(b, 2);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_durable(b, 3);
}

/* A reader learns from the log how far it was durable, also of the last group. */
static void an_idle_log_bears_witness_to_its_last_sync(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	wal_box_open(b, true);
	assert_int_equal(wal_box_append(b, 7), ST_OK);
	wal_box_await_durable(b, 7);
	assert_true(expect_log(b, 7).end.watermark < 7);
	wal_box_advance_ms(b, 100);
	for (int i = 0; i < 20000; i++) {
		wal_box_read(b, &v);
		if (v.end.watermark == 7) {
			break;
		}
		(void)usleep(500);
	}
	assert_int_equal(v.end.watermark, 7);
	assert_int_equal(v.end.records, 7);
}

static void a_header_claims_only_what_is_durable(void **state)
{
	struct wal_box *b = *state;

	b->opts.fsync = WAL_FSYNC_NO;
	wal_box_open(b, true);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(wal_box_append(b, 2), ST_OK);
		wal_box_await_written(b, b->next_lsn - 1);
	}
	assert_int_equal(expect_log(b, 8).end.watermark, 0);
	assert_int_equal(wal_writer_sync(b->w, 8), ST_OK);
	assert_int_equal(wal_box_append(b, 2), ST_OK);
	wal_box_await_written(b, 10);
	assert_int_equal(expect_log(b, 10).end.watermark, 8);
}

/* --- frames and segments --- */

static void a_full_segment_is_synced_before_the_next_one_begins(void **state)
{
	struct wal_box *b = *state;
	struct log_image image;

	b->opts.fsync = WAL_FSYNC_NO;
	b->opts.segment_size = 8192;
	wal_box_open(b, true);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_written(b, b->next_lsn - 1);
	}
	expect_log(b, 180);
	/* Without a sync for its own sake, all but the last segment survives. */
	memory_disk_lose_power(b->disk);
	log_image_load(&image, b->opts.io, "wal");
	assert_true(image.count > 5);
	expect_log(b, image.files[image.count - 1].first_lsn - 1);
	for (size_t i = 0; i < image.count; i++) {
		struct wal_segment s;

		assert_int_equal(wal_segment_decode(buf_slice(&image.files[i].bytes), &s), ST_OK);
		assert_int_equal(s.watermark, s.first_lsn - 1);
		assert_int_equal(image.files[i].bytes.len, 8192);
	}
	log_image_deinit(&image);
}

static void records_larger_than_a_segment_get_through(void **state)
{
	struct wal_box *b = *state;
	struct log_verdict v;

	b->opts.segment_size = 8192;
	b->opts.compression_level = 1;
	wal_box_open(b, true);
	assert_int_equal(wal_box_append(b, 2000), ST_OK); /* some hundred KiB, in several frames */
	wal_box_await_durable(b, 2000);
	v = expect_log(b, 2000);
	assert_true(v.end.frames > 3);
	assert_true(v.end.stored_bytes < v.end.raw_bytes);
	memory_disk_lose_power(b->disk);
	expect_log(b, 2000);
}

static void a_huge_record_leaves_no_huge_buffers(void **state)
{
	struct wal_box *b = *state;
	struct made_record m = {0};
	struct wal_record rec;
	size_t len = 3 * (size_t)SPARE_KEEP;
	char *value = malloc(len + 1);

	memset(value, 'v', len);
	value[len] = 0;
	wal_box_open(b, true);
	made_begin(&m, "set");
	made_string(&m, "key", value, 0);
	made_end(&m, 1, &rec);
	assert_int_equal(wal_writer_append(b->w, &m.bytes, 1, 1), ST_OK);
	wal_box_await_durable(b, 1);
	/* The thread has nothing to do now, so its buffers can be looked at. */
	assert_in_range(b->w->group.cap, 0, SPARE_KEEP);
	assert_in_range(b->w->spare.cap, 0, SPARE_KEEP);
	assert_in_range(b->w->pending.cap, 0, SPARE_KEEP);
	made_deinit(&m);
	free(value);
}

static void one_group_of_several_frames_is_one_write_and_one_sync(void **state)
{
	struct wal_box *b = *state;
	uint64_t writes, synced;

	b->opts.segment_size = 8 << 20;
	b->opts.compression_level = 1;
	wal_box_open(b, true);
	/* The first group has a piece of the new file blanked ahead; the next ones lie in it. */
	writes = memory_disk_count(b->disk, MEMORY_DISK_WRITE);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_durable(b, 1);
	assert_int_equal(memory_disk_count(b->disk, MEMORY_DISK_WRITE) - writes, 2);
	writes = memory_disk_count(b->disk, MEMORY_DISK_WRITE);
	synced = syncs(b);
	assert_int_equal(wal_box_append(b, 2000), ST_OK);
	wal_box_await_durable(b, 2001);
	assert_int_equal(memory_disk_count(b->disk, MEMORY_DISK_WRITE) - writes, 1);
	assert_int_equal(syncs(b) - synced, 1);
	assert_true(expect_log(b, 2001).end.frames > 3);
}

static void old_segments_are_recycled_and_deleted_as_released(void **state)
{
	struct wal_box *b = *state;
	struct log_image image;
	struct log_verdict v;
	struct wal_stats stats;
	bool recycled = false;

	b->opts.segment_size = 8192;
	b->opts.keep_size = 0;
	wal_box_open(b, true);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_durable(b, b->next_lsn - 1);
		if (i > 10) {
			wal_writer_release(b->w, b->next_lsn - 30);
		}
	}
	log_image_load(&image, b->opts.io, "wal");
	for (size_t i = 0; i < image.count; i++) {
		struct wal_segment s;

		assert_int_equal(wal_segment_decode(buf_slice(&image.files[i].bytes), &s), ST_OK);
		recycled |= s.recycled;
	}
	assert_true(recycled);
	log_image_read(&image, b->next_lsn - 29, 0, &v);
	assert_true(v.st == ST_END && !v.wrong);
	assert_int_equal(v.first, b->next_lsn - 29); /* what was not released is all there */
	assert_int_equal(v.last, b->next_lsn - 1);
	wal_writer_stats(b->w, &stats);
	assert_true(stats.segments <= 8);
	log_image_deinit(&image);
}

static void segments_are_kept_by_size_and_age(void **state)
{
	struct wal_box *b = *state;
	struct wal_stats stats;

	b->opts.segment_size = 8192;
	wal_box_open(b, true); /* keeps all by size */
	for (int i = 0; i < 60; i++) {
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_durable(b, b->next_lsn - 1);
	}
	wal_writer_release(b->w, b->next_lsn - 1);
	wal_writer_stats(b->w, &stats);
	assert_true(stats.segments > 5);
	assert_int_equal(stats.first_lsn, 1);
	b->opts.keep_size = 0;
	b->opts.keep_ms = 60000;
	wal_box_advance_ms(b, 59000);
	assert_int_equal(wal_box_append(b, 1), ST_OK);
	wal_box_await_durable(b, b->next_lsn - 1);
	wal_writer_stats(b->w, &stats);
	assert_true(stats.segments > 5);
	wal_box_advance_ms(b, 1000);
	for (int i = 0; i < 20000 && stats.segments > 2; i++) {
		(void)usleep(500);
		wal_writer_stats(b->w, &stats);
	}
	assert_int_equal(stats.segments, 2); /* the present one and one to be recycled */
	assert_true(stats.first_lsn > 1);
}

/* --- a full disk --- */

static void a_full_disk_stalls_and_goes_on_by_itself(void **state)
{
	static const enum memory_disk_call calls[] = {MEMORY_DISK_WRITE, MEMORY_DISK_ALLOCATE,
						      MEMORY_DISK_OPEN};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct wal_box *b = *state;
		struct wal_stats stats;

		b->opts.segment_size = 8192;
		wal_box_open(b, true);
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_durable(b, 3);
		memory_disk_fail(b->disk, calls[i], 0, UINT64_MAX, ST_NO_SPACE);
		assert_int_equal(wal_box_append(b, 300), ST_OK);
		wal_box_await_state(b, WAL_STALLED);
		assert_int_equal(wal_box_append(b, 5), ST_OK); /* it is taken, and waits */
		assert_int_equal(wal_writer_durable_lsn(b->w), 3);
		assert_int_equal(wal_writer_sync(b->w, 303), ST_NO_SPACE);
		wal_writer_stats(b->w, &stats);
		assert_int_equal(stats.state, WAL_STALLED);
		assert_true(stats.last_errno != 0 && stats.pending_bytes > 0);
		memory_disk_fail(b->disk, calls[i], 0, 0, ST_OK);
		wal_box_await_durable(b, 308);
		wal_box_await_state(b, WAL_RUNNING);
		memory_disk_lose_power(b->disk);
		expect_log(b, 308);
		(void)wal_box_teardown(state);
		(void)wal_box_setup(state);
	}
}

static void a_stalled_log_can_be_closed(void **state)
{
	struct wal_box *b = *state;

	wal_box_open(b, true);
	assert_int_equal(wal_box_append(b, 3), ST_OK);
	wal_box_await_durable(b, 3);
	memory_disk_fail(b->disk, MEMORY_DISK_WRITE, 0, UINT64_MAX, ST_NO_SPACE);
	assert_int_equal(wal_box_append(b, 3), ST_OK);
	wal_box_await_state(b, WAL_STALLED);
	assert_int_equal(wal_box_close(b), ST_NO_SPACE);
	assert_false(expect_log(b, 3).end.clean);
}

/* --- a failing disk --- */

static void after_a_failed_write_or_sync_nothing_is_durable_any_more(void **state)
{
	static const enum memory_disk_call calls[] = {MEMORY_DISK_WRITE, MEMORY_DISK_SYNC};

	for (size_t i = 0; i < 4; i++) {
		struct wal_box *b = *state;
		struct log_verdict v;
		uint64_t synced, writes;

		wal_box_open(b, true);
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_durable(b, 3);
		memory_disk_fail(b->disk, calls[i % 2], 0, i < 2 ? 1 : UINT64_MAX, ST_IO);
		assert_int_equal(wal_box_append(b, 3), ST_OK);
		wal_box_await_state(b, WAL_FAILED);
		synced = syncs(b);
		writes = memory_disk_count(b->disk, MEMORY_DISK_WRITE);
		assert_int_equal(wal_box_append(b, 1), ST_READ_ONLY);
		assert_int_equal(wal_writer_sync(b->w, 6), ST_IO);
		wal_box_advance_ms(b, 2000);
		assert_int_equal(wal_writer_durable_lsn(b->w), 3);
		assert_int_equal(wal_box_close(b), ST_IO);
		/* A second sync would only hide that the first one failed. */
		assert_int_equal(syncs(b), synced);
		assert_int_equal(memory_disk_count(b->disk, MEMORY_DISK_WRITE), writes);
		memory_disk_fail(b->disk, calls[i % 2], 0, 0, ST_OK);
		memory_disk_lose_power(b->disk);
		wal_box_read(b, &v);
		assert_false(v.wrong);
		assert_int_equal(v.last, 3);
		assert_false(v.end.clean);
		(void)wal_box_teardown(state);
		(void)wal_box_setup(state);
	}
}

static void a_segment_that_cannot_be_begun_fails_the_log(void **state)
{
	static const enum memory_disk_call calls[] = {MEMORY_DISK_OPEN, MEMORY_DISK_ALLOCATE,
						      MEMORY_DISK_RENAME, MEMORY_DISK_SYNC_DIR};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct wal_box *b = *state;

		b->opts.segment_size = 8192;
		wal_box_open(b, true);
		memory_disk_fail(b->disk, calls[i], 0, 1, ST_IO);
		for (int k = 0; k < 100 && wal_box_append(b, 3) == ST_OK; k++) {
			(void)usleep(200);
		}
		wal_box_await_state(b, WAL_FAILED);
		uint64_t durable = wal_writer_durable_lsn(b->w);

		assert_true(durable > 0);
		assert_int_equal(wal_box_close(b), ST_IO);
		memory_disk_lose_power(b->disk);
		expect_log(b, durable);
		(void)wal_box_teardown(state);
		(void)wal_box_setup(state);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, wal_box_setup, wal_box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_is_durable_before_its_sync_returned),
	    TEST(while_one_group_is_synced_the_next_one_gathers),
	    TEST(everysec_syncs_once_a_second),
	    TEST(no_leaves_syncing_to_the_kernel),
	    TEST(a_new_policy_holds_for_what_is_written_already),
	    TEST(an_idle_log_bears_witness_to_its_last_sync),
	    TEST(a_header_claims_only_what_is_durable),
	    TEST(a_full_segment_is_synced_before_the_next_one_begins),
	    TEST(records_larger_than_a_segment_get_through),
	    TEST(a_huge_record_leaves_no_huge_buffers),
	    TEST(one_group_of_several_frames_is_one_write_and_one_sync),
	    TEST(old_segments_are_recycled_and_deleted_as_released),
	    TEST(segments_are_kept_by_size_and_age),
	    TEST(a_full_disk_stalls_and_goes_on_by_itself),
	    TEST(a_stalled_log_can_be_closed),
	    TEST(after_a_failed_write_or_sync_nothing_is_durable_any_more),
	    TEST(a_segment_that_cannot_be_begun_fails_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
