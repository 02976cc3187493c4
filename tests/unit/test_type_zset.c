/* Sorted sets against a plain array: random changes that cross the border between the two forms and
 * make the tree grow, shrink and rise, with checkpoints, rollbacks and restarts in between; after
 * each the answers by member, rank and place are those of the array, and the records are audited.
 */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_copy.h"
#include "engine/types/type_zset.h"
#include "tests/support/engine_box.h"
#include "tests/support/zset_audit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SETS = 3, MEMBERS = 4000, MEMBER_MAX = 700 };

/* Elements by rank; members are numbers of member_of. */
struct model {
	struct {
		double score;
		uint32_t member;
	} at[MEMBERS];
	uint32_t count;
};

struct fixture {
	struct engine_box box;
	struct model sets[SETS], after;
	uint32_t spills, shrinks;
	unsigned height_max;
};

static const struct zset_limits limits = {.entries = 128, .value = 64};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 21);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_box_close(&f->box);
	free(f);
	return 0;
}

static struct store_key zset_key(uint32_t n)
{
	static const char *const names[SETS] = {"{t}one", "{t}two", "three"};
	struct store_key key;

	store_key_of_key(&key, slice_str(names[n]));
	return key;
}

/* The member of a number, the same for ever. Some are long and differ only late, or not at all in
 * what an item holds of them. */
static struct slice member_of(uint32_t v, uint8_t dst[MEMBER_MAX])
{
	size_t fill = v % 17 == 0 ? 200 : v % 23 == 0 ? 40 : v % 101 == 0 ? 600 : 0;
	int len;

	memset(dst, 'p', fill);
	len = snprintf((char *)dst + fill, 16, "%u", (uint32_t)((uint64_t)v * 48271 % 100003));
	if (v == 0) {
		return slice_of(dst, 0);
	}
	return slice_of(dst, fill + (size_t)len);
}

static const struct meta *look(struct fixture *f, const struct store_key *key, struct meta *m)
{
	enum status st = ks_lookup(f->box.e, key, m);

	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	return st == ST_OK ? m : NULL;
}

/* Few scores, so that many are equal, or all different ones. */
static double some_score(struct fixture *f)
{
	switch (rng_below(&f->box.rng, 20)) {
	case 0:
		return INFINITY;
	case 1:
		return -INFINITY;
	case 2:
		return -0.0;
	default:
		return rng_below(&f->box.rng, 2) == 0
			   ? (double)rng_below(&f->box.rng, 5)
			   : (double)rng_below(&f->box.rng, 1 << 30) / 1024 - 100000;
	}
}

/* --- the array --- */

static struct zset_element model_element(const struct model *m, uint32_t rank,
					 uint8_t bytes[MEMBER_MAX])
{
	return (struct zset_element){.score = m->at[rank].score,
				     .member = member_of(m->at[rank].member, bytes)};
}

static uint32_t model_find(const struct model *m, uint32_t member)
{
	uint32_t i = 0;

	while (i < m->count && m->at[i].member != member) {
		i++;
	}
	return i;
}

static void model_remove(struct model *m, uint32_t from, uint32_t to)
{
	memmove(&m->at[from], &m->at[to], (m->count - to) * sizeof m->at[0]);
	m->count -= to - from;
}

static uint32_t model_position(const struct model *m, const struct zset_bound *bound)
{
	uint8_t bytes[MEMBER_MAX];
	uint32_t n = 0;

	for (; n < m->count; n++) {
		struct zset_element element = model_element(m, n, bytes);

		if (!zset_bound_passes(bound, &element)) {
			break;
		}
	}
	return n;
}

static void model_set(struct model *m, uint32_t member, double score)
{
	uint8_t bytes[MEMBER_MAX];
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .score = score};
	uint32_t at = model_find(m, member);

	if (at < m->count) {
		if (m->at[at].score == score) {
			return;
		}
		model_remove(m, at, at + 1);
	}
	bound.member = member_of(member, bytes);
	at = model_position(m, &bound);
	memmove(&m->at[at + 1], &m->at[at], (m->count - at) * sizeof m->at[0]);
	m->at[at].score = score;
	m->at[at].member = member;
	m->count++;
}

/* --- comparing --- */

