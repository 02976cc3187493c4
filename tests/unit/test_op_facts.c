/* Facts of logged operations, and the map that remembers whose elements are whose. */
#include "engine/base/alloc.h"
#include "engine/export/op_facts.h"
#include "tests/support/made_record.h"
#include "tools/wal_filter.h"

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

static void elements_are_known_by_their_key_until_it_is_dropped(void **state)
{
	struct made_record m = {0};
	struct wal_record rec;
	struct wal_op op;
	struct op_facts f;
	struct id_map map = {0};
	struct meta meta = large(TYPE_HASH, 9, 1);
	struct slice ops;

	(void)state;
	made_begin(&m, "hset");
	made_field(&m, "h", 9, "f", "v"); /* before its key */
	made_meta(&m, "h", &meta);
	made_op(&m, WAL_OP_DROP, "h", 8, "");
	made_end(&m, 1, &rec);
	learn(&map, &rec);
	ops = rec.ops;
	assert_int_equal(wal_op_next(&ops, &op), ST_OK);
	assert_int_equal(op_facts_of(&map, &op, &f), ST_OK);
	assert_true(f.has_key && f.has_type && f.has_sub && f.has_value && !f.has_meta);
	assert_true(slice_eq(f.key, slice_str("h")) && f.type == TYPE_HASH);
	assert_true(slice_eq(f.sub, slice_str("f")) && slice_eq(f.value, slice_str("v")));
	assert_int_equal(wal_op_next(&ops, &op), ST_OK);
	assert_int_equal(op_facts_of(&map, &op, &f), ST_OK);
	assert_true(f.has_meta && f.meta.id == 9 && !f.has_value);
	assert_int_equal(wal_op_next(&ops, &op), ST_OK);
	assert_int_equal(op_facts_of(&map, &op, &f), ST_OK);
	assert_true(f.has_slot && !f.has_key && !f.has_sub);
	id_map_settle(&map, &rec);
	assert_non_null(id_map_find(&map, 9));

	made_begin(&m, "del");
	made_op(&m, WAL_OP_DEL_KEY, "h", 0, "h");
	made_op(&m, WAL_OP_DROP, "h", 9, "");
	made_end(&m, 2, &rec);
	learn(&map, &rec);
	assert_non_null(id_map_find(&map, 9));
	id_map_settle(&map, &rec);
	assert_null(id_map_find(&map, 9));

	made_begin(&m, "exec");
	made_meta(&m, "before", &(struct meta){.type = TYPE_LIST, .form = FORM_LARGE, .id = 20});
	made_op(&m, WAL_OP_FLUSH, "", 0, "");
	made_meta(&m, "after", &(struct meta){.type = TYPE_LIST, .form = FORM_LARGE, .id = 21});
	made_end(&m, 3, &rec);
	learn(&map, &rec);
	assert_null(id_map_find(&map, 20));
	assert_non_null(id_map_find(&map, 21));
	made_deinit(&m);
	id_map_deinit(&map);
}

static struct wal_filter filter_of(const char *key, const char *prefix, const char *match,
				   const char *types)
{
	struct wal_filter f = WAL_FILTER_INIT;

	f.key = key;
	f.prefix = prefix;
	f.match = match;
	f.types = types;
	return f;
}

static void filters_by_key_type_and_slot(void **state)
{
	struct op_facts known = {.has_slot = true,
				 .slot = keyslot(slice_str("user:1")),
				 .has_key = true,
				 .key = slice_str("user:1"),
				 .has_type = true,
				 .type = TYPE_HASH};
	struct op_facts unknown = {.has_slot = true, .slot = 5};
	struct op_facts flush = {0};
	const struct {
		struct wal_filter f;
		bool known, unknown;
	} cases[] = {
	    {filter_of(NULL, NULL, NULL, NULL), true, true},
	    {filter_of("user:1", NULL, NULL, NULL), true, false},
	    {filter_of("user:2", NULL, NULL, NULL), false, false},
	    {filter_of(NULL, "user:", NULL, NULL), true, false},
	    {filter_of(NULL, "users", NULL, NULL), false, false},
	    {filter_of(NULL, NULL, "*:[0-9]", NULL), true, false},
	    {filter_of(NULL, NULL, NULL, "list,HASH"), true, false},
	    {filter_of(NULL, NULL, NULL, "list"), false, false},
	    {filter_of("user:1", NULL, NULL, "list"), false, false},
	};
	struct wal_filter by_slot = WAL_FILTER_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(wal_filter_op(&cases[i].f, &known), cases[i].known);
		assert_int_equal(wal_filter_op(&cases[i].f, &unknown), cases[i].unknown);
		assert_true(wal_filter_op(&cases[i].f, &flush));
		assert_int_equal(wal_filter_has_ops(&cases[i].f), i > 0);
	}
	slot_set_add(&by_slot.slots, 5);
	assert_false(wal_filter_op(&by_slot, &known));
	assert_true(wal_filter_op(&by_slot, &unknown));
}

static void filters_by_record(void **state)
{
	struct wal_record rec = {
	    .lsn = 10, .time_ms = 1000, .client_id = 7, .cmd = slice_str("set")};
	struct log_place place = {.epoch = 2, .timeline = 99};
	struct wal_filter f = WAL_FILTER_INIT;

	(void)state;
	assert_true(wal_filter_record(&f, &rec, &place));
	f.since = 1000;
	f.until = 1001;
	f.epoch = 2;
	f.timeline = 99;
	f.client = 7;
	f.cmds = "get,SET";
	assert_true(parse_position("2:10", &f.start) && parse_position("10", &f.end));
	assert_true(wal_filter_record(&f, &rec, &place));
	assert_false(wal_filter_past(&f, &rec, &place));
	rec.lsn = 11;
	assert_false(wal_filter_record(&f, &rec, &place));
	assert_true(wal_filter_past(&f, &rec, &place));
	rec.lsn = 9;
	assert_false(wal_filter_record(&f, &rec, &place));
	rec.lsn = 10;
	rec.time_ms = 1001; /* until is exclusive */
	assert_false(wal_filter_record(&f, &rec, &place));
	rec.time_ms = 999;
	assert_false(wal_filter_record(&f, &rec, &place));
	rec.time_ms = 1000;
	place.epoch = 3;
	assert_false(wal_filter_record(&f, &rec, &place));
	place.epoch = 2;
	rec.client_id = 8;
	assert_false(wal_filter_record(&f, &rec, &place));
	rec.client_id = 7;
	rec.cmd = slice_str("setex");
	assert_false(wal_filter_record(&f, &rec, &place));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(elements_are_known_by_their_key_until_it_is_dropped),
	    cmocka_unit_test(filters_by_key_type_and_slot),
	    cmocka_unit_test(filters_by_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
