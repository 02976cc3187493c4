/* Lists against a plain array: random changes at the ends and in the middle that cross the border
 * between the two forms, with checkpoints, rollbacks and restarts in between; damaged records;
 * failing memory. */
#include "engine/base/alloc.h"
#include "engine/types/type_list.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LISTS = 3, LENGTH_MAX = 3000, PUSH_MAX = 40, DISTINCT = 25 };

struct model {
	uint32_t values[LENGTH_MAX]; /* numbers of engine_box_value */
	uint64_t count;
};

struct fixture {
	struct engine_box box;
	struct model lists[LISTS], after; /* after: of the list that an operation changes */
	uint32_t spills, shrinks;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 12);
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

static struct store_key list_key(uint32_t n)
{
	static const char *const names[LISTS] = {"{t}one", "{t}two", "three"};
	struct store_key key;

	store_key_of_key(&key, slice_str(names[n]));
	return key;
}

static const struct meta *look(struct fixture *f, const struct store_key *key, struct meta *m)
{
	enum status st = ks_lookup(f->box.e, key, m);

	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	return st == ST_OK ? m : NULL;
}

/* Mostly few values, so that there are equal elements to be found; some once-only ones. */
static uint32_t some_value(struct fixture *f)
{
	return rng_below(&f->box.rng, 4) > 0 ? (uint32_t)rng_below(&f->box.rng, DISTINCT) + 1
					     : (uint32_t)rng_below(&f->box.rng, 1000000) + 100;
}

static void check_list(struct fixture *f, uint32_t n, bool deep)
{
	static struct type_list_iter it;
	struct store_key key = list_key(n);
	const struct model *model = &f->lists[n];
	uint8_t bytes[BOX_VALUE_MAX];
	struct slice value;
	struct meta m;
	uint64_t count, from;
	bool reverse;

	engine_box_begin(&f->box);
	if (look(f, &key, &m) == NULL) {
		assert_int_equal(model->count, 0);
		engine_box_commit(&f->box);
		return;
	}
	assert_int_equal(m.type, TYPE_LIST);
	assert_int_equal(type_list_count(&m, &count), ST_OK);
	assert_int_equal(count, model->count);
	assert_true(count > 0);
	if (m.form == FORM_INLINE) {
		assert_true(m.payload.len <= COLLECTION_INLINE_MAX);
	}
	for (uint64_t i = 0; i < count; i += deep ? 1 : 1 + count / 3) {
		assert_int_equal(type_list_get(f->box.e, &key, &m, i, &value), ST_OK);
		assert_true(slice_eq(value, engine_box_value(model->values[i], bytes)));
	}
	assert_int_equal(type_list_get(f->box.e, &key, &m, count, &value), ST_NOT_FOUND);
	reverse = rng_below(&f->box.rng, 2) == 0;
	from = rng_below(&f->box.rng, count);
	assert_int_equal(type_list_iter_open(f->box.e, &key, &m, from, reverse, &it), ST_OK);
	for (uint64_t i = from; deep && i < count; i += reverse ? UINT64_MAX : 1) {
		assert_int_equal(type_list_iter_next(&it, &value), ST_OK);
		assert_true(slice_eq(value, engine_box_value(model->values[i], bytes)));
	}
	assert_int_equal(deep ? type_list_iter_next(&it, &value) : ST_END, ST_END);
	type_list_iter_close(&it);
	engine_box_commit(&f->box);
}

/* --- the same operations on the array --- */

static void model_insert(struct model *m, uint64_t at, uint32_t value)
{
	memmove(m->values + at + 1, m->values + at, (m->count - at) * sizeof m->values[0]);
	m->values[at] = value;
	m->count++;
}

static void model_keep(struct model *m, uint64_t from, uint64_t n)
{
	memmove(m->values, m->values + from, n * sizeof m->values[0]);
	m->count = n;
}

static uint64_t model_remove(struct model *m, uint32_t value, int64_t count)
{
	uint64_t max = count == 0 ? UINT64_MAX : count < 0 ? (uint64_t)-count : (uint64_t)count;
	uint64_t removed = 0;

	for (uint64_t k = 0; k < m->count + removed && removed < max;) {
		uint64_t at = count < 0 ? m->count - 1 - k : k;

		if (at >= m->count) {
			break;
		}
		if (m->values[at] != value) {
			k++;
			continue;
		}
		memmove(m->values + at, m->values + at + 1,
			(m->count - at - 1) * sizeof m->values[0]);
		m->count--;
		removed++;
	}
	return removed;
}