static void check_walk(struct fixture *f, const struct store_key *key, const struct meta *m,
		       const struct model *model)
{
	struct type_zset_iter it;
	struct named_iter scan;
	struct slice name, value;
	uint8_t bytes[MEMBER_MAX];
	struct zset_element element, want;
	bool reverse = rng_below(&f->box.rng, 2) == 0;
	uint64_t order, last_order = 0;
	uint32_t from = (uint32_t)rng_below(&f->box.rng, model->count), seen = 0;
	enum status st;

	assert_int_equal(type_zset_iter_open(f->box.e, key, m, from, reverse, &it), ST_OK);
	for (uint32_t i = from; i < model->count; i += reverse ? UINT32_MAX : 1) {
		want = model_element(model, i, bytes);
		assert_int_equal(type_zset_iter_next(&it, &element), ST_OK);
		assert_int_equal(zset_element_cmp(&element, &want), 0);
	}
	assert_int_equal(type_zset_iter_next(&it, &element), ST_END);
	assert_int_equal(named_iter_open(f->box.e, key, m, 0, &scan), ST_OK);
	for (st = ST_OK; st == ST_OK; seen++) {
		st = named_iter_next(&scan, &order, &name, &value);
		assert_true(st != ST_OK || (order >= last_order && value.len == ZSET_SCORE_LEN));
		last_order = order;
	}
	named_iter_close(&scan);
	assert_int_equal(st, ST_END);
	assert_int_equal(seen - 1, model->count);
}

static void check_places(struct fixture *f, const struct store_key *key, const struct meta *m,
			 const struct model *model)
{
	uint8_t bytes[MEMBER_MAX];
	struct zset_bound bound = {.score = some_score(f)};
	uint64_t got;

	bound.member = member_of((uint32_t)rng_below(&f->box.rng, MEMBERS), bytes);
	for (int kind = ZSET_BOUND_FIRST; kind <= ZSET_BOUND_ITEM; kind++) {
		if (kind == ZSET_BOUND_MEMBER &&
		    model->at[0].score != model->at[model->count - 1].score) {
			continue; /* means something among equal scores only */
		}
		bound.kind = (enum zset_bound_kind)kind;
		bound.after = rng_below(&f->box.rng, 2) == 0;
		assert_int_equal(type_zset_position(f->box.e, key, m, &bound, &got), ST_OK);
		assert_int_equal(got, model_position(model, &bound));
	}
}

static void check_set(struct fixture *f, uint32_t n, bool deep)
{
	struct store_key key = zset_key(n);
	const struct model *model = &f->sets[n];
	uint8_t bytes[MEMBER_MAX];
	uint64_t count, rank;
	double score;
	struct meta m;

	engine_box_begin(&f->box);
	if (look(f, &key, &m) == NULL) {
		assert_int_equal(model->count, 0);
		engine_box_commit(&f->box);
		return;
	}
	assert_int_equal(m.type, TYPE_ZSET);
	assert_int_equal(type_zset_count(&m, &count), ST_OK);
	assert_int_equal(count, model->count);
	for (uint32_t i = 0; i < count; i += deep ? 1 : 1 + (uint32_t)count / 3) {
		struct zset_element want = model_element(model, i, bytes);

		assert_int_equal(type_zset_rank(f->box.e, &key, &m, want.member, &rank, &score),
				 ST_OK);
		assert_int_equal(rank, i);
		assert_true(score == want.score);
	}
	assert_int_equal(
	    type_zset_rank(f->box.e, &key, &m, slice_str("no such member"), &rank, &score),
	    ST_NOT_FOUND);
	check_places(f, &key, &m, model);
	if (deep) {
		check_walk(f, &key, &m, model);
	}
	if (deep && m.form == FORM_LARGE) {
		zset_audit(f->box.e, &key, &m);
		f->height_max = (unsigned)(m.aux[0] >> 56) > f->height_max
				    ? (unsigned)(m.aux[0] >> 56)
				    : f->height_max;
	}
	engine_box_commit(&f->box);
}

/* --- random changes --- */

static void do_set(struct fixture *f, const struct store_key *key, const struct meta *old,
		   uint32_t count)
{
	uint8_t bytes[MEMBER_MAX];
	struct zset_edit ed;

	assert_int_equal(zset_edit_begin(&ed, f->box.e, key, old, &limits), ST_OK);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t v = (uint32_t)rng_below(&f->box.rng, MEMBERS);
		double score = some_score(f), now;
		enum status st = zset_edit_get(&ed, member_of(v, bytes), &now);
		uint32_t at = model_find(&f->after, v);

		assert_int_equal(st, at < f->after.count ? ST_OK : ST_NOT_FOUND);
		assert_int_equal(
		    zset_edit_set(&ed, member_of(v, bytes), st == ST_OK ? &now : NULL, score),
		    ST_OK);
		model_set(&f->after, v, score);
	}
	assert_int_equal(zset_edit_end(&ed), ST_OK);
}

