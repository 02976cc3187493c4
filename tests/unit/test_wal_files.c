/* Segment files: a name always has a whole header behind it, whenever the power goes; what may be
 * needed is never deleted or written anew; the archive holds whole copies. */
#include "engine/base/alloc.h"
#include "engine/wal/wal_files.h"
#include "tests/support/memory_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { SIZE = 8192 };

struct fixture {
	struct memory_disk *disk;
	const struct io *io;
	struct wal_files files;
};

static int setup(void **state)
{
	static struct fixture f;

	f.disk = memory_disk_create();
	f.io = memory_disk_io(f.disk);
	assert_int_equal(f.io->ops->mkdir(f.io->ctx, "wal"), ST_OK);
	assert_int_equal(f.io->ops->mkdir(f.io->ctx, "archive"), ST_OK);
	assert_int_equal(wal_files_open(&f.files, f.io, "wal", NULL), ST_OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wal_files_close(&f->files);
	memory_disk_destroy(f->disk);
	return 0;
}

static struct wal_segment segment(uint64_t first_lsn, uint64_t created_ms)
{
	return (struct wal_segment){
	    .first_lsn = first_lsn,
	    .watermark = first_lsn - 1,
	    .created_ms = created_ms,
	    .history = {.shard_id = 1, .count = 1, .items = {{.id = 2, .first_lsn = 1}}},
	};
}

static struct {
	uint64_t release, keep_size, keep_ms;
} retain = {0, UINT64_MAX, 0};

/* Begins a segment and closes it again. */
static enum status begin(struct fixture *f, uint64_t first_lsn, uint64_t now_ms, bool *recycled)
{
	struct wal_segment s = segment(first_lsn, now_ms);
	struct io_file *file;
	enum status st = wal_files_begin(&f->files, &s, SIZE, retain.release, retain.keep_size,
					 retain.keep_ms, &file);

	if (st == ST_OK) {
		f->io->ops->close(f->io->ctx, file);
		if (recycled != NULL) {
			*recycled = s.recycled;
		}
	}
	return st;
}

static void begin_new(struct fixture *f, uint64_t first_lsn, uint64_t now_ms)
{
	bool recycled;

	retain.release = 0;
	retain.keep_size = UINT64_MAX;
	retain.keep_ms = 0;
	assert_int_equal(begin(f, first_lsn, now_ms, &recycled), ST_OK);
	assert_false(recycled);
}

static void path_of(const char *dir, uint64_t first_lsn, char path[64])
{
	char name[WAL_SEGMENT_NAME_SIZE];

	wal_segment_name(first_lsn, name);
	(void)snprintf(path, 64, "%s/%s", dir, name);
}

static bool exists(struct fixture *f, const char *dir, uint64_t first_lsn)
{
	char path[64];

	path_of(dir, first_lsn, path);
	return memory_disk_exists(f->disk, path);
}

/* Every segment in the folder has a header that is its own. */
static size_t check_headers(struct fixture *f)
{
	struct wal_segment_list list;
	size_t count;

	assert_int_equal(wal_segment_list_read(f->io, "wal", &list), ST_OK);
	for (size_t i = 0; i < list.count; i++) {
		struct buf storage = {0};
		struct wal_segment s;
		struct slice bytes;
		char path[64];

		path_of("wal", list.first_lsn[i], path);
		bytes = memory_disk_bytes(f->disk, path);
		assert_int_equal(wal_segment_read(wal_source_of_memory(&bytes), &storage, &s),
				 ST_OK);
		assert_int_equal(s.first_lsn, list.first_lsn[i]);
		buf_deinit(&storage);
	}
	count = list.count;
	wal_segment_list_deinit(&list);
	return count;
}

static void a_segment_is_durable_when_it_is_begun(void **state)
{
	struct fixture *f = *state;
	char path[64];

	begin_new(f, 1, 5);
	memory_disk_lose_power(f->disk);
	assert_true(exists(f, "wal", 1));
	assert_int_equal(check_headers(f), 1);
	path_of("wal", 1, path);
	assert_int_equal(memory_disk_bytes(f->disk, path).len, SIZE);
	assert_int_equal(f->files.count, 1);
	assert_int_equal(wal_files_bytes(&f->files), SIZE);
}

/* The power goes after each call of a begin, new or recycled: no name without its header. */
static void a_loss_of_power_never_leaves_a_name_without_a_header(void **state)
{
	for (int recycle = 0; recycle < 2; recycle++) {
		for (uint64_t n = 0;; n++) {
			struct fixture *f = *state;
			enum status st;

			begin_new(f, 1, 5);
			begin_new(f, 11, 6);
			begin_new(f, 21, 7);
			retain.release = recycle != 0 ? 15 : 0;
			retain.keep_size = 0;
			memory_disk_fail(f->disk, MEMORY_DISK_ANY, n, UINT64_MAX, ST_IO);
			st = begin(f, 31, 8, NULL);
			memory_disk_fail(f->disk, MEMORY_DISK_ANY, 0, 0, ST_OK);
			memory_disk_lose_power(f->disk);
			(void)check_headers(f);
			assert_true(exists(f, "wal", 11) && exists(f, "wal", 21));
			assert_int_equal(exists(f, "wal", 31), st == ST_OK);
			wal_files_close(&f->files);
			assert_int_equal(wal_files_open(&f->files, f->io, "wal", NULL), ST_OK);
			assert_false(memory_disk_exists(f->disk, "wal/next.tmp"));
			assert_int_equal(begin(f, 31, 8, NULL),
					 ST_OK); /* again, and now it works */
			assert_true(check_headers(f) >= 3);
			(void)teardown(state);
			(void)setup(state);
			if (st == ST_OK) {
				assert_true(n >= 5);
				break;
			}
		}
	}
}

static void what_a_crash_left_is_listed_and_cleared(void **state)
{
	struct fixture *f = *state;

	begin_new(f, 0x10, 50);
	begin_new(f, 0x20, 60);
	memory_disk_put(f->disk, "wal/0000000000000005.wal", slice_str("no header"));
	memory_disk_put(f->disk, "wal/next.tmp", slice_str("half a header"));
	memory_disk_put(f->disk, "wal/notes.txt", slice_str("not ours"));
	wal_files_close(&f->files);
	assert_int_equal(wal_files_open(&f->files, f->io, "wal", NULL), ST_OK);
	assert_false(memory_disk_exists(f->disk, "wal/next.tmp"));
	assert_true(memory_disk_exists(f->disk, "wal/notes.txt"));
	assert_int_equal(f->files.count, 3);
	assert_int_equal(f->files.entries[0].first_lsn, 5);
	assert_int_equal(f->files.entries[0].created_ms, 0); /* looks old; recovery judges it */
	assert_int_equal(f->files.entries[1].first_lsn, 0x10);
	assert_int_equal(f->files.entries[1].created_ms, 50);
	assert_int_equal(f->files.entries[2].created_ms, 60);
	assert_int_equal(wal_files_bytes(&f->files), 2 * SIZE + 9);
}

static void an_empty_segment_of_the_same_lsn_is_replaced(void **state)
{
	struct fixture *f = *state;

	begin_new(f, 1, 5);
	begin_new(f, 11, 6);
	begin_new(f, 11, 7);
	assert_int_equal(f->files.count, 2);
	assert_int_equal(f->files.entries[1].created_ms, 7);
	assert_int_equal(check_headers(f), 2);
}

/* Segments 1, 11, 21, 31, 41 of 8 KiB each, made at 1000, 2000, ... ms. */
static void begin_five(struct fixture *f)
{
	for (uint64_t i = 0; i < 5; i++) {
		begin_new(f, i * 10 + 1, 1000 * (i + 1));
	}
}

static void only_what_nobody_needs_is_trimmed(void **state)
{
	static const struct {
		const char *what;
		uint64_t release, keep_size, keep_ms, now_ms, archived_below;
		size_t left; /* one released segment stays for recycling */
	} cases[] = {
	    {"nothing released", 0, 0, 0, 9000, UINT64_MAX, 5},
	    {"a part of the first", 9, 0, 0, 9000, UINT64_MAX, 5},
	    {"one, kept for recycling", 10, 0, 0, 9000, UINT64_MAX, 5},
	    {"three", 30, 0, 0, 9000, UINT64_MAX, 3},
	    {"all but what is being written", 1000, 0, 0, 9000, UINT64_MAX, 2},
	    {"all, kept by size", 1000, 5 * SIZE, 0, 9000, UINT64_MAX, 5},
	    {"all, two kept by size", 1000, 2 * SIZE, 0, 9000, UINT64_MAX, 3},
	    {"all, kept by age", 1000, 0, 100000, 9000, UINT64_MAX, 5},
	    {"all, two by age", 1000, 0, 6500, 9000, UINT64_MAX, 4},
	    {"not archived", 1000, 0, 0, 9000, 0, 5},
	    {"three archived", 1000, 0, 0, 9000, 31, 3},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture *f = *state;

		begin_five(f);
		f->files.archive_dir = "archive";
		f->files.archived_below = cases[i].archived_below;
		wal_files_trim(&f->files, cases[i].release, cases[i].keep_size, cases[i].keep_ms,
			       cases[i].now_ms);
		if (f->files.count != cases[i].left) {
			print_error("%s: %zu left\n", cases[i].what, f->files.count);
		}
		assert_int_equal(f->files.count, cases[i].left);
		assert_int_equal(check_headers(f), cases[i].left);
		assert_true(exists(f, "wal", 41));
		assert_int_equal(wal_files_bytes(&f->files), cases[i].left * SIZE);
		(void)teardown(state);
		(void)setup(state);
	}
}

static void a_failing_deletion_is_tried_again(void **state)
{
	struct fixture *f = *state;

	begin_five(f);
	memory_disk_fail(f->disk, MEMORY_DISK_UNLINK, 1, 1, ST_IO);
	wal_files_trim(&f->files, 1000, 0, 0, 9000);
	assert_int_equal(f->files.count, 4);
	assert_int_equal(check_headers(f), 4);
	wal_files_trim(&f->files, 1000, 0, 0, 9000);
	assert_int_equal(f->files.count, 2);
	assert_int_equal(check_headers(f), 2);
}

static void only_released_files_of_full_size_are_recycled(void **state)
{
	struct fixture *f = *state;
	bool recycled;

	begin_five(f);
	retain.release = 9; /* LSN 10 is still needed */
	retain.keep_size = 0;
	assert_int_equal(begin(f, 51, 6000, &recycled), ST_OK);
	assert_false(recycled);
	assert_true(exists(f, "wal", 1));
	retain.release = 10;
	retain.keep_ms = 100000;
	assert_int_equal(begin(f, 61, 7000, &recycled), ST_OK);
	assert_false(recycled);
	retain.keep_ms = 0;
	assert_int_equal(begin(f, 71, 8000, &recycled), ST_OK);
	assert_true(recycled);
	assert_false(exists(f, "wal", 1));
	assert_true(exists(f, "wal", 11));
	assert_int_equal(f->files.count, 7);
	assert_int_equal(check_headers(f), 7);
	/* A shorter file would have to grow while it is written. */
	retain.release = 20;
	f->files.entries[0].bytes = SIZE - 1;
	assert_int_equal(begin(f, 81, 9000, &recycled), ST_OK);
	assert_false(recycled);
}

static void a_recycled_file_says_so_and_keeps_its_old_bytes(void **state)
{
	struct fixture *f = *state;
	struct buf storage = {0};
	struct wal_segment s;
	struct io_file *file;
	struct slice bytes;
	char path[64];

	begin_new(f, 1, 5);
	path_of("wal", 1, path);
	assert_int_equal(f->io->ops->open(f->io->ctx, path, IO_READ | IO_WRITE, &file), ST_OK);
	assert_int_equal(f->io->ops->pwrite(f->io->ctx, file, "old", 3, 5000), ST_OK);
	f->io->ops->close(f->io->ctx, file);
	begin_new(f, 11, 6);
	retain.release = 10;
	retain.keep_size = 0;
	assert_int_equal(begin(f, 21, 7, NULL), ST_OK);
	path_of("wal", 21, path);
	bytes = memory_disk_bytes(f->disk, path);
	assert_int_equal(wal_segment_read(wal_source_of_memory(&bytes), &storage, &s), ST_OK);
	assert_true(s.recycled);
	assert_memory_equal(bytes.data + 5000, "old", 3);
	buf_deinit(&storage);
}

static void errors_of_the_disk_come_back(void **state)
{
	static const enum memory_disk_call calls[] = {
	    MEMORY_DISK_OPEN,	MEMORY_DISK_ALLOCATE, MEMORY_DISK_WRITE, MEMORY_DISK_SYNC,
	    MEMORY_DISK_RENAME, MEMORY_DISK_SYNC_DIR, MEMORY_DISK_SIZE};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct fixture *f = *state;

		retain.release = 0;
		retain.keep_size = UINT64_MAX;
		memory_disk_fail(f->disk, calls[i], 0, 1, i % 2 == 0 ? ST_IO : ST_NO_SPACE);
		assert_int_equal(begin(f, 1, 5, NULL), i % 2 == 0 ? ST_IO : ST_NO_SPACE);
		assert_int_equal(f->files.count, 0);
		memory_disk_fail(f->disk, calls[i], 0, 0, ST_OK);
		begin_new(f, 1, 5);
		assert_int_equal(check_headers(f), 1);
		(void)teardown(state);
		(void)setup(state);
	}
}

