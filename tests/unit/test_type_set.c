/* Sets against a plain model: random additions, removals and pops that cross the borders between
 * the two forms and between Redis's encodings, with checkpoints, rollbacks and restarts in between;
 * the order of integers; damaged blobs; failing memory. */
#include "engine/base/alloc.h"
#include "engine/types/type_set.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 400, SETS = 4, NAME_MAX_LEN = 700, GIVEN_MAX = 12 };

static const struct set_limits limits = {.intset_entries = 200, .entries = 60, .value = 20};

enum encoding { INTSET, LISTPACK, HASHTABLE };
static const char *const encoding_names[] = {"intset", "listpack", "hashtable"};

struct model {
	bool has[MEMBERS];
	uint64_t count;
	enum encoding encoding;
};

struct fixture {
	struct engine_box box;
	struct model sets[SETS];
	uint32_t spills, shrinks, pops[2];
	/* What a pop gave. */
	struct model *popping;
	uint32_t popped;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 17);
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

/* Set 0 holds integers only; in the others every 3rd member is one, and every 40th longer than a
 * store key can be. */
static struct slice member_name(uint32_t set, uint32_t n, uint8_t *dst)
{
	int len;

	if (set == 0 || n % 3 == 0) {
		len = snprintf((char *)dst, 16, "%d", ((int)n - 150) * 1000003);
		return slice_of(dst, (size_t)len);
	}
	len = snprintf((char *)dst, 16, "m%u", n);
	if (n % 40 == 38) {
		memset(dst + len, 'm', NAME_MAX_LEN - 32);
		len += NAME_MAX_LEN - 32;
	}
	return slice_of(dst, (size_t)len);
}

static bool is_integer(uint32_t set, uint32_t n)
{
	return set == 0 || n % 3 == 0;
}

/* What Redis's rules say of one more member. */
static void model_add(struct model *m, uint32_t set, uint32_t n)
{
	uint8_t name[NAME_MAX_LEN];
	size_t len = member_name(set, n, name).len;

	if (m->has[n]) {
		return;
	}
	if (m->count == 0) {
		m->encoding = INTSET;
	}
	if (m->encoding == INTSET && is_integer(set, n)) {
		m->encoding = m->count + 1 > limits.intset_entries ? HASHTABLE : INTSET;
	} else if (m->encoding != HASHTABLE) {
		m->encoding =
		    m->count + 1 > limits.entries || len > limits.value ? HASHTABLE : LISTPACK;
	}
	m->has[n] = true;
	m->count++;
}