/* --- random operations; each changes f->after as the engine changes list n --- */

static void do_push(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	static uint8_t bytes[PUSH_MAX][BOX_VALUE_MAX];
	struct slice values[PUSH_MAX];
	size_t count = 1 + (size_t)rng_below(&f->box.rng, rng_below(&f->box.rng, 5) == 0 ? 40 : 3);
	bool left = rng_below(&f->box.rng, 2) == 0;
	uint64_t length;

	for (size_t i = 0; i < count; i++) {
		uint32_t v = some_value(f);

		values[i] = engine_box_value(v, bytes[i]);
		model_insert(&f->after, left ? 0 : f->after.count, v);
	}
	assert_int_equal(type_list_push(f->box.e, key, old, left, values, count, &length), ST_OK);
	assert_int_equal(length, f->after.count);
}

static void do_pop(struct fixture *f, const struct store_key *key, const struct meta *old,
		   uint64_t most)
{
	uint64_t n = 1 + rng_below(&f->box.rng, most);
	uint64_t keep = n < f->after.count ? f->after.count - n : 0;
	uint64_t from = rng_below(&f->box.rng, 2) == 0 ? 0 : f->after.count - keep;

	assert_int_equal(type_list_trim(f->box.e, key, old, from, keep), ST_OK);
	model_keep(&f->after, from, keep);
}

static void do_trim(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	uint64_t from = rng_below(&f->box.rng, f->after.count);
	uint64_t keep = rng_below(&f->box.rng, f->after.count - from + 1);

	keep = rng_below(&f->box.rng, 3) == 0 && keep > 40 ? 40 : keep;
	assert_int_equal(type_list_trim(f->box.e, key, old, from, keep), ST_OK);
	model_keep(&f->after, from, keep);
}

static void do_set(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	uint8_t bytes[BOX_VALUE_MAX];
	uint64_t at = rng_below(&f->box.rng, f->after.count);
	uint32_t v = some_value(f);

	assert_int_equal(
	    type_list_set(f->box.e, key, old, f->after.count, engine_box_value(v, bytes)),
	    ST_NOT_FOUND);
	assert_int_equal(type_list_set(f->box.e, key, old, at, engine_box_value(v, bytes)), ST_OK);
	f->after.values[at] = v;
}

static void do_insert(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	uint8_t bytes[BOX_VALUE_MAX];
	uint64_t at = rng_below(&f->box.rng, f->after.count + 1), length;
	uint32_t v = some_value(f);

	assert_int_equal(
	    type_list_insert(f->box.e, key, old, at, engine_box_value(v, bytes), &length), ST_OK);
	model_insert(&f->after, at, v);
	assert_int_equal(length, f->after.count);
}

static void do_remove(struct fixture *f, const struct store_key *key, const struct meta *old)
{
	uint8_t bytes[BOX_VALUE_MAX];
	uint32_t v = (uint32_t)rng_below(&f->box.rng, DISTINCT) + 1;
	int64_t count = (int64_t)rng_below(&f->box.rng, 9) - 4;
	uint64_t removed;

	assert_int_equal(
	    type_list_remove(f->box.e, key, old, engine_box_value(v, bytes), count, &removed),
	    ST_OK);
	assert_int_equal(removed, model_remove(&f->after, v, count));
}

/* Moves within the list or to another one, whose model changes at once when the batch stays. */
static bool do_move(struct fixture *f, uint32_t n, const struct store_key *key,
		    const struct meta *old)
{
	uint32_t to = (uint32_t)rng_below(&f->box.rng, LISTS);
	struct store_key to_key = list_key(to);
	bool from_left = rng_below(&f->box.rng, 2) == 0, to_left = rng_below(&f->box.rng, 2) == 0;
	struct model *dst = to == n ? &f->after : &f->lists[to];
	uint32_t v = f->after.values[from_left ? 0 : f->after.count - 1];

	if (dst->count >= LENGTH_MAX - PUSH_MAX) {
		return false;
	}
	assert_int_equal(type_list_move(f->box.e, key, old, from_left, &to_key, to_left), ST_OK);
	model_keep(&f->after, from_left ? 1 : 0, f->after.count - 1);
	model_insert(dst, to_left ? 0 : dst->count, v);
	return to != n;
}

