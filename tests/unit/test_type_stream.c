/* Streams against a plain model: random operations with checkpoints and restarts between them. */
#include "engine/types/type_stream.h"

#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 3000, STEPS = 1500 };

struct model {
	struct stream_id ids[ENTRIES_MAX];
	uint32_t values[ENTRIES_MAX]; /* numbers of engine_box_value */
	size_t count;
	uint64_t added;
	struct stream_id last, max_deleted;
};

struct fixture {
	struct engine_box box;
	struct store_key key;
	struct model m;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	engine_box_open(&f->box, 11);
	store_key_of_key(&f->key, slice_str("stream"));
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

static void open_stream(struct fixture *f, struct stream *s)
{
	struct meta m;
	enum status st;

	engine_box_begin(&f->box);
	st = ks_lookup(f->box.e, &f->key, &m);
	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	assert_int_equal(stream_open(s, f->box.e, &f->key, st == ST_OK ? &m : NULL), ST_OK);
}

static void save(struct fixture *f, struct stream *s)
{
	assert_int_equal(stream_save(s), ST_OK);
	engine_box_commit(&f->box);
}

static void model_remove(struct model *m, size_t at, size_t n)
{
	memmove(m->ids + at, m->ids + at + n, (m->count - at - n) * sizeof m->ids[0]);
	memmove(m->values + at, m->values + at + n, (m->count - at - n) * sizeof m->values[0]);
	m->count -= n;
}

static void append(struct fixture *f, struct stream *s)
{
	uint8_t bytes[BOX_VALUE_MAX];
	struct model *m = &f->m;
	uint32_t v = (uint32_t)rng_below(&f->box.rng, 1000);
	struct slice fields[2] = {slice_str("field"), engine_box_value(v, bytes)};
	struct stream_id id = m->last;

	if (m->count == ENTRIES_MAX) {
		return;
	}
	if (rng_below(&f->box.rng, 3) == 0) {
		id.ms += 1 + rng_below(&f->box.rng, 5);
		id.seq = 0;
	}
	assert_true(stream_id_next(&id));
	assert_int_equal(stream_append(s, id, fields, 2), ST_OK);
	m->ids[m->count] = m->last = id;
	m->values[m->count++] = v;
	m->added++;
}

static void delete_one(struct fixture *f, struct stream *s)
{
	struct model *m = &f->m;
	size_t at = m->count == 0		     ? 0
		    : rng_below(&f->box.rng, 2) == 0 ? 0
						     : (size_t)rng_below(&f->box.rng, m->count);
	struct stream_id id = m->count == 0 ? (struct stream_id){7, 7} : m->ids[at];
	bool existed, again;

	assert_int_equal(stream_delete(s, id, &existed), ST_OK);
	assert_int_equal(existed, m->count > 0);
	assert_int_equal(stream_delete(s, id, &again), ST_OK);
	assert_false(again);
	if (existed) {
		if (stream_id_compare(id, m->max_deleted) > 0) {
			m->max_deleted = id;
		}
		model_remove(m, at, 1);
	}
}

static void trim(struct fixture *f, struct stream *s)
{
	struct model *m = &f->m;
	uint64_t n = rng_below(&f->box.rng, m->count / 2 + 2), removed;

	assert_int_equal(stream_remove_range(s, STREAM_ID_MIN, STREAM_ID_MAX, n, &removed), ST_OK);
	n = n < m->count ? n : m->count;
	assert_int_equal(removed, n);
	model_remove(m, 0, n);
}

static void expect_entry(const struct model *m, size_t at, struct stream_id id, struct slice value)
{
	uint8_t bytes[BOX_VALUE_MAX];
	struct slice text;

	assert_int_equal(stream_id_compare(id, m->ids[at]), 0);
	assert_true(stream_entry_next(&value, &text));
	assert_true(slice_eq(text, slice_str("field")));
	assert_true(stream_entry_next(&value, &text));
	assert_true(slice_eq(text, engine_box_value(m->values[at], bytes)));
	assert_int_equal(value.len, 0);
}

static void compare(struct fixture *f)
{
	const struct model *m = &f->m;
	size_t from = m->count == 0 ? 0 : (size_t)rng_below(&f->box.rng, m->count), n = 0;
	size_t to = m->count == 0 ? 0 : from + (size_t)rng_below(&f->box.rng, m->count - from);
	bool reverse = rng_below(&f->box.rng, 2) == 0;
	struct stream_iter it;
	struct stream_id id;
	struct slice value;
	struct stream s;

	open_stream(f, &s);
	assert_int_equal(stream_length(&s), m->count);
	assert_int_equal(stream_entries_added(&s), m->added);
	assert_int_equal(stream_id_compare(stream_last_id(&s), m->last), 0);
	assert_int_equal(stream_id_compare(s.max_deleted, m->max_deleted), 0);
	assert_int_equal(stream_edge(&s, false, &id), ST_OK);
	assert_int_equal(stream_id_compare(id, m->count > 0 ? m->ids[0] : STREAM_ID_MIN), 0);
	assert_int_equal(stream_edge(&s, true, &id), ST_OK);
	assert_int_equal(stream_id_compare(id, m->count > 0 ? m->ids[m->count - 1] : STREAM_ID_MIN),
			 0);
	if (m->count > 0) {
		assert_int_equal(stream_iter_open(&s, m->ids[from], m->ids[to], reverse, &it),
				 ST_OK);
		for (; stream_iter_next(&it, &id, &value) == ST_OK; n++) {
			expect_entry(m, reverse ? to - n : from + n, id, value);
		}
		stream_iter_close(&it);
		assert_int_equal(n, to - from + 1);
		assert_int_equal(stream_get(&s, m->ids[from], &value), ST_OK);
		expect_entry(m, from, m->ids[from], value);
	}
	engine_box_rollback(&f->box);
}

static void random_operations_agree_with_a_model(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < STEPS; i++) {
		struct stream s;

		open_stream(f, &s);
		switch (rng_below(&f->box.rng, 10)) {
		case 0:
			trim(f, &s);
			break;
		case 1:
		case 2:
			delete_one(f, &s);
			break;
		default:
			for (uint64_t n = 1 + rng_below(&f->box.rng, 4); n > 0; n--) {
				append(f, &s);
			}
			break;
		}
		save(f, &s);
		compare(f);
		engine_box_live(&f->box);
	}
	engine_box_restart(&f->box);
	compare(f);
}

static void an_empty_stream_stays_and_goes_with_its_key(void **state)
{
	struct fixture *f = *state;
	struct slice fields[2] = {slice_str("f"), slice_str("v")};
	struct stream s;
	struct meta m;
	bool existed;

	open_stream(f, &s);
	assert_int_equal(stream_append(&s, (struct stream_id){1, 1}, fields, 2), ST_OK);
	assert_int_equal(stream_delete(&s, (struct stream_id){1, 1}, &existed), ST_OK);
	save(f, &s);
	engine_box_checkpoint(&f->box);
	open_stream(f, &s);
	assert_true(s.exists);
	assert_int_equal(stream_length(&s), 0);
	assert_int_equal(stream_entries_added(&s), 1);
	assert_int_equal(ks_lookup(f->box.e, &f->key, &m), ST_OK);
	assert_int_equal(ks_delete(f->box.e, &f->key, &m), ST_OK);
	engine_box_commit(&f->box);
	open_stream(f, &s);
	assert_false(s.exists);
	assert_int_equal(stream_entries_added(&s), 0);
	engine_box_rollback(&f->box);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(random_operations_agree_with_a_model),
	    TEST(an_empty_stream_stays_and_goes_with_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
