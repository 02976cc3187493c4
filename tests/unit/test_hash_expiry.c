/* Fields that expire, against a plain model: random values, times, removals and steps of the clock,
 * on small and large hashes, with the expiry cycle, checkpoints, rollbacks and restarts in between;
 * copies; buckets that make no sense. */
#include "engine/types/hash_expiry.h"

#include "engine/base/bytes.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_copy.h"
#include "engine/types/type_hash.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HASHES = 3, FIELDS = 300, LONG_FIELD = 600, STEPS = 6000 };

static const struct hash_limits limits = {.entries = 60, .value = 20};

struct field {
	bool there;
	uint32_t value;
	uint64_t at_ms; /* 0: never */
};

struct fixture {
	struct engine_box box;
	struct field hashes[HASHES][FIELDS];
	uint32_t expired, timed;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 23);
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

/* Every 30th name is longer than a store key, every 7th longer than a tree's node takes whole. */
static struct slice field_name(uint32_t n, uint8_t dst[LONG_FIELD])
{
	int len = snprintf((char *)dst, 16, "f%u", n);
	size_t more = n % 30 == 0 ? LONG_FIELD - 16 : n % 7 == 0 ? 150 : 0;

	memset(dst + len, 'x', more);
	return slice_of(dst, (size_t)len + more);
}

static uint32_t field_number(struct slice name)
{
	uint32_t n = 0;

	for (size_t i = 1; i < name.len && name.data[i] != 'x'; i++) {
		n = n * 10 + (uint32_t)(name.data[i] - '0');
	}
	return n;
}

static struct slice value_text(uint32_t v, char dst[16])
{
	return slice_of(dst, (size_t)snprintf(dst, 16, "v%u", v));
}

static void key_of(uint32_t hash, char name[16], struct store_key *key)
{
	(void)snprintf(name, 16, "hash%u", hash);
	store_key_of_key(key, slice_str(name));
}

static bool seen(const struct fixture *f, const struct field *field)
{
	return field->there && (field->at_ms == 0 || field->at_ms > f->box.now_ms);
}

/* --- comparing --- */

static uint64_t check_walk(const struct fixture *f, const struct store_key *key,
			   const struct meta *m, const struct field *model)
{
	struct named_iter it;
	struct slice name, value;
	uint64_t order, count = 0;
	uint8_t text[LONG_FIELD];
	char expected[16];

	assert_int_equal(named_iter_open(f->box.e, key, m, 0, &it), ST_OK);
	while (named_iter_next(&it, &order, &name, &value) == ST_OK) {
		uint32_t n = field_number(name);

		assert_true(n < FIELDS && slice_eq(name, field_name(n, text)));
		assert_true(seen(f, &model[n]));
		assert_true(slice_eq(value, value_text(model[n].value, expected)));
		count++;
	}
	named_iter_close(&it);
	return count;
}

static void check_field(const struct fixture *f, const struct store_key *key, const struct meta *m,
			uint32_t n, const struct field *field)
{
	uint8_t text[LONG_FIELD];
	char expected[16];
	struct slice name = field_name(n, text), value;
	struct hash_timing t;
	uint64_t at = 0;
	enum status st = type_hash_get(f->box.e, key, m, name, &value);

	assert_int_equal(st, seen(f, field) ? ST_OK : ST_NOT_FOUND);
	if (st == ST_OK) {
		assert_true(slice_eq(value, value_text(field->value, expected)));
		hash_timing_begin(&t, f->box.e, key, m);
		assert_int_equal(hash_timing_get(&t, name, &at), ST_OK);
		assert_int_equal(at, field->at_ms);
	}
}

static void check_hash(struct fixture *f, uint32_t hash)
{
	const struct field *model = f->hashes[hash];
	uint64_t count = 0, visible = 0;
	struct store_key key;
	struct meta m;
	char name[16];
	enum status st;

	key_of(hash, name, &key);
	for (uint32_t n = 0; n < FIELDS; n++) {
		count += seen(f, &model[n]);
	}
	engine_box_begin(&f->box);
	st = ks_lookup(f->box.e, &key, &m);
	if (st == ST_NOT_FOUND) {
		assert_int_equal(count, 0);
	} else {
		assert_int_equal(st, ST_OK);
		assert_int_equal(named_count_visible(f->box.e, &key, &m, &visible), ST_OK);
		assert_int_equal(visible, count);
		assert_int_equal(check_walk(f, &key, &m, model), count);
		for (uint32_t n = 0; n < FIELDS; n += 11) {
			check_field(f, &key, &m, n, &model[n]);
		}
		f->timed += m.fields_timed > 0;
	}
	engine_box_commit(&f->box);
}

