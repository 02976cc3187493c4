/* Hashes against a plain model: random writes that grow and shrink across the border between the
 * two forms, with checkpoints, rollbacks and restarts in between; damaged blobs; failing memory. */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_hash.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS = 300, HASHES = 3, NAME_MAX_LEN = 700, PAIRS_MAX = 12 };

static const struct hash_limits limits = {.entries = 512, .value = 64};

/* Value numbers by field; 0: not there. */
struct model {
	uint32_t values[FIELDS];
	uint64_t count;
	bool encoded; /* some field or value was longer than the limit */
};

struct fixture {
	struct engine_box box;
	struct model hashes[HASHES];
	uint32_t next_value;
	uint32_t spills, shrinks;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 11);
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

/* Every 40th name is longer than a store key can be. */
static struct slice field_name(uint32_t n, uint8_t *dst)
{
	int len = snprintf((char *)dst, 16, "f%u", n);

	if (n % 40 == 39) {
		memset(dst + len, 'f', NAME_MAX_LEN - 32);
		len += NAME_MAX_LEN - 32;
		len += snprintf((char *)dst + len, 16, "%u", n);
	}
	return slice_of(dst, (size_t)len);
}

static struct store_key hash_key(uint32_t n)
{
	static const char *const names[HASHES] = {"{t}one", "{t}two", "{t}three"};
	struct store_key key;

	store_key_of_key(&key, slice_str(names[n]));
	return key;
}

/* The hash as the engine has it; NULL when it is absent. */
static const struct meta *look(struct fixture *f, const struct store_key *key, struct meta *m)
{
	enum status st = ks_lookup(f->box.e, key, m);

	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	return st == ST_OK ? m : NULL;
}

static void check_fields(struct fixture *f, const struct store_key *key, const struct meta *m,
			 const struct model *model)
{
	uint8_t name[NAME_MAX_LEN], bytes[BOX_VALUE_MAX];
	struct slice value;

	for (uint32_t i = 0; i < FIELDS; i++) {
		enum status st = type_hash_get(f->box.e, key, m, field_name(i, name), &value);

		assert_int_equal(st, model->values[i] != 0 ? ST_OK : ST_NOT_FOUND);
		if (st == ST_OK) {
			assert_true(slice_eq(value, engine_box_value(model->values[i], bytes)));
		}
	}
}

/* Walks page by page as HSCAN does; each field must come exactly once. */
static void check_walk(struct fixture *f, const struct store_key *key, const struct meta *m,
		       const struct model *model, uint64_t page)
{
	uint8_t name[NAME_MAX_LEN], bytes[BOX_VALUE_MAX];
	bool seen[FIELDS] = {false};
	uint64_t from = 0, total = 0;
	struct slice field, value;
	bool more = true;

	while (more) {
		struct named_iter it;
		uint64_t order = 0, last = 0, taken = 0;

		assert_int_equal(named_iter_open(f->box.e, key, m, from, &it), ST_OK);
		for (;;) {
			enum status st = named_iter_next(&it, &order, &field, &value);
			uint32_t n;

			if (st == ST_END) {
				more = false;
				break;
			}
			assert_int_equal(st, ST_OK);
			if (m->form == FORM_LARGE && taken >= page && order != last) {
				from = order;
				break;
			}
			assert_int_equal(field.data[0], 'f');
			memset(name, 0, sizeof name);
			memcpy(name, field.data, field.len);
			n = (uint32_t)strtoul((const char *)name + 1, NULL, 10);
			assert_true(n < FIELDS && !seen[n]);
			assert_true(slice_eq(field, field_name(n, name)));
			assert_true(slice_eq(value, engine_box_value(model->values[n], bytes)));
			seen[n] = true;
			last = order;
			taken++;
			total++;
		}
		named_iter_close(&it);
	}
	assert_int_equal(total, model->count);
}

static void check_hash(struct fixture *f, uint32_t n, bool deep)
{
	struct store_key key = hash_key(n);
	const struct model *model = &f->hashes[n];
	struct meta m;
	uint64_t count;

	engine_box_begin(&f->box);
	if (look(f, &key, &m) == NULL) {
		assert_int_equal(model->count, 0);
	} else {
		assert_int_equal(m.type, TYPE_HASH);
		assert_int_equal(type_hash_count(&m, &count), ST_OK);
		assert_int_equal(count, model->count);
		assert_true(count > 0);
		assert_string_equal(type_hash_encoding(&m),
				    model->encoded ? "hashtable" : "listpack");
		if (m.form == FORM_INLINE) {
			assert_true(m.payload.len <= COLLECTION_INLINE_MAX);
		}
		if (deep) {
			check_fields(f, &key, &m, model);
			check_walk(f, &key, &m, model, 7);
		}
	}
	engine_box_commit(&f->box);
}

