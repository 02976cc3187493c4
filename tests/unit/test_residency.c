/* Which lookups are expected not to fault: all while the store is in memory, else those of what was
 * read lately. */
#include "engine/residency.h"
#include "tests/support/page_cache.h"
#include "tests/support/temp_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP = 64 << 20, HOLE_PAGES = 4000, MARKS = 1 << 18 };

static void a_store_in_memory_makes_everything_warm(void **state)
{
	struct temp_store t;
	struct residency *r;

	(void)state;
	temp_store_create(&t, MAP);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_true(residency_all(r));
	assert_true(residency_warm(r, 12345));
	residency_mark(r, 1); /* not needed, and not kept */
	residency_stop(r);
	temp_store_destroy(&t);
}

/* A store whose file has many pages that nobody has read. */
static void make_cold(struct temp_store *t)
{
	struct store_info info;

	temp_store_create(t, MAP);
	assert_int_equal(store_info(t->store, &info), ST_OK);
	temp_store_close(t);
	assert_int_equal(truncate(t->path, (off_t)info.file_bytes + HOLE_PAGES * 4096), 0);
	temp_store_reopen(t, MAP);
}

static void in_a_cold_store_only_what_was_marked_is_warm(void **state)
{
	struct temp_store t;
	struct residency *r;
	int warm = 0;

	(void)state;
	make_cold(&t);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_false(residency_all(r));
	assert_false(residency_warm(r, 7));
	residency_mark(r, 7);
	residency_mark(r, 7);
	assert_true(residency_warm(r, 7));
	assert_false(residency_warm(r, 8));
	/* One generation later it is still known, two later it is not. */
	for (uint64_t i = 0; i < MARKS; i++) {
		residency_mark(r, 100 + i);
	}
	assert_true(residency_warm(r, 7));
	for (uint64_t i = 0; i < 2 * MARKS; i++) {
		residency_mark(r, 1000000 + i);
	}
	assert_false(residency_warm(r, 7));
	for (uint64_t i = 0; i < 1000; i++) {
		warm += residency_warm(r, 1000000 + 2 * MARKS - 1 - i);
	}
	assert_int_equal(warm, 1000);
	residency_stop(r);
	residency_stop(NULL);
	temp_store_destroy(&t);
}

/* told: the store's owner says that it has changed; otherwise lookups ask. */
static void look_again(bool told)
{
	static const uint8_t zeros[1 << 16];
	struct temp_store t;
	struct store_info info;
	struct residency *r;
	int fd;

	make_cold(&t);
	assert_int_equal(store_info(t.store, &info), ST_OK);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_false(residency_all(r));
	/* Written pages are in memory. */
	fd = open(t.path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint64_t left = (uint64_t)HOLE_PAGES * 4096; left > 0;) {
		size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;

		assert_int_equal(pwrite(fd, zeros, n, (off_t)(info.file_bytes - left)), n);
		left -= n;
	}
	assert_int_equal(close(fd), 0);
	if (told) {
		residency_look(r);
	}
	for (int i = 0; i < 300 && !residency_all(r); i++) {
		if (!told) {
			(void)residency_warm(r, 1);
		}
		(void)usleep(100000);
	}
	assert_true(residency_all(r));
	residency_stop(r);
	temp_store_destroy(&t);
}

static void the_thread_looks_again_when_asked(void **state)
{
	(void)state;
	look_again(false);
}

static void the_thread_looks_again_when_told(void **state)
{
	(void)state;
	look_again(true);
}

enum { ENTRIES = 40000, EVERY = 400, LONG_VALUE = 3000, ABSENT = 1 };

static struct slice entry_key(int i, int kind, char dst[32])
{
	(void)snprintf(dst, 32, "%c%cKkey:%06d.%d", 0, 1, i, kind);
	return slice_of((uint8_t *)dst, 2 + strlen(dst + 2));
}

/* Keys with small values, every EVERYth with one in pages of its own. */
static void fill(struct temp_store *t)
{
	static uint8_t bytes[LONG_VALUE];
	struct store_txn *txn;
	char name[32];

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	for (int i = 0; i < ENTRIES; i++) {
		size_t len = i % EVERY == 0 ? LONG_VALUE : 100;

		bytes[0] = (uint8_t)i;
		assert_int_equal(store_txn_put(txn, entry_key(i, 0, name), slice_of(bytes, len)),
				 ST_OK);
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

/* Before a lookup the pages on its way are asked for, not touched: asking changes nothing, a lookup
 * by somebody else makes exactly its own key resident (and those on the same pages). */
static void a_key_is_resident_once_somebody_has_read_it(void **state)
{
	struct temp_store t;
	struct store_reader *r, *other;
	struct slice value;
	char name[32];
	int resident = 0;

	(void)state;
	temp_store_create(&t, MAP);
	fill(&t);
	temp_store_close(&t);
	if (!page_cache_drop(t.path)) {
		temp_store_reopen(&t, MAP);
		temp_store_destroy(&t);
		skip();
	}
	temp_store_reopen(&t, MAP);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_reader_open(t.store, &other), ST_OK);
	for (int round = 0; round < 2; round++) {
		resident = 0;
		for (int i = 0; i < ENTRIES; i++) {
			resident += store_reader_resident(r, entry_key(i, 0, name));
		}
		assert_true(resident < ENTRIES / 4);
	}
	for (int i = 0; i < ENTRIES; i += EVERY / 2) {
		/* One in two has its value in other pages, the next one has not; then a
		 * key that is missing. */
		for (int k = 0; k < 2; k++) {
			assert_int_equal(store_get(other, entry_key(i + k, 0, name), &value),
					 ST_OK);
			for (size_t at = 0; at < value.len; at += 1024) {
				resident += value.data[at] & 1;
			}
			assert_true(store_reader_resident(r, entry_key(i + k, 0, name)));
		}
		assert_int_equal(store_get(other, entry_key(i + 1, ABSENT, name), &value),
				 ST_NOT_FOUND);
	}
	/* All have been read now but the long values. */
	for (int i = 0; i < ENTRIES; i++) {
		(void)!store_get(other, entry_key(i, 0, name), &value);
	}
	for (int i = 0; i < ENTRIES; i++) {
		assert_true(store_reader_resident(r, entry_key(i, 0, name)));
	}
	/* Missing keys between two of one page; at a page's edge it says no, to be safe. */
	resident = 0;
	for (int i = 0; i < ENTRIES; i++) {
		resident += store_reader_resident(r, entry_key(i, ABSENT, name));
	}
	assert_true(resident > ENTRIES / 2);
	store_reader_reset(other);
	assert_true(store_reader_resident(other, entry_key(0, 0, name)));
	store_reader_close(r);
	store_reader_close(other);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_is_resident_once_somebody_has_read_it),
	    cmocka_unit_test(a_store_in_memory_makes_everything_warm),
	    cmocka_unit_test(in_a_cold_store_only_what_was_marked_is_warm),
	    cmocka_unit_test(the_thread_looks_again_when_asked),
	    cmocka_unit_test(the_thread_looks_again_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