static void random_operation(struct fixture *f, uint32_t n, bool growing)
{
	struct store_key key = list_key(n);
	struct meta m;
	const struct meta *old;
	enum value_form before;
	uint64_t dice = rng_below(&f->box.rng, 20);
	bool must_stay = false;

	f->after = f->lists[n];
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	before = old != NULL ? old->form : FORM_INLINE;
	if (old == NULL || (growing && dice < 9 && f->after.count < LENGTH_MAX - PUSH_MAX)) {
		do_push(f, &key, old);
	} else if (dice < 12) {
		do_pop(f, &key, old, growing ? 2 : 30);
	} else if (dice < 14) {
		do_set(f, &key, old);
	} else if (dice < 16) {
		if (f->after.count < LENGTH_MAX - 1) {
			do_insert(f, &key, old);
		}
	} else if (dice < 18) {
		do_remove(f, &key, old);
	} else if (dice < 19) {
		must_stay = do_move(f, n, &key, old);
	} else if (rng_below(&f->box.rng, 40) == 0) {
		do_trim(f, &key, old);
	}
	if (!must_stay && rng_below(&f->box.rng, 10) == 0) {
		engine_box_rollback(&f->box);
		return;
	}
	if (look(f, &key, &m) != NULL) {
		f->spills += before == FORM_INLINE && m.form == FORM_LARGE;
		f->shrinks += before == FORM_LARGE && m.form == FORM_INLINE;
	}
	engine_box_commit(&f->box);
	f->lists[n] = f->after;
}

static void random_changes_equal_those_of_an_array(void **state)
{
	struct fixture *f = *state;

	for (uint32_t round = 0; round < 30000; round++) {
		uint32_t n = (uint32_t)rng_below(&f->box.rng, LISTS);
		bool growing = round / (300 + 500 * n) % 3 != 0;

		random_operation(f, n, growing);
		check_list(f, n, round % 20 == 0);
		engine_box_live(&f->box);
	}
	for (uint32_t n = 0; n < LISTS; n++) {
		check_list(f, n, true);
	}
	assert_true(f->spills > 20);
	assert_true(f->shrinks > 20);
}

static void one_end_can_feed_the_other_for_long(void **state)
{
	struct fixture *f = *state;
	struct store_key key = list_key(0);
	uint8_t bytes[BOX_VALUE_MAX];
	struct slice value;
	struct meta m;
	uint64_t length;

	/* A queue: positions only ever rise, the list stays as long as it is. */
	for (uint32_t i = 1; i <= 5000; i++) {
		engine_box_begin(&f->box);
		value = engine_box_value(i, bytes);
		assert_int_equal(
		    type_list_push(f->box.e, &key, look(f, &key, &m), false, &value, 1, &length),
		    ST_OK);
		if (i > 500) {
			assert_non_null(look(f, &key, &m));
			assert_int_equal(m.form, FORM_LARGE);
			assert_int_equal(type_list_get(f->box.e, &key, &m, 0, &value), ST_OK);
			assert_true(slice_eq(value, engine_box_value(i - 500, bytes)));
			assert_int_equal(type_list_trim(f->box.e, &key, &m, 1, 500), ST_OK);
		}
		engine_box_commit(&f->box);
		engine_box_live(&f->box);
	}
}

/* Puts a record under the first list's key. */
static void put_raw(struct fixture *f, const struct meta *m, const char *bytes, size_t len)
{
	struct store_key key = list_key(0);
	struct slice part = slice_of(bytes, len);
	struct meta old;

	engine_box_begin(&f->box);
	assert_int_equal(ks_put(f->box.e, &key, look(f, &key, &old), m, &part, 1), ST_OK);
	engine_box_commit(&f->box);
}

/* Every function must refuse what is under the first list's key. */
static void check_refused(struct fixture *f, const char *what)
{
	static struct type_list_iter it;
	struct store_key key = list_key(0), other = list_key(1);
	struct slice value = slice_str("v"), got;
	struct meta m;
	uint64_t n;
	enum status st[7];

	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	st[0] = type_list_push(f->box.e, &key, &m, true, &value, 1, &n);
	engine_box_rollback(&f->box);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	st[1] = type_list_set(f->box.e, &key, &m, 1, value);
	st[2] = type_list_remove(f->box.e, &key, &m, value, 0, &n);
	st[3] = type_list_get(f->box.e, &key, &m, 1, &got);
	st[4] = type_list_count(&m, &n);
	if (st[4] == ST_OK && n > 1) {
		st[4] = type_list_iter_open(f->box.e, &key, &m, 0, false, &it);
		while (st[4] == ST_OK) {
			st[4] = type_list_iter_next(&it, &got);
		}
		type_list_iter_close(&it);
	} else if (st[4] == ST_OK) {
		st[4] = ST_CORRUPT; /* nothing to walk */
	}
	st[5] = type_list_insert(f->box.e, &key, &m, 0, value, &n);
	engine_box_rollback(&f->box);
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	st[6] = m.form == FORM_LARGE ? type_list_move(f->box.e, &key, &m, true, &other, true)
				     : ST_CORRUPT;
	engine_box_rollback(&f->box);
	for (size_t i = 0; i < sizeof st / sizeof st[0]; i++) {
		if (st[i] != ST_CORRUPT) {
			fail_msg("%s: function %zu: %s", what, i, status_text(st[i]));
		}
	}
}