/* Sets up to PAIRS_MAX random fields (with repeats) in one command. */
static void random_set(struct fixture *f, uint32_t n, uint32_t spread)
{
	static uint8_t names[PAIRS_MAX][NAME_MAX_LEN], bytes[PAIRS_MAX][BOX_VALUE_MAX];
	struct store_key key = hash_key(n);
	struct slice pairs[2 * PAIRS_MAX];
	struct model after = f->hashes[n];
	size_t count = 1 + (size_t)rng_below(&f->box.rng, 8) % PAIRS_MAX;
	uint64_t added, expect = 0;
	struct meta m;
	const struct meta *old;
	enum value_form before;

	count = rng_below(&f->box.rng, 3) > 0 ? 1 : count;
	for (size_t i = 0; i < count; i++) {
		uint32_t field = (uint32_t)rng_below(&f->box.rng, spread);

		pairs[2 * i] = field_name(field, names[i]);
		pairs[2 * i + 1] = engine_box_value(++f->next_value, bytes[i]);
		expect += after.values[field] == 0;
		after.values[field] = f->next_value;
		after.encoded |=
		    pairs[2 * i].len > limits.value || pairs[2 * i + 1].len > limits.value;
	}
	after.count += expect;
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	before = old != NULL ? old->form : FORM_INLINE;
	assert_int_equal(type_hash_set(f->box.e, &key, old, pairs, count, &limits, &added), ST_OK);
	assert_int_equal(added, expect);
	assert_non_null(look(f, &key, &m));
	f->spills += before == FORM_INLINE && m.form == FORM_LARGE;
	if (rng_below(&f->box.rng, 10) == 0) {
		engine_box_rollback(&f->box);
		return;
	}
	engine_box_commit(&f->box);
	f->hashes[n] = after;
}

static void random_del(struct fixture *f, uint32_t n, uint32_t spread)
{
	static uint8_t names[PAIRS_MAX][NAME_MAX_LEN];
	struct store_key key = hash_key(n);
	struct slice fields[PAIRS_MAX];
	struct model after = f->hashes[n];
	size_t count = 1 + (size_t)rng_below(&f->box.rng, PAIRS_MAX);
	uint64_t removed = 0, expect = 0;
	struct meta m;
	const struct meta *old;
	enum value_form before;

	for (size_t i = 0; i < count; i++) {
		uint32_t field = (uint32_t)rng_below(&f->box.rng, spread);

		fields[i] = field_name(field, names[i]);
		expect += after.values[field] != 0;
		after.values[field] = 0;
	}
	after.count -= expect;
	after.encoded &= after.count > 0;
	engine_box_begin(&f->box);
	old = look(f, &key, &m);
	if (old != NULL) {
		before = old->form;
		assert_int_equal(type_hash_del(f->box.e, &key, old, fields, count, &removed),
				 ST_OK);
		old = look(f, &key, &m);
		f->shrinks += before == FORM_LARGE && old != NULL && m.form == FORM_INLINE;
	}
	assert_int_equal(removed, expect);
	if (rng_below(&f->box.rng, 10) == 0) {
		engine_box_rollback(&f->box);
		return;
	}
	engine_box_commit(&f->box);
	f->hashes[n] = after;
}

static void a_longer_value_alone_changes_the_encoding_of_a_large_hash(void **state)
{
	struct fixture *f = *state;
	struct store_key key = hash_key(0);
	uint8_t name[NAME_MAX_LEN], bytes[65];
	struct slice pair[2] = {slice_str(""), slice_of(bytes, 60)};
	struct meta m;
	uint64_t n;

	memset(bytes, 'v', sizeof bytes);
	engine_box_begin(&f->box);
	for (uint32_t i = 0; i < 38; i++) {
		pair[0] = field_name(i, name);
		assert_int_equal(
		    type_hash_set(f->box.e, &key, look(f, &key, &m), pair, 1, &limits, &n), ST_OK);
	}
	assert_non_null(look(f, &key, &m));
	assert_int_equal(m.form, FORM_LARGE);
	for (size_t len = 64; len <= 65; len++) {
		pair[0] = field_name(3, name);
		pair[1].len = len;
		assert_int_equal(type_hash_set(f->box.e, &key, &m, pair, 1, &limits, &n), ST_OK);
		assert_int_equal(n, 0);
		assert_non_null(look(f, &key, &m));
		assert_string_equal(type_hash_encoding(&m), len > 64 ? "hashtable" : "listpack");
	}
	engine_box_commit(&f->box);
}

