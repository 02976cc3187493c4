/* The store: what is put is read back, in order, from consistent snapshots; failures leave the last
 * commit. */
#include "engine/store.h"

#include "engine/base/bytes.h"
#include "engine/key_codec.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[96];
	struct store *store;
};

static enum status open_at(struct fixture *f, uint64_t map_size, bool read_only, struct buf *error)
{
	struct store_options opts = {
	    .path = f->path, .io = io_posix(), .map_size_max = map_size, .read_only = read_only};

	return store_open(&opts, &f->store, error);
}

static void reopen(struct fixture *f)
{
	struct buf error = {0};

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(open_at(f, 64 << 20, false, &error), ST_OK);
	buf_deinit(&error);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/cairn-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof f->path, "%s/keyspace.mdb", f->dir);
	reopen(f);
	*state = f;
	return 0;
}

static void remove_one(void *dir, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", (const char *)dir, name);
	(void)unlink(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	assert_int_equal(io_posix()->ops->list(NULL, f->dir, remove_one, f->dir), ST_OK);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct store_txn *begin(struct fixture *f)
{
	struct store_txn *t;

	assert_int_equal(store_txn_begin(f->store, &t), ST_OK);
	return t;
}

static void put(struct store_txn *t, const char *key, const char *value)
{
	assert_int_equal(store_txn_put(t, slice_str(key), slice_str(value)), ST_OK);
}

static void expect(struct store_reader *r, const char *key, const char *value)
{
	struct slice got;
	enum status st = store_get(r, slice_str(key), &got);

	assert_int_equal(st, value == NULL ? ST_NOT_FOUND : ST_OK);
	if (value != NULL) {
		assert_true(slice_eq(got, slice_str(value)));
	}
}

static void what_is_committed_is_read_back_also_after_reopening(void **state)
{
	struct fixture *f = *state;
	struct store_reader *r;
	struct store_txn *t = begin(f);
	struct slice got;

	put(t, "b", "two");
	put(t, "a", "one");
	put(t, "c", "");
	put(t, "b", "TWO, longer");
	assert_int_equal(store_txn_get(t, slice_str("b"), &got), ST_OK);
	assert_true(slice_eq(got, slice_str("TWO, longer")));
	assert_int_equal(store_txn_del(t, slice_str("a")), ST_OK);
	assert_int_equal(store_txn_del(t, slice_str("nothing")), ST_OK);
	assert_int_equal(store_txn_get(t, slice_str("a"), &got), ST_NOT_FOUND);
	assert_int_equal(store_txn_commit(t), ST_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_reader_open(f->store, &r), ST_OK);
		expect(r, "a", NULL);
		expect(r, "b", "TWO, longer");
		expect(r, "c", "");
		expect(r, "d", NULL);
		store_reader_close(r);
		reopen(f);
	}
}

/* Gives the file a hole of this many pages at its end, and drops it from the page cache. */
static void add_hole(struct fixture *f, off_t pages)
{
	struct stat st;
	int fd;

	store_close(f->store);
	f->store = NULL;
	fd = open(f->path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size + pages * sysconf(_SC_PAGESIZE)), 0);
	assert_int_equal(close(fd), 0);
	reopen(f);
}

static void a_few_pages_that_were_never_written_do_not_make_the_store_cold(void **state)
{
	struct fixture *f = *state;

	add_hole(f, 20);
	assert_true(store_resident(f->store, 128));
	/* Fetched by the first look: nothing is missing any more. */
	assert_true(store_resident(f->store, 128));
}

/* A larger file may lack more, as long as it is a small part and the caller has time for it. */
static void of_a_large_file_a_small_part_may_be_missing(void **state)
{
	static const uint8_t page[3000];
	struct fixture *f = *state;
	struct store_txn *t = begin(f);

	for (unsigned n = 0; n < 12000; n++) {
		char key[16];

		(void)snprintf(key, sizeof key, "%u", n);
		assert_int_equal(store_txn_put(t, slice_str(key), slice_of(page, sizeof page)),
				 ST_OK);
	}
	assert_int_equal(store_txn_commit(t), ST_OK);
	add_hole(f, 300);
	assert_false(store_resident(f->store, 128));
	assert_true(store_resident(f->store, 1000));
	store_map_resident(f->store);
	assert_true(store_resident(f->store, 0));
	add_hole(f, 800);
	assert_false(store_resident(f->store, 1000));
}

static void many_missing_pages_do(void **state)
{
	struct fixture *f = *state;

	add_hole(f, 4000);
	assert_false(store_resident(f->store, 128));
	assert_false(store_resident(f->store, 128));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_committed_is_read_back_also_after_reopening,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_few_pages_that_were_never_written_do_not_make_the_store_cold, setup, teardown),
	    cmocka_unit_test_setup_teardown(of_a_large_file_a_small_part_may_be_missing, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(many_missing_pages_do, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