static void do_del(struct fixture *f, const struct store_key *key, const struct meta *old,
		   uint32_t count)
{
	uint8_t bytes[MEMBER_MAX];
	struct zset_edit ed;
	uint64_t gone = 0;

	assert_int_equal(zset_edit_begin(&ed, f->box.e, key, old, &limits), ST_OK);
	for (uint32_t i = 0; i < count; i++) {
		bool known = f->after.count > 0 && rng_below(&f->box.rng, 4) > 0;
		uint32_t at = known ? (uint32_t)rng_below(&f->box.rng, f->after.count) : 0;
		uint32_t v =
		    known ? f->after.at[at].member : (uint32_t)rng_below(&f->box.rng, MEMBERS);

		at = model_find(&f->after, v);
		assert_int_equal(zset_edit_del(&ed, member_of(v, bytes)),
				 at < f->after.count ? ST_OK : ST_NOT_FOUND);
		if (at < f->after.count) {
			model_remove(&f->after, at, at + 1);
			gone++;
		}
	}
	assert_int_equal(ed.removed, gone);
	assert_int_equal(zset_edit_end(&ed), ST_OK);
}

static void do_remove(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	uint32_t count = f->after.count, from = (uint32_t)rng_below(&f->box.rng, count);
	uint32_t most = rng_below(&f->box.rng, 3) == 0 ? count - from : 1 + (count - from) / 8;
	uint32_t n = 1 + (uint32_t)rng_below(&f->box.rng, most);

	n = n > count - from ? count - from : n;
	assert_int_equal(type_zset_remove(f->box.e, key, old, from, from + n), ST_OK);
	model_remove(&f->after, from, from + n);
}

/* Replaces the set by a part of itself. */
static void do_store(struct fixture *f, const struct store_key *key)
{
	static uint8_t bytes[MEMBERS][MEMBER_MAX];
	static struct zset_element elements[MEMBERS];
	uint32_t keep = (uint32_t)rng_below(&f->box.rng, f->after.count + 1);

	model_remove(&f->after, 0, f->after.count - keep);
	for (uint32_t i = 0; i < keep; i++) {
		elements[i] = model_element(&f->after, i, bytes[i]);
	}
	assert_int_equal(type_zset_store(f->box.e, key, elements, keep, &limits, 0), ST_OK);
}

static void random_operation(struct fixture *f, uint32_t n, bool growing)
{
	struct store_key key = zset_key(n);
	struct meta m;
	const struct meta *old;
	enum value_form before;
	uint64_t dice = rng_below(&f->box.rng, 100);
	uint32_t many = rng_below(&f->box.rng, 10) == 0 ? 40 : 3;

	f->after = f->sets[n];
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	before = old != NULL ? old->form : FORM_INLINE;
	if (old == NULL || dice < (growing ? 85 : 30)) {
		do_set(f, &key, old, 1 + (uint32_t)rng_below(&f->box.rng, many));
	} else if (dice < 96) {
		do_del(f, &key, old, 1 + (uint32_t)rng_below(&f->box.rng, many));
	} else if (dice < 99) {
		if (!growing || dice == 98) {
			do_remove(f, &key, old);
		}
	} else if (!growing) {
		do_store(f, &key);
	}
	if (rng_below(&f->box.rng, 10) == 0) {
		engine_box_rollback(&f->box);
		return;
	}
	if (look(f, &key, &m) != NULL) {
		f->spills += before == FORM_INLINE && m.form == FORM_LARGE;
		f->shrinks += before == FORM_LARGE && m.form == FORM_INLINE;
	}
	engine_box_commit(&f->box);
	f->sets[n] = f->after;
}

static void random_changes_equal_those_of_an_array(void **state)
{
	struct fixture *f = *state;

	for (uint32_t round = 0; round < 9000; round++) {
		uint32_t n = (uint32_t)rng_below(&f->box.rng, SETS);
		bool growing = round / (200 + 900 * n) % 3 != 2;

		random_operation(f, n, growing);
		check_set(f, n, round % 40 == 0);
		engine_box_live(&f->box);
	}
	for (uint32_t n = 0; n < SETS; n++) {
		check_set(f, n, true);
	}
	assert_true(f->spills > 3);
	assert_true(f->shrinks > 3);
	assert_true(f->height_max >= 1);
}