static void set_one(struct fixture *f, uint32_t n, uint32_t field)
{
	uint8_t name[NAME_MAX_LEN], bytes[BOX_VALUE_MAX];
	struct store_key key = hash_key(n);
	struct slice pair[2] = {field_name(field, name), engine_box_value(++f->next_value, bytes)};
	struct meta m;
	uint64_t added;

	engine_box_begin(&f->box);
	assert_int_equal(type_hash_set(f->box.e, &key, look(f, &key, &m), pair, 1, &limits, &added),
			 ST_OK);
	assert_int_equal(added, f->hashes[n].values[field] == 0);
	engine_box_commit(&f->box);
	f->hashes[n].count += added;
	f->hashes[n].values[field] = f->next_value;
}

static void del_one(struct fixture *f, uint32_t n, uint32_t field)
{
	uint8_t name[NAME_MAX_LEN];
	struct store_key key = hash_key(n);
	struct slice one = field_name(field, name);
	struct meta m;
	uint64_t removed;

	engine_box_begin(&f->box);
	assert_int_equal(type_hash_del(f->box.e, &key, look(f, &key, &m), &one, 1, &removed),
			 ST_OK);
	assert_int_equal(removed, f->hashes[n].values[field] != 0);
	engine_box_commit(&f->box);
	f->hashes[n].count -= removed;
	f->hashes[n].values[field] = 0;
}

static void random_writes_equal_the_model(void **state)
{
	struct fixture *f = *state;

	for (uint32_t round = 0; round < 30000; round++) {
		uint32_t n = (uint32_t)rng_below(&f->box.rng, HASHES);
		/* Each hash grows and shrinks in waves of its own length. */
		bool growing = round / (400 + 300 * n) % 2 == 0;
		uint32_t spread = round / 3000 % 2 == 0 ? FIELDS : 60;

		if (rng_below(&f->box.rng, 10) < (growing ? 7 : 3)) {
			random_set(f, n, spread);
		} else {
			random_del(f, n, growing ? spread : FIELDS);
		}
		check_hash(f, n, round % 50 == 0);
		engine_box_live(&f->box);
	}
	for (uint32_t n = 0; n < HASHES; n++) {
		check_hash(f, n, true);
	}
	/* Else the borders were not met and the rest of this test says little. */
	assert_true(f->spills > 10);
	assert_true(f->shrinks > 10);
}

static void expiry_and_flags_survive_changes_of_form(void **state)
{
	struct fixture *f = *state;
	struct store_key key = hash_key(0);
	struct slice pair[2] = {slice_str("f0"), slice_str("v")};
	struct meta m, with_expiry;
	const struct meta *old = NULL;
	uint64_t n;

	engine_box_begin(&f->box);
	assert_int_equal(type_hash_set(f->box.e, &key, NULL, pair, 1, &limits, &n), ST_OK);
	old = look(f, &key, &m);
	with_expiry = m;
	with_expiry.expire_at_ms = f->box.now_ms + 1000;
	assert_int_equal(ks_put(f->box.e, &key, old, &with_expiry, &m.payload, 1), ST_OK);
	for (uint32_t i = 0; i < 600; i++) { /* over the limit of entries, and over the blob's */
		uint8_t name[NAME_MAX_LEN];

		pair[0] = slice_of(name, (size_t)snprintf((char *)name, 16, "g%u", i));
		old = look(f, &key, &m);
		assert_int_equal(type_hash_set(f->box.e, &key, old, pair, 1, &limits, &n), ST_OK);
		assert_non_null(look(f, &key, &m));
		assert_int_equal(m.expire_at_ms, f->box.now_ms + 1000);
		assert_string_equal(type_hash_encoding(&m), i < 511 ? "listpack" : "hashtable");
	}
	assert_int_equal(m.form, FORM_LARGE);
	for (uint32_t i = 0; i < 600; i++) {
		uint8_t name[NAME_MAX_LEN];

		pair[0] = slice_of(name, (size_t)snprintf((char *)name, 16, "g%u", i));
		old = look(f, &key, &m);
		assert_int_equal(type_hash_del(f->box.e, &key, old, pair, 1, &n), ST_OK);
		assert_int_equal(n, 1);
		assert_non_null(look(f, &key, &m));
		assert_int_equal(m.expire_at_ms, f->box.now_ms + 1000);
		assert_string_equal(type_hash_encoding(&m), "hashtable");
	}
	assert_int_equal(m.form, FORM_INLINE);
	engine_box_commit(&f->box);
}