static struct store_key set_key(uint32_t n)
{
	static const char *const names[SETS] = {"{t}ints", "{t}one", "{t}two", "three"};
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

/* The number of a member by its name. */
static uint32_t number_of(uint32_t set, struct slice name)
{
	uint8_t text[NAME_MAX_LEN] = {0};
	uint32_t n;

	assert_true(name.len < sizeof text);
	memcpy(text, name.data, name.len);
	n = text[0] == 'm' ? (uint32_t)strtoul((const char *)text + 1, NULL, 10)
			   : (uint32_t)(strtol((const char *)text, NULL, 10) / 1000003 + 150);
	assert_true(n < MEMBERS);
	assert_true(slice_eq(name, member_name(set, n, text)));
	return n;
}

/* Every member once; an intset ascending. */
static void check_walk(struct fixture *f, uint32_t n, const struct store_key *key,
		       const struct meta *m)
{
	const struct model *model = &f->sets[n];
	bool seen[MEMBERS] = {false};
	struct type_set_walk w;
	struct slice member;
	uint64_t total = 0;
	uint32_t last = 0, at;
	enum status st = type_set_walk_open(f->box.e, key, m, &w);

	for (; st == ST_OK; total++) {
		st = type_set_walk_next(&w, &member);
		if (st != ST_OK) {
			break;
		}
		at = number_of(n, member);
		assert_true(model->has[at] && !seen[at]);
		assert_true(model->encoding != INTSET || total == 0 || at > last);
		seen[at] = true;
		last = at;
	}
	assert_int_equal(st, ST_END);
	type_set_walk_close(&w);
	assert_int_equal(total, model->count);
}

static void check_set(struct fixture *f, uint32_t n, bool deep)
{
	struct store_key key = set_key(n);
	const struct model *model = &f->sets[n];
	uint8_t name[NAME_MAX_LEN];
	struct slice value;
	struct meta m;
	uint64_t count;

	engine_box_begin(&f->box);
	if (look(f, &key, &m) == NULL) {
		assert_int_equal(model->count, 0);
	} else {
		assert_int_equal(m.type, TYPE_SET);
		assert_int_equal(named_count(&m, &count), ST_OK);
		assert_int_equal(count, model->count);
		assert_true(count > 0);
		assert_string_equal(type_set_encoding(&m), encoding_names[model->encoding]);
		for (uint32_t i = 0; deep && i < MEMBERS; i++) {
			enum status st =
			    named_get(f->box.e, &key, &m, member_name(n, i, name), &value);

			assert_int_equal(st, model->has[i] ? ST_OK : ST_NOT_FOUND);
		}
		if (deep) {
			check_walk(f, n, &key, &m);
		}
	}
	engine_box_commit(&f->box);
}

/* One in ten is rolled back, else the model becomes what the set is now. */
static void end_batch(struct fixture *f, uint32_t n, const struct model *after)
{
	if (rng_below(&f->box.rng, 10) == 0) {
		engine_box_rollback(&f->box);
		return;
	}
	engine_box_commit(&f->box);
	f->sets[n] = *after;
}

static void random_add(struct fixture *f, uint32_t n, uint32_t spread)
{
	static uint8_t names[GIVEN_MAX][NAME_MAX_LEN];
	struct store_key key = set_key(n);
	struct slice members[GIVEN_MAX];
	struct model after = f->sets[n];
	size_t count =
	    rng_below(&f->box.rng, 3) > 0 ? 1 : 1 + (size_t)rng_below(&f->box.rng, GIVEN_MAX);
	enum value_form before;
	const struct meta *old;
	struct meta m;
	uint64_t added;

	for (size_t i = 0; i < count; i++) {
		uint32_t at = (uint32_t)rng_below(&f->box.rng, spread);

		members[i] = member_name(n, at, names[i]);
		model_add(&after, n, at);
	}
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	before = old != NULL ? old->form : FORM_INLINE;
	assert_int_equal(type_set_add(f->box.e, &key, old, members, count, &limits, &added), ST_OK);
	assert_int_equal(added, after.count - f->sets[n].count);
	assert_non_null(look(f, &key, &m));
	f->spills += before == FORM_INLINE && m.form == FORM_LARGE;
	end_batch(f, n, &after);
}

static void random_remove(struct fixture *f, uint32_t n, uint32_t spread)
{
	static uint8_t names[GIVEN_MAX][NAME_MAX_LEN];
	struct store_key key = set_key(n);
	struct slice members[GIVEN_MAX];
	struct model after = f->sets[n];
	size_t count = rng_below(&f->box.rng, 3) > 0 ? 1 : 1 + (size_t)rng_below(&f->box.rng, 6);
	const struct meta *old;
	struct meta m;
	uint64_t removed = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t at = (uint32_t)rng_below(&f->box.rng, spread);

		/* Mostly one that is there. */
		for (uint32_t k = 0; k < spread && !after.has[at] && i % 4 != 3; k++) {
			at = (at + 1) % spread;
		}
		members[i] = member_name(n, at, names[i]);
		after.count -= after.has[at];
		after.has[at] = false;
	}
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	if (old != NULL) {
		enum value_form before = old->form;

		assert_int_equal(named_del(f->box.e, &key, old, members, count, &removed), ST_OK);
		old = look(f, &key, &m);
		f->shrinks += before == FORM_LARGE && old != NULL && m.form == FORM_INLINE;
	}
	assert_int_equal(removed, f->sets[n].count - after.count);
	end_batch(f, n, &after);
}

static void take_popped(void *arg, struct slice member)
{
	struct fixture *f = arg;
	uint32_t at = number_of((uint32_t)(f->popping - f->sets), member);

	assert_true(f->popping->has[at]);
	f->popping->has[at] = false;
	f->popping->count--;
	f->popped++;
}

/* Pops some or all; with little left Redis makes the set anew, and so its encoding. */
static void random_pop(struct fixture *f, uint32_t n)
{
	struct store_key key = set_key(n);
	struct model before = f->sets[n], after;
	struct meta m;
	uint64_t count;

	if (before.count == 0) {
		return;
	}
	count = 1 + rng_below(&f->box.rng, rng_below(&f->box.rng, 3) > 0 ? 3 : before.count);
	count = count < before.count ? count : before.count;
	engine_box_begin(&f->box);
	assert_non_null(look(f, &key, &m));
	f->popping = &f->sets[n];
	f->popped = 0;
	assert_int_equal(
	    type_set_pop(f->box.e, &key, &m, count, &f->box.rng, &limits, take_popped, f), ST_OK);
	assert_int_equal(f->popped, count);
	after = f->sets[n];
	f->sets[n] = before;
	if (after.count > 0 && after.count * 5 <= count) {
		struct model anew = {.count = 0};

		for (uint32_t i = 0; i < MEMBERS; i++) {
			if (after.has[i]) {
				model_add(&anew, n, i);
			}
		}
		after = anew;
		f->pops[1]++;
	} else {
		f->pops[0]++;
	}
	end_batch(f, n, &after);
}

static void random_writes_equal_the_model(void **state)
{
	struct fixture *f = *state;

	for (uint32_t round = 0; round < 30000; round++) {
		uint32_t n = (uint32_t)rng_below(&f->box.rng, SETS);
		/* Each set grows and shrinks in waves of its own length. */
		bool growing = round / (800 + 400 * n) % 2 == 0;
		uint32_t spread = round / 7000 % 2 == 0 ? MEMBERS : 60;

		if (rng_below(&f->box.rng, 40) == 0) {
			random_pop(f, n);
		} else if (rng_below(&f->box.rng, 10) < (growing ? 7 : 1)) {
			random_add(f, n, spread);
		} else {
			random_remove(f, n, growing ? spread : MEMBERS);
		}
		check_set(f, n, round % 50 == 0);
		engine_box_live(&f->box);
	}
	for (uint32_t n = 0; n < SETS; n++) {
		check_set(f, n, true);
	}
	/* Else the borders were not met and the rest of this test says little. */
	assert_true(f->spills > 10);
	assert_true(f->shrinks > 10);
	assert_true(f->pops[0] > 100 && f->pops[1] > 20);
}

