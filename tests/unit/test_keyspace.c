/* User keys and elements, the same whether they lie in the memtable, in one that is being drained,
 * or in the store. */
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	engine_box_open(b, 11);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	engine_box_close(*state);
	free(*state);
	return 0;
}

static void put_string(struct engine_box *b, const char *name, const char *value, uint64_t expiry)
{
	struct meta m = {.type = TYPE_STRING, .expire_at_ms = expiry}, old;
	struct slice part = slice_str(value);
	struct store_key key;
	enum status st;

	store_key_of_key(&key, slice_str(name));
	st = ks_lookup(b->e, &key, &old);
	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	assert_int_equal(ks_put(b->e, &key, st == ST_OK ? &old : NULL, &m, &part, 1), ST_OK);
}

/* The string under a key, NULL: none. */
static void expect(struct engine_box *b, const char *name, const char *want)
{
	struct store_key key;
	struct meta m;
	enum status st;

	store_key_of_key(&key, slice_str(name));
	st = ks_lookup(b->e, &key, &m);
	assert_int_equal(st, want == NULL ? ST_NOT_FOUND : ST_OK);
	if (want != NULL) {
		assert_true(slice_eq(m.payload, slice_str(want)));
	}
}

/* Runs step with the data in the memtable, then again after it went to the store and came back. */
static void in_every_layer(struct engine_box *b, void (*step)(struct engine_box *b))
{
	step(b);
	engine_box_checkpoint(b);
	step(b);
	engine_box_restart(b);
	step(b);
}

static void look_at_strings(struct engine_box *b)
{
	engine_box_begin(b);
	expect(b, "a", "one");
	expect(b, "b", NULL);
	expect(b, "c", "three");
	expect(b, "gone", NULL); /* its time has come */
	engine_box_commit(b);
}

static void keys_are_found_until_they_are_deleted_or_expired(void **state)
{
	struct engine_box *b = *state;
	struct store_key key;
	struct meta m;

	engine_box_begin(b);
	put_string(b, "a", "one", 0);
	put_string(b, "b", "two", 0);
	put_string(b, "c", "three", b->now_ms + 1);
	put_string(b, "gone", "x", b->now_ms);
	store_key_of_key(&key, slice_str("b"));
	assert_int_equal(ks_lookup(b->e, &key, &m), ST_OK);
	assert_int_equal(ks_delete(b->e, &key, &m), ST_OK);
	engine_box_commit(b);
	in_every_layer(b, look_at_strings);
}

static void a_rollback_leaves_everything_as_it_was(void **state)
{
	struct engine_box *b = *state;
	struct store_key key;
	struct meta m;

	engine_box_begin(b);
	put_string(b, "a", "one", 0);
	put_string(b, "c", "three", 0);
	engine_box_commit(b);
	for (int round = 0; round < 2; round++) {
		engine_box_begin(b);
		put_string(b, "a", "other, and longer than before", 0);
		put_string(b, "new", "x", b->now_ms + 9);
		store_key_of_key(&key, slice_str("c"));
		assert_int_equal(ks_lookup(b->e, &key, &m), ST_OK);
		assert_int_equal(ks_delete(b->e, &key, &m), ST_OK);
		if (round == 1) {
			assert_int_equal(ks_flush(b->e), ST_OK);
			expect(b, "a", NULL);
		}
		engine_box_rollback(b);
		engine_box_begin(b);
		expect(b, "a", "one");
		expect(b, "c", "three");
		expect(b, "new", NULL);
		engine_box_commit(b);
		assert_int_equal(engine_keys(b->e), 2);
		assert_int_equal(engine_expires(b->e), 0);
	}
}

/* --- collections --- */

enum { FIELDS = 40, LONG = 700 };

static struct slice field_name(int i, char *dst)
{
	/* Every fourth is longer than a store key. */
	size_t len = i % 4 == 0 ? LONG : 3;

	memset(dst, 'f', len);
	dst[len - 2] = (char)('0' + i / 10);
	dst[len - 1] = (char)('0' + i % 10);
	return slice_of(dst, len);
}

static struct store_key box_key;
static struct meta box_meta;

static void put_collection(struct engine_box *b)
{
	char name[LONG];

	store_key_of_key(&box_key, slice_str("h"));
	box_meta = (struct meta){.type = TYPE_HASH, .form = FORM_LARGE, .count = FIELDS};
	engine_box_begin(b);
	box_meta.id = ks_new_id(b->e);
	for (int i = 0; i < FIELDS; i++) {
		struct slice field = field_name(i, name), value = slice_str("value");
		uint8_t subkey[2] = {0, (uint8_t)i};

		assert_int_equal(ks_field_put(b->e, box_key.slot, box_meta.id, field, &value, 1),
				 ST_OK);
		assert_int_equal(ks_elem_put(b->e, box_key.slot, box_meta.id + 1,
					     slice_of(subkey, 2), &value, 1),
				 ST_OK);
	}
	(void)ks_new_id(b->e);
	assert_int_equal(ks_put(b->e, &box_key, NULL, &box_meta, NULL, 0), ST_OK);
	assert_int_equal(ks_field_del(b->e, box_key.slot, box_meta.id, field_name(7, name)), ST_OK);
	assert_int_equal(ks_elem_del(b->e, box_key.slot, box_meta.id + 1, slice_of("\0\7", 2)),
			 ST_OK);
	engine_box_commit(b);
}

