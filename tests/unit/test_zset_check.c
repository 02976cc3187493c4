/* cairn-slot check --deep on the order of a sorted set: a sound one passes, and each way in which
 * tree and members can contradict each other is found. */
#include "tools/zset_check.h"

#include "engine/base/bytes.h"
#include "engine/export/effect.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/type_hash.h"
#include "engine/types/type_zset.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ELEMENTS = 4000, BYTES_MAX = 4096 };

static const struct zset_limits limits = {128, 64};

struct fixture {
	struct engine_box box;
	struct store_key key;
	struct meta m;
	struct overlay *over;
	uint64_t records; /* of the tree */
};

static void apply(struct fixture *f, enum wal_op_kind kind, struct slice name, struct slice value)
{
	struct wal_op op = {
	    .kind = kind, .slot = f->key.slot, .id = f->m.id, .name = name, .value = value};
	struct effect effect;

	assert_int_equal(effect_of(&op, &effect), ST_OK);
	assert_int_equal(overlay_apply(f->over, &effect), ST_OK);
}

/* Makes a set and takes its records into an overlay. */
static void fill(struct fixture *f)
{
	struct zset_edit ed;
	struct ks_iter it = {0};
	struct slice subkey, value;
	char name[300];
	enum status st;

	store_key_of_key(&f->key, slice_str("z"));
	engine_box_begin(&f->box);
	assert_int_equal(zset_edit_begin(&ed, f->box.e, &f->key, NULL, &limits), ST_OK);
	for (unsigned i = 0; i < ELEMENTS; i++) {
		(void)snprintf(name, sizeof name, "%s%u", i % 50 == 0 ? "long " : "", i);
		if (i % 50 == 0) {
			memset(name, 'x', 200);
			(void)snprintf(name + 200, 20, "%u", i);
		}
		assert_int_equal(zset_edit_set(&ed, slice_str(name), NULL, i % 500), ST_OK);
	}
	assert_int_equal(zset_edit_end(&ed), ST_OK);
	assert_int_equal(ks_lookup(f->box.e, &f->key, &f->m), ST_OK);
	assert_int_equal(overlay_create(UINT64_MAX, &f->over), ST_OK);
	st = ks_elems_open(f->box.e, f->key.slot, f->m.id, slice_of(NULL, 0), false, &it);
	while (st == ST_OK) {
		st = ks_elems_next(&it, &subkey, &value);
		if (st == ST_OK && subkey.len == ZSET_KEY_LEN) {
			apply(f, WAL_OP_PUT_ELEM, subkey, value);
			f->records++;
		} else if (st == ST_OK) {
			apply(f, WAL_OP_PUT_FIELD, slice_skip(subkey, KEY_ORDER_LEN), value);
		}
	}
	assert_int_equal(st, ST_END);
	ks_iter_close(&it);
	engine_box_commit(&f->box);
	assert_int_equal(overlay_finish(f->over), ST_OK);
}

/* What the check says; NULL: nothing. */
static const char *check(struct fixture *f)
{
	struct view view = {.over = f->over};
	struct key_record record = {.slot = f->key.slot, .name = f->key.name, .meta = f->m};
	uint64_t records = 0;
	const char *what = NULL;
	enum status st = zset_check(&view, &record, &records, &what);

	assert_int_equal(st, what != NULL && st != ST_OK ? ST_CORRUPT : ST_OK);
	if (st == ST_OK) {
		assert_int_equal(records, f->records);
	}
	return st == ST_OK ? NULL : what;
}

/* Copies a record of the tree. */
static struct slice get(struct fixture *f, enum zset_record kind, uint64_t number,
			uint8_t bytes[BYTES_MAX])
{
	struct view view = {.over = f->over};
	uint8_t subkey[ZSET_KEY_LEN];
	struct store_key key;
	struct slice value;

	zset_subkey(subkey, kind, number);
	store_key_of_elem(&key, f->key.slot, f->m.id, slice_of(subkey, sizeof subkey));
	assert_int_equal(view_get(&view, store_key_slice(&key), &value), ST_OK);
	assert_true(value.len <= BYTES_MAX);
	memcpy(bytes, value.data, value.len);
	return slice_of(bytes, value.len);
}

static void put(struct fixture *f, enum zset_record kind, uint64_t number, struct slice value)
{
	uint8_t subkey[ZSET_KEY_LEN];

	zset_subkey(subkey, kind, number);
	apply(f, value.data == NULL ? WAL_OP_DEL_ELEM : WAL_OP_PUT_ELEM,
	      slice_of(subkey, sizeof subkey), value);
	assert_int_equal(overlay_finish(f->over), ST_OK);
}

/* Replaces a record, expects the check to say what, and puts it back. */
static void expect(struct fixture *f, enum zset_record kind, uint64_t number, struct slice bad,
		   const char *what)
{
	uint8_t bytes[BYTES_MAX];
	struct slice good = get(f, kind, number, bytes);
	const char *said;

	put(f, kind, number, bad);
	said = check(f);
	assert_non_null(said);
	assert_string_equal(said, what);
	put(f, kind, number, good);
	assert_null(check(f));
}

