/* Memory that was asked for is backed by the thread, unchanged where it was in use already, and may
 * go away once settled. */
#include "engine/base/mem_ahead.h"

#include "engine/base/alloc.h"
#include "engine/memtable.h"
#include "tests/support/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 8 << 20, PAGE = 4096, POLL_US = 1000, POLLS = 20000 };

/* Pages of the region that are backed. */
static size_t backed(void *at, size_t size)
{
	size_t pages = size / PAGE, n = 0;
	unsigned char *there = malloc(pages);

	assert_non_null(there);
	assert_int_equal(mincore(at, size, there), 0);
	for (size_t i = 0; i < pages; i++) {
		n += there[i] & 1;
	}
	free(there);
	return n;
}

static void what_is_wanted_is_backed(void **state)
{
	struct mem_ahead *m;
	uint8_t *at = mem_map(SIZE);
	size_t n = 0;

	(void)state;
	assert_non_null(at);
	/* No huge pages: they would back more than was asked for. */
	(void)madvise(at, SIZE, MADV_NOHUGEPAGE);
	assert_int_equal(mem_ahead_start(&m), ST_OK);
	memset(at, 7, 100);
	assert_int_equal(backed(at, SIZE), 1);
	mem_ahead_want(m, at, SIZE / 2);
	mem_ahead_want(m, at + SIZE - PAGE - 1, PAGE); /* no whole page of its own */
	mem_ahead_want(m, at + SIZE - 1, 1);
	for (int i = 0; i < patience(POLLS) && n < SIZE / 2 / PAGE; i++) {
		n = backed(at, SIZE);
		(void)usleep(POLL_US);
	}
	assert_int_equal(backed(at, SIZE / 2), SIZE / 2 / PAGE);
	assert_true(backed(at + SIZE / 2, SIZE / 2) <= 1);
	assert_int_equal(at[99], 7);
	assert_int_equal(at[100], 0);
	mem_ahead_stop(m);
	mem_unmap(at, SIZE);
}

static void settled_memory_may_go(void **state)
{
	struct mem_ahead *m;

	(void)state;
	assert_int_equal(mem_ahead_start(&m), ST_OK);
	for (int round = 0; round < 50; round++) {
		uint8_t *at = mem_map(SIZE);

		assert_non_null(at);
		for (int i = 0; i < 40; i++) { /* more than are remembered */
			mem_ahead_want(m, at, SIZE);
		}
		mem_ahead_settle(m);
		mem_unmap(at, SIZE);
	}
	mem_ahead_stop(m);
	mem_ahead_stop(NULL);
}

/* A table whose memory is prepared works like any other, also when it outgrows what was planned and
 * when it goes in the middle. */
static void a_table_is_backed_ahead_of_its_use(void **state)
{
	struct mem_ahead *m;
	struct memtable *mt;

	(void)state;
	assert_int_equal(mem_ahead_start(&m), ST_OK);
	assert_int_equal(memtable_create(4 << 20, 5, &mt), ST_OK);
	for (uint32_t i = 0; i < 100000; i++) {
		char bytes[16] = {0};
		struct slice key = slice_of((uint8_t *)bytes, sizeof bytes);
		struct slice value = slice_str("some value");
		struct mt_entry *e;

		bytes[2] = 'K';
		memcpy(bytes + 8, &i, sizeof i);
		assert_int_equal(memtable_upsert(mt, key, memtable_hash(key, 5), &e), ST_OK);
		assert_int_equal(memtable_store(mt, e, &value, 1), ST_OK);
		assert_int_equal(memtable_unresolved_add(mt, e), ST_OK);
		if (i % 100 == 0) {
			memtable_back_ahead(mt, m);
		}
	}
	assert_int_equal(memtable_entries(mt), 100000);
	for (size_t i = 0, count; i < 100000; i++) {
		struct mt_entry **list = memtable_unresolved(mt, &count);
		uint32_t number;

		assert_int_equal(count, 100000);
		memcpy(&number, list[i]->key + 8, sizeof number);
		assert_int_equal(number, i);
	}
	memtable_destroy(mt);
	mem_ahead_stop(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wanted_is_backed),
	    cmocka_unit_test(settled_memory_may_go),
	    cmocka_unit_test(a_table_is_backed_ahead_of_its_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