static void expiry_stays_when_members_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct store_key key = set_key(1);
	struct meta m;
	char text[16];
	uint64_t n;

	for (int i = 0; i < 700; i++) {
		struct slice member;
		const struct meta *old;

		(void)snprintf(text, sizeof text, "m%d", i < 400 ? i : 799 - i);
		member = slice_str(text);
		engine_box_begin(&f->box);
		old = look(f, &key, &m);
		if (i < 400) {
			assert_int_equal(type_set_add(f->box.e, &key, old, &member, 1, &limits, &n),
					 ST_OK);
		} else {
			assert_int_equal(named_del(f->box.e, &key, old, &member, 1, &n), ST_OK);
		}
		assert_int_equal(n, 1);
		if (i == 0) {
			struct slice part;

			assert_non_null(look(f, &key, &m));
			m.expire_at_ms = f->box.now_ms + 1000000;
			part = m.payload;
			assert_int_equal(ks_put(f->box.e, &key, &m, &m, &part, 1), ST_OK);
		}
		assert_non_null(look(f, &key, &m));
		assert_true(m.expire_at_ms > f->box.now_ms);
		engine_box_commit(&f->box);
		engine_box_live(&f->box);
	}
}

static void damaged_sets_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"", 0},
	    {"\x02", 1},
	    {"\x02\x00\x01"
	     "1",
	     4},
	    {"\x02\x00\x01"
	     "1\x05"
	     "2",
	     6},
	    {"\x01\x00\x01"
	     "1\x01"
	     "2",
	     6},
	};
	struct fixture *f = *state;
	struct store_key key = set_key(0);
	struct slice member = slice_str("zz"), value;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct meta m = {.type = TYPE_SET, .form = FORM_INLINE};
		struct slice part = slice_of(cases[i].bytes, cases[i].len);
		struct type_set_walk w;
		enum status st;
		uint64_t n;

		engine_box_begin(&f->box);
		assert_int_equal(ks_put_blind(f->box.e, &key, &m, &part, 1), ST_OK);
		engine_box_commit(&f->box);
		engine_box_begin(&f->box);
		assert_non_null(look(f, &key, &m));
		assert_int_equal(named_get(f->box.e, &key, &m, member, &value), ST_CORRUPT);
		assert_int_equal(type_set_add(f->box.e, &key, &m, &member, 1, &limits, &n),
				 ST_CORRUPT);
		assert_int_equal(named_del(f->box.e, &key, &m, &member, 1, &n), ST_CORRUPT);
		st = type_set_walk_open(f->box.e, &key, &m, &w);
		while (st == ST_OK) {
			st = type_set_walk_next(&w, &member);
		}
		type_set_walk_close(&w);
		assert_int_equal(st, ST_CORRUPT);
		member = slice_str("zz");
		engine_box_rollback(&f->box);
	}
}

static void ignore(void *arg, struct slice member)
{
	(void)arg;
	(void)member;
}

/* Runs a write with the n-th allocation failing, for all n; each is rolled back. */
static void walk_memory(struct fixture *f, uint32_t n, uint64_t pop)
{
	struct store_key key = set_key(n);
	uint8_t name[NAME_MAX_LEN];
	struct slice member = member_name(n, MEMBERS - 1, name);
	enum status st = ST_NO_MEMORY;

	for (int64_t nth = 0; st == ST_NO_MEMORY; nth++) {
		const struct meta *old;
		struct meta m;
		uint64_t added;

		engine_box_begin(&f->box);
		old = look(f, &key, &m);
		mem_fail_nth(nth);
		st = pop > 0 ? type_set_pop(f->box.e, &key, old, pop, &f->box.rng, &limits, ignore,
					    NULL)
			     : type_set_add(f->box.e, &key, old, &member, 1, &limits, &added);
		mem_fail_nth(-1);
		engine_box_rollback(&f->box);
		check_set(f, n, true);
	}
	assert_int_equal(st, ST_OK);
}

static void a_write_without_memory_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;

	while (f->sets[1].count < 50) {
		random_add(f, 1, MEMBERS - 1);
	}
	walk_memory(f, 1, 0);
	walk_memory(f, 1, 1);
	walk_memory(f, 1, 45);
	walk_memory(f, 1, f->sets[1].count);
	while (f->sets[1].count < 300) {
		random_add(f, 1, MEMBERS - 1);
	}
	engine_box_checkpoint(&f->box);
	walk_memory(f, 1, 0);
	walk_memory(f, 1, 7);
	walk_memory(f, 1, 290);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_writes_equal_the_model, setup, teardown),
	    cmocka_unit_test_setup_teardown(expiry_stays_when_members_come_and_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_sets_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_write_without_memory_leaves_nothing_behind, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