/* --- changing --- */

static void set_field(struct fixture *f, struct field *field, const struct store_key *key,
		      const struct meta *old, uint32_t n, bool keep)
{
	uint8_t text[LONG_FIELD];
	char value[16];
	struct slice pair[2] = {field_name(n, text)};
	uint64_t added = 0;
	bool was = seen(f, field);

	field->value = (uint32_t)rng_below(&f->box.rng, 1000);
	pair[1] = value_text(field->value, value);
	if (keep) {
		assert_int_equal(type_hash_change(f->box.e, key, old, pair, 1, &limits, &added),
				 ST_OK);
		field->at_ms = was ? field->at_ms : 0;
	} else {
		assert_int_equal(type_hash_set(f->box.e, key, old, pair, 1, &limits, &added),
				 ST_OK);
		assert_int_equal(added, !was);
		field->at_ms = 0;
	}
	field->there = true;
}

static void del_fields(struct fixture *f, struct field *model, const struct store_key *key,
		       const struct meta *old, uint32_t n)
{
	uint8_t text[2][LONG_FIELD];
	uint32_t other = (n + 1) % FIELDS;
	struct slice names[2] = {field_name(n, text[0]), field_name(other, text[1])};
	uint64_t removed, count = (uint64_t)seen(f, &model[n]) + seen(f, &model[other]);

	assert_int_equal(type_hash_del(f->box.e, key, old, names, 2, &removed), ST_OK);
	assert_int_equal(removed, count);
	model[n] = model[other] = (struct field){0};
}

/* Sets or ends the expiry of a few fields, or removes them. */
static void time_fields(struct fixture *f, struct field *model, const struct store_key *key,
			const struct meta *old, uint32_t first)
{
	struct hash_timing t;
	uint8_t text[LONG_FIELD];
	uint64_t at;

	hash_timing_begin(&t, f->box.e, key, old);
	for (uint32_t n = first; n < first + 8 && n < FIELDS; n++) {
		struct slice name = field_name(n, text);
		enum status st = hash_timing_get(&t, name, &at);

		assert_int_equal(st, seen(f, &model[n]) ? ST_OK : ST_NOT_FOUND);
		if (st != ST_OK) {
			continue;
		}
		assert_int_equal(at, model[n].at_ms);
		if (rng_below(&f->box.rng, 10) == 0) {
			assert_int_equal(hash_timing_del(&t, name), ST_OK);
			model[n] = (struct field){0};
			continue;
		}
		at = rng_below(&f->box.rng, 5) == 0
			 ? 0
			 : f->box.now_ms + 1 + rng_below(&f->box.rng, 4000);
		assert_int_equal(hash_timing_set(&t, name, at), ST_OK);
		model[n].at_ms = at;
	}
	assert_int_equal(hash_timing_end(&t), ST_OK);
}

static void change(struct fixture *f, uint32_t hash)
{
	uint32_t n = (uint32_t)rng_below(&f->box.rng, hash == 0 ? 12 : FIELDS);
	struct field before[FIELDS], *model = f->hashes[hash];
	uint64_t dice = rng_below(&f->box.rng, 10);
	struct store_key key;
	struct meta m;
	char name[16];
	bool there;

	memcpy(before, model, sizeof before);
	key_of(hash, name, &key);
	engine_box_begin(&f->box);
	there = ks_lookup(f->box.e, &key, &m) == ST_OK;
	if (dice < 5 || !there) {
		set_field(f, &model[n], &key, there ? &m : NULL, n, dice == 0);
	} else if (dice < 7) {
		del_fields(f, model, &key, &m, n);
	} else {
		time_fields(f, model, &key, &m, n);
	}
	if (rng_below(&f->box.rng, 12) == 0) {
		engine_box_rollback(&f->box);
		memcpy(model, before, sizeof before);
	} else {
		engine_box_commit(&f->box);
	}
}

static void fields_are_those_of_a_model(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t hash = (uint32_t)rng_below(&f->box.rng, HASHES);

		change(f, hash);
		if (i % 7 == 0) {
			f->box.now_ms += rng_below(&f->box.rng, 300);
		}
		if (i % 40 == 0) {
			f->expired += engine_expire_cycle(f->box.e, f->box.now_ms, 20);
		}
		if (i % 20 == 0) {
			check_hash(f, hash);
		}
		engine_box_live(&f->box);
	}
	assert_true(f->timed > 20);
}

/* --- what goes by itself --- */