static void damaged_records_are_refused_by_every_function(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len;
	} blobs[] = {
	    {"nothing", "", 0},
	    {"half a count", "\x02", 1},
	    {"no entries", "\x02\x00", 2},
	    {"a length beyond the end",
	     "\x02\x00\x01"
	     "a\x05"
	     "b",
	     6},
	};
	static const struct {
		const char *what;
		uint64_t count, head, tail;
	} larges[] = {
	    {"no elements", 0, 5, 5},
	    {"head behind tail", 3, 8, 5},
	    {"count differs", 3, 5, 9},
	    {"elements are missing", 3, LIST_MIDDLE, LIST_MIDDLE + 3},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof blobs / sizeof blobs[0]; i++) {
		struct meta m = {.type = TYPE_LIST, .form = FORM_INLINE};

		put_raw(f, &m, blobs[i].bytes, blobs[i].len);
		check_refused(f, blobs[i].what);
	}
	for (size_t i = 0; i < 3; i++) {
		struct meta m = {.type = TYPE_LIST,
				 .form = FORM_LARGE,
				 .id = ks_new_id(f->box.e),
				 .count = larges[i].count,
				 .aux = {larges[i].head, larges[i].tail}};

		put_raw(f, &m, NULL, 0);
		check_refused(f, larges[i].what);
	}
}

static void a_change_without_memory_leaves_nothing_behind(void **state)
{
	static uint8_t big[1 << 20];
	struct fixture *f = *state;
	struct store_key key = list_key(0), other = list_key(1);
	struct slice value = slice_of(big, sizeof big);
	struct meta m;
	uint64_t n;

	for (uint32_t i = 0; i < 300; i++) {
		random_operation(f, 0, true);
	}
	check_list(f, 0, true);
	for (uint32_t what = 0; what < 3; what++) {
		enum status st = ST_NO_MEMORY;
		uint32_t failures = 0;

		for (int64_t nth = 0; st == ST_NO_MEMORY; nth++) {
			engine_box_begin(&f->box);
			assert_non_null(look(f, &key, &m));
			if (what == 1) { /* large, and some of it to be removed */
				uint8_t bytes[2][BOX_VALUE_MAX];
				struct slice few[2] = {engine_box_value(3, bytes[0]),
						       engine_box_value(53, bytes[1])};

				for (uint32_t i = 0; i < 20; i++) {
					assert_int_equal(
					    type_list_push(f->box.e, &key, &m, true, few, 2, &n),
					    ST_OK);
					assert_non_null(look(f, &key, &m));
				}
			}
			if (what == 2) { /* something long to move */
				assert_int_equal(
				    type_list_push(f->box.e, &key, &m, true, &value, 1, &n), ST_OK);
				assert_non_null(look(f, &key, &m));
			}
			mem_fail_nth(nth);
			if (what == 0) {
				st = type_list_push(f->box.e, &key, &m, true, &value, 1, &n);
			} else if (what == 1) {
				uint8_t bytes[BOX_VALUE_MAX];

				st = type_list_remove(f->box.e, &key, &m,
						      engine_box_value(3, bytes), 0, &n);
			} else {
				st = type_list_move(f->box.e, &key, &m, true, &other, true);
			}
			mem_fail_nth(-1);
			failures += st == ST_NO_MEMORY;
			engine_box_rollback(&f->box);
			check_list(f, 0, true);
			check_list(f, 1, true);
		}
		assert_int_equal(st, ST_OK);
		assert_true(what == 0 || failures > 0); /* a push allocates nothing itself */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_changes_equal_those_of_an_array, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(one_end_can_feed_the_other_for_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_records_are_refused_by_every_function, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_change_without_memory_leaves_nothing_behind, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