static void each_contradiction_is_found(void **state)
{
	static uint8_t bytes[BYTES_MAX], score[ZSET_SCORE_LEN];
	struct fixture f = {0};
	struct slice node;
	struct zset_view v;
	uint64_t root, leaf;
	struct meta m;

	(void)state;
	engine_box_open(&f.box, 3);
	fill(&f);
	assert_null(check(&f));
	root = f.m.aux[0] & (ZSET_NUMBER_LIMIT - 1);
	assert_true(f.m.aux[0] >> 56 >= 2);
	node = get(&f, ZSET_INNER, root, bytes);
	assert_int_equal(zset_view_open(node, true, &v), ST_OK);
	leaf = zset_view_child(&v, 1);
	node = get(&f, ZSET_INNER, leaf, bytes);
	assert_int_equal(zset_view_open(node, true, &v), ST_OK);
	zset_score_put(bytes + 2 + 8, -1); /* of the first separator */
	expect(&f, ZSET_INNER, leaf, node, "a separator is out of order");
	leaf = zset_view_child(&v, 1);
	expect(&f, ZSET_INNER, root, slice_str("x"), "a node does not decode");
	expect(&f, ZSET_COUNTS, root, slice_str("x"), "a node's counts do not decode");
	expect(&f, ZSET_COUNTS, root, slice_of(NULL, 0), "a record of the tree is missing");
	expect(&f, ZSET_LEAF, leaf, slice_of(NULL, 0), "a record of the tree is missing");
	node = get(&f, ZSET_COUNTS, root, bytes);
	bytes[0] ^= 1;
	expect(&f, ZSET_COUNTS, root, node, "a node counts other elements than it has");
	node = get(&f, ZSET_LEAF, leaf, bytes);
	zset_score_put(bytes + 2, -5);
	expect(&f, ZSET_LEAF, leaf, node, "elements are out of order");
	/* The members' side. */
	zset_score_put(score, 77777);
	apply(&f, WAL_OP_PUT_FIELD, slice_str("7"), slice_of(score, sizeof score));
	assert_int_equal(overlay_finish(f.over), ST_OK);
	assert_string_equal(check(&f), "an element has another score than its member");
	apply(&f, WAL_OP_DEL_FIELD, slice_str("7"), slice_of(NULL, 0));
	assert_int_equal(overlay_finish(f.over), ST_OK);
	assert_string_equal(check(&f), "the order has an element whose member is missing");
	zset_score_put(score, 7);
	apply(&f, WAL_OP_PUT_FIELD, slice_str("7"), slice_of(score, sizeof score));
	assert_int_equal(overlay_finish(f.over), ST_OK);
	assert_null(check(&f));
	m = f.m;
	f.m.count++;
	assert_string_equal(check(&f),
			    "the order has another number of elements than the record says");
	f.m = m;
	f.m.aux[0] = UINT64_C(99) << 56;
	assert_string_equal(check(&f), "the tree is too high");
	overlay_destroy(f.over);
	engine_box_close(&f.box);
}

/* A bucket with one field. */
static void put_time(struct fixture *f, const char *field, uint64_t at_ms)
{
	uint8_t key[HASH_BUCKET_KEY_LEN], bytes[32];

	bytes_put_u64le(bytes, at_ms);
	bytes_put_u32le(bytes + 8, 1);
	bytes[12] = (uint8_t)field[0];
	apply(f, WAL_OP_PUT_ELEM, hash_bucket_key(key, slice_str(field)), slice_of(bytes, 13));
	assert_int_equal(overlay_finish(f->over), ST_OK);
}

static void the_order_of_times_is_checked_as_well(void **state)
{
	static const struct hash_limits hash_limits = {128, 64};
	struct slice pairs[6] = {slice_str("a"), slice_str("1"), slice_str("b"),
				 slice_str("2"), slice_str("c"), slice_str("3")};
	struct fixture f = {0};
	struct hash_timing t;
	struct ks_iter it = {0};
	struct slice subkey, value;
	uint64_t added, at;

	(void)state;
	engine_box_open(&f.box, 3);
	at = f.box.now_ms + 1000;
	store_key_of_key(&f.key, slice_str("h"));
	engine_box_begin(&f.box);
	assert_int_equal(type_hash_set(f.box.e, &f.key, NULL, pairs, 3, &hash_limits, &added),
			 ST_OK);
	assert_int_equal(ks_lookup(f.box.e, &f.key, &f.m), ST_OK);
	hash_timing_begin(&t, f.box.e, &f.key, &f.m);
	assert_int_equal(hash_timing_set(&t, slice_str("a"), at), ST_OK);
	assert_int_equal(hash_timing_set(&t, slice_str("b"), at + 1), ST_OK);
	assert_int_equal(hash_timing_end(&t), ST_OK);
	assert_int_equal(ks_lookup(f.box.e, &f.key, &f.m), ST_OK);
	assert_int_equal(overlay_create(UINT64_MAX, &f.over), ST_OK);
	assert_int_equal(ks_elems_open(f.box.e, f.key.slot, f.m.id, slice_of(NULL, 0), false, &it),
			 ST_OK);
	while (ks_elems_next(&it, &subkey, &value) == ST_OK) {
		if (subkey.len < KEY_ORDER_LEN) {
			apply(&f, WAL_OP_PUT_ELEM, subkey, value);
			f.records += subkey.len == ZSET_KEY_LEN;
		}
	}
	ks_iter_close(&it);
	engine_box_commit(&f.box);
	assert_int_equal(overlay_finish(f.over), ST_OK);
	assert_null(check(&f));
	put_time(&f, "a", at + 5);
	assert_string_equal(check(&f), "a field has another time in the order than by its name");
	put_time(&f, "a", HASH_EXPIRY_MAX + 1);
	assert_string_equal(check(&f), "the time of a field does not decode");
	put_time(&f, "a", at);
	assert_null(check(&f));
	f.m.fields_timed++;
	assert_string_equal(check(&f),
			    "the order has another number of elements than the record says");
	overlay_destroy(f.over);
	engine_box_close(&f.box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_contradiction_is_found),
	    cmocka_unit_test(the_order_of_times_is_checked_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
