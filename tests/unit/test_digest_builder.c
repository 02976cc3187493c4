/* Digests built step by step, beside changes, against those made from scratch. */
#include "engine/digest_builder.h"

#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAP ((uint64_t)64 << 20)

enum { SLOT = 7, OTHER = 9, KEYS = 40, FIELDS = 200, STEP = 300 };

struct fixture {
	struct temp_store temp;
	struct store_reader *reader;
	struct drain *d;
	struct digest_builder b;
	struct digest_built built[DIGEST_BUILT_MAX];
};

static struct slice key_of(struct store_key *key, uint16_t slot, int n)
{
	char name[16];
	int len = snprintf(name, sizeof name, "key:%d", n);

	store_key_of_key(key, slice_of(name, (size_t)len));
	key->slot = slot;
	key->bytes[0] = 0;
	key->bytes[1] = (uint8_t)slot;
	return store_key_slice(key);
}

static size_t make_record(uint64_t id, const char *payload, uint8_t *raw)
{
	struct meta m = {.type = TYPE_HASH, .form = id != 0 ? FORM_LARGE : FORM_INLINE, .id = id};
	size_t len = meta_encode(&m, raw);

	memcpy(raw + len, payload, id != 0 ? 0 : strlen(payload));
	return len + (id != 0 ? 0 : strlen(payload));
}

/* A record or an element comes, changes (as the drain does it) or goes (value NULL). */
static void change(struct fixture *f, struct slice key, const struct slice *value)
{
	struct slot_stat *stat = &f->d->stats[store_key_slot(key)];
	struct kept_entry before = {0}, after = {0};
	bool record = store_key_space(key) == KEYSPACE_KEY;
	struct slice old;

	if (store_txn_get(f->d->txn, key, &old) == ST_OK) {
		before.digest = digest_of_entry(key, old);
		if (record) {
			assert_int_equal(kept_entry_read(key, old, &before), ST_OK);
		}
	}
	if (value == NULL) {
		assert_int_equal(store_txn_del(f->d->txn, key), ST_OK);
	} else {
		after.digest = digest_of_entry(key, *value);
		if (record) {
			assert_int_equal(kept_entry_read(key, *value, &after), ST_OK);
		}
		assert_int_equal(store_txn_put(f->d->txn, key, *value), ST_OK);
	}
	f->d->touched[store_key_slot(key) / 64] |= UINT64_C(1) << (store_key_slot(key) % 64);
	stat->bytes = 1;
	if (record) {
		assert_int_equal(digest_keeper_record(&f->d->digests, stat, key, &before, &after),
				 ST_OK);
	} else {
		assert_int_equal(
		    digest_keeper_element(&f->d->digests, stat, key, before.digest, after.digest),
		    ST_OK);
	}
}

static void set(struct fixture *f, uint16_t slot, int n, uint64_t id, const char *payload)
{
	uint8_t raw[META_ENCODED_MAX + 64];
	struct store_key key;
	struct slice value = slice_of(raw, make_record(id, payload, raw));

	change(f, key_of(&key, slot, n), &value);
}

static void set_field(struct fixture *f, uint16_t slot, uint64_t id, int n, const char *text)
{
	char name[16];
	struct store_key key;
	struct slice value = text == NULL ? slice_of(NULL, 0) : slice_str(text);
	int len = snprintf(name, sizeof name, "f%d", n);

	store_key_of_field(&key, slot, id, slice_of(name, (size_t)len));
	change(f, store_key_slice(&key), text == NULL ? NULL : &value);
}

static struct digest scratch(struct fixture *f, uint16_t slot)
{
	struct content_digest c = {0};
	struct store_cursor *cursor;
	struct slice key, value;
	struct digest d;
	enum status st;

	assert_int_equal(store_reader_renew(f->reader), ST_OK);
	assert_int_equal(store_cursor_open(f->reader, &cursor), ST_OK);
	st = store_cursor_seek(cursor, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; st = store_cursor_next(cursor, &key, &value)) {
		if (store_key_slot(key) == slot) {
			assert_int_equal(content_digest_add(&c, key, value), ST_OK);
		}
	}
	d = content_digest_take(&c);
	content_digest_deinit(&c);
	store_cursor_close(cursor);
	store_reader_reset(f->reader);
	return d;
}

/* A store whose two slots have no digest. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	temp_store_create(&f->temp, MAP);
	f->d = calloc(1, sizeof *f->d);
	f->d->store = f->temp.store;
	assert_int_equal(store_reader_open(f->temp.store, &f->reader), ST_OK);
	f->d->stats[SLOT].undigested = true;
	f->d->stats[OTHER].undigested = true;
	assert_int_equal(drain_begin(f->d), ST_OK);
	for (int i = 0; i < KEYS; i++) {
		set(f, SLOT, i, i == 3 ? 77 : 0, "inline");
		set(f, OTHER, i, 0, "other");
	}
	for (int i = 0; i < FIELDS; i++) {
		set_field(f, SLOT, 77, i, "value");
	}
	assert_int_equal(drain_commit(f->d), ST_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_reader_close(f->reader);
	temp_store_destroy(&f->temp);
	free(f->d);
	free(f);
	return 0;
}

/* Steps until there is nothing to build; returns how many slots were told. */
static uint32_t finish(struct fixture *f)
{
	uint32_t told = 0, n;
	enum status st;

	while ((st = digest_builder_step(&f->b, f->d, f->reader, STEP, f->built, &n)) == ST_OK) {
		told += n;
	}
	assert_int_equal(st, ST_NOT_FOUND);
	return told;
}