static void fill(struct fixture *f, struct store_key *key, uint32_t count, uint64_t at_ms)
{
	uint8_t text[LONG_FIELD];
	struct hash_timing t;
	struct meta m;
	uint64_t added;

	for (uint32_t n = 0; n < count; n++) {
		struct slice pair[2] = {field_name(n, text), slice_str("v")};
		bool there;

		engine_box_begin(&f->box);
		there = ks_lookup(f->box.e, key, &m) == ST_OK;
		assert_int_equal(
		    type_hash_set(f->box.e, key, there ? &m : NULL, pair, 1, &limits, &added),
		    ST_OK);
		assert_int_equal(ks_lookup(f->box.e, key, &m), ST_OK);
		hash_timing_begin(&t, f->box.e, key, &m);
		assert_int_equal(hash_timing_set(&t, pair[0], at_ms), ST_OK);
		assert_int_equal(hash_timing_end(&t), ST_OK);
		engine_box_commit(&f->box);
	}
}

/* Bounded: 64 fields of a hash at a time, and so on until the key is gone; also from the store's
 * index alone. */
static void fields_go_by_themselves(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	struct meta m;

	for (int round = 0; round < 2; round++) {
		store_key_of_key(&key, slice_str("going"));
		fill(f, &key, 200, f->box.now_ms + 100);
		if (round == 1) {
			engine_box_checkpoint(&f->box);
			engine_box_restart(&f->box);
		}
		f->box.now_ms += 99;
		(void)engine_expire_cycle(f->box.e, f->box.now_ms, 1000);
		engine_box_begin(&f->box);
		assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_OK);
		assert_int_equal(m.count, 200);
		engine_box_commit(&f->box);
		f->box.now_ms += 1;
		(void)engine_expire_cycle(f->box.e, f->box.now_ms, 1);
		engine_box_begin(&f->box);
		assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_OK);
		assert_int_equal(m.count, 136);
		engine_box_commit(&f->box);
		(void)engine_expire_cycle(f->box.e, f->box.now_ms, 100);
		engine_box_begin(&f->box);
		assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_NOT_FOUND);
		engine_box_commit(&f->box);
	}
}

/* What engine_options.expired has told. */
struct news {
	uint32_t fields, last, keys;
};

static void take_news(void *arg, struct slice key, enum expiry_news news)
{
	struct news *n = arg;

	(void)key;
	n->fields += news == EXPIRY_FIELDS;
	n->last += news == EXPIRY_LAST_FIELDS;
	n->keys += news == EXPIRY_KEY;
}

static bool is_there(struct fixture *f, const char *name)
{
	struct store_key key;
	struct meta m;
	enum status st;

	store_key_of_key(&key, slice_str(name));
	engine_box_begin(&f->box);
	st = ks_lookup(f->box.e, &key, &m);
	engine_box_rollback(&f->box);
	return st != ST_NOT_FOUND;
}

/* A large hash goes in small batches, each told once, and keeps nobody waiting. */
static void a_large_hash_goes_bit_by_bit(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	struct news news = {0};
	struct engine_stats stats;

	store_key_of_key(&key, slice_str("large"));
	fill(f, &key, 3000, f->box.now_ms + 100);
	store_key_of_key(&key, slice_str("small"));
	fill(f, &key, 1, f->box.now_ms + 101);
	f->box.expired = take_news;
	f->box.touched_arg = &news;
	f->box.now_ms += 101;
	assert_true(engine_expire_cycle(f->box.e, f->box.now_ms, 100) <= 100 + 64 + 64);
	assert_true(is_there(f, "large") && !is_there(f, "small"));
	for (uint32_t i = 0; i < 40 && is_there(f, "large"); i++) {
		(void)engine_expire_cycle(f->box.e, f->box.now_ms, 100);
	}
	assert_false(is_there(f, "large"));
	assert_int_equal(news.last, 2);
	assert_int_equal(news.keys, 0);
	assert_in_range(news.fields, 3000 / 64, 3000 / 32);
	engine_stats(f->box.e, &stats);
	assert_int_equal(stats.expired_fields, 3001);
	f->box.expired = NULL;
}

/* The others that are due in the same batch go all the same. */
static void a_damaged_hash_keeps_nobody(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	struct slice part = slice_str("no bucket");
	uint8_t bucket[HASH_BUCKET_KEY_LEN];
	struct meta m;

	store_key_of_key(&key, slice_str("damaged"));
	fill(f, &key, 5, f->box.now_ms + 100);
	store_key_of_key(&key, slice_str("whole"));
	fill(f, &key, 5, f->box.now_ms + 101);
	store_key_of_key(&key, slice_str("damaged"));
	engine_box_begin(&f->box);
	assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_OK);
	for (uint32_t n = 0; n < 5; n++) {
		uint8_t text[LONG_FIELD];

		bytes_put_u32be(bucket, (uint32_t)(key_order(field_name(n, text)) >> 16));
		assert_int_equal(ks_elem_put(f->box.e, key.slot, m.id,
					     slice_of(bucket, sizeof bucket), &part, 1),
				 ST_OK);
	}
	engine_box_commit(&f->box);
	f->box.now_ms += 101;
	assert_int_equal(engine_expire_cycle(f->box.e, f->box.now_ms, 100), 5);
	assert_true(is_there(f, "damaged") && !is_there(f, "whole"));
}