static void look_at_elements(struct engine_box *b)
{
	struct ks_iter it = {0};
	struct slice name, value;
	uint64_t order, last = 0;
	char buf[LONG];
	int n = 0;

	engine_box_begin(b);
	for (int i = 0; i < FIELDS; i++) {
		assert_int_equal(
		    ks_field_get(b->e, box_key.slot, box_meta.id, field_name(i, buf), &value),
		    i == 7 ? ST_NOT_FOUND : ST_OK);
	}
	assert_int_equal(ks_fields_open(b->e, box_key.slot, box_meta.id, 0, &it), ST_OK);
	while (ks_fields_next(&it, &order, &name, &value) == ST_OK) {
		assert_true(order >= last && order == key_order(name));
		assert_true(slice_eq(value, slice_str("value")));
		last = order;
		n++;
	}
	ks_iter_close(&it);
	assert_int_equal(n, FIELDS - 1);
	n = FIELDS;
	assert_int_equal(
	    ks_elems_open(b->e, box_key.slot, box_meta.id + 1, slice_of(NULL, 0), true, &it),
	    ST_OK);
	while (ks_elems_next(&it, &name, &value) == ST_OK) {
		n -= n == 8 ? 2 : 1; /* 7 was deleted */
		assert_int_equal(name.data[1], n);
	}
	assert_int_equal(n, 0);
	ks_iter_close(&it);
	ks_iter_close(&it); /* twice is fine */
	assert_int_equal(
	    ks_elem_get(b->e, box_key.slot, box_meta.id + 1, slice_of("\0\3", 2), &value), ST_OK);
	engine_box_commit(b);
}

static void elements_are_found_and_walked_in_order(void **state)
{
	struct engine_box *b = *state;

	put_collection(b);
	in_every_layer(b, look_at_elements);
}

static void a_key_that_is_replaced_takes_its_elements_along(void **state)
{
	struct engine_box *b = *state;
	struct meta string = {.type = TYPE_STRING}, m;
	struct slice value = slice_str("x");
	char buf[LONG];

	put_collection(b);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	assert_int_equal(ks_lookup(b->e, &box_key, &m), ST_OK);
	assert_int_equal(ks_put(b->e, &box_key, &m, &string, &value, 1), ST_OK);
	engine_box_commit(b);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	expect(b, "h", "x");
	engine_box_commit(b);
	/* Nobody may name the dead id again; its elements go in the background. */
	engine_box_await_gone(b, box_key.slot, box_meta.id, field_name(1, buf));
}

static void a_write_that_did_not_look_drops_the_collection_below_it(void **state)
{
	struct engine_box *b = *state;
	struct meta string = {.type = TYPE_STRING};
	struct slice value = slice_str("x");
	char buf[LONG];

	put_collection(b);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	assert_int_equal(ks_put_blind(b->e, &box_key, &string, &value, 1), ST_OK);
	engine_box_commit(b);
	engine_box_checkpoint(b);
	engine_box_await_gone(b, box_key.slot, box_meta.id, field_name(1, buf));
	engine_box_begin(b);
	expect(b, "h", "x");
	engine_box_commit(b);
}

static void a_detached_collection_lives_on_under_another_key(void **state)
{
	struct engine_box *b = *state;
	struct store_key other;
	struct meta m;

	put_collection(b);
	engine_box_begin(b);
	store_key_of_key(&other, slice_str("{h}2"));
	assert_int_equal(other.slot, box_key.slot);
	assert_int_equal(ks_lookup(b->e, &box_key, &m), ST_OK);
	assert_int_equal(ks_detach(b->e, &box_key, &m), ST_OK);
	assert_int_equal(ks_put(b->e, &other, NULL, &m, NULL, 0), ST_OK);
	engine_box_commit(b);
	engine_box_begin(b);
	assert_int_equal(ks_lookup(b->e, &box_key, &m), ST_NOT_FOUND);
	assert_int_equal(ks_lookup(b->e, &other, &m), ST_OK);
	assert_int_equal(m.id, box_meta.id);
	engine_box_commit(b);
	in_every_layer(b, look_at_elements);
}

static void keys_of_a_slot_are_walked_in_order_and_resumed(void **state)
{
	struct engine_box *b = *state;
	struct ks_iter it = {0};
	struct slice name;
	struct meta m;
	uint64_t order, from = 0;
	uint16_t slot = keyslot(slice_str("{t}"));
	int n = 0;

	engine_box_begin(b);
	for (int i = 0; i < 30; i++) {
		char text[16];

		(void)snprintf(text, sizeof text, "{t}%d", i);
		put_string(b, text, "v", i == 4 ? b->now_ms : 0); /* one has expired */
	}
	engine_box_commit(b);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	put_string(b, "{t}30", "v", 0);
	for (;;) { /* one key at a time, resumed behind it */
		enum status st;

		assert_int_equal(ks_keys_open(b->e, slot, from, &it), ST_OK);
		st = ks_keys_next(&it, &order, &name, &m);
		if (st != ST_OK) {
			assert_int_equal(st, ST_END);
			ks_iter_close(&it);
			break;
		}
		assert_true(order >= from && order == key_order(name));
		from = order + 1;
		n++;
		ks_iter_close(&it);
	}
	assert_int_equal(n, 30);
	assert_int_equal(ks_random_slot(b->e, 12345), slot);
	assert_int_equal(ks_flush(b->e), ST_OK);
	engine_box_commit(b);
	assert_int_equal(ks_random_slot(b->e, 12345), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(keys_are_found_until_they_are_deleted_or_expired, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_rollback_leaves_everything_as_it_was, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(elements_are_found_and_walked_in_order, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_key_that_is_replaced_takes_its_elements_along, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_write_that_did_not_look_drops_the_collection_below_it,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(a_detached_collection_lives_on_under_another_key, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(keys_of_a_slot_are_walked_in_order_and_resumed, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