static void failing_memory_loses_no_file(void **state)
{
	struct fixture *f = *state;
	enum status st;

	retain.release = 0;
	retain.keep_size = UINT64_MAX;
	for (int64_t n = 0;; n++) {
		mem_fail_nth(n);
		st = begin(f, 1, 5, NULL);
		mem_fail_nth(-1);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
	assert_int_equal(check_headers(f), 1);
}

/* --- archive --- */

static void a_copy_in_the_archive_is_whole_or_not_there(void **state)
{
	struct fixture *f = *state;
	char path[64], copy[64];
	struct slice a, b;

	begin_new(f, 1, 5);
	path_of("wal", 1, path);
	path_of("archive", 1, copy);
	for (uint64_t n = 0;; n++) {
		enum status st;

		memory_disk_fail(f->disk, MEMORY_DISK_ANY, n, UINT64_MAX, ST_IO);
		st = wal_archive_copy(f->io, "wal", "archive", 1);
		memory_disk_fail(f->disk, MEMORY_DISK_ANY, 0, 0, ST_OK);
		if (st == ST_OK) {
			break;
		}
		memory_disk_lose_power(f->disk);
		assert_false(memory_disk_exists(f->disk, copy));
	}
	memory_disk_lose_power(f->disk);
	a = memory_disk_bytes(f->disk, path);
	b = memory_disk_bytes(f->disk, copy);
	assert_true(slice_eq(a, b));
	assert_int_equal(a.len, SIZE);
}

static void what_is_archived_already_is_not_copied_again(void **state)
{
	struct fixture *f = *state;
	uint64_t writes;
	char copy[64];

	begin_new(f, 1, 5);
	assert_int_equal(wal_archive_copy(f->io, "wal", "archive", 1), ST_OK);
	writes = memory_disk_count(f->disk, MEMORY_DISK_WRITE);
	assert_int_equal(wal_archive_copy(f->io, "wal", "archive", 1), ST_OK);
	assert_int_equal(memory_disk_count(f->disk, MEMORY_DISK_WRITE), writes);
	/* One of another size is not it. */
	path_of("archive", 1, copy);
	memory_disk_put(f->disk, copy, slice_str("short"));
	assert_int_equal(wal_archive_copy(f->io, "wal", "archive", 1), ST_OK);
	assert_int_equal(memory_disk_bytes(f->disk, copy).len, SIZE);
	assert_int_equal(wal_archive_copy(f->io, "wal", "archive", 11), ST_NOT_FOUND);
	assert_int_equal(wal_archive_copy(f->io, "wal", "elsewhere", 1), ST_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_segment_is_durable_when_it_is_begun),
	    TEST(a_loss_of_power_never_leaves_a_name_without_a_header),
	    TEST(what_a_crash_left_is_listed_and_cleared),
	    TEST(an_empty_segment_of_the_same_lsn_is_replaced),
	    TEST(only_what_nobody_needs_is_trimmed),
	    TEST(a_failing_deletion_is_tried_again),
	    TEST(only_released_files_of_full_size_are_recycled),
	    TEST(a_recycled_file_says_so_and_keeps_its_old_bytes),
	    TEST(errors_of_the_disk_come_back),
	    TEST(failing_memory_loses_no_file),
	    TEST(a_copy_in_the_archive_is_whole_or_not_there),
	    TEST(what_is_archived_already_is_not_copied_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