/* A small hash that has no such field any more is a blob again. */
static void the_small_form_comes_back(void **state)
{
	struct fixture *f = *state;
	struct slice names[2] = {slice_str("a"), slice_str("b")};
	struct slice pairs[4] = {names[0], slice_str("1"), names[1], slice_str("2")};
	struct store_key key;
	struct hash_timing t;
	struct meta m;
	uint64_t added;

	store_key_of_key(&key, slice_str("small"));
	engine_box_begin(&f->box);
	assert_int_equal(type_hash_set(f->box.e, &key, NULL, pairs, 2, &limits, &added), ST_OK);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_OK);
		assert_int_equal(m.form, round == 1 ? FORM_LARGE : FORM_INLINE);
		hash_timing_begin(&t, f->box.e, &key, &m);
		if (round == 2) {
			/* To and fro within one command. */
			assert_int_equal(hash_timing_del(&t, names[0]), ST_OK);
		} else {
			assert_int_equal(
			    hash_timing_set(&t, names[0], round == 0 ? f->box.now_ms + 1 : 0),
			    ST_OK);
		}
		assert_int_equal(hash_timing_end(&t), ST_OK);
	}
	assert_int_equal(ks_lookup(f->box.e, &key, &m), ST_OK);
	assert_int_equal(m.form, FORM_INLINE);
	assert_int_equal(type_hash_get(f->box.e, &key, &m, names[1], &pairs[0]), ST_OK);
	assert_int_equal(type_hash_get(f->box.e, &key, &m, names[0], &pairs[0]), ST_NOT_FOUND);
	engine_box_commit(&f->box);
}

static void copies_expire_as_well(void **state)
{
	struct fixture *f = *state;
	struct store_key from, to;
	struct meta m, copy;
	uint8_t text[LONG_FIELD];
	uint64_t at;

	store_key_of_key(&from, slice_str("from"));
	store_key_of_key(&to, slice_str("to"));
	fill(f, &from, 90, f->box.now_ms + 100);
	engine_box_begin(&f->box);
	assert_int_equal(ks_lookup(f->box.e, &from, &m), ST_OK);
	copy = m;
	copy.id = ks_new_id(f->box.e);
	assert_int_equal(type_copy_elements(f->box.e, &from, &m, to.slot, copy.id), ST_OK);
	assert_int_equal(ks_put(f->box.e, &to, NULL, &copy, NULL, 0), ST_OK);
	engine_box_commit(&f->box);
	engine_box_begin(&f->box);
	assert_int_equal(ks_lookup(f->box.e, &to, &m), ST_OK);
	assert_int_equal(m.fields_timed, 90);
	assert_int_equal(hash_expiry_get(f->box.e, to.slot, &m, field_name(30, text), &at), ST_OK);
	assert_int_equal(at, f->box.now_ms + 100);
	engine_box_commit(&f->box);
}

static void buckets_are_checked(void **state)
{
	uint8_t bytes[32] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 'a', 'b'};
	struct slice bucket = slice_of(bytes, 14), field;
	uint64_t at;

	(void)state;
	assert_int_equal(hash_bucket_next(&bucket, &field, &at), ST_OK);
	assert_true(slice_eq(field, slice_str("ab")) && at == 1);
	assert_int_equal(hash_bucket_next(&bucket, &field, &at), ST_END);
	for (size_t len = 1; len < 14; len++) {
		bucket = slice_of(bytes, len);
		assert_int_equal(hash_bucket_next(&bucket, &field, &at), ST_CORRUPT);
	}
	bytes_put_u64le(bytes, HASH_EXPIRY_MAX + 1);
	bucket = slice_of(bytes, 14);
	assert_int_equal(hash_bucket_next(&bucket, &field, &at), ST_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(fields_are_those_of_a_model, setup, teardown),
	    cmocka_unit_test_setup_teardown(fields_go_by_themselves, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_large_hash_goes_bit_by_bit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_damaged_hash_keeps_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_small_form_comes_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(copies_expire_as_well, setup, teardown),
	    cmocka_unit_test(buckets_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
