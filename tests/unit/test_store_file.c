/* The store's file is looked at before LMDB maps it: whole ones pass, what would make LMDB lie or
 * kill the process is refused. */
#include "engine/base/bytes.h"
#include "engine/store_file.h"
#include "tests/support/temp_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP = 256 << 20, PAGE = 4096, KEYS_MAX = 30000, META_VERSION_OFF = 16 + 4 };

/* A store with some pages used, and a long list of free ones. */
static void make(struct temp_store *t)
{
	static const uint8_t value[200];

	temp_store_create(t, MAP);
	for (int round = 0; round < 3; round++) {
		struct store_txn *txn;

		assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
		for (uint32_t n = 0; n < KEYS_MAX; n++) {
			uint8_t key[8] = {0, 1, 'K'};

			bytes_put_u32le(key + 4, n);
			assert_int_equal(
			    round == 1 && n % 500 != 0
				? store_txn_del(txn, slice_of(key, 8))
				: store_txn_put(txn, slice_of(key, 8), slice_of(value, n % 200)),
			    ST_OK);
			if (round == 2 && n == 500) {
				break;
			}
		}
		assert_int_equal(store_txn_commit(txn), ST_OK);
	}
	temp_store_close(t);
}

static enum status check(struct temp_store *t, const char *words)
{
	struct buf error = {0};
	enum status st = store_file_check(io_posix(), t->path, false, &error);

	assert_int_equal(buf_append(&error, "", 1), ST_OK);
	if (st != ST_OK && strstr((const char *)error.data, words) == NULL) {
		print_error("%s\n", (const char *)error.data);
		fail();
	}
	buf_deinit(&error);
	return st;
}

/* Overwrites bytes, checks, and puts the old ones back. */
static void refused_with(struct temp_store *t, off_t at, const void *bytes, size_t len,
			 enum status want, const char *words)
{
	uint8_t old[64];
	int fd = open(t->path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0 && len <= sizeof old);
	assert_int_equal(pread(fd, old, len, at), len);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	assert_int_equal(check(t, words), want);
	assert_int_equal(pwrite(fd, old, len, at), len);
	assert_int_equal(close(fd), 0);
	assert_int_equal(check(t, ""), ST_OK);
}

static void a_whole_file_passes(void **state)
{
	struct temp_store t;

	(void)state;
	make(&t);
	assert_int_equal(check(&t, ""), ST_OK);
	temp_store_reopen(&t, MAP);
	/* Also beside the one who has it open. */
	assert_int_equal(check(&t, ""), ST_OK);
	temp_store_destroy(&t);
}

static void a_missing_file_is_not_found(void **state)
{
	struct buf error = {0};

	(void)state;
	assert_int_equal(
	    store_file_check(io_posix(), "/tmp/cairn-there-is-no-such-file", true, &error),
	    ST_NOT_FOUND);
	assert_int_equal(error.len, 0);
}

static void damaged_meta_pages_are_refused(void **state)
{
	static const uint8_t ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct temp_store t;

	(void)state;
	make(&t);
	for (off_t page = 0; page <= PAGE; page += PAGE) {
		refused_with(&t, page + 16, ones, 4, ST_CORRUPT, "meta page is damaged");
		refused_with(&t, page + 10, "\0\0", 2, ST_CORRUPT, "meta page is damaged");
		refused_with(&t, page, ones, 8, ST_CORRUPT, "meta page is damaged");
		refused_with(&t, page + META_VERSION_OFF, ones, 4, ST_CORRUPT,
			     "meta page is damaged");
		refused_with(&t, page + 16 + 24, ones, 4, ST_CORRUPT, "meta page is damaged");
		refused_with(&t, page + 16 + 128, ones, 8, ST_CORRUPT, "meta page is damaged");
	}
	temp_store_destroy(&t);
}

/* Not damage, but nothing for us. */
static void another_data_version_is_said(void **state)
{
	static const uint8_t two[4] = {2};
	struct temp_store t;
	int fd;

	(void)state;
	make(&t);
	fd = open(t.path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, two, 4, META_VERSION_OFF), 4);
	assert_int_equal(pwrite(fd, two, 4, PAGE + META_VERSION_OFF), 4);
	assert_int_equal(close(fd), 0);
	assert_int_equal(check(&t, "data version"), ST_VERSION);
	temp_store_destroy(&t);
}

static void a_file_that_is_cut_is_refused_at_every_page(void **state)
{
	struct temp_store t;
	struct stat st;
	char copy[128];
	int refused = 0, pages;

	(void)state;
	make(&t);
	assert_int_equal(stat(t.path, &st), 0);
	pages = (int)(st.st_size / PAGE);
	assert_true(pages > 100);
	(void)snprintf(copy, sizeof copy, "%s", t.path);
	/* From the end down: once a used page is missing it never passes again. */
	for (int n = pages - 1; n >= 0; n -= n > 10 ? 7 : 1) {
		enum status got;

		assert_int_equal(truncate(copy, (off_t)n * PAGE), 0);
		got = check(&t, "");
		assert_true(got == ST_OK || got == ST_CORRUPT);
		assert_true(refused == 0 || got == ST_CORRUPT);
		refused += got == ST_CORRUPT;
	}
	assert_true(refused > 0);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_file_passes),
	    cmocka_unit_test(a_missing_file_is_not_found),
	    cmocka_unit_test(damaged_meta_pages_are_refused),
	    cmocka_unit_test(another_data_version_is_said),
	    cmocka_unit_test(a_file_that_is_cut_is_refused_at_every_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