/* Fills a set with elements 1..count whose scores come from score_of. */
static void fill(struct fixture *f, uint32_t count, double (*score_of)(uint32_t i))
{
	struct store_key key = zset_key(0);
	uint8_t bytes[MEMBER_MAX];
	struct meta m;

	for (uint32_t i = 1; i <= count; i++) {
		struct zset_edit ed;

		engine_box_begin(&f->box);
		assert_int_equal(zset_edit_begin(&ed, f->box.e, &key, look(f, &key, &m), &limits),
				 ST_OK);
		assert_int_equal(zset_edit_set(&ed, member_of(i, bytes), NULL, score_of(i)), ST_OK);
		assert_int_equal(zset_edit_end(&ed), ST_OK);
		engine_box_commit(&f->box);
	}
}

static uint64_t count_records(struct fixture *f, const struct store_key *key, const struct meta *m)
{
	struct ks_iter it = {0};
	struct slice subkey, value;
	uint64_t n = 0;
	enum status st = ks_elems_open(f->box.e, key->slot, m->id, slice_of(NULL, 0), false, &it);

	while (st == ST_OK) {
		st = ks_elems_next(&it, &subkey, &value);
		n += st == ST_OK && subkey.len == ZSET_KEY_LEN;
	}
	ks_iter_close(&it);
	return n;
}

static double rising(uint32_t i)
{
	return i;
}

static double falling(uint32_t i)
{
	return -(double)i;
}

static double same(uint32_t i)
{
	(void)i;
	return 7;
}

static double scattered(uint32_t i)
{
	return i * 2654435761u % 1000003u;
}

/* Elements in order, the usual case of times and counters, leave full leaves behind. */
static void elements_in_order_fill_the_leaves(void **state)
{
	static double (*const orders[])(uint32_t) = {rising, falling, same, scattered};
	struct fixture *f = *state;
	struct store_key key = zset_key(0);
	struct meta m;

	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		fill(f, 6000, orders[i]);
		engine_box_begin(&f->box);
		assert_non_null(look(f, &key, &m));
		zset_audit(f->box.e, &key, &m);
		assert_true((m.aux[0] >> 56) >= 2);
		if (orders[i] == rising || orders[i] == falling) {
			/* 1 in 17 members has a record for its long name, 1 in 101 another one. */
			assert_true(count_records(f, &key, &m) <
				    6000 / 17 + 6000 / 101 + 6000 / 20 + 40);
		}
		assert_int_equal(ks_delete(f->box.e, &key, &m), ST_OK);
		engine_box_commit(&f->box);
	}
}

/* A queue: what is taken at one end leaves nothing behind, and costs as little at last as at first.
 */
static void a_queue_stays_small(void **state)
{
	struct fixture *f = *state;
	struct store_key key = zset_key(0);
	uint8_t bytes[MEMBER_MAX];
	struct meta m;

	for (uint32_t i = 1; i <= 12000; i++) {
		struct zset_edit ed;

		engine_box_begin(&f->box);
		assert_int_equal(zset_edit_begin(&ed, f->box.e, &key, look(f, &key, &m), &limits),
				 ST_OK);
		assert_int_equal(zset_edit_set(&ed, member_of(i, bytes), NULL, i), ST_OK);
		assert_int_equal(zset_edit_end(&ed), ST_OK);
		if (i > 3000) {
			assert_non_null(look(f, &key, &m));
			assert_int_equal(type_zset_remove(f->box.e, &key, &m, 0, 1), ST_OK);
		}
		engine_box_commit(&f->box);
	}
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	assert_int_equal(m.count, 3000);
	zset_audit(f->box.e, &key, &m);
	assert_true(count_records(f, &key, &m) < 3000 / 8);
	assert_int_equal(type_zset_remove(f->box.e, &key, &m, 0, 2999), ST_OK);
	assert_non_null(look(f, &key, &m));
	assert_int_equal(m.form, FORM_INLINE);
	engine_box_commit(&f->box);
}

static void a_copy_in_another_slot_is_whole(void **state)
{
	struct fixture *f = *state;
	struct store_key key = zset_key(0), other = zset_key(2);
	struct meta m;
	uint64_t id;

	fill(f, 2000, scattered);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	id = ks_new_id(f->box.e);
	assert_int_equal(type_copy_elements(f->box.e, &key, &m, other.slot, id), ST_OK);
	m.id = id;
	assert_int_equal(ks_put(f->box.e, &other, NULL, &m, NULL, 0), ST_OK);
	engine_box_commit(&f->box);
	engine_box_restart(&f->box);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &other, &m));
	zset_audit(f->box.e, &other, &m);
	engine_box_commit(&f->box);
}

