/* Collections by id and by key: what is dropped, renamed or written over. */
#include "engine/base/alloc.h"
#include "engine/export/id_map.h"
#include "tests/support/made_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct meta large(enum value_type type, uint64_t id, uint64_t count)
{
	return (struct meta){.type = type, .form = FORM_LARGE, .id = id, .count = count};
}

static void learn(struct id_map *map, const struct wal_record *rec)
{
	assert_int_equal(id_map_learn(map, rec), ST_OK);
}

static void many_come_and_go(void **state)
{
	struct made_record m = {0};
	struct wal_record rec;
	struct id_map map = {0};

	(void)state;
	/* A sliding window of 500 ids over 5000: what is dropped leaves no hole in a chain. */
	for (uint64_t id = 1; id <= 5000; id++) {
		struct meta meta = large(TYPE_LIST, id, id);
		char key[24];

		(void)snprintf(key, sizeof key, "k%d", (int)id);
		made_begin(&m, "rpush");
		made_meta(&m, key, &meta);
		if (id > 500) {
			made_op(&m, WAL_OP_DROP, key, id - 500, "");
		}
		made_end(&m, id, &rec);
		learn(&map, &rec);
		id_map_settle(&map, &rec);
		for (uint64_t back = 0; id % 250 == 0 && back < 500; back++) {
			const struct id_entry *e = id > back ? id_map_find(&map, id - back) : NULL;

			assert_true(id <= back || (e != NULL && e->count == id - back));
		}
		assert_true(id <= 500 || id_map_find(&map, id - 500) == NULL);
	}
	assert_int_equal(map.used, 500);
	assert_in_range(map.buckets_count, 501, 2048);
	made_deinit(&m);
	id_map_deinit(&map);
}

/* A record is taken in whole. */
static void take(struct id_map *map, struct made_record *m, uint64_t lsn)
{
	struct wal_record rec;

	made_end(m, lsn, &rec);
	learn(map, &rec);
	id_map_settle(map, &rec);
}

static void put(struct made_record *m, const char *key, uint64_t id)
{
	struct meta meta = large(TYPE_HASH, id, 1);

	made_meta(m, key, &meta);
}

static bool is_key_of(const struct id_map *map, uint64_t id, const char *key)
{
	const struct id_entry *e = id_map_find(map, id);

	return e != NULL && slice_eq(id_entry_key(e), slice_str(key));
}

static void what_is_written_over_without_a_drop_is_forgotten(void **state)
{
	struct made_record m = {0};
	struct id_map map = {0};

	(void)state;
	made_begin(&m, "hset");
	put(&m, "a", 1);
	put(&m, "b", 2);
	take(&map, &m, 1);
	assert_int_equal(map.used, 2);
	/* By a string, by another collection, by nothing. */
	made_begin(&m, "set");
	made_string(&m, "a", "v", 0);
	take(&map, &m, 2);
	assert_null(id_map_find(&map, 1));
	made_begin(&m, "copy");
	put(&m, "b", 3);
	take(&map, &m, 3);
	assert_null(id_map_find(&map, 2));
	assert_true(is_key_of(&map, 3, "b"));
	made_begin(&m, "del");
	made_op(&m, WAL_OP_DEL_KEY, "b", 0, "b");
	take(&map, &m, 4);
	assert_int_equal(map.used, 0);
	made_deinit(&m);
	id_map_deinit(&map);
}

static void a_renamed_one_stays(void **state)
{
	struct made_record m = {0};
	struct id_map map = {0};

	(void)state;
	made_begin(&m, "hset");
	put(&m, "a", 1);
	put(&m, "b", 2);
	take(&map, &m, 1);
	/* In whatever order a record tells of it. */
	made_begin(&m, "rename");
	made_op(&m, WAL_OP_DEL_KEY, "a", 0, "a");
	put(&m, "c", 1);
	take(&map, &m, 2);
	assert_true(is_key_of(&map, 1, "c"));
	made_begin(&m, "rename");
	put(&m, "d", 1);
	made_op(&m, WAL_OP_DEL_KEY, "c", 0, "c");
	take(&map, &m, 3);
	assert_true(is_key_of(&map, 1, "d"));
	/* Two change places. */
	made_begin(&m, "exec");
	put(&m, "d", 2);
	put(&m, "b", 1);
	take(&map, &m, 4);
	assert_true(is_key_of(&map, 1, "b"));
	assert_true(is_key_of(&map, 2, "d"));
	assert_int_equal(map.used, 2);
	/* Over another one, which is not dropped. */
	made_begin(&m, "rename");
	made_op(&m, WAL_OP_DEL_KEY, "d", 0, "d");
	put(&m, "b", 2);
	take(&map, &m, 5);
	assert_null(id_map_find(&map, 1));
	assert_true(is_key_of(&map, 2, "b"));
	made_deinit(&m);
	id_map_deinit(&map);
}

static void failing_memory_is_told(void **state)
{
	struct made_record m = {0};
	struct wal_record rec;

	(void)state;
	made_begin(&m, "exec");
	put(&m, "a", 1);
	put(&m, "b", 2);
	put(&m, "a", 3);
	made_end(&m, 1, &rec);
	for (int64_t n = 0;; n++) {
		struct id_map map = {0};
		enum status st;

		mem_fail_nth(n);
		st = id_map_learn(&map, &rec);
		mem_fail_nth(-1);
		id_map_deinit(&map);
		if (st == ST_OK) {
			assert_true(n > 3);
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
	made_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(many_come_and_go),
	    cmocka_unit_test(what_is_written_over_without_a_drop_is_forgotten),
	    cmocka_unit_test(a_renamed_one_stays),
	    cmocka_unit_test(failing_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