static void a_paged_walk_meets_what_stays_exactly_once(void **state)
{
	struct fixture *f = *state;
	struct store_key key = hash_key(0);
	struct meta m;

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t seen[FIELDS] = {0};
		uint64_t from = 0, order = 0;
		bool more = true;

		while (f->hashes[0].count < 150) {
			random_set(f, 0, FIELDS);
		}
		while (more) {
			uint8_t name[NAME_MAX_LEN];
			struct named_iter it;
			struct slice field, value;
			uint32_t taken = 0;

			engine_box_begin(&f->box);
			assert_non_null(look(f, &key, &m));
			assert_int_equal(m.form, FORM_LARGE);
			assert_int_equal(named_iter_open(f->box.e, &key, &m, from, &it), ST_OK);
			for (; taken < 10; taken++) {
				enum status st = named_iter_next(&it, &order, &field, &value);
				uint32_t n;

				if (st == ST_END) {
					more = false;
					break;
				}
				assert_int_equal(st, ST_OK);
				memset(name, 0, sizeof name);
				memcpy(name, field.data, field.len);
				n = (uint32_t)strtoul((const char *)name + 1, NULL, 10);
				seen[n]++;
				from = order + 1;
			}
			named_iter_close(&it);
			engine_box_commit(&f->box);
			/* Odd fields come and go between the pages; even ones stay. */
			for (uint32_t i = 0; i < 5; i++) {
				uint32_t odd = (uint32_t)rng_below(&f->box.rng, FIELDS / 2) * 2 + 1;

				if (rng_below(&f->box.rng, 2) == 0) {
					set_one(f, 0, odd);
				} else {
					del_one(f, 0, odd);
				}
			}
			engine_box_live(&f->box);
		}
		for (uint32_t i = 0; i < FIELDS; i += 2) {
			assert_int_equal(seen[i], f->hashes[0].values[i] != 0);
		}
		for (uint32_t i = 1; i < FIELDS; i += 2) {
			assert_true(seen[i] <= 1);
		}
	}
}

/* Puts a record with these payload bytes under the first hash's key. */
static void put_raw(struct fixture *f, const char *bytes, size_t len)
{
	struct store_key key = hash_key(0);
	struct meta m = {.type = TYPE_HASH, .form = FORM_INLINE};
	struct slice part = slice_of(bytes, len);

	engine_box_begin(&f->box);
	assert_int_equal(ks_put_blind(f->box.e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(&f->box);
}

static void damaged_blobs_are_refused_by_every_function(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"", 0},
	    {"\x02", 1},
	    {"\x02\x00", 2},
	    {"\x01\x00\x01"
	     "a",
	     4}, /* a field without a value */
	    {"\x02\x00\x01"
	     "a\x05"
	     "b",
	     6},
	    {"\x04\x00\x01"
	     "a\x01"
	     "b\x01"
	     "c",
	     8},
	};
	struct fixture *f = *state;
	struct store_key key = hash_key(0);
	struct slice pair[2] = {slice_str("zz"), slice_str("v")}, field, value;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct named_iter it;
		struct meta m;
		uint64_t n, order;
		enum status st;

		put_raw(f, cases[i].bytes, cases[i].len);
		engine_box_begin(&f->box);
		assert_non_null(look(f, &key, &m));
		assert_int_equal(type_hash_get(f->box.e, &key, &m, pair[0], &value), ST_CORRUPT);
		assert_int_equal(type_hash_set(f->box.e, &key, &m, pair, 1, &limits, &n),
				 ST_CORRUPT);
		assert_int_equal(type_hash_del(f->box.e, &key, &m, pair, 1, &n), ST_CORRUPT);
		st = named_iter_open(f->box.e, &key, &m, 0, &it);
		while (st == ST_OK) {
			st = named_iter_next(&it, &order, &field, &value);
		}
		named_iter_close(&it);
		assert_int_equal(st, ST_CORRUPT);
		engine_box_rollback(&f->box);
	}
}

static void a_write_without_memory_leaves_nothing_behind(void **state)
{
	static uint8_t big[1 << 20];
	struct fixture *f = *state;
	struct store_key key = hash_key(1);
	struct slice pair[2] = {slice_str("field"), slice_of(big, sizeof big)};
	struct meta m;
	uint64_t n;
	enum status st = ST_NO_MEMORY;

	random_set(f, 1, 5);
	check_hash(f, 1, true);
	for (int64_t nth = 0; st == ST_NO_MEMORY; nth++) {
		const struct meta *old;

		engine_box_begin(&f->box);
		old = look(f, &key, &m);
		mem_fail_nth(nth);
		st = type_hash_set(f->box.e, &key, old, pair, 1, &limits, &n);
		mem_fail_nth(-1);
		engine_box_rollback(&f->box);
		check_hash(f, 1, true);
	}
	assert_int_equal(st, ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_writes_equal_the_model, setup, teardown),
	    cmocka_unit_test_setup_teardown(expiry_and_flags_survive_changes_of_form, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		a_longer_value_alone_changes_the_encoding_of_a_large_hash, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_paged_walk_meets_what_stays_exactly_once, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(damaged_blobs_are_refused_by_every_function, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_write_without_memory_leaves_nothing_behind, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