static void the_encoding_is_that_of_redis(void **state)
{
	struct fixture *f = *state;
	struct store_key key = zset_key(1);
	struct zset_limits few = {.entries = 2, .value = 5};
	struct zset_edit ed;
	struct meta m;

	engine_box_begin(&f->box);
	assert_int_equal(zset_edit_begin(&ed, f->box.e, &key, NULL, &few), ST_OK);
	assert_int_equal(zset_edit_set(&ed, slice_str("abcde"), NULL, 1), ST_OK);
	assert_int_equal(zset_edit_set(&ed, slice_str("b"), NULL, 1), ST_OK);
	assert_int_equal(zset_edit_end(&ed), ST_OK);
	assert_non_null(look(f, &key, &m));
	assert_string_equal(type_zset_encoding(&m), "listpack");
	assert_int_equal(zset_edit_begin(&ed, f->box.e, &key, &m, &few), ST_OK);
	assert_int_equal(zset_edit_set(&ed, slice_str("c"), NULL, 1), ST_OK);
	assert_int_equal(zset_edit_end(&ed), ST_OK);
	assert_non_null(look(f, &key, &m));
	assert_string_equal(type_zset_encoding(&m), "skiplist");
	engine_box_commit(&f->box);
}

/* Records that nobody wrote: an error, never a wrong answer or a crash. */
static void damaged_records_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_key key = zset_key(0);
	struct zset_element element;
	struct type_zset_iter it;
	uint8_t subkey[ZSET_KEY_LEN], bytes[MEMBER_MAX];
	struct slice junk = slice_str("\x02\x00rubbish that is no node");
	struct meta m, bad;
	uint64_t rank;
	double score;
	enum status st = ST_OK;

	fill(f, 1000, scattered);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	bad = m;
	bad.aux[0] = UINT64_C(200) << 56;
	assert_int_equal(type_zset_iter_open(f->box.e, &key, &bad, 0, false, &it), ST_CORRUPT);
	bad.aux[0] = m.aux[0] + 5000;
	assert_int_equal(type_zset_iter_open(f->box.e, &key, &bad, 0, false, &it), ST_CORRUPT);
	assert_int_equal(type_zset_iter_open(f->box.e, &key, &m, 500, false, &it), ST_OK);
	zset_subkey(subkey, ZSET_LEAF, it.path.at[0].number);
	assert_int_equal(
	    ks_elem_put(f->box.e, key.slot, m.id, slice_of(subkey, sizeof subkey), &junk, 1),
	    ST_OK);
	assert_int_equal(type_zset_iter_open(f->box.e, &key, &m, 0, false, &it), ST_OK);
	while (st == ST_OK) {
		st = type_zset_iter_next(&it, &element);
	}
	assert_int_equal(st, ST_CORRUPT);
	/* A member whose score is not that of the order. */
	zset_score_put(bytes, 123456789);
	junk = slice_of(bytes, ZSET_SCORE_LEN);
	assert_int_equal(ks_field_put(f->box.e, key.slot, m.id, slice_str("ghost"), &junk, 1),
			 ST_OK);
	assert_int_equal(type_zset_rank(f->box.e, &key, &m, slice_str("ghost"), &rank, &score),
			 ST_CORRUPT);
	m.form = FORM_INLINE;
	m.payload = slice_str("\x03\x00\x01x\x08scorescrX\x01y");
	assert_int_equal(type_zset_count(&m, &rank), ST_CORRUPT);
	engine_box_rollback(&f->box);
}

static void without_memory_nothing_changes(void **state)
{
	static uint8_t bytes[1000][MEMBER_MAX];
	struct zset_element elements[1000];
	struct fixture *f = *state;
	struct store_key key = zset_key(0);
	struct meta m;

	fill(f, 500, scattered);
	for (uint32_t i = 0; i < 1000; i++) {
		elements[i].member = member_of(i + 1, bytes[i]);
		elements[i].score = i;
	}
	engine_box_begin(&f->box);
	mem_fail_nth(0);
	assert_int_equal(type_zset_store(f->box.e, &key, elements, 1000, &limits, 0), ST_NO_MEMORY);
	mem_fail_nth(-1);
	engine_box_rollback(&f->box);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	assert_int_equal(m.count, 500);
	zset_audit(f->box.e, &key, &m);
	engine_box_commit(&f->box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_changes_equal_those_of_an_array, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(elements_in_order_fill_the_leaves, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_queue_stays_small, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_copy_in_another_slot_is_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_encoding_is_that_of_redis, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_records_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_memory_nothing_changes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