static void assert_right(struct fixture *f, uint16_t slot)
{
	static struct slot_stat stored[SLOTS];

	assert_false(f->d->stats[slot].undigested);
	assert_true(digest_eq(f->d->stats[slot].digest, scratch(f, slot)));
	assert_int_equal(store_reader_renew(f->reader), ST_OK);
	assert_int_equal(store_reader_slots(f->reader, stored), ST_OK);
	store_reader_reset(f->reader);
	assert_false(stored[slot].undigested);
	assert_true(digest_eq(stored[slot].digest, f->d->stats[slot].digest));
}

static void slots_are_built_in_bounded_steps(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(digest_builder_left(&f->b, f->d), 2);
	assert_int_equal(finish(f), 2);
	assert_int_equal(digest_builder_left(&f->b, f->d), 0);
	assert_right(f, SLOT);
	assert_right(f, OTHER);
}

static void changes_between_the_steps_count_once(void **state)
{
	struct fixture *f = *state;
	uint32_t n, turn = 0;

	while (digest_builder_step(&f->b, f->d, f->reader, STEP, f->built, &n) == ST_OK) {
		int i = (int)(turn % KEYS);

		assert_int_equal(drain_begin(f->d), ST_OK);
		set(f, SLOT, i == 3 ? 4 : i, 0, "changed");
		set(f, SLOT, KEYS + i, 0, "new");
		set_field(f, SLOT, 77, (int)turn % FIELDS, turn % 3 == 0 ? NULL : "changed");
		set_field(f, SLOT, 77, FIELDS + (int)turn, "new");
		if (turn == 5) {
			set(f, SLOT, 900, 77, ""); /* named twice, as amid a rename */
			set(f, SLOT, 3, 0, "inline now");
		}
		assert_int_equal(drain_commit(f->d), ST_OK);
		turn++;
	}
	assert_true(turn > 10);
	assert_right(f, SLOT);
	assert_right(f, OTHER);
}

static void what_a_stop_interrupts_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(digest_builder_step(&f->b, f->d, f->reader, STEP, f->built, &n),
				 ST_OK);
	}
	assert_true(f->d->stats[SLOT].undigested);
	f->b = (struct digest_builder){0};
	assert_int_equal(drain_load(f->d, f->reader), ST_OK);
	assert_int_equal(digest_builder_left(&f->b, f->d), 2);
	/* Nobody counts what is written before it begins again. */
	assert_int_equal(drain_begin(f->d), ST_OK);
	set(f, SLOT, 3, 0, "no collection any more");
	set(f, SLOT, 5, 77, "");
	assert_int_equal(drain_commit(f->d), ST_OK);
	assert_int_equal(finish(f), 2);
	assert_right(f, SLOT);
	assert_right(f, OTHER);
}

static void an_emptied_keyspace_has_nothing_to_build(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	assert_int_equal(digest_builder_step(&f->b, f->d, f->reader, STEP, f->built, &n), ST_OK);
	assert_int_equal(drain_begin(f->d), ST_OK);
	assert_int_equal(drain_clear(f->d), ST_OK);
	set(f, SLOT, 1, 0, "first");
	assert_int_equal(drain_commit(f->d), ST_OK);
	assert_int_equal(finish(f), 0);
	assert_right(f, SLOT);
}

static void a_damaged_slot_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct store_key key;

	assert_int_equal(drain_begin(f->d), ST_OK);
	assert_int_equal(
	    store_txn_put(f->d->txn, key_of(&key, SLOT, 9), slice_of("\xff\xff\xff", 3)), ST_OK);
	assert_int_equal(drain_commit(f->d), ST_OK);
	assert_int_equal(finish(f), 1);
	assert_true(f->d->stats[SLOT].undigested);
	assert_int_equal(digest_builder_left(&f->b, f->d), 0);
	assert_right(f, OTHER);
}

static void what_a_damaged_slot_undoes_is_built_again(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	uint32_t told = 0, n;

	assert_int_equal(drain_begin(f->d), ST_OK);
	assert_int_equal(
	    store_txn_put(f->d->txn, key_of(&key, OTHER, 9), slice_of("\xff\xff\xff", 3)), ST_OK);
	assert_int_equal(drain_commit(f->d), ST_OK);
	/* One step that would do both slots. */
	while (digest_builder_step(&f->b, f->d, f->reader, MAP, f->built, &n) == ST_OK) {
		told += n;
	}
	assert_int_equal(told, 1);
	assert_right(f, SLOT);
	assert_true(f->d->stats[OTHER].undigested);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(slots_are_built_in_bounded_steps),     T(changes_between_the_steps_count_once),
	    T(what_a_stop_interrupts_is_begun_anew), T(an_emptied_keyspace_has_nothing_to_build),
	    T(a_damaged_slot_is_passed_over),	     T(what_a_damaged_slot_undoes_is_built_again),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
